"""Crawls of sites that forbid, lead away, answer too much, lie about their encoding, or need a key."""

import gzip
import json
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import yaml

from crawlers.errors import CrawlFailed
from crawlers.run import crawl, log_file
from maeari.postgres import connect

DAY = date(2026, 5, 31)
KEY = "s3cret+key/of=the=shop"


class Site(ThreadingHTTPServer):
    """A list of subjects with a review each; `answers` gives other answers for some addresses."""

    daemon_threads = True

    def __init__(self, subjects: int = 6):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        links = "".join(f'<a class="s" href="/s/{subject}">{subject}</a>' for subject in range(subjects))
        self.answers: dict[str, tuple[int, dict, bytes]] = {
            "/robots.txt": (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /private\n"),
            "/list": self.html(links),
        }
        self.answers |= {f"/s/{subject}": self.html(review(subject)) for subject in range(subjects)}
        self.asked: list[str] = []
        self.keys: list[str | None] = []

    @staticmethod
    def html(body: str, encoding: str = "utf-8", **headers) -> tuple[int, dict, bytes]:
        page = f"<!doctype html><title>후기</title><body>{body}</body>"
        return 200, {"Content-Type": "text/html; charset=utf-8", **headers}, page.encode(encoding)

    def pages(self) -> list[str]:
        return [path for path in self.asked if path != "/robots.txt"]


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.asked.append(self.path)
        path, _, query = self.path.partition("?")
        if path == "/api":
            self.server.keys += [self.headers["X-Key"], *parse_qs(query).get("serviceKey", [])]
            self.server.keys += self.headers.get_all("Referer", [])
            status, headers, body = self.server.api(parse_qs(query))
        else:
            status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def review(number: int, body: str | None = None) -> str:
    facts = {"@type": "Review", "identifier": f"r{number}", "reviewBody": body or f"{number}번째 후기입니다"}
    facts |= {"reviewRating": {"ratingValue": 4}, "datePublished": "2025-01-13", "itemReviewed": f"가게 {number}"}
    return f'<script type="application/ld+json">{json.dumps(facts, ensure_ascii=False)}</script>'


@pytest.fixture
def site(serve) -> Site:
    return serve(Site())


@pytest.fixture
def describe(site, warehouse, maeari_home):
    """A function that writes the source `shop` of the site."""
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    file = folder / "shop.yml"

    def write(**facts) -> None:
        shop = {"name": "shop", "kind": "review_pages", "start_urls": [f"{site.base}/list"], "subject_links": "a.s"}
        shop |= {"local": True, "delay_seconds": 0, "owner": "the tests", "licence": "our own"}
        shop |= {"terms_checked_by": "the tests", "terms_checked_on": "2026-11-22", **facts}
        file.write_text(yaml.safe_dump({key: value for key, value in shop.items() if value is not None}))

    write()
    yield write
    file.unlink()


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def bodies() -> dict[str, str]:
    return dict(rows("select source_review_id, body from raw.reviews"))


def test_a_site_that_forbids_all_fails_with_a_sentence_that_names_robots_txt(site, describe):
    site.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /\n")
    with pytest.raises(CrawlFailed, match=r"shop was not read, because its robots\.txt does not allow it"):
        crawl("shop", DAY)
    assert site.pages() == []
    ((verdict, is_dated),) = rows("select robots_verdict, robots_checked_at > started_at from ops.crawls")
    assert (verdict, is_dated) == ("forbidden: 1 addresses, not fetched", True)


def test_a_site_whose_robots_txt_is_out_of_order_is_left_alone(site, describe):
    site.answers["/robots.txt"] = (503, {}, b"")
    with pytest.raises(
        CrawlFailed, match=r"robots\.txt does not allow it \(forbidden: robots\.txt answered HTTP 503\)"
    ):
        crawl("shop", DAY)
    assert site.pages() == []
    site.answers["/robots.txt"] = (404, {}, b"")
    assert crawl("shop", DAY)["robots_verdict"] == "allowed: no robots.txt (HTTP 404)"


def test_the_delay_that_robots_txt_asks_for_is_kept_with_the_crawl(site, describe):
    site.answers["/robots.txt"] = (200, {}, b"User-agent: Maeari\nCrawl-delay: 0.1\nDisallow: /s/3\n")
    summary = crawl("shop", DAY)
    assert summary["robots_verdict"] == "forbidden: 1 addresses, not fetched; crawl-delay 0.1 s obeyed"
    assert summary["landed"] == 5
    assert summary["stats"]["faults"] == {"Forbidden by robots.txt": 1}


def test_a_source_that_is_not_local_reads_no_private_address(site, describe):
    describe(local=False)
    with pytest.raises(CrawlFailed, match=r"private address refused \(127\.0\.0\.1\)"):
        crawl("shop", DAY)
    assert site.asked == []


def test_crafted_links_and_redirects_reach_nothing_but_the_site(site, describe, serve):
    internal = serve(Site())
    site.answers["/s/0"] = (302, {"Location": f"{internal.base}/s/0"}, b"")
    site.answers["/s/1"] = (302, {"Location": f"http://localhost:{site.server_port}/s/2"}, b"")
    site.answers["/s/2"] = site.html(f'<meta http-equiv="refresh" content="0; url={internal.base}/s/2">')
    site.answers["/s/3"] = (302, {"Location": "file:///etc/hostname"}, b"")
    links = [f"{internal.base}/s/9", "file:///etc/hostname", "data:text/html,x", "http://169.254.169.254/latest"]
    page = "".join(f'<a class="s" href="{link}">x</a>' for link in links)
    site.answers["/list"] = site.html(page + "".join(f'<a class="s" href="/s/{n}">x</a>' for n in range(6)))
    summary = crawl("shop", DAY)
    assert internal.asked == []
    assert set(bodies()) == {"r4", "r5"}
    faults = summary["stats"]["faults"]
    assert faults["Filtered offsite request to '127.0.0.1'"] >= 2
    assert faults["Filtered offsite request to 'localhost'"] == 1


def test_pages_that_are_too_large_are_refused_and_their_neighbours_land(site, describe):
    describe(limits={"megabytes_per_page": 5})
    site.answers["/s/0"] = site.html("a" * (50 << 20))
    bomb = gzip.compress(b"<p>" + b"a" * (200 << 20), 9)
    assert len(bomb) < 1 << 20
    site.answers["/s/1"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, bomb)
    site.answers["/s/2"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, b"no gzip at all")
    summary = crawl("shop", DAY)
    assert set(bodies()) == {"r3", "r4", "r5"}
    faults = summary["stats"]["faults"]
    assert (faults["larger than 5 MB"], faults["larger than 5 MB when unpacked"]) == (1, 1)
    assert sum(faults.values()) == 3


def test_an_address_with_personal_data_reaches_no_log(site, describe):
    site.answers["/list"] = site.html('<a class="s" href="/s/010-1234-5678"></a><a class="s" href="/s/1"></a>')
    site.answers["/s/010-1234-5678"] = (500, {}, b"")
    assert crawl("shop", DAY)["stats"]["faults"] == {"HTTP 500": 1}
    log = log_file("shop").read_text()
    assert "/s/[phone]" in log
    assert "1234-5678" not in log


def test_korean_pages_are_read_whatever_they_declare(site, describe):
    text = "똠양꿍이 맛있고 값도 싸서 자주 옵니다. 다음에는 부모님을 모시고 다시 와야겠습니다."
    site.answers["/s/0"] = site.html(review(0, text), "cp949")
    site.answers["/s/1"] = site.html('<meta charset="euc-kr">' + review(1, text), "utf-8")
    site.answers["/s/2"] = site.html(review(2, text), "cp949", **{"Content-Type": "text/html; charset=iso-8859-1"})
    site.answers["/s/3"] = site.html(
        '<meta charset="utf-8">' + review(3, text), "cp949", **{"Content-Type": "text/html"}
    )
    status, headers, body = site.html(review(4, text) + "<p>끝</p>", "cp949")
    site.answers["/s/4"] = (status, headers, body.replace("끝".encode("cp949"), b"\xff "))
    summary = crawl("shop", DAY)
    assert [bodies()[f"r{number}"] for number in range(5)] == [text] * 5
    assert summary["stats"]["faults"] == {"undecodable bytes": 1}
    assert summary["stats"]["unread_subjects"] == []


def test_a_key_reaches_the_site_and_no_row_or_log(site, describe, monkeypatch):
    def api(query: dict) -> tuple[int, dict, bytes]:
        page = int(query.get("page", ["1"])[0])
        records = (
            [{"id": f"r{page}-{n}", "body": f"{page}쪽 {n}번째", "of": "가게"} for n in range(20)] if page < 4 else []
        )
        # As interfaces do, it shows the asker his own address, and one record holds it.
        shown = f"{site.base}/api?serviceKey={quote(KEY, safe='')}&page={page + 1}"
        if records:
            records[0]["body"] += f" {shown} {KEY}"
            records[1]["body"] = None
            records[1]["id"] = shown
        answer = {"items": records, "next": shown, "you": KEY}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer, ensure_ascii=False).encode()

    site.api = api
    monkeypatch.setenv("SHOP_KEY", KEY)
    describe(
        kind="review_api",
        subject_links=None,
        start_urls=[f"{site.base}/api"],
        headers={"X-Key": "${SHOP_KEY}"},
        parameters={"serviceKey": "${SHOP_KEY}"},
        paging={"by": "page"},
        records="items",
        fields={"id": "id", "body": "body", "subject_id": "of"},
    )
    summary = crawl("shop", DAY)
    assert summary["landed"] == 57
    assert site.keys
    assert set(site.keys) == {KEY}
    tables = rows("select schemaname || '.' || tablename from pg_tables where schemaname in ('raw', 'ops')")
    kept = [str(rows(f"select kept from {table} as kept")) for (table,) in tables]
    assert any("SHOP_KEY" in table for table in kept)
    for text in (*kept, json.dumps(summary, default=str), log_file("shop").read_text()):
        assert "s3cret" not in text
    assert urlsplit(site.asked[-1]).path == "/api"
