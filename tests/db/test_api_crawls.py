"""Crawls by copies of the ready-made sources of a local server that answers in the shapes of their sites."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from crawlers.errors import CrawlFailed, SourceError
from crawlers.run import crawl, log_file
from crawlers.sources import FOLDER
from maeari.postgres import connect
from maeari.settings import CHECKOUT

DAY = date(2026, 5, 31)
KEY = "aB3+/x9Zk==mountain"
ENCODED_KEY = "aB3%2B%2Fx9Zk%3D%3Dmountain"
Answer = tuple[int, str, str]


class Interfaces(ThreadingHTTPServer):
    """Steam, the App Store, Naver, data.go.kr and a shop with counted pages, on one port; `asked` has what came in."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.steam_reviews = [_steam_review(n) for n in range(250)]  # newest first
        self.steam_cursor: Callable[[int], str] = lambda start: f"at+{start}/=="
        self.notices = [_notice(n) for n in range(101)]
        self.faults: dict[str, Answer] = {}
        self.held: str | None = None
        self.is_held = threading.Event()

    def answer(self, path: str, headers) -> Answer:
        for part, fault in self.faults.items():
            if part in path:
                return fault
        parts = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match parts.path.strip("/").split("/"):
            case ["appreviews", "440"]:
                return self.steam(query)
            case ["kr", "rss", "customerreviews", page, "id=7", "sortby=mostrecent", form]:
                return _app_store(int(page.removeprefix("page=")), form)
            case ["v1", "search", "news.json"]:
                return _naver(query, headers)
            case ["1230000", "ad", "BidPublicInfoService", "getBidPblancListInfoServc"]:
                return self.data_go_kr(query)
            case ["shop", kind, *rest]:
                return _shop(kind, rest, int(query.get("page", query.get("from", 1))))
        return 404, "text/plain", "nothing here"

    def steam(self, query: dict) -> Answer:
        starts = {self.steam_cursor(start): start for start in range(300, 0, -100)} | {"*": 0}
        start = starts[query["cursor"]]
        shown = self.steam_reviews[start : start + int(query["num_per_page"])]
        following = self.steam_cursor(start + 100) if shown else query["cursor"]
        return _json({"success": 1, "query_summary": {}, "cursor": following, "reviews": shown})

    def data_go_kr(self, query: dict) -> Answer:
        if query["serviceKey"] != KEY:
            return _gateway_error("30", "SERVICE_KEY_IS_NOT_REGISTERED_ERROR")
        size = int(query["numOfRows"])
        start = (int(query["pageNo"]) - 1) * size
        shown = self.notices[start : start + size]
        # One notice is an object, none an empty text.
        items = {"item": shown[0] if len(shown) == 1 else shown} if shown else ""
        header = {"resultCode": "00" if start else "000", "resultMsg": "정상"}
        return _json({"response": {"header": header, "body": {"items": items, "totalCount": len(self.notices)}}})


class _Handler(BaseHTTPRequestHandler):
    server: Interfaces

    def do_GET(self):
        if self.path != "/robots.txt":
            self.server.asked.append(self.path)
        if self.server.held and self.server.held in self.path:
            self.server.is_held.set()
            time.sleep(60)
            return
        status, kind, text = self.server.answer(self.path, self.headers)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def _json(value: object, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(value)


def _gateway_error(code: str, message: str) -> Answer:
    header = f"<errMsg>SERVICE ERROR</errMsg><returnAuthMsg>{message}</returnAuthMsg>"
    header += f"<returnReasonCode>{code}</returnReasonCode>"
    return 200, "text/xml", f"<OpenAPI_ServiceResponse><cmmMsgHeader>{header}</cmmMsgHeader></OpenAPI_ServiceResponse>"


def _steam_review(n: int) -> dict:
    return {
        "recommendationid": str(9_000 + n) if n % 2 else 9_000 + n,
        "author": {"steamid": f"7650000000{n:07}", "playtime_forever": None if n % 3 else 120},
        "review": f"{n}번째 후기 <b>그대로</b>",
        "timestamp_created": 1_736_730_000 - n,
        "voted_up": n % 4 != 0,
        "weighted_vote_score": "0.5" if n % 2 else 0.5,
    }


def _notice(n: int) -> dict:
    facts = {
        "bidNtceNo": f"R25BK{n:08}",
        "bidNtceOrd": "000",
        "bidNtceNm": f"산책로 안내 {n}",
        "ntceInsttNm": "메아리군",
    }
    return facts | {"bidNtceDt": "2025-01-13 10:00:00", "bidNtceDtlUrl": f"https://bids.example/{n}#top"}


def _app_store(page: int, form: str) -> Answer:
    def entry(n: int) -> dict:
        texts = {"id": f"r{n}", "title": f"제목 {n}", "content": f"후기 {n}", "updated": "2025-01-13T10:00:00-07:00"}
        return {name: {"label": text} for name, text in texts.items()} | {"im:rating": {"label": "4"}}

    entries: dict[int, object] = {1: [{"id": {"label": "the app"}}, entry(1), entry(2)], 3: entry(4)}
    if form == "json":
        return 200, "text/javascript", json.dumps({"feed": {"entry": entries[page]} if page in entries else {}})
    texts = "<id>r3</id><title>제목 3</title><content type='text'>후기 3</content><content type='html'>&lt;p></content>"
    shown = f"<entry>{texts}<im:rating>2</im:rating></entry>" if page == 2 else ""
    space = "xmlns='http://www.w3.org/2005/Atom' xmlns:im='http://itunes.apple.com/rss'"
    return 200, "text/xml", f"<?xml version='1.0' encoding='utf-8'?><feed {space}>{shown}</feed>"


def _naver(query: dict, headers) -> Answer:
    if (headers["X-Naver-Client-Id"], headers["X-Naver-Client-Secret"]) != ("an id of ours", KEY):
        return _json({"errorMessage": "NID AUTH Result Invalid (1000)", "errorCode": "024"}, 401)
    if query["query"] == "-":
        return _json({"errorMessage": "Incorrect query request (잘못된 쿼리요청입니다.)", "errorCode": "SE01"}, 400)
    start, count = int(query["start"]), int(query["display"])
    items = [
        {
            "title": f"<b>메아리</b> {n} &quot;다시&quot;",
            "originallink": f"https://press.example/{n}" if n % 2 else "",
            "link": f"https://n.news.example/{n}",
            "description": f"울린다 &lt;{n}&gt;",
            "pubDate": "Mon, 13 Jan 2025 09:58:00 +0900",
        }
        for n in range(start, min(start + count, 1_100))
    ]
    return _json({"total": 1_100, "start": start, "display": len(items), "items": items})


def _shop(kind: str, rest: list[str], place: int) -> Answer:
    if kind == "list":
        page = "".join(f'<a class="s" href="/shop/endless/{n}">{n}</a>' for n in (2 * place - 1, 2 * place))
        page = page if place <= 2 else ""
        return 200, "text/html", f"<!doctype html><body>{page}<a class='s' href='javascript:more()'>+</a></body>"
    if kind == "ending" and place > 3:
        return 404, "text/html", ""
    if kind == "endless":
        place = min(place, 2)
    shown = place if kind != "offset" else place + 1
    review = f'<li id="{kind}-{"".join(rest)}-{shown}"><p>후기 {shown}<br>둘째 줄</p></li>' if shown <= 5 else ""
    return 200, "text/html", f"<!doctype html><body><h1>가게</h1>{review}</body>"


@pytest.fixture
def site(serve, warehouse, maeari_home, monkeypatch):
    for name, value in {"DATA_GO_KR_KEY": KEY, "NAVER_CLIENT_ID": "an id of ours", "NAVER_CLIENT_SECRET": KEY}.items():
        monkeypatch.setenv(name, value)
    yield serve(Interfaces())
    for file in (maeari_home / "sources").glob("*.yml"):
        file.unlink()


def copy_of(name: str, site: Interfaces, **changes) -> str:
    """Write a source that says what the ready-made one says, but of the local server; return its name."""
    facts = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    for key in ("start_urls", "xml_when_empty"):
        if key in facts:
            facts[key] = yaml.safe_load(_moved(yaml.safe_dump(facts[key]), site.base))
    return write({**facts, "name": f"local_{name}", "delay_seconds": 0, **changes})


def write(facts: dict) -> str:
    folder = Path(os.environ["MAEARI_HOME"], "sources")
    folder.mkdir(exist_ok=True)
    facts = {"local": True, "terms_checked_by": "the tests", "terms_checked_on": "2026-11-22", **facts}
    (folder / f"{facts['name']}.yml").write_text(
        yaml.safe_dump(facts, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    return facts["name"]


def _moved(text: str, base: str) -> str:
    for host in ("store.steampowered.com", "itunes.apple.com", "openapi.naver.com", "apis.data.go.kr"):
        text = text.replace(f"https://{host}", base)
    return text


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def without_faults(summary: dict) -> bool:
    return not summary["stats"]["faults"] and summary["outcome"] == "finished" and summary["stats"]["is_complete"]


def test_steam_reviews_are_read_along_the_cursor(site):
    source = copy_of("steam_reviews", site, subjects={440: "산"})
    summary = crawl(source, DAY)
    assert without_faults(summary)
    assert (summary["landed"], summary["rejected"]) == (250, 0)
    assert rows("select count(*), count(distinct author_key), min(subject_id), min(subject_name) from raw.reviews") == [
        (250, 250, "440", "산")
    ]
    assert rows(
        "select body, rating, rating_max, written_at, written_at_precision, url from raw.reviews "
        "where source_review_id = '9000'"
    ) == [
        (
            "0번째 후기 <b>그대로</b>",
            1.0,
            5.0,
            datetime(2025, 1, 13, 1, tzinfo=UTC),
            "second",
            f"{site.base}{site.asked[0]}",
        )
    ]
    cursors = [path.rpartition("cursor=")[2] for path in site.asked]
    assert cursors == ["%2A", "at%2B100%2F%3D%3D", "at%2B200%2F%3D%3D", "at%2B300%2F%3D%3D"]


def test_known_steam_reviews_are_not_read_again(site):
    source = copy_of("steam_reviews", site, subjects={440: None})
    crawl(source, DAY)
    site.steam_reviews.insert(0, {**_steam_review(999), "review": "새 후기"})
    site.steam_reviews[1]["review"] = "고친 후기"
    site.asked.clear()
    summary = crawl(source, DAY)
    assert summary["landed"] == 2
    # The first page has news, the second has none.
    assert len(site.asked) == 2


def test_a_killed_crawl_of_an_interface_goes_on_with_the_same_rows(site):
    source = copy_of("steam_reviews", site, subjects={440: "산"})
    site.held = "cursor=at%2B200"
    command = [sys.executable, "-m", "crawlers.run", source, DAY.isoformat()]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=CHECKOUT)
    assert site.is_held.wait(60)
    child.kill()
    child.wait()
    site.held = None
    summary = crawl(source, DAY)
    assert without_faults(summary)
    assert rows("select count(*), count(distinct source_review_id), max(version_no) from raw.reviews") == [
        (250, 250, 1)
    ]
    assert summary["items"] == 250


@pytest.mark.parametrize("cursor", ["*", "loop"])
def test_a_cursor_that_repeats_ends_the_reading(site, cursor):
    site.steam_cursor = lambda start: cursor
    summary = crawl(copy_of("steam_reviews", site, subjects={440: None}), DAY)
    assert summary["landed"] == (100 if cursor == "*" else 200)
    assert len(site.asked) == summary["landed"] // 100


def test_app_store_pages_may_be_a_list_an_object_xml_or_nothing(site):
    summary = crawl(copy_of("app_store_reviews", site, subjects={7: "메아리"}), DAY)
    assert without_faults(summary)
    assert rows("select source_review_id, rating, body, subject_name from raw.reviews order by 1") == [
        ("r1", 4.0, "후기 1", "메아리"),
        ("r2", 4.0, "후기 2", "메아리"),
        ("r3", 2.0, "후기 3", "메아리"),
        ("r4", 4.0, "후기 4", "메아리"),
    ]
    pages = [(path.split("/")[4], path.rpartition("/")[2]) for path in site.asked]
    assert pages == [
        (f"page={n}", form) for n, form in ((1, "json"), (2, "json"), (2, "xml"), (3, "json"), (4, "json"), (4, "xml"))
    ]


def test_naver_news_is_read_to_the_last_start_that_it_allows(site):
    source = copy_of("naver_news", site)
    summary = crawl(source, DAY)
    assert without_faults(summary)
    assert summary["landed"] == 1_000
    assert [parse_qs(urlsplit(path).query)["start"][0] for path in site.asked] == [str(n) for n in range(1, 1_000, 100)]
    assert rows(
        "select title, body, published_at, url from raw.articles where source_article_id = 'https://press.example/1'"
    ) == [('메아리 1 "다시"', "울린다 <1>", datetime(2025, 1, 13, 0, 58, tzinfo=UTC), "https://press.example/1")]
    site.asked.clear()
    assert crawl(source, DAY)["landed"] == 0
    assert len(site.asked) == 1


def test_what_naver_says_of_a_wrong_query_is_in_the_failure(site):
    with pytest.raises(CrawlFailed, match=r"HTTP 400: SE01, Incorrect query request .*잘못된"):
        crawl(copy_of("naver_news", site, parameters={"query": "-", "display": 100}), DAY)


def test_a_wrong_key_is_said_so(site, monkeypatch):
    monkeypatch.setenv("NAVER_CLIENT_SECRET", "another secret")
    monkeypatch.setenv("DATA_GO_KR_KEY", "another key")
    with pytest.raises(CrawlFailed, match=r"HTTP 401: 024, NID AUTH"):
        crawl(copy_of("naver_news", site), DAY)
    with pytest.raises(CrawlFailed, match="30, SERVICE_KEY_IS_NOT_REGISTERED_ERROR"):
        crawl(copy_of("data_go_kr_bid_notices", site), DAY)


@pytest.mark.parametrize("key", [KEY, ENCODED_KEY])
def test_the_key_of_data_go_kr_is_encoded_once_and_seen_nowhere(site, monkeypatch, key):
    monkeypatch.setenv("DATA_GO_KR_KEY", key)
    source = copy_of("data_go_kr_bid_notices", site)
    summary = crawl(source, DAY)
    assert without_faults(summary)
    assert (summary["landed"], summary["rejected"]) == (101, 0)
    assert all(f"serviceKey={ENCODED_KEY}&" in path for path in site.asked)
    assert "inqryBgnDt=202605240000&inqryEndDt=202605312359" in site.asked[0]
    assert rows("select source_article_id, url from raw.articles order by 1 limit 1") == [
        ("R25BK00000000-000", "https://bids.example/0")
    ]
    seen = (
        log_file(source).read_text() + str(rows("select * from ops.crawls")) + str(rows("select * from raw.articles"))
    )
    assert KEY not in seen
    assert ENCODED_KEY not in seen


def test_where_nothing_is_promised_of_the_order_every_page_is_read(site):
    source = copy_of("data_go_kr_bid_notices", site)
    crawl(source, DAY)
    site.notices.append(_notice(101))
    site.asked.clear()
    summary = crawl(source, DAY)
    assert (summary["landed"], summary["items"]) == (1, 102)
    assert len(site.asked) == 3


def test_counted_pages_of_an_interface_may_end_with_one_that_is_not_there(site):
    site.faults["pageNo=3"] = (404, "text/plain", "no such page")
    summary = crawl(copy_of("data_go_kr_bid_notices", site), DAY)
    assert without_faults(summary)
    assert summary["landed"] == 101


def test_a_used_up_quota_is_said_so_and_keeps_what_came_before(site):
    source = copy_of("data_go_kr_bid_notices", site)
    site.faults["pageNo=2"] = _gateway_error("22", "LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR")
    summary = crawl(source, DAY)
    assert summary["landed"] == 100
    assert summary["stats"]["faults"] == {"22, LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR, SERVICE ERROR": 1}
    assert not summary["stats"]["is_complete"]
    site.faults["pageNo=1"] = site.faults["pageNo=2"]
    with pytest.raises(CrawlFailed, match="LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR"):
        crawl(source, DAY)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ((200, "text/html", "<html><p>Sorry"), "neither JSON nor XML"),
        ((200, "application/json", "[" * 100_000), "JSON nested too deeply"),
        ((403, "text/html", "<h1>Forbidden</h1>"), "HTTP 403"),
        ((200, "application/json", '{"items": {"a": ["b"]}}'), "nothing at"),
        ((200, "application/json", ""), "empty page"),
        ((200, "application/json", "null"), "nothing at"),
    ],
)
def test_an_answer_of_another_shape_fails_and_is_named(site, fault, named):
    site.faults["pageNo=1"] = fault
    with pytest.raises(CrawlFailed, match=named):
        crawl(copy_of("data_go_kr_bid_notices", site), DAY)


def test_without_its_key_a_source_is_not_crawled(site, monkeypatch):
    monkeypatch.delenv("DATA_GO_KR_KEY")
    with pytest.raises(SourceError, match="needs DATA_GO_KR_KEY"):
        crawl(copy_of("data_go_kr_bid_notices", site), DAY)
    assert site.asked == []


def test_a_ready_made_source_says_that_it_is_unverified(site):
    command = [Path(sys.executable).parent / "maeari", "crawl", "steam_reviews"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert result.returncode != 0
    assert "steam_reviews is not crawled: unverified" in " ".join((result.stdout + result.stderr).split())


def shop(site: Interfaces, address: str, paging: dict, **facts) -> str:
    selectors = {"review": "li", "id": "::attr(id)", "body": "p"}
    facts = {"paging": paging, "selectors": selectors, "owner": "the tests", "licence": "our own", **facts}
    return write(
        {"name": "shop", "kind": "review_pages", "start_urls": [f"{site.base}{address}"], "delay_seconds": 0, **facts}
    )


def test_counted_pages_end_where_the_last_is_shown_again(site):
    source = shop(site, "/shop/list", {"by": "page"}, subject_links="a.s")
    summary = crawl(source, DAY)
    assert without_faults(summary)
    assert rows("select subject_id, count(*), min(body) from raw.reviews group by 1 order by 1") == [
        (str(n), 2, "후기 1\n둘째 줄") for n in range(1, 5)
    ]
    assert max(int(parse_qs(urlsplit(path).query).get("page", ["1"])[0]) for path in site.asked) == 3


def test_counted_pages_end_where_the_site_says_that_there_is_none(site):
    summary = crawl(shop(site, "/shop/ending/7", {"by": "page"}), DAY)
    assert without_faults(summary)
    assert rows("select subject_id, source_review_id from raw.reviews order by 2") == [
        ("/shop/ending/7", f"ending-7-{n}") for n in (1, 2, 3)
    ]


def test_pages_may_begin_at_a_record(site):
    summary = crawl(shop(site, "/shop/offset/7?from={offset}", {"by": "offset", "step": 2}), DAY)
    assert without_faults(summary)
    assert [parse_qs(urlsplit(path).query)["from"] for path in site.asked] == [["0"], ["2"], ["4"], ["6"]]
    assert len(rows("select from raw.reviews")) == 3
