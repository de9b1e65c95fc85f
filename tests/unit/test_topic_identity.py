"""What becomes of topics from one version to the next, and the names that people give them."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.topics.identity import LONGEST_NAME, identified, names_to_edit, renamed
from ml.topics.matching import match

FLOWS = st.integers(0, 4).flatmap(
    lambda old: st.integers(1, 4).flatmap(
        lambda new: st.lists(
            st.lists(st.integers(0, 9), min_size=new, max_size=new), min_size=old, max_size=old
        ).map(lambda rows: np.array(rows, dtype=float).reshape(old, new))
    )
)  # fmt: skip


def challenger(*texts: int) -> list[dict]:
    return [
        {"topic_no": number, "label": f"new {number}", "texts": size, "share": size / sum(texts)}
        for number, size in enumerate(texts)
    ]


def live(*ids: int, named: dict[int, str] | None = None) -> list[dict]:
    return [
        {"topic_id": number, "label": (named or {}).get(number, f"old {number}"), "share": 0.1 * number,
         "is_named": number in (named or {})}
        for number in ids
    ]  # fmt: skip


def test_a_topic_that_keeps_its_texts_is_kept_with_its_name():
    flows = np.array([[1, 80], [70, 10]])
    found = identified(challenger(71, 90), live(4, 7, named={7: "내 이름"}), flows, 8)
    first, second = found["topics"]
    assert (first["topic_id"], first["fate"], first["from_ids"]) == (7, "kept", [7])
    assert (first["label"], first["is_named"], first["share_before"]) == ("내 이름", True, pytest.approx(0.7))
    assert (second["topic_id"], second["label"], second["is_named"]) == (4, "new 1", False)
    assert found["gone"] == []
    assert found["next_topic_id"] == 8


def test_topics_that_flow_into_one_are_merged_and_the_larger_gives_its_identity():
    flows = np.array([[30, 1], [60, 0], [0, 50]])
    found = identified(challenger(91, 50), live(1, 2, 3, named={1: "작은 것"}), flows, 4)
    merged, kept = found["topics"]
    assert (merged["topic_id"], merged["fate"], merged["from_ids"]) == (2, "merged", [1, 2])
    assert not merged["is_named"]
    assert kept["topic_id"] == 3
    assert found["gone"] == [
        {"topic_id": 1, "label": "작은 것", "share": pytest.approx(0.1), "fate": "merged", "into_ids": [2]}
    ]


def test_of_the_parts_of_a_split_topic_the_largest_keeps_its_identity():
    flows = np.array([[40, 45, 15]])
    found = identified(challenger(40, 45, 15), live(5, named={5: "커피"}), flows, 6)
    small, large, rest = found["topics"]
    assert (large["topic_id"], large["fate"], large["label"]) == (5, "part", "커피")
    assert (small["topic_id"], small["fate"], small["from_ids"], small["is_named"]) == (6, "part", [5], False)
    assert (rest["topic_id"], rest["fate"], rest["from_ids"]) == (7, "new", [])
    assert found["gone"] == []


def test_a_survivor_comes_before_a_part():
    flows = np.array([[45, 40, 15], [9, 0, 0]])
    assert match(flows).kept_from == [1, 0, None]
    assert match(flows).parts_of == [[0, 1], [0], []]


def test_a_topic_whose_texts_scatter_is_gone_and_one_that_comes_from_nowhere_is_new():
    flows = np.array([[24, 24, 24, 24, 4], [0, 0, 0, 0, 50]])
    found = identified(challenger(10, 40, 30, 20, 50), live(2, 9), flows, 10)
    assert [topic["fate"] for topic in found["topics"]] == ["new"] * 4 + ["kept"]
    assert [topic["topic_id"] for topic in found["topics"]] == [13, 10, 11, 12, 9]
    assert [(topic["topic_id"], topic["fate"], topic["into_ids"]) for topic in found["gone"]] == [(2, "gone", [])]


def test_a_topic_of_no_text_is_gone():
    found = identified(challenger(5), live(1, 2), np.array([[5], [0]]), 3)
    assert [topic["topic_id"] for topic in found["gone"]] == [2]


def test_the_first_version_has_new_topics_alone_numbered_by_their_texts():
    found = identified(challenger(10, 30, 20), [], None, 1)
    assert [topic["topic_id"] for topic in found["topics"]] == [3, 1, 2]
    assert {topic["fate"] for topic in found["topics"]} == {"new"}
    assert [topic["share_before"] for topic in found["topics"]] == [None] * 3
    assert (found["gone"], found["next_topic_id"]) == ([], 4)


@given(FLOWS)
def test_every_topic_has_one_identity_and_no_number_is_used_again(flows):
    old, new = flows.shape
    before, topics = live(*range(3, 3 + old)), challenger(*range(1, 1 + new))
    found = identified(topics, before, flows, 20)
    ids = [topic["topic_id"] for topic in found["topics"]]
    assert len(set(ids)) == new
    assert {number for number in ids if number >= 20} == set(range(20, found["next_topic_id"]))
    old_ids = {topic["topic_id"] for topic in before}
    assert set(ids) - set(range(20, found["next_topic_id"])) <= old_ids
    gone = {topic["topic_id"] for topic in found["gone"]}
    assert gone == old_ids - set(ids)
    assert all("topic_id" not in topic for topic in topics)


@given(FLOWS)
def test_a_topic_lives_on_where_half_of_its_texts_went(flows):
    matching, sums = match(flows), flows.sum(axis=1)
    for old, row in enumerate(flows.tolist()):
        strong = [new for new, texts in enumerate(row) if sums[old] and texts >= 0.5 * sums[old]]
        parts = [new for new, texts in enumerate(row) if sums[old] and texts >= 0.25 * sums[old]]
        if strong:
            assert len(matching.went_to[old]) == 1
            assert matching.went_to[old][0] in strong
        elif sum(row[new] for new in parts) >= 0.5 * sums[old] > 0:
            assert sorted(matching.went_to[old]) == parts
        else:
            assert matching.went_to[old] == []
    for new, kept in enumerate(matching.kept_from):
        assert matching.parts_of[new] == [old for old, into in enumerate(matching.went_to) if new in into]
        assert kept is None or kept in matching.parts_of[new]
    kept = [old for old in matching.kept_from if old is not None]
    assert len(kept) == len(set(kept))


def test_a_named_topic_keeps_its_name_through_many_versions():
    topics, next_id = identified(challenger(10, 20), [], None, 1)["topics"], 3
    topics, unknown = renamed(topics, "2: 동네 책방")
    assert unknown == []
    for _ in range(3):
        found = identified(challenger(11, 19), topics, np.array([[9, 1], [1, 9]]), next_id)
        topics, next_id = found["topics"], found["next_topic_id"]
    assert [(topic["topic_id"], topic["label"], topic["is_named"]) for topic in topics] == [
        (2, "동네 책방", True),
        (1, "new 1", False),
    ]


TOPICS = [
    {"topic_id": 1, "label": "커피 · 원두", "share": 0.2, "is_named": False},
    {"topic_id": 12, "label": "선거", "share": 0.5, "is_named": True},
]


def test_a_person_edits_one_line_a_topic_the_largest_first():
    assert names_to_edit(TOPICS) == "12: 선거\n1: 커피 · 원두"
    assert renamed(TOPICS, names_to_edit(TOPICS)) == (TOPICS, [])
    assert names_to_edit([]) == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("1: 카페 골목", "카페 골목"),
        ("  1 = 카페\t골목  ", "카페 골목"),
        ("1:카페", "카페"),
        ("1: 카페: 골목", "카페: 골목"),
        ("001: 카페", "카페"),
        ("1: 카\u202e페\u200b골목", "카 페 골목"),
        ("1: <b>카페</b>", "<b>카페</b>"),
        ("1: " + "가" * 100, "가" * 60),
        ("1: " + "가" * 59 + " 나다", "가" * 59),
        ("1: ", "커피 · 원두"),
        ("1: \u200b", "커피 · 원두"),
        ("1: 커피 · 원두", "커피 · 원두"),
    ],
)
def test_a_line_names_a_topic(line, name):
    topics, unknown = renamed(TOPICS, line)
    assert unknown == []
    assert topics[0]["label"] == name
    assert topics[0]["is_named"] == (name != "커피 · 원두")
    assert topics[1] == TOPICS[1]
    assert TOPICS[0]["label"] == "커피 · 원두"


@pytest.mark.parametrize("line", ["3: 카페", "카페", ": 카페", "1 카페", "-1: 카페", "1234567: 카페", "1.5: 카페"])
def test_a_line_that_names_no_topic_is_given_back(line):
    assert renamed(TOPICS, f"{line}\n\n  \n12: 총선") == (
        [TOPICS[0], TOPICS[1] | {"label": "총선"}],
        [line],
    )


def test_a_line_that_names_no_topic_is_given_back_as_it_can_be_kept():
    assert renamed(TOPICS, "\x00카페\ud800: \u202e골목\n\x00\u200b\n" + "나" * 90)[1] == ["카페 : 골목", "나" * 60]


def test_of_two_lines_for_one_topic_the_last_counts():
    assert renamed(TOPICS, "1: 하나\n1: 둘")[0][0]["label"] == "둘"


@given(
    st.lists(
        st.text(st.characters(exclude_categories=()), max_size=90)
        | st.builds("{}{}{}".format, st.sampled_from(["1", "12", "١", " 1"]), st.sampled_from([":", "="]), st.text()),
        max_size=4,
    )
)
def test_whatever_is_written_names_stay_short_and_on_one_line(lines):
    topics, unknown = renamed(TOPICS, "\n".join(lines))
    assert [topic["topic_id"] for topic in topics] == [1, 12]
    # Both are kept as JSON, in which Postgres takes neither a null character nor half of a pair.
    for text in (*unknown, *(topic["label"] for topic in topics)):
        assert text
        assert len(text) <= LONGEST_NAME
        assert text == " ".join(text.split())
        assert not {unicodedata.category(character) for character in text} & {"Cc", "Cs", "Zl", "Zp"}
