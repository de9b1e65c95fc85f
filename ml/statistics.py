"""Figures of one classifier, and the comparison of two on the same rows."""

import math

import numpy as np
from scipy import stats

from maeari.statistics import Interval, wilson_interval

MAX_CALIBRATION_BINS = 10
MIN_ROWS_A_BIN = 200


def paired_difference(first_right: np.ndarray, second_right: np.ndarray, confidence: float = 0.95) -> Interval:
    """How much more often the first is right than the second, with an adjusted Wald interval (Bonett and Price 2012).

    The limits lie between -1 and 1.
    """
    rows = len(first_right)
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    first_share, second_share = (only_first + 1) / (rows + 2), (only_second + 1) / (rows + 2)
    centre = first_share - second_share
    margin = stats.norm.ppf((1 + confidence) / 2) * math.sqrt((first_share + second_share - centre**2) / (rows + 2))
    value = (only_first - only_second) / rows if rows else math.nan
    return Interval(value, float(max(centre - margin, -1.0)), float(min(centre + margin, 1.0)))


def share(right: np.ndarray) -> dict:
    """A share of rows with its Wilson interval, as JSON."""
    interval = wilson_interval(int(right.sum()), len(right))
    value = None if math.isnan(interval.value) else interval.value
    return {"value": value, "low": interval.low, "high": interval.high, "rows": len(right)}


def mean_interval(values: np.ndarray, confidence: float = 0.95, *, lowest: float = 0.0) -> Interval:
    """The mean of values with its normal interval, cut to `lowest` and 1, which are its limits without two values."""
    if len(values) < 2 or np.isnan(values).any():
        return Interval(float("nan"), lowest, 1.0)
    margin = stats.norm.ppf((1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    mean = float(values.mean())
    return Interval(mean, max(mean - float(margin), lowest), min(mean + float(margin), 1.0))


def calibration_error(probabilities: np.ndarray, is_positive: np.ndarray) -> float:
    """The mean distance of probability and share of positives over up to ten bins of equal size.

    Bins of fewer than 200 rows would measure chance: the error of a perfectly calibrated model grows as they shrink.
    """
    gaps = [abs((probabilities[rows] - is_positive[rows]).sum()) for rows in calibration_bins(probabilities)]
    return float(sum(gaps) / len(probabilities))


def calibration_bins(probabilities: np.ndarray) -> list[np.ndarray]:
    """The rows of each bin of a calibration error, by rising probability."""
    order = np.argsort(probabilities, kind="stable")
    return np.array_split(order, min(MAX_CALIBRATION_BINS, max(1, len(order) // MIN_ROWS_A_BIN)))


def weighted_figures(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of probabilities where rows count several times, as in a bootstrap: one for each row of weights.

    Weights have the shape (replicates, rows); with ones the figures are the plain ones. Gives the area under the ROC
    curve, the average precision, the Brier score, the calibration error (its bins are those of the plain rows) and
    the lift: the share of positives in the tenth that ranks highest, divided by their share in all.
    """
    truth = np.asarray(truth, dtype=float)
    order = np.argsort(-probabilities, kind="stable")
    starts = np.flatnonzero(np.diff(probabilities[order], prepend=np.inf))
    rows = np.add.reduceat(weights[:, order], starts, axis=1)
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    rows_before, positive_before = rows.cumsum(axis=1) - rows, positive.cumsum(axis=1) - positive
    rows_in_all, positive_in_all = rows.sum(axis=1), positive.sum(axis=1)
    tenth = rows_in_all[:, None] / 10
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = positive_in_all * (rows_in_all - positive_in_all)
        precision = np.nan_to_num((positive_before + positive) / (rows_before + rows))
        in_tenth = np.nan_to_num(np.clip((tenth - rows_before) / rows, 0, 1))
        gaps = [abs(weights[:, bin] @ (probabilities - truth)[bin]) for bin in calibration_bins(probabilities)]
        return {
            "roc_auc": ((rows - positive) * (positive_before + positive / 2)).sum(axis=1) / pairs,
            "pr_auc": (positive * precision).sum(axis=1) / positive_in_all,
            "brier_score": weights @ (probabilities - truth) ** 2 / rows_in_all,
            "calibration_error": sum(gaps) / rows_in_all,
            "top_decile_lift": 10 * (positive * in_tenth).sum(axis=1) / positive_in_all,
        }


def roc_auc_interval(truth: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> Interval:
    """The area under the ROC curve with DeLong's interval (DeLong, DeLong and Clarke-Pearson 1988).

    Without rows of both classes there is no curve: the value is nan, the limits 0 and 1.
    """
    if not 0 < truth.sum() < len(truth):
        return Interval(math.nan, 0.0, 1.0)
    positive, negative = _placements(truth, scores)
    value = float(positive.mean())
    margin = _normal_margin(confidence) * _standard_error(positive, negative)
    return Interval(value, max(value - margin, 0.0), min(value + margin, 1.0))


def delong_difference(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> tuple[Interval, float]:
    """By how much the first's area under the ROC curve exceeds the second's on the same rows, and the p-value.

    The interval and the two-sided test of no difference are DeLong's for paired scores; limits lie between -1 and 1.
    """
    if not 0 < truth.sum() < len(truth):
        return Interval(math.nan, -1.0, 1.0), 1.0
    positive, negative = (
        ours - theirs for ours, theirs in zip(_placements(truth, first), _placements(truth, second), strict=True)
    )
    value, error = float(positive.mean()), _standard_error(positive, negative)
    margin = _normal_margin(confidence) * error
    return Interval(value, max(value - margin, -1.0), min(value + margin, 1.0)), normal_p_value(value, error)


def normal_p_value(value: float, error: float) -> float:
    """The two-sided p-value that a normal estimate with this standard error is of nothing."""
    if error == 0:
        return float(value == 0)
    return float(2 * stats.norm.sf(abs(value) / error))


def _placements(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative the share of positives above it.

    By midranks instead of by pairs (Sun and Xu 2014), ties counting half.
    """
    truth = np.asarray(truth, dtype=bool)
    scores = np.asarray(scores, dtype=float)
    ranks = stats.rankdata(scores)
    positive = (ranks[truth] - stats.rankdata(scores[truth])) / (~truth).sum()
    negative = 1 - (ranks[~truth] - stats.rankdata(scores[~truth])) / truth.sum()
    return positive, negative


def _standard_error(positive: np.ndarray, negative: np.ndarray) -> float:
    return math.sqrt(sum(part.var(ddof=1) / len(part) for part in (positive, negative) if len(part) > 1))


def estimate(value: float, replicates: np.ndarray, lowest: float = -math.inf, highest: float = math.inf) -> Interval:
    """A figure with the normal interval of its bootstrap standard error (Efron and Tibshirani 1993), cut to limits."""
    margin = _normal_margin(0.95) * float(np.nanstd(replicates, ddof=1))
    return Interval(value, max(value - margin, lowest), min(value + margin, highest))


def _normal_margin(confidence: float) -> float:
    return float(stats.norm.ppf((1 + confidence) / 2))
