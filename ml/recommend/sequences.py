"""What is learned from: the books of a shop with their words, and which of them each reader bought, in order."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import numpy as np

from maeari import clock, postgres
from maeari.text import keywords, morphemes
from ml.recommend.catalogue import only_source
from ml.texts import dictionary
from ml.texts.collection import Collection
from ml.texts.corpus import is_held_out, read_corpus

_BOOKS = """
    select source, book_id, title, author, subjects, description
    from marts.dim_books
    where (%(source)s is null or source = %(source)s) and first_known_at < %(known_until)s
    order by source, book_id collate "C"
"""

_READINGS = """
    with purchases as (

        select distinct on (customer_id, item_id)
            customer_id,
            item_id,
            occurred_at,
            event_key

        from marts.fct_events

        where event_type = 'purchase'
            and customer_id is not null
            and coalesce(quantity, 1) > 0
            and occurred_at < %(known_until)s
            and item_id = any(%(books)s)

        order by customer_id, item_id, occurred_at, event_key

    )

    select customer_id, item_id, occurred_at from purchases order by customer_id, occurred_at, event_key
"""

_PURCHASES = """
    select item_id
    from marts.fct_events
    where customer_id = %(customer)s
        and event_type = 'purchase'
        and coalesce(quantity, 1) > 0
        and occurred_at < %(known_until)s
    order by occurred_at, event_key
"""


@dataclass(frozen=True)
class Books:
    """The books of a source by rising id, the title of each, and its keywords.

    These are of title, author, subjects and description, and then of its reviews, oldest first.
    """

    source: str | None
    """None of no books where none was named."""
    book_ids: list[str]
    titles: list[str]
    words: list[list[str]]


@dataclass(frozen=True)
class Readings:
    """Readers, and each one's books, oldest first, each once, as places in `Books.book_ids`."""

    readers: list[str]
    sequences: list[np.ndarray]
    newest_at: list[datetime]
    """When each reader bought the newest one."""

    def split(self) -> tuple["Readings", "Readings"]:
        """The readers that are learned from, and the tenth, by their ids alone, by which every version is judged."""
        held_out = is_held_out(self.readers)
        return self._only(~held_out), self._only(held_out)

    def _only(self, kept: np.ndarray) -> "Readings":
        places = np.flatnonzero(kept)
        return Readings(*([column[place] for place in places] for column in self._columns()))

    def of_two_or_more(self, most: int) -> "Readings":
        """The readers of two books or more whose newest one is newest, at most so many, in the order they were in."""
        several = np.array([len(one) > 1 for one in self.sequences], bool)
        places = np.flatnonzero(several)
        newest = places[np.argsort([-self.newest_at[place].timestamp() for place in places], kind="stable")[:most]]
        kept = np.zeros(len(several), bool)
        kept[newest] = True
        return self._only(kept)

    def _columns(self) -> tuple[list[str], list[np.ndarray], list[datetime]]:
        return self.readers, self.sequences, self.newest_at


def read_book_ids(source: str, as_of: date) -> list[str]:
    """The ids of a source's books that were known at the end of `as_of`, rising."""
    return [row[1] for row in _rows(source, as_of)]


def read_books(source: str | None, as_of: date, but: Container[str] = ()) -> Books:
    """The books of a source as known at the end of `as_of` and their analysed reviews, those of some ids left out.

    A source of None is the only one that has books; raises ConfigError when there are several.
    """
    rows = _rows(source, as_of)
    source = source or only_source([row[0] for row in rows])
    rows = [row for row in rows if row[1] not in but]
    if not rows:
        return Books(source, [], [], [])
    book_ids, titles = [row[1] for row in rows], [row[2] for row in rows]
    told = [
        "\n".join(filter(None, (title, author, ", ".join(subjects), description)))
        for _, _, title, author, subjects, description in rows
    ]
    words = [keywords(found) for found in morphemes(told, dictionary.words())]
    places = {book_id: place for place, book_id in enumerate(book_ids)}
    reviews = read_corpus(Collection.reviews, as_of).without_copies()
    for row, review in enumerate(reviews.texts.itertuples()):
        if review.source == source and review.subject_id in places:
            said = reviews.terms[reviews.offsets[row] : reviews.offsets[row + 1]]
            words[places[review.subject_id]] += reviews.words[said].tolist()
    return Books(source, book_ids, titles, words)


def _rows(source: str | None, as_of: date) -> list[tuple]:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"source": source, "known_until": clock.end_of_day(as_of)})
        return cursor.fetchall()


def read_readings(book_ids: Sequence[str], as_of: date) -> Readings:
    """Who bought which of these books by the end of `as_of`, readers by rising id; returns are left out.

    An event's `item_id` is the book's id.
    """
    parameters = {"books": list(book_ids), "known_until": clock.end_of_day(as_of)}
    places = {book_id: place for place, book_id in enumerate(book_ids)}
    with postgres.connect("ml") as connection, connection.cursor(name="readings") as cursor:
        cursor.itersize = 10_000
        cursor.execute(_READINGS, parameters)
        found = Readings([], [], [])
        for reader, lines in groupby(cursor, lambda row: row[0]):
            bought = list(lines)
            found.readers.append(reader)
            found.sequences.append(np.array([places[book_id] for _, book_id, _ in bought]))
            found.newest_at.append(bought[-1][2])
    return found


def read_purchases(customer: str, as_of: date) -> list[str]:
    """What a customer bought by the end of `as_of`, each once, oldest first; nothing of one who is not known."""
    parameters = {"customer": customer, "known_until": clock.end_of_day(as_of)}
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_PURCHASES, parameters)
        return list(dict.fromkeys(item_id for (item_id,) in cursor.fetchall()))
