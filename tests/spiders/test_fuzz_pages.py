"""Hurt and hostile pages: each gives records, refusals with a reason or one named fault, and never anything else.

`MAEARI_FUZZ_EXAMPLES=1000` tries so many changes of every saved page instead of a few.
"""

import asyncio
import gzip
import json
import os
import random
import zlib
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, TextResponse, XmlResponse

from crawlers import position
from crawlers.encoding import encoding_of
from crawlers.errors import PageFault
from crawlers.intake import Intake
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.middlewares import PageGuard
from crawlers.pages import Counts
from crawlers.sources import FOLDER, read_source
from crawlers.spiders import SPIDERS

EXAMPLES = int(os.environ.get("MAEARI_FUZZ_EXAMPLES", "8"))
KEY = b"the key of the hurt pages"
FETCHED_AT = datetime(2026, 5, 31, 14, 59, 59, tzinfo=UTC)
PAGES = sorted(
    page
    for page in (Path(__file__).parent / "pages").glob("*/*")
    if page.suffix in (".html", ".xml") or (page.stem.startswith("answer") and ".golden" not in page.name)
)
KINDS = {".html": (HtmlResponse, "html"), ".xml": (XmlResponse, "xml"), ".json": (TextResponse, "json")}
CALLBACKS = {"subject": "parse_subject", "article": "parse_article"}
ENTRY = {"title": None, "section": None, "author": None, "published": None}

BILLION_LAUGHS = b'<!DOCTYPE l [<!ENTITY l "laugh">' + b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%s;" % (str(n - 1).encode() if n > 1 else b"") * 10) for n in range(1, 10)
)
HOSTILE = [
    b"\x00",
    b"\xff\xfe\x00",
    b"\x1b[2J\x08\x7f\xc2\x85",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"&#0;&#xd800;&#x110000;&#99999999999;",
    b"&l9;&nbsp;&undefined;",
    b"<script>while(1){}</script>",
    b"</script>",
    b"<!--",
    b"-->",
    b"]]>",
    b"<![CDATA[",
    b"<p" + b" a" * 50,
    b'"',
    b"'",
    b"{",
    b"}",
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"<div>" * 5_000,
    b"9" * 5_000,
    b"1e999",
    b"NaN",
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b"true",
    b'[{"@type":"Review"}]',
    b'{"@id":"#a"}',
    b"http://[::1",
    b'xmlns="}" xmlns:a="{}"',
    b"//",
    b"javascript:alert(1)",
    b"file:///etc/passwd",
    b"http://127.0.0.1:99999/",
    "％ｓ․𝟚𝟘２０".encode(),
    "가".encode() * 3_000,
    b"'); drop table raw.reviews; --",
    b"2025-99-99",
    b"\xe2\x98\x85" * 400,
]


def changed(page: bytes, chance: random.Random) -> bytes:
    """The page with one to four changes."""
    for _ in range(chance.randint(1, 4)):
        at, until = sorted(chance.randrange(len(page) + 1) for _ in range(2))
        match chance.randrange(7):
            case 0:
                page = page[:at]
            case 1:
                page = page[:at] + page[until:]
            case 2:
                page = page[:until] + page[at:until] * chance.randint(1, 3) + page[until:]
            case 3:
                page = page[:at] + bytes([chance.randrange(256)]) + page[at + 1 :]
            case 4 | 5:
                page = page[:at] + chance.choice(HOSTILE) + page[at:]
            case 6:
                # A value between two quotes, or a text between two tags, becomes another one.
                mark = chance.choice([b'"', b">", b":", b"="])
                start = page.find(mark, at) + 1
                end = page.find(chance.choice([b'"', b"<", b","]), start)
                if 0 < start <= end:
                    page = page[:start] + chance.choice(HOSTILE) + page[end:]
        page = page[:200_000]
    return page


class NothingKnown:
    """A crawl of an empty warehouse."""

    as_of = date(2026, 5, 31)
    is_full_sweep = False

    def __init__(self, source):
        self.source = source
        self.page = Counts()

    def now(self):
        return FETCHED_AT

    async def off_reactor(self, function, *arguments):
        return function(*arguments)

    def known_articles(self, article_ids):
        assert all(json.dumps(key) for key in article_ids)
        return set()


async def taken(result) -> list:
    return [output async for output in result] if hasattr(result, "__aiter__") else list(result)


def read(page: Path, body: bytes) -> list[ReviewItem | ArticleItem | RefusedItem]:
    """The items of a page as a crawl takes them; its requests can be kept. Raises PageFault."""
    own = page.parent / f"{page.parent.name}.yml"
    source = read_source(own if own.exists() else FOLDER / own.name)
    crawl = NothingKnown(source)
    spider = SPIDERS[type(source)](crawl=crawl)
    model, expects = KINDS[page.suffix]
    if page.stem.startswith("answer"):
        (request, *_) = asyncio.run(taken(spider.start()))
        callback = request.callback
    else:
        meta = {"subject": "mangwon", "entry": ENTRY, "expects": expects, "template": source.start_urls[0]}
        request = Request(f"{source.start_urls[0]}/mangwon?page=2", meta=meta)
        callback = getattr(spider, CALLBACKS.get(page.stem.partition("_")[0], "parse"))
    response = model(request.url, body=body, request=request, encoding=encoding_of(body)[0])
    PageGuard(SimpleNamespace(spider=spider)).process_spider_input(response)
    intake = Intake(source.name, crawl_id=1)
    items = []
    for output in asyncio.run(taken(callback(response))):
        if isinstance(output, Request):
            json.dumps(position.describe(output, KEY)).encode()
        else:
            items.append(intake.take(output, response.url, FETCHED_AT)[0])
    assert all(isinstance(fault, str) and fault for fault in crawl.page.faults)
    return items


def check(page: Path, body: bytes) -> None:
    """Read a page; what comes of it is fit to land, or says why not."""
    try:
        items, reason = read(page, body), "none is needed"
    except PageFault as fault:
        items, reason = [], str(fault)
    assert reason
    for item in items:
        texts = item.payload if isinstance(item, RefusedItem) else item.model_dump()
        assert item.reason if isinstance(item, RefusedItem) else item.content_hash
        for text in texts.values():
            if isinstance(text, str):
                # What reaches Postgres has neither NUL nor half a character.
                assert "\x00" not in text.encode().decode()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the hurt pages")


def test_there_are_pages_of_every_kind_of_source():
    names = {page.parent.name for page in PAGES}
    own = [folder / f"{folder.name}.yml" for folder in {page.parent for page in PAGES}]
    kinds = {read_source(file if file.exists() else FOLDER / file.name).kind for file in own}
    assert kinds == {model.model_fields["kind"].annotation.__args__[0] for model in SPIDERS}
    assert len(names) >= len(kinds)


@pytest.mark.timeout(600 + EXAMPLES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_hurt_page_gives_records_refusals_or_one_named_fault(page):
    whole = page.read_bytes()
    for number in range(EXAMPLES):
        hurt = changed(whole, random.Random(f"{page.parent.name}/{page.name} {number}"))
        try:
            check(page, hurt)
        except Exception as error:
            raise AssertionError(f"example {number} broke the spider on {hurt[:2_000]!r}") from error


BOMBS = {
    "a billion laughs": BILLION_LAUGHS
    + b"]><rss><channel><item><title>&l9;</title><link>/news/1</link></item></channel>",
    "an outside entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title></item>',
    "much of one entity": b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 50_000 + b'">]><rss><item><title>' + b"&x;" * 20_000,
    "deep tags": b"<a>" * 200_000,
    "deep tags that close": b"<div>" * 100_000 + b"</div>" * 100_000,
    "deep JSON": b'<script type="application/ld+json">' + b"[" * 3_000_000 + b"</script>",
    "deep JSON that closes": b'<script type="application/ld+json">' + b'{"@graph":[' * 900 + b"]}" * 900 + b"</script>",
    "only JSON": b'{"a":' * 500_000,
    "endless attributes": b"<div " + b" ".join(b"a%d=1" % n for n in range(300_000)) + b">",
    "endless text": b"<p>" + b"word " * 4_000_000,
    "endless title": b"<html><head><title>" + b" " * 3_000_000 + b"x</title><body><p>x",
    "many tags": b"<p><a href='/books/1'>x</a>" * 100_000,
    "many headings": b"<section><h1>x</h1><p>y" * 50_000,
    "a bitmap": bytes(range(256)) * 40_000,
    "NULs": b"<html>" + b"\x00" * 5_000_000,
    "unclosed quotes": b"<a x='\">" * 500_000,
    "open brackets": b"<" * 5_000_000,
    "ampersands": b"<p>" + b"&" * 3_000_000,
    "a comment that never ends": b"<p>x<!--" * 300_000,
    "gzip of nothing": b"\x1f\x8b\x08" + bytes(500),
    "gzip bomb": gzip.compress(b"<urlset>" + bytes(200_000_000), 9),
    "raw deflate": zlib.compress(b"<rss>" * 1_000),
    "half a surrogate": b'<script type="application/ld+json">{"@type":["Article","Review"],"headline":"\\ud800",'
    b'"identifier":"\\udfff","reviewBody":"\\u0000\\ud800","articleBody":"\\ud83d","author":"\\udc00"}</script>',
}
ONE_OF_A_KIND = {
    (read_source(file).kind if (file := page.parent / f"{page.parent.name}.yml").exists() else page.parent.name)
    + page.stem.partition("_")[0]: page
    for page in PAGES
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_goes_off(bomb):
    for page in ONE_OF_A_KIND.values():
        for body in (BOMBS[bomb], b"<?xml version='1.0'?><!doctype html>" + BOMBS[bomb]):
            check(page, body)
