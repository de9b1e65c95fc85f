"""The one clock: the day a step works for is passed in, never read deep inside."""

import json
import os
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from maeari.errors import SettingsError
from maeari.settings import Settings


def zone() -> ZoneInfo:
    """The zone in which days begin."""
    # It is asked for with each record and each shown moment, and reading all settings takes a millisecond.
    return ZoneInfo(os.environ.get("MAEARI_TIMEZONE") or Settings.model_fields["timezone"].default)


def today(as_of: date | str | None = None) -> date:
    """The given day, else `MAEARI_AS_OF`, else the demo world's day where one runs, else today in the business zone."""
    chosen = as_of or _fixed_today()
    if not chosen:
        return datetime.now(zone()).date()
    return chosen if isinstance(chosen, date) else parse_day(chosen)


def _fixed_today() -> str | None:
    demo = Settings().path("demo", "world.json")
    return os.environ.get("MAEARI_AS_OF") or (json.loads(demo.read_text())["today"] if demo.exists() else None)


def now(as_of: date) -> datetime:
    """The moment a step works at: the wall clock when `as_of` is today, else the last second of that day, in UTC."""
    wall = datetime.now(UTC)
    return wall if as_of == wall.astimezone(zone()).date() else end_of_day(as_of) - timedelta(seconds=1)


def parse_day(text: str) -> date:
    """A day written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"“{text}” is not a day; write it as YYYY-MM-DD, such as 2026-05-31.") from None


def end_of_day(day: date) -> datetime:
    """The first moment after the day, in UTC: what happened before it was known on that day."""
    return datetime.combine(day + timedelta(days=1), time(), zone()).astimezone(UTC)


def start_of_day(day: date) -> datetime:
    """The first moment of the day, in UTC."""
    return datetime.combine(day, time(), zone()).astimezone(UTC)


def business_day(dag_run) -> date:
    """The day a DAG run works for.

    `conf["as_of"]`, else the newest `as_of` that the consumed asset events carry (so that a chain of DAGs
    started for one day stays on it), else the fixed day of `today`, else `run_after` in the business zone.
    """
    given = (dag_run.conf or {}).get("as_of")
    if given:
        return parse_day(given)
    carried = [event.extra["as_of"] for event in (dag_run.consumed_asset_events or []) if event.extra.get("as_of")]
    if carried:
        return parse_day(max(carried))
    return today(_fixed_today() or dag_run.run_after.astimezone(zone()).date())
