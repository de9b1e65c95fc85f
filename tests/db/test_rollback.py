"""Back to the version before, against a real warehouse and registry, and an Airflow that knows its users' passwords."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psycopg2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg2.extras import Json
from typer.testing import CliRunner

from maeari import clock, postgres
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused
from ml.errors import NotPromoted, NotRolledBack

REASON = "재방문 고객을 놓칩니다"
PASSWORDS = {"approver": "right", "admin": "strong", "demo-approver": "played"}
TODAY = "2026-05-31"


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


class Airflow(ThreadingHTTPServer):
    """Knows who logs in by which password, and which assets there are; keeps the events that it is given."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.assets = ["model.churn_of_others", "model.churn"]
        self.events: list[dict] = []
        self.record: dict | None = None


class _Answers(BaseHTTPRequestHandler):
    server: Airflow

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            if PASSWORDS.get(body["username"]) != body["password"]:
                return self._send(401, {"detail": "Invalid credentials"})
            return self._send(201, {"access_token": body["username"]})
        self.server.events.append({"by": self._user(), "asset": self.server.assets[body["asset_id"]], **body["extra"]})
        return self._send(200, {})

    def do_GET(self):
        if self.path == "/ui/auth/me":
            self._send(200, {"id": self._user(), "username": "whoever"})
        elif self.path.startswith("/api/v2/assets"):
            self._send(200, {"assets": [{"id": n, "name": name} for n, name in enumerate(self.server.assets)]})
        else:
            self._send(200, self.server.record)

    def _user(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def _send(self, status: int, body: dict):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def airflow(serve, monkeypatch):
    server = serve(Airflow())
    monkeypatch.setenv("MAEARI_AIRFLOW_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MAEARI_AS_OF", TODAY)
    return server


@pytest.fixture(scope="module")
def registered(new_warehouse, new_registry):
    """Three registered versions of churn, in a warehouse and a registry of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        assert [register(number) for number in (1, 2, 3)] == [1, 2, 3]
        yield


def register(number: int) -> int:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    from ml import registry
    from ml.churn.features import FEATURES

    random = np.random.default_rng(number)
    pipeline = Pipeline([("classifier", LogisticRegression())])
    pipeline.fit(random.random((40, len(FEATURES))), random.random(40) < 0.5)
    return registry.register(
        "churn",
        pipeline,
        card={"features": list(FEATURES), "config": {}, "data": {"as_of": "2026-03-31"}},
        metrics={"training_rows": 40, "roc_auc": 0.8, "roc_auc_low": 0.7, "roc_auc_high": 0.9},
        config={},
        training_set=registry.TrainingSet(
            f"churn {number}", clock.end_of_day(clock.parse_day(TODAY)), 40, "0" * 64, "select 1"
        ),
    )


@pytest.fixture
def released(registered):
    """A function that makes a version live, after nothing ever was; gives the live deployment's number."""
    change("truncate ops.release_requests, ops.deployments")

    def release(version: int, *, is_replay: bool = False, effective_from: str = "2026-04-01 00:00+09", **evidence):
        ((sha256,),) = fetch("select artifact_sha256 from ops.model_versions where version = %s", version)
        with postgres.connect("release") as connection, connection.cursor() as cursor:
            cursor.execute("select version from ops.deployments where live_to is null")
            live = cursor.fetchone()
            cursor.execute(
                "select ops.promote('churn', %s, %s, %s, 'approver', now(), %s, %s, %s)",
                (version, live and live[0], sha256, effective_from, Json(evidence), is_replay),
            )
            return cursor.fetchone()[0]

    return release


def roll_back(user: str = "approver", reason: str = REASON, way=None) -> dict:
    from ml import rollback

    way = way or rollback.way_back("churn")
    return rollback.roll_back(way, AirflowClient(user, PASSWORDS[user]), reason)


def live() -> int:
    from ml import registry

    return registry.live_version("churn")


def test_the_version_before_is_live_again_with_a_name_a_reason_and_its_own_evidence(released, airflow):
    from ml import registry

    topics = [{"topic_no": 0, "topic_id": 7, "label": "부두 창고", "is_named": True}]
    first = released(1, is_replay=True, topics=topics, rows=700)
    second = released(2, topics=[], effective_from="2026-05-01 00:00+09")
    done = roll_back(reason=f"  {REASON}\n")
    assert done["handed_on"]
    assert (live(), done["version"], done["rollback_of"], done["by"]) == (1, 1, 2, "approver")
    assert registry.differences("churn") == []
    ((evidence, by, is_replay, effective_from, is_wall_time),) = fetch(
        "select evidence, approved_by, is_replay, effective_from, now() - approved_at < interval '1 minute'"
        " from ops.deployments where live_to is null"
    )
    assert evidence == {
        "topics": topics, "rows": 700, "rollback_of": 2, "reason": REASON, "restored_deployment_id": first,
    }  # fmt: skip
    assert (by, is_replay, is_wall_time) == ("approver", False, True)
    assert effective_from == clock.end_of_day(clock.parse_day(TODAY))
    assert fetch("select deployment_id from ops.deployments where live_to is not null order by 1") == [
        (first,),
        (second,),
    ]
    assert airflow.events == [{"by": "approver", "asset": "model.churn", "as_of": TODAY, "version": 1}]


def test_the_version_that_was_rolled_back_is_in_charge_of_its_own_days_only(released, airflow):
    from ml import registry

    released(1)
    released(2, effective_from="2026-05-01 00:00+09")
    roll_back()
    days = {day: registry.version_for("churn", clock.start_of_day(clock.parse_day(day))) for day in (
        "2026-04-15", "2026-05-15", TODAY, "2026-06-01",
    )}  # fmt: skip
    assert list(days.values()) == [1, 2, 2, 1]


def test_a_version_that_does_not_count_yet_never_will(released, airflow):
    from ml import registry

    released(1)
    released(2, effective_from="2026-07-01 00:00+09")
    roll_back()
    assert {stretch.version for stretch in registry.stretches("churn")} == {1}
    assert fetch("select effective_from from ops.deployments where live_to is null") == [
        (clock.start_of_day(clock.parse_day("2026-07-01")),)
    ]


def test_a_second_rollback_goes_further_back_and_a_third_has_nowhere_to_go(released, airflow):
    for version in (1, 2, 3):
        released(version)
    assert [roll_back()["version"], roll_back()["version"]] == [2, 1]
    with pytest.raises(NotRolledBack, match="No other version of churn was live before version 1"):
        roll_back()
    released(3)
    roll_back()
    assert live() == 1
    with pytest.raises(NotRolledBack, match="No other version"):
        roll_back()


def test_nothing_live_or_nothing_before_it_is_said_so(released, airflow):
    with pytest.raises(NotRolledBack, match="No version of churn is live"):
        roll_back()
    released(1)
    released(1)
    with pytest.raises(NotRolledBack, match="No other version of churn was live before version 1"):
        roll_back()


@pytest.mark.parametrize("user", ["admin", "demo-approver"])
def test_only_the_person_who_answers_for_releases_may(released, airflow, user):
    released(1)
    released(2)
    with pytest.raises(NotRolledBack, match=f"knows this log-in as {user}; only approver"):
        roll_back(user)
    assert live() == 2


def test_a_name_without_its_password_is_nobody(released, airflow, monkeypatch):
    from ml import rollback

    released(1)
    released(2)
    with pytest.raises(AirflowRefused, match="Invalid credentials"):
        rollback.roll_back(rollback.way_back("churn"), AirflowClient("approver", "guessed"), REASON)
    # An Airflow that lets everybody in says so when it is asked who that is.
    monkeypatch.setattr(_Answers, "_user", lambda self: "Anonymous")
    with pytest.raises(NotRolledBack, match="as Anonymous"):
        roll_back()
    assert live() == 2


@pytest.mark.parametrize("reason", ["", " \n "])
def test_a_rollback_needs_its_reason(released, airflow, reason):
    released(1)
    released(2)
    with pytest.raises(NotRolledBack, match="needs its reason"):
        roll_back(reason=reason)
    assert live() == 2


def test_a_live_version_that_changed_meanwhile_stays(released, airflow):
    from ml import rollback

    released(1)
    released(2)
    way = rollback.way_back("churn")
    released(3)
    with pytest.raises(NotRolledBack, match="live version of churn is 3, the rollback was asked for while it was 2"):
        roll_back(way=way)
    assert live() == 3
    assert airflow.events == []


@pytest.mark.parametrize("hurt", ["changed", "missing"])
def test_a_version_whose_file_is_not_the_registered_one_is_not_restored(released, airflow, hurt):
    from ml import registry

    released(1)
    released(2)
    file: Path = registry._artifact("churn", 1)
    kept = file.read_bytes()
    try:
        file.write_bytes(kept + b"!") if hurt == "changed" else file.unlink()
        said = "was registered with" if hurt == "changed" else "is gone"
        with pytest.raises(NotRolledBack, match=f"version 1 cannot be restored, version 2 stays live.*{said}"):
            roll_back()
        assert live() == 2
    finally:
        file.write_bytes(kept)


def test_a_version_that_this_release_cannot_score_with_is_not_restored(released, airflow):
    released(1)
    released(2)
    ((card,),) = fetch("select card from ops.model_versions where version = 1")
    change("update ops.model_versions set card = %s where version = 1", Json(card | {"features": ["gone"]}))
    try:
        with pytest.raises(NotRolledBack, match="was trained on 1 features"):
            roll_back()
        assert live() == 2
    finally:
        change("update ops.model_versions set card = %s where version = 1", Json(card))


@pytest.mark.parametrize(
    ("to_version", "sha256", "by", "reason", "said"),
    [
        (3, "right", "approver", "it is bad", "came version 1, the rollback was asked for to version 3"),
        (1, "wrong", "approver", "it is bad", "the rollback saw wrong"),
        (1, "right", " ", "it is bad", "needs the name of the person"),
        (1, "right", "approver", None, "needs its reason"),
    ],
)
def test_the_database_itself_refuses(released, to_version, sha256, by, reason, said):
    released(1)
    released(2)
    ((right,),) = fetch("select artifact_sha256 from ops.model_versions where version = %s", to_version)
    with (
        pytest.raises(psycopg2.errors.RaiseException, match=said),
        postgres.connect("release") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select ops.rollback('churn', 2, %s, %s, %s, now(), now(), %s)",
            (to_version, right if sha256 == "right" else sha256, by, reason),
        )
    assert live() == 2


@pytest.mark.parametrize("role", ["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst"])
def test_only_release_may_roll_back(registered, role):
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.connect(role) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select ops.rollback('churn', 2, 1, 'x', 'me', now(), now(), 'because')")


def test_a_question_that_waits_keeps_waiting_and_its_approval_is_refused(released, airflow):
    from ml import release
    from ml.question import request_mark

    released(1)
    released(2)
    ((sha256,),) = fetch("select artifact_sha256 from ops.model_versions where version = 3")
    evidence = {"model": "churn", "live_version": 2, "artifact_sha256": sha256}
    change(
        "insert into ops.release_requests (model, version, live_version, as_of, effective_from, evidence, may_ask,"
        " dag_run_id, expires_at) values ('churn', 3, 2, %s, now(), %s, true, 'run', now() + interval '1 day')",
        TODAY,
        Json(evidence),
    )
    request = release.waiting("churn")["request_id"]
    roll_back()
    assert release.waiting("churn")["request_id"] == request
    airflow.record = {
        "body": request_mark(request),
        "assigned_users": [{"id": "approver"}],
        "response_received": True,
        "responded_by_user": {"id": "approver"},
        "responded_at": "2026-05-31T00:00:00Z",
        "chosen_options": ["Approve"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PASSWORDS, "robot", "generated")
        patch.setattr("maeari.airflow_client._generated_password", lambda settings, user: PASSWORDS[user])
        with pytest.raises(NotPromoted, match="is 1, the evidence was compared with 2. Trigger release_model for"):
            release.promote(request)
    assert live() == 1
    assert fetch("select outcome from ops.release_requests") == [("superseded",)]


def test_a_rollback_that_airflow_does_not_hand_on_says_what_to_trigger(released, airflow):
    released(1)
    released(2)
    airflow.assets.remove("model.churn")
    done = roll_back()
    assert (live(), done["handed_on"], done["dag"]) == (1, False, "score_customers")
    assert "no DAG that it has read names the asset model.churn" in done["problem"]


def test_the_command_shows_the_way_asks_once_and_is_shown_with_its_reason(released, airflow):
    from cli.main import app

    released(1)
    released(2)
    asked = ["rollback", "churn", "--user", "approver", "--reason", "[bold]odd\x1b[31m <b>"]
    run = CliRunner()
    stopped = run.invoke(app, asked, env={"MAEARI_AIRFLOW_PASSWORD": "right"}, input="n\n")
    assert stopped.exit_code == 1
    assert "Live: churn version 2" in stopped.output
    assert "will count from 2026-06-01" in stopped.output
    assert live() == 2
    done = run.invoke(app, asked, env={"MAEARI_AIRFLOW_PASSWORD": "right"}, input="y\n")
    assert done.exit_code == 0, done.exception
    assert "churn version 1 is live again; approver rolled version 2 back" in done.output
    assert "score_customers now scores" in done.output
    listed = run.invoke(app, ["models", "--model", "churn"])
    assert r"Version 2 was rolled back to 1 by approver on" in listed.output
    assert "[bold]odd [31m <b>" in listed.output

    from web.app import create_app

    parent = FastAPI(openapi_url=None)
    parent.mount("/maeari", create_app(lambda: None))
    browser = TestClient(parent)
    assert "restored by approver" in browser.get("/maeari/").text
    page = browser.get("/maeari/models/churn").text
    assert "approver rolled version 2 back on" in page
    assert page.count("[bold]odd [31m &lt;b&gt;") == 2
    assert "when approver rolled version 2 back on" in browser.get("/maeari/models/churn/versions/1").text
