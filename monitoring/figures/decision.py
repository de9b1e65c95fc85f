"""Deciding about any model: a pure function from the figures of its windows and limits to a verdict for each."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import special

from monitoring.figures import Level

Name = Literal["stable", "drifted", "declined", "too_few_rows", "labels_pending"]
RECOVERY_WINDOWS = 2


class Limits(BaseModel):
    """When a model is called declined, and how often a stable one may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: str = "accuracy"
    """Its name in sentences."""
    min_drop: float = Field(gt=0)
    """What must at least be lost of the figure, in its unit."""
    min_rows: int = Field(ge=1)
    min_labelled_rows: int = Field(ge=30)
    false_alarms: float = Field(gt=0, lt=1)
    """Chance that a stable model is called declined at all …"""
    over_windows: int = Field(ge=1)
    """… in so many windows running, each looked at once, when its labels are final."""
    spans: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 3, 6)
    """How many windows are looked at together: one sees a sudden loss soonest, several a small one."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "Limits":
        if self.min_labelled_rows > self.min_rows:
            raise ValueError(
                f"min_labelled_rows is {self.min_labelled_rows} and min_rows {self.min_rows}; "
                "labelled rows are some of the rows, so raise min_rows or lower min_labelled_rows"
            )
        if not self.spans or list(self.spans) != sorted(set(self.spans)):
            raise ValueError(f"spans are {self.spans}; write rising numbers of windows, such as (1, 2, 3, 6)")
        return self

    @property
    def alpha(self) -> float:
        """The p-value below which one look counts: the budget shared over windows, spans and both references."""
        return self.false_alarms / self.over_windows / len(self.spans) / 2


class WindowFigures(NamedTuple):
    """What is known of one window of one version; the figures of `level` and `reference` are greater when better.

    `provisional_until` is the day by which all labels are due, None when it has passed and the figures are final.
    `moved` holds a sentence about each column beyond its limit.
    """

    start: date
    end: date
    version: int
    rows: int
    level: Level
    reference: Level
    moved: tuple[str, ...] = ()
    provisional_until: date | None = None


class Decision(NamedTuple):
    """What is thought of one window, and why, in sentences."""

    window: WindowFigures
    verdict: Name
    reasons: tuple[str, ...]
    drop: float | None = None
    """What the figure lost against the reference in this window; None where it is not decided."""
    p_value: float | None = None
    """Of the strongest look."""

    @property
    def status(self) -> str:
        """`final`, or until which day it is provisional."""
        until = self.window.provisional_until
        return "final" if until is None else f"provisional until {until.isoformat()}"


class _Pool(NamedTuple):
    """Levels together, as sums over rows."""

    rows: int
    mean: float
    figure: float
    variance: float
    windows: int

    def __add__(self, other: "_Pool") -> "_Pool":
        return _Pool(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class _Look(NamedTuple):
    """How much was lost between two pools, and how likely such a loss is under a stable model."""

    p_value: float
    drop: float
    look: _Pool
    against: _Pool


def decide(history: Sequence[WindowFigures], limits: Limits) -> list[Decision]:
    """One decision per window, oldest first; each uses nothing known only of later windows.

    A window whose labels may still come is not decided: early labels are not a fair sample (who leaves is known before
    who stays). Once they are final it is looked at alone and together with the decided windows before it (`spans`),
    against the reference and against the reference with all earlier windows that were not declined, which is steadier
    (the reference alone notices what creeps in slowly). `declined`: in one look the figure lies at least `min_drop`
    lower and the mean lies lower by more than chance allows, by a one-sided z-test of two means at the budget shared
    over windows and looks (Bonferroni, so that it holds however looks depend on one another). Reading the same windows
    every day spends nothing, since a decided window is not tried again with other labels. A declined model stays
    declined until two windows running lie within `min_drop` of the reference.
    """
    _in_order(history)
    found: list[Decision] = []
    version, decided, steady, is_declined, near, reach = None, [], [], False, 0, 0
    for one in history:
        if one.version != version:
            version, decided, steady, is_declined, near, reach = one.version, [], [_pool(one.reference)], False, 0, 0
        refusal = _refusal(one, limits)
        if refusal is not None:
            name, reason = refusal
            found.append(Decision(one, name, (reason, *one.moved)))
            continue
        decided.append(_pool(one.level))
        drop = one.reference.figure.value - one.level.figure.value
        near = near + 1 if drop < limits.min_drop else 0
        # Once good windows follow a decline, no look reaches back to it: it would last as long as the longest span.
        reach = near if is_declined and near >= RECOVERY_WINDOWS else reach + 1
        looks = _looks(decided, reach, _pool(one.reference), steady, limits)
        hits = [look for look in looks if look.p_value < limits.alpha and look.drop >= limits.min_drop]
        is_declined = bool(hits) or (is_declined and near < RECOVERY_WINDOWS)
        strongest = min(hits or looks)
        performance = _performance(one, drop, strongest, limits)
        if is_declined and not hits:
            performance += (
                f" Called declined before; {RECOVERY_WINDOWS} windows running must lie within {limits.min_drop:g} of "
                "the reference to end that."
            )
        name = "declined" if is_declined else "drifted" if one.moved else "stable"
        steady.append(steady[-1] if is_declined else steady[-1] + decided[-1])
        found.append(Decision(one, name, (performance, *one.moved), drop, strongest.p_value))
    return found


def _in_order(history: Sequence[WindowFigures]) -> None:
    for before, one in zip(history, history[1:], strict=False):
        if one.start <= before.end:
            raise ValueError(
                f"The window from {one.start} begins before the one to {before.end} has ended; sort the windows, and "
                "give each day to one."
            )


def _looks(decided: list[_Pool], reach: int, reference: _Pool, steady: list[_Pool], limits: Limits) -> list[_Look]:
    """The looks at the newest of the decided windows, as far as they reach; `steady` is what was before each window."""
    looks = []
    for span in sorted({min(span, reach) for span in limits.spans}):
        look = decided[-1]
        for before in decided[-span:-1]:
            look = look + before
        for against in (reference, steady[len(decided) - span]):
            lost, drop = _mean(against) - _mean(look), _figure(against) - _figure(look)
            variance = against.variance / against.rows**2 + look.variance / look.rows**2
            distance = lost / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, lost or -1)
            looks.append(_Look(float(special.ndtr(-distance)), drop, look, against))
    return looks


def _pool(level: Level) -> _Pool:
    rows = level.rows
    return _Pool(rows, rows * level.mean, rows * level.figure.value, (rows * level.standard_error) ** 2, 1)


def _mean(pool: _Pool) -> float:
    return pool.mean / pool.rows


def _figure(pool: _Pool) -> float:
    return pool.figure / pool.rows


def _refusal(one: WindowFigures, limits: Limits) -> tuple[Name, str] | None:
    """Why a window is not decided."""
    labelled, wanted = one.level.rows, limits.min_labelled_rows
    if one.rows < limits.min_rows:
        return "too_few_rows", f"Rows: {one.rows:,}; the policy wants {limits.min_rows:,} before it decides."
    if one.provisional_until is not None:
        return "labels_pending", (
            f"Labels: {labelled:,} of {one.rows:,} rows have one; until {one.provisional_until.isoformat()} more are "
            "due, and figures are provisional."
        )
    if labelled < wanted:
        return "too_few_rows", (
            f"Labels: {labelled:,} of {one.rows:,} rows have one although all are due; the policy wants {wanted:,}. "
            "Look whether the labels' table is filled."
        )
    if one.reference.rows < wanted:
        return "too_few_rows", (
            f"Labels: the reference has {one.reference.rows:,} labelled rows; the policy wants {wanted:,}."
        )
    return None


def _performance(one: WindowFigures, drop: float, strongest: _Look, limits: Limits) -> str:
    found, reference = one.level.figure, one.reference.figure
    windows = (
        "this window" if strongest.look.windows == 1 else f"this window with the {strongest.look.windows - 1} before"
    )
    against = "the reference" if strongest.against.windows == 1 else "the reference and earlier windows"
    return (
        f"Performance: {limits.figure} {found.value:.3g} (95 % interval {found.low:.3g} to {found.high:.3g}) on "
        f"{one.level.rows:,} labelled of {one.rows:,} rows, {abs(drop):.3g} {'lower' if drop > 0 else 'higher'} than "
        f"the reference's {reference.value:.3g} on {one.reference.rows:,}. Strongest sign of a loss: {windows} "
        f"({strongest.look.rows:,} labelled) against {against} ({strongest.against.rows:,}): {abs(strongest.drop):.3g} "
        f"{'lower' if strongest.drop > 0 else 'higher'}, p = {strongest.p_value:.1g} under a stable model; the limit "
        f"is {limits.alpha:.1g}."
    )
