"""What happens to every page and every record, whatever the spider: checks, redaction, provenance, paging."""

import asyncio
from collections.abc import AsyncIterator

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import HtmlResponse, Response, TextResponse

from crawlers.errors import PageFault
from crawlers.intake import Intake as RecordIntake
from crawlers.items import RefusedItem, ReviewItem


class _CrawlMiddleware:
    def __init__(self, crawler: Crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler):
        return cls(crawler)

    @property
    def crawl(self):
        return self.crawler.spider.crawl


class PageGuard(_CrawlMiddleware):
    """Keeps pages that cannot hold records from the spider."""

    def process_spider_input(self, response: Response) -> None:
        self.crawl.pages += 1
        body = response.body.strip()
        if not body:
            raise PageFault("empty page")
        if (
            b"\x00" in body[:1000]
            or not isinstance(response, TextResponse)
            or not body.startswith((b"<", b"\xef\xbb\xbf<"))
        ):
            raise PageFault("not HTML or XML")
        if response.meta.get("expects") == "html" and not isinstance(response, HtmlResponse):
            raise PageFault("not HTML")


class Intake(_CrawlMiddleware):
    """Makes items of a spider's records, with provenance, and ends the crawl at its limit."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._intake: RecordIntake | None = None
        self._closing: asyncio.Future | None = None

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        crawl = self.crawl
        if self._intake is None:
            self._intake = RecordIntake(crawl.source.name, crawl.crawl_id)
        fetched_at = crawl.now()
        async for output in result:
            if crawl.limit is not None and crawl.items >= crawl.limit:
                if self._closing is None:
                    self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason="limit"))
                return
            if isinstance(output, Request):
                yield output
                continue
            item, finds = self._intake.take(output, response.url, fetched_at)
            crawl.redacted += finds
            if isinstance(item, RefusedItem):
                crawl.rejected += 1
            else:
                crawl.items += 1
            yield item


class Paging(_CrawlMiddleware):
    """Stops the paging of a subject after a page without news, when the crawl before read that subject to its end."""

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        crawl = self.crawl
        reviews: list[ReviewItem] = []
        refused = 0
        async for output in result:
            if isinstance(output, Request) and output.meta.get("next_page"):
                # After a page without any review such pages might follow for ever.
                if not reviews and not refused:
                    continue
                is_fully_read = not crawl.reads_everything and output.meta["subject"] not in crawl.unfinished_subjects
                if is_fully_read and reviews and not await crawl.off_reactor(crawl.has_news, reviews):
                    continue
            elif isinstance(output, ReviewItem):
                reviews.append(output)
            elif isinstance(output, RefusedItem):
                refused += 1
            yield output
