"""Periods as people call them, and the one that is shown."""

from datetime import date, datetime

from maeari import clock
from ml.texts.collection import Every


def name(every: str, start: date) -> str:
    """The period that starts on a day: “2026-01-12 to 2026-01-18”, “January 2026”, “1st quarter of 2026”."""
    if every == "month":
        return f"{start:%B %Y}"
    if every == "quarter":
        ordinal = ("1st", "2nd", "3rd", "4th")[(start.month - 1) // 3]
        return f"{ordinal} quarter of {start.year}"
    return str(start) if every == "day" else f"{start} to {Every.week.last_day(start)}"


def bounds(every: str, start: date) -> tuple[datetime, datetime]:
    """From which moment on and before which one the period lasts."""
    return clock.start_of_day(start), clock.end_of_day(Every(every).last_day(start))


def shown(periods: list[dict], every: str, wanted: date | None) -> dict | None:
    """The period that holds the wanted day, with no text where nothing was written in it; None without any period.

    Without a day the newest that is over and has something to say.
    """
    if wanted is not None:
        start = Every(every).start(wanted)
        for one in periods:
            if one["period_start_on"] == start:
                return one
        return {"period_start_on": start, "texts": 0, "note": "nothing was written in it", "is_complete": True}
    if not periods:
        return None
    told = [one for one in periods if one["is_complete"] and not one["note"]]
    return (told or periods)[-1]
