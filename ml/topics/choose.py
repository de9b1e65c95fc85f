"""Chooses how many topics there are and by which method they are found: by coherence and by stability."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy import sparse

from ml.topics.coherence import COHERENCE_WORDS, STABILITY_WORDS, npmi, stability
from ml.topics.config import METHODS, Method, TopicsConfig
from ml.topics.model import METHODS as FITTED_BY
from ml.topics.model import top_words

PART = 0.8
"""Share of the texts that each fit of a trial sees, another part with each seed."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One method with one number of topics, fitted from several seeds to several parts of the texts."""

    method: Method
    topics: int
    coherence: float
    stability: float

    @property
    def score(self) -> float:
        """What trials are compared by: a coherent topic counts as far as it comes back."""
        return max(self.coherence, 0.0) * self.stability


@dataclass(frozen=True)
class Choice:
    """The chosen trial, all trials in the order in which they were made, and the first words of the chosen fits."""

    method: Method
    topics: int
    trials: tuple[Trial, ...]
    tops: tuple[np.ndarray, ...]

    def as_json(self) -> list[dict]:
        """The trials for the card."""
        return [asdict(trial) | {"score": trial.score} for trial in self.trials]


def choose(counts: sparse.csr_matrix, config: TopicsConfig, progress: Progress | None = None) -> Choice:
    """The number of topics with the highest score, then the method with the highest score for that number.

    What the configuration gives is not chosen. Numbers are compared by NMF, which takes a hundredth of the time, unless
    the method is given. At most `choice_texts` texts, drawn by the seed, take part.
    """
    draws = np.random.default_rng(config.seed)
    if counts.shape[0] > config.choice_texts:
        counts = counts[np.sort(draws.choice(counts.shape[0], config.choice_texts, replace=False))]
    fits: dict[tuple[Method, int], tuple[Trial, tuple[np.ndarray, ...]]] = {}

    def score(method: Method, topics: int) -> float:
        if (method, topics) not in fits:
            if progress is not None:
                progress(f"{method} with {topics} topics")
            fits[method, topics] = _try(counts, method, topics, config)
        return fits[method, topics][0].score

    numbers = [config.topics] if config.topics else _candidates(counts.shape[0], config)
    topics = max(numbers, key=lambda number: score(config.method or "nmf", number))
    method = config.method or max(METHODS, key=lambda one: score(one, topics))
    return Choice(method, topics, trials=tuple(trial for trial, _ in fits.values()), tops=fits[method, topics][1])


def _candidates(texts: int, config: TopicsConfig) -> list[int]:
    fitting = [one for one in sorted(config.candidates) if one * config.min_texts_a_topic <= texts]
    return fitting or [min(config.candidates)]


def _try(
    counts: sparse.csr_matrix, method: Method, topics: int, config: TopicsConfig
) -> tuple[Trial, tuple[np.ndarray, ...]]:
    tops, coherences = [], []
    for seed in range(config.seed, config.seed + config.seeds):
        draws = np.random.default_rng(seed)
        rows = np.sort(draws.choice(counts.shape[0], max(topics, int(PART * counts.shape[0])), replace=False))
        fitted = FITTED_BY[method].fit(counts[rows], topics, passes=config.lda_passes, seed=seed)
        weights = FITTED_BY[method].word_weights(fitted)
        tops.append(top_words(weights, STABILITY_WORDS))
        coherences.append(float(np.mean(npmi(top_words(weights, COHERENCE_WORDS), counts))))
    pairs = [(one, other) for place, one in enumerate(tops) for other in tops[:place]]
    stable = float(np.mean([stability(one, [other]).mean() for one, other in pairs]))
    return Trial(method, topics, float(np.mean(coherences)), stable), tuple(tops)
