"""
### Train the churn model

Runs on the third of the month, when the events of the month before are usually in, and when monitoring has called the
live version declined. Learns from the month ends whose
customers are known to have left or stayed by that day, registers a challenger with its card, and hands it on to
`release_model`; nothing goes live by itself. A rerun registers one more version, whose question supersedes the earlier
one's.

By hand: trigger with `{"as_of": "2026-03-31"}` to train as of a past day, and `"is_replay": true` when the release
shall count from then on, as the demo does. Whom to contact is stated by `"config": {"contact_budget_share": 0.1}`, or
by `"contact_cost"` and `"saved_value"`; a run without it takes over what the version before was told.

**If it fails:** `TooFewRows` names how many rows or month ends with known labels were found and how many are needed:
look at `import_events` and `build_warehouse`, and how far the events are complete (`ops.loads.complete_until`). A
sentence about MLflow: `maeari status` shows whether its database runs. `maeari train churn` does the same without
Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Metadata, dag, task

from maeari import assets, clock
from maeari.clock import business_day

CHURN_CHALLENGER = Asset(assets.CHURN_CHALLENGER)


# Without a start date, since with one the month that has begun would be made up for at once.
@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 3 * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
        assets=Asset(assets.CHURN_RETRAINING),
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["churn"],
)
def train_churn():
    @task(outlets=[CHURN_CHALLENGER])
    def train(dag_run=None):
        from ml.churn.config import ChurnConfig
        from ml.churn.train import train

        given = dag_run.conf or {}
        config = ChurnConfig(**given["config"]) if given.get("config") else None
        summary = train(business_day(dag_run), config).summary()
        is_replay = bool(given.get("is_replay"))
        yield Metadata(
            CHURN_CHALLENGER,
            {"model": "churn", "as_of": summary["as_of"], "version": summary["version"], "is_replay": is_replay},
        )

    train()


train_churn()
