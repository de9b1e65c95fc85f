"""A recommender of books as plain arrays: fitted once, answers in milliseconds, and says why it offers each."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from maeari.text import LONGEST, keywords, morphemes
from ml.errors import ArtifactChanged, ConfigError
from ml.recommend.config import RecommendConfig
from ml.recommend.items import item_vectors, neighbours, unit
from ml.recommend.texts import NOISE_WORDS, QUERY_DAMPING, counted, folded, postings, vocabulary, word_space

POOL_A_BOOK = 5
"""Best-fitting books looked at for each that is offered, so that there is something to be different with."""
NAMED_WORDS = 3
SAMPLED_EVERY = 32


class Why(NamedTuple):
    """Why a book is offered: readers of a liked book, the words of a text or of a liked book, or that many read it."""

    kind: Literal["liked", "words", "popular"]
    named: tuple[str, ...] = ()
    """The liked book's id; the words that the book and the text share, which may be none; nothing."""


class Suggestion(NamedTuple):
    """A book that is offered; of one answer, a higher score fits better."""

    book_id: str
    score: float
    why: Why


class BookRecommender:
    """Offers books by their readers, their words and their popularity; nothing changes after `fit`.

    A book's score is the sum of three parts. *Readers*: over the newest `last_books` of the liked ones, the cosine of
    who read both plus `vector_weight` times the cosine of their Word2Vec vectors; the newest weighs most (one over its
    place, plus `lasting_weight`). Where one of the two was never read, Doc2Vec's vectors stand in for Word2Vec's.
    *Words*: BM25 of the text's keywords, the best book at 1, plus `text_vector_weight` times the cosine of Doc2Vec's
    vectors. *Popularity*: the logarithm of the number of readers, the most popular book at `popularity_weight`; all
    there is for an unknown reader. Then books are picked one by one, the best fitting first, each by
    `relevance` times its score (the best at 1) less `1 - relevance` times the cosine with the most alike of those
    picked before (maximal marginal relevance, Carbonell and Goldstein 1998).

    `config` is a `RecommendConfig` as a dict.
    """

    def __init__(self, config: dict | None = None):
        self.config = config

    def fit(
        self, book_ids: Sequence[str], texts: Sequence[Sequence[str]], sequences: Sequence[np.ndarray]
    ) -> "BookRecommender":
        """Learn from each book's keywords, and from each reader's books, oldest first, as places in `book_ids`.

        Each book stands in a sequence once. Books in none of them are cold: found by their words alone.
        """
        if len(set(book_ids)) != len(book_ids) or len(texts) != len(book_ids):
            raise ConfigError(f"{len(set(book_ids))} different book ids of {len(book_ids)} and {len(texts)} texts.")
        config = self._config
        order = np.argsort(np.array(book_ids, dtype=str), kind="stable")
        place = np.empty(len(order), int)
        place[order] = np.arange(len(order))
        sequences = [place[one[-config.longest_sequence :]] for one in sequences if len(one)]
        texts = [texts[number] for number in order]
        books = len(order)
        self.book_ids_ = np.array(book_ids, dtype=str)[order]
        readers = np.bincount(np.concatenate([np.empty(0, int), *sequences]), minlength=books)
        self.popularity_ = (np.log1p(readers) / np.log1p(max(1, readers.max(initial=0)))).astype(np.float32)
        self.item_vectors_ = item_vectors(sequences, books, config)
        together = neighbours(sequences, books, config)
        self.neighbour_offsets_, self.neighbour_books_ = together.indptr, together.indices
        self.neighbour_weights_ = together.data
        self.words_ = vocabulary(texts, config)
        said = postings(texts, self.words_, config)
        self.posting_offsets_, self.posting_books_, self.posting_weights_ = said.indptr, said.indices, said.data
        self.word_vectors_, self.word_kept_, self.noise_vectors_ = word_space(texts, self.words_, config)
        self.usual_vector_ = np.zeros(config.text_vector_size, np.float32)
        self.text_vectors_ = self.folded(texts)
        has_words = self.text_vectors_.any(axis=1)
        if has_words.any():
            # What all texts have in common says nothing about any, and of few texts it is nearly everything.
            self.usual_vector_ = self.text_vectors_[has_words].mean(axis=0)
            self.text_vectors_[has_words] = unit(self.text_vectors_[has_words] - self.usual_vector_)
        self._lay_out()
        return self

    def recommend(
        self,
        liked: Sequence[str],
        text: str | None,
        read: Collection[str],
        count: int,
        among: np.ndarray | None = None,
    ) -> list[Suggestion]:
        """At most `count` books, the best first: fewer only where no more are left.

        `liked` are book ids, oldest first; `text` is what is asked for, in any words; none of either gives what many
        read. Neither `liked` nor `read` is offered again; ids that are not known are passed over. `among` says of each
        of `book_ids_` whether it may be offered.
        """
        return self.recommend_words(liked, words_of(text), read, count, among)

    def recommend_words(
        self,
        liked: Sequence[str],
        words: Sequence[str],
        read: Collection[str],
        count: int,
        among: np.ndarray | None = None,
    ) -> list[Suggestion]:
        """The same from the keywords of a text."""
        ranking = self.rank(liked, words, read, count, among)
        return [ranking.suggestion(book) for book in ranking.picked]

    def rank(
        self,
        liked: Sequence[str],
        words: Sequence[str],
        read: Collection[str],
        count: int,
        among: np.ndarray | None = None,
    ) -> "Ranking":
        """The same before it is said why."""
        places = self._places(liked)
        numbers, counts = counted(self.words_, words)
        asked = counts**QUERY_DAMPING
        by_readers, by_words = self._by_readers(places), self._by_words(numbers, counts, asked)
        evidence = by_readers + by_words
        scores = evidence + self._config.popularity_weight * self.popularity_
        scores[places] = scores[self._places(read)] = -np.inf
        if among is not None:
            np.copyto(scores, -np.inf, where=~among)
        return Ranking(self, self._picked(scores, count), scores, by_readers, by_words, places, numbers, asked)

    def folded(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """The vector of each text's keywords beside `text_vectors_`, shape (texts, size); zeros where none is known."""
        found = [self._folded(*counted(self.words_, text)) for text in texts]
        return np.array(found, np.float32).reshape(len(texts), self._config.text_vector_size)

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        if "book_ids_" in state:
            self._check()
            self._lay_out()

    def _lay_out(self) -> None:
        # Each answer multiplies every book by one vector, which takes half the time column by column.
        self.item_vectors_ = np.asfortranarray(self.item_vectors_)
        self.text_vectors_ = np.asfortranarray(self.text_vectors_)

    def _check(self) -> None:
        """Refuse arrays that no fit can have made, so that a wrong artifact never answers."""
        config, books, words = self._config, len(self.book_ids_), len(self.words_)
        for name in ("book_ids_", "words_"):
            named = getattr(self, name)
            if not isinstance(named, np.ndarray) or named.dtype.kind != "U" or (named[1:] <= named[:-1]).any():
                raise _wrong(name, "no rising array of texts")
        for kind, rows in (("neighbour", books), ("posting", words)):
            offsets, places = getattr(self, f"{kind}_offsets_"), getattr(self, f"{kind}_books_")
            if places.dtype.kind != "i" or ((places < 0) | (places >= books)).any():
                raise _wrong(f"{kind}_books_", "no places of books")
            if (
                offsets.dtype.kind != "i"
                or offsets.shape != (rows + 1,)
                or offsets[0] != 0
                or offsets[-1] != len(places)
                or (np.diff(offsets) < 0).any()
            ):
                raise _wrong(f"{kind}_offsets_", f"no {rows + 1} rising offsets")
        shapes = {
            "popularity_": (books,),
            "item_vectors_": (books, config.item_vector_size),
            "neighbour_weights_": (len(self.neighbour_books_),),
            "posting_weights_": (len(self.posting_books_),),
            "usual_vector_": (config.text_vector_size,),
            "text_vectors_": (books, config.text_vector_size),
            "word_vectors_": (words, config.text_vector_size),
            "word_kept_": (words,),
            "noise_vectors_": (NOISE_WORDS, config.text_vector_size),
        }
        for name, shape in shapes.items():
            found = getattr(self, name)
            if not isinstance(found, np.ndarray) or found.dtype != np.float32 or found.shape != shape:
                raise _wrong(name, f"no array of numbers of the shape {shape}")
            if not np.isfinite(found).all():
                raise _wrong(name, "not finite everywhere")

    @property
    def _config(self) -> RecommendConfig:
        return _config_of(tuple((self.config or {}).items()))

    def _places(self, book_ids: Collection[str]) -> np.ndarray:
        """The places of known books in the order given, each where it is named last."""
        named = list(dict.fromkeys(reversed(list(book_ids))))[::-1]
        if not named or not len(self.book_ids_):
            return np.empty(0, int)
        wanted = np.array(named, dtype=str)
        places = np.minimum(np.searchsorted(self.book_ids_, wanted), len(self.book_ids_) - 1)
        return places[self.book_ids_[places] == wanted]

    def _weights(self, liked: int) -> np.ndarray:
        weights = 1 / np.arange(liked, 0, -1) + self._config.lasting_weight
        return (weights / weights.sum()).astype(np.float32)

    def _by_readers(self, places: np.ndarray) -> np.ndarray:
        """What the readers of the newest liked books say for each book, shape (books,), float32."""
        places = places[-self._config.last_books :]
        found = np.zeros(len(self.book_ids_), np.float32)
        if not len(places):
            return found
        weights = self._weights(len(places))
        for place, weight in zip(places, weights, strict=True):
            row = slice(*self.neighbour_offsets_[place : place + 2])
            found[self.neighbour_books_[row]] += weight * self.neighbour_weights_[row]
        likeness = self.item_vectors_ @ (weights @ self.item_vectors_[places])
        is_cold = self.popularity_ == 0
        cold = is_cold[places]
        if cold.any():
            likeness += self.text_vectors_ @ (weights[cold] @ self.text_vectors_[places[cold]])
        if is_cold.any():
            warm = weights[~cold] @ self.text_vectors_[places[~cold]]
            likeness[is_cold] += self.text_vectors_[is_cold] @ warm
        return found + np.float32(self._config.vector_weight) * likeness

    def _by_words(self, numbers: np.ndarray, counts: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """What the words of a text say for each book, shape (books,), float32."""
        books = len(self.book_ids_)
        if not len(numbers):
            return np.zeros(books, np.float32)
        rows = [slice(*self.posting_offsets_[number : number + 2]) for number in numbers]
        said = np.concatenate([self.posting_books_[row] for row in rows])
        weights = [np.float32(weight) * self.posting_weights_[row] for row, weight in zip(rows, asked, strict=True)]
        found = np.bincount(said, np.concatenate(weights), books).astype(np.float32)
        found /= max(found.max(), np.float32(1e-12))
        likeness = self.text_vectors_ @ self._folded(numbers, counts)
        return found + np.float32(self._config.text_vector_weight) * likeness

    def _folded(self, numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """A text's vector of length 1, less what all books have in common; zeros where no word has one."""
        space = self.word_vectors_, self.word_kept_, self.noise_vectors_
        found = folded(numbers, counts, space, self._config.text_negatives)
        return unit((found - self.usual_vector_)[None])[0] if found.any() else found

    def _picked(self, scores: np.ndarray, count: int) -> list[int]:
        """The books to offer, by maximal marginal relevance among those that fit best."""
        count = min(count, int(np.isfinite(scores).sum()))
        if count < 1:
            return []
        size = min(len(scores), max(POOL_A_BOOK * count, 50))
        pool = best(scores, size)
        pool = pool[np.isfinite(scores[pool])]
        relevance = self._config.relevance
        fits = relevance * scores[pool] / max(float(np.abs(scores[pool]).max()), 1e-12)
        vectors = self._vectors(pool)
        picked, nearest = [0], vectors @ vectors[0]
        fits[0] = -np.inf
        while len(picked) < count:
            picked.append(int(np.argmax(fits - (1 - relevance) * nearest)))
            fits[picked[-1]] = -np.inf
            nearest = np.maximum(nearest, vectors @ vectors[picked[-1]])
        return pool[picked].tolist()

    def _vectors(self, places: np.ndarray) -> np.ndarray:
        """What tells how alike books are: both vectors side by side, at length 1."""
        return unit(np.hstack([self.item_vectors_[places], self.text_vectors_[places]]))

    def _why(
        self, book: int, by_readers: float, by_words: float, liked: np.ndarray, numbers: np.ndarray, asked: np.ndarray
    ) -> Why:
        if max(by_readers, by_words) <= 0:
            return Why("popular")
        if by_readers > by_words:
            liked = liked[-self._config.last_books :]
            shares = [self._together(place, book) for place in liked]
            leading = liked[np.argmax(self._weights(len(liked)) * shares)]
            # Nobody has read both where one is cold: their words are alike.
            is_read = self.popularity_[book] > 0 and self.popularity_[leading] > 0
            return Why("liked", (str(self.book_ids_[leading]),)) if is_read else Why("words")
        said = np.array([self._said(number, book) for number in numbers]) * asked
        telling = np.argsort(-said, kind="stable")[:NAMED_WORDS]
        return Why("words", tuple(self.words_[numbers[telling[said[telling] > 0]]].tolist()))

    def _together(self, place: int, book: int) -> float:
        row = slice(*self.neighbour_offsets_[place : place + 2])
        shared = self.neighbour_weights_[row][self.neighbour_books_[row] == book].sum()
        both_read = self.popularity_[place] > 0 and self.popularity_[book] > 0
        vectors = self.item_vectors_ if both_read else self.text_vectors_
        return float(shared + self._config.vector_weight * (vectors[place] @ vectors[book]))

    def _said(self, number: int, book: int) -> float:
        row = slice(*self.posting_offsets_[number : number + 2])
        return float(self.posting_weights_[row][self.posting_books_[row] == book].sum())


class Ranking(NamedTuple):
    """Books that fit, by their places, the best first, and what it takes to say why."""

    model: BookRecommender
    picked: list[int]
    scores: np.ndarray
    by_readers: np.ndarray
    by_words: np.ndarray
    liked: np.ndarray
    numbers: np.ndarray
    asked: np.ndarray

    def suggestion(self, book: int) -> Suggestion:
        """A book by its place, with its score and why."""
        why = self.model._why(book, self.by_readers[book], self.by_words[book], self.liked, self.numbers, self.asked)
        return Suggestion(str(self.model.book_ids_[book]), float(self.scores[book]), why)


def best(scores: np.ndarray, size: int) -> np.ndarray:
    """The places of the highest scores, the highest first, and of equal ones the first first."""
    if len(scores) > SAMPLED_EVERY * size:
        # Few reach what the best of a sample do, and those are sorted in a moment.
        sample = scores[::SAMPLED_EVERY]
        among = max(1, 4 * size // SAMPLED_EVERY)
        places = np.flatnonzero(scores >= np.partition(sample, len(sample) - among)[len(sample) - among])
        if size <= len(places) <= len(scores) // 4:
            return places[np.lexsort((places, -scores[places]))[:size]]
    return np.lexsort((np.arange(len(scores)), -scores))[:size]


@lru_cache(maxsize=16)
def _config_of(items: tuple) -> RecommendConfig:
    return RecommendConfig(**dict(items))


def words_of(text: str | None) -> list[str]:
    """The keywords of what a reader asks for, in any words."""
    return keywords(next(iter(morphemes([text[:LONGEST]])))) if text else []


def _wrong(name: str, what: str) -> ArtifactChanged:
    return ArtifactChanged(f"The saved recommender cannot be right: {name} is {what}. Train and release a new version.")
