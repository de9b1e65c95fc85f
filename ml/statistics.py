"""Figures of one classifier, and the comparison of two on the same rows."""

import math
from collections.abc import Sequence

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


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being several (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted


def share(right: np.ndarray) -> dict:
    """A share of rows with its Wilson interval, as JSON."""
    interval = wilson_interval(int(right.sum()), len(right))
    value = None if math.isnan(interval.value) else interval.value
    return {"value": value, "low": interval.low, "high": interval.high, "rows": len(right)}


def calibration_error(probabilities: np.ndarray, is_positive: np.ndarray) -> float:
    """The mean distance of probability and share of positives over up to ten bins of equal size.

    Bins of fewer than 200 rows would measure chance: the error of a perfectly calibrated model grows as they shrink.
    """
    order = np.argsort(probabilities, kind="stable")
    bins = np.array_split(order, min(MAX_CALIBRATION_BINS, max(1, len(order) // MIN_ROWS_A_BIN)))
    gaps = [abs(probabilities[rows].mean() - is_positive[rows].mean()) * len(rows) for rows in bins]
    return float(sum(gaps) / len(order))
