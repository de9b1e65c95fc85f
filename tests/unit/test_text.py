"""Morphemes and terms of Korean text, hostile text included."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maeari.text import LONGEST, morphemes, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("커피가 맛있었어요. 근데 사장님이 불친절했어요", ["커피", "맛있다", "사장", "불친절하다"]),
        ("안 맛있고 맛있지는 않고 비싸지 않음", ["안 맛있다", "안 맛있다", "안 비싸다"]),
        ("못 가겠다. 가지 못했다. 가지 않았다", ["못 가다", "못 가다", "안 가다"]),
        ("맛이 없어요. 맛없다. 재방문 의사 없음", ["맛 없다", "맛 없다", "재방문", "의사 없다"]),
        ("깨끗했고 만족스러웠어요. 추천하지 않아요", ["깨끗하다", "만족스럽다", "안 추천하다"]),
        ("무서운 영화, 정말 better Coffee", ["무섭다", "영화", "정말", "better", "coffee"]),
        ("이거는 그냥 했다", ["그냥"]),
        ("ㅋㅋㅋ ... 123 😀", []),
    ],
)
def test_terms_are_content_words_in_the_form_of_a_dictionary(text, expected):
    (found,) = morphemes([text])
    assert [term.form for term in terms(found)] == expected


def test_positions_count_characters_as_python_does():
    text = "😀커피😀 𠀀맛있\ud800 \ud83d\ude00좋았다"
    (found,) = morphemes([text])
    assert {text[start:end] for _, start, end in terms(found)} == {"커피", "맛있", "좋"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec=None), max_size=40) | st.text("안못맛있없지 않다하고\x00\ud800😀", max_size=20)
    )
)
def test_any_text_has_morphemes_within_it(texts):
    found = list(morphemes(texts))
    assert len(found) == len(texts)
    for text, one in zip(texts, found, strict=True):
        assert all(0 <= start <= end <= len(text) for _, _, start, end in one)
        assert [start for _, _, start, _ in one] == sorted(start for _, _, start, _ in one)
        assert all(0 <= start < end <= len(text) for _, start, end in terms(one))


def test_a_very_long_text_is_read_to_a_limit():
    found = list(morphemes(["가" * 100_000, "맛있다 " * 25_000, ""]))
    assert max(end for _, _, _, end in found[0] + found[1]) <= LONGEST
    assert found[2] == []
