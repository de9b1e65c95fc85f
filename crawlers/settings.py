"""Settings of Scrapy that hold for every source."""

BOT_NAME = "maeari"
SPIDER_MODULES = ["crawlers.spiders"]

ROBOTSTXT_OBEY = True
ROBOTSTXT_USER_AGENT = "Maeari"
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False

RETRY_TIMES = 2
REDIRECT_MAX_TIMES = 5
DOWNLOAD_TIMEOUT = 20
DOWNLOAD_MAXSIZE = 20 << 20
DEPTH_LIMIT = 5_000

# Scrapy starts this many tasks for each page; the records of a page are taken in their order anyway.
CONCURRENT_ITEMS = 1

SPIDER_MIDDLEWARES = {
    "crawlers.middlewares.PageGuard": 60,
    "crawlers.middlewares.Paging": 940,
    "crawlers.middlewares.Intake": 950,
}
ITEM_PIPELINES = {"crawlers.pipelines.LandingPipeline": 100}

LOG_LEVEL = "INFO"
LOG_FILE_APPEND = False
