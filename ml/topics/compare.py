"""Challenger, live version and baseline on the newest texts that no version has learned from, and topic by topic."""

from dataclasses import asdict
from datetime import date

import numpy as np

from maeari import clock, postgres
from maeari.statistics import Interval
from ml import registry
from ml.judgement import Measure, Side, Unseen
from ml.statistics import mean_interval, normal_p_value
from ml.texts.collection import Collection
from ml.texts.corpus import Corpus, read_corpus
from ml.topics.config import TopicsConfig
from ml.topics.evaluate import MOST_COMPARED, baseline_weights, half_weights, told_apart
from ml.topics.identity import identified
from ml.topics.predict import load
from ml.topics.train import split

MIN_COMPARED = 50
MOST_MATCHED = 20_000
"""The newest texts by which the topics of two versions are matched."""

_NEXT_ID = """
    select coalesce(max((topic ->> 'topic_id')::integer), 0) + 1
    from ops.deployments
    cross join lateral jsonb_array_elements(evidence -> 'topics') as topic
    where model = %s
"""
_LIVE_TOPICS = """
    select evidence -> 'topics' from ops.deployments where model = %s and version = %s order by live_from desc limit 1
"""


def unseen_texts(collection: Collection, version: int, live_version: int | None, as_of: date) -> Unseen:
    """How well each side tells the newest held-out texts apart by their halves, and what becomes of each live topic."""
    known = read_corpus(collection, as_of).without_copies()
    _, held_out = split(known)
    newest = held_out.select(np.arange(max(0, len(held_out) - MOST_COMPARED), len(held_out)))
    challenger = registry.registered(collection.model, version)
    models = {"challenger": load(collection, version)}
    if live_version is not None:
        models["live"] = load(collection, live_version)
    sides = {name: _side(told_apart(*half_weights(model, newest))) for name, model in models.items()}
    sides["baseline"] = _side(told_apart(*baseline_weights(models["challenger"], newest)))
    written = newest.texts["event_at"]
    return Unseen(
        measure=TOLD_APART,
        rows_are=f"held-out {collection.value}",
        since=written.min().to_pydatetime() if len(newest) else clock.start_of_day(as_of),
        until=clock.end_of_day(as_of),
        truth=np.ones(len(newest), dtype=bool),
        sides=sides,
        segments=_segments(newest),
        max_calibration_error=None,
        min_rows=MIN_COMPARED,
        max_loss=TopicsConfig(**challenger.card["config"]).max_loss,
        shown=_side_by_side(collection, challenger, live_version, models, known),
    )


def _side(values: np.ndarray) -> Side:
    return Side(values, values >= 0.5, is_probability=False)


def _segments(texts: Corpus) -> dict[str, np.ndarray]:
    found = {}
    for column in ("source", "section", "subject_id"):
        names = texts.texts[column]
        kinds = names.dropna().unique()
        if len(kinds) > 1:
            found |= {f"{column.removesuffix('_id')} {name}": (names == name).to_numpy() for name in sorted(kinds)}
    return found


def _side_by_side(
    collection: Collection, challenger: registry.Registered, live_version: int | None, models: dict, known: Corpus
) -> dict:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_NEXT_ID, (collection.model,))
        (next_id,) = cursor.fetchone()
        cursor.execute(_LIVE_TOPICS, (collection.model, live_version))
        row = cursor.fetchone()
    live = (row and row[0]) or []
    flows = None
    if live:
        newest = known.select(np.arange(max(0, len(known) - MOST_MATCHED), len(known)))
        flows = np.zeros((len(live), len(challenger.card["topics"])))
        mains = [_main_topics(models[side], newest) for side in ("live", "challenger")]
        both = (mains[0] >= 0) & (mains[1] >= 0)
        np.add.at(flows, (mains[0][both], mains[1][both]), 1)
    figures = challenger.card["figures"]
    return {
        "method": challenger.card["method"],
        "coherence": figures["coherence"],
        **identified(challenger.card["topics"], live, flows, next_id),
    }


def _main_topics(model, texts: Corpus) -> np.ndarray:
    """The number of each text's main topic, -1 for a text without one."""
    weights = model.weights(texts.counts(model.vocabulary_.tolist()))
    return np.where(np.isnan(weights).any(axis=1), -1, np.nan_to_num(weights).argmax(axis=1))


def _value(truth: np.ndarray, side: Side) -> dict:
    return asdict(mean_interval(side.scores)) | {"rows": len(side.scores)}


def _difference(truth: np.ndarray, first: Side, second: Side, confidence: float) -> tuple[Interval, float]:
    differences = first.scores - second.scores
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return mean_interval(differences, confidence, lowest=-1.0), normal_p_value(float(differences.mean()), float(error))


TOLD_APART = Measure(
    name="told_apart",
    unit="points",
    min_of_each=0,
    value=_value,
    difference=_difference,
    figures=lambda truth, side: {},
    tests_decisions=False,
    of_chance=0.5,
)
