"""
### Train the topics

Runs on the second of the month. Analyses what is new, finds the topics of the news as they were known on the day,
registers a challenger with its card, and hands it on to `release_model`; nothing goes live by itself. A rerun registers
one more version, whose question supersedes the earlier one's.

By hand: trigger with `{"of": "reviews"}` for the topics of reviews, with `{"topics": 12}` or `{"method": "lda"}` to
choose yourself, with `{"as_of": "2025-11-30"}` to train as of a past day, and with `"is_replay": true` when the release
shall count from then on, as the demo does.

**If it fails:** `TooFewRows` means that texts are missing: look at `crawl_news` and `build_warehouse` of that day. A
sentence about words.tsv or stopwords.txt names the line to correct. `maeari train topics` does the same without
Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

CHALLENGERS = {
    "topics": Asset(assets.TOPICS_CHALLENGER),
    "review_topics": Asset(assets.REVIEW_TOPICS_CHALLENGER),
}


# Without a start date, since with one the month that has begun would be made up for at once.
@dag(
    schedule=CronTriggerTimetable("0 6 2 * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["topics"],
)
def train_topics():
    @task
    def analyse(dag_run=None) -> dict:
        from ml.texts.analyse import analyse
        from ml.texts.collection import Collection

        return analyse(Collection((dag_run.conf or {}).get("of", "articles")), business_day(dag_run))

    @task
    def train(dag_run=None) -> dict:
        from ml.texts.collection import Collection
        from ml.topics.config import TopicsConfig
        from ml.topics.train import train

        conf = dag_run.conf or {}
        config = TopicsConfig(**{name: conf[name] for name in ("topics", "method") if name in conf})
        return train(Collection(conf.get("of", "articles")), business_day(dag_run), config).summary()

    @task
    def hand_on(model: str, trained: dict, dag_run=None):
        if trained["model"] != model:
            raise AirflowSkipException(f"The trained model is {trained['model']}.")
        is_replay = bool((dag_run.conf or {}).get("is_replay"))
        found = {name: trained[name] for name in ("model", "as_of", "version")}
        yield Metadata(CHALLENGERS[model], found | {"is_replay": is_replay})

    trained = train()
    analyse() >> trained
    for model, asset in CHALLENGERS.items():
        hand_on.override(task_id=f"hand_on_{model}", outlets=[asset])(model, trained)


train_topics()
