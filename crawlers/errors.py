"""Errors of crawling."""

from maeari.errors import MaeariError


class SourceError(MaeariError):
    """A source's file is missing or wrong, or the source may not be crawled here."""


class CrawlFailed(MaeariError):
    """A crawl ended, but what it brought must not be trusted."""


class PageFault(MaeariError):
    """A fetched page cannot hold records; the crawl counts it and goes on."""
