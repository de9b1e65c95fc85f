"""Lands batches of records in `raw`: COPY into a staging table, then one insert that decides versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from maeari.postgres import copy_rows


@dataclass(frozen=True)
class _Table:
    """A landing table: its identifier, the columns that stay as first seen, and the others."""

    name: str
    key: str
    first_seen: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return ("source", self.key, "content_hash", *self.first_seen, *self.others)


_TABLES = {
    ReviewItem: _Table(
        name="reviews",
        key="source_review_id",
        first_seen=("written_at", "written_at_precision"),
        others=("subject_id", "subject_name", "author_key", "rating", "rating_max", "title", "body")
        + ("url", "crawl_id", "fetched_at"),
    ),
    ArticleItem: _Table(
        name="articles",
        key="source_article_id",
        first_seen=("published_at",),
        others=("title", "body", "section", "author_key", "url", "crawl_id", "fetched_at"),
    ),
}

# Within a batch a record follows its predecessor there, else the newest version in the table.
_INSERT = """
with arrivals as (
    select *, lag(content_hash) over (partition by {key} order by arrival) as predecessor_hash
    from {staging}
),
changes as (
    select
        arrivals.*,
        newest.version_no as newest_version_no,
        {kept}
    from arrivals
    left join lateral (
        select version_no, content_hash, {first_seen}
        from raw.{table} as known
        where known.source = arrivals.source and known.{key} = arrivals.{key}
        order by version_no desc
        limit 1
    ) as newest on true
    where arrivals.content_hash is distinct from coalesce(arrivals.predecessor_hash, newest.content_hash)
)
insert into raw.{table} (source, {key}, version_no, content_hash, {first_seen}, {others})
select
    source,
    {key},
    coalesce(newest_version_no, 0) + row_number() over (partition by {key} order by arrival),
    content_hash,
    {first_seen_kept},
    {others}
from changes
"""


class Landed(NamedTuple):
    """How many records of a batch were new (or a new version), and how many were known."""

    new: int
    known: int


def land(connection: Connection, items: Sequence[ReviewItem | ArticleItem | RefusedItem]) -> Landed:
    """Land a batch in the connection's transaction; landing it again changes nothing.

    The caller holds the source's advisory lock, so that versions are decided by one crawl at a time.
    """
    new = 0
    for model, table in _TABLES.items():
        records = [item for item in items if type(item) is model]
        if records:
            new += _land_records(connection, table, records)
    refused = [item for item in items if type(item) is RefusedItem]
    if refused:
        _land_refused(connection, refused)
    return Landed(new, known=len(items) - len(refused) - new)


def known_keys(connection: Connection, source: str, model: type, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have landed in any version."""
    table = _TABLES[model]
    query = sql.SQL("select distinct {key} from {table} where source = %s and {key} = any(%s)").format(
        key=sql.Identifier(table.key), table=sql.Identifier("raw", table.name)
    )
    with connection.cursor() as cursor:
        cursor.execute(query, (source, list(keys)))
        return {key for (key,) in cursor.fetchall()}


def newest_hashes(connection: Connection, source: str, review_ids: Sequence[str]) -> dict[str, str]:
    """The content hash of the newest version of each review that has landed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (source_review_id) source_review_id, content_hash from raw.reviews "
            "where source = %s and source_review_id = any(%s) order by source_review_id, version_no desc",
            (source, list(review_ids)),
        )
        return dict(cursor.fetchall())


def _land_records(connection: Connection, table: _Table, items: list[ReviewItem | ArticleItem]) -> int:
    staging = f"staged_{table.name}"
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "create temporary table if not exists {staging} on commit delete rows as "
                "select 0 as arrival, {columns} from raw.{table} with no data"
            ).format(
                staging=sql.Identifier(staging),
                columns=_names(table.columns),
                table=sql.Identifier(table.name),
            )
        )
        copy_rows(
            connection,
            staging,
            ("arrival", *table.columns),
            ([number, *(getattr(item, column) for column in table.columns)] for number, item in enumerate(items)),
        )
        cursor.execute(
            sql.SQL(_INSERT).format(
                staging=sql.Identifier(staging),
                table=sql.Identifier(table.name),
                key=sql.Identifier(table.key),
                first_seen=_names(table.first_seen),
                others=_names(table.others),
                kept=sql.SQL(", ").join(
                    sql.SQL("newest.{} as {}").format(sql.Identifier(column), sql.Identifier(f"first_{column}"))
                    for column in table.first_seen
                ),
                first_seen_kept=sql.SQL(", ").join(
                    sql.SQL("case when newest_version_no is null then {} else {} end").format(
                        sql.Identifier(column), sql.Identifier(f"first_{column}")
                    )
                    for column in table.first_seen
                ),
            )
        )
        return cursor.rowcount


def _land_refused(connection: Connection, items: list[RefusedItem]) -> None:
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "insert into raw.rejected (source, kind, reason, payload, payload_sha256, crawl_id) values %s "
            "on conflict (source, kind, reason, payload_sha256) do nothing",
            [
                (
                    item.source,
                    item.kind,
                    item.reason,
                    json.dumps(item.payload, ensure_ascii=False),
                    item.payload_sha256,
                    item.crawl_id,
                )
                for item in items
            ],
        )


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
