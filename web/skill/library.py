"""What the book bot offers from: the catalogue, its titles and the live model, swapped when they change."""

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from maeari.settings import Settings
from ml.recommend.catalogue import Book, read_catalogue
from ml.recommend.model import Suggestion, Why, words_of
from ml.recommend.texts import counted
from ml.recommend.titles import TitleIndex
from ml.recommend.unpack import Unpacking
from web.skill.link import Link

if TYPE_CHECKING:
    from ml.recommend.model import BookRecommender
    from ml.recommend.offer import Shelf

CHECK_SECONDS, EDITION_SECONDS = 60, 10
logger = logging.getLogger("maeari.skill")

# Words of whoever asks for a book, which say nothing of the book.
_ASKING = frozenset({
    "책", "도서", "작품", "이야기", "추천", "소개", "부탁", "찾다", "알리다", "보이다", "고르다", "주다", "보다",
    "읽다", "싶다", "있다", "없다", "하다", "되다", "좋다", "원하다", "book", "recommend", "please",
})  # fmt: skip
_FINGERPRINT = "select count(*), sum(hashtextextended(book::text, 0)) from marts.dim_books book"
_LIVE = """
    select version, card #>> '{data,source}', artifact_sha256
    from ops.deployments
    join ops.model_versions using (model, version)
    where model = 'recommend' and live_to is null
"""


@dataclass(frozen=True)
class Edition:
    """Which catalogue and which version a library is of, and the source of reviews that the version has learned."""

    version: int | None
    source: str | None
    artifact_sha256: str | None
    books: int
    fingerprint: str


class Library:
    """Books, the ways to find them, and what is offered for what; without a model that is live, the best reviewed."""

    def __init__(
        self, books: Sequence[Book], model: "BookRecommender | None", edition: Edition, titles: TitleIndex | None = None
    ):
        self.edition = edition
        self.books: Mapping[str, Book] = {book.book_id: book for book in books}
        self.titles = titles or TitleIndex(books)
        self.model = model
        self.well_reviewed = sorted(self.books, key=lambda book_id: (-(self.books[book_id].mean_stars or 0), book_id))
        self._popularity: dict[str, float] = {}
        if model is not None:
            self._popularity = dict(zip(model.book_ids_.tolist(), model.popularity_.tolist(), strict=True))
            known = [self.books.get(book_id) for book_id in self._popularity]
            self._pages = np.array([book.pages if book and book.pages else np.inf for book in known])

    @cached_property
    def _shelf(self) -> "Shelf":
        from ml.recommend.offer import Shelf

        return Shelf(self.model, self.books)

    def prepare(self) -> None:
        """Load what the first answers would wait for, and answer once."""
        words_of("잔잔한 가족 이야기")
        self.titles.find("잔잔한 가족 이야기", 1)
        if self.model is not None:
            self.offer(self.model.book_ids_[:1].tolist(), self.model.words_[:1].tolist(), [], 5)

    def keywords(self, text: str) -> tuple[str, ...]:
        """What of a text books can be found by; no other word of it is kept anywhere."""
        if self.model is None:
            return ()
        said = [word for word in dict.fromkeys(words_of(text)) if word not in _ASKING]
        known = set(self.model.words_[counted(self.model.words_, said)[0]].tolist())
        return tuple(word for word in said if word in known)

    def is_learned(self, book_id: str) -> bool:
        """Whether the live model knows the book."""
        return book_id in self._popularity

    def popularity(self, book_id: str) -> float:
        """How much a book is read, or how well it is reviewed where no model is live; for comparing alone."""
        if self.model is not None:
            return self._popularity.get(book_id, 0.0)
        return self.books[book_id].mean_stars or 0.0

    def offer(
        self,
        liked: Sequence[str],
        words: Sequence[str],
        read: Collection[str],
        count: int,
        pages_under: int | None = None,
    ) -> list[Suggestion]:
        """At most `count` books that fit, the best first, all of fewer pages than given; none read or liked."""
        if self.model is not None:
            among = None if pages_under is None else self._pages < pages_under
            return self._shelf.offer(liked, words, read, count, among)
        passed, works, found = {*liked, *read}, set(), []
        for book_id in self.well_reviewed:
            book = self.books[book_id]
            if book_id in passed or book.work_id in works or not _is_under(book, pages_under):
                continue
            works.add(book.work_id)
            found.append(Suggestion(book_id, book.mean_stars or 0.0, Why("popular")))
            if len(found) == count:
                break
        return found


def _is_under(book: Book, pages: int | None) -> bool:
    return pages is None or (book.pages is not None and book.pages < pages)


class Librarian:
    """Keeps the library of today: None until the first is there, and never less than it had.

    A lazy one begins to watch when it is first asked; of another someone else has the care.
    """

    def __init__(self, library: Library | None = None, *, is_lazy: bool = False):
        self.library = library
        self._is_lazy = is_lazy
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> Library | None:
        """The library of today, None while the first is loaded."""
        if self._is_lazy:
            self.watch()
        return self.library

    def refresh(self) -> bool:
        """Load the library anew where the live version or the catalogue has changed, and say whether it did."""
        edition = current_edition()
        if self.library is not None and self.library.edition == edition:
            return False
        library = load(edition)
        library.prepare()
        self.library = library
        return True

    def watch(self, seconds: float = CHECK_SECONDS) -> None:
        """Refresh in the background from now on, at once and then again and again; what fails is tried again."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, args=(seconds,), name="librarian", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the watching."""
        self._stopping.set()

    def _watch(self, seconds: float) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
            except Exception as error:
                # Whatever it was, the bot goes on with what it has and tries again.
                logger.warning("the library was not loaded: %s", error)
            self._stopping.wait(seconds if self.library is not None else min(seconds, 5))


def current_edition() -> Edition:
    """What the newest library would be of.

    Raises TimeoutError where the database is silent, so that whoever watches can always be stopped.
    """
    deadline = time.monotonic() + EDITION_SECONDS
    link = Link(Settings().role_url("skill"), deadline, statement_ms=1_000 * EDITION_SECONDS)
    try:
        live = link.ask(_LIVE, {}, deadline)
        ((books, fingerprint),) = link.ask(_FINGERPRINT, {}, deadline)
    finally:
        link.close()
    version, source, artifact_sha256 = live[0] if live else (None, None, None)
    return Edition(version, source, artifact_sha256, books, str(fingerprint))


def load(edition: Edition) -> Library:
    """The library of an edition; raises where the catalogue or the model cannot be read."""
    unpacking = Unpacking(edition.version, edition.artifact_sha256) if edition.version is not None else None
    try:
        # Meanwhile a process may be reading the model.
        words_of("잔잔한 가족 이야기")
        books = read_catalogue("skill", edition.source)
        titles = TitleIndex(books)
        model = unpacking.result() if unpacking is not None else None
    finally:
        if unpacking is not None:
            unpacking.stop()
    return Library(books, model, edition, titles)
