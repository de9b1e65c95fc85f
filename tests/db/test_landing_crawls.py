"""Crawls of a site of our own over HTTP, with its faults and its news."""

import os
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from crawlers.errors import CrawlFailed
from crawlers.run import crawl, landed_since

DAY = date(2026, 5, 31)
MAEARI = Path(sys.executable).parent / "maeari"


def test_a_crawl_lands_counts_and_says_what_robots_txt_allows(site):
    progress = []
    summary = crawl("shop", DAY, on_progress=progress.append)
    assert summary["outcome"] == "finished"
    assert (summary["pages"], summary["items"], summary["landed"]) == (81, 5016, 5016)
    assert (summary["rejected"], summary["duplicates"], summary["robots_verdict"]) == (104, 0, "allowed")
    assert progress[-1]["items"] == 5016
    assert all("Maeari" in agent for agent in site.agents)
    assert landed_since("reviews") == 5016
    assert site.rows("select distinct reason from raw.rejected") == [("body is missing",)]
    (key,) = site.rows("select distinct author_key from raw.reviews where body like '%-0번째 후기'")
    assert "손님" not in key[0]


def test_the_next_crawl_reads_one_page_a_subject_and_sees_news_and_edits(site):
    crawl("shop", DAY)
    site.asked.clear()
    again = crawl("shop", DAY)
    assert (again["pages"], again["landed"], again["duplicates"]) == (9, 0, again["items"])

    site.reviews["s1"].insert(0, site.review("s1-new", 1))
    site.reviews["s2"][3]["reviewBody"] = "고쳐 쓴 후기"
    third = crawl("shop", DAY)
    assert (third["pages"], third["landed"]) == (11, 2)
    assert site.rows("select version_no, body from raw.reviews where source_review_id = 's2-3' order by 1")[1] == (
        2,
        "고쳐 쓴 후기",
    )


def test_a_limited_crawl_stops_there_and_the_next_one_reads_on(site):
    assert crawl("shop", DAY, limit=50)["landed"] == 50
    assert crawl("shop", DAY)["landed"] == 5016 - 50


def test_known_articles_are_not_fetched_again(site):
    first = crawl("press", DAY)
    assert (first["landed"], first["rejected"], first["pages"]) == (30, 1, 31)
    again = crawl("press", DAY)
    assert (again["landed"], again["duplicates"], again["pages"]) == (0, 30, 1)


def test_faults_are_counted_and_the_crawl_goes_on_and_comes_back(site):
    binary = random.Random(1).randbytes(2_000)
    site.faults = {
        "/s/s0?page=3": (500, {}, b"<p>no</p>"),
        "/s/s1?page=3": (200, {"Content-Type": "text/html"}, b""),
        "/s/s2?page=3": (200, {"Content-Type": "text/html"}, b"\x00\x01" + binary),
        "/s/s3?page=3": (200, {"Content-Type": "application/pdf"}, b"%PDF" + binary),
        "/s/s4?page=3": (302, {"Location": "/s/s4?page=3&again"}, b""),
        "/s/s4?page=3&again": (302, {"Location": "/s/s4?page=3"}, b""),
        "/s/s5?page=3": (302, {"Location": "/private/log-in"}, b""),
        "/s/s6?page=3": (200, {"Content-Type": "text/html"}, b'<script type="application/ld+json">' + b"[" * 100_000),
    }
    summary = crawl("shop", DAY)
    assert summary["outcome"] == "finished"
    faults = summary["stats"]["faults"]
    assert faults["HTTP 500"] == 1
    assert faults["empty page"] == 1
    assert faults["not HTML or XML"] == 2
    assert faults["redirect to an address already asked for"] == 1
    assert faults["no review on the page"] == 1
    assert faults["Forbidden by robots.txt"] == 1
    assert summary["robots_verdict"].startswith("forbidden: 1 ")
    assert "/private/log-in" not in site.asked
    assert summary["stats"]["unread_subjects"] == ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]

    site.faults = {}
    healed = crawl("shop", DAY)
    assert summary["landed"] + healed["landed"] == 5016
    assert healed["stats"]["unread_subjects"] == []


def test_links_to_a_next_page_that_shows_the_same_for_ever_end_there(site):
    following = '<a rel="next" href="/s/s0?page={}">'
    status, headers, page = site.subject("s0", 1)
    for n in range(2, 20):
        body = page.replace(following.format(2).encode(), following.format(n + 1).encode())
        site.faults[f"/s/s0?page={n}"] = (status, headers, body)
    summary = crawl("shop", DAY)
    assert [path for path in site.asked if path.startswith("/s/s0")] == ["/s/s0", "/s/s0?page=2"]
    assert (summary["outcome"], summary["stats"]["faults"]) == ("finished", {})
    assert summary["landed"] == site.rows("select count(*) from raw.reviews")[0][0]


def test_a_list_or_feed_that_became_another_page_is_a_fault_beside_those_that_stayed(site):
    for name, start in (("shop", "/list"), ("press", "/feed.xml")):
        site.rewrite(name, start_urls=[f"{site.base}{start}", f"{site.base}/moved"])
    moved = "<!DOCTYPE html><html><body><h1>이사했습니다</h1></body></html>"
    site.faults["/moved"] = (200, {"Content-Type": "text/html"}, moved.encode())
    shop, press = crawl("shop", DAY), crawl("press", DAY)
    assert shop["stats"]["faults"] == {"no link to a subject on the list": 1}
    assert press["stats"]["faults"] == {"neither a feed nor a sitemap": 1}
    assert not shop["stats"]["is_complete"]
    assert not press["stats"]["is_complete"]
    site.faults["/moved"] = (200, {"Content-Type": "text/xml"}, b"<rss><channel></channel></rss>")
    assert crawl("press", DAY)["stats"]["faults"] == {}


def test_the_command_names_the_faults_of_a_crawl_that_finished(site):
    site.faults["/s/s1"] = (404, {}, b"")
    result = subprocess.run(
        [MAEARI, "crawl", "shop"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert result.returncode == 0
    assert "Faults: HTTP 404 (1)" in result.stdout


def test_a_site_that_changed_its_markup_fails_the_crawl_with_a_sentence(site):
    crawl("shop", DAY)
    for subject in list(site.reviews)[:6]:
        site.faults[f"/s/{subject}"] = site.html("<p>새 단장</p>")
    with pytest.raises(CrawlFailed, match=r"shop brought 124 records from 9 pages, 13\.8 a page"):
        crawl("shop", DAY)
    site.faults = {}
    assert crawl("shop", DAY)["outcome"] == "finished"


def test_a_site_that_is_down_fails_the_crawl_with_a_sentence(site):
    site.faults["/list"] = (503, {}, b"")
    with pytest.raises(CrawlFailed, match=r"shop brought no record from 1 pages.*HTTP 503 \(1\)"):
        crawl("shop", DAY)
    assert site.rows("select outcome from ops.crawls") == [("failed",)]


def test_a_crawl_ends_with_the_process_that_asked_for_it(site):
    with site.crawling("shop") as child:
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(timeout=30) != 0


def test_a_crawl_of_mostly_refused_records_fails_and_says_where_their_reasons_are(site):
    site.reviews = {"s0": [site.review(f"s0-{n}", n, reviewBody=None if n % 3 else f"{n}번째 후기") for n in range(60)]}
    with pytest.raises(CrawlFailed, match=r"40 records that were refused and 20 that were not.*raw\.rejected"):
        crawl("shop", DAY)


def test_no_door_leads_around_the_reading_of_terms(site):
    site.rewrite("shop", terms_checked_by=None, terms_checked_on=None)
    with site.crawling("shop") as child:
        said = child.stdout.read()
        assert child.wait(timeout=60) != 0
    assert "shop is not crawled: unverified" in str(said)
    assert site.rows("select count(*) from ops.crawls") == [(0,)]
