"""
### Mine the associations

Runs when texts were analysed: which words stand in the same texts more often than by chance, for each day, week, month
and quarter, for all texts and for each source, section and subject. Only periods of which texts or settings have
changed are mined, each in a transaction of its own, so a rerun goes on where a broken one stopped. Articles always take
part; reviews once somebody has had them analysed, or for a run triggered with `{"of": "reviews"}`.

**If it fails:** a sentence about stopwords.txt names what to correct. When it is killed for its memory, lower
`max_terms` and `max_set_terms` in `ml/associations/config.py`. `maeari mine` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets
from maeari.clock import business_day

KEYWORDS = Asset(assets.KEYWORDS)


@dag(
    schedule=Asset(assets.TEXT_TERMS),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["topics"],
)
def mine_associations():
    @task(outlets=[KEYWORDS])
    def mine(dag_run=None):
        from ml.associations.mine import mine_all

        found = mine_all(business_day(dag_run), of=(dag_run.conf or {}).get("of"))
        if not any(found["mined"].values()):
            raise AirflowSkipException("Nothing has changed since the last mining.")
        yield Metadata(KEYWORDS, found)

    mine()


mine_associations()
