"""Periods, parts of a collection, and texts as numbers, against brute force."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.texts import periods
from ml.texts.collection import Collection, Every, known_texts
from ml.texts.corpus import HELD_OUT_ONE_IN, Corpus, is_held_out
from ml.texts.periods import Slice, note_of_too_few, slices
from ml.topics.train import split

DAYS = st.dates(date(1, 1, 1), date(9990, 12, 31))


@given(st.sampled_from(Every), DAYS)
def test_a_period_holds_its_days_and_the_next_one_follows_it(every, day):
    start, last = every.start(day), every.last_day(every.start(day))
    assert start <= day <= last
    assert every.start(start) == every.start(last) == start
    following = last + timedelta(days=1)
    assert every.start(following) == following == start + every.length
    assert every.number(following) == every.number(start) + 1


@given(st.sampled_from(Every), DAYS, DAYS)
def test_days_of_one_period_are_those_of_one_number(every, one, other):
    starts = every.start(one), every.start(other)
    assert (starts[0] == starts[1]) == (every.number(starts[0]) == every.number(starts[1]))
    assert (starts[0] < starts[1]) == (every.number(starts[0]) < every.number(starts[1]))


@pytest.mark.parametrize(
    ("every", "start", "last"),
    [
        ("day", date(2026, 2, 28), date(2026, 2, 28)),
        ("week", date(2026, 2, 23), date(2026, 3, 1)),
        ("month", date(2026, 2, 1), date(2026, 2, 28)),
        ("quarter", date(2026, 1, 1), date(2026, 3, 31)),
    ],
)
def test_the_periods_of_a_day_are_those_of_postgres(every, start, last):
    assert Every(every).start(date(2026, 2, 28)) == start
    assert Every(every).last_day(start) == last


@pytest.mark.parametrize("collection", Collection)
def test_every_collection_has_a_model_of_its_own_and_a_query(collection):
    assert len({one.model for one in Collection}) == len(Collection)
    query = known_texts(collection)
    assert "%(known_until)s" in query
    assert f"copies.kind = '{collection.value.removesuffix('s')}'" in query


def texts_of(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["source", "section", "subject_id"])


def test_parts_come_after_the_whole_and_the_largest_first():
    texts = texts_of(
        *[("herald", "economy", None)] * 5, *[("herald", "society", None)] * 2, *[("times", "society", None)] * 4
    )
    assert slices(texts) == [
        Slice(),
        Slice(source="herald"), Slice(source="times"),
        Slice(section="society"), Slice(section="economy"),
        Slice("herald", "economy"), Slice("times", "society"), Slice("herald", "society"),
    ]  # fmt: skip


def test_one_source_or_one_section_is_all_and_no_part():
    one_source = texts_of(*[("herald", "economy", None)] * 3, ("herald", "society", None))
    assert slices(one_source) == [Slice(), Slice(section="economy"), Slice(section="society")]
    assert slices(texts_of(*[("herald", "economy", None)] * 3)) == [Slice()]
    one_section = texts_of(("herald", "economy", None), ("times", "economy", None))
    assert Slice(section="economy") not in slices(one_section)
    assert slices(texts_of()) == [Slice()]


def test_reviews_have_subjects_and_no_sections():
    texts = texts_of(("shop", None, "7"), ("shop", None, "7"), ("shop", None, "8"))
    assert slices(texts) == [Slice(), Slice("shop", subject_id="7"), Slice("shop", subject_id="8")]


def test_parts_are_bounded(monkeypatch):
    monkeypatch.setattr(periods, "MOST_SLICES", 3)
    texts = texts_of(*[("shop", None, str(number % 10)) for number in range(101)])
    found = slices(texts)
    assert len(found) == 4
    assert found[:2] == [Slice(), Slice("shop", subject_id="0")]


PARTS = st.sampled_from(["a", "b", None])


@given(st.lists(st.tuples(st.sampled_from("ab"), PARTS, PARTS), max_size=12))
def test_every_part_holds_the_texts_that_bear_its_names(rows):
    texts = texts_of(*rows)
    found = slices(texts)
    assert len(found) == len(set(found))
    for part in found:
        expected = [all(want is None or have == want for have, want in zip(row, part, strict=True)) for row in rows]
        assert part.holds(texts).tolist() == expected
        assert any(expected) or part == Slice()


def test_days_are_told_of_all_texts_alone():
    assert Slice().periods() == list(Every)
    assert Slice(source="herald").periods() == [Every.week, Every.month, Every.quarter]


def test_the_note_says_how_many_there_were_and_how_many_are_needed():
    assert note_of_too_few(12) == "too few texts (12 of 50 needed)"
    assert note_of_too_few(1_200, needed=2_000).startswith("too few texts (1,200 of 2")


WORDS = ["가", "나", "다", "라", "마"]


@st.composite
def texts_as_words(draw) -> tuple[list[list[str]], list[str]]:
    """The words of some texts, and the original of each, some of them copies."""
    texts = draw(st.lists(st.lists(st.sampled_from(WORDS), max_size=8), max_size=8))
    originals = draw(st.lists(st.sampled_from("pqr"), min_size=len(texts), max_size=len(texts)))
    return texts, originals


def corpus_of(texts: list[list[str]], originals: list[str]) -> Corpus:
    words = sorted({word for text in texts for word in text}, reverse=True)
    terms = np.array([words.index(word) for text in texts for word in text], dtype=np.int32)
    ids = [f"r{row}" for row in range(len(texts))]
    table = pd.DataFrame({"record_id": ids, "original_id": originals}, dtype=object)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(int)
    return Corpus(table, np.array(words, dtype=str), terms, offsets)


def words_of(corpus: Corpus) -> list[list[str]]:
    parts = zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    return [corpus.words[corpus.terms[start:end]].tolist() for start, end in parts]


@given(texts_as_words(), st.data())
def test_chosen_texts_keep_their_words_and_their_order(drawn, data):
    texts, originals = drawn
    corpus = corpus_of(texts, originals)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), dtype=bool)
    places = np.array(data.draw(st.permutations(range(len(texts)))), dtype=int)[: len(texts) // 2 + 1]
    for rows, expected in ((mask, np.flatnonzero(mask)), (places, places)):
        chosen = corpus.select(rows)
        assert words_of(chosen) == [texts[row] for row in expected]
        assert chosen.texts["record_id"].tolist() == [f"r{row}" for row in expected]
        assert len(chosen) == len(expected)


@given(texts_as_words())
def test_of_copies_the_earliest_counts(drawn):
    texts, originals = drawn
    found = corpus_of(texts, originals).without_copies()
    first = [row for row, original in enumerate(originals) if original not in originals[:row]]
    assert found.texts["record_id"].tolist() == [f"r{row}" for row in first]
    assert words_of(found) == [texts[row] for row in first]


VOCABULARY = ["다", "가", "하", "마"]


@given(texts_as_words())
def test_words_are_counted_and_halves_add_up_to_the_whole(drawn):
    texts, originals = drawn
    corpus = corpus_of(texts, originals)
    counts = corpus.counts(VOCABULARY)
    assert counts.shape == (len(texts), len(VOCABULARY))
    assert counts.toarray().tolist() == [[text.count(word) for word in VOCABULARY] for text in texts]
    halves = [corpus.counts(VOCABULARY, half=half).toarray() for half in (0, 1)]
    assert halves[0].tolist() == [[text[::2].count(word) for word in VOCABULARY] for text in texts]
    np.testing.assert_array_equal(halves[0] + halves[1], counts.toarray())
    assert corpus.counts([]).shape == (len(texts), 0)


@given(
    texts_as_words(),
    st.frozensets(st.sampled_from([*WORDS, "하"]), max_size=2),
    st.integers(1, 4),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.integers(0, 5),
)
def test_the_vocabulary_is_what_stands_in_enough_and_in_not_too_many_texts(drawn, stop_words, least, share, most):
    texts, originals = drawn
    found, in_texts = corpus_of(texts, originals).vocabulary(stop_words, min_texts=least, max_share=share, most=most)
    stands = Counter(word for text in texts for word in set(text))
    fits = [(-number, word) for word, number in stands.items() if least <= number <= share * len(texts)]
    expected = sorted(pair for pair in fits if pair[1] not in stop_words)[:most]
    assert [(-number, word) for word, number in zip(found, in_texts.tolist(), strict=True)] == expected


def test_one_text_in_ten_is_held_out_by_its_id_alone_and_its_copies_go_with_it():
    ids = [f"herald:{number}" for number in range(20_000)]
    held_out = is_held_out(ids)
    assert 0.9 < held_out.mean() * HELD_OUT_ONE_IN < 1.1
    np.testing.assert_array_equal(is_held_out(ids[::-1]), held_out[::-1])
    np.testing.assert_array_equal(is_held_out(ids * 2), np.tile(held_out, 2))
    assert is_held_out([]).tolist() == []


def test_no_text_is_learned_from_and_held_out_nor_is_a_copy_of_it():
    originals = [f"herald:{number // 2}" for number in range(400)]
    training, held_out = split(corpus_of([["가"]] * 400, originals))
    assert len(training) + len(held_out) == 400
    assert 20 <= len(held_out) <= 60
    assert not set(training.texts["original_id"]) & set(held_out.texts["original_id"])
