"""What becomes of the records of one crawl."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawlers.intake import _DAY, _MOMENT, Intake
from crawlers.items import RefusedItem, ReviewItem
from maeari.redaction import hashed_author, redact, redact_key

URL = "https://shop.example/s"
FETCHED_AT = datetime(2026, 5, 31, tzinfo=UTC)
KEY = b"the key of the intake"


RECORD = dict.fromkeys(("subject_name", "author", "rating", "rating_max", "title", "written_at"))
RECORD |= {"source_review_id": "1", "subject_id": "s", "body": "좋아요"}
DATES = st.from_regex(_MOMENT, fullmatch=True) | st.from_regex(_DAY, fullmatch=True)
TEXTS = st.lists(
    st.sampled_from(
        [*"0123456789", "010", "4111", "850101", "@", ".", "-", " ", ") ", "\n", "가", "요", "a.kr", "１", "\x00"]
    )
    | st.characters(codec=None),
    max_size=30,
).map("".join)


@pytest.fixture
def intake(monkeypatch):
    monkeypatch.setenv("MAEARI_AUTHOR_KEY", "the key of the intake")
    return Intake("shop", crawl_id=1)


def test_a_record_without_a_body_is_refused(intake):
    item, _ = intake.take(RECORD | {"body": None}, URL, FETCHED_AT)
    assert isinstance(item, RefusedItem)
    assert item.reason == "body is missing"
    assert isinstance(intake.take(RECORD, URL, FETCHED_AT)[0], ReviewItem)


def test_an_unknown_field_is_refused(intake):
    item, _ = intake.take(RECORD | {"mood": "좋음"}, URL, FETCHED_AT)
    assert isinstance(item, RefusedItem)
    assert item.reason.startswith("mood: ")


def test_the_address_is_redacted_and_stands_without_its_fragment(intake):
    item, finds = intake.take(RECORD, f"{URL}?tel=010-2345-6789#reviews", FETCHED_AT)
    assert (item.url, finds) == (f"{URL}?tel=[phone]", 1)


@pytest.mark.parametrize(("end", "scale"), [("10", 10), ("5점", 5), ("5.0", 5), ("100%", 100), ("열", None)])
def test_the_end_of_the_scale_may_have_a_unit(intake, end, scale):
    item, _ = intake.take(RECORD | {"rating": "4", "rating_max": end}, URL, FETCHED_AT)
    if scale is None:
        assert item.reason == f"the end of the rating's scale, “{end}”, cannot be read"
    else:
        assert (item.rating, item.rating_max) == (4, scale)


@given(DATES)
def test_dates_that_pass_by_their_form_hold_nothing_to_redact(date):
    assert redact(date) == (date, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({name: st.none() | TEXTS for name in RECORD}))
def test_a_record_is_redacted_as_each_of_its_texts_alone(intake, record):
    clean, finds = intake.redact(record)
    expected = {}
    for name, text in record.items():
        text = text and text.strip()
        if name == "author":
            expected["author_key"] = (hashed_author(text, KEY) if text else None), 0
        elif name in ("source_review_id", "subject_id"):
            expected[name] = redact_key(text, KEY) if text else (None, 0)
        else:
            expected[name] = redact(text) if text else (None, 0)
    assert list(clean.items()) == [(name, text) for name, (text, _) in expected.items()]
    assert finds == sum(found for _, found in expected.values())


@given(st.none() | st.text(min_size=1), st.text(min_size=1), st.none() | st.floats(0.01, 10))
def test_the_hash_is_of_the_json_of_title_body_and_rating(title, body, rating):
    facts = dict.fromkeys(ReviewItem.model_fields) | {"title": title, "body": body, "rating": rating}
    written = json.dumps([title, body, rating], ensure_ascii=False)
    try:
        expected = hashlib.sha256(written.encode()).hexdigest()
    except UnicodeEncodeError:
        return
    assert ReviewItem.model_construct(**facts).content_hash == expected
