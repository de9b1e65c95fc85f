"""From challenger to live: compare, ask a person, promote what the person approved."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial

import psycopg2

from maeari import clock, postgres
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused, MaeariError
from maeari.settings import Settings
from ml import registry, watched
from ml.churn.compare import unseen_customers
from ml.errors import ArtifactChanged, NotPromoted, UnknownVersion
from ml.judgement import judge
from ml.question import approval_body, request_mark
from ml.recommend.compare import unseen_readers
from ml.sentiment.compare import unseen_reviews
from ml.texts.collection import Collection
from ml.topics.compare import unseen_texts
from ml.topics.identity import names_to_edit, renamed

__all__ = ["approval_body", "compare", "compare_only", "newest_challengers", "promote", "question_of", "waiting"]

DAG_ID = "release_model"
APPROVE, REFUSE = "Approve", "Reject"
ANSWER_WITHIN = timedelta(days=14)

_TOPICS = {collection.model: collection for collection in Collection}
_UNSEEN_ROWS = {
    "churn": unseen_customers,
    "recommend": unseen_readers,
    "sentiment": unseen_reviews,
    **{model: partial(unseen_texts, collection) for model, collection in _TOPICS.items()},
}


def newest_challengers(asked_for: list[dict], day: date) -> list[dict]:
    """Of each model the newest of the given challengers, as the `conf` of a run that releases it.

    Each may give `model` (sentiment without it), `version` (the newest registered without it), `as_of` and `is_replay`.
    """
    newest = {}
    for one in sorted(asked_for, key=lambda one: one.get("version") or 0):
        model = one.get("model") or "sentiment"
        newest[model] = {
            "model": model,
            "version": one.get("version"),
            "as_of": one.get("as_of") or day.isoformat(),
            "is_replay": bool(one.get("is_replay")),
        }
    return list(newest.values())


def compare(
    model: str, version: int | None, as_of: date, is_replay: bool = False, dag_run_id: str | None = None
) -> dict:
    """Compare a challenger (the newest version if None) as `compare_only` does, and put the question on record.

    The drift page of the live version's newest window is kept as it is now. Returns the evidence with `request_id`, the
    `names` of topics, one a line, for a person to change, and, when one may be asked, the `question` as Markdown. A
    question that still waits for an older challenger is then superseded and its Airflow run ended; while a newer one's
    waits, this one is superseded at once.
    """
    evidence = compare_only(model, version, as_of, is_replay)
    if "monitoring" in evidence:
        evidence["monitoring"]["page"] = watched.frozen(evidence["monitoring"]["page"])
    effective_from = clock.start_of_day(as_of + timedelta(days=1))
    request_id, may_ask, superseded = _write_request(evidence, effective_from, dag_run_id)
    return evidence | {
        "request_id": request_id,
        "may_ask": may_ask,
        "question": approval_body(evidence, request_id) if may_ask else None,
        "names": names_to_edit(evidence.get("topics", [])),
        "superseded": _end_runs(superseded, dag_run_id),
    }


def compare_only(model: str, version: int | None, as_of: date, is_replay: bool = False) -> dict:
    """Compare a challenger with the live version and the baseline on what neither has learned from, as JSON.

    `monitoring` is what it says of the live version by then, where it watches it.
    """
    if model not in _UNSEEN_ROWS:
        raise UnknownVersion(f"There is no model “{model}”, only {', '.join(_UNSEEN_ROWS)}.")
    challenger = registry.registered(model, version) if version is not None else registry.newest(model)
    live_version = registry.live_version(model)
    if live_version == challenger.version:
        raise NotPromoted(
            f"{model} version {challenger.version} is live already; train a new version to release another."
        )
    if is_replay and not Settings().path("demo", "world.json").exists():
        raise NotPromoted(
            f"{Settings().home} holds no demo world, and replays belong to the past of a demo. "
            f"Trigger {DAG_ID} for version {challenger.version} of {model} without is_replay."
        )
    if is_replay and not registry.has_only_replays(model):
        raise NotPromoted(
            f"A person has released {model} already, so no replay may follow: replays belong to the past of a demo. "
            f"Trigger {DAG_ID} for version {challenger.version} without is_replay."
        )
    unseen = _UNSEEN_ROWS[model](challenger.version, live_version, as_of)
    seen = watched.newest_verdict(model, live_version, as_of)
    return {
        "model": model,
        "version": challenger.version,
        "live_version": live_version,
        "as_of": as_of.isoformat(),
        "is_replay": is_replay,
        "training_set_id": challenger.training_set_id,
        "artifact_sha256": challenger.artifact_sha256,
        "window_from": unseen.since.isoformat(),
        "window_until": unseen.until.isoformat(),
        **judge(unseen),
        **({} if seen is None else {"monitoring": seen}),
    }


def _write_request(
    evidence: dict, effective_from: datetime, dag_run_id: str | None
) -> tuple[int, bool, list[tuple[int, int, str | None]]]:
    superseded = []
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"release {evidence['model']}",))
        cursor.execute(
            "select max(version) from ops.release_requests where model = %s and outcome = 'waiting' and version > %s",
            (evidence["model"], evidence["version"]),
        )
        (newer,) = cursor.fetchone()
        may_ask = evidence["may_ask"] and newer is None
        if may_ask:
            cursor.execute(
                "update ops.release_requests set outcome = 'superseded', decided_at = now(), reason = %s"
                " where model = %s and outcome = 'waiting' returning request_id, version, dag_run_id",
                (f"Version {evidence['version']} is newer.", evidence["model"]),
            )
            superseded = cursor.fetchall()
        cursor.execute(
            "insert into ops.release_requests (model, version, live_version, as_of, effective_from, is_replay,"
            " evidence, may_ask, dag_run_id, expires_at, outcome)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning request_id",
            (
                evidence["model"],
                evidence["version"],
                evidence["live_version"],
                evidence["as_of"],
                effective_from,
                evidence["is_replay"],
                json.dumps(evidence, ensure_ascii=False),
                may_ask,
                dag_run_id,
                datetime.now(UTC) + ANSWER_WITHIN,
                "waiting" if may_ask else "superseded" if evidence["may_ask"] else "not_better",
            ),
        )
        (request_id,) = cursor.fetchone()
    return request_id, may_ask, superseded


def _end_runs(superseded: list[tuple[int, int, str | None]], own_run_id: str | None) -> list[dict]:
    """End the runs that ask superseded questions; one that cannot be ended is reported and can promote nothing."""
    ended = []
    for request_id, version, run_id in superseded:
        found = {"request_id": request_id, "version": version, "dag_run_id": run_id, "run_ended": False}
        if run_id is not None and run_id != own_run_id:
            try:
                AirflowClient("robot").set_run_state(DAG_ID, run_id, "failed")
                found["run_ended"] = True
            except MaeariError as error:
                found["problem"] = str(error)
        ended.append(found)
    return ended


def promote(request_id: int) -> dict:
    """Do what the person answered, after reading Airflow's own record of the question.

    Returns the request's outcome: `approved` (with what is live now), `refused` or `expired`; nothing but an
    approval by a named person, of the newest question, with the live version and the artifact unchanged since it
    was put, makes a version live. Raises `NotPromoted` when the record allows no outcome.
    """
    request = _request(request_id)
    if request["outcome"] != "waiting":
        return _outcome(request)
    record = _approval_record(request)
    if record is None:
        return _expire(request)
    person, answered_at, choice, reason, names = record
    if choice == REFUSE:
        return _close(request, "refused", decided_by=person, decided_at=answered_at, reason=reason)
    if choice != APPROVE:
        raise NotPromoted(f"Request {request_id} was answered “{choice}”; only {APPROVE} and {REFUSE} are known.")
    return _make_live(request, person, answered_at, reason, names)


def _make_live(request: dict, person: str, answered_at: datetime, reason: str | None, names: str) -> dict:
    model, version = request["model"], request["version"]
    evidence = _with_names(request["evidence"], names)
    effective_from = request["effective_from"]
    if not request["is_replay"]:
        effective_from = max(effective_from, clock.start_of_day(clock.today() + timedelta(days=1)))
    try:
        # Refuses a file that was changed after the evidence was frozen.
        registry.load(model, version)
        with postgres.connect("release") as connection, connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"release {model}",))
            cursor.execute(
                "update ops.release_requests set outcome = 'approved', decided_by = %s, decided_at = %s, reason = %s"
                " where request_id = %s and outcome = 'waiting'",
                (person, answered_at, reason, request["request_id"]),
            )
            if cursor.rowcount != 1:
                raise NotPromoted(f"Request {request['request_id']} stopped waiting meanwhile; see `maeari models`.")
            cursor.execute(
                "select ops.promote(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    model,
                    version,
                    evidence["live_version"],
                    evidence["artifact_sha256"],
                    person,
                    answered_at,
                    effective_from,
                    json.dumps(evidence | {"request_id": request["request_id"]}, ensure_ascii=False),
                    request["is_replay"],
                ),
            )
    except (psycopg2.errors.RaiseException, ArtifactChanged) as error:
        seen = error.diag.message_primary if isinstance(error, psycopg2.Error) else str(error)
        # The answer was given to evidence that no longer holds, and Airflow takes no second one.
        _close(request, "superseded", decided_by=person, decided_at=answered_at, reason=seen)
        raise NotPromoted(
            f"{seen}. Trigger {DAG_ID} for version {version} again, so that it is compared with what is live now."
        ) from error
    registry.set_live_alias(model, version)
    unknown = {"names_not_understood": evidence["names_not_understood"]} if model in _TOPICS else {}
    return _outcome(_request(request["request_id"])) | unknown


def _with_names(evidence: dict, names: str) -> dict:
    """The evidence with the names that a person gave to topics; what could not be understood is kept beside them."""
    if evidence["model"] not in _TOPICS:
        return evidence
    topics, unknown = renamed(evidence["topics"], names)
    return evidence | {"topics": topics, "names_not_understood": unknown}


def _approval_record(request: dict) -> tuple[str, datetime, str, str | None, str] | None:
    """Who answered, when, what, why, and which names they gave, from Airflow; None while nobody has."""
    if request["dag_run_id"] is None:
        raise NotPromoted(
            f"Request {request['request_id']} was never put to a person. Trigger the DAG {DAG_ID}, which asks."
        )
    try:
        record = AirflowClient("robot").approval(DAG_ID, request["dag_run_id"], question_of(request))
    except AirflowRefused as error:
        raise NotPromoted(
            f"Airflow did not give its record of request {request['request_id']}: {error}. "
            f"Clear the last task of run {request['dag_run_id']} to try again."
        ) from error
    if not record["response_received"]:
        return None
    person = (record.get("responded_by_user") or {}).get("id")
    assigned = {user["id"] for user in record.get("assigned_users") or ()}
    if not person or person not in assigned:
        raise NotPromoted(
            f"Request {request['request_id']} was answered by {person or 'nobody with a name'}; "
            f"only {', '.join(sorted(assigned)) or 'nobody'} may answer it."
        )
    if request_mark(request["request_id"]) not in (record.get("body") or ""):
        # Airflow keeps the text of the first question when a task is cleared and asks again.
        raise NotPromoted(
            f"The question that {person} answered showed other evidence than request {request['request_id']} holds. "
            f"Trigger {DAG_ID} anew for version {request['version']} instead of clearing its tasks."
        )
    given = record.get("params_input") or {}
    reason, names = (given.get("reason") or "").strip() or None, given.get("names") or ""
    return person, datetime.fromisoformat(record["responded_at"]), record["chosen_options"][0], reason, names


def _expire(request: dict) -> dict:
    if datetime.now(UTC) < request["expires_at"]:
        raise NotPromoted(
            f"Nobody has answered request {request['request_id']}; it waits until {request['expires_at']:%Y-%m-%d}. "
            "Answer it in Airflow under Required Actions, or by `maeari approve`."
        )
    return _close(request, "expired", decided_by=None, decided_at=datetime.now(UTC), reason="Nobody answered in time.")


def _close(request: dict, outcome: str, *, decided_by: str | None, decided_at: datetime, reason: str | None) -> dict:
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute(
            "update ops.release_requests set outcome = %s, decided_by = %s, decided_at = %s, reason = %s"
            " where request_id = %s and outcome = 'waiting'",
            (outcome, decided_by, decided_at, reason, request["request_id"]),
        )
    return _outcome(_request(request["request_id"]))


def _request(request_id: int) -> dict:
    columns = (
        "request_id", "model", "version", "live_version", "as_of", "effective_from", "is_replay", "evidence",
        "dag_run_id", "expires_at", "outcome", "decided_by", "reason",
    )  # fmt: skip
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select request_id, model, version, live_version, as_of, effective_from, is_replay, evidence, dag_run_id,"
            " expires_at, outcome, decided_by, reason from ops.release_requests where request_id = %s",
            (request_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise NotPromoted(f"ops.release_requests has no request {request_id}. `maeari models` shows what waits.")
    return dict(zip(columns, row, strict=True))


def _outcome(request: dict) -> dict:
    return {
        "request_id": request["request_id"],
        "model": request["model"],
        "version": request["version"],
        "as_of": request["as_of"].isoformat(),
        "is_replay": request["is_replay"],
        "outcome": request["outcome"],
        "decided_by": request["decided_by"],
        "reason": request["reason"],
    }


def waiting(model: str) -> dict | None:
    """The question that waits for a person, with its evidence; None when none does."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute("select request_id from ops.release_requests where model = %s and outcome = 'waiting'", (model,))
        row = cursor.fetchone()
    return None if row is None else _request(row[0])


def question_of(request: dict) -> str:
    """The task of the release DAG that puts a request's question to its person; that of topics asks for names too."""
    task = "ask_demo_approver" if request["is_replay"] else "ask_approver"
    return f"{task}_for_names" if request["model"] in _TOPICS else task
