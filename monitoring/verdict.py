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


class Verdict(NamedTuple):
    """What is thought of one window, and why, in sentences."""

    window: Window
    version: int
    verdict: Name
    reasons: tuple[str, ...]
    rows: int


class Evidence(NamedTuple):
    """How much accuracy was lost against the reference, and how likely such a loss is under a stable model."""

    drop: float
    p_value: float
    accuracy: float
    rows: int


def decide(measured: Sequence[Measured], policy: Policy) -> list[Verdict]:
    """One verdict per window, oldest first; each uses nothing measured after its own window.

    `declined`: alone, or together with the window before, a window's accuracy lies at least `min_drop` below the
    reference, and the mean probability given to the true label lies below the reference's by more than chance allows:
    one-sided z-test of two means, the reference's own uncertainty included, at the policy's false-alarm budget shared
    over windows and looks (Bonferroni). That probability moves with the accuracy, and as it varies less from review to
    review, fewer reviews show a loss. A declined model stays declined until two windows running lie within `min_drop`.
    """
    found: list[Verdict] = []
    is_declined, good_windows = False, 0
    for number, one in enumerate(measured):
        before = measured[number - 1] if number else None
        if before is None or before.version != one.version:
            before, is_declined, good_windows = None, False, 0
        moved, rows = _moved(one, policy), one.get("rows").rows
        refusal = _refusal(one, policy)
        if refusal is not None:
            name, reason = refusal
            found.append(Verdict(one.window, one.version, name, (reason, *moved), rows))
            continue
        looks = [[one]]
        if before is not None and _refusal(before, policy) is None:
            looks.append([before, one])
        evidence = [compare(look) for look in looks]
        worst = min(evidence, key=lambda look: look.p_value)
        hits = [
            look for look in evidence if look.p_value < policy.declined.alpha and look.drop >= policy.declined.min_drop
        ]
        good_windows = good_windows + 1 if evidence[0].drop < policy.declined.min_drop else 0
        if hits:
            is_declined = True
            worst = min(hits, key=lambda look: look.p_value)
        elif good_windows >= RECOVERY_WINDOWS:
            is_declined = False
        performance = _performance(one, evidence[0], worst, len(looks), policy)
        if is_declined:
            name = "declined"
            if not hits:
                performance += (
                    f" Called declined before; {RECOVERY_WINDOWS} windows running must lie within "
                    f"{_points(policy.declined.min_drop)} of the reference to end that."
                )
        else:
            name = "drifted" if moved else "stable"
        found.append(Verdict(one.window, one.version, name, (performance, *moved), rows))
    return found


def compare(look: Sequence[Measured]) -> Evidence:
    """The evidence that the windows, taken together, are worse than their reference."""
    reference_accuracy = look[-1].get("reference_accuracy")
    reference = look[-1].get("reference_true_label_probability")
    accuracies = [one.get("accuracy") for one in look]
    means = [one.get("true_label_probability") for one in look]
    rows = sum(mean.rows for mean in means)
    accuracy = sum(part.value * part.rows for part in accuracies) / rows
    mean = sum(part.value * part.rows for part in means) / rows
    variance = sum((standard_error(part) * part.rows / rows) ** 2 for part in means) + standard_error(reference) ** 2
    lost = reference.value - mean
    distance = lost / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, lost or -1)
    return Evidence(reference_accuracy.value - accuracy, float(stats.norm.sf(distance)), accuracy, rows)


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


def _performance(one: Measured, alone: Evidence, worst: Evidence, looks: int, policy: Policy) -> str:
    accuracy, reference = one.get("accuracy"), one.get("reference_accuracy")
    pooled = "" if worst is alone else f" over {worst.rows:,} reviews of two windows ({_points(worst.drop)} lower)"
    change = f"{_points(abs(alone.drop))} {'lower' if alone.drop > 0 else 'higher'} than"
    return (
        f"Performance: accuracy {accuracy.value:.1%} (95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}) on the "
        f"{accuracy.rows:,} of {one.get('rows').rows:,} reviews whose stars give a label, {change} the reference's "
        f"{reference.value:.1%} on {reference.rows:,}; a loss like this{pooled} has p = {worst.p_value:.1g} under a "
        f"stable model, the limit is {policy.declined.alpha:.1g}."
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
    now, then = one.get("unknown_bigram_share"), one.get("reference_unknown_bigram_share")
    if None not in (now.value, then.value) and now.value - then.value > limits.unknown_bigram_share:
        found.append(
            f"Inputs: {now.value:.1%} of the pairs of characters are unknown to the reference, {then.value:.1%} then."
        )
    return tuple(found)


def _name(metric: Metric) -> str:
    return metric.metric.replace("_", " ")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
