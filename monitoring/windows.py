"""Windows of the calendar, and the version that counts in each."""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from maeari import clock


class WindowLength(StrEnum):
    """How long one monitored window is."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"


class Window(NamedTuple):
    """A stretch of whole days, both ends included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1


class Deployment(NamedTuple):
    """A version, and the day from which it counts."""

    version: int
    effective_on: date


def window_of(length: WindowLength, day: date) -> Window:
    """The window that holds a day: the day, Monday to Sunday, a calendar month, or a calendar quarter."""
    if length == WindowLength.day:
        return Window(day, day)
    if length == WindowLength.week:
        start = day - timedelta(days=day.weekday())
        return Window(start, start + timedelta(days=6))
    months = 1 if length == WindowLength.month else 3
    start = date(day.year, (day.month - 1) // months * months + 1, 1)
    after = start.month - 1 + months
    return Window(start, date(start.year + after // 12, after % 12 + 1, 1) - timedelta(days=1))


def complete_windows(length: WindowLength, since: date, until: date) -> list[Window]:
    """The windows that begin on or after one day and have ended on or before the other, oldest first."""
    found, window = [], window_of(length, since)
    while window.end <= until:
        if window.start >= since:
            found.append(window)
        window = window_of(length, window.end + timedelta(days=1))
    return found


def read_deployments(connection: Connection, model: str) -> list[Deployment]:
    """Every release of the model by the day it counts from; of two on one day the later release is last."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select version, effective_from from ops.deployments where model = %s "
            "order by effective_from, deployment_id",
            (model,),
        )
        return [Deployment(version, at.astimezone(clock.zone()).date()) for version, at in cursor.fetchall()]


def version_before(deployments: list[Deployment], day: date) -> int | None:
    """The version that counted before the one that counts on a day; None of the first."""
    found = [deployment.version for deployment in deployments if deployment.effective_on <= day]
    return next((version for version in reversed(found) if version != found[-1]), None)


def version_at(deployments: list[Deployment], day: date) -> int:
    """The version that counts on a day."""
    return [deployment.version for deployment in deployments if deployment.effective_on <= day][-1]
