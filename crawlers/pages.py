"""What one page gave: its items, the requests it led to and its counts; and batches of pages, which land whole."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from maeari.redaction import redact

BATCH_ROWS = 2_000
# A kill costs the pages of so long; each batch costs a transaction of some milliseconds.
BATCH_SECONDS = 0.5

NUMBERS = ("pages", "items", "landed", "duplicates", "rejected", "redacted")


@dataclass
class Counts:
    """What pages counted up to, and what they could not read."""

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
    position_is_whole: bool = True

    def add(self, other: "Counts") -> None:
        """Count another's in."""
        for name in (*NUMBERS, "spared_pages"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults.update(other.faults)
        self.unread_subjects |= other.unread_subjects
        self.is_complete &= other.is_complete
        self.position_is_whole &= other.position_is_whole

    def count_fault(self, fault: str, subject: str | None) -> None:
        """Count a fault; what it hid, a subject or all, is read fully next time."""
        self.faults[redact(fault)[0]] += 1
        if subject is None:
            self.is_complete = False
        else:
            self.unread_subjects.add(subject)

    def count_known(self, records: int) -> None:
        """Count records that have landed, each on a page of its own that is not fetched again."""
        self.spared_pages += records
        self.items += records
        self.duplicates += records


@dataclass
class Validators:
    """By what a page is asked for again only if it changed, and what it then counts; without either: forgotten."""

    page_key: str
    etag: str | None
    last_modified: str | None
    records: int
    spared_pages: int
    standing_requests: list[dict]


@dataclass
class Page:
    """An answered request, or one that failed for good: it lands whole, and is never asked for again."""

    answered: list[str]
    counts: Counts
    items: list[ReviewItem | ArticleItem | RefusedItem] = field(default_factory=list)
    requests: dict[str, dict] = field(default_factory=dict)
    validators: Validators | None = None

    @property
    def rows(self) -> int:
        """How much landing it takes."""
        return 1 + len(self.items) + len(self.requests)


@dataclass
class Batch:
    """Pages of a crawl that land in one transaction; the numbers have no gap."""

    crawl_id: int
    batch_no: int
    pages: list[Page]
    robots_verdict: str | None = None
    robots_checked_at: str | None = None


class Gatherer:
    """Gathers pages, in order, to batches of which one lands at a time; two are in memory at most."""

    def __init__(self, land: Callable[[list[Page]], Coroutine]):
        self._land = land
        self._pages: list[Page] = []
        self._rows = 0
        self._begun_at = time.monotonic()
        self._landing: asyncio.Future | None = None

    def put(self, page: Page) -> None:
        """Take a page; `wait_for_room` keeps memory bounded."""
        if not self._pages:
            self._begun_at = time.monotonic()
        self._pages.append(page)
        self._rows += page.rows

    async def wait_for_room(self) -> None:
        """Land what is due, and return when no more than one full batch waits."""
        while self._is_due():
            if self._landing is not None and not self._landing.done():
                if self._rows < BATCH_ROWS:
                    return
                await asyncio.wait([self._landing])
            else:
                self._landing = asyncio.ensure_future(self._land(self.rest()))

    def rest(self) -> list[Page]:
        """The pages that wait, taken out."""
        pages, self._pages, self._rows = self._pages, [], 0
        return pages

    def _is_due(self) -> bool:
        return self._rows >= BATCH_ROWS or bool(self._pages and time.monotonic() - self._begun_at > BATCH_SECONDS)
