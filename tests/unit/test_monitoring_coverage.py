"""Coverage compares windows of any size with the reference: as many offers of both."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.coverage import Reached, expected_items, metrics, moved, relative

offers = st.lists(st.integers(1, 30), min_size=1, max_size=20).map(lambda counts: np.array(counts, np.int64))


def reached(counts, catalogue: int = 100) -> Reached:
    counts = np.array(counts, np.int64)
    return Reached(counts, len(counts) / catalogue if catalogue else np.nan)


@given(offers, st.data())
def test_the_items_in_some_of_the_offers_are_as_counted_by_hand(counts, data):
    total = int(counts.sum())
    draws = data.draw(st.integers(0, total))
    by_hand = sum(1 - comb(total - count, draws) / comb(total, draws) for count in counts.tolist())
    assert expected_items(counts, draws) == pytest.approx(by_hand, abs=1e-6)


@given(offers)
def test_one_offer_holds_one_item_all_hold_all_and_more_hold_no_fewer(counts):
    found = [expected_items(counts, draws) for draws in range(int(counts.sum()) + 1)]
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[1] == pytest.approx(1)
    assert found[-1] == pytest.approx(len(counts))
    assert (np.diff(found) > -1e-9).all()


def test_more_draws_than_offers_are_refused():
    with pytest.raises(ValueError, match="4 of 3 offers cannot be drawn"):
        expected_items(np.array([1, 2]), 4)


@pytest.mark.parametrize("size", [0.1, 1, 3])
def test_a_window_of_the_same_taste_covers_as_much_whatever_its_size(size):
    random = np.random.default_rng(0)
    taste = random.dirichlet(np.ones(300))
    counts = random.multinomial(5_000, taste), random.multinomial(int(5_000 * size), taste)
    reference, window = (reached(one[one > 0], 300) for one in counts)
    assert relative(window, reference) == pytest.approx(1, abs=0.1)
    assert moved(window, reference, 0.7) == ()


@given(offers, offers)
def test_coverage_compared_with_itself_is_one_and_the_other_way_round_the_inverse(one, other):
    assert relative(reached(one), reached(one)) == pytest.approx(1)
    assert relative(reached(one), reached(other)) == pytest.approx(1 / relative(reached(other), reached(one)))


def test_a_fall_is_told_in_words_and_figures():
    window, reference = reached([300, 300, 300]), reached([10] * 90)
    (said,) = moved(window, reference, 0.7)
    assert said == (
        "Predictions: coverage fell: 900 offers hold 3 different items (3.0% of the catalogue), 3% of what as many "
        "offers of the reference hold; the limit is 70%."
    )
    assert [(one.metric, one.value, one.rows) for one in metrics(window, reference)] == [
        ("coverage", 0.03, 900),
        ("relative_coverage", pytest.approx(1 / 30), 900),
    ]


def test_what_was_measured_stays_when_the_catalogue_has_changed_since():
    window, gone = reached([2, 1]), reached([2, 1], 0)
    measured = metrics(window, window)
    assert gone.as_measured(measured).coverage == 0.02
    assert np.isnan(reached([2, 2], 0).as_measured(measured).coverage)
    assert window.as_measured(metrics(gone, gone)) is window


def test_without_offers_or_a_catalogue_nothing_is_told():
    nothing, some = reached([], 0), reached([3, 4], 0)
    assert moved(nothing, some, 0.7) == moved(some, nothing, 0.7) == ()
    assert [one.value for one in metrics(nothing, some)] == [None, None]
    assert [one.value for one in metrics(some, some)] == [None, 1]
