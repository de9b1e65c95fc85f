"""Which book or author is meant by what a person typed: spaces, marks, particles and slips of the keyboard aside."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from rapidfuzz import fuzz

LIKE_ENOUGH = 0.8
"""The least score of a match: below it, free words would be taken for titles."""
LONGEST_QUERY = 80
"""Letters that are read of a query; a longer one is a text, and no title."""
_GRAM, _CANDIDATES = 3, 40
_RAREST, _LOOKED_AT, _NEAR_SHARE = 6, 20_000, 0.35
"""Of the runs of letters that are asked for the rarest are looked at: so many, and more until so many titles."""
_SURE_BEGINNING, _BEGUN_SHARE, _BEGUN_SCORE = 4, 0.4, 0.9
_LONGEST_MENTION = 8
_SHORTEST_MENTION = 3
_SHORTEST_FUZZY_NAME = 5
"""Letters below which an author's name must be right: a slip in a shorter one is often another person's name."""
_NO_LETTER = re.compile(r"[^\w]|_")
_SUBTITLE = re.compile(r"[:：|(（\[]|\s[-–—]\s")
_QUOTED = re.compile(r"[『「《〈<\"“'‘]([^『「《〈<\"“'‘』」》〉>\"”'’]{1,80})[』」》〉>\"”'’]")
_NAMES = re.compile(r"[,;/·&|]|\s(?:및|and|외)\s")
_ROLE = re.compile(
    r"\s*[(（\[][^)）\]]*[)）\]]|\s+(?:지음|지은이|글쓴이|글|그림|저|저자|옮김|옮긴이|역|엮음|엮은이|편저|편|원작|감수|사진)(?:\s.*)?$"
)
_PARTICLES = (
    "이라는", "이라고", "이랑은", "에서는", "이란", "이랑", "라는", "라고", "처럼", "하고", "보다", "부터", "까지",
    "에는", "에서", "이요", "이야", "같은", "말고", "을", "를", "이", "가", "은", "는", "의", "에", "도", "만", "랑",
    "와", "과", "요",
)  # fmt: skip
_PARTICLES_BY_END = {end: tuple(one for one in _PARTICLES if one[-1] == end) for end in {one[-1] for one in _PARTICLES}}


class Match(NamedTuple):
    """A book that may be meant; the score is 1 where the title is the same, and lower the more it differs."""

    book_id: str
    score: float


class Author(NamedTuple):
    """An author who may be meant, with the ids of their books in the order of the catalogue."""

    name: str
    book_ids: tuple[str, ...]
    score: float


class Titled(Protocol):
    """What a book must have to be found."""

    @property
    def book_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def author(self) -> str | None: ...


class TitleIndex:
    """Finds books and authors of a catalogue; where several fit alike, those that stand first in it come first."""

    def __init__(self, books: Iterable[Titled]):
        self._book_ids: list[str] = []
        titles: dict[str, list[int]] = {}
        authors: dict[str, list[int]] = {}
        names: dict[str, str] = {}
        known: dict[str, dict[str, str]] = {}
        for place, book in enumerate(books):
            self._book_ids.append(book.book_id)
            for key in _title_keys(book.title):
                titles.setdefault(key, []).append(place)
            if book.author is not None and book.author not in known:
                known[book.author] = {letters(name): name for name in author_names(book.author)}
                names |= {key: name for key, name in known[book.author].items() if key not in names}
            for key in known.get(book.author, ()):
                authors.setdefault(key, []).append(place)
        self._titles, self._authors, self._names = titles, authors, names
        self._surnames: dict[str, list[str]] = {}
        for key, name in names.items():
            if len(words := name.split()) > 1 and len(last := letters(words[-1])) > 1:
                self._surnames.setdefault(last, []).append(key)
        self._fuzzy_titles = _Spellings(list(titles))
        self._fuzzy_authors = _Spellings([key for key in authors if len(key) >= _SHORTEST_FUZZY_NAME])

    def __len__(self) -> int:
        return len(self._book_ids)

    def find(self, text: str, count: int, least: float = LIKE_ENOUGH) -> list[Match]:
        """At most `count` books whose title the text is, the likeliest first; none below the least score."""
        wanted = letters(text)
        if not wanted or len(wanted) > LONGEST_QUERY:
            return []
        for key in without_particles(wanted):
            if key in self._titles:
                return [Match(self._book_ids[place], 1.0) for place in self._titles[key][:count]]
        if least >= 1:
            return []
        found: dict[str, float] = {}
        for key, score in self._fuzzy_titles.near(wanted, least):
            for place in self._titles[key]:
                found.setdefault(self._book_ids[place], score)
        return [Match(book_id, score) for book_id, score in found.items()][:count]

    def mentioned(self, text: str, count: int) -> list[Match]:
        """The books whose title stands within the text, in quotation marks or as whole words; the longest title first.

        A title of one or two letters must stand in quotation marks.
        """
        for quoted in _QUOTED.findall(text):
            if found := self.find(quoted, count):
                return found
        words = text.split()[:LONGEST_QUERY]
        longest: tuple[int, str] = (_SHORTEST_MENTION - 1, "")
        for first in range(len(words)):
            spelled = ""
            for word in words[first : first + _LONGEST_MENTION]:
                spelled += letters(word)
                for key in without_particles(spelled):
                    if len(key) > longest[0] and key in self._titles:
                        longest = len(key), key
        return [Match(self._book_ids[place], 1.0) for place in self._titles.get(longest[1], [])[:count]]

    def find_author(self, text: str, least: float = LIKE_ENOUGH) -> Author | None:
        """The author whose name the text is, or the last word of it where that is one author's alone."""
        wanted = letters(text)
        if not wanted or len(wanted) > LONGEST_QUERY:
            return None
        for key in without_particles(wanted):
            if key in self._authors:
                return self._author(key, 1.0)
            if len(known := self._surnames.get(key, [])) == 1:
                return self._author(known[0], 1.0)
        if len(wanted) < _SHORTEST_FUZZY_NAME or least >= 1:
            return None
        near = next(self._fuzzy_authors.near(wanted, least), None)
        return near and self._author(*near)

    def mentioned_author(self, text: str) -> Author | None:
        """The author whose whole name of three letters or more stands within the text as words; the longest name."""
        words = text.split()[:LONGEST_QUERY]
        longest: tuple[int, str] = (_SHORTEST_MENTION - 1, "")
        for first in range(len(words)):
            spelled = ""
            for word in words[first : first + 4]:
                spelled += letters(word)
                for key in without_particles(spelled):
                    if len(key) > longest[0] and key in self._authors:
                        longest = len(key), key
        return self._author(longest[1], 1.0) if longest[1] else None

    def _author(self, key: str, score: float) -> Author:
        return Author(self._names[key], tuple(self._book_ids[place] for place in self._authors[key]), score)


def letters(text: str) -> str:
    """The letters and digits of a text alone, however they were typed."""
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).casefold())


def without_particles(key: str) -> list[str]:
    """What may be meant by letters: they themselves, then without one particle at their end, then without two."""
    found = [key]
    begun = 0
    for _ in range(2):
        begun, last = len(found), found[begun:]
        for whole in last:
            for particle in _PARTICLES_BY_END.get(whole[-1:], ()):
                if whole.endswith(particle) and len(whole) > len(particle):
                    found.append(whole.removesuffix(particle))
    return found if len(found) < 3 else list(dict.fromkeys(found))


def author_names(author: str | None) -> list[str]:
    """The names in an author's field, without what each of them did for the book."""
    names = [_ROLE.sub("", f" {part.strip()}").strip() for part in _NAMES.split(author or "")]
    return list(dict.fromkeys(name for name in names if letters(name)))


def _title_keys(title: str) -> list[str]:
    keys, subtitle = [letters(title)], _SUBTITLE.search(title)
    if subtitle:
        keys.append(letters(title[: subtitle.start()]))
    return [key for key in dict.fromkeys(keys) if key]


class _Spellings:
    """Keys by the runs of three letters, of Hangul the parts of a syllable, that they are spelled with."""

    def __init__(self, keys: Sequence[str]):
        self._keys = keys
        self._spelled = [unicodedata.normalize("NFD", key) for key in keys]
        runs, owners = _runs(self._spelled)
        order = np.argsort(runs, kind="stable")
        self._runs, counts = np.unique(runs[order], return_counts=True)
        self._owners = owners[order].astype(np.int32)
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        self._telling = np.log1p(len(keys) / np.maximum(counts, 1)).astype(np.float32)
        self._lengths = np.sqrt(np.bincount(owners, minlength=len(keys))).astype(np.float32)

    def near(self, wanted: str, least: float) -> Iterator[tuple[str, float]]:
        """The keys that are spelled much like the wanted letters, with their scores, the likest first."""
        spelled = unicodedata.normalize("NFD", wanted)
        scored = []
        for place in self._candidates(spelled):
            score = fuzz.ratio(spelled, self._spelled[place]) / 100
            key = self._keys[place]
            is_begun = len(wanted) >= _SURE_BEGINNING and key.startswith(wanted)
            if is_begun and len(wanted) >= _BEGUN_SHARE * len(key):
                score = max(score, _BEGUN_SCORE)
            if score >= least:
                scored.append((-score, place))
        for score, place in sorted(scored):
            yield self._keys[place], -score

    def _candidates(self, spelled: str) -> list[int]:
        asked = np.unique(_runs([spelled])[0])
        places = np.minimum(np.searchsorted(self._runs, asked), max(0, len(self._runs) - 1))
        places = places[self._runs[places] == asked] if len(self._runs) else places[:0]
        sizes = self._offsets[places + 1] - self._offsets[places]
        rarest = np.argsort(sizes, kind="stable")
        # What stands in many titles takes long to look at and tells few from another.
        places = places[rarest[(np.cumsum(sizes[rarest]) <= _LOOKED_AT) | (np.arange(len(rarest)) < _RAREST)]]
        if not len(places):
            return []
        rows = [self._owners[self._offsets[place] : self._offsets[place + 1]] for place in places]
        telling = np.repeat(self._telling[places], [len(row) for row in rows])
        found = np.bincount(np.concatenate(rows), telling, minlength=len(self._keys))
        near = np.flatnonzero(found > _NEAR_SHARE * found.max())
        fits = found[near] / self._lengths[near]
        if len(near) > _CANDIDATES:
            near = near[np.argpartition(-fits, _CANDIDATES - 1)[:_CANDIDATES]]
        return near.tolist()


def _runs(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each run of letters of each text as one number, and the text that it is of."""
    signs = np.frombuffer("".join(f" {text} " for text in texts).encode("utf-32-le", "replace"), np.uint32)
    lengths = np.array([len(text) + 2 for text in texts], int)
    owners = np.repeat(np.arange(len(texts)), lengths)
    # A text alone has one run less two; a number holds three signs, of which Unicode has fewer than 2 to the 21st.
    runs = np.zeros(max(0, len(signs) - _GRAM + 1), np.uint64)
    for step in range(_GRAM):
        runs = (runs << np.uint64(21)) | signs[step : step + len(runs)].astype(np.uint64)
    whole = owners[: len(runs)] == owners[_GRAM - 1 :][: len(runs)]
    return runs[whole], owners[: len(runs)][whole]
