"""Challenger, live version and the ten most read for readers from whom no version ever learns."""

from dataclasses import asdict
from datetime import date

import numpy as np

from maeari import clock
from ml import registry
from ml.judgement import Measure, Side, Unseen, difference_of_decisions
from ml.recommend.config import RecommendConfig
from ml.recommend.evaluate import Offers, by_model, by_most_read, gains, last_book_ranks
from ml.recommend.predict import MODEL, load
from ml.recommend.sequences import read_readings, read_titles
from ml.statistics import mean_interval, share

MIN_COMPARED = 50
MOST_COMPARED = 5_000
"""Readers who are looked at; those who bought last."""


def unseen_readers(version: int, live_version: int | None, as_of: date) -> Unseen:
    """Whether the last book of each held-out reader is among ten that each side offers for those before it.

    A book that a version does not know, since it came later, counts as not found by it.
    """
    challenger = registry.registered(MODEL, version)
    models = {"challenger": load(version)}
    if live_version is not None:
        models["live"] = load(live_version)
    book_ids = list(read_titles(challenger.card["data"]["source"], as_of))
    _, held_out = read_readings(book_ids, as_of).split()
    compared = held_out.of_two_or_more(MOST_COMPARED)
    offers = {name: by_model(model) for name, model in models.items()}
    offers["baseline"] = by_most_read(models["challenger"])
    read_before = np.array([len(one) - 1 for one in compared.sequences], int)
    return Unseen(
        measure=RECALL_AT_10,
        rows_are="held-out readers of two books or more",
        since=min(compared.newest_at, default=clock.start_of_day(as_of)),
        until=clock.end_of_day(as_of),
        truth=np.ones(len(read_before), dtype=bool),
        sides={name: _side(one, book_ids, compared.sequences) for name, one in offers.items()},
        segments={
            "1 book before": read_before == 1,
            "2 to 4 books before": (read_before >= 2) & (read_before <= 4),
            "5 books or more before": read_before >= 5,
        },
        max_calibration_error=None,
        min_rows=MIN_COMPARED,
        max_loss=RecommendConfig(**challenger.card["config"]).max_loss,
    )


def _side(offers: Offers, book_ids: list[str], sequences: list[np.ndarray]) -> Side:
    ranks = last_book_ranks(offers, book_ids, sequences)
    return Side(gains(ranks), ranks > 0, is_probability=False)


def _value(truth: np.ndarray, side: Side) -> dict:
    return share(side.decisions)


def _figures(truth: np.ndarray, side: Side) -> dict:
    return {"ndcg_at_10": asdict(mean_interval(side.scores)) | {"rows": len(side.scores)}}


RECALL_AT_10 = Measure(
    name="recall_at_10",
    unit="points",
    min_of_each=0,
    value=_value,
    # Its decisions are that the last book is offered, which is right of every reader.
    difference=difference_of_decisions,
    figures=_figures,
    tests_decisions=False,
)
