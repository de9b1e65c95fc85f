"""Books as words tell them: BM25 over their keywords, and Doc2Vec, into whose space any text is folded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml.recommend.config import RecommendConfig
from ml.recommend.items import stable_hash, unit

if TYPE_CHECKING:
    from scipy import sparse

NOISE_WORDS = 300
"""Words, drawn once, that stand for all the words that a text does not hold."""
MOST_FOLDED_WORDS = 300
"""Different words of a text that are folded in; those that it says most often."""
QUERY_DAMPING = 0.75
"""Power of how often a word stands in what is asked, so that a long text does not ask for the word it repeats."""
_STEPS, _SHRINKAGE, _SUBSAMPLING, _NOISE_POWER = 5, 10.0, 1e-4, 0.75
_FEW_BOOKS = 10


def vocabulary(texts: Sequence[Sequence[str]], config: RecommendConfig) -> np.ndarray:
    """The words that books are found by, sorted by their spelling."""
    books: dict[str, int] = {}
    for words in texts:
        for word in set(words):
            books[word] = books.get(word, 0) + 1
    most = config.max_share_a_word * len(texts) if len(texts) >= _FEW_BOOKS else len(texts)
    # A word that cannot be stored as it is could not be looked up either.
    fitting = [word for word, count in books.items() if count <= most and word and not word.endswith("\0")]
    return np.array(sorted(sorted(fitting, key=lambda word: (-books[word], word))[: config.max_words]), dtype=str)


def counted(words: np.ndarray, text: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a text's known words, rising, and how often each stands there."""
    if not len(words) or not len(text):
        return np.empty(0, int), np.empty(0)
    asked, counts = np.unique(np.array(text, dtype=str), return_counts=True)
    places = np.minimum(np.searchsorted(words, asked), len(words) - 1)
    known = words[places] == asked
    return places[known], counts[known].astype(float)


def postings(texts: Sequence[Sequence[str]], words: np.ndarray, config: RecommendConfig) -> "sparse.csr_matrix":
    """What each word says for each book, shape (words, books), float32: BM25 (Robertson and others 1994) with b = 1.

    Counts are held against the text's whole length, since reviews add up where books are much spoken of.
    """
    # Only to learn; whoever answers starts sooner without it.
    from scipy import sparse

    found = [counted(words, text) for text in texts]
    columns = np.repeat(np.arange(len(texts)), [len(numbers) for numbers, _ in found])
    rows = np.concatenate([np.empty(0, int), *(numbers for numbers, _ in found)])
    counts = np.concatenate([np.empty(0), *(often for _, often in found)])
    lengths = np.bincount(columns, counts, minlength=len(texts))
    in_books = np.bincount(rows, minlength=len(words))
    idf = np.log1p((len(texts) - in_books + 0.5) / (in_books + 0.5))
    usual = config.saturation * lengths / max(1.0, lengths.sum() / max(1, len(texts)))
    values = idf[rows] * (config.saturation + 1) * counts / (counts + usual[columns])
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(words), len(texts)), dtype=np.float32)


def word_space(
    texts: Sequence[Sequence[str]], words: np.ndarray, config: RecommendConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Doc2Vec (Le and Mikolov 2014, its bag of words): what a text's vector must be like to tell its words.

    Gives a vector for each word, shape (words, size), float32, zeros for words that stand once in all; how much of each
    word counts (the frequent ones less, as in training), shape (words,); and the vectors of the words drawn as noise.
    """
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    known = set(words.tolist())
    documents = [TaggedDocument([word for word in text if word in known], [place]) for place, text in enumerate(texts)]
    size = config.text_vector_size
    vectors, kept = np.zeros((len(words), size), np.float32), np.zeros(len(words), np.float32)
    model = Doc2Vec(
        vector_size=size,
        dm=0,
        dbow_words=1,
        window=config.text_window,
        negative=config.text_negatives,
        epochs=config.text_epochs,
        min_count=2,
        sample=_SUBSAMPLING,
        seed=config.seed,
        workers=1,
        hashfxn=stable_hash,
    )
    model.build_vocab(documents)
    if not len(model.wv):
        return vectors, kept, np.zeros((NOISE_WORDS, size), np.float32)
    model.train(documents, total_examples=model.corpus_count, epochs=model.epochs)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key], float)
    places = np.searchsorted(words, np.array(model.wv.index_to_key, dtype=str))
    vectors[places] = model.syn1neg
    often = counts / (_SUBSAMPLING * counts.sum())
    kept[places] = np.minimum(1, np.sqrt(1 / often) + 1 / often)
    chances = counts**_NOISE_POWER
    drawn = np.random.default_rng(config.seed).choice(len(counts), NOISE_WORDS, p=chances / chances.sum())
    return vectors, kept, model.syn1neg[drawn].astype(np.float32)


def folded(
    numbers: np.ndarray, counts: np.ndarray, space: tuple[np.ndarray, np.ndarray, np.ndarray], negatives: int
) -> np.ndarray:
    """A text's vector of length 1 in a word space, shape (size,), float32; zeros where none of its words is in it.

    Doc2Vec's own aim with the words held still, in which it is a logistic regression: of the text's words against the
    noise. Solved by Newton's method from zero, so that the same text always gets the same vector.
    """
    vectors, kept, noise = space
    weights = counts * kept[numbers]
    told = np.flatnonzero(weights > 0)
    if not len(told):
        return np.zeros(vectors.shape[1], np.float32)
    told = told[np.argsort(-counts[told], kind="stable")[:MOST_FOLDED_WORDS]]
    weights = weights[told]
    rows = np.concatenate([vectors[numbers[told]], -noise]).astype(float)
    weights = np.concatenate([weights, np.full(len(noise), negatives * weights.sum() / len(noise))])
    found, ridge = np.zeros(vectors.shape[1]), _SHRINKAGE * np.eye(vectors.shape[1])
    for _ in range(_STEPS):
        missed = (1 - np.tanh(rows @ found / 2)) / 2
        slope = rows.T @ (weights * missed) - _SHRINKAGE * found
        curve = (rows * (weights * missed * (1 - missed))[:, None]).T @ rows + ridge
        found = found + np.linalg.solve(curve, slope)
    return unit(found[None])[0]
