"""
### Store the vectors of books

Runs when a version of the recommender went live, and when the marts were rebuilt. Writes what the live version knows of
each book into `predictions.book_vectors`, by its readers and by its words, and folds in the books that came since its
training by their words alone; those of versions that are neither live nor were before are removed. A version's own
vectors never change and are written once. So is the file below `MAEARI_HOME` from which the book bot starts.

**If it fails:** *was registered with* means that the saved model is not the one that was approved: `maeari doctor` says
which, restore it from the backup. Offers go on meanwhile; only books that came since the last good run are not found by
their likeness. `maeari score recommend` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

RECOMMEND_VECTORS = Asset(assets.RECOMMEND_VECTORS)


@dag(
    schedule=Asset(assets.MARTS) | Asset(assets.RECOMMEND_MODEL),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["recommend"],
)
def store_books():
    @task(outlets=[RECOMMEND_VECTORS])
    def store(dag_run=None):
        from ml.recommend.vectors import store_live

        found = store_live(business_day(dag_run))
        if found["version"] is None:
            raise AirflowSkipException("No version is live; approve a release first.")
        yield Metadata(RECOMMEND_VECTORS, found)

    store()


store_books()
