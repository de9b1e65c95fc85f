"""Crawls of a site whose markup changes: which field vanished is said, and only when enough was seen."""

from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from crawlers import fields
from crawlers.errors import CrawlFailed
from crawlers.items import RefusedItem
from crawlers.run import crawl
from maeari.postgres import connect

DAY = date(2026, 5, 31)
SUBJECTS = 40


class Shop(ThreadingHTTPServer):
    """Subjects with three reviews each; `markup` is what a review's parts are marked by."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.markup = {"title": "title", "author": "author", "rating": "rating", "body": "body"}
        self.subjects = SUBJECTS
        self.rated_of_five = 5

    def page(self, path: str) -> str:
        if path == "/list":
            return "".join(f'<a class="item" href="/s/{number}">{number}</a>' for number in range(self.subjects))
        subject = path.removeprefix("/s/")
        marks = self.markup
        return f"<h1>상품 {subject}</h1>" + "".join(
            f'<li class="review" id="r{subject}-{number}"><b class="{marks["title"]}">제목 {number}</b>'
            f'<i class="{marks["author"]}">손님 {number}</i>'
            + (
                f'<em class="{marks["rating"]}">{number + 3}</em>'
                if (3 * int(subject) + number) % 5 < self.rated_of_five
                else ""
            )
            + f'<p class="{marks["body"]}">상품 {subject}에 관한 {number}번째 후기입니다</p></li>'
            for number in range(3)
        )


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self):
        is_page = self.path.startswith(("/list", "/s/"))
        body = f"<!doctype html><body>{self.server.page(self.path)}</body>".encode() if is_page else b""
        self.send_response(200 if is_page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def shop(serve, warehouse, maeari_home):
    server = serve(Shop())
    file = maeari_home / "sources" / "shop.yml"
    file.parent.mkdir(exist_ok=True)
    selectors = {name: f".{name}" for name in ("title", "author", "rating", "body")}
    facts = {"name": "shop", "kind": "review_pages", "start_urls": [f"{server.base}/list"], "subject_links": "a.item"}
    facts |= {"selectors": {"review": "li.review", "id": "::attr(id)", **selectors}, "local": True}
    facts |= {"delay_seconds": 0, "concurrent_requests": 4, "owner": "the tests", "licence": "our own"}
    facts |= {"terms_checked_by": "the tests", "terms_checked_on": "2026-11-22"}
    file.write_text(yaml.safe_dump(facts))
    yield server
    file.unlink()


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def verdicts() -> dict[str, str]:
    """The verdicts on the fields of the newest crawl."""
    return dict(
        rows("select field, verdict from ops.crawl_fields where crawl_id = (select max(crawl_id) from ops.crawls)")
    )


def test_a_first_crawl_counts_its_fields(shop):
    crawl("shop", DAY)
    assert rows(
        "select field, records, filled, pages, pages_without, usual_share, verdict from ops.crawl_fields "
        "where field in ('title', 'written_at') order by 1"
    ) == [("title", 120, 120, 40, 0, None, "new"), ("written_at", 120, 0, 40, 40, None, "new")]
    assert verdicts().keys() >= {"id", "title", "author", "rating", "body"}


def test_a_field_whose_selector_finds_nothing_any_longer_fails_the_crawl_by_name_until_it_is_mended(shop):
    crawl("shop", DAY)
    ((last_good,),) = rows("select (started_at at time zone 'Asia/Seoul')::date::text from ops.crawls")
    for field in ("title", "author", "rating"):
        shop.markup[field] = "renamed"
        with pytest.raises(CrawlFailed) as caught:
            crawl("shop", DAY)
        assert f"{field} missing on 100 % of 40 pages; last good crawl {last_good}" in str(caught.value)
        assert "`maeari source check shop`" in str(caught.value)
        assert {name for name, verdict in verdicts().items() if verdict == "vanished"} == {field}
        shop.markup[field] = field
    # Failed crawls are no history.
    assert crawl("shop", DAY)["outcome"] == "finished"
    assert set(verdicts().values()) == {"steady"}


def test_a_vanished_field_without_which_records_are_refused_is_named_too(shop):
    crawl("shop", DAY)
    shop.markup["body"] = "renamed"
    with pytest.raises(CrawlFailed, match=r"body missing on 100 % of 40 pages; .*brought 0 records"):
        crawl("shop", DAY)


def test_a_field_that_fell_below_half_is_noted_and_the_crawl_is_good(shop):
    crawl("shop", DAY)
    shop.rated_of_five = 1
    assert crawl("shop", DAY)["outcome"] == "finished"
    assert {name for name, verdict in verdicts().items() if verdict == "fell"} == {"rating"}


def test_too_few_records_say_nothing(shop):
    crawl("shop", DAY)
    shop.subjects, shop.markup["title"] = 6, "renamed"
    assert crawl("shop", DAY)["outcome"] == "finished"
    assert set(verdicts().values()) == {"too_few_records"}


def test_counts_saved_in_parts_are_those_of_the_whole(warehouse):
    refused = RefusedItem("shop", "review", "body is missing", {"title": "제목", "body": None, "url": "u"}, 1)
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source) values ('shop'), ('shop') returning crawl_id")
        (parts,), (whole,) = cursor.fetchall()
        for _ in range(3):
            fields.save(connection, parts, [[refused, refused], []])
        fields.save(connection, whole, [[refused, refused], []] * 3)
        assert fields.load(connection, parts) == fields.load(connection, whole)
        assert fields.load(connection, whole).filled == {"title": 6, "body": 0}
        assert fields.judge(connection, "shop", whole) is None
