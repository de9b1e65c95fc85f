"""Batches land once, versions are decided, and text arrives as text."""

import random
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawlers import landing
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.landing import CONTRADICTION, newest_hashes
from maeari.postgres import advisory_lock, connect
from maeari.settings import CHECKOUT

WRITTEN_AT = datetime(2025, 1, 13, tzinfo=UTC)
HOSTILE = [
    "'; drop table raw.reviews; --",
    "<script>alert(1)</script>",
    "\\N",
    "\\.",
    "탭\t줄\n역\\슬래시\r",
    "{}",
    "%s",
    "🙂",
]


def review(number: int | str, body: str = "좋아요", rating: float | None = 5, crawl_id: int = 1, **facts) -> ReviewItem:
    return ReviewItem(
        **{
            "source": "shop",
            "source_review_id": str(number),
            "subject_id": "s",
            "subject_name": "가게",
            "author_key": None,
            "rating": rating,
            "rating_max": rating and 5,
            "title": None,
            "body": body,
            "written_at": WRITTEN_AT,
            "written_at_precision": "day",
            "url": "http://127.0.0.1/s",
            "crawl_id": crawl_id,
            "fetched_at": datetime(2026, 5, 31, tzinfo=UTC),
            **facts,
        }
    )


def new_crawl(connection) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source) values ('shop') returning crawl_id")
        return cursor.fetchone()[0]


def of_crawl(item, crawl_id: int):
    return (
        replace(item, crawl_id=crawl_id)
        if isinstance(item, RefusedItem)
        else item.model_copy(update={"crawl_id": crawl_id})
    )


def land(*batches: list) -> tuple[int, int, int]:
    """Land batches as one crawl; how many items were new, known and refused."""
    counts = [0, 0, 0]
    with connect("crawler") as connection:
        crawl_id = new_crawl(connection)
        for batch in batches:
            with connection:
                new, known, refused = landing.land(connection, [of_crawl(item, crawl_id) for item in batch])
            counts = [counts[0] + len(new), counts[1] + known, counts[2] + len(refused)]
    return tuple(counts)


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def versions() -> list[tuple]:
    return rows("select source_review_id, version_no, body, rating::float from raw.reviews order by 1, 2")


def refusals() -> list[tuple]:
    return rows("select payload->>'source_review_id', reason, payload->>'body' from raw.rejected order by 1, 3")


def test_the_same_batch_lands_once(warehouse):
    batch = [review(1), review(2), review(1)]
    assert land(batch) == (2, 1, 0)
    assert land(batch) == (0, 3, 0)
    assert versions() == [("1", 1, "좋아요", 5.0), ("2", 1, "좋아요", 5.0)]


def test_five_one_five_stars_are_three_versions(warehouse):
    for rating in (5, 1, 5):
        assert land([review(1, rating=rating)]) == (1, 0, 0)
    assert versions() == [("1", 1, "좋아요", 5.0), ("1", 2, "좋아요", 1.0), ("1", 3, "좋아요", 5.0)]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_of_two_contents_in_one_crawl_the_first_landed_stays(warehouse, is_one_batch):
    found = [review(1, "가"), review(1, "나"), review(1, "가"), review(2, "라")]
    assert land(*([found] if is_one_batch else [[item] for item in found])) == (2, 1, 1)
    assert [(key, body) for key, _, body, _ in versions()] == [("1", "가"), ("2", "라")]
    assert refusals() == [("1", CONTRADICTION, "나")]


def test_changes_from_crawl_to_crawl_follow_each_other(warehouse):
    for body in "가나나다":
        land([review(1, body), review(2, "라")])
    assert [(key, number, body) for key, number, body, _ in versions()] == [
        ("1", 1, "가"), ("1", 2, "나"), ("1", 3, "다"), ("2", 1, "라"),
    ]  # fmt: skip
    with connect("crawler") as connection:
        assert newest_hashes(connection, "shop", ["1", "3"]) == {"1": review(1, "다").content_hash}


def versions_by_the_rule(crawls: list[list[list[tuple[str, str]]]]) -> dict[str, list[str]]:
    """The rule, without a database: of each identifier the contents of its versions."""
    versions, landed_in = {}, {}
    for crawl_no, batches in enumerate(crawls):
        for batch in batches:
            for key, body in dict(reversed(batch)).items():
                known = versions.setdefault(key, [])
                if not known or (known[-1] != body and landed_in[key] != crawl_no):
                    known.append(body)
                    landed_in[key] = crawl_no
    return versions


BATCHES = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from("가나다")), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(BATCHES, max_size=3), max_size=4))
def test_any_batches_of_any_crawls_land_by_the_rule(warehouse, crawls):
    with closing(psycopg2.connect(warehouse)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("truncate raw.reviews, raw.rejected")
    found = {}
    for batches in crawls:
        items = [[review(key, body) for key, body in batch] for batch in batches]
        new, known, refused = land(*items)
        assert new + known + refused == sum(map(len, batches))
    for key, _, body, _ in versions():
        found.setdefault(key, []).append(body)
    assert found == versions_by_the_rule(crawls)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES, BATCHES)
def test_a_batch_that_lands_twice_changes_nothing(warehouse, before, batch):
    with closing(psycopg2.connect(warehouse)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("truncate raw.reviews, raw.rejected")
    land([review(key, body) for key, body in before])
    items = [review(key, body) for key, body in batch]
    with connect("crawler") as connection:
        crawl_id = new_crawl(connection)
        items = [of_crawl(item, crawl_id) for item in items]
        with connection:
            first = landing.land(connection, items)
        landed = everything_landed()
        with connection:
            again = landing.land(connection, items)
        assert everything_landed() == landed
    assert again.new == []
    assert len(again.refused) == len(first.refused)


def test_the_date_stays_as_first_seen_and_makes_no_version(warehouse):
    later = {"written_at": WRITTEN_AT + timedelta(days=7), "written_at_precision": "week"}
    land([review(1)])
    assert land([review(1, **later)]) == (0, 1, 0)
    land([review(1, "고쳐 씀", **later)])
    assert rows("select version_no, written_at, written_at_precision from raw.reviews order by 1") == [
        (1, WRITTEN_AT, "day"),
        (2, WRITTEN_AT, "day"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_arrives_as_text(warehouse, text):
    land([review(text, text, title=text, subject_id=text, subject_name=text, url=text)])
    assert rows("select source_review_id, body, title, subject_id, subject_name, url from raw.reviews") == [(text,) * 6]


def test_articles_land_alike(warehouse):
    facts = {"source": "shop", "url": "http://127.0.0.1/news/1", "section": None, "author_key": None}
    article = ArticleItem(
        source_article_id="1", title="제목", body="본문", published_at=None, crawl_id=1, fetched_at=WRITTEN_AT, **facts
    )
    assert land([article]) == (1, 0, 0)
    assert land([article]) == (0, 1, 0)
    assert land([article.model_copy(update={"body": "고친 본문"})]) == (1, 0, 0)
    assert rows("select version_no, body from raw.articles order by 1") == [(1, "본문"), (2, "고친 본문")]


def test_refused_records_are_kept_once_whatever_day_they_are_met(warehouse):
    for day in ("3일 전", "4일 전"):
        payload = {"source_review_id": "1", "body": None, "written_at": day, "url": f"http://127.0.0.1/{day}"}
        assert land([RefusedItem("shop", "review", "body is missing", payload, 0)]) == (0, 0, 1)
    assert rows("select kind, reason, payload->>'written_at' from raw.rejected") == [
        ("review", "body is missing", "3일 전")
    ]


def test_a_batch_lands_wholly_or_not_at_all(warehouse):
    with pytest.raises(psycopg2.DataError):
        land([review(1), review(2).model_copy(update={"fetched_at": "no time"})])
    assert versions() == []


LOADER = """
import sys
sys.path.insert(0, "tests/db")
from test_landing import land_the_load
land_the_load()
"""


def land_the_load() -> None:
    """Twelve batches, among them edited reviews and refused ones; says after each that it landed."""
    with connect("crawler") as connection, advisory_lock(connection, "crawl shop"):
        crawl_id = new_crawl(connection)
        for batch in range(12):
            items = [review(n, f"글 {n}", n % 5 + 1, crawl_id) for n in range(batch * 400, batch * 400 + 500)]
            payload = {"source_review_id": str(batch), "body": None}
            with connection:
                landing.land(connection, [*items, RefusedItem("shop", "review", "body is missing", payload, crawl_id)])
            print(batch, flush=True)


def everything_landed() -> list[tuple]:
    return rows(
        "select source_review_id, version_no, content_hash, subject_id, rating, body, written_at, url "
        "from raw.reviews order by 1, 2"
    ) + rows("select source, kind, reason, payload::text, payload_sha256 from raw.rejected order by 5")


def test_a_load_killed_at_random_moments_ends_with_the_rows_of_an_undisturbed_one(new_warehouse, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", new_warehouse())
    land_the_load()
    undisturbed = everything_landed()
    assert len(undisturbed) == 4_900 + 12

    monkeypatch.setenv("MAEARI_DATABASE_URL", new_warehouse())
    for _ in range(4):
        loader = subprocess.Popen([sys.executable, "-c", LOADER], cwd=CHECKOUT, stdout=subprocess.PIPE)
        for _ in range(random.randint(1, 11)):
            loader.stdout.readline()
        time.sleep(random.random() / 20)
        loader.kill()
        loader.wait()
        loader.stdout.close()
    land_the_load()
    assert everything_landed() == undisturbed
