"""How often each field of a source's records is filled, judged by the source's own history."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from maeari import clock

HISTORY = 10
MIN_RECORDS = 20
USUALLY_THERE = 0.2
NEXT_TO_NONE = 0.02
CHANCE = 0.001
# What no page shows: where a record comes from, the scale that a source's file states, what we made of a date.
_NOT_SHOWN = {"source", "url", "crawl_id", "fetched_at", "rating_max", "written_at_precision"}
# As a source's file calls them.
_CALLED = {"author_key": "author", "source_review_id": "id", "source_article_id": "id"}

Verdict = Literal["new", "steady", "fell", "vanished", "too_few_records"]


@dataclass
class FieldCounts:
    """On how many records each field was filled, and on how many pages that had records it was on any of them."""

    records: int = 0
    pages: int = 0
    filled: Counter = field(default_factory=Counter)
    pages_with: Counter = field(default_factory=Counter)

    def count(self, records: Sequence[dict]) -> None:
        """Count the records of one page, redacted, refused ones too; a page without any says nothing of fields."""
        if not records:
            return
        self.records += len(records)
        self.pages += 1
        for name in {name for record in records for name in record} - _NOT_SHOWN:
            filled = sum(record.get(name) not in (None, "") for record in records)
            called = _CALLED.get(name, name)
            self.filled[called] += filled
            self.pages_with[called] += filled > 0


@dataclass(frozen=True)
class JudgedField:
    """One field in one crawl: its counts, its usual share (None: no history), the verdict."""

    name: str
    records: int
    filled: int
    pages: int
    pages_without: int
    usual_share: float | None
    verdict: Verdict


def save(
    connection: Connection, crawl_id: int, pages: Iterable[Sequence[ReviewItem | ArticleItem | RefusedItem]]
) -> None:
    """Count the items of more pages of a crawl in, in the caller's transaction; they have no verdict yet."""
    counts = load(connection, crawl_id)
    for items in pages:
        counts.count([item.payload if isinstance(item, RefusedItem) else vars(item) for item in items])
    _write(connection, crawl_id, [_judged(name, counts, None, None) for name in sorted(counts.filled)])


def load(connection: Connection, crawl_id: int) -> FieldCounts:
    """The counts that a crawl has saved; empty when it has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select field, records, filled, pages, pages - pages_without from ops.crawl_fields where crawl_id = %s",
            (crawl_id,),
        )
        rows = cursor.fetchall()
    return FieldCounts(
        records=max((records for _, records, *_ in rows), default=0),
        pages=max((pages for *_, pages, _ in rows), default=0),
        filled=Counter({name: filled for name, _, filled, *_ in rows}),
        pages_with=Counter({name: pages_with for name, *_, pages_with in rows}),
    )


def judge(connection: Connection, source: str, crawl_id: int) -> str | None:
    """Judge a crawl's fields and write the verdicts, in the caller's transaction; a sentence names what has vanished.

    The usual share of a field is its median over the source's last ten finished crawls with enough records.
    """
    counts = load(connection, crawl_id)
    usual = _usual_shares(connection, source, crawl_id)
    judged = [
        _judged(name, counts, usual.get(name), verdict(counts.records, counts.filled[name], usual.get(name)))
        for name in sorted(counts.filled.keys() | (usual.keys() if counts.records else set()))
    ]
    _write(connection, crawl_id, judged)
    vanished = [one for one in judged if one.verdict == "vanished"]
    return _sentence(source, vanished, _last_good(connection, source, crawl_id, vanished)) if vanished else None


def verdict(records: int, filled: int, usual_share: float | None) -> Verdict:
    """What to say of a field that is filled on so many of the records, and usually on a share of them.

    It vanished when it usually was on a fifth or more and is on 2 % or less; it fell when it is on less than half its
    usual share; either only where chance gives that in at most one of a thousand crawls.
    """
    if records < MIN_RECORDS:
        return "too_few_records"
    if usual_share is None:
        return "new"
    share = filled / records
    if usual_share >= USUALLY_THERE and share <= NEXT_TO_NONE:
        return "vanished" if chance_of_at_most(filled, records, usual_share) <= CHANCE else "too_few_records"
    return "fell" if chance_of_at_most(filled, records, usual_share / 2) <= CHANCE else "steady"


def chance_of_at_most(filled: int, records: int, share: float) -> float:
    """An upper bound of the chance that so few records are filled, when each is with this chance (Chernoff 1952).

    It is exp(-n * KL(filled / n, share)), the bound of the binomial tail in Hoeffding 1963, theorem 1; at least the
    exact tail, and 1 when the filled share is no lower than the expected one.
    """
    seen = filled / records
    if seen >= share:
        return 1.0
    if share >= 1:
        return 0.0
    divergence = (1 - seen) * math.log((1 - seen) / (1 - share))
    if seen > 0:
        divergence += seen * math.log(seen / share)
    return math.exp(-records * divergence)


def _judged(name: str, counts: FieldCounts, usual_share: float | None, said: Verdict | None) -> JudgedField:
    pages_without = counts.pages - counts.pages_with[name]
    return JudgedField(name, counts.records, counts.filled[name], counts.pages, pages_without, usual_share, said)


def _sentence(source: str, vanished: list[JudgedField], last_good: date | None) -> str:
    missing = ", ".join(
        f"{one.name} missing on {one.pages_without / one.pages:.0%} of {one.pages} pages" for one in vanished
    )
    since = f"; last good crawl {last_good}" if last_good else ""
    return (
        f"{missing.replace('%', ' %')}{since}. Look at a page beside the source's file: the site has probably changed "
        f"its markup. `maeari source check {source}` shows field by field what is found."
    )


def _write(connection: Connection, crawl_id: int, judged: list[JudgedField]) -> None:
    if not judged:
        return
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "insert into ops.crawl_fields (crawl_id, field, records, filled, pages, pages_without, usual_share, "
            "verdict) values %s on conflict (crawl_id, field) do update set records = excluded.records, "
            "filled = excluded.filled, pages = excluded.pages, pages_without = excluded.pages_without, "
            "usual_share = excluded.usual_share, verdict = excluded.verdict",
            [
                (crawl_id, one.name, one.records, one.filled, one.pages, one.pages_without)
                + (one.usual_share, one.verdict)
                for one in judged
            ],
        )


def _usual_shares(connection: Connection, source: str, crawl_id: int) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "with history as (select crawl_id from ops.crawls where source = %s and outcome = 'finished' "
            "and crawl_id <> %s and exists (select from ops.crawl_fields where crawl_fields.crawl_id = crawls.crawl_id "
            "and records >= %s) order by crawl_id desc limit %s) "
            "select field, percentile_cont(0.5) within group (order by filled::double precision / records) "
            "from ops.crawl_fields join history using (crawl_id) where records >= %s group by field",
            (source, crawl_id, MIN_RECORDS, HISTORY, MIN_RECORDS),
        )
        return dict(cursor.fetchall())


def _last_good(connection: Connection, source: str, crawl_id: int, vanished: list[JudgedField]) -> date | None:
    """The day of the newest finished crawl on which the vanished fields were still there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(last_at) from (select max(started_at) as last_at from ops.crawls "
            "join ops.crawl_fields using (crawl_id) where source = %s and outcome = 'finished' and crawl_id <> %s "
            "and records >= %s and filled > %s * records and field = any(%s) group by field) as last_times",
            (source, crawl_id, MIN_RECORDS, NEXT_TO_NONE, [one.name for one in vanished]),
        )
        (last_at,) = cursor.fetchone()
    return last_at and last_at.astimezone(clock.zone()).date()
