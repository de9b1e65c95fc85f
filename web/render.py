"""Jinja2 with autoescape on, and the words and figures that templates use."""

import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from maeari import clock
from maeari.settings import Settings

VERDICTS = {
    "stable": ("✓", "stable", "The model is as right as when it was released."),
    "drifted": ("◆", "drifted", "The reviews have changed; the model is not clearly worse."),
    "declined": ("▼", "declined", "The model is clearly less often right than when it was released."),
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
ABBREVIATIONS = {"id": "ID", "sha256": "SHA-256", "mlflow": "MLflow", "psi": "PSI", "p": "p", "auc": "AUC", "f1": "F1"}


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, a dash when there is none."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f} %"


def whole(number: float | None) -> str:
    """A count with thousands separators."""
    return "–" if number is None else f"{number:,.0f}"


def figure(number: float) -> str:
    """A number of unknown meaning, with no more digits than it is worth."""
    if isinstance(number, int) or (math.isfinite(number) and number == int(number) and abs(number) >= 1):
        return f"{int(number):,}" if abs(number) >= 10_000 else str(int(number))
    return f"{number:.4g}"


def when(moment: datetime | date | None) -> str:
    """A moment in the business zone, with the zone's name; a plain day as it is."""
    if moment is None:
        return "–"
    if isinstance(moment, datetime):
        return moment.astimezone(clock.zone()).strftime("%Y-%m-%d %H:%M %Z")
    return moment.isoformat()


def day(moment: datetime | None) -> str:
    """The day of a moment in the business zone."""
    return "–" if moment is None else moment.astimezone(clock.zone()).date().isoformat()


def words(name: Any) -> str:
    """A column or JSON key as words: `holdout_rows` becomes `Holdout rows`."""
    text = " ".join(ABBREVIATIONS.get(part, part) for part in str(name).replace("_", " ").split())
    return text[:1].upper() + text[1:]


def is_interval(value: Any) -> bool:
    """Whether a JSON object is a share with its limits."""
    return isinstance(value, dict) and {"value", "low", "high"} <= value.keys()


def is_table(value: Any) -> bool:
    """Whether a JSON list is best read as a table: flat objects."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) for row in value)
        and not any(isinstance(cell, dict | list) and not is_interval(cell) for row in value for cell in row.values())
    )


def columns(rows: list[dict]) -> list[str]:
    """The keys of all rows, in order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    percent=percent, whole=whole, figure=figure, when=when, day=day, words=words, columns=columns
)
_environment.tests.update(interval=is_interval, table=is_table)
_environment.globals.update(VERDICTS=VERDICTS, OUTCOMES=OUTCOMES)


def render(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """A page made from a template; links in it begin with `root`, wherever the app is mounted."""
    html = _environment.get_template(template).render(
        root=request.scope.get("root_path", ""),
        airflow=request.scope.get("app_root_path", ""),
        zone=Settings().timezone,
        **context,
    )
    return HTMLResponse(html, status_code)
