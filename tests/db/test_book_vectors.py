"""The nearest books are the same by pgvector and by an index in memory, near ties and empty vectors included."""

import numpy as np
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maeari import postgres
from ml.recommend.vectors import COLUMNS, TABLE, nearest

VERSION, SIZE = 7, 6


@pytest.fixture(scope="module")
def warehouses(new_warehouse) -> dict[str, str]:
    """A warehouse whose vectors are of pgvector's type, and one that keeps them as plain arrays."""
    found = {"vector": new_warehouse(), "real[]": new_warehouse()}
    with psycopg2.connect(found["real[]"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "alter table predictions.book_vectors alter column item_vector type real[],"
            " alter column text_vector type real[]"
        )
    for kind, address in found.items():
        with psycopg2.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select format_type(atttypid, null) from pg_attribute where attname = 'item_vector'"
                " and attrelid = 'predictions.book_vectors'::regclass"
            )
            assert cursor.fetchone()[0].endswith(kind)
    return found


def put(vectors: dict[str, np.ndarray], brackets: str) -> None:
    """Make these all that is stored; the vectors by words are those by readers turned round."""
    first, last = brackets
    rows = []
    for version in (VERSION, VERSION + 1):
        for book_id, vector in vectors.items():
            numbers = [f"{value:.9g}" for value in vector.tolist()]
            written = (first + ",".join(one) + last for one in (numbers, numbers[::-1]))
            rows.append((version, book_id if version == VERSION else f"other-{book_id}", *written))
    with postgres.connect("ml") as connection:
        with connection.cursor() as cursor:
            cursor.execute("delete from predictions.book_vectors")
        postgres.copy_rows(connection, TABLE, COLUMNS, rows)


def unit(vector: list[float]) -> np.ndarray:
    vector = np.array(vector, np.float32)
    length = np.linalg.norm(vector)
    return vector / length if length else vector


# Few different directions, some off by the last digit of single precision, and none at all.
directions = st.lists(st.integers(-1, 1), min_size=SIZE, max_size=SIZE)
nudges = st.lists(st.sampled_from([0, 0, 0, 1e-7, -1e-7, 3e-5]), min_size=SIZE, max_size=SIZE)
vectors = st.one_of(
    directions.map(unit),
    st.tuples(directions, nudges).map(lambda both: unit((np.array(both[0]) + both[1]).tolist())),
    st.just(np.zeros(SIZE, np.float32)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=st.lists(vectors, min_size=1, max_size=14),
    count=st.integers(0, 16),
    by=st.sampled_from(["readers", "words"]),
)
def test_both_ways_give_the_same_books_in_the_same_order(warehouses, stored, count, by):
    books = {f"책-{place:02d}": vector for place, vector in enumerate(stored)}
    answers = {}
    for kind, address in warehouses.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MAEARI_DATABASE_URL", address)
            put(books, "[]" if kind == "vector" else "{}")
            answers[kind] = [nearest(VERSION, book, count, by) for book in list(books)[:4]]
    assert answers["vector"] == answers["real[]"]
    for book, found in zip(books, answers["vector"], strict=False):
        wanted = {
            other: float(books[book].astype(float) @ vector.astype(float))
            for other, vector in books.items()
            if other != book and vector.any() and books[book].any()
        }
        assert len(found) == min(count, len(wanted))
        assert found == sorted(found, key=lambda one: (-one[1], one[0]))
        for other, cosine in found:
            assert cosine == pytest.approx(wanted[other], abs=1e-6)
        left = [cosine for other, cosine in wanted.items() if other not in dict(found)]
        assert not found or all(cosine <= found[-1][1] + 1e-6 for cosine in left)


@pytest.mark.parametrize("kind", ["vector", "real[]"])
def test_vectors_that_were_written_anew_are_seen(warehouses, kind, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", warehouses[kind])
    brackets = "[]" if kind == "vector" else "{}"
    east, north = unit([1, 0, 0, 0, 0, 0]), unit([0, 1, 0, 0, 0, 0])
    put({"a": east, "b": east, "c": north}, brackets)
    assert nearest(VERSION, "a", 1) == [("b", 1.0)]
    put({"a": east, "b": north, "c": east}, brackets)
    assert nearest(VERSION, "a", 1) == [("c", 1.0)]
    assert nearest(VERSION, "a", 5) == [("c", 1.0), ("b", 0.0)]


def test_more_ties_than_are_asked_for_are_taken_by_their_id(warehouses):
    books = {f"b{number:03d}": unit([1, 1, 0, 0, 0, 0]) for number in range(200)}
    for kind, address in warehouses.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MAEARI_DATABASE_URL", address)
            put(books, "[]" if kind == "vector" else "{}")
            assert [book for book, _ in nearest(VERSION, "b100", 3)] == ["b000", "b001", "b002"]
