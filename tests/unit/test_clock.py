"""Which day a step works for."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from maeari import clock
from maeari.errors import SettingsError


@dataclass
class Event:
    extra: dict


@dataclass
class Run:
    conf: dict | None = None
    consumed_asset_events: list = field(default_factory=list)
    run_after: datetime = datetime(2026, 3, 1, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _home_without_a_demo_world(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))
    monkeypatch.delenv("MAEARI_AS_OF", raising=False)


def test_the_run_after_counts_in_seoul():
    assert clock.business_day(Run()) == date(2026, 3, 2)


def test_the_conf_wins():
    run = Run(conf={"as_of": "2025-11-30"}, consumed_asset_events=[Event({"as_of": "2026-01-01"})])
    assert clock.business_day(run) == date(2025, 11, 30)


def test_the_newest_day_of_the_consumed_events_is_carried_on():
    run = Run(consumed_asset_events=[Event({"as_of": "2026-01-01"}), Event({"as_of": "2026-01-03"}), Event({})])
    assert clock.business_day(run) == date(2026, 1, 3)


def test_the_environment_fixes_the_day(monkeypatch):
    monkeypatch.setenv("MAEARI_AS_OF", "2026-02-02")
    assert clock.business_day(Run()) == date(2026, 2, 2)
    assert clock.today() == date(2026, 2, 2)


def test_the_demo_world_fixes_the_day(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "world.json").write_text('{"today": "2026-05-31"}')
    assert clock.today() == date(2026, 5, 31)
    assert clock.today("2026-04-01") == date(2026, 4, 1)


def test_days_begin_in_seoul():
    assert clock.start_of_day(date(2026, 5, 31)) == datetime(2026, 5, 30, 15, tzinfo=UTC)
    assert clock.end_of_day(date(2026, 5, 31)) == datetime(2026, 5, 31, 15, tzinfo=UTC)


def test_a_day_in_another_form_is_refused():
    with pytest.raises(SettingsError, match="YYYY-MM-DD"):
        clock.today("31.05.2026")
