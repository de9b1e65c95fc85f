"""Crawls of feeds and sitemaps over HTTP: what is known, what was edited, what is packed, and whose names hold data."""

import gzip
from datetime import date

import pytest

from crawlers.errors import CrawlFailed
from crawlers.run import crawl

DAY = date(2026, 5, 31)
XML = {"Content-Type": "application/xml"}


def test_an_edited_article_is_seen_by_the_next_full_sweep_and_not_before(site):
    site.rewrite("press", full_sweep_every_days=7)
    crawl("press", DAY)
    site.faults["/news/3"] = site.html(
        f"<article><h1>소식 3</h1><p>{'고쳐 쓴 소식의 긴 본문입니다. ' * 8}</p></article>"
    )
    site.asked.clear()
    assert crawl("press", date(2026, 6, 1))["landed"] == 0
    assert "/news/3" not in site.asked
    swept = crawl("press", date(2026, 6, 10))
    assert (swept["landed"], swept["duplicates"]) == (1, 29)
    versions = site.rows("select version_no, body like '고쳐%%' from raw.articles where source_article_id = '/news/3'")
    assert sorted(versions) == [(1, False), (2, True)]


def test_a_notice_in_place_of_every_article_fails_the_crawl_and_the_next_one_mends_them(site):
    site.rewrite("press", full_sweep_every_days=7)
    crawl("press", DAY)
    notice = site.html(f"<article><h1>점검 중</h1><p>{'더 나은 모습으로 곧 돌아오겠습니다. ' * 8}</p></article>")
    site.faults = {f"/news/{number}": notice for number in range(30)}
    with pytest.raises(CrawlFailed, match="30 of 30 articles of press landed with one and the same text"):
        crawl("press", date(2026, 6, 10))
    site.faults = {}
    assert crawl("press", date(2026, 6, 11))["landed"] == 30
    assert site.rows("select count(*) from raw.articles where version_no = 3 and body like '%번째 소식%'") == [(30,)]


def test_a_section_of_any_length_refuses_no_article(site):
    head = f'<meta property="article:section" content="{"경제 " * 400}">'
    status, headers, body = site.answer("/news/1")
    site.faults["/news/1"] = (status, headers, body.replace(b"<body>", f"<head>{head}</head><body>".encode()))
    assert crawl("press", DAY)["landed"] == 30


def test_a_day_once_mistyped_puts_no_full_sweep_off(site):
    crawl("press", date(2036, 1, 1))
    crawl("press", DAY)
    crawl("press", date(2026, 6, 10))
    assert site.rows("select is_full_sweep from ops.crawls order by crawl_id") == [(True,), (True,), (True,)]


def test_an_article_whose_address_holds_personal_data_is_known_by_its_redacted_key(site):
    site.faults["/feed.xml"] = (200, XML, b"<rss><item><link>/news/kim@shop.example</link></item></rss>")
    site.faults["/news/kim@shop.example"] = site.answer("/news/1")
    assert crawl("press", DAY)["landed"] == 1
    ((key,),) = site.rows("select source_article_id from raw.articles")
    assert key.startswith("redacted-")
    site.asked.clear()
    again = crawl("press", DAY)
    assert (again["landed"], again["duplicates"], again["pages"]) == (0, 1, 1)
    assert "/news/kim@shop.example" not in site.asked


def test_addresses_that_differ_by_where_the_reader_came_from_are_one_article(site):
    links = (
        "/news/1?utm_source=rss",
        "/news/1#top",
        "/news/1?fbclid=abc&amp;utm_medium=x",
        "/news/1?id=2&amp;utm_id=3",
    )
    items = "".join(f"<item><link>{link}</link></item>" for link in links)
    site.faults["/feed.xml"] = (200, XML, f"<rss>{items}</rss>".encode())
    site.faults["/news/1?id=2"] = site.answer("/news/2")
    assert crawl("press", DAY)["landed"] == 2
    assert site.rows("select source_article_id from raw.articles order by 1") == [("/news/1",), ("/news/1?id=2",)]


def test_packed_sitemaps_are_read_along_their_list_and_old_entries_are_passed_over(site):
    def sitemap(*entries: tuple[str, str]) -> bytes:
        urls = "".join(f"<url><loc>{site.base}{path}</loc><lastmod>{day}</lastmod></url>" for path, day in entries)
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'.encode()

    parts = {
        "/may.xml.gz": sitemap(("/news/1", "2026-05-30"), ("/news/2", "2026-05-01"), ("/news/3", "no day")),
        "/old.xml.gz": sitemap(("/news/4", "2026-05-30")),
        "/plain.xml": sitemap(("/news/5", "2026-05-29T10:00:00+09:00"), ("/about", "2026-05-30")),
    }
    days = {"/may.xml.gz": "2026-05-31", "/old.xml.gz": "2020-01-01", "/plain.xml": ""}
    listed = "".join(f"<sitemap><loc>{path}</loc><lastmod>{day}</lastmod></sitemap>" for path, day in days.items())
    site.faults["/sitemap.xml"] = (200, XML, f"<sitemapindex>{listed}</sitemapindex>".encode())
    for path, body in parts.items():
        is_packed = path.endswith(".gz")
        kind = {"Content-Type": "application/x-gzip"} if is_packed else XML
        site.faults[path] = (200, kind, gzip.compress(body) if is_packed else body)
    days_since = (date.today() - date(2026, 5, 31)).days
    site.rewrite(
        "press", kind="news_sitemap", start_urls=[f"{site.base}/sitemap.xml"], newest_days=max(1, days_since + 7)
    )
    assert crawl("press", DAY)["landed"] == 3
    assert "/old.xml.gz" not in site.asked
    assert site.rows("select source_article_id from raw.articles order by 1") == [
        ("/news/1",),
        ("/news/3",),
        ("/news/5",),
    ]


def test_a_feed_that_lies_about_its_encoding_lands_readable_text(site):
    item = "<item><title>똠방각하의 새 소식</title><link>/news/1</link><author>김기자</author></item>"
    feed = f'<?xml version="1.0" encoding="UTF-8"?><rss>{item}</rss>'.encode("cp949")
    page = "<html><head><meta charset='utf-8'></head><body><article><p>" + "망원동 골목에 새 카페가 문을 열었다. " * 5
    site.faults["/feed.xml"] = (200, {"Content-Type": "text/xml; charset=utf-8"}, feed)
    site.faults["/news/1"] = (200, {"Content-Type": "text/html; charset=utf-8"}, page.encode("cp949"))
    assert crawl("press", DAY)["landed"] == 1
    ((title, body, has_author),) = site.rows("select title, body, author_key is not null from raw.articles")
    assert title == "똠방각하의 새 소식"
    assert body.startswith("망원동 골목에")
    assert has_author


def test_articles_on_another_host_are_followed_when_the_source_names_it(site):
    elsewhere = site.base.replace("127.0.0.1", "localhost")
    feed = f"<rss><item><link>{elsewhere}/news/1</link></item><item><link>/news/2</link></item></rss>"
    site.faults["/feed.xml"] = (200, XML, feed.encode())
    first = crawl("press", DAY)
    assert (first["landed"], first["rejected"]) == (1, 1)
    site.rewrite("press", article_hosts=["localhost"])
    assert crawl("press", DAY)["landed"] == 1
    keys = [key for (key,) in site.rows("select source_article_id from raw.articles order by 1")]
    assert keys == ["/news/2", f"{elsewhere.removeprefix('http://')}/news/1"]
