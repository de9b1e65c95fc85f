"""Classifiers of several classes: figures from counts by predicted class, true class and bin of confidence."""

import math
from dataclasses import dataclass, replace

import numpy as np

from monitoring.figures import (
    Compared,
    Figure,
    Level,
    between_0_and_1,
    from_draws,
    level_of_share,
    ratio,
    share,
    whole_counts,
)
from monitoring.figures.binary import PRIOR_CURVE, PRIOR_PRECISION, REPLICATES, calibrated, fit_curve

CLASS_PRECISION = 4.0
_BY_BIN = ("rows", "confidence_sums", "labelled", "labelled_confidence_sums", "right")


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Rows by predicted class and bin of the confidence in it, with what is known of their true classes.

    `edges` are the inner edges of K bins on [0, 1]. All but `confusion` have the shape (predicted class, K).
    """

    classes: tuple[str, ...]
    edges: np.ndarray
    rows: np.ndarray
    confidence_sums: np.ndarray
    labelled: np.ndarray
    labelled_confidence_sums: np.ndarray
    right: np.ndarray
    """Labelled rows whose predicted class is the true one."""
    confusion: np.ndarray
    """Labelled rows by predicted and true class: (classes, classes)."""

    def __post_init__(self) -> None:
        classes, bins = len(self.classes), len(self.edges) + 1
        for name in (*_BY_BIN, "confusion"):
            shape = (classes, classes if name == "confusion" else bins)
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(
                    f"{name} has the shape {np.shape(getattr(self, name))}; {classes} classes and {bins} bins of "
                    f"confidence want {shape}."
                )
        whole_counts("ClassCounts", self.rows, self.labelled, self.right, self.confusion)
        if (self.labelled > self.rows).any() or (self.right > self.labelled).any():
            raise ValueError("A bin has more labelled rows than rows, or more right ones than labelled.")
        seen = (self.confusion.sum(axis=1), np.diag(self.confusion))
        if not all(map(np.array_equal, seen, (self.labelled.sum(axis=1), self.right.sum(axis=1)))):
            raise ValueError("The confusion matrix holds other rows than the bins do; count both from the same rows.")

    def __add__(self, other: "ClassCounts") -> "ClassCounts":
        _together(self, other)
        names = (*_BY_BIN, "confusion")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})

    @classmethod
    def of(
        cls,
        predicted: np.ndarray,
        true: np.ndarray,
        confidence: np.ndarray,
        classes: tuple[str, ...],
        edges: np.ndarray,
    ) -> "ClassCounts":
        """Count raw rows; classes are places in `classes`, a true one is -1 where not known."""
        predicted, true = np.asarray(predicted, dtype=int), np.asarray(true, dtype=int)
        confidence, known = np.asarray(confidence, dtype=float), true >= 0
        bins = np.searchsorted(edges, confidence, side="right")
        flat = (len(classes), len(edges) + 1)
        rows, labelled, right = (np.zeros(flat, dtype=int) for _ in range(3))
        sums, labelled_sums = np.zeros(flat), np.zeros(flat)
        confusion = np.zeros((len(classes), len(classes)), dtype=int)
        is_right = known & (predicted == true)
        np.add.at(rows, (predicted, bins), 1)
        np.add.at(sums, (predicted, bins), confidence)
        np.add.at(labelled, (predicted[known], bins[known]), 1)
        np.add.at(labelled_sums, (predicted[known], bins[known]), confidence[known])
        np.add.at(right, (predicted[is_right], bins[is_right]), 1)
        np.add.at(confusion, (predicted[known], true[known]), 1)
        return cls(tuple(classes), edges, rows, sums, labelled, labelled_sums, right, confusion)

    def confidence(self, labelled: bool = False) -> np.ndarray:
        """The mean confidence by class and bin of all rows or of the labelled; the middle of a bin without any."""
        outer = np.concatenate([[0.0], self.edges, [1.0]])
        found = (
            ratio(self.labelled_confidence_sums, self.labelled) if labelled else ratio(self.confidence_sums, self.rows)
        )
        return np.where(np.isnan(found), (outer[1:] + outer[:-1]) / 2, found)


def realized(counts: ClassCounts) -> dict[str, Figure]:
    """Accuracy with Wilson's limits and macro F1; `rows` are the labelled rows.

    Macro F1 is the mean over classes that were predicted or true; its variance is the delta method's over the confusion
    matrix (Takahashi et al. 2022).
    """
    confusion = counts.confusion
    rows = int(confusion.sum())
    value = float(figures(confusion)["macro_f1"])
    variance = 0.0 if math.isnan(value) else _macro_f1_variance(confusion / rows) / rows
    return {
        "accuracy": share(np.trace(confusion), rows, rows),
        "macro_f1": between_0_and_1(value, variance, rows, rows),
    }


def estimated(reference: ClassCounts, window: ClassCounts, seed: int = 0) -> dict[str, Figure]:
    """What the true classes of all the window's rows are expected to say, before they are known.

    The confidence in the predicted class is calibrated for each class (Kivimäki et al. 2025, arXiv:2407.08649), near
    one curve of all classes where a class has few labels. Wrong rows are spread over the true classes as they were in
    the reference. Limits as in `binary.estimated`.
    """
    rows = int(window.rows.sum())
    if not reference.labelled.sum() or not rows:
        return {name: Figure(math.nan, 0.0, 1.0, rows) for name in ("accuracy", "macro_f1")}
    _together(reference, window)
    random = np.random.default_rng(seed)
    here, there, labelled = reference.confidence(labelled=True), window.confidence(), reference.labelled
    usual, now = _calibrated(labelled, reference.right, here, (here, there))
    mistakes = _mistakes(reference.confusion)
    drawn = random.binomial(labelled, usual, (REPLICATES, *usual.shape))
    (drawn_now,) = _calibrated(labelled, drawn, here, (there,))
    drawn_mistakes = _mistakes(_spread(random, (labelled - drawn).sum(axis=-1), mistakes))
    right = random.binomial(window.rows, drawn_now)
    wrong = _spread(random, (window.rows - right).sum(axis=-1), drawn_mistakes)
    values = figures(_confusion((window.rows * now).sum(axis=-1), (window.rows * (1 - now)).sum(axis=-1), mistakes))
    draws = figures(wrong + _diagonal(right.sum(axis=-1)))
    return {name: from_draws(float(values[name]), draws[name], rows) for name in values}


def compared(reference: ClassCounts, window: ClassCounts, seed: int = 0) -> Compared:
    """Realized and expected figures on the labelled rows of both, with samples as in `binary.compared`."""
    _together(reference, window)
    random = np.random.default_rng(seed)
    here, there = reference.confidence(labelled=True), window.confidence(labelled=True)

    def sample(counts: ClassCounts, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labelled, mistakes = counts.labelled, _mistakes(counts.confusion)
        (chance,) = _calibrated(labelled, counts.right, confidence, (confidence,))
        total = int(labelled.sum())
        drawn = random.multinomial(total, ratio(labelled, total).ravel(), REPLICATES).reshape(-1, *labelled.shape)
        right = random.binomial(drawn, chance)
        wrong = _spread(random, (drawn - right).sum(axis=-1), mistakes)
        return (
            np.concatenate([labelled[None], drawn]),
            np.concatenate([counts.right[None], right]),
            np.concatenate([counts.confusion[None], wrong + _diagonal(right.sum(axis=-1))]),
        )

    usual, usual_right, usual_confusion = sample(reference, here)
    now, _, now_confusion = sample(window, there)
    chance_here, chance_there = _calibrated(usual, usual_right, here, (here, there))
    mistakes = _mistakes(usual_confusion)

    def expected(rows: np.ndarray, chance: np.ndarray) -> dict[str, np.ndarray]:
        return figures(_confusion((rows * chance).sum(axis=-1), (rows * (1 - chance)).sum(axis=-1), mistakes))

    return Compared(
        figures(usual_confusion), expected(usual, chance_here), expected(now, chance_there), figures(now_confusion)
    )


def level(counts: ClassCounts) -> Level:
    """For a decision: the accuracy."""
    return level_of_share(np.trace(counts.confusion), realized(counts)["accuracy"])


def figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of confusion matrices, whole or expected, in the last two dimensions (predicted, true)."""
    right = np.einsum("...ii->...i", confusion)
    ends = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return {
        "accuracy": ratio(right.sum(axis=-1), confusion.sum(axis=(-1, -2))),
        "macro_f1": ratio(np.nan_to_num(ratio(2 * right, ends)).sum(axis=-1), (ends > 0).sum(axis=-1)),
    }


def _calibrated(
    labelled: np.ndarray, right: np.ndarray, confidence: np.ndarray, asked: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """The chance to be right by class and bin: each class's own calibration, near the curve of all classes."""
    labelled, right = np.broadcast_arrays(labelled, right)
    flat = (*right.shape[:-2], -1)
    curve = fit_curve(labelled.reshape(flat), right.reshape(flat), confidence.reshape(-1), PRIOR_CURVE, PRIOR_PRECISION)
    return calibrated(labelled, right, confidence, asked, curve[..., None, :], CLASS_PRECISION)


def _mistakes(confusion: np.ndarray) -> np.ndarray:
    """How wrong rows of each predicted class are spread over the true ones, near the spread of all true classes."""
    usual = confusion.sum(axis=-2, keepdims=True) + 1.0
    apart = 1 - np.eye(confusion.shape[-1])
    pull = usual * apart / (usual * apart).sum(axis=-1, keepdims=True)
    wrong = confusion * apart + pull
    return wrong / wrong.sum(axis=-1, keepdims=True)


def _spread(random: np.random.Generator, wrong: np.ndarray, mistakes: np.ndarray) -> np.ndarray:
    """Wrong rows by predicted and true class, drawn."""
    return random.multinomial(wrong, mistakes)


def _confusion(right: np.ndarray, wrong: np.ndarray, mistakes: np.ndarray) -> np.ndarray:
    return wrong[..., None] * mistakes + _diagonal(right)


def _diagonal(values: np.ndarray) -> np.ndarray:
    return values[..., None] * np.eye(values.shape[-1])


def _macro_f1_variance(shares: np.ndarray) -> float:
    """The variance of one row's part in macro F1, from the shares of all cells."""
    right, ends = np.diag(shares), shares.sum(axis=1) + shares.sum(axis=0)
    pull = np.nan_to_num(ratio(2 * right, ends**2))
    slope = np.diag(np.nan_to_num(ratio(np.full(len(ends), 2.0), ends))) - pull[:, None] - pull[None, :]
    slope = slope / (ends > 0).sum()
    return float((shares * slope**2).sum() - (shares * slope).sum() ** 2)


def _together(reference: ClassCounts, window: ClassCounts) -> None:
    if reference.classes != window.classes or not np.array_equal(reference.edges, window.edges):
        raise ValueError(
            "The counts are not on the same classes and edges of confidence; count both on one reference's."
        )
