"""Figures of models from binned counts: what came true, what is to be expected, where it fails, and the decision.

Everything here is a pure function of counts, so that the cost grows with days and bins, not with rows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from maeari.statistics import Interval, wilson_interval

Z_95 = float(stats.norm.ppf(0.975))
LOWER_IS_BETTER = frozenset({"brier_score", "calibration_error", "mean_absolute_error", "root_mean_squared_error"})
MIN_PAIRS = 5
DOUBT = 0.05


@dataclass(frozen=True)
class Figure(Interval):
    """A figure with its 95 % interval and the rows behind it; nan with the widest limits where there is none."""

    rows: int


class Level(NamedTuple):
    """How well a model did on some labelled rows, in the two numbers that a decision needs; greater is better in both.

    The mean is of what each row loses when the model fails, with its standard error; the figure is the one in which
    people state how much may be lost.
    """

    rows: int
    mean: float
    standard_error: float
    figure: Interval


class Compared(NamedTuple):
    """Figures of a reference and a window: first as they are, then as they would be in other samples of as many rows.

    Expected is what the relation of scores and labels in the reference gives on either's rows.
    """

    reference: dict[str, np.ndarray]
    expected_of_reference: dict[str, np.ndarray]
    expected_of_window: dict[str, np.ndarray]
    window: dict[str, np.ndarray]


class EstimatorError(NamedTuple):
    """How an estimator did wherever the truth arrived, and what follows, in a sentence."""

    pairs: int
    mean_absolute_error: float
    bias: float
    inside: Interval
    is_trusted: bool
    sentence: str


def estimator_error(pairs: Iterable[tuple[Interval, Interval]]) -> EstimatorError:
    """The error of past estimates against what was realized; pairs where either is nan do not count.

    The intervals claim to hold 95 % of the realized values. An estimator is trusted from five pairs on, unless so few
    lay inside that right intervals would do as badly with a chance under 5 % (one-sided exact binomial test).
    """
    known = [
        (estimate, found.value)
        for estimate, found in pairs
        if not (math.isnan(estimate.value) or math.isnan(found.value))
    ]
    count = len(known)
    if not count:
        return EstimatorError(
            0,
            math.nan,
            math.nan,
            wilson_interval(0, 0),
            False,
            "No estimate has met its labels yet: how far off it is, nobody knows.",
        )
    errors = np.array([estimate.value - found for estimate, found in known])
    inside = sum(estimate.low <= found <= estimate.high for estimate, found in known)
    is_wrong = float(stats.binom.cdf(inside, count, 0.95)) < DOUBT
    bias, absolute = float(errors.mean()), float(abs(errors).mean())
    told = (
        f"In {count} {'window' if count == 1 else 'windows'} the estimate was off by {absolute:.3g} on average "
        f"({abs(bias):.3g} too {'high' if bias > 0 else 'low'}), and {inside} of {count} realized values lay inside "
        "its 95 % interval"
    )
    if is_wrong:
        rest = ": it has been wrong, so wait for the labels."
    elif count < MIN_PAIRS:
        rest = f": too few to trust it, {MIN_PAIRS} are wanted."
    else:
        rest = ", as many as it claims."
    return EstimatorError(
        count, absolute, bias, wilson_interval(inside, count), count >= MIN_PAIRS and not is_wrong, told + rest
    )


def share(successes: float, trials: float, rows: float) -> Figure:
    """A share with Wilson's limits (1927), as a figure of so many rows."""
    if not trials:
        return Figure(math.nan, 0.0, 1.0, int(rows))
    return _wilson(float(successes / trials), float(trials), rows)


def level_of_share(successes: float, figure: Figure) -> Level:
    """The level that is a share, its standard error that of the share moved off 0 and 1 (Agresti and Coull 1998)."""
    moved = (successes + 2) / (figure.rows + 4)
    error = math.sqrt(moved * (1 - moved) / figure.rows) if figure.rows else math.nan
    return Level(figure.rows, figure.value, error, figure)


def between_0_and_1(value: float, variance: float, least_rows: float, rows: float) -> Figure:
    """A figure between 0 and 1 with Wilson's limits for the number of rows at which a share would vary as much.

    That effective number (Korn and Graubard 1998) keeps the limits inside and unlike at either side, as they should be
    near 1; where the figure does not vary at all, `least_rows` takes its place.
    """
    if math.isnan(value):
        return Figure(value, 0.0, 1.0, int(rows))
    varies = variance > 0 and 0 < value < 1
    return _wilson(value, float(value * (1 - value) / variance if varies else least_rows), rows)


def _wilson(value: float, trials: float, rows: float) -> Figure:
    # In closed form, for numbers that are not whole and for speed: scipy's interval comes with a test of 2 ms.
    shrink = 1 + Z_95**2 / trials
    centre = (value + Z_95**2 / (2 * trials)) / shrink
    margin = Z_95 / shrink * math.sqrt(value * (1 - value) / trials + (Z_95 / (2 * trials)) ** 2)
    low = 0.0 if value == 0 else max(centre - margin, 0.0)
    return Figure(value, low, 1.0 if value == 1 else min(centre + margin, 1.0), int(rows))


def from_draws(value: float, draws: np.ndarray, rows: float, highest: float = 1.0) -> Figure:
    """A figure with the middle 95 % of its draws as limits (0 and `highest` where it has no value)."""
    known = draws[~np.isnan(draws)]
    if math.isnan(value) or not len(known):
        return Figure(math.nan, 0.0, highest, int(rows))
    low, high = np.quantile(known, [0.025, 0.975])
    return Figure(value, min(float(low), value), max(float(high), value), int(rows))


def mean_of(values: np.ndarray, numbers: np.ndarray) -> tuple[float, float]:
    """The mean of values that occur so often, and its standard error (nan under two rows)."""
    rows = float(numbers.sum())
    if not rows:
        return math.nan, math.nan
    mean = float(values @ numbers / rows)
    if rows < 2:
        return mean, math.nan
    return mean, math.sqrt(float(((values - mean) ** 2) @ numbers) / (rows - 1) / rows)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Parts of wholes, nan where there is nothing."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def whole_counts(name: str, *counts: np.ndarray) -> None:
    """Refuse counts that are negative or not finite."""
    for found in counts:
        if not np.isfinite(found).all() or (np.asarray(found) < 0).any():
            raise ValueError(f"{name} counts rows, and one of its arrays holds {np.min(found)}; build it anew.")
