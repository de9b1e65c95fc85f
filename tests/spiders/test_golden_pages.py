"""Saved pages of ours go in, golden JSON comes out. `MAEARI_WRITE_GOLDEN=1` writes the JSON anew, to be read."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, XmlResponse

from crawlers.intake import Intake
from crawlers.items import RefusedItem
from crawlers.sources import read_source
from crawlers.spiders import SPIDERS

PAGES = sorted(page for page in (Path(__file__).parent / "pages").glob("*/*.*ml") if page.suffix != ".yml")
FETCHED_AT = datetime(2026, 5, 31, 14, 59, 59, tzinfo=UTC)
CALLBACKS = {"list": "parse", "feed": "parse", "subject": "parse_subject", "article": "parse_article"}


class NothingKnown:
    """A crawl of an empty warehouse."""

    def __init__(self, source):
        self.source = source
        self.spared_pages = self.items = self.duplicates = self.redacted = 0

    async def off_reactor(self, function, *arguments):
        return function(*arguments)

    def known_articles(self, article_ids):
        return set()


async def outputs(result):
    return [output async for output in result] if hasattr(result, "__aiter__") else list(result)


def read(page: Path) -> list[dict]:
    source = read_source(page.parent / f"{page.parent.name}.yml")
    spider = SPIDERS[type(source)](crawl=NothingKnown(source))
    url = f"{source.start_urls[0]}/mangwon?page=2"
    entry = {"title": None, "section": None, "author": None, "published": None}
    response = (XmlResponse if page.suffix == ".xml" else HtmlResponse)(
        url, body=page.read_bytes(), request=Request(url, meta={"subject": "mangwon", "entry": entry})
    )
    intake = Intake(source.name, crawl_id=1)
    return [
        described(output, intake, url)
        for output in asyncio.run(outputs(getattr(spider, CALLBACKS[page.stem])(response)))
    ]


def described(output, intake: Intake, url: str) -> dict:
    if isinstance(output, Request):
        return {"next": output.url, "with": output.callback.__name__, "subject": output.meta["subject"]}
    item, finds = intake.take(output, url, FETCHED_AT)
    if isinstance(item, RefusedItem):
        return {"refused": item.reason, "payload": item.payload, "redacted": finds}
    facts = item.model_dump(mode="json", exclude={"source", "url", "crawl_id", "fetched_at"})
    return {**facts, "content_hash": item.content_hash, "redacted": finds}


def test_there_are_pages():
    assert {page.parent.name for page in PAGES} == {"json_ld", "selectors", "news"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_saved_page_gives_its_golden_records(page, monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the golden pages")
    golden = page.with_suffix(".json")
    found = read(page)
    if os.environ.get("MAEARI_WRITE_GOLDEN"):
        golden.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))
