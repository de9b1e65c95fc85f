"""Intervals and tests that more than one room needs."""

import math
from dataclasses import dataclass

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


def mcnemar_p_value(only_first_right: int, only_second_right: int) -> float:
    """Two-sided exact p-value that two classifiers on the same rows are equally often right (McNemar 1947)."""
    discordant = only_first_right + only_second_right
    if discordant == 0:
        return 1.0
    return float(stats.binomtest(only_first_right, discordant, 0.5).pvalue)
