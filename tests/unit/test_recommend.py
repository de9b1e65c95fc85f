"""Recommendations: nothing read comes back, unknown readers get what many read, cold books are found by their words."""

import re

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from maeari.text import keywords, morphemes
from ml.errors import ArtifactChanged, ConfigError
from ml.recommend import items, texts
from ml.recommend.config import RecommendConfig
from ml.recommend.model import POOL_A_BOOK, BookRecommender
from ml.registry import TRUSTED_TYPES

GENRES = {
    "sea": ["바다", "항해", "고래", "등대", "선장", "파도", "섬"],
    "kitchen": ["요리", "부엌", "양념", "국물", "식탁", "반죽", "빵"],
    "stars": ["우주", "행성", "망원경", "혜성", "궤도", "천문", "은하"],
}
BOOKS_A_GENRE = 12
IDS = [f"{genre}-{number:02d}" for genre in GENRES for number in range(BOOKS_A_GENRE)]
COLD = ["sea-11", "stars-11"]
SMALL = {"item_vector_size": 16, "text_vector_size": 16, "item_epochs": 20, "text_epochs": 20}


def world(seed: int = 0) -> tuple[list[str], list[list[str]], list[np.ndarray]]:
    """Readers who keep to one genre, but for a book now and then; two books that nobody has read."""
    draws = np.random.default_rng(seed)
    said = [[str(word) for word in draws.choice(GENRES[one.split("-")[0]], 40)] for one in IDS]
    warm = np.array([one not in COLD for one in IDS])
    readers = []
    for reader in range(90):
        own = np.arange(len(IDS)) // BOOKS_A_GENRE == reader % len(GENRES)
        chances = np.where(own, 1.0, 0.05) * warm / (1 + np.arange(len(IDS)) % BOOKS_A_GENRE)
        readers.append(draws.choice(len(IDS), draws.integers(3, 9), replace=False, p=chances / chances.sum()))
    return IDS, said, readers


@pytest.fixture(scope="module")
def model() -> BookRecommender:
    return BookRecommender(SMALL).fit(*world())


def genres(suggestions) -> list[str]:
    return [one.book_id.split("-")[0] for one in suggestions]


some_ids = st.lists(st.sampled_from([*IDS, "unknown", "", "\ud800"]), max_size=40)
hostile = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.sampled_from(
        ["", " ", "\0", "\ud800", "바다 " * 500, "ㅋㅋㅋㅋ", "' or 1=1 --", "🐳🐳", "<script>바다</script>"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(liked=some_ids, read=some_ids, text=hostile, count=st.integers(-1, 60))
def test_nothing_liked_or_read_is_offered_and_the_count_holds(model, liked, read, text, count):
    offered = model.recommend(liked, text, read, count)
    ids = [one.book_id for one in offered]
    left = set(IDS) - set(liked) - set(read)
    assert len(ids) == len(set(ids)) == max(0, min(count, len(left)))
    assert set(ids) <= left
    assert all(np.isfinite(one.score) for one in offered)
    assert all(one.why.named[0] in liked for one in offered if one.why.kind == "liked")


@settings(max_examples=40, deadline=None)
@given(liked=some_ids, read=some_ids, count=st.integers(1, 12), relevance=st.sampled_from([0.3, 0.7, 0.9, 1.0]))
def test_each_pick_fits_best_less_what_it_repeats(model, liked, read, count, relevance):
    every = {one.book_id: one.score for one in with_config(model, relevance=1.0).recommend(liked, None, read, len(IDS))}
    pool = list(every)[: max(POOL_A_BOOK * count, 50)]
    vectors = dict(zip(IDS_SORTED, model._vectors(np.arange(len(IDS))), strict=True))
    largest = max(max(abs(score) for score in every.values()), 1e-12) if every else 1
    picked: list[str] = []
    for one in with_config(model, relevance=relevance).recommend(liked, None, read, count):
        worth = {
            book: relevance * every[book] / largest
            - (1 - relevance) * max((float(vectors[book] @ vectors[other]) for other in picked), default=0.0)
            for book in pool
            if book not in picked
        }
        assert worth[one.book_id] >= max(worth.values()) - 1e-5
        picked.append(one.book_id)


IDS_SORTED = sorted(IDS)


def with_config(model: BookRecommender, **changed) -> BookRecommender:
    other = BookRecommender()
    other.__dict__.update(model.__dict__)
    other.config = {**SMALL, **changed}
    return other


def test_readers_of_a_book_lead_to_books_of_its_kind(model):
    offered = model.recommend(["kitchen-03", "kitchen-05"], None, [], 5)
    assert genres(offered).count("kitchen") >= 4
    assert offered[0].why.kind == "liked"
    assert offered[0].why.named[0] in ("kitchen-03", "kitchen-05")


def test_the_newest_book_counts_most(model):
    assert genres(model.recommend(["sea-01", "stars-02"], None, [], 3)).count("stars") >= 2
    assert genres(model.recommend(["stars-02", "sea-01"], None, [], 3)).count("sea") >= 2


@pytest.mark.parametrize(("liked", "text"), [([], None), (["unknown"], None), ([], ""), ([], "qwzx")])
def test_an_unknown_reader_gets_what_many_read(model, liked, text):
    offered = with_config(model, relevance=1.0).recommend(liked, text, [], 5)
    readers = np.bincount(np.concatenate(world()[2]), minlength=len(IDS))
    assert [readers[IDS.index(one.book_id)] for one in offered] == sorted(readers, reverse=True)[:5]
    assert {one.why.kind for one in offered} == {"popular"}


def test_books_that_nobody_has_read_are_found_by_words_and_by_likeness(model):
    asked = model.recommend([], "망원경으로 혜성과 행성을 보는 천문 이야기", [], BOOKS_A_GENRE)
    assert "stars-11" in [one.book_id for one in asked]
    assert asked[0].why.kind == "words"
    assert set(asked[0].why.named) <= set(GENRES["stars"])
    assert genres(model.recommend(["stars-11"], None, [], 5)).count("stars") >= 4
    alike = with_config(model, vector_weight=5.0).recommend(["stars-02"], None, [], BOOKS_A_GENRE)
    assert "stars-11" in [one.book_id for one in alike]


def test_shared_words_are_named(model):
    (first, *_) = model.recommend([], "고래와 등대", [], 3)
    assert first.why.kind == "words"
    assert set(first.why.named) & {"고래", "등대"}


def test_an_answer_hangs_on_neither_the_order_of_books_nor_the_process(model):
    ids, said, readers = world()
    turned = np.random.default_rng(1).permutation(len(ids))
    place = np.argsort(turned)
    again = BookRecommender(SMALL).fit(
        [ids[one] for one in turned], [said[one] for one in turned], [place[one] for one in readers]
    )
    for question in ((["sea-01"], None), ([], "부엌의 국물"), ([], None)):
        assert again.recommend(*question, [], 6) == model.recommend(*question, [], 6)


def test_keywords_and_their_text_lead_to_the_same_books(model):
    text = "바다를 항해하는 선장과 고래"
    (found,) = morphemes([text])
    assert model.recommend_words([], keywords(found), [], 5) == model.recommend([], text, [], 5)


def test_a_saved_recommender_answers_as_before(model, tmp_path):
    file = tmp_path / "model.skops"
    skops.io.dump(model, file)
    loaded = skops.io.load(file, trusted=TRUSTED_TYPES)
    for question in ((["sea-01", "sea-02"], None), ([], "빵 반죽"), ([], None)):
        assert loaded.recommend(*question, [], 6) == model.recommend(*question, [], 6)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("book_ids_", np.array(["b", "a"] + IDS[2:])),
        ("popularity_", np.zeros(3, np.float32)),
        ("item_vectors_", np.full((len(IDS), 16), np.nan, np.float32)),
        ("neighbour_books_", np.array([len(IDS)])),
        ("posting_offsets_", np.array([0, 5])),
        ("words_", np.array([1, 2])),
    ],
)
def test_arrays_that_no_fit_can_have_made_are_refused(model, name, wrong):
    state = {**model.__getstate__(), name: wrong}
    with pytest.raises(ArtifactChanged, match=re.escape(name)):
        BookRecommender().__setstate__(state)


def test_neighbours_are_the_cosines_of_who_read_them():
    readers = [np.array([0, 1]), np.array([0, 1, 2]), np.array([0])]
    found = items.neighbours(readers, 4, RecommendConfig()).toarray()
    matrix = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    lengths = np.linalg.norm(matrix, axis=0)
    wanted = matrix.T @ matrix / np.maximum(np.outer(lengths, lengths), 1)
    np.fill_diagonal(wanted, 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    fewest = items.neighbours(readers, 4, RecommendConfig(neighbours=1)).toarray()
    assert ((fewest > 0).sum(axis=0) <= 1).all()
    np.testing.assert_allclose(fewest.max(axis=0), wanted.max(axis=0), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["가", "나", "다", "라", "a", "ab"]), max_size=8), max_size=6))
def test_words_are_counted_where_they_are_known(said):
    words = texts.vocabulary(said, RecommendConfig())
    for text in said:
        numbers, counts = texts.counted(words, [*text, "unknown"])
        assert dict(zip(words[numbers].tolist(), counts.tolist(), strict=True)) == {
            one: text.count(one) for one in text
        }


def test_nothing_to_learn_from_still_answers():
    empty = BookRecommender(SMALL).fit([], [], [])
    assert empty.recommend(["a"], "바다", [], 3) == []
    silent = BookRecommender(SMALL).fit(["a", "b"], [[], []], [])
    assert [one.book_id for one in silent.recommend([], "바다", [], 3)] == ["a", "b"]


def test_contradictions_are_refused():
    with pytest.raises(ConfigError, match="longest_sequence"):
        RecommendConfig(last_books=50, longest_sequence=30)
    with pytest.raises(ConfigError, match="different book ids"):
        BookRecommender(SMALL).fit(["a", "a"], [[], []], [])


def test_only_what_is_among_the_allowed_is_offered(model):
    of_sea = np.char.startswith(model.book_ids_, "sea")
    for question in ((["kitchen-01"], None), ([], "부엌의 국물"), ([], None)):
        offered = model.recommend(*question, [], len(IDS), of_sea)
        assert set(genres(offered)) == {"sea"}
    assert model.recommend([], None, [], 5, np.zeros(len(IDS), bool)) == []


def test_readers_are_no_reason_for_or_by_a_book_that_nobody_has_read(model):
    for one in model.recommend(["stars-11"], None, [], 5):
        assert one.why.kind != "liked"
    alike = with_config(model, vector_weight=5.0).recommend(["stars-02"], None, [], BOOKS_A_GENRE)
    assert {one.book_id: one.why.kind for one in alike}["stars-11"] == "words"
