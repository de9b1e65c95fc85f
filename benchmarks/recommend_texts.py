"""The book of a review, found from the review alone, by our recommender and by TF-IDF."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from recommend_items import shown
from tables import table, versions

OFFERED = 100
"""Books that ours offers; one that is not among them counts nothing, while TF-IDF ranks every book."""


class Asked(NamedTuple):
    """What is known of each book as keywords, the reviews that ask, and the place of the book of each."""

    known: list[list[str]]
    reviews: list[list[str]]
    books: np.ndarray


def texts(seed: int, choosing: bool) -> tuple[str, list[str]]:
    """The mean reciprocal rank of every method, and which limits were missed."""
    from ml.statistics import mean_interval

    reviews = book_reviews()
    rounds = [halves(reviews)] if choosing else held_out(reviews)
    ranks: dict[str, list[np.ndarray]] = {}
    for one in rounds:
        for method, found in {**ours(one, seed), **tfidf(one)}.items():
            ranks.setdefault(method, []).append(found)
    reciprocal = {method: 1 / np.concatenate(found) for method, found in ranks.items()}
    rows = [
        (method, shown(mean_interval(values)), f"{(values == 1).mean():.3f}") for method, values in reciprocal.items()
    ]
    own, (baseline, *others), missed = (
        reciprocal["ours, as shipped"],
        [one for one in reciprocal if "TF-IDF" in one],
        [],
    )
    difference = mean_interval(own - reciprocal[baseline], lowest=-1.0)
    if difference.value < 0:
        missed.append(f"the mean reciprocal rank is {-difference.value:.4f} below that of {baseline}")
    differences = [(f"ours less {baseline}", shown(difference, "+"), "at least 0")]
    differences += [
        (f"ours less {other}", shown(mean_interval(own - reciprocal[other], lowest=-1.0), "+"), "") for other in others
    ]
    text = (
        f"{len(own)} reviews, each of which asks for its book among {reviews['book'].nunique()}; known of a book are "
        "the keywords of its title and of its other reviews. Means with 95 % normal intervals; differences are paired. "
        f"{versions('gensim', 'kiwipiepy', 'scikit-learn')}"
    )
    heads = ("method", "mean reciprocal rank", "found first")
    return "\n".join(
        [text, "", table(heads, rows), "", table(("compared", "mean reciprocal rank", "wanted"), differences)]
    ), missed


def book_reviews() -> pd.DataFrame:
    """The reviews as keywords: columns `book` (its place), `title` and `words`, each a list."""
    from maeari.text import joined, keywords, morphemes

    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where korean_book_reviews lies.")
    files = sorted(Path(os.environ["MAEARI_SHARED_DATA"], "korean_book_reviews").glob("*.csv"))
    read = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
    titles, bodies = ([joined(None, one) for one in read[column]] for column in ("책제목", "내용"))
    return pd.DataFrame(
        {
            "book": pd.factorize(read["책제목"])[0],
            "title": [keywords(found) for found in morphemes(titles)],
            "words": [keywords(found) for found in morphemes(bodies)],
        }
    )


def held_out(reviews: pd.DataFrame) -> list[Asked]:
    """Each review of a book that has others asks once: in the first round the first of each such book, and so on."""
    turns = reviews.groupby("book").cumcount()
    counts = reviews.groupby("book")["book"].transform("size")
    rounds = [(turns == turn) & (counts > 1) for turn in range(counts.max())]
    return [asked(reviews, reviews[~asks], reviews[asks]) for asks in rounds]


def halves(reviews: pd.DataFrame) -> Asked:
    """Reviews of books that have no other one: the first half is known, the second asks."""
    counts = reviews.groupby("book")["book"].transform("size")
    alone = reviews[counts == 1]
    first = alone.assign(words=[words[: len(words) // 2] for words in alone["words"]])
    second = alone.assign(words=[words[len(words) // 2 :] for words in alone["words"]])
    return asked(reviews, pd.concat([first, reviews[counts > 1]]), second)


def asked(reviews: pd.DataFrame, known: pd.DataFrame, asking: pd.DataFrame) -> Asked:
    """The books with what is known of them, and what asks."""
    titles = reviews.drop_duplicates("book").sort_values("book")["title"]
    said = [list(title) for title in titles]
    for book, words in zip(known["book"], known["words"], strict=True):
        said[book] += words
    return Asked(said, asking["words"].tolist(), asking["book"].to_numpy())


def ours(one: Asked, seed: int) -> dict[str, np.ndarray]:
    """The rank of each review's book, as shipped and by each half of the method; infinite where it is not offered."""
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender

    ids = [f"{number:04d}" for number in range(len(one.known))]
    model = BookRecommender(RecommendConfig(seed=seed).model_dump()).fit(ids, one.known, [])
    shipped, said = model.config, model.posting_weights_

    def ranks(**changed) -> np.ndarray:
        model.config = {**shipped, **changed}
        offered = (
            [int(book.book_id) for book in model.recommend_words([], words, [], OFFERED)] for words in one.reviews
        )
        return np.array(
            [found.index(book) + 1 if book in found else np.inf for found, book in zip(offered, one.books, strict=True)]
        )

    found = {"ours, as shipped": ranks(), "ours, BM25 alone": ranks(relevance=1.0, text_vector_weight=0.0)}
    model.posting_weights_ = np.zeros_like(said)
    return {**found, "ours, Doc2Vec alone": ranks(relevance=1.0)}


def tfidf(one: Asked) -> dict[str, np.ndarray]:
    """The same by scikit-learn's TF-IDF and the cosine, by its defaults and with damped counts; ties count half."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = {}
    for name, settings in (("TF-IDF", {}), ("TF-IDF, sublinear_tf", {"sublinear_tf": True})):
        weighted = TfidfVectorizer(analyzer=list, **settings)
        books = weighted.fit_transform(one.known)
        scores = (weighted.transform(one.reviews) @ books.T).toarray()
        own = scores[np.arange(len(one.books)), one.books][:, None]
        found[name] = 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return found
