"""How long one answer takes on as many books as a large shop has."""

import time

import numpy as np
from tables import table, versions

BOOKS, WORDS, ASKED_WORDS, ROUNDS = 100_000, 50_000, 20, 100
WORDS_A_BOOK = 100
SLOWEST_MS = 20.0


def speed(seed: int) -> tuple[str, list[str]]:
    """Milliseconds of answers, and which limits were missed."""
    from threadpoolctl import threadpool_limits

    model, random = drawn(seed), np.random.default_rng(seed + 1)
    liked = model.book_ids_[random.integers(0, BOOKS, 20)].tolist()
    read = model.book_ids_[random.integers(0, BOOKS, 200)].tolist()
    words = model.words_[random.integers(0, WORDS, ASKED_WORDS)].tolist()
    questions = {
        "20 liked books": (liked, []),
        f"a text of {ASKED_WORDS} keywords": ([], words),
        "both": (liked, words),
        "neither": ([], []),
    }
    rows, missed = [], []
    for name, (books, said) in questions.items():
        taken = []
        with threadpool_limits(1):
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                model.recommend_words(books, said, read, 10)
                taken.append(1_000 * (time.perf_counter() - begun))
        middle, slow = np.percentile(taken, [50, 95])
        rows.append((name, f"{middle:.1f}", f"{slow:.1f}", f"at most {SLOWEST_MS:g}"))
        if middle > SLOWEST_MS:
            missed.append(f"an answer from {name} takes {middle:.1f} ms")
    text = (
        f"One answer of ten books on {BOOKS:,} drawn ones, by one core: the keywords of the text are known "
        f"(`kiwipiepy` takes its own time), 200 books were read before. {ROUNDS} answers. {versions('numpy')}"
    )
    return "\n".join([text, "", table(("from", "median ms", "95th percentile", "median wanted"), rows)]), missed


def drawn(seed: int, common_words: tuple[str, ...] = ()):
    """A recommender of the shipped sizes whose arrays are drawn; words as unevenly common as in a text.

    `common_words` are among the most common; they must come after “word…” in the order of letters, as Hangul does.
    """
    from ml.recommend.config import RecommendConfig
    from ml.recommend.items import unit
    from ml.recommend.model import BookRecommender
    from ml.recommend.texts import NOISE_WORDS

    config, random = RecommendConfig(), np.random.default_rng(seed)
    model = BookRecommender(config.model_dump())

    def floats(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, np.float32)

    model.book_ids_ = np.array([f"{number:06d}" for number in range(BOOKS)])
    drawn_words = [f"word{number:05d}" for number in range(WORDS - len(common_words))]
    model.words_ = np.array([*drawn_words, *sorted(common_words)])
    model.popularity_ = random.random(BOOKS, np.float32)
    model.item_vectors_ = unit(floats(BOOKS, config.item_vector_size))
    model.text_vectors_ = unit(floats(BOOKS, config.text_vector_size))
    model.word_vectors_, model.noise_vectors_ = (
        floats(WORDS, config.text_vector_size),
        floats(NOISE_WORDS, config.text_vector_size),
    )
    model.usual_vector_ = np.zeros(config.text_vector_size, np.float32)
    model.word_kept_ = np.ones(WORDS, np.float32)
    pairs = BOOKS * config.neighbours
    model.neighbour_offsets_ = np.arange(BOOKS + 1) * config.neighbours
    model.neighbour_books_ = random.integers(0, BOOKS, pairs, np.int32)
    model.neighbour_weights_ = random.random(pairs, np.float32)
    lengths = np.minimum(BOOKS // 2, BOOKS * WORDS_A_BOOK / np.log(WORDS) / np.arange(1, WORDS + 1)).astype(int)
    most, rest = lengths[: len(common_words)], lengths[len(common_words) :]
    lengths = np.concatenate([random.permutation(rest), random.permutation(most)])
    model.posting_offsets_ = np.concatenate([[0], np.cumsum(lengths)])
    model.posting_books_ = np.concatenate(
        [np.sort(random.choice(BOOKS, one, replace=False, shuffle=False)) for one in np.diff(model.posting_offsets_)]
    ).astype(np.int32)
    model.posting_weights_ = random.random(len(model.posting_books_), np.float32)
    # As one that is read: checked, and laid out for answers.
    model.__setstate__(vars(model))
    return model
