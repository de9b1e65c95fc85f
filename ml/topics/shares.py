"""How large each topic is in each period, with intervals, and which topics rise or fall, by a test."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
from psycopg2.extensions import connection as Connection
from scipy import stats

from maeari import clock, postgres
from maeari.statistics import holm_adjusted
from ml.texts.collection import Collection, Every, known_texts
from ml.texts.periods import TEXTS_NEEDED, Slice, note_of_too_few, slices

TREND_PERIODS = {Every.day: 14, Every.week: 8, Every.month: 6, Every.quarter: 6}
"""Periods up to one that its trend is of …"""
LEAST_TREND_PERIODS = 4
"""… of which so many must have enough texts."""
SIGNIFICANCE = 0.05

COLUMNS = (
    "model", "model_version", "every", "period_start_on", "is_complete", "source", "section", "subject_id",
    "counts_copies", "texts", "topic_no", "topic_texts", "share", "low", "high", "mean_weight", "trend",
    "trend_p_value", "trend_periods", "note",
)  # fmt: skip

_SCORED = """
    select (known.event_at at time zone %(zone)s)::date as written_on, known.source, known.section, known.subject_id,
        known.original_id, scored.main_topic, scored.weights
    from ({known_texts}) as known
    inner join predictions.topics as scored
        on scored.model = %(model)s
        and scored.model_version = %(version)s
        and scored.record_id = known.record_id
        and scored.content_hash = known.content_hash
    order by known.event_at, known.record_id
"""


def write_shares(connection: Connection, collection: Collection, version: int, as_of: date) -> int:
    """Make `predictions.topic_shares` of a version anew from its topics of the texts known at the end of `as_of`."""
    scored = _read(connection, collection, version, as_of)
    rows = ((collection.model, version, *row) for row in _rows(scored, as_of))
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from predictions.topic_shares where model = %s and model_version = %s",
            (collection.model, version),
        )
    written = postgres.copy_rows(connection, "predictions.topic_shares", COLUMNS, rows)
    connection.commit()
    return written


def wilson_limits(successes: np.ndarray, trials: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score limits of many shares (Wilson 1927); see `maeari.statistics.wilson_interval`."""
    z = stats.norm.ppf((1 + confidence) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    margin = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # Rounding must not put a share outside its own limits.
    return np.minimum(np.clip(centre - margin, 0, 1), share), np.maximum(np.clip(centre + margin, 0, 1), share)


def trend_tests(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The z-statistics and two-sided p-values of a trend in shares over periods (Cochran 1954; Armitage 1955).

    `successes` has the shape (periods, topics), `trials` (periods,), both of equally spaced periods; periods that are
    missing among them have 0 trials. Nan without any success or without any failure.
    """
    times = np.arange(len(trials), dtype=float)[:, None]
    trials = np.asarray(trials, dtype=float)[:, None]
    total = trials.sum()
    share = successes.sum(axis=0) / total
    statistic = (times * (successes - trials * share)).sum(axis=0)
    spread = (trials * times**2).sum() - (trials * times).sum() ** 2 / total
    with np.errstate(divide="ignore", invalid="ignore"):
        z = statistic / np.sqrt(share * (1 - share) * spread)
    return z, 2 * stats.norm.sf(np.abs(z))


def _read(connection: Connection, collection: Collection, version: int, as_of: date) -> pd.DataFrame:
    with connection.cursor() as cursor:
        cursor.execute(
            _SCORED.format(known_texts=known_texts(collection)),
            {
                "zone": clock.zone().key,
                "model": collection.model,
                "version": version,
                "known_until": clock.end_of_day(as_of),
            },
        )
        columns = [column.name for column in cursor.description]
        return pd.DataFrame(cursor.fetchall(), columns=columns)


def _rows(scored: pd.DataFrame, as_of: date) -> Iterator[tuple]:
    if scored.empty:
        return
    told = scored[scored["main_topic"].notna()]
    topics = len(told["weights"].iloc[0]) if len(told) else 0
    for counts_copies in (False, True):
        texts = scored if counts_copies else scored[~scored["original_id"].duplicated()]
        for part in slices(scored):
            chosen = texts[part.holds(texts)]
            for every in part.periods():
                yield from _rows_of(chosen, every, part, counts_copies, topics, as_of)


def _rows_of(
    texts: pd.DataFrame, every: Every, part: Slice, counts_copies: bool, topics: int, as_of: date
) -> Iterator[tuple]:
    has_topic = texts["main_topic"].notna()
    told = texts[has_topic]
    numbers, periods = pd.factorize(texts["written_on"].map(every.start), sort=True)
    counts = np.zeros((len(periods), topics))
    weights = np.zeros((len(periods), topics))
    if len(told):
        rows = numbers[has_topic.to_numpy()]
        np.add.at(counts, (rows, told["main_topic"].astype(int).to_numpy()), 1)
        np.add.at(weights, rows, np.array(told["weights"].tolist()))
    sizes = counts.sum(axis=1).astype(int)
    written = np.bincount(numbers, minlength=len(periods))
    # Periods without a text lie between, where nothing was written: the trend counts them as time.
    index = np.array([every.number(start) for start in periods])
    for number, start in enumerate(periods):
        is_complete = every.last_day(start) <= as_of
        key = (every.value, start, is_complete, *part, counts_copies)
        if sizes[number] < TEXTS_NEEDED:
            are_few = written[number] < TEXTS_NEEDED
            note = note_of_too_few(written[number]) if are_few else note_of_too_few(sizes[number], "texts with a topic")
            yield (*key, int(written[number]), *[None] * 9, note)
            continue
        low, high = wilson_limits(counts[number], np.full(topics, sizes[number]))
        trends, p_values, among = _trends(counts, sizes, index, number, every)
        for topic in range(topics):
            yield (
                *key, int(sizes[number]), topic, int(counts[number, topic]), counts[number, topic] / sizes[number],
                low[topic], high[topic], weights[number, topic] / sizes[number], trends[topic], p_values[topic], among,
                None,
            )  # fmt: skip


def _trends(
    counts: np.ndarray, sizes: np.ndarray, index: np.ndarray, number: int, every: Every
) -> tuple[list[str | None], list[float | None], int | None]:
    """For each topic the trend up to a period, its p-value (Holm-corrected among topics), and of how many periods."""
    window = TREND_PERIODS[every]
    used = [
        place for place in range(number + 1) if index[number] - index[place] < window and sizes[place] >= TEXTS_NEEDED
    ]
    topics = counts.shape[1]
    if len(used) < LEAST_TREND_PERIODS:
        return [None] * topics, [None] * topics, None
    successes, trials = np.zeros((window, topics)), np.zeros(window)
    at = index[used] - index[number] + window - 1
    successes[at], trials[at] = counts[used], sizes[used]
    z, p_values = trend_tests(successes, trials)
    adjusted = holm_adjusted(np.nan_to_num(p_values, nan=1.0).tolist())
    # What has come and gone within the window rises no longer.
    ahead = counts[number] / sizes[number] - successes.sum(axis=0) / trials.sum()
    trends = [
        "steady" if p_value >= SIGNIFICANCE or direction * lead <= 0 else "rising" if direction > 0 else "falling"
        for direction, p_value, lead in zip(z.tolist(), adjusted, ahead.tolist(), strict=True)
    ]
    return trends, adjusted, len(used)
