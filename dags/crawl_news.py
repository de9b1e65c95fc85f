"""
### Crawl the news

Runs every hour, one task a source, so that a broken site fails alone. Then hands on `raw.articles` once, if anything
landed since it was last handed on. A rerun lands nothing twice: known articles are not fetched.

**If it fails:** the red task's log ends with a sentence. *Fewer than half of that fails*: the site has changed; open
it beside the source's file in `crawlers/sources/`. *Stopped*, or the site did not answer: clear the task. What other
sources brought has been handed on. `maeari crawl NAME` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Metadata, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

RAW_ARTICLES = Asset(assets.RAW_ARTICLES)


@dag(
    schedule=CronTriggerTimetable("15 * * * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["crawl"],
)
def crawl_news():
    @task
    def list_sources() -> list[str]:
        from crawlers.sources import active_sources

        return active_sources("articles")

    @task(map_index_template="{{ task.op_kwargs['source'] }}")
    def crawl(source: str, dag_run=None) -> dict:
        from crawlers.run import crawl

        return crawl(source, as_of=business_day(dag_run))

    @task(inlets=[RAW_ARTICLES], outlets=[RAW_ARTICLES], trigger_rule=TriggerRule.ALL_DONE)
    def hand_on(dag_run=None, inlet_events=None):
        from crawlers.run import landed_since

        last = [event.timestamp for event in inlet_events[RAW_ARTICLES].ascending(False).limit(1)]
        if not landed_since("articles", *last):
            raise AirflowSkipException("No article has landed since raw.articles was handed on.")
        yield Metadata(RAW_ARTICLES, {"as_of": business_day(dag_run).isoformat()})

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def fail_with_a_source() -> None:
        raise RuntimeError("A source failed, see its task; what the others brought was handed on.")

    crawled = crawl.expand(source=list_sources())
    crawled >> [hand_on(), fail_with_a_source()]


crawl_news()
