"""The log of a crawl, without personal data: Scrapy names addresses in it, and tracebacks hold a site's text."""

import logging

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.utils.log import get_scrapy_root_handler

from maeari.redaction import redact


class RedactedLog:
    """Redacts every line of Scrapy's log, tracebacks too, before the first page is asked for."""

    def __init__(self, crawler: Crawler):
        self._formatter = _Redacting(crawler.settings["LOG_FORMAT"], crawler.settings["LOG_DATEFORMAT"])
        # Scrapy opens its log anew after it made this.
        crawler.signals.connect(self._install, signals.spider_opened)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "RedactedLog":
        return cls(crawler)

    def _install(self) -> None:
        if handler := get_scrapy_root_handler():
            handler.setFormatter(self._formatter)


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))[0]
