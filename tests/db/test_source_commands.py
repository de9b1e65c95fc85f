"""`maeari source …` and `maeari crawl` as a person types them, on the demo site and on a forum of another make."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
import yaml

from demo.state import SiteState, write_state
from demo.world import WorldConfig
from maeari.postgres import connect

MAEARI = Path(sys.executable).parent / "maeari"
SHOPS, REVIEWS, ON_A_PAGE = 5, 45, 20
CLEAR_SCREEN = "\x1b[2J\x1b]0;taken\x07"


class Forum(ThreadingHTTPServer):
    """A small Korean forum of the old kind: tables, EUC-KR under a header that claims UTF-8, pages by number."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.seconds = 0.0

    def answer(self, path: str) -> tuple[int, str]:
        parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
        match parts.path:
            case "/robots.txt":
                return 200, "User-agent: *\nDisallow: /admin\n"
            case "/list.php":
                rows = "".join(
                    f'<tr><td>{n}</td><td class="subj"><a href="board.php?shop={n}">맛집 {n}호</a></td></tr>'
                    for n in range(1, SHOPS + 1)
                )
                return 200, self.page(f"<table>{rows}</table>")
            case "/board.php":
                shop, number = int(query["shop"][0]), int(query.get("page", ["1"])[0])
                shown = range(REVIEWS - (number - 1) * ON_A_PAGE, max(0, REVIEWS - number * ON_A_PAGE), -1)
                rows = "".join(self.row(shop, n) for n in shown)
                heads = "".join(f"<th>{head}</th>" for head in ("번호", "후기", "별점", "글쓴이", "작성일"))
                pages = "".join(f'<a href="board.php?shop={shop}&page={n}">[{n}]</a> ' for n in (1, 2, 3))
                return 200, self.page(f'<h2>맛집 {shop}호</h2><table class="bbs"><tr>{heads}</tr>{rows}</table>{pages}')
            case "/empty":
                return 200, self.page("<p>아무것도 없습니다</p>")
        return 404, ""

    @staticmethod
    def row(shop: int, n: int) -> str:
        stars = "★" * (n % 5 + 1) + "☆" * (4 - n % 5)
        said = f"{CLEAR_SCREEN}[bold]010-1234-5678[/bold] " if n % 20 == 5 else ""
        body = f"{said}{shop}호점에 {n}번째로 다녀온 사람입니다. 국물이 {'아주 ' * (n % 3)}진하고 반찬이 넉넉했어요."
        return (
            f'<tr bgcolor="#fff"><td>{shop * 1000 + n}</td><td>{body}</td><td><font color=red>{stars}</font></td>'
            f"<td>먹보{n % 7}</td><td>25.{n % 12 + 1}.{n % 27 + 1}</td></tr>"
        )

    @staticmethod
    def page(body: str) -> str:
        menu = "".join(f'<li><a href="/menu{n}.php">게시판 메뉴 {n}번</a></li>' for n in range(6))
        return f"<html><head><title>맛집 게시판</title></head><body><ul>{menu}</ul>{body}</body></html>"


class _Handler(BaseHTTPRequestHandler):
    server: Forum

    def do_GET(self):
        self.server.asked.append(self.path)
        time.sleep(self.server.seconds)
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if "robots" not in self.path else "text/plain")
        self.end_headers()
        self.wfile.write(body.encode("euc-kr", "replace"))

    def log_message(self, *arguments):
        pass


@pytest.fixture
def forum(serve):
    return serve(Forum())


@pytest.fixture(scope="module")
def demo_site(tmp_path_factory):
    state = tmp_path_factory.mktemp("site") / "state.json"
    write_state(state, SiteState(world=WorldConfig(seed=8, decline_size=0), today="2025-01-12"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "demo.site", "--state", str(state), "--port", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urlopen(f"{address}/healthz").close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def sources(maeari_home):
    """The folder of a person's own sources."""
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    yield folder
    for file in folder.glob("*.yml"):
        file.unlink()


def maeari(*arguments: str, width: int = 80, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if name != "MAEARI_CONTACT"}
    environment = inherited | {"COLUMNS": str(width)} | environment
    return subprocess.run([MAEARI, *arguments], env=environment, capture_output=True, text=True)


def said(result: subprocess.CompletedProcess) -> str:
    """Everything printed, on one line."""
    return " ".join((result.stdout + result.stderr).split())


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def make(address: str, name: str, *options: str) -> subprocess.CompletedProcess:
    return maeari("source", "new", address, "--yes", "--name", name, "--terms-checked-by", "the tests", *options)


@pytest.mark.parametrize("width", [80, 120])
def test_a_forum_becomes_a_source_that_lands_all_its_reviews(warehouse, sources, forum, width):
    made = make(f"{forum.base}/list.php", "forum")
    assert made.returncode == 0, said(made)
    assert "Next: maeari crawl forum --limit 100" in made.stdout
    facts = yaml.safe_load((sources / "forum.yml").read_text())
    assert facts["subject_links"] == 'a[href^="board.php?shop="]'
    assert facts["paging"] == {"by": "page", "parameter": "page"}
    assert facts["selectors"] == {
        "review": "table.bbs tr:has(td)",
        "id": "td:nth-child(1)",
        "body": "td:nth-child(2)",
        "author": "td:nth-child(4)",
        "rating": "td:nth-child(3)",
        "written_at": "td:nth-child(5)",
        "subject_name": "h2",
    }

    crawled = maeari("crawl", "forum", width=width)
    assert crawled.returncode == 0, said(crawled)
    assert f"{SHOPS * REVIEWS} landed, 0 known, 0 refused" in said(crawled)
    assert rows("select count(distinct source_review_id), count(*), count(distinct subject_name) from raw.reviews") == [
        (SHOPS * REVIEWS, SHOPS * REVIEWS, SHOPS)
    ]
    written = "select rating, rating_max, written_at at time zone 'Asia/Seoul', body from raw.reviews"
    ((rating, scale, written_at, body),) = rows(f"{written} where source_review_id = '3012'")
    assert (rating, scale, f"{written_at:%Y-%m-%d}") == (3, 5, "2025-01-13")
    assert body.startswith("3호점에 12번째로 다녀온 사람입니다.")

    listed = maeari("source", "list", width=width)
    assert "forum" in listed.stdout
    assert "finished" in listed.stdout
    assert f"{SHOPS * REVIEWS} allowed" in said(listed)


@pytest.mark.parametrize(
    ("path", "table"),
    [("/cafes", "reviews"), ("/books", "reviews"), ("/feed.xml", "articles"), ("/sitemap.xml", "articles")],
)
def test_the_demo_site_becomes_sources_that_land_records(warehouse, sources, demo_site, path, table):
    made = make(f"{demo_site}{path}", "shown")
    assert made.returncode == 0, said(made)
    crawled = maeari("crawl", "shown", "--limit", "150")
    assert crawled.returncode == 0, said(crawled)
    ((landed, titles),) = rows(f"select count(*), count(body) from raw.{table}")
    assert landed == titles >= 20


def test_a_site_of_hostile_text_neither_moves_the_cursor_nor_shows_personal_data(warehouse, sources, forum):
    made = make(f"{forum.base}/board.php?shop=1", "forum")
    checked = maeari("source", "check", "forum")
    for result in (made, checked):
        assert result.returncode == 0, said(result)
        assert "\x1b" not in result.stdout
        assert "\x07" not in result.stdout
        assert "1234-5678" not in result.stdout
    assert "\x1b" not in (sources / "forum.yml").read_text()
    assert "Personal data replaced: 1 times" in checked.stdout
    assert "error: There is no source “[bold]x\\x1b[2J”." in said(maeari("crawl", "[bold]x\x1b[2J"))


def test_a_check_lands_nothing_and_names_what_is_missing(warehouse, sources, forum):
    assert make(f"{forum.base}/list.php", "forum").returncode == 0
    file = sources / "forum.yml"
    facts = yaml.safe_load(file.read_text())
    for key in ("terms_checked_by", "terms_checked_on"):
        del facts[key]
    facts["selectors"] |= {"body": ".gone", "author": ".gone"}
    file.write_text(yaml.safe_dump(facts))
    forum.asked.clear()
    checked = maeari("source", "check", "forum")
    assert checked.returncode == 1
    assert "body 0 of 20 missing; see selectors.body" in said(checked)
    assert "author 0 of 20 missing; see selectors.author" in said(checked)
    assert "title 0 of 20 missing; see selectors.title, which the file does not give" in said(checked)
    assert "20 refused: body is missing" in checked.stdout
    assert "No record has body" in said(checked)
    assert f"200 {forum.base}/list.php" in said(checked)
    assert forum.asked == ["/robots.txt", "/list.php", "/board.php?shop=1"]
    assert rows("select * from ops.crawls") == []

    by_path = maeari("source", "check", str(file), "--json", MAEARI_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert by_path.returncode == 1
    told = {field["name"]: field for field in json.loads(by_path.stdout)["fields"]}
    assert (told["id"]["filled"], told["body"]["filled"]) == (20, 0)
    assert told["rating"]["example"] == "★☆☆☆☆"


def test_every_source_is_listed_also_broken_ones_and_without_postgres(warehouse, sources):
    (sources / "broken.yml").write_text("name: broken\nkind: [\x1b")
    (sources / "typo.yml").write_text("name: typo\nkind: review_pages\ncolour: red\n")
    listed = maeari("source", "list", MAEARI_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert listed.returncode == 0
    assert "Nothing is known of crawls: The warehouse did not answer" in said(listed)
    assert "broken: " in said(listed)
    assert "is not YAML" in said(listed)
    assert "“colour” is not a key of this kind of source" in said(listed)
    assert "\x1b" not in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80
    states = {one["name"]: one for one in json.loads(maeari("source", "list", "--json").stdout)}
    assert states["broken"]["state"] == "wrong file"
    assert states["demo_cafes"]["state"].startswith("needs the demo site")
    assert states["demo_cafes"]["rows"] == 0
    assert states["steam_reviews"]["state"] == "unverified"


def test_what_cannot_be_crawled_says_what_it_waits_for(warehouse, sources, forum):
    assert make(f"{forum.base}/list.php", "forum").returncode == 0
    facts = yaml.safe_load((sources / "forum.yml").read_text())
    keyed = facts | {"name": "keyed", "start_urls": [f"{forum.base}/list.php?key=${{MAEARI_TEST_KEY}}"]}
    (sources / "keyed.yml").write_text(yaml.safe_dump(keyed))
    (sources / "unread.yml").write_text(
        yaml.safe_dump(facts | {"name": "unread", "terms_checked_by": None, "terms_checked_on": None})
    )
    unread = maeari("crawl", "unread")
    assert unread.returncode == 1
    assert "error: unread is not crawled: unverified. Read the site's terms" in said(unread)
    needing = maeari("crawl", "keyed")
    assert "keyed is not crawled: needs MAEARI_TEST_KEY. Set it" in said(needing)
    assert "keyed cannot be checked: needs MAEARI_TEST_KEY. Set it" in said(maeari("source", "check", "keyed"))
    everything = maeari("crawl", "--all", "reviews", "--limit", "30")
    assert everything.returncode == 0, said(everything)
    for line in ("unread is skipped: unverified", "keyed is skipped: needs MAEARI_TEST_KEY", "forum: 30 records on"):
        assert line in everything.stdout
    assert rows("select distinct source from ops.crawls") == [("forum",)]


def test_a_killed_crawl_goes_on_and_says_from_where(warehouse, sources, forum):
    assert make(f"{forum.base}/list.php", "forum").returncode == 0
    forum.seconds = 0.5
    first = subprocess.Popen([MAEARI, "crawl", "forum"], stdout=subprocess.DEVNULL)
    while not (landed := rows("select items from ops.crawls where items > 0")):
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert 0 < landed[0][0] < SHOPS * REVIEWS
    forum.seconds = 0
    again = maeari("crawl", "forum")
    assert again.returncode == 0, said(again)
    ((resumed, items),) = rows("select resumed, items from ops.crawls")
    assert (resumed, items) == (1, SHOPS * REVIEWS)
    (went_on_from,) = re.findall(r"went on from (\d+) records", said(again))
    assert landed[0][0] <= int(went_on_from) < SHOPS * REVIEWS


def test_a_new_source_is_refused_where_it_would_do_harm(warehouse, sources, forum):
    assert make(f"{forum.base}/list.php", "forum").returncode == 0
    before = (sources / "forum.yml").read_text()
    again = make(f"{forum.base}/board.php?shop=2", "forum")
    assert again.returncode == 1
    assert "There is a source “forum” already" in said(again)
    assert (sources / "forum.yml").read_text() == before
    assert make(f"{forum.base}/board.php?shop=2", "forum", "--overwrite").returncode == 0
    assert (sources / "forum.yml").read_text() != before

    assert "No record was found" in said(make(f"{forum.base}/empty", "other"))
    assert "answered with HTTP 404" in said(make(f"{forum.base}/none", "other"))
    assert "robots.txt" in said(make(f"{forum.base}/admin", "other"))
    assert "/admin" not in forum.asked
    assert "Set MAEARI_CONTACT" in said(make("https://shop.example/reviews", "other"))
    private = maeari("source", "new", "http://10.1.2.3/", "--yes", "--name", "other", MAEARI_CONTACT="a@example.org")
    assert private.returncode == 1
    assert "private address refused (10.1.2.3). If it is on your own network, add --local." in said(private)
    for name in ("Big Shop", "../x", "x" * 80):
        refused = make(f"{forum.base}/list.php", name)
        assert refused.returncode == 1
        assert "name" in said(refused)
    assert [file.name for file in sources.iterdir()] == ["forum.yml"]


def test_a_person_is_asked(warehouse, sources, forum):
    answers = [f"{forum.base}/list.php", "y", "board", "게시판 주인", "이용약관", "", "y", "김담당"]
    command = [MAEARI, "source", "new"]
    asked = subprocess.run(command, input="\n".join(answers) + "\n", capture_output=True, text=True)
    assert asked.returncode == 0, said(asked)
    assert "may the site be crawled?" in said(asked)
    facts = yaml.safe_load((sources / "board.yml").read_text())
    assert (facts["owner"], facts["licence"], facts["terms_checked_by"]) == ("게시판 주인", "이용약관", "김담당")
    assert facts["terms_checked_on"] is not None
