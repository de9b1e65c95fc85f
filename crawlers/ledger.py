"""The row of a crawl in `ops.crawls`: opened or gone on with, counted up with each batch, and closed."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TypeVar

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from crawlers import fields, landing, position, register
from crawlers.batches import drain, land_batch, read_row, save_row
from crawlers.connection import AWAY, RECONNECT_SECONDS, Warehouse
from crawlers.errors import CrawlFailed, SpoolFull
from crawlers.items import ArticleItem, ReviewItem
from crawlers.kinds import AnySource
from crawlers.pages import Batch, Counts, Gatherer, Page, Validators
from crawlers.spool import Spool, held
from crawlers.trust import why_failed
from maeari import clock
from maeari.errors import DatabaseUnavailable, MaeariError
from maeari.redaction import redact

HISTORY = 10
REPEATED = 5
GOES_ON_WITHIN = timedelta(days=1)
LAST_WAIT_SECONDS = 60
LIMITS = {
    "page limit": "{limits.pages:,} pages",
    "record limit": "{limits.records:,} records",
    "closespider_timeout": "{limits.minutes:g} minutes",
}
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass
class Crawl:
    """One crawl under way: its row's number, what it counted, where it stands, and its way to the warehouse.

    Pages are taken on the reactor; what uses the connection runs in one thread, the landing thread.
    """

    warehouse: Warehouse | None
    spool: Spool | None
    crawl_id: int
    source: AnySource
    as_of: date
    limit: int | None
    is_full_sweep: bool = True
    is_conditional: bool = False
    unfinished_subjects: frozenset[str] = frozenset()
    usual_records_per_page: float | None = None
    last_good_on: date | None = None
    batch_no: int = 0
    counts: Counts = field(default_factory=Counts)
    pending: list[dict] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    page: Counts = field(default_factory=Counts)
    robots_verdict: str | None = None
    robots_checked_at: datetime | None = None
    failure: str | None = None
    overrun: str | None = None
    close: Callable[[str], None] | None = None
    _stopped: str | None = None
    _before: tuple[int, int] = (0, 0)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "landing"))

    def __post_init__(self):
        self.gatherer = Gatherer(self._land_off_reactor)
        self._before = (self.counts.pages, self.counts.items)

    def now(self) -> datetime:
        """When a page is fetched: on the run's day at the demo site, which shows that day, else by the wall clock."""
        return clock.now(self.as_of) if self.source.demo else datetime.now(UTC)

    @property
    def pages(self) -> int:
        return self.counts.pages

    @property
    def items(self) -> int:
        return self.counts.items

    @property
    def rejected(self) -> int:
        return self.counts.rejected

    async def off_reactor(self, function: Callable[..., T], *arguments) -> T:
        """Call a function that uses the connection in the landing thread, one at a time, while pages go on arriving."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def take(self, page: Page) -> None:
        """Take a page, whole, to be landed after those before it."""
        self.counts.add(page.counts)
        self.gatherer.put(page)
        limits = self.source.limits
        if self.counts.pages - self._before[0] >= limits.pages:
            self.stop("page limit")
        elif self.counts.items - self._before[1] >= limits.records:
            self.stop("record limit")
        self._stop_if_nothing_lands()

    def stop(self, reason: str) -> None:
        """Ask for nothing more; what is under way is still taken."""
        if self._stopped is None and self.close is not None:
            self._stopped = reason
            self.close(reason)

    def land(self, pages: list[Page]) -> None:
        """Land pages as one batch, all or nothing, after those that wait on disk; without Postgres it waits there too.

        When the disk takes no more, nothing further is taken, and the next crawl goes on before these pages. Sets
        `failure` when the warehouse refuses them.
        """
        if self.failure is not None or self.overrun is not None or not pages:
            return
        self.batch_no += 1
        checked_at = self.robots_checked_at and self.robots_checked_at.isoformat()
        batch = Batch(self.crawl_id, self.batch_no, pages, self.robots_verdict, checked_at)
        try:
            if not self.spool.files():
                try:
                    land_batch(self.warehouse.connection, batch)
                    return
                except AWAY as error:
                    self.warehouse.lose(error)
            self.spool.put(batch)
            self.drain()
        except (SpoolFull, OSError) as error:
            self.overrun = str(error)
        except Exception as error:
            self.failure = _landing_failed(error)
            logger.exception("Landing failed.")

    def drain(self) -> bool:
        """Land the batches that wait on disk, in order, and say whether none is left."""
        try:
            drain(self.warehouse.connection, self.spool)
        except AWAY as error:
            self.warehouse.lose(error)
            return False
        return True

    def has_news(self, reviews: Sequence[ReviewItem]) -> bool:
        """Whether any of the reviews has not landed as it is now; yes while Postgres is away."""
        known = self._asked(
            lambda connection: landing.newest_hashes(
                connection, self.source.name, [review.source_review_id for review in reviews]
            ),
            while_away={},
        )
        return any(known.get(review.source_review_id) != review.content_hash for review in reviews)

    def known_articles(self, article_ids: Sequence[str]) -> set[str]:
        """Those of the articles that have landed; none while Postgres is away."""
        return self._asked(
            lambda connection: landing.known_keys(connection, self.source.name, ArticleItem, article_ids),
            while_away=set(),
        )

    def validators(self, page_keys: Sequence[str]) -> list[Validators]:
        """How to ask for those pages that had not changed since they were stored; none while Postgres is away."""

        def read(connection: Connection) -> list[Validators]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "select page_key, etag, last_modified, records, spared_pages, standing_requests from ops.pages "
                    "where source = %s and page_key = any(%s) and facts_sha256 = %s",
                    (self.source.name, list(page_keys), self.source.facts_sha256),
                )
                return [Validators(*row) for row in cursor.fetchall()]

        return self._asked(read, while_away=[])

    def finish(self, reason: str) -> None:
        """Land what is left and close the row: finished, failed with the sentence that says why, or to be gone on with.

        Raises CrawlFailed when Postgres is away and stays away for a minute.
        """
        self._thread.submit(self.land, self.gatherer.rest()).result()
        deadline = time.monotonic() + LAST_WAIT_SECONDS
        while True:
            try:
                connection = self.warehouse.connection
                if self.failure is None:
                    self.failure = self._drain_or_say(connection)
                self._close_row(connection, reason)
                return
            except AWAY as error:
                self.warehouse.lose(error)
                if time.monotonic() > deadline:
                    raise CrawlFailed(
                        f"Postgres is away, and {len(self.spool.files())} batches of {self.source.name} wait in "
                        f"{self.spool.folder}. Start it; the next crawl lands them and goes on."
                    ) from error
                time.sleep(min(1, RECONNECT_SECONDS))

    def _drain_or_say(self, connection: Connection) -> str | None:
        try:
            drain(connection, self.spool)
        except AWAY:
            raise
        except Exception as error:
            return _landing_failed(error)

    def _close_row(self, connection: Connection, reason: str) -> None:
        with connection, connection.cursor() as cursor:
            counts, _ = read_row(cursor, self.crawl_id)
            is_over = reason in ("finished", "limit") and self.overrun is None
            if self.failure is None and is_over and reason == "finished":
                vanished = fields.judge(connection, self.source.name, self.crawl_id)
                untrusted = why_failed(
                    self.source,
                    counts,
                    self.robots_verdict,
                    self.is_full_sweep,
                    self.usual_records_per_page,
                    self.last_good_on,
                )
                repeated = self._repeated_article(cursor)
                self.failure = " ".join(filter(None, (vanished, untrusted, repeated))) or None
            counts.is_complete &= reason == "finished" and is_over and self.failure is None
            outcome = "failed" if self.failure else "finished" if is_over else "abandoned"
            message = self.failure or self.overrun
            if reason in LIMITS and not self.failure:
                reached = LIMITS[reason].format(limits=self.source.limits)
                message = f"Stopped at its limit of {reached}; " + (
                    "the next crawl goes on there."
                    if counts.position_is_whole
                    else "some addresses hold personal data and were not kept, so the next crawl begins anew."
                )
            save_row(cursor, self.crawl_id, counts, outcome, message, self.robots_verdict, self.robots_checked_at)
            if reason in LIMITS:
                cursor.execute(
                    """update ops.crawls set stats = stats || '{"is_in_parts": true}' where crawl_id = %s""",
                    (self.crawl_id,),
                )
            if outcome != "abandoned" or not counts.position_is_whole:
                position.delete(cursor, self.crawl_id)

    def _repeated_article(self, cursor: Cursor) -> str | None:
        """Why a crawl failed that landed one text over and over: a site that is down may say so at every address."""
        cursor.execute(
            "select count(*), (sum(count(*)) over ())::integer from ops.uncompared_texts "
            "where kind = 'article' and crawl_id = %s group by md5(body) order by 1 desc limit 1",
            (self.crawl_id,),
        )
        most, landed = cursor.fetchone() or (0, 0)
        if most < REPEATED or most <= landed / 2:
            return None
        return (
            f"{most} of {landed} articles of {self.source.name} landed with one and the same text. The site probably "
            "showed a notice in their place; when it is back, the next crawl reads everything again."
        )

    async def _land_off_reactor(self, pages: list[Page]) -> None:
        await self.off_reactor(self.land, pages)
        self._stop_if_nothing_lands()

    def _stop_if_nothing_lands(self) -> None:
        if self.failure is not None:
            self.stop("landing failed")
        elif self.overrun is not None:
            self.stop("spool full")

    def _asked(self, read: Callable[[Connection], T], while_away: T) -> T:
        try:
            connection = self.warehouse.connection
            with connection:
                return read(connection)
        except AWAY as error:
            self.warehouse.lose(error)
            logger.info("Not asked, because Postgres is away: everything counts as new.")
            return while_away


@contextmanager
def open_crawl(source: AnySource, as_of: date, limit: int | None) -> Iterator[Crawl]:
    """A crawl of a source, alone: it waits for one under way.

    It goes on with the newest one that was killed or stopped less than a day ago, when it was the same crawl: of the
    same day, the same file and the same limit. One that stopped at its source's own limits goes on until the next full
    sweep is due. What waits on disk lands first.
    """
    warehouse = Warehouse(source.name)
    with held(source.name) as spool:
        connection = warehouse.open()
        try:
            try:
                drain(connection, spool)
                with connection, connection.cursor() as cursor:
                    register.register(connection, source)
                    crawl_id = _crawl_to_go_on_with(cursor, source, as_of, limit)
                    if crawl_id is None:
                        crawl_id = _new_crawl(cursor, source, as_of, limit)
                    crawl = _opened(cursor, crawl_id, warehouse, spool, source, as_of, limit)
            except AWAY as error:
                raise DatabaseUnavailable(
                    f"Postgres went away while the crawl of {source.name} began. Start it and crawl again."
                ) from error
            except MaeariError:
                raise
            except Exception as error:
                raise CrawlFailed(_landing_failed(error)) from error
            yield crawl
        finally:
            warehouse.close()


def _crawl_to_go_on_with(cursor: Cursor, source: AnySource, as_of: date, limit: int | None) -> int | None:
    cursor.execute(
        "select crawl_id, outcome, started_at, facts_sha256, as_of_on, record_limit, "
        "coalesce((stats->>'position_is_whole')::boolean, true), coalesce((stats->>'is_in_parts')::boolean, false), "
        "stats->>'site' from ops.crawls where source = %s order by crawl_id desc limit 1",
        (source.name,),
    )
    found = cursor.fetchone()
    if found is None or found[1] not in ("running", "abandoned"):
        return None
    crawl_id, _, started_at, facts, as_of_on, record_limit, is_whole, is_in_parts, site = found
    age = datetime.now(UTC) - started_at
    is_recent = as_of_on == as_of and age < GOES_ON_WITHIN
    is_in_time = is_recent or (is_in_parts and age < timedelta(days=source.full_sweep_every_days))
    is_same = (facts, record_limit, site) == (source.facts_sha256, limit, _site(source))
    if is_in_time and is_same and is_whole:
        cursor.execute(
            "update ops.crawls set outcome = 'running', finished_at = null, message = null, resumed = resumed + 1, "
            "as_of_on = %s where crawl_id = %s",
            (as_of, crawl_id),
        )
        return crawl_id
    cursor.execute(
        "update ops.crawls set outcome = 'abandoned', finished_at = now(), message = %s "
        "where source = %s and outcome = 'running'",
        ("Its process ended without closing it; a later crawl read everything again.", source.name),
    )
    position.delete(cursor, crawl_id)
    return None


def _new_crawl(cursor: Cursor, source: AnySource, as_of: date, limit: int | None) -> int:
    cursor.execute(
        "select outcome = 'finished' and coalesce((stats->>'is_complete')::boolean, false) and facts_sha256 = %s "
        "from ops.crawls where source = %s order by crawl_id desc limit 1",
        (source.facts_sha256, source.name),
    )
    (before_is_complete,) = cursor.fetchone() or (False,)
    cursor.execute(
        "select as_of_on from ops.crawls where source = %s and is_full_sweep and outcome = 'finished' "
        "and (stats->>'is_complete')::boolean order by crawl_id desc limit 1",
        (source.name,),
    )
    (swept_on,) = cursor.fetchone() or (None,)
    # A day once mistyped, far ahead, must not put sweeps off until then.
    is_due = swept_on is None or abs((as_of - swept_on).days) >= source.full_sweep_every_days
    cursor.execute(
        "insert into ops.crawls (source, as_of_on, facts_sha256, record_limit, is_full_sweep, stats) "
        "values (%s, %s, %s, %s, %s, %s) returning crawl_id",
        (source.name, as_of, source.facts_sha256, limit, is_due or not before_is_complete)
        + (json.dumps({"site": _site(source), "limit": limit}),),
    )
    return cursor.fetchone()[0]


def _opened(
    cursor: Cursor, crawl_id: int, warehouse: Warehouse, spool: Spool, source: AnySource, as_of: date, limit: int | None
) -> Crawl:
    cursor.execute(
        "select coalesce(stats->'unread_subjects', '[]') from ops.crawls where source = %s and crawl_id < %s "
        "order by crawl_id desc limit 1",
        (source.name, crawl_id),
    )
    (unread,) = cursor.fetchone() or ([],)
    cursor.execute(
        "select (stats->>'records_per_page')::double precision from ops.crawls "
        "where source = %s and outcome = 'finished' and stats->>'limit' is null "
        "and stats->>'records_per_page' is not null order by crawl_id desc limit %s",
        (source.name, HISTORY),
    )
    history = [ratio for (ratio,) in cursor.fetchall()]
    cursor.execute(
        "select (max(finished_at) at time zone %s)::date from ops.crawls where source = %s and outcome = 'finished'",
        (clock.zone().key, source.name),
    )
    (last_good_on,) = cursor.fetchone()
    cursor.execute(
        "select is_full_sweep, robots_verdict, robots_checked_at from ops.crawls where crawl_id = %s", (crawl_id,)
    )
    is_full_sweep, robots_verdict, robots_checked_at = cursor.fetchone()
    counts, batch_no = read_row(cursor, crawl_id)
    pending, answered = position.load(cursor, crawl_id)
    return Crawl(
        warehouse=warehouse,
        spool=spool,
        crawl_id=crawl_id,
        source=source,
        as_of=as_of,
        limit=limit,
        is_full_sweep=is_full_sweep,
        is_conditional=not is_full_sweep and not unread,
        unfinished_subjects=frozenset(unread),
        usual_records_per_page=median(history) if history else None,
        last_good_on=last_good_on,
        batch_no=batch_no,
        counts=counts,
        pending=pending,
        answered=answered,
        robots_verdict=robots_verdict,
        robots_checked_at=robots_checked_at,
    )


def _site(source: AnySource) -> str:
    # The demo site's port may move, and with it the addresses that were kept.
    return source.addresses[0]


def _landing_failed(error: Exception) -> str:
    return f"Landing failed: {redact(' '.join(str(error).split()))[0]}. Nothing of this batch landed; crawl again."
