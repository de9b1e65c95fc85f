"""Deciding about any model is a pure function with a budget of false alarms."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from maeari.statistics import Interval
from monitoring.figures import Level, share
from monitoring.figures.decision import Limits, WindowFigures, decide

MONDAY = date(2026, 1, 5)
LIMITS = Limits(min_drop=0.02, min_rows=300, min_labelled_rows=200, false_alarms=0.005, over_windows=26)


def level(accuracy: float, rows: int) -> Level:
    error = (accuracy * (1 - accuracy) / rows) ** 0.5 if rows else float("nan")
    return Level(rows, accuracy, error, share(round(accuracy * rows), rows, rows))


def window(number: int, accuracy: float = 0.86, labelled: int = 1_000, rows: int = 1_000, **other) -> WindowFigures:
    start = MONDAY + timedelta(weeks=number)
    reference = other.pop("reference", level(0.86, 4_000))
    return WindowFigures(
        start, start + timedelta(days=6), other.pop("version", 1), rows, level(accuracy, labelled), reference, **other
    )


def names(history: list[WindowFigures]) -> list[str]:
    return [decision.verdict for decision in decide(history, LIMITS)]


accuracies = st.lists(st.floats(0.6, 0.95), min_size=1, max_size=12)


@given(accuracies, st.integers(1, 11))
def test_later_windows_never_change_an_earlier_decision(values, kept):
    history = [window(number, value) for number, value in enumerate(values)]
    assert decide(history[:kept], LIMITS) == decide(history, LIMITS)[:kept]


@given(accuracies)
def test_looking_every_day_decides_what_looking_once_does(values):
    history = [window(number, value) for number, value in enumerate(values)]
    final = decide(history, LIMITS)
    for today in range(1, len(history) + 1):
        due = MONDAY + timedelta(weeks=today + 2)
        seen = [
            one if number < today - 2 else one._replace(provisional_until=due)
            for number, one in enumerate(history[:today])
        ]
        found = decide(seen, LIMITS)
        assert found[: max(today - 2, 0)] == final[: max(today - 2, 0)]
        assert {decision.verdict for decision in found[max(today - 2, 0) :]} == {"labels_pending"}


@given(st.floats(0.5, 0.95), st.integers(200, 3_000), st.integers(2, 10))
def test_more_rows_with_the_same_rates_never_take_a_decline_back(accuracy, labelled, times):
    few = names([window(0, accuracy, labelled, 3_000)])
    many = names([window(0, accuracy, labelled * times, 30_000)])
    assert few != ["declined"] or many == ["declined"]


@given(st.floats(0, 0.019), st.integers(1_000, 1_000_000))
def test_a_loss_below_the_limit_is_never_a_decline(loss, labelled):
    assert names([window(0, 0.86 - loss, labelled, labelled)])[0] == "stable"


@given(st.integers(0, LIMITS.min_rows - 1))
def test_few_rows_are_never_judged(rows):
    assert names([window(0, 0.3, rows, rows, moved=("Inputs: moved.",))]) == ["too_few_rows"]


def test_a_window_whose_labels_are_due_is_not_decided_and_says_until_when():
    pending = window(1, 0.5, 900, provisional_until=date(2026, 3, 1), moved=("Inputs: price moved.",))
    first, second = decide([window(0), pending], LIMITS)
    assert (first.verdict, first.status) == ("stable", "final")
    assert (second.verdict, second.status) == ("labels_pending", "provisional until 2026-03-01")
    assert second.drop is None
    assert second.reasons == (
        "Labels: 900 of 1,000 rows have one; until 2026-03-01 more are due, and figures are provisional.",
        "Inputs: price moved.",
    )


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (window(0, labelled=0), "0 of 1,000 rows have one although all are due; the policy wants 200"),
        (window(0, rows=299, labelled=299), "Rows: 299; the policy wants 300"),
        (window(0, reference=level(0.86, 100)), "the reference has 100 labelled rows; the policy wants 200"),
    ],
)
def test_too_few_rows_say_which(one, told):
    (found,) = decide([one], LIMITS)
    assert found.verdict == "too_few_rows"
    assert told in found.reasons[0]


def test_inputs_that_moved_without_harm_are_drifted():
    assert names([window(0), window(1, moved=("Inputs: price moved.",))]) == ["stable", "drifted"]


def test_a_declined_model_stays_so_until_two_windows_running_are_good():
    values = [0.86, 0.75, 0.83, 0.85, 0.83, 0.85, 0.86, 0.86]
    assert names([window(number, value) for number, value in enumerate(values)]) == (
        ["stable"] + ["declined"] * 5 + ["stable"] * 2
    )


def test_a_decline_too_small_for_one_window_shows_over_several():
    assert names([window(0), *(window(number, 0.818) for number in range(1, 4))]) == (
        ["stable", "stable", "declined", "declined"]
    )


def test_windows_without_a_decision_are_passed_over():
    history = [window(0), window(1, 0.818), window(2, rows=10, labelled=10), window(3, 0.818)]
    assert names(history) == ["stable", "stable", "too_few_rows", "declined"]


def test_a_new_version_begins_without_the_decline_of_the_old_one():
    assert names([window(0, 0.7), window(1, version=2)]) == ["declined", "stable"]


def test_figures_below_zero_and_without_spread_are_decided_too():
    """Such as those of a regression: its absolute error below zero."""
    reference = Level(1_000, -2.0, 0.05, Interval(-2.0, -2.1, -1.9))
    worse = Level(1_000, -3.0, 0.0, Interval(-3.0, -3.0, -3.0))
    history = [window(0, reference=reference)._replace(level=reference)]
    history.append(window(1, reference=reference)._replace(level=worse))
    assert names(history) == ["stable", "declined"]


def test_the_reasons_tell_the_numbers():
    (found,) = decide([window(0, 0.78)], LIMITS)
    assert found.verdict == "declined"
    assert found.reasons == (
        "Performance: accuracy 0.78 (95 % interval 0.753 to 0.805) on 1,000 labelled of 1,000 rows, 0.08 lower than "
        "the reference's 0.86 on 4,000. Strongest sign of a loss: this window (1,000 labelled) against the reference "
        "(4,000): 0.08 lower, p = 9e-09 under a stable model; the limit is 2e-05.",
    )
    assert found.drop == pytest.approx(0.08)


def test_windows_out_of_order_are_refused():
    with pytest.raises(ValueError, match="The window from 2026-01-05 begins before the one to 2026-01-18 has ended"):
        decide([window(1), window(0)], LIMITS)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"min_labelled_rows": 500}, "raise min_rows or lower"), ({"spans": (2, 1)}, "write rising numbers")],
)
def test_limits_that_contradict_are_refused(change, told):
    with pytest.raises(ValidationError, match=told):
        Limits(**(LIMITS.model_dump() | change))


def simulated(random: np.random.Generator, accuracies: list[float]) -> list[str]:
    reference = level(random.binomial(4_000, 0.86) / 4_000, 4_000)
    return names(
        [
            window(number, random.binomial(1_000, accuracy) / 1_000, reference=reference)
            for number, accuracy in enumerate(accuracies)
        ]
    )


def test_a_stable_model_is_hardly_ever_called_declined():
    random = np.random.default_rng(1)
    alarms = sum("declined" in simulated(random, [0.86] * 26) for _ in range(300))
    assert alarms <= 5


def test_the_budget_alone_bounds_the_alarms_where_any_drop_counts():
    random, limits = np.random.default_rng(2), LIMITS.model_copy(update={"min_drop": 1e-9, "false_alarms": 0.2})
    alarms, runs = 0, 150
    for _ in range(runs):
        reference = level(random.binomial(4_000, 0.86) / 4_000, 4_000)
        history = [window(number, random.binomial(1_000, 0.86) / 1_000, reference=reference) for number in range(26)]
        alarms += any(decision.verdict == "declined" for decision in decide(history, limits))
    assert 0 < alarms <= 0.2 * runs


@pytest.mark.parametrize(("lost", "windows", "least"), [(0.05, 3, 0.95), (0.10, 1, 0.99)])
def test_a_decline_is_called_soon(lost, windows, least):
    random, runs = np.random.default_rng(3), 150
    called = sum("declined" in simulated(random, [0.86] * 12 + [0.86 - lost] * windows)[12:] for _ in range(runs))
    assert called >= least * runs


def test_what_creeps_in_slowly_is_called_as_well():
    random, runs = np.random.default_rng(4), 40
    called = sum("declined" in simulated(random, [0.86 - 0.004 * week for week in range(26)]) for _ in range(runs))
    assert called == runs
