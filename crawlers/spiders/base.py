"""What every spider shares: requests whose failures are counted, and the crawl they belong to."""

from collections.abc import AsyncIterator, Callable, Iterator

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawlers.errors import PageFault
from crawlers.ledger import Crawl
from crawlers.redaction import redact, redact_key
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
        return spider

    async def start(self) -> AsyncIterator[Request]:
        for request in self.first_requests():
            yield request

    def first_requests(self) -> Iterator[Request]:
        """What a crawl asks for first."""
        for url in self.source.addresses():
            yield self.ask(url, self.parse)

    def ask(self, url: str, callback: Callable, subject: str | None = None, standing: bool = False, **meta) -> Request:
        """A request whose failure is counted; when it was for a subject, that subject is read fully next time.

        A standing one is asked in every crawl, also when the page that led to it is as it was.

        The subject holds no personal data from here on: it ends in the crawl's row as well as in records.
        """
        if subject is not None:
            subject, finds = redact_key(subject.strip(), self._author_key)
            self.crawl.redacted += finds
        meta = {"subject": subject, "expects": "html", "standing": standing, **meta}
        return Request(url, callback=callback, errback=self.request_failed, meta=meta)

    def request_failed(self, failure: Failure) -> None:
        """Count a page that could not be fetched or is no page; the crawl goes on."""
        error = failure.value
        is_refused_by_us = isinstance(error, IgnoreRequest) and not isinstance(error, HttpError)
        if isinstance(error, HttpError):
            fault = f"HTTP {error.response.status}"
        elif isinstance(error, PageFault) or is_refused_by_us:
            fault = str(error) or type(error).__name__
        else:
            fault = type(error).__name__
        if not isinstance(error, PageFault) and "orbidden" not in fault and "offsite" not in fault:
            self.crawl.pages += 1
        self.count_fault(fault, failure.request.meta.get("subject"))

    def callback_failed(self, failure: Failure, response) -> None:
        """Count a page on which the spider itself broke; the log has the traceback."""
        self.count_fault(f"broken page ({failure.type.__name__})", response.meta.get("subject"))

    def redirect_dropped(self, request: Request) -> None:
        """Count a redirect to an address that was asked for before: a loop, or two names of one page."""
        if "redirect_urls" in request.meta:
            self.crawl.pages += 1
            self.count_fault("redirect to an address already asked for", request.meta.get("subject"))

    def count_fault(self, fault: str, subject: str | None) -> None:
        """Count a fault; what it hid, a subject or all, is read fully next time."""
        self.crawl.faults[redact(fault)[0]] += 1
        if subject is None:
            self.crawl.is_complete = False
        else:
            self.crawl.unread_subjects.add(subject)
