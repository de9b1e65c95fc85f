"""
### Train the recommender of books

Runs on the fourth of the month, and when monitoring has called the live version declined. Analyses what is new in the
reviews, learns from who bought which books by the day, registers a challenger with its card, and hands it on to
`release_model`; nothing goes live by itself. A rerun registers one more version, whose question supersedes the earlier
one's.

By hand: trigger with `{"as_of": "2026-03-31"}` to train as of a past day, with `{"source": "my_shop"}` for the books of
another source than the one bought most, with `{"analyse": false}` to use the reviews that are analysed already and no
more, with `{"config": {"item_epochs": 20}}` to choose yourself, and with `"is_replay": true` when the release shall
count as the past of a demo.

**If it fails:** `TooFewRows` says how many readers bought two or more books and how many are needed: look at
`import_events` and `build_warehouse`, and whether the shop's item ids are those of the reviews' subjects. `maeari train
recommend` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Metadata, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

RECOMMEND_CHALLENGER = Asset(assets.RECOMMEND_CHALLENGER)


# Without a start date, since with one the month that has begun would be made up for at once.
@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 4 * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
        assets=Asset(assets.RECOMMEND_RETRAINING),
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["recommend"],
)
def train_recommend():
    @task
    def analyse(dag_run=None) -> dict:
        from ml.texts.analyse import analyse
        from ml.texts.collection import Collection

        if not (dag_run.conf or {}).get("analyse", True):
            raise AirflowSkipException("The run was asked not to.")
        return analyse(Collection.reviews, business_day(dag_run))

    @task(outlets=[RECOMMEND_CHALLENGER], trigger_rule=TriggerRule.NONE_FAILED)
    def train(dag_run=None):
        from ml.recommend.config import RecommendConfig
        from ml.recommend.train import train

        given = dag_run.conf or {}
        config = RecommendConfig(**given.get("config", {}))
        summary = train(given.get("source"), business_day(dag_run), config).summary()
        is_replay = bool(given.get("is_replay"))
        yield Metadata(
            RECOMMEND_CHALLENGER,
            {"model": "recommend", "as_of": summary["as_of"], "version": summary["version"], "is_replay": is_replay},
        )

    analyse() >> train()


train_recommend()
