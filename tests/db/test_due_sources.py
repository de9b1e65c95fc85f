"""Which sources are due at a moment."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml

from crawlers.sources import due_sources
from maeari.postgres import connect

SEOUL = ZoneInfo("Asia/Seoul")
FACTS = {
    "kind": "review_pages",
    "start_urls": ["http://127.0.0.1:9/list"],
    "owner": "the tests",
    "licence": "our own",
    "terms_checked_by": "the tests",
    "terms_checked_on": "2026-11-22",
}


@pytest.fixture
def write(warehouse, maeari_home):
    """A function that writes a source's file."""
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)

    def write(name: str, **facts) -> None:
        (folder / f"{name}.yml").write_text(yaml.safe_dump({"name": name, **FACTS, **facts}))

    yield write
    for file in folder.glob("*.yml"):
        file.unlink()


def crawled(source: str, began: datetime, outcome: str = "finished", **facts) -> None:
    columns = {"source": source, "started_at": began, "outcome": outcome, "finished_at": began, **facts}
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"insert into ops.crawls ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})",
            tuple(columns.values()),
        )


def seoul(hour: int, minute: int = 0, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=SEOUL)


def test_what_was_never_crawled_is_due_whatever_the_hour(write):
    write("shop")
    write("unverified", terms_checked_by=None, terms_checked_on=None)
    write("keyless", start_urls=["http://127.0.0.1:9/${A_KEY_THAT_IS_NOT_SET}"])
    write("press", kind="news_feed")
    assert due_sources("reviews", seoul(13, 5)) == ["shop"]
    assert due_sources("articles", seoul(13, 5)) == ["press"]


@pytest.mark.parametrize("outcome", ["finished", "failed", "abandoned", "running"])
def test_a_source_is_due_once_after_each_scheduled_time_however_its_crawl_ended(write, outcome):
    write("shop")
    crawled("shop", seoul(4, 5, day=19), outcome)
    assert due_sources("reviews", seoul(3, 59)) == []
    assert due_sources("reviews", seoul(4)) == ["shop"]
    # The scheduler was down at four.
    assert due_sources("reviews", seoul(9, 5)) == ["shop"]
    crawled("shop", seoul(9, 5), outcome)
    assert due_sources("reviews", seoul(10, 5)) == []
    assert due_sources("reviews", seoul(4, 5, day=21)) == ["shop"]


def test_each_source_has_a_schedule_of_its_own_in_the_business_zone(write):
    write("hourly", schedule="0 * * * *")
    write("weekly", schedule="30 2 * * 1")
    write("by_hand", schedule="0 0 30 2 *")
    for name in ("hourly", "weekly", "by_hand"):
        crawled(name, seoul(3))
    assert due_sources("reviews", seoul(4, 5)) == ["hourly"]
    monday = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
    assert due_sources("reviews", monday - timedelta(minutes=1)) == ["hourly"]
    assert due_sources("reviews", monday) == ["hourly", "weekly"]


def test_a_crawl_that_was_gone_on_with_counts_from_its_last_end(write):
    write("shop")
    crawled("shop", seoul(4, 5, day=18), "abandoned", resumed=1, finished_at=seoul(7, 5))
    assert due_sources("reviews", seoul(8, 5)) == []
    assert due_sources("reviews", seoul(4, 5, day=21)) == ["shop"]


def test_what_cannot_begin_fails_at_its_time_and_not_every_hour(write, monkeypatch):
    monkeypatch.delenv("MAEARI_CONTACT", raising=False)
    write("wrong", colour="red")
    write("stranger", start_urls=["https://shop.example/"], schedule="0 6 * * *")
    due_at = {hour: due_sources("reviews", seoul(hour, 5)) for hour in range(24)}
    assert {hour: names for hour, names in due_at.items() if names} == {4: ["wrong"], 6: ["stranger"]}
    monkeypatch.setenv("MAEARI_CONTACT", "team@shop.example")
    assert due_sources("reviews", seoul(13, 5)) == ["stranger"]
