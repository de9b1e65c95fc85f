"""The rule that says whether a person may be asked to release a challenger, as a pure function of predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from maeari.statistics import Interval, holm_adjusted, mcnemar_p_value
from ml.statistics import (
    calibration_error,
    delong_difference,
    paired_difference,
    roc_auc_interval,
    share,
)

SIGNIFICANCE = 0.05
NON_INFERIORITY_MARGIN = 0.005
MIN_ROWS = 200
MIN_SEGMENT_ROWS = 30

_RIVALS = {"live": "the live version", "baseline": "the baseline"}


@dataclass(frozen=True)
class Side:
    """What one side of a comparison says of each row."""

    scores: np.ndarray
    """Probabilities; of a baseline anything that ranks."""
    decisions: np.ndarray
    """Whether it says yes."""
    is_probability: bool = True
    is_unsure: np.ndarray | None = None
    """Which rows it would not decide, where it may say so; they are judged by its decisions all the same."""


@dataclass(frozen=True)
class Measure:
    """By which figure two sides are compared."""

    name: str
    unit: str
    min_of_each: int
    """Rows of either outcome below which the measure says nothing."""
    value: Callable[[np.ndarray, Side], dict]
    """From truth and one side: value, low, high and rows."""
    difference: Callable[[np.ndarray, Side, Side, float], tuple[Interval, float]]
    """From truth, two sides and a confidence: the paired difference, and the p-value that there is none."""
    figures: Callable[[np.ndarray, Side], dict]
    """What else is worth reading about one side."""
    tests_decisions: bool
    """Whether the decisions are tested beside the measure, which says nothing about them."""
    of_chance: float | None = None
    """What a coin reaches, whichever way the baseline points; None where the baseline says enough."""


@dataclass(frozen=True)
class Unseen:
    """The rows of a comparison, which neither version has learned from: the truth, and what each side says."""

    measure: Measure
    rows_are: str
    since: datetime
    until: datetime
    truth: np.ndarray
    sides: dict[str, Side]
    """`challenger`, `live` when a version is live, `baseline`, and others that are reported but judge nothing."""
    segments: dict[str, np.ndarray]
    max_calibration_error: float | None
    """None where no side gives probabilities."""
    min_gain: float = 0.0
    """What a side must gain at least to be called better; a smaller gain is no more than not being worse."""
    remarks: Sequence[str] = ()
    """What the approver must know beside the comparison."""
    min_rows: int = MIN_ROWS
    """Rows below which the comparison says nothing."""
    max_loss: float = NON_INFERIORITY_MARGIN
    """By how much a side may surely be no worse to be called not worse."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """What else belongs to the evidence, as JSON."""


def judge(unseen: Unseen) -> dict:
    """The figures of a comparison and whether they allow to ask for a release, with the reasons: a pure function.

    Asked for when the challenger is better than the live version (by the minimum gain at least, Holm-corrected p of
    the paired test below 0.05) or not worse by more than half a point, better than the baseline, calibrated, and in
    no segment worse beyond an interval widened for the number of segments. Without a live version the baseline stands
    in for it. An answer of "unsure" is no hit: where a side may give it, its decision either way is judged.
    """
    measure, truth = unseen.measure, unseen.truth
    judged = {
        "measure": measure.name,
        "rows": len(truth),
        "may_ask": False,
        "figures": {},
        "comparisons": {},
        "segments": [],
        "max_calibration_error": unseen.max_calibration_error,
        "min_gain": unseen.min_gain,
        **unseen.shown,
    }
    if len(truth) < unseen.min_rows:
        few = f"Only {len(truth)} {unseen.rows_are} are unseen by both; a comparison needs {unseen.min_rows}."
        return judged | {"reasons": [few]}
    if _rarer(truth) < measure.min_of_each:
        uneven = (
            f"Of {len(truth)} {unseen.rows_are}, {truth.sum()} are positive and {(~truth).sum()} are not; "
            f"a comparison needs {measure.min_of_each} of each."
        )
        return judged | {"reasons": [uneven]}
    figures = {name: _figures(measure, truth, side) for name, side in unseen.sides.items()}
    comparisons = _comparisons(unseen)
    segments = _segments(unseen, "live" if "live" in unseen.sides else "baseline")
    reasons = _reasons(unseen, figures, comparisons, segments)
    return judged | {
        "may_ask": not any(reason["stops"] for reason in reasons),
        "reasons": [*unseen.remarks, *(reason["text"] for reason in reasons)],
        "figures": figures,
        "comparisons": comparisons,
        "segments": segments,
    }


def _figures(measure: Measure, truth: np.ndarray, side: Side) -> dict:
    figures = {measure.name: measure.value(truth, side), **measure.figures(truth, side)}
    if side.is_probability:
        figures["calibration_error"] = calibration_error(side.scores, truth)
    if side.is_unsure is not None:
        figures["unsure_share"] = share(side.is_unsure)
        figures["sure_accuracy"] = share(_right(truth, side)[~side.is_unsure])
    return figures


def _comparisons(unseen: Unseen) -> dict:
    measure, truth, challenger = unseen.measure, unseen.truth, unseen.sides["challenger"]
    found: dict[str, dict[str, Any]] = {}
    tests = []
    for rival, side in unseen.sides.items():
        if rival == "challenger":
            continue
        difference, p_value = measure.difference(truth, challenger, side, 1 - SIGNIFICANCE)
        found[rival] = {"difference": asdict(difference), "p_value": p_value}
        tests.append(found[rival])
        if measure.tests_decisions:
            difference, p_value = difference_of_decisions(truth, challenger, side, 1 - SIGNIFICANCE)
            found[rival]["decisions"] = {"difference": asdict(difference), "p_value": p_value}
            tests.append(found[rival]["decisions"])
    for test, adjusted in zip(tests, holm_adjusted([test["p_value"] for test in tests]), strict=True):
        test["holm_p_value"] = adjusted
    for compared in found.values():
        gain = compared["difference"]["value"]
        compared["is_ahead"] = compared["holm_p_value"] < SIGNIFICANCE and gain > 0
        compared["is_better"] = compared["is_ahead"] and gain >= unseen.min_gain
        compared["is_not_worse"] = compared["difference"]["low"] >= -unseen.max_loss
    return found


def _segments(unseen: Unseen, rival: str) -> list[dict]:
    measure, challenger, other = unseen.measure, unseen.sides["challenger"], unseen.sides[rival]
    judged = {
        name: mask
        for name, mask in unseen.segments.items()
        if mask.sum() >= MIN_SEGMENT_ROWS and _rarer(unseen.truth[mask]) >= measure.min_of_each
    }
    found = []
    for name, mask in judged.items():
        truth, mine, theirs = unseen.truth[mask], _only(challenger, mask), _only(other, mask)
        # One in twenty segments would look worse by chance: the error is shared out among them.
        difference, _ = measure.difference(truth, mine, theirs, 1 - SIGNIFICANCE / len(judged))
        found.append(
            {
                "segment": name,
                "rows": int(mask.sum()),
                "challenger": measure.value(truth, mine),
                "against": rival,
                "rival": measure.value(truth, theirs),
                "difference": asdict(difference),
                "is_worse": difference.high < 0,
            }
        )
    return found


def _rarer(truth: np.ndarray) -> int:
    return int(min(truth.sum(), (~truth).sum()))


def _only(side: Side, mask: np.ndarray) -> Side:
    return Side(side.scores[mask], side.decisions[mask], side.is_probability)


def _reasons(unseen: Unseen, figures: dict, comparisons: dict, segments: list[dict]) -> list[dict]:
    measure, own = unseen.measure, figures["challenger"]
    wanted = f"the minimum gain of {100 * unseen.min_gain:.1f} {measure.unit}"
    loss = "half a point" if unseen.max_loss == NON_INFERIORITY_MARGIN else f"{100 * unseen.max_loss:g} points"
    reasons = []

    def add(text: str, *, stops: bool) -> None:
        reasons.append({"text": text, "stops": stops})

    if "live" in comparisons:
        against = comparisons["live"]
        points = _points(against["difference"], measure.unit)
        if against["is_better"]:
            add(f"Better than the live version by {points} (p = {against['holm_p_value']:.2g}).", stops=False)
        elif against["is_ahead"] and against["is_not_worse"]:
            said = f"{points}; p = {against['holm_p_value']:.2g}"
            add(f"Not worse than the live version, and ahead of it by less than {wanted} ({said}).", stops=False)
        elif against["is_not_worse"]:
            add(f"Not worse than the live version by more than {loss} ({points}).", stops=False)
        else:
            add(f"Neither better than the live version nor surely within {loss} ({points}).", stops=True)
    against = comparisons["baseline"]
    better = against["is_better"]
    word = "Better" if better else "No better"
    short = f", which is less than {wanted}" if against["is_ahead"] and not better else ""
    add(f"{word} than the baseline ({_points(against['difference'], measure.unit)}){short}.", stops=not better)
    if measure.of_chance is not None and own[measure.name]["low"] <= measure.of_chance:
        # A baseline that ranks the wrong way round is beaten by a coin.
        add(f"No better than a coin, which reaches {measure.of_chance} {measure.unit.split()[-1]}.", stops=True)
    for rival, against in comparisons.items():
        name = _RIVALS.get(rival, rival)
        if rival not in _RIVALS:
            said = f"{_points(against['difference'], measure.unit)} (p = {against['holm_p_value']:.2g})"
            is_worse = against["holm_p_value"] < SIGNIFICANCE and against["difference"]["value"] < 0
            word = "Clearly worse than" if is_worse else "Beside"
            add(f"{word} {name}, which decides nothing: {said}.", stops=False)
        if decisions := against.get("decisions"):
            said = f"{_points(decisions['difference'], 'points')} (p = {decisions['holm_p_value']:.2g})"
            add(f"Right decisions, compared with {name}: {said}.", stops=False)
    if unseen.max_calibration_error is not None:
        error = own["calibration_error"]
        calibrated = error <= unseen.max_calibration_error
        word = "Calibrated" if calibrated else "Not calibrated"
        add(f"{word}: error {error:.3f}, at most {unseen.max_calibration_error} allowed.", stops=not calibrated)
    if "unsure_share" in own:
        add(_unsure(figures), stops=False)
    worse = [segment["segment"] for segment in segments if segment["is_worse"]]
    if worse:
        add(f"Worse in {', '.join(worse)}.", stops=True)
    else:
        add("Worse in no segment.", stops=False)
    return reasons


def _unsure(figures: dict) -> str:
    shares = {side: figures[side]["unsure_share"]["value"] for side in figures if "unsure_share" in figures[side]}
    beside = f", the live version of {100 * shares['live']:.1f} %" if "live" in shares else ""
    return f"Unsure of {100 * shares['challenger']:.1f} %{beside}; judged by its decision there too."


def _points(difference: dict, unit: str) -> str:
    value, low, high = (100 * difference[limit] for limit in ("value", "low", "high"))
    return f"{value:+.1f}, {low:+.1f} to {high:+.1f} {unit}"


def _right(truth: np.ndarray, side: Side) -> np.ndarray:
    return side.decisions == truth


def _accuracy(truth: np.ndarray, side: Side) -> dict:
    return share(_right(truth, side))


def difference_of_decisions(truth: np.ndarray, first: Side, second: Side, confidence: float) -> tuple[Interval, float]:
    """How much more often the first decides rightly than the second, and McNemar's exact p-value of no difference."""
    one, other = _right(truth, first), _right(truth, second)
    p_value = mcnemar_p_value(int((one & ~other).sum()), int((~one & other).sum()))
    return paired_difference(one, other, confidence), p_value


def _recalls(truth: np.ndarray, side: Side) -> dict:
    right = _right(truth, side)
    return {"positive_recall": share(right[truth]), "negative_recall": share(right[~truth])}


def _roc_auc(truth: np.ndarray, side: Side) -> dict:
    return asdict(roc_auc_interval(truth, side.scores)) | {"rows": len(truth)}


def _difference_of_roc_auc(truth: np.ndarray, first: Side, second: Side, confidence: float) -> tuple[Interval, float]:
    return delong_difference(truth, first.scores, second.scores, confidence)


def _reach(truth: np.ndarray, side: Side) -> dict:
    """What the decisions reach: how many are chosen, which share of the positives is among them, and the lift."""
    chosen = int(side.decisions.sum())
    precision = share(truth[side.decisions])
    figures = {
        "contacted": chosen,
        "recall": share(side.decisions[truth]),
        "precision": precision,
        "lift": precision["value"] / truth.mean() if chosen else None,
    }
    if side.is_probability:
        figures["brier_score"] = float(np.mean((side.scores - truth) ** 2))
    return figures


ACCURACY = Measure(
    name="accuracy",
    unit="points",
    min_of_each=0,
    value=_accuracy,
    difference=difference_of_decisions,
    figures=_recalls,
    tests_decisions=False,
)
ROC_AUC = Measure(
    name="roc_auc",
    unit="points of ROC-AUC",
    min_of_each=5,
    value=_roc_auc,
    difference=_difference_of_roc_auc,
    figures=_reach,
    tests_decisions=True,
    of_chance=0.5,
)
