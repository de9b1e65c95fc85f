"""Batches of pages into the warehouse, each in one transaction with the crawl's place and counts."""

import json
from collections import Counter
from datetime import datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from crawlers import duplicates, fields, landing, position
from crawlers.connection import AWAY
from crawlers.items import RefusedItem
from crawlers.pages import NUMBERS, Batch, Counts
from crawlers.spool import Spool
from crawlers.trust import records_per_page


def land_batch(connection: Connection, batch: Batch) -> None:
    """Land a batch with its position, validators and counts in one transaction; one that has landed changes nothing."""
    with connection, connection.cursor() as cursor:
        counts, landed_batches = read_row(cursor, batch.crawl_id)
        if batch.batch_no <= landed_batches:
            return
        for page in batch.pages:
            counts.add(page.counts)
        items = [item for page in batch.pages for item in page.items]
        landed = landing.land(connection, items)
        contradicting = len(landed.refused) - sum(isinstance(item, RefusedItem) for item in items)
        counts.items -= contradicting
        counts.rejected += contradicting
        counts.landed += len(landed.new)
        counts.duplicates += landed.known
        duplicates.keep(connection, batch.crawl_id, landed.new)
        fields.save(connection, batch.crawl_id, [page.items for page in batch.pages])
        position.save(cursor, batch.crawl_id, batch.pages)
        _save_validators(cursor, batch)
        robots = (batch.robots_verdict, batch.robots_checked_at)
        save_row(cursor, batch.crawl_id, counts, "running", None, *robots, batch_no=batch.batch_no)


def drain(connection: Connection, spool: Spool) -> None:
    """Land the batches that wait on disk, in order; one that cannot land is set aside and raises."""
    for file in spool.files():
        try:
            land_batch(connection, spool.read(file))
        except AWAY:
            raise
        except Exception:
            file.rename(file.with_suffix(".refused"))
            raise
        file.unlink()


def read_row(cursor: Cursor, crawl_id: int) -> tuple[Counts, int]:
    """What has landed of a crawl, and the number of its last batch."""
    cursor.execute(f"select {', '.join(NUMBERS)}, stats, batch_no from ops.crawls where crawl_id = %s", (crawl_id,))  # noqa: S608
    *numbers, stats, batch_no = cursor.fetchone()
    counts = Counts(
        **dict(zip(NUMBERS, numbers, strict=True)),
        spared_pages=stats.get("spared_pages", 0),
        faults=Counter(stats.get("faults", {})),
        unread_subjects=set(stats.get("unread_subjects", ())),
        is_complete=stats.get("is_complete", True),
        position_is_whole=stats.get("position_is_whole", True),
    )
    return counts, batch_no


def save_row(
    cursor: Cursor,
    crawl_id: int,
    counts: Counts,
    outcome: str,
    message: str | None,
    robots_verdict: str | None,
    robots_checked_at: datetime | str | None,
    batch_no: int | None = None,
) -> None:
    """Write what has landed of a crawl, and how it ended unless it is running."""
    stats = {
        "faults": dict(counts.faults),
        "spared_pages": counts.spared_pages,
        "records_per_page": records_per_page(counts.items, counts.pages, counts.spared_pages),
        "is_complete": counts.is_complete,
        "position_is_whole": counts.position_is_whole,
        "unread_subjects": sorted(counts.unread_subjects),
    }
    facts = {name: getattr(counts, name) for name in NUMBERS}
    cursor.execute(
        f"update ops.crawls set {', '.join(f'{name} = %({name})s' for name in facts)}, "  # noqa: S608
        "robots_verdict = coalesce(%(robots_verdict)s, robots_verdict), "
        "robots_checked_at = coalesce(%(robots_checked_at)s::timestamptz, robots_checked_at), message = %(message)s, "
        "stats = stats || %(stats)s, outcome = %(outcome)s, batch_no = coalesce(%(batch_no)s, batch_no), "
        "finished_at = case when %(outcome)s = 'running' then null else now() end where crawl_id = %(crawl_id)s",
        facts
        | {"robots_verdict": robots_verdict, "robots_checked_at": robots_checked_at, "message": message}
        | {"stats": json.dumps(stats, ensure_ascii=False), "outcome": outcome, "batch_no": batch_no}
        | {"crawl_id": crawl_id},
    )


def _save_validators(cursor: Cursor, batch: Batch) -> None:
    found = {page.validators.page_key: page.validators for page in batch.pages if page.validators}
    if not found:
        return
    cursor.execute("select source, facts_sha256 from ops.crawls where crawl_id = %s", (batch.crawl_id,))
    source, facts_sha256 = cursor.fetchone()
    gone = [one.page_key for one in found.values() if not (one.etag or one.last_modified)]
    if gone:
        cursor.execute("delete from ops.pages where source = %s and page_key = any(%s)", (source, gone))
    kept = [
        (source, one.page_key, one.etag, one.last_modified, one.records, one.spared_pages)
        + (json.dumps(one.standing_requests, ensure_ascii=False), facts_sha256, batch.crawl_id)
        for one in found.values()
        if one.etag or one.last_modified
    ]
    if kept:
        execute_values(
            cursor,
            "insert into ops.pages (source, page_key, etag, last_modified, records, spared_pages, standing_requests, "
            "facts_sha256, crawl_id) values %s on conflict (source, page_key) do update set etag = excluded.etag, "
            "last_modified = excluded.last_modified, records = excluded.records, spared_pages = excluded.spared_pages, "
            "standing_requests = excluded.standing_requests, facts_sha256 = excluded.facts_sha256, "
            "crawl_id = excluded.crawl_id",
            kept,
        )
