"""The rule that says whether a person may be asked to release a challenger, as a pure function of predictions."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from maeari.statistics import mcnemar_p_value
from ml.statistics import calibration_error, holm_adjusted, paired_difference, share

SIGNIFICANCE = 0.05
NON_INFERIORITY_MARGIN = 0.005
MIN_ROWS = 200
MIN_SEGMENT_ROWS = 30


@dataclass(frozen=True)
class Unseen:
    """The rows of a comparison, which neither version has learned from: the truth, and what each side says."""

    since: datetime
    is_positive: np.ndarray
    challenger: np.ndarray
    """Probabilities of the challenger."""
    live: np.ndarray | None
    """Probabilities of the live version; None when nothing is live."""
    baseline: np.ndarray
    """Whether the baseline says positive."""
    segments: dict[str, np.ndarray]
    max_calibration_error: float


def judge(unseen: Unseen) -> dict:
    """The figures of a comparison and whether they allow to ask for a release, with the reasons: a pure function.

    Asked for when the challenger is better than the live version (paired McNemar test, Holm-corrected p below 0.05)
    or not worse by more than half a point, better than the baseline, calibrated, and in no segment worse beyond an
    interval widened for the number of segments. Without a live version the baseline stands in for it.
    """
    truth = unseen.is_positive
    rows = len(truth)
    if rows < MIN_ROWS:
        return {
            "rows": rows,
            "may_ask": False,
            "reasons": [f"Only {rows} reviews with stars are unseen by both; a comparison needs {MIN_ROWS}."],
            "figures": {},
            "comparisons": {},
            "segments": [],
        }
    right = {"challenger": (unseen.challenger >= 0.5) == truth, "baseline": unseen.baseline == truth}
    figures: dict[str, dict[str, Any]] = {
        "challenger": _figures(right["challenger"], unseen.challenger, truth),
        "baseline": {"accuracy": share(right["baseline"])},
    }
    rivals = ["baseline"]
    if unseen.live is not None:
        right["live"] = (unseen.live >= 0.5) == truth
        figures["live"] = _figures(right["live"], unseen.live, truth)
        rivals = ["live", "baseline"]
    comparisons = _comparisons(right, rivals)
    segments = _segments(right, rivals[0], unseen.segments)
    reasons = _reasons(figures, comparisons, segments, unseen.max_calibration_error)
    return {
        "rows": rows,
        "may_ask": not any(reason["stops"] for reason in reasons),
        "reasons": [reason["text"] for reason in reasons],
        "figures": figures,
        "comparisons": comparisons,
        "segments": segments,
        "max_calibration_error": unseen.max_calibration_error,
    }


def _figures(right: np.ndarray, probabilities: np.ndarray, truth: np.ndarray) -> dict:
    return {
        "accuracy": share(right),
        "positive_recall": share(right[truth]),
        "negative_recall": share(right[~truth]),
        "calibration_error": calibration_error(probabilities, truth),
    }


def _comparisons(right: dict[str, np.ndarray], rivals: list[str]) -> dict:
    challenger = right["challenger"]
    p_values = [
        mcnemar_p_value(int((challenger & ~right[rival]).sum()), int((~challenger & right[rival]).sum()))
        for rival in rivals
    ]
    found = {}
    for rival, p_value, adjusted in zip(rivals, p_values, holm_adjusted(p_values), strict=True):
        difference = paired_difference(challenger, right[rival])
        found[rival] = {
            "difference": asdict(difference),
            "p_value": p_value,
            "holm_p_value": adjusted,
            "is_better": adjusted < SIGNIFICANCE and difference.value > 0,
            "is_not_worse": difference.low >= -NON_INFERIORITY_MARGIN,
        }
    return found


def _segments(right: dict[str, np.ndarray], rival: str, masks: dict[str, np.ndarray]) -> list[dict]:
    judged = {name: mask for name, mask in masks.items() if mask.sum() >= MIN_SEGMENT_ROWS}
    found = []
    for name, mask in judged.items():
        # One in twenty segments would look worse by chance: the error is shared out among them.
        difference = paired_difference(
            right["challenger"][mask], right[rival][mask], confidence=1 - SIGNIFICANCE / len(judged)
        )
        found.append(
            {
                "segment": name,
                "rows": int(mask.sum()),
                "challenger": share(right["challenger"][mask]),
                "against": rival,
                "rival": share(right[rival][mask]),
                "difference": asdict(difference),
                "is_worse": difference.high < 0,
            }
        )
    return found


def _reasons(figures: dict, comparisons: dict, segments: list[dict], max_calibration_error: float) -> list[dict]:
    reasons = []

    def add(text: str, *, stops: bool) -> None:
        reasons.append({"text": text, "stops": stops})

    if "live" in comparisons:
        against = comparisons["live"]
        points = _points(against["difference"])
        if against["is_better"]:
            add(f"Better than the live version by {points} points (p = {against['holm_p_value']:.2g}).", stops=False)
        elif against["is_not_worse"]:
            add(f"Not worse than the live version by more than half a point ({points} points).", stops=False)
        else:
            add(f"Neither better than the live version nor surely within half a point ({points} points).", stops=True)
    against = comparisons["baseline"]
    points = _points(against["difference"])
    better = against["is_better"]
    add(f"{'Better' if better else 'Not better'} than the baseline ({points} points).", stops=not better)
    error = figures["challenger"]["calibration_error"]
    calibrated = error <= max_calibration_error
    word = "Calibrated" if calibrated else "Not calibrated"
    add(f"{word}: error {error:.3f}, at most {max_calibration_error} allowed.", stops=not calibrated)
    worse = [segment["segment"] for segment in segments if segment["is_worse"]]
    if worse:
        add(f"Worse in {', '.join(worse)}.", stops=True)
    else:
        add("Worse in no segment.", stops=False)
    return reasons


def _points(difference: dict) -> str:
    return f"{100 * difference['value']:+.1f}, {100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}"
