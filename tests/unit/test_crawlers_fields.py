"""When a field has vanished, and when too little was seen to say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crawlers.fields import FieldCounts, chance_of_at_most, verdict


@pytest.mark.parametrize(
    ("records", "filled", "usual", "said"),
    [
        (19, 0, 1.0, "too_few_records"),
        (20, 0, None, "new"),
        (20, 0, 1.0, "vanished"),
        (100, 2, 0.95, "vanished"),
        (100, 3, 0.95, "fell"),
        (1000, 20, 0.2, "vanished"),
        # One of a fifth of the records is missing on 20 of them by chance, once in 87 crawls.
        (20, 0, 0.2, "too_few_records"),
        (1000, 0, 0.1, "fell"),
        (20, 0, 0.1, "steady"),
        (100, 60, 1.0, "steady"),
        (100, 49, 1.0, "steady"),
        (100, 25, 1.0, "fell"),
        (1000, 400, 1.0, "fell"),
        (100, 100, 0.2, "steady"),
        (100, 0, 0.0, "steady"),
    ],
)
def test_a_field_is_judged_by_what_is_usual(records, filled, usual, said):
    assert verdict(records, filled, usual) == said


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.data())
def test_the_bound_is_never_below_the_exact_chance(records, share, data):
    filled = data.draw(st.integers(0, records))
    assert chance_of_at_most(filled, records, share) >= stats.binom.cdf(filled, records, share) * (1 - 1e-9)


def test_a_page_counts_as_without_a_field_when_none_of_its_records_has_it():
    counts = FieldCounts()
    counts.count([{"title": "a", "author_key": None, "url": "u"}, {"title": None, "author_key": "k", "url": "u"}])
    counts.count([{"title": "", "rating": "5"}, {"rating": None, "rating_max": "5"}])
    counts.count([])
    assert (counts.records, counts.pages) == (4, 2)
    assert counts.filled == {"title": 1, "author": 1, "rating": 1}
    assert counts.pages_with == {"title": 1, "author": 1, "rating": 1}
    assert counts.filled.keys() == {"title", "author", "rating"}


@given(st.lists(st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.text(max_size=1)), max_size=4)))
def test_counts_lie_within_bounds(pages):
    counts = FieldCounts()
    for page in pages:
        counts.count(page)
    assert (counts.records, counts.pages) == (sum(map(len, pages)), sum(map(bool, pages)))
    assert counts.filled.keys() == counts.pages_with.keys()
    for name, filled in counts.filled.items():
        assert counts.pages_with[name] <= filled <= counts.records
