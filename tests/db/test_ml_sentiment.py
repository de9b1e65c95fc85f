"""Training, release and scoring of the sentiment model against a real warehouse and registry.

Airflow is stood in for by a server that answers in the shapes of its REST API; the journey uses the real one.
"""

import hashlib
import importlib
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg2
import pytest

from maeari import clock, postgres, warehouse

AS_OF = date(2025, 3, 30)
FIRST = date(2025, 2, 23)
REVIEWS_A_WEEK = 420
REVIEW_COLUMNS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "rating", "rating_max",
    "body", "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip


def land(reviews, fetched_at: datetime) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source, outcome) values ('world', 'finished') returning crawl_id")
        (crawl_id,) = cursor.fetchone()
        rows = (
            (
                "world", review.review_id, 1, hashlib.sha256(f"{review.body}|{review.stars}".encode()).hexdigest(),
                review.subject_id, review.subject_name, review.stars, review.stars and 5, review.body,
                review.written_at.isoformat(), "second", "http://127.0.0.1/", crawl_id, fetched_at.isoformat(),
            )
            for review in reviews
        )  # fmt: skip
        postgres.copy_rows(connection, "raw.reviews", REVIEW_COLUMNS, rows)


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.fixture(scope="module")
def world(new_warehouse, new_registry):
    """A warehouse of 17 weeks of reviews, built by dbt, with a registry of its own."""
    from demo.world import World, week_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        reviews = World().written(AS_OF)
        by_week: dict[int, list] = {}
        for review in reviews:
            by_week.setdefault(week_of(review.written_at.date()), []).append(review)
        kept = [review for week in by_week.values() for review in week[:REVIEWS_A_WEEK]]
        land(kept, clock.end_of_day(AS_OF))
        warehouse.build(AS_OF)
        yield kept


@pytest.fixture(scope="module")
def first(world):
    """The first version, trained as of `FIRST`."""
    from ml import sentiment

    return sentiment.train(FIRST)


@pytest.fixture(scope="module")
def pipeline(first):
    from ml.sentiment.predict import load

    return load(first.version)


@pytest.fixture
def no_release(first):
    """Nothing was ever released."""
    change("truncate ops.release_requests, ops.deployments, predictions.sentiment")


def ask(version: int, as_of: date = FIRST, run_id: str = "run-1", is_replay: bool = False) -> dict:
    from ml import release

    return release.compare("sentiment", version, as_of, is_replay, dag_run_id=run_id)


def go_live(version: int, as_of: date, airflow) -> dict:
    """Release as a replay, so that the version takes effect the day after `as_of`."""
    from ml import release

    airflow.answer("Approve")
    return release.promote(ask(version, as_of, run_id=f"run-{version}", is_replay=True)["request_id"])


def test_a_version_is_registered_with_its_training_set_and_card(first):
    (row,) = fetch(
        "select v.version, v.metrics, v.card, v.artifact_sha256, v.mlflow_run_id, s.rows, s.known_until"
        " from ops.model_versions v join ops.training_sets s using (training_set_id) where v.version = %s",
        first.version,
    )
    version, metrics, card, sha256, run_id, rows, known_until = row
    assert metrics["accuracy"] > 0.75
    assert metrics["accuracy"] > metrics["baseline_accuracy"] + 0.1
    assert metrics["calibration_error"] < 0.08
    assert card["figures"]["accuracy"]["low"] < metrics["accuracy"] < card["figures"]["accuracy"]["high"]
    figures = card["figures"]
    assert {name.split()[0] for name in figures["segments"]} >= {"source", "short", "written"}
    assert 0 < figures["unsure_share"]["value"] < 0.3
    assert sum(figures["unsure_because"].values()) == figures["rows"] - figures["sure_accuracy"]["rows"]
    assert figures["sure_accuracy"]["value"] > figures["accuracy"]["value"]
    assert metrics["mean_star_error"] == figures["mean_star_error"] < figures["mean_star_error_of_the_median"]
    assert figures["star_rows"] > figures["rows"]
    assert card["data"]["label_noise"]["left_out"] <= card["data"]["label_noise"]["contradicting_reviews"]
    assert "quarter" in card["ageing"].get("skipped", card["ageing"].get("period"))
    assert card["data"]["training_rows"] == first.training_rows == rows - card["data"]["middling_rows"]
    assert card["data"]["middling_rows"] > 0
    assert known_until == clock.end_of_day(FIRST)
    assert len(sha256) == 64
    assert run_id
    assert json.dumps(first.summary())


def test_the_holdout_was_not_learned(first):
    from ml import registry
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.features import read_rated, row_keys_sha256, split_by_time

    split = split_by_time(read_rated(FIRST), FIRST, SentimentConfig())
    registered = registry.registered("sentiment", first.version)
    assert registered.training_set_id.endswith(row_keys_sha256(split.learned())[:12])
    assert split.learned()["written_at"].max() < split.holdout_from
    held_out = set(split.holdout["review_id"]) | set(split.middling_holdout["review_id"])
    assert not set(split.learned()["review_id"]) & held_out


def test_the_written_down_query_gives_the_training_rows_again(first):
    from ml import registry
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.features import read_rated, split_by_time

    split = split_by_time(read_rated(FIRST), FIRST, SentimentConfig())
    ((query,),) = fetch(
        "select query from ops.training_sets where training_set_id = %s",
        registry.registered("sentiment", first.version).training_set_id,
    )
    assert {row[0] for row in fetch(query.replace("%", "%%"))} >= set(split.learned()["review_id"])


def test_only_ratings_between_two_labels_of_their_scale_are_middling(world):
    from ml.sentiment.features import read_rated

    ratings = [
        ("five:3.5", 3.5, 5, 4, None), ("five:2.2", 2.2, 5, 2, None), ("five:5", 5, 5, 5, "positive"),
        ("ten:5", 5, 10, 3, None), ("ten:8", 8, 10, 4, None), ("ten:4.5", 4.5, 10, 2, None),
        ("hundred:100", 100, 100, 5, None), ("three:3", 3, 3, 5, None), ("hundred:60", 60, 100, 3, None),
    ]  # fmt: skip
    for rating in ratings:
        change(
            "insert into intermediate.int_reviews__versions"
            " (review_id, rating, rating_max, stars, sentiment_label, version_no, source, body, written_at, valid_from)"
            " values (%s, %s, %s, %s, %s, 1, 'scales', '글', %s, %s)",
            *rating, *2 * [clock.start_of_day(FIRST)],
        )  # fmt: skip
    try:
        rated = read_rated(FIRST)
    finally:
        change("delete from intermediate.int_reviews__versions where source = 'scales'")
    found = rated[rated["source"] == "scales"].set_index("review_id")["is_positive"]
    assert set(found.index[found.isna()]) == {"five:3.5", "ten:5", "ten:8"}
    assert found.index[found.notna()].tolist() == ["five:5"]


def test_the_same_rows_and_seed_give_the_same_model(first, pipeline):
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.features import read_rated, split_by_time
    from ml.sentiment.predict import predict
    from ml.sentiment.train import fit

    split = split_by_time(read_rated(FIRST), FIRST, SentimentConfig())
    again = predict(fit(split.training, SentimentConfig(), split.middling), split.holdout["text"])
    np.testing.assert_array_equal(again, predict(pipeline, split.holdout["text"]))


def test_a_score_does_not_depend_on_who_else_is_in_the_batch(pipeline, world):
    from ml.sentiment.predict import predict

    texts = [review.body for review in world[:60]] + ["", "ㅋ"]
    alone = np.concatenate([predict(pipeline, [text]) for text in texts])
    np.testing.assert_allclose(predict(pipeline, texts), alone)


def test_what_is_known_later_changes_neither_training_nor_scores(first, no_release, airflow):
    from ml import sentiment
    from ml.sentiment.features import read_labelled, row_keys_sha256

    go_live(first.version, FIRST, airflow)
    learned = row_keys_sha256(read_labelled(FIRST))
    sentiment.score(FIRST + timedelta(days=7))
    scores = fetch("select review_id, content_hash, positive_probability from predictions.sentiment order by 1")
    later = clock.end_of_day(FIRST + timedelta(days=7))
    columns = "source, source_review_id, subject_id, rating, rating_max, stars, sentiment_label, title, written_at"
    change(
        "insert into intermediate.int_reviews__versions (review_id, version_no, content_hash, body, valid_from, "
        f"fetched_at, url, {columns}) select review_id, 2, 'changed', '최악', %s, %s, url, {columns}"
        " from intermediate.int_reviews__versions where version_no = 1",
        later,
        later,
    )
    change("update intermediate.int_reviews__versions set valid_to = %s where version_no = 1", later)
    try:
        assert row_keys_sha256(read_labelled(FIRST)) == learned
        assert sentiment.score(FIRST + timedelta(days=7))["scored"] == 0
        change("truncate predictions.sentiment")
        sentiment.score(FIRST + timedelta(days=7))
        assert scores == fetch(
            "select review_id, content_hash, positive_probability from predictions.sentiment order by 1"
        )
    finally:
        change("delete from intermediate.int_reviews__versions where version_no = 2")
        change("update intermediate.int_reviews__versions set valid_to = null")


def test_nothing_is_scored_while_nothing_is_live(first, no_release):
    from ml import sentiment

    assert sentiment.score(AS_OF) == {"as_of": AS_OF.isoformat(), "scored": 0, "by_version": {}, "shadow": 0}


def test_each_review_is_scored_once_by_the_version_in_charge(first, no_release, airflow, world):
    from ml import registry, sentiment

    go_live(first.version, FIRST, airflow)
    effective = clock.start_of_day(FIRST + timedelta(days=1))
    scored = sentiment.score(AS_OF)
    since = effective - timedelta(days=90)
    assert scored["scored"] == sum(review.written_at >= since for review in world)
    assert sentiment.score(AS_OF)["scored"] == 0
    assert fetch("select distinct event_at >= %s, purpose from predictions.sentiment order by 1", effective) == [
        (False, "backfill"),
        (True, "live"),
    ]

    second = sentiment.train(AS_OF - timedelta(days=14))
    change_day = clock.start_of_day(AS_OF - timedelta(days=13))
    change(
        "select ops.promote('sentiment', %s, %s, artifact_sha256, 'someone', now(), %s, '{}', true)"
        " from ops.model_versions where version = %s",
        second.version,
        first.version,
        change_day,
        second.version,
    )
    assert registry.version_for("sentiment", change_day) == second.version
    assert registry.version_for("sentiment", change_day - timedelta(seconds=1)) == first.version
    assert registry.version_for("sentiment", effective - timedelta(seconds=1)) is None
    rescored = sentiment.score(AS_OF)
    since = change_day - timedelta(days=90)
    assert rescored["by_version"] == {
        str(first.version): 0,
        str(second.version): sum(review.written_at >= since for review in world),
    }


def test_an_approved_version_scores_the_last_90_days_at_once(first, no_release, airflow, world, monkeypatch):
    from ml import release, sentiment

    monkeypatch.setenv("MAEARI_AS_OF", AS_OF.isoformat())
    airflow.answer("Approve")
    release.promote(ask(first.version)["request_id"])
    effective = clock.end_of_day(AS_OF)
    assert sentiment.score(AS_OF - timedelta(days=1))["by_version"] == {}
    expected = sum(review.written_at >= effective - timedelta(days=90) for review in world)
    assert sentiment.score(AS_OF)["scored"] == expected
    assert fetch("select distinct purpose from predictions.sentiment") == [("backfill",)]


def test_a_broken_off_scoring_goes_on_where_it_stopped(first, no_release, airflow, monkeypatch):
    from ml import sentiment

    scoring = importlib.import_module("ml.sentiment.predict")
    monkeypatch.setattr(scoring, "BATCH_ROWS", 1_000)
    go_live(first.version, FIRST, airflow)
    whole = sentiment.score(AS_OF)["scored"]
    change("truncate predictions.sentiment")
    answer, calls = scoring.answer, []

    def break_off(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return answer(*arguments)

    monkeypatch.setattr(scoring, "answer", break_off)
    with pytest.raises(KeyboardInterrupt):
        sentiment.score(AS_OF)
    monkeypatch.setattr(scoring, "answer", answer)
    assert sentiment.score(AS_OF)["scored"] == whole - 2_000


def test_an_approval_by_the_assigned_person_makes_the_version_live(first, no_release, airflow):
    from ml import registry, release

    evidence = ask(first.version)
    assert evidence["may_ask"]
    assert evidence["figures"]["challenger"]["accuracy"]["value"] > evidence["figures"]["baseline"]["accuracy"]["value"]
    assert registry.live_version("sentiment") is None
    assert release.waiting("sentiment")["version"] == first.version
    airflow.answer("Approve", reason="looks right")
    outcome = release.promote(evidence["request_id"])
    assert (outcome["outcome"], outcome["decided_by"], outcome["reason"]) == ("approved", "approver", "looks right")
    assert registry.live_version("sentiment") == first.version
    assert registry.live_version("sentiment", datetime(2025, 1, 1, tzinfo=UTC)) is None
    assert registry.differences("sentiment") == []
    assert release.waiting("sentiment") is None
    ((approved_by, frozen, effective_from),) = fetch(
        "select approved_by, evidence, effective_from from ops.deployments"
    )
    assert approved_by == "approver"
    assert frozen["artifact_sha256"] == evidence["artifact_sha256"]
    assert effective_from == clock.start_of_day(clock.today() + timedelta(days=1))
    assert release.promote(evidence["request_id"])["outcome"] == "approved"
    assert len(fetch("select 1 from ops.deployments")) == 1


def test_a_live_version_is_a_rival_where_this_release_can_load_it_and_is_said_to_be_none_where_not(
    first, no_release, airflow
):
    from ml import registry, release, sentiment
    from ml.errors import UnknownVersion

    go_live(first.version, FIRST, airflow)
    second = sentiment.train(FIRST).version
    evidence = ask(second, run_id="beside")
    own, live = (evidence["figures"][side] for side in ("challenger", "live"))
    assert own == live
    assert 0 < own["unsure_share"]["value"] < 0.3
    assert evidence["comparisons"]["live"]["is_not_worse"]
    assert not evidence["comparisons"]["live"]["is_better"]
    assert evidence["min_gain"] > 0
    rule = "update ops.model_versions set card = jsonb_set(card, '{normalisation}', %s) where version = %s"
    change(rule, "1", first.version)
    try:
        alone = ask(second, run_id="alone")
        assert alone["may_ask"]
        assert set(alone["figures"]) == {"challenger", "baseline"}
        assert alone["reasons"][0].startswith(f"Version {first.version}, live now, was trained by an earlier release")
        assert release.promote(alone["request_id"])["outcome"] == "approved"
        assert registry.live_version("sentiment") == second
        with pytest.raises(UnknownVersion, match="normalised by rule 1.*Train and release a new version"):
            release.compare_only("sentiment", first.version, FIRST)
    finally:
        change(rule, str(registry.registered("sentiment", second).card["normalisation"]), first.version)


def test_a_replayed_release_takes_effect_the_day_after_its_day(first, no_release, airflow):
    go_live(first.version, FIRST, airflow)
    assert fetch("select effective_from, is_replay from ops.deployments") == [
        (clock.start_of_day(FIRST + timedelta(days=1)), True)
    ]


def test_a_refusal_is_kept_with_its_reason_and_changes_nothing(first, no_release, airflow):
    from ml import registry, release

    airflow.answer("Reject", reason="too few bookshops")
    outcome = release.promote(ask(first.version)["request_id"])
    assert (outcome["outcome"], outcome["reason"]) == ("refused", "too few bookshops")
    assert registry.live_version("sentiment") is None


def test_a_question_nobody_answered_expires(first, no_release, airflow):
    from ml import registry, release
    from ml.errors import NotPromoted

    request_id = ask(first.version)["request_id"]
    with pytest.raises(NotPromoted, match="Nobody has answered"):
        release.promote(request_id)
    change("update ops.release_requests set expires_at = now() - interval '1 second'")
    assert release.promote(request_id)["outcome"] == "expired"
    assert registry.live_version("sentiment") is None


@pytest.mark.parametrize("person", ["admin", None])
def test_an_answer_by_anyone_else_promotes_nothing(first, no_release, airflow, person):
    from ml import registry, release
    from ml.errors import NotPromoted

    airflow.answer("Approve", person=person)
    with pytest.raises(NotPromoted, match="only approver may answer"):
        release.promote(ask(first.version)["request_id"])
    assert registry.live_version("sentiment") is None


def test_a_newer_challenger_supersedes_the_question_and_ends_its_run(first, no_release, airflow):
    from ml import registry, release

    older = ask(first.version, run_id="older")
    newer = ask(first.version, run_id="newer")
    assert airflow.ended == ["older"]
    assert [(one["request_id"], one["run_ended"]) for one in newer["superseded"]] == [(older["request_id"], True)]
    airflow.answer("Approve")
    assert release.promote(older["request_id"])["outcome"] == "superseded"
    assert registry.live_version("sentiment") is None


def test_an_older_challenger_does_not_supersede_a_newer_ones_question(first, no_release, airflow):
    from ml import release, sentiment

    second = sentiment.train(FIRST)
    newer = ask(second.version, run_id="newer")
    older = ask(first.version, run_id="older")
    assert newer["may_ask"]
    assert not older["may_ask"]
    assert older["question"] is None
    assert release.waiting("sentiment")["version"] == second.version
    assert airflow.ended == []


def test_an_answer_to_a_question_with_other_evidence_promotes_nothing(first, no_release, airflow):
    from ml import registry, release
    from ml.errors import NotPromoted

    request_id = ask(first.version)["request_id"]
    airflow.answer("Approve")
    airflow.shown_request = request_id + 1
    with pytest.raises(NotPromoted, match="showed other evidence"):
        release.promote(request_id)
    assert registry.live_version("sentiment") is None


def test_no_replay_follows_the_release_of_a_person(first, no_release, airflow):
    from ml import release, sentiment
    from ml.errors import NotPromoted

    airflow.answer("Approve")
    release.promote(ask(first.version)["request_id"])
    second = sentiment.train(FIRST)
    with pytest.raises(NotPromoted, match="no replay may follow"):
        ask(second.version, is_replay=True)
    with pytest.raises(psycopg2.errors.RaiseException, match="no replay may follow"):
        change(
            "select ops.promote('sentiment', %s, %s, artifact_sha256, 'someone', now(), now(), '{}', true)"
            " from ops.model_versions where version = %s",
            second.version,
            first.version,
            second.version,
        )


def test_no_replay_happens_without_a_demo_world(first, no_release):
    from ml.errors import NotPromoted

    with pytest.raises(NotPromoted, match="holds no demo world"):
        ask(first.version, is_replay=True)


def test_a_comparison_is_printed_without_asking_anybody(first, no_release):
    from typer.testing import CliRunner

    from cli.main import app

    printed = CliRunner().invoke(app, ["release", "sentiment", "--as-of", FIRST.isoformat()])
    assert printed.exit_code == 0, printed.exception
    assert "the baseline" in printed.output
    assert "To ask for it" in printed.output
    assert "request" not in printed.output
    assert fetch("select 1 from ops.release_requests") == []
    listed = CliRunner().invoke(app, ["models"])
    assert listed.exit_code == 0, listed.exception
    assert "share right" in listed.output


def test_a_run_that_cannot_be_ended_is_reported(first, no_release, monkeypatch):
    monkeypatch.setenv("MAEARI_AIRFLOW_URL", "http://127.0.0.1:9")
    ask(first.version, run_id="older")
    (superseded,) = ask(first.version, run_id="newer")["superseded"]
    assert not superseded["run_ended"]
    assert "127.0.0.1:9" in superseded["problem"]


def test_an_approval_of_outdated_evidence_promotes_nothing(first, no_release, airflow):
    from ml import registry, release, sentiment
    from ml.errors import NotPromoted

    second = sentiment.train(FIRST)
    request_id = ask(second.version)["request_id"]
    change(
        "select ops.promote('sentiment', %s, null, artifact_sha256, 'someone', now(), now(), '{}', false)"
        " from ops.model_versions where version = %s",
        first.version,
        first.version,
    )
    airflow.answer("Approve")
    with pytest.raises(NotPromoted, match="the evidence was compared with none"):
        release.promote(request_id)
    assert registry.live_version("sentiment") == first.version
    assert release.waiting("sentiment") is None


def test_an_artifact_that_was_changed_is_neither_loaded_nor_promoted(no_release, airflow):
    from ml import registry, release, sentiment
    from ml.errors import ArtifactChanged, NotPromoted

    version = sentiment.train(FIRST).version
    request_id = ask(version)["request_id"]
    file = registry._artifact("sentiment", version)
    kept = file.read_bytes()
    try:
        file.write_bytes(kept[:-1] + b"x")
        with pytest.raises(ArtifactChanged, match="was registered with"):
            registry.load("sentiment", version)
        airflow.answer("Approve")
        with pytest.raises(NotPromoted):
            release.promote(request_id)
        assert any(f"version {version} changed" in sentence for sentence in registry.differences("sentiment"))
        file.unlink()
        assert any(f"version {version} is gone" in sentence for sentence in registry.differences("sentiment"))
    finally:
        file.write_bytes(kept)
    assert registry.live_version("sentiment") is None


def test_repair_lets_mlflow_follow_the_warehouse(first, no_release, airflow):
    from ml import registry

    go_live(first.version, FIRST, airflow)
    client = registry._client()
    client.delete_registered_model_alias("sentiment", registry.LIVE_ALIAS)
    source = client.get_model_version("sentiment", str(first.version)).source
    orphan = client.create_model_version("sentiment", source)
    assert len(registry.differences("sentiment")) == 2
    assert registry.repair("sentiment") == []
    assert client.get_model_version_by_alias("sentiment", registry.LIVE_ALIAS).version == first.version
    assert orphan.version


def test_a_missing_version_is_named(world):
    from ml import registry
    from ml.errors import UnknownVersion

    with pytest.raises(UnknownVersion, match="no version 999 of sentiment"):
        registry.load("sentiment", 999)
