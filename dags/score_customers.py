"""
### Score the customers

Runs when the marts were rebuilt or a version went live. The customers of each month end are scored by the version that
was in charge when it ended; a version that goes live also scores the month ends of the 90 days before. The first on the
newest day's list are given their reasons. What is scored already is left alone, so a rerun goes on at the day where a
broken one stopped. While nothing is live, or no month has ended since, it skips.

**On demand:** trigger it with `{"as_of": "2026-05-31"}`. Then the customers active on that day are scored too, which
need not be a month end.

**If it fails:** *was registered with* means that the saved model is not the one that was approved: `maeari doctor` says
which, restore it from the backup. *was trained on … features* means that this release of Maeari is newer than the
model: trigger `train_churn` and approve its version. `maeari score churn` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

CHURN_PREDICTIONS = Asset(assets.CHURN_PREDICTIONS)


@dag(
    schedule=Asset(assets.MARTS) | Asset(assets.CHURN_MODEL),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["churn"],
)
def score_customers():
    @task(pool="build_warehouse")
    def build_current(dag_run=None):
        from maeari.warehouse import build_current

        if not (dag_run.conf or {}).get("as_of"):
            raise AirflowSkipException("Only month ends are scored, unless a day is asked for.")
        build_current(business_day(dag_run))

    @task(outlets=[CHURN_PREDICTIONS], trigger_rule="none_failed")
    def score(dag_run=None):
        from ml.churn.score import score, score_current

        day = business_day(dag_run)
        scored = [score(day), *([score_current(day, wanted=day)] if (dag_run.conf or {}).get("as_of") else [])]
        if not any(one["by_version"] for one in scored):
            raise AirflowSkipException("No version was in effect by that day; approve a release first.")
        rows = sum(one["scored"] + one["explained"] for one in scored)
        if not rows:
            raise AirflowSkipException("Every month end known by that day is scored already.")
        yield Metadata(CHURN_PREDICTIONS, {"as_of": day.isoformat(), "scored": sum(one["scored"] for one in scored)})

    build_current() >> score()


score_customers()
