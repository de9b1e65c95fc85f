"""What is learned from: the books of a shop with their words, and which of them each reader bought, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
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

    select customer_id, item_id from purchases order by customer_id, occurred_at, event_key
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

    def split(self) -> tuple["Readings", "Readings"]:
        """The readers that are learned from, and the tenth, by their ids alone, by which every version is judged."""
        held_out = is_held_out(self.readers)
        return self._only(~held_out), self._only(held_out)

    def _only(self, kept: np.ndarray) -> "Readings":
        places = np.flatnonzero(kept)
        return Readings([self.readers[place] for place in places], [self.sequences[place] for place in places])


def read_books(source: str | None, as_of: date) -> Books:
    """The books of a source that were known at the end of `as_of`, their analysed reviews with them.

    A source of None is the only one that has books; raises ConfigError when there are several.
    """
    parameters = {"source": source, "known_until": clock.end_of_day(as_of)}
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_BOOKS, parameters)
        rows = cursor.fetchall()
    source = source or only_source([row[0] for row in rows])
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


def read_readings(book_ids: Sequence[str], as_of: date) -> Readings:
    """Who bought which of these books by the end of `as_of`, readers by rising id; returns are left out.

    An event's `item_id` is the book's id.
    """
    parameters = {"books": list(book_ids), "known_until": clock.end_of_day(as_of)}
    places = {book_id: place for place, book_id in enumerate(book_ids)}
    with postgres.connect("ml") as connection, connection.cursor(name="readings") as cursor:
        cursor.itersize = 10_000
        cursor.execute(_READINGS, parameters)
        readers, sequences = [], []
        for reader, bought in groupby(cursor, lambda row: row[0]):
            readers.append(reader)
            sequences.append(np.array([places[book_id] for _, book_id in bought]))
    return Readings(readers, sequences)
