"""The windows that policies ask for, and the version that counts in each."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.windows import (
    Deployment,
    Window,
    WindowLength,
    complete_windows,
    version_at,
    version_before,
    window_of,
)

days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(st.sampled_from(WindowLength), days, st.integers(0, 900))
def test_windows_are_whole_and_follow_one_another(length, since, span):
    until = since + timedelta(days=span)
    windows = complete_windows(length, since, until)
    assert all(since <= window.start and window.end <= until for window in windows)
    assert all(window_of(length, day) == window for window in windows for day in window)
    for before, after in zip(windows, windows[1:], strict=False):
        assert after.start == before.end + timedelta(days=1)
    if windows:
        assert window_of(length, windows[-1].end + timedelta(days=1)).end > until


def test_windows_begin_where_the_calendar_says():
    day = date(2026, 5, 31)
    assert window_of(WindowLength.day, day) == Window(day, day)
    assert window_of(WindowLength.week, day) == Window(date(2026, 5, 25), day)
    assert window_of(WindowLength.month, day) == Window(date(2026, 5, 1), day)
    assert window_of(WindowLength.quarter, date(2025, 12, 31)) == Window(date(2025, 10, 1), date(2025, 12, 31))


def test_the_version_of_a_day_is_the_newest_one_that_counts_by_then():
    deployments = [Deployment(1, date(2025, 12, 1)), Deployment(3, date(2026, 3, 2)), Deployment(2, date(2026, 3, 2))]
    assert [version_at(deployments, date(2026, 3, day)) for day in (1, 2)] == [1, 2]


def test_the_version_before_is_another_one():
    deployments = [Deployment(1, date(2025, 12, 1)), Deployment(2, date(2026, 1, 1)), Deployment(2, date(2026, 2, 1))]
    assert [version_before(deployments, date(2026, month, 9)) for month in (1, 2)] == [1, 1]
    assert version_before(deployments, date(2025, 12, 9)) is None
