"""The rules around the recommender: no other edition of what was read, one book of a series, few by one author."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml.recommend.catalogue import Book
from ml.recommend.model import BookRecommender, Ranking, Suggestion

FIVE, MOST_OF_AN_AUTHOR = 5, 2
"""Of the first five books at most two are by one author, of the first ten four, and so on."""

Ask = Callable[[int, np.ndarray], list[Suggestion]]
"""Gives at most so many books, the best first, of those that a mask over the model's books allows."""


class Shelf:
    """A model's books with what the catalogue says of each, for many answers."""

    def __init__(self, model: BookRecommender, catalogue: Mapping[str, Book]):
        self.model, self.catalogue = model, catalogue
        book_ids = model.book_ids_.tolist()
        books = [catalogue.get(book_id) for book_id in book_ids]
        self._places = {book_id: place for place, book_id in enumerate(book_ids)}
        self._is_known = np.array([book is not None for book in books], bool)
        self._works, self._series, self._authors = (
            _Groups(book and said(book) for book in books)
            for said in (_work, lambda book: book.series, lambda book: book.author)
        )
        self._volumes = np.array([_volume(book) for book in books], float)
        self._allowed_of_all = self._is_known.copy()
        for number in range(len(self._series)):
            self._allow_next(self._allowed_of_all, self._is_known, number, -np.inf)

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
        """At most `count` books that fit what is `liked` (ids, oldest first) and asked for (keywords), by all rules.

        Nothing read or liked, and no other edition of it. One book of a work and one of a series: the first volume that
        was not read, or, where volumes were liked, the first after those. At most two of an author in five, unless no
        other is left. Only books that the catalogue has, and that `among`, a mask over `model.book_ids_`, allows.
        """

        def ask(wanted: int, allowed: np.ndarray) -> list[_Ranked]:
            ranking = self.model.rank(liked, words, read, wanted, allowed)
            return [_Ranked(str(self.model.book_ids_[place]), place, ranking) for place in ranking.picked]

        # Why is asked of those alone that are offered: to say it takes longer than to rank.
        return [one.ranking.suggestion(one.place) for one in self.fill(ask, liked, read, count, among)]

    def fill(
        self, ask: Ask, liked: Collection[str], read: Collection[str], count: int, among: np.ndarray | None = None
    ) -> list:
        """The same from any ranking of the model's books, asked for more than is wanted and again while some lack."""
        allowed = self._allowed(liked, read)
        if among is not None:
            allowed &= among
        offered: list = []
        by_author: Counter[int] = Counter()
        keeps_to_authors = True
        while len(offered) < count:
            open_now = self._open(allowed, by_author, len(offered)) if keeps_to_authors else allowed
            found = ask(2 * (count - len(offered)) + FIVE, open_now)
            if not found and not keeps_to_authors:
                break
            keeps_to_authors = keeps_to_authors and bool(found)
            for one in found:
                place = self._places[one.book_id]
                author = self._authors.numbers[place]
                is_full = keeps_to_authors and author >= 0 and by_author[author] >= _most_of_an_author(len(offered))
                if len(offered) == count or not allowed[place] or is_full:
                    continue
                offered.append(one)
                by_author[author] += 1
                for groups in (self._works, self._series):
                    if groups.numbers[place] >= 0:
                        allowed[groups.places(groups.numbers[place])] = False
        return offered

    def _allowed(self, liked: Collection[str], read: Collection[str]) -> np.ndarray:
        """Of which books something may be offered: unread works, and of each series the volume that comes next.

        Of most series nothing was read or liked: what is allowed of them is known.
        """
        had = [book for book_id in (*liked, *read) if (book := self.catalogue.get(book_id)) is not None]
        gone = [self._works.of(_work(book)) for book in had]
        gone.append(np.array([self._places[one] for one in (*liked, *read) if one in self._places], int))
        allowed, unread = self._allowed_of_all.copy(), self._is_known.copy()
        for places in gone:
            allowed[places] = unread[places] = False
        after: dict[int, float] = {}
        for places in gone:
            after |= dict.fromkeys(self._series.numbers[places].tolist(), -np.inf)
        for book_id in liked:
            book = self.catalogue.get(book_id)
            if book is not None and book.volume is not None and book.series in self._series:
                number = self._series.number(book.series)
                after[number] = max(after.get(number, -np.inf), book.volume)
        for number, volume in after.items():
            if number >= 0:
                self._allow_next(allowed, unread, number, volume)
        return allowed

    def _allow_next(self, allowed: np.ndarray, unread: np.ndarray, series: int, after: float) -> None:
        """Of a series allow the first unread volume after one, or the first unread one where none comes after."""
        places = self._series.places(series)
        volumes, is_unread = self._volumes[places], unread[places]
        later = is_unread & (volumes > after)
        left = volumes[later if later.any() else is_unread]
        allowed[places] = is_unread & (volumes == left.min(initial=np.inf))

    def _open(self, allowed: np.ndarray, by_author: Counter[int], offered: int) -> np.ndarray:
        """What is allowed, less the books of authors of whom enough is offered."""
        full = [one for one, books in by_author.items() if one >= 0 and books >= _most_of_an_author(offered)]
        if not full:
            return allowed
        allowed = allowed.copy()
        for author in full:
            allowed[self._authors.places(author)] = False
        return allowed


class _Ranked(NamedTuple):
    """A book of a ranking, which is asked why only when it is offered."""

    book_id: str
    place: int
    ranking: Ranking


class _Groups:
    """Which books share a value: a number for each different one, -1 for none, and the places of each."""

    def __init__(self, values: Iterable[Hashable | None]):
        self._number: dict[Hashable, int] = {}
        found = [self._number.setdefault(value, len(self._number)) if value else -1 for value in values]
        self.numbers = np.array(found, int)
        self._order = np.argsort(self.numbers, kind="stable")
        self._offsets = np.searchsorted(self.numbers[self._order], np.arange(len(self._number) + 1))

    def __len__(self) -> int:
        return len(self._number)

    def __contains__(self, value: Hashable) -> bool:
        return value in self._number

    def number(self, value: Hashable) -> int:
        """The number of a value that some book has."""
        return self._number[value]

    def places(self, number: int) -> np.ndarray:
        """The places of the books that have the value of a number."""
        return self._order[self._offsets[number] : self._offsets[number + 1]]

    def of(self, value: Hashable) -> np.ndarray:
        """The places of the books that have a value."""
        return self.places(self._number[value]) if value in self._number else np.empty(0, int)


def _most_of_an_author(offered: int) -> int:
    return MOST_OF_AN_AUTHOR * (offered // FIVE + 1)


def _work(book: Book) -> str:
    return book.work_id or book.book_id


def _volume(book: Book | None) -> float:
    """Volumes without a number come last."""
    return np.inf if book is None or book.volume is None else book.volume
