import json
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest
from parsel import Selector

from demo.errors import DemoError
from demo.site import date_as_text, stars_as_text
from demo.state import PlantedReview, SiteState, advance, read_state, write_state
from demo.world import SEOUL, World, WorldConfig

SCRIPT = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)> & “인용”"
CONFIG = WorldConfig(seed=8, decline_size=0)
TODAY = date(2025, 1, 12)


@pytest.fixture(scope="module")
def state_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("site") / "state.json"
    planted = [
        PlantedReview(
            subject_id=subject,
            body=SCRIPT,
            author="<b>나쁜손님</b>",
            title="<i>",
            stars=1,
            written_at="2025-01-12T23:59:30",
        )
        for subject in ("cafe-01", "book-001")
    ]
    write_state(file, SiteState(world=CONFIG, today=TODAY, planted=tuple(planted)))
    return file


@pytest.fixture(scope="module")
def site(state_file):
    """A client of the real server, started as a person starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "demo.site", "--state", str(state_file), "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for _ in range(300):
                if server.poll() is not None:
                    pytest.fail(f"the site ended with code {server.returncode}")
                try:
                    client.get("/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
    finally:
        server.terminate()
        server.wait(10)


def pages_of(site, address):
    """Every page of a subject, following the links to the next."""
    while address:
        page = Selector(site.get(address).raise_for_status().text)
        yield page
        address = page.css("a[rel=next]::attr(href)").get()


def linked_data(page: Selector) -> dict:
    scripts = page.css('script[type="application/ld+json"]::text').getall()
    assert len(scripts) == 1
    return json.loads(scripts[0])


def test_the_crawlers_entrances_are_there(site):
    robots = site.get("/robots.txt").text
    assert "Disallow: /admin/" in robots
    sitemap_address = re.search(r"Sitemap: (\S+)", robots).group(1)
    sitemap = ElementTree.fromstring(httpx.get(sitemap_address, trust_env=False).content)
    places = [place.text for place in sitemap.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert len(places) > 72
    assert all(httpx.get(place, trust_env=False).status_code == 200 for place in places[::20])


def test_every_cafe_review_up_to_the_clock_is_shown_once_newest_first(site):
    wanted = [review for review in World(CONFIG).reviews(TODAY) if review.subject_id == "cafe-01"]
    shown = [review for page in pages_of(site, "/cafes/cafe-01") for review in linked_data(page)["review"]]
    assert shown.pop(0)["identifier"] == "planted-1"
    assert [review["identifier"] for review in shown] == [review.review_id for review in reversed(wanted)]
    newest = wanted[-1]
    assert shown[0]["reviewBody"] == newest.body
    assert datetime.fromisoformat(shown[0]["datePublished"]) == newest.written_at
    assert shown[0].get("reviewRating", {}).get("ratingValue") == newest.stars


def test_a_page_holds_a_hundred_reviews(site):
    first, *others = pages_of(site, "/cafes/cafe-02")
    assert others
    assert len(linked_data(first)["review"]) == len(first.css(".review")) == 100


def test_a_book_page_is_plain_markup(site):
    wanted = [review for review in World(CONFIG).reviews(TODAY) if review.subject_id == "book-001"]
    pages = list(pages_of(site, "/books/book-001"))
    assert not any(page.css('script[type="application/ld+json"]') for page in pages)
    shown = [review for page in pages for review in page.css("article.review[data-review-id]")][1:]
    assert [review.attrib["data-review-id"] for review in shown] == [r.review_id for r in reversed(wanted)]
    for element, review in zip(shown, reversed(wanted), strict=True):
        assert element.css(".body::text").get() == review.body
        assert element.css(".stars::text").get("").count("★") == (review.stars or 0)
        assert element.css(".date::text").get() == date_as_text(review.written_at, TODAY)


@pytest.mark.parametrize("address", ["/cafes/cafe-01", "/books/book-001"])
def test_a_planted_script_stays_text(site, address):
    page = Selector(site.get(address).text)
    assert not [script for script in page.css("script::text").getall() if script.startswith("document.title")]
    assert not page.css("img, .review b b, .review i")
    assert SCRIPT in page.css(".review p::text").getall()


def test_a_planted_script_comes_whole_through_linked_data(site):
    assert linked_data(Selector(site.get("/cafes/cafe-01").text))["review"][0]["reviewBody"] == SCRIPT


def test_the_feed_leads_to_articles(site):
    feed = ElementTree.fromstring(site.get("/feed.xml").content)
    items = feed.findall("./channel/item")
    assert 20 < len(items) <= 50
    page = Selector(site.get(items[0].findtext("link")).raise_for_status().text)
    article = linked_data(page)
    assert article["@type"] == "NewsArticle"
    assert (
        article["headline"] == page.css('meta[property="og:title"]::attr(content)').get() == items[0].findtext("title")
    )
    assert len(page.css("article p::text").getall()) == 5


@pytest.mark.parametrize(
    "address",
    ["/cafes/none", "/none", "/none/cafe-01", "/news/none", "/cafes/cafe-01?page=0", "/cafes/cafe-01?page=99999"]
    + ["/cafes/cafe-01?page=two", "/cafes/cafe-01?page=²"],
)
def test_what_is_not_there_is_a_404(site, address):
    assert site.get(address).status_code == 404


def test_no_page_loads_anything_from_outside(site):
    for address in ("/", "/cafes", "/books", "/cafes/cafe-01", "/books/book-001"):
        page = Selector(site.get(address).text)
        assert not page.css("script[src], img[src], iframe, link[rel=stylesheet]")


def test_moving_the_clock_on_shows_at_once_and_changes_nothing_shown(site, state_file):
    before = [r["identifier"] for page in pages_of(site, "/cafes/cafe-03") for r in linked_data(page)["review"]]
    assert advance(state_file, 2).today == TODAY + timedelta(weeks=2)
    after = [r["identifier"] for page in pages_of(site, "/cafes/cafe-03") for r in linked_data(page)["review"]]
    assert len(after) > len(before)
    assert after[-len(before) :] == before


@pytest.mark.parametrize(
    ("written_at", "wanted"),
    [
        ("2026-05-31T23:30", "방금 전"),
        ("2026-05-31T20:30", "3시간 전"),
        ("2026-05-30T10:00", "어제"),
        ("2026-05-28T10:00", "3일 전"),
        ("2026-05-24T10:00", "1주 전"),
        ("2026-05-11T10:00", "2주 전"),
        ("2026-05-10T10:00", "2026.05.10."),
        ("2025-01-13T10:00", "2025.01.13."),
    ],
)
def test_dates_are_told_as_people_read_them(written_at, wanted):
    assert date_as_text(datetime.fromisoformat(written_at).replace(tzinfo=SEOUL), date(2026, 5, 31)) == wanted


def test_stars_are_drawn():
    assert [stars_as_text(stars) for stars in (1, 4, 5, None)] == ["★☆☆☆☆", "★★★★☆", "★★★★★", ""]


def test_an_impossible_state_is_refused_with_advice(tmp_path):
    with pytest.raises(DemoError, match="does not exist"):
        read_state(tmp_path / "none.json")
    file = tmp_path / "state.json"
    file.write_text('{"today": "2026-05-31"}')
    with pytest.raises(DemoError, match="either “world” or “replay”"):
        read_state(file)
    write_state(file, SiteState(world=WorldConfig()))
    with pytest.raises(DemoError, match="at least one week"):
        advance(file, 0)


def test_a_planted_moment_may_name_another_zone(tmp_path):
    planted = PlantedReview(subject_id="cafe-01", body="x", written_at=datetime(2026, 5, 31, 10, tzinfo=UTC))
    write_state(tmp_path / "state.json", SiteState(world=CONFIG, planted=(planted,)))
    assert read_state(tmp_path / "state.json").planted == (planted,)
