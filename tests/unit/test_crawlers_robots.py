"""What robots.txt allows, how fast, and what is said of it."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from scrapy import Request
from scrapy.core.downloader import Slot
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from crawlers.robots import READ_BYTES, Throttle, verdict

ALLOWED = "User-agent: *\nAllow: /\n"


class Site(ThreadingHTTPServer):
    """A site whose robots.txt is what a test says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.robots: dict[str, tuple[int, dict, str] | None] = {}
        self.asked: list[tuple[str, float]] = []

    @property
    def pages(self) -> list[str]:
        return [path for path, _ in self.asked if "robots" not in path]


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.asked.append((self.path, time.monotonic()))
        answer = self.server.robots.get(self.path, (200, {}, self.path))
        if answer is None:
            self.connection.close()
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(serve):
    return serve(Site())


@pytest.fixture
def ask(site, fetch):
    """A function that fetches paths while robots.txt answers so; the statuses or errors, and the verdict."""

    def run(robots: tuple[int, dict, str] | None, *paths: str, **facts) -> tuple[list, str]:
        site.robots.setdefault("/robots.txt", robots)
        facts = {"start_urls": [f"{site.base}/list"], "local": True, **facts}
        answers, said, _ = fetch([f"{site.base}{path}" for path in paths], **facts)
        return [answer if isinstance(answer, str) else answer[1] for answer in answers], said

    return run


REFUSED = "IgnoreRequest: Forbidden by robots.txt"


def test_rules_are_obeyed_and_refused_addresses_counted(ask, site):
    robots = "User-agent: Maeari\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n"
    answers, said = ask((200, {}, robots), "/a", "/private/1", "/private/2")
    assert answers == [200, REFUSED, REFUSED]
    assert said == "forbidden: 2 addresses, not fetched"
    assert site.pages == ["/a"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_site_without_robots_txt_allows_all(ask, status):
    assert ask((status, {}, "Disallow: /"), "/a") == ([200], f"allowed: no robots.txt (HTTP {status})")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_robots_txt_that_cannot_be_had_now_forbids_all(ask, site, status):
    assert ask((status, {}, ALLOWED), "/a") == ([REFUSED], f"forbidden: robots.txt answered HTTP {status}")
    assert site.pages == []


def test_a_robots_txt_that_does_not_answer_forbids_all(ask, site):
    answers, said = ask(None, "/a", "/b")
    assert answers == [REFUSED, REFUSED]
    assert said.startswith("forbidden: robots.txt not answered (")
    assert site.pages == []


def test_a_robots_txt_elsewhere_on_the_site_is_read_there(ask, site):
    site.robots["/robots2.txt"] = (200, {}, "User-agent: *\nDisallow: /private")
    assert ask((301, {"Location": "/robots2.txt"}, ""), "/a", "/private")[0] == [200, REFUSED]


def test_a_robots_txt_on_another_host_or_in_a_circle_forbids_all(ask, site):
    away = (302, {"Location": f"http://localhost:{site.server_port}/robots.txt"}, "")
    assert ask(away, "/a") == ([REFUSED], "forbidden: robots.txt leads to another host, localhost")
    site.robots["/robots.txt"] = (302, {"Location": "/robots.txt"}, "")
    assert ask(None, "/a") == ([REFUSED], "forbidden: robots.txt not read, max redirections reached")


def test_a_huge_robots_txt_is_read_to_its_limit(ask):
    before = "User-agent: *\nDisallow: /first\n"
    filler = "# .............................\n" * (READ_BYTES // 32)
    answers, said = ask((200, {}, f"{before}{filler}Disallow: /last\n"), "/first", "/last")
    assert (answers, said) == ([REFUSED, 200], "forbidden: 1 addresses, not fetched")


def test_a_robots_txt_of_binary_nonsense_allows_all(ask):
    assert ask((200, {}, "\x00\x01<html>" * 1_000), "/a") == ([200], "allowed")


# With and without Scrapy's AutoThrottle, which is off where a source has no delay.
@pytest.mark.parametrize("delay_seconds", [0, 0.01])
def test_a_crawl_delay_is_obeyed(ask, site, delay_seconds):
    answers, said = ask(
        (200, {}, "User-agent: *\nCrawl-delay: 0.5\n"), "/1", "/2", "/3", "/4", delay_seconds=delay_seconds
    )
    assert answers == [200] * 4
    assert said == "allowed; crawl-delay 0.5 s obeyed"
    moments = [moment for path, moment in site.asked if path in ("/1", "/4")]
    # Four at once take some milliseconds; a late first answer may shorten what is seen from here.
    assert moments[1] - moments[0] > 0.75


@pytest.mark.parametrize("asked", [None, 5])
def test_the_throttle_is_never_faster_than_robots_txt_asks(asked):
    crawler = get_crawler(settings_dict={"AUTOTHROTTLE_ENABLED": True, "DOWNLOAD_DELAY": 1})
    slot = Slot(1, 5)
    settings = {"shop.example": {"delay": asked}} if asked else {}
    crawler.engine = SimpleNamespace(
        downloader=SimpleNamespace(slots={"shop.example": slot}, per_slot_settings=settings, _delay=1)
    )
    throttle = Throttle(crawler)
    throttle._spider_opened(None)
    meta = {"download_slot": "shop.example", "download_latency": 0.01}
    for _ in range(20):
        throttle._response_downloaded(Response("http://shop.example"), Request("http://shop.example", meta=meta), None)
    assert slot.delay == pytest.approx(asked or 1, abs=0.01)


@pytest.mark.parametrize(
    ("answers", "delays", "forbidden", "said"),
    [
        (["allowed"], [], 0, "allowed"),
        (["allowed: no robots.txt (HTTP 404)", "allowed"], [], 0, "allowed"),
        (["allowed"], ["crawl-delay 5 s obeyed"], 2, "forbidden: 2 addresses, not fetched; crawl-delay 5 s obeyed"),
        (["allowed", "forbidden: robots.txt answered HTTP 503"], [], 7, "forbidden: robots.txt answered HTTP 503"),
    ],
)
def test_a_verdict_tells_the_worst(answers, delays, forbidden, said):
    assert verdict(answers, delays, forbidden) == said
