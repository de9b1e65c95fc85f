"""Labelled reviews as known on a day, their split by time, and the text that the model sees."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from maeari import clock, postgres
from ml.errors import TooFewRows
from ml.sentiment.config import SentimentConfig
from ml.sentiment.text import joined, normalise

_LABELLED_ROWS = """
    select review_id, version_no, source, title, body, written_at, sentiment_label, stars
    from intermediate.int_reviews__versions
    where valid_from < %(known_until)s
        and (valid_to is null or valid_to >= %(known_until)s)
        and written_at < %(known_until)s
        and sentiment_label is not null
    order by written_at, review_id, version_no
"""


@dataclass(frozen=True)
class Split:
    """Labelled rows parted by time; no text of the holdout occurs in the training rows."""

    training: pd.DataFrame
    holdout: pd.DataFrame
    holdout_from: datetime
    known_until: datetime


def read_labelled(as_of: date) -> pd.DataFrame:
    """The labelled reviews as they were known at the end of `as_of`, oldest first.

    Columns `review_id, version_no, source, written_at, text` (title and body), `key` (the text normalised),
    `is_positive` and `stars`.
    """
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_LABELLED_ROWS, {"known_until": clock.end_of_day(as_of)})
        rows = cursor.fetchall()
    frame = pd.DataFrame(
        rows, columns=["review_id", "version_no", "source", "title", "body", "written_at", "sentiment_label", "stars"]
    )
    frame["written_at"] = pd.to_datetime(frame["written_at"], utc=True)
    frame["text"] = [joined(title, body) for title, body in zip(frame["title"], frame["body"], strict=True)]
    frame["key"] = normalise(frame["text"]).texts()
    frame["stars"] = frame["stars"].astype(float)
    frame["is_positive"] = frame["sentiment_label"] == "positive"
    return frame.drop(columns=["title", "body", "sentiment_label"])


def training_query(split: Split) -> str:
    """The SQL whose rows, less the texts it repeats, are the training rows."""
    return (
        _LABELLED_ROWS.replace("%(known_until)s", f"'{split.known_until.isoformat()}'")
        + f"    -- less written_at >= '{split.holdout_from.isoformat()}': the holdout\n"
    )


def split_by_time(rows: pd.DataFrame, as_of: date, config: SentimentConfig) -> Split:
    """Part the rows into training and the newest ones, the holdout, which nothing is ever fitted on."""
    if len(rows) < config.min_rows:
        raise TooFewRows(
            f"intermediate.int_reviews__versions has {len(rows):,} labelled reviews for {as_of}; training needs "
            f"{config.min_rows:,}. Check that crawl_reviews and build_warehouse succeeded for that day."
        )
    start = clock.start_of_day(as_of - timedelta(days=config.holdout_days - 1))
    wanted = min(config.holdout_min_rows, int(len(rows) * config.holdout_max_share))
    written = rows["written_at"]
    if (written >= start).sum() < wanted:
        start = written.iloc[len(rows) - wanted].to_pydatetime()
    largest = int(len(rows) * config.holdout_max_share)
    if (written >= start).sum() > largest:
        # Many reviews carry a day without an hour: the cut falls between two moments, never within one.
        later = written[written > written.iloc[len(rows) - largest - 1]]
        start = later.iloc[0].to_pydatetime() if len(later) else start
    training, holdout = rows[written < start], rows[written >= start]
    holdout = holdout[~holdout["key"].isin(set(training["key"]))]
    return Split(training.reset_index(drop=True), holdout.reset_index(drop=True), start, clock.end_of_day(as_of))


def row_keys_sha256(rows: pd.DataFrame) -> str:
    """A fingerprint of which review versions these are, whatever their order."""
    keys = sorted(f"{review}:{version}" for review, version in zip(rows["review_id"], rows["version_no"], strict=True))
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def segments(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Which rows belong to each segment that figures are given for: source, length, month written."""
    length = rows["text"].str.len()
    found = {f"source {name}": rows["source"] == name for name in sorted(rows["source"].unique())}
    found |= {
        "short (up to 20 characters)": length <= 20,
        "medium (21 to 80)": (length > 20) & (length <= 80),
        "long (over 80)": length > 80,
    }
    month = rows["written_at"].dt.tz_convert(clock.zone()).dt.strftime("%Y-%m")
    found |= {f"written {name}": month == name for name in sorted(month.unique())}
    return {name: mask for name, mask in found.items() if mask.any()}
