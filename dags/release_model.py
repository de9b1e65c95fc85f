"""
### Release a model

Runs for each challenger: compares it with the live version and the baseline on rows that neither has learned from, and
asks the approver when it may be asked for. *Approve* makes the version live, *Reject* and 14 days without an answer
leave everything as it is; a newer challenger ends the question of an older one of its model, whose run then shows as
failed. A run asks about one model, since its end must not take another's question with it: when challengers of two
models came at once, it starts a second run.

**Where to answer:** Required Actions, or `maeari approve`. Only the assigned person can, not even an admin.

**If it fails:** in `promote`, the sentence says what moved on since the question was put; trigger this DAG again with
`{"model": "sentiment", "version": 7, "as_of": "2026-05-31"}`, so that the version is compared with what is live now. In
`ask_approver`, nobody answered in time: the outcome is on record, and a new run asks anew. The question about topics
also holds their names, one a line, which may be changed; it is the task that ends in `_for_names`.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, Metadata, Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day
from maeari.settings import APPROVER, DEMO_APPROVER

MODELS = {
    "churn": Asset(assets.CHURN_MODEL),
    "recommend": Asset(assets.RECOMMEND_MODEL),
    "sentiment": Asset(assets.SENTIMENT_MODEL),
    "topics": Asset(assets.TOPICS_MODEL),
    "review_topics": Asset(assets.REVIEW_TOPICS_MODEL),
}


class HITLOperatorForNames(HITLOperator):
    """A question whose form also holds a name a line, as the comparison proposes them, to be changed."""

    def execute(self, context):
        self.params["names"] = context["ti"].xcom_pull(task_ids="compare")["names"]
        super().execute(context)


def ask(user: str, operator: type[HITLOperator] = HITLOperator, suffix: str = "", **fields: Param) -> HITLOperator:
    """The question to one person; it has no default answer, and a refusal is an answer, not a failure."""
    evidence = "ti.xcom_pull(task_ids='compare')"
    return operator(
        task_id=f"ask_{user.replace('-', '_')}{suffix}",
        subject=f"Release {{{{ {evidence}['model'] }}}} version {{{{ {evidence}['version'] }}}}?",
        body=f"{{{{ {evidence}['question'] }}}}",
        options=["Approve", "Reject"],
        params={
            "reason": Param("", type=["string", "null"], title="Reason", description="Needed for a refusal."),
            **fields,
        },
        assigned_users=[{"id": user, "name": user}],
        response_timeout=timedelta(days=14),
        retries=0,
    )


def ask_for_names(user: str) -> HITLOperator:
    """The same question with the names of topics, one a line."""
    description = "One topic a line, as “7: a name”. What you change here is the topic's name from now on."
    names = Param("", type=["string", "null"], format="multiline", title="Names", description=description)
    return ask(user, HITLOperatorForNames, "_for_names", names=names)


def challengers(dag_run) -> list[dict]:
    """What a run was started for, at most one challenger a model; the run itself releases the first."""
    from ml.release import newest_challengers

    events = dag_run.consumed_asset_events or []
    handed_on = [{"model": event.asset.name.rpartition(".")[2], **event.extra} for event in events]
    return newest_challengers(handed_on or [dag_run.conf or {}], business_day(dag_run))


@dag(
    schedule=Asset(assets.SENTIMENT_CHALLENGER)
    | Asset(assets.CHURN_CHALLENGER)
    | Asset(assets.RECOMMEND_CHALLENGER)
    | Asset(assets.TOPICS_CHALLENGER)
    | Asset(assets.REVIEW_TOPICS_CHALLENGER),
    catchup=False,
    # A question waits for days; a newer challenger must not.
    max_active_runs=8,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["sentiment", "churn", "topics", "recommend", "approval"],
)
def release_model():
    @task
    def find_others(dag_run=None) -> list[dict]:
        return [
            {"conf": other, "trigger_run_id": f"{dag_run.run_id}__{other['model']}"}
            for other in challengers(dag_run)[1:]
        ]

    @task
    def compare(dag_run=None) -> dict:
        from ml.release import compare

        challenger = challengers(dag_run)[0]
        return compare(
            challenger["model"],
            version=challenger["version"],
            as_of=clock.parse_day(challenger["as_of"]),
            is_replay=challenger["is_replay"],
            dag_run_id=dag_run.run_id,
        )

    @task.branch
    def choose_person(evidence: dict) -> str | None:
        from ml.release import question_of

        return question_of(evidence) if evidence["may_ask"] else None

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def promote(evidence: dict | None) -> dict:
        from ml.release import promote

        if evidence is None:
            raise RuntimeError("The comparison failed, see the task `compare`; nobody was asked.")
        if not evidence["may_ask"]:
            raise AirflowSkipException(f"Nobody was asked. {' '.join(evidence['reasons'])}")
        outcome = promote(evidence["request_id"])
        if outcome["outcome"] != "approved":
            raise AirflowSkipException(f"{outcome['outcome']}: {outcome['reason'] or 'no reason given'}")
        return outcome

    @task
    def hand_on(model: str, outcome: dict):
        if outcome["model"] != model:
            raise AirflowSkipException(f"The released model is {outcome['model']}.")
        # From here the newest day counts, also when the release itself was a replay of an earlier one.
        yield Metadata(MODELS[model], {"as_of": clock.today().isoformat(), "version": outcome["version"]})

    TriggerDagRunOperator.partial(
        task_id="release_others",
        trigger_dag_id="release_model",
        logical_date=None,
        skip_when_already_exists=True,
        openlineage_inject_parent_info=False,
    ).expand_kwargs(find_others())
    evidence = compare()
    asked = [question(user) for question in (ask, ask_for_names) for user in (APPROVER, DEMO_APPROVER)]
    outcome = promote(evidence)
    choose_person(evidence) >> asked >> outcome
    for model, asset in MODELS.items():
        hand_on.override(task_id=f"hand_on_{model}", outlets=[asset])(model, outcome)


release_model()
