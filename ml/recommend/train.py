"""Training: purchases and reviews as known on a day become a registered challenger with its card."""

import hashlib
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version as library_version

from maeari import clock
from ml import registry
from ml.errors import TooFewRows
from ml.recommend.config import RecommendConfig
from ml.recommend.evaluate import evaluate
from ml.recommend.model import BookRecommender
from ml.recommend.predict import MODEL
from ml.recommend.sequences import Books, Readings, bought_source, read_books, read_readings

LIBRARIES = ("gensim", "kiwipiepy", "scikit-learn", "numpy", "scipy", "skops", "mlflow")

_QUERY = """
    select customer_id, item_id from marts.fct_events
    where event_type = 'purchase'
    -- of the subjects of {source}, until {known_until}, less one reader in ten by the md5 of their id
    -- row_keys_sha256 is that of the readers and their books in order
"""


@dataclass(frozen=True)
class Trained:
    """A registered version and its figures on readers held out."""

    version: int
    as_of: date
    source: str
    readers: int
    books: int
    figures: dict

    def summary(self) -> dict:
        """The version as JSON, for the log and for the DAG that asks for its release."""
        return {
            "model": MODEL,
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "source": self.source,
            "readers": self.readers,
            "books": self.books,
            "held_out_rows": self.figures["rows"],
            "recall_at_10": self.figures["recall_at_10"]["value"],
        }


def train(source: str | None, as_of: date, config: RecommendConfig | None = None) -> Trained:
    """Learn the books of a source of reviews from who bought them by the end of `as_of`; register the challenger.

    Without a source, that whose books were bought most.
    """
    config = config or RecommendConfig()
    source = source or bought_source(as_of)
    if source is None:
        raise TooFewRows(
            f"Nothing that marts.dim_subjects has was bought by {as_of}, so there are no readers to learn from. Check "
            "that import_events and build_warehouse succeeded for that day, and that the shop's item ids are those of "
            "the reviews' subjects."
        )
    books = read_books(source, as_of)
    learned, held_out = read_readings(books.book_ids, as_of).split()
    readers = sum(len(one) > 1 for one in learned.sequences)
    if readers < config.min_readers:
        raise TooFewRows(
            f"{readers:,} readers of {as_of} bought two or more of the {len(books.book_ids):,} books of {source}, "
            f"every tenth left out; training needs {config.min_readers:,}. Check that import_events and "
            "build_warehouse succeeded for that day, and that the shop's item ids are those of the reviews' subjects."
        )
    if not any(len(one) > 1 for one in held_out.sequences):
        raise TooFewRows(
            f"None of the readers of {source} who are held out by {as_of}, one in ten, bought two or more books, so "
            "nothing could judge the version. Import the purchases of more readers, or wait for them."
        )
    model = BookRecommender(config.model_dump()).fit(books.book_ids, books.words, learned.sequences)
    figures = evaluate(model, books.book_ids, held_out.sequences)
    known_until, fingerprint = clock.end_of_day(as_of), _row_keys_sha256(books, learned)
    rows = sum(len(one) for one in learned.sequences)
    metrics = {
        "training_rows": rows,
        "readers": readers,
        "books": len(books.book_ids),
        "held_out_rows": figures["rows"],
        "recall_at_10": figures["recall_at_10"]["value"],
        "recall_at_10_low": figures["recall_at_10"]["low"],
        "recall_at_10_high": figures["recall_at_10"]["high"],
    }
    version = registry.register(
        MODEL,
        model,
        card={
            "model": MODEL,
            "summary": f"Which of {len(books.book_ids):,} books to offer a reader, and why each.",
            "method": (
                "Who read the same books (cosine, and Word2Vec of gensim over the order of reading) and the words of "
                "titles and reviews (BM25, and Doc2Vec of gensim), then the most different of those that fit."
            ),
            "data": {
                "as_of": as_of.isoformat(),
                "known_until": known_until.isoformat(),
                "source": source,
                "training_rows": rows,
                "readers": readers,
                "books": len(books.book_ids),
                "cold_books": int((model.popularity_ == 0).sum()),
                "words": len(model.words_),
                "held_out_rows": figures["rows"],
            },
            "figures": figures,
            "baseline": "The ten most read books.",
            "intended_use": "Offering books to readers in a shop, a command or a chat, each with its reason.",
            "limits": [
                "It offers what goes together, and does not know whether a book is good.",
                "Whether a last book is found says how well the past is told, not what readers would have liked more.",
                "A book that came after training is offered after the next.",
            ],
            "config": config.model_dump(),
            "libraries": {name: library_version(name) for name in LIBRARIES},
        },
        metrics=metrics,
        config=config.model_dump(),
        training_set=registry.TrainingSet(
            training_set_id=f"{MODEL}-{as_of}-{fingerprint[:12]}",
            known_until=known_until,
            rows=rows,
            row_keys_sha256=fingerprint,
            query=_QUERY.format(source=source, known_until=known_until.isoformat()),
        ),
    )
    return Trained(version, as_of, source, readers, len(books.book_ids), figures)


def _row_keys_sha256(books: Books, learned: Readings) -> str:
    told = hashlib.sha256()
    for reader, bought in zip(learned.readers, learned.sequences, strict=True):
        told.update("\t".join([reader, *(books.book_ids[place] for place in bought)]).encode() + b"\n")
    return told.hexdigest()
