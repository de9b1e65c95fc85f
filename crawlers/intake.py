"""Turns what a spider found into an item: redacted first, then stamped, read and validated."""

import re
from datetime import datetime
from functools import lru_cache
from urllib.parse import urldefrag

from pydantic import ValidationError

from crawlers.dates import read_date
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.stars import read_stars
from maeari import clock
from maeari.redaction import hashed_author, is_plain, redact, redact_key
from maeari.settings import Settings

Record = dict[str, str | None]
LONGEST_SECTION = 500
KEYS = ("source_review_id", "source_article_id", "subject_id")
DATES = ("written_at", "published_at")
_APART = {"author_key", *KEYS, *DATES}

# Neither form can hold personal data, and both are full of digits: they would take the slow way.
_MOMENT = re.compile(r"(?:19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DAY = re.compile(r"(?:19|20)\d\d([.\-/]) ?\d\d?\1 ?\d\d?\.?", re.ASCII)
# More signs than may lie between two digits of one number.
_BETWEEN = "\n\n\n\n"

# What the records of a page or of a subject share.
_redact_address = lru_cache(maxsize=64)(lambda url: redact(urldefrag(url).url))
_read_date = lru_cache(maxsize=1_024)(read_date)
_read_stars = lru_cache(maxsize=1_024)(read_stars)


class Intake:
    """Takes the records of one crawl of one source; what it returns holds no personal data."""

    def __init__(self, source: str, crawl_id: int):
        self.source = source
        self.crawl_id = crawl_id
        self._author_key = Settings().author_key()
        self._zone = clock.zone()

    def take(
        self, record: Record, url: str, fetched_at: datetime
    ) -> tuple[ReviewItem | ArticleItem | RefusedItem, int]:
        """The item of a record, or the refusal that says why it has none, and how many finds were redacted."""
        clean, finds = self.redact(record)
        # A record of an interface may name the page that shows it.
        clean["url"], found = _redact_address(clean.get("url") or url)
        return self.item(clean, fetched_at), finds + found

    def redact(self, record: Record) -> tuple[Record, int]:
        """The record without personal data: the author a keyed hash, every string redacted."""
        clean = {
            "author_key" if name == "author" else name: text.strip() or None if text else None
            for name, text in record.items()
        }
        if author := clean.get("author_key"):
            clean["author_key"] = hashed_author(author, self._author_key)
        finds = 0
        for name in KEYS:
            if (text := clean.get(name)) and not is_plain(text):
                clean[name], found = redact_key(text, self._author_key)
                finds += found
        for name in DATES:
            if (text := clean.get(name)) and not (_MOMENT.fullmatch(text) or _DAY.fullmatch(text)):
                clean[name], found = redact(text)
                finds += found
        # One look at all the others: of a hundred records, one or two hold anything to redact.
        if not is_plain(_BETWEEN.join([text for name, text in clean.items() if text and name not in _APART])):
            for name, text in clean.items():
                if text and name not in _APART:
                    clean[name], found = redact(text)
                    finds += found
        return clean, finds

    def item(self, clean: Record, fetched_at: datetime) -> ReviewItem | ArticleItem | RefusedItem:
        """The item of a redacted record, or the refusal that says why it has none."""
        kind = "review" if "source_review_id" in clean else "article"
        reason = clean.pop("refused", None)
        if reason is None:
            try:
                return self._review(clean, fetched_at) if kind == "review" else self._article(clean, fetched_at)
            except ValidationError as error:
                reason = _reason(error)
            except ValueError as error:
                reason = str(error)
        return RefusedItem(self.source, kind, reason, clean, self.crawl_id)

    def _review(self, record: Record, fetched_at: datetime) -> ReviewItem:
        written, rating = record["written_at"], record["rating"]
        written_at, precision = self._read_date(written, fetched_at) if written else (None, None)
        stars, scale = _read_stars(rating, _scale(record["rating_max"])) if rating else (None, None)
        return ReviewItem.of(
            {
                **record,
                "source": self.source,
                "crawl_id": self.crawl_id,
                "fetched_at": fetched_at,
                "written_at": written_at,
                "written_at_precision": precision,
                "rating": stars,
                "rating_max": scale,
            }
        )

    def _article(self, record: Record, fetched_at: datetime) -> ArticleItem:
        published = record["published_at"]
        published_at = self._read_date(published, fetched_at)[0] if published else None
        section = record["section"] and record["section"][:LONGEST_SECTION]
        provenance = {"section": section, "source": self.source, "crawl_id": self.crawl_id, "fetched_at": fetched_at}
        return ArticleItem.of({**record, **provenance, "published_at": published_at})

    def _read_date(self, text: str, fetched_at: datetime) -> tuple:
        if _MOMENT.fullmatch(text):
            return read_date(text, fetched_at, self._zone)
        if _DAY.fullmatch(text):
            # A whole date means the same at any hour, so pages share what was read.
            fetched_at = fetched_at.replace(minute=0, second=0, microsecond=0)
        return _read_date(text, fetched_at, self._zone)


def _scale(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _read_stars(text, 5.0)[0]
    except ValueError:
        raise ValueError(f"the end of the rating's scale, “{text[:40]}”, cannot be read") from None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["input"] is None or first["type"] in ("missing", "string_too_short"):
        return f"{field} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
