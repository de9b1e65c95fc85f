"""Lands batches of records in `raw`: COPY into a staging table, then one insert that decides versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from maeari.postgres import copy_rows

CONTRADICTION = "identifier given twice with different content"


# The newest version of each staged record, by one look into the primary key.
_NEWEST = """
left join lateral (
    select version_no, content_hash, crawl_id, {first_seen}
    from raw.{table} as known
    where known.source = staged.source and known.{key} = staged.{key}
    order by version_no desc
    limit 1
) as newest on true
"""

_INSERT = """
insert into raw.{table} (version_no, {first_seen}, {others})
select coalesce(newest.version_no, 0) + 1, {first_seen_kept}, {others_staged}
from {staging} as staged
{newest}
where newest.version_no is null
    or (newest.content_hash <> staged.content_hash and newest.crawl_id <> staged.crawl_id)
returning source, {key}
"""

# Asked after the insert: what then differs from the newest version is a second content within its crawl.
_CONTRADICTING = """
select staged.source, staged.{key}
from {staging} as staged
{newest}
where newest.content_hash <> staged.content_hash
"""


@dataclass(frozen=True)
class _Table:
    """A landing table: its kind of record, its identifier, and the columns that stay as first seen."""

    model: type[ReviewItem | ArticleItem]
    kind: str
    name: str
    key: str
    first_seen: tuple[str, ...]

    @property
    def staging(self) -> str:
        return f"staged_{self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """What is staged: the fields of an item, in their order, after its hash."""
        return ("content_hash", *self.model.model_fields)

    @cached_property
    def names(self) -> dict[str, sql.Composable]:
        """What the statements are formatted with."""
        names = {
            "table": sql.Identifier(self.name),
            "staging": sql.Identifier(self.staging),
            "key": sql.Identifier(self.key),
            "first_seen": _names(self.first_seen),
        }
        others = [column for column in self.columns if column not in self.first_seen]
        return names | {
            "newest": sql.SQL(_NEWEST).format(**names),
            "first_seen_kept": sql.SQL(", ").join(
                sql.SQL("case when newest.version_no is null then staged.{0} else newest.{0} end").format(
                    sql.Identifier(column)
                )
                for column in self.first_seen
            ),
            "others": _names(others),
            "others_staged": sql.SQL(", ").join(sql.Identifier("staged", column) for column in others),
        }


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


_TABLES = {
    table.model: table
    for table in (
        _Table(ReviewItem, "review", "reviews", "source_review_id", ("written_at", "written_at_precision")),
        _Table(ArticleItem, "article", "articles", "source_article_id", ("published_at",)),
    )
}


class Landed(NamedTuple):
    """What became of a batch: the items that are a new version, how many were known, and what was refused."""

    new: list[ReviewItem | ArticleItem]
    known: int
    refused: list[RefusedItem]


def land(connection: Connection, items: Sequence[ReviewItem | ArticleItem | RefusedItem]) -> Landed:
    """Land a batch in the connection's transaction; landing it again changes nothing.

    Of two contents of one identifier within one crawl the first stays and the second is refused: they would take turns
    as its newest version, at every crawl anew. The caller holds the source's advisory lock, so that versions are
    decided by one crawl at a time.
    """
    new: list[ReviewItem | ArticleItem] = []
    refused = [item for item in items if type(item) is RefusedItem]
    for model, table in _TABLES.items():
        records = [item for item in items if type(item) is model]
        if records:
            landed, contradicting = _land_records(connection, table, records)
            new += landed
            refused += contradicting
    if refused:
        _land_refused(connection, refused)
    return Landed(new, known=len(items) - len(refused) - len(new), refused=refused)


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


def _land_records(
    connection: Connection, table: _Table, items: list[ReviewItem | ArticleItem]
) -> tuple[list[ReviewItem | ArticleItem], list[RefusedItem]]:
    """Those of the items that became a version, and a refusal for each that contradicts an earlier one of its crawl."""
    key_of = attrgetter("source", table.key)
    firsts: dict[tuple[str, str], tuple[str, ReviewItem | ArticleItem]] = {}
    contradicting = []
    for item in items:
        content_hash = item.content_hash
        if firsts.setdefault(key_of(item), (content_hash, item))[0] != content_hash:
            contradicting.append(item)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "create temporary table if not exists {staging} on commit delete rows as "
                "select {columns} from raw.{table} with no data; delete from {staging}"
            ).format(**table.names, columns=_names(table.columns))
        )
        copy_rows(
            connection,
            table.staging,
            table.columns,
            ([content_hash, *vars(item).values()] for content_hash, item in firsts.values()),
        )
        cursor.execute(sql.SQL(_INSERT).format(**table.names))
        if cursor.rowcount == len(firsts):
            new = [item for _, item in firsts.values()]
        else:
            new = [firsts[key][1] for key in cursor.fetchall()]
            cursor.execute(sql.SQL(_CONTRADICTING).format(**table.names))
            contradicting += [firsts[key][1] for key in cursor.fetchall()]
    return new, [_refusal(table, item) for item in contradicting]


def _refusal(table: _Table, item: ReviewItem | ArticleItem) -> RefusedItem:
    facts = item.model_dump(mode="json", exclude={"source", "crawl_id", "fetched_at"})
    payload = {name: None if value is None else str(value) for name, value in facts.items()}
    return RefusedItem(item.source, table.kind, CONTRADICTION, payload, item.crawl_id)


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
