"""The catalogue: books that were imported and books that were only reviewed, as one table and as read from it."""

from contextlib import closing
from datetime import date

import psycopg2
import pytest

from maeari import warehouse
from maeari.postgres import connect
from ml.errors import ConfigError
from ml.recommend.catalogue import Book, read_catalogue

HOSTILE = "'; drop table raw.books; -- <script>alert(1)</script> {{ ref('x') }} %s \\N 한글"
LANDED = """
insert into ops.crawls (source, finished_at, outcome) values ('shop', now(), 'finished');
insert into ops.loads (source, kind, outcome, complete_until) values
    ('shop', 'books', 'finished', null), ('till', 'events', 'finished', '2026-05-31'),
    ('book_bot', 'feedback', 'finished', null);
insert into ops.sources (source, kind, owner, licence, is_local, subjects_are, facts_sha256) values
    ('shop', 'review_pages', 'me', 'mine', false, 'books', 'x'),
    ('cafes', 'review_pages', 'me', 'mine', false, null, 'x');
insert into raw.reviews (
    source, source_review_id, version_no, content_hash, subject_id, subject_name, rating, rating_max, body, written_at,
    written_at_precision, url, crawl_id, fetched_at
)
select source, id, 1, id, subject, name, stars, 5, 'text', '2026-01-05', 'day', 'u', 1, '2026-03-01'
from (values
    ('shop', '1', 'b1', '『첫째』', 5), ('shop', '2', 'b1', '『첫째』', 4), ('shop', '3', 'b3', '『셋째』', null),
    ('cafes', '1', 'cafe', '카페', 5)
) as said (source, id, subject, name, stars);
insert into raw.books (source, book_id, version_no, content_hash, title, author, description, subjects, series, volume,
    edition_of, pages, published_on, url, load_id, landed_at)
values
    ('shop', 'b1', 1, 'h1', '옛 제목', null, null, '{}', null, null, null, null, null, null, 1, '2026-02-01'),
    ('shop', 'b1', 2, 'h2', '첫째', '김메아리', '바다 이야기.', '{소설,바다}', '물결', 1, 'b2', 320, '2024-05-01',
        'https://shop.example/b1', 1, '2026-02-09'),
    ('shop', 'b2', 1, 'h3', %(hostile)s, null, null, '{}', null, null, null, null, null, null, 1, '2026-02-01');
insert into raw.events (source, event_id, customer_id, event_type, occurred_at, item_id, quantity, amount, load_id)
values
    ('till', '1', 'customer', 'purchase', '2026-01-05', 'b1', 1, 9000, 2),
    ('book_bot', '1', 'customer', 'like', '2026-03-05', 'b2', 1, null, 3),
    ('book_bot', '2', 'reader', 'purchase', '2026-03-05', 'b2', 1, 9000, 3);
"""
BOOKS = [
    Book(
        "b1", "첫째", "김메아리", "바다 이야기.", ("소설", "바다"), "물결", 1, "b2", 320, date(2024, 5, 1),
        "https://shop.example/b1", 4.5,
    ),
    Book("b2", HOSTILE, None, None, (), None, None, "b2", None, None, None, None),
    Book("b3", "셋째", None, None, (), None, None, "b3", None, None, None, None),
]  # fmt: skip


def execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, {"hostile": HOSTILE})


def rows(role: str, query: str) -> list[tuple]:
    with connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def built(new_warehouse):
    """A warehouse with a few books, reviews and events, of which the marts are built twice."""
    url = new_warehouse()
    execute(url, LANDED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", url)
        for _ in range(2):
            warehouse.run_dbt("run", "--select", "+dim_books", "+dim_customers", "+int_events__completeness")
        yield url


def test_its_promises_hold(built):
    chosen = ("dim_books", "dim_subjects", "int_books__newest", "int_books__works", "int_events__customer_days")
    results = warehouse.run_dbt(
        "test", "--select", *chosen, "int_events__customer_item_days", "int_events__completeness"
    )
    assert len(results) > 20


def test_the_book_bot_reads_the_catalogue_of_the_only_source(built):
    assert read_catalogue("skill") == read_catalogue("ml", "shop") == BOOKS
    assert read_catalogue("skill", "cafes") == []


@pytest.mark.parametrize("role", ["ml", "monitor", "web", "analyst", "skill"])
def test_a_second_build_takes_the_catalogue_from_nobody(built, role):
    assert rows(role, "select count(*) from marts.dim_books") == [(3,)]
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
        rows(role, "delete from marts.dim_books returning 1")


def test_the_book_bot_reads_no_other_mart(built):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows("skill", "select 1 from marts.dim_subjects")


def test_a_book_is_known_since_it_first_landed_or_was_reviewed(built):
    assert rows("analyst", "select book_id, first_known_at::date::text, reviews from marts.dim_books order by 1") == [
        ("b1", "2026-01-05", 2),
        ("b2", "2026-02-01", 0),
        ("b3", "2026-01-05", 1),
    ]


def test_what_readers_tell_the_book_bot_is_an_event_of_no_customer(built):
    assert rows("analyst", "select count(*) from marts.fct_events where source = 'book_bot'") == [(2,)]
    assert rows("analyst", "select customer_id, last_event_on::text, purchase_days from marts.dim_customers") == [
        ("customer", "2026-01-05", 1)
    ]
    assert rows("dbt", "select complete_until::date::text from intermediate.int_events__completeness") == [
        ("2026-05-31",)
    ]


def test_of_several_sources_one_is_named(built):
    execute(
        built,
        "insert into marts.dim_books (book_key, source, book_id, title, subjects, work_id, reviews, first_known_at) "
        "values ('other:x', 'other', 'x', 'x', '{}', 'x', 0, now())",
    )
    with pytest.raises(ConfigError, match="2 sources.* other, shop. Name"):
        read_catalogue("skill")
    assert read_catalogue("skill", "shop") == BOOKS
