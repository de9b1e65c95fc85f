"""Every DAG file loads, explains itself, and could be run by a stranger."""

import ast
import re
import sys
from pathlib import Path

import pytest

from maeari import assets
from maeari.settings import CHECKOUT

FILES = sorted((CHECKOUT / "dags").glob("*.py"))
NAMES = {value for name, value in vars(assets).items() if name.isupper()}
LIGHT = {"airflow", "cosmos", "maeari", *sys.stdlib_module_names}
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_there_are_dag_files():
    assert FILES


def test_every_file_loads(bag):
    assert bag.import_errors == {}
    assert bag.dags


@each_file
def test_a_file_holds_one_dag_of_its_own_name(bag, file: Path):
    here = [dag_id for dag_id, dag in bag.dags.items() if Path(dag.fileloc) == file]
    assert here == [file.stem]


@each_file
def test_no_file_is_named_like_a_plugin_of_dbt(file: Path):
    assert not file.stem.startswith("dbt_")


@each_file
def test_a_dag_says_what_to_do_when_it_fails(bag, file: Path):
    text = (bag.dags[file.stem].doc_md or "").strip()
    assert text.startswith("###")
    *_, ending = re.split(r"\n\s*\n(?=\*\*If it fails:\*\*)", text)
    assert ending.startswith("**If it fails:**")
    assert len(ending.split()) > 5


@each_file
def test_a_dag_never_fills_in_the_past_and_has_tags(bag, file: Path):
    dag = bag.dags[file.stem]
    assert not dag.catchup
    assert dag.tags


@each_file
def test_every_asset_is_named_in_one_place(bag, file: Path):
    dag = bag.dags[file.stem]
    assert waited_for(dag) | handed_on(dag) <= NAMES


def test_what_a_dag_waits_for_another_hands_on(bag):
    waited = set().union(*map(waited_for, bag.dags.values()))
    assert waited
    assert waited <= set().union(*map(handed_on, bag.dags.values()))


def waited_for(dag) -> set[str]:
    """Names of the assets in a DAG's schedule."""
    names, conditions = set(), [getattr(dag.timetable, "asset_condition", None)]
    while conditions:
        condition = conditions.pop()
        conditions += getattr(condition, "objects", ())
        names |= {condition.name} if hasattr(condition, "name") else set()
    return names


def handed_on(dag) -> set[str]:
    """Names of the assets that a DAG's tasks update."""
    return {asset.name for task in dag.tasks for asset in task.outlets}


@each_file
def test_a_file_imports_nothing_heavy_when_it_is_read(file: Path):
    roots = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(node.module.split(".")[0])
    assert roots <= LIGHT
