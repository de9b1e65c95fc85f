"""Recommendations are watched: how many are liked, how many queries unknown, how much of the catalogue is offered."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from maeari import clock, postgres
from monitoring import draw_report, monitor, store
from monitoring.check import check
from monitoring.errors import NothingToWatch
from monitoring.windows import Window

FIRST = date(2025, 1, 6)
BOOKS, READERS, ANSWERS, OFFERED = 400, 300, 700, 5
TASTE = 1 / np.arange(8, BOOKS + 8)


def execute(statement: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def answer(
    week: int,
    version: int | None = 1,
    answers: int = ANSWERS,
    unliked: dict[str, float] | None = None,
    unknown: float = 0.06,
    books: int = BOOKS,
) -> None:
    """Answers of one week, and which were liked: `unliked` takes a share of the likes from a reason's answers.

    Some readers like more than others, and ask more than once, so that answers are not quite independent.
    """
    random = np.random.default_rng(week)
    fondness = np.random.default_rng(0).beta(5, 14, READERS)
    # The largest of logarithms with Gumbel noise are a draw without putting back.
    noisy = np.log(TASTE[:books]) + random.gumbel(size=(answers, books))
    picked = np.argpartition(noisy, -OFFERED, axis=1)[:, -OFFERED:].tolist()
    rows, likes = [], []
    number = execute("select coalesce(max(answer_id), 0) from predictions.recommendations")[0][0]
    for _ in range(answers):
        number += 1
        reader = int(random.integers(READERS))
        is_unknown = bool(random.random() < unknown)
        why = "popular" if is_unknown else str(random.choice(["liked", "words"], p=[0.6, 0.4]))
        offered = [f"book-{book}" for book in picked.pop()]
        at = clock.start_of_day(FIRST) + timedelta(weeks=week, seconds=float(random.uniform(0, 7 * 86_400)))
        channel = str(random.choice(["kakao", "web"], p=[0.8, 0.2]))
        asked_for = str(random.choice(["title", "words", "more"]))
        is_liked = random.random() < fondness[reader] and random.random() >= (unliked or {}).get(why, 0)
        lists = _array(offered), _array([why] * OFFERED)
        rows.append((number, at, channel, f"reader-{reader}", version, asked_for, is_unknown, *lists))
        if is_liked:
            soon = at + timedelta(hours=float(random.exponential(5)))
            likes.append(("book_bot", f"{number}:{offered[0]}:like", f"reader-{reader}", "like", soon, offered[0], 1))
    with postgres.connect("owner") as connection:
        columns = "answer_id answered_at channel reader_key model_version asked_for is_unknown book_ids whys"
        postgres.copy_rows(connection, "predictions.recommendations", columns.split(), rows)
        columns = "source event_id customer_id event_type occurred_at item_id load_id"
        postgres.copy_rows(connection, "raw.events", columns.split(), likes)


def _array(values: list[str]) -> str:
    return "{" + ",".join(values) + "}"


def catalogue(version: int) -> None:
    """A release of a version, which knows every book."""
    execute(
        "insert into predictions.book_vectors select %s, 'book-' || n, array[1]::real[], array[1]::real[]"
        " from generate_series(0, %s) n",
        version,
        BOOKS - 1,
    )
    execute("insert into ops.training_sets values ('x', 'recommend', now(), 1, 'x', 'select 1') on conflict do nothing")
    execute("insert into ops.model_versions values ('recommend', %s, now(), 'x', '{}', '{}', 'x', 'x')", version)
    execute("update ops.deployments set live_to = now() where live_to is null")
    execute(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('recommend', %s, now(), %s, 'approver', now(), '{}')",
        version,
        clock.start_of_day(FIRST + timedelta(weeks=10 * (version - 1))),
    )


@pytest.fixture
def bot(warehouse, maeari_home, monkeypatch):
    """A warehouse with one released version; pages, which take seconds, are drawn only where a test asks for one."""
    monkeypatch.setattr("monitoring.pages.draw_changed", lambda *arguments: None)
    execute("insert into ops.loads (source, kind) values ('book_bot', 'feedback')")
    catalogue(1)


def end(week: int) -> date:
    """The last day of a week."""
    return FIRST + timedelta(days=7 * week + 6)


def watched(until: int) -> dict[int, tuple[str, list[str]]]:
    """The verdict and reasons of each week, when the labels of the last one are known."""
    summary = monitor("recommend", end(until) + timedelta(days=7))
    return {
        (date.fromisoformat(one["start"]) - FIRST).days // 7: (one["verdict"], one["reasons"])
        for one in summary["windows"]
    }


def figures(week: int, segment: str = "all") -> dict[str, tuple]:
    return {
        name: (value, low, high, rows)
        for name, value, low, high, rows in execute(
            "select metric, value, low, high, rows from monitoring.metrics"
            " where (model, window_end, segment) = ('recommend', %s, %s)",
            end(week),
            segment,
        )
    }


def test_where_nobody_has_asked_yet_nothing_is_decided_and_nothing_fails(bot, monkeypatch):
    from cli.main import app

    assert monitor("recommend", end(9)) == {
        "policy": "recommend",
        "as_of": end(9).isoformat(),
        "newest_verdict": None,
        "retrain": False,
        "windows": [],
    }
    assert check("recommend", end(9)) == [
        f"the query: no predictions up to {end(9)} yet.",
        "No reference yet: it will be the first 28 days on end that hold min_rows, 300, of one version. Nothing is "
        "decided before they are over.",
    ]
    # A trial is no reference.
    answer(0, answers=20)
    assert monitor("recommend", end(9))["windows"] == []
    assert execute("select from monitoring.verdicts") == execute("select from monitoring.sketch_references") == []
    monkeypatch.setenv("COLUMNS", "200")
    said = CliRunner().invoke(app, ["monitor", "recommend", "--as-of", end(9).isoformat()], catch_exceptions=False)
    assert said.exit_code == 0
    assert f"No window of recommend is to be decided by {end(9)}" in said.output
    with pytest.raises(NothingToWatch, match="recommend has no window from 2025-03-03 to 2025-03-09"):
        draw_report("recommend", end(8))


def test_the_first_days_with_enough_answers_are_the_reference(bot):
    answer(0, answers=20)
    for week in range(6, 12):
        answer(week)
    found = watched(11)
    assert list(found) == [10, 11]
    assert {verdict for verdict, _ in found.values()} == {"stable"}
    (first,) = execute("select bins -> 'first' from monitoring.sketch_references where policy = 'recommend'")
    # The trial's 20 answers lie before it.
    assert first[0] == [1, (FIRST + timedelta(weeks=6)).isoformat(), end(9).isoformat()]
    assert check("recommend", end(11))[-1].startswith(f"Reference from 2025-02-17 to {end(9)}: 2,800 predictions")


def test_what_is_liked_less_for_one_reason_is_declined_and_placed(bot):
    for week in range(12):
        answer(week, unliked={"words": 0.95} if week > 8 else None)
    found = watched(11)
    assert [verdict for verdict, _ in found.values()] == ["stable"] * 5 + ["declined"] * 3
    reasons = found[11][1]
    assert reasons[0].startswith("Performance: like rate 0.1")
    assert any(one.startswith("Where: why=words, like rate 0.0") for one in reasons)
    assert not any("why=liked" in one or one.startswith("Why:") for one in reasons)
    assert not any("accuracy" in one for _, every in found.values() for one in every)
    assert monitor("recommend", end(11) + timedelta(days=7))["retrain"]
    ((asked, liked),) = execute(
        "select count(*), count(*) filter (where exists"
        " (select from raw.events where event_id like answer_id || ':%%'))"
        " from predictions.recommendations where answered_at >= %s",
        clock.start_of_day(FIRST + timedelta(weeks=11)),
    )
    value, low, high, rows = figures(11)["like_rate"]
    assert (value, rows) == (pytest.approx(liked / asked, abs=0.005), asked)
    assert low < value < high
    assert "like_rate" in figures(11, "channel=kakao")
    assert {"reference_like_rate", "coverage", "relative_coverage", "unknown_share"} <= figures(11).keys()
    assert execute("select count(*) from monitoring.metrics where kind = 'estimated'") == [(0,)]


def test_a_like_counts_within_seven_days_and_until_then_the_window_is_pending(bot):
    for week in range(6):
        answer(week)
    ((number, at),) = execute(
        "select answer_id, answered_at from predictions.recommendations where answered_at >= %s and not exists"
        " (select from raw.events where event_id like answer_id || ':%%') order by answer_id limit 1",
        clock.start_of_day(FIRST + timedelta(weeks=5)),
    )
    summary = monitor("recommend", end(5) + timedelta(days=6))
    assert [one["verdict"] for one in summary["windows"]] == ["stable", "labels_pending"]
    assert "2025-02-23" in summary["windows"][1]["reasons"][0]
    watched(5)
    liked = figures(5)["like_rate"][0] * ANSWERS
    land = (
        "insert into raw.events (source, event_id, event_type, occurred_at, load_id) values ('book_bot', %s, %s, %s, 1)"
    )
    execute(land, f"{number}:book-1:dislike", "dislike", at + timedelta(days=1))
    execute(land, f"{number}:book-1:like", "like", at + timedelta(days=7, seconds=1))
    execute("delete from monitoring.sketch_references")
    watched(5)
    assert figures(5)["like_rate"][0] * ANSWERS == pytest.approx(liked)
    execute(land, f"{number}:book-2:like", "like", at + timedelta(days=6))
    execute("delete from monitoring.sketch_references")
    watched(5)
    assert figures(5)["like_rate"][0] * ANSWERS == pytest.approx(liked + 1)


def test_when_everyone_is_offered_the_same_few_books_coverage_has_fallen(bot):
    for week in range(8):
        answer(week, books=12 if week > 6 else BOOKS)
    found = watched(7)
    assert [verdict for verdict, _ in found.values()] == ["stable"] * 3 + ["drifted"]
    assert [one for one in found[7][1] if one.startswith("Predictions")] == [
        "Predictions: coverage fell: 3,500 offers hold 12 different items (3.0% of the catalogue), 3% of what as "
        "many offers of the reference hold; the limit is 70%."
    ]
    assert figures(7)["coverage"] == (pytest.approx(12 / 400), None, None, ANSWERS * OFFERED)
    assert figures(7)["relative_coverage"][0] < 0.05
    for week in (4, 5, 6):
        # A week offers a quarter of what the reference does, and reaches as much of the catalogue as that should.
        assert figures(week)["relative_coverage"][0] == pytest.approx(1, abs=0.05)
        assert 0.9 < figures(week)["coverage"][0] <= 1
    # A later version's books are others, and the vectors of the one before are removed some day.
    before = figures(6), found
    execute("delete from predictions.book_vectors")
    assert (watched(7), figures(6)) == (before[1], before[0])


def test_fewer_answers_of_the_same_kind_are_no_fall_of_coverage(bot):
    for week in range(8):
        answer(week, answers=320 if week > 3 else 2_500)
    found = watched(7)
    assert not any(one.startswith("Predictions") for _, reasons in found.values() for one in reasons)


def test_a_rise_of_unknown_queries_is_drift_told_as_shares(bot):
    for week in range(8):
        answer(week, unknown=0.2 if week > 6 else 0.06)
    found = watched(7)
    assert [verdict for verdict, _ in found.values()] == ["stable"] * 3 + ["drifted"]
    assert any(one.startswith("Inputs: is_unknown moved, from ") for one in found[7][1])
    value, low, high, rows = figures(7)["unknown_share"]
    ((expected,),) = execute(
        "select avg(is_unknown::int)::float8 from predictions.recommendations where answered_at >= %s",
        clock.start_of_day(FIRST + timedelta(weeks=7)),
    )
    assert (value, rows) == (pytest.approx(expected), ANSWERS)
    assert low < value < high
    assert figures(7)["reference_unknown_share"][0] == pytest.approx(0.06, abs=0.02)


def test_a_stable_half_year_is_never_called_declined(bot):
    for week in range(26):
        answer(week, version=1 if week < 10 else 2)
    catalogue(2)
    found = watched(25)
    assert len(found) == 22
    assert {verdict for verdict, _ in found.values()} == {"stable"}


def test_a_later_version_is_held_to_the_first_days_too(bot):
    catalogue(2)
    for week in range(14):
        answer(week, version=1 if week < 10 else 2, unliked={"liked": 0.6, "words": 0.6} if week > 9 else None)
    answer(13, version=None, answers=50)
    found = watched(13)
    assert [verdict for verdict, _ in found.values()] == ["stable"] * 6 + ["declined"] * 4
    assert figures(13)["like_rate"][3] == ANSWERS, "what was answered without a version is nobody's"
    assert figures(13)["coverage"][0] > 0.9


def test_a_page_of_a_window_is_drawn_without_any_score(bot):
    for week in range(5):
        answer(week)
    watched(4)
    window = Window(end(3) + timedelta(days=1), end(4))
    assert draw_report("recommend", end(4)) == store.page("recommend", window)
    page = store.page("recommend", window).read_text()
    for shown in ("asked_for", "is_unknown", "books", "channel"):
        assert json.dumps(shown) in page, shown
