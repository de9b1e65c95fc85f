"""Distances from counts equal those of raw values."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitoring import distances
from monitoring.reference import Categories, numbers
from monitoring.sketches import ColumnSketch

DRAWS = {
    "normal": lambda random, rows, moved: random.normal(5 + moved, 2, rows),
    "lognormal": lambda random, rows, moved: random.lognormal(moved, 1, rows),
    "uniform": lambda random, rows, moved: random.uniform(moved, 1 + moved, rows),
    "discrete": lambda random, rows, moved: random.poisson(3 + moved, rows).astype(float),
    "mostly zero": lambda random, rows, moved: random.exponential(1 + moved, rows) * (random.random(rows) < 0.2),
    "far from zero": lambda random, rows, moved: 1e9 + random.normal(moved, 1, rows),
    "one of two": lambda random, rows, moved: (random.random(rows) < 0.03 + moved / 10).astype(float),
}
counts = arrays(np.int64, 12, elements=st.integers(0, 10**7))


def sketch(values, edges):
    """A column's sketch by plain numpy."""
    places = np.searchsorted(edges, values, side="right")
    sums = np.bincount(places, weights=values, minlength=len(edges) + 1)
    bins = np.bincount(places, minlength=len(edges) + 1)
    return ColumnSketch(len(values), 0, float(values.sum()), float(values.var() * len(values)), bins, sums)


@pytest.mark.parametrize("moved", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("rows", "off"), [(1, 0.02), (40, 0.02), (100, 0.01), (3_000, 0.01)])
@pytest.mark.parametrize("draw", DRAWS)
def test_the_distance_from_bins_is_the_wasserstein_distance_of_the_values(draw, rows, off, moved):
    random = np.random.default_rng(20)
    past, now = DRAWS[draw](random, 50_000, 0.0), DRAWS[draw](random, rows, moved)
    bins = numbers(past)
    found = distances.distance("wasserstein", bins, sketch(past, bins.edges), sketch(now, bins.edges))
    assert found == pytest.approx(stats.wasserstein_distance(past, now) / past.std(), abs=off)


@pytest.mark.parametrize("draw", DRAWS)
def test_coarse_bins_are_fine_ones_joined(draw):
    random = np.random.default_rng(3)
    past, now = DRAWS[draw](random, 20_000, 0.0), DRAWS[draw](random, 5_000, 0.3)
    bins = numbers(past)
    assert set(bins.coarse) <= set(bins.edges)
    joined = distances.coarse_counts(sketch(now, bins.edges).counts, bins)
    np.testing.assert_array_equal(joined, sketch(now, bins.coarse).counts)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_shift_is_seen_by_every_method(draw):
    random = np.random.default_rng(3)
    past, now = DRAWS[draw](random, 20_000, 0.0), DRAWS[draw](random, 20_000, 1.0)
    bins = numbers(past)
    samples = sketch(past, bins.edges), sketch(now, bins.edges)
    assert distances.distance("psi", bins, *samples) > 0.02
    assert distances.distance("jensen_shannon", bins, *samples) > 0.05
    assert distances.distance("chi_square", bins, *samples) < 1e-9


def test_a_constant_column_that_moves_is_seen():
    bins = numbers(np.full(1_000, 7.0))
    past, now = sketch(np.full(1_000, 7.0), bins.edges), sketch(np.full(50, 6.0), bins.edges)
    assert distances.distance("psi", bins, past, now) > 1
    assert np.isnan(distances.distance("wasserstein", bins, past, now))
    assert distances.distance("wasserstein", bins, past, past) == 0


@given(counts, counts)
def test_distances_of_counts_are_those_of_scipy(reference, current):
    assume(reference.sum() > 0 and current.sum() > 0)
    assert distances.jensen_shannon(reference, current) == pytest.approx(
        jensenshannon(reference, current, base=2), abs=1e-7
    )
    table = np.array([reference, current])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] > 1:
        expected = stats.chi2_contingency(table, correction=False)
        assert distances.chi_square(reference, current) == pytest.approx((expected.statistic, expected.pvalue))


@given(counts, counts)
def test_a_distance_is_the_same_both_ways_and_none_to_itself(one, other):
    assume(one.sum() > 0 and other.sum() > 0)
    for method in (distances.psi, distances.jensen_shannon):
        assert method(one, other) == pytest.approx(method(other, one), abs=1e-12)
        assert method(one, other) >= 0
        assert method(one, one) == pytest.approx(0, abs=1e-7)
    assert distances.chi_square(one, one).p_value == pytest.approx(1)


def test_psi_is_that_of_raw_rows():
    random = np.random.default_rng(1)
    past, now = random.normal(0, 1, 9_000), random.normal(0.2, 1, 4_000)
    bins = numbers(past)
    expected = found = 0.0
    for low, high in zip([-np.inf, *bins.coarse], [*bins.coarse, np.inf], strict=True):
        expected = np.mean((past >= low) & (past < high))
        share = np.mean((now >= low) & (now < high))
        found += (share - expected) * np.log(share / expected)
    samples = sketch(past, bins.edges), sketch(now, bins.edges)
    assert distances.distance("psi", bins, *samples) == pytest.approx(found, abs=1e-9)


def test_without_values_there_is_no_distance():
    bins = numbers(np.arange(10.0))
    some, none = sketch(np.arange(10.0), bins.edges), ColumnSketch(5, 5, 0.0, 0.0, np.zeros(10), np.zeros(10))
    for method in ("psi", "jensen_shannon", "wasserstein", "chi_square"):
        assert distances.distance(method, bins, some, none) is None
        assert distances.distance(method, bins, none, some) is None


def test_categories_have_no_wasserstein_distance():
    kinds = ColumnSketch(10, 0, np.nan, np.nan, np.array([4, 6]), None)
    assert distances.distance("wasserstein", Categories(("a",)), kinds, kinds) is None
    assert distances.distance("psi", Categories(("a",)), kinds, kinds) == 0


def test_missing_shares_are_compared():
    one = ColumnSketch(10, 1, 0.0, 0.0, np.array([9]), np.array([0.0]))
    other = ColumnSketch(20, 12, 0.0, 0.0, np.array([8]), np.array([0.0]))
    assert distances.missing_share_difference(one, other) == pytest.approx(0.5)
