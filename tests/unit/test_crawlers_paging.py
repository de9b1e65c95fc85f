"""The next address of a list of pages."""

import pytest

from crawlers.kinds import Cursor, Offsets, PageNumbers
from crawlers.paging import LOOKED_BACK, address_at, digest, encoded, following, with_parameters, with_shown
from maeari.redaction import redact

SITE = "https://shop.example"
PAGES = PageNumbers(by="page", last=3)
OFFSETS = Offsets(by="offset", parameter="start", first=1, step=100, last=1000)
CURSOR = Cursor(by="cursor", first="*")


@pytest.mark.parametrize(
    ("template", "paging", "place", "address"),
    [
        ("/list", PAGES, 2, "/list?page=2"),
        ("/list?page=1&sort=new", PAGES, 2, "/list?sort=new&page=2"),
        ("/list?q=%B8%DE%BE%C6&k=$%7BKEY%7D#top", PAGES, 2, "/list?q=%B8%DE%BE%C6&k=$%7BKEY%7D&page=2#top"),
        ("/list/{page}/id=7", PAGES, 2, "/list/2/id=7"),
        ("/list?from={offset}", OFFSETS, 101, "/list?from=101"),
        ("/list", OFFSETS, 101, "/list?start=101"),
        ("/list?cursor=old", CURSOR, "a+b/c==&d", "/list?cursor=a%2Bb%2Fc%3D%3D%26d"),
        ("/list/{cursor}", CURSOR, "../x?", "/list/..%2Fx%3F"),
    ],
)
def test_a_page_has_its_own_address(template, paging, place, address):
    assert address_at(SITE + template, paging, place) == SITE + address


def test_counted_pages_end_at_the_last():
    assert [following(PAGES, place) for place in (1, 2, 3)] == [2, 3, None]
    assert [following(OFFSETS, place) for place in (1, 801, 901)] == [101, 901, None]


def test_a_value_is_encoded_once_and_a_key_stays_a_name():
    assert encoded("a b&c=한") == "a+b%26c%3D%ED%95%9C"
    assert encoded("${DATA_GO_KR_KEY}") == "${DATA_GO_KR_KEY}"
    assert encoded("id ${A_KEY}, ${lower}") == "id+${A_KEY}%2C+%24%7Blower%7D"


def test_parameters_replace_those_of_the_address():
    assert with_parameters(f"{SITE}/list?a=1&b=2&a=3", {"a": "4"}) == f"{SITE}/list?b=2&a=4"
    assert with_parameters(f"{SITE}/list", {}) == f"{SITE}/list"


def test_pages_that_show_the_same_are_known_by_identifier_and_text():
    page = [{"source_review_id": "1", "body": "좋아요", "written_at": "3시간 전"}]
    assert digest(page) == digest([{**page[0], "written_at": "4시간 전"}])
    assert digest(page) != digest([{**page[0], "source_review_id": "2"}])
    assert digest(page) != digest([*page, *page])


def test_the_first_page_and_the_last_few_are_remembered():
    pages = [[{"source_review_id": str(n)}] for n in range(20)]
    shown: list[str] = []
    for page in pages:
        shown = with_shown(shown, page)
    assert shown == [digest(page) for page in [pages[0], *pages[-LOOKED_BACK:]]]


def test_no_digest_looks_like_personal_data():
    assert not [n for n in range(2_000) if redact(digest([{"body": str(n)}]))[1]]
