"""Errors of crawling."""

from maeari.errors import MaeariError


class SourceError(MaeariError):
    """A source's file is missing or wrong, or the source may not be crawled here."""


class CrawlFailed(MaeariError):
    """A crawl ended, but what it brought must not be trusted."""


class PageFault(MaeariError):
    """A fetched page cannot hold records; the crawl counts it and goes on."""


class AddressRefused(PageFault):
    """A name leads to an address of a private network, and its source does not say that it is local."""


class SpoolFull(MaeariError):
    """No more batches can wait on disk for Postgres."""
