"""What may stand in one answer: unread works, one of a series, few of an author; and why, in words."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.recommend.model import BookRecommender, Suggestion, Why
from ml.recommend.offer import FIVE, MOST_OF_AN_AUTHOR, Shelf
from ml.recommend.reasons import reason

SMALL = {"item_vector_size": 4, "text_vector_size": 4, "item_epochs": 1, "text_epochs": 1}


def book(book_id: str, work: str | None = None, author: str | None = None, series: str | None = None, volume=None):
    return SimpleNamespace(book_id=book_id, work_id=work, author=author, series=series, volume=volume)


def shelf(*books) -> tuple[BookRecommender, dict]:
    """A model that ranks books in the order given, as the first is read by the most, and their catalogue."""
    ids = [one.book_id for one in books]
    readers = [np.arange(length) for length in range(1, len(ids) + 1)]
    model = BookRecommender({**SMALL, "relevance": 1.0, "vector_weight": 0}).fit(ids, [[]] * len(ids), readers)
    return model, {one.book_id: one for one in books}


def ids(suggestions) -> list[str]:
    return [one.book_id for one in suggestions]


def test_another_edition_of_what_was_read_or_liked_is_not_offered():
    model, catalogue = shelf(book("a", "w1"), book("b", "w1"), book("c", "w2"), book("d", "w2"), book("e"))
    assert ids(Shelf(model, catalogue).offer(["a"], [], ["d"], 5)) == ["e"]
    assert ids(Shelf(model, catalogue).offer([], [], ["new"], 5)) == ["a", "c", "e"]
    catalogue["new"] = book("new", "w1")
    assert ids(Shelf(model, catalogue).offer(["new"], [], [], 5)) == ["c", "e"]


def test_of_a_series_the_first_unread_volume_is_offered_and_nothing_else():
    volumes = [book(f"v{number}", None, None, "s", number) for number in (3, 2, 1)]
    model, catalogue = shelf(*volumes, book("x"), book("extra", None, None, "s"))
    assert sorted(ids(Shelf(model, catalogue).offer([], [], [], 5))) == ["v1", "x"]
    assert sorted(ids(Shelf(model, catalogue).offer([], [], ["v1", "v3"], 5))) == ["v2", "x"]
    assert sorted(ids(Shelf(model, catalogue).offer([], [], ["v1", "v2", "v3"], 5))) == ["extra", "x"]


def test_a_liked_volume_leads_to_the_one_after_it():
    volumes = [book(f"v{number}", None, None, "s", number) for number in (1, 2, 3)]
    model, catalogue = shelf(*volumes, book("x"))
    assert sorted(ids(Shelf(model, catalogue).offer(["v2"], [], [], 5))) == ["v3", "x"]
    assert sorted(ids(Shelf(model, catalogue).offer(["v3"], [], [], 5))) == ["v1", "x"]


def test_of_an_author_two_in_five_are_offered_unless_no_other_is_left():
    model, catalogue = shelf(*(book(f"a{number}", author="A") for number in range(9)), book("b", author="B"), book("c"))
    offered = ids(Shelf(model, catalogue).offer([], [], [], 5))
    assert sorted(offered) == ["a0", "a1", "a2", "b", "c"]
    assert sorted(offered[:4]) == ["a0", "a1", "b", "c"]
    of_one = np.array([one.startswith("a") for one in model.book_ids_])
    assert ids(Shelf(model, catalogue).offer([], [], [], 4, of_one)) == ["a0", "a1", "a2", "a3"]


def test_a_book_that_the_catalogue_does_not_have_is_not_offered():
    model, catalogue = shelf(book("a"), book("b"))
    del catalogue["a"]
    assert ids(Shelf(model, catalogue).offer([], [], [], 5)) == ["b"]
    assert Shelf(model, {}).offer(["a"], [], [], 5) == []
    assert Shelf(BookRecommender(SMALL).fit([], [], []), catalogue).offer(["a"], ["바다"], [], 5) == []


names = st.one_of(st.none(), st.sampled_from(["x", "y", "z"]))
catalogues = st.lists(
    st.tuples(names, names, names, st.one_of(st.none(), st.integers(0, 4))), min_size=1, max_size=24
).map(lambda facts: [book(f"b{place:02d}", *one) for place, one in enumerate(facts)])


@settings(max_examples=150, deadline=None)
@given(books=catalogues, count=st.integers(0, 12), data=st.data())
def test_every_answer_keeps_the_rules_and_is_as_full_as_they_allow(books, count, data):
    model, catalogue = shelf(*books)
    some = st.lists(st.sampled_from([*catalogue, "unknown"]), max_size=5)
    liked, read = data.draw(some), data.draw(some)
    among = np.array(data.draw(st.lists(st.booleans(), min_size=len(books), max_size=len(books))))
    offered = [catalogue[one.book_id] for one in Shelf(model, catalogue).offer(liked, [], read, count, among)]
    had = [catalogue[one] for one in (*liked, *read) if one in catalogue]

    def work(one) -> str:
        return one.work_id or one.book_id

    works = [work(one) for one in offered]
    assert len(set(works)) == len(works) <= count
    assert not set(works) & {work(one) for one in had}
    allowed = dict(zip(model.book_ids_.tolist(), among, strict=True))
    assert all(allowed[one.book_id] for one in offered)
    series = [one.series for one in offered if one.series]
    assert len(set(series)) == len(series)
    unread = [one for one in books if work(one) not in {work(other) for other in had}]

    def is_next(one) -> bool:
        """Whether no volume of the series comes between what was liked and this one."""
        volumes = [other.volume for other in unread if other.series == one.series]
        last = max([o.volume for o in had if o.series == one.series and o.book_id in liked and o.volume is not None],
                   default=-1)  # fmt: skip
        rising = sorted(volumes, key=lambda volume: (volume is None, volume))
        later = [volume for volume in rising if volume is None or volume > last]
        return one.volume == (later or rising)[0]

    assert all(is_next(one) for one in offered if one.series)
    left = [
        one for one in unread
        if allowed[one.book_id] and work(one) not in works and (one.series is None or is_next(one))
        and one.series not in series
    ]  # fmt: skip
    assert len(offered) == count or not left
    for place, one in enumerate(offered):
        before = [other.author for other in offered[:place]]
        if one.author and before.count(one.author) >= MOST_OF_AN_AUTHOR * (place // FIVE + 1):
            # Only where everybody else's books are used up.
            assert {other.author for other in left} <= {one.author} | {
                name for name in before if name and before.count(name) >= MOST_OF_AN_AUTHOR
            }


def test_the_same_question_gets_the_same_answer():
    model, catalogue = shelf(*(book(f"b{number:02d}", author="AB"[number % 2]) for number in range(20)))
    assert Shelf(model, catalogue).offer(["b03"], [], ["b05"], 7) == Shelf(model, catalogue).offer(
        ["b03"], [], ["b05"], 7
    )


TITLES = {"d": "데미안", "t": "토지", "long": "가" * 90, "hostile": "한\n줄\u202e 아님", "empty": " "}


@pytest.mark.parametrize(
    ("why", "wanted"),
    [
        (Why("liked", ("d",)), "『데미안』을 읽은 분들이 함께 골랐어요"),
        (Why("liked", ("t",)), "『토지』를 읽은 분들이 함께 골랐어요"),
        (Why("liked", ("long",)), f"『{'가' * 40}…』를 읽은 분들이 함께 골랐어요"),
        (Why("liked", ("hostile",)), "『한 줄 아님』을 읽은 분들이 함께 골랐어요"),
        (Why("liked", ("empty",)), "좋아하신 책을 읽은 분들이 함께 골랐어요"),
        (Why("liked", ("gone",)), "좋아하신 책을 읽은 분들이 함께 골랐어요"),
        (Why("words", ("잔잔하다", "가족")), "'잔잔한', '가족' 이야기가 닮았어요"),
        (Why("words"), "이야기의 결이 닮았어요"),
        (Why("popular"), "많은 분이 읽은 책이에요"),
    ],
)
def test_a_reason_is_one_sentence_with_the_right_particle(why, wanted):
    assert reason(Suggestion("b", 0.5, why), TITLES) == wanted


def test_a_book_that_nobody_has_read_is_not_called_much_read():
    assert reason(Suggestion("b", 0.0, Why("popular")), {}) == "아직 읽은 분이 적은 책이에요"
