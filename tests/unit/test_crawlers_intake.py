"""What becomes of the records of one crawl."""

from datetime import UTC, datetime

import pytest

from crawlers.intake import Intake
from crawlers.items import RefusedItem, ReviewItem

URL = "https://shop.example/s"
FETCHED_AT = datetime(2026, 5, 31, tzinfo=UTC)


def take(intake: Intake, number: str, body: str | None):
    record = dict.fromkeys(("subject_name", "author", "rating", "rating_max", "title", "written_at"))
    record |= {"source_review_id": number, "subject_id": "s", "body": body}
    return intake.take(record, URL, FETCHED_AT)[0]


@pytest.fixture
def intake(monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the intake")
    return Intake("shop", crawl_id=1)


def test_one_identifier_has_one_content_in_a_crawl(intake):
    first, again, other = (take(intake, "1", body) for body in ("좋아요", "좋아요", "별로예요"))
    assert isinstance(first, ReviewItem)
    assert again == first
    assert isinstance(other, RefusedItem)
    assert (other.reason, other.payload["body"]) == ("identifier given twice with different content", "별로예요")
    assert isinstance(take(intake, "2", "별로예요"), ReviewItem)
    assert isinstance(take(Intake("shop", crawl_id=2), "1", "별로예요"), ReviewItem)


def test_a_refused_record_takes_no_identifier(intake):
    assert isinstance(take(intake, "1", None), RefusedItem)
    assert isinstance(take(intake, "1", "좋아요"), ReviewItem)
