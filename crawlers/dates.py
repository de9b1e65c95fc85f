"""Reads dates as sites write them, to a moment in UTC and how precisely the site told it."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Precision = Literal["second", "minute", "hour", "day", "week", "month", "year"]

LONGEST = 120
_SKEW = timedelta(days=1)

_LABEL = re.compile(
    r"(?:(?:기사|최초|최종)?\s?(?:작성|등록|입력|수정|발행|게시|승인|업데이트)(?:됨|일시|일자|시간|일)?|날짜|일시"
    r"|\b(?:first |last )?(?:posted|published|updated|written|reviewed|edited|modified|created|date)\b(?: on\b)?)"
    r"\s?[:：]?",
    re.IGNORECASE,
)
_KOREAN = ("한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열")
_ENGLISH = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTS = {name: count for names in (_KOREAN, _ENGLISH) for count, name in enumerate(names, 1)}
_COUNTS |= {"a": 1, "an": 1, "일": 1, "이": 2}
_UNITS: dict[str, Precision] = {
    "초": "second",
    "분": "minute",
    "시간": "hour",
    "일": "day",
    "주일": "week",
    "주": "week",
}
_UNITS |= {"개월": "month", "달": "month", "년": "year", "s": "second", "m": "minute", "h": "hour", "d": "day"}
_UNITS |= {"w": "week", "y": "year", "sec": "second", "min": "minute", "hr": "hour", "mo": "month", "yr": "year"}
_UNITS |= {unit: unit for unit in ("second", "minute", "hour", "day", "week", "month", "year")}
_AGO = re.compile(
    rf"(?:약|about|around|almost|over)?\s?(\d{{1,4}}|{'|'.join(sorted(_COUNTS, key=len, reverse=True))})"
    r"\s?(초|분|시간|일|주일|주|개월|달|년|(?:second|minute|hour|day|week|month|year|sec|min|hr|mo|yr)s?\.?|[smhdwy])"
    r"\s?(?:쯤|정도)?\s?(?:전(?:에)?|ago)"
)
_WORDS: dict[str, tuple[Precision, int]] = dict.fromkeys(
    ("방금", "방금 전", "조금 전", "지금", "just now", "now", "moments ago"), ("minute", 0)
)
_WORDS |= {"오늘": ("day", 0), "today": ("day", 0), "어제": ("day", 1), "yesterday": ("day", 1)}
_WORDS |= dict.fromkeys(("그제", "그저께", "엊그제", "엊그저께", "이틀 전"), ("day", 2)) | {"하루 전": ("day", 1)}
_WORDS |= {"그끄저께": ("day", 3), "사흘 전": ("day", 3), "나흘 전": ("day", 4), "닷새 전": ("day", 5)}
_WORDS |= {"엿새 전": ("day", 6), "열흘 전": ("day", 10), "보름 전": ("day", 15)}
_WORDS |= dict.fromkeys(("이번 주", "이번주", "this week"), ("week", 0))
_WORDS |= dict.fromkeys(("지난주", "지난 주", "저번 주", "저번주", "last week"), ("week", 1))
_WORDS |= dict.fromkeys(("이번 달", "이번달", "this month"), ("month", 0))
_WORDS |= dict.fromkeys(("지난달", "지난 달", "저번 달", "저번달", "last month"), ("month", 1))
_WORDS |= dict.fromkeys(("올해", "this year"), ("year", 0)) | dict.fromkeys(("재작년",), ("year", 2))
_WORDS |= dict.fromkeys(("작년", "지난해", "last year"), ("year", 1))
_DAY_WORD = re.compile("|".join(sorted((word for word, (unit, _) in _WORDS.items() if unit == "day"), key=len)[::-1]))

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6}
_MONTHS |= {"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_WEEKDAY = (
    r"(?:\(\s?[월화수목금토일](?:요일)?\s?\)|[월화수목금토일]요일|[월화수목금토일](?=\s)"
    r"|\(?(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?\)?)"
)
_YEAR, _M, _D = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_NTH = r"(?:st|nd|rd|th)?"
# In this order: a form stands before those that would take its first part for the whole.
_FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<joint>[.\-/])\s?{_M}\s?(?P=joint)\s?{_D}(?!\d)\.?",
        rf"(?P<year>\d{{4}}|\d{{2}})년\s?{_M}월\s?{_D}일",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?!\d)",
        rf"{_D}\.\s?{_M}\.\s?{_YEAR}(?!\d)",
        rf"(?P<either>\d{{1,2}})[/\-](?P<other>\d{{1,2}})[/\-]{_YEAR}(?!\d)",
        rf"(?P<year>\d{{2}})(?P<joint>[.\-/])\s?{_M}\s?(?P=joint)\s?{_D}(?!\d)\.?",
        rf"{_MONTH}\s?{_D}{_NTH},?\s(?P<year>\d{{4}})(?!\d)",
        rf"{_D}{_NTH}[\s\-]?(?:of\s)?{_MONTH},?[\s\-]?(?P<year>\d{{4}}|\d{{2}}(?=\s|$))(?!\d)",
        rf"{_YEAR}[\s\-]{_MONTH}[\s\-]{_D}(?!\d)",
        rf"{_MONTH}\s(?P<year>\d{{4}})(?!\d)",
        rf"(?P<year>\d{{4}}|\d{{2}})년\s?{_M}월",
        rf"{_YEAR}[.\-/]\s?{_M}(?!\d)\.?",
        r"(?P<year>\d{4})년",
        r"(?P<year>(?:19|20)\d\d)(?=$)",
        rf"{_M}월\s?{_D}일",
        rf"{_M}(?P<joint>[.\-/])\s?{_D}(?!\d)(?!(?P=joint)\s?\d)\.?",
        rf"{_MONTH}\s?{_D}{_NTH}(?![\d:])",
        rf"{_D}{_NTH}[\s\-](?:of\s)?{_MONTH}",
    )
]
_JAVA = re.compile(rf"({_WEEKDAY}\s)([a-z]{{3}}\s\d{{1,2}})\s(\d\d:\d\d:\d\d)(\s[a-z+\d:]{{1,9}})?\s(\d{{4}})", re.I)
_MORNING, _AFTERNOON = ("오전", "새벽", "아침", "am"), ("오후", "저녁", "pm")
_HALF = r"오전|오후|새벽|아침|저녁|[ap]\.?m\b\.?"
_CLOCK = re.compile(
    rf"[\s,.·|t에]{{0,3}}(?:{_WEEKDAY}[\s,]{{0,2}})?(?:at\s|-\s)?(?:(?P<half>{_HALF})\s?)?"
    r"(?P<hour>\d{1,2})\s?(?:(?P<mark>[:시])\s?(?:(?P<minute>\d{1,2})\s?(?:[:분]\s?(?:(?P<second>\d{1,2})(?:[.,]\d{1,9})?초?)?)?)?)?"
    rf"\s?(?P<half_after>{_HALF})?\s?(?P<zone>.{{0,50}})",
    re.IGNORECASE,
)
_WEEKDAY_ONLY = re.compile(rf"[\s,.]{{0,2}}(?:{_WEEKDAY})?[\s,.]{{0,2}}", re.IGNORECASE)
_WEEKDAY_FIRST = re.compile(rf"^{_WEEKDAY},?\s", re.IGNORECASE)
_OFFSET = re.compile(r"(?:gmt|utc)?\s?([+\-−])(\d{1,2})(?::?(\d\d))?(?::?00)?(?:\s?[(\[].{0,40}[)\]])?", re.IGNORECASE)
_ISO_CLOCK = re.compile(r"\d{4}-?\d\d-?\d\d.([\d:]+)")
_EPOCH = re.compile(r"(\d{10})(\d{3})?(?:\.\d{1,9})?")
_STAMP = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)?")
_HOURS = {"z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0, "bst": 1, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3}
_HOURS |= {"msk": 3, "sgt": 8, "hkt": 8, "kst": 9, "jst": 9, "aest": 10, "aedt": 11}
_HOURS |= {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_PLACES = {"et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver", "pt": "America/Los_Angeles"}


def read_date(text: str, fetched_at: datetime, zone: tzinfo) -> tuple[datetime, Precision]:
    """The moment that a text meant when it was fetched; without a zone of its own it is read in `zone`.

    Understood: ISO 8601, RFC 822, seconds and milliseconds since 1970, "2025.01.13.", "25.1.13 14:05",
    "2025년 1월 13일 (월) 오후 2:05", "January 13th, 2025 at 2:05 PM", "2025년 1월", "1월 2일", "방금 전", "3시간 전",
    "어제 오후 3:20", "지난주", "2 weeks ago". A date without a year is the last one that has been.
    Raises ValueError when it cannot be read, says two things ("01/02/2025"), or lies more than a day after the fetch.
    """
    if len(text) > LONGEST:
        raise ValueError(f"date “{_shown(text)}…” cannot be read: it is longer than {LONGEST} characters")
    try:
        moment, precision = _iso(text) or _read(_plain(text), fetched_at.astimezone(zone))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        reason = f": {error}" if type(error) is _Unclear else ""
        raise ValueError(f"date “{_shown(text)}” cannot be read{reason}") from None
    if moment - fetched_at > _SKEW:
        raise ValueError(f"date “{_shown(text)}” lies in the future: its page was fetched on {fetched_at:%Y-%m-%d}")
    return moment, precision


class _Unclear(ValueError):
    """A date that is understood, but not what it means; says why."""


def _shown(text: str) -> str:
    return " ".join(text[:LONGEST].split())[:40]


def _plain(text: str) -> str:
    parts = [part.strip(" :|·,'([") for part in _LABEL.split(" ".join(unicodedata.normalize("NFKC", text).split()))]
    # Of “입력 … 수정 …” the first is meant.
    first = next((part for part in parts if part.strip(")]")), "")
    return first if "(" in first or "[" in first else first.rstrip(")]")


def _read(text: str, now: datetime) -> tuple[datetime, Precision]:
    return _number(text) or _ago(text.lower(), now) or _iso(text) or _day(text, now)


def _number(text: str) -> tuple[datetime, Precision] | None:
    if found := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(found[1]), UTC), "second"
    if found := _STAMP.fullmatch(text):
        moment = datetime.strptime(f"{found[1]}{found[2]}{found[3]}{found[4] or '00'}", "%Y%m%d%H%M%S")
        return moment, "second" if found[4] else "minute"
    return None


def _iso(text: str) -> tuple[datetime, Precision] | None:
    # Python takes a figure for a date as well, and a week.
    if text[4:5] != "-" and text[8:9] != "T" or "W" in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= 10:
        return moment, "day"
    clock = len(_ISO_CLOCK.match(text)[1])
    return moment, "hour" if clock == 2 else "minute" if clock in (4, 5) else "second"


def _ago(text: str, now: datetime) -> tuple[datetime, Precision] | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if text in _WORDS:
        unit, count = _WORDS[text]
    elif found := _AGO.fullmatch(text):
        written = found[2].rstrip(".")
        unit = _UNITS.get(written) or _UNITS[written.removesuffix("s")]
        count = int(found[1]) if found[1].isdecimal() else _COUNTS[found[1]]
    elif (found := _DAY_WORD.match(text)) and (clock := _clock(text[found.end() :])):
        return _at(midnight - timedelta(days=_WORDS[found[0]][1]), clock)
    elif clock := _clock(text):
        moment, precision = _at(midnight, clock)
        # A site's clock may be ahead of ours by a little.
        is_of_yesterday = not moment.tzinfo and moment - now.replace(tzinfo=None) > timedelta(hours=1)
        return moment - timedelta(days=is_of_yesterday), precision
    else:
        return None
    match unit:
        case "second" | "minute" | "hour":
            return now.astimezone(UTC) - timedelta(**{f"{unit}s": count}), unit
        case "day" | "week":
            return midnight - timedelta(**{f"{unit}s": count}), unit
        case "month":
            months = 12 * now.year + now.month - 1 - count
            # A month's last days have no namesake in a shorter one.
            return midnight.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28)), unit
        case _:
            return midnight.replace(year=now.year - count, day=min(now.day, 28)), unit


def _day(text: str, now: datetime) -> tuple[datetime, Precision]:
    text = _JAVA.sub(r"\2 \5 \3\4", _WEEKDAY_FIRST.sub("", text, count=1) if not _JAVA.match(text) else text)
    for form in _FORMS:
        if not (found := form.match(text)):
            continue
        rest = text[found.end() :]
        clock = None if _WEEKDAY_ONLY.fullmatch(rest) else _clock(rest)
        if rest and clock is None and not _WEEKDAY_ONLY.fullmatch(rest):
            continue
        day, precision = _date(found.groupdict(), now)
        if clock is None:
            return day, precision
        if precision == "day":
            return _at(day, clock)
    raise ValueError(text)


def _date(parts: dict[str, str | None], now: datetime) -> tuple[datetime, Precision]:
    if either := parts.get("either"):
        first, second = int(either), int(parts["other"])
        if first <= 12 and second <= 12 and first != second:
            raise _Unclear("either number may be the month")
        month, day = min(first, second), max(first, second)
        return datetime(int(parts["year"]), month, day), "day"
    month = _MONTHS[parts["name"].lower()] if parts.get("name") else parts.get("month") and int(parts["month"])
    day = parts.get("day") and int(parts["day"])
    if (year := parts.get("year")) is None:
        return _last(now, month, day), "day"
    number = int(year)
    if len(year) == 2:
        number += 2000 if 2000 + number <= now.year + 1 else 1900
    return datetime(number, month or 1, day or 1), "day" if day else "month" if month else "year"


def _last(now: datetime, month: int, day: int) -> datetime:
    # Between two 29th of February lie up to eight years.
    for year in range(now.year, now.year - 9, -1):
        try:
            moment = datetime(year, month, day)
        except ValueError:
            continue
        if moment.date() <= now.date():
            return moment
    raise ValueError(f"{month}-{day}")


def _clock(text: str) -> re.Match | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    is_a_time = found["minute"] or found["mark"] == "시" or found["half"] or found["half_after"]
    return found if is_a_time and not (found["mark"] == ":" and not found["minute"]) else None


def _at(day: datetime, clock: re.Match) -> tuple[datetime, Precision]:
    hour, half = int(clock["hour"]), (clock["half"] or clock["half_after"] or "").lower().replace(".", "")
    if half in _AFTERNOON and hour < 12:
        hour += 12
    elif half in _MORNING and hour == 12:
        hour = 0
    elif half in _MORNING and hour > 12:
        raise _Unclear(f"{hour} o'clock is no morning")
    minute, second = clock["minute"], clock["second"]
    if hour == 24 and not int(minute or 0) and not int(second or 0):
        day, hour = day + timedelta(days=1), 0
    moment = day.replace(hour=hour, minute=int(minute or 0), second=int(second or 0))
    return moment.replace(tzinfo=_zone(clock["zone"])), "second" if second else "minute" if minute else "hour"


def _zone(text: str) -> tzinfo | None:
    name = text.strip(" .,()[]").lower()
    if not name:
        return None
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name]))
    if found := _OFFSET.fullmatch(text.strip()):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        return timezone(offset if found[1] == "+" else -offset)
    try:
        return ZoneInfo(_PLACES.get(name) or text.strip(" ()[]"))
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise _Unclear(f"“{text.strip()}” is no zone that is known here") from None
