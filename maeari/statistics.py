"""Intervals and tests that more than one room needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits."""

    value: float
    low: float
    high: float


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927); with no trials the limits are 0 and 1 and the value nan."""
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    result = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(result.low), float(result.high))


def holm_adjusted(p_values: Sequence[float], tests: int | None = None) -> list[float]:
    """The p-values adjusted for being several (Holm 1979), in the order given.

    `tests` counts those too that are not given, since their p-values are larger than any that are.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    factors = (len(p_values) if tests is None else tests) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted.tolist()


def mcnemar_p_value(only_first_right: int, only_second_right: int) -> float:
    """Two-sided exact p-value that two classifiers on the same rows are equally often right (McNemar 1947)."""
    discordant = only_first_right + only_second_right
    if discordant == 0:
        return 1.0
    return float(stats.binomtest(only_first_right, discordant, 0.5).pvalue)
