"""The reference of a policy: its days, and bins and kept values, fixed once, by which every later day is counted."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari import clock
from monitoring import source as sources
from monitoring.errors import NothingToWatch
from monitoring.policy import FirstDays, Policy
from monitoring.policy import Reference as FixedDays
from monitoring.source import Source
from monitoring.windows import Deployment, read_deployments

FORMAT = 1
"""Raised whenever what a sketch holds changes, so that older ones are not read."""
SAMPLED_ROWS = 200_000
"""Quantiles come from so many rows at most, chosen by a hash of their ids: a decile is then off by 0.07 points."""
BINS, COARSE_BINS, CLASS_BINS = 200, 10, 50
TAILS = (1, 2, 5, 10, 20)
"""Ten thousandths with an edge of their own at both ends, where one bin would reach far."""
KEPT_VALUES = 50


@dataclass(frozen=True, eq=False)
class Numbers:
    """Bins of a numeric column: bin i holds edges[i - 1] <= x < edges[i], the outer ones are open."""

    edges: np.ndarray
    coarse: np.ndarray
    """Those of the edges that part the column into tenths: what PSI, Jensen-Shannon and chi-square compare."""
    centre: float
    """A usual value; squares are summed around it."""


@dataclass(frozen=True, eq=False)
class Categories:
    """Kept values of a column, the most frequent first; one more bin holds all others."""

    values: tuple[str, ...]


Bins = Numbers | Categories


@dataclass(frozen=True, eq=False)
class Reference:
    """What was fixed."""

    reference_id: str
    columns: dict[str, Bins]
    segments: dict[str, tuple[str, ...]]
    scores: tuple[Numbers, ...]
    """Bins of each score column; all have the same edges."""
    first: tuple[int, sources.Days] | None = None
    """The version and its first days that all windows are held to, where the policy wants those."""

    @property
    def groups(self) -> list[str]:
        """The segments that scores are kept of: all, and of each column the kept values, others, and missing ones."""
        found = ["all"]
        for column, values in self.segments.items():
            found += [f"{column}={value}" for value in values] + [f"{column} (other)", f"{column} (missing)"]
        return found


def days_of(policy: Policy, version: int, first_day: date, deployments: list[Deployment]) -> sources.Days:
    """The days, both included, of a version's own reference; `first_day` is the first that has rows of it."""
    if isinstance(policy.reference, FixedDays):
        return policy.reference.from_, policy.reference.until
    counts_from = next(one.effective_on for one in deployments if one.version == version)
    return first_day, counts_from - timedelta(days=1)


def reference_id(policy: Policy) -> str:
    """The sha256 of everything that decides what a sketch holds."""
    parts = policy.model_dump(mode="json", include={"task", "predictions", "labels", "reference"})
    return hashlib.sha256(json.dumps([FORMAT, clock.zone().key, parts]).encode()).hexdigest()


def read(connection: Connection, policy: Policy) -> Reference | None:
    """The policy's reference, None when it was never fixed."""
    key = reference_id(policy)
    with connection.cursor() as cursor:
        cursor.execute(
            "select bins from monitoring.sketch_references where policy = %s and reference_id = %s", (policy.name, key)
        )
        row = cursor.fetchone()
    return row and _from_json(policy, key, row[0])


def fix(connection: Connection, reader: Connection, source: Source, as_of: date) -> Reference:
    """The policy's reference, fixed now when it never was; later changes of its rows leave it as it is."""
    policy = source.policy
    found = read(connection, policy)
    if found is None:
        found = _make(reader, source, as_of)
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into monitoring.sketch_references (policy, reference_id, bins) values (%s, %s, %s)",
                (policy.name, found.reference_id, json.dumps(_to_json(found), ensure_ascii=False)),
            )
    return found


def _make(reader: Connection, source: Source, as_of: date) -> Reference:
    policy = source.policy
    first = first_stretch(reader, source, as_of) if isinstance(policy.reference, FirstDays) else None
    if isinstance(policy.reference, FirstDays) and first is None:
        raise NothingToWatch(
            f"{policy.predictions.origin} has no {policy.reference.first_days} days on end by {as_of} that hold "
            f"min_rows, {policy.min_rows:,}, of one version: the reference of {policy.name}. Wait, or lower min_rows."
        )
    predictions, days = policy.predictions, first[1] if first else first_days(reader, source)
    if as_of < days[1]:
        raise NothingToWatch(
            f"The reference of {policy.name} ends on {days[1]}, after {as_of}. Wait for its end, or correct the "
            "policy's reference."
        )
    found = _count(reader, source, days)
    # A young shop's first release may have few customers: its windows say so, and the run does not fail every day.
    if isinstance(policy.reference, FixedDays) and found < policy.min_rows:
        raise NothingToWatch(
            f"{predictions.origin} has {found:,} rows from {days[0]} to {days[1]}, the reference of {policy.name}; "
            f"wanted at least min_rows, {policy.min_rows:,}. Choose other days, or lower min_rows."
        )
    query = sources.select(source, [days], as_of, SAMPLED_ROWS / found)
    words = np.concatenate([part.copy() for part in sources.stream(reader, query, source.fields)])
    values = words.view(np.float64)
    columns: dict[str, Bins] = {}
    for place, (name, kind) in enumerate(predictions.features.items(), source.first_feature):
        if kind == "category":
            columns[name] = Categories(_kept(reader, source, name, days))
        else:
            columns[name] = numbers(values[:, place])
    segments = {name: _kept(reader, source, name, days) for name in predictions.segments}
    scores = [values[:, sources.FIRST_SCORE + place] for place in range(source.scores)]
    bins = tuple(_score_bins(policy, score) for score in scores)
    return Reference(reference_id(policy), columns, segments, bins, first)


def first_stretch(reader: Connection, source: Source, as_of: date) -> tuple[int, sources.Days] | None:
    """The earliest days on end, as many as the policy wants, that were over by a day and hold `min_rows` predictions
    of one version, with that version; None while there are none.

    They begin with a day that has predictions, so that a few answers of a trial do not make the reference.
    """
    policy = source.policy
    more = policy.reference.first_days - 1
    query = sql.SQL(
        "with daily as (select {version} as version, {day} as day, count(*) as rows from {predictions} "
        "where {until} and {at} > '-infinity' and {version} is not null group by 1, 2) "
        "select version, day from (select version, day, sum(rows) over (partition by version order by day "
        "range between current row and make_interval(days => {more}) following) as rows from daily) as stretch "
        "where rows >= {min_rows} and day <= {last} order by day, version limit 1"
    ).format(
        version=sources.version(source),
        day=sources.day(source),
        predictions=sources.aliased(policy.predictions, "p"),
        until=sources.until(source, as_of),
        at=sources.column("p", policy.predictions.at),
        more=sql.Literal(more),
        min_rows=sql.Literal(policy.min_rows),
        last=sql.Literal(as_of - timedelta(days=more)),
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row and (row[0], (row[1], row[1] + timedelta(days=more)))


def first_days(reader: Connection, source: Source) -> sources.Days:
    """The days of the reference that bins are fixed from: those of the first release, where each has its own.

    Raises NothingToWatch when a release is wanted and there is none, or no row before it.
    """
    policy = source.policy
    if isinstance(policy.reference, FixedDays):
        return policy.reference.from_, policy.reference.until
    released = read_deployments(reader, policy.model)
    if not released:
        raise NothingToWatch(
            f"No version of {policy.model} was released yet, so that {policy.name} has no days before a release to "
            "compare with. Approve a version, or name fixed days as the reference."
        )
    query = sql.SQL("select min({}) from {} where {} > '-infinity'").format(
        sources.day(source), sources.aliased(policy.predictions, "p"), sources.column("p", policy.predictions.at)
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        (first,) = cursor.fetchone()
    until = released[0].effective_on - timedelta(days=1)
    if first is None or first > until:
        raise NothingToWatch(
            f"{policy.predictions.origin} has no rows before {released[0].effective_on}, from which on the first "
            f"release of {policy.model} counts, so that {policy.name} has nothing to compare with. Score the days "
            "before it, or name fixed days as the reference."
        )
    return first, until


def numbers(values: np.ndarray) -> Numbers:
    """Bins of a column's values, of which those that are no finite number are missing.

    Edges are values themselves, at up to 210 quantiles; where one value fills several, it and the next float are edges,
    so that a heap of equal values has a bin of its own. Few distinct values have a bin each.
    """
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return Numbers(np.empty(0), np.empty(0), 0.0)
    steps = np.arange(1, 10_000)
    coarse = _quantile_edges(values, steps[steps % (10_000 // COARSE_BINS) == 0])
    distinct = np.unique(values)
    is_fine = (steps % (10_000 // BINS) == 0) | np.isin(np.minimum(steps, 10_000 - steps), TAILS)
    fine = distinct[1:] if len(distinct) <= BINS else _quantile_edges(values, steps[is_fine])
    return Numbers(np.union1d(fine, coarse), coarse, float(values[len(values) // 2]))


def _quantile_edges(ordered: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The values at some ten thousandths."""
    places = np.unique(steps * len(ordered) // 10_000)
    found, times = np.unique(ordered[places], return_counts=True)
    heaps = found[times > 1]
    # An edge at the smallest value would only begin an empty bin.
    after = np.nextafter(heaps, np.finfo(float).max)
    return np.unique(np.concatenate([found[found > ordered[0]], heaps, after]))


def _score_bins(policy: Policy, score: np.ndarray) -> Numbers:
    """Equal bins of a probability, with the threshold as an edge; quantiles of a predicted value; one bin of a rate."""
    if policy.task == "rate":
        return numbers(np.empty(0))
    own = numbers(score)
    if policy.task == "regression":
        return own
    bins = CLASS_BINS if policy.task == "multiclass" else BINS
    edges = np.arange(1, bins) / bins
    if policy.task == "binary":
        edges = np.union1d(edges, policy.predictions.threshold)
    nearest = np.abs(edges[None, :] - own.coarse[:, None]).argmin(axis=1)
    return Numbers(edges, edges[np.unique(nearest)], own.centre)


def _count(reader: Connection, source: Source, days: sources.Days) -> int:
    query = sql.SQL("select count(*) from {} where {}").format(
        sources.aliased(source.policy.predictions, "p"), sources.within(source, [days])
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def _kept(reader: Connection, source: Source, name: str, days: sources.Days) -> tuple[str, ...]:
    query = sql.SQL(
        "select {value}::text from {rows} where {within} and {value} is not null group by 1 order by count(*) desc, 1 "
        "limit {most}"
    ).format(
        value=sources.column("p", name),
        rows=sources.aliased(source.policy.predictions, "p"),
        within=sources.within(source, [days]),
        most=sql.Literal(KEPT_VALUES),
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        return tuple(value for (value,) in cursor.fetchall())


def hashes(reader: Connection, values: tuple[str, ...]) -> np.ndarray:
    """The values' hashes as the database gives them today: uint64 [values]."""
    query = sql.SQL("select {} from unnest(%s::text[]) with ordinality as kept (value, place) order by place").format(
        sources.hashed(sql.Identifier("kept", "value"))
    )
    with reader.cursor() as cursor:
        cursor.execute(query, (list(values),))
        return np.array([value for (value,) in cursor.fetchall()], np.int64).view(np.uint64)


def _to_json(reference: Reference) -> dict:
    return {
        "columns": {name: _bins_to_json(bins) for name, bins in reference.columns.items()},
        "segments": {name: list(values) for name, values in reference.segments.items()},
        "scores": [_bins_to_json(bins) for bins in reference.scores],
        "first": reference.first and [reference.first[0], *(day.isoformat() for day in reference.first[1])],
    }


def _bins_to_json(bins: Bins) -> dict:
    if isinstance(bins, Categories):
        return {"values": list(bins.values)}
    return {"edges": bins.edges.tolist(), "coarse": bins.coarse.tolist(), "centre": bins.centre}


def _from_json(policy: Policy, key: str, content: dict) -> Reference:
    # The database keeps an object's keys in an order of its own.
    return Reference(
        key,
        {name: _bins_from_json(content["columns"][name]) for name in policy.predictions.features},
        {name: tuple(content["segments"][name]) for name in policy.predictions.segments},
        tuple(_bins_from_json(bins) for bins in content["scores"]),
        _first_from_json(content.get("first")),
    )


def _first_from_json(first: list | None) -> tuple[int, sources.Days] | None:
    return first and (first[0], (date.fromisoformat(first[1]), date.fromisoformat(first[2])))


def _bins_from_json(bins: dict) -> Bins:
    if "values" in bins:
        return Categories(tuple(bins["values"]))
    return Numbers(np.array(bins["edges"], float), np.array(bins["coarse"], float), bins["centre"])
