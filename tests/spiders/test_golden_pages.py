"""Saved pages of ours go in, golden JSON comes out. `MAEARI_WRITE_GOLDEN=1` writes the JSON anew, to be read."""

import asyncio
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, TextResponse, XmlResponse

from crawlers.encoding import encoding_of
from crawlers.intake import Intake
from crawlers.items import RefusedItem
from crawlers.pages import Counts
from crawlers.sources import FOLDER, read_source
from crawlers.spiders import SPIDERS

SAVED = Path(__file__).parent / "pages"
ANSWERS = sorted(page for page in SAVED.glob("*/answer*") if not page.name.endswith(".golden.json"))
PAGES = sorted({page for page in SAVED.glob("*/*.*ml") if page.suffix != ".yml"} | {*ANSWERS})
RESPONSES = {".html": HtmlResponse, ".xml": XmlResponse, ".json": TextResponse}
FETCHED_AT = datetime(2026, 5, 31, 14, 59, 59, tzinfo=UTC)
# By the first word of a page's name.
CALLBACKS = {"list": "parse", "feed": "parse", "sitemap": "parse"}
CALLBACKS |= {"subject": "parse_subject", "article": "parse_article"}


class NothingKnown:
    """A crawl of an empty warehouse."""

    is_full_sweep = False

    def __init__(self, source):
        self.source = source
        self.as_of = date(2026, 5, 31)
        self.page = Counts()
        self.is_full_sweep = True

    def now(self):
        return FETCHED_AT

    async def off_reactor(self, function, *arguments):
        return function(*arguments)

    def known_articles(self, article_ids):
        return set()


async def outputs(result):
    return [output async for output in result] if hasattr(result, "__aiter__") else list(result)


def read(page: Path) -> list[dict]:
    own = page.parent / f"{page.parent.name}.yml"
    # Answers without a source of their own are read by the ready-made one.
    source = read_source(own if own.exists() else FOLDER / own.name)
    spider = SPIDERS[type(source)](crawl=NothingKnown(source))
    if page in ANSWERS:
        request, callback = asyncio.run(outputs(spider.start()))[0], "parse"
    else:
        entry = {"title": None, "section": None, "author": None, "published": None}
        url = f"{source.start_urls[0]}/mangwon?page=2"
        request = Request(url, meta={"subject": "mangwon", "entry": entry})
        callback = CALLBACKS[page.stem.partition("_")[0]]
    body = page.read_bytes()
    response = RESPONSES[page.suffix](request.url, body=body, request=request, encoding=encoding_of(body)[0])
    intake = Intake(source.name, crawl_id=1)
    found = asyncio.run(outputs(getattr(spider, callback)(response)))
    faults = [{"faults": dict(spider.crawl.page.faults)}] if spider.crawl.page.faults else []
    return [described(output, intake, response.url) for output in found] + faults


def described(output, intake: Intake, url: str) -> dict:
    if isinstance(output, Request):
        told = {"entry": output.meta["entry"]} if "entry" in output.meta else {}
        return {"next": output.url, "with": output.callback.__name__, "subject": output.meta["subject"], **told}
    item, finds = intake.take(output, url, FETCHED_AT)
    if isinstance(item, RefusedItem):
        return {"refused": item.reason, "payload": item.payload, "redacted": finds}
    facts = item.model_dump(mode="json", exclude={"source", "url", "crawl_id", "fetched_at"})
    return {**facts, "content_hash": item.content_hash, "redacted": finds}


def test_there_are_pages_of_every_kind_of_site():
    assert {page.parent.name for page in PAGES} >= {"json_ld", "microdata", "selectors", "news", "numbered"}
    assert {page.parent.name for page in ANSWERS} >= {
        "steam_reviews",
        "app_store_reviews",
        "naver_news",
        "data_go_kr_bid_notices",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_saved_page_gives_its_golden_records(page, monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the golden pages")
    golden = page.with_suffix(".golden.json" if page in ANSWERS else ".json")
    found = read(page)
    if os.environ.get("MAEARI_WRITE_GOLDEN"):
        golden.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))
