"""
### Train the sentiment model

Runs on the first of the month and when monitoring asks. Learns from the reviews with stars as they were known on the
day, registers a challenger with its card, and hands it on to `release_model`; nothing goes live by itself. A rerun
registers one more version, whose question supersedes the earlier one's.

By hand: trigger with `{"as_of": "2025-11-30"}` to train as of a past day, and `"is_replay": true` when the release
shall count from then on, as the demo does.

**If it fails:** `TooFewRows` means that reviews are missing: look at `crawl_reviews` and `build_warehouse` of that
day. A sentence about MLflow: `maeari status` shows whether its database runs. `maeari train sentiment` does the same
without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Metadata, dag, task

from maeari import assets, clock
from maeari.clock import business_day

SENTIMENT_CHALLENGER = Asset(assets.SENTIMENT_CHALLENGER)


# Without a start date, since with one the month that has begun would be made up for at once.
@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 1 * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
        assets=Asset(assets.SENTIMENT_RETRAINING),
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["sentiment"],
)
def train_sentiment():
    @task(outlets=[SENTIMENT_CHALLENGER])
    def train(dag_run=None):
        from ml.sentiment import train

        summary = train(as_of=business_day(dag_run)).summary()
        is_replay = bool((dag_run.conf or {}).get("is_replay"))
        yield Metadata(
            SENTIMENT_CHALLENGER,
            {"model": "sentiment", "as_of": summary["as_of"], "version": summary["version"], "is_replay": is_replay},
        )

    train()


train_sentiment()
