"""Scoring: the topics of every text by the version in charge; new texts are folded in without training."""

from datetime import UTC, date, datetime

import numpy as np
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from ml import registry
from ml.errors import ArtifactChanged
from ml.texts.collection import Collection
from ml.texts.corpus import Corpus, read_corpus
from ml.topics.model import TopicModel, top_words
from ml.topics.shares import write_shares

BATCH_TEXTS = 20_000
TERMS_TOLD = 60
"""Words told of each topic by each of `RELEVANCES`; together they are the candidates of any relevance between."""
RELEVANCES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

COLUMNS = (
    "model", "record_id", "content_hash", "model_version", "main_topic", "weights", "terms", "known_terms", "event_at",
    "scored_at", "purpose",
)  # fmt: skip


def load(collection: Collection, version: int) -> TopicModel:
    """The registered version of a collection's topics."""
    model = registry.load(collection.model, version)
    if not isinstance(model, TopicModel):
        raise ArtifactChanged(
            f"{collection.model} version {version} holds a {type(model).__name__}, no topic model. "
            "Train and release a new version."
        )
    return model


def score(collection: Collection, as_of: date) -> dict:
    """Fold in what was known at the end of `as_of` and has no topics yet by the version in charge of that day.

    The whole past is told by that one version, so that periods can be compared; texts written since it took effect get
    the purpose `live`, earlier ones `backfill`. Then the shares of topics are made anew for every period. Running it
    again adds nothing.
    """
    stretch = stretch_in_charge(collection, as_of)
    if stretch is None:
        return {"as_of": as_of.isoformat(), "collection": collection.value, "version": None, "scored": 0}
    scored = 0
    # One scoring at a time. The lock ends with the connection that writes.
    with postgres.connect("ml") as writer, postgres.advisory_lock(writer, f"score {collection.model}"):
        model = None
        while len(texts := read_corpus(collection, as_of, unscored_by=stretch.version, most=BATCH_TEXTS)):
            model = model or load(collection, stretch.version)
            scored += _write(writer, collection, stretch, model, texts)
        if not _has_terms(writer, collection, stretch.version):
            _write_terms(writer, collection, stretch.version, model or load(collection, stretch.version))
        write_shares(writer, collection, stretch.version, as_of)
    return {
        "as_of": as_of.isoformat(),
        "collection": collection.value,
        "version": stretch.version,
        "scored": scored,
    }


def score_all(as_of: date) -> dict:
    """Score every collection whose topics are live by the end of a day, as JSON."""
    scored = {collection.value: score(collection, as_of) for collection in Collection}
    return {
        "as_of": as_of.isoformat(),
        "by_collection": {name: one for name, one in scored.items() if one["version"] is not None},
    }


def stretch_in_charge(collection: Collection, as_of: date) -> registry.Stretch | None:
    """The newest stretch that began by the end of a day; None before the first."""
    begun = [one for one in registry.stretches(collection.model) if one.effective_from <= clock.end_of_day(as_of)]
    return begun[-1] if begun else None


def _write(
    connection: Connection, collection: Collection, stretch: registry.Stretch, model: TopicModel, texts: Corpus
) -> int:
    counts = texts.counts(model.vocabulary_.tolist())
    weights = model.weights(counts)
    known = np.asarray(counts.sum(axis=1)).ravel().astype(int).tolist()
    terms = np.diff(texts.offsets).tolist()
    has_topic = (~np.isnan(weights).any(axis=1)).tolist()
    main = np.nan_to_num(weights).argmax(axis=1).tolist()
    scored_at = datetime.now(UTC)
    rows = (
        (
            collection.model, text.record_id, text.content_hash, stretch.version, main[place] if told else None,
            postgres.number_array(weights[place]) if told else None, terms[place], known[place], text.event_at,
            scored_at, "live" if text.event_at >= stretch.effective_from else "backfill",
        )
        for place, (text, told) in enumerate(zip(texts.texts.itertuples(), has_topic, strict=True))
    )  # fmt: skip
    written = postgres.copy_rows(connection, "predictions.topics", COLUMNS, rows)
    # Each batch stands by itself, so that a run that is killed resumes where it stopped.
    connection.commit()
    return written


def _has_terms(connection: Connection, collection: Collection, version: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from predictions.topic_terms where model = %s and model_version = %s)",
            (collection.model, version),
        )
        return cursor.fetchone()[0]


def _write_terms(connection: Connection, collection: Collection, version: int, model: TopicModel) -> None:
    telling = np.concatenate([top_words(model.relevance(weight), TERMS_TOLD) for weight in RELEVANCES], axis=1)
    probabilities, overall = model.probabilities(), model.overall_probabilities()
    rows = (
        (collection.model, version, topic, model.vocabulary_[word], probabilities[topic, word], overall[word])
        for topic in range(model.topics)
        for word in np.unique(telling[topic]).tolist()
    )
    postgres.copy_rows(
        connection,
        "predictions.topic_terms",
        ("model", "model_version", "topic_no", "term", "probability", "overall_probability"),
        rows,
    )
    connection.commit()
