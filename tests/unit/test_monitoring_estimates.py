"""Estimates before labels, how they are held to account, and what of a loss is put down to the inputs."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from maeari.statistics import Interval
from monitoring.figures import binary, estimator_error, multiclass, regression, segments
from monitoring.figures.binary import ScoreCounts, calibrated, fit_curve, score_edges
from monitoring.figures.multiclass import ClassCounts
from monitoring.figures.regression import ErrorCounts

EDGES = np.arange(1, 50) / 50
CLASSES, CONFIDENCE_EDGES = ("a", "b", "c"), np.linspace(0.4, 0.95, 12)
PREDICTION_EDGES = np.linspace(5, 95, 10)


@pytest.fixture(autouse=True)
def _no_warning_is_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def score_rows(random: np.random.Generator, rows: int, harder: float = 0.6, lost: float = 0.0):
    """Scores that are too sure of themselves, and labels; some labels are turned."""
    chance = random.beta(harder, 0.8 * harder, rows)
    scores = np.clip(1 / (1 + np.exp(-1.6 * np.log(chance / (1 - chance) + 1e-12))), 1e-6, 1 - 1e-6)
    return scores, (random.random(rows) < chance) ^ (random.random(rows) < lost)


def score_counts(random: np.random.Generator, rows: int, **how) -> ScoreCounts:
    return ScoreCounts.of(*score_rows(random, rows, **how), EDGES, 0.5)


def class_counts(random: np.random.Generator, rows: int, hard: float = 0.0, lost: float = 0.0) -> ClassCounts:
    predicted, confidence = random.integers(0, 3, rows), 0.34 + 0.66 * random.beta(3, 1 + hard, rows)
    right = random.random(rows) < confidence**1.5 * (1 - 0.1 * predicted) - lost
    true = np.where(right, predicted, (predicted + 1 + (random.random(rows) < 0.2)) % 3)
    return ClassCounts.of(predicted, true, confidence, CLASSES, CONFIDENCE_EDGES)


def error_counts(random: np.random.Generator, rows: int, high: float = 1.0, scale: float = 1.0) -> ErrorCounts:
    predictions = 100 * random.beta(high, 1, rows)
    errors = scale * (1 + predictions / 25) * random.standard_normal(rows)
    return ErrorCounts.of(predictions, predictions + errors, PREDICTION_EDGES)


KINDS = {
    "binary": (binary, score_counts, {"harder": 1.5}, {"lost": 0.08}, "accuracy", ("accuracy", "f1", "roc_auc")),
    "multiclass": (multiclass, class_counts, {"hard": 1.0}, {"lost": 0.1}, "accuracy", ("accuracy", "macro_f1")),
    "regression": (
        regression,
        error_counts,
        {"high": 2.5},
        {"scale": 1.4},
        "mean_absolute_error",
        ("mean_absolute_error", "root_mean_squared_error"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_under_other_inputs_the_estimate_s_interval_holds_what_the_labels_say(kind):
    task, draw, shift, _, _, names = KINDS[kind]
    random, runs = np.random.default_rng(0), 40
    inside, errors, naive = dict.fromkeys(names, 0), [], []
    for _ in range(runs):
        reference, window = draw(random, 2_000), draw(random, 1_000, **shift)
        told, truth, before = task.estimated(reference, window), task.realized(window), task.realized(reference)
        for name in names:
            inside[name] += told[name].low <= truth[name].value <= told[name].high
        errors.append(abs(told[names[0]].value - truth[names[0]].value))
        naive.append(abs(before[names[0]].value - truth[names[0]].value))
    assert all(hits >= 0.85 * runs for hits in inside.values()), inside
    assert np.mean(errors) < 0.5 * np.mean(naive)


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_of_the_window_are_not_looked_at_and_a_seed_fixes_the_rest(kind):
    task, draw, *_ = KINDS[kind]
    random = np.random.default_rng(1)
    reference, window = draw(random, 500), draw(random, 400)
    hidden = {
        name: np.zeros_like(values)
        for name, values in vars(window).items()
        if name not in ("edges", "classes", "threshold", "rows", "score_sums", "confidence_sums")
    }
    pending = type(window)(**{**vars(window), **hidden})
    assert task.estimated(reference, pending) == task.estimated(reference, window)


def test_the_estimate_of_a_calibrated_score_is_the_expectation_over_raw_rows():
    random = np.random.default_rng(2)
    chance = random.beta(0.5, 0.5, 50_000)
    edges = score_edges(chance, 0.5)
    reference = ScoreCounts.of(chance, random.random(50_000) < chance, edges, 0.5)
    scores = random.beta(1.2, 0.7, 20_000)
    told = binary.estimated(reference, ScoreCounts.of(scores, np.full(20_000, np.nan), edges, 0.5))
    expected_auc = roc_auc_score(
        np.repeat([1, 0], 20_000), np.tile(scores, 2), sample_weight=np.concatenate([scores, 1 - scores])
    )
    assert told["accuracy"].value == pytest.approx(np.maximum(scores, 1 - scores).mean(), abs=0.005)
    assert told["roc_auc"].value == pytest.approx(expected_auc, abs=0.005)
    assert told["positive_share"].value == pytest.approx(scores.mean(), abs=0.005)


def test_the_curve_is_the_logistic_regression_of_a_beta_calibration():
    random = np.random.default_rng(3)
    scores = random.uniform(0.05, 0.95, 300)
    labels = (random.random(300) < scores**2).astype(float)
    features = np.column_stack([np.log(scores), -np.log1p(-scores)])
    expected = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(features, labels)
    found = fit_curve(np.ones(300), labels, scores, np.array([1.0, 1.0, 0.0]), 1e-8)
    np.testing.assert_allclose(found, [*expected.coef_[0], expected.intercept_[0]], rtol=1e-3)


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30),
)
def test_calibration_gives_probabilities_for_any_labels(bins):
    labelled, shares, scores = (np.array(column) for column in zip(*bins, strict=True))
    positives = np.floor(labelled * shares)
    (found,) = calibrated(labelled, positives, np.sort(scores), (np.sort(scores),))
    assert ((found > 0) & (found < 1)).all()


def test_without_labels_the_score_is_the_probability_and_with_many_their_share():
    scores = np.array([0.1, 0.4, 0.8])
    (none,) = calibrated(np.zeros(3), np.zeros(3), scores, (scores,))
    np.testing.assert_allclose(none, scores)
    (many,) = calibrated(np.full(3, 10**6), np.array([300_000, 900_000, 500_000]), scores, (scores,))
    np.testing.assert_allclose(many, [0.3, 0.9, 0.5], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_is_put_down_to_the_inputs_or_to_the_relation_as_it_was_made(kind):
    task, draw, shift, worse, figure, _ = KINDS[kind]
    random = np.random.default_rng(4)
    reference = draw(random, 6_000)
    by_inputs = segments.explained_drop(reference, draw(random, 4_000, **shift), figure)
    by_relation = segments.explained_drop(reference, draw(random, 4_000, **worse), figure)
    assert by_inputs.inputs.low > 0
    assert by_inputs.relation.low < 0 < by_inputs.relation.high
    assert by_relation.relation.low > 0
    assert by_relation.inputs.low < 0 < by_relation.inputs.high
    for parts in (by_inputs, by_relation):
        assert parts.total.value == pytest.approx(parts.inputs.value + parts.relation.value)


def test_without_a_change_neither_part_is_called_a_loss_more_often_than_claimed():
    random, runs = np.random.default_rng(5), 50
    outside = {"total": 0, "inputs": 0, "relation": 0}
    for seed in range(runs):
        parts = segments.explained_drop(score_counts(random, 1_500), score_counts(random, 700), "accuracy", seed)
        for name, part in parts._asdict().items():
            outside[name] += not part.low <= 0 <= part.high
    assert all(hits <= 0.1 * runs for hits in outside.values()), outside


def test_where_scores_are_spread_alike_nothing_is_put_down_to_inputs():
    reference = score_counts(np.random.default_rng(6), 3_000)
    parts = segments.explained_drop(reference, reference, "f1")
    assert [part.value for part in parts] == [0, 0, 0]


def pairs(right: int, wrong: int, off: float = 0.1) -> list[tuple[Interval, Interval]]:
    found = Interval(0.8, 0.78, 0.82)
    return [(Interval(0.81, 0.77, 0.85), found)] * right + [
        (Interval(0.8 + off, 0.78 + off, 0.82 + off), found)
    ] * wrong


def test_an_estimator_that_was_right_is_trusted_and_says_its_error():
    found = estimator_error(pairs(12, 0))
    assert found.is_trusted
    assert (found.pairs, found.mean_absolute_error, found.bias) == (12, pytest.approx(0.01), pytest.approx(0.01))
    assert found.sentence == (
        "In 12 windows the estimate was off by 0.01 on average (0.01 too high), and 12 of 12 realized values lay "
        "inside its 95 % interval, as many as it claims."
    )


def test_an_estimator_that_was_wrong_says_so():
    found = estimator_error(pairs(3, 3, off=-0.1))
    assert not found.is_trusted
    assert found.bias < 0
    assert found.sentence.endswith(
        "3 of 6 realized values lay inside its 95 % interval: it has been wrong, so wait for the labels."
    )


@pytest.mark.parametrize(
    ("right", "wrong", "trusted"), [(4, 0, False), (5, 0, True), (4, 1, True), (3, 2, False), (17, 4, False)]
)
def test_the_rule_of_trust(right, wrong, trusted):
    assert estimator_error(pairs(right, wrong)).is_trusted == trusted


def test_pairs_without_a_number_do_not_count():
    nothing = Interval(math.nan, 0.0, 1.0)
    found = estimator_error([(nothing, nothing), (Interval(0.8, 0.7, 0.9), nothing)])
    assert (found.pairs, found.is_trusted) == (0, False)
    assert found.sentence == "No estimate has met its labels yet: how far off it is, nobody knows."


def test_right_intervals_are_rarely_called_wrong():
    random, runs = np.random.default_rng(7), 500
    trusted = 0
    for _ in range(runs):
        values = random.standard_normal(12)
        trusted += estimator_error(
            [(Interval(0.0, -1.96, 1.96), Interval(value, value, value)) for value in values]
        ).is_trusted
    assert trusted >= 0.95 * runs
