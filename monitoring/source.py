"""Where a policy's rows come from: one SELECT of fields of eight bytes, read by binary COPY."""

import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

import numpy as np
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari import clock
from maeari.compiling import compiler
from monitoring.errors import PolicyError
from monitoring.policy import Catalogue, Labels, Policy, Predictions

EPOCH = date(1970, 1, 1)
NULL = np.uint64(0x7FF8_6D61_6561_7269)
"""What stands for a null in a parsed field: a NaN that no computation gives."""
DAY, VERSION, LABEL, FIRST_SCORE = 0, 1, 2, 3
"""Places of a row's fields; after the scores come the features and the segments, as the policy orders them."""
SAMPLE_SEED = 20_260

INTEGERS = {"smallint", "integer", "bigint"}
NUMBERS = INTEGERS | {"real", "double precision", "numeric"}
MOMENTS = {"date", "timestamp with time zone"}
ANY = None

_BUFFER_BYTES = 2**22
_HEADER_BYTES = 19
_TYPES = "select oid, format_type(oid, null) from pg_type where oid = any(%s)"
_TABLES = """
    select n.nspname || '.' || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
"""
_UNIQUE_COLUMNS = """
    select array_agg(a.attname::text)
    from pg_index i
    cross join unnest(i.indkey::int2[]) as key (attnum)
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
    where i.indrelid = %s::regclass and i.indisunique and i.indisvalid and i.indpred is null
    group by i.indexrelid
"""


compiled = compiler(__file__)

Rows = Predictions | Labels | Catalogue
Days = tuple[date, date]
"""The first and the last of some days on end."""


@dataclass(frozen=True)
class Source:
    """A policy's rows as the database describes them."""

    policy: Policy
    types: dict[str, str]
    """Of each column of the predictions."""
    label_types: dict[str, str]
    are_predictions_unique: bool
    """Whether an index already refuses two predictions for one id, version and day."""
    are_labels_unique: bool
    """Whether an index already refuses two labels for one id."""

    @property
    def fields(self) -> int:
        """How many fields a row has."""
        return self.first_segment + len(self.policy.predictions.segments)

    @property
    def scores(self) -> int:
        """How many scores a row has; where the policy names none it has one all the same, which is always 1."""
        return max(len(self.policy.scores), 1)

    @property
    def first_feature(self) -> int:
        return FIRST_SCORE + self.scores

    @property
    def first_segment(self) -> int:
        return self.first_feature + len(self.policy.predictions.features)


def describe(connection: Connection, policy: Policy) -> Source:
    """Look the policy's tables and columns up; PolicyError names every one that is missing or of the wrong type."""
    predictions, labels = policy.predictions, policy.labels
    types, label_types = _columns(connection, predictions), _columns(connection, labels)
    is_or_not = NUMBERS | {"boolean"}
    label = {"binary": is_or_not, "multiclass": ANY, "regression": NUMBERS, "rate": is_or_not}[policy.task]
    label = label if labels.positive is None else ANY
    wanted = [(column, ANY) for column in (*predictions.id, *predictions.segments)]
    wanted += [(predictions.at, MOMENTS), *((column, NUMBERS) for column in policy.scores)]
    wanted += [(predictions.version, INTEGERS)] if predictions.version else []
    wanted += [(policy.coverage.column, ANY)] if policy.coverage else []
    wanted += [(predictions.updated_at, {"timestamp with time zone"})] if predictions.updated_at else []
    wanted += [
        (column, {"numeric": is_or_not, "share": {"boolean"}, "category": ANY}[kind])
        for column, kind in predictions.features.items()
    ]
    wanted_of_labels = [*((column, ANY) for column in labels.id), (labels.value, label)]
    wanted_of_labels += [(labels.known_at, MOMENTS)] if labels.known_at else []
    problems = [
        *_problems(predictions.origin if predictions.table else "the query of predictions", types, wanted),
        *_problems(labels.origin if labels.table else "the query of labels", label_types, wanted_of_labels),
        *_problems_of_catalogue(connection, policy),
    ]
    if problems:
        raise PolicyError("\n".join(problems))
    is_date = types[predictions.at] == "date"
    key = {*predictions.id, *([predictions.version] if predictions.version else []), *([predictions.at] * is_date)}
    source = Source(
        policy, types, label_types, _is_unique(connection, predictions, key), _is_unique(connection, labels, labels.id)
    )
    _explain(connection, source)
    return source


def _columns(connection: Connection, rows: Rows) -> dict[str, str]:
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("select * from {} limit 0").format(origin(rows)))
        except psycopg2.Error as error:
            connection.rollback()
            raise PolicyError(_refused(connection, rows, error)) from error
        description = cursor.description
        cursor.execute(_TYPES, ([column.type_code for column in description],))
        types = dict(cursor.fetchall())
    return {column.name: types[column.type_code] for column in description}


def _refused(connection: Connection, rows: Rows, error: psycopg2.Error) -> str:
    said = (error.diag.message_primary or str(error)).strip()
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        return f"{rows.origin} may not be read: {said}. Let the owner `grant select on … to maeari_monitor`."
    if rows.table is None:
        return f"The query cannot run: {said}. Run it in `make psql` and correct the policy:\n{rows.query}"
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        near = get_close_matches(rows.table, [name for (name,) in cursor.fetchall()])
    return f"There is no table {rows.table}: {said}. {_near(near)}"


def _problems(origin: str, types: dict[str, str], wanted: list[tuple[str, Collection[str] | None]]) -> Iterator[str]:
    for column, allowed in wanted:
        if column not in types:
            near = get_close_matches(column, types) or sorted(types)
            yield f"{origin} has no column {column}. {_near(near)}"
        elif allowed is not None and types[column] not in allowed:
            yield (
                f"{origin}.{column} is of type {types[column]}; wanted {' or '.join(sorted(allowed))}. "
                "Name another column, or write a query that casts it."
            )


def _problems_of_catalogue(connection: Connection, policy: Policy) -> Iterator[str]:
    if policy.coverage is None:
        return
    catalogue = policy.coverage.catalogue
    wanted = [(catalogue.id[0], ANY), *([(catalogue.version, INTEGERS)] if catalogue.version else [])]
    origin = catalogue.origin if catalogue.table else "the query of the catalogue"
    yield from _problems(origin, _columns(connection, catalogue), wanted)


def _near(names: list[str]) -> str:
    return f"Near names: {', '.join(names)}; correct the policy." if names else "Correct the policy, or make the table."


def _is_unique(connection: Connection, rows: Predictions | Labels, key: Collection[str]) -> bool:
    if rows.table is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_UNIQUE_COLUMNS, (rows.table,))
        return any(set(columns) <= set(key) for (columns,) in cursor.fetchall())


def _explain(connection: Connection, source: Source) -> None:
    """Let the database plan the whole SELECT: what it refuses now, such as ids that cannot be compared, fails later."""
    statement = sql.SQL("explain {}").format(select(source, [(EPOCH, EPOCH)], EPOCH))
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except psycopg2.Error as error:
        connection.rollback()
        raise PolicyError(
            f"Predictions ({source.policy.predictions.origin}) and labels ({source.policy.labels.origin}) cannot be "
            f"joined: {error.diag.message_primary}. Write a query that casts the ids to one type."
        ) from error


def origin(rows: Rows) -> sql.Composable:
    """The table, or the query as a subquery."""
    if rows.table is not None:
        return sql.Identifier(*rows.table.split("."))
    return sql.SQL("(\n{}\n) as query").format(sql.SQL(rows.query))


def select(source: Source, runs: list[Days], known_until: date, sample: float = 1.0) -> sql.Composed:
    """The SELECT of the rows of some days with the labels known at the end of a day.

    Fields, of eight bytes each: days since 1970 in the business zone; version; label (null: not known, NaN: labels
    contradict; true as 1, a class as its code, -1 for an unknown one); scores; features and segments, numbers as float8
    and categories as a 64-bit hash. `sample`: the share of rows to take, chosen by a hash of their ids.
    """
    policy = source.policy
    predictions = policy.predictions
    conditions = [within(source, runs)]
    if sample < 1:
        conditions.append(sql.SQL("{} < {}").format(_id_hash(predictions), sql.Literal(int(sample * 2**31))))
    features = [
        hashed(column("p", name)) if kind == "category" else _number("p", name, source.types[name])
        for name, kind in predictions.features.items()
    ]
    fields = [
        sql.SQL("({} - date '1970-01-01')::float8").format(day(source)),
        _number("p", predictions.version, "integer") if predictions.version else sql.SQL("1::float8"),
        _label(source, known_until),
        *([_number("p", name, source.types[name]) for name in policy.scores] or [sql.SQL("1::float8")]),
        *features,
        *(hashed(column("p", name)) for name in predictions.segments),
    ]
    return sql.SQL("select {} from {} left join {} on {} where {}").format(
        sql.SQL(", ").join(fields),
        aliased(predictions, "p"),
        _labels(source, runs, known_until),
        sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(column("l", name), column("p", own))
            for name, own in zip(policy.labels.id, predictions.id, strict=True)
        ),
        sql.SQL(" and ").join(conditions),
    )


def select_some(source: Source, days: Days, of_version: int, most: int, longest: int) -> sql.Composed:
    """The SELECT of a version's rows of some days: as many at most, chosen by a hash of their ids, the same each time.

    Columns: scores and numeric features as float8; categories and segments as text of so many characters at most. A
    name that stands for several of these is one column, of the first kind. Rows are in the order of their days.
    """
    predictions = source.policy.predictions
    numbers = [*source.policy.scores, *(name for name, kind in predictions.features.items() if kind != "category")]
    fields = {name: _number("p", name, source.types[name]) for name in numbers}
    for name in (*predictions.features, *predictions.segments):
        if name not in fields:
            fields[name] = sql.SQL("left({}::text, {})").format(column("p", name), sql.Literal(longest))
    return sql.SQL(
        "select {fields} from (select p.* from {rows} where {within} and {version} = {of} "
        "order by {hash}, row({ids})::text, {at} limit {most}) as p order by {at}, {hash}, row({ids})::text"
    ).format(
        fields=sql.SQL(", ").join(
            sql.SQL("{} as {}").format(field, sql.Identifier(name)) for name, field in fields.items()
        ),
        rows=aliased(predictions, "p"),
        within=within(source, [days]),
        version=version(source),
        of=sql.Literal(of_version),
        hash=_id_hash(predictions),
        ids=_ids(predictions),
        at=column("p", predictions.at),
        most=sql.Literal(most),
    )


def _id_hash(predictions: Predictions) -> sql.Composable:
    """A number below 2^31 that a prediction's ids alone decide."""
    return sql.SQL("(hashtextextended(row({})::text, {}) & 2147483647)").format(
        _ids(predictions), sql.Literal(SAMPLE_SEED)
    )


def _ids(predictions: Predictions) -> sql.Composable:
    return sql.SQL(", ").join(column("p", name) for name in predictions.id)


def _labels(source: Source, runs: list[Days], known_until: date) -> sql.Composable:
    """The labels to join: as they are where an index keeps them apart, else one row per id."""
    labels = source.policy.labels
    if source.are_labels_unique:
        return aliased(labels, "l")
    ids = sql.SQL(", ").join(column("l", name) for name in labels.id)
    code = label_code(source)
    conditions = [sql.SQL("{} is not null").format(column("l", labels.value))]
    if labels.known_at:
        conditions.append(is_known(source, known_until))
    return sql.SQL(
        "(select {ids}, case when min({code}) = max({code}) then min({code}) else 'NaN' end as code from {labels} "
        "where {conditions} and ({ids}) in (select {own} from {predictions} where {within}) group by {ids}) as l"
    ).format(
        ids=ids,
        code=code,
        labels=aliased(labels, "l"),
        conditions=sql.SQL(" and ").join(conditions),
        own=sql.SQL(", ").join(column("p", name) for name in source.policy.predictions.id),
        predictions=aliased(source.policy.predictions, "p"),
        within=within(source, runs),
    )


def _label(source: Source, known_until: date) -> sql.Composable:
    labels = source.policy.labels
    code = label_code(source) if source.are_labels_unique else sql.SQL("l.code")
    if labels.known_at and not source.are_labels_unique:
        return code
    known = (
        is_known(source, known_until)
        if labels.known_at
        else until(source, known_until - timedelta(days=labels.after_days))
    )
    return sql.SQL("case when {} then {} end").format(known, code)


def label_code(source: Source) -> sql.Composable:
    """A label `l` as a number."""
    policy = source.policy
    name = policy.labels.value
    if policy.labels.positive is not None:
        return sql.SQL("({}::text = {})::integer::float8").format(
            column("l", name), sql.Literal(policy.labels.positive)
        )
    if policy.task != "multiclass":
        return _number("l", name, source.label_types[name])
    classes = sql.Literal(list(policy.classes))
    return sql.SQL(
        "case when {value} is not null then (coalesce(array_position({classes}, {value}::text), 0) - 1)::float8 end"
    ).format(value=column("l", name), classes=classes)


def is_known(source: Source, known_until: date) -> sql.Composable:
    """Whether a label `l` was known at the end of a day, by its own column."""
    name = source.policy.labels.known_at
    return _until(column("l", name), source.label_types[name], known_until)


def until(source: Source, last: date) -> sql.Composable:
    """Whether a prediction `p` belongs to a day or one before."""
    name = source.policy.predictions.at
    return _until(column("p", name), source.types[name], last)


def within(source: Source, runs: list[Days]) -> sql.Composable:
    """Whether a prediction `p` belongs to some days; written so that an index on the column can be used."""
    name = source.policy.predictions.at
    conditions = [
        sql.SQL("({} and {})").format(
            since(column("p", name), source.types[name], first), _until(column("p", name), source.types[name], last)
        )
        for first, last in runs
    ]
    return sql.SQL("({})").format(sql.SQL(" or ").join(conditions))


def since(name: sql.Composable, kind: str, first: date) -> sql.Composable:
    """Whether a date or moment is not before a day's beginning."""
    return sql.SQL("{} >= {}").format(name, sql.Literal(first if kind == "date" else clock.start_of_day(first)))


def _until(name: sql.Composable, kind: str, last: date) -> sql.Composable:
    if kind == "date":
        return sql.SQL("{} <= {}").format(name, sql.Literal(last))
    return sql.SQL("{} < {}").format(name, sql.Literal(clock.end_of_day(last)))


def day(source: Source) -> sql.Composable:
    """The day of a prediction `p` in the business zone."""
    name = source.policy.predictions.at
    if source.types[name] == "date":
        return column("p", name)
    return sql.SQL("({} at time zone {})::date").format(column("p", name), sql.Literal(clock.zone().key))


def version(source: Source) -> sql.Composable:
    """The version of a prediction `p`."""
    name = source.policy.predictions.version
    return column("p", name) if name else sql.SQL("1::integer")


def aliased(rows: Rows, alias: str) -> sql.Composable:
    """The rows under a short name."""
    return sql.SQL("(select * from {}) as {}").format(origin(rows), sql.Identifier(alias))


def column(alias: str, name: str) -> sql.Composable:
    """A quoted column of a short name."""
    return sql.Identifier(alias, name)


def hashed(value: sql.Composable) -> sql.Composable:
    """A category as 64 bits, which the same server gives for the same text only."""
    return sql.SQL("hashtextextended({}::text, 0)").format(value)


def _number(alias: str, name: str, kind: str) -> sql.Composable:
    cast = "{}::integer::float8" if kind == "boolean" else "{}::float8"
    return sql.SQL(cast).format(column(alias, name))


def stream(connection: Connection, query: sql.Composable, fields: int) -> Iterator[np.ndarray]:
    """The rows of a query whose fields have eight bytes: uint64 [rows, fields], to be used before the next are read.

    One thread lets the database write into a pipe while this one parses, so that memory stays bounded. When reading is
    given up early, the connection can only be closed.
    """
    read_end, write_end = os.pipe()
    failures: list[BaseException] = []

    def copy() -> None:
        try:
            with open(write_end, "wb", buffering=2**16) as out, connection.cursor() as cursor:
                cursor.copy_expert(sql.SQL("copy ({}) to stdout (format binary)").format(query), out)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=copy, name="copy")
    thread.start()
    try:
        with open(read_end, "rb", buffering=0) as pipe:
            yield from _parsed(pipe, fields)
    finally:
        thread.join()
    if failures:
        raise failures[0]


def _parsed(pipe, fields: int) -> Iterator[np.ndarray]:
    buffer = np.empty(_BUFFER_BYTES, np.uint8)
    words = np.empty((_BUFFER_BYTES // (2 + 4 * fields) + 1, fields), np.uint64)
    filled, begun, ended = 0, False, False
    while not ended:
        got = pipe.readinto(memoryview(buffer)[filled:])
        filled += got
        ended = not got
        if filled < len(buffer) and not ended:
            continue
        start = 0 if begun else min(_HEADER_BYTES, filled)
        begun = True
        rows, used = _parse(buffer, start, filled, words)
        yield words[:rows]
        buffer[: filled - used] = buffer[used:filled].copy()
        filled -= used


@compiled
def _parse(buffer, start, end, words):
    """Rows of binary COPY as words; returns how many were whole and up to where they reached.

    The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a row is its number of fields
    (16 bits), and each field its length (32 bits, -1 for null) and bytes, all big-endian; a row of -1 fields ends it.
    """
    rows, place, fields = 0, start, words.shape[1]
    while place + 2 <= end:
        if buffer[place] == 0xFF:
            return rows, end
        at = place + 2
        whole = True
        for field in range(fields):
            if at + 4 > end:
                whole = False
                break
            if buffer[at] == 0xFF:
                words[rows, field] = NULL
                at += 4
                continue
            if at + 12 > end:
                whole = False
                break
            word = np.uint64(0)
            for byte in range(at + 4, at + 12):
                word = (word << np.uint64(8)) | np.uint64(buffer[byte])
            words[rows, field] = word
            at += 12
        if not whole:
            break
        rows, place = rows + 1, at
    return rows, place
