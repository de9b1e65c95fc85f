"""Deciding is a pure function: what it promises holds for any numbers."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring import drift, performance
from monitoring.metrics import ALL, Measured, Metric
from monitoring.policy import load
from monitoring.verdict import decide
from monitoring.windows import Window

MONDAY = date(2025, 12, 1)
SPREAD = 0.22
POLICY = load("sentiment")


def realized(prefix: str, rows: int, accuracy: float) -> list[Metric]:
    """Figures of `rows` labelled reviews; the probability given to the true label moves with the accuracy."""
    margin = performance.Z_95 * SPREAD / max(rows, 1) ** 0.5
    mean = 0.2 + 0.6 * accuracy
    return [
        Metric(ALL, f"{prefix}accuracy", "realized", accuracy, accuracy - 0.02, accuracy + 0.02, rows),
        Metric(ALL, f"{prefix}true_label_probability", "realized", mean, mean - margin, mean + margin, rows),
    ]


def window(number: int, accuracy: float = 0.82, labelled: int = 1000, rows: int = 1700, psi: float = 0.01) -> Measured:
    start = MONDAY + timedelta(weeks=number)
    drifts = [
        Metric(ALL, "rows", "drift", float(rows), None, None, rows),
        Metric(ALL, "reference_rows_per_day", "drift", 1700 / 7, None, None, 6800),
        Metric(ALL, "review_length_psi", "drift", psi, None, None, rows),
    ]
    for name in ("predicted_positive_share", "rated_share", "unknown_bigram_share", "jamo_share", "emoji_share"):
        drifts += [Metric(ALL, f"{prefix}{name}", "drift", 0.6, None, None, rows) for prefix in ("", "reference_")]
    metrics = (*realized("", labelled, accuracy), *realized("reference_", 4200, 0.82), *drifts)
    return Measured(Window(start, start + timedelta(days=6)), 1, metrics)


def names(measured: list[Measured]) -> list[str]:
    return [verdict.verdict for verdict in decide(measured, POLICY)]


accuracies = st.lists(st.floats(0.6, 0.95), min_size=1, max_size=12)


@given(accuracies, st.integers(1, 10))
def test_later_windows_never_change_an_earlier_verdict(values, kept):
    measured = [window(number, value) for number, value in enumerate(values)]
    assert decide(measured[:kept], POLICY) == decide(measured, POLICY)[:kept]


@given(st.floats(0.6, 0.95), st.integers(200, 3000), st.integers(2, 10))
def test_more_rows_with_the_same_rates_never_take_a_decline_back(accuracy, labelled, times):
    few = names([window(0, accuracy, labelled, 2 * labelled)])
    many = names([window(0, accuracy, labelled * times, 2 * labelled * times)])
    assert few != ["declined"] or many == ["declined"]


@given(accuracies, st.randoms(use_true_random=False))
def test_the_order_of_metrics_changes_nothing(values, random):
    measured = [window(number, value) for number, value in enumerate(values)]
    shuffled = [one._replace(metrics=tuple(random.sample(one.metrics, len(one.metrics)))) for one in measured]
    assert names(shuffled) == names(measured)


@given(st.integers(0, POLICY.min_rows - 1))
def test_few_rows_are_never_judged(rows):
    assert names([window(0, 0.3, min(rows, 250), rows, psi=3.0)]) == ["too_few_rows"]


@given(st.floats(0, 0.019), st.integers(1000, 1_000_000))
def test_a_loss_below_the_policy_s_minimum_is_never_a_decline(loss, labelled):
    assert names([window(0, 0.82 - loss, labelled, 2 * labelled)]) == ["stable"]


def test_rows_without_labels_are_pending():
    assert names([window(0, labelled=0)]) == ["labels_pending"]


def test_inputs_that_moved_without_harm_are_drifted():
    assert names([window(0), window(1, psi=0.3)]) == ["stable", "drifted"]


def test_a_declined_model_stays_so_until_two_windows_running_are_good():
    decline = [0.82, 0.70, 0.79, 0.81, 0.79, 0.81, 0.82, 0.82]
    assert names([window(number, value) for number, value in enumerate(decline)]) == (
        ["stable"] + ["declined"] * 5 + ["stable"] * 2
    )


def test_a_decline_too_small_for_one_window_shows_over_two():
    assert names([window(0), window(1, 0.778), window(2, 0.778)]) == ["stable", "stable", "declined"]


def test_a_new_version_begins_without_the_decline_of_the_old_one():
    measured = [window(0, 0.7), window(1)._replace(version=2)]
    assert names(measured) == ["declined", "stable"]


@pytest.mark.parametrize(("share", "expected"), [(0.35, "drifted"), (1.0, "stable"), (2.5, "drifted")])
def test_the_volume_is_compared_with_the_windows_before(share, expected):
    measured = [window(number) for number in range(5)] + [window(5, rows=int(1700 * share))]
    verdicts = decide(drift.with_volume(measured), POLICY)
    assert verdicts[-1].verdict == expected
    assert any("Pipeline" in reason for reason in verdicts[-1].reasons) == (share < 1)


def test_a_segment_with_few_rows_has_no_volume():
    small = Metric("source=a", "rows", "drift", 3.0, None, None, 3)
    pace = Metric("source=a", "reference_rows_per_day", "drift", 1.0, None, None, 28)
    (measured,) = drift.with_volume([window(0)._replace(metrics=(*window(0).metrics, small, pace))])
    assert measured.get("volume_ratio", "source=a").value is None


def rows_of(count: int, accuracy: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    is_positive, right = random.random(count) < 0.6, random.random(count) < accuracy
    certainty = 0.5 + random.beta(6, 2, count) / 2
    return pd.DataFrame(
        {
            "source": random.choice(["a", "b"], count),
            "subject_id": "1",
            "stars": np.where(is_positive, 5.0, 1.0),
            "sentiment_label": np.where(is_positive, "positive", "negative"),
            "text": ["".join(random.choice(list("가나다라마바사 "), 20)) for _ in range(count)],
            "positive_probability": np.where(is_positive == right, certainty, 1 - certainty),
        }
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_figures_do_not_depend_on_the_order_of_rows_nor_on_the_names_of_segments(seed):
    rows, reference = rows_of(300, 0.8, seed), drift.fix_reference(rows_of(500, 0.8, seed + 1), 28.0, [])
    shuffled = rows.sample(frac=1, random_state=seed)
    renamed = rows.assign(source=rows["source"].map({"a": "b", "b": "a"}))

    def figures(frame: pd.DataFrame) -> dict:
        found = [*performance.measure(frame, ("source",)), *drift.measure(frame, reference, ("source",))]
        return {(metric.segment, metric.metric): metric.value for metric in found}

    expected = figures(rows)
    assert figures(shuffled) == pytest.approx(expected)
    swapped = figures(renamed)
    assert swapped["source=a", "accuracy"] == pytest.approx(expected["source=b", "accuracy"])
    assert swapped[ALL, "accuracy"] == pytest.approx(expected[ALL, "accuracy"])


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(any), st.integers(1, 50))
def test_psi_of_the_same_shares_is_zero_whatever_the_size(counts, times):
    assert drift.psi(np.array(counts), times * np.array(counts)) == pytest.approx(0)


@given(st.data(), st.integers(2, 12))
def test_psi_is_never_negative(data, bins):
    some = st.lists(st.integers(0, 1000), min_size=bins, max_size=bins).filter(any)
    assert drift.psi(np.array(data.draw(some)), np.array(data.draw(some))) >= 0


def test_psi_equals_a_sum_worked_by_hand():
    expected = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.6 - 0.5) * np.log(0.6 / 0.5)
    assert drift.psi(np.array([50, 50]), np.array([40, 60])) == pytest.approx(expected)


def test_values_beyond_the_reference_fall_into_its_outer_bins():
    assert drift.bin_counts(pd.Series([-1e9, 0.0, 1.0, 1e9]), np.array([0.5])).tolist() == [2, 2]


def test_pairs_of_characters_unknown_to_the_vocabulary_are_counted_within_words():
    assert drift.unknown_bigram_share("가나 다라", frozenset({"가나"})) == 0.5
    assert drift.unknown_bigram_share("가", frozenset()) == 0.0
