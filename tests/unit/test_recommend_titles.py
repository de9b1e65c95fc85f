"""Titles and authors as people type them."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.recommend.titles import TitleIndex, author_names, letters


@dataclass(frozen=True)
class Titled:
    book_id: str
    title: str
    author: str | None = None


BOOKS = [
    Titled("demian", "데미안", "헤르만 헤세 (지은이), 전영애 (옮긴이)"),
    Titled("namiya", "나미야 잡화점의 기적", "히가시노 게이고 지음"),
    Titled("sapiens", "사피엔스: 유인원에서 사이보그까지", "유발 하라리"),
    Titled("momo", "모모", "미하엘 엔데"),
    Titled("store", "불편한 편의점", "김호연"),
    Titled("store-2", "불편한 편의점 2", "김호연"),
    Titled("black-flower", "검은 꽃", "김영하"),
    Titled("1984", "1984", "조지 오웰"),
    Titled("prince", "Le Petit Prince", "Antoine de Saint-Exupéry"),
    Titled("demian-other", "데미안", "헤르만 헤세"),
    Titled("unnamed", "…", None),
]
INDEX = TitleIndex(BOOKS)


def found(text: str) -> list[str]:
    return [match.book_id for match in INDEX.find(text, 3)]


@pytest.mark.parametrize(
    ("typed", "book_id"),
    [
        ("데미안", "demian"),
        ("  데 미 안 ", "demian"),
        ("『데미안』을", "demian"),
        ("데미안이랑은", "demian"),
        ("대미안", "demian"),
        ("나미야잡화점의기적", "namiya"),
        ("나미야 잡화점", "namiya"),
        ("나미야 잡화점에 기적", "namiya"),
        ("나미야 잡화점의 기적 같은", "namiya"),
        ("사피엔스", "sapiens"),
        ("사피언스", "sapiens"),
        ("모모", "momo"),
        ("불편한 편의점2", "store-2"),
        ("불편한편의점", "store"),
        ("１９８４", "1984"),
        ("le petit prince!", "prince"),
        ("LE PETIT PRICE", "prince"),
    ],
)
def test_a_title_is_found_however_it_is_typed(typed, book_id):
    assert found(typed)[0] == book_id


@pytest.mark.parametrize(
    "typed",
    [
        "잔잔한 가족 이야기",
        "바다에 대한 소설 추천해줘",
        "모머",
        "",
        " ",
        "🙂🙂",
        "select * from books",
        "…",
        "가" * 10_000,
    ],
)
def test_free_words_are_no_title(typed):
    assert found(typed) == []


def test_books_of_the_same_title_come_in_the_order_of_the_catalogue_and_sure_ones_score_one():
    assert [tuple(match) for match in INDEX.find("데미안", 5)] == [("demian", 1.0), ("demian-other", 1.0)]
    assert [tuple(match) for match in INDEX.find("데미안", 1)] == [("demian", 1.0)]
    assert INDEX.find("대미안", 1)[0].score < 1
    assert len(INDEX) == len(BOOKS)


@pytest.mark.parametrize(
    ("typed", "book_id"),
    [
        ("어제 나미야 잡화점의 기적을 읽었는데 비슷한 책 있어?", "namiya"),
        ("『모모』 좋았어", "momo"),
        ("'대미안' 같은 책", "demian"),
        ("불편한 편의점 2 다음에 뭐 읽지", "store-2"),
    ],
)
def test_a_title_is_found_within_a_sentence(typed, book_id):
    assert INDEX.mentioned(typed, 1)[0].book_id == book_id


@pytest.mark.parametrize("typed", ["모모 좋았어", "오늘은 잔잔한 이야기가 좋아", "", "『』", "『없는 책』"])
def test_two_letters_within_a_sentence_are_no_title(typed):
    assert INDEX.mentioned(typed, 3) == []


@pytest.mark.parametrize(
    ("typed", "name", "book_ids"),
    [
        ("헤르만 헤세", "헤르만 헤세", ("demian", "demian-other")),
        ("헤르만헤세의", "헤르만 헤세", ("demian", "demian-other")),
        ("헤세", "헤르만 헤세", ("demian", "demian-other")),
        ("하라리가", "유발 하라리", ("sapiens",)),
        ("히가시노 게이코", "히가시노 게이고", ("namiya",)),
        ("김영하", "김영하", ("black-flower",)),
        ("전영애", "전영애", ("demian",)),
    ],
)
def test_an_author_is_found(typed, name, book_ids):
    assert INDEX.find_author(typed)[:2] == (name, book_ids)


@pytest.mark.parametrize("typed", ["김영한", "작가", "", "🙂", "가" * 10_000])
def test_a_slip_in_a_short_name_is_another_person(typed):
    assert INDEX.find_author(typed) is None


def test_an_author_is_found_within_a_sentence():
    assert INDEX.mentioned_author("김영하가 쓴 책 보여줘").name == "김영하"
    assert INDEX.mentioned_author("헤르만 헤세 책 있어?").name == "헤르만 헤세"
    assert INDEX.mentioned_author("누가 쓴 책이든 보여줘") is None


def test_what_an_author_did_is_no_part_of_the_name():
    assert author_names("헤르만 헤세 (지은이), 전영애 (옮긴이)") == ["헤르만 헤세", "전영애"]
    assert author_names("김영하 지음 · 이우일 그림") == ["김영하", "이우일"]
    assert author_names("김호연 저 및 편집부 엮음") == ["김호연", "편집부"]
    assert author_names(" / ") == author_names(None) == []


def test_an_empty_catalogue_finds_nothing():
    empty = TitleIndex([])
    assert empty.find("데미안", 3) == empty.mentioned("데미안", 3) == []
    assert empty.find_author("헤르만 헤세") is empty.mentioned_author("헤르만 헤세") is None


@given(st.text(max_size=120))
def test_whatever_is_typed_gets_an_answer(typed):
    assert len(INDEX.find(typed, 3)) <= 3
    INDEX.mentioned(typed, 3), INDEX.find_author(typed), INDEX.mentioned_author(typed)
    assert not set(letters(typed)) & set(" .,!?『』_")


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=20, unique_by=letters))
def test_every_title_finds_its_book(titles):
    index = TitleIndex([Titled(str(place), title) for place, title in enumerate(titles)])
    for place, title in enumerate(titles):
        if letters(title):
            assert str(place) in [match.book_id for match in index.find(title, 20)]
