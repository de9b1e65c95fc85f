"""Batches land once, versions are decided, and text arrives as text."""

import random
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.kinds import ReviewPages
from crawlers.landing import newest_hashes
from crawlers.ledger import open_crawl
from maeari.postgres import connect
from maeari.settings import CHECKOUT

SHOP = ReviewPages(
    name="shop",
    kind="review_pages",
    start_urls=("http://127.0.0.1/list",),
    subject_links="a",
    owner="the tests",
    licence="our own",
)
DAY = date(2026, 5, 31)
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


def land(*items) -> tuple[int, int]:
    with open_crawl(SHOP, DAY, None) as crawl:
        crawl.land([item.model_copy(update={"crawl_id": crawl.crawl_id}) for item in items])
        return crawl.landed, crawl.duplicates


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def versions() -> list[tuple]:
    return rows("select source_review_id, version_no, body, rating::float from raw.reviews order by 1, 2")


def test_the_same_batch_lands_once(warehouse):
    batch = [review(1), review(2), review(1)]
    assert land(*batch) == (2, 1)
    assert land(*batch) == (0, 3)
    assert versions() == [("1", 1, "좋아요", 5.0), ("2", 1, "좋아요", 5.0)]


def test_five_one_five_stars_are_three_versions(warehouse):
    for rating in (5, 1, 5):
        land(review(1, rating=rating))
    assert versions() == [("1", 1, "좋아요", 5.0), ("1", 2, "좋아요", 1.0), ("1", 3, "좋아요", 5.0)]


def test_changes_within_a_batch_follow_each_other(warehouse):
    land(review(1, "가"))
    land(review(1, "가"), review(1, "나"), review(1, "나"), review(1, "다"), review(2, "라"))
    assert [(key, number, body) for key, number, body, _ in versions()] == [
        ("1", 1, "가"), ("1", 2, "나"), ("1", 3, "다"), ("2", 1, "라"),
    ]  # fmt: skip
    with connect("crawler") as connection:
        assert newest_hashes(connection, "shop", ["1", "3"]) == {"1": review(1, "다").content_hash}


def test_the_date_stays_as_first_seen_and_makes_no_version(warehouse):
    later = {"written_at": WRITTEN_AT + timedelta(days=7), "written_at_precision": "week"}
    land(review(1))
    assert land(review(1, **later)) == (0, 1)
    land(review(1, "고쳐 씀", **later))
    assert rows("select version_no, written_at, written_at_precision from raw.reviews order by 1") == [
        (1, WRITTEN_AT, "day"),
        (2, WRITTEN_AT, "day"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_arrives_as_text(warehouse, text):
    land(review(text, text, title=text, subject_id=text, subject_name=text, url=text))
    assert rows("select source_review_id, body, title, subject_id, subject_name, url from raw.reviews") == [(text,) * 6]


def test_articles_land_alike(warehouse):
    facts = {"source": "shop", "url": "http://127.0.0.1/news/1", "section": None, "author_key": None}
    article = ArticleItem(
        source_article_id="1", title="제목", body="본문", published_at=None, crawl_id=1, fetched_at=WRITTEN_AT, **facts
    )
    assert land(article) == (1, 0)
    assert land(article) == (0, 1)
    assert land(article.model_copy(update={"body": "고친 본문"})) == (1, 0)
    assert rows("select version_no, body from raw.articles order by 1") == [(1, "본문"), (2, "고친 본문")]


def test_refused_records_are_kept_once_whatever_day_they_are_met(warehouse):
    for day in ("3일 전", "4일 전"):
        with open_crawl(SHOP, DAY, None) as crawl:
            payload = {"source_review_id": "1", "body": None, "written_at": day, "url": f"http://127.0.0.1/{day}"}
            crawl.land([RefusedItem("shop", "review", "body is missing", payload, crawl.crawl_id)])
    assert rows("select kind, reason, payload->>'written_at' from raw.rejected") == [
        ("review", "body is missing", "3일 전")
    ]


def test_a_batch_lands_wholly_or_not_at_all(warehouse):
    with pytest.raises(Exception, match="value too long|numeric|invalid"), open_crawl(SHOP, DAY, None) as crawl:  # noqa: PT012
        good = review(1, crawl_id=crawl.crawl_id)
        crawl.land([good, good.model_copy(update={"source_review_id": "2", "fetched_at": "no time"})])
    assert versions() == []


def test_a_crawl_left_running_is_abandoned_by_the_next(warehouse):
    with open_crawl(SHOP, DAY, None) as killed:
        pass
    with open_crawl(SHOP, DAY, None) as crawl:
        assert crawl.reads_everything
        crawl.items = crawl.pages = 1
        crawl.finish("finished")
    assert rows("select crawl_id, outcome from ops.crawls order by 1") == [
        (killed.crawl_id, "abandoned"),
        (crawl.crawl_id, "finished"),
    ]
    with open_crawl(SHOP, DAY, None) as crawl:
        assert not crawl.reads_everything


LOADER = """
import sys
sys.path.insert(0, "tests/db")
from test_landing import DAY, SHOP, land_the_load
land_the_load()
"""


def land_the_load() -> None:
    """Twelve batches, among them edited reviews and refused ones; says after each that it landed."""
    with open_crawl(SHOP, DAY, None) as crawl:
        for batch in range(12):
            items = [review(n, f"글 {n}", n % 5 + 1, crawl.crawl_id) for n in range(batch * 400, batch * 400 + 500)]
            payload = {"source_review_id": str(batch), "body": None}
            crawl.land([*items, RefusedItem("shop", "review", "body is missing", payload, crawl.crawl_id)])
            print(batch, flush=True)
        crawl.items = crawl.pages = 1
        crawl.finish("finished")


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
