"""Scoring of customers, their reasons and the marts that show both, on a real warehouse and registry."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from maeari import clock, postgres, warehouse
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES, matrix, read_months

AS_OF = date(2025, 12, 10)
MONTH_ENDS = [date(2025, 6, 30), date(2025, 7, 31), date(2025, 8, 31), date(2025, 9, 30), date(2025, 10, 31)]
NEWEST = date(2025, 11, 30)
CUSTOMERS = 300
HOSTILE = 'c,"7\n한글'
CONFIG = ChurnConfig(trees=20, depth=5, min_leaf=5, reasons_customers=20, lime_customers=3)


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def customers_at(day: date, seed: int) -> pd.DataFrame:
    """Customers of a month end, whose leaving depends on recency."""
    drawn = np.random.default_rng(seed)
    frame = pd.DataFrame({name: np.round(drawn.gamma(2, 10, CUSTOMERS)) for name in FEATURES})
    for name in ("mean_gap_days", "gap_sd_days", "recency_per_gap", "own_negative_share_180d"):
        frame.loc[: CUSTOMERS // 3, name] = None
    frame.insert(0, "customer_id", [HOSTILE, *(f"c{n:03}" for n in range(1, CUSTOMERS))])
    frame.insert(1, "as_of_on", day)
    frame["churned_in_60d"] = drawn.random(CUSTOMERS) < 1 / (1 + np.exp((20 - frame["recency_days"]) / 5))
    return frame


def land(table: str, frame: pd.DataFrame, is_mature: bool) -> None:
    columns = ["customer_id", "as_of_on", *FEATURES, "churned_in_60d", "labels_mature_on", "built_at"]
    day = frame["as_of_on"].iloc[0]
    with postgres.connect("dbt") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select column_name from information_schema.columns"
            " where table_schema = 'features' and table_name = %s and data_type = 'integer'",
            (table,),
        )
        whole = {name for (name,) in cursor.fetchall()}
        rows = (
            (
                row["customer_id"], day,
                *(None if pd.isna(row[name]) else int(row[name]) if name in whole else row[name] for name in FEATURES),
                row["churned_in_60d"] if is_mature else None, day + timedelta(days=60), datetime.now(UTC),
            )
            for row in frame.to_dict("records")
        )  # fmt: skip
        postgres.copy_rows(connection, f"features.{table}", columns, rows)


def release(version: int, effective_from: datetime) -> None:
    fetch("update ops.deployments set live_to = now() where model = 'churn' and live_to is null")
    fetch(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('churn', %s, now(), %s, 'approver', now(), '{}')",
        version,
        effective_from,
    )


def register(frame: pd.DataFrame, seed: int) -> int:
    from ml import registry
    from ml.churn.models import fit

    config = CONFIG.model_dump(exclude_none=True)
    return registry.register(
        "churn",
        fit(frame, CONFIG.model_copy(update={"seed": seed})),
        card={"features": list(FEATURES), "config": config},
        metrics={"training_rows": len(frame)},
        config=config,
        training_set=registry.TrainingSet(f"churn {seed}", clock.end_of_day(AS_OF), len(frame), "x", "select 1"),
    )


def build() -> None:
    warehouse.run_dbt("build", "--select", "int_churn__versions_in_charge", "retention_list", "churn_outcomes")


@pytest.fixture(scope="module")
def scored(new_warehouse, new_registry):
    """Six month ends of customers, a version that takes effect when the newest ends, and its first scoring."""
    from ml.churn.score import score

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        # Before anything is imported or scored the marts are there, and empty.
        warehouse.run_dbt(
            "build", "--select", "+retention_list", "+churn_outcomes", "churn_now", "--exclude-resource-type", "test"
        )
        assert (
            fetch("select as_of_on from marts.retention_list union all select as_of_on from marts.churn_outcomes") == []
        )
        months = [customers_at(day, seed) for seed, day in enumerate(MONTH_ENDS)]
        for frame in months:
            land("churn", frame, is_mature=frame["as_of_on"].iloc[0] + timedelta(days=60) <= AS_OF)
        land("churn", customers_at(NEWEST, 99), is_mature=False)
        nothing_live = score(AS_OF)
        release(register(pd.concat(months[:3]), seed=1), clock.end_of_day(NEWEST))
        yield nothing_live, score(AS_OF)


@pytest.fixture(scope="module")
def pipeline(scored):
    from ml.churn.predict import load

    return load(1)


def test_each_month_end_is_scored_once_by_the_version_in_charge(scored):
    from ml.churn.score import score

    nothing_live, first = scored
    assert nothing_live == {"as_of": "2025-12-10", "scored": 0, "by_version": {}, "shadow": 0, "explained": 0}
    # 90 days back from the first of December; of June and July nobody had known a share of leavers by then.
    assert first == {"as_of": "2025-12-10", "scored": 900, "by_version": {"1": 900}, "shadow": 0, "explained": 20}
    assert fetch("select as_of_on::text, purpose, count(*) from predictions.churn group by 1, 2 order by 1") == [
        ("2025-09-30", "backfill", 300),
        ("2025-10-31", "backfill", 300),
        ("2025-11-30", "live", 300),
    ]
    assert score(AS_OF) == {"as_of": "2025-12-10", "scored": 0, "by_version": {"1": 0}, "shadow": 0, "explained": 0}


def test_the_committed_policy_watches_what_was_scored(scored):
    from monitoring import monitor
    from monitoring.check import check

    found = check("churn", AS_OF)
    assert "the query: 900 predictions of version 1 from 2025-09-30 to 2025-11-30." in found
    assert "Reference from 2025-09-30 to 2025-11-30: 900 predictions, 300 with a label." in found
    assert monitor("churn", AS_OF)["windows"] == []
    assert fetch("select sum(rows) from monitoring.sketches where policy = 'churn' and column_name = 'recency_days'")


def test_a_score_is_the_pipelines_shifted_to_the_share_to_be_expected_on_that_day(scored, pipeline):
    from ml.churn.base_rate import expected_share, rates
    from ml.churn.predict import predict_day

    day = date(2025, 10, 31)
    frame = customers_at(day, 4)
    stored = dict(fetch("select customer_id, churn_probability from predictions.churn where as_of_on = %s", day))
    assert stored.keys() == set(frame["customer_id"])
    np.testing.assert_allclose(
        predict_day(pipeline, matrix(frame), expected_share(rates(read_months(day)), day)),
        frame["customer_id"].map(stored).to_numpy(float),
        rtol=1e-12,
    )


def test_as_many_are_predicted_to_leave_as_the_budget_allows(scored):
    assert fetch("select as_of_on, count(*) from predictions.churn where is_predicted_leaver group by 1")
    for least, most, count in fetch(
        "select min(churn_probability) filter (where is_predicted_leaver),"
        " max(churn_probability) filter (where not is_predicted_leaver), count(*) filter (where is_predicted_leaver)"
        " from predictions.churn group by as_of_on"
    ):
        assert (least >= most, count) == (True, 60)


def test_equals_are_taken_in_order_and_a_cost_needs_no_budget():
    from ml.churn.score import predicted_leavers

    equal = np.array([0.5, 0.7, 0.5, 0.5])
    half = ChurnConfig(contact_budget_share=0.5)
    assert predicted_leavers(equal, half).tolist() == [True, True, False, False]
    cost = ChurnConfig(contact_cost=6, saved_value=10)
    assert predicted_leavers(equal, cost).tolist() == [False, True, False, False]


def test_a_killed_run_goes_on_where_it_was(scored, monkeypatch):
    from ml.churn import score as scoring

    predictions = (
        "select customer_id, as_of_on, model_version, churn_probability, is_predicted_leaver, purpose"
        " from predictions.churn order by 1, 2, 3"
    )
    wanted = fetch(predictions)
    reasons = fetch("select * from predictions.churn_reasons order by 1, 2, 3, 4, 5")
    fetch("truncate predictions.churn, predictions.churn_reasons")
    write = scoring._write

    def killed_at_the_second_day(job, *batch):
        if job.day == date(2025, 10, 31):
            raise KeyboardInterrupt
        return write(job, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_write", killed_at_the_second_day)
        with pytest.raises(KeyboardInterrupt):
            scoring.score(AS_OF)
    assert fetch("select count(*) from predictions.churn") == [(300,)]
    assert scoring.score(AS_OF)["scored"] == 600
    assert fetch(predictions) == wanted
    assert fetch("select * from predictions.churn_reasons order by 1, 2, 3, 4, 5") == reasons


def test_contributions_add_up_to_the_forests_own_probability(pipeline):
    from ml.churn.explain import forest_probability, global_picture, shap_values

    features = matrix(customers_at(NEWEST, 99))
    base, values = shap_values(pipeline, features)
    assert values.shape == features.shape
    np.testing.assert_allclose(base + values.sum(axis=1), forest_probability(pipeline, features), atol=1e-9)
    picture = global_picture(pipeline, features)
    assert [row["feature"] for row in picture][0] == "recency_days"
    assert picture[0]["direction"] == 1
    assert {row["feature"] for row in picture} == set(FEATURES)


LIST_ORDER = "order by is_predicted_leaver desc, churn_probability * expected_spend_60d desc, customer_id"


def test_the_first_on_the_list_have_up_to_five_reasons_in_words(scored):
    first = fetch(f"select customer_id from predictions.churn where as_of_on = %s {LIST_ORDER} limit 20", NEWEST)
    reasons = fetch(
        "select customer_id, method, array_agg(rank order by rank), array_agg(contribution order by rank),"
        " array_agg(reason order by rank) from predictions.churn_reasons where as_of_on = %s group by 1, 2",
        NEWEST,
    )
    assert {row[0] for row in reasons if row[1] == "shap"} == {customer for (customer,) in first}
    assert {row[0] for row in reasons if row[1] == "lime"} == {customer for (customer,) in first[:3]}
    for _, _, ranks, contributions, words in reasons:
        assert ranks == list(range(1, len(ranks) + 1))[:5]
        assert contributions == sorted(filter(lambda contribution: contribution > 0, contributions), reverse=True)
        assert words == [text for text in dict.fromkeys(words) if not text.startswith("but")]
    assert any("no purchase for" in row[4][0] for row in reasons)


def test_one_customer_is_explained_twice_with_the_agreement(scored):
    from ml.churn.explain import explain
    from ml.errors import UnknownCustomer

    ((first, probability),) = fetch(
        f"select customer_id, churn_probability from predictions.churn where as_of_on = %s {LIST_ORDER} limit 1", NEWEST
    )
    found = explain(first, AS_OF)
    assert (found.as_of_on, found.model_version, found.churn_probability) == (NEWEST, 1, probability)
    stored = "select reason from predictions.churn_reasons where customer_id = %s and method = %s order by rank"
    assert [(one.reason,) for one in found.shap] == fetch(stored, first, "shap")
    assert [(one.reason,) for one in found.lime] == fetch(stored, first, "lime")
    assert 0.2 <= found.agreement.top_in_common <= 1
    assert 0 < found.agreement.rank_correlation <= 1
    assert explain(HOSTILE, date(2025, 11, 1)).as_of_on == date(2025, 10, 31)
    with pytest.raises(UnknownCustomer, match="“nobody” was scored.*maeari score churn"):
        explain("nobody", AS_OF)


def test_the_marts_show_the_list_and_what_became_of_it(scored):
    build()
    listed = fetch(
        "select rank, value_at_stake, churn_probability * spend_180d / 3, jsonb_array_length(reasons), purpose"
        " from marts.retention_list inner join features.churn using (customer_id, as_of_on)"
        " where as_of_on = %s order by rank",
        NEWEST,
    )
    assert [row[0] for row in listed] == list(range(1, 61))
    assert [row[1] for row in listed] == pytest.approx(sorted((row[2] for row in listed), reverse=True))
    assert sum(row[3] > 0 for row in listed) == 20
    assert {row[4] for row in listed} == {"live"}
    # The labels of October become known at the end of the year only.
    assert fetch(
        "select as_of_on::text, count(*)::int, sum(customers)::int, sum(on_list_customers)::int, min(purpose),"
        " bool_and(actual_share between actual_share_low and actual_share_high) from marts.churn_outcomes group by 1"
    ) == [("2025-09-30", 10, 300, 60, "backfill", True)]
    ((promised, actual),) = fetch("select sum(promised_leavers), sum(actual_leavers) from marts.churn_outcomes")
    assert promised == pytest.approx(float(actual), rel=0.2)


def test_a_day_is_scored_on_demand_and_who_comes_late_does_not_stretch_its_list(scored):
    from ml.churn.score import score_current
    from ml.errors import EventsIncomplete

    day = date(2025, 12, 9)
    frame = customers_at(day, 7)
    land("churn_now", frame[:200], is_mature=False)
    assert score_current(date(2025, 12, 8))["by_version"] == {}
    with pytest.raises(EventsIncomplete, match="stands for 2025-12-09; the events are complete until no day only"):
        score_current(AS_OF)
    fetch("update intermediate.int_events__completeness set complete_until_on = '2025-12-09'")
    found = score_current(AS_OF)
    assert (found["by_version"], found["explained"]) == ({"1": 200}, 20)
    land("churn_now", frame[200:], is_mature=False)
    assert score_current(AS_OF)["scored"] == 100
    build()
    assert fetch("select count(*) from marts.retention_list where as_of_on = %s", day)[0][0] <= 60


def test_a_new_version_scores_the_past_that_the_old_one_was_in_charge_of(scored):
    from ml.churn.score import score

    release(
        register(pd.concat([customers_at(day, seed) for seed, day in enumerate(MONTH_ENDS[:2])]), seed=2),
        clock.end_of_day(date(2025, 12, 9)),
    )
    assert score(AS_OF)["by_version"] == {"1": 0, "2": 900}
    assert fetch("select distinct purpose from predictions.churn where model_version = 2") == [("backfill",)]
    build()
    assert fetch("select distinct model_version from marts.retention_list where as_of_on = %s", NEWEST) == [(1,)]


def test_the_version_before_scores_along_and_is_in_charge_again_after_a_rollback(scored):
    from ml.churn.score import score

    day, as_of = date(2025, 12, 31), date(2026, 1, 10)
    land("churn", customers_at(day, 11), is_mature=False)
    found = score(as_of)
    assert (found["by_version"]["2"], found["shadow"]) == (300, 300)
    purposes = "select model_version, purpose, count(*) from predictions.churn where as_of_on = %s group by 1, 2"
    assert sorted(fetch(purposes, day)) == [(1, "shadow", 300), (2, "live", 300)]
    build()
    assert fetch("select distinct model_version from marts.retention_list where as_of_on = %s", day) == [(2,)]
    release(1, clock.end_of_day(date(2025, 12, 30)))
    score(as_of)
    assert (1, "live", 300) in fetch(purposes, day)
