"""Crawl health: whether the pipeline brought what it should, so that a gap is not taken for the model's fault."""

from psycopg2.extensions import connection as Connection

from maeari import clock
from monitoring.metrics import Metric
from monitoring.windows import Window

_FAILED = """
    select source, count(*) filter (where outcome in ('failed', 'abandoned')), count(*)
    from ops.crawls
    where started_at >= %s and started_at < %s and outcome <> 'running'
        and source in (select source from marts.dim_subjects)
    group by source
    order by source
"""


def measure(connection: Connection, window: Window) -> list[Metric]:
    """The share of failed crawls of each review source crawled in the window; `rows` is the number of crawls."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, (clock.start_of_day(window.start), clock.end_of_day(window.end)))
        return [
            Metric(f"source={source}", "failed_crawl_share", "drift", failed / crawls, None, None, crawls)
            for source, failed, crawls in cursor.fetchall()
        ]
