"""What is learned from: the books of a shop with their words, and which of them each reader bought, in order."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import numpy as np

from maeari import clock, postgres
from maeari.text import keywords, morphemes
from ml.texts import dictionary
from ml.texts.collection import Collection
from ml.texts.corpus import is_held_out, read_corpus

_BOOKS = """
    select subject_id, coalesce(subject_name, '')
    from marts.dim_subjects
    where source = %(source)s and first_written_at < %(known_until)s
    order by subject_id
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

_BOUGHT_SOURCE = """
    select subjects.source
    from marts.dim_subjects as subjects
    inner join marts.fct_events as events
        on events.item_id = subjects.subject_id
    where events.event_type = 'purchase' and events.occurred_at < %(known_until)s
    group by subjects.source
    order by count(*) desc, subjects.source
    limit 1
"""


@dataclass(frozen=True)
class Books:
    """The books of a shop by rising id, the title of each, and the keywords of its title and reviews, oldest first."""

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


def bought_source(as_of: date) -> str | None:
    """The source of reviews whose subjects were bought most by the end of `as_of`; None where none was."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_BOUGHT_SOURCE, {"known_until": clock.end_of_day(as_of)})
        row = cursor.fetchone()
    return row and row[0]


def read_titles(source: str, as_of: date) -> dict[str, str]:
    """The title of each subject of a source of reviews that was known at the end of `as_of`, by rising id."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"source": source, "known_until": clock.end_of_day(as_of)})
        return dict(cursor.fetchall())


def read_books(source: str, as_of: date, but: Container[str] = ()) -> Books:
    """The books of a source as known at the end of `as_of` and their analysed reviews, those of some ids left out."""
    found = {book_id: title for book_id, title in read_titles(source, as_of).items() if book_id not in but}
    book_ids, titles = list(found), list(found.values())
    if not book_ids:
        return Books([], [], [])
    words = [keywords(found) for found in morphemes(titles, dictionary.words())]
    places = {book_id: place for place, book_id in enumerate(book_ids)}
    reviews = read_corpus(Collection.reviews, as_of).without_copies()
    for row, review in enumerate(reviews.texts.itertuples()):
        if review.source == source and review.subject_id in places:
            said = reviews.terms[reviews.offsets[row] : reviews.offsets[row + 1]]
            words[places[review.subject_id]] += reviews.words[said].tolist()
    return Books(book_ids, titles, words)


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
