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
    ],
)
def test_written_dates_mean_what_a_reader_takes_them_for(text, moment, precision):
    assert read_date(text, FETCHED_AT, SEOUL) == (moment.replace(tzinfo=SEOUL), precision)


@given(st.integers(1, 400))
def test_days_ago_lie_that_far_back(days):
    read, _ = read_date(f"{days}일 전", FETCHED_AT, SEOUL)
    assert FETCHED_AT.astimezone(SEOUL).date() - read.astimezone(SEOUL).date() == timedelta(days=days)


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_cannot_be_read(text):
    with suppress(ValueError):
        assert read_date(text, FETCHED_AT, SEOUL)[0].utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "2025-13-40", "어느 날", "99999년 전", "31.02.2025"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="cannot be read"):
        read_date(text, FETCHED_AT, SEOUL)
