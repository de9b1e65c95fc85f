"""Topic models: what was planted is found, a text's topics hang on no other text, and a wrong artifact is refused."""

from itertools import combinations, permutations

import numpy as np
import pytest
import skops.io
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel, LdaModel
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import nnls

from ml.errors import ArtifactChanged, ConfigError
from ml.registry import TRUSTED_TYPES
from ml.topics import choose as choosing
from ml.topics import lda, nmf
from ml.topics.choose import Trial, choose
from ml.topics.coherence import npmi, shared_words, stability
from ml.topics.config import METHODS, TopicsConfig
from ml.topics.model import TopicModel, top_words
from ml.topics.report import describe_topics, topic_map

WORDS_A_TOPIC = 20


def planted(topics: int, texts: int, seed: int = 0, noise: float = 0.1) -> sparse.csr_matrix:
    """Counts of texts that each draw 25 words of one topic, but for some that are drawn from all."""
    draws = np.random.default_rng(seed)
    words = topics * WORDS_A_TOPIC
    counts = np.zeros((texts, words))
    for row in range(texts):
        own = row % topics * WORDS_A_TOPIC + draws.integers(0, WORDS_A_TOPIC, 25)
        said = np.where(draws.random(25) < noise, draws.integers(0, words, 25), own)
        np.add.at(counts[row], said, 1)
    return sparse.csr_matrix(counts)


def vocabulary(counts: sparse.csr_matrix) -> list[str]:
    return [f"word{number}" for number in range(counts.shape[1])]


COUNTS = planted(3, 240)


@pytest.fixture(scope="module", params=METHODS)
def model(request) -> TopicModel:
    return TopicModel(request.param, 3, passes=5).fit(COUNTS, vocabulary(COUNTS))


def odd_texts(words: int) -> sparse.csr_matrix:
    """Texts of few words, of one word, of all words, and mixtures of topics."""
    draws = np.random.default_rng(5)
    rows = [np.zeros(words), np.ones(words), np.eye(words)[0] * 2, np.eye(words)[3] * 500, np.eye(words)[-1] * 3]
    rows += [draws.poisson(draws.random(words) ** 8 * 3) for _ in range(30)]
    return sparse.csr_matrix(np.array(rows, dtype=float))


def test_planted_topics_are_found_by_either_method(model):
    planted_topic = np.arange(240) % 3
    main = model.weights(COUNTS).argmax(axis=1)
    assert len({(one, other) for one, other in zip(planted_topic, main, strict=True)}) == 3
    first = top_words(model.word_weights(), 10) // WORDS_A_TOPIC
    assert all(len(set(topic)) == 1 for topic in first.tolist())
    assert len(set(first[:, 0].tolist())) == 3


def test_a_text_s_topics_do_not_depend_on_who_else_is_in_the_batch(model):
    texts = sparse.vstack([COUNTS[:40], odd_texts(COUNTS.shape[1])]).tocsr()
    together = model.weights(texts)
    alone = np.concatenate([model.weights(texts[row]) for row in range(texts.shape[0])])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.weights(texts[::-1]), together[::-1], rtol=1e-9, atol=1e-12)


def test_weights_add_up_to_one_and_too_few_known_words_have_none(model):
    texts = odd_texts(COUNTS.shape[1])
    weights = model.weights(texts)
    known = np.asarray(texts.sum(axis=1)).ravel() >= 3
    assert 0 < known.sum() < len(known)
    np.testing.assert_allclose(weights[known].sum(axis=1), 1)
    assert (weights[known] >= 0).all()
    assert np.isnan(weights[~known]).all()
    assert model.weights(texts[:0]).shape == (0, 3)


def test_lda_tells_the_topics_that_gensim_s_own_inference_tells():
    corpus = lda._texts(COUNTS)
    names = lda._Names(COUNTS.shape[1])
    whole = LdaModel(
        corpus, num_topics=3, id2word=names, passes=5, chunksize=lda.TEXTS_A_STEP, eval_every=None, random_state=0
    )
    fitted = lda.fit(COUNTS, 3, passes=5, seed=0)
    np.testing.assert_allclose(fitted["topic_words"], whole.state.get_lambda(), rtol=1e-6)
    np.testing.assert_allclose(lda.word_weights(fitted), whole.get_topics(), rtol=1e-4)
    theirs, _ = whole.inference(corpus)
    ours = lda.weights(fitted, COUNTS)
    # Theirs begins with random numbers, and both stop when little changes.
    np.testing.assert_allclose(
        ours / ours.sum(axis=1, keepdims=True), theirs / theirs.sum(axis=1, keepdims=True), atol=5e-3
    )


def test_nmf_tells_the_best_mixture_on_all_words():
    fitted = nmf.fit(COUNTS, 3, passes=1, seed=0)
    texts = odd_texts(COUNTS.shape[1])
    found = nmf.weights(fitted, texts)
    for row, text in zip(found, texts.toarray(), strict=True):
        weighted = text**nmf.DAMPING * fitted["idf"]
        weighted /= max(np.linalg.norm(weighted), 1e-12)
        np.testing.assert_allclose(row, nnls(fitted["components"].T, weighted)[0], atol=1e-6)


def test_the_same_texts_and_seed_give_the_same_model(model):
    again = TopicModel(model.method, 3, passes=5).fit(COUNTS, vocabulary(COUNTS))
    for name, array in model.fitted_.items():
        np.testing.assert_array_equal(again.fitted_[name], array)
    np.testing.assert_array_equal(again.term_counts_, model.term_counts_)


def test_every_place_of_a_word_is_shared_among_topics_of_its_text(model):
    told = ~np.isnan(model.weights(COUNTS)).any(axis=1)
    assert told.all()
    np.testing.assert_allclose(model.term_counts_.sum(axis=0), np.asarray(COUNTS.sum(axis=0)).ravel(), rtol=1e-6)
    np.testing.assert_allclose(model.term_totals_, np.asarray(COUNTS.sum(axis=0)).ravel())
    text, words = model.weights(COUNTS[:1])[0], model.word_weights()
    shares = text[:, None] * words
    expected = COUNTS[:1].toarray() * shares / np.maximum(shares.sum(axis=0), 1e-12)
    np.testing.assert_allclose(model._term_counts(COUNTS[:1]), expected, rtol=1e-6, atol=1e-9)


def test_texts_without_topics_say_nothing_for_any_topic_and_parts_add_up(model, monkeypatch):
    few = sparse.csr_matrix(np.eye(COUNTS.shape[1])[:4])
    assert model._term_counts(few).sum() == 0
    monkeypatch.setattr("ml.topics.model._WORDS_AT_ONCE", 21)
    np.testing.assert_allclose(model._term_counts(COUNTS), model.term_counts_)


def test_relevance_ranks_by_frequency_at_one_and_by_lift_at_nothing(model):
    probabilities, anywhere = model.probabilities(), model.overall_probabilities()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert anywhere.sum() == pytest.approx(1)
    np.testing.assert_allclose(model.relevance(1), np.log(probabilities))
    np.testing.assert_allclose(model.relevance(0), np.log(probabilities / anywhere))
    halfway = (model.relevance(1) + model.relevance(0)) / 2
    np.testing.assert_allclose(model.relevance(0.5), halfway)
    np.testing.assert_array_equal(top_words(model.relevance(1), 5), top_words(probabilities, 5))


def test_top_words_come_by_weight_and_among_equals_by_number():
    weights = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    assert top_words(weights, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    assert top_words(weights, 9).shape == (2, 4)


def test_a_saved_model_answers_as_before(model, tmp_path):
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.weights(COUNTS[:20]), model.weights(COUNTS[:20]))
    assert loaded.vocabulary_.tolist() == vocabulary(COUNTS)
    assert loaded.get_params() == model.get_params()


@pytest.mark.parametrize(
    ("name", "wrong", "seen"),
    [
        ("topics", lambda value: 4, "shape"),
        ("method", lambda value: "bert", "its method is 'bert'"),
        ("fitted_", lambda value: {}, "is no array of numbers"),
        ("fitted_", lambda value: [], "its method is"),
        ("fitted_", lambda value: {name: array[:-1] for name, array in value.items()}, "shape"),
        ("fitted_", lambda value: {name: -array for name, array in value.items()}, "negative or not finite"),
        ("fitted_", lambda value: {name: array * np.nan for name, array in value.items()}, "negative or not finite"),
        ("fitted_", lambda value: {name: array + np.inf for name, array in value.items()}, "negative or not finite"),
        ("fitted_", lambda value: {name: array.astype(str) for name, array in value.items()}, "no array of numbers"),
        ("fitted_", lambda value: {name: array.tolist() for name, array in value.items()}, "no array of numbers"),
        ("term_counts_", lambda array: array.T.copy(), "term_counts_ is no array"),
        ("term_counts_", lambda array: array - 1e9, "term_counts_ holds a number"),
        ("term_totals_", lambda array: array[:-1], "term_totals_ is no array"),
        ("term_totals_", lambda array: array.astype(int), "term_totals_ is no array"),
        ("vocabulary_", lambda array: np.append(array[1:], array[1]), "holds a word twice"),
        ("vocabulary_", lambda array: np.arange(len(array)), "vocabulary_ holds no words"),
        ("vocabulary_", lambda array: array[:-1], "shape"),
        ("vocabulary_", lambda array: array[None], "vocabulary_ holds no words"),
        ("vocabulary_", lambda array: None, "vocabulary_ holds no words"),
    ],
)
def test_a_saved_model_with_wrong_arrays_is_refused(model, tmp_path, name, wrong, seen):
    broken = TopicModel()
    vars(broken).update(model.__getstate__())
    setattr(broken, name, wrong(getattr(broken, name)))
    skops.io.dump(broken, tmp_path / "model.skops")
    with pytest.raises(ArtifactChanged, match=seen):
        skops.io.load(tmp_path / "model.skops", trusted=TRUSTED_TYPES)


def test_arrays_of_objects_are_refused(model):
    for name in ("vocabulary_", "term_counts_", "term_totals_"):
        state = model.__getstate__()
        with pytest.raises(ArtifactChanged, match=name):
            TopicModel().__setstate__(state | {name: state[name].astype(object)})


def test_a_model_that_was_never_fitted_is_restored_as_it_was():
    restored = TopicModel()
    restored.__setstate__(TopicModel("lda", 7).__getstate__())
    assert (restored.method, restored.topics) == ("lda", 7)


def test_coherence_is_that_of_gensim_with_whole_texts_for_windows():
    draws = np.random.default_rng(0)
    texts = [[str(word) for word in draws.permutation(12)[: draws.integers(4, 9)]] for _ in range(60)]
    counts = np.array([[text.count(str(word)) for word in range(12)] for text in texts])
    top = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 3, 10, 11]])
    stands = counts.astype(bool)
    assert all((stands[:, one] & stands[:, other]).any() for one in range(12) for other in range(12))
    theirs = CoherenceModel(
        topics=[[str(word) for word in topic] for topic in top.tolist()], texts=texts, dictionary=Dictionary(texts),
        coherence="c_npmi", window_size=100, processes=1,
    ).get_coherence_per_topic()  # fmt: skip
    np.testing.assert_allclose(npmi(top, sparse.csr_matrix(counts)), theirs, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 5))
def test_coherence_is_the_mean_over_pairs_of_words(seed, texts, most):
    draws = np.random.default_rng(seed)
    counts = draws.integers(0, 3, (texts, 6)) * draws.integers(0, 2, (texts, 1))
    top = np.array([draws.permutation(6)[:most] for _ in range(3)])

    def information(one: int, other: int) -> float:
        alone, beside = (counts[:, word] > 0 for word in (one, other))
        together = (alone & beside).mean()
        if together in (0, 1):
            return together - 1
        return np.log(together / (alone.mean() * beside.mean())) / -np.log(together)

    expected = [np.mean([information(*pair) for pair in combinations(topic, 2)]) for topic in top.tolist()]
    found = npmi(top, sparse.csr_matrix(counts))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (np.abs(found) <= 1 + 1e-12).all()


def test_words_that_never_meet_are_at_the_bottom_and_those_that_always_do_at_the_top():
    counts = sparse.csr_matrix([[1, 1, 0], [2, 1, 0], [0, 0, 1], [0, 0, 5]])
    assert npmi(np.array([[0, 1], [0, 2]]), counts).tolist() == pytest.approx([1, -1])
    assert np.isnan(npmi(np.array([[0, 1]]), sparse.csr_matrix((0, 3)))).all()


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_stability_is_that_of_the_best_pairing_of_topics(seed, topics, others, most):
    draws = np.random.default_rng(seed)
    fits = [np.array([draws.permutation(8)[:most] for _ in range(topics)]) for _ in range(1 + others)]
    top = fits[0]
    shares = shared_words(top, fits[1])
    expected = [[len(set(one) & set(other)) / most for other in fits[1].tolist()] for one in top.tolist()]
    np.testing.assert_allclose(shares, expected)
    best = [
        max(
            sum(len(set(one) & set(fit[place])) for one, place in zip(top.tolist(), order, strict=True))
            for order in permutations(range(topics))
        )
        / most
        for fit in (fit.tolist() for fit in fits[1:])
    ]
    assert stability(top, fits[1:]).sum() == pytest.approx(np.mean(best))


def test_topics_in_another_order_are_as_stable_as_can_be():
    top = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    assert stability(top, [top[::-1], top[:, ::-1]]).tolist() == [1, 1, 1]
    assert stability(top, [np.array([[0, 1, 9], [10, 11, 12], [13, 14, 15]])]) == pytest.approx([2 / 3, 0, 0])


CONFIG = TopicsConfig(candidates=(2, 4, 8), seeds=2, lda_passes=2)


def test_as_many_topics_are_chosen_as_were_planted():
    told = []
    choice = choose(planted(4, 300), CONFIG, told.append)
    assert choice.topics == 4
    assert [(trial.method, trial.topics) for trial in choice.trials] == [("nmf", 2), ("nmf", 4), ("nmf", 8), ("lda", 4)]
    assert told == [f"{trial.method} with {trial.topics} topics" for trial in choice.trials]
    best = max(choice.trials, key=lambda trial: trial.score)
    assert best.topics == 4
    assert (
        choice.method
        == max((trial for trial in choice.trials if trial.topics == 4), key=lambda trial: trial.score).method
    )
    assert len(choice.tops) == CONFIG.seeds
    assert [trial["score"] for trial in choice.as_json()] == [trial.score for trial in choice.trials]


def test_what_is_given_is_not_chosen():
    counts = planted(2, 100)
    given_number = choose(counts, TopicsConfig(topics=5, seeds=2, lda_passes=1))
    assert given_number.topics == 5
    assert {trial.topics for trial in given_number.trials} == {5}
    given_method = choose(counts, CONFIG.model_copy(update={"method": "lda"}))
    assert given_method.method == "lda"
    assert {trial.method for trial in given_method.trials} == {"lda"}
    both = choose(counts, TopicsConfig(topics=3, method="nmf", seeds=2))
    assert [(trial.method, trial.topics) for trial in both.trials] == [("nmf", 3)]


def test_numbers_of_topics_with_too_few_texts_each_are_left_out():
    config = TopicsConfig(candidates=(8, 2, 4), min_texts_a_topic=25)
    assert choosing._candidates(200, config) == [2, 4, 8]
    assert choosing._candidates(199, config) == [2, 4]
    assert choosing._candidates(10, config) == [2]


def test_of_many_texts_some_are_drawn_by_the_seed(monkeypatch):
    seen = []

    def remembered(counts, method, topics, config):
        seen.append(counts.toarray())
        return Trial(method, topics, 0.5, 0.5), ()

    monkeypatch.setattr(choosing, "_try", remembered)
    config = TopicsConfig(topics=2, method="nmf", choice_texts=500)
    counts = planted(2, 700)
    for seed in (0, 0, 1):
        choose(counts, config.model_copy(update={"seed": seed}))
    assert [len(one) for one in seen] == [500] * 3
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()


@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_coherent_topic_counts_as_far_as_it_comes_back(coherence, stable):
    assert Trial("nmf", 5, coherence, stable).score == max(coherence, 0) * stable


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"candidates": (50, 60), "min_texts_a_topic": 25}, "needs 25 texts a topic.*lower the candidate"),
        ({"candidates": (5, 300)}, "must lie between 2 and 200"),
        ({"topics": 5, "candidates": (1,)}, "must lie between 2 and 200"),
        ({"min_texts": 3_000}, "choice_texts 2500 is below min_texts 3000"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused_with_advice(wrong, advice):
    with pytest.raises(ConfigError, match=advice):
        TopicsConfig(**wrong)


def test_a_number_of_topics_that_is_given_needs_no_candidates():
    assert TopicsConfig(topics=90, candidates=(60,)).topics == 90


def test_topics_are_described_by_their_words_their_texts_and_their_place(model):
    config = TopicsConfig(topics=3, method=model.method, seeds=2, lda_passes=2)
    topics = describe_topics(model, COUNTS, choose(COUNTS, config), config)
    assert [topic["topic_no"] for topic in topics] == [0, 1, 2]
    assert sum(topic["texts"] for topic in topics) == 240
    assert sum(topic["share"] for topic in topics) == pytest.approx(1)
    for number, topic in enumerate(topics):
        assert topic["label"] == " · ".join(topic["terms"][:3])
        assert len(topic["terms"]) == len(set(topic["terms"])) == 20
        telling = model.relevance(config.label_relevance)[number]
        assert [telling[int(term.removeprefix("word"))] for term in topic["terms"]] == sorted(telling)[::-1][:20]
        assert topic["coherence"] > 0
        assert topic["stability"] > 0.7
        assert topic["is_stable"]


def test_a_topic_that_does_not_come_back_is_unstable(model):
    config = TopicsConfig(topics=3, method=model.method, seeds=2, lda_passes=2, stable_from=1)
    choice = choosing.Choice(model.method, 3, (), (np.arange(60).reshape(3, 20) + 60,) * 2)
    assert not any(topic["is_stable"] for topic in describe_topics(model, COUNTS, choice, config))


@settings(max_examples=30)
@given(st.integers(1, 8), st.integers(0, 1_000))
def test_the_map_has_a_place_for_every_topic_near_those_of_like_words(topics, seed):
    draws = np.random.default_rng(seed)
    probabilities = draws.dirichlet(np.full(12, 0.3), topics)
    places = topic_map(probabilities)
    assert places.shape == (topics, 2)
    assert np.isfinite(places).all()
    np.testing.assert_allclose(topic_map(probabilities), places)
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-6)


def test_topics_of_the_same_words_lie_at_the_same_place():
    alike = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0, 0.1, 0.4, 0.5]])
    places = topic_map(alike)
    assert np.linalg.norm(places[0] - places[1]) < 1e-6
    assert np.linalg.norm(places[0] - places[2]) > np.linalg.norm(places[2] - places[3])
