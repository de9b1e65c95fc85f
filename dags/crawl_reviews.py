"""
### Crawl the reviews

Runs every hour and crawls the sources that are due by the `schedule` of their files, one task a source, so that a
broken site fails alone. A run started by hand crawls all that can be crawled. Then hands on `raw.reviews` once, if
anything landed since it was last handed on; where nothing is due, the run skips. A rerun lands nothing twice.

**If it fails:** the red task's log ends with a sentence. *title missing on 100 % of 40 pages*: that selector finds
nothing any longer; `maeari source check NAME` shows what each finds. *Fewer than half of that fails*: the site has
changed; open it beside the source's file. *Stopped*, or the site did not answer: clear the task. A failed source is
tried again at its next scheduled time, and a wrong file fails once a day until it is corrected. What other sources
brought has been handed on. `maeari crawl NAME` does the same without Airflow; the runbook has more.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Metadata, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

RAW_REVIEWS = Asset(assets.RAW_REVIEWS)


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["crawl"],
)
def crawl_reviews():
    @task
    def list_sources(dag_run=None) -> list[str]:
        from crawlers.register import register_all
        from crawlers.sources import active_sources, due_sources

        register_all()
        is_by_hand = dag_run.run_type != "scheduled" or "as_of" in (dag_run.conf or {})
        return active_sources("reviews") if is_by_hand else due_sources("reviews", dag_run.run_after)

    @task(map_index_template="{{ task.op_kwargs['source'] }}")
    def crawl(source: str, dag_run=None) -> dict:
        from crawlers.run import crawl

        return crawl(source, as_of=business_day(dag_run))

    @task(inlets=[RAW_REVIEWS], outlets=[RAW_REVIEWS], trigger_rule=TriggerRule.ALL_DONE)
    def hand_on(dag_run=None, inlet_events=None):
        from crawlers.run import landed_since

        last = [event.timestamp for event in inlet_events[RAW_REVIEWS].ascending(False).limit(1)]
        if not landed_since("reviews", *last):
            raise AirflowSkipException("No review has landed since raw.reviews was handed on.")
        yield Metadata(RAW_REVIEWS, {"as_of": business_day(dag_run).isoformat()})

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def fail_with_a_source() -> None:
        raise RuntimeError("A source failed, see its task; what the others brought was handed on.")

    crawled = crawl.expand(source=list_sources())
    crawled >> [hand_on(), fail_with_a_source()]


crawl_reviews()
