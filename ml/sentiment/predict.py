"""Scoring: every review version by the model version that was in charge when it was written."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from ml import registry
from ml.errors import UnknownVersion
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.text import NORMALISATION, joined

BACKFILL_DAYS = 90
BATCH_ROWS = 5_000

_UNSCORED = """
    select review_id, content_hash, title, body, coalesce(written_at, valid_from) as event_at
    from intermediate.int_reviews__versions as versions
    where valid_from < %(known_until)s
        and coalesce(written_at, valid_from) >= %(start)s
        and coalesce(written_at, valid_from) < %(until)s
        and not exists (
            select from predictions.sentiment as scored
            where scored.review_id = versions.review_id
                and scored.content_hash = versions.content_hash
                and scored.model_version = %(version)s
                and scored.event_at = coalesce(versions.written_at, versions.valid_from)
        )
    order by event_at, review_id
"""


def predict(classifier: ReviewClassifier, texts: Iterable[str]) -> np.ndarray:
    """The probability that each text is positive, whoever else is in the batch."""
    return classifier.predict_proba(list(texts))[:, 1]


def load(version: int) -> ReviewClassifier:
    """The registered version, checked to be what was registered and to expect today's normalisation."""
    registered = registry.registered("sentiment", version)
    if registered.card["normalisation"] != NORMALISATION:
        raise UnknownVersion(
            f"sentiment version {version} was trained on text normalised by rule {registered.card['normalisation']}; "
            f"this release of Maeari normalises by rule {NORMALISATION}. Train and release a new version."
        )
    return registry.load("sentiment", version)


def score(as_of: date) -> dict:
    """Score what was known at the end of `as_of` and is not scored yet; running it again adds nothing.

    A version scores what was written from 90 days before it takes effect, or from the start of its holdout where that
    is earlier, until the next one does. Reviews written while it was in effect get the purpose `live`, however late
    they were scored; earlier ones `backfill`. A version that takes effect when `as_of` ends is backfilled already, so
    that a release shows at once.
    """
    known_until = clock.end_of_day(as_of)
    stretches = [stretch for stretch in registry.stretches("sentiment") if stretch.effective_from <= known_until]
    by_version = {}
    for stretch in stretches:
        until = min(stretch.effective_until or known_until, known_until)
        rows = _score_stretch(stretch, until, known_until)
        by_version[str(stretch.version)] = by_version.get(str(stretch.version), 0) + rows
    return {"as_of": as_of.isoformat(), "scored": sum(by_version.values()), "by_version": by_version}


def _score_stretch(stretch: registry.Stretch, until: datetime, known_until: datetime) -> int:
    holdout_from = datetime.fromisoformat(
        registry.registered("sentiment", stretch.version).card["data"]["holdout_from"]
    )
    # The whole holdout too, because monitoring takes it as the reference.
    start = min(stretch.effective_from - timedelta(days=BACKFILL_DAYS), holdout_from)
    parameters = {"known_until": known_until, "start": start, "until": until, "version": stretch.version}
    scored = 0
    classifier = None
    with postgres.connect("ml") as reader, postgres.connect("ml") as writer:
        for batch in _batches(reader, parameters):
            classifier = classifier or load(stretch.version)
            probabilities = predict(classifier, (joined(title, body) for _, _, title, body, _ in batch))
            scored += _write(writer, stretch, batch, probabilities)
            # Each batch stands by itself, so that a run that is killed resumes where it stopped.
            writer.commit()
    return scored


def _batches(connection: Connection, parameters: dict) -> Iterator[list[tuple]]:
    # Held beyond its transaction, so that no lock of the reader stands in the way of a new month's partition.
    with connection.cursor(name="unscored_reviews", withhold=True) as cursor:
        cursor.itersize = BATCH_ROWS
        cursor.execute(_UNSCORED, parameters)
        connection.commit()
        rows = iter(cursor)
        while batch := list(itertools.islice(rows, BATCH_ROWS)):
            yield batch


def _write(connection: Connection, stretch: registry.Stretch, batch: list[tuple], probabilities: np.ndarray) -> int:
    scored_at = datetime.now(UTC)
    rows = (
        (
            review_id,
            content_hash,
            stretch.version,
            probability,
            "positive" if probability >= 0.5 else "negative",
            event_at,
            scored_at,
            "live" if event_at >= stretch.effective_from else "backfill",
        )
        for (review_id, content_hash, _, _, event_at), probability in zip(batch, probabilities.tolist(), strict=True)
    )
    columns = (
        "review_id", "content_hash", "model_version", "positive_probability", "label", "event_at", "scored_at",
        "purpose",
    )  # fmt: skip
    months = {
        datetime(event_at.year, event_at.month, 1, tzinfo=UTC)
        for event_at in (row[-1].astimezone(UTC) for row in batch)
    }
    with connection.cursor() as cursor:
        for month in sorted(months):
            cursor.execute("select predictions.ensure_sentiment_month(%s)", (month,))
        cursor.execute("create temporary table scored_batch (like predictions.sentiment) on commit drop")
        postgres.copy_rows(connection, "scored_batch", columns, rows)
        cursor.execute("insert into predictions.sentiment select * from scored_batch on conflict do nothing")
        return cursor.rowcount
