"""
### Score the reviews

Runs when the marts were rebuilt or a version went live. Each review is scored by the version that was in charge when
it was written; a version that goes live also scores the 90 days before. What is scored already is left alone, so a
rerun goes on where a broken one stopped. While nothing is live it skips.

**If it fails:** *was registered with* means that the saved model is not the one that was approved: `maeari doctor` says
which, restore it from the backup. `maeari score sentiment` does the same without Airflow.
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
    @task(outlets=[SENTIMENT_PREDICTIONS])
    def score(dag_run=None):
        from ml.sentiment import score

        scored = score(as_of=business_day(dag_run))
        if not scored["by_version"]:
            raise AirflowSkipException("No version was in effect by that day; approve a release first.")
        yield Metadata(SENTIMENT_PREDICTIONS, {"as_of": scored["as_of"], "scored": scored["scored"]})

    score()


score_reviews()
