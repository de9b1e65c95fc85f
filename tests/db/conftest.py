"""Servers of our own over HTTP: a site, which the crawls of this folder read, and an Airflow, which has asked."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient

from maeari.postgres import connect
from maeari.settings import CHECKOUT
from web.app import create_app

DAY = date(2026, 5, 31)
ON_A_PAGE = 64
PLANTED = """<script>window.__planted = 1</script><img src=x onerror="window.__planted = 1">'"&{{ 7 * 7 }}"""


class Site(ThreadingHTTPServer):
    """A shop with reviews and news; `faults` gives other answers for some addresses."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.reviews = {
            f"s{subject}": [self.review(f"s{subject}-{n}", n) for n in range(640)] for subject in range(8)
        }  # newest first
        self.faults: dict[str, tuple[int, dict, bytes]] = {}
        self.asked: list[str] = []
        self.answered: list[tuple[str, int]] = []
        self.agents: set[str] = set()
        self.articles = 30
        self.broken_items = 1
        self.seconds_an_answer = 0.0
        self.has_etags = False

    def handle_error(self, request, client_address):
        """A killed crawl leaves its connections broken."""

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
                items = "".join(
                    f"<item><title>소식 {n}</title><link>/news/{n}</link></item>" for n in range(self.articles)
                )
                items += "<item/>" * self.broken_items
                return (
                    200,
                    {"Content-Type": "text/xml"},
                    f"<rss><channel>{items}</channel></rss>".encode(),
                )
            case ["news", number]:
                return self.html(
                    f"<article><h1>소식 {number}</h1><p>{f'{number}번째 소식의 긴 본문입니다. ' * 8}</p></article>"
                )
        return 404, {}, b""

    @staticmethod
    def review(number: str, n: int, **facts) -> dict:
        return {
            "@type": "Review",
            "identifier": number,
            "author": {"name": f"손님 {n}"},
            "datePublished": "2025-01-13",
            "reviewRating": {"ratingValue": n % 5 + 1},
            "reviewBody": None if n % 50 == 7 else f"{number}번째 후기",
            **facts,
        }

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

    def rewrite(self, source: str, **facts) -> None:
        """Change the file of a source."""
        file = self.sources / f"{source}.yml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | facts))

    @staticmethod
    def rows(query: str, *parameters) -> list[tuple]:
        with connect("owner") as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def everything_landed(self, source: str = "%") -> list[tuple]:
        """All that a crawl leaves in raw, without what tells one crawl from another."""
        return (
            self.rows(
                "select source, source_review_id, version_no, content_hash, subject_id, subject_name, author_key, "
                "rating, rating_max, title, body, written_at, written_at_precision, url from raw.reviews "
                "where source like %s order by 1, 2, 3",
                source,
            )
            + self.rows(
                "select source, source_article_id, version_no, content_hash, title, body, section, author_key, "
                "published_at, url from raw.articles where source like %s order by 1, 2, 3",
                source,
            )
            + self.rows(
                "select source, kind, reason, payload::text, payload_sha256 from raw.rejected where source like %s "
                "order by 1, 2, 3, 5",
                source,
            )
        )

    @contextmanager
    def crawling(self, source: str, **environment: str) -> Iterator[subprocess.Popen]:
        """A crawl's process, which is killed when it still runs at the end."""
        child = subprocess.Popen(
            [sys.executable, "-m", "crawlers.run", source, DAY.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        time.sleep(self.server.seconds_an_answer)
        status, headers, body = self.server.answer(self.path)
        if self.server.has_etags and status == 200:
            headers = {**headers, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
            if self.headers["If-None-Match"] == headers["ETag"]:
                status, body = 304, b""
        self.server.answered.append((self.path, status))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def demo_world(maeari_home):
    """A demo world's file, without which nothing is a replay; it also says which day is today."""
    file = maeari_home / "demo" / "world.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"today": "2025-03-30"}))
    yield file
    file.unlink()


class Pages(TestClient):
    """The pages as one who is logged in asks for them; `filled` has planted a script wherever a stranger could."""

    def html(self, address: str) -> str:
        response = self.get(f"/maeari{address}")
        assert response.status_code == 200, (address, response.text)
        assert "<script>window" not in response.text, address
        assert "<img" not in response.text, address
        return response.text

    def read(self, address: str) -> str:
        return self.plain(self.html(address))

    @staticmethod
    def plain(html: str) -> str:
        """What a person reads."""
        return unescape(re.sub(r"\s+", " ", re.sub("<script.*?</script>|<[^>]*>", " ", html, flags=re.DOTALL)))


@pytest.fixture(scope="session")
def pages() -> Pages:
    parent = FastAPI(openapi_url=None)
    parent.mount("/maeari", create_app(lambda: None))
    return Pages(parent, raise_server_exceptions=False)


@pytest.fixture(scope="session")
def planted() -> str:
    """What a hostile stranger writes."""
    return PLANTED


@pytest.fixture(scope="session")
def plant():
    """A function that runs statements on a warehouse, with the planted text as their parameter."""

    def run(warehouse: str, *statements: str) -> None:
        with closing(psycopg2.connect(warehouse)) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, {"planted": PLANTED})

    return run


@pytest.fixture(scope="module")
def filled(request, new_warehouse, maeari_home, plant) -> Iterator[str]:
    """A warehouse filled from the files that the module names as `SEEDS`."""
    warehouse = new_warehouse()
    plant(warehouse, *((CHECKOUT / "tests" / "browser" / name).read_text() for name in request.module.SEEDS))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAEARI_DATABASE_URL", warehouse)
        environment.setenv("MAEARI_AS_OF", "2026-05-31")
        yield warehouse


class Airflow(ThreadingHTTPServer):
    """Answers as Airflow's REST API does, and remembers which runs were ended."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _AirflowAnswers)
        self.record: dict = {"response_received": False}
        self.ended: list[str] = []
        self.shown_request: int | None = None

    def shown(self) -> str:
        """The text of the question: by default that of the newest request."""
        from ml.question import request_mark

        with connect("owner") as connection, connection.cursor() as cursor:
            cursor.execute("select max(request_id) from ops.release_requests")
            (newest,) = cursor.fetchone()
        return f"… {request_mark(self.shown_request or newest)} …"

    def answer(self, choice: str, person: str | None = "approver", reason: str = "", **given: str) -> None:
        self.record = {
            "options": ["Approve", "Reject"],
            "assigned_users": [{"id": "approver", "name": "approver"}],
            "response_received": True,
            "responded_by_user": person and {"id": person, "name": person},
            "responded_at": "2025-03-01T00:00:00Z",
            "chosen_options": [choice],
            "params_input": {"reason": reason, **given},
        }


class _AirflowAnswers(BaseHTTPRequestHandler):
    server: Airflow

    def do_POST(self):
        self._send({"access_token": "token"})

    def do_GET(self):
        self._send(self.server.record | {"body": self.server.shown()})

    def do_PATCH(self):
        self.server.ended.append(self.path.rpartition("/")[2])
        self._send({})

    def _send(self, body: dict):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def airflow(serve, monkeypatch, demo_world):
    """An Airflow that has put the newest request to the approver, in a demo world, where replays are allowed."""
    server = serve(Airflow())
    monkeypatch.setenv("MAEARI_AIRFLOW_URL", f"http://127.0.0.1:{server.server_port}")
    return server


@pytest.fixture
def site(serve, warehouse, maeari_home):
    server = serve(Site())
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    server.sources = folder
    shared = {"delay_seconds": 0, "concurrent_requests": 4, "local": True, "owner": "the tests", "licence": "our own"}
    shared |= {"terms_checked_by": "the tests", "terms_checked_on": "2026-11-22"}
    shop = {"name": "shop", "kind": "review_pages", "start_urls": [f"{server.base}/list"], "subject_links": "a.s"}
    press = {"name": "press", "kind": "news_feed", "start_urls": [f"{server.base}/feed.xml"], "article_path": "^/news/"}
    for facts in (shop, press):
        (folder / f"{facts['name']}.yml").write_text(yaml.safe_dump({**facts, **shared}))
    yield server
    for file in folder.glob("*.yml"):
        file.unlink()
