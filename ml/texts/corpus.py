"""The texts of a collection as numbers: which keywords stand in which text, as they were known on a day."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count

import numpy as np
import pandas as pd
from scipy import sparse

from maeari import clock, postgres
from ml.texts.collection import Collection, known_texts

FETCH_ROWS = 500
HELD_OUT_ONE_IN = 10

_TEXTS = """
    select known.record_id, known.content_hash, known.original_id, known.source, known.section, known.subject_id,
        known.event_at, read.terms
    from ({known_texts}) as known
    inner join predictions.text_terms as read
        on read.collection = %(collection)s
        and read.record_id = known.record_id
        and read.content_hash = known.content_hash
    where %(model)s is null or not exists (
        select from predictions.topics as scored
        where scored.model = %(model)s
            and scored.model_version = %(version)s
            and scored.record_id = known.record_id
            and scored.content_hash = known.content_hash
    )
    order by known.event_at, known.record_id
    limit %(most)s
"""


@dataclass(frozen=True)
class Corpus:
    """Analysed texts, oldest first, and their keywords as numbers of words.

    Text `row` has the words `words[terms[offsets[row]:offsets[row + 1]]]`, in the order in which they are read. `texts`
    has the columns `record_id, content_hash, original_id, source, section, subject_id, event_at`.
    """

    texts: pd.DataFrame
    words: np.ndarray
    terms: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: np.ndarray) -> "Corpus":
        """The texts that a mask or an array of places names, in that order; words keep their numbers."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        lengths = np.diff(self.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        terms = self.terms[np.repeat(self.offsets[places], lengths) + within]
        return Corpus(self.texts.iloc[places].reset_index(drop=True), self.words, terms, offsets)

    def without_copies(self) -> "Corpus":
        """The texts less those that copy another one that is among them: the earliest of each counts."""
        return self.select(~self.texts.duplicated("original_id").to_numpy())

    def counts(self, vocabulary: Sequence[str], *, half: int | None = None) -> sparse.csr_matrix:
        """How often each word of a vocabulary stands in each text, shape (texts, words of the vocabulary).

        With `half` only every other word counts, from the first (0) or the second (1) on.
        """
        number_of = {word: number for number, word in enumerate(vocabulary)}
        columns = np.array([number_of.get(word, -1) for word in self.words.tolist()] or [-1], np.int32)[self.terms]
        lengths = np.diff(self.offsets)
        rows = np.repeat(np.arange(len(self)), lengths)
        kept = columns >= 0
        if half is not None:
            place = np.arange(len(self.terms)) - np.repeat(self.offsets[:-1], lengths)
            kept &= place % 2 == half
        ones = np.ones(int(kept.sum()), np.float64)
        found = sparse.csr_matrix((ones, (rows[kept], columns[kept])), shape=(len(self), len(vocabulary)))
        found.sum_duplicates()
        return found

    def vocabulary(
        self, stop_words: frozenset[str], *, min_texts: int, max_share: float, most: int
    ) -> tuple[list[str], np.ndarray]:
        """The words of at least so many texts and at most such a share of them, and in how many each stands.

        Those of the most texts come first, at most `most`; stop words are left out.
        """
        lengths = np.diff(self.offsets)
        rows = np.repeat(np.arange(len(self)), lengths)
        pairs = np.unique(rows * np.int64(max(1, len(self.words))) + self.terms)
        texts = np.bincount(pairs % max(1, len(self.words)), minlength=len(self.words))
        fits = (texts >= min_texts) & (texts <= max_share * len(self))
        fits &= ~np.isin(self.words, list(stop_words))
        # By their spelling among equals, so that the order hangs on nothing else.
        order = sorted(np.flatnonzero(fits), key=lambda number: (-texts[number], self.words[number]))[:most]
        return self.words[order].tolist(), texts[order]


def read_corpus(
    collection: Collection, as_of: date, *, unscored_by: int | None = None, most: int | None = None
) -> Corpus:
    """The analysed texts known at the end of `as_of`, or the first of those that a version has not scored yet."""
    parameters = {
        "collection": collection.value,
        "known_until": clock.end_of_day(as_of),
        "model": None if unscored_by is None else collection.model,
        "version": unscored_by,
        "most": most,
    }
    query = _TEXTS.format(known_texts=known_texts(collection))
    facts: list[tuple] = []
    lengths: list[int] = [0]
    parts: list[np.ndarray] = [np.empty(0, np.int32)]
    numbers: dict[str, int] = {}
    new = count()
    with postgres.connect("ml") as connection, connection.cursor(name="corpus") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(query, parameters)
        for *fact, terms in cursor:
            for term in terms:
                if term not in numbers:
                    numbers[term] = next(new)
            parts.append(np.fromiter((numbers[term] for term in terms), np.int32, len(terms)))
            lengths.append(len(terms))
            facts.append(fact)
    columns = ["record_id", "content_hash", "original_id", "source", "section", "subject_id", "event_at"]
    texts = pd.DataFrame(facts, columns=columns).astype({"event_at": "datetime64[us, UTC]"})
    return Corpus(texts, np.array(list(numbers), dtype=str), np.concatenate(parts), np.cumsum(lengths))


def is_held_out(original_ids: Sequence[str]) -> np.ndarray:
    """Which texts no version ever learns from, since releases are judged by them: one in ten, by its id alone.

    The copies of a text go with it.
    """
    digests = (hashlib.md5(one.encode(), usedforsecurity=False).digest() for one in original_ids)
    return np.fromiter((int.from_bytes(digest[:8]) % HELD_OUT_ONE_IN == 0 for digest in digests), bool)
