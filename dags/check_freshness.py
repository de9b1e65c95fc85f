"""
### Check that the crawls still come

Runs every morning and fails when no crawl of reviews, or none of articles, has finished for seven days (the limits
are in `dbt/models/staging/_raw__sources.yml`). It blocks nothing.

**If it fails:** nothing here is broken. Look at the runs of `crawl_reviews` and `crawl_news`, then at
`select * from ops.crawls order by started_at desc`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from maeari import clock


@dag(
    schedule=CronTriggerTimetable("0 9 * * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["warehouse"],
)
def check_freshness():
    @task
    def check() -> dict:
        from maeari.warehouse import check_freshness

        return check_freshness()

    check()


check_freshness()
