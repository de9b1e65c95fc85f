"""What a watched model's page says besides its figures: columns that moved, segments, and what was live on a day."""

from collections.abc import Sequence
from datetime import date

from maeari import clock
from monitoring.policy import METHODS

SEGMENTS_SHOWN = 10


def newest(windows: Sequence[dict]) -> list[dict]:
    """The newest window and, where nothing was decided on it, the newest one of its version that was."""
    found = list(windows[-1:])
    for window in reversed(windows):
        if window["verdict"] not in ("labels_pending", "too_few_rows"):
            is_same = window["model_version"] == found[0]["model_version"]
            return [found[0], window] if is_same and window is not found[0] else found
    return found


def columns(metrics: Sequence[dict], reasons: Sequence[str]) -> list[dict]:
    """How far each column of a window moved and what is missing of it: those that a reason names first, then by far."""
    drift = {one["metric"]: one["value"] for one in metrics if (one["segment"], one["kind"]) == ("all", "drift")}
    found = []
    for name, distance in drift.items():
        for method in METHODS:
            column = name.removesuffix(f"_{method}")
            if column != name:
                named = f"Inputs: {column} moved,", f"Pipeline: {column} is missing"
                found.append(
                    {
                        "column": column,
                        "method": method,
                        "distance": distance,
                        "missing": drift.get(f"{column}_missing"),
                        "is_named": any(reason.startswith(named) for reason in reasons),
                    }
                )
    # What no row has, and none of the reference had, tells nothing.
    return sorted((one for one in found if one["is_named"] or one["missing"] != 1), key=_by_distance)


def _by_distance(column: dict) -> tuple:
    distance = column["distance"]
    far = 0 if distance is None else distance if column["method"] == "chi_square" else -distance
    return not column["is_named"], distance is None, far, column["column"]


def segments(metrics: Sequence[dict], figure: str) -> list[dict]:
    """The main figure by segment beside its reference, surely bad ones first.

    They are in the order of the better end of their interval, so that a few rows do not make a segment the worst.
    """
    references = {one["segment"]: one["value"] for one in metrics if one["metric"] == f"reference_{figure}"}
    found = [
        one | {"reference": references.get(one["segment"])}
        for one in metrics
        if (one["metric"], one["kind"]) == (figure, "realized") and one["segment"] != "all" and one["value"] is not None
    ]
    better, sign = ("low", -1) if figure == "mean_absolute_error" else ("high", 1)
    return sorted(found, key=lambda one: sign * (one["value"] if one[better] is None else one[better]))


def shares(metrics: Sequence[dict]) -> dict:
    """Coverage and shares as a table: the names of its columns, and for each window, in order, figures by name."""
    windows: dict[tuple, dict] = {}
    for one in metrics:
        key = one["window_start"], one["window_end"], one["model_version"]
        windows.setdefault(key, {})[one["metric"]] = one
    named = {one["metric"] for one in metrics if not one["metric"].startswith(("reference_", "relative_"))}
    rows = [
        {"window_start": start, "window_end": end, "model_version": version, "figures": figures}
        for (start, end, version), figures in windows.items()
    ]
    return {"names": sorted(named), "rows": rows}


def in_charge(deployments: Sequence[dict], day: date) -> dict | None:
    """The release that counts on a day, as monitoring has it: the last one of those that count from then or before."""
    begun = [one for one in deployments if one["effective_from"].astimezone(clock.zone()).date() <= day]
    return max(begun, key=lambda one: (one["effective_from"], one["deployment_id"]), default=None)


def holding(windows: Sequence[dict], day: date) -> dict | None:
    """The newest watched window that holds a day."""
    return next((one for one in reversed(windows) if one["window_start"] <= day <= one["window_end"]), None)
