"""Recommendations from the warehouse: what is read of a day, and a version that is registered and answers as before."""

from datetime import date, timedelta

import numpy as np
import pytest

from maeari import clock, postgres, warehouse
from maeari.settings import Settings

AS_OF = date(2026, 1, 31)
SOURCE = "my_books"
BOOKS = [f"book-{number:02d}" for number in range(12)]
NEW = "book-90"
"""Spoken of after the day."""
WORDS = ("바다를 항해하는 고래와 등대 이야기", "부엌에서 국물과 양념을 만드는 요리 이야기")
REVIEWS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "body", "written_at",
    "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip
EVENTS = ("source", "event_id", "customer_id", "event_type", "occurred_at", "item_id", "quantity", "amount", "load_id")


@pytest.fixture(scope="module")
def shop(new_warehouse, new_registry):
    """Two kinds of books, readers who keep to one kind, a return, a drink, a stranger, and what comes after the day."""
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        patch.setenv("MAEARI_AS_OF", AS_OF.isoformat())
        land()
        warehouse.run_dbt("run", "--exclude", "tag:publish")
        analyse(Collection.reviews, AS_OF)
        yield


def land() -> None:
    draws, start = np.random.default_rng(0), clock.start_of_day(AS_OF - timedelta(days=300))
    later = clock.end_of_day(AS_OF)
    lines = []
    for reader in range(60):
        own = [book for place, book in enumerate(BOOKS[:-1]) if place % 2 == reader % 2]
        for turn, book in enumerate(draws.permutation(own)[:4].tolist()):
            lines.append((f"reader-{reader:02d}", "purchase", start + timedelta(days=turn), book, 1))
    first = lines[0]
    lines += [
        (first[0], "purchase", start + timedelta(days=9), first[3], 1),
        ("reader-90", "purchase", start, BOOKS[0], -1),
        ("reader-91", "visit", start, BOOKS[0], 1),
        ("reader-92", "purchase", start, "menu-01", 1),
        (None, "purchase", start, BOOKS[0], 1),
        ("reader-93", "purchase", clock.end_of_day(AS_OF), BOOKS[0], 1),
    ]
    with postgres.connect("owner") as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into ops.crawls (source, outcome) values (%s, 'finished') returning crawl_id", (SOURCE,)
            )
            (crawl_id,) = cursor.fetchone()
            cursor.execute(
                "insert into ops.sources (source, kind, owner, licence, is_local, subjects_are, facts_sha256)"
                " values (%s, 'review_pages', 'me', 'mine', false, 'books', 'x')",
                (SOURCE,),
            )
            cursor.execute(
                "insert into ops.loads (source, kind, outcome, complete_until)"
                " values ('shop', 'events', 'finished', %s) returning load_id",
                (AS_OF,),
            )
            (load_id,) = cursor.fetchone()
        postgres.copy_rows(
            connection,
            "raw.reviews",
            REVIEWS,
            [
                (SOURCE, book, 1, book, book, f"책 {book}", WORDS[place % 2], start, "second", "x", crawl_id, start)
                for place, book in enumerate(BOOKS)
            ]
            + [(SOURCE, NEW, 1, NEW, NEW, "고래와 등대", "항해", later, "second", "x", crawl_id, later)],
        )
        postgres.copy_rows(
            connection,
            "raw.books",
            ("source", "book_id", "version_no", "content_hash", "title", "author", "description", "subjects", "load_id")
            + ("landed_at",),
            [
                (SOURCE, BOOKS[0], 1, "h", "등대지기", "김메아리", "혜성이 떨어진다.", "{소설,우주}", load_id, start),
                (SOURCE, "later", 1, "h", "나중", None, None, "{}", load_id, clock.end_of_day(AS_OF)),
            ],
        )
        postgres.copy_rows(
            connection,
            "raw.events",
            EVENTS,
            [
                ("shop", str(number), who, what, when, item, quantity, 1000 * quantity, load_id)
                for number, (who, what, when, item, quantity) in enumerate(lines)
            ],
        )


def test_books_and_readings_are_those_of_the_day(shop):
    from ml.recommend.sequences import read_books, read_readings

    books = read_books(SOURCE, AS_OF)
    assert books == read_books(None, AS_OF)
    assert (books.source, books.book_ids) == (SOURCE, BOOKS)
    assert books.titles[:2] == ["등대지기", "책 book-01"]
    assert {"등대지기", "김메아리", "혜성", "소설", "우주"} <= set(books.words[0])
    assert read_books(SOURCE, AS_OF + timedelta(days=1)).book_ids == [*BOOKS, NEW, "later"]
    assert {"바다", "고래"} <= set(books.words[0])
    assert {"부엌", "국물"} <= set(books.words[1])
    readings = read_readings(books.book_ids, AS_OF)
    assert readings.readers == [f"reader-{reader:02d}" for reader in range(60)]
    assert {len(one) for one in readings.sequences} == {4}
    assert set(readings.newest_at) == {clock.start_of_day(AS_OF - timedelta(days=297))}
    assert "reader-93" in read_readings(books.book_ids, AS_OF + timedelta(days=1)).readers
    assert read_books(SOURCE, AS_OF - timedelta(days=400)).book_ids == []


def test_a_version_is_registered_and_answers_as_it_was_trained(shop):
    from ml import registry
    from ml.errors import TooFewRows
    from ml.recommend.config import RecommendConfig
    from ml.recommend.predict import MODEL
    from ml.recommend.train import train

    with pytest.raises(TooFewRows, match="training needs 100"):
        train(SOURCE, AS_OF)
    trained = train(SOURCE, AS_OF, RecommendConfig(min_readers=10))
    assert trained.summary()["books"] == len(BOOKS)
    assert trained.figures["rows"] > 0
    model = registry.load(MODEL, trained.version)
    offered = model.recommend([BOOKS[1], BOOKS[3]], None, [BOOKS[5]], 2)
    assert {one.book_id for one in offered} == {BOOKS[7], BOOKS[9]}
    assert BOOKS[-1] in [one.book_id for one in model.recommend([], "국물과 양념", [], 6)]
    data = registry.registered(MODEL, trained.version).card["data"]
    assert (data["source"], data["cold_books"]) == (SOURCE, 1)
    assert train(None, AS_OF, RecommendConfig(min_readers=10)).source == SOURCE
    with pytest.raises(TooFewRows, match="0 readers of 2025-01-01 bought two or more of the 0 books of any source"):
        train(None, date(2025, 1, 1))


def test_vectors_are_stored_once_with_those_of_books_that_came_later_and_old_versions_go(shop):
    from ml import registry
    from ml.errors import UnknownBook
    from ml.recommend.config import RecommendConfig
    from ml.recommend.predict import load
    from ml.recommend.train import train
    from ml.recommend.vectors import nearest, store, store_live

    assert store_live(AS_OF)["version"] is None
    first, second = (train(SOURCE, AS_OF, RecommendConfig(min_readers=10, seed=seed)).version for seed in (0, 1))
    kept = Settings().path("unpacked", f"{registry.registered('recommend', first).artifact_sha256}.npz")
    assert not kept.exists()
    assert store(first, AS_OF) == {
        "as_of": AS_OF.isoformat(), "version": first, "books": len(BOOKS), "cold_books": 0,
    }  # fmt: skip
    assert kept.exists()
    with pytest.raises(UnknownBook, match=f"no book '{NEW}' of recommend version {first}"):
        nearest(first, NEW, 3)
    day = AS_OF + timedelta(days=1)
    for _ in range(2):
        stored = store(first, day)
        assert (stored["books"], stored["cold_books"]) == (len(BOOKS) + 2, 2)
        assert versions_stored() == {first: len(BOOKS) + 2}
    model = load(first)
    by_readers = dict(nearest(first, BOOKS[1], 20))
    # Nobody has read these.
    assert by_readers.keys() == set(BOOKS) - {BOOKS[1], BOOKS[-1]}
    vectors = model.item_vectors_.astype(float)
    assert by_readers[BOOKS[3]] == pytest.approx(float(vectors[1] @ vectors[3]), abs=1e-6)
    assert nearest(first, NEW, 3) == []
    by_words = [book for book, _ in nearest(first, NEW, 6, "words")]
    assert {int(book[-2:]) % 2 for book in by_words} == {0}
    release(first)
    store(second, AS_OF)
    assert versions_stored() == {first: len(BOOKS) + 2, second: len(BOOKS)}
    assert registry.live_version("recommend") == first
    assert store_live(AS_OF) == {"as_of": AS_OF.isoformat(), "version": first, "books": len(BOOKS), "cold_books": 0}
    assert versions_stored() == {first: len(BOOKS)}
    release(second)
    store(second, day)
    assert versions_stored() == {first: len(BOOKS), second: len(BOOKS) + 2}


def versions_stored() -> dict[int, int]:
    with postgres.connect("analyst") as connection, connection.cursor() as cursor:
        cursor.execute("select model_version, count(*)::integer from predictions.book_vectors group by model_version")
        return dict(cursor.fetchall())


def release(version: int) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("update ops.deployments set live_to = now() where model = 'recommend' and live_to is null")
        cursor.execute(
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at,"
            " evidence, is_replay) values ('recommend', %s, now(), now(), 'approver', now(), '{}', false)",
            (version,),
        )


def test_without_an_analysed_review_the_words_are_those_of_the_titles(shop):
    from ml.recommend.sequences import read_books

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("delete from predictions.text_terms")
    books = read_books(SOURCE, AS_OF + timedelta(days=1), but=set(BOOKS[1:]))
    assert books.book_ids == [BOOKS[0], NEW, "later"]
    assert books.words[1] == ["고래", "등대"]


def test_of_several_sources_one_is_named(shop):
    from ml.errors import ConfigError
    from ml.recommend.sequences import read_books

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into marts.dim_books (book_key, source, book_id, title, subjects, work_id, reviews, first_known_at)"
            " values ('other:x', 'other', 'x', 'x', '{}', 'x', 0, %s)",
            (clock.end_of_day(AS_OF),),
        )
    assert read_books(None, AS_OF).source == SOURCE
    with pytest.raises(ConfigError, match=f"2 sources.* {SOURCE}, other. Name"):
        read_books(None, AS_OF + timedelta(days=1))
    assert read_books("nobody", AS_OF).book_ids == []
