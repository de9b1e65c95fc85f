"""How well the words of a topic belong together, and how surely a topic comes back when it is sought anew."""

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment

COHERENCE_WORDS = 10
STABILITY_WORDS = 20


def npmi(top: np.ndarray, counts: sparse.csr_matrix) -> np.ndarray:
    """The coherence of each topic, from -1 to 1: the mean normalised pointwise mutual information of its words' pairs.

    `top` holds the numbers of each topic's first words, shape (topics, words). Two words go together when they stand in
    one text (Bouma 2009; Röder, Both and Hinneburg 2015, with whole texts for windows). -1 for a pair that never does;
    nan without texts.
    """
    texts = counts.shape[0]
    if not texts:
        return np.full(len(top), np.nan)
    words, places = np.unique(top, return_inverse=True)
    stands = counts[:, words].astype(bool).astype(np.float64)
    together = np.asarray((stands.T @ stands).todense()) / texts
    alone = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(together / np.outer(alone, alone)) / -np.log(together)
    information[together == 0] = -1
    # Two words of every text say nothing of one another.
    information[together == 1] = 0
    first, second = np.triu_indices(top.shape[1], 1)
    places = places.reshape(top.shape)
    return information[places[:, first], places[:, second]].mean(axis=1)


def stability(top: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """For each topic the share of its first words that its best match among other fits has, the mean over these fits.

    All hold the numbers of the topics' first words. Topics are matched one to one so that they share the most (Greene,
    O'Callaghan and Cunningham 2014).
    """
    shares = [_matched(shared_words(top, other)) for other in others]
    return np.mean(shares, axis=0)


def shared_words(top: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The share of first words that each topic of a fit has in common with each of another, shape (topics, topics)."""
    size = int(max(top.max(), other.max())) + 1
    sets = [np.zeros((len(one), size)) for one in (top, other)]
    for one, words in zip(sets, (top, other), strict=True):
        np.put_along_axis(one, words, 1.0, axis=1)
    return sets[0] @ sets[1].T / top.shape[1]


def _matched(shares: np.ndarray) -> np.ndarray:
    rows, columns = linear_sum_assignment(-shares)
    found = np.zeros(len(shares))
    found[rows] = shares[rows, columns]
    return found
