"""The release of churn versions against a real warehouse and registry; small models stand in for trained ones."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from maeari import clock, postgres

MONTH_ENDS = [date(2025, 6, 30), date(2025, 7, 31), date(2025, 8, 31), date(2025, 9, 30), date(2025, 10, 31)]
CUSTOMERS = 700
AS_OF = date(2025, 12, 30)
"""The day on which the labels of the last month end become known."""


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.fixture(scope="module")
def months(new_warehouse, new_registry):
    """Customers at five month ends who leave by how late they are for their habit, and a registry of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        frame = pd.concat([_month(day) for day in MONTH_ENDS])
        columns = dict.fromkeys(frame.columns, "double precision") | {
            "customer_id": "text", "as_of_on": "date", "churned_in_60d": "boolean", "labels_mature_on": "date",
        }  # fmt: skip
        change(f"create table features.churn ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        change("grant select on features.churn to maeari_ml")
        _fill(frame)
        yield frame


def _month(day: date) -> pd.DataFrame:
    from ml.churn.features import FEATURES

    random = np.random.default_rng(day.toordinal())
    facts = pd.DataFrame({name: random.random(CUSTOMERS) for name in FEATURES})
    facts["recency_days"] = random.integers(0, 90, CUSTOMERS)
    facts["recency_per_gap"] = random.gamma(2, 0.6, CUSTOMERS)
    facts["tenure_days"] = random.integers(1, 700, CUSTOMERS)
    facts["purchase_days_180d"] = random.integers(1, 9, CUSTOMERS)
    risk = 2.5 * (facts["recency_per_gap"] - 1) + 0.01 * facts["recency_days"] - 0.5
    facts["churned_in_60d"] = random.random(CUSTOMERS) < 1 / (1 + np.exp(-risk))
    facts["customer_id"] = [f"c{number}" for number in range(CUSTOMERS)]
    return facts.assign(as_of_on=day, labels_mature_on=day + timedelta(days=60))


def _fill(frame: pd.DataFrame) -> None:
    change("truncate features.churn")
    with postgres.connect("owner") as connection:
        postgres.copy_rows(connection, "features.churn", tuple(frame.columns), frame.itertuples(index=False, name=None))


def register(frame: pd.DataFrame, *, holdout: date, drawn: np.random.Generator | None = None, seen=None) -> int:
    """Register a version that has learned the labels known at its holdout, shuffled when a generator is given."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from ml import registry
    from ml.churn.config import ChurnConfig
    from ml.churn.features import FEATURES, matrix

    known = frame[frame["labels_mature_on"] <= holdout]
    labels = known["churned_in_60d"].to_numpy(dtype=bool)
    features = matrix(known)
    if seen is not None:
        features[:, [number for number, name in enumerate(FEATURES) if name not in seen]] = 0
    steps = [("scale", StandardScaler()), ("classifier", LogisticRegression(class_weight="balanced"))]
    pipeline = Pipeline(steps).fit(features, labels if drawn is None else drawn.permutation(labels))
    return registry.register(
        "churn",
        pipeline,
        card={
            "features": list(FEATURES),
            "config": ChurnConfig(max_calibration_error=0.1).model_dump(),
            "data": {"as_of": (holdout + timedelta(days=60)).isoformat(), "holdout_from": holdout.isoformat()},
        },
        metrics={"training_rows": len(known), "roc_auc": 0.8, "roc_auc_low": 0.7, "roc_auc_high": 0.9},
        config={},
        training_set=registry.TrainingSet(
            f"churn-{holdout}-{len(fetch('select 1 from ops.model_versions'))}",
            clock.end_of_day(holdout), len(known), "0" * 64, "select 1",
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def good(months):
    """A version that has learned how customers leave."""
    return register(months, holdout=MONTH_ENDS[3])


@pytest.fixture
def no_release(good):
    """Nothing was ever released."""
    change("truncate ops.release_requests, ops.deployments")


def ask(version: int, as_of: date = AS_OF, run_id: str = "run-1") -> dict:
    from ml import release

    return release.compare("churn", version, as_of, dag_run_id=run_id)


def test_an_approved_version_was_better_on_the_newest_month_end_that_it_had_not_learned(good, no_release, airflow):
    from ml import registry, release

    change(
        "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card, artifact_sha256,"
        " mlflow_run_id) select 'sentiment', 1, trained_at, training_set_id, metrics, card, artifact_sha256,"
        " mlflow_run_id from ops.model_versions where model = 'churn' and version = %s",
        good,
    )
    change(
        "insert into ops.release_requests (model, version, as_of, effective_from, evidence, may_ask, expires_at,"
        " outcome) values ('sentiment', 1, now(), now(), '{}', true, now() + interval '1 day', 'waiting')"
    )
    evidence = ask(good)
    assert evidence["may_ask"], evidence["reasons"]
    assert evidence["measure"] == "roc_auc"
    assert evidence["rows"] == CUSTOMERS
    assert evidence["window_from"] == clock.end_of_day(MONTH_ENDS[-1]).isoformat()
    assert evidence["window_until"] == clock.end_of_day(AS_OF).isoformat()
    assert "Churn version" in evidence["question"]
    figures = evidence["figures"]
    assert figures["challenger"]["roc_auc"]["value"] > figures["baseline"]["roc_auc"]["value"] + 0.1
    assert figures["challenger"]["contacted"] == figures["baseline"]["contacted"] == CUSTOMERS / 5
    assert len(evidence["segments"]) >= 6
    assert release.waiting("sentiment")["version"] == 1
    airflow.answer("Approve")
    assert release.promote(evidence["request_id"])["outcome"] == "approved"
    assert registry.live_version("churn") == good
    assert registry.differences("churn") == []
    assert release.waiting("sentiment")["version"] == 1


def test_labels_that_are_not_known_yet_are_not_looked_at(good, no_release):
    from ml import release

    before = release.compare_only("churn", good, AS_OF - timedelta(days=1))
    assert before["window_from"] == clock.end_of_day(MONTH_ENDS[-2]).isoformat()
    change("update features.churn set churned_in_60d = not churned_in_60d where as_of_on = %s", MONTH_ENDS[-1])
    try:
        assert release.compare_only("churn", good, AS_OF - timedelta(days=1)) == before
        assert not release.compare_only("churn", good, AS_OF)["may_ask"]
    finally:
        change("update features.churn set churned_in_60d = not churned_in_60d where as_of_on = %s", MONTH_ENDS[-1])


def test_a_version_of_shuffled_labels_is_no_better_than_the_baseline_and_cannot_be_promoted(
    months, no_release, airflow
):
    from ml import registry, release

    noise = register(months, holdout=MONTH_ENDS[-1], drawn=np.random.default_rng(1))
    evidence = ask(noise)
    assert not evidence["may_ask"]
    assert evidence["question"] is None
    assert any(reason.startswith("No better than the baseline") for reason in evidence["reasons"])
    airflow.answer("Approve")
    assert release.promote(evidence["request_id"])["outcome"] == "not_better"
    assert registry.live_version("churn") is None


def test_a_challenger_that_knows_less_than_the_live_version_asks_nobody(months, good, no_release, airflow):
    from ml import release

    airflow.answer("Approve")
    release.promote(ask(good)["request_id"])
    duller = register(months, holdout=MONTH_ENDS[-1], seen={"recency_days", "tenure_days"})
    evidence = ask(duller, run_id="run-2")
    assert evidence["live_version"] == good
    assert not evidence["may_ask"]
    assert any(reason.startswith("Neither better than the live version") for reason in evidence["reasons"])
    assert evidence["comparisons"].keys() == {"live", "baseline", "logistic regression"}
    assert any(reason.startswith("Clearly worse than logistic regression") for reason in evidence["reasons"])
    assert release.waiting("churn") is None


def test_a_live_version_of_other_features_does_not_stand_in_the_way_of_the_next(months, good, no_release, airflow):
    from ml import registry, release

    airflow.answer("Approve")
    release.promote(ask(good)["request_id"])
    ((card,),) = fetch("select card from ops.model_versions where model = 'churn' and version = %s", good)
    _write_card(good, card | {"features": ["gone"]})
    try:
        successor = register(months, holdout=MONTH_ENDS[-1])
        evidence = ask(successor, run_id="run-2")
        assert f"Version {good}, live now, learned from other features" in evidence["question"]
        assert f"version {good} stays live" in evidence["question"]
        assert release.promote(evidence["request_id"])["outcome"] == "approved"
        assert registry.live_version("churn") == successor
    finally:
        _write_card(good, card)


def _write_card(version: int, card: dict) -> None:
    change("update ops.model_versions set card = %s where model = 'churn' and version = %s", json.dumps(card), version)


def test_too_few_customers_or_one_outcome_only_are_said_so(months, good, no_release):
    from ml import release

    change("update features.churn set labels_mature_on = '2026-01-31' where as_of_on >= %s", MONTH_ENDS[3])
    try:
        (reason,) = release.compare_only("churn", good, AS_OF)["reasons"]
        assert reason.startswith("Only 0 customers with a known outcome")
        change(
            "update features.churn set churned_in_60d = true, labels_mature_on = %s where as_of_on = %s",
            AS_OF,
            MONTH_ENDS[4],
        )
        (reason,) = release.compare_only("churn", good, AS_OF)["reasons"]
        assert f"{CUSTOMERS} are positive and 0 are not" in reason
    finally:
        _fill(months)


def test_the_commands_name_the_model(good, no_release):
    from typer.testing import CliRunner

    from cli.main import app
    from ml import release
    from ml.errors import UnknownVersion

    printed = CliRunner().invoke(app, ["release", "churn", "--as-of", "2025-12-29"])
    assert printed.exit_code == 0, printed.exception
    assert "may not be released" in printed.output or "To ask for it" in printed.output
    listed = CliRunner().invoke(app, ["models", "--model", "churn"])
    assert "ROC-AUC" in listed.output
    assert "0.800" in listed.output
    with pytest.raises(UnknownVersion, match="only churn, recommend, sentiment, topics, review_topics"):
        release.compare_only("chrun", None, AS_OF)
