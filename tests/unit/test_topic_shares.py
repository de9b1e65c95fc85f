"""Shares of topics with intervals and trends, and how well texts are told apart by their topics."""

import math
from datetime import date, timedelta
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from maeari.statistics import holm_adjusted, wilson_interval
from ml.statistics import mean_interval
from ml.texts.collection import Every
from ml.texts.corpus import Corpus
from ml.topics import shares
from ml.topics.evaluate import baseline_weights, evaluate, half_weights, told_apart
from ml.topics.model import TopicModel

MONDAY = date(2026, 1, 5)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_limits_of_many_shares_are_those_of_each(drawn):
    successes, trials = drawn
    expected = wilson_interval(successes, trials)
    low, high = shares.wilson_limits(np.array([successes, successes]), np.array([trials, trials]))
    assert low == pytest.approx([expected.low] * 2, abs=1e-12)
    assert high == pytest.approx([expected.high] * 2, abs=1e-12)
    assert 0 <= low[0] <= successes / trials <= high[0] <= 1


SHARES = st.integers(0, 30).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(st.lists(SHARES, min_size=2, max_size=8))
def test_the_trend_test_is_the_correlation_of_time_and_success(periods):
    successes, trials = np.array(periods).T
    assume(0 < successes.sum() < trials.sum() and (trials > 0).sum() > 1)
    z, p_value = shares.trend_tests(successes[:, None], trials)
    times = np.repeat(np.arange(len(trials)), trials)
    outcomes = np.concatenate([np.arange(size) < right for right, size in periods]).astype(float)
    correlation = np.corrcoef(times, outcomes)[0, 1]
    assert z[0] == pytest.approx(correlation * math.sqrt(len(times)), abs=1e-9)
    assert p_value[0] == pytest.approx(stats.chi2.sf(len(times) * correlation**2, 1), abs=1e-9)


def test_topics_are_tested_each_by_itself_and_turn_with_time():
    draws = np.random.default_rng(0)
    trials = np.array([60, 0, 80, 100])
    successes = np.array([draws.multinomial(size, [0.2, 0.3, 0.5]) for size in trials])
    z, p_values = shares.trend_tests(successes, trials)
    for topic in range(3):
        one = shares.trend_tests(successes[:, [topic]], trials)
        assert (z[topic], p_values[topic]) == pytest.approx((one[0][0], one[1][0]))
    np.testing.assert_allclose(shares.trend_tests(successes[::-1], trials[::-1])[0], -z)


def test_without_any_success_or_failure_there_is_no_trend():
    z, p_values = shares.trend_tests(np.array([[0, 5], [0, 7]]), np.array([5, 7]))
    assert np.isnan(z).all()
    assert np.isnan(p_values).all()


def trends(counts: np.ndarray, every: Every = Every.week, index: np.ndarray | None = None):
    sizes = counts.sum(axis=1).astype(int)
    index = np.arange(len(counts)) if index is None else index
    return shares._trends(counts, sizes, index, len(counts) - 1, every)


def test_stable_topics_seldom_seem_to_move():
    draws = np.random.default_rng(11)
    alarms = [
        any(trend != "steady" for trend in trends(draws.multinomial(120, [0.4, 0.3, 0.2, 0.1], size=8))[0])
        for _ in range(1_000)
    ]
    assert np.mean(alarms) <= 0.05


def test_what_grows_rises_and_what_shrinks_falls():
    growing = np.array([[20 + 5 * week, 80 - 5 * week, 100] for week in range(8)])
    found, p_values, among = trends(growing)
    assert found == ["rising", "falling", "steady"]
    assert p_values[0] < 0.001
    assert p_values[2] > 0.5
    assert among == 8


def test_what_rose_and_came_back_down_rises_no_longer():
    came_and_went = np.array([[10, 190]] * 4 + [[60, 140]] * 3 + [[10, 190]])
    found, p_values, _ = trends(came_and_went)
    assert p_values[0] < shares.SIGNIFICANCE
    assert found == ["steady", "steady"]
    assert trends(came_and_went[:-1])[0] == ["rising", "falling"]


def test_a_trend_needs_enough_periods_with_enough_texts():
    few = np.array([[10, 60]] * 3)
    assert trends(few) == ([None, None], [None, None], None)
    small = np.array([[10, 60], [5, 9], [10, 60], [5, 9], [10, 60]])
    assert trends(small)[2] is None
    assert trends(np.array([[10, 60]] * 4))[0] == ["steady", "steady"]


def test_only_the_newest_periods_count_and_missing_ones_are_time():
    old_rise = np.array([[5, 95]] * 8 + [[50, 50]] * 8)
    assert trends(old_rise)[0] == ["steady", "steady"]
    assert trends(old_rise)[2] == shares.TREND_PERIODS[Every.week]
    apart = np.array([0, 9, 10, 11, 12])
    assert trends(np.array([[5, 95]] + [[50, 50]] * 4), index=apart)[2] == 4
    uneven, at = np.array([[20, 80], [30, 70], [35, 65], [50, 50]]), np.array([3, 4, 8, 10])
    spread = np.zeros((8, 2))
    spread[at - 3] = uneven
    expected = shares.trend_tests(spread, spread.sum(axis=1))[1]
    assert trends(uneven, index=at)[1] == pytest.approx(holm_adjusted(expected))


def scored(rows: list[tuple]) -> pd.DataFrame:
    columns = ["written_on", "source", "section", "subject_id", "original_id", "main_topic", "weights"]
    return pd.DataFrame(rows, columns=columns)


def text(day: date, topic: int | None, number: int | str, source: str = "herald") -> tuple:
    weights = None if topic is None else [0.75, 0.25] if topic == 0 else [0.25, 0.75]
    return (day, source, None, None, f"{source}:{number}", topic, weights)


def told(rows: list[tuple], as_of: date = MONDAY + timedelta(days=100)) -> pd.DataFrame:
    columns = shares.COLUMNS[2:]
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in shares._rows(scored(rows), as_of)])


def test_each_topic_of_a_period_has_its_share_and_interval():
    found = told([text(MONDAY + timedelta(days=row % 7), int(row >= 45), row) for row in range(60)])
    week = found[(found["every"] == "week") & ~found["counts_copies"]]
    assert week["topic_no"].tolist() == [0, 1]
    assert week["topic_texts"].tolist() == [45, 15]
    assert week["share"].tolist() == [0.75, 0.25]
    assert week["mean_weight"].tolist() == pytest.approx([(45 * 0.75 + 15 * 0.25) / 60, (45 * 0.25 + 15 * 0.75) / 60])
    interval = wilson_interval(45, 60)
    assert (week["low"].iloc[0], week["high"].iloc[0]) == pytest.approx((interval.low, interval.high))
    assert set(week["texts"]) == {60}
    assert set(week["period_start_on"]) == {MONDAY}
    assert week["is_complete"].all()
    assert week[["trend", "trend_p_value", "trend_periods", "note"]].isna().all(axis=None)


def test_a_period_with_too_few_texts_has_one_row_that_says_so():
    found = told([text(MONDAY, row % 2, row) for row in range(49)])
    assert len(found) == 8
    assert found["topic_no"].isna().all()
    assert set(found["note"]) == {"too few texts (49 of 50 needed)"}
    assert set(found["texts"]) == {49}


def test_texts_without_a_topic_are_no_part_of_the_shares():
    rows = [text(MONDAY, 0, row) for row in range(50)] + [text(MONDAY, None, f"none {row}") for row in range(30)]
    found = told(rows)
    assert found["topic_texts"].tolist() == [50, 0] * 8
    few = told(rows[1:])
    assert few["topic_no"].isna().all()
    assert few["note"].str.contains(r"\(49 of 50 needed\)").all()
    none = told(rows[50:])
    assert len(none) == 8
    assert none["share"].isna().all()


def test_copies_count_once_and_each_where_they_are_asked_for():
    rows = [text(MONDAY, 0, row) for row in range(60)] + [text(MONDAY, 1, 0) for _ in range(20)]
    found = told(rows)
    once, each = found[~found["counts_copies"]], found[found["counts_copies"]]
    assert once["topic_texts"].tolist() == [60, 0] * 4
    assert each["topic_texts"].tolist() == [60, 20] * 4


def test_a_period_that_is_not_over_says_so_and_days_are_told_of_the_whole_alone():
    rows = [text(MONDAY, row % 2, row, "herald") for row in range(60)]
    rows += [text(MONDAY, row % 2, row, "times") for row in range(50)]
    found = told(rows, as_of=MONDAY + timedelta(days=3))
    complete = found.groupby("every")["is_complete"].agg(set).to_dict()
    assert complete == {"day": {True}, "week": {False}, "month": {False}, "quarter": {False}}
    assert found[found["every"] == "day"]["source"].isna().all()
    by_source = found[(found["every"] == "week") & ~found["counts_copies"]].groupby("source")["texts"].first()
    assert by_source.to_dict() == {"herald": 60, "times": 50}


def test_the_trend_of_a_period_is_that_up_to_it():
    rows = [
        text(MONDAY + timedelta(weeks=week), int(row >= 20 + 5 * week), f"{week} {row}")
        for week in range(8)
        for row in range(100)
    ]
    found = told(rows)
    weeks = found[(found["every"] == "week") & ~found["counts_copies"] & (found["topic_no"] == 0)]
    assert weeks["trend"].isna().tolist() == [True] * 3 + [False] * 5
    assert weeks["trend"].tolist()[-1] == "rising"
    assert weeks["trend_periods"].tolist()[3:] == [4, 5, 6, 7, 8]


def test_no_texts_have_no_rows():
    assert list(shares._rows(scored([]), MONDAY)) == []


def test_halves_that_agree_are_told_apart_and_random_ones_are_a_coin():
    topics = np.eye(6)
    assert told_apart(topics, topics).mean() == pytest.approx(1)
    draws = np.random.default_rng(3)
    coins = [mean_interval(told_apart(*draws.dirichlet(np.ones(5), (2, 60)))) for _ in range(200)]
    assert np.mean([coin.value for coin in coins]) == pytest.approx(0.5, abs=0.01)
    assert np.mean([coin.low < 0.5 < coin.high for coin in coins]) > 0.9
    assert told_apart(np.zeros((4, 3)), np.ones((4, 3))).tolist() == [0.5] * 4
    assert told_apart(np.ones((4, 3)), np.ones((4, 3))).tolist() == [0.5] * 4


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 4))
def test_the_figure_counts_how_often_a_half_is_nearer_to_its_own(seed, texts, topics):
    draws = np.random.default_rng(seed)
    first, second = draws.integers(0, 4, (texts, topics)), draws.integers(0, 4, (texts, topics))

    def cosine(one: int, other: int) -> float:
        lengths = np.linalg.norm(first[one]) * np.linalg.norm(second[other])
        return float(first[one] @ second[other] / lengths) if lengths else 0.0

    wins = np.full((texts, texts), np.nan)
    for one, other in permutations(range(texts), 2):
        ahead = cosine(one, one) - cosine(one, other)
        wins[one, other] = 0.5 if abs(ahead) < 1e-9 else float(ahead > 0)
    found = told_apart(first, second)
    assert found.mean() == pytest.approx(np.nanmean(wins))
    as_owner, as_rival = np.nanmean(wins, axis=1), np.nanmean(wins, axis=0)
    assert found == pytest.approx(as_owner + as_rival - np.nanmean(wins))


def test_the_interval_of_the_figure_covers_as_often_as_it_says():
    draws = np.random.default_rng(5)

    def halves(texts: int) -> np.ndarray:
        topic = draws.dirichlet(np.full(4, 0.5), texts)
        return told_apart(*(np.array([draws.multinomial(4, one) for one in topic]) for _ in range(2)))

    expected = np.mean([halves(400).mean() for _ in range(40)])
    intervals = [mean_interval(halves(80)) for _ in range(400)]
    covered = np.mean([interval.low <= expected <= interval.high for interval in intervals])
    assert 0.91 <= covered <= 0.98


@pytest.mark.parametrize("values", [[], [0.5], [0.5, math.nan]])
def test_without_two_values_nothing_is_known_of_their_mean(values):
    interval = mean_interval(np.array(values))
    assert math.isnan(interval.value)
    assert (interval.low, interval.high) == (0, 1)
    assert np.isnan(told_apart(np.ones((len(values), 2)), np.ones((len(values), 2)))[: 2 - len(values)]).all()


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_the_interval_of_a_mean_is_the_normal_one_within_its_limits(values):
    values = np.array(values)
    interval = mean_interval(values, confidence=0.9, lowest=-1.0)
    margin = 1.6448536 * values.std(ddof=1) / math.sqrt(len(values))
    assert (interval.low, interval.value, interval.high) == pytest.approx(
        (max(values.mean() - margin, -1), values.mean(), min(values.mean() + margin, 1)), abs=1e-6
    )


def corpus_of(texts: list[list[str]]) -> Corpus:
    words = sorted({word for text in texts for word in text})
    terms = np.array([words.index(word) for text in texts for word in text], dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(int)
    table = pd.DataFrame({"original_id": [str(row) for row in range(len(texts))]})
    return Corpus(table, np.array(words, dtype=str), terms, offsets)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """200 texts of twelve words of one of two topics each, and three of words that nobody knows."""
    draws = np.random.default_rng(4)
    texts = [[f"{'ab'[row % 2]}{number}" for number in draws.integers(0, 12, 12)] for row in range(200)]
    return corpus_of(texts + [["x", "y", "z"]] * 3)


@pytest.fixture(scope="module")
def model(corpus) -> TopicModel:
    vocabulary = [f"{topic}{number}" for number in range(12) for topic in "ab"]
    return TopicModel("nmf", 2).fit(corpus.counts(vocabulary), vocabulary)


def test_a_model_is_measured_on_texts_that_it_has_not_learned_from(model, corpus, monkeypatch):
    figures = evaluate(model, corpus)
    assert figures["rows"] == 203
    assert figures["without_topic"]["value"] == pytest.approx(3 / 203)
    assert figures["coherence"] > 0.2
    # A half of the same topic is as near as its own: of those a coin decides.
    assert 0.7 < figures["told_apart"]["value"] < 0.8
    assert figures["told_apart"]["low"] > figures["baseline_told_apart"]["high"]
    assert figures["told_apart"]["rows"] == 203
    monkeypatch.setattr("ml.topics.evaluate.MOST_COMPARED", 50)
    assert evaluate(model, corpus)["told_apart"]["rows"] == 50


def test_halves_are_every_other_word_and_the_baseline_knows_the_most_frequent_ones(model, corpus):
    first, second = half_weights(model, corpus)
    own = model.weights(corpus.counts(model.vocabulary_.tolist()))
    assert (first[:200].argmax(axis=1) == own[:200].argmax(axis=1)).all()
    assert (second[:200].argmax(axis=1) == own[:200].argmax(axis=1)).all()
    assert first[200:].tolist() == second[200:].tolist() == [[0, 0]] * 3
    halves = baseline_weights(model, corpus)
    assert np.shape(halves) == (2, 203, 2)
    np.testing.assert_array_equal(halves[0] + halves[1], corpus.counts(["a0", "b0"]).toarray())


def test_a_model_without_texts_to_be_measured_on_says_nothing(model, corpus):
    figures = evaluate(model, corpus.select(np.zeros(203, dtype=bool)))
    assert figures["rows"] == 0
    assert math.isnan(figures["told_apart"]["value"])
    assert figures["without_topic"]["value"] is None
