"""The catalogue: the books that can be offered, with all that is known of each."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from maeari import postgres
from maeari.settings import Role
from ml.errors import ConfigError

_BOOKS = """
    select
        source, book_id, title, author, description, subjects, series, volume, work_id, pages, published_on, url,
        mean_stars::double precision
    from marts.dim_books
    where %(source)s is null or source = %(source)s
    order by source, book_id collate "C"
"""


class Book(NamedTuple):
    """A book of a source; what is not known of it is None. Editions of one work share its `work_id`."""

    book_id: str
    title: str
    author: str | None
    description: str | None
    subjects: tuple[str, ...]
    series: str | None
    volume: int | None
    work_id: str
    pages: int | None
    published_on: date | None
    url: str | None
    mean_stars: float | None


def read_catalogue(role: Role, source: str | None = None) -> list[Book]:
    """The books of a source by rising id, in one query as `maeari_<role>`; of the only source unless named.

    Raises ConfigError when none is named and there are several.
    """
    with postgres.connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"source": source})
        rows = cursor.fetchall()
    only_source([row[0] for row in rows])
    return [
        Book(book_id, title, author, description, tuple(subjects), *others)
        for _, book_id, title, author, description, subjects, *others in rows
    ]


def only_source(sources: Sequence[str]) -> str | None:
    """The source that all these are, None of none; raises ConfigError when they are several."""
    found = sorted(set(sources))
    if len(found) > 1:
        raise ConfigError(
            f"marts.dim_books holds the books of {len(found)} sources, and one is needed: {', '.join(found)}. "
            "Name the one whose books are meant."
        )
    return found[0] if found else None
