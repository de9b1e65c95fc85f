"""Where a model fails, and why: the worst segments, and a decline split into changed inputs and a changed relation."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from maeari.statistics import Interval, holm_adjusted
from monitoring.figures import LOWER_IS_BETTER, Z_95, Figure, binary, multiclass, rate, regression
from monitoring.figures.binary import ScoreCounts
from monitoring.figures.multiclass import ClassCounts
from monitoring.figures.rate import LabelCounts
from monitoring.figures.regression import ErrorCounts

Counts = ScoreCounts | ClassCounts | ErrorCounts | LabelCounts
MIN_LABELLED_ROWS = 50
LEVEL = 0.05
_TASKS = {ScoreCounts: binary, ClassCounts: multiclass, ErrorCounts: regression, LabelCounts: rate}


class Segment(NamedTuple):
    """A segment that became worse; `drop` is positive and `p_value` adjusted for all segments looked at."""

    name: str
    reference: Figure
    window: Figure
    drop: Interval
    p_value: float
    segments: int
    """How many were looked at."""


class Explained(NamedTuple):
    """What a figure lost, and the parts of it; positive is worse, and `inputs` and `relation` add up to `total`."""

    total: Interval
    inputs: Interval
    relation: Interval


def worst(
    reference_by_segment: Mapping[str, Counts],
    window_by_segment: Mapping[str, Counts],
    figure: str,
    min_labelled_rows: int = MIN_LABELLED_ROWS,
    level: float = LEVEL,
) -> list[Segment]:
    """Segments whose figure is worse than their own reference's, the greatest loss first.

    A segment is looked at when it has this many labelled rows in both and its figure has a value in both. The interval
    of the loss is made of both figures' limits (Zou and Donner 2008), and so is the one-sided test. With p-values
    adjusted for all segments looked at (Holm 1979), one that is no worse is named with a chance of at most `level`.
    """
    looked_at = []
    for name in sorted(reference_by_segment.keys() & window_by_segment.keys()):
        reference, window = (by[name] for by in (reference_by_segment, window_by_segment))
        before, now = (_realized(counts, figure) for counts in (reference, window))
        if min(before.rows, now.rows) >= min_labelled_rows and not math.isnan(before.value + now.value):
            looked_at.append((name, before, now, *_lost(before, now, figure in LOWER_IS_BETTER)))
    adjusted = holm_adjusted([p_value for *_, p_value in looked_at])
    found = [
        Segment(name, before, now, drop, p_value, len(looked_at))
        for (name, before, now, drop, _), p_value in zip(looked_at, adjusted, strict=True)
        if p_value < level
    ]
    return sorted(found, key=lambda segment: -segment.drop.value)


def explained_drop(reference: Counts, window: Counts, figure: str, seed: int = 0) -> Explained:
    """What of a loss between the labelled rows of both is due to other inputs, and what to another relation to labels.

    Inputs: the figure expected of the reference less that expected of the window, both under the reference's
    calibration, so that where scores are spread alike nothing is put down to them. Relation: the rest (a decomposition
    after Kitagawa 1955; Cai, Namkoong and Yadlowsky 2023 for models). Changed inputs that the score does not show count
    as relation. Limits are normal, with the standard error of seeded samples of both sides; nan where a side has fewer
    than two labelled rows, and of a rate, which has no score that would tell the parts apart.
    """
    if isinstance(window, LabelCounts) or min(_labelled(reference), _labelled(window)) < 2:
        nothing = Interval(math.nan, -math.inf, math.inf)
        return Explained(nothing, nothing, nothing)
    sign = -1 if figure in LOWER_IS_BETTER else 1
    parts = _task(reference).compared(reference, window, seed)
    _known(figure, parts.reference)
    before, usual, now, after = (sign * part[figure] for part in parts)
    return Explained(*(_normal(lost) for lost in (before - after, usual - now, (before - after) - (usual - now))))


def _task(counts: Counts):
    return _TASKS[type(counts)]


def _labelled(counts: Counts) -> int:
    return int(counts.labelled.sum())


def _realized(counts: Counts, figure: str) -> Figure:
    found = _task(counts).realized(counts)
    _known(figure, found)
    return found[figure]


def _known(figure: str, found: Mapping) -> None:
    if figure not in found or figure == "positive_share":
        known = ", ".join(name for name in found if name != "positive_share")
        raise ValueError(f"{figure!r} does not tell better from worse here; ask for one of {known}.")


def _lost(before: Figure, now: Figure, lower_is_better: bool) -> tuple[Interval, float]:
    """What was lost with its limits, and the p-value of no loss."""
    better, worse = (now, before) if lower_is_better else (before, now)
    value = better.value - worse.value
    below = math.hypot(better.value - better.low, worse.high - worse.value)
    above = math.hypot(better.high - better.value, worse.value - worse.low)
    distance = Z_95 * value / below if below > 0 else math.copysign(math.inf, value or -1)
    return Interval(value, value - below, value + above), float(special.ndtr(-distance))


def _normal(lost: np.ndarray) -> Interval:
    value, known = float(lost[0]), lost[1:][~np.isnan(lost[1:])]
    if math.isnan(value) or len(known) < 2:
        return Interval(math.nan, -math.inf, math.inf)
    margin = Z_95 * float(known.std(ddof=1))
    return Interval(value, value - margin, value + margin)
