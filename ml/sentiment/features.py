"""Rated reviews as known on a day, their split by time, and the segments that figures are given for."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from maeari import clock, postgres
from maeari.text import joined
from ml.errors import TooFewRows
from ml.sentiment.config import SentimentConfig
from ml.sentiment.text import normalise

MIN_OF_EACH = 50
"""Positive and negative rows below which nothing is trained."""
SLIP_SHARE = 0.1
"""Where at most so large a share of the reviews of one text bears the other label, it is taken for a slip."""

MIN_HOLDOUT_ROWS = 100
"""Rows of the holdout below which no figure says anything, or `holdout_min_rows` where that is fewer."""

# Other scales than 5 and 10 have no labels, so nothing on them is between two labels.
_RATED_ROWS = """
    select review_id, version_no, source, title, body, written_at, sentiment_label, stars
    from intermediate.int_reviews__versions
    where valid_from < %(known_until)s
        and (valid_to is null or valid_to >= %(known_until)s)
        and written_at < %(known_until)s
        and (sentiment_label is not null or (rating_max in (5, 10) and stars in (3, 4)))
    order by written_at, review_id, version_no
"""


@dataclass(frozen=True)
class Split:
    """Rated rows parted by time; no text of the holdout occurs in what is learned from."""

    training: pd.DataFrame
    holdout: pd.DataFrame
    middling: pd.DataFrame
    """Of the training's time, the reviews whose stars are neither good nor bad; they teach with less weight."""
    middling_holdout: pd.DataFrame
    label_noise: dict
    """What `without_slips` found in the training rows."""
    holdout_from: datetime
    known_until: datetime

    def learned(self) -> pd.DataFrame:
        """All rows that teach: those of the training set, labelled and middling."""
        return pd.concat([self.training, self.middling], ignore_index=True)


def read_rated(as_of: date) -> pd.DataFrame:
    """The reviews rated on a scale of 5 or 10 as they were known at the end of `as_of`, oldest first.

    Those with a label, and the middling ones, which have 3 or 4 stars and no label: 2.5 to below 4 of 5, 5 to below 9
    of 10. What is barely above negative (4.5 of 10) and all other scales are left out.

    Columns `review_id, version_no, source, written_at, text` (title and body), `key` (the text normalised),
    `is_positive` (null where the stars are neither good nor bad) and `stars`.
    """
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_RATED_ROWS, {"known_until": clock.end_of_day(as_of)})
        rows = cursor.fetchall()
    # Column by column, because pandas is slow at handing out its strings one by one.
    columns = zip(*rows, strict=True) if rows else 8 * [()]
    review_ids, versions, sources, titles, bodies, written_at, labels, stars = columns
    texts = [joined(title, body) for title, body in zip(titles, bodies, strict=True)]
    is_positive = [{"positive": True, "negative": False}.get(label) for label in labels]
    return pd.DataFrame(
        {
            "review_id": pd.Series(review_ids, dtype="str"),
            "version_no": pd.Series(versions, dtype="int64"),
            "source": pd.Series(sources, dtype="str"),
            "written_at": pd.to_datetime(pd.Series(written_at, dtype="object"), utc=True),
            "text": pd.Series(texts, dtype="str"),
            "key": pd.Series(normalise(texts).texts(), dtype="str"),
            "is_positive": pd.array(is_positive, dtype="boolean"),
            "stars": pd.Series(stars, dtype="float64"),
        }
    )


def read_labelled(as_of: date) -> pd.DataFrame:
    """The rated reviews of `read_rated` that are positive or negative; `is_positive` is never null."""
    return labelled(read_rated(as_of))


def labelled(rated: pd.DataFrame) -> pd.DataFrame:
    """The rows that are positive or negative, less those whose stars are neither good nor bad."""
    return rated[rated["is_positive"].notna()].astype({"is_positive": bool}).reset_index(drop=True)


def training_query(split: Split) -> str:
    """The SQL whose rows, less those its comments name, are the rows that teach."""
    return (
        _RATED_ROWS.replace("%(known_until)s", f"'{split.known_until.isoformat()}'")
        + f"    -- less written_at >= '{split.holdout_from.isoformat()}': the holdout\n"
        + f"    -- less {split.label_noise['left_out']:,} reviews that contradict nine in ten of their own text\n"
    )


def split_by_time(rated: pd.DataFrame, as_of: date, config: SentimentConfig) -> Split:
    """Part the rows into training and the newest ones, the holdout, which nothing is ever fitted on."""
    rows = labelled(rated)
    if len(rows) < config.min_rows:
        raise TooFewRows(
            f"intermediate.int_reviews__versions has {len(rows):,} labelled reviews for {as_of}; training needs "
            f"{config.min_rows:,}. Check that crawl_reviews and build_warehouse succeeded for that day."
        )
    start = _holdout_from(rows["written_at"], as_of, config)
    holdout, middling_holdout = (part[part["written_at"] >= start] for part in (rows, _middling(rated)))
    training, middling = (part[part["written_at"] < start] for part in (rows, _middling(rated)))
    holdout, middling_holdout = (
        unlearned(part, training["key"], middling["key"]) for part in (holdout, middling_holdout)
    )
    wanted = min(MIN_HOLDOUT_ROWS, config.holdout_min_rows)
    if len(holdout) < wanted:
        since = start.astimezone(clock.zone()).date()
        raise TooFewRows(
            f"Of the labelled reviews since {since}, {len(holdout):,} have a text that no earlier review has; "
            f"{wanted:,} are needed to judge a version by. Check whether a crawl brought copies "
            "(marts.duplicate_reviews), or train as of a later day."
        )
    training, label_noise = without_slips(training)
    positive = int(training["is_positive"].sum())
    if min(positive, len(training) - positive) < MIN_OF_EACH:
        raise TooFewRows(
            f"Of {len(training):,} training reviews for {as_of}, {positive:,} are positive and "
            f"{len(training) - positive:,} negative; at least {MIN_OF_EACH} of each are needed. Crawl a source whose "
            "reviewers give low and high ratings, and check its rating_max in marts.fct_reviews."
        )
    return Split(
        *(part.reset_index(drop=True) for part in (training, holdout, middling, middling_holdout)),
        label_noise=label_noise,
        holdout_from=start,
        known_until=clock.end_of_day(as_of),
    )


def unlearned(rows: pd.DataFrame, *learned: pd.Series) -> pd.DataFrame:
    """The rows whose normalised text is none of the learned ones."""
    texts = rows["key"].unique()
    # Few texts are sought among many, because pandas is slow at the opposite.
    met = set().union(*(keys[keys.isin(texts)] for keys in learned))
    return rows[~rows["key"].isin(met)]


def _middling(rated: pd.DataFrame) -> pd.DataFrame:
    return rated[rated["is_positive"].isna()]


def _holdout_from(written: pd.Series, as_of: date, config: SentimentConfig) -> datetime:
    start = clock.start_of_day(as_of - timedelta(days=config.holdout_days - 1))
    wanted = min(config.holdout_min_rows, int(len(written) * config.holdout_max_share))
    if (written >= start).sum() < wanted:
        start = written.iloc[len(written) - wanted].to_pydatetime()
    largest = int(len(written) * config.holdout_max_share)
    if (written >= start).sum() > largest:
        # Many reviews carry a day without an hour: the cut falls between two moments, never within one.
        later = written[written > written.iloc[len(written) - largest - 1]]
        start = later.iloc[0].to_pydatetime() if len(later) else start
    return start


def without_slips(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """The labelled rows less those that contradict a clear majority of their own text, and the label noise as JSON.

    One text with both labels is a slip of the hand (the scale was read the wrong way round) where nine in ten of its
    reviews agree: the rest are left out. Where they do not, the text is truly mixed: all its rows stay, since their
    mix is the probability that the text should get. Of the reviews whose text others wrote too, the share that
    contradicts the majority (`share`) estimates how noisy labels are, and so what no model can reach.
    """
    texts = rows.groupby("key", sort=False)["is_positive"].agg(["size", "sum"])
    texts["fewer"] = texts["sum"].where(texts["sum"] * 2 <= texts["size"], texts["size"] - texts["sum"])
    mixed = texts[texts["fewer"] > 0]
    clear = mixed[mixed["fewer"] <= SLIP_SHARE * mixed["size"]]
    positive = rows["key"].map((clear["sum"] * 2 > clear["size"]).astype(float))
    is_slip = positive.notna() & (positive != rows["is_positive"])
    repeated = int(texts["size"][texts["size"] > 1].sum())
    contradicting = int(mixed["fewer"].sum())
    return rows[~is_slip], {
        "repeated_reviews": repeated,
        "mixed_texts": len(mixed),
        "contradicting_reviews": contradicting,
        "share": contradicting / repeated if repeated else None,
        "left_out": int(is_slip.sum()),
    }


def row_keys_sha256(rows: pd.DataFrame) -> str:
    """A fingerprint of which review versions these are, whatever their order."""
    keys = sorted(f"{review}:{version}" for review, version in zip(rows["review_id"], rows["version_no"], strict=True))
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def segments(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Which rows belong to each segment that figures are given for: source, length, year written.

    Months stand for years while the rows span less than a year.
    """
    length = rows["key"].str.len()
    found = {f"source {name}": rows["source"] == name for name in sorted(rows["source"].unique())}
    found |= {
        "short (up to 20 characters)": length <= 20,
        "medium (21 to 80)": (length > 20) & (length <= 80),
        "long (over 80)": length > 80,
    }
    written = rows["written_at"].dt.tz_convert(clock.zone())
    spans_years = len(rows) > 0 and written.max() - written.min() >= timedelta(days=365)
    period = written.dt.strftime("%Y" if spans_years else "%Y-%m")
    found |= {f"written {name}": period == name for name in sorted(period.unique())}
    return {name: mask for name, mask in found.items() if mask.any()}
