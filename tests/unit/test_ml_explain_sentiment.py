"""Contributions told by words, morphemes, terms and aspects; SHAP and LIME next to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maeari.text import morphemes, terms
from ml.errors import ConfigError
from ml.sentiment import aspects, explain
from ml.sentiment.classifier import Contributions, ReviewClassifier

GOOD = [
    "커피가 정말 맛있어요",
    "직원분이 친절해요",
    "자리가 넓고 편해요",
    "가격이 착해요 또 올게요",
    "최고예요 추천해요",
]
BAD = [
    "커피가 너무 밍밍해요",
    "직원분이 불친절해요",
    "자리가 좁고 시끄러워요",
    "가격이 비싸요 별로예요",
    "최악이에요 실망했어요",
]
HOSTILE = ["", " \n", "😀", "a", "<script>alert(1)</script>", "\x00\x1b[31m\ud800", "ㅋ" * 3_000, "맛있다 " * 20_000]

any_text = st.text(st.characters(codec=None), max_size=60) | st.text(
    "맛있없다고 \n\t\u3000안😀\x00\x1c\ud800", max_size=30
)


@pytest.fixture(scope="module")
def classifier() -> ReviewClassifier:
    texts = [f"{first}. {second}" for part in (GOOD, BAD) for first in part for second in part]
    return ReviewClassifier(feature_bits=14, passes=30).fit(texts, np.arange(len(texts)) < len(texts) / 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_text, max_size=5), st.integers(0, 2**32 - 1))
def test_words_and_morphemes_add_up_to_the_characters(texts, seed):
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    values = np.random.default_rng(seed).normal(size=offsets[-1]).astype(np.float32)
    contributions = Contributions(values, offsets)
    of_words, word_offsets = explain.word_contributions(texts, contributions)
    for row, (text, found) in enumerate(zip(texts, morphemes(texts), strict=True)):
        own = of_words[word_offsets[row] : word_offsets[row + 1]]
        parts = explain.words(text, contributions.of(row))
        assert [part.text for part in parts] == text.split() == [text[start:end] for _, start, end, _ in parts]
        np.testing.assert_allclose(own, [part.contribution for part in parts], atol=1e-9)
        total = contributions.of(row).sum(dtype=float)
        if parts:
            assert own.sum() == pytest.approx(total, abs=1e-6)
        if found:
            of_morphemes = explain.morpheme_parts(text, contributions.of(row), found)
            assert sum(part.contribution for part in of_morphemes) == pytest.approx(total, abs=1e-6)


def test_words_add_up_to_the_score_and_terms_to_their_characters(classifier):
    texts = ["커피가 정말 맛있었는데  직원분이 불친절해요", "제목\n맛있어요 맛있어요"]
    contributions, scores = classifier.contributions(texts), classifier.scores(texts)
    values, offsets = explain.word_contributions(texts, contributions)
    sums = np.add.reduceat(values, offsets[:-1])
    np.testing.assert_allclose(classifier.base_score + sums, scores, rtol=1e-4)
    (found,) = morphemes(texts[1:])
    characters = contributions.of(1)
    by_term = explain.term_contributions(characters, terms(found))
    assert list(by_term) == ["제목", "맛있다"]
    assert by_term["맛있다"] == pytest.approx(characters[[3, 4, 8, 9]].sum(dtype=float))


def test_shap_and_lime_agree_with_words_and_are_repeatable(classifier):
    text = "커피가 정말 맛있어요 그런데 직원분이 불친절하고 가격이 비싸요 별로예요"
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    found, again = explain.compare(classifier, text), explain.compare(classifier, text)
    assert np.random.random() == expected
    assert len(found.shap) == len(found.lime) == len(text.split())
    np.testing.assert_array_equal(found.shap, again.shap)
    np.testing.assert_array_equal(found.lime, again.lime)
    nothing, everything = classifier.scores(["", text])
    assert found.shap.sum() == pytest.approx(everything - nothing, rel=1e-6)
    assert found.shap_agreement > 0.7
    assert found.lime_agreement > 0.7


def test_agreement_is_unknown_where_there_is_nothing_to_rank():
    assert explain.rank_correlation(np.array([1.0, 2, 3]), np.array([5.0, 7, 9])) == 1
    assert explain.rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1
    assert explain.rank_correlation(np.array([1.0]), np.array([2.0])) is None
    assert explain.rank_correlation(np.array([1.0, 2]), np.array([2.0, 2])) is None
    assert explain.rank_correlation(np.empty(0), np.empty(0)) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_explained(classifier, text):
    found = explain.explain(classifier, text)
    assert 0 <= found.probability <= 1
    assert [word.text for word in found.words] == text.split()
    assert found.base_score + sum(word.contribution for word in found.words) == pytest.approx(found.score, rel=1e-4)
    assert (found.comparison is None) == (len(text.split()) > explain.MAX_COMPARED_WORDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("커피는 맛있는데 직원이 불친절해요", {"taste": "커피는 맛있는데", "service": "직원이 불친절해요"}),
        ("커피도 맛있고 가격도 착해요", {"taste": "커피도 맛있고", "price": "가격도 착해요"}),
        ("자리는 넓지만 너무 시끄러웠어요", {"place": "자리는 넓지만|너무 시끄러웠어요"}),
        ("비쌌어요. 그래도 또 갈래요", {"price": "비쌌어요."}),
        ("사장님이 친절하셔서 자주 가요", {"service": "사장님이 친절하셔서 자주 가요"}),
        ("커피, 케이크 다 맛있어요", {"taste": "커피, 케이크 다 맛있어요"}),
        ("줄이 길어 기다렸어요!! 맛은 그저 그래요", {"waiting": "줄이 길어 기다렸어요!!", "taste": "맛은 그저 그래요"}),
        ("가격은 안 비싸요", {"price": "가격은 안 비싸요"}),
        ("다시 오고 싶은 분위기예요", {"place": "다시 오고 싶은 분위기예요"}),
        ("좁았으나 주문 받는 분이 다정했다", {"place": "좁았으나", "service": "주문 받는 분이 다정했다"}),
        ("가성비 최고\n음료가 진해요", {"price": "가성비 최고", "taste": "음료가 진해요"}),
        ("모양이 다양해요", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_aspects_are_scored_in_their_clauses(text, expected):
    (found,) = morphemes([text])
    scores = aspects.aspect_scores(aspects.load(), text, np.ones(len(text), np.float32), found)
    told = {key: "|".join(text[start:end] for start, end in one["spans"]) for key, one in scores.items()}
    assert told == expected
    assert all(one["score"] == sum(end - start for start, end in one["spans"]) for one in scores.values())


def test_the_own_file_of_aspects_wins_and_errors_name_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))
    assert list(aspects.load().aspects) == ["taste", "price", "service", "place", "waiting"]
    own = tmp_path / "aspects.yml"
    own.write_text("sources: [hotels]\naspects: {room: {name: 객실, seeds: [방, 침대]}}", encoding="utf-8")
    assert aspects.load().sources == ("hotels",)
    for broken in ("aspects: {room: {name: 객실, seeds: []}}\nsources: []", "{", "sources: [a]\naspects: {A b: {}}"):
        own.write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigError, match="aspects.yml cannot be used"):
            aspects.load()
