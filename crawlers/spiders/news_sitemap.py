"""News from sitemaps, lists of sitemaps and news sitemaps."""

from datetime import timedelta

from crawlers.dates import read_date
from crawlers.intake import Record
from crawlers.spiders.news import NewsSpider
from maeari import clock


class NewsSitemapSpider(NewsSpider):
    """Reads sources of the kind `news_sitemap`."""

    def is_passed_over(self, entry: Record) -> bool:
        """Whether an entry was last changed more than `newest_days` ago; one that says nothing readable was not."""
        days = self.source.newest_days
        if days is None:
            return False
        now, zone = self.crawl.now(), clock.zone()
        moments = []
        for text in filter(None, (entry["changed"], entry["published"])):
            try:
                moments.append(read_date(text, now, zone)[0])
            except ValueError:
                return False
        # A day ends 24 hours after it began.
        return bool(moments) and now - max(moments) > timedelta(days=days + 1)
