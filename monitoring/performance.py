"""Realized performance: what the model said against the stars, where there are stars."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from maeari.statistics import wilson_interval
from monitoring.metrics import ALL, Metric
from monitoring.windows import ScoredByBoth

Z_95 = 1.959964


def measure(rows: pd.DataFrame, segments: tuple[str, ...], prefix: str = "") -> list[Metric]:
    """Accuracy against the stars, and the probability given to the label they imply, in all and by segment.

    Both cover the rows with a label only: reviews without stars, or with three, count in neither.
    """
    found = list(_realized(ALL, rows, prefix))
    for column in segments:
        for name, part in rows.groupby(column, sort=True):
            found += _realized(f"{column}={name}", part, prefix)
    return found


def compare(both: ScoredByBoth, beside: int) -> list[Metric]:
    """What the version before would have said, on the reviews that it scored along; none where it did not.

    `shadow_agreement` is of all of them, the two accuracies of those with a label.
    """
    if not both.rows:
        return []
    return [
        Metric(ALL, "shadow_version", "drift", float(beside), None, None, both.rows),
        _share(ALL, "shadow_agreement", "drift", both.agreed, both.rows),
        _share(ALL, "shadow_accuracy", "realized", both.shadow_right, both.labelled),
        _share(ALL, "accuracy_beside_shadow", "realized", both.live_right, both.labelled),
    ]


def _share(segment: str, name: str, kind: str, count: int, rows: int) -> Metric:
    share = wilson_interval(count, rows)
    return Metric(segment, name, kind, None if math.isnan(share.value) else share.value, share.low, share.high, rows)


def _realized(segment: str, rows: pd.DataFrame, prefix: str) -> Iterator[Metric]:
    labelled = rows[rows["sentiment_label"].notna()]
    is_positive = (labelled["sentiment_label"] == "positive").to_numpy()
    probability = labelled["positive_probability"].to_numpy(dtype=float)
    right = int(((probability >= 0.5) == is_positive).sum())
    yield _share(segment, f"{prefix}accuracy", "realized", right, len(labelled))
    yield mean_with_interval(
        segment, f"{prefix}true_label_probability", np.where(is_positive, probability, 1 - probability)
    )


def mean_with_interval(segment: str, metric: str, values: np.ndarray) -> Metric:
    """The mean of the values with its normal 95 % interval, which has no limits under two values."""
    if len(values) < 2:
        return Metric(segment, metric, "realized", float(values[0]) if len(values) else None, None, None, len(values))
    mean, margin = float(values.mean()), Z_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Metric(segment, metric, "realized", mean, mean - margin, mean + margin, len(values))


def standard_error(metric: Metric) -> float:
    """The standard error behind a normal 95 % interval."""
    return (metric.high - metric.low) / 2 / Z_95
