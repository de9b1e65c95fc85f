"""The rules around the recommender: no other edition of what was read, one book of a series, few by one author."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

import numpy as np

from ml.recommend.catalogue import Book
from ml.recommend.model import BookRecommender, Suggestion

FIVE, MOST_OF_AN_AUTHOR = 5, 2
"""Of the first five books at most two are by one author, of the first ten four, and so on."""

Ask = Callable[[int, np.ndarray], list[Suggestion]]
"""Gives at most so many books, the best first, of those that a mask over the model's books allows."""


def offer(
    model: BookRecommender,
    catalogue: Mapping[str, Book],
    liked: Sequence[str],
    words: Sequence[str],
    read: Collection[str],
    count: int,
    among: np.ndarray | None = None,
) -> list[Suggestion]:
    """At most `count` books that fit what is `liked` (ids, oldest first) and asked for (keywords), by all rules.

    Nothing read or liked, and no other edition of it. One book of a work and one of a series: the first volume that was
    not read, or, where volumes were liked, the first after those. At most two of an author in five, unless no other is
    left. Only books that the catalogue has, and that `among`, a mask over `model.book_ids_`, allows. Who asks often
    keeps a `Shelf`.
    """
    return Shelf(model, catalogue).offer(liked, words, read, count, among)


class Shelf:
    """A model's books with what the catalogue says of each, for many answers."""

    def __init__(self, model: BookRecommender, catalogue: Mapping[str, Book]):
        self.model, self.catalogue = model, catalogue
        book_ids = model.book_ids_.tolist()
        books = [catalogue.get(book_id) for book_id in book_ids]
        self._places = {book_id: place for place, book_id in enumerate(book_ids)}
        self._is_known = np.array([book is not None for book in books], bool)
        self._works, self._work_numbers = _numbered(book and _work(book) for book in books)
        self._series, self._series_numbers = _numbered(book and book.series for book in books)
        self._authors, _ = _numbered(book and book.author for book in books)
        self._volumes = np.array([_volume(book) for book in books], float)

    def __contains__(self, book_id: str) -> bool:
        """Whether the model knows the book."""
        return book_id in self._places

    def allows(self, book_id: str, mask: np.ndarray) -> bool:
        """Whether the model knows the book and a mask over its books allows it."""
        return book_id in self._places and bool(mask[self._places[book_id]])

    def offer(
        self,
        liked: Sequence[str],
        words: Sequence[str],
        read: Collection[str],
        count: int,
        among: np.ndarray | None = None,
    ) -> list[Suggestion]:
        """As the function `offer` does."""

        def ask(wanted: int, allowed: np.ndarray) -> list[Suggestion]:
            return self.model.recommend_words(liked, words, read, wanted, allowed)

        return self.fill(ask, liked, read, count, among)

    def fill(
        self, ask: Ask, liked: Collection[str], read: Collection[str], count: int, among: np.ndarray | None = None
    ) -> list[Suggestion]:
        """The same from any ranking of the model's books, asked for more than is wanted and again while some lack."""
        allowed = self._allowed(liked, read)
        if among is not None:
            allowed &= among
        offered: list[Suggestion] = []
        by_author = np.zeros(self._authors.max(initial=-1) + 2, int)
        keeps_to_authors = True
        while len(offered) < count:
            open_now = allowed & self._has_room(by_author, len(offered)) if keeps_to_authors else allowed
            found = ask(2 * (count - len(offered)) + FIVE, open_now)
            if not found and not keeps_to_authors:
                break
            keeps_to_authors = keeps_to_authors and bool(found)
            for one in found:
                place = self._places[one.book_id]
                full = keeps_to_authors and not self._has_room(by_author, len(offered))[place]
                if len(offered) == count or not allowed[place] or full:
                    continue
                offered.append(one)
                by_author[self._authors[place]] += 1
                allowed &= self._works != self._works[place]
                if self._series[place] >= 0:
                    allowed &= self._series != self._series[place]
        return offered

    def _allowed(self, liked: Collection[str], read: Collection[str]) -> np.ndarray:
        """Of which books something may be offered: unread works, and of each series the volume that comes next."""
        had = [book for book_id in (*liked, *read) if (book := self.catalogue.get(book_id)) is not None]
        works = [self._work_numbers[_work(book)] for book in had if _work(book) in self._work_numbers]
        unread = self._is_known & ~np.isin(self._works, works)
        unread[[self._places[book_id] for book_id in (*liked, *read) if book_id in self._places]] = False
        after = np.full(len(self._series_numbers) + 1, -np.inf)
        for book_id in liked:
            book = self.catalogue.get(book_id)
            if book is not None and book.volume is not None and book.series in self._series_numbers:
                number = self._series_numbers[book.series]
                after[number] = max(after[number], book.volume)
        later = unread & (self._volumes > after[self._series])
        first, first_later = np.full((2, len(after)), np.inf)
        np.minimum.at(first, self._series[unread], self._volumes[unread])
        np.minimum.at(first_later, self._series[later], self._volumes[later])
        has_later = np.zeros(len(after), bool)
        has_later[self._series[later]] = True
        return unread & ((self._series < 0) | (self._volumes == np.where(has_later, first_later, first)[self._series]))

    def _has_room(self, by_author: np.ndarray, position: int) -> np.ndarray:
        most = MOST_OF_AN_AUTHOR * (position // FIVE + 1)
        return (self._authors < 0) | (by_author[self._authors] < most)


def _work(book: Book) -> str:
    return book.work_id or book.book_id


def _volume(book: Book | None) -> float:
    """Volumes without a number come last."""
    return np.inf if book is None or book.volume is None else book.volume


def _numbered(values: Iterable[Hashable | None]) -> tuple[np.ndarray, dict]:
    """A number for each different value, -1 for none, and the number of each value."""
    numbers: dict = {}
    found = [numbers.setdefault(value, len(numbers)) if value else -1 for value in values]
    return np.array(found, int), numbers
