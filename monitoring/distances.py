"""Distances between two samples that were counted on the same bins: pure functions of counts and sums."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from monitoring.policy import Method
from monitoring.reference import Bins, Numbers
from monitoring.sketches import ColumnSketch

PSI_FLOOR = 1e-4


class ChiSquare(NamedTuple):
    """Pearson's statistic of two samples, and the chance of one as large when both come from one distribution."""

    statistic: float
    p_value: float


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Population stability index of two counts over the same bins; an empty bin counts as a share of 0.0001."""
    expected = np.maximum(reference / reference.sum(), PSI_FLOOR)
    found = np.maximum(current / current.sum(), PSI_FLOOR)
    return float(((found - expected) * np.log(found / expected)).sum())


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> float:
    """Jensen-Shannon distance, the root of the divergence in bits: 0 for equal shares, 1 for shares that never meet.

    Endres and Schindelin 2003.
    """
    expected, found = reference / reference.sum(), current / current.sum()
    middle = (expected + found) / 2
    divergence = (_relative_entropy(expected, middle) + _relative_entropy(found, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _relative_entropy(shares: np.ndarray, others: np.ndarray) -> float:
    held = shares > 0
    return float((shares[held] * np.log2(shares[held] / others[held])).sum())


def chi_square(reference: np.ndarray, current: np.ndarray) -> ChiSquare:
    """Pearson's test that two counts come from one distribution; bins that are empty in both are left out."""
    table = np.array([reference, current], float)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return ChiSquare(0.0, 1.0)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return ChiSquare(statistic, float(stats.chi2.sf(statistic, table.shape[1] - 1)))


def wasserstein(
    edges: np.ndarray,
    reference_counts: np.ndarray,
    reference_sums: np.ndarray,
    current_counts: np.ndarray,
    current_sums: np.ndarray,
    reference_sd: float,
) -> float:
    """First Wasserstein distance in standard deviations of the reference; nan where those are 0 and anything moved.

    The distance is the integral of |F - G| (Vallender 1974). By parts, the integral of F over a bin from a to b is
    b F(b) - a F(a) less the bin's sum of values over all rows, so that of F - G is exact in every bin, the outer ones
    too. Only where F and G cross within a bin is something lost: less than 0.01 standard deviations from 100 rows on.
    """
    rows, others = reference_counts.sum(), current_counts.sum()
    # F - G at the edges, and at both ends, where it is 0.
    above = np.cumsum(reference_counts)[:-1] / rows - np.cumsum(current_counts)[:-1] / others
    at_edges = np.concatenate([[0.0], edges * above, [0.0]])
    distance = float(np.abs(np.diff(at_edges) - (reference_sums / rows - current_sums / others)).sum())
    if reference_sd > 0:
        return distance / reference_sd
    return 0.0 if distance == 0 else float("nan")


def missing_share_difference(reference: ColumnSketch, current: ColumnSketch) -> float:
    """How much more of the column is missing, as a share."""
    return current.missing_share - reference.missing_share


def coarse_counts(counts: np.ndarray, bins: Bins) -> np.ndarray:
    """Counts on the coarse bins, each of which is some fine ones; a category's bins stay as they are."""
    if not isinstance(bins, Numbers):
        return counts
    starts = np.concatenate([[0], np.searchsorted(bins.edges, bins.coarse) + 1])
    return np.add.reduceat(counts, starts)


def distance(method: Method, bins: Bins, reference: ColumnSketch, current: ColumnSketch) -> float | None:
    """How far a column lies from its reference by the named method (of chi_square the p-value).

    None where either has no value, and for wasserstein between categories.
    """
    if not reference.counts.sum() or not current.counts.sum():
        return None
    if method == "wasserstein":
        if not isinstance(bins, Numbers):
            return None
        return wasserstein(bins.edges, reference.counts, reference.sums, current.counts, current.sums, reference.sd)
    counts = coarse_counts(reference.counts, bins), coarse_counts(current.counts, bins)
    if method == "chi_square":
        return chi_square(*counts).p_value
    return {"psi": psi, "jensen_shannon": jensen_shannon}[method](*counts)
