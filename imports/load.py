"""Imports events, books and links of authors into `raw`: one load, one transaction, all of it or nothing."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeVar

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from imports import landing
from imports.errors import ImportRefused
from imports.mapping import AuthorMapping, BookMapping, EventMapping, Mapping
from imports.reading import Origin, Query, line_of, open_file
from imports.rows import rows_of
from imports.values import LONGEST_TEXT
from maeari import clock
from maeari.errors import MaeariError
from maeari.postgres import advisory_lock, connect
from maeari.redaction import redact

REFUSED_SHARE = 0.5
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


def load_books(
    files: Sequence[Path], source: str, mapping: BookMapping, *, as_of: date, progress: Progress | None = None
) -> dict:
    """Import the books of a source; one that reads differently from its newest version becomes a new version."""
    origins = [open_file(file, mapping) for file in files]
    return _load(origins, source, mapping, None, False, as_of, progress)


def _load(
    origins: list[Origin],
    source: str,
    mapping: Mapping,
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
    mapping: Mapping,
    complete_until: date | Literal["newest"] | None,
    is_final: bool,
    as_of: date,
    progress: Progress | None,
) -> dict:
    landing.begin_staging(cursor, mapping.kind)
    counts = Counts()
    for file_no, origin in enumerate(origins):
        _stage(cursor, origin, file_no * _FILE_ROWS, mapping, as_of, counts, progress)
    if isinstance(mapping, EventMapping):
        keeps = mapping.event_id is None and mapping.repeats == "keep"
        landed = landing.land_events(cursor, source, load_id, keeps, counts.valid)
        counts.complete_until = _complete_until(cursor, source, counts, complete_until, is_final, as_of)
    elif isinstance(mapping, BookMapping):
        landed = landing.land_books(cursor, source, load_id)
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


def _stage(
    cursor: Cursor,
    origin: Origin,
    base: int,
    mapping: Mapping,
    as_of: date,
    counts: Counts,
    progress: Progress | None,
) -> None:
    """Read, check and stage one file; refuse it when it is not what its mapping says."""
    rows = rows_of(origin, mapping, as_of)
    valid, refused, first_refused = 0, Counter(), {}
    prepared = (rows(batch, base) for batch in origin.batches(mapping.columns()))
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
    rows.check()
    if refused.total() > REFUSED_SHARE * (valid + refused.total()):
        shown = "; ".join(
            f"{count:,} {reason}, such as line {line_of(origin, first_refused[reason]):,}"
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


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each made while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


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
