"""
### Release a model

Runs for each challenger: compares it with the live version and the baseline on reviews that neither has learned from,
and asks the approver when it may be asked for. *Approve* makes the version live, *Reject* and 14 days without an answer
leave everything as it is; a newer challenger ends the question of an older one, whose run then shows as failed.

**Where to answer:** Required Actions, or `maeari approve`. Only the assigned person can, not even an admin.

**If it fails:** in `promote`, the sentence says what moved on since the question was put; trigger this DAG again with
`{"version": 7, "as_of": "2026-05-31"}`, so that the version is compared with what is live now. In `ask_approver`,
nobody answered in time: the outcome is on record, and a new run asks anew.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Asset, Metadata, Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

SENTIMENT_MODEL = Asset(assets.SENTIMENT_MODEL)


def ask(user: str) -> HITLOperator:
    """The question to one person; it has no default answer, and a refusal is an answer, not a failure."""
    return HITLOperator(
        task_id=f"ask_{user.replace('-', '_')}",
        subject="Release sentiment version {{ ti.xcom_pull(task_ids='compare')['version'] }}?",
        body="{{ ti.xcom_pull(task_ids='compare')['question'] }}",
        options=["Approve", "Reject"],
        params={"reason": Param("", type=["string", "null"], title="Reason", description="Needed for a refusal.")},
        assigned_users=[{"id": user, "name": user}],
        response_timeout=timedelta(days=14),
        retries=0,
    )


@dag(
    schedule=Asset(assets.SENTIMENT_CHALLENGER),
    catchup=False,
    # A question waits for days; a newer challenger must not.
    max_active_runs=4,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["sentiment", "approval"],
)
def release_model():
    @task
    def compare(dag_run=None) -> dict:
        from ml.release import compare

        given = dag_run.conf or {}
        carried = [event.extra for event in dag_run.consumed_asset_events or []]
        challenger = max([*carried, given], key=lambda one: one.get("version") or 0)
        return compare(
            "sentiment",
            version=challenger.get("version"),
            as_of=business_day(dag_run),
            is_replay=bool(challenger.get("is_replay")),
            dag_run_id=dag_run.run_id,
        )

    @task.branch
    def choose_person(evidence: dict) -> str | None:
        from ml.release import question_of

        return question_of(evidence) if evidence["may_ask"] else None

    @task(outlets=[SENTIMENT_MODEL], trigger_rule=TriggerRule.ALL_DONE)
    def promote(evidence: dict | None):
        from ml.release import promote

        if evidence is None:
            raise RuntimeError("The comparison failed, see the task `compare`; nobody was asked.")
        if not evidence["may_ask"]:
            raise AirflowSkipException(f"Nobody was asked. {' '.join(evidence['reasons'])}")
        outcome = promote(evidence["request_id"])
        if outcome["outcome"] != "approved":
            raise AirflowSkipException(f"{outcome['outcome']}: {outcome['reason'] or 'no reason given'}")
        # From here the newest day counts, also when the release itself was a replay of an earlier one.
        yield Metadata(SENTIMENT_MODEL, {"as_of": clock.today().isoformat(), "version": outcome["version"]})

    evidence = compare()
    asked = [ask("approver"), ask("demo-approver")]
    choose_person(evidence) >> asked >> promote(evidence)


release_model()
