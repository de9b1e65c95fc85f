"""Settings of Scrapy: those that hold for every source, and those that a source's file gives."""

from crawlers.kinds import Source

BOT_NAME = "maeari"
SPIDER_MODULES = ["crawlers.spiders"]

ROBOTSTXT_OBEY = True
ROBOTSTXT_USER_AGENT = "Maeari"
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
# An address that led here may hold a key.
REFERRER_POLICY = "no-referrer"
# A proxy from the environment would resolve names where no address can be checked, and would be handed the keys.
HTTPPROXY_ENABLED = False
# IPv6 too; the default looks for IPv4 alone.
TWISTED_DNS_RESOLVER = "scrapy.resolver.CachingHostnameResolver"

RETRY_TIMES = 2
# As many as RFC 9309 asks to follow for robots.txt.
REDIRECT_MAX_TIMES = 5
DOWNLOAD_TIMEOUT = 20
AUTOTHROTTLE_MAX_DELAY = 60

# Scrapy starts this many tasks for each page; a page is taken whole anyway, and only its requests are left.
CONCURRENT_ITEMS = 1

DOWNLOAD_HANDLERS = {
    "http": "crawlers.network.SourceHandler",
    "https": "crawlers.network.SourceHandler",
    # A crafted link must not read files.
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
}
DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
    "crawlers.network.OwnHosts": 50,
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "crawlers.robots.RobotsTxt": 100,
    # Answers pass upwards: unpacked first, then without keys, then read in their encoding.
    "crawlers.encoding.Encoding": 586,
    "crawlers.network.HiddenKeys": 588,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "crawlers.encoding.Decompression": 590,
}
EXTENSIONS = {
    "scrapy.extensions.throttle.AutoThrottle": None,
    "crawlers.robots.Throttle": 0,
    "crawlers.log.RedactedLog": 0,
}
SPIDER_MIDDLEWARES = {
    "crawlers.middlewares.Landing": 40,
    "crawlers.middlewares.PageGuard": 60,
    "crawlers.middlewares.Paging": 940,
    "crawlers.middlewares.Intake": 950,
    "crawlers.encoding.Encoding": 960,
}

LOG_LEVEL = "INFO"
LOG_FILE_APPEND = False


def of_source(source: Source) -> dict:
    """The settings that a source's file gives."""
    largest = int(source.limits.megabytes_per_page * 2**20)
    return {
        "DOWNLOAD_MAXSIZE": largest,
        "DOWNLOAD_WARNSIZE": largest,
        "DOWNLOAD_DELAY": source.delay_seconds,
        "CONCURRENT_REQUESTS_PER_DOMAIN": source.concurrent_requests,
        "AUTOTHROTTLE_ENABLED": source.delay_seconds > 0,
        "AUTOTHROTTLE_START_DELAY": source.delay_seconds,
        # A private network signs its certificates itself.
        "DOWNLOAD_VERIFY_CERTIFICATES": not source.local,
    }
