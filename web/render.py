"""Jinja2 with autoescape on, and the words and figures that templates use."""

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from maeari import clock
from maeari.answers import UNSURE_BECAUSE, probability
from maeari.settings import Settings
from ml.texts.collection import Collection
from web import figures, policies, watched

VERDICTS = {
    "stable": ("✓", "stable", "The model is as good as in its reference."),
    "drifted": ("◆", "drifted", "What comes in has changed; the model is not clearly worse."),
    "declined": ("▼", "declined", "The model is clearly worse than in its reference."),
    "too_few_rows": ("○", "too few rows", "There are too few rows to say."),
    "labels_pending": ("…", "labels pending", "The labels of this window are not there yet."),
}
OUTCOMES = {
    "running": "… running",
    "finished": "✓ finished",
    "failed": "✕ failed",
    "abandoned": "✕ abandoned",
    "waiting": "… waiting",
    "approved": "✓ approved",
    "refused": "✕ refused",
    "expired": "○ expired",
    "superseded": "○ superseded",
    "not_better": "○ not better, not asked",
}
LABELS = {"positive": "＋ positive", "negative": "－ negative", "unsure": "○ unsure"}
ABBREVIATIONS = {
    "id": "ID", "sha256": "SHA-256", "mlflow": "MLflow", "psi": "PSI", "roc": "ROC", "auc": "AUC", "pr": "PR",
    "lime": "LIME", "shap": "SHAP", "ndcg": "NDCG",
}  # fmt: skip
# jsonb forgets the order in which a card was written: what people ask first comes first, the rest follows.
READING_ORDER = (
    "summary", "verdict", "start", "end", "reasons", "may_ask", "intended_use", "segment", "rows", "figures",
    "challenger", "live", "rival",
    "baseline", "accuracy", "unsure_share", "sure_accuracy", "roc_auc",
    "pr_auc", "brier_score", "difference", "positive_recall", "negative_recall",
    "calibration_error", "comparisons", "segments", "is_better", "is_not_worse", "is_worse", "limits", "data",
    "training_rows", "training_from",
    "training_until", "holdout_rows", "holdout_from", "holdout_until", "window_from", "window_until", "method",
)  # fmt: skip
# Parts of a card that are long: a page of their own shows them, and the card keeps them folded.
LISTS = ("backtest", "feature_tests", "importance", "features", "ageing", "topics", "trials")
# The models of topics, and whose texts they are of.
TOPIC_MODELS = {collection.model: collection.value for collection in Collection}
# What of its tables a model's page shows unfolded.
WINDOWS_SHOWN = 13
COLUMNS_SHOWN = 12
# Parts that few ask for: the card keeps them folded.
FOLDED = ("data", "config", "libraries")
SHARES = ("share", "accuracy", "recall", "probability")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, a dash when there is none; in whole percent a few are not told as none."""
    if share is None or math.isnan(share):
        return "–"
    return "<1 %" if digits == 0 and 0 < share <= 0.005 else f"{100 * share:.{digits}f} %"


def whole(number: float | None) -> str:
    """A count with thousands separators."""
    return "–" if number is None else f"{number:,.0f}"


def figure(number: float, name: str = "") -> str:
    """A number as people write it: a share as a percentage, others with no more digits than they are worth."""
    if str(name).endswith(SHARES) and 0 <= number <= 1:
        return percent(number)
    if isinstance(number, int) or (math.isfinite(number) and number == int(number) and abs(number) >= 1):
        return f"{int(number):,}"
    if 1_000 <= abs(number) < 1e15:
        return f"{number:,.0f}"
    return f"{number:.4g}"


def measure(number: float | None, name: str) -> str:
    """A measure of a model as its field writes it: areas under curves with three digits, shares as percentages."""
    if number is None:
        return "–"
    if str(name).endswith((*SHARES, "calibration_error", "calibration_error_unshifted", "precision")):
        return percent(number)
    if name == "top_decile_lift":
        return f"{number:.2f}"
    return f"{number:+.3f}" if name == "difference" else f"{number:.3f}"


def p_value(number: Any) -> str:
    """A p-value, with no more digits than it is worth; a dash when there is none."""
    if not isinstance(number, int | float):
        return "–"
    return "< 0.0001" if number < 0.0001 else f"{number:.4f}"


def leaning(direction: Any, high: str = "higher values", low: str = "lower values", neither: str = "neither") -> str:
    """The sign of an effect in words; what is in words already stays."""
    if not isinstance(direction, int | float):
        return direction if isinstance(direction, str) else "–"
    return high if direction > 0 else low if direction < 0 else neither


def path_part(name: str) -> str:
    """Any name as one part of an address's path."""
    return quote(name, safe="")


def id_path(name: str) -> str:
    """A stranger's id as the end of an address: what a path cannot hold goes into the query."""
    if not name.isprintable() or not name.strip("."):
        return f"?id={quote(name, safe='')}"
    return quote(name, safe="")


def points(share: float) -> str:
    """A difference of two shares in points, with its sign."""
    return f"{100 * share:+.1f}"


def signed(number: float | None) -> str:
    """A contribution to a score, always with its sign."""
    if number is None:
        return "–"
    return "0.00" if abs(number) < 0.005 else f"{number:+.2f}".replace("-", "−")


def when(moment: datetime | date | None) -> str:
    """A moment in the business zone, with the zone's name; a plain day as it is; never broken over two lines."""
    if moment is None:
        return "–"
    if isinstance(moment, datetime):
        return _unbroken(moment.astimezone(clock.zone()).strftime("%Y-%m-%d %H:%M %Z"))
    return _unbroken(moment.isoformat())


def day(moment: datetime | None) -> str:
    """The day of a moment in the business zone."""
    return "–" if moment is None else _unbroken(moment.astimezone(clock.zone()).date().isoformat())


def _unbroken(words: str) -> Markup:
    return Markup('<span class="nowrap">{}</span>').format(words)


def text(value: str) -> str:
    """A text of a JSON value; a moment in it reads like every other moment."""
    try:
        return (
            when(datetime.fromisoformat(value)) if "T" in value and len(value) >= len("2026-05-31T00:00+09") else value
        )
    except ValueError:
        return value


def words(name: Any) -> str:
    """A column or JSON key as words: `holdout_rows` becomes `Holdout rows`; the name of a segment stays."""
    name = str(name)
    if not name.replace("_", "").isalnum() or not name.islower():
        return name
    joined = " ".join(ABBREVIATIONS.get(part, part) for part in name.split("_"))
    return joined[:1].upper() + joined[1:]


def in_order(names: Iterable[Any]) -> list:
    """Keys in the order in which people read them."""
    return sorted(names, key=lambda name: READING_ORDER.index(name) if name in READING_ORDER else len(READING_ORDER))


def without(value: dict, names: Iterable[str]) -> dict:
    """The object less some of its keys."""
    return {name: part for name, part in value.items() if name not in names}


def is_interval(value: Any) -> bool:
    """Whether a JSON object is a share with its limits."""
    return isinstance(value, dict) and {"value", "low", "high"} <= value.keys()


def rows(value: Any) -> list[dict] | None:
    """The rows of a JSON value best read as a table: flat objects in a list or under names; else None."""
    if isinstance(value, dict) and not is_interval(value) and all(isinstance(part, dict) for part in value.values()):
        value = [value[name] if is_interval(value[name]) else {"": name} | value[name] for name in in_order(value)]
    if not isinstance(value, list) or not value:
        return None
    flat = all(
        isinstance(row, dict)
        and not is_interval(row)
        and all(is_interval(cell) or not isinstance(cell, dict | list) for cell in row.values())
        for row in value
    )
    return value if flat else None


def columns(rows: list[dict]) -> list[str]:
    """The keys of all rows, in order of reading, the rows' names first."""
    names = dict.fromkeys(key for row in rows for key in row)
    return [name for name in names if name == ""] + in_order(name for name in names if name != "")


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    percent=percent,
    probability=probability,
    whole=whole,
    figure=figure,
    points=points,
    signed=signed,
    measure=measure,
    p_value=p_value,
    leaning=leaning,
    id_path=id_path,
    path_part=path_part,
    when=when,
    day=day,
    text=text,
    words=words,
    rows=rows,
    columns=columns,
    in_order=in_order,
    without=without,
    block=figures.block,
    table=figures.table,
)
_environment.tests.update(interval=is_interval)
_environment.globals.update(
    VERDICTS=VERDICTS,
    OUTCOMES=OUTCOMES,
    LABELS=LABELS,
    UNSURE=UNSURE_BECAUSE,
    LISTS=LISTS,
    TOPIC_MODELS=TOPIC_MODELS,
    METHODS=watched.METHODS,
    WINDOWS_SHOWN=WINDOWS_SHOWN,
    COLUMNS_SHOWN=COLUMNS_SHOWN,
    FOLDED=FOLDED,
    plotly_version=version("plotly"),
)


def render(
    request: Request,
    template: str,
    status_code: int = 200,
    has_charts: bool = False,
    scripts: Sequence[str] = (),
    policy: str = policies.CHARTS,
    **context: Any,
) -> HTMLResponse:
    """A page made from a template; links in it begin with `root`, wherever the app is mounted.

    Only a page with charts may run scripts, and only those that are served from here: besides those that draw charts
    the given ones. `policy` is what such a page may do.
    """
    html = _environment.get_template(template).render(
        root=request.scope.get("root_path", ""),
        airflow=request.scope.get("app_root_path", ""),
        zone=Settings().timezone,
        in_frame=request.headers.get("Sec-Fetch-Dest") == "iframe",
        has_charts=has_charts,
        scripts=scripts,
        **context,
    )
    headers = {"Content-Security-Policy": policy} if has_charts else None
    return HTMLResponse(html, status_code, headers)
