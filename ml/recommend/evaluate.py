"""How often readers that a recommender has not learned from find their last book among ten."""

from collections.abc import Sequence

import numpy as np

from ml.recommend.model import BookRecommender
from ml.statistics import share

OFFERED = 10


def evaluate(model: BookRecommender, book_ids: Sequence[str], sequences: Sequence[np.ndarray]) -> dict:
    """The share of readers of two books or more whose last one is offered for those before, beside the most read."""
    return {
        "rows": sum(len(one) > 1 for one in sequences),
        "recall_at_10": share(last_book_found(model, book_ids, sequences)),
        "baseline_recall_at_10": share(last_book_found(model, book_ids, sequences, is_baseline=True)),
    }


def last_book_found(
    model: BookRecommender, book_ids: Sequence[str], sequences: Sequence[np.ndarray], *, is_baseline: bool = False
) -> np.ndarray:
    """Whether each reader's last book is among ten; of the baseline, among the ten most read of the others."""
    found = []
    for one in sequences:
        if len(one) > 1:
            *read, last = (book_ids[place] for place in one)
            offered = model.recommend_words([] if is_baseline else read, [], read, OFFERED)
            found.append(last in [book.book_id for book in offered])
    return np.array(found, bool)
