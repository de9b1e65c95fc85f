"""The rules around the recommender: no other edition of what was read, one book of a series, few by one author."""

from collections import Counter
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
        self._in_work, self._in_series = _Groups(self._works), _Groups(self._series)
        self._open = self._is_known.copy()
        for number in range(len(self._series_numbers)):
            self._keep_next(self._open, number, -np.inf)

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
        by_author: Counter[int] = Counter()
        keeps_to_authors = True
        while len(offered) < count:
            open_now = self._with_room(allowed, by_author, len(offered)) if keeps_to_authors else allowed
            found = ask(2 * (count - len(offered)) + FIVE, open_now)
            if not found and not keeps_to_authors:
                break
            keeps_to_authors = keeps_to_authors and bool(found)
            for one in found:
                place = self._places[one.book_id]
                author = int(self._authors[place])
                is_full = keeps_to_authors and author >= 0 and by_author[author] >= _most_of_an_author(len(offered))
                if len(offered) == count or not allowed[place] or is_full:
                    continue
                offered.append(one)
                by_author[author] += 1
                allowed[self._in_work.places(self._works[place])] = False
                allowed[self._in_series.places(self._series[place])] = False
        return offered

    def _allowed(self, liked: Collection[str], read: Collection[str]) -> np.ndarray:
        """Of which books something may be offered: unread works, and of each series the volume that comes next."""
        allowed, read_places = self._open.copy(), set()
        for book_id in {*liked, *read}:
            if (book := self.catalogue.get(book_id)) is not None and _work(book) in self._work_numbers:
                read_places.update(self._in_work.places(self._work_numbers[_work(book)]).tolist())
            if book_id in self._places:
                read_places.add(self._places[book_id])
        had = np.fromiter(read_places, int, len(read_places))
        after: dict[int, float] = dict.fromkeys(self._series[had].tolist(), -np.inf)
        for book_id in liked:
            book = self.catalogue.get(book_id)
            if book is not None and book.volume is not None and book.series in self._series_numbers:
                number = self._series_numbers[book.series]
                after[number] = max(after.get(number, -np.inf), book.volume)
        for number in after.keys() - {-1}:
            allowed[self._in_series.places(number)] = self._is_known[self._in_series.places(number)]
        allowed[had] = False
        for number in after.keys() - {-1}:
            self._keep_next(allowed, number, after[number])
        return allowed

    def _keep_next(self, allowed: np.ndarray, series: int, after: float) -> None:
        """Of a series keep the lowest allowed volume after one, or the lowest of all where none comes after it."""
        places = self._in_series.places(series)
        unread = places[allowed[places]]
        later = unread[self._volumes[unread] > after]
        candidates = later if len(later) else unread
        if len(candidates):
            allowed[unread[self._volumes[unread] != self._volumes[candidates].min()]] = False

    def _with_room(self, allowed: np.ndarray, by_author: Counter[int], position: int) -> np.ndarray:
        full = [author for author, books in by_author.items() if author >= 0 and books >= _most_of_an_author(position)]
        return allowed & ~np.isin(self._authors, full) if full else allowed


class _Groups:
    """The places of each number of an array; of a negative one none."""

    def __init__(self, numbers: np.ndarray):
        self._order = np.argsort(numbers, kind="stable")
        self._offsets = np.searchsorted(numbers[self._order], np.arange(numbers.max(initial=-1) + 2))

    def places(self, number: int) -> np.ndarray:
        return self._order[self._offsets[number] : self._offsets[number + 1]] if number >= 0 else self._order[:0]


def _most_of_an_author(position: int) -> int:
    return MOST_OF_AN_AUTHOR * (position // FIVE + 1)


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
