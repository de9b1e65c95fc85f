"""Crawls of a site of our own over HTTP, with its faults, killed and run again."""

import json
import random
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from crawlers.errors import CrawlFailed
from crawlers.run import crawl, landed_since
from maeari.postgres import connect
from maeari.settings import CHECKOUT

DAY = date(2026, 5, 31)
ON_A_PAGE = 64


class Site(ThreadingHTTPServer):
    """A shop with reviews and news; `faults` gives other answers for some addresses."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.reviews = {
            f"s{subject}": [_review(f"s{subject}-{n}", n) for n in range(640)] for subject in range(8)
        }  # newest first
        self.faults: dict[str, tuple[int, dict, bytes]] = {}
        self.asked: list[str] = []
        self.agents: set[str] = set()

    def answer(self, path: str) -> tuple[int, dict, bytes]:
        if path in self.faults:
            return self.faults[path]
        address, _, query = path.partition("?page=")
        match address.strip("/").split("/"):
            case ["robots.txt"]:
                return 200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /private\n"
            case ["list"]:
                return self.html("".join(f'<a class="s" href="/s/{subject}">{subject}</a>' for subject in self.reviews))
            case ["s", subject] if subject in self.reviews:
                return self.subject(subject, int(query or 1))
            case ["feed.xml"]:
                items = "".join(f"<item><title>소식 {n}</title><link>/news/{n}</link></item>" for n in range(30))
                return 200, {"Content-Type": "text/xml"}, f"<rss><channel>{items}<item/></channel></rss>".encode()
            case ["news", number]:
                return self.html(
                    f"<article><h1>소식 {number}</h1><p>{f'{number}번째 소식의 긴 본문입니다. ' * 8}</p></article>"
                )
        return 404, {}, b""

    def subject(self, subject: str, page: int) -> tuple[int, dict, bytes]:
        reviews = self.reviews[subject]
        shown = {
            "@type": "LocalBusiness",
            "name": subject,
            "review": reviews[(page - 1) * ON_A_PAGE : page * ON_A_PAGE],
        }
        following = f'<a rel="next" href="/s/{subject}?page={page + 1}">' if page * ON_A_PAGE < len(reviews) else ""
        return self.html(f'<script type="application/ld+json">{json.dumps(shown)}</script>{following}')

    @staticmethod
    def html(body: str) -> tuple[int, dict, bytes]:
        return 200, {"Content-Type": "text/html; charset=utf-8"}, f"<!doctype html><body>{body}</body>".encode()


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        status, headers, body = self.server.answer(self.path)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def _review(number: str, n: int, **facts) -> dict:
    return {
        "@type": "Review",
        "identifier": number,
        "author": {"name": f"손님 {n}"},
        "datePublished": "2025-01-13",
        "reviewRating": {"ratingValue": n % 5 + 1},
        "reviewBody": None if n % 50 == 7 else f"{number}번째 후기",
        **facts,
    }


@pytest.fixture
def site(warehouse, maeari_home):
    server = Site()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    shared = {"delay_seconds": 0, "concurrent_requests": 4, "local": True, "owner": "the tests", "licence": "our own"}
    shared |= {"terms_checked_by": "the tests", "terms_checked_on": "2026-11-22"}
    shop = {"name": "shop", "kind": "review_pages", "start_urls": [f"{server.base}/list"], "subject_links": "a.s"}
    press = {"name": "press", "kind": "news_feed", "start_urls": [f"{server.base}/feed.xml"], "article_path": "^/news/"}
    for facts in (shop, press):
        (folder / f"{facts['name']}.yml").write_text(yaml.safe_dump({**facts, **shared}))
    yield server
    for file in folder.glob("*.yml"):
        file.unlink()
    server.shutdown()
    server.server_close()


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def everything_landed() -> list[tuple]:
    return (
        rows(
            "select source, source_review_id, version_no, content_hash, subject_id, subject_name, author_key, rating, "
            "rating_max, title, body, written_at, written_at_precision, url from raw.reviews order by 1, 2, 3"
        )
        + rows(
            "select source, source_article_id, version_no, content_hash, title, body, section, author_key, "
            "published_at, url from raw.articles order by 1, 2, 3"
        )
        + rows("select source, kind, reason, payload::text, payload_sha256 from raw.rejected order by 1, 2, 3, 5")
    )


def test_a_crawl_lands_counts_and_says_what_robots_txt_allows(site):
    progress = []
    summary = crawl("shop", DAY, on_progress=progress.append)
    assert summary["outcome"] == "finished"
    assert (summary["pages"], summary["items"], summary["landed"]) == (81, 5016, 5016)
    assert (summary["rejected"], summary["duplicates"], summary["robots_verdict"]) == (104, 0, "allowed")
    assert progress[-1]["items"] == 5016
    assert all("Maeari" in agent for agent in site.agents)
    assert landed_since("reviews") == 5016
    assert rows("select distinct reason from raw.rejected") == [("body is missing",)]
    (key,) = rows("select distinct author_key from raw.reviews where body like '%-0번째 후기'")
    assert "손님" not in key[0]


def test_the_next_crawl_reads_one_page_a_subject_and_sees_news_and_edits(site):
    crawl("shop", DAY)
    site.asked.clear()
    again = crawl("shop", DAY)
    assert (again["pages"], again["landed"], again["duplicates"]) == (9, 0, again["items"])

    site.reviews["s1"].insert(0, _review("s1-new", 1))
    site.reviews["s2"][3]["reviewBody"] = "고쳐 쓴 후기"
    third = crawl("shop", DAY)
    assert (third["pages"], third["landed"]) == (11, 2)
    assert rows("select version_no, body from raw.reviews where source_review_id = 's2-3' order by 1")[1] == (
        2,
        "고쳐 쓴 후기",
    )


def test_a_limited_crawl_stops_there_and_the_next_one_reads_on(site):
    assert crawl("shop", DAY, limit=50)["landed"] == 50
    assert crawl("shop", DAY)["landed"] == 5016 - 50


def test_known_articles_are_not_fetched_again(site):
    first = crawl("press", DAY)
    assert (first["landed"], first["rejected"], first["pages"]) == (30, 1, 31)
    again = crawl("press", DAY)
    assert (again["landed"], again["duplicates"], again["pages"]) == (0, 30, 1)


def test_faults_are_counted_and_the_crawl_goes_on_and_comes_back(site):
    binary = random.Random(1).randbytes(2_000)
    site.faults = {
        "/s/s0?page=3": (500, {}, b"<p>no</p>"),
        "/s/s1?page=3": (200, {"Content-Type": "text/html"}, b""),
        "/s/s2?page=3": (200, {"Content-Type": "text/html"}, b"\x00\x01" + binary),
        "/s/s3?page=3": (200, {"Content-Type": "application/pdf"}, b"%PDF" + binary),
        "/s/s4?page=3": (302, {"Location": "/s/s4?page=3&again"}, b""),
        "/s/s4?page=3&again": (302, {"Location": "/s/s4?page=3"}, b""),
        "/s/s5?page=3": (302, {"Location": "/private/log-in"}, b""),
        "/s/s6?page=3": (200, {"Content-Type": "text/html"}, b'<script type="application/ld+json">' + b"[" * 100_000),
    }
    summary = crawl("shop", DAY)
    assert summary["outcome"] == "finished"
    faults = summary["stats"]["faults"]
    assert faults["HTTP 500"] == 1
    assert faults["empty page"] == 1
    assert faults["not HTML or XML"] == 2
    assert faults["redirect to an address already asked for"] == 1
    assert faults["no review on the page"] == 1
    assert faults["Forbidden by robots.txt"] == 1
    assert summary["robots_verdict"].startswith("forbidden: 1 ")
    assert "/private/log-in" not in site.asked
    assert summary["stats"]["unread_subjects"] == ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]

    site.faults = {}
    healed = crawl("shop", DAY)
    assert summary["landed"] + healed["landed"] == 5016
    assert healed["stats"]["unread_subjects"] == []


def test_a_site_that_changed_its_markup_fails_the_crawl_with_a_sentence(site):
    crawl("shop", DAY)
    for subject in list(site.reviews)[:6]:
        site.faults[f"/s/{subject}"] = site.html("<p>새 단장</p>")
    with pytest.raises(CrawlFailed, match=r"shop brought 124 records from 9 pages, 13\.8 a page"):
        crawl("shop", DAY)
    site.faults = {}
    assert crawl("shop", DAY)["outcome"] == "finished"


def test_a_site_that_is_down_fails_the_crawl_with_a_sentence(site):
    site.faults["/list"] = (503, {}, b"")
    with pytest.raises(CrawlFailed, match=r"shop brought no record from 1 pages.*HTTP 503 \(1\)"):
        crawl("shop", DAY)
    assert rows("select outcome from ops.crawls") == [("failed",)]


@contextmanager
def crawling(source: str):
    child = subprocess.Popen(
        [sys.executable, "-m", "crawlers.run", source, DAY.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_crawls_killed_at_random_moments_end_with_the_rows_of_an_undisturbed_one(site, new_warehouse, monkeypatch):
    for source in ("shop", "press"):
        crawl(source, DAY)
    undisturbed = everything_landed()

    monkeypatch.setenv("MAEARI_DATABASE_URL", new_warehouse())
    for source, pages in (("shop", 81), ("shop", 81), ("press", 31)):
        until = len(site.asked) + random.randint(1, pages)
        with crawling(source) as child:
            while len(site.asked) < until and child.poll() is None:
                time.sleep(0.01)
            time.sleep(random.random() / 10)
    for source in ("shop", "press"):
        assert crawl(source, DAY)["outcome"] == "finished"
    assert everything_landed() == undisturbed
    assert sum(resumed for (resumed,) in rows("select resumed from ops.crawls")) >= 2


def test_a_crawl_ends_with_the_process_that_asked_for_it(site):
    with crawling("shop") as child:
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(timeout=30) != 0
