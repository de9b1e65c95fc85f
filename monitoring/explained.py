"""Where a model lost accuracy, and how much of the loss the changed inputs alone would cost."""

import math

import pandas as pd

from maeari.statistics import Interval
from monitoring.figures import binary
from monitoring.figures.binary import ScoreCounts
from monitoring.figures.segments import explained_drop, worst
from monitoring.metrics import ALL, Metric

THRESHOLD = 0.5
FIGURE = "accuracy"
MOST_SEGMENTS = 50
"""Values of a column that are looked at, those with most rows in the reference; more would hide one another."""


def measure(rows: pd.DataFrame, reference: pd.DataFrame) -> list[Metric]:
    """The loss against the reference's rows in its parts, and the segments that lost, as `monitoring.figures` has them.

    `loss` is `loss_by_inputs` and `loss_by_relation` together. Of a source or larger subject that is worse than its own
    reference, `segment_loss`, with `segment_loss_p` corrected for all that were looked at.
    """
    edges = binary.score_edges(reference["positive_probability"].to_numpy(), THRESHOLD)

    def count(some: pd.DataFrame) -> ScoreCounts:
        truth = some["sentiment_label"].map({"positive": 1.0, "negative": 0.0}).to_numpy(dtype=float)
        return ScoreCounts.of(some["positive_probability"].to_numpy(dtype=float), truth, edges, THRESHOLD)

    segments = [
        (column, name)
        for column in ("source", "subject_id")
        for name in reference[column].value_counts().index[:MOST_SEGMENTS]
    ]
    usual, now = (
        {f"{column}={name}": count(some[some[column] == name]) for column, name in segments}
        for some in (reference, rows)
    )
    parts, labelled = explained_drop(count(reference), count(rows), FIGURE), int(rows["sentiment_label"].notna().sum())
    found = [
        _metric(ALL, name, part, labelled)
        for name, part in zip(("loss", "loss_by_inputs", "loss_by_relation"), parts, strict=True)
    ]
    for one in worst(usual, now, FIGURE):
        found.append(_metric(one.name, "segment_loss", one.drop, one.window.rows))
        found.append(Metric(one.name, "segment_loss_p", "realized", one.p_value, None, None, one.segments))
    return found


def _metric(segment: str, name: str, part: Interval, rows: int) -> Metric:
    kind = "estimated" if name in ("loss_by_inputs", "loss_by_relation") else "realized"
    value, low, high = (one if math.isfinite(one) else None for one in (part.value, part.low, part.high))
    return Metric(segment, name, kind, value, low, high, rows)
