"""What happens to every page and every record, whatever the spider: checks, redaction, provenance, paging, landing."""

import asyncio
import re
from collections.abc import AsyncIterator

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import HtmlResponse, Response, TextResponse

from crawlers import position
from crawlers.errors import PageFault
from crawlers.intake import Intake as RecordIntake
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.pages import Counts, Page, Validators
from maeari.redaction import redact
from maeari.settings import Settings

NOT_MODIFIED = 304
STANDING_REQUESTS = 500
MOST_ATTRIBUTES = 3_000
_ATTRIBUTE = re.compile(
    rb"(?:[\s/]++[^\s/>=]*+|(?<=[\"'])[^\s/>=]++)(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"']*+))?+"
)
_TAG = re.compile(rb"<[a-zA-Z][^\s/>]*+(?:" + _ATTRIBUTE.pattern + rb")*+")


class _CrawlMiddleware:
    def __init__(self, crawler: Crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler):
        return cls(crawler)

    @property
    def crawl(self):
        return self.crawler.spider.crawl


def _has_endless_tag(body: bytes) -> bool:
    # Reading a tag takes the square of its attributes: a page of 20 MB with one tag would take hours.
    if len(body) < 1 << 16:
        return False
    tags = (tag for tag in _TAG.finditer(body) if tag.end() - tag.start() > 1 << 14)
    return any(len(_ATTRIBUTE.findall(tag[0])) > MOST_ATTRIBUTES for tag in tags)


class PageGuard(_CrawlMiddleware):
    """Keeps pages that cannot hold records from the spider."""

    def process_spider_input(self, response: Response) -> None:
        if response.status == NOT_MODIFIED:
            return
        body = response.body.strip()
        if not body:
            raise PageFault("empty page")
        if response.meta.get("expects") == "json":
            # Interfaces tell faults in XML, in text, in HTML; their spider reads and names them.
            return
        if response.meta.get("expects") == "xml" and body.startswith(b"\x1f\x8b"):
            # A sitemap that is a gzip file; its spider unpacks it.
            return
        if (
            b"\x00" in body[:1000]
            or not isinstance(response, TextResponse)
            or not body.startswith((b"<", b"\xef\xbb\xbf<"))
        ):
            raise PageFault("not HTML or XML")
        if response.meta.get("expects") == "html":
            if not isinstance(response, HtmlResponse):
                raise PageFault("not HTML")
            if _has_endless_tag(body):
                raise PageFault(f"a tag with more than {MOST_ATTRIBUTES} attributes")


class Intake(_CrawlMiddleware):
    """Makes items of a spider's records, with provenance, and ends the crawl at its limit."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._intake: RecordIntake | None = None

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        crawl = self.crawl
        if self._intake is None:
            self._intake = RecordIntake(crawl.source.name, crawl.crawl_id)
        fetched_at = crawl.now()
        async for output in result:
            if crawl.limit is not None and crawl.items + crawl.page.items >= crawl.limit:
                crawl.stop("limit")
                return
            if isinstance(output, Request):
                yield output
                continue
            item, finds = self._intake.take(output, response.url, fetched_at)
            crawl.page.redacted += finds
            if isinstance(item, RefusedItem):
                crawl.page.rejected += 1
            else:
                crawl.page.items += 1
            yield item


class Paging(_CrawlMiddleware):
    """Stops the paging of a subject after a page without news, when the crawl before read that subject to its end."""

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        crawl = self.crawl
        records: list[ReviewItem | ArticleItem] = []
        refused = 0
        async for output in result:
            if isinstance(output, Request) and output.meta.get("next_page"):
                # After a page without any record such pages might follow for ever.
                if not records and not refused:
                    continue
                is_fully_read = not crawl.is_full_sweep and output.meta["subject"] not in crawl.unfinished_subjects
                if is_fully_read and records and not await self._has_news(records):
                    continue
            elif isinstance(output, RefusedItem):
                refused += 1
            elif isinstance(output, ReviewItem | ArticleItem):
                records.append(output)
            yield output

    async def _has_news(self, records: list[ReviewItem | ArticleItem]) -> bool:
        if isinstance(records[0], ReviewItem):
            return await self.crawl.off_reactor(self.crawl.has_news, records)
        articles = [article.source_article_id for article in records]
        return bool(set(articles) - await self.crawl.off_reactor(self.crawl.known_articles, articles))


class Landing(_CrawlMiddleware):
    """Takes each page wholly, hands it on to land, and then asks for what it led to; the outermost, it sees all.

    One page is taken at a time, so that what is counted meanwhile is that page's.
    """

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._one_at_a_time = asyncio.Lock()
        self._author_key = Settings().author_key()

    async def process_start(self, start: AsyncIterator[Request]) -> AsyncIterator[Request]:
        crawl = self.crawl
        if crawl.answered:
            # They are kept already: what was asked at the start, and what pages led to.
            requests = [position.restore(self.crawler.spider, request) for request in crawl.pending]
            crawl.pending.clear()
            for request in requests:
                self._name(request)
        else:
            crawl.page = Counts()
            page = Page(answered=[], counts=crawl.page)
            requests = [request async for request in start]
            for request in requests:
                self._keep(request, page)
            crawl.take(page)
        await self._ask_conditionally(requests)
        for request in requests:
            yield request

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        if response.meta.get("is_taken"):
            return
        crawl = self.crawl
        response.meta["is_taken"] = True
        failure: Exception | None = None
        async with self._one_at_a_time:
            crawl.page = counts = Counts(pages=1)
            page = Page(answered=self.crawler.spider.keys_of(response.request), counts=counts)
            requests: list[Request] = []
            if response.status == NOT_MODIFIED:
                requests = self._unchanged(response, counts)
            else:
                try:
                    async for output in result:
                        (requests if isinstance(output, Request) else page.items).append(output)
                except PageFault as error:
                    counts.count_fault(str(error), response.meta.get("subject"))
                except Exception as error:
                    # What came before it lands.
                    counts.count_fault(f"broken page ({type(error).__name__})", response.meta.get("subject"))
                    failure = error
            requests = [request for request in requests if self._is_near(request, counts)]
            kept = [self._keep(request, page) for request in requests]
            if response.status != NOT_MODIFIED:
                page.validators = self._validators(response, page, requests, kept)
            crawl.page = Counts()
            crawl.take(page)
            await crawl.gatherer.wait_for_room()
            await self._ask_conditionally(requests)
        for request in requests:
            yield request
        if failure is not None:
            raise failure

    def _is_near(self, request: Request, counts: Counts) -> bool:
        limit = self.crawl.source.limits.depth
        if request.meta.get("depth", 0) <= limit:
            return True
        counts.count_fault(f"more than {limit} links from a start address", request.meta.get("subject"))
        return False

    def _name(self, request: Request) -> str:
        key = self.crawler.request_fingerprinter.fingerprint(request).hex()
        request.meta["request_key"] = key
        return key

    def _keep(self, request: Request, page: Page) -> dict | None:
        described = position.describe(request, self._author_key)
        key = self._name(request)
        if described is None:
            page.counts.position_is_whole = False
        else:
            page.requests[key] = described
        return described

    def _unchanged(self, response: Response, counts: Counts) -> list[Request]:
        known: Validators = response.meta["known_page"]
        counts.items += known.records
        counts.duplicates += known.records
        counts.spared_pages += known.spared_pages
        return [position.restore(self.crawler.spider, request) for request in known.standing_requests]

    def _validators(
        self, response: Response, page: Page, requests: list[Request], kept: list[dict | None]
    ) -> Validators | None:
        """How to ask for this page only if it changed; nothing of a page that must be read again anyway."""
        etag, last_modified = (_header(response, name) for name in ("ETag", "Last-Modified"))
        if not (etag or last_modified) or "redirect_urls" in response.meta:
            return None
        page_key = self.crawl.source.key_of(response.request.url)
        if redact(page_key)[1] or len(page_key) > 2_000:
            return None
        standing = [request for request, asked in zip(kept, requests, strict=True) if asked.meta.get("standing")]
        details = sum(not asked.meta.get("standing") and not asked.meta.get("next_page") for asked in requests)
        counts = page.counts
        if counts.faults or counts.rejected or None in standing or len(standing) > STANDING_REQUESTS:
            etag = last_modified = None
        return Validators(
            page_key, etag, last_modified, counts.items + details, counts.spared_pages + details, standing
        )

    async def _ask_conditionally(self, requests: list[Request]) -> None:
        crawl = self.crawl
        if not crawl.is_conditional or not requests:
            return
        by_key = {crawl.source.key_of(request.url): request for request in requests}
        for known in await crawl.off_reactor(crawl.validators, list(by_key)):
            request = by_key[known.page_key]
            request.meta["known_page"] = known
            request.meta["handle_httpstatus_list"] = [
                *request.meta.get("handle_httpstatus_list", ()),
                NOT_MODIFIED,
            ]
            if known.etag:
                request.headers["If-None-Match"] = known.etag
            if known.last_modified:
                request.headers["If-Modified-Since"] = known.last_modified


def _header(response: Response, name: str) -> str | None:
    value = (response.headers.get(name) or b"").decode("latin-1").strip()
    # Stored and sent back as it came, or not at all; the digits of a hash may look like a phone number.
    return value if value.isascii() and value.isprintable() and "@" not in value and 0 < len(value) <= 500 else None
