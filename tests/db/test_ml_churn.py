"""Training of the churn model against a real warehouse and registry."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from maeari import clock, postgres

MONTH_ENDS = [day.date() for day in pd.date_range("2025-05-31", "2025-10-31", freq="ME")]
CUSTOMERS = 300
AS_OF = date(2025, 12, 30)
"""The day on which the labels of the last month end become known."""


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def month(day: date) -> pd.DataFrame:
    from ml.churn.features import FEATURES

    random = np.random.default_rng(day.toordinal())
    facts = pd.DataFrame({name: random.random(CUSTOMERS).round(4) for name in FEATURES})
    facts["recency_per_gap"] = random.gamma(2, 0.6, CUSTOMERS)
    facts["tenure_days"] = random.integers(1, 700, CUSTOMERS)
    facts["purchase_days_180d"] = random.integers(1, 9, CUSTOMERS)
    leaves = random.random(CUSTOMERS) < 1 / (1 + np.exp(-2.5 * (facts["recency_per_gap"] - 1)))
    customers = ["NA", "", *(f"c{number}" for number in range(2, CUSTOMERS))]
    return facts.assign(
        customer_id=customers, as_of_on=day, churned_in_60d=leaves, labels_mature_on=day + timedelta(days=60)
    )


def fill(frame: pd.DataFrame) -> None:
    change("truncate features.churn")
    with postgres.connect("owner") as connection:
        rows = ([None if value != value else value for value in row] for row in frame.itertuples(index=False))
        postgres.copy_rows(connection, "features.churn", tuple(frame.columns), rows)


@pytest.fixture(scope="module")
def months(new_warehouse, new_registry):
    """Customers at six month ends who leave by how late they are for their habit, and a registry of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        frame = pd.concat([month(day) for day in MONTH_ENDS], ignore_index=True)
        frame.loc[::7, "mean_gap_days"] = np.nan
        columns = dict.fromkeys(frame.columns, "double precision") | {
            "customer_id": "text", "as_of_on": "date", "churned_in_60d": "boolean", "labels_mature_on": "date",
        }  # fmt: skip
        change(f"create table features.churn ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        change("grant select on features.churn to maeari_ml")
        fill(frame)
        yield frame


@pytest.fixture(scope="module")
def small():
    from ml.churn.config import ChurnConfig

    return ChurnConfig(trees=15, depth=4, replicates=30)


@pytest.fixture(scope="module")
def first(months, small):
    """A version trained on the day on which everything is known."""
    from ml.churn.train import train

    return train(AS_OF, small)


def test_a_version_is_registered_with_its_training_set_and_card(first):
    ((version, metrics, card, rows, known_until),) = fetch(
        "select v.version, v.metrics, v.card, s.rows, s.known_until"
        " from ops.model_versions v join ops.training_sets s using (training_set_id)"
    )
    assert version == first.version
    assert known_until == clock.end_of_day(AS_OF)
    # The labels of August are known on 30 October, those of September are not.
    assert card["data"]["cutoffs"] == [day.isoformat() for day in MONTH_ENDS[:4]]
    assert card["data"]["holdout_from"] == MONTH_ENDS[-1].isoformat()
    assert rows == card["data"]["training_rows"] == first.training_rows == 4 * CUSTOMERS
    assert metrics["roc_auc_low"] < metrics["roc_auc"] < metrics["roc_auc_high"]
    assert metrics["roc_auc"] == card["figures"]["roc_auc"]["value"] > 0.7
    assert [cutoff["as_of_on"] for cutoff in card["backtest"]["cutoffs"]] == [day.isoformat() for day in MONTH_ENDS[3:]]
    assert card["importance"][0]["feature"] == card["feature_tests"][0]["feature"] == "recency_per_gap"
    assert json.dumps(first.summary(), allow_nan=False)
    assert json.dumps(card, allow_nan=False)


def test_the_written_down_query_gives_the_training_rows_again(first):
    from ml import registry
    from ml.churn.features import row_keys_sha256

    ((query, fingerprint),) = fetch("select query, row_keys_sha256 from ops.training_sets")
    rows = fetch(query)
    frame = pd.DataFrame(rows).rename(columns={0: "customer_id", 1: "as_of_on"})
    frame = frame[frame.iloc[:, -2].notna()]
    assert row_keys_sha256(frame) == fingerprint
    assert registry.registered("churn", first.version).training_set_id.endswith(fingerprint[:12])


def test_customers_of_any_name_are_read_and_undefined_features_stay_undefined(months):
    from ml.churn.features import UNDEFINED, matrix, read_months

    read = read_months(AS_OF)
    assert set(read["customer_id"]) == set(months["customer_id"])
    assert read["mean_gap_days"].isna().sum() == months["mean_gap_days"].isna().sum() > 0
    assert (matrix(read) == UNDEFINED).sum() == months["mean_gap_days"].isna().sum()
    assert matrix(read).dtype == np.float32


def test_no_label_is_read_before_it_is_known_and_no_row_before_its_day(months):
    from ml.churn.features import read_months

    read = read_months(date(2025, 9, 28))
    assert list(read["as_of_on"].unique()) == MONTH_ENDS[:4]
    known = read[read["churned_in_60d"].notna()]
    assert list(known["as_of_on"].unique()) == MONTH_ENDS[:2]
    assert read_months(date(2025, 9, 29))["churned_in_60d"].notna().sum() == 3 * CUSTOMERS


def test_a_loaded_version_says_the_same_whatever_was_changed_after_its_holdout_and_whoever_is_beside(
    first, months, small
):
    from ml.churn.features import FEATURES, matrix, read_months
    from ml.churn.predict import load, log_odds
    from ml.churn.train import train

    features = matrix(read_months(AS_OF))[:80]
    told = log_odds(load(first.version), features)
    alone = np.concatenate([log_odds(load(first.version), row[None]) for row in features[:5]])
    np.testing.assert_allclose(told[:5], alone)

    holdout = MONTH_ENDS[-1]
    poisoned = months.copy()
    later = poisoned["labels_mature_on"] > holdout
    poisoned.loc[later, "churned_in_60d"] = ~poisoned.loc[later, "churned_in_60d"]
    poisoned.loc[poisoned["as_of_on"] == MONTH_ENDS[-2], list(FEATURES)] *= -3
    fill(poisoned)
    try:
        again = train(AS_OF, small)
        np.testing.assert_array_equal(log_odds(load(again.version), features), told)
    finally:
        fill(months)


def test_a_version_of_other_features_is_refused_by_name(first):
    from ml.churn.predict import load
    from ml.errors import UnknownVersion

    change("update ops.model_versions set card = jsonb_set(card, '{features}', '[\"recency_days\"]')")
    with pytest.raises(UnknownVersion, match="trained on 1 features.*tenure_days.*Train and release"):
        load(first.version)


def test_too_few_mature_month_ends_are_refused_with_how_many_there_are(months, small):
    from ml.churn.train import train
    from ml.errors import TooFewRows

    with pytest.raises(TooFewRows, match="labels of 1 earlier ones were mature, and training needs 2"):
        train(date(2025, 10, 1), small)
