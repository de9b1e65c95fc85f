"""The DAGs that crawl: what a scheduled run crawls, what one by hand, and that a source fails alone."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import yaml

from maeari.postgres import connect

DAGS = {"crawl_reviews": "shop", "crawl_news": "press"}
each_dag = pytest.mark.parametrize("dag_id", DAGS)


@pytest.fixture
def sources(warehouse, maeari_home):
    """A source of each kind; both began a crawl just now."""
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    facts = {"start_urls": ["http://127.0.0.1:9/"], "owner": "the tests", "licence": "our own"}
    facts |= {"terms_checked_by": "the tests", "terms_checked_on": "2026-11-22"}
    for name, kind in (("shop", "review_pages"), ("press", "news_feed")):
        (folder / f"{name}.yml").write_text(yaml.safe_dump({"name": name, "kind": kind, **facts}))
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source) values ('shop'), ('press')")
    yield
    for file in folder.glob("*.yml"):
        file.unlink()


def listed(bag, dag_id: str, run_type: str, conf: dict | None = None) -> list[str]:
    """What the first task of a run hands to the mapped one."""
    task = bag.dags[dag_id].get_task("list_sources")
    run = SimpleNamespace(run_type=run_type, conf=conf, run_after=datetime.now(UTC))
    return task.python_callable(dag_run=run)


@each_dag
def test_a_scheduled_run_crawls_what_is_due_and_one_by_hand_all(bag, sources, dag_id):
    assert listed(bag, dag_id, "scheduled") == []
    assert listed(bag, dag_id, "manual") == [DAGS[dag_id]]
    assert listed(bag, dag_id, "scheduled", {"as_of": "2026-05-31"}) == [DAGS[dag_id]]
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("update ops.crawls set started_at = now() - interval '25 hours'")
    assert listed(bag, dag_id, "scheduled") == [DAGS[dag_id]]


@each_dag
def test_every_source_is_written_down_though_none_is_due(bag, sources, dag_id):
    listed(bag, dag_id, "scheduled")
    with connect("web") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from ops.sources where source in ('shop', 'press')")
        assert cursor.fetchone() == (2,)


@each_dag
def test_where_nothing_has_landed_nothing_is_handed_on(bag, sources, dag_id):
    from airflow.sdk.exceptions import AirflowSkipException

    (hand_on,) = [task for task in bag.dags[dag_id].tasks if task.outlets]
    events = SimpleNamespace(ascending=lambda _: SimpleNamespace(limit=lambda _: []))
    with pytest.raises(AirflowSkipException):
        next(hand_on.python_callable(dag_run=None, inlet_events={hand_on.inlets[0]: events}))


@each_dag
def test_each_source_is_a_task_of_its_own_and_the_others_are_handed_on(bag, dag_id):
    dag = bag.dags[dag_id]
    crawl = dag.get_task("crawl")
    assert crawl.is_mapped
    assert crawl.upstream_task_ids == {"list_sources"}
    assert dag.get_task("hand_on").trigger_rule == "all_done"
    assert dag.get_task("fail_with_a_source").trigger_rule == "one_failed"
    assert dag.max_active_runs == 1
