"""Binary classifiers: figures from counts by score bin, realized where labels are known and estimated where not."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import special

from monitoring.figures import (
    Z_95,
    Compared,
    Figure,
    Level,
    between_0_and_1,
    from_draws,
    level_of_share,
    mean_of,
    ratio,
    share,
    whole_counts,
)

BINS = 50
REPLICATES = 400
CALIBRATION_GROUPS, MIN_ROWS_A_GROUP = 10, 200
FARTHEST_SCORE = 1e-4
PRIOR_CURVE, PRIOR_PRECISION = np.array([1.0, 1.0, 0.0]), 1.0
CURVE_ROWS = 30


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Rows by score bin, with what is known of their labels.

    `edges` are the inner edges of K bins on [0, 1], the threshold among them; a score on an edge belongs above it, and
    from the threshold on a row is predicted positive. All other arrays have length K.
    """

    edges: np.ndarray
    rows: np.ndarray
    score_sums: np.ndarray
    labelled: np.ndarray
    positives: np.ndarray
    labelled_score_sums: np.ndarray
    threshold: float

    def __post_init__(self) -> None:
        bins = len(self.edges) + 1
        for field in fields(self)[1:-1]:
            found = len(getattr(self, field.name))
            if found != bins:
                raise ValueError(f"{field.name} has {found} bins and the edges make {bins}; count on one set of edges.")
        if not (np.diff(self.edges) > 0).all():
            raise ValueError(f"The edges {self.edges} do not rise; sort them and drop doubles.")
        if self.threshold not in self.edges:
            raise ValueError(f"The threshold {self.threshold} is no edge; add it, so that no bin holds both answers.")
        whole_counts("ScoreCounts", self.rows, self.labelled, self.positives)
        if (self.labelled > self.rows).any() or (self.positives > self.labelled).any():
            raise ValueError("A bin has more labelled rows than rows, or more positives than labelled rows.")

    def __add__(self, other: "ScoreCounts") -> "ScoreCounts":
        if self.threshold != other.threshold or not np.array_equal(self.edges, other.edges):
            raise ValueError("Counts on different edges or thresholds cannot be added; count both on one reference's.")
        summed = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)[1:-1]}
        return replace(self, **summed)

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray, edges: np.ndarray, threshold: float) -> "ScoreCounts":
        """Count raw rows; labels are 0 or 1, nan where not known."""
        scores, labels = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
        bins, known = np.searchsorted(edges, scores, side="right"), ~np.isnan(labels)

        def summed(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
            return np.bincount(bins[rows], None if weights is None else weights[rows], len(edges) + 1)

        every = np.ones(len(scores), dtype=bool)
        positives = summed(known & (labels == 1))
        return cls(
            edges, summed(every), summed(every, scores), summed(known), positives, summed(known, scores), threshold
        )

    @property
    def is_predicted_positive(self) -> np.ndarray:
        """Which bins lie at or above the threshold."""
        return np.append(False, self.edges >= self.threshold)

    @property
    def negatives(self) -> np.ndarray:
        """Labelled rows that are not positive."""
        return self.labelled - self.positives

    def scores(self, labelled: bool = False) -> np.ndarray:
        """The mean score of each bin's rows, or of its labelled rows; the middle of the bin where it has none."""
        sums, counts = (self.labelled_score_sums, self.labelled) if labelled else (self.score_sums, self.rows)
        outer = np.concatenate([[0.0], self.edges, [1.0]])
        found = ratio(sums, counts)
        return np.where(np.isnan(found), (outer[1:] + outer[:-1]) / 2, found)


def score_edges(scores: np.ndarray, threshold: float, bins: int = BINS) -> np.ndarray:
    """Edges at which the scores fall into bins of equal numbers, and the threshold."""
    inner = np.quantile(scores, np.arange(1, bins) / bins) if len(scores) else np.empty(0)
    return np.unique(np.append(inner[(inner > 0) & (inner < 1)], threshold))


def realized(counts: ScoreCounts) -> dict[str, Figure]:
    """What the labels say; `rows` of each figure are the labelled rows.

    Shares have Wilson's limits, the area under the ROC curve those of DeLong's variance (1988), ties within a bin
    counting half. F1 is 2J / (1 + J), where J is the share of true positives in all rows that are positive or called
    so: Wilson's limits of J carry over. Brier score and calibration error take each row's score as its bin's mean.
    """
    rows, called = counts.labelled.sum(), counts.is_predicted_positive
    right, positives = int(counts.positives[called].sum()), int(counts.positives.sum())
    false_alarms, missed = int(counts.negatives[called].sum()), positives - right
    overlap = share(right, right + false_alarms + missed, rows)
    return {
        "accuracy": share(rows - false_alarms - missed, rows, rows),
        "roc_auc": _roc_auc(counts),
        "f1": Figure(*(2 * limit / (1 + limit) for limit in (overlap.value, overlap.low, overlap.high)), int(rows)),
        "precision": share(right, right + false_alarms, rows),
        "recall": share(right, positives, rows),
        "positive_share": share(positives, rows, rows),
        "brier_score": _brier_score(counts),
        "calibration_error": _calibration_error(counts),
    }


def estimated(reference: ScoreCounts, window: ScoreCounts, seed: int = 0) -> dict[str, Figure]:
    """What the labels of all the window's rows are expected to say, before they are known; `rows` are all its rows.

    Confidence-based estimation (Kivimäki et al. 2025, arXiv:2505.05295): the reference's labels turn scores into
    probabilities (`calibrated`), and these are counted as if they were labels. It holds while the relation of scores
    and labels does. The limits are the middle 95 % of what labels would say, by a seeded parametric bootstrap: labels
    of the reference are drawn anew, calibration repeated, labels of the window drawn. With 2,000 reference rows they
    hold what they claim under a covariate shift, with 500 some 85 %. nan without reference labels of both classes.
    """
    if not 0 < reference.positives.sum() < reference.labelled.sum() or not window.rows.sum():
        return {name: Figure(math.nan, 0.0, 1.0, int(window.rows.sum())) for name in _FIGURES}
    _together(reference, window)
    random, called = np.random.default_rng(seed), window.is_predicted_positive
    here, there = reference.scores(labelled=True), window.scores()
    usual, now = calibrated(reference.labelled, reference.positives, here, (here, there))
    drawn = random.binomial(reference.labelled, usual, (REPLICATES, len(usual)))
    (drawn_now,) = calibrated(reference.labelled, drawn, here, (there,))
    labels = random.binomial(window.rows, drawn_now)
    values = figures(window.rows * now, window.rows * (1 - now), called)
    draws = figures(labels, window.rows - labels, called)
    return {name: from_draws(float(values[name]), draws[name], window.rows.sum()) for name in values}


def calibrated(
    labelled: np.ndarray,
    positives: np.ndarray,
    scores: np.ndarray,
    asked: tuple[np.ndarray, ...],
    prior: np.ndarray = PRIOR_CURVE,
    precision: float = PRIOR_PRECISION,
) -> list[np.ndarray]:
    """The probability of a positive in each bin, once for each of the mean scores asked for.

    A beta calibration (Kull, Silva Filho and Flach 2017: three numbers, the score as it is among its curves, and that
    the prior) that counts as 30 labelled rows in each bin, beside the bin's own. Isotonic regression, the usual choice,
    gives bins of few labels shares of 0 and 1, and those are the bins that a covariate shift fills; a curve alone would
    miss errors of another shape (`benchmarks/estimates.py`; the 30 come from other seeds of it). Within a bin the
    probability follows the curve. Leading dimensions of the counts are calibrations apart.
    """
    labelled, positives = np.broadcast_arrays(np.asarray(labelled, dtype=float), np.asarray(positives, dtype=float))
    curve = fit_curve(labelled, positives, scores, prior, precision)[..., None]
    line = (_features(scores) @ curve)[..., 0]
    on_curve = np.clip(special.expit(line), 1e-6, 1 - 1e-6)
    off_curve = special.logit((positives + CURVE_ROWS * on_curve) / (labelled + CURVE_ROWS)) - line
    return [special.expit((_features(other) @ curve)[..., 0] + off_curve) for other in asked]


def fit_curve(
    labelled: np.ndarray, positives: np.ndarray, scores: np.ndarray, prior: np.ndarray, precision: float
) -> np.ndarray:
    """The beta calibration's three numbers: the logistic regression of labels on ln s and -ln(1 - s), by Newton.

    The normal prior has this precision, so that labels of one class, or one bin, have an answer too. No step moves a
    logit by more than 2: from a curve that is flat where the labels are, Newton's own step would overshoot.
    """
    features = _features(scores)
    curve = np.broadcast_to(prior, (*labelled.shape[:-1], 3)).astype(float)
    for _ in range(40):
        chance = special.expit((features @ curve[..., None])[..., 0])
        slope = ((positives - labelled * chance)[..., None] * features).sum(axis=-2) - precision * (curve - prior)
        weighted = features * (labelled * chance * (1 - chance))[..., None]
        bend = np.swapaxes(weighted, -1, -2) @ features + precision * np.eye(3)
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        moved = abs((features @ step[..., None])[..., 0]).max(axis=-1, keepdims=True)
        curve = curve + step / np.maximum(1, moved / 2)
        if moved.max() < 1e-6:
            break
    return curve


def compared(reference: ScoreCounts, window: ScoreCounts, seed: int = 0) -> Compared:
    """Realized and expected figures on the labelled rows of both, with `REPLICATES` samples drawn from what was seen.

    A sample draws rows' bins anew, then their labels from the side's own calibration.
    """
    _together(reference, window)
    random, called = np.random.default_rng(seed), window.is_predicted_positive
    here, there = reference.scores(labelled=True), window.scores(labelled=True)

    def sample(counts: ScoreCounts, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (chance,) = calibrated(counts.labelled, counts.positives, scores, (scores,))
        total = int(counts.labelled.sum())
        drawn = random.multinomial(total, ratio(counts.labelled, total), REPLICATES)
        labels = random.binomial(drawn, chance)
        return np.vstack([counts.labelled, drawn]), np.vstack([counts.positives, labels])

    usual, usual_positives = sample(reference, here)
    now, now_positives = sample(window, there)
    chance_here, chance_there = calibrated(usual, usual_positives, here, (here, there))
    return Compared(
        figures(usual_positives, usual - usual_positives, called),
        figures(usual * chance_here, usual * (1 - chance_here), called),
        figures(now * chance_there, now * (1 - chance_there), called),
        figures(now_positives, now - now_positives, called),
    )


def level(counts: ScoreCounts) -> Level:
    """For a decision: the accuracy.

    The mean probability given to the true label varies less from row to row and often shows a loss a window earlier,
    but only of calibrated scores, and less of a loss among rows that the model had doubts about (in a simulation 133 of
    150 such drops within three windows, by the accuracy 150).
    """
    called = counts.is_predicted_positive
    right = counts.positives[called].sum() + counts.negatives[~called].sum()
    return level_of_share(right, share(right, counts.labelled.sum(), counts.labelled.sum()))


_FIGURES = ("accuracy", "roc_auc", "f1", "precision", "recall", "positive_share")


def figures(positives: np.ndarray, negatives: np.ndarray, is_predicted_positive: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of counts, whole or expected, by bin in the last dimension."""
    all_positives, all_negatives = positives.sum(axis=-1), negatives.sum(axis=-1)
    right = positives[..., is_predicted_positive].sum(axis=-1)
    false_alarms = negatives[..., is_predicted_positive].sum(axis=-1)
    below = negatives.cumsum(axis=-1) - negatives / 2
    found = (
        ratio(right + all_negatives - false_alarms, all_positives + all_negatives),
        ratio((positives * below).sum(axis=-1), all_positives * all_negatives),
        ratio(2 * right, right + false_alarms + all_positives),
        ratio(right, right + false_alarms),
        ratio(right, all_positives),
        ratio(all_positives, all_positives + all_negatives),
    )
    return dict(zip(_FIGURES, found, strict=True))


def _features(scores: np.ndarray) -> np.ndarray:
    scores = np.clip(scores, FARTHEST_SCORE, 1 - FARTHEST_SCORE)
    return np.stack([np.log(scores), -np.log1p(-scores), np.ones_like(scores)], axis=-1)


def _together(reference: ScoreCounts, window: ScoreCounts) -> None:
    if reference.threshold != window.threshold or not np.array_equal(reference.edges, window.edges):
        raise ValueError("The window is not counted on the reference's edges and threshold; count it on those.")


def _roc_auc(counts: ScoreCounts) -> Figure:
    rows, positives, negatives = counts.labelled.sum(), counts.positives.sum(), counts.negatives.sum()
    if not positives or not negatives:
        return Figure(math.nan, 0.0, 1.0, int(rows))
    below = (counts.negatives.cumsum() - counts.negatives / 2) / negatives
    above = 1 - (counts.positives.cumsum() - counts.positives / 2) / positives
    value = float((counts.positives * below).sum() / positives)
    variance = sum(
        float((number * (placed - value) ** 2).sum()) / (total - 1) / total if total > 1 else value * (1 - value)
        for number, placed, total in ((counts.positives, below, positives), (counts.negatives, above, negatives))
    )
    return between_0_and_1(value, variance, min(positives, negatives), rows)


def _brier_score(counts: ScoreCounts) -> Figure:
    scores = counts.scores(labelled=True)
    mean, error = mean_of(
        np.append((1 - scores) ** 2, scores**2), np.append(counts.positives, counts.negatives).astype(float)
    )
    rows = int(counts.labelled.sum())
    if math.isnan(error):
        return Figure(mean, 0.0, 1.0, rows)
    return Figure(mean, max(mean - Z_95 * error, 0.0), min(mean + Z_95 * error, 1.0), rows)


def _calibration_error(counts: ScoreCounts) -> Figure:
    """The mean distance of score and share of positives over up to ten groups of bins of at least 200 labelled rows.

    Chance alone makes it greater, the more so the fewer the rows: the lower limit has that much taken off.
    """
    rows = int(counts.labelled.sum())
    if not rows:
        return Figure(math.nan, 0.0, 1.0, 0)
    groups = min(CALIBRATION_GROUPS, max(1, rows // MIN_ROWS_A_GROUP))
    middle = counts.labelled.cumsum() - counts.labelled / 2
    group = np.minimum((middle * groups / rows).astype(int), groups - 1)
    number, positives, sums = (
        np.bincount(group, values, groups) for values in (counts.labelled, counts.positives, counts.labelled_score_sums)
    )
    value = float(abs(sums - positives).sum() / rows)
    chance = (positives + 0.5) / (number + 1)
    errors = np.sqrt(number * chance * (1 - chance)) / rows
    margin = Z_95 * math.sqrt(float((errors**2).sum()))
    by_chance = math.sqrt(2 / math.pi) * float(errors.sum())
    return Figure(value, max(value - by_chance - margin, 0.0), min(value + margin, 1.0), rows)
