"""Scoring: the customers of each month end, or of one day on demand, by the model version in charge of that day."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import BinaryIO

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from scipy.special import expit
from sklearn.pipeline import Pipeline

from maeari import clock, postgres
from ml import registry
from ml.churn import explain
from ml.churn.base_rate import expected_share
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES, UNDEFINED
from ml.churn.predict import load, log_odds, shift, threshold
from ml.errors import EventsIncomplete

BACKFILL_DAYS = 90
SHADOW_DAYS = 62
"""So long after a release, two month ends, the version before it scores along, so that both can be compared."""
BATCH_BYTES = 8 * 2**20
MONTH_ENDS, LAST_DAY = "churn", "churn_now"

# What `base_rate.rates` says of these rows, without fetching them.
_MONTHS = """
    select
        as_of_on,
        labels_mature_on,
        count(*) as rows,
        (count(*) filter (where churned_in_60d) + 0.5::double precision) / (count(churned_in_60d) + 1) as leaver_share,
        max(tenure_days) as history_days,
        count(churned_in_60d) > 0 as is_labelled
    from features.churn
    where as_of_on <= %s
    group by as_of_on, labels_mature_on
    order by as_of_on
"""

_CURRENT = """
    select max(as_of_on), max(as_of_on) <= max(complete_until_on), max(complete_until_on)::text
    from intermediate.int_events__completeness
    left join features.churn_now on as_of_on <= %s
"""

# All customers of the day as soon as one is unscored, since the shift is that of all.
_UNSCORED = """
    copy (
        select customer_id, {features}
        from features.{table}
        where as_of_on = {day} and exists (
            select from features.{table} as unscored
            where unscored.as_of_on = {day} and not exists (
                select from predictions.churn as scored
                where scored.customer_id = unscored.customer_id
                    and scored.as_of_on = unscored.as_of_on
                    and scored.model_version = {version}
            )
        )
        order by customer_id
    ) to stdout (format csv, header)
"""

_INSERT = """
    insert into predictions.churn (
        customer_id, as_of_on, model_version, churn_probability, is_predicted_leaver, expected_spend_60d, purpose,
        scored_at
    )
    select
        customer_id, %(day)s, %(version)s, churn_probability, is_predicted_leaver, spend_180d / 3, %(purpose)s,
        %(scored_at)s
    from scored_day
    on conflict do nothing
"""

# After a rollback the version that scored along is in charge again.
_IN_CHARGE_AGAIN = """
    update predictions.churn set purpose = 'live'
    where purpose = 'shadow' and (as_of_on, model_version) in %s
"""


@dataclass(frozen=True)
class _Job:
    """A day whose customers a version scores, and where they stand."""

    version: int
    day: date
    purpose: str
    table: str = MONTH_ENDS


def score(as_of: date) -> dict:
    """Score the month ends known at the end of `as_of` that are not scored yet; running it again adds nothing.

    A version scores the month ends of the 90 days before it takes effect (purpose `backfill`) and those until the next
    one does (`live`); the one in charge of `as_of` scores the newest month end however old it is, and the first of
    its list are given their reasons. For 62 days after a release the version before it scores along (`shadow`). Each
    day is written as a whole, so that a run that is killed resumes at the day where it stopped, and nobody sees half of
    a day's list.
    """
    months, known_until = _read_months(as_of), clock.end_of_day(as_of)
    # A share of leavers can be expected from the day on which the first was known.
    first = min(months.loc[months["is_labelled"], "labels_mature_on"], default=date.max)
    ends = {day: clock.end_of_day(day) for day in months["as_of_on"] if day >= first}
    jobs, before = [], None
    for stretch in _stretches(as_of):
        start, until = stretch.effective_from - timedelta(days=BACKFILL_DAYS), stretch.effective_until
        days = [day for day, end in ends.items() if start <= end and (until is None or end < until)]
        if until is None or until > known_until:
            days = sorted({*days, *list(ends)[-1:]})
        if before not in (None, stretch.version):
            both_until = stretch.effective_from + timedelta(days=SHADOW_DAYS)
            along = [day for day in days if stretch.effective_from <= ends[day] < both_until]
            jobs += [_Job(before, day, "shadow") for day in along]
        jobs += [_job(stretch, day) for day in days]
        before = stretch.version
    return _score(as_of, jobs, months)


def score_current(as_of: date, wanted: date | None = None) -> dict:
    """Score the customers in `features.churn_now`, unless their day comes after `as_of`; see `score`.

    Raises `EventsIncomplete` when their day is not over in the events: who bought since would look like a leaver; and
    when it is another than the `wanted` one, since a build may have come between.
    """
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_CURRENT, (as_of,))
        day, is_complete, complete_until_on = cursor.fetchone()
    if day is not None and not is_complete:
        raise EventsIncomplete(
            f"features.churn_now stands for {day}; the events are complete until {complete_until_on or 'no day'} only. "
            "Import what is missing and run build_warehouse, or ask for an earlier day."
        )
    if wanted not in (None, day):
        raise EventsIncomplete(
            f"features.churn_now stands for {day or 'no day'}, not for {wanted}: a build came between, or nobody was "
            "active. Clear build_current and score, so that both run once more."
        )
    stretches = _stretches(as_of)
    if day is None or not stretches:
        return _score(as_of, [], None)
    in_effect = [stretch for stretch in stretches if stretch.effective_from <= clock.end_of_day(day)]
    return _score(as_of, [_job((in_effect or stretches)[-1], day, LAST_DAY)], _read_months(day))


def predicted_leavers(probabilities: np.ndarray, config: ChurnConfig) -> np.ndarray:
    """Who is to be contacted, as booleans: exactly the budget's share, the first of equals first, or by cost."""
    if config.contact_budget_share is None:
        return probabilities >= threshold(probabilities, config)
    contacted = max(1, int(len(probabilities) * config.contact_budget_share))
    chosen = np.zeros(len(probabilities), dtype=bool)
    chosen[np.argsort(-probabilities, kind="stable")[:contacted]] = True
    return chosen


def _stretches(as_of: date) -> list[registry.Stretch]:
    known_until = clock.end_of_day(as_of)
    return [stretch for stretch in registry.stretches("churn") if stretch.effective_from <= known_until]


def _job(stretch: registry.Stretch, day: date, table: str = MONTH_ENDS) -> _Job:
    return _Job(stretch.version, day, "live" if stretch.effective_from <= clock.end_of_day(day) else "backfill", table)


def _score(as_of: date, jobs: list[_Job], months: pd.DataFrame | None) -> dict:
    by_version, shadow = {}, 0
    if live := tuple((job.day, job.version) for job in jobs if job.purpose == "live"):
        with postgres.connect("ml") as connection, connection.cursor() as cursor:
            cursor.execute(_IN_CHARGE_AGAIN, (live,))
    for job in jobs:
        rows = _score_day(job, months)
        if job.purpose == "shadow":
            shadow += rows
        else:
            by_version[str(job.version)] = by_version.get(str(job.version), 0) + rows
    return {
        "as_of": as_of.isoformat(),
        "scored": sum(by_version.values()),
        "by_version": by_version,
        "shadow": shadow,
        "explained": _explain(jobs[-1]) if jobs else 0,
    }


def _score_day(job: _Job, months: pd.DataFrame) -> int:
    # Fixed before the first customer is read: the share to be expected never comes from the customers scored.
    share = expected_share(months[months["is_labelled"]], job.day)
    customers, spends, parts = [], [], []
    with postgres.connect("ml") as reader, _copied(reader, _unscored(job, reader)) as source:
        for batch, found in _told(_batches(source), job.version):
            customers.append(batch.column("customer_id"))
            spends.append(batch.column("spend_180d"))
            parts.append(found)
    if not customers:
        return 0
    even = np.concatenate(parts)
    return _write(job, pa.chunked_array(customers), pa.chunked_array(spends), expit(even + shift(even, share)))


def _told(batches: Iterator[pa.RecordBatch], version: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Each batch with its log-odds, one a core: on several cores a batch would round by chance."""
    pipeline = None
    waiting: deque[tuple[pa.RecordBatch, Future]] = deque()
    with ThreadPoolExecutor(joblib.cpu_count()) as pool:
        for batch in batches:
            pipeline = pipeline or load(version)
            waiting.append((batch, pool.submit(_log_odds, pipeline, batch)))
            # No more batches are read than are worked on, however slow the forest is.
            if len(waiting) > joblib.cpu_count():
                done, future = waiting.popleft()
                yield done, future.result()
        for batch, future in waiting:
            yield batch, future.result()


def _log_odds(pipeline: Pipeline, batch: pa.RecordBatch) -> np.ndarray:
    return log_odds(pipeline, np.column_stack([batch.column(name).to_numpy() for name in FEATURES]))


def _read_months(as_of: date) -> pd.DataFrame:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_MONTHS, (as_of,))
        months = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    return months.astype({"is_labelled": bool})


def _unscored(job: _Job, connection: Connection) -> str:
    features = (
        sql.SQL("coalesce({name}, {undefined})::real as {name}").format(
            name=sql.Identifier(name), undefined=sql.Literal(UNDEFINED)
        )
        for name in FEATURES
    )
    return (
        sql.SQL(_UNSCORED)
        .format(
            features=sql.SQL(", ").join(features),
            table=sql.Identifier(job.table),
            day=sql.Literal(job.day),
            version=sql.Literal(job.version),
        )
        .as_string(connection)
    )


@contextmanager
def _copied(connection: Connection, statement: str) -> Iterator[BinaryIO]:
    """What `copy … to stdout` gives, as it comes; the server works on while a batch is predicted."""
    reading, writing = os.pipe()

    def copy() -> None:
        with os.fdopen(writing, "wb") as sink, connection.cursor() as cursor:
            cursor.copy_expert(statement, sink)

    with ThreadPoolExecutor(1) as pool, os.fdopen(reading, "rb") as source:
        copying = pool.submit(copy)
        yield source
        copying.result()


def _batches(source: BinaryIO) -> Iterator[pa.RecordBatch]:
    types = {"customer_id": pa.string()} | dict.fromkeys(FEATURES, pa.float32())
    yield from pa.csv.open_csv(
        source,
        read_options=pa.csv.ReadOptions(block_size=BATCH_BYTES),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(column_types=types),
    )


def _write(job: _Job, customers: pa.ChunkedArray, spends: pa.ChunkedArray, probabilities: np.ndarray) -> int:
    key = {"day": job.day, "version": job.version}
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select count(*), min(churn_probability) filter (where is_predicted_leaver) from predictions.churn"
            " where as_of_on = %(day)s and model_version = %(version)s",
            key,
        )
        known, least = cursor.fetchone()
        if known:
            # The day's list is out: who came late is measured by it.
            chosen = probabilities >= (2 if least is None else least)
        else:
            config = ChurnConfig(**registry.registered("churn", job.version).card["config"])
            chosen = predicted_leavers(probabilities, config)
        cursor.execute(
            "create temporary table scored_day"
            " (customer_id text, spend_180d float8, churn_probability float8, is_predicted_leaver bool) on commit drop"
        )
        rows = BytesIO()
        pa.csv.write_csv(
            pa.table(
                [customers, spends, pa.array(probabilities), pa.array(chosen)],
                names=["customer", "spend", "probability", "is"],
            ),
            rows,
            pa.csv.WriteOptions(include_header=False),
        )
        rows.seek(0)
        cursor.copy_expert("copy scored_day from stdin (format csv)", rows)
        cursor.execute(_INSERT, {**key, "purpose": job.purpose, "scored_at": datetime.now(UTC)})
        return cursor.rowcount


def _explain(job: _Job) -> int:
    """Store why the first on the day's list are thought to leave, once; return of how many."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from predictions.churn_reasons where as_of_on = %s and model_version = %s)",
            (job.day, job.version),
        )
        if cursor.fetchone()[0]:
            return 0
        rows = explain.listed_reasons(job.version, job.day)
        postgres.copy_rows(connection, "predictions.churn_reasons", explain.REASON_COLUMNS, rows)
        return len({row[0] for row in rows})
