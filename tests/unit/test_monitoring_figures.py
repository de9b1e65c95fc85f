"""Realized figures from counts equal those of raw rows, and their intervals hold what they claim."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from maeari.statistics import wilson_interval
from monitoring.figures import Z_95, binary, multiclass, rate, regression, segments, share
from monitoring.figures.binary import ScoreCounts
from monitoring.figures.multiclass import ClassCounts
from monitoring.figures.rate import LabelCounts
from monitoring.figures.regression import ErrorCounts

EDGES = np.arange(1, 20) / 20
CLASSES, CONFIDENCE_EDGES = ("a", "b", "c"), np.linspace(0.4, 0.9, 6)
PREDICTION_EDGES = np.linspace(-1, 1, 5)


@pytest.fixture(autouse=True)
def _no_warning_is_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def score_counts(random: np.random.Generator, rows: int, lost: float = 0.0, harder: float = 1.0) -> ScoreCounts:
    """Rows of a calibrated classifier, some of whose labels are turned."""
    scores = random.beta(0.7 * harder, 0.7 * harder, rows)
    labels = (random.random(rows) < scores) ^ (random.random(rows) < lost)
    return ScoreCounts.of(scores, labels, EDGES, 0.5)


def class_counts(random: np.random.Generator, rows: int, lost: float = 0.0) -> ClassCounts:
    predicted, confidence = random.integers(0, 3, rows), 0.34 + 0.66 * random.beta(3, 1.2, rows)
    right = random.random(rows) < confidence - lost
    true = np.where(right, predicted, (predicted + random.integers(1, 3, rows)) % 3)
    return ClassCounts.of(predicted, true, confidence, CLASSES, CONFIDENCE_EDGES)


def error_counts(random: np.random.Generator, rows: int, scale: float = 1.0) -> ErrorCounts:
    predictions = random.normal(size=rows)
    return ErrorCounts.of(predictions, predictions + scale * random.standard_t(8, rows), PREDICTION_EDGES)


def label_counts(random: np.random.Generator, rows: int, lost: float = 0.0) -> LabelCounts:
    return LabelCounts.of(random.random(rows) < 0.3 - lost)


KINDS = {"binary": score_counts, "multiclass": class_counts, "regression": error_counts, "rate": label_counts}
TASKS = {"binary": binary, "multiclass": multiclass, "regression": regression, "rate": rate}

labelled_scores = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0, np.nan])), min_size=1, max_size=60
).map(lambda rows: np.array(rows).T)


@given(labelled_scores)
def test_binary_figures_equal_those_of_raw_rows_with_scores_rounded_to_bins(rows):
    scores, labels = rows
    known = ~np.isnan(labels)
    found = binary.realized(ScoreCounts.of(scores, labels, EDGES, 0.5))
    truth, called = labels[known], scores[known] >= 0.5
    rounded = np.searchsorted(EDGES, scores[known], side="right")
    assert {figure.rows for figure in found.values()} == {known.sum()}
    if not known.any():
        assert all(np.isnan(figure.value) and (figure.low, figure.high) == (0, 1) for figure in found.values())
        return
    assert found["accuracy"].value == pytest.approx((truth == called).mean())
    assert found["positive_share"].value == pytest.approx(truth.mean())
    if 0 < truth.sum() < len(truth):
        assert found["roc_auc"].value == pytest.approx(metrics.roc_auc_score(truth, rounded))
    else:
        assert np.isnan(found["roc_auc"].value)
    for name, score in (
        ("f1", metrics.f1_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
    ):
        if not np.isnan(found[name].value):
            assert found[name].value == pytest.approx(score(truth, called))
    assert np.isnan(found["recall"].value) == (truth.sum() == 0)
    assert np.isnan(found["precision"].value) == (called.sum() == 0)
    for figure in found.values():
        assert np.isnan(figure.value) or figure.low <= figure.value <= figure.high


@given(labelled_scores, st.integers(0, 60))
def test_days_added_are_their_rows_counted_together(rows, first):
    scores, labels = rows
    parts = [ScoreCounts.of(scores[part], labels[part], EDGES, 0.5) for part in (slice(first), slice(first, None))]
    found, expected = (binary.realized(counts) for counts in (parts[0] + parts[1], ScoreCounts.of(*rows, EDGES, 0.5)))
    for name, figure in found.items():
        assert figure.value == pytest.approx(expected[name].value, nan_ok=True)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.floats(0.34, 1)), min_size=1, max_size=60))
def test_multiclass_figures_equal_those_of_raw_rows(rows):
    predicted, true, confidence = (np.array(column) for column in zip(*rows, strict=True))
    found = multiclass.realized(ClassCounts.of(predicted, true, confidence, CLASSES, CONFIDENCE_EDGES))
    assert found["accuracy"].value == pytest.approx((predicted == true).mean())
    assert found["macro_f1"].value == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
    assert found["macro_f1"].low <= found["macro_f1"].value <= found["macro_f1"].high


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-100, 100)), min_size=1, max_size=60))
def test_regression_figures_equal_those_of_raw_rows(rows):
    predictions, truth = (np.array(column) for column in zip(*rows, strict=True))
    found = regression.realized(ErrorCounts.of(predictions, truth, PREDICTION_EDGES))
    assert found["mean_absolute_error"].value == pytest.approx(metrics.mean_absolute_error(truth, predictions))
    assert found["root_mean_squared_error"].value == pytest.approx(metrics.root_mean_squared_error(truth, predictions))


@given(st.lists(st.sampled_from([0.0, 1.0, np.nan]), max_size=60))
def test_a_rate_is_that_of_the_rows_whose_label_is_known(labels):
    counts = LabelCounts.of(np.array(labels))
    (figure,) = rate.realized(counts).values()
    known = [label for label in labels if not np.isnan(label)]
    assert (counts.rows, figure.rows) == (len(labels), len(known))
    assert figure.value == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True)
    assert rate.estimated(counts, counts) == {}
    assert np.isnan(segments.explained_drop(counts, counts, "like_rate").total.value)


def test_brier_score_and_calibration_error_approach_those_of_raw_rows():
    random = np.random.default_rng(0)
    scores = random.random(20_000)
    labels = random.random(20_000) < scores**2
    found = binary.realized(ScoreCounts.of(scores, labels, binary.score_edges(scores, 0.5), 0.5))
    assert found["brier_score"].value == pytest.approx(metrics.brier_score_loss(labels, scores), abs=2e-4)
    assert found["calibration_error"].value == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_adding_days_adds_every_count(kind):
    random = np.random.default_rng(1)
    days = [KINDS[kind](random, rows) for rows in (100, 1, 250)]
    together = days[0] + days[1] + days[2]
    names = [name for name in vars(together) if name not in ("edges", "threshold", "classes")]
    for name in names:
        np.testing.assert_allclose(getattr(together, name), sum(getattr(day, name) for day in days))
    assert int(together.rows.sum()) == 351


def test_a_score_on_the_threshold_is_called_positive():
    found = ScoreCounts.of([0.5, np.nextafter(0.5, 0)], [1, 0], EDGES, 0.5)
    assert binary.realized(found)["accuracy"].value == 1


def test_counts_that_contradict_are_refused_with_what_to_do():
    three = np.array([1, 1, 1])
    with pytest.raises(ValueError, match=r"threshold 0.5 is no edge; add it"):
        ScoreCounts(np.array([0.2, 0.7]), three, three, three, three, three, 0.5)
    with pytest.raises(ValueError, match="positives has 2 bins and the edges make 3"):
        ScoreCounts(np.array([0.2, 0.5]), three, three, three, three[:2], three, 0.5)
    with pytest.raises(ValueError, match="more labelled rows than rows"):
        ScoreCounts(np.array([0.2, 0.5]), three, three, 2 * three, three, three, 0.5)
    with pytest.raises(ValueError, match="count both on one reference's"):
        ScoreCounts.of([0.1], [1], EDGES, 0.5) + ScoreCounts.of([0.1], [1], EDGES, EDGES[0])
    with pytest.raises(ValueError, match="3 positive of 2 labelled of 9 rows cannot be"):
        LabelCounts(*map(np.int64, (9, 2, 3)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_rows_have_figures_without_an_error(kind, rows):
    random = np.random.default_rng(2)
    few, many, task = KINDS[kind](random, rows), KINDS[kind](random, 500), TASKS[kind]
    figure = {
        "binary": "roc_auc",
        "multiclass": "macro_f1",
        "regression": "mean_absolute_error",
        "rate": "like_rate",
    }[kind]
    realized = task.realized(few)
    widest = (0.0, np.inf if kind == "regression" else 1.0)
    for one in (*realized.values(), *task.estimated(few, many).values(), *task.estimated(many, few).values()):
        assert not np.isnan(one.low + one.high)
        assert not np.isnan(one.value) or (one.low, one.high) == widest
    assert all(np.isnan(one.value) for one in realized.values()) == (rows == 0)
    task.level(few)
    for parts in (segments.explained_drop(few, many, figure), segments.explained_drop(many, few, figure)):
        assert rows > 1 or all(np.isnan(part.value) for part in parts)


@given(st.integers(0, 500), st.integers(0, 500))
def test_shares_have_the_limits_of_wilson(right, wrong):
    found, expected = share(right, right + wrong, 1), wilson_interval(right, right + wrong)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_variance_of_the_area_under_the_curve_is_delong_s():
    random = np.random.default_rng(3)
    found = score_counts(random, 4_000)
    figure = binary.realized(found)["roc_auc"]
    positive = np.repeat(np.arange(20), found.positives)
    negative = np.repeat(np.arange(20), found.negatives)
    wins = (positive[:, None] > negative).astype(float) + (positive[:, None] == negative) / 2
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative))
    assert figure.high - figure.low == pytest.approx(2 * Z_95 * error, rel=0.01)


def coverage(draw, truth: dict[str, float], task, runs: int = 600) -> dict[str, float]:
    """How often the intervals of simulated samples hold the true figures."""
    random, inside = np.random.default_rng(4), dict.fromkeys(truth, 0)
    for _ in range(runs):
        found = task.realized(draw(random))
        for name, value in truth.items():
            inside[name] += found[name].low <= value <= found[name].high
    return {name: hits / runs for name, hits in inside.items()}


@pytest.mark.parametrize("rows", [60, 1_000])
@pytest.mark.parametrize("kind", KINDS)
def test_the_intervals_hold_the_true_figures_as_often_as_they_claim(kind, rows):
    task, draw = TASKS[kind], KINDS[kind]
    population = task.realized(draw(np.random.default_rng(5), 1_000_000))
    truth = {name: figure.value for name, figure in population.items() if name != "calibration_error"}
    found = coverage(lambda random: draw(random, rows), truth, task)
    # 0.95 less four standard errors of 600 samples; a little less where few rows do not look normal.
    least = 0.89 if rows < 100 else 0.914
    assert all(least <= hits <= 0.99 for hits in found.values()), found


def test_the_interval_of_the_calibration_error_holds_none_and_much():
    for lost, true in ((0.0, 0.0), (0.2, None)):
        draw = lambda random, rows=1_000, lost=lost: score_counts(random, rows, lost)  # noqa: E731
        value = binary.realized(draw(np.random.default_rng(6), 1_000_000))["calibration_error"].value
        found = coverage(draw, {"calibration_error": value if true is None else true}, binary)
        assert found["calibration_error"] >= 0.93


def test_only_the_segment_that_became_worse_is_named_and_with_its_numbers():
    random = np.random.default_rng(7)
    names = [f"store {number}" for number in range(10)]
    reference = {name: score_counts(random, 1_000) for name in names}
    window = {name: score_counts(random, 600) for name in names}
    window["store 3"] = score_counts(random, 600, lost=0.15)
    window["store 4"] = score_counts(random, 600, lost=0.25)
    window["store 5"] = score_counts(random, 20, lost=0.5)
    window["new"] = score_counts(random, 600, lost=0.5)
    found = segments.worst(reference, window, "accuracy")
    assert [segment.name for segment in found] == ["store 4", "store 3"]
    first = found[0]
    assert (first.segments, first.reference.rows, first.window.rows) == (9, 1_000, 600)
    assert first.drop.value == pytest.approx(first.reference.value - first.window.value)
    assert 0 < first.drop.low < first.drop.value < first.drop.high


@pytest.mark.parametrize(
    ("kind", "figure", "worse"),
    [
        ("binary", "accuracy", {"lost": 0.15}),
        ("binary", "roc_auc", {"lost": 0.15}),
        ("binary", "f1", {"lost": 0.15}),
        ("multiclass", "macro_f1", {"lost": 0.1}),
        ("regression", "mean_absolute_error", {"scale": 1.3}),
        ("rate", "like_rate", {"lost": 0.12}),
    ],
)
def test_stable_segments_are_rarely_named_and_worse_ones_usually(kind, figure, worse):
    random, draw, runs = np.random.default_rng(8), KINDS[kind], 60
    named = found = 0
    for _ in range(runs):
        reference = {str(number): draw(random, 600) for number in range(6)}
        window = {str(number): draw(random, 400) for number in range(6)}
        named += bool(segments.worst(reference, window, figure))
        window["0"] = draw(random, 400, **worse)
        found += "0" in [segment.name for segment in segments.worst(reference, window, figure)]
    assert named <= 0.1 * runs
    assert found >= 0.4 * runs


def test_a_figure_without_better_and_worse_is_refused():
    counts = {"a": score_counts(np.random.default_rng(9), 100)}
    with pytest.raises(ValueError, match="'positive_share' does not tell better from worse here; ask for one of acc"):
        segments.worst(counts, counts, "positive_share")
