"""Crawls of a site that sends broken and hostile answers: the good page beside them lands, and each fault is named.

`MAEARI_FUZZ_EXAMPLES=1000` crawls so many hurt pages, fifty at a time.
"""

import gzip
import html
import json
import os
import random
from datetime import date

import pytest

from crawlers.run import crawl

DAY = date(2026, 5, 31)
HTML = {"Content-Type": "text/html; charset=utf-8"}
XML = {"Content-Type": "application/xml"}
NASTY = [
    "Robert'); drop table raw.reviews cascade; --",
    "'; copy (select 1) to program 'id'; select '",
    "\\N",
    "\\.",
    'a\\tb\\\\c"d"e`f`|g,h;i',
    "%s %(name)s %% {} {0} $1 :name ?",
    "<b>굵게</b> <script>alert(1)</script> &lt;i&gt; &amp;amp; <img src=x onerror=alert(1)>",
    "=HYPERLINK(1) @SUM(1) +1 -1",
    "줄\n바꿈\r\n과\t탭",
    "😀 \u202e뒤집힌 \u0000 \ud800 끝",
    "]]> --> </article> {{ 7*7 }} {% raw %}",
]
BOMB = b'<!DOCTYPE l [<!ENTITY l "laugh">' + b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%s;" % (str(n - 1).encode() if n > 1 else b"") * 10) for n in range(1, 10)
)


def stored(text: str) -> str:
    """A text as it lands: with NUL and half characters escaped."""
    return text.strip().replace("\x00", "\\u0000").replace("\ud800", "\\ud800")


def test_markup_and_sql_in_every_field_arrive_as_text(site):
    reviews = [
        site.review(f"{n} {text}", 1, name=text, reviewBody=f"{text} {n}", itemReviewed={"name": text})
        for n, text in enumerate(NASTY)
    ]
    said = json.dumps({"@type": "Product", "review": reviews}).replace("<", "\\u003c")
    site.reviews = {"s0": []}
    site.faults["/s/s0"] = site.html(f'<script type="application/ld+json">{said}</script>')
    summary = crawl("shop", DAY)
    assert (summary["outcome"], summary["landed"], summary["rejected"]) == ("finished", len(NASTY), 0)
    landed = site.rows("select source_review_id, subject_name, title, body from raw.reviews")
    assert sorted(landed) == sorted(
        (stored(f"{n} {text}"), stored(text), stored(text), stored(f"{text} {n}")) for n, text in enumerate(NASTY)
    )


def test_markup_and_sql_in_news_arrive_as_text(site):
    nasty = [text for text in NASTY if "\n" not in text and "\x00" not in text]
    site.articles = len(nasty)
    for n, text in enumerate(nasty):
        said = {"@type": "NewsArticle", "headline": html.escape(f"{text} {n}"), "articleSection": html.escape(text)}
        said = json.dumps(said).replace("<", "\\u003c")
        body = "".join(f"<p>{html.escape(f'{text}, 이 글은 {n}번째 소식의 {m}번째 문단입니다.')}</p>" for m in range(3))
        site.faults[f"/news/{n}"] = site.html(
            f'<script type="application/ld+json">{said}</script><article><h1>x</h1>{body}</article>'
        )
    assert crawl("press", DAY)["landed"] == len(nasty)
    landed = site.rows("select title, section, body from raw.articles order by source_article_id")
    for (title, section, body), (n, text) in zip(
        landed, sorted(enumerate(nasty), key=lambda one: str(one[0])), strict=True
    ):
        assert (title, section) == (f"{text} {n}", text)
        # trafilatura reads entities twice.
        assert html.unescape(f"{text}, 이 글은 {n}번째 소식의 2번째 문단입니다.") in body


def test_the_good_page_lands_beside_every_broken_one(site):
    chance = random.Random(7)
    whole = site.answer("/s/s0")[2]
    said = b'<script type="application/ld+json">'
    broken = {
        "cut in a record": (HTML, whole[: len(whole) // 2]),
        "binary": (HTML, chance.randbytes(5_000)),
        "binary behind a tag": (HTML, b"<html>" + chance.randbytes(500_000)),
        "deep tags": (HTML, b"<div>" * 500_000),
        "deep JSON": (HTML, b"<html>" + said + b'{"@graph":[' * 300_000),
        "50 MB": (HTML, b"<p>" + b"word " * 10_000_000),
        "unpacks to 200 MB": ({**HTML, "Content-Encoding": "gzip"}, gzip.compress(b"<p>" + bytes(200_000_000))),
        "broken gzip": ({**HTML, "Content-Encoding": "gzip"}, gzip.compress(whole)[:200]),
        "a billion laughs": (XML, BOMB + b"]><a>&l9;</a>"),
        "an endless tag": (HTML, b"<div " + b" ".join(b"a%d=1" % n for n in range(500_000)) + b">"),
        "no type": ({}, chance.randbytes(100)),
        "a wrong charset": ({"Content-Type": "text/html; charset=x-\xff"}, b"<p>x"),
        "empty": (HTML, b""),
        "NULs": (HTML, b"<html>" + b"\x00" * 1_000_000),
    }
    site.reviews = {"s0": site.reviews["s0"], **{f"bad{n}": [] for n in range(len(broken))}}
    site.faults = {f"/s/bad{n}": (200, *answer) for n, answer in enumerate(broken.values())}
    summary = crawl("shop", DAY)
    assert summary["outcome"] == "finished"
    assert summary["landed"] == 627
    assert summary["rejected"] == 13
    unread = summary["stats"]["unread_subjects"]
    assert unread == sorted(f"bad{n}" for n in range(len(broken)))
    faults = summary["stats"]["faults"]
    assert sum(faults.values()) >= len(broken)
    assert "broken page" not in " ".join(faults)


def test_the_good_feed_and_article_land_beside_broken_ones(site):
    chance = random.Random(8)
    good = site.answer("/feed.xml")[2]
    feeds = {
        "/laughs.xml": (XML, BOMB + b"]><rss><channel><item><title>&l9;</title></item></channel></rss>"),
        "/outside.xml": (XML, b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title>'),
        "/cut.xml": (XML, good[: len(good) // 2]),
        "/page.xml": (HTML, b"<html><body>no feed"),
        "/noise.xml": (XML, chance.randbytes(5_000)),
        "/noise.xml.gz": ({"Content-Type": "application/gzip"}, b"\x1f\x8b" + chance.randbytes(5_000)),
        "/bomb.xml.gz": ({"Content-Type": "application/gzip"}, gzip.compress(b"<urlset>" + bytes(200_000_000))),
        "/deep.xml": (XML, b"<rss>" * 300_000),
        "/links.xml": (
            XML,
            b"<rss>"
            + b"".join(
                b"<item><link>%s</link></item>" % link
                for link in (b"http://[::1", b"javascript:alert(1)", b"//", b"http://127.0.0.1:99999/news/1", b"&#0;")
            )
            + b"</rss>",
        ),
    }
    site.rewrite("press", start_urls=[f"{site.base}{path}" for path in ("/feed.xml", *feeds)])
    site.faults = {path: (200, *answer) for path, answer in feeds.items()}
    site.faults |= {
        "/news/3": (200, HTML, b""),
        "/news/4": (200, HTML, b"<html>" + b"<section><h1>x</h1><p>y" * 20_000),
        "/news/5": (200, HTML, b"<html>" + chance.randbytes(100_000)),
        "/news/6": (200, {"Content-Type": "application/pdf"}, b"%PDF"),
    }
    summary = crawl("press", DAY)
    assert summary["outcome"] == "finished"
    assert summary["landed"] == 26
    reasons = dict(site.rows("select reason, count(*) from raw.rejected group by 1"))
    assert all(reasons)
    assert any("tags, more than" in reason for reason in reasons)
    assert summary["rejected"] + sum(summary["stats"]["faults"].values()) >= len(feeds) + 4 - 1
    assert "root:" not in json.dumps(site.everything_landed(), default=str)
    assert "broken page" not in " ".join(summary["stats"]["faults"])


@pytest.mark.parametrize("seed", range(int(os.environ.get("MAEARI_FUZZ_EXAMPLES", "50")) // 50))
def test_hurt_pages_beside_a_good_one(site, seed):
    chance = random.Random(seed)
    whole = site.answer("/s/s1")[2]
    hurt = []
    for _ in range(50):
        at, until = sorted(chance.randrange(len(whole)) for _ in range(2))
        hurt.append(whole[:at] + chance.randbytes(chance.randrange(50)) + whole[chance.choice([at, until]) :])
    site.reviews = {"s0": site.reviews["s0"], **{f"hurt{n}": [] for n in range(len(hurt))}}
    site.faults = {f"/s/hurt{n}": (200, HTML, page) for n, page in enumerate(hurt)}
    summary = crawl("shop", DAY)
    assert summary["outcome"] == "finished"
    assert site.rows("select count(*) from raw.reviews where subject_id = 's0'") == [(627,)]
    assert "broken page" not in " ".join(summary["stats"]["faults"])
