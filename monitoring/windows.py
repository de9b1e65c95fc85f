"""Windows of the calendar, the version live in each, and the rows that were known at a window's end."""

import hashlib
from datetime import date, datetime, timedelta
from typing import NamedTuple

import pandas as pd
from psycopg2.extensions import connection as Connection

from maeari import clock
from monitoring.policy import WindowLength

# A review that changed within the period counts once, as it stood at the period's end. Its content hash covers the
# rating and the text, so every version with that hash has the same label.
_ROWS = """
    select distinct on (p.review_id)
        p.review_id, p.content_hash, v.source, v.subject_id, v.stars, v.sentiment_label, v.title, v.body,
        p.positive_probability
    from predictions.sentiment p
    join intermediate.int_reviews__versions v
        on v.review_id = p.review_id and v.content_hash = p.content_hash
    where p.model_version = %(version)s and p.purpose <> 'shadow'
        and p.event_at >= %(start)s and p.event_at < %(end)s and v.valid_from < %(end)s
    order by p.review_id, p.event_at desc, v.version_no desc
"""
_FINGERPRINT = f"""
    select count(*), count(sentiment_label),
        sum(hashtextextended(
            concat_ws('|', review_id, source, subject_id, sentiment_label, positive_probability, md5(body)), 0))
    from ({_ROWS}) as rows
"""  # noqa: S608
_SCORED_BY_BOTH = f"""
    select count(*), count(*) filter (where shadow = live), count(truth),
        count(*) filter (where shadow = truth), count(*) filter (where live = truth)
    from (
        select beside.positive_probability >= 0.5 as shadow, said.positive_probability >= 0.5 as live,
            said.sentiment_label = 'positive' as truth
        from ({_ROWS}) as said
        join predictions.sentiment beside
            on beside.review_id = said.review_id and beside.content_hash = said.content_hash
        where beside.model_version = %(beside)s and beside.event_at >= %(start)s and beside.event_at < %(end)s
            and beside.purpose = 'shadow'
    ) as scored_twice
"""  # noqa: S608


class ScoredByBoth(NamedTuple):
    """Reviews that a second version scored along: all, those with the same answer, and how many labels each got."""

    rows: int
    agreed: int
    labelled: int
    shadow_right: int
    live_right: int


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


def read_holdout(connection: Connection, model: str, version: int) -> tuple[datetime, datetime]:
    """From when until when (not included) the version's training left reviews out, to measure it on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select metrics->>'holdout_from', metrics->>'holdout_until' from ops.model_versions "
            "where model = %s and version = %s",
            (model, version),
        )
        start, end = cursor.fetchone()
    return datetime.fromisoformat(start), datetime.fromisoformat(end)


def fingerprint(connection: Connection, version: int, start: datetime, end: datetime) -> str:
    """A hash that changes when a row of the period is added, removed, scored anew or labelled otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT, {"version": version, "start": start, "end": end})
        return hashlib.sha256(repr(cursor.fetchone()).encode()).hexdigest()


def read_rows(connection: Connection, version: int, start: datetime, end: datetime) -> pd.DataFrame:
    """One row per review that the version scored in the period, with what was known at its end.

    Columns `review_id, content_hash, source, subject_id, stars` (nan: not rated), `sentiment_label` (None: no label),
    `text`, `positive_probability`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"version": version, "start": start, "end": end})
        rows = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    texts = [f"{title}\n{body}" if title else body for title, body in zip(rows["title"], rows["body"], strict=True)]
    rows["text"] = pd.Series(texts, index=rows.index, dtype=str)
    rows["stars"] = rows["stars"].astype(float)
    return rows.drop(columns=["title", "body"])


def count_scored_by_both(
    connection: Connection, version: int, beside: int, start: datetime, end: datetime
) -> ScoredByBoth:
    """The reviews of the period that another version scored along with the one in charge."""
    with connection.cursor() as cursor:
        cursor.execute(_SCORED_BY_BOTH, {"version": version, "beside": beside, "start": start, "end": end})
        return ScoredByBoth(*cursor.fetchone())
