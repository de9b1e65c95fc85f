"""The classifier of reviews: its sums add up, hold in every batch and process, and nothing typed breaks it."""

import json
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from maeari.text import joined
from ml.errors import ArtifactChanged, TooFewRows
from ml.registry import TRUSTED_TYPES
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.text import normalise

GOOD = ("정말 맛있어요", "최고의 영화", "너무 재밌어요", "친절하고 좋아요", "또 가고 싶은 곳", "감동적인 이야기")
BAD = ("정말 별로예요", "최악의 영화", "너무 지루해요", "불친절하고 비싸요", "다시는 안 가요", "돈이 아까운 시간")
SOFT = ("그냥 그래요", "나쁘지는 않아요", "평범한 맛", "기대보다는 괜찮아요")
HOSTILE = (
    "", " ", "😀", "ㅋ", "ㅠㅠㅠㅠ", "좋" * 100_000, "좋아" * 50_000, "Terrible film", "とても良い",
    "<script>alert(1)</script>", "\x00\x01\u200b\ufeff", "\ud800 좋아요 \udfff", "e\u0301" * 50, "\u0301\u0301",
    unicodedata.normalize("NFD", "정말 맛있어요"), "\u1100" * 40, "각\u11a8\u11a8 별로", "İSTANBUL ΑΣ", "１２３４",
)  # fmt: skip
_pieces = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text("좋별로아우ㅋㅠ \n0aＡ\u1100\u1161\u11a8\u0301\u200b\ud83d\udc4d", max_size=40),
    st.text("가나다맛있어요 ").map(lambda text: unicodedata.normalize("NFD", text)),
)
HOSTILE_TEXT = st.lists(_pieces, max_size=3).map("".join)


@pytest.fixture(scope="module")
def classifier() -> ReviewClassifier:
    """A classifier of 600 made-up reviews, a sixth of them middling."""
    drawn = np.random.default_rng(0)
    texts, labels, stars = [], [], []
    for index in range(600):
        phrases, label, star = [(GOOD, True, 5.0), (BAD, False, 1.0), (SOFT, None, 3.0 + index // 6 % 2)][
            2 if index % 6 == 0 else index % 2
        ]
        texts.append(" ".join(drawn.choice(phrases, 2)) + "가나다라마바사"[index % 7])
        labels.append(label)
        stars.append(star)
    return ReviewClassifier(feature_bits=16).fit(texts, labels, stars=np.array(stars))


def sums(classifier: ReviewClassifier, texts: list[str]) -> np.ndarray:
    found = classifier.contributions(texts)
    assert [len(found.of(row)) for row in range(len(texts))] == [len(text) for text in texts]
    return classifier.base_score + np.array([found.of(row).sum(dtype=float) for row in range(len(texts))])


def test_what_was_never_met_is_told_as_a_share(classifier):
    scores, unknown = classifier.scores_and_unknown([GOOD[0], f"{GOOD[0]} 뷁쀍휇뿅", "뷁쀍휇뿅", "", *HOSTILE])
    assert unknown[0] < 0.2 < unknown[1] < unknown[2]
    assert unknown[2] > 0.7
    assert unknown[3] == 0
    assert ((unknown >= 0) & (unknown <= 1)).all()
    assert (scores == classifier.scores([GOOD[0], f"{GOOD[0]} 뷁쀍휇뿅", "뷁쀍휇뿅", "", *HOSTILE])).all()


def test_what_was_learned_is_known(classifier):
    scores = classifier.scores([" ".join(GOOD[:2]), " ".join(BAD[:2])])
    assert scores[0] > 0 > scores[1]
    assert classifier.stars(scores)[0] > 4
    assert classifier.stars(scores)[1] < 2
    np.testing.assert_allclose(classifier.predict_proba(["맛있고"]).sum(axis=1), 1)


@given(st.lists(HOSTILE_TEXT, min_size=1, max_size=5))
def test_contributions_of_characters_add_up_to_the_score(classifier, texts):
    np.testing.assert_allclose(sums(classifier, texts), classifier.scores(texts), rtol=1e-4, atol=1e-5)


@given(HOSTILE_TEXT)
def test_normalised_text_is_folded_once_and_knows_where_it_came_from(text):
    codes = normalise([text])
    (folded,) = codes.texts()
    assert folded == folded.strip()
    assert not any(a == b == c for a, b, c in zip(folded, folded[1:], folded[2:], strict=False))
    assert (np.diff(codes.origins) >= 0).all()
    assert len(codes.origins) == 0 or 0 <= codes.origins[0] <= codes.origins[-1] < len(text)
    given = joined(None, text)
    assert normalise([given]).texts() == [folded]


def test_hostile_text_gets_an_answer(classifier):
    scores = classifier.scores(HOSTILE)
    probabilities = classifier.probabilities(scores)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert ((classifier.stars(scores) >= 1) & (classifier.stars(scores) <= 5)).all()
    np.testing.assert_allclose(sums(classifier, list(HOSTILE)), scores, rtol=1e-4, atol=1e-5)
    readable = dict(zip(HOSTILE, classifier.readable(HOSTILE), strict=True))
    assert not any(readable[text] for text in ("", "😀", "ㅋ", "ㅠㅠㅠㅠ", "Terrible film", "とても良い"))
    assert readable[unicodedata.normalize("NFD", "정말 맛있어요")]
    assert scores[HOSTILE.index("")] == classifier.base_score


def test_decomposed_text_scores_like_composed_text(classifier):
    text = "정말 최고의 café"
    assert classifier.scores([text]) == classifier.scores([unicodedata.normalize("NFD", text)])


def test_an_answer_depends_neither_on_the_batch_nor_on_the_process(classifier, tmp_path):
    texts = [*GOOD, *BAD, *HOSTILE]
    together = classifier.predict_proba(texts)
    np.testing.assert_array_equal(together, np.concatenate([classifier.predict_proba([text]) for text in texts]))
    skops.io.dump(classifier, tmp_path / "model.skops")
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import json, sys, skops.io; from ml.registry import TRUSTED_TYPES;"
        "model = skops.io.load(sys.argv[1] + '/model.skops', trusted=TRUSTED_TYPES);"
        "print(json.dumps(model.predict_proba(json.load(open(sys.argv[1] + '/texts.json'))).tolist()))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    np.testing.assert_array_equal(json.loads(told.stdout), together)


def test_the_same_rows_and_seed_give_the_same_classifier():
    texts = [f"{phrase} {index}" for index in range(20) for phrase in GOOD + BAD]
    labels = [phrase in GOOD for _ in range(20) for phrase in GOOD + BAD]
    first, second = (ReviewClassifier(feature_bits=12).fit(texts, labels) for _ in range(2))
    np.testing.assert_array_equal(first.weights_, second.weights_)
    np.testing.assert_array_equal(first.calibration_probabilities_, second.calibration_probabilities_)


def test_a_share_of_positives_shifts_every_probability(classifier):
    scores = classifier.scores([*GOOD, *BAD])
    before = classifier.probabilities(scores)
    odds = before / (1 - before)
    learned = classifier.training_positive_share_
    shifted = ReviewClassifier(feature_bits=16, positive_share=0.2)
    shifted.__setstate__(classifier.__getstate__() | {"positive_share": 0.2})
    after = shifted.probabilities(scores)
    np.testing.assert_allclose(after / (1 - after), odds * (0.2 / 0.8) / (learned / (1 - learned)))


@pytest.mark.parametrize(
    ("name", "wrong", "seen"),
    [
        ("weights_", lambda array: array[:-1], "weights"),
        ("weights_", lambda array: np.full_like(array, np.nan), "not finite"),
        ("scales_", lambda array: -array, "not positive"),
        ("columns_", lambda array: array[::-1].copy(), "columns_ does not rise"),
        ("columns_", lambda array: array + np.uint32(2**16), "columns_ does not rise to less than"),
        ("calibration_probabilities_", lambda array: array[::-1].copy(), "calibration does not rise"),
        ("star_values_", lambda array: array + 9, "stars does not rise"),
        ("base_score", lambda number: float("inf"), "no finite number"),
        ("feature_bits", lambda number: 60, "feature_bits is 60"),
    ],
)
def test_a_saved_classifier_with_wrong_arrays_is_refused(classifier, tmp_path, name, wrong, seen):
    broken = ReviewClassifier(feature_bits=16)
    vars(broken).update(classifier.__getstate__())
    setattr(broken, name, wrong(getattr(broken, name)))
    skops.io.dump(broken, tmp_path / "model.skops")
    with pytest.raises(ArtifactChanged, match=seen):
        skops.io.load(tmp_path / "model.skops", trusted=TRUSTED_TYPES)


def test_one_kind_of_label_teaches_nothing():
    with pytest.raises(TooFewRows, match="Of 2 labelled reviews 2 are positive; both kinds are needed"):
        ReviewClassifier().fit(["좋아요", "최고"], [True, True])


def test_texts_too_few_to_be_parted_teach_nothing():
    with pytest.raises(TooFewRows, match="too few different texts"):
        ReviewClassifier(feature_bits=10).fit(["같은 말"] * 200, np.arange(200) < 100)


def test_few_reviews_make_no_certainty(classifier):
    furthest = classifier.probabilities(np.array([-1e6, 1e6]))
    # 500 labelled reviews, all told apart: no more is known than that none of about 250 was the other way.
    assert 0.001 < furthest[0] < 0.02
    assert 0.98 < furthest[1] < 0.999


def test_a_lone_middling_review_does_not_outweigh_the_labelled_ones():
    texts = [f"{phrase} {number}번" for number in range(40) for phrase in GOOD + BAD]
    labels = [phrase in GOOD for _ in range(40) for phrase in GOOD + BAD]
    soft = [f"그냥 그래요 {number}호" for number in range(400)]
    stars = np.array([5.0 if label else 1.0 for label in labels] + [3.0] * 400)
    learned = ReviewClassifier(feature_bits=14).fit(
        [*texts, *soft, "파란 우산"], labels + [None] * 401, stars=np.append(stars, 4.0)
    )
    lone, often_praised = learned.scores(["파란 우산", GOOD[0]])
    assert lone < often_praised
