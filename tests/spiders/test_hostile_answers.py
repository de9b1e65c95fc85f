"""Answers of interfaces in which one record is hurt: no crash, a reason for each refusal, no lost neighbour."""

import asyncio
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from scrapy import Request
from scrapy.http import TextResponse

from crawlers.intake import Intake
from crawlers.items import RefusedItem
from crawlers.pages import Counts
from crawlers.sources import FOLDER, read_source
from crawlers.spiders import SPIDERS

FETCHED_AT = datetime(2026, 5, 31, 14, 59, 59, tzinfo=UTC)
SAVED = Path(__file__).parent / "pages"
# The records of a saved answer, as a path of keys.
RECORDS = {
    "steam_reviews/answer.json": ("reviews",),
    "app_store_reviews/answer.json": ("feed", "entry"),
    "naver_news/answer.json": ("items",),
    "data_go_kr_bid_notices/answer_list.json": ("response", "body", "items"),
}
HOSTILE = [
    *(None, True, -1, 10**400, 1e308, "", " ", "x" * 300_000, "\x00", "\ud83d", "'; drop table raw.reviews; --"),
    *(
        [],
        {},
        [[]],
        [None],
        {"label": {"label": []}},
        {"label": None},
        "<script>alert(1)</script>",
        "javascript:alert(1)",
    ),
    *(
        "http://[",
        "9" * 40,
        "-0",
        "1e999",
        "2025-13-45",
        "💥" * 1000,
        "${DATA_GO_KR_KEY}",
        "{subject}",
        [1, "a", {"b": 2}],
    ),
]


def read(source, body: bytes) -> list[str]:
    """The content hashes of the records that were taken."""
    crawl = SimpleNamespace(source=source, page=Counts(), as_of=date(2026, 5, 31))
    spider = SPIDERS[type(source)](crawl=crawl)

    async def first() -> Request:
        return await anext(spider.start())

    request = asyncio.run(first())
    intake = Intake(source.name, crawl_id=1)
    taken = []
    for output in spider.parse(TextResponse(request.url, body=body, request=request)):
        if isinstance(output, Request):
            assert output.url.startswith("https://")
            continue
        item, _ = intake.take(output, request.url, FETCHED_AT)
        if isinstance(item, RefusedItem):
            assert item.reason
            json.dumps(item.payload, ensure_ascii=False).encode()
        else:
            item.model_dump_json()
            taken.append(item.content_hash)
    return taken


def hurt(record: object, chance: random.Random) -> object:
    if isinstance(record, dict) and record and chance.random() < 0.9:
        key = chance.choice(list(record))
        return {**record, key: hurt(record[key], chance)}
    return chance.choice(HOSTILE)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("seed", range(60))
def test_a_hurt_record_takes_no_other_with_it(name, seed, monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the golden pages")
    chance = random.Random(f"{name} {seed}")
    answer = json.loads((SAVED / name).read_text(encoding="utf-8"))
    source = read_source(FOLDER / f"{name.partition('/')[0]}.yml")
    *path, last = RECORDS[name]
    holder = answer
    for key in path:
        holder = holder[key]
    victim = chance.randrange(len(holder[last]))
    rest = [record for n, record in enumerate(holder[last]) if n != victim]
    broken = [hurt(record, chance) if n == victim else record for n, record in enumerate(holder[last])]
    holder[last] = rest
    unhurt = read(source, json.dumps(answer).encode())
    holder[last] = broken
    found = read(source, json.dumps(answer).encode())
    assert unhurt
    assert [one for one in found if one in unhurt] == unhurt
    assert len(found) <= len(unhurt) + 1


@pytest.mark.parametrize("name", RECORDS)
def test_bytes_that_are_cut_or_changed_break_nothing(name, monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the golden pages")
    body = (SAVED / name).read_bytes()
    source = read_source(FOLDER / f"{name.partition('/')[0]}.yml")
    chance = random.Random(name)
    for _ in range(200):
        changed = bytearray(body[: chance.randrange(len(body))] if chance.random() < 0.3 else body)
        for _ in range(chance.randrange(1, 4)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        read(source, bytes(changed))
