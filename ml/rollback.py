"""Back to the version that was live before: by a named person, with a reason, as carefully as a release."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg2

from maeari import assets, clock, postgres
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused
from maeari.settings import APPROVER
from maeari.text import one_line
from ml import registry
from ml.churn.predict import load as load_churn
from ml.errors import ModelError, NotRolledBack
from ml.recommend.predict import load as load_recommend
from ml.sentiment.predict import load as load_sentiment
from ml.texts.collection import Collection
from ml.topics.predict import load as load_topics

LONGEST_REASON = 500

# Each refuses a file that is gone or was changed, and a version that this release of Maeari cannot score with.
_LOAD = {
    "churn": load_churn,
    "recommend": load_recommend,
    "sentiment": load_sentiment,
    **{collection.model: partial(load_topics, collection) for collection in Collection},
}
AFTER_A_RELEASE = {
    "churn": (assets.CHURN_MODEL, "score_customers"),
    "recommend": (assets.RECOMMEND_MODEL, "store_books"),
    "sentiment": (assets.SENTIMENT_MODEL, "score_reviews"),
    "topics": (assets.TOPICS_MODEL, "score_articles"),
    "review_topics": (assets.REVIEW_TOPICS_MODEL, "score_articles"),
}
"""By which asset a release is handed on, and the DAG that then scores."""


@dataclass(frozen=True)
class Way:
    """From which live version a rollback leads to which, as a person was shown it."""

    model: str
    live_version: int
    live_from: datetime
    live_approved_by: str
    to_version: int
    to_artifact_sha256: str
    to_live_from: datetime
    to_live_to: datetime
    to_approved_by: str
    to_is_replay: bool
    effective_from: datetime


def way_back(model: str) -> Way:
    """What a rollback would restore; raises `NotRolledBack` when nothing is live, or nothing was before."""
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select version, live_from, approved_by, effective_from from ops.deployments"
            " where model = %s and live_to is null",
            (model,),
        )
        live = cursor.fetchone()
        if live is None:
            raise NotRolledBack(f"No version of {model} is live, so there is nothing to roll back.")
        cursor.execute(
            "select version, artifact_sha256, live_from, live_to, approved_by, is_replay"
            " from ops.deployment_before(%s) join ops.model_versions using (model, version)",
            (model,),
        )
        before = cursor.fetchone()
    version, live_from, approved_by, effective_from = live
    if before is None:
        raise NotRolledBack(
            f"No other version of {model} was live before version {version}. "
            f"Train a better one and release it; until then version {version} stays live."
        )
    tomorrow = clock.start_of_day(clock.today() + timedelta(days=1))
    return Way(model, version, live_from, approved_by, *before, max(tomorrow, effective_from))


def roll_back(way: Way, airflow: AirflowClient, reason: str) -> dict:
    """Make the version before live again, by the person whose log-in to Airflow is given; what happened, as JSON.

    Airflow itself is asked who that is; only the person who answers the questions about releases may. The version is
    refused unless its file is the registered one and this release of Maeari can score with it. `handed_on` says
    whether the scoring has been started; if not, `problem` says why and `dag` what to trigger.
    """
    reason = one_line(reason, LONGEST_REASON)
    if not reason:
        raise NotRolledBack("A rollback needs its reason: add --reason “…”. It is kept with the deployment.")
    person = airflow.me()
    if person != APPROVER:
        raise NotRolledBack(
            f"Airflow knows this log-in as {person or 'nobody with a name'}; only {APPROVER}, who answers the "
            "questions about releases, may roll one back."
        )
    try:
        _LOAD[way.model](way.to_version)
    except ModelError as error:
        raise NotRolledBack(
            f"{way.model} version {way.to_version} cannot be restored, version {way.live_version} stays live. {error}"
        ) from error
    try:
        with postgres.connect("release") as connection, connection.cursor() as cursor:
            cursor.execute(
                "select ops.rollback(%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    way.model,
                    way.live_version,
                    way.to_version,
                    way.to_artifact_sha256,
                    person,
                    datetime.now(UTC),
                    way.effective_from,
                    reason,
                ),
            )
    except psycopg2.errors.RaiseException as error:
        raise NotRolledBack(
            f"{error.diag.message_primary}. Nothing was changed; see `maeari models --model {way.model}`."
        ) from error
    registry.set_live_alias(way.model, way.to_version)
    asset, dag = AFTER_A_RELEASE[way.model]
    done = {
        "model": way.model,
        "version": way.to_version,
        "rollback_of": way.live_version,
        "by": person,
        "reason": reason,
        "effective_from": way.effective_from.isoformat(),
        "dag": dag,
    }
    try:
        airflow.hand_on(asset, {"as_of": clock.today().isoformat(), "version": way.to_version})
    except AirflowRefused as error:
        return done | {"handed_on": False, "problem": str(error)}
    return done | {"handed_on": True, "problem": None}


def rollbacks(model: str) -> list[dict]:
    """Every rollback of the model, newest first: of which version, to which, who, when and why."""
    columns = ("version", "rollback_of", "by", "at", "reason", "is_live")
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select version, (evidence ->> 'rollback_of')::integer, approved_by, approved_at, evidence ->> 'reason',"
            " live_to is null from ops.deployments where model = %s and evidence ? 'rollback_of'"
            " order by deployment_id desc",
            (model,),
        )
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
