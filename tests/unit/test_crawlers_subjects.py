"""A subject's identifier: told apart by what its address says, and clean before it is counted anywhere."""

import json
from types import SimpleNamespace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from crawlers.kinds import ReviewPages
from crawlers.pages import Counts
from crawlers.spiders.review_pages import ReviewPagesSpider

SITE = "http://shop.example"
SHOP = ReviewPages(
    name="shop",
    kind="review_pages",
    start_urls=(f"{SITE}/list",),
    subject_links="a",
    owner="the tests",
    licence="our own",
)


@pytest.fixture
def spider(monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the subjects")
    crawl = SimpleNamespace(source=SHOP, page=Counts())
    return ReviewPagesSpider(crawl=crawl)


def subject_of(spider, address: str) -> str:
    page = HtmlResponse(f"{SITE}/list", body=f'<a href="{address}">'.encode(), request=Request(f"{SITE}/list"))
    (request,) = spider.parse(page)
    return request.meta["subject"]


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("/cafes/cafe-01", "cafe-01"),
        ("/books/book-001/", "book-001"),
        ("/cafes/%EC%97%B0%EB%82%A8", "연남"),
        ("/product.php?no=12", "product.php?no=12"),
        ("/?p=12", "/?p=12"),
        ("/?p=12#reviews", "/?p=12"),
        ("http://other.example/", "other.example/"),
        ("/stores/a%00b", "a\\u0000b"),
    ],
)
def test_a_subject_is_named_by_its_address(spider, address, subject):
    assert subject_of(spider, address) == subject


@pytest.mark.parametrize(
    "address", ["/stores/kim%40shop.example", "/stores/010-1234-5678", "/?owner=kim%40shop.example"]
)
def test_personal_data_in_an_address_reaches_neither_requests_nor_counts(spider, address):
    subject = subject_of(spider, address)
    spider.count_fault("no review on the page", subject)
    spider.count_fault("offsite: kim@shop.example", subject)
    stats = json.dumps([subject, dict(spider.crawl.page.faults), sorted(spider.crawl.page.unread_subjects)])
    assert subject.startswith("redacted-")
    assert spider.crawl.page.redacted == 1
    assert not any(text in stats for text in ("shop.example", "010-1234-5678"))
    following = spider.ask(f"{SITE}{address}", spider.parse_subject, subject=subject)
    assert (following.meta["subject"], spider.crawl.page.redacted) == (subject, 1)
