"""What a site's robots.txt allows (RFC 9309), how fast, and what is kept of it with a crawl."""

import re

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.misc import build_from_crawler

from crawlers.errors import AddressRefused, PageFault

READ_BYTES = 500 << 10
LONGEST_DELAY_SECONDS = 60
ALLOWED = "allowed"

_FORBID_ALL = b"User-agent: *\nDisallow: /\n"
_FORBIDDEN_SO_FAR = re.compile(r"forbidden: (\d+) addresses")
_OTHER_HOST = re.compile("offsite request to '(.*)'")


class RobotsTxt(RobotsTxtMiddleware):
    """Obeys robots.txt: one that cannot be had forbids everything, one that does not exist nothing.

    Its `Crawl-delay` slows the crawl down, never up, and its verdict is kept with the crawl.
    """

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._answers: dict[str, str] = {}
        self._delays: dict[str, str] = {}
        self._refused: dict[str, AddressRefused] = {}
        crawler.signals.connect(self._obey_delay, signals.robots_parsed)
        self._forbidden_before: int | None = None

    async def process_request(self, request: Request) -> None:
        try:
            await super().process_request(request)
        except IgnoreRequest:
            self._keep()
            raise
        if refused := self._refused.get(urlparse_cached(request).netloc):
            raise AddressRefused(str(refused))

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        if response.status >= 500 or response.status == 429:
            answer, body = f"forbidden: robots.txt answered HTTP {response.status}", _FORBID_ALL
        elif response.status >= 300:
            answer, body = f"{ALLOWED}: no robots.txt (HTTP {response.status})", b""
        else:
            answer, body = ALLOWED, response.body[:READ_BYTES]
        self._answers[netloc] = answer
        self.crawler.spider.crawl.robots_checked_at = self.crawler.spider.crawl.now()
        await super()._parse_robots(response.replace(body=body), netloc, request)
        self._keep()

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        body = _FORBID_ALL
        if isinstance(exc, AddressRefused):
            self._refused[netloc], body = exc, b""
            self._answers[netloc] = f"unknown: {exc}"
        elif found := _OTHER_HOST.search(str(exc)):
            self._answers[netloc] = f"forbidden: robots.txt leads to another host, {found[1]}"
        elif isinstance(exc, PageFault | IgnoreRequest):
            self._answers[netloc] = f"forbidden: robots.txt not read, {exc}"
        else:
            self._answers[netloc] = f"forbidden: robots.txt not answered ({type(exc).__name__})"
        self.crawler.spider.crawl.robots_checked_at = self.crawler.spider.crawl.now()
        waiting = self._parsers[netloc]
        self._parsers[netloc] = build_from_crawler(self._parserimpl, self.crawler, body)
        self._keep()
        waiting.callback(self._parsers[netloc])

    def _obey_delay(self, robotparser: RobotParser, request: Request) -> None:
        asked = robotparser.crawl_delay(self._robotstxt_useragent)
        if not asked:
            return
        delay = min(asked, LONGEST_DELAY_SECONDS)
        parts = urlparse_cached(request)
        self._delays[parts.netloc] = f"crawl-delay {asked:g} s " + (
            "obeyed" if delay == asked else f"is too long, {delay:g} s obeyed"
        )
        downloader = self.crawler.engine.downloader
        facts = downloader.per_slot_settings.setdefault(parts.hostname, {})
        # Without jitter, which would also shorten the delay.
        facts |= {"delay": max(delay, self.crawler.settings.getfloat("DOWNLOAD_DELAY")), "jitter": 0}
        if slot := downloader.slots.get(parts.hostname):
            slot.delay, slot.jitter = facts["delay"], 0

    def _keep(self) -> None:
        crawl = self.crawler.spider.crawl
        if self._forbidden_before is None:
            # What an earlier process of the same crawl was refused.
            found = _FORBIDDEN_SO_FAR.match(crawl.robots_verdict or "")
            self._forbidden_before = int(found[1]) if found else 0
        crawl.robots_verdict = verdict(
            list(self._answers.values()),
            list(self._delays.values()),
            self._forbidden_before + self._stats.get_value("robotstxt/forbidden", 0),
        )
        self._stats.set_value("robotstxt/verdict", crawl.robots_verdict)


def verdict(answers: list[str], delays: list[str], forbidden: int) -> str:
    """What robots.txt said about a crawl: the answers of its hosts, what they say of delays, and addresses refused."""
    refusals = [answer for answer in answers if not answer.startswith(ALLOWED)]
    if refusals:
        said = refusals[0]
    elif forbidden:
        said = f"forbidden: {forbidden} addresses, not fetched"
    else:
        said = min(answers)
    return "; ".join([said, *dict.fromkeys(delays)])


class Throttle(AutoThrottle):
    """Scrapy's, which never goes faster than robots.txt asks."""

    def _response_downloaded(self, response, request, spider) -> None:
        super()._response_downloaded(response, request, spider)
        key, slot = self._get_slot(request, spider)
        if slot is not None:
            asked = self.crawler.engine.downloader.per_slot_settings.get(key, {})
            slot.delay = max(slot.delay, asked.get("delay", 0))
