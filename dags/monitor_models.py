"""
### Watch the released models

Runs when reviews have been scored, one task a policy: measures every complete window, decides, draws the pages. If the
newest window of a live model is called `declined` and no challenger waits for its approval, it asks for retraining.
A rerun replaces the same windows and draws only what changed.

**If it fails:** the log names the policy and the sentence. *Nothing to compare with* means that the reviews held out of
the training were not scored: run `score_reviews` again. `maeari monitor sentiment` does the same without Airflow.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

SENTIMENT_RETRAINING = Asset(assets.SENTIMENT_RETRAINING)


@dag(
    schedule=Asset(assets.SENTIMENT_PREDICTIONS),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["monitoring", "sentiment"],
)
def monitor_models():
    @task
    def list_policies() -> list[str]:
        from monitoring import policies

        return policies()

    @task(map_index_template="{{ task.op_kwargs['policy'] }}")
    def monitor(policy: str, dag_run=None) -> dict:
        from monitoring import monitor

        return monitor(policy, as_of=business_day(dag_run))

    @task(outlets=[SENTIMENT_RETRAINING])
    def ask_for_retraining(summaries: list[dict], dag_run=None):
        if not any(summary["policy"] == "sentiment" and summary["retrain"] for summary in summaries):
            raise AirflowSkipException("No live model has newly declined, or its challenger already waits.")
        yield Metadata(SENTIMENT_RETRAINING, {"as_of": business_day(dag_run).isoformat()})

    ask_for_retraining(monitor.expand(policy=list_policies()))


monitor_models()
