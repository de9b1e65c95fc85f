"""Pages of tables: drawn from a bounded sample where rows changed, and nothing in the data can be more than text."""

import re
import subprocess
import sys
from datetime import date, timedelta

import pytest
import yaml

from maeari import postgres
from monitoring import draw_report, monitor, store
from monitoring.errors import NothingToWatch
from monitoring.windows import Window

FIRST = date(2025, 1, 6)
HOSTILE = "</script><script>alert(1)</script>"
LINK = "<a href='http://evil.test/'>look</a>" + "긴" * 200
POLICY = {
    "model": "visits",
    "task": "binary",
    "predictions": {
        "table": "predictions.visits",
        "id": ["visit"],
        "at": "day",
        "score": "chance",
        "features": {"minutes": "numeric", "id": "category", "prediction": "numeric", "nothing": "numeric"},
        "segments": ["shop"],
    },
    "labels": {"table": "predictions.visits_truth", "id": ["visit"], "value": "came", "after_days": 0},
    "window": "week",
    "reference": {"from": FIRST, "until": FIRST + timedelta(days=6)},
    "min_rows": 40,
    "min_labelled_rows": 30,
    "declined": {"min_drop": 0.1, "false_alarms": 0.01, "over_windows": 26},
    "drifted": {"method": "psi", "limit": 0.1},
}


def execute(statement: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def end_of(week: int) -> date:
    return FIRST + timedelta(days=7 * week + 6)


def window(week: int) -> Window:
    return Window(end_of(week) - timedelta(days=6), end_of(week))


@pytest.fixture
def visits(warehouse, maeari_home):
    """Three weeks of predictions of 70 rows each, and a function that writes a policy of them."""
    execute(
        "create table predictions.visits (visit integer primary key, day date, chance float8, minutes float8, id text,"
        " prediction float8, nothing float8, shop text);"
        "create table predictions.visits_truth (visit integer primary key, came boolean)"
    )
    execute(
        "insert into predictions.visits select n, %s + n / 10, (n %% 97) / 97.0, n %% 31, "
        "case n %% 3 when 0 then %s when 1 then %s end, 1e17, null, case n %% 2 when 0 then '강남' else '부산' end "
        "from generate_series(0, 209) n",
        FIRST,
        HOSTILE,
        LINK,
    )
    execute("insert into predictions.visits_truth select visit, visit % 97 > 48 from predictions.visits")
    folder = maeari_home / "policies"
    folder.mkdir(exist_ok=True)

    def write(**changes) -> str:
        (folder / "visits.yml").write_text(yaml.safe_dump(POLICY | changes))
        return "visits"

    yield write
    for file in folder.glob("*.yml"):
        file.unlink()


def drawn() -> dict[date, tuple]:
    return dict(
        execute("select window_start, created_at from monitoring.reports where model = 'visits' order by window_start")
    )


def decided() -> dict[date, tuple]:
    return dict(execute("select window_start, decided_at from monitoring.verdicts where model = 'visits'"))


def test_a_page_shows_the_columns_and_its_method_and_no_value_breaks_out_of_it(visits):
    monitor(visits(), end_of(2))
    assert list(drawn()) == [window(1).start, window(2).start]
    page = store.page("visits", window(2)).read_text()
    assert not list(store.page("visits", window(2)).parent.glob("*.part"))
    for shown in ("minutes", "chance", "shop", '"id"', "PSI", "(missing)"):
        assert shown in page, shown
    # Neither was any value there, nor do floats of 10^17 lie close enough for bins.
    assert '"nothing"' not in page
    assert "‹/script›‹script›alert(1)‹/script›" in _decoded(page)
    assert "alert(1)</script>" not in page
    assert "<a href='http://evil.test/'" not in page
    assert "긴" * 64 in _decoded(page)
    assert "긴" * 65 not in _decoded(page)


def _decoded(page: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), page)


def test_only_a_window_whose_rows_changed_is_drawn_and_decided_again(visits):
    name = visits()
    monitor(name, end_of(2))
    before, decisions = drawn(), decided()
    monitor(name, end_of(2))
    assert drawn() == before
    assert decided() == decisions
    # A label changes the verdict's figures, but nothing that the page shows.
    execute("update predictions.visits_truth set came = not came where visit = 80")
    execute("update predictions.visits set minutes = 500 where visit = 200")
    monitor(name, end_of(2))
    after = drawn()
    assert after[window(1).start] == before[window(1).start]
    assert after[window(2).start] > before[window(2).start]
    store.page("visits", window(1)).unlink()
    monitor(name, end_of(2))
    assert drawn()[window(1).start] > before[window(1).start]
    assert store.page("visits", window(1)).exists()


def test_of_many_windows_the_newest_are_drawn_first_and_the_next_run_goes_on(visits, monkeypatch):
    from monitoring import pages

    monkeypatch.setattr(pages, "MOST_PAGES", 1)
    name = visits()
    monitor(name, end_of(2))
    assert list(drawn()) == [window(2).start]
    monitor(name, end_of(2))
    assert list(drawn()) == [window(1).start, window(2).start]


def test_a_window_of_one_row_has_no_page(visits):
    execute("delete from predictions.visits where visit > 140")
    name = visits()
    monitor(name, end_of(2))
    assert list(drawn()) == [window(1).start]
    with pytest.raises(NothingToWatch, match="have 1 rows of version 1"):
        draw_report(name, end_of(2))


def test_a_page_can_be_asked_for(visits):
    name = visits()
    with pytest.raises(NothingToWatch, match="no window from 2025-01-13"):
        draw_report(name, end_of(1))
    monitor(name, end_of(2))
    before = drawn()
    assert draw_report(name, window(1).start).parent.name == "2025-01-13_2025-01-19"
    assert drawn()[window(1).start] > before[window(1).start]
    monitor(name, end_of(2))
    assert drawn()[window(2).start] == before[window(2).start]


@pytest.mark.parametrize(
    ("method", "limit", "named"),
    [
        ("jensen_shannon", 0.1, ["Jensen-Shannon distance"]),
        ("chi_square", 0.01, ["K-S p_value", "chi-square p_value"]),
        ("wasserstein", 0.3, ["Wasserstein distance (normed)", "PSI"]),
    ],
)
def test_a_page_takes_the_policys_method(visits, method, limit, named):
    predictions = POLICY["predictions"] | {"features": {"minutes": "numeric"}}
    monitor(visits(predictions=predictions, drifted={"method": method, "limit": limit}), end_of(1))
    page = store.page("visits", window(1)).read_text()
    assert all(one in page for one in named)


def test_every_class_of_a_multiclass_policy_can_be_drawn(visits):
    """Nothing decides on several classes yet, so that only the drawing is asked for."""
    from monitoring import pages, sketches
    from monitoring.policy import load

    execute("alter table predictions.visits add other float8 generated always as (1 - chance) stored")
    predictions = POLICY["predictions"] | {"score": {"true": "chance", "false": "other"}}
    policy = load(visits(task="multiclass", predictions=predictions))
    sketches.update(policy, end_of(2))
    with postgres.connect("monitor") as connection:
        reference, sketch = (sketches.read(connection, policy, 1, *window(week)) for week in (0, 1))
        page = pages.draw(connection, policy, sketch, reference).read_text()
    assert '"chance"' in page
    assert '"other"' in page


def test_a_sample_is_bounded_and_the_same_each_time(visits):
    from monitoring import source as sources
    from monitoring.policy import load

    policy = load(visits())
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        query = sources.select_some(sources.describe(connection, policy), window(1), 1, 20, 10)
        cursor.execute(query)
        rows = cursor.fetchall()
        execute("update predictions.visits set nothing = null where visit % 2 = 0")
        cursor.execute(query)
        assert cursor.fetchall() == rows
    assert len(rows) == 20
    assert max(len(row[4] or "") for row in rows) == 10


def test_a_model_of_any_name_keeps_its_pages_below_the_reports(visits):
    from maeari.settings import Settings

    for model in ("..", "a/../../b", "길" * 300):
        assert store.page(model, window(1)).parents[2] == Settings().path("reports")
        assert len(store.page(model, window(1)).parents[1].name.encode()) == 64
    assert store.page("길.", window(1)) != store.page("길", window(1))


def test_evidently_is_not_loaded_where_nothing_is_drawn():
    code = "import monitoring.watch, sys; assert not any(name.startswith('evidently') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
