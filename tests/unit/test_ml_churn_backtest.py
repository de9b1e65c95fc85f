"""What the churn model learns from, what it is tried on, and what it refuses."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from ml.churn.backtest import backtest
from ml.churn.base_rate import expected_share, rates
from ml.churn.config import ChurnConfig
from ml.churn.evaluate import evaluate, feature_tests, holdout_figures
from ml.churn.features import FEATURES, matrix
from ml.churn.models import FOREST, MODELS
from ml.churn.predict import log_odds, predict_day, threshold
from ml.errors import ConfigError, TooFewRows
from ml.statistics import roc_auc_interval

MONTH_ENDS = [day.date() for day in pd.date_range("2025-01-31", "2025-10-31", freq="ME")]
AS_OF = date(2025, 12, 30)
"""The day on which the labels of the last month end become known."""
CUSTOMERS = 400
SMALL = ChurnConfig(trees=15, depth=4, replicates=40)


def month(day: date, share: float = 0.5) -> pd.DataFrame:
    """Customers who leave by how late they are for their habit, about `share` of them."""
    random = np.random.default_rng(day.toordinal())
    facts = pd.DataFrame({name: random.random(CUSTOMERS) for name in FEATURES})
    facts["recency_days"] = random.integers(0, 180, CUSTOMERS)
    facts["recency_per_gap"] = random.gamma(2, 0.5, CUSTOMERS)
    facts["tenure_days"] = random.integers(1, 700, CUSTOMERS)
    facts["purchase_days_180d"] = random.integers(1, 9, CUSTOMERS)
    facts["season_sin"] = np.sin(day.month)
    facts.loc[random.random(CUSTOMERS) < 0.2, "mean_gap_days"] = np.nan
    risk = 2 * (facts["recency_per_gap"] - 1) + np.log(share / (1 - share))
    leaves = random.random(CUSTOMERS) < 1 / (1 + np.exp(-risk))
    return facts.astype(np.float32).assign(
        customer_id=[f"c{number}" for number in range(CUSTOMERS)],
        as_of_on=day,
        labels_mature_on=day + timedelta(days=60),
        churned_in_60d=pd.array(leaves, dtype="boolean"),
    )


def known_on(frame: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """What `read_months` gives: nothing later than the day, and no label that was not known then."""
    frame = frame[frame["as_of_on"] <= as_of].reset_index(drop=True)
    frame.loc[frame["labels_mature_on"] > as_of, "churned_in_60d"] = pd.NA
    return frame


@pytest.fixture(scope="module")
def months() -> pd.DataFrame:
    return pd.concat([month(day) for day in MONTH_ENDS], ignore_index=True)


@pytest.fixture(scope="module")
def tests(months):
    return backtest(months, AS_OF, SMALL)


@pytest.fixture(scope="module")
def found(tests):
    return evaluate(tests, SMALL)


def test_every_month_end_with_two_mature_ones_before_it_is_tried(tests):
    # The labels of January and February are known on 1 and 29 April.
    assert [test.as_of_on for test in tests] == MONTH_ENDS[3:]
    assert [test.training["as_of_on"].nunique() for test in tests] == [2, 3, 4, 5, 6, 7, 8]
    for test in tests:
        assert test.training["labels_mature_on"].max() <= test.as_of_on


def test_what_becomes_known_later_changes_nothing_that_was_said_before(months, tests):
    """Every row after a month end and every label that was not yet known there is turned into its opposite."""
    cutoff = tests[3].as_of_on
    later = months["labels_mature_on"] > cutoff
    poisoned = months.copy()
    poisoned.loc[later, "churned_in_60d"] = ~poisoned.loc[later, "churned_in_60d"]
    poisoned.loc[months["as_of_on"] > cutoff, list(FEATURES)] *= -7
    poisoned.loc[months["as_of_on"] > cutoff, "customer_id"] += " later"
    poisoned = poisoned[poisoned["as_of_on"] <= MONTH_ENDS[7]]
    for before, after in zip(tests[:4], backtest(poisoned, AS_OF, SMALL), strict=False):
        for model in MODELS:
            np.testing.assert_array_equal(before.probabilities[model], after.probabilities[model])


def test_a_score_does_not_depend_on_who_else_is_in_the_batch(tests):
    newest = tests[-1]
    features = matrix(newest.rows)[:50]
    alone = np.concatenate([log_odds(newest.forest, row[None]) for row in features])
    np.testing.assert_allclose(log_odds(newest.forest, features), alone)
    np.testing.assert_allclose(alone, log_odds(newest.forest, features[::-1])[::-1])
    assert len(log_odds(newest.forest, features[:0])) == 0


def test_probabilities_have_the_expected_share_as_their_mean_and_keep_their_order(tests):
    features = matrix(tests[-1].rows)
    even = log_odds(tests[-1].forest, features)
    for share in (0.01, 0.3, 0.7, 0.99):
        told = predict_day(tests[-1].forest, features, share)
        assert told.mean() == pytest.approx(share, abs=1e-9)
        np.testing.assert_array_equal(np.argsort(told, kind="stable"), np.argsort(even, kind="stable"))


def test_what_was_made_to_be_found_is_found(tests, found):
    assert found["pooled"]["forest"]["roc_auc"]["value"] > 0.7
    assert found["pooled"]["recency"]["roc_auc"]["low"] < 0.5 < found["pooled"]["recency"]["roc_auc"]["high"]
    against = {(row["rival"], row["test"], row["measure"]): row for row in found["comparisons"]}
    assert against["recency", "DeLong", "roc_auc"]["holm_p_value"] < 0.001
    assert against["recency", "McNemar", "accuracy"]["difference"]["low"] > 0
    assert against["recency", "bootstrap over customers", "roc_auc"]["difference"]["low"] > 0.1
    assert all(row["holm_p_value"] >= row["p_value"] for row in found["comparisons"])
    features = {row["feature"]: row for row in feature_tests(tests[-1].training)}
    assert list(features)[0] == "recency_per_gap"
    assert features["recency_per_gap"]["holm_p_value"] < 0.001
    assert features["recency_per_gap"]["direction"] == 1
    assert features["season_sin"]["p_value"] is None
    assert sum(row["holm_p_value"] < 0.05 for row in features.values() if row["p_value"] is not None) <= 2


def test_figures_are_those_of_the_rows_and_lie_in_their_intervals(tests, found):
    newest, cutoff = tests[-1], found["cutoffs"][-1]
    figures = cutoff["models"]["forest"]
    assert figures["roc_auc"]["value"] == pytest.approx(
        roc_auc_interval(newest.truth, newest.probabilities[FOREST]).value
    )
    confusion = figures["confusion"]
    assert sum(confusion.values()) == cutoff["rows"] == CUSTOMERS
    assert confusion["true_leavers"] + confusion["missed_leavers"] == newest.truth.sum()
    assert confusion["true_leavers"] + confusion["false_leavers"] == pytest.approx(0.2 * CUSTOMERS, abs=1)
    assert figures["recall"]["value"] == confusion["true_leavers"] / newest.truth.sum()
    for model in [figures, *found["pooled"].values()]:
        for figure in model.values():
            if isinstance(figure, dict) and "low" in figure:
                assert figure["low"] <= figure["value"] <= figure["high"]
    assert sum(point["rows"] for point in found["calibration_curve"]["forest"]) == CUSTOMERS * len(tests)
    holdout = holdout_figures(newest, found)
    assert holdout["roc_auc"] == figures["roc_auc"]
    assert holdout["segments"]


def test_shuffled_labels_teach_nothing(months):
    shuffled = np.random.default_rng(7).permutation(CUSTOMERS)
    noise = months.assign(
        churned_in_60d=months.groupby("as_of_on")["churned_in_60d"].transform(lambda labels: labels.array[shuffled])
    )
    found = evaluate(backtest(noise, AS_OF, SMALL), SMALL)
    pooled = found["pooled"]
    assert pooled["forest"]["roc_auc"]["low"] <= 0.52
    against = [row for row in found["comparisons"] if row["measure"] == "roc_auc"]
    assert all(row["holm_p_value"] > 0.05 or row["difference"]["value"] < 0 for row in against)


def test_the_same_rows_and_seed_give_the_same_figures_whatever_is_known_today(months, tests):
    long_ago = date(2025, 7, 31)
    again = backtest(known_on(months, long_ago), long_ago, SMALL)
    assert [test.as_of_on for test in again] == MONTH_ENDS[3:5]
    assert evaluate(again, SMALL) == evaluate(tests[:2], SMALL)


@pytest.mark.parametrize(
    ("spoil", "as_of", "complaint"),
    [
        (
            lambda frame: frame,
            date(2025, 6, 10),
            "has 3 month ends .*labels of 0 earlier ones were mature, and training needs 2",
        ),
        (lambda frame: frame.assign(customer_id="c1"), AS_OF, "has 1 customer .*needs at least 2.*is the customer"),
        (lambda frame: frame.assign(churned_in_60d=True), AS_OF, "Of 4,000 .* 4,000 left.*some who stayed"),
        (lambda frame: frame.assign(churned_in_60d=False), AS_OF, "Of 4,000 .* 0 left"),
        (lambda frame: frame.groupby("as_of_on").head(40), AS_OF, "has 400 rows .*training needs 500"),
        (lambda frame: frame.head(0), AS_OF, "has 0 rows .*import_events and build_warehouse"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_with_what_was_found_and_needed(months, spoil, as_of, complaint):
    frame = spoil(months)
    with pytest.raises(TooFewRows, match=complaint):
        backtest(known_on(frame.astype({"churned_in_60d": "boolean"}), as_of), as_of, SMALL)


def share_by_month(shares: dict[str, float], history_days: int = 600) -> pd.DataFrame:
    days = [date.fromisoformat(day) for day in shares]
    return pd.DataFrame(
        {
            "as_of_on": days,
            "labels_mature_on": [day + timedelta(days=60) for day in days],
            "rows": 1_000,
            "leaver_share": list(shares.values()),
            "history_days": history_days,
        }
    )


def test_the_expected_share_uses_mature_rates_alone():
    known = share_by_month({"2025-05-31": 0.4, "2025-06-30": 0.4})
    later = share_by_month({"2025-05-31": 0.4, "2025-06-30": 0.4, "2025-07-31": 0.9})
    assert expected_share(later, date(2025, 8, 29)) == expected_share(known, date(2025, 8, 29)) == pytest.approx(0.4)
    with pytest.raises(TooFewRows, match="known on 2025-07-29; 1 is needed"):
        expected_share(known, date(2025, 7, 29))


def test_the_expected_share_is_that_of_the_season_a_year_before():
    year = share_by_month({"2024-11-30": 0.7, "2025-04-30": 0.5, "2025-08-31": 0.5})
    assert expected_share(year, date(2025, 11, 30)) == pytest.approx(0.7)
    moved = share_by_month({"2024-08-31": 0.4, "2024-11-30": 0.7, "2025-08-31": 0.6})
    assert 0.7 < expected_share(moved, date(2025, 11, 30)) < 0.85
    short = year.assign(history_days=[100, 250, 370])
    assert expected_share(short, date(2025, 11, 30)) == pytest.approx(0.5)


def test_rates_count_the_customers_of_each_month_end(months):
    known = rates(known_on(months, date(2025, 6, 10)))
    assert list(known["as_of_on"]) == MONTH_ENDS[:3]
    assert known["leaver_share"].between(0.3, 0.7).all()


def test_the_threshold_is_that_of_the_budget_or_of_the_cost():
    probabilities = np.random.default_rng(1).random(1_000)
    fifth = threshold(probabilities, ChurnConfig())
    assert (probabilities >= fifth).sum() == 200
    assert threshold(probabilities, ChurnConfig(contact_cost=3, saved_value=12)) == 0.25


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"contact_budget_share": 0.2, "contact_cost": 1, "saved_value": 5}, "leave out the share"),
        ({"contact_cost": 1}, "saved_value is missing"),
        ({"contact_cost": 5, "saved_value": 5}, "nobody would be worth"),
        ({"contact_budget_share": None}, "Nothing says who is contacted"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused_with_advice(wrong, advice):
    with pytest.raises(ConfigError, match=advice):
        ChurnConfig(**wrong)


def test_month_ends_at_which_all_left_or_stayed_teach_nothing_and_break_nothing(months):
    odd = months[months["as_of_on"] <= MONTH_ENDS[6]].copy()
    odd.loc[odd["as_of_on"] == MONTH_ENDS[0], "churned_in_60d"] = True
    odd.loc[odd["as_of_on"] == MONTH_ENDS[5], "churned_in_60d"] = False
    tests = backtest(odd, AS_OF, SMALL)
    assert [test.as_of_on for test in tests] == [MONTH_ENDS[4], MONTH_ENDS[6]]
    assert MONTH_ENDS[0] not in set(tests[0].training["as_of_on"])
    json.dumps(evaluate(tests, SMALL), allow_nan=False)
