"""A review's text in stretches: which spoke for a positive review, which for a negative one, and how strongly.

Contributions are in the unit of the model's score (log odds), one for each character, as `ml/sentiment/explain.py`
stores them.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from maeari.text import joined

# From these on a stretch is marked weakly, clearly, strongly; the legend of the page says so too.
# Of the words of film reviews a half lies below the first, nine in ten below the second.
STEPS = (0.25, 0.8, 1.5)
# Within a word the side changes only where the other side gains this much: words, not confetti.
TURN = 0.8
LONGEST_TEXT = 20_000
# No stretch may begin with what belongs to the character before it.
_ATTACHED = {"Mn", "Mc", "Me", "Cf", "Sk"}
_JOINER = "\u200d"
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Stretch:
    """Some characters in a row and what they add to the score; None where nobody knows."""

    text: str
    contribution: float | None = None

    @property
    def tone(self) -> str:
        """The CSS class: `plus-1` to `plus-3`, `minus-1` to `minus-3`, or none."""
        step = strength(self.contribution)
        return f"{'plus' if self.contribution > 0 else 'minus'}-{step}" if step else ""


@dataclass(frozen=True)
class Word:
    """What stands between two spaces, with what each method says it adds to the score."""

    text: str
    contribution: float
    shap: float | None
    lime: float | None


@dataclass(frozen=True)
class ColouredText:
    """A review in stretches, the title apart; `left_out` characters are too many to show."""

    title: list[Stretch]
    body: list[Stretch]
    is_explained: bool
    left_out: int = 0


def strength(contribution: float | None) -> int:
    """How strongly something speaks for either side: 0 (hardly) to 3."""
    return 0 if contribution is None else sum(abs(contribution) >= step for step in STEPS)


def colour(
    title: str | None, body: str, contributions: Sequence[float] | None, longest: int = LONGEST_TEXT
) -> ColouredText:
    """The text in stretches; in one, unmarked, where contributions are missing or belong to another text."""
    text = joined(title, body)
    is_explained = contributions is not None and len(contributions) == len(text)
    values = _without_spaces(text, contributions) if is_explained else None
    # A line break never composes with what stands before it, so the title ends where it ends alone.
    title_end = len(joined(None, title)) if title else 0
    body_start = min(len(text), title_end + 1) if title else 0
    return ColouredText(
        _stretches(text, values, 0, min(title_end, longest)),
        _stretches(text, values, min(body_start, longest), min(len(text), longest)),
        is_explained,
        max(0, len(text) - longest),
    )


def words(
    title: str | None,
    body: str,
    contributions: Sequence[float],
    shap: Sequence[float] | None = None,
    lime: Sequence[float] | None = None,
) -> list[Word]:
    """Every word in its order; SHAP's and LIME's values only where there is one for each word.

    The contributions are those of this very text, one for each character.
    """
    text = joined(title, body)
    sums = [0.0, *accumulate(_without_spaces(text, contributions))]
    found = [(match[0], sums[match.end()] - sums[match.start()]) for match in _WORD.finditer(text)]
    by_method = [
        values if values is not None and len(values) == len(found) else [None] * len(found) for values in (shap, lime)
    ]
    return [
        Word(word, value, by_shap, by_lime) for (word, value), by_shap, by_lime in zip(found, *by_method, strict=True)
    ]


def _without_spaces(text: str, contributions: Sequence[float]) -> list[float]:
    """The contributions with those of white space moved to the word before it, at the beginning to the first word.

    So the words add up to the text, as they do in `ml/sentiment/explain.py`.
    """
    values, words = list(contributions), list(_WORD.finditer(text))
    for word, following in pairwise([*words, None]):
        values[word.end() - 1] += sum(values[word.end() : following.start() if following else len(text)])
    if words:
        values[words[0].start()] += sum(values[: words[0].start()])
    return values


def _stretches(text: str, values: Sequence[float] | None, start: int, end: int) -> list[Stretch]:
    if values is None:
        return [Stretch(text[start:end])] if start < end else []
    found, at = [], start
    for word in _WORD.finditer(text, start, end):
        if at < word.start():
            found.append(Stretch(text[at : word.start()]))
        for first, last in pairwise(_turns(text, values, word.start(), word.end())):
            found.append(Stretch(text[first:last], sum(values[first:last])))
        at = word.end()
    if at < end:
        found.append(Stretch(text[at:end]))
    return found


def _turns(text: str, values: Sequence[float], start: int, end: int) -> list[int]:
    """Where the running sum of a word turns by at least `TURN`, with the word's two ends."""
    sums = [0.0, *accumulate(values[start:end])]
    turns, direction, highest, lowest = [0], 0, 0, 0
    for place, value in enumerate(sums):
        if direction >= 0 and value > sums[highest]:
            highest = place
        if direction <= 0 and value < sums[lowest]:
            lowest = place
        if direction <= 0 and value - sums[lowest] >= TURN:
            turns.append(lowest)
            direction, highest = 1, place
        elif direction >= 0 and sums[highest] - value >= TURN:
            turns.append(highest)
            direction, lowest = -1, place
    inner = (start + place for place in turns if 0 < place < end - start)
    return [start, *(place for place in inner if _may_part(text, place)), end]


def _may_part(text: str, place: int) -> bool:
    return unicodedata.category(text[place]) not in _ATTACHED and text[place - 1] != _JOINER
