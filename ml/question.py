"""What the approver reads: the frozen evidence as Markdown."""

import re
from datetime import datetime, timedelta

from maeari import clock

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#!|~&$])")


def request_mark(request_id: int) -> str:
    """The words by which an answer is known to belong to a request's evidence and to no other."""
    return f"request `{request_id}`"


def approval_body(evidence: dict, request_id: int) -> str:
    """The question to the approver: headline, figures, segments, and what each answer does; all data is escaped."""
    model, version = _escape(evidence["model"]), evidence["version"]
    replay = ["> **Replay.** This release belongs to the past of the demo and is marked as one.", ""]
    return "\n".join(
        [
            *(replay if evidence["is_replay"] else []),
            f"## {_headline(evidence)}",
            "",
            f"Compared on {evidence['rows']:,} reviews with stars, written from {_day(evidence['window_from'])} to "
            f"{_last_day(evidence['window_until'])}, from which neither version has learned.",
            "",
            *_figures(evidence),
            "",
            *(f"- {_escape(reason)}" for reason in evidence["reasons"]),
            "",
            "### By segment",
            "",
            *_segments(evidence),
            "",
            "### What your answer does",
            "",
            *_consequences(evidence),
            "",
            f"[Model card of {model} version {version}](/maeari/models/{model}/versions/{version})"
            f" · {request_mark(request_id)} · artifact `{evidence['artifact_sha256'][:12]}`"
            f" · training set `{re.sub('[^0-9A-Za-z_-]', '', evidence['training_set_id'])}`",
        ]
    )


def _headline(evidence: dict) -> str:
    model, version, live = _escape(evidence["model"].capitalize()), evidence["version"], evidence["live_version"]
    accuracy = {side: figures["accuracy"]["value"] for side, figures in evidence["figures"].items()}
    right = _percent(accuracy["challenger"])
    if live is None:
        return f"{model} version {version} is right in {right}, the baseline in {_percent(accuracy['baseline'])}"
    verdict = "is better than" if evidence["comparisons"]["live"]["is_better"] else "is as good as"
    return f"{model} version {version} {verdict} version {live}: right in {right}, not {_percent(accuracy['live'])}"


def _figures(evidence: dict) -> list[str]:
    names = {
        "challenger": f"**challenger** (version {evidence['version']})",
        "live": f"live (version {evidence['live_version']})",
        "baseline": "baseline (word list)",
    }
    lines = [
        "| | right | 95 % interval | praise found | blame found | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for side in ("challenger", "live", "baseline"):
        if side not in evidence["figures"]:
            continue
        figures = evidence["figures"][side]
        recalls = [figures.get(f"{label}_recall", {}).get("value") for label in ("positive", "negative")]
        error = figures.get("calibration_error")
        cells = [
            names[side],
            _percent(figures["accuracy"]["value"]),
            f"{_percent(figures['accuracy']['low'])} to {_percent(figures['accuracy']['high'])}",
            *("" if recall is None else _percent(recall) for recall in recalls),
            "" if error is None else f"{error:.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _segments(evidence: dict) -> list[str]:
    rival = "live" if evidence["live_version"] is not None else "baseline"
    lines = [f"| segment | reviews | challenger | {rival} | difference, in points |", "|---|---|---|---|---|"]
    for segment in evidence["segments"]:
        difference = segment["difference"]
        low, high = 100 * difference["low"], 100 * difference["high"]
        lines.append(
            f"| {_escape(segment['segment'])} | {segment['rows']:,} | {_percent(segment['challenger']['value'])} "
            f"| {_percent(segment['rival']['value'])} | {100 * difference['value']:+.1f} ({low:+.1f} to {high:+.1f}) |"
        )
    return lines


def _consequences(evidence: dict) -> list[str]:
    version, live = evidence["version"], evidence["live_version"]
    stays = "nothing goes live" if live is None else f"version {live} stays live"
    start = _day(evidence["window_until"]) if evidence["is_replay"] else "the day after your answer"
    return [
        f"- **Approve**: version {version} scores what is written from {start} on, and the 90 days before once more.",
        f"- **Reject**: {stays}. Please give the reason.",
        f"- No answer within 14 days: {stays}.",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(clock.zone()).date().isoformat()


def _last_day(moment: str) -> str:
    return (datetime.fromisoformat(moment).astimezone(clock.zone()) - timedelta(seconds=1)).date().isoformat()


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
