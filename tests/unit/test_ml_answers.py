"""What the sentiment model answers: positive, negative, or unsure and why."""

import numpy as np
import pytest

from maeari.answers import UNSURE_BECAUSE
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.predict import LONGEST_WORD, answer, predict

GOOD = ["정말 맛있어요", "친절하고 좋아요", "최고예요 추천해요", "분위기가 편안해요"]
BAD = ["너무 맛없어요", "불친절하고 별로예요", "최악이에요 실망했어요", "시끄럽고 비싸요"]
BOTH = ["그냥 그래요", "무난한 편이에요"]
UNREADABLE = {
    "nothing": "",
    "blanks": " \n\t\u3000",
    "one emoji": "😀",
    "lone jamo": "ㅋㅋㅋ ㅠㅠ ㅏ ㅂ",
    "one syllable": "굿",
    "digits and signs": "10/10 !!! ★★★",
    "another language": "This place is really nice, thank you so much",
    "another script": "とても美味しいです",
    "control characters": "\x00\x07\x1b[31m\x9b",
    "half a pair": "\ud800",
    "marks alone": "\u0301" * 500,
    "HTML": "<script>alert('x')</script><b>굿굿</b>",
}
ENDLESS = {
    "one syllable without end": "좋" * 100_000,
    "one word without end": "맛있어요" * 25_000,
    "one letter without end": "a" * 100_000,
}


@pytest.fixture(scope="module")
def classifier() -> ReviewClassifier:
    texts = [f"{first} {second}" for part in (GOOD, BAD) for first in part for second in part] + BOTH * 8
    is_positive = np.arange(len(texts)) < len(GOOD) ** 2
    is_positive[-8:] = True
    return ReviewClassifier(feature_bits=14, passes=30).fit(texts, is_positive)


@pytest.mark.parametrize("cost", [0.02, 0.2, 0.35, 0.5])
def test_an_answer_is_given_where_being_wrong_is_no_likelier_than_unsure_costs(classifier, cost):
    texts = [*GOOD, *BAD, *BOTH]
    answers = answer(classifier, SentimentConfig(cost_of_unsure=cost), texts)
    assert len(set(answers.probabilities)) > 2
    for probability, label, because in zip(answers.probabilities, answers.labels, answers.unsure_because, strict=True):
        if min(probability, 1 - probability) > cost:
            assert (label, because) == ("unsure", "close")
        else:
            assert (label, because) == ("positive" if probability >= 0.5 else "negative", None)
    assert ((answers.stars >= 1) & (answers.stars <= 5)).all()


def test_clear_words_are_told_and_what_was_said_of_both_is_not(classifier):
    answers = answer(classifier, SentimentConfig(cost_of_unsure=0.2), [GOOD[0], BAD[0], BOTH[0]])
    assert answers.labels.tolist() == ["positive", "negative", "unsure"]
    assert answers.unsure_because.tolist() == [None, None, "close"]
    assert answers.stars[0] > answers.stars[1]


@pytest.mark.parametrize("name", [*UNREADABLE, *ENDLESS])
def test_what_cannot_be_read_is_scored_as_unsure(classifier, name):
    answers = answer(classifier, SentimentConfig(cost_of_unsure=0.5), [UNREADABLE.get(name) or ENDLESS.get(name, "")])
    assert (answers.labels[0], answers.unsure_because[0]) == ("unsure", "endless" if name in ENDLESS else "unreadable")
    assert f"{LONGEST_WORD:,}" in UNSURE_BECAUSE["endless"]
    assert 0 <= answers.probabilities[0] <= 1
    assert 1 <= answers.stars[0] <= 5


def test_a_long_review_and_one_without_spaces_are_read(classifier):
    texts = ["정말 맛있어요. " * 10_000, "정말맛있어요" * (LONGEST_WORD // 6)]
    assert answer(classifier, SentimentConfig(), texts).unsure_because.tolist() == [None, None]


def test_an_answer_does_not_depend_on_who_else_is_in_the_batch(classifier):
    texts = [*GOOD, *UNREADABLE.values(), *ENDLESS.values(), *BAD, *BOTH]
    together = answer(classifier, SentimentConfig(), texts)
    np.testing.assert_array_equal(together.probabilities, predict(classifier, texts))
    for row, text in enumerate(texts):
        alone = answer(classifier, SentimentConfig(), [text])
        for name in ("probabilities", "labels", "stars", "unsure_because"):
            assert getattr(alone, name)[0] == getattr(together, name)[row]
    assert len(answer(classifier, SentimentConfig(), []).labels) == 0
