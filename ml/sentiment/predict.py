"""Scoring: every review version by the model version that was in charge when it was written."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from maeari.text import joined
from ml import registry
from ml.batches import read_batches
from ml.errors import UnknownVersion
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.text import NORMALISATION

BACKFILL_DAYS = 90
SHADOW_DAYS = 28
"""So long after a release the version before it scores along, so that both can be compared on the same reviews."""
BATCH_ROWS = 50_000
BATCH_CHARACTERS = 8_000_000
"""Long texts make smaller batches, so that memory stays bounded."""
LONGEST_WORD = 1_000
"""Some people write without spaces, but not for longer than this."""

COLUMNS = (
    "review_id", "content_hash", "model_version", "positive_probability", "label", "event_at", "scored_at", "purpose",
    "estimated_stars", "unsure_because", "unknown_share",
)  # fmt: skip

# A review that went back to an earlier text and rating has two versions of one content hash: one score. Times are
# handed through as text, which takes a fifth off the whole.
_UNSCORED = """
    select distinct on (versions.event_at, review_id, content_hash)
        review_id,
        content_hash,
        event_at at time zone 'UTC' || 'Z' as event_at,
        case
            when %(live_from)s::timestamptz is null then 'shadow'
            when event_at >= %(live_from)s then 'live'
            else 'backfill'
        end as purpose,
        title,
        body
    from (
        select *, coalesce(written_at, valid_from) as event_at
        from intermediate.int_reviews__versions
        where valid_from < %(known_until)s
    ) as versions
    where event_at >= %(start)s
        and event_at < %(until)s
        and not exists (
            select from predictions.sentiment as scored
            where scored.review_id = versions.review_id
                and scored.content_hash = versions.content_hash
                and scored.model_version = %(version)s
                and scored.event_at = versions.event_at
        )
    order by versions.event_at, review_id, content_hash
"""


# After a rollback the version that scored along is in charge again.
_IN_CHARGE_AGAIN = """
    update predictions.sentiment set purpose = 'live'
    where model_version = %(version)s and purpose = 'shadow' and event_at >= %(live_from)s and event_at < %(until)s
"""


@dataclass(frozen=True)
class _Job:
    """A version, and from when until when written it scores; `live_from` is None where it scores along."""

    version: int
    start: datetime
    until: datetime
    live_from: datetime | None


@dataclass(frozen=True)
class Answers:
    """What a version says of some texts, one entry a text in each field.

    Labels are positive, negative or unsure; `unsure_because` is a key of
    `maeari.answers.UNSURE_BECAUSE` or, where a label is given, None; `unknown_shares` are of a text's n-grams.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    stars: np.ndarray
    unsure_because: np.ndarray
    unknown_shares: np.ndarray


def load(version: int) -> ReviewClassifier:
    """The registered version, checked to be what was registered and to expect today's normalisation."""
    rule = registry.registered("sentiment", version).card["normalisation"]
    if rule != NORMALISATION:
        raise UnknownVersion(
            f"sentiment version {version} was trained on text normalised by rule {rule}; "
            f"this release of Maeari normalises by rule {NORMALISATION}. Train and release a new version."
        )
    return registry.load("sentiment", version)


def predict(classifier: ReviewClassifier, texts: Sequence[str]) -> np.ndarray:
    """The probability that each joined text is positive, whoever else is in the batch, shape (rows,)."""
    return classifier.probabilities(classifier.scores(list(texts)))


def answer(classifier: ReviewClassifier, config: SentimentConfig, texts: Sequence[str]) -> Answers:
    """What the classifier says of each joined text, whoever else is in the batch.

    It is unsure where being wrong is likelier than `config.cost_of_unsure` (Chow 1970): "close"; and of what cannot be
    read: "endless" where a word has more than `LONGEST_WORD` characters, else "unreadable" where
    `ReviewClassifier.readable` finds too little Korean.
    """
    texts = list(texts)
    scores, unknown = classifier.scores_and_unknown(texts)
    probabilities = classifier.probabilities(scores)
    because = np.full(len(texts), None, dtype=object)
    because[np.minimum(probabilities, 1 - probabilities) > config.cost_of_unsure] = "close"
    because[~classifier.readable(texts)] = "unreadable"
    because[np.fromiter(map(_has_endless_word, texts), bool, len(texts))] = "endless"
    labels = np.where(probabilities >= 0.5, "positive", "negative").astype(object)
    labels[because.astype(bool)] = "unsure"
    return Answers(probabilities, labels, classifier.stars(scores), because, unknown)


def _has_endless_word(text: str) -> bool:
    return len(text) > LONGEST_WORD and max(map(len, text.split()), default=0) > LONGEST_WORD


def score(as_of: date) -> dict:
    """Score what was known at the end of `as_of` and is not scored yet; running it again adds nothing.

    A version scores what was written from 90 days before it takes effect, or from the start of its holdout where that
    is earlier, until the next one does. Reviews written while it was in effect get the purpose `live`, however late
    they were scored; earlier ones `backfill`. A version that takes effect when `as_of` ends is backfilled already, so
    that a release shows at once. For 28 days after a release the version before it scores along (`shadow`).
    """
    known_until = clock.end_of_day(as_of)
    by_version, shadow = {}, 0
    # One scoring at a time. The lock ends with the connection that writes: after it, all of a killed run's rows show.
    with postgres.connect("ml") as writer, postgres.advisory_lock(writer, "score sentiment"):
        for job in _jobs(known_until):
            rows = _score_job(writer, job, known_until)
            if job.live_from is None:
                shadow += rows
            else:
                by_version[str(job.version)] = by_version.get(str(job.version), 0) + rows
    scored = sum(by_version.values())
    return {"as_of": as_of.isoformat(), "scored": scored, "by_version": by_version, "shadow": shadow}


def stretches(known_until: datetime) -> list[registry.Stretch]:
    """The stretches that began by a moment, oldest first, less those that are over and none can score any more.

    After an upgrade that normalises otherwise, what a version of before left unscored stays so once it is replaced;
    while it is in charge it is listed, and `load` says what to do.
    """
    found = [stretch for stretch in registry.stretches("sentiment") if stretch.effective_from <= known_until]
    return [stretch for stretch in found if stretch is found[-1] or _can_score(stretch.version)]


def _can_score(version: int) -> bool:
    return registry.registered("sentiment", version).card["normalisation"] == NORMALISATION


def _jobs(known_until: datetime) -> list[_Job]:
    found, before = [], None
    for stretch in stretches(known_until):
        holdout_from = registry.registered("sentiment", stretch.version).card["data"]["holdout_from"]
        # The whole holdout too, because monitoring takes it as the reference.
        start = min(stretch.effective_from - timedelta(days=BACKFILL_DAYS), datetime.fromisoformat(holdout_from))
        until = min(stretch.effective_until or known_until, known_until)
        found.append(_Job(stretch.version, start, until, stretch.effective_from))
        if before not in (None, stretch.version) and _can_score(before):
            both_until = min(stretch.effective_from + timedelta(days=SHADOW_DAYS), until)
            found.append(_Job(before, stretch.effective_from, both_until, None))
        before = stretch.version
    return found


def _score_job(writer: Connection, job: _Job, known_until: datetime) -> int:
    config = SentimentConfig(**registry.registered("sentiment", job.version).card["config"])
    parameters = asdict(job) | {"known_until": known_until}
    if job.live_from is not None:
        with writer, writer.cursor() as cursor:
            cursor.execute(_IN_CHARGE_AGAIN, parameters)
    scored = 0
    classifier = writing = None
    # A batch is written while the next one is read and answered.
    with postgres.connect("ml") as reader, ThreadPoolExecutor(1) as pool:
        for batch in read_batches(reader, _UNSCORED, parameters, BATCH_ROWS, BATCH_CHARACTERS):
            if classifier is None:
                classifier = load(job.version)
            answers = answer(classifier, config, [joined(title, body) for *_, title, body in batch])
            scored += writing.result() if writing else 0
            writing = pool.submit(_write, writer, job.version, batch, answers)
    return scored + (writing.result() if writing else 0)


def _write(connection: Connection, version: int, batch: list[tuple], answers: Answers) -> int:
    with connection.cursor() as cursor:
        for month in sorted({event_at[:7] for _, _, event_at, *_ in batch}):
            cursor.execute("select predictions.ensure_sentiment_month(%s)", (f"{month}-01 00:00Z",))
    # Before the rows, so that nobody who reads waits for them behind the lock of a new partition.
    connection.commit()
    scored_at = str(datetime.now(UTC))
    rows = (
        (review_id, content_hash, version, probability, label, event_at, scored_at, purpose, stars, because, unknown)
        for (review_id, content_hash, event_at, purpose, *_), probability, label, stars, because, unknown in zip(
            batch,
            answers.probabilities.tolist(),
            answers.labels,
            answers.stars.tolist(),
            answers.unsure_because,
            answers.unknown_shares.tolist(),
            strict=True,
        )
    )
    written = postgres.copy_rows(connection, "predictions.sentiment", COLUMNS, rows)
    # Each batch stands by itself, so that a run that is killed resumes where it stopped.
    connection.commit()
    return written
