"""Reads dates as sites write them, to a moment in UTC and how precisely the site told it."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Literal

Precision = Literal["second", "minute", "hour", "day", "week", "month", "year"]

_AGO = re.compile(
    r"(\d{1,4}|한|하루|일주일|an?)\s*(초|분|시간|일|주일?|개월|달|년|second|minute|hour|day|week|month|year)s?\s*(?:전|ago)"
)
_WORDS = {
    "방금": ("minute", 0),
    "방금 전": ("minute", 0),
    "just now": ("minute", 0),
    "오늘": ("day", 0),
    "today": ("day", 0),
}
_WORDS |= {"어제": ("day", 1), "yesterday": ("day", 1), "그제": ("day", 2), "그저께": ("day", 2), "엊그제": ("day", 2)}
_WORDS |= {"하루 전": ("day", 1), "일주일 전": ("week", 1)}
_UNITS: dict[str, Precision] = {
    "초": "second",
    "분": "minute",
    "시간": "hour",
    "일": "day",
    "주": "week",
    "주일": "week",
}
_UNITS |= {"개월": "month", "달": "month", "년": "year"}
_WITH_SECONDS = re.compile(r".{10,11}\d\d:?\d\d:?\d\d")
_CLOCK = (
    r"(?:\s?(?:\([^)\d]{1,3}\))?[\sT,]{0,3}"
    r"(오전|오후|AM|PM)?\s*(\d{1,2})\s*[:시]\s*(\d{1,2})(?:\s*[:분]\s*(\d{1,2}))?\D{0,2})?"
)
_DAY = re.compile(rf"(\d{{4}}|\d{{2}})\s*[.\-/년]\s*(\d{{1,2}})\s*[.\-/월]\s*(\d{{1,2}})\s*[.일]?{_CLOCK}")
_DAY_OF_THIS_YEAR = re.compile(rf"(\d{{1,2}})\s*[.\-/월]\s*(\d{{1,2}})\s*[.일]?{_CLOCK}")


def read_date(text: str, fetched_at: datetime, zone: tzinfo) -> tuple[datetime, Precision]:
    """The moment that a text meant when it was fetched; without a zone of its own it is read in `zone`.

    Understood: ISO 8601, RFC 822, "2025.01.13.", "25.1.13 14:05", "2025년 1월 13일 오후 2:05", "1월 2일", "방금 전",
    "3시간 전", "어제", "2주 전". Raises ValueError when it cannot be read.
    """
    text = " ".join(text.split())
    try:
        moment, precision = (
            _iso(text)
            or _ago(text, fetched_at.astimezone(zone))
            or _day(text, fetched_at.astimezone(zone))
            or _mail(text)
        )
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC), precision
    except (ValueError, OverflowError):
        raise ValueError(f"date “{text[:40]}” cannot be read") from None


def _iso(text: str) -> tuple[datetime, Precision] | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= 10:
        return moment, "day"
    return moment, "second" if _WITH_SECONDS.match(text) else "minute"


def _ago(text: str, now: datetime) -> tuple[datetime, Precision] | None:
    if text in _WORDS:
        unit, count = _WORDS[text]
    elif found := _AGO.fullmatch(text):
        unit = _UNITS.get(found[2], found[2])
        count = int(found[1]) if found[1].isdecimal() else 1
    else:
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    match unit:
        case "second" | "minute" | "hour":
            return now - timedelta(**{f"{unit}s": count}), unit
        case "day" | "week":
            return midnight - timedelta(**{f"{unit}s": count}), unit
        case "month":
            months = 12 * now.year + now.month - 1 - count
            # A month's last days have no namesake in a shorter one.
            return midnight.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28)), unit
        case _:
            return midnight.replace(year=now.year - count, day=min(now.day, 28)), unit


def _day(text: str, now: datetime) -> tuple[datetime, Precision] | None:
    if found := _DAY.fullmatch(text):
        year, month, day, *clock = found.groups()
        return _at(datetime(int(year) if len(year) == 4 else 2000 + int(year), int(month), int(day)), clock)
    if found := _DAY_OF_THIS_YEAR.fullmatch(text):
        month, day, *clock = found.groups()
        moment, precision = _at(datetime(now.year, int(month), int(day)), clock)
        if moment.date() > now.date():
            moment = moment.replace(year=now.year - 1)
        return moment, precision
    return None


def _at(day: datetime, clock: list[str | None]) -> tuple[datetime, Precision]:
    half, hour, minute, second = clock
    if hour is None:
        return day, "day"
    hour_of_day = int(hour) % 12 + 12 * (half in ("오후", "PM")) if half else int(hour)
    moment = day.replace(hour=hour_of_day, minute=int(minute), second=int(second or 0))
    return moment, "second" if second else "minute"


def _mail(text: str) -> tuple[datetime, Precision]:
    moment = parsedate_to_datetime(text)
    # RFC 2822 lets "-0000" say that the zone is unknown.
    return moment, "second"
