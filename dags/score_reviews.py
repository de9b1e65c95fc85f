"""
### Score the reviews

Runs when the marts were rebuilt or a version went live. Each review is scored by the version that was in charge when
it was written; a version that goes live also scores the 90 days before. Then the reviews of this month and the one
before are explained, and the ones for the pages picked. What is done already is left alone, so a rerun goes on where a
broken one stopped. While nothing is live it skips.

**If it fails:** *was registered with* means that the saved model is not the one that was approved: `maeari doctor` says
which, restore it from the backup. *normalises by rule* means that the live version is older than this release of
Maeari: train and release a new one. `maeari score sentiment` scores without Airflow. When only `explain` failed, the
scores are there but not handed on: clear that task.
"""

from datetime import timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

SENTIMENT_PREDICTIONS = Asset(assets.SENTIMENT_PREDICTIONS)


@dag(
    schedule=Asset(assets.MARTS) | Asset(assets.SENTIMENT_MODEL),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["sentiment"],
)
def score_reviews():
    @task
    def score(dag_run=None) -> dict:
        from ml.sentiment import score

        scored = score(as_of=business_day(dag_run))
        if not scored["by_version"]:
            raise AirflowSkipException("No version was in effect by that day; approve a release first.")
        return scored

    @task(outlets=[SENTIMENT_PREDICTIONS])
    def explain(scored: dict, dag_run=None):
        from ml.sentiment.explain import explain_reviews

        explained = explain_reviews(as_of=business_day(dag_run))
        found = {"as_of": scored["as_of"], "scored": scored["scored"], "explained": explained["explained"]}
        yield Metadata(SENTIMENT_PREDICTIONS, found)

    explain(score())


score_reviews()
