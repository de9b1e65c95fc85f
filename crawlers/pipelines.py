"""The way of items into the warehouse."""

import asyncio
import time

from scrapy.crawler import Crawler

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.redaction import redact

BATCH_ROWS = 2_000
BATCH_SECONDS = 5


class LandingPipeline:
    """Lands items in batches, one at a time; items wait while a full batch waits, so memory stays bounded.

    A slow site's batch lands before it is full, so that a kill costs seconds of its time.
    """

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._batch: list[ReviewItem | ArticleItem | RefusedItem] = []
        self._one_at_a_time = asyncio.Lock()
        self._begun_at = time.monotonic()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "LandingPipeline":
        return cls(crawler)

    async def process_item(self, item):
        if self._is_due():
            async with self._one_at_a_time:
                if self._is_due():
                    await self._land()
        self._batch.append(item)
        return item

    def _is_due(self) -> bool:
        return len(self._batch) >= BATCH_ROWS or time.monotonic() - self._begun_at > BATCH_SECONDS

    async def close_spider(self) -> None:
        async with self._one_at_a_time:
            await self._land()

    async def _land(self) -> None:
        crawl = self._crawler.spider.crawl
        if crawl.failure is not None:
            return
        batch, self._batch, self._begun_at = self._batch, [], time.monotonic()
        try:
            await crawl.off_reactor(crawl.land, batch)
        except Exception as error:
            # The rest of the crawl would be lost as well.
            crawl.failure = (
                f"Landing failed: {redact(' '.join(str(error).split()))[0]}. Nothing of this batch landed; crawl again."
            )
            self._stopping = asyncio.ensure_future(self._crawler.engine.close_spider_async(reason="landing failed"))
            raise
