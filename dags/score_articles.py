"""
### Score the articles

Runs when the marts were rebuilt or a version of the topics went live. First what is new is analysed into keywords, each
text once, by all cores, and handed on to `mine_associations`; after a change of words.tsv only the texts that hold a
changed word are analysed again. Then the version in charge tells the topics of every text that it has not told yet, and
the shares of topics are made anew for every day, week, month and quarter. While nothing is live it stops after the
analysis. The reviews take part once somebody has had them analysed: `maeari analyse reviews`, or `train_topics`.

**If it fails:** a sentence about words.tsv names the line to correct. *was registered with* means that the saved model
is not the one that was approved: `maeari doctor` says which, restore it from the backup. `maeari analyse` and
`maeari score topics` do the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

TEXT_TERMS = Asset(assets.TEXT_TERMS)
TOPICS_PREDICTIONS = Asset(assets.TOPICS_PREDICTIONS)


@dag(
    schedule=Asset(assets.MARTS) | Asset(assets.TOPICS_MODEL) | Asset(assets.REVIEW_TOPICS_MODEL),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["topics"],
)
def score_articles():
    @task(outlets=[TEXT_TERMS])
    def analyse(dag_run=None):
        from ml.texts.analyse import analyse_all

        # Also without a new text: a period may be over by now, or a stop word be new.
        yield Metadata(TEXT_TERMS, analyse_all(business_day(dag_run)))

    @task(outlets=[TOPICS_PREDICTIONS])
    def score(dag_run=None):
        from ml.topics.predict import score_all

        found = score_all(business_day(dag_run))
        if not found["by_collection"]:
            raise AirflowSkipException("No version was in effect by that day; approve a release first.")
        yield Metadata(TOPICS_PREDICTIONS, found)

    analyse() >> score()


score_articles()
