"""Texts in stretches that say which side they speak for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maeari.text import joined
from ml.sentiment import explain
from web import colouring

# Jamo and accents that NFC composes, spaces of all kinds, joiners and what no font shows.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("가 \n\t\u3000\u1112\u1161\u11abe\u0301👨\u200d👩"),
    max_size=60,
)
TITLES = st.none() | TEXTS


def contributions_of(title: str | None, body: str, seed: int) -> list[float]:
    return np.random.default_rng(seed).normal(0, 0.6, len(joined(title, body))).tolist()


@given(TITLES, TEXTS, st.integers(0, 9))
def test_no_character_is_lost_and_the_words_are_those_of_the_explanation(title, body, seed):
    values = contributions_of(title, body, seed)

    whole = colouring.colour(title, body, values)
    words = colouring.words(title, body, values)

    shown = "".join(one.text for one in whole.title) + ("\n" if title else "")
    assert shown + "".join(one.text for one in whole.body) == joined(title, body)
    expected = explain.words(joined(title, body), np.array(values))
    assert [word.text for word in words] == [word.text for word in expected]
    marked = sum(one.contribution or 0 for one in [*whole.title, *whole.body])
    assert marked == pytest.approx(sum(word.contribution for word in words), abs=1e-6)
    assert [word.contribution for word in words] == pytest.approx([word.contribution for word in expected], abs=1e-6)


def test_a_word_is_parted_where_it_turns_and_marked_by_its_strength():
    found = colouring.colour(
        "제목", "맛있지만별로 좋아요", [0.1, 0.1, 0, 0.7, 0.6, -0.1, 0.05, -0.9, -0.9, 0, 0.2, 0.2, 0.1]
    )

    assert [(one.text, one.tone) for one in [*found.title, *found.body]] == [
        ("제목", ""), ("맛있", "plus-2"), ("지만별로", "minus-3"), (" ", ""), ("좋아요", "plus-1"),
    ]  # fmt: skip


def test_a_text_that_changed_since_is_shown_plain_and_a_long_one_is_cut():
    changed = colouring.colour("제목", "본문", [1.0, 1.0])
    long = colouring.colour(None, "가" * 100_000, [0.1] * 100_000)

    assert not changed.is_explained
    assert [(one.text, one.tone) for one in [*changed.title, *changed.body]] == [("제목", ""), ("본문", "")]
    assert long.left_out == 100_000 - colouring.LONGEST_TEXT
    assert sum(len(one.text) for one in long.body) == colouring.LONGEST_TEXT


def test_values_of_another_text_are_left_out_of_the_words():
    words = colouring.words(None, "둘 셋", [1.0, 0.5, -1.0], shap=[0.1], lime=[0.2, 0.3])

    assert [(word.contribution, word.shap, word.lime) for word in words] == [(1.5, None, 0.2), (-1.0, None, 0.3)]
