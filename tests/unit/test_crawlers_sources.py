"""Sources as their files say, and the rule by which a crawl fails."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml

from crawlers import sources
from crawlers.errors import SourceError
from crawlers.ledger import Crawl
from crawlers.run import check_allowed, user_agent
from crawlers.trust import judge
from maeari.settings import CHECKOUT

FILES = sorted(sources.FOLDER.glob("*.yml"))
REVIEWS = {
    "name": "shop",
    "kind": "review_pages",
    "start_urls": ["https://shop.example/list"],
    "subject_links": "a.item",
    "owner": "Shop Ltd.",
    "licence": "Their terms allow reading",
    "terms_checked_by": "data team",
    "terms_checked_on": "2026-05-01",
    "selectors": {"review": "li", "id": "::attr(id)", "body": "p"},
}


def write(folder, facts: dict, name: str = "shop"):
    file = folder / f"{name}.yml"
    file.write_text(yaml.safe_dump(facts), encoding="utf-8")
    return file


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))
    monkeypatch.delenv("MAEARI_DEMO_SITE_URL", raising=False)
    (tmp_path / "sources").mkdir()
    (tmp_path / "demo").mkdir()
    return tmp_path


def test_there_are_sources():
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_committed_source_is_valid(file):
    assert sources.read_source(file).name == file.stem


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "shop_window"}, "“kind” must be one of review_pages, review_api, news_feed"),
        ({"subject_links": "a["}, "“subject_links”: “a[” is no CSS selector"),
        ({"colour": "red"}, "“colour” is not a key of this kind of source"),
        ({"start_urls": ["shop.example"]}, "must begin with http:// or https://"),
        ({"start_urls": ["{demo_site}/list"]}, "“demo” is set"),
        ({"delay_seconds": -1}, "“delay_seconds” is -1"),
        ({"terms_checked_by": " "}, "“terms_checked_by” is ' ': string should have at least 1 character"),
        ({"name": "other"}, "name is “other”; make it “shop”"),
        ({"selectors": {"review": "li", "id": "b"}}, "“selectors.body” is missing; add it"),
        ({"selectors": {"review": "li", "body": "b"}}, "“selectors.id” is missing; add it"),
        (
            {"start_urls": ["https://shop.example/{page}"]},
            "{page} in https://shop.example/{page} would never be filled",
        ),
    ],
)
def test_a_wrong_source_says_file_key_and_fix(tmp_path, change, complaint):
    file = write(tmp_path, {**REVIEWS, **change})
    with pytest.raises(SourceError) as caught:
        sources.read_source(file)
    assert str(file) in str(caught.value)
    assert complaint in str(caught.value)


API = {
    "name": "shop",
    "kind": "review_api",
    "start_urls": ["https://api.shop.example/reviews/{subject}"],
    "owner": "Shop Ltd.",
    "licence": "Their terms allow reading",
    "subjects": {440: "A", "b": None},
    "parameters": {"json": 1, "key": "${SHOP_KEY}", "since": "{day-7:%Y%m%d}"},
    "records": "reviews",
    "fields": {"id": "id", "body": "text", "rating": "liked", "rating_values": {True: 5, False: 1}},
}


def test_numbers_and_truths_are_text_as_yaml_has_them(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOP_KEY", raising=False)
    source = sources.read_source(write(tmp_path, API))
    assert source.subjects == {"440": "A", "b": None}
    assert source.parameters["json"] == "1"
    assert source.fields.rating_values == {"true": 5, "false": 1}
    assert source.needs == ["SHOP_KEY"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subjects": {}}, "{subject} needs “subjects”"),
        ({"start_urls": ["https://api.shop.example/reviews"]}, "put {subject} into each address"),
        ({"start_urls": ["https://api.shop.example/{subject}/{cursor}"]}, "{cursor} need “paging”"),
        ({"parameters": {"since": "{day:}"}}, "parameters.since: write a day as {day:%Y%m%d}"),
        ({"xml_when_empty": "https://other.example/{subject}"}, "only the hosts of start_urls"),
        ({"records": "reviews["}, "“records”: “reviews[” is no JMESPath"),
        ({"subjects": {}, "start_urls": ["https://api.shop.example/reviews"]}, "fields.subject_id: say where"),
        ({"paging": {"by": "offset"}}, "“paging.offset.step” is missing"),
    ],
)
def test_a_wrong_source_of_an_interface_says_the_fix(tmp_path, change, complaint):
    with pytest.raises(SourceError) as caught:
        sources.read_source(write(tmp_path, {**API, **change}))
    assert complaint in str(caught.value)


READY_MADE = [file for file in FILES if sources.read_source(file).demo is None]


def test_there_are_ready_made_sources():
    kinds = {file.stem: sources.read_source(file).kind for file in READY_MADE}
    assert {"steam_reviews", "app_store_reviews", "naver_news", "data_go_kr_bid_notices"} <= set(kinds)
    assert list(kinds.values()).count("news_feed") >= 3


@pytest.mark.parametrize("file", READY_MADE, ids=lambda file: file.stem)
def test_a_ready_made_source_is_not_crawled_until_somebody_has_read_its_terms(file):
    source = sources.read_source(file)
    assert all([source.owner, source.licence, source.terms_url])
    assert source.delay_seconds > 0
    assert all(url.startswith("https://") for url in source.start_urls)
    said = rf"{file.stem} is not crawled: (needs .*; )?unverified\. (Set it, .*)?Read the site's terms"
    with pytest.raises(SourceError, match=said):
        check_allowed(source)


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    file = tmp_path / "shop.yml"
    file.write_text("name: [")
    with pytest.raises(SourceError, match=r"shop\.yml is not YAML"):
        sources.read_source(file)


def test_a_source_of_ones_own_is_active(home):
    write(home / "sources", REVIEWS)
    assert sources.active_sources("reviews") == ["shop"]


def test_a_wrong_source_fails_alone(home):
    write(home / "sources", {**REVIEWS, "name": "good"}, "good")
    write(home / "sources", {**REVIEWS, "name": "bad", "colour": "red"}, "bad")
    assert sources.active_sources("reviews") == ["bad", "good"]
    with pytest.raises(SourceError, match="colour"):
        sources.load_source("bad")


def test_demo_sources_are_active_while_the_site_shows_what_they_read(home, monkeypatch):
    world = home / "demo" / "world.json"
    world.write_text('{"world": {}}')
    assert sources.active_sources("reviews") == []
    monkeypatch.setenv("MAEARI_DEMO_SITE_URL", "http://127.0.0.1:9")
    assert sources.active_sources("reviews") == ["demo_books", "demo_cafes"]
    assert sources.active_sources("articles") == ["demo_news"]
    world.write_text('{"replay": {}}')
    assert sources.active_sources("reviews") == ["replay_films"]
    assert sources.active_sources("articles") == []


def test_an_identifier_does_not_move_with_the_site(home, monkeypatch):
    monkeypatch.setenv("MAEARI_DEMO_SITE_URL", "http://127.0.0.1:9")
    source = sources.load_source("demo_news")
    assert source.key_of("http://127.0.0.1:9/news/1?a=2") == "/news/1?a=2"
    assert source.key_of("http://elsewhere.example/news/1") == "elsewhere.example/news/1"


def test_only_the_demo_site_is_fetched_on_the_day_of_the_run(home):
    write(home / "sources", REVIEWS)

    def fetched_at(name: str) -> datetime:
        crawl = Crawl(None, None, 1, sources.load_source(name), date(2026, 5, 25), None)
        return crawl.now()

    assert fetched_at("demo_cafes") == datetime(2026, 5, 25, 14, 59, 59, tzinfo=UTC)
    assert abs(fetched_at("shop") - datetime.now(UTC)) < timedelta(minutes=1)


def test_beyond_loopback_a_contact_must_be_set(home, monkeypatch):
    write(home / "sources", REVIEWS)
    source = sources.load_source("shop")
    with pytest.raises(SourceError, match="MAEARI_CONTACT"):
        check_allowed(source)
    monkeypatch.setenv("MAEARI_CONTACT", "team@shop.example")
    check_allowed(source)
    assert "team@shop.example" in user_agent()


@pytest.mark.parametrize(
    ("records", "pages", "spared", "usual", "fails"),
    [
        (100, 1, 0, 100.0, False),
        (51, 1, 0, 100.0, False),
        (49, 1, 0, 100.0, True),
        (0, 10, 0, 100.0, True),
        (0, 10, 0, None, True),
        (1, 10, 0, None, False),
        # A day without news: one feed, all articles known.
        (50, 1, 50, 0.96, False),
        # A day full of news.
        (50, 51, 0, 0.98, False),
        (0, 1, 0, 0.98, True),
    ],
)
def test_a_crawl_fails_below_half_of_the_usual_records_a_page(records, pages, spared, usual, fails):
    sentence = judge("shop", records, pages, spared, usual)
    assert (sentence is not None) == fails


def test_what_two_threads_tell_the_parent_arrives_line_by_line():
    code = (
        "import threading; from crawlers import run\n"
        "def tell(): [run._tell_parent({'items': number}) for number in range(2_000)]\n"
        "threads = [threading.Thread(target=tell) for _ in range(2)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    told = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    lines = told.stdout.splitlines()
    assert sorted(json.loads(line)["items"] for line in lines) == sorted([*range(2_000)] * 2)
