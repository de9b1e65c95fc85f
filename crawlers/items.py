"""What a crawl lands: closed, typed records of reviews and articles, and the records it refuses."""

import hashlib
import json
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from crawlers.dates import Precision

Text = Annotated[str, Field(min_length=1, max_length=200_000)]
Key = Annotated[str, Field(min_length=1, max_length=500)]
# A Korean word takes nine signs a syllable in an address.
Address = Annotated[str, Field(min_length=1, max_length=2_000)]
Rating = Annotated[float, Field(allow_inf_nan=False)]


class Item(BaseModel):
    """A record with its provenance; all text is redacted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Key
    url: Address
    crawl_id: int
    fetched_at: AwareDatetime

    @classmethod
    def of(cls, facts: dict[str, object]) -> Self:
        """The item of these facts; raises pydantic's ValidationError."""
        # All fields are required, so with as many facts as fields none can be unknown; to look takes a third longer.
        return cls.model_validate(facts, extra="ignore" if len(facts) == len(cls.__pydantic_fields__) else None)


class ReviewItem(Item):
    """One review as a page showed it."""

    source_review_id: Key
    subject_id: Key
    subject_name: Key | None
    author_key: str | None
    rating: Rating | None
    rating_max: Rating | None
    title: Text | None
    body: Text
    written_at: AwareDatetime | None
    written_at_precision: Precision | None

    @model_validator(mode="after")
    def _rating_lies_on_its_scale(self) -> "ReviewItem":
        if self.rating is not None and not 0 < self.rating <= self.rating_max:
            raise ValueError(f"rating {self.rating:g} is not on a scale up to {self.rating_max:g}")
        return self

    @property
    def content_hash(self) -> str:
        """Changes when title, body or rating change."""
        return _sha256(f"[{_json(self.title)}, {_json(self.body)}, {_json(self.rating)}]")


class ArticleItem(Item):
    """One article as its page showed it."""

    source_article_id: Key
    title: Text
    body: Text
    section: Key | None
    author_key: str | None
    published_at: AwareDatetime | None

    @property
    def content_hash(self) -> str:
        """Changes when title or body change."""
        return _sha256(f"[{_json(self.title)}, {_json(self.body)}]")


@dataclass(frozen=True)
class RefusedItem:
    """A record that breaks the contract, redacted, with the reason."""

    source: str
    kind: str
    reason: str
    payload: dict[str, str | None]
    crawl_id: int

    @property
    def payload_sha256(self) -> str:
        """Says whether this record was refused before: a relative date or an address changes without the record."""
        lasting = {name: value for name, value in self.payload.items() if name not in ("written_at", "url")}
        return _sha256(json.dumps(lasting, ensure_ascii=False))


def _sha256(json_text: str) -> str:
    return hashlib.sha256(json_text.encode()).hexdigest()


def _json(value: str | float | None) -> str:
    # As `json.dumps` writes it, which takes three times as long for a list.
    return encode_basestring(value) if value.__class__ is str else "null" if value is None else repr(value)
