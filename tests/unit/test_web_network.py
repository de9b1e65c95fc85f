"""The network of words as a picture and as GraphML, the charts of topics, and periods as people call them."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from itertools import combinations

import networkx
import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.texts.collection import Every
from web import figures, network, periods, topic_figures
from web.network import Edge, Word


def word(term: str, texts: int = 10, look: int = 0, community: int = 1, is_new: bool = False) -> Word:
    name = "no topic" if look == network.NO_LOOK else f"{look + 1} topic"
    return Word(term, texts, look, name, community, is_new, f"word-{term}")


def edge(one: str, other: str, lift: float = 3.0, is_new: bool = False) -> Edge:
    return Edge(one, other, 7, lift, 0.01, is_new, f"pair-{one}-{other}")


PAIRS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=40).map(
    lambda pairs: list({frozenset(pair): pair for pair in pairs if pair[0] != pair[1]}.values())
)


@given(PAIRS)
def test_the_pairs_drawn_are_among_the_first_three_of_either_word(pairs):
    listed = [{"term": one, "other_term": other} for one, other in pairs]

    def rank(term: str, place: int) -> int:
        return sum(term in pair for pair in pairs[:place])

    expected = [
        one for place, one in enumerate(listed) if min(rank(end, place) for end in pairs[place]) < network.EDGES_A_WORD
    ]
    drawn = network.backbone(listed)
    assert drawn == expected
    words = {end for pair in pairs for end in pair}
    assert {end for pair in drawn for end in pair.values()} == words
    assert len(drawn) <= network.EDGES_A_WORD * len(words)


@st.composite
def networks(draw) -> tuple[list[Word], list[Edge]]:
    terms = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=14))
    words = [
        word(term, draw(st.integers(1, 500)), draw(st.integers(-1, 12)), draw(st.integers(1, 3)), draw(st.booleans()))
        for term in terms
    ]
    pairs = draw(st.lists(st.sampled_from(list(combinations(terms, 2))), unique=True)) if len(terms) > 1 else []
    edges = [edge(one, other, draw(st.floats(1, 300)), draw(st.booleans())) for one, other in pairs]
    return words, edges


@settings(max_examples=20)
@given(networks())
def test_every_word_lies_within_the_picture_and_at_the_same_place_each_time(drawn):
    words, edges = drawn
    at = network.places(words, edges)
    assert list(at) == [one.term for one in words]
    assert all(-1 <= part <= 1 for place in at.values() for part in place)
    assert network.places(words, edges) == at


def test_words_that_go_together_lie_near_one_another():
    groups = [[f"{group}{number}" for number in range(6)] for group in "가나다"]
    words = [word(term, community=number + 1) for number, group in enumerate(groups) for term in group]
    edges = [edge(*pair) for group in groups for pair in combinations(group, 2)]
    at = network.places(words, edges)
    middles = [np.mean([at[term] for term in group], axis=0) for group in groups]
    for number, group in enumerate(groups):
        for term in group:
            distances = [np.linalg.norm(np.array(at[term]) - middle) for middle in middles]
            assert int(np.argmin(distances)) == number


def test_no_words_lie_on_one_another_where_there_is_room():
    terms = [f"긴말{number:02}" for number in range(50)]
    words = [word(term, 1 + number, community=1 + number % 3) for number, term in enumerate(terms)]
    edges = [edge(one, other) for place, other in enumerate(terms) for one in terms[place % 3 : place : 3]]
    at, boxes = network.places(words, edges), network._boxes(words)
    lies = np.array([at[term] for term in terms]) * network.PIXELS
    for one, other in combinations(range(len(words)), 2):
        assert (np.abs(lies[one] - lies[other]) > 0.95 * (boxes[one] + boxes[other])).any()


def test_a_new_word_hardly_moves_the_others():
    terms = [f"낱말{number}" for number in range(12)]
    words = [word(term, 100 - number, community=1 + number % 3) for number, term in enumerate(terms)]
    edges = [
        edge(one, other) for one, other in combinations(terms, 2) if terms.index(one) % 3 == terms.index(other) % 3
    ]
    before = network.places(words, edges)
    after = network.places([*words, word("새말", 1, community=1)], [*edges, edge("새말", "낱말0")])
    moved = [np.linalg.norm(np.subtract(before[term], after[term])) for term in terms]
    assert np.median(moved) < 0.5


@settings(max_examples=20)
@given(networks())
def test_plotly_takes_the_picture_and_it_holds_every_word_and_every_pair(drawn):
    words, edges = drawn
    figure = json.loads(str(figures.block(network.figure(words, edges))))
    go.Figure({"data": figure["data"], "layout": figure["layout"]})
    shown = network.figure(words, edges)["data"]
    looks = [trace for trace in shown if trace["mode"] == "markers+text"]
    assert sorted(term for trace in looks for term in trace["text"]) == sorted(one.term for one in words)
    assert {trace["name"] for trace in looks} == {one.name for one in words}
    (touch,) = [trace for trace in shown if trace["name"] == "edges"]
    assert [link for link, _ in touch["customdata"]] == [one.link for one in edges]
    lines = [trace for trace in shown if trace["mode"] == "lines"]
    assert sum(len(trace["x"]) for trace in lines) == 3 * len(edges)
    assert {trace["line"]["dash"] for trace in lines} == {"dot" if one.is_new else "solid" for one in edges}
    for trace in looks:
        assert all(7 <= size <= 33 for size in trace["marker"]["size"])


def test_edges_are_as_wide_as_their_lift_and_say_what_they_are():
    shown = network.figure([word("가"), word("나")], [edge("가", "나", lift=5.0)])["data"]
    assert shown[0]["line"]["width"] == network.WIDTHS[2]
    (touch,) = [trace for trace in shown if trace["name"] == "edges"]
    assert touch["text"] == ["가 – 나"]
    assert touch["customdata"][0][1] == "7 texts, lift 5.0, p 0.0100"
    tiny = edge("가", "나")._replace(texts=12_000, holm_p_value=1e-9)
    assert network._said(tiny) == "12,000 texts, lift 3.0, p < 0.0001"


@settings(max_examples=20)
@given(networks())
def test_graphml_is_read_again_whatever_the_words_hold(drawn):
    words, edges = drawn
    read = networkx.read_graphml(io.BytesIO(network.graphml(words, edges)))
    assert set(read) == {network._xml(one.term) for one in words}
    joined = {frozenset((network._xml(one.term), network._xml(one.other_term))) for one in edges}
    assert {frozenset(pair) for pair in read.edges} == joined


def test_graphml_holds_counts_places_and_p_values():
    words = [word("커\x00피\ufffe", 12, 2, 1, True), word("원두\x1f😀", 5, network.NO_LOOK, 2)]
    edges = [edge("커\x00피\ufffe", "원두\x1f😀", is_new=True)]
    read = networkx.read_graphml(io.BytesIO(network.graphml(words, edges)))
    at = network.places(words, edges)
    x, y = at["커\x00피\ufffe"]
    assert read.nodes["커피"] == {
        "texts": 12, "colour": "3 topic", "group": 1, "is_new": True, "x": pytest.approx(x), "y": pytest.approx(y),
    }  # fmt: skip
    assert read.edges["커피", "원두😀"] == {"texts": 7, "lift": 3.0, "holm_p_value": 0.01, "is_new": True}


def test_no_words_are_no_network():
    assert network.places([], []) == {}
    assert network.places([word("가")], []) == {"가": (0.0, 0.0)}
    assert len(networkx.read_graphml(io.BytesIO(network.graphml([], [])))) == 0
    go.Figure({"data": network.figure([], [])["data"]})


STARTS = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(4)]


def topics(numbers: range) -> list[dict]:
    return [{"topic_id": number, "label": f"주제 {number}", "map_x": number / 9, "map_y": -1.0} for number in numbers]


def share(topic_id: int, week: int, value: float) -> dict:
    return {
        "topic_id": topic_id, "period_start_on": STARTS[week], "share": value, "share_low": value - 0.01,
        "share_high": value + 0.01,
    }  # fmt: skip


def test_the_topics_that_were_ever_largest_are_drawn_in_the_order_of_their_numbers():
    shown = [share(number, week, number / 100) for number in range(1, 13) for week in (0, 1, 3)]
    shown.append(share(2, 2, 0.9))
    figure = topic_figures.shares_over_time(topics(range(1, 13)), shown, STARTS, "week")
    assert [trace["name"] for trace in figure["data"]] == [f"{one} 주제 {one}" for one in (2, *range(6, 13))]
    assert figure["data"][0]["y"] == [0.02, 0.02, 0.9, 0.02]
    assert figure["data"][-1]["y"] == [0.12, 0.12, None, 0.12]
    assert figure["layout"]["xaxis"]["title"]["text"] == "Week from"
    go.Figure(json.loads(str(figures.block(figure))))


def test_a_topic_keeps_its_look_whichever_others_are_drawn():
    shown = [share(number, 0, 0.1) for number in (3, 9)]
    pair = topic_figures.shares_over_time(topics(range(3, 10, 6)), shown, STARTS, "day")
    alone = topic_figures.share_over_time(topics(range(9, 10))[0], shown, STARTS, "day")
    assert pair["data"][1]["line"] == alone["data"][0]["line"]
    assert pair["data"][1]["marker"] == alone["data"][0]["marker"]
    assert pair["data"][0]["line"] != pair["data"][1]["line"]
    assert alone["layout"]["xaxis"]["title"]["text"] == "Day"


def test_one_topic_has_its_interval_where_it_can_be_read():
    topic = topics(range(1, 2))[0]
    figure = topic_figures.share_over_time(topic, [share(1, 1, 0.2), share(2, 1, 0.9)], STARTS, "week")
    (trace,) = figure["data"]
    assert trace["y"] == [None, 0.2, None, None]
    assert "error_y" in trace
    many = [STARTS[0] + timedelta(weeks=week) for week in range(topic_figures.PERIODS_WITH_INTERVALS + 1)]
    assert "error_y" not in topic_figures.share_over_time(topic, [share(1, 1, 0.2)], many, "week")["data"][0]


def test_the_map_has_a_circle_for_every_topic_as_large_as_its_share():
    figure = topic_figures.topic_map(topics(range(1, 4)), {1: 0.4, 3: 0.1})
    (trace,) = figure["data"]
    assert trace["text"] == ["1 주제 1", "2 주제 2", "3 주제 3"]
    assert [said for _, said in trace["customdata"]] == ["40.0 %", "0.0 %", "10.0 %"]
    assert [link for link, _ in trace["customdata"]] == ["topic-1", "topic-2", "topic-3"]
    sizes = [size - 10 for size in trace["marker"]["size"]]
    assert sizes == pytest.approx([50, 0, 25])
    go.Figure(json.loads(str(figures.block(figure))))
    go.Figure(json.loads(str(figures.block(topic_figures.topic_map([], {})))))


def test_words_of_a_topic_stand_beside_their_part_of_all_words():
    terms = [{"term": "커피", "probability": 0.2, "overall_probability": 0.01}]
    figure = topic_figures.words(terms)
    assert {trace["name"]: trace["x"] for trace in figure["data"]} == {"in this topic": [0.2], "in all texts": [0.01]}
    assert figure["data"][0]["y"] == ["커피"]


@pytest.mark.parametrize(
    ("every", "start", "name"),
    [
        ("day", date(2026, 1, 12), "2026-01-12"),
        ("week", date(2026, 1, 12), "2026-01-12 to 2026-01-18"),
        ("month", date(2026, 1, 1), "January 2026"),
        ("quarter", date(2026, 1, 1), "1st quarter of 2026"),
        ("quarter", date(2026, 4, 1), "2nd quarter of 2026"),
        ("quarter", date(2026, 7, 1), "3rd quarter of 2026"),
        ("quarter", date(2026, 10, 1), "4th quarter of 2026"),
    ],
)
def test_periods_have_names(every, start, name):
    assert periods.name(every, start) == name


def test_a_period_lasts_from_its_first_moment_to_before_that_of_the_next():
    assert periods.bounds("month", date(2026, 2, 1)) == (
        datetime(2026, 1, 31, 15, tzinfo=UTC),
        datetime(2026, 2, 28, 15, tzinfo=UTC),
    )


@given(st.sampled_from(Every), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_periods_follow_one_another_without_a_gap_and_each_has_a_name_of_its_own(every, day):
    start = every.start(day)
    following = start + every.length
    assert periods.bounds(every.value, start)[1] == periods.bounds(every.value, following)[0]
    assert periods.name(every.value, start) != periods.name(every.value, following)


def period(start: date, is_complete: bool = True, note: str | None = None) -> dict:
    return {"period_start_on": start, "texts": 80, "note": note, "is_complete": is_complete}


def test_the_newest_period_that_is_over_and_has_something_to_say_is_shown():
    listed = [period(STARTS[0]), period(STARTS[1]), period(STARTS[2], note="too few texts"), period(STARTS[3], False)]
    assert periods.shown(listed, "week", None) == listed[1]
    assert periods.shown(listed[2:], "week", None) == listed[3]
    assert periods.shown([], "week", None) is None


def test_the_period_of_a_wanted_day_is_shown_with_nothing_in_it_where_nothing_was_written():
    listed = [period(STARTS[0]), period(STARTS[3], False)]
    assert periods.shown(listed, "week", STARTS[3] + timedelta(days=6)) == listed[1]
    missing = periods.shown(listed, "week", STARTS[1] + timedelta(days=2))
    assert missing == {
        "period_start_on": STARTS[1], "texts": 0, "note": "nothing was written in it", "is_complete": True,
    }  # fmt: skip
    assert periods.shown([], "month", date(2026, 5, 9))["period_start_on"] == date(2026, 5, 1)
