"""Policies, and the bins that a reference fixes."""

from datetime import date

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitoring.errors import PolicyError
from monitoring.policy import COMMITTED, Policy, load, policies, write_window
from monitoring.reference import numbers, reference_id


def content(**changes) -> dict:
    facts = {
        "model": "churn",
        "task": "binary",
        "predictions": {
            "table": "predictions.churn",
            "id": ["customer_id"],
            "at": "as_of_on",
            "score": "churn_probability",
            "features": {"spend": "numeric"},
        },
        "labels": {"table": "features.churn", "id": ["customer_id"], "value": "churned", "after_days": 60},
        "window": "month",
        "reference": {"from": date(2026, 1, 1), "until": date(2026, 1, 31)},
        "min_rows": 100,
        "min_labelled_rows": 50,
        "declined": {"min_drop": 0.02, "false_alarms": 0.01, "over_windows": 12},
        "drifted": {"method": "psi", "limit": 0.1},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = facts
        for parent in parents:
            part = part[parent]
        part[last] = value
    return facts


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of policies of a `MAEARI_HOME` of this test."""
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder


def write(folder, name="mine", **changes) -> None:
    (folder / f"{name}.yml").write_text(yaml.safe_dump(content(**changes)))


def test_committed_policies_can_be_used(own):
    for file in COMMITTED.glob("*.yml"):
        assert load(file.stem).name == file.stem


def test_a_committed_policy_gets_another_window_and_stays_as_it_is_otherwise(own):
    before = load("sentiment")
    assert write_window("sentiment", "quarter").parent == own
    assert load("sentiment") == before.model_copy(update={"window": "quarter"})
    with pytest.raises(ValueError, match="fortnight"):
        write_window("sentiment", "fortnight")


def test_a_policy_of_ones_own_is_found_under_its_name(own):
    write(own)
    assert "mine" in policies()
    assert load("mine").name == "mine"
    assert load("mine").predictions.threshold == 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"predictions__query": "select 1"}, "either a table"),
        ({"predictions__table": None}, "either a table"),
        ({"predictions__table": "churn"}, "pattern"),
        ({"predictions__table": 'predictions."churn'}, "pattern"),
        ({"predictions__at": "as_of_on); drop table x"}, "pattern"),
        ({"labels__table": None, "labels__query": "select 1; drop table x"}, "without a semicolon"),
        ({"labels__table": None, "labels__query": "delete from x"}, "begins with"),
        ({"predictions__score": {"a": "p_a", "b": "p_b"}}, "task is binary"),
        ({"task": "multiclass"}, "task is multiclass"),
        ({"task": "regression", "labels__positive": "yes"}, "for a binary task"),
        ({"task": "multiclass", "predictions__score": {"a": "p"}}, "1 classes"),
        ({"task": "rate"}, "a rate has no score, and every other task has one: leave score out"),
        ({"predictions__score": None}, "name its column, the task is binary"),
        ({"labels__id": ["customer_id", "as_of_on"]}, "in the same order"),
        ({"min_labelled_rows": 200}, "some of the rows"),
        ({"reference__until": date(2025, 1, 1)}, "lies before"),
        (
            {"predictions__features": {"kind": "category"}, "drifted__method": "wasserstein"},
            "no meaning for a category",
        ),
        ({"drifted__method": "chi_square", "drifted__limit": 2}, "p-value"),
        ({"drifted__method": "best"}, "psi"),
        ({"reference": {"first_days": 0}}, "greater than or equal to 1"),
        ({"coverage": {"column": "books", "catalogue": {"table": "a.b", "id": ["x", "y"]}, "least": 0.7}}, "id"),
        ({"coverage": {"column": "books", "catalogue": {"id": ["x"]}, "least": 0.7}}, "either a table"),
        ({"predictions__threshold": 1.5}, "less than 1"),
        ({"colour": "blue"}, "Extra inputs"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(own, changes, said):
    write(own, **changes)
    with pytest.raises(PolicyError, match=said):
        load("mine")


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "name: other"])
def test_a_file_that_is_no_policy_is_refused(own, text):
    (own / "mine.yml").write_text(text)
    with pytest.raises(PolicyError, match="cannot be used"):
        load("mine")


def test_a_folder_that_is_not_read_any_more_is_told(own):
    earlier = own.parent / "table_policies"
    earlier.mkdir()
    assert "sentiment" in policies()
    write(earlier)
    with pytest.raises(PolicyError, match=r"table_policies is not read any more\. Move its files to .*policies"):
        policies()


def test_an_unknown_policy_is_named_with_those_there_are(own):
    write(own)
    with pytest.raises(PolicyError, match="mine"):
        load("../mine")


def test_only_what_decides_a_sketch_changes_its_reference():
    def key(**changes):
        return reference_id(Policy.model_validate(content(**changes) | {"name": "mine"}))

    assert key() == key(min_rows=90, drifted__limit=0.3, window="week")
    assert key() != key(predictions__threshold=0.4)
    assert key() != key(predictions__features={"spend": "category"})
    assert key() != key(reference__until=date(2026, 2, 1))
    assert key() != key(labels__after_days=30)
    catalogue = {"table": "marts.books", "id": ["book_id"]}
    assert key() == key(coverage={"column": "book_id", "catalogue": catalogue, "least": 0.7})
    assert key() != key(reference={"first_days": 28})


@given(arrays(float, st.integers(0, 400), elements=st.floats(allow_subnormal=False)))
def test_bins_are_ordered_and_coarse_ones_are_among_them(values):
    bins = numbers(values)
    assert (np.diff(bins.edges) > 0).all()
    assert set(bins.coarse) <= set(bins.edges)
    assert np.isfinite(bins.edges).all()


def test_few_values_have_a_bin_each():
    bins = numbers(np.repeat([1.0, 2.0, 5.0], [70, 20, 10]))
    places = np.searchsorted(bins.edges, [0.5, 1.0, 1.5, 2.0, 5.0], side="right")
    assert len(set(places[[1, 3, 4]])) == 3
    assert places[0] < places[1] < places[2]


def test_many_values_are_parted_into_equal_shares():
    values = np.random.default_rng(0).normal(size=20_000)
    bins = numbers(values)
    fine = np.bincount(np.searchsorted(bins.edges, values, side="right"))
    coarse = np.bincount(np.searchsorted(bins.coarse, values, side="right"))
    assert (len(fine), len(coarse)) == (210, 10)
    assert fine[6:-6].max() - fine[6:-6].min() <= 1
    assert coarse.max() - coarse.min() <= 1
