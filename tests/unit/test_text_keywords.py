"""What a text is about: its keywords, whatever it holds, and the strings that may be words nobody knows yet."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maeari.text import LONGEST, LONGEST_KEYWORD, Morpheme, Word, frequent_strings, keywords, morphemes

# One dictionary for all tests: each loads an analyser of its own.
WORDS = (
    Word("독립 서점", "NNG"), Word("챗GPT", "NNP"), Word("코로나19", "NNP"), Word("미세 먼지", "NNG"),
    Word("최저 임금", "NNG"), Word("최저 임금 위원회", "NNP"), Word("AI 반도체", "NNG"),
)  # fmt: skip
ZERO_WIDTH = "\u200b\u200c\u200d\u200e\u200f"


def keywords_of(text: str, kept: tuple[str, ...] = (), words: tuple[Word, ...] = WORDS) -> list[str]:
    (found,) = morphemes([text], words)
    return keywords(found, kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("정부가 일회용품 규제를 폐지했다. 폐지한 이유", ["정부", "일회용품", "규제", "폐지", "폐지", "이유"]),
        ("커피가 맛있고 예뻐서 또 갔다", ["커피", "맛있다", "예쁘다", "가다"]),
        ("깨끗한 골목과 조용한 가게", ["깨끗하다", "골목", "조용하다", "가게"]),
        ("불친절했던 신제품 매장", ["불친절", "신제품", "매장"]),
        ("BTS의 Coffee, 中國 여행", ["bts", "coffee", "中國", "여행"]),
        ("#카페투어 #Seoul", ["카페투어", "seoul"]),
        ("#카페\u3000여행\u00a0#커피\x1f원두", ["카페", "여행", "커피", "원두"]),
        ("독립 서점과 독립서점과 독립\n서점", ["독립서점"] * 3),
        ("챗GPT로 코로나19를 묻다", ["챗gpt", "코로나19", "묻다"]),
        ("정말 빨리, 그리고 아주 많이", []),
        ("ㅋㅋㅋ ... 123 😀", []),
        ("", []),
    ],
)
def test_keywords_are_nouns_names_and_foreign_words_verbs_and_adjectives(text, expected):
    assert keywords_of(text) == expected


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("Prices", "price"), ("stories", "story"), ("teams", "team"), ("houses", "house"), ("glass", "glass"),
        ("bonus", "bonus"), ("trees", "trees"), ("shoes", "shoes"), ("bus", "bus"), ("AS", "as"), ("Coffee", "coffee"),
    ],
)  # fmt: skip
def test_an_english_plural_counts_as_its_singular_where_its_ending_tells(plural, expected):
    assert keywords([Morpheme(plural, "SL", 0, len(plural))]) == [expected]


def test_a_word_with_a_space_is_one_wherever_its_nouns_stand_side_by_side():
    expected = {
        "미세먼지가 심하다": ["미세먼지", "심하다"],
        "미세 먼지가 심하다": ["미세먼지", "심하다"],
        "초미세\n먼지 주의보": ["초미세먼지", "주의보"],
        "미세·먼지, 먼지 미세": ["미세", "먼지", "먼지", "미세"],
        "최저임금과 최저 임금의 최저임금위원회, 최저 임금 위원회": [
            "최저임금",
            "최저임금",
            "최저임금위원회",
            "최저임금위원회",
        ],
        "Ai 반도체와 AI반도체": ["ai반도체", "ai반도체"],
        "최저 기온": ["최저", "기온"],
    }
    assert {text: keywords_of(text) for text in expected} == expected
    text = "오늘 미세  먼지가"
    (found,) = morphemes([text], WORDS)
    assert [text[one.start : one.end] for one in found] == ["오늘", "미세  먼지", "가"]
    assert found[1].tag == "NNG"


def test_what_is_too_long_for_a_word_is_none_unless_it_is_kept():
    longest, longer = "가" * LONGEST_KEYWORD, "가" * (LONGEST_KEYWORD + 1)
    found = [Morpheme(form, "NNG", 0, 1) for form in (longest, longer)]
    assert keywords(found) == [longest]
    assert keywords(found, kept=(longer,)) == [longest, longer]


def test_nouns_of_one_character_are_left_out_unless_they_are_kept():
    assert keywords_of("물과 빵을 샀다") == ["사다"]
    assert keywords_of("물과 빵을 샀다", kept=("빵",)) == ["빵", "사다"]


def test_a_prefix_belongs_to_the_noun_after_it_and_to_no_other():
    found = [
        Morpheme("초", "XPN", 0, 1),
        Morpheme("미세", "NNG", 1, 3),
        Morpheme("먼지", "NNG", 4, 6),
        Morpheme("맨", "XPN", 7, 8),
        Morpheme("하", "VV", 8, 9),
        Morpheme("손", "NNG", 9, 10),
    ]
    assert keywords(found) == ["초미세", "먼지", "하다"]


def test_a_root_without_its_suffix_is_no_word():
    assert keywords([Morpheme("깨끗", "XR", 0, 2)]) == []
    assert keywords([Morpheme("깨끗", "XR", 0, 2), Morpheme("하", "XSA", 2, 3)]) == ["깨끗하다"]
    assert keywords([Morpheme("거들먹", "XR", 0, 3), Morpheme("거리", "XSV", 3, 5)]) == []


def test_words_stand_in_order_and_as_often_as_they_are_said():
    assert keywords_of("원두와 우유, 원두와 빵집, 우유") == ["원두", "우유", "원두", "빵집", "우유"]


@pytest.mark.parametrize("character", ZERO_WIDTH)
def test_a_character_without_width_parts_words_and_is_part_of_none(character):
    assert keywords_of(f"갤럭시{character} 화면, 독립{character}서점") == ["갤럭시", "화면", "독립서점"]


PIECES = (
    st.text(st.characters(codec=None), max_size=40)
    | st.text("독립서점이챗GPT#초 폐지하다\n\x00\ud800😀\u200b\u3000", max_size=30)
    | st.sampled_from(["#카페 투어", "とても良い", "СССР и", "مرحبا", "a" * 300, "가" * 300, "e\u0301 \u1100\u1161"])
)


@settings(max_examples=80)
@example([f"{character}갤럭시{character}워치{character}" for character in ZERO_WIDTH])
@given(st.lists(PIECES, max_size=4))
def test_any_text_has_words_without_spaces(texts):
    for found in morphemes(texts, WORDS):
        for word in keywords(found, kept={"빵"}):
            assert word
            assert not any(character.isspace() or character in ZERO_WIDTH for character in word)
            assert not any("\ud800" <= character <= "\udfff" for character in word)
            assert len(word) > 1 or word == "빵"


def test_what_stands_beyond_the_limit_is_not_read():
    filler = "나는 " * (LONGEST // 3)
    within, beyond = f"원두 {filler}"[:LONGEST], f"{filler} "[: LONGEST - 1].ljust(LONGEST) + "원두"
    assert "원두" in keywords_of(within)
    assert "원두" not in keywords_of(beyond)


def test_a_string_that_nobody_knows_is_found_among_many_texts():
    draws = random.Random(1)
    before = ["요즘", "어제", "그래서", "우리", "회사", "동네", "새로운", "서울", "매일", "드디어", "아침", "주말"]
    nouns = ["두쫀쿠", "커피", "라떼", "빵집", "서점", "도서관", "카페", "지하철"]
    after = ["를", "가", "는", "도", "만", "의", "에", "보다", "로", "처럼", "라는", "와"]
    texts = [f"{draws.choice(before)}{draws.choice(nouns)}{draws.choice(after)}\ud800" for _ in range(800)]
    found = frequent_strings(texts, 10)
    assert "두쫀쿠" in [form for form, _, _ in found]
    assert all(count >= 10 for _, _, count in found)
    assert [score for _, score, _ in found] == sorted((score for _, score, _ in found), reverse=True)


def test_no_texts_have_no_strings():
    assert frequent_strings([], 10) == []
