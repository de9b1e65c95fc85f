"""The rows of `features.churn` as they may be used on a day, and the matrix that the models see."""

import hashlib
from datetime import date
from tempfile import TemporaryFile

import numpy as np
import pandas as pd

from maeari import postgres

FEATURES = (
    "recency_days", "third_recency_days", "tenure_days",
    "purchase_days_30d", "purchase_days_90d", "purchase_days_180d", "purchase_days_365d", "purchase_days_ever",
    "purchase_days_decayed_60d", "purchase_days_decayed_120d", "purchase_days_decayed_180d",
    "purchase_rate_decayed_120d", "active_months_180d",
    "spend_30d", "spend_90d", "spend_180d", "spend_ever", "spend_decayed_120d", "lines_decayed_120d",
    "basket_180d", "basket_ever",
    "mean_gap_days", "gap_sd_days", "gap_variation", "last_gap_days", "longest_gap_days", "recency_per_gap",
    "covered_60d_share", "purchase_rate_60d", "expected_purchases_60d", "purchase_days_trend", "spend_trend",
    "distinct_items_180d", "distinct_items_ever", "repeated_item_share", "top_weekday_share",
    "returns_180d", "return_share_180d", "visits_90d", "same_season_days", "season_sin", "season_cos",
    "own_review_recency_days", "own_reviews_30d", "own_reviews_90d", "own_reviews_180d",
    "own_reviews_30d_relative", "own_reviews_90d_relative", "own_review_silence", "own_negative_share_180d",
)  # fmt: skip
"""The columns of `features.churn` that a model sees, in the order of its matrix."""

UNDEFINED = -1.0
"""What a model sees where a feature is not defined, such as the mean gap of a first-time buyer."""

MONTHS = """
    select
        customer_id,
        as_of_on,
        {features},
        case when labels_mature_on <= {as_of} then churned_in_60d end as churned_in_60d,
        labels_mature_on
    from features.churn
    where as_of_on <= {as_of}
    order by as_of_on, customer_id
"""


def read_months(as_of: date) -> pd.DataFrame:
    """The customers at each month end up to `as_of`, oldest first, with the labels that are known at its end.

    Columns `customer_id, as_of_on` (dates), `FEATURES` (float32, nan where undefined), `churned_in_60d` (nullable
    boolean, missing where `labels_mature_on` comes after `as_of`) and `labels_mature_on`.
    """
    frame = _read(MONTHS, as_of)
    frame["churned_in_60d"] = frame["churned_in_60d"].map({"t": True, "f": False}).astype("boolean")
    return frame


def telling(labelled: pd.DataFrame) -> pd.DataFrame:
    """The rows of the month ends at which some left and some stayed: the others cannot tell the two apart."""
    outcomes = labelled.groupby("as_of_on")["churned_in_60d"].transform("nunique")
    return labelled[outcomes == 2].reset_index(drop=True)


def matrix(frame: pd.DataFrame) -> np.ndarray:
    """The features of each row as float32, shape (rows, len(FEATURES)), -1 where one is not defined."""
    return np.nan_to_num(frame[list(FEATURES)].to_numpy(np.float32), nan=UNDEFINED)


def row_keys_sha256(frame: pd.DataFrame) -> str:
    """A fingerprint of which customers at which month ends these are, whatever their order."""
    keys = sorted(f"{customer}:{day}" for customer, day in zip(frame["customer_id"], frame["as_of_on"], strict=True))
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _read(query: str, as_of: date) -> pd.DataFrame:
    # By COPY through a file: a million customers as Python objects would not fit into memory.
    with postgres.connect("ml") as connection, connection.cursor() as cursor, TemporaryFile() as file:
        cursor.copy_expert(f"copy ({with_day(query, as_of)}) to stdout (format csv, header)", file)
        file.seek(0)
        frame = pd.read_csv(
            file,
            dtype={"customer_id": str, "churned_in_60d": str} | dict.fromkeys(FEATURES, np.float32),
            # A customer may be called NA.
            keep_default_na=False,
            na_values={name: [""] for name in (*FEATURES, "churned_in_60d")},
        )
    for column in frame.columns.intersection(["as_of_on", "labels_mature_on"]):
        frame[column] = pd.to_datetime(frame[column]).dt.date
    return frame


def with_day(query: str, as_of: date) -> str:
    """A query of this module as it is run for a day."""
    return query.format(features=", ".join(FEATURES), as_of=f"date '{as_of.isoformat()}'")
