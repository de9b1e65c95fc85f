"""Where a crawl stands: its requests that are still to be asked, kept in Postgres without personal data."""

import json

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.dupefilters import RFPDupeFilter

from crawlers.pages import Page
from maeari.redaction import hashed_author, redact


class AnsweredFilter(RFPDupeFilter):
    """Drops requests that were asked before: in this process, or answered in one that was killed."""

    def __init__(self, *arguments, answered: set[str], **named):
        super().__init__(*arguments, **named)
        self._answered = answered

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "AnsweredFilter":
        return cls(fingerprinter=crawler.request_fingerprinter, answered=crawler.spider.crawl.answered)

    def request_seen(self, request: Request) -> bool:
        return self.fingerprinter.fingerprint(request).hex() in self._answered or super().request_seen(request)


def describe(request: Request, author_key: bytes) -> dict | None:
    """A request as plain values without personal data; None when its address or its place holds some."""
    meta = {name: value for name, value in request.meta.items() if name != "request_key"}
    clean = {name: _clean(name, value, author_key) for name, value in meta.items()}
    # Only a record's parts, which are dicts, may come back redacted: with another address another page would be read.
    is_same = all(clean[name] == value for name, value in meta.items() if isinstance(value, str | list))
    if redact(request.url)[0] != request.url or not is_same:
        return None
    return {"url": request.url, "callback": request.callback.__name__, "meta": clean}


def restore(spider, described: dict) -> Request:
    """The request that was described, asked through the spider."""
    return spider.ask(described["url"], getattr(spider, described["callback"]), **described["meta"])


def save(cursor: Cursor, crawl_id: int, pages: list[Page]) -> None:
    """Keep the requests that pages led to, and mark the pages' own as answered."""
    new = {key: request for page in pages for key, request in page.requests.items()}
    if new:
        execute_values(
            cursor,
            "insert into ops.crawl_requests (crawl_id, request_key, request) values %s on conflict do nothing",
            [(crawl_id, key, json.dumps(request, ensure_ascii=False)) for key, request in new.items()],
            page_size=1_000,
        )
    answered = {key for page in pages for key in page.answered}
    if answered:
        execute_values(
            cursor,
            "insert into ops.crawl_requests (crawl_id, request_key, request, is_done) values %s "
            "on conflict (crawl_id, request_key) do update set is_done = true, request = excluded.request",
            [(crawl_id, key, "{}", True) for key in sorted(answered)],
            page_size=1_000,
        )


def load(cursor: Cursor, crawl_id: int) -> tuple[list[dict], set[str]]:
    """The requests that are still to be asked, in their order, and the keys of those that were answered."""
    cursor.execute(
        "select request from ops.crawl_requests where crawl_id = %s and not is_done order by request_no", (crawl_id,)
    )
    pending = [request for (request,) in cursor.fetchall()]
    cursor.execute("select request_key from ops.crawl_requests where crawl_id = %s and is_done", (crawl_id,))
    return pending, {key for (key,) in cursor.fetchall()}


def delete(cursor: Cursor, crawl_id: int) -> None:
    """Forget where a crawl stood."""
    cursor.execute("delete from ops.crawl_requests where crawl_id = %s", (crawl_id,))


def _clean(name: str, value: object, author_key: bytes) -> object:
    match value:
        case str() if name == "author":
            return hashed_author(value, author_key)
        case str() if name == "subject":
            return value  # Clean since it was asked for; the digits of its hash may look like a phone number.
        case str():
            return redact(value)[0]
        case dict():
            return {key: _clean(key, part, author_key) for key, part in value.items()}
        case list():
            return [_clean(name, part, author_key) for part in value]
    return value
