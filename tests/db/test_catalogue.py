"""The catalogue: books that were imported and books that were only reviewed, as one table and as read from it."""

from datetime import date

import pytest

from maeari.postgres import connect
from ml.errors import ConfigError
from ml.recommend.catalogue import Book, read_catalogue

DIM_BOOKS = """
create table marts.dim_books (
    source text, book_id text, title text, author text, description text, subjects text[], series text, volume integer,
    work_id text, pages integer, published_on date, url text, mean_stars numeric(3, 2)
);
insert into marts.dim_books values
    ('shop', 'b2', '둘째', null, null, '{}', null, null, 'b2', null, null, null, null),
    ('shop', 'B1', '첫째', '김메아리', '바다 이야기.', '{소설,바다}', '물결', 1, 'b0', 320, '2024-05-01', '/b1', 4.25);
grant select on marts.dim_books to maeari_skill;
"""


def execute(statement: str) -> None:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_catalogue_is_that_of_a_source_and_of_the_only_one_unless_named(warehouse):
    execute(DIM_BOOKS)
    first = Book(
        "B1", "첫째", "김메아리", "바다 이야기.", ("소설", "바다"), "물결", 1, "b0", 320, date(2024, 5, 1), "/b1", 4.25
    )
    second = Book("b2", "둘째", None, None, (), None, None, "b2", None, None, None, None)
    assert read_catalogue("skill") == read_catalogue("skill", "shop") == [first, second]
    assert read_catalogue("skill", "other") == []
    execute(
        "insert into marts.dim_books (source, book_id, title, subjects, work_id) values ('other', 'x', 'x', '{}', 'x')"
    )
    with pytest.raises(ConfigError, match="2 sources.* other, shop. Name"):
        read_catalogue("skill")
    assert read_catalogue("skill", "shop") == [first, second]
