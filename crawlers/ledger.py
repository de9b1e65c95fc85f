"""The row of a crawl in `ops.crawls`: opened, counted up and closed, with the rule by which a crawl fails."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from statistics import median
from typing import TypeVar

from psycopg2.extensions import connection as Connection

from crawlers import landing
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.kinds import AnySource
from maeari import clock
from maeari.postgres import advisory_lock, connect

HISTORY = 10
T = TypeVar("T")


@dataclass
class Crawl:
    """One crawl under way: its row's number, what it counted, and its connection to the warehouse.

    The connection is used by one thread at a time: the landing thread while pages are read.
    """

    connection: Connection
    crawl_id: int
    source: AnySource
    as_of: date
    limit: int | None
    reads_everything: bool
    unfinished_subjects: frozenset[str]
    usual_records_per_page: float | None
    pages: int = 0
    spared_pages: int = 0
    items: int = 0
    landed: int = 0
    duplicates: int = 0
    rejected: int = 0
    redacted: int = 0
    faults: Counter = field(default_factory=Counter)
    unread_subjects: set[str] = field(default_factory=set)
    is_complete: bool = True
    robots_verdict: str | None = None
    failure: str | None = None
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "landing"))

    def now(self) -> datetime:
        """When a page is fetched: on the run's day at the demo site, which shows that day, else by the wall clock."""
        return clock.now(self.as_of) if self.source.demo else datetime.now(UTC)

    async def off_reactor(self, function: Callable[..., T], *arguments) -> T:
        """Call a function that uses the connection in the landing thread, one at a time, while pages go on arriving."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def land(self, items: Sequence[ReviewItem | ArticleItem | RefusedItem]) -> None:
        """Land a batch and save the counts, all or nothing."""
        with self.connection:
            new, known = landing.land(self.connection, items)
            self.landed += new
            self.duplicates += known
            self._save()

    def has_news(self, reviews: Sequence[ReviewItem]) -> bool:
        """Whether any of the reviews has not landed as it is now."""
        with self.connection:
            known = landing.newest_hashes(
                self.connection, self.source.name, [review.source_review_id for review in reviews]
            )
        return any(known.get(review.source_review_id) != review.content_hash for review in reviews)

    def known_articles(self, article_ids: Sequence[str]) -> set[str]:
        """Those of the articles that have landed."""
        with self.connection:
            return landing.known_keys(self.connection, self.source.name, ArticleItem, article_ids)

    def finish(self, reason: str) -> None:
        """Close the row: finished, abandoned (stopped by a signal), or failed with the sentence that says why."""
        if self.failure is None and reason == "finished":
            self.failure = judge(
                self.source.name, self.items, self.pages, self.spared_pages, self.usual_records_per_page
            )
            if self.failure and self.faults:
                self.failure += f" Faults: {_counted(self.faults)}."
            if self.failure and self.robots_verdict and self.robots_verdict.startswith("forbidden"):
                self.failure += f" robots.txt: {self.robots_verdict}."
        self.is_complete &= reason == "finished"
        outcome = "failed" if self.failure else "finished" if reason in ("finished", "limit") else "abandoned"
        with self.connection:
            self._save(outcome)

    def _save(self, outcome: str = "running") -> None:
        stats = {
            "faults": dict(self.faults),
            "spared_pages": self.spared_pages,
            "records_per_page": _records_per_page(self.items, self.pages, self.spared_pages),
            "limit": self.limit,
            "is_complete": self.is_complete,
            "unread_subjects": sorted(self.unread_subjects),
        }
        with self.connection.cursor() as cursor:
            cursor.execute(
                "update ops.crawls set pages = %s, items = %s, landed = %s, duplicates = %s, rejected = %s, "
                "redacted = %s, robots_verdict = %s, message = %s, stats = %s, outcome = %s, "
                "finished_at = case when %s = 'running' then null else now() end where crawl_id = %s",
                (self.pages, self.items, self.landed, self.duplicates, self.rejected, self.redacted)
                + (self.robots_verdict, self.failure, json.dumps(stats, ensure_ascii=False))
                + (outcome, outcome, self.crawl_id),
            )


@contextmanager
def open_crawl(source: AnySource, as_of: date, limit: int | None) -> Iterator[Crawl]:
    """A new crawl of a source, alone: it waits for one under way, and marks what killed ones left as abandoned."""
    with connect("crawler") as connection, advisory_lock(connection, f"crawl {source.name}"):
        with connection.cursor() as cursor:
            cursor.execute(
                "update ops.crawls set outcome = 'abandoned', finished_at = now(), message = %s "
                "where source = %s and outcome = 'running'",
                ("Its process ended without closing it; a later crawl read everything again.", source.name),
            )
            cursor.execute(
                "select outcome, coalesce((stats->>'is_complete')::boolean, false), "
                "coalesce(stats->'unread_subjects', '[]') from ops.crawls where source = %s "
                "order by crawl_id desc limit 1",
                (source.name,),
            )
            outcome, is_complete, unread = cursor.fetchone() or ("none", False, [])
            cursor.execute(
                "select (stats->>'records_per_page')::double precision from ops.crawls "
                "where source = %s and outcome = 'finished' and stats->>'limit' is null "
                "and stats->>'records_per_page' is not null order by crawl_id desc limit %s",
                (source.name, HISTORY),
            )
            history = [ratio for (ratio,) in cursor.fetchall()]
            cursor.execute("insert into ops.crawls (source) values (%s) returning crawl_id", (source.name,))
            (crawl_id,) = cursor.fetchone()
        connection.commit()
        yield Crawl(
            connection=connection,
            crawl_id=crawl_id,
            source=source,
            as_of=as_of,
            limit=limit,
            reads_everything=outcome != "finished" or not is_complete,
            unfinished_subjects=frozenset(unread),
            usual_records_per_page=median(history) if history else None,
        )


def judge(source: str, records: int, pages: int, spared_pages: int, usual: float | None) -> str | None:
    """Why a crawl must not be trusted, None when it may: records per page fall under half of what is usual.

    A known article whose page was not fetched counts as a record and as a page, so that a day without news and a
    day full of it compare. Without a history a crawl fails only when it brought nothing.
    """
    found = _records_per_page(records, pages, spared_pages)
    if usual is None:
        return (
            f"{source} brought no record from {pages} pages. Look at the site: its addresses or its markup differ from "
            f"what the source's file says."
            if records == 0
            else None
        )
    if found is not None and found >= usual / 2:
        return None
    return (
        f"{source} brought {records} records from {pages} pages, {found or 0:.1f} a page; its last crawls brought "
        f"{usual:.1f}, and fewer than half of that fails. Look at the site: it has probably changed its markup."
    )


def _records_per_page(records: int, pages: int, spared_pages: int) -> float | None:
    return records / (pages + spared_pages) if pages + spared_pages else None


def _counted(faults: Counter) -> str:
    return ", ".join(f"{fault} ({count})" for fault, count in faults.most_common(5))
