"""Figures of a topic model on texts that it has not learned from."""

from dataclasses import asdict

import numpy as np

from ml.statistics import mean_interval, share
from ml.texts.corpus import Corpus
from ml.topics.coherence import COHERENCE_WORDS, npmi
from ml.topics.model import TopicModel, top_words

MOST_COMPARED = 1_000
"""The newest held-out texts by which versions are compared: each is held against each other one."""


def evaluate(model: TopicModel, held_out: Corpus) -> dict:
    """How coherent the topics are on held-out texts, how well these are told apart by them, and how many have none."""
    counts = held_out.counts(model.vocabulary_.tolist())
    weights = model.weights(counts)
    coherence = npmi(top_words(model.word_weights(), COHERENCE_WORDS), counts)
    newest = held_out.select(np.arange(max(0, len(held_out) - MOST_COMPARED), len(held_out)))
    return {
        "rows": len(held_out),
        "coherence": float(np.mean(coherence)),
        "told_apart": asdict(mean_interval(told_apart(*half_weights(model, newest)))) | {"rows": len(newest)},
        "baseline_told_apart": asdict(mean_interval(told_apart(*baseline_weights(model, newest)))),
        "without_topic": share(np.isnan(weights).any(axis=1)),
    }


def half_weights(model: TopicModel, texts: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """The topics of each text from its first, third, … keyword alone, and from the others alone."""
    vocabulary = model.vocabulary_.tolist()
    first, second = (np.nan_to_num(model.weights(texts.counts(vocabulary, half=half))) for half in (0, 1))
    return first, second


def baseline_weights(model: TopicModel, texts: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """The same with each of the most frequent words for a topic, as many as the model has topics."""
    frequent = model.vocabulary_[: model.topics].tolist()
    first, second = (np.asarray(texts.counts(frequent, half=half).todense()) for half in (0, 1))
    return first, second


def told_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How well each text's halves are known to be of one text; the mean over texts is the figure, 0.5 a coin's.

    The figure is the probability that a half is nearer (by the cosine of their topics) to the other half of its own
    text than to a half of another one. Each text's number holds what it adds to the figure as owner and as rival of
    halves, so that their spread gives its standard error (Hoeffding 1948).
    """
    if len(first) < 2:
        return np.full(len(first), np.nan)
    units = [half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12) for half in (first, second)]
    similarity = units[0] @ units[1].T
    own = np.diag(similarity)[:, None]
    # Rounding must not decide between equals.
    wins = (own > similarity + 1e-9) + 0.5 * (np.abs(own - similarity) <= 1e-9)
    np.fill_diagonal(wins, 0)
    rivals = len(first) - 1
    mine, theirs = wins.sum(axis=1) / rivals, wins.sum(axis=0) / rivals
    return mine + theirs - mine.mean()
