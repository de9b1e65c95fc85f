"""Lands staged rows in `raw`, all of them in one transaction, each of them once."""

import json
from collections.abc import Iterable
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from maeari.postgres import copy_rows

STAGING = {
    "events": "position bigint, event_id text, customer_id text, event_type text, occurred_at timestamp, "
    "item_id text, quantity numeric, amount numeric",
    "authors": "position bigint, author_key text, customer_id text",
    "books": "position bigint, book_id text, content_hash text, title text, author text, description text, "
    "subjects text, series text, volume integer, edition_of text, isbn text, pages integer, published_on date, "
    "url text",
}
REFUSED_KIND = {"events": "event", "authors": "author", "books": "book"}
LINK_CHANGED = "the author is linked to another customer"

# The sorting lets the primary key grow at its end. No `on conflict`, which takes twice as long: the lock of the source
# keeps other imports away.
_INSERT_EVENTS = """
insert into raw.events (source, event_id, customer_id, event_type, occurred_at, item_id, quantity, amount, load_id)
select distinct on (event_id)
    %(source)s, event_id, customer_id, event_type, occurred_at at time zone 'UTC', item_id, quantity, amount,
    %(load_id)s
from {staged} as staged
{where}
order by event_id, position
"""
_UNKNOWN = """where not exists (
    select from raw.events as known where known.source = %(source)s and known.event_id = staged.event_id
)"""
_SPAN = sql.SQL("select count(*), min(occurred_at), max(occurred_at) from")

_NUMBERED = """(
    select
        position, customer_id, event_type, occurred_at, item_id, quantity, amount,
        event_id || case when repeat_no > 1 then '-' || repeat_no else '' end as event_id
    from (
        select *, row_number() over (partition by event_id order by position) as repeat_no from staged
    ) as counted
)"""

_REFUSE_CHANGED_LINKS = """
insert into staged_refused (position, reason, details)
select staged.position, %(reason)s, jsonb_build_object(
    'author_key', staged.author_key,
    'customer_id', staged.customer_id,
    'linked_to', coalesce(known.customer_id, first.customer_id)
)
from staged
join (
    select distinct on (author_key) author_key, customer_id from staged order by author_key, position
) as first using (author_key)
left join raw.customer_authors as known on known.source = %(source)s and known.author_key = staged.author_key
where staged.customer_id <> coalesce(known.customer_id, first.customer_id)
"""

_LAND_AUTHORS = """
insert into raw.customer_authors (source, author_key, customer_id, load_id)
select distinct on (author_key) %(source)s, author_key, customer_id, %(load_id)s
from staged
order by author_key, position
on conflict do nothing
"""

# Each row is compared with the one before it of its book, the first with the newest version known.
_LAND_BOOKS = """
with newest as (
    select distinct on (book_id) book_id, version_no, content_hash
    from raw.books
    where source = %(source)s
    order by book_id, version_no desc
),
compared as (
    select
        staged.*,
        coalesce(newest.version_no, 0) as known_version_no,
        lag(staged.content_hash, 1, newest.content_hash) over of_the_book as hash_before,
        row_number() over of_the_book = 1 as is_first
    from staged
    left join newest using (book_id)
    window of_the_book as (partition by book_id order by position)
),
judged as (
    select *, hash_before is distinct from content_hash as is_new from compared
),
landed as (
    insert into raw.books (
        source, book_id, version_no, content_hash, title, author, description, subjects, series, volume, edition_of,
        isbn, pages, published_on, url, load_id
    )
    select
        %(source)s, book_id, known_version_no + row_number() over (partition by book_id order by position),
        content_hash, title, author, description, coalesce(string_to_array(subjects, '|'), '{}'), series, volume,
        edition_of, isbn, pages, published_on, url, %(load_id)s
    from judged
    where is_new
)
select
    count(*) filter (where is_new),
    count(*) filter (where not is_new and is_first),
    count(*) filter (where not is_new and not is_first)
from judged
"""

_LAND_REFUSED = """
insert into raw.rejected (source, kind, reason, payload, payload_sha256, load_id)
select %(source)s, %(kind)s, reason, payload, encode(sha256(convert_to(payload::text, 'UTF8')), 'hex'), %(load_id)s
from (
    select
        reason,
        jsonb_build_object('file', staged_lines.file, 'line', staged_lines.line, 'values', details) as payload
    from staged_refused
    join staged_lines using (position)
) as refused
on conflict do nothing
"""


def begin_staging(cursor: Cursor, kind: str) -> None:
    """Make the temporary tables of an import; they end with its transaction."""
    cursor.execute(
        # A million rows stay in memory, as does their sort.
        "set local temp_buffers = '256MB'; set local work_mem = '256MB'; "
        # A process that was killed must not hold its source's lock for long.
        "set local client_connection_check_interval = '2s'; "
        f"create temporary table staged ({STAGING[kind]}) on commit drop; "
        "create temporary table staged_refused (position bigint, reason text, details jsonb) on commit drop; "
        "create temporary table staged_lines (position bigint, file text, line bigint) on commit drop"
    )


def stage(cursor: Cursor, lines: pa.Array) -> None:
    """COPY rows, written as lines of COPY's text format, into the staging table."""
    ended = pc.binary_join_element_wise(lines, "", "\n")
    _, offsets, text = ended.buffers()
    if len(ended):
        first, last = ended.offset, ended.offset + len(ended)
        start, end = (
            pa.Array.from_buffers(pa.int32(), last + 1, [None, offsets])[place].as_py() for place in (first, last)
        )
        cursor.copy_expert("copy staged from stdin", BytesIO(memoryview(text)[start:end]), size=1 << 20)


def stage_refused(cursor: Cursor, refused: Iterable[tuple[int, str, dict]]) -> None:
    """COPY refused rows into their staging table: position, reason, redacted values."""
    rows = ((position, reason, json.dumps(values, ensure_ascii=False)) for position, reason, values in refused)
    copy_rows(cursor.connection, "staged_refused", ("position", "reason", "details"), rows)


def land_events(cursor: Cursor, source: str, load_id: int, keeps_repeats: bool, rows: int) -> dict:
    """Insert what is not known; counts of what landed, was known, and was repeated, with the span of what landed."""
    staged = sql.SQL(_NUMBERED if keeps_repeats else "staged")
    names = {"source": source, "load_id": load_id}
    cursor.execute("select exists (select from raw.events where source = %(source)s)", names)
    (is_known,) = cursor.fetchone()
    insert = sql.SQL(_INSERT_EVENTS).format(staged=staged, where=sql.SQL(_UNKNOWN if is_known else ""))
    if is_known:
        cursor.execute(sql.SQL("with landed as ({} returning occurred_at) {} landed").format(insert, _SPAN), names)
    else:
        # For a new source to look afterwards takes less time than to return each row.
        cursor.execute(insert, names)
        cursor.execute(sql.SQL("{} raw.events where source = %(source)s").format(_SPAN), names)
    landed, first_at, last_at = cursor.fetchone()
    different = rows
    if landed < rows:
        cursor.execute(sql.SQL("select count(distinct event_id) from {} as staged").format(staged))
        (different,) = cursor.fetchone()
    return {
        "landed": landed,
        "known": different - landed,
        "repeated": rows - different,
        "first_event_at": first_at,
        "last_event_at": last_at,
    }


def land_authors(cursor: Cursor, source: str, load_id: int, rows: int) -> dict:
    """Insert links that are not known; one that contradicts a known or an earlier one is refused."""
    names = {"source": source, "load_id": load_id, "reason": LINK_CHANGED}
    cursor.execute(_REFUSE_CHANGED_LINKS, names)
    changed = cursor.rowcount
    cursor.execute(_LAND_AUTHORS, names)
    landed = cursor.rowcount
    cursor.execute(
        "select count(distinct author_key) from staged "
        "where position not in (select position from staged_refused where reason = %(reason)s)",
        names,
    )
    (agreeing,) = cursor.fetchone()
    return {
        "landed": landed,
        "known": agreeing - landed,
        "repeated": rows - changed - agreeing,
        "changed": changed,
    }


def land_books(cursor: Cursor, source: str, load_id: int) -> dict:
    """Insert a new version of each book whose content is not that of its newest one."""
    cursor.execute(_LAND_BOOKS, {"source": source, "load_id": load_id})
    landed, known, repeated = cursor.fetchone()
    return {"landed": landed, "known": known, "repeated": repeated}


def land_refused(cursor: Cursor, source: str, kind: str, load_id: int) -> None:
    """Keep each refused line once, however often its file is imported."""
    cursor.execute(_LAND_REFUSED, {"source": source, "kind": REFUSED_KIND[kind], "load_id": load_id})
