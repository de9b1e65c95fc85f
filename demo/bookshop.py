"""The bookshop: its books, what its catalogue says of them, and in which order each customer would read them."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import cycle
from random import Random
from typing import NamedTuple

import numpy as np

from demo.grammar import compile_sentence, draw, lines, texts, words

BOOKS_A_WRITER = 3
FIRST_PUBLISHED, LAST_PUBLISHED = date(1998, 1, 5), date(2024, 11, 4)
MISSING = ("author", "published_on", "pages", "description")
"""What the catalogue does not know of its last books, of each one something else."""
FAVOURITE_GENRES = (20.0, 8.0)
"""How much rather than others a customer reads a book of the genres liked most."""
FAVOURITE_WRITER = 2.0
NEXT_VOLUME_SHARE = 0.8


class Book(NamedTuple):
    """A book of the shop."""

    book_id: str
    title: str
    writer: str
    genre: str
    price_krw: int


class CatalogueEntry(NamedTuple):
    """A book as the catalogue describes it; None where it says nothing."""

    book_id: str
    title: str
    author: str | None
    description: str | None
    subjects: str
    series: str | None
    volume: int | None
    edition_of: str | None
    pages: int | None
    published_on: date | None


def with_shared_writers(books: Sequence[Book]) -> tuple[Book, ...]:
    """The books, of which in each genre three in a row are by the writer of the first."""
    writers = {book.book_id: of_one[0].writer for of_one in _of_one_writer(books) for book in of_one}
    return tuple(book._replace(writer=writers[book.book_id]) for book in books)


def volumes(books: Sequence[Book]) -> dict[str, tuple[str, int]]:
    """The series and the number in it of the books that belong to one: the first three of some genres."""
    facts, found = texts("books")["genres"], {}
    for of_one in _of_one_writer(books):
        series = facts[of_one[0].genre].get("series")
        if series and len(of_one) > 1 and all(series != name for name, _ in found.values()):
            found |= {book.book_id: (series, number) for number, book in enumerate(of_one, 1)}
    return found


def catalogue(books: Sequence[Book], random: Random) -> list[CatalogueEntry]:
    """What the shop's catalogue says of its books, and of other editions of two of them."""
    when, genres = words(texts("books")["when"]), texts("books")["genres"]
    series = volumes(books)
    # Dealt in turn, so that every genre has each mood and each time to read.
    moods = {genre: cycle(words(facts["moods"])) for genre, facts in genres.items()}
    whens = {genre: cycle(when[number:] + when[:number]) for number, genre in enumerate(genres)}
    entries, published = {}, {}
    for book in books:
        facts = genres[book.genre]
        said = {name: words(text) for name, text in facts["pools"].items()} | {
            "thing": (book.title.split()[-1],),
            "kind": (facts["kind"],),
            "mood": (next(moods[book.genre]),),
            "when": (next(whens[book.genre]),),
        }
        patterns = random.choice(lines(facts["lines"])), random.choice(lines(texts("books")["endings"]))
        about, ending = (draw(compile_sentence(pattern, said), random.random) for pattern in patterns)
        least, most = map(int, facts["pages"].split("-"))
        name, volume = series.get(book.book_id, (None, None))
        # The volumes of a series come out one after the other.
        begun = published.get(name, FIRST_PUBLISHED)
        published_on = begun + timedelta(days=random.randrange(1, (LAST_PUBLISHED - begun).days // (4 if name else 1)))
        if name:
            published[name] = published_on
        entries[book.book_id] = CatalogueEntry(
            book.book_id,
            book.title,
            book.writer,
            f"{about} {ending}",
            "|".join([book.genre, *(theme for theme in words(texts("books")["themes"]) if theme in about)]),
            name,
            volume,
            None,
            random.randint(least, most),
            published_on,
        )
    plain = [book.book_id for book in books if book.book_id not in series]
    for field, book_id in zip(MISSING, reversed(plain), strict=False):
        entries[book_id] = entries[book_id]._replace(**{field: None})
    for edition, book_id in zip(words(texts("books")["editions"]), plain, strict=False):
        work = entries[book_id]
        entries[f"{book_id}-2"] = work._replace(
            book_id=f"{book_id}-2",
            title=f"{work.title} ({edition})",
            edition_of=book_id,
            pages=work.pages + random.randint(10, 90),
            published_on=min(LAST_PUBLISHED, work.published_on + timedelta(days=random.randint(200, 900))),
        )
    return list(entries.values())


class ReadingLists:
    """In which order a customer would read the books, for customers of all tastes."""

    def __init__(self, books: Sequence[Book]) -> None:
        self._genres = np.array([book.genre for book in books])
        self._writers = np.array([book.writer for book in books])
        self._by_writer = {genre: np.unique(self._writers[self._genres == genre]) for genre in np.unique(self._genres)}
        series = volumes(books)
        self._volumes = [
            [
                place
                for place, other in enumerate(books)
                if series.get(other.book_id, ("",))[0] == series[book.book_id][0]
            ]
            if book.book_id in series
            else [number]
            for number, book in enumerate(books)
        ]

    def draw(self, random: np.random.Generator) -> list[int]:
        """All books as places, in one customer's order.

        Two genres come first for the most part, and in them the books of some writers; after a book of a series mostly
        the next one.
        """
        weights = np.ones(len(self._genres))
        for genre, weight in zip(random.permutation(list(self._by_writer)), FAVOURITE_GENRES, strict=False):
            weights[self._genres == genre] *= weight
            weights[self._writers == random.choice(self._by_writer[genre])] *= FAVOURITE_WRITER
        # As drawing one by one without putting back, each by its weight (Efraimidis and Spirakis, 2006).
        order = np.argsort(random.exponential(size=len(weights)) / weights, kind="stable").tolist()
        goes_on = random.random(len(weights)) < NEXT_VOLUME_SHARE
        read: dict[int, None] = {}
        for place in order:
            for volume in self._volumes[place]:
                is_new = volume not in read
                read[volume] = None
                if is_new and not goes_on[volume]:
                    break
        return list(read) + [place for place in order if place not in read]


def _of_one_writer(books: Sequence[Book]) -> list[list[Book]]:
    by_genre: dict[str, list[Book]] = {}
    for book in books:
        by_genre.setdefault(book.genre, []).append(book)
    return [
        of_genre[start : start + BOOKS_A_WRITER]
        for of_genre in by_genre.values()
        for start in range(0, len(of_genre), BOOKS_A_WRITER)
    ]
