"""How often readers that a recommender has not learned from find their last book among ten."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from ml.recommend.model import BookRecommender
from ml.statistics import mean_interval, share

OFFERED = 10

Offers = Callable[[Sequence[str]], list[str]]
"""From the ids of the books that were read, oldest first, to those of ten others."""


def evaluate(model: BookRecommender, book_ids: Sequence[str], sequences: Sequence[np.ndarray]) -> dict:
    """The share of readers of two books or more whose last one is offered for those before, beside the most read."""
    ranks = last_book_ranks(by_model(model), book_ids, sequences)
    of_most_read = last_book_ranks(by_most_read(model), book_ids, sequences)
    return {
        "rows": len(ranks),
        "recall_at_10": share(ranks > 0),
        "ndcg_at_10": asdict(mean_interval(gains(ranks))) if len(ranks) > 1 else None,
        "baseline_recall_at_10": share(of_most_read > 0),
    }


def by_model(model: BookRecommender) -> Offers:
    """What a version offers."""
    return lambda read: [one.book_id for one in model.recommend_words(read, [], read, OFFERED)]


def by_most_read(model: BookRecommender) -> Offers:
    """The ten that most of the version's readers have read, but for those that this one has."""
    most_read = model.book_ids_[np.argsort(-model.popularity_, kind="stable")].tolist()

    def offers(read: Sequence[str]) -> list[str]:
        # So many at least are left of them.
        return [book_id for book_id in most_read[: OFFERED + len(read)] if book_id not in set(read)][:OFFERED]

    return offers


def last_book_ranks(offers: Offers, book_ids: Sequence[str], sequences: Sequence[np.ndarray]) -> np.ndarray:
    """At which place, from 1, each reader's last book is offered for those before it; 0 where it is not.

    `sequences` hold places in `book_ids`; readers of one book alone are left out.
    """
    ranks = []
    for one in sequences:
        if len(one) > 1:
            *read, last = (book_ids[place] for place in one)
            offered = offers(read)
            ranks.append(offered.index(last) + 1 if last in offered else 0)
    return np.array(ranks, int)


def gains(ranks: np.ndarray) -> np.ndarray:
    """The NDCG of each reader, of whom one book is looked for: 1 at the first place, less at later ones."""
    return np.where(ranks > 0, 1 / np.log2(np.maximum(ranks, 1) + 1), 0.0)
