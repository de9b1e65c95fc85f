"""The way of items into the warehouse."""

import asyncio

from scrapy.crawler import Crawler

from crawlers.items import ArticleItem, RefusedItem, ReviewItem

BATCH_ROWS = 2_000


class LandingPipeline:
    """Lands items in batches, one batch at a time; items wait while a full batch waits, so memory stays bounded."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._batch: list[ReviewItem | ArticleItem | RefusedItem] = []
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "LandingPipeline":
        return cls(crawler)

    async def process_item(self, item):
        if len(self._batch) >= BATCH_ROWS:
            async with self._one_at_a_time:
                if len(self._batch) >= BATCH_ROWS:
                    await self._land()
        self._batch.append(item)
        return item

    async def close_spider(self) -> None:
        async with self._one_at_a_time:
            await self._land()

    async def _land(self) -> None:
        crawl = self._crawler.spider.crawl
        if crawl.failure is not None:
            return
        batch, self._batch = self._batch, []
        try:
            await crawl.off_reactor(crawl.land, batch)
        except Exception as error:
            # The rest of the crawl would be lost as well.
            crawl.failure = (
                f"Landing failed: {' '.join(str(error).split())}. Nothing of this batch landed; crawl again."
            )
            self._stopping = asyncio.ensure_future(self._crawler.engine.close_spider_async(reason="landing failed"))
            raise
