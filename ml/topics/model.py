"""A topic model: which topics a text is about, and which words speak for each topic, whatever the method."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from ml.errors import ArtifactChanged
from ml.topics import lda, nmf

METHODS = {"lda": lda, "nmf": nmf}
_ARRAYS = {"lda": {"topic_words": 2, "alpha": 1}, "nmf": {"components": 2, "idf": 1}}
_LEAST_PROBABILITY = 1e-12
# Texts whose topics are held in memory at once, one number for each topic and word of theirs.
_WORDS_AT_ONCE = 2_000_000


class TopicModel(BaseEstimator):
    """Topics by one of `METHODS`, saved as plain arrays and refused when loaded where no fit can have made them.

    After `fit`: `vocabulary_` (words), `fitted_` (the method's arrays), `term_counts_` (how often each word of the
    training texts stands for each topic, shape (topics, words)) and `term_totals_` (its row sums over topics).
    """

    def __init__(
        self, method: str = "nmf", topics: int = 10, passes: int = 20, min_known_terms: int = 3, seed: int = 0
    ):
        self.method = method
        self.topics = topics
        self.passes = passes
        self.min_known_terms = min_known_terms
        self.seed = seed

    def fit(self, counts: sparse.csr_matrix, vocabulary: Sequence[str]) -> "TopicModel":
        """Find the topics of texts given by how often each word stands in each, shape (texts, words)."""
        self.vocabulary_ = np.array(vocabulary, dtype=str)
        self.fitted_ = METHODS[self.method].fit(counts, self.topics, passes=self.passes, seed=self.seed)
        self.term_counts_ = self._term_counts(counts)
        self.term_totals_ = np.asarray(counts.sum(axis=0)).ravel()
        return self

    def weights(self, counts: sparse.csr_matrix) -> np.ndarray:
        """How much of each text is each topic, shape (texts, topics): rows add up to 1, whoever else is in the batch.

        Nan where a text has fewer than `min_known_terms` words of the vocabulary, or none that speaks for a topic.
        """
        found = np.asarray(METHODS[self.method].weights(self.fitted_, counts), dtype=np.float64)
        sums = found.sum(axis=1)
        is_told = (np.asarray(counts.sum(axis=1)).ravel() >= self.min_known_terms) & (sums > 0)
        found[~is_told] = np.nan
        found[is_told] /= sums[is_told, None]
        return found

    def word_weights(self) -> np.ndarray:
        """How strongly each word speaks for each topic, shape (topics, words); what coherence and stability look at."""
        return METHODS[self.method].word_weights(self.fitted_)

    def probabilities(self) -> np.ndarray:
        """How likely each word is where a topic is spoken of, shape (topics, words), each row adding up to 1."""
        counts = np.maximum(self.term_counts_, _LEAST_PROBABILITY)
        return counts / counts.sum(axis=1, keepdims=True)

    def overall_probabilities(self) -> np.ndarray:
        """How likely each word is anywhere in the training texts, shape (words,)."""
        return self.term_totals_ / self.term_totals_.sum()

    def relevance(self, weight: float) -> np.ndarray:
        """How telling each word is of each topic (Sievert and Shirley 2014), shape (topics, words).

        `weight` 1 ranks by how likely a word is in the topic, 0 by how much likelier than anywhere else.
        """
        logs = np.log(self.probabilities())
        return weight * logs + (1 - weight) * (logs - np.log(self.overall_probabilities()))

    def _term_counts(self, counts: sparse.csr_matrix) -> np.ndarray:
        """How often each word stands for each topic: each of its places shared among the topics that may have said it.

        In proportion to the text's weight of the topic and the word's weight in it, as in a mixture.
        """
        words = self.word_weights().T
        found = np.zeros((self.topics, counts.shape[1]))
        steps = max(1, _WORDS_AT_ONCE // self.topics)
        for start in range(0, counts.shape[0], steps):
            part = counts[start : start + steps].tocoo()
            shares = np.nan_to_num(self.weights(part.tocsr()))[part.row] * words[part.col]
            shares *= (part.data / np.maximum(shares.sum(axis=1), _LEAST_PROBABILITY))[:, None]
            for topic in range(self.topics):
                found[topic] += np.bincount(part.col, shares[:, topic], minlength=counts.shape[1])
        return found

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if "fitted_" in state:
            self._check()

    def _check(self) -> None:
        """Refuse arrays that no fit can have made, so that a wrong artifact never answers."""
        if self.method not in METHODS or not isinstance(self.fitted_, dict):
            raise _wrong(f"its method is {self.method!r}")
        named = self.vocabulary_
        if not isinstance(named, np.ndarray) or named.ndim != 1 or named.dtype.kind != "U":
            raise _wrong("vocabulary_ holds no words")
        words = len(named)
        shapes = {1: {"alpha": (self.topics,), "idf": (words,)}, 2: (self.topics, words)}
        arrays = {name: self.fitted_.get(name) for name in _ARRAYS[self.method]}
        wanted = {
            name: shapes[2] if dimensions == 2 else shapes[1][name] for name, dimensions in _ARRAYS[self.method].items()
        }
        arrays |= {"term_counts_": self.term_counts_, "term_totals_": self.term_totals_}
        wanted |= {"term_counts_": (self.topics, words), "term_totals_": (words,)}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != wanted[name]:
                raise _wrong(f"{name} is no array of numbers of the shape {wanted[name]}")
            if not np.isfinite(array).all() or (array < 0).any():
                raise _wrong(f"{name} holds a number that is negative or not finite")
        if len(set(named.tolist())) != words:
            raise _wrong("vocabulary_ holds a word twice")


def top_words(word_weights: np.ndarray, most: int) -> np.ndarray:
    """The numbers of each topic's words with the largest weights, the largest first, shape (topics, at most `most`)."""
    return np.argsort(-word_weights, axis=1, kind="stable")[:, :most]


def _wrong(what: str) -> ArtifactChanged:
    return ArtifactChanged(f"The saved topic model cannot be right: {what}. Train and release a new version.")
