"""Crawls that were killed, stopped or limited go on where they were; sweeps, and pages that did not change."""

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from scrapy import Request
from scrapy.utils.request import fingerprint

from crawlers.errors import CrawlFailed
from crawlers.run import crawl

DAY = date(2026, 5, 31)
KILLS = 10
PATHS = {"shop": ("/list", "/s/"), "press": ("/feed.xml", "/news/")}
COUNTS = "pages, items, landed, duplicates, rejected, redacted, outcome, stats, robots_verdict, is_full_sweep"


def asked_of(site, source: str) -> list[str]:
    return [path for path in site.asked if path.startswith(PATHS[source])]


def answered_before(site, source: str) -> set[str]:
    """What the newest crawl of a source has read, by its position in Postgres."""
    kept = {
        key
        for (key,) in site.rows(
            "select request_key from ops.crawl_requests where is_done and crawl_id = "
            "(select max(crawl_id) from ops.crawls where source = %s)",
            source,
        )
    }
    return {path for path in site.asked if fingerprint(Request(f"{site.base}{path}")).hex() in kept}


def forget(site, source: str) -> None:
    site.rows("delete from raw.reviews where source = %s", source)
    site.rows("delete from raw.articles where source = %s", source)
    site.rows("delete from raw.rejected where source = %s", source)
    for table in ("crawl_requests", "crawl_fields", "pages", "duplicates", "fingerprints"):
        site.rows(
            f"delete from ops.{table} where crawl_id in (select crawl_id from ops.crawls where source = %s)",
            source,
        )
    site.rows("delete from ops.crawls where source = %s", source)


def run_whole(site, source: str) -> None:
    with site.crawling(source) as child:
        assert child.wait(timeout=60) == 0


def test_crawls_killed_at_20_random_moments_end_with_the_rows_of_an_undisturbed_one(site):
    site.reviews = {subject: reviews[:192] for subject, reviews in list(site.reviews.items())[:6]}
    site.seconds_an_answer = 0.15

    def kill_and_go_on(source: str) -> list[tuple[int, int, int]]:
        run_whole(site, source)
        undisturbed, pages = site.everything_landed(source), len(asked_of(site, source))
        counts = site.rows(f"select {COUNTS} from ops.crawls where source = %s", source)
        fields = site.rows("select field, records, filled, pages from ops.crawl_fields order by 1, 2, 3")
        assert fields
        killed = []
        for _ in range(KILLS):
            forget(site, source)
            site.asked[:] = [path for path in site.asked if not path.startswith(PATHS[source])]
            until = random.randint(0, pages)
            with site.crawling(source) as child:
                child.stdout.readline()
                while len(asked_of(site, source)) < until and child.poll() is None:
                    time.sleep(0.005)
                time.sleep(random.random() / 5)
                child.kill()
            time.sleep(2 * site.seconds_an_answer)
            before, read = list(asked_of(site, source)), answered_before(site, source)
            run_whole(site, source)
            again = asked_of(site, source)[len(before) :]
            assert read.isdisjoint(again)
            assert len(read) + len(again) == pages
            assert site.everything_landed(source) == undisturbed
            assert site.rows(f"select {COUNTS} from ops.crawls where source = %s", source) == counts
            killed.append((len(before), len(read), len(again)))
            print(source, killed[-1], flush=True)
        return killed

    with ThreadPoolExecutor(2) as threads:
        killed = [kill for kills in threads.map(kill_and_go_on, PATHS) for kill in kills]
    assert len(killed) == 20
    assert any(read for _, read, _ in killed)


def test_a_crawl_stopped_by_a_signal_lands_what_it_read_and_goes_on(site):
    site.seconds_an_answer = 0.1
    with site.crawling("shop") as child:
        child.stdout.readline()
        while len(site.asked) < 30:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 0
    (before,) = site.rows("select outcome, pages, items, landed from ops.crawls")
    assert before[0] == "abandoned"
    assert before[1] == len(asked_of(site, "shop"))
    assert before[2] == before[3] > 0
    site.seconds_an_answer = 0
    after = crawl("shop", DAY)
    assert (after["outcome"], after["pages"], after["items"], after["landed"]) == ("finished", 81, 5016, 5016)
    assert len(asked_of(site, "shop")) == 81
    assert site.rows("select resumed from ops.crawls") == [(1,)]
    assert site.rows("select count(*) from ops.crawl_requests") == [(0,)]


def test_a_crawl_that_reaches_a_limit_of_its_source_says_so_and_goes_on_the_next_day(site):
    site.rewrite("shop", limits={"pages": 30})
    summaries = [crawl("shop", DAY + timedelta(days=day)) for day in range(3)]
    assert [summary["outcome"] for summary in summaries] == ["abandoned", "abandoned", "finished"]
    assert summaries[0]["message"] == "Stopped at its limit of 30 pages; the next crawl goes on there."
    assert (summaries[2]["pages"], summaries[2]["landed"], summaries[2]["message"]) == (81, 5016, None)
    assert len(asked_of(site, "shop")) == 81
    assert site.rows("select count(*) from ops.crawls") == [(1,)]


def test_records_and_minutes_are_limits_too_and_depth_is_a_fault(site):
    site.rewrite("shop", limits={"records": 1_000})
    assert "1,000 records" in crawl("shop", DAY)["message"]
    site.seconds_an_answer = 0.3
    site.rewrite("press", limits={"minutes": 0.02})
    assert "0.02 minutes" in crawl("press", DAY)["message"]
    site.seconds_an_answer = 0
    site.rewrite("shop", limits={"depth": 3})
    summary = crawl("shop", DAY)
    assert summary["stats"]["faults"] == {"more than 3 links from a start address": 8}
    assert summary["stats"]["unread_subjects"] == sorted(site.reviews)


@pytest.mark.parametrize("is_another_file", [True, False])
def test_a_crawl_of_another_day_or_another_file_begins_anew(site, is_another_file):
    site.seconds_an_answer = 0.05
    with site.crawling("shop") as child:
        child.stdout.readline()
        while site.rows("select batch_no from ops.crawls") == [(0,)] and child.poll() is None:
            time.sleep(0.02)
    site.seconds_an_answer = 0
    if is_another_file:
        site.rewrite("shop", owner="somebody else")
    site.asked.clear()
    summary = crawl("shop", DAY if is_another_file else DAY + timedelta(days=1))
    assert summary["pages"] == len(asked_of(site, "shop")) == 81
    assert site.rows("select resumed, outcome from ops.crawls order by crawl_id") == [(0, "abandoned"), (0, "finished")]
    assert site.rows("select count(*) from ops.crawl_requests") == [(0,)]


def test_a_full_sweep_after_seven_days_sees_late_edits(site):
    crawl("shop", DAY)
    site.reviews["s3"][600]["reviewBody"] = "뒤늦게 고친 후기"
    assert crawl("shop", DAY + timedelta(days=6))["landed"] == 0
    swept = crawl("shop", DAY + timedelta(days=7))
    assert (swept["pages"], swept["landed"]) == (81, 1)
    assert crawl("shop", DAY + timedelta(days=8))["pages"] == 9
    assert site.rows("select is_full_sweep from ops.crawls order by crawl_id") == [(True,), (False,), (True,), (False,)]


def test_a_review_edited_while_a_sweep_is_under_way_keeps_one_content_in_that_crawl(site):
    site.seconds_an_answer = 0.02

    def edit() -> None:
        while len(site.asked) < 20:
            time.sleep(0.005)
        for reviews in site.reviews.values():
            reviews.insert(0, site.review(f"new-{id(reviews)}", 1))

    editing = threading.Thread(target=edit)
    editing.start()
    first = crawl("shop", DAY)
    editing.join()
    # A new review moves the others down by one: some are shown twice, and land once.
    assert first["outcome"] == "finished"
    second = crawl("shop", DAY)
    assert site.rows("select count(*), count(distinct source_review_id), max(version_no) from raw.reviews") == [
        (first["landed"] + second["landed"],) * 2 + (1,)
    ]
    assert second["stats"]["unread_subjects"] == []


def test_pages_that_did_not_change_are_not_sent_again(site):
    site.has_etags = True
    # A page with a refused record is always read again.
    site.broken_items = 0
    crawl("shop", DAY)
    crawl("press", DAY)
    assert {status for _, status in site.answered} == {200}
    assert site.rows("select source, count(*) from ops.pages group by 1 order by 1") == [("press", 31), ("shop", 1)]

    site.answered.clear()
    again = crawl("press", DAY)
    assert [one for one in site.answered if one[0] != "/robots.txt"] == [("/feed.xml", 304)]
    assert (again["pages"], again["items"], again["duplicates"], again["landed"]) == (1, 30, 30, 0)

    # Every page of the shop shows a record without a text, but the list is as it was: its links are asked anyway.
    site.answered.clear()
    again = crawl("shop", DAY)
    assert ("/list", 304) in site.answered
    assert (again["pages"], again["landed"]) == (9, 0)

    site.articles = 31
    site.answered.clear()
    again = crawl("press", DAY)
    assert [one for one in site.answered if one[0] != "/robots.txt"] == [("/feed.xml", 200), ("/news/30", 200)]
    assert (again["landed"], again["items"]) == (1, 31)

    site.answered.clear()
    assert crawl("press", DAY + timedelta(days=7))["pages"] == 32
    assert 304 not in {status for _, status in site.answered}


def test_a_page_with_faults_is_read_again_whatever_its_validators_say(site):
    site.has_etags = True
    site.faults["/news/3"] = (500, {}, b"<p>no</p>")
    first = crawl("press", DAY)
    assert first["landed"] == 29
    site.faults.clear()
    site.answered.clear()
    assert crawl("press", DAY)["landed"] == 1
    assert 304 not in {status for _, status in site.answered}


def test_a_sweep_with_fewer_than_half_of_the_expected_records_fails_with_a_sentence(site):
    site.rewrite("press", expected_records=61)
    with pytest.raises(CrawlFailed, match="press brought 30 records, and its file expects about 61"):
        crawl("press", DAY)
    site.rewrite("press", expected_records=60)
    assert crawl("press", DAY)["outcome"] == "finished"
