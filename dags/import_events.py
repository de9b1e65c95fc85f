"""
### Import the events

Runs every 15 minutes and imports the files that lie in the inbox, one task a source, so that a broken file fails alone.
Then hands on `raw.events` once, if anything was imported since it was last handed on, here or by `maeari import`: new
events, books or links of authors, or until when events are complete; else the run skips. A file that landed moves to
`done/`; imported again, nothing of it lands twice.

**If it fails:** the red task's log names each refused file and says what to correct, as does the file ending in
`.refused.txt` beside it. A refused file stays and is tried again at every run: correct it or its `mapping.yml`, or take
it away. What other files and sources brought has been handed on. `maeari import inbox` does the same without Airflow.
"""

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Metadata, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day

RAW_EVENTS = Asset(assets.RAW_EVENTS)


@dag(
    schedule=CronTriggerTimetable("*/15 * * * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 0},
    doc_md=__doc__,
    tags=["import"],
)
def import_events():
    @task
    def list_sources() -> list[str]:
        from imports.inbox import waiting

        return list(waiting())

    @task(map_index_template="{{ task.op_kwargs['source'] }}")
    def import_inbox(source: str, dag_run=None) -> dict:
        from imports.inbox import import_inbox

        return import_inbox(business_day(dag_run), source)

    @task(inlets=[RAW_EVENTS], outlets=[RAW_EVENTS], trigger_rule=TriggerRule.ALL_DONE)
    def hand_on(dag_run=None, inlet_events=None):
        from imports.inbox import landed_since

        last = [event.timestamp for event in inlet_events[RAW_EVENTS].ascending(False).limit(1)]
        if not landed_since(*last):
            raise AirflowSkipException("Nothing was imported since raw.events was handed on.")
        yield Metadata(RAW_EVENTS, {"as_of": business_day(dag_run).isoformat()})

    @task(trigger_rule=TriggerRule.ONE_FAILED)
    def fail_with_a_source() -> None:
        raise RuntimeError("A file was refused, see its source's task; what the others brought was handed on.")

    imported = import_inbox.expand(source=list_sources())
    imported >> [hand_on(), fail_with_a_source()]


import_events()
