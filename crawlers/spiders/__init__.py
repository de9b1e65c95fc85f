"""One spider for each kind of source."""

from crawlers.kinds import NewsApi, NewsFeed, NewsSitemap, ReviewApi, ReviewPages
from crawlers.spiders.api import NewsApiSpider, ReviewApiSpider
from crawlers.spiders.news_feed import NewsFeedSpider
from crawlers.spiders.news_sitemap import NewsSitemapSpider
from crawlers.spiders.review_pages import ReviewPagesSpider

SPIDERS = {
    ReviewPages: ReviewPagesSpider,
    ReviewApi: ReviewApiSpider,
    NewsFeed: NewsFeedSpider,
    NewsSitemap: NewsSitemapSpider,
    NewsApi: NewsApiSpider,
}
