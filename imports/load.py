"""Imports events and links of authors into `raw`: one load, one transaction, all of it or nothing."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from imports import landing
from imports.errors import ImportRefused
from imports.mapping import AuthorMapping, EventMapping
from imports.reading import Batch, Origin, Query, open_file
from imports.values import (
    LONGEST_TEXT,
    UNORDERED,
    Moments,
    copy_lines,
    number_of,
    redacted,
    replaced,
    text_of,
    too_long,
    without_fraction,
)
from maeari import clock
from maeari.errors import MaeariError
from maeari.postgres import advisory_lock, connect
from maeari.redaction import hashed_author, redact
from maeari.settings import Settings

EARLIEST_DAY = date(1990, 1, 1)
REFUSED_SHARE = 0.5
SAY_FORMAT = "Say it by --date-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'."
_FILE_ROWS = 1 << 40
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
T = TypeVar("T")
Progress = Callable[[int, int | None], None]


def load_events(
    files: Sequence[Path],
    source: str,
    mapping: EventMapping,
    *,
    complete_until: date | Literal["newest"] | None = None,
    is_final: bool = False,
    as_of: date,
    progress: Progress | None = None,
) -> dict:
    """Import events from files and return the summary of the load as JSON; raises ImportRefused, and nothing landed.

    The events of the source then count as complete until the newest one's day begins, or through the day that is given,
    or for ever when the source is final; but for the last, never beyond `as_of`.
    """
    origins = [open_file(file, mapping) for file in files]
    return _load(origins, source, mapping, complete_until, is_final, as_of, progress)


def load_query(
    query: str,
    address: str,
    source: str,
    mapping: EventMapping,
    *,
    complete_until: date | Literal["newest"] | None = None,
    is_final: bool = False,
    as_of: date,
    progress: Progress | None = None,
) -> dict:
    """Import events that a query on another Postgres answers, as `load_events` does; the address is written nowhere."""
    return _load([Query(query, address)], source, mapping, complete_until, is_final, as_of, progress)


def load_authors(
    files: Sequence[Path], source: str, mapping: AuthorMapping, *, as_of: date, progress: Progress | None = None
) -> dict:
    """Import which customers the authors of a source's reviews are; names become keyed hashes before anything else."""
    origins = [open_file(file, mapping) for file in files]
    return _load(origins, source, mapping, None, False, as_of, progress)


def _load(
    origins: list[Origin],
    source: str,
    mapping: EventMapping | AuthorMapping,
    complete_until: date | Literal["newest"] | None,
    is_final: bool,
    as_of: date,
    progress: Progress | None,
) -> dict:
    if not _SOURCE.fullmatch(source):
        raise ImportRefused(
            f"“{redact(source)[0]}” is no name of a source; it is up to 63 lower-case letters, digits and underscores, "
            "such as my_shop."
        )
    if complete_until is None and not is_final and isinstance(mapping, EventMapping):
        complete_until, is_final = mapping.complete_until, mapping.final
    if isinstance(complete_until, date) and complete_until > as_of:
        raise ImportRefused(
            f"The events cannot be complete until {complete_until}: that lies after {as_of}. Name a day that is over, "
            "or --final when the source has ended."
        )
    with connect("importer") as connection, advisory_lock(connection, f"import {source}"):
        load_id = _begin(connection, source, mapping.kind, origins)
        try:
            with connection.cursor() as cursor:
                summary = _land(cursor, load_id, origins, source, mapping, complete_until, is_final, as_of, progress)
            connection.commit()
        except BaseException as error:
            if not connection.closed:
                connection.rollback()
                # What a driver says may hold values of the lines.
                message = str(error) if isinstance(error, MaeariError) else type(error).__name__
                _fail(connection, load_id, message)
            raise
    return summary


def _begin(connection: Connection, source: str, kind: str, origins: list[Origin]) -> int:
    """Open the load's row; one that still runs under this source's lock was killed."""
    names = ", ".join(origin.name for origin in origins)
    with connection.cursor() as cursor:
        cursor.execute(
            "update ops.loads set outcome = 'abandoned', finished_at = now(), message = 'The import was killed.' "
            "where source = %s and outcome = 'running'",
            (source,),
        )
        cursor.execute(
            "insert into ops.loads (source, kind, origin) values (%s, %s, %s) returning load_id",
            (source, kind, redact(names)[0][:1_000]),
        )
        (load_id,) = cursor.fetchone()
    connection.commit()
    return load_id


def _fail(connection: Connection, load_id: int, message: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update ops.loads set outcome = 'failed', finished_at = now(), message = %s where load_id = %s",
            (redact(message)[0][:2_000], load_id),
        )
    connection.commit()


def _land(
    cursor: Cursor,
    load_id: int,
    origins: list[Origin],
    source: str,
    mapping: EventMapping | AuthorMapping,
    complete_until: date | Literal["newest"] | None,
    is_final: bool,
    as_of: date,
    progress: Progress | None,
) -> dict:
    landing.begin_staging(cursor, mapping.kind)
    counts = Counts()
    for file_no, origin in enumerate(origins):
        _stage(cursor, origin, file_no * _FILE_ROWS, mapping, as_of, counts, progress)
    if mapping.kind == "events":
        keeps = mapping.event_id is None and mapping.repeats == "keep"
        landed = landing.land_events(cursor, source, load_id, keeps, counts.valid)
        counts.complete_until = _complete_until(cursor, source, counts, complete_until, is_final, as_of)
    else:
        landed = landing.land_authors(cursor, source, load_id, counts.valid)
        if changed := landed.pop("changed"):
            counts.refused[landing.LINK_CHANGED] = changed
            _stage_lines(cursor, origins)
    landing.land_refused(cursor, source, mapping.kind, load_id)
    stats = {"read": counts.read, "landed": landed["landed"], "known": landed["known"], "repeated": landed["repeated"]}
    stats |= {"refused": counts.refused.total(), "refused_by_reason": dict(counts.refused.most_common())}
    if mapping.kind == "events":
        stats |= {"returns": counts.returns, "without_customer": counts.without_customer}
    stats |= {"redacted": counts.redacted}
    cursor.execute(
        "update ops.loads set outcome = 'finished', finished_at = clock_timestamp(), items = %s, landed = %s, "
        "duplicates = %s, rejected = %s, first_event_at = %s, last_event_at = %s, complete_until = %s::timestamptz, "
        "stats = %s where load_id = %s",
        (
            counts.read,
            landed["landed"],
            landed["known"] + landed["repeated"],
            counts.refused.total(),
            landed.get("first_event_at"),
            landed.get("last_event_at"),
            counts.complete_until,
            Json(stats),
            load_id,
        ),
    )
    zone = clock.zone()
    return {
        "load_id": load_id,
        "source": source,
        "kind": mapping.kind,
        "files": [origin.name for origin in origins],
        **stats,
        "first_event_on": counts.first_at and counts.first_at.astimezone(zone).date().isoformat(),
        "last_event_on": counts.last_at and counts.last_at.astimezone(zone).date().isoformat(),
        "complete_until": counts.complete_until,
    }


@dataclass
class Counts:
    """What one load read."""

    read: int = 0
    valid: int = 0
    returns: int = 0
    without_customer: int = 0
    redacted: int = 0
    refused: Counter = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    complete_until: str | None = None


class Prepared(NamedTuple):
    """A batch that is ready to land: COPY lines, the refused rows, and what to add to the counts."""

    lines: pa.Array
    refused: list[tuple[int, str, dict]]
    returns: int
    without_customer: int
    redacted: int
    span: tuple[datetime, datetime] | None


def _stage(
    cursor: Cursor,
    origin: Origin,
    base: int,
    mapping: EventMapping | AuthorMapping,
    as_of: date,
    counts: Counts,
    progress: Progress | None,
) -> None:
    """Read, check and stage one file; refuse it when it is not what its mapping says."""
    prepare = _Events(origin, mapping, as_of) if mapping.kind == "events" else _Authors(mapping)
    valid, refused, first_refused = 0, Counter(), {}
    prepared = (prepare(batch, base) for batch in origin.batches(mapping.columns()))
    for batch in _ahead(prepared):
        landing.stage(cursor, batch.lines)
        if batch.refused:
            landing.stage_refused(cursor, batch.refused)
            for position, reason, _ in batch.refused:
                refused[reason] += 1
                first_refused[reason] = min(position - base, first_refused.get(reason, _FILE_ROWS))
        valid += len(batch.lines)
        counts.returns += batch.returns
        counts.without_customer += batch.without_customer
        counts.redacted += batch.redacted
        if batch.span:
            counts.first_at = min(filter(None, (counts.first_at, batch.span[0])))
            counts.last_at = max(filter(None, (counts.last_at, batch.span[1])))
        if progress:
            progress(origin.done, origin.size)
    if not valid + refused.total():
        raise ImportRefused(f"{origin.name} is empty: it has no line beyond its header. An import needs at least one.")
    prepare.check()
    if refused.total() > REFUSED_SHARE * (valid + refused.total()):
        shown = "; ".join(
            f"{count:,} {reason}, such as line {_line(origin, first_refused[reason]):,}"
            for reason, count in refused.most_common(3)
        )
        raise ImportRefused(
            f"{origin.name}: {refused.total():,} of {valid + refused.total():,} lines cannot be taken, and at most "
            f"half may be: {shown}. Correct the mapping or the file."
        )
    counts.read += valid + refused.total()
    counts.valid += valid
    counts.refused += refused
    if refused:
        _stage_lines(cursor, [origin], base)


def _stage_lines(cursor: Cursor, origins: list[Origin], base: int = 0) -> None:
    """Say in which line of its file each refused row stands, where that has not been said."""
    cursor.execute(
        "select position from staged_refused where not exists "
        "(select from staged_lines where staged_lines.position = staged_refused.position) order by position"
    )
    positions = [position for (position,) in cursor.fetchall()]
    for file_no, group in groupby(positions, key=lambda position: position // _FILE_ROWS):
        origin = origins[file_no - base // _FILE_ROWS]
        start = file_no * _FILE_ROWS
        lines = origin.lines([position - start for position in group])
        name = redact(origin.name)[0][:LONGEST_TEXT]
        landing.copy_rows(
            cursor.connection,
            "staged_lines",
            ("position", "file", "line"),
            ((start + number, name, line) for number, line in lines),
        )


def _line(origin: Origin, number: int) -> int:
    return next((line for _, line in origin.lines([number])), number + 1)


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each made while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


class _Events:
    """Makes events of the rows of one file."""

    def __init__(self, origin: Origin, mapping: EventMapping, as_of: date):
        self.origin = origin
        self.mapping = mapping
        self.expressions = mapping.expressions()
        self.key = Settings().author_key()
        self.earliest = pa.scalar(clock.start_of_day(EARLIEST_DAY), pa.timestamp("us", "UTC"))
        self.latest = pa.scalar(clock.end_of_day(as_of + timedelta(days=1)), pa.timestamp("us", "UTC"))
        self.out_of_range = f"date before {EARLIEST_DAY} or after {as_of + timedelta(days=1)}"
        order = None if mapping.date_format else self._order_of_dates()
        self.moments = Moments(mapping.timezone or clock.zone().key, mapping.date_format, order)

    def __call__(self, batch: Batch, base: int) -> Prepared:
        rows = len(batch.numbers)
        text = {
            name: text_of(expression, batch.columns, rows)
            for name, expression in self.expressions.items()
            if name not in ("quantity", "amount")
        }
        nothing = pa.nulls(rows, pa.string())
        moment = self.moments.read(text["occurred_at"], batch.numbers)
        quantity, bad_quantity = number_of(self.expressions["quantity"], batch.columns, rows)
        amount, bad_amount = pa.nulls(rows, pa.float64()), pa.array(np.zeros(rows, bool))
        if "amount" in self.expressions:
            amount, bad_amount = number_of(self.expressions["amount"], batch.columns, rows)
        event_type = pc.utf8_lower(text["event_type"])
        is_return = pc.and_(pc.less(quantity, 0.0), pc.fill_null(pc.equal(event_type, "purchase"), False))
        event_type = pc.if_else(is_return, "return", event_type)
        columns = [
            without_fraction(text.get("event_id", nothing)),
            without_fraction(text["customer_id"]),
            event_type,
            text.get("item_id", nothing),
        ]
        faults = [
            (pc.is_null(text["occurred_at"]), "no date"),
            (pc.is_null(moment), "unreadable date"),
            (pc.or_(pc.less(moment, self.earliest), pc.greater_equal(moment, self.latest)), self.out_of_range),
            (bad_quantity, "unreadable quantity"),
            (pc.is_null(quantity), "no quantity"),
            (bad_amount, "unreadable amount"),
            (pc.is_null(event_type), "no event type"),
        ]
        if "event_id" in text:
            faults.append((pc.is_null(columns[0]), "no event id"))
        faults += [(too_long(column), f"longer than {LONGEST_TEXT} characters") for column in columns]
        good, refused = _sift(faults, batch, base)
        columns += [moment, quantity, amount, is_return, pa.array(batch.numbers + base)]
        if refused:
            columns = [pc.filter(column, good) for column in columns]
        event_id, customer_id, event_type, item_id, moment, quantity, amount, is_return, position = columns
        finds = 0
        cleaned = []
        for column in (event_id, customer_id, event_type, item_id):
            column, found = redacted(column, self.key)
            finds += found
            cleaned.append(column)
        event_id, customer_id, event_type, item_id = cleaned
        # Without a zone, which would take ten times as long to write; the staging table is in UTC.
        facts = [customer_id, event_type, moment.cast(pa.timestamp("us")), item_id, quantity, amount]
        if "event_id" in text:
            lines = copy_lines([position, event_id, *facts])
        else:
            facts = copy_lines(facts)
            lines = pc.binary_join_element_wise(position.cast(pa.string()), _content_hashes(facts), facts, "\t")
        span = pc.min_max(moment).as_py() if len(moment) else None
        return Prepared(
            lines,
            refused + [(number + base, reason, values) for number, reason, values in batch.refused],
            pc.sum(is_return).as_py() or 0,
            customer_id.null_count,
            finds,
            span and (span["min"], span["max"]),
        )

    def check(self) -> None:
        """Refuse a file whose dates are written in two ways: one of them may be read wrongly."""
        seen = sorted(self.moments.seen.items(), key=lambda one: -one[1][0])
        if len(seen) > 1:
            found = "; ".join(
                f"{rows:,} as {layout}, such as line {_line(self.origin, first):,}" for layout, (rows, first) in seen
            )
            raise ImportRefused(
                f"{self.origin.name} writes its dates in {len(seen)} formats, and one is needed: {found}. "
                "Write them alike, or say which is right by --date-format; lines in others are then refused."
            )
        if UNORDERED in self.moments.seen and self.moments.order is None:
            raise self._unordered()

    def _order_of_dates(self) -> Literal["day", "month"] | None:
        """Whether days or months stand first in dates such as 13/12/2010; None where dates are not written so."""
        expression = self.expressions["occurred_at"]
        above: dict[str, list[int]] = {}
        are_others = False
        for batch in self.origin.batches(self.mapping.columns()):
            text = text_of(expression, batch.columns, len(batch.numbers))
            parts = pc.extract_regex(text, r"^(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.]\d{4}(?:\D|$)")
            if not above and pc.all(pc.is_null(parts)).as_py() in (True, None):
                return None
            for place, name in enumerate(("first", "second")):
                is_day = pc.fill_null(pc.greater(pc.struct_field(parts, place).cast(pa.int16()), 12), False)
                if rows := pc.sum(is_day).as_py():
                    above.setdefault(name, [0, int(batch.numbers[pc.index(is_day, True).as_py()])])[0] += rows
            above.setdefault("any", [0, 0])
            are_others = are_others or bool(pc.any(pc.match_substring_regex(text, r"^\d{4}")).as_py())
        if "first" in above and "second" in above:
            (days, day), (months, month) = above["first"], above["second"]
            raise ImportRefused(
                f"{self.origin.name} writes its dates in 2 formats, and one is needed: {days:,} with the day first, "
                f"such as line {_line(self.origin, day):,}; {months:,} with the month first, such as line "
                f"{_line(self.origin, month):,}. {SAY_FORMAT}"
            )
        if above and not are_others and "first" not in above and "second" not in above:
            raise self._unordered()
        return "day" if "first" in above else "month" if "second" in above else None

    def _unordered(self) -> ImportRefused:
        return ImportRefused(
            f"{self.origin.name} has dates such as 05/06/2010, and no number above 12 tells whether the day or the "
            f"month comes first. {SAY_FORMAT}"
        )


class _Authors:
    """Makes links from authors to customers of the rows of one file."""

    def __init__(self, mapping: AuthorMapping):
        self.expressions = mapping.expressions()
        self.key = Settings().author_key()

    def __call__(self, batch: Batch, base: int) -> Prepared:
        rows = len(batch.numbers)
        author = text_of(self.expressions["author"], batch.columns, rows)
        customer_id = without_fraction(text_of(self.expressions["customer_id"], batch.columns, rows))
        faults = [
            (pc.is_null(author), "no author"),
            (pc.is_null(customer_id), "no customer"),
            (too_long(customer_id), f"longer than {LONGEST_TEXT} characters"),
        ]
        # No column that may hold a name goes into what is kept of a refused line.
        shown = set(self.expressions["customer_id"].columns) - set(self.expressions["author"].columns)
        columns = {name: column for name, column in batch.columns.items() if name in shown}
        good, refused = _sift(faults, batch._replace(columns=columns), base)
        author, customer_id = pc.filter(author, good), pc.filter(customer_id, good)
        customer_id, finds = redacted(customer_id, self.key)
        is_author = pa.array(np.ones(len(author), bool))
        author, _ = replaced(author, is_author, lambda name: (hashed_author(name, self.key), 0))
        position = pc.filter(pa.array(batch.numbers + base), good)
        refused += [(number + base, reason, values) for number, reason, values in batch.refused]
        return Prepared(copy_lines([position, author, customer_id]), refused, 0, 0, finds, None)

    def check(self) -> None:
        """Nothing more is asked of a file of links."""


def _sift(
    faults: list[tuple[pa.Array, str]], batch: Batch, base: int
) -> tuple[pa.Array, list[tuple[int, str, dict[str, str | None]]]]:
    """Which rows have no fault, and the others with their first one and their redacted values."""
    reasons = pa.nulls(len(batch.numbers), pa.string())
    for mask, reason in faults:
        mask = pc.fill_null(mask, False)
        if pc.any(mask).as_py():
            reasons = pc.coalesce(reasons, pc.if_else(mask, reason, None))
    good = pc.is_null(reasons)
    refused = []
    if reasons.null_count < len(reasons):
        rows = pc.indices_nonzero(pc.is_valid(reasons))
        values = pa.table({name: pc.take(column, rows) for name, column in batch.columns.items()}).to_pylist()
        values = values or [{} for _ in rows]
        for row, reason, found in zip(rows.to_pylist(), pc.take(reasons, rows).to_pylist(), values, strict=True):
            shown = {name[:LONGEST_TEXT]: _shown(value) for name, value in found.items()}
            refused.append((int(batch.numbers[row]) + base, reason, shown))
    return good, refused


def _shown(value: str | None) -> str | None:
    return None if value is None else redact(value[: 4 * LONGEST_TEXT])[0][:LONGEST_TEXT]


def _content_hashes(lines: pa.Array) -> pa.Array:
    """An identifier for events without one: 128 bits of the sha256 of all that lands of them."""
    hashes = map(hashlib.sha256, lines.cast(pa.binary()).to_pylist())
    return pa.array([found.hexdigest()[:32] for found in hashes], pa.string())


def _complete_until(
    cursor: Cursor, source: str, counts: Counts, day: date | Literal["newest"] | None, is_final: bool, as_of: date
) -> str | None:
    """Until when the events of the source are complete; earlier loads give way only to what is said."""
    cursor.execute(
        "select max(complete_until)::text from ops.loads "
        "where source = %s and kind = 'events' and outcome = 'finished'",
        (source,),
    )
    (known,) = cursor.fetchone()
    if is_final:
        return "infinity"
    # An event may be dated a day ahead, and what has not happened yet is not complete.
    newest = min(counts.last_at.astimezone(clock.zone()).date(), as_of)
    if day == "newest":
        until = clock.end_of_day(newest)
    else:
        until = clock.start_of_day(newest) if day is None else clock.end_of_day(day)
    if isinstance(day, date):
        cursor.execute(
            "update ops.loads set complete_until = %s where source = %s and kind = 'events' and complete_until > %s",
            (until, source, until),
        )
        return until.astimezone(UTC).isoformat()
    if known == "infinity" or (known and datetime.fromisoformat(known) > until):
        return known if known == "infinity" else datetime.fromisoformat(known).astimezone(UTC).isoformat()
    return until.astimezone(UTC).isoformat()
