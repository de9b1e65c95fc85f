"""Stars and dates as sites write them."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.dates import read_date
from crawlers.stars import read_stars

SEOUL = ZoneInfo("Asia/Seoul")
FETCHED_AT = datetime(2026, 5, 31, 14, 59, 59, tzinfo=UTC)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2026, 5, 31))


@given(st.integers(1, 5))
def test_drawn_stars_are_counted(stars):
    assert read_stars("★" * stars + "☆" * (5 - stars), 5) == (stars, 5)


@given(st.integers(1, 10), st.sampled_from([5, 10]))
def test_a_figure_is_read_in_every_dress(rating, scale):
    for text in (f"{rating}", f"{rating}점", f"별표 {rating}개", f"★ {rating}", f" {rating}.0 "):
        assert read_stars(text, scale) == (rating, scale)
    for text in (f"{rating}/{scale}", f"{rating} out of {scale}", f"{scale}점 만점에 {rating}점"):
        assert read_stars(text, 100) == (rating, scale)


def test_six_drawn_stars_are_six_of_five():
    assert read_stars("★★★★★★", 5) == (6, 5)


@given(st.text(max_size=60))
def test_any_text_is_a_rating_or_cannot_be_read(text):
    with suppress(ValueError):
        rating, scale = read_stars(text, 5)
        assert rating >= 0
        assert scale >= 0


@given(DAYS)
def test_a_day_is_read_in_every_dress(day):
    midnight = datetime(day.year, day.month, day.day, tzinfo=SEOUL)
    dresses = [f"{day:%Y.%m.%d.}", f"{day:%Y.%m.%d}", f"{day:%y.%m.%d}", f"{day:%Y-%m-%d}", f"{day:%Y/%m/%d}"]
    dresses += [f"{day.year}년 {day.month}월 {day.day}일", f"{day.year}. {day.month}. {day.day}."]
    for text in dresses:
        assert read_date(text, FETCHED_AT, SEOUL) == (midnight, "day")


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2026, 5, 31)))
def test_a_moment_keeps_its_own_zone_and_else_gets_ours(moment):
    moment = moment.replace(microsecond=0)
    here = moment.replace(tzinfo=SEOUL)
    assert read_date(here.isoformat(), FETCHED_AT, SEOUL) == (here, "second")
    assert read_date(moment.isoformat(sep=" "), FETCHED_AT, SEOUL) == (here, "second")
    assert read_date(f"{moment:%Y.%m.%d. %H:%M}", FETCHED_AT, SEOUL) == (here.replace(second=0), "minute")
    utc = moment.replace(tzinfo=UTC)
    assert read_date(f"{utc:%a, %d %b %Y %H:%M:%S} +0000", FETCHED_AT, SEOUL) == (utc, "second")
    assert read_date(f"{utc:%Y-%m-%dT%H:%M:%SZ}", FETCHED_AT, SEOUL) == (utc, "second")


@pytest.mark.parametrize(
    ("text", "moment", "precision"),
    [
        ("방금 전", datetime(2026, 5, 31, 23, 59, 59), "minute"),
        ("3시간 전", datetime(2026, 5, 31, 20, 59, 59), "hour"),
        ("20분 전", datetime(2026, 5, 31, 23, 39, 59), "minute"),
        ("어제", datetime(2026, 5, 30), "day"),
        ("3일 전", datetime(2026, 5, 28), "day"),
        ("2주 전", datetime(2026, 5, 17), "week"),
        ("3개월 전", datetime(2026, 2, 28), "month"),
        ("1년 전", datetime(2025, 5, 28), "year"),
        ("1월 2일", datetime(2026, 1, 2), "day"),
        ("12월 3일", datetime(2025, 12, 3), "day"),
        ("25.1.13", datetime(2025, 1, 13), "day"),
        ("2025년 1월 13일 오후 2:05", datetime(2025, 1, 13, 14, 5), "minute"),
        ("2025.01.13 (월) 오전 12:30", datetime(2025, 1, 13, 0, 30), "minute"),
        ("2025.01.13 오후 12:05", datetime(2025, 1, 13, 12, 5), "minute"),
        ("2025.01.13. 24:00", datetime(2025, 1, 14), "minute"),
        ("2025. 1. 13 (월) 오후 2:05", datetime(2025, 1, 13, 14, 5), "minute"),
        ("２０２５．０１．１３", datetime(2025, 1, 13), "day"),
        ("2025년 1월 13일 월요일 오후 3시", datetime(2025, 1, 13, 15), "hour"),
        ("2025년 1월", datetime(2025, 1, 1), "month"),
        ("2025", datetime(2025, 1, 1), "year"),
        ("'99.1.13", datetime(1999, 1, 13), "day"),
        ("입력 2025.01.13. 오후 2:05 수정 2025.01.14. 오전 9:00", datetime(2025, 1, 13, 14, 5), "minute"),
        ("작성일: 2025.01.13", datetime(2025, 1, 13), "day"),
        ("2 weeks ago (edited)", datetime(2026, 5, 17), "week"),
        ("a month ago", datetime(2026, 4, 28), "month"),
        ("두 달 전", datetime(2026, 3, 28), "month"),
        ("5 mins ago", datetime(2026, 5, 31, 23, 54, 59), "minute"),
        ("어제 오후 3:20", datetime(2026, 5, 30, 15, 20), "minute"),
        ("yesterday at 3:20 PM", datetime(2026, 5, 30, 15, 20), "minute"),
        ("오늘 14:05", datetime(2026, 5, 31, 14, 5), "minute"),
        ("14:05", datetime(2026, 5, 31, 14, 5), "minute"),
        ("그저께", datetime(2026, 5, 29), "day"),
        ("지난주", datetime(2026, 5, 24), "week"),
        ("작년", datetime(2025, 5, 28), "year"),
        ("2월 29일", datetime(2024, 2, 29), "day"),
        ("6월 1일", datetime(2025, 6, 1), "day"),
        ("2026-06-01", datetime(2026, 6, 1), "day"),
        ("Jan. 13, 2025, 2:05 p.m.", datetime(2025, 1, 13, 14, 5), "minute"),
        ("3rd of May 2025", datetime(2025, 5, 3), "day"),
        ("13/01/2025", datetime(2025, 1, 13), "day"),
        ("13.01.2025", datetime(2025, 1, 13), "day"),
        ("1736744400", datetime(2025, 1, 13, 14), "second"),
        ("1736744400000", datetime(2025, 1, 13, 14), "second"),
        ("20250113140506", datetime(2025, 1, 13, 14, 5, 6), "second"),
        ("Mon Jan 13 05:00:00 KST 2025", datetime(2025, 1, 13, 5), "second"),
        ("Mon, 13 Jan 2025 05:00:00 EST", datetime(2025, 1, 13, 19), "second"),
        ("Mon, 13 Jan 2025 05:00:00 -0000", datetime(2025, 1, 13, 14), "second"),
        ("2025-07-13 05:00 America/New_York", datetime(2025, 7, 13, 18), "minute"),
        ("2025-01-13 05:00 America/New_York", datetime(2025, 1, 13, 19), "minute"),
        ("2025-01-13T05:00:00+09:00[Asia/Seoul]", datetime(2025, 1, 13, 5), "second"),
        ("2025-01-13 05:00:00 +0900", datetime(2025, 1, 13, 5), "second"),
    ],
)
def test_written_dates_mean_what_a_reader_takes_them_for(text, moment, precision):
    assert read_date(text, FETCHED_AT, SEOUL) == (moment.replace(tzinfo=SEOUL), precision)


@given(DAYS)
def test_a_day_is_read_in_every_english_dress(day):
    midnight = datetime(day.year, day.month, day.day, tzinfo=SEOUL)
    dresses = [f"{day:%B} {day.day}, {day.year}", f"{day:%b} {day.day}, {day.year}", f"{day.day} {day:%B} {day.year}"]
    dresses += [f"{day:%A}, {day:%B} {day.day}, {day.year}", f"{day.day}-{day:%b}-{day.year}", f"{day:%Y%m%d}"]
    for text in dresses:
        assert read_date(text, FETCHED_AT, SEOUL) == (midnight, "day")


@given(st.datetimes(min_value=datetime(2001, 9, 10), max_value=datetime(2026, 5, 31)))
def test_a_minute_is_read_in_every_dress(moment):
    moment = moment.replace(second=0, microsecond=0, tzinfo=SEOUL)
    half, hour = "오전" if moment.hour < 12 else "오후", moment.hour % 12 or 12
    dresses = [f"{moment:%Y.%m.%d.} {half} {hour}:{moment:%M}", f"{moment:%Y-%m-%d %H:%M}", f"{moment:%y.%m.%d %H:%M}"]
    dresses += [f"{moment:%Y}년 {moment.month}월 {moment.day}일 {half} {hour}시 {moment.minute}분"]
    dresses += [
        f"{moment:%b} {moment.day}, {moment.year}, {hour}:{moment:%M} {moment:%p}",
        f"{moment:%Y-%m-%dT%H:%M%z}",
    ]
    for text in dresses:
        assert read_date(text, FETCHED_AT, SEOUL) == (moment, "minute")
    for text in (f"{moment.timestamp():.0f}", f"{moment.timestamp() * 1000:.0f}", f"{moment:%a, %d %b %Y %H:%M:%S %z}"):
        assert read_date(text, FETCHED_AT, SEOUL) == (moment, "second")


@given(st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 12, 31)), st.integers(0, 364))
def test_a_day_without_a_year_is_the_last_one_that_has_been(today, days):
    fetched_at = datetime(today.year, today.month, today.day, 12, tzinfo=SEOUL)
    day = today - timedelta(days=days)
    for text in (f"{day.month}월 {day.day}일", f"{day:%m.%d}", f"{day:%m-%d}", f"{day:%b} {day.day}"):
        assert read_date(text, fetched_at, SEOUL)[0].astimezone(SEOUL).date() == day


def test_hours_ago_are_hours_also_when_the_clock_is_put_forward():
    fetched_at = datetime(2026, 3, 8, 12, tzinfo=UTC)
    read, _ = read_date("12 hours ago", fetched_at, ZoneInfo("America/New_York"))
    assert fetched_at - read == timedelta(hours=12)


@given(st.integers(1, 400))
def test_days_ago_lie_that_far_back(days):
    read, _ = read_date(f"{days}일 전", FETCHED_AT, SEOUL)
    assert FETCHED_AT.astimezone(SEOUL).date() - read.astimezone(SEOUL).date() == timedelta(days=days)


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_cannot_be_read(text):
    with suppress(ValueError):
        assert read_date(text, FETCHED_AT, SEOUL)[0].utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "2025-13-40", "어느 날", "99999년 전", "31.02.2025", "2025-W03-1", "1,234", "5"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="cannot be read"):
        read_date(text, FETCHED_AT, SEOUL)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2030-01-01", "lies in the future: its page was fetched on 2026-05-31"),
        ("2026-06-02", "lies in the future"),
        ("01/02/2025", "either number may be the month"),
        ("2025.01.13 14:05 XYZ", "“XYZ” is no zone"),
        ("2025.01.13 오전 15:20", "15 o'clock is no morning"),
        ("2025" + " " * 200, "longer than 120 characters"),
    ],
)
def test_a_date_that_is_not_taken_says_why(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_date(text, FETCHED_AT, SEOUL)


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("★★★½", (3.5, 5)),
        ("★★★⯪☆", (3.5, 5)),
        ("⭐️⭐️⭐️", (3, 5)),
        ("☆☆☆☆☆", (0, 5)),
        ("３½", (3.5, 5)),
        ("４．５", (4.5, 5)),
        ("4,5", (4.5, 5)),
        ("4,5/5", (4.5, 5)),
        ("80%", (80, 100)),
        ("width: 80%", (80, 100)),
        ("평점 9점", (9, 5)),
        ("10점 만점 중 9점", (9, 10)),
        ("별 5개 만점에 4.5개", (4.5, 5)),
        ("Rated 4 out of 5 stars", (4, 5)),
        ("star-rating Four", (4, 5)),
        ("rating-4", (4, 5)),
        ("80 / 100", (80, 100)),
        ("5점(매우만족)", (5, 5)),
    ],
)
def test_ratings_mean_what_a_reader_takes_them_for(text, rating):
    assert read_stars(text, 5) == rating


@pytest.mark.parametrize("text", ["", "-1", "1,234", "12/25/2025", "width:80px", "별점", "4.5 (123)", "9" * 5_000])
def test_what_is_no_rating_is_refused(text):
    with pytest.raises(ValueError, match="cannot be read"):
        read_stars(text, 5)


ALPHABET = st.sampled_from(
    [*"0123456789.,:/-+ ()년월일시분초전오후주달개점만중에★☆½%TZ", " ago", "Jan", "어제", "PM", "KST", "입력"]
)


@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_any_heap_of_parts_is_read_or_cannot_be(text):
    with suppress(ValueError):
        assert read_date(text, FETCHED_AT, SEOUL)[0] - FETCHED_AT <= timedelta(days=1)
    with suppress(ValueError):
        assert min(read_stars(text, 5)) >= 0
