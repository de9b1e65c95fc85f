"""Proposes words for the dictionary: nouns that are written together, and words that the analyser does not know."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from maeari import clock, postgres
from maeari.text import Morpheme, Word, frequent_strings, joined, morphemes
from ml.texts import dictionary
from ml.texts.collection import Collection, known_texts

NEWEST_TEXTS = 3_000
"""The texts that are looked through: words are wanted that come up now."""
LEAST_TEXTS = 10
LEAST_NPMI = 0.5
"""How much oftener than by chance two nouns must be written together, from -1 to 1 (Bouma 2009)."""
MOST = 300
_NOUNS = {"NNG", "NNP", "SL"}
_HANGUL = re.compile("[가-힣]{3,}")

_TEXTS = """
    select title, body from ({known_texts}) as known order by event_at desc, record_id limit %(most)s
"""


@dataclass(frozen=True)
class Proposal:
    """A word for the dictionary, why it is proposed, in how many texts it stands, and how sure that is (up to 1)."""

    word: Word
    kind: Literal["compound", "new"]
    texts: int
    score: float
    example: str


def propose(collection: Collection, as_of: date) -> list[Proposal]:
    """Words of the newest texts known at the end of `as_of` that are not in the dictionary, the surest first.

    Compounds are two nouns that stand side by side without a space far oftener than by chance; they are met with a
    space too once they are in the dictionary. New words are strings that behave like one noun and that the analyser
    takes apart.
    """
    texts = _read(collection, as_of)
    words = dictionary.words()
    found = list(morphemes(texts, words))
    known = {word.form.replace(" ", "") for word in words}
    proposals = {one.word.form.replace(" ", ""): one for one in _new(texts, words)}
    proposals |= {one.word.form.replace(" ", ""): one for one in _compounds(texts, found)}
    fresh = [one for form, one in proposals.items() if form not in known]
    return sorted(fresh, key=lambda one: (-one.score, one.word.form))[:MOST]


def _read(collection: Collection, as_of: date) -> list[str]:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            _TEXTS.format(known_texts=known_texts(collection)),
            {"known_until": clock.end_of_day(as_of), "most": NEWEST_TEXTS},
        )
        return [joined(title, body) for title, body in cursor.fetchall()]


def _compounds(texts: Sequence[str], found: Sequence[list[Morpheme]]) -> Iterator[Proposal]:
    alone: Counter[Morpheme | str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    in_texts: Counter[tuple[str, str]] = Counter()
    names: set[tuple[str, str]] = set()
    first_in: dict[tuple[str, str], tuple[int, int, int]] = {}
    for number, one in enumerate(found):
        alone.update(morpheme.form for morpheme in one if morpheme.tag in _NOUNS)
        met = set()
        for first, second in _side_by_side(one):
            pair = (first.form, second.form)
            together[pair] += 1
            met.add(pair)
            first_in.setdefault(pair, (number, first.start, second.end))
            if "NNP" in (first.tag, second.tag):
                names.add(pair)
        in_texts.update(met)
    nouns = alone.total()
    for pair, count in together.items():
        if in_texts[pair] < LEAST_TEXTS:
            continue
        chance = count / nouns
        npmi = math.log(chance * nouns * nouns / (alone[pair[0]] * alone[pair[1]])) / -math.log(chance)
        if npmi >= LEAST_NPMI:
            number, start, end = first_in[pair]
            word = Word(" ".join(pair), "NNP" if pair in names else "NNG")
            yield Proposal(word, "compound", in_texts[pair], npmi, _around(texts[number], start, end))


def _side_by_side(found: Sequence[Morpheme]) -> Iterator[tuple[Morpheme, Morpheme]]:
    for first, second in zip(found, found[1:], strict=False):
        both_nouns = first.tag in _NOUNS and second.tag in _NOUNS
        # Of one character many are no words of their own.
        if both_nouns and first.end == second.start and min(len(first.form), len(second.form)) > 1:
            yield first, second


def _new(texts: Sequence[str], words: tuple[Word, ...]) -> Iterator[Proposal]:
    strings = [one for one in frequent_strings(texts, LEAST_TEXTS) if _HANGUL.fullmatch(one[0])]
    for (form, score, _), parts in zip(strings, morphemes([form for form, _, _ in strings], words), strict=True):
        # What ends in a suffix or an ending, such as 님, is a word and more.
        if len(parts) > 1 and all(part.tag in _NOUNS for part in parts):
            holding = [text for text in texts if form in text]
            if len(holding) >= LEAST_TEXTS:
                start = holding[0].index(form)
                example = _around(holding[0], start, start + len(form))
                yield Proposal(Word(form, "NNP"), "new", len(holding), min(score, 1.0), example)


def _around(text: str, start: int, end: int) -> str:
    return " ".join(text[max(0, start - 15) : end + 15].split())
