"""Intervals and paired tests of ranked rows, against brute force, other libraries and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ml.statistics import calibration_error, delong_difference, estimate, roc_auc_interval, weighted_figures


def by_pairs(truth, first, second) -> tuple[float, float]:
    """The difference of two areas and its standard error, from every pair of a positive and a negative."""

    def kernel(scores):
        ahead = scores[truth][:, None] - scores[~truth][None, :]
        return (ahead > 0) + 0.5 * (ahead == 0)

    difference = kernel(first) - kernel(second)
    positive, negative = difference.mean(axis=1), difference.mean(axis=0)
    variance = positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)
    return difference.mean(), math.sqrt(variance)


def two_scores(seed: int, rows: int, lead: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and two correlated scores, the first ahead by `lead`."""
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.4
    common = random.normal(size=rows) + truth
    return truth, common + random.normal(size=rows) + lead * truth, common + random.normal(size=rows)


@pytest.mark.parametrize("decimals", [0, 6], ids=["with ties", "without ties"])
def test_delong_agrees_with_every_pair_counted(decimals):
    truth, first, second = two_scores(1, 300, lead=0.5)
    first, second = first.round(decimals), second.round(decimals)
    value, error = by_pairs(truth, first, second)
    difference, p_value = delong_difference(truth, first, second)
    assert difference.value == pytest.approx(value)
    assert difference.high - difference.low == pytest.approx(2 * 1.959964 * error)
    assert p_value == pytest.approx(math.erfc(abs(value / error) / math.sqrt(2)))
    alone = roc_auc_interval(truth, first)
    assert alone.value == pytest.approx(roc_auc_score(truth, first))
    value, error = by_pairs(truth, first, np.zeros(300))
    assert alone.high - alone.value == pytest.approx(1.959964 * error)


def test_intervals_cover_and_tests_reject_as_often_as_they_say():
    # Of two normals 1 apart, each of variance 2.
    expected = 0.5 * math.erfc(-(1 / math.sqrt(2 * 2)) / math.sqrt(2))
    covered, rejected, seen = 0, 0, 0
    runs = 1_000
    for seed in range(runs):
        truth, first, second = two_scores(seed, 200)
        interval = roc_auc_interval(truth, first)
        covered += interval.low <= expected <= interval.high
        rejected += delong_difference(truth, first, second)[1] < 0.05
        seen += delong_difference(truth, first + truth, second)[1] < 0.05
    assert 0.93 <= covered / runs <= 0.97
    assert 0.03 <= rejected / runs <= 0.07
    assert seen / runs > 0.9


@given(st.integers(0, 1_000), st.integers(2, 40))
def test_the_area_depends_on_the_order_alone_and_turns_round_with_it(seed, rows):
    truth, scores, _ = two_scores(seed, rows)
    interval, stretched = roc_auc_interval(truth, scores), roc_auc_interval(truth, np.exp(scores))
    turned = roc_auc_interval(truth, -scores)
    assert 0 <= interval.low <= interval.high <= 1
    if 0 < truth.sum() < rows:
        assert stretched.value == pytest.approx(interval.value)
        assert turned.value == pytest.approx(1 - interval.value)


def test_without_both_classes_there_is_no_area():
    nothing = roc_auc_interval(np.ones(5, dtype=bool), np.arange(5))
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0, 1)
    difference, p_value = delong_difference(np.zeros(5, dtype=bool), np.arange(5), np.arange(5))
    assert math.isnan(difference.value)
    assert p_value == 1


def test_equal_scores_do_not_differ():
    truth, scores, _ = two_scores(3, 100)
    difference, p_value = delong_difference(truth, scores, scores)
    assert (difference.value, difference.low, difference.high, p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("decimals", [1, 9], ids=["with ties", "without ties"])
def test_a_weight_counts_as_so_many_equal_rows(decimals):
    truth, scores, _ = two_scores(5, 400)
    probabilities = (1 / (1 + np.exp(-scores))).round(decimals)
    counts = np.random.default_rng(1).poisson(1, 400)
    found = weighted_figures(truth, probabilities, np.stack([np.ones(400), counts]))
    for index, repeats in enumerate([np.ones(400, dtype=int), counts]):
        repeated, given = truth.repeat(repeats), probabilities.repeat(repeats)
        assert found["roc_auc"][index] == pytest.approx(roc_auc_score(repeated, given))
        assert found["pr_auc"][index] == pytest.approx(average_precision_score(repeated, given))
        assert found["brier_score"][index] == pytest.approx(brier_score_loss(repeated, given))
    assert found["calibration_error"][0] == pytest.approx(calibration_error(probabilities, truth))


def test_the_lift_is_the_share_of_the_top_tenth_by_the_share_of_all():
    truth = np.arange(1_000) >= 800
    rising = np.linspace(0, 1, 1_000)
    weights = np.ones((1, 1_000))
    assert weighted_figures(truth, rising, weights)["top_decile_lift"] == pytest.approx(5)
    assert weighted_figures(truth, 1 - rising, weights)["top_decile_lift"] == pytest.approx(0)
    assert weighted_figures(truth, np.full(1_000, 0.5), weights)["top_decile_lift"] == pytest.approx(1)


def test_the_bootstrap_agrees_with_delong_where_both_hold():
    truth, scores, _ = two_scores(8, 500)
    weights = np.random.default_rng(2).poisson(1, (400, 500))
    replicates = weighted_figures(truth, scores, weights)["roc_auc"]
    delong = roc_auc_interval(truth, scores)
    interval = estimate(delong.value, replicates, 0, 1)
    assert interval.high - interval.low == pytest.approx(delong.high - delong.low, rel=0.12)
