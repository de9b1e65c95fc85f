"""Turns what a spider found into an item: redacted first, then stamped, read and validated."""

from datetime import datetime
from urllib.parse import urldefrag

from pydantic import ValidationError

from crawlers.dates import read_date
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.redaction import keyed_hash, redact, redact_key
from crawlers.stars import read_stars
from maeari import clock
from maeari.settings import Settings

Record = dict[str, str | None]
KEYS = ("source_review_id", "source_article_id", "subject_id")


class Intake:
    """Takes the records of one crawl of one source; what it returns holds no personal data."""

    def __init__(self, source: str, crawl_id: int):
        self.source = source
        self.crawl_id = crawl_id
        self._author_key = Settings().author_key()
        self._zone = clock.zone()
        self._contents: dict[str, bytes] = {}

    def take(
        self, record: Record, url: str, fetched_at: datetime
    ) -> tuple[ReviewItem | ArticleItem | RefusedItem, int]:
        """The item of a record, or the refusal that says why it has none, and how many finds were redacted."""
        clean, finds = self.redact({**record, "url": urldefrag(url).url})
        kind = "review" if "source_review_id" in clean else "article"
        reason = clean.pop("refused", None)
        if reason is None:
            try:
                item = self._item(kind, clean, fetched_at)
                if self._is_first_or_same(item.content_hash, clean[f"source_{kind}_id"]):
                    return item, finds
                reason = "identifier given twice with different content"
            except ValidationError as error:
                reason = _reason(error)
            except ValueError as error:
                reason = str(error)
        return RefusedItem(self.source, kind, reason, clean, self.crawl_id), finds

    def redact(self, record: Record) -> tuple[Record, int]:
        """The record without personal data: the author a keyed hash, every string redacted."""
        clean: Record = {}
        finds = 0
        for name, written in record.items():
            text = written and written.strip()
            if name == "author":
                clean["author_key"] = keyed_hash(text, self._author_key) if text else None
            elif not text:
                clean[name] = None
            else:
                clean[name], found = redact_key(text, self._author_key) if name in KEYS else redact(text)
                finds += found
        return clean, finds

    def _is_first_or_same(self, content_hash: str, key: str) -> bool:
        # Two contents of one identifier would take turns as its newest version, at every crawl anew.
        digest = bytes.fromhex(content_hash)[:16]
        return self._contents.setdefault(key, digest) == digest

    def _item(self, kind: str, record: Record, fetched_at: datetime) -> ReviewItem | ArticleItem:
        facts = dict(record, source=self.source, crawl_id=self.crawl_id, fetched_at=fetched_at)
        if kind == "article":
            published = record["published_at"]
            facts["published_at"] = read_date(published, fetched_at, self._zone)[0] if published else None
            return ArticleItem.model_validate(facts)
        written, rating, scale = record["written_at"], record["rating"], record["rating_max"]
        facts["written_at"], facts["written_at_precision"] = (
            read_date(written, fetched_at, self._zone) if written else (None, None)
        )
        facts["rating"], facts["rating_max"] = read_stars(rating, float(scale)) if rating else (None, None)
        return ReviewItem.model_validate(facts)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["input"] is None or first["type"] in ("missing", "string_too_short"):
        return f"{field} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
