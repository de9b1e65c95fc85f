"""The DAG that builds the warehouse: one task a model, in lineage order, then the marts are handed on."""

import json

import pytest

from maeari import assets, warehouse


@pytest.fixture(scope="module")
def dag(bag):
    return bag.dags["build_warehouse"]


@pytest.fixture(scope="module")
def model_tasks(dag):
    return {task.task_id.removeprefix("models.").removesuffix("_model_build"): task for task in dag.tasks}


def test_each_model_that_reads_no_prediction_is_a_task(model_tasks):
    nodes = json.loads(warehouse.manifest_path().read_text())["nodes"].values()
    models = {node["name"] for node in nodes if node["resource_type"] == "model" and "publish" not in node["tags"]}
    assert models
    assert models == model_tasks.keys() - {"find_news", "hand_on_marts", "write_docs"}


def test_a_model_is_built_after_the_ones_it_reads(model_tasks):
    assert "models.fct_reviews_model_build" in model_tasks["dim_subjects"].upstream_task_ids
    assert "models.int_reviews__versions_model_build" in model_tasks["fct_reviews"].upstream_task_ids


def test_the_marts_are_handed_on_once_and_only_when_every_model_is_built(dag):
    assert [task.task_id for task in dag.tasks if task.outlets] == ["hand_on_marts"]
    models = [task for task in dag.tasks if task.task_id.startswith("models.")]
    leaves = {
        task.task_id for task in models if not any(name.startswith("models.") for name in task.downstream_task_ids)
    }
    assert leaves >= {f"models.{name}_model_build" for name in ("dim_books", "dim_sources", "churn", "churn_now")}
    assert dag.get_task("hand_on_marts").upstream_task_ids == leaves
    assert [asset.name for asset in dag.get_task("hand_on_marts").outlets] == [assets.MARTS]


def test_every_model_waits_for_the_crawls_that_are_under_way(model_tasks):
    assert {name for name, task in model_tasks.items() if not task.upstream_task_ids} == {"find_news"}


def test_two_builds_never_meet(dag, bag):
    assert dag.max_active_runs == 1
    assert {task.pool for task in dag.tasks} == {"build_warehouse"}
    assert {task.pool for task in bag.dags["publish_marts"].tasks} == {"build_warehouse"}
    for task in dag.tasks:
        if task.task_id.startswith("models."):
            assert task.interceptors == [warehouse.before_task]
            assert task.callback == warehouse.after_task


def test_publishing_hands_nothing_on(bag):
    assert not any(task.outlets for task in bag.dags["publish_marts"].tasks)
