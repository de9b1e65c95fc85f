"""What the approver reads: the frozen evidence as Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from maeari import clock

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#!|~&$])")


def request_mark(request_id: int) -> str:
    """The words by which an answer is known to belong to a request's evidence and to no other."""
    return f"request `{request_id}`"


def approval_body(evidence: dict, request_id: int | None = None) -> str:
    """The question to the approver: headline, figures, segments, and what each answer does; all data is escaped.

    Without a request it is a preview: it bears no mark, so that no answer can belong to it.
    """
    model, version = _escape(evidence["model"]), evidence["version"]
    wording = _WORDINGS[evidence["measure"]]
    replay = ["> **Replay.** This release belongs to the past of the demo and is marked as one.", ""]
    marks = [
        f"[Model card of {model} version {version}](/maeari/models/{model}/versions/{version})",
        *([] if request_id is None else [request_mark(request_id)]),
        f"artifact `{evidence['artifact_sha256'][:12]}`",
        f"training set `{re.sub('[^0-9A-Za-z_-]', '', evidence['training_set_id'])}`",
    ]
    return "\n".join(
        [
            *(replay if evidence["is_replay"] else []),
            f"## {_headline(evidence, wording)}",
            "",
            wording.compared.format(
                rows=f"{evidence['rows']:,}",
                first=_day(evidence["window_from"]),
                last=_last_day(evidence["window_until"]),
            ),
            "",
            *_figures(evidence, wording),
            "",
            *(f"- {_escape(reason)}" for reason in evidence["reasons"]),
            "",
            "### By segment",
            "",
            *_segments(evidence, wording),
            "",
            *(_topics(evidence) if "topics" in evidence else []),
            *(_watched(evidence) if "monitoring" in evidence else []),
            "### What your answer does",
            "",
            *_consequences(evidence, wording),
            "",
            " · ".join(marks),
        ]
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _decimal(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}".removeprefix("0")


def _decimal_interval(figures: dict) -> str:
    return f"{_decimal(figures['low'])} to {_decimal(figures['high'])}"


def _percent_interval(figures: dict) -> str:
    return f"{_percent(figures['low'])} to {_percent(figures['high'])}"


def _value(figures: dict, name: str) -> float | None:
    return figures.get(name, {}).get("value")


@dataclass(frozen=True)
class _Wording:
    """How the evidence of one measure is said."""

    rows: str
    compared: str
    """With the places `rows`, `first` and `last` (days)."""
    alone: str
    """The headline of a first version: `one`, `own`, `other`."""
    better: str
    equal: str
    """Headlines beside a live version: `one`, `two`, `own`, `other`."""
    baseline: str
    shown: Callable[[float | None], str]
    """The measure's value as people write it."""
    columns: tuple[tuple[str, Callable[[dict], str]], ...]
    approved: str
    """With the places `version` and `start`."""
    asks_for_names: bool = False


_WORDINGS = {
    "accuracy": _Wording(
        rows="reviews",
        compared="Compared on {rows} reviews with stars, written from {first} to {last}, from which neither version "
        "has learned.",
        alone="{one} is right in {own}, the baseline in {other}",
        better="{one} is better than {two}: right in {own}, not {other}",
        equal="{one} is as good as {two}: right in {own}, not {other}",
        baseline="baseline (word list)",
        shown=_percent,
        columns=(
            ("right", lambda figures: _percent(_value(figures, "accuracy"))),
            ("95 % interval", lambda figures: _percent_interval(figures["accuracy"])),
            ("praise found", lambda figures: _percent(_value(figures, "positive_recall"))),
            ("blame found", lambda figures: _percent(_value(figures, "negative_recall"))),
            ("unsure", lambda figures: _percent(_value(figures, "unsure_share"))),
            ("right when sure", lambda figures: _percent(_value(figures, "sure_accuracy"))),
            ("calibration error", lambda figures: _decimal(figures.get("calibration_error"))),
        ),
        approved="version {version} scores what is written from {start} on, and the 90 days before once more.",
    ),
    "roc_auc": _Wording(
        rows="customers",
        compared="Compared on {rows} customers, by who bought nothing from {first} to {last}, from which neither "
        "version has learned. Each side would contact those whom it thinks likeliest to leave.",
        alone="{one} ranks leavers with a ROC-AUC of {own}, the baseline with {other}",
        better="{one} ranks leavers better than {two}: ROC-AUC {own}, not {other}",
        equal="{one} ranks leavers as well as {two}: ROC-AUC {own}, beside {other}",
        baseline="baseline (days since the last purchase)",
        shown=_decimal,
        columns=(
            ("ROC-AUC", lambda figures: _decimal(_value(figures, "roc_auc"))),
            ("95 % interval", lambda figures: _decimal_interval(figures["roc_auc"])),
            ("contacted", lambda figures: f"{figures['contacted']:,}"),
            ("leavers among them", lambda figures: _percent(_value(figures, "precision"))),
            ("of all leavers", lambda figures: _percent(_value(figures, "recall"))),
            ("lift", lambda figures: "" if figures["lift"] is None else f"{figures['lift']:.2f}"),
            ("Brier score", lambda figures: _decimal(figures.get("brier_score"))),
            ("calibration error", lambda figures: _decimal(figures.get("calibration_error"))),
        ),
        approved="version {version} scores the customers of every month end from {start} on, and those of the last 90 "
        "days once more.",
    ),
    "recall_at_10": _Wording(
        rows="readers",
        compared="Compared on {rows} readers whose newest book was bought from {first} to {last}, and from whom no "
        "version ever learns: is that book among ten that are offered for those before it?",
        alone="{one} finds the last book of {own} of readers, the baseline of {other}",
        better="{one} finds more last books than {two}: of {own} of readers, not {other}",
        equal="{one} finds as many last books as {two}: of {own} of readers, beside {other}",
        baseline="baseline (the ten most read)",
        shown=_percent,
        columns=(
            ("found among ten", lambda figures: _percent(_value(figures, "recall_at_10"))),
            ("95 % interval", lambda figures: _percent_interval(figures["recall_at_10"])),
            ("NDCG at ten", lambda figures: _decimal(_value(figures, "ndcg_at_10"))),
        ),
        approved="the book bot and `maeari recommend` offer books by version {version} at once.",
    ),
    "told_apart": _Wording(
        rows="texts",
        compared="Compared on {rows} texts, written from {first} to {last}, from which no version ever learns: each is "
        "parted into two halves, and a version is right when the topics of one half are nearer to those of the other "
        "than to those of another text.",
        alone="{one} tells texts apart in {own} of cases, the baseline in {other}",
        better="{one} tells texts apart better than {two}: in {own} of cases, not {other}",
        equal="{one} tells texts apart as well as {two}: in {own} of cases, beside {other}",
        baseline="baseline (the most frequent words)",
        shown=_percent,
        columns=(
            ("told apart", lambda figures: _percent(_value(figures, "told_apart"))),
            ("95 % interval", lambda figures: _percent_interval(figures["told_apart"])),
        ),
        approved="version {version} tells the topics of all texts, old and new; those from {start} on count as live.",
        asks_for_names=True,
    ),
}


def _headline(evidence: dict, wording: _Wording) -> str:
    model, live, figures = (
        _escape(evidence["model"].replace("_", " ").capitalize()),
        evidence["live_version"],
        evidence["figures"],
    )
    own, other = (
        wording.shown(figures[side][evidence["measure"]]["value"])
        for side in ("challenger", "live" if "live" in figures else "baseline")
    )
    if "live" not in figures:
        sentence = wording.alone
    else:
        sentence = wording.better if evidence["comparisons"]["live"]["is_better"] else wording.equal
    return sentence.format(one=f"{model} version {evidence['version']}", two=f"version {live}", own=own, other=other)


def _figures(evidence: dict, wording: _Wording) -> list[str]:
    names = {
        "challenger": f"**challenger** (version {evidence['version']})",
        "live": f"live (version {evidence['live_version']})",
        "baseline": wording.baseline,
    }
    sides = [*names, *sorted(evidence["figures"].keys() - names.keys())]
    titles = [title for title, _ in wording.columns]
    lines = [f"| | {' | '.join(titles)} |", "|---" * (1 + len(titles)) + "|"]
    for side in sides:
        if side not in evidence["figures"]:
            continue
        cells = [names.get(side, _escape(side)), *(show(evidence["figures"][side]) for _, show in wording.columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _segments(evidence: dict, wording: _Wording) -> list[str]:
    rival = "live" if "live" in evidence["figures"] else "baseline"
    lines = [f"| segment | {wording.rows} | challenger | {rival} | difference, in points |", "|---|---|---|---|---|"]
    for segment in evidence["segments"]:
        difference = segment["difference"]
        low, high = 100 * difference["low"], 100 * difference["high"]
        lines.append(
            f"| {_escape(segment['segment'])} | {segment['rows']:,} | {wording.shown(segment['challenger']['value'])} "
            f"| {wording.shown(segment['rival']['value'])} "
            f"| {100 * difference['value']:+.1f} ({low:+.1f} to {high:+.1f}) |"
        )
    return lines


_FATES = {"new": "new", "kept": "as before", "merged": "merged from {ids}", "part": "part of {ids}"}


def _topics(evidence: dict) -> list[str]:
    """The topics of both versions side by side, the largest first, and those of the live version that are gone."""
    lines = [
        "### Topics",
        "",
        "| topic | name | first words | share | live version | coherence | comes back | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for topic in sorted(evidence["topics"], key=lambda one: -one["share"]):
        stable = "" if topic["is_stable"] else " **unstable**"
        fate = _FATES[topic["fate"]].format(ids=_ids(topic["from_ids"]))
        lines.append(
            f"| {topic['topic_id']} | **{_escape(topic['label'])}** | {_escape(', '.join(topic['terms'][:10]))} "
            f"| {_percent(topic['share'])} | {_percent(topic['share_before'])} | {_decimal(topic['coherence'])} "
            f"| {_percent(topic['stability'])}{stable} | {fate if evidence['live_version'] else ''} |"
        )
    for topic in evidence["gone"]:
        fate = f"merged into {_ids(topic['into_ids'])}" if topic["into_ids"] else "gone"
        name = _escape(topic["label"])
        lines.append(f"| {topic['topic_id']} | {name} | | | {_percent(topic['share'])} | | | {fate} |")
    return [
        *lines,
        "",
        f"Found by: {_escape(evidence['method'])} *Coherence* is how much likelier a topic's words stand in one text "
        "than by chance (NPMI, -1 to 1); *comes back* is the share of its first 20 words that other seeds find again, "
        "on other parts of the texts.",
        "",
    ]


def _ids(ids: list[int]) -> str:
    return ", ".join(map(str, sorted(ids)))


def _watched(evidence: dict) -> list[str]:
    """What monitoring said of the live version when the question was put."""
    seen = evidence["monitoring"]
    page = seen["page"]
    verdict = seen["verdict"].replace("_", " ")
    return [
        "### How the live version does",
        "",
        f"From {seen['start']} to {seen['end']}, monitoring says of version {evidence['live_version']}: **{verdict}**.",
        "",
        *(f"- {_escape(reason)}" for reason in seen["reasons"]),
        *(["", f"[The drift page of these days, as it was](/maeari/reports/{page})"] if page else []),
        "",
    ]


def _consequences(evidence: dict, wording: _Wording) -> list[str]:
    live = evidence["live_version"]
    stays = "nothing goes live" if live is None else f"version {live} stays live"
    start = "the day after your answer"
    if evidence["is_replay"]:
        start = (date.fromisoformat(evidence["as_of"]) + timedelta(days=1)).isoformat()
    names = [
        "- **Names**: change a line of the form to give that topic another name; it stays with the topic when later "
        "versions are released. A line that is left out or empty changes nothing."
    ]
    return [
        f"- **Approve**: {wording.approved.format(version=evidence['version'], start=start)}",
        *(names if wording.asks_for_names else []),
        f"- **Reject**: {stays}. Please give the reason.",
        f"- No answer within 14 days: {stays}.",
    ]


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(clock.zone()).date().isoformat()


def _last_day(moment: str) -> str:
    return (datetime.fromisoformat(moment).astimezone(clock.zone()) - timedelta(seconds=1)).date().isoformat()


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
