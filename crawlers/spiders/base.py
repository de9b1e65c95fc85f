"""What every spider shares: requests whose failures are counted, and the crawl they belong to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawlers.errors import PageFault
from crawlers.ledger import Crawl
from crawlers.pages import Counts, Page
from maeari.redaction import redact_key
from maeari.settings import Settings


class SourceSpider(Spider):
    """A spider of one source; its callbacks yield records (dicts of text) and requests, records first."""

    def __init__(self, crawl: Crawl, **arguments):
        super().__init__(name=crawl.source.name, **arguments)
        self.crawl = crawl
        self.source = crawl.source
        self.allowed_domains = self.source.hosts
        self._author_key = Settings().author_key()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args, **kwargs) -> "SourceSpider":
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.callback_failed, signals.spider_error)
        crawler.signals.connect(spider.redirect_dropped, signals.request_dropped)
        spider.crawl.close = spider._close
        return spider

    def _close(self, reason: str) -> None:
        # Kept, because the loop itself would let it be collected.
        self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))

    async def start(self) -> AsyncIterator[Request]:
        for request in self.first_requests():
            yield request

    def first_requests(self) -> Iterator[Request]:
        """What a crawl asks for first."""
        for url in self.source.addresses:
            yield self.ask(url, self.parse)

    def ask(self, url: str, callback: Callable, subject: str | None = None, standing: bool = False, **meta) -> Request:
        """A request whose failure is counted; when it was for a subject, that subject is read fully next time.

        A standing request is asked at every crawl, even when the page that led to it has not changed. The subject holds
        no personal data from here on: it ends in the crawl's row as well as in records.
        """
        if subject is not None:
            subject, finds = redact_key(subject.strip(), self._author_key)
            self.crawl.page.redacted += finds
        meta = {"subject": subject, "expects": "html", "standing": standing, **meta}
        return Request(url, callback=callback, errback=self.request_failed, meta=meta)

    def count_fault(self, fault: str, subject: str | None) -> None:
        """Count a fault of the page in hand; what it hid, a subject or all, is read fully next time."""
        self.crawl.page.count_fault(fault, subject)

    def request_failed(self, failure: Failure) -> None:
        """Count a page that could not be fetched or is no page; the crawl goes on."""
        fault, was_fetched = described_failure(failure)
        self.answer(failure.request, fault, was_fetched)

    def callback_failed(self, failure: Failure, response) -> None:
        """Count a page on which the spider itself broke before it gave anything; the log has the traceback."""
        if response is not None and not response.request.meta.get("is_taken"):
            self.answer(response.request, f"broken page ({failure.type.__name__})")

    def redirect_dropped(self, request: Request) -> None:
        """Count a redirect to an address that was asked for before: a loop, or two names of one page."""
        if "redirect_urls" in request.meta:
            # Where it leads may still have to be read.
            self._take(request, [request.meta["request_key"]], "redirect to an address already asked for")

    def keys_of(self, request: Request) -> list[str]:
        """The keys under which a request was asked for: its own, and that of the one it was redirected from."""
        own = self.crawler.request_fingerprinter.fingerprint(request).hex()
        return list(dict.fromkeys((request.meta.get("request_key", own), own)))

    def answer(self, request: Request, fault: str | None, was_fetched: bool = True) -> None:
        """Take a request as answered without a page for the spider, with its fault if that is one."""
        request.meta["is_taken"] = True
        self._take(request, self.keys_of(request), fault, was_fetched)

    def _take(self, request: Request, keys: list[str], fault: str | None, was_fetched: bool = True) -> None:
        counts = Counts(pages=int(was_fetched))
        if fault is not None:
            counts.count_fault(fault, request.meta.get("subject"))
        self.crawl.take(Page(keys, counts))


def described_failure(failure: Failure) -> tuple[str, bool]:
    """What went wrong with a request, in a few words, and whether a page was fetched or at least asked for."""
    error = failure.value
    if isinstance(error, HttpError):
        return f"HTTP {error.response.status}", True
    is_refused_by_us = isinstance(error, IgnoreRequest)
    if isinstance(error, PageFault) or is_refused_by_us:
        return str(error) or type(error).__name__, not is_refused_by_us
    return type(error).__name__, True
