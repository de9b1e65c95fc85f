"""One spider for each kind of source."""

from crawlers.kinds import NewsFeed, ReviewPages
from crawlers.spiders.news_feed import NewsFeedSpider
from crawlers.spiders.review_pages import ReviewPagesSpider

SPIDERS = {ReviewPages: ReviewPagesSpider, NewsFeed: NewsFeedSpider}
