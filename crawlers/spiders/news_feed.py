"""News from feeds (RSS, Atom), and from sitemaps beside them."""

from crawlers.spiders.news import NewsSpider


class NewsFeedSpider(NewsSpider):
    """Reads sources of the kind `news_feed`."""
