"""Policies and the windows they ask for."""

from datetime import date, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import PolicyError
from monitoring.policy import COMMITTED, load, policies, write_window
from monitoring.windows import Deployment, Window, WindowLength, complete_windows, version_at, window_of


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))
    (tmp_path / "policies").mkdir()
    return tmp_path / "policies"


def test_every_committed_policy_loads(own):
    committed = [file.stem for file in COMMITTED.glob("*.yml")]
    assert committed
    assert policies() == sorted(committed)
    for name in committed:
        load(name)


def test_a_policy_of_the_home_wins(own):
    assert load("sentiment").window == "week"
    file = write_window("sentiment", "quarter")
    assert file.parent == own
    assert load("sentiment").window == "quarter"
    assert load("sentiment").declined == load("sentiment").declined


def test_an_unknown_policy_is_refused_with_those_there_are(own):
    with pytest.raises(PolicyError, match="sentiment"):
        load("sentimant")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": "fortnight"}, "window"),
        ({"min_labelled_rows": 5000}, "raise min_rows"),
        ({"unheard": 1}, "unheard"),
        ({"segments": ["weather"]}, "segments"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_field(own, change, said):
    content = yaml.safe_load((COMMITTED / "sentiment.yml").read_text()) | change
    (own / "sentiment.yml").write_text(yaml.safe_dump(content))
    with pytest.raises(PolicyError, match=said):
        load("sentiment")


def test_text_that_is_no_yaml_is_refused(own):
    (own / "sentiment.yml").write_text("a: [")
    with pytest.raises(PolicyError, match=r"sentiment\.yml"):
        load("sentiment")


days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(st.sampled_from(WindowLength), days, st.integers(0, 900))
def test_windows_are_whole_and_follow_one_another(length, since, span):
    until = since + timedelta(days=span)
    windows = complete_windows(length, since, until)
    assert all(since <= window.start and window.end <= until for window in windows)
    assert all(window_of(length, day) == window for window in windows for day in window)
    for before, after in zip(windows, windows[1:], strict=False):
        assert after.start == before.end + timedelta(days=1)
    if windows:
        assert window_of(length, windows[-1].end + timedelta(days=1)).end > until


def test_windows_begin_where_the_calendar_says():
    day = date(2026, 5, 31)
    assert window_of(WindowLength.day, day) == Window(day, day)
    assert window_of(WindowLength.week, day) == Window(date(2026, 5, 25), day)
    assert window_of(WindowLength.month, day) == Window(date(2026, 5, 1), day)
    assert window_of(WindowLength.quarter, date(2025, 12, 31)) == Window(date(2025, 10, 1), date(2025, 12, 31))


def test_the_version_of_a_day_is_the_newest_one_that_counts_by_then():
    deployments = [Deployment(1, date(2025, 12, 1)), Deployment(3, date(2026, 3, 2)), Deployment(2, date(2026, 3, 2))]
    assert [version_at(deployments, date(2026, 3, day)) for day in (1, 2)] == [1, 2]
