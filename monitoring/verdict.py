"""Deciding: a pure function from measured numbers and a policy to a verdict for each window."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from scipy import stats

from monitoring.metrics import ALL, Measured, Metric
from monitoring.performance import standard_error
from monitoring.policy import Policy
from monitoring.windows import Window

Name = Literal["stable", "drifted", "declined", "too_few_rows", "labels_pending"]
RECOVERY_WINDOWS = 2
SEGMENTS_NAMED = 5


class Verdict(NamedTuple):
    """What is thought of one window, and why, in sentences."""

    window: Window
    version: int
    verdict: Name
    reasons: tuple[str, ...]
    rows: int


class Level(NamedTuple):
    """How well a model did on some labelled reviews: its accuracy, and the mean probability it gave the true label."""

    rows: int
    accuracy: float
    mean: float
    variance: float
    """Of the mean."""


class Evidence(NamedTuple):
    """How much accuracy was lost between two levels, and how likely such a loss is under a stable model."""

    drop: float
    p_value: float
    rows: int
    windows: int
    against: int
    """Rows of what was compared with."""


def decide(measured: Sequence[Measured], policy: Policy) -> list[Verdict]:
    """One verdict per window, oldest first; each uses nothing measured after its own window.

    A window is looked at four times: alone, and together with the window before; against the reference, and against
    the reference together with all earlier windows that were not declined, which is steadier (the reference alone
    notices what creeps in slowly). `declined`: in one of these looks the accuracy lies at least `min_drop` lower, and
    the mean probability given to the true label lies lower by more than chance allows: one-sided z-test of two means,
    each with its own uncertainty, at the policy's false-alarm budget shared over windows and looks (Bonferroni). That
    probability moves with the accuracy and varies less from review to review, so that fewer reviews show a loss.
    A declined model stays declined until two windows running lie within `min_drop` of the reference.
    """
    found: list[Verdict] = []
    is_declined, near_windows, good = False, 0, []
    for number, one in enumerate(measured):
        before = measured[number - 1] if number else None
        if before is None or before.version != one.version:
            before, is_declined, near_windows, good = None, False, 0, []
        moved, rows = _moved(one, policy), one.get("rows").rows
        refusal = _refusal(one, policy)
        if refusal is not None:
            name, reason = refusal
            found.append(Verdict(one.window, one.version, name, (reason, *moved), rows))
            continue
        reference = _level([one], "reference_")
        steady = _pool([reference, *(_level([past]) for past in good if past is not before)])
        looks = [[one]] if before is None or _refusal(before, policy) is not None else [[one], [before, one]]
        evidence = [_compare(look, level) for look in looks for level in (reference, steady)]
        hits = [
            look for look in evidence if look.p_value < policy.declined.alpha and look.drop >= policy.declined.min_drop
        ]
        drop = reference.accuracy - _level([one]).accuracy
        near_windows = near_windows + 1 if drop < policy.declined.min_drop else 0
        if hits:
            is_declined = True
        elif near_windows >= RECOVERY_WINDOWS:
            is_declined = False
        strongest = min(hits or evidence, key=lambda look: look.p_value)
        performance = _performance(one, drop, strongest, policy)
        explanation = ()
        if is_declined:
            name, explanation = "declined", _explained(one)
            if not hits:
                performance += (
                    f" Called declined before; {RECOVERY_WINDOWS} windows running must lie within "
                    f"{_points(policy.declined.min_drop)} of the reference to end that."
                )
        else:
            name = "drifted" if moved else "stable"
            good.append(one)
        found.append(Verdict(one.window, one.version, name, (performance, *_beside(one), *explanation, *moved), rows))
    return found


def _level(windows: Sequence[Measured], prefix: str = "") -> Level:
    """The level of some windows together, or of the reference of one."""
    levels = []
    for one in windows:
        accuracy, mean = one.get(f"{prefix}accuracy"), one.get(f"{prefix}true_label_probability")
        levels.append(Level(mean.rows, accuracy.value, mean.value, standard_error(mean) ** 2))
    return _pool(levels)


def _pool(levels: Sequence[Level]) -> Level:
    rows = sum(level.rows for level in levels)
    return Level(
        rows,
        sum(level.accuracy * level.rows for level in levels) / rows,
        sum(level.mean * level.rows for level in levels) / rows,
        sum(level.variance * (level.rows / rows) ** 2 for level in levels),
    )


def _compare(look: Sequence[Measured], reference: Level) -> Evidence:
    level = _level(look)
    lost, variance = reference.mean - level.mean, reference.variance + level.variance
    distance = lost / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, lost or -1)
    drop = reference.accuracy - level.accuracy
    return Evidence(drop, float(stats.norm.sf(distance)), level.rows, len(look), reference.rows)


def _refusal(one: Measured, policy: Policy) -> tuple[Name, str] | None:
    """Why nothing can be said about the performance in a window."""
    rows, labelled = one.get("rows").rows, one.get("accuracy").rows
    reference = one.get("reference_accuracy").rows
    if rows < policy.min_rows:
        return "too_few_rows", f"Rows: {rows:,} reviews; the policy wants {policy.min_rows:,} before it decides."
    if labelled == 0:
        return "labels_pending", f"Rows: none of {rows:,} reviews has a label yet."
    if labelled < policy.min_labelled_rows:
        return "too_few_rows", (
            f"Rows: {labelled:,} of {rows:,} reviews have a label; the policy wants {policy.min_labelled_rows:,}."
        )
    if reference < policy.min_labelled_rows:
        return "too_few_rows", (
            f"Rows: the reference has {reference:,} labelled reviews; the policy wants {policy.min_labelled_rows:,}."
        )
    return None


def _performance(one: Measured, drop: float, strongest: Evidence, policy: Policy) -> str:
    accuracy, reference = one.get("accuracy"), one.get("reference_accuracy")
    windows = "this window" if strongest.windows == 1 else "this window and the one before"
    against = "the reference" if strongest.against == reference.rows else "the reference and earlier windows"
    return (
        f"Performance: accuracy {accuracy.value:.1%} (95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}) on the "
        f"{accuracy.rows:,} of {one.get('rows').rows:,} reviews whose stars give a label, {_points(abs(drop))} "
        f"{'lower' if drop > 0 else 'higher'} than the reference's {reference.value:.1%} on {reference.rows:,}. "
        f"Strongest sign of a loss: {windows} ({strongest.rows:,} labelled) against {against} "
        f"({strongest.against:,}): {_points(abs(strongest.drop))} {'lower' if strongest.drop > 0 else 'higher'}, "
        f"p = {strongest.p_value:.1g} under a stable model; the limit is {policy.declined.alpha:.1g}."
    )


def _explained(one: Measured) -> tuple[str, ...]:
    """Where accuracy was lost, and how much of it the changed inputs alone would cost."""
    lost = [metric for metric in one.metrics if metric.metric == "segment_loss"]
    lost.sort(key=lambda loss: (one.get("segment_loss_p", loss.segment).value, -loss.value))
    found = []
    if lost:
        named = "; ".join(_lost_in(one, metric) for metric in lost[:SEGMENTS_NAMED])
        looks = one.get("segment_loss_p", lost[0].segment).rows
        found.append(
            f"Where: {len(lost)} of {looks} sources and subjects are worse than in the reference, the surest first: "
            f"{named}."
        )
    total, inputs, relation = (one.get(name) for name in ("loss", "loss_by_inputs", "loss_by_relation"))
    if total is not None and total.value is not None:
        found.append(
            f"Why: of the loss of {_points(total.value)}, changed inputs alone would cost {_points(inputs.value)} "
            f"({_points(inputs.low)} to {_points(inputs.high)}); a changed relation of texts and stars costs the rest, "
            f"{_points(relation.value)} ({_points(relation.low)} to {_points(relation.high)})."
        )
    return tuple(found)


def _lost_in(one: Measured, lost: Metric) -> str:
    p_value = one.get("segment_loss_p", lost.segment).value
    return f"{lost.segment} by {_points(lost.value)} on {lost.rows:,} (p = {p_value:.1g})"


def _beside(one: Measured) -> tuple[str, ...]:
    """What the version before would have said of the same reviews, where it scored them along."""
    agreement, now, then = (one.get(name) for name in ("shadow_agreement", "accuracy_beside_shadow", "shadow_accuracy"))
    if agreement is None or now.value is None:
        return ()
    return (
        f"Version {one.get('shadow_version').value:.0f}, which was live before, scored {agreement.rows:,} of these "
        f"reviews along: it would have been right in {then.value:.1%} of the {then.rows:,} with a label, where this "
        f"version was in {now.value:.1%}; both say the same of {agreement.value:.1%}.",
    )


def _moved(one: Measured, policy: Policy) -> tuple[str, ...]:
    """Sentences about everything beyond its limit: the pipeline first, then inputs and predictions."""
    limits, found = policy.drifted, []
    for metric in one.metrics:
        if metric.metric == "failed_crawl_share" and metric.value > 0.5:
            found.append(f"Pipeline: {metric.value:.0%} of {metric.rows} crawls failed ({metric.segment}).")
    low, high = limits.volume
    for metric in one.metrics:
        if metric.metric != "volume_ratio" or metric.value is None or low <= metric.value <= high:
            continue
        where = "" if metric.segment == ALL else f" ({metric.segment})"
        if metric.value < low:
            found.append(
                f"Pipeline: {metric.rows:,} reviews, {metric.value:.0%} of the usual number{where}: look for a gap in "
                "the crawls before blaming the model."
            )
        else:
            found.append(f"Inputs: {metric.rows:,} reviews, {metric.value:.0%} of the usual number{where}.")
    if one.get("rows").rows < policy.min_rows:
        return tuple(found)
    for metric in one.metrics:
        if metric.metric.endswith("_psi") and metric.value is not None and metric.value > limits.psi:
            what = metric.metric.removesuffix("_psi").replace("_", " ")
            kind = "Predictions" if what == "positive probability" else "Inputs"
            found.append(
                f"{kind}: {what} moved, PSI {metric.value:.2f} on the reference's bins; the limit is {limits.psi:g}."
            )
    for name, limit, kind in (
        ("predicted_positive_share", limits.predicted_positive_share, "Predictions"),
        ("rated_share", limits.rated_share, "Inputs"),
    ):
        now, then = one.get(name), one.get(f"reference_{name}")
        if abs(now.value - then.value) > limit:
            found.append(f"{kind}: {_name(now)} {now.value:.1%}, the reference's was {then.value:.1%}.")
    for name, limit, what in (
        ("unknown_bigram_share", limits.unknown_bigram_share, "pairs of characters are unknown to the reference"),
        ("jamo_share", limits.jamo_share, "characters are single jamo such as ㅋ and ㅠ"),
        ("emoji_share", limits.emoji_share, "characters are emoji"),
    ):
        now, then = one.get(name), one.get(f"reference_{name}")
        if None not in (now.value, then.value) and now.value - then.value > limit:
            found.append(f"Inputs: {now.value:.1%} of the {what}, {then.value:.1%} then.")
    return tuple(found)


def _name(metric: Metric) -> str:
    return metric.metric.replace("_", " ")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
