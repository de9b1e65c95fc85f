"""Regression: figures from sums of errors by bin of the prediction."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from maeari.statistics import Interval
from monitoring.figures import Z_95, Compared, Figure, Level, ratio, whole_counts
from monitoring.figures.binary import REPLICATES

NORMAL_KURTOSIS = 3.0
BORROWED_ROWS = 5


@dataclass(frozen=True, eq=False)
class ErrorCounts:
    """Rows by bin of the prediction, with the sums of absolute and squared errors of the labelled ones.

    `edges` are the inner edges of K bins; all other arrays have length K. Without the sums of fourth powers a normal
    error within each bin is taken for the limits of the root mean squared error: too narrow where tails are heavy.
    """

    edges: np.ndarray
    rows: np.ndarray
    labelled: np.ndarray
    absolute_error_sums: np.ndarray
    squared_error_sums: np.ndarray
    quartic_error_sums: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, found in self._sums().items():
            if len(found) != len(self.edges) + 1:
                raise ValueError(f"{name} has {len(found)} bins and the edges make {len(self.edges) + 1}.")
        whole_counts("ErrorCounts", *self._sums().values())
        if (self.labelled > self.rows).any():
            raise ValueError("A bin has more labelled rows than rows.")

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        _together(self, other)
        mine, theirs = self._sums(), other._sums()
        if mine.keys() != theirs.keys():
            raise ValueError("Only one of the counts has sums of fourth powers; count both alike.")
        return replace(self, **{name: mine[name] + theirs[name] for name in mine})

    def _sums(self) -> dict[str, np.ndarray]:
        every = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        return {name: found for name, found in every.items() if found is not None}

    @classmethod
    def of(cls, predictions: np.ndarray, truth: np.ndarray, edges: np.ndarray) -> "ErrorCounts":
        """Count raw rows; the truth is nan where not known."""
        predictions, truth = np.asarray(predictions, dtype=float), np.asarray(truth, dtype=float)
        bins, known = np.searchsorted(edges, predictions, side="right"), ~np.isnan(truth)
        errors = abs(predictions - truth)[known]
        rows, labelled = (np.bincount(found, minlength=len(edges) + 1) for found in (bins, bins[known]))
        sums = (np.bincount(bins[known], errors**power, len(edges) + 1) for power in (1, 2, 4))
        return cls(edges, rows, labelled, *sums)


def realized(counts: ErrorCounts) -> dict[str, Figure]:
    """Mean absolute and root mean squared error with normal limits (of the latter's logarithm); they need two rows."""
    rows = int(counts.labelled.sum())
    if not rows:
        return {name: _nothing(0) for name in _FIGURES}
    absolute, squared = (float(sums.sum()) / rows for sums in (counts.absolute_error_sums, counts.squared_error_sums))
    return {
        "mean_absolute_error": _positive(absolute, _error(squared - absolute**2, rows), rows),
        "root_mean_squared_error": _root(squared, _error(_fourth(counts).sum() / rows - squared**2, rows), rows),
    }


def estimated(reference: ErrorCounts, window: ErrorCounts) -> dict[str, Figure]:
    """What the truth of all the window's rows is expected to say: the reference's errors by bin, mixed as these rows.

    Five rows with the mean error of all bins are added to each bin, so that bins of few labels, and those without, have
    an error too. The limits cover the uncertainty of those means and the errors of the window's rows.
    """
    rows = int(window.rows.sum())
    if reference.labelled.sum() < 2 or not rows:
        return {name: _nothing(rows) for name in _FIGURES}
    _together(reference, window)
    mixed, found = window.rows / rows, {}
    for name, (sums, squares) in _powers(reference).items():
        spread = _spread(reference.labelled, sums, squares)
        mean, uncertainty = _shrunk(reference.labelled, ratio(sums, reference.labelled), spread)
        error = math.sqrt(float(mixed**2 @ uncertainty) + float(mixed @ spread) / rows)
        found[name] = _FIGURES[name](float(mixed @ mean), error, rows)
    return found


def compared(reference: ErrorCounts, window: ErrorCounts, seed: int = 0) -> Compared:
    """Realized and expected figures on the labelled rows of both, with samples as in `binary.compared`.

    A bin's mean error is drawn from a normal distribution.
    """
    _together(reference, window)
    random = np.random.default_rng(seed)
    found: list[dict[str, np.ndarray]] = [{}, {}, {}, {}]
    usual, now = _drawn_rows(random, reference.labelled), _drawn_rows(random, window.labelled)
    theirs = _powers(window)
    for name, (sums, squares) in _powers(reference).items():
        spread = _spread(reference.labelled, sums, squares)
        means = _drawn_means(random, usual, ratio(sums, reference.labelled), spread)
        now_means = _drawn_means(
            random, now, ratio(theirs[name][0], window.labelled), _spread(window.labelled, *theirs[name])
        )
        model, _ = _shrunk(usual, means, spread)
        sides = ((usual, means), (usual, model), (now, model), (now, now_means))
        for part, (rows, mean) in zip(found, sides, strict=True):
            value = ratio((rows * np.nan_to_num(mean)).sum(axis=-1), rows.sum(axis=-1))
            part[name] = value if name == "mean_absolute_error" else np.sqrt(np.maximum(value, 0))
    return Compared(*found)


def level(counts: ErrorCounts) -> Level:
    """For a decision: the mean absolute error below zero, since greater must be better."""
    found = realized(counts)["mean_absolute_error"]
    rows = found.rows
    variance = float(counts.squared_error_sums.sum()) / rows - found.value**2 if rows else math.nan
    return Level(rows, -found.value, _error(variance, rows), Interval(-found.value, -found.high, -found.low))


def _powers(counts: ErrorCounts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By figure, the sums by bin of what it averages, and of the squares of that."""
    return {
        "mean_absolute_error": (counts.absolute_error_sums, counts.squared_error_sums),
        "root_mean_squared_error": (counts.squared_error_sums, _fourth(counts)),
    }


def _fourth(counts: ErrorCounts) -> np.ndarray:
    if counts.quartic_error_sums is not None:
        return counts.quartic_error_sums
    return NORMAL_KURTOSIS * np.nan_to_num(ratio(counts.squared_error_sums**2, counts.labelled))


def _spread(labelled: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """The variance of one row's error in each bin, with five rows as usual borrowed from all bins."""
    within = np.maximum(squares - np.nan_to_num(ratio(sums**2, labelled)), 0)
    usual = within.sum() / max(labelled.sum() - (labelled > 0).sum(), 1)
    spread = (within + BORROWED_ROWS * usual) / (labelled + BORROWED_ROWS)
    return np.maximum(spread, np.finfo(float).tiny + 1e-12 * (sums.sum() / max(labelled.sum(), 1)) ** 2)


def _shrunk(labelled: np.ndarray, means: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each bin's mean error with five rows as usual borrowed, and its variance; bins are the last dimension."""
    means, total = np.nan_to_num(means), labelled.sum(axis=-1, keepdims=True)
    usual = (labelled * means).sum(axis=-1, keepdims=True) / total
    between = (labelled * (means - usual) ** 2).sum(axis=-1, keepdims=True) / total
    borrowed = BORROWED_ROWS / (labelled + BORROWED_ROWS)
    own = labelled * spread / (labelled + BORROWED_ROWS) ** 2
    return means + borrowed * (usual - means), own + borrowed**2 * between


def _drawn_rows(random: np.random.Generator, labelled: np.ndarray) -> np.ndarray:
    """The labelled rows by bin, followed by as many drawn anew, `REPLICATES` times."""
    total = int(labelled.sum())
    return np.vstack([labelled, random.multinomial(total, ratio(labelled, total), REPLICATES)])


def _drawn_means(random: np.random.Generator, rows: np.ndarray, means: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The mean errors by bin, first as they are, then as drawn for so many rows."""
    means = np.nan_to_num(means)
    noise = random.standard_normal((len(rows) - 1, len(means))) * np.sqrt(spread / np.maximum(rows[1:], 1))
    return np.vstack([means, means + noise])


def _error(variance: float, rows: int) -> float:
    """The standard error of a mean of rows with this variance (divided by all rows), nan under two rows."""
    return math.sqrt(max(variance, 0.0) / (rows - 1)) if rows > 1 else math.nan


def _positive(value: float, error: float, rows: int) -> Figure:
    if math.isnan(error):
        return Figure(value, 0.0, math.inf, rows)
    return Figure(value, max(value - Z_95 * error, 0.0), value + Z_95 * error, rows)


def _root(square: float, error: float, rows: int) -> Figure:
    """The root of a mean square, with limits that are normal on the scale of its logarithm."""
    value = math.sqrt(max(square, 0.0))
    if math.isnan(error):
        return Figure(value, 0.0, math.inf, rows)
    times = math.exp(Z_95 * error / square / 2) if square > 0 else 1.0
    return Figure(value, value / times, value * times, rows)


def _nothing(rows: int) -> Figure:
    return Figure(math.nan, 0.0, math.inf, rows)


_FIGURES = {"mean_absolute_error": _positive, "root_mean_squared_error": _root}


def _together(reference: ErrorCounts, window: ErrorCounts) -> None:
    if not np.array_equal(reference.edges, window.edges):
        raise ValueError("The counts are not on the same edges of predictions; count both on one reference's.")
