"""Why a book is offered, as a reader is told it: the one place of these words."""

from collections.abc import Mapping

from maeari.particles import with_particle
from maeari.text import one_line
from ml.recommend.model import Suggestion

LONGEST_TITLE = 40


def reason(suggestion: Suggestion, titles: Mapping[str, str]) -> str:
    """One Korean sentence of why the book is offered; `titles` are those of the liked books by their ids."""
    kind, named = suggestion.why
    if kind == "liked":
        return f"{with_particle(_quoted(titles.get(named[0])), '을/를')} 읽은 분들이 함께 골랐어요"
    if kind == "words":
        words = ", ".join(f"'{_attributive(one_line(word, LONGEST_TITLE))}'" for word in named)
        return f"{words} 이야기가 닮았어요" if words else "이야기의 결이 닮았어요"
    # What nobody has read is offered when nothing else is left.
    return "많은 분이 읽은 책이에요" if suggestion.score > 0 else "아직 읽은 분이 적은 책이에요"


def _quoted(title: str | None) -> str:
    shown = one_line(title or "", LONGEST_TITLE + 1)
    if not shown:
        return "좋아하신 책"
    return f"『{shown}』" if len(shown) <= LONGEST_TITLE else f"『{shown[:LONGEST_TITLE].rstrip()}…』"


def _attributive(word: str) -> str:
    """A keyword as it stands before a noun: 잔잔하다 is 잔잔한; others stay as they are."""
    return f"{word.removesuffix('하다')}한" if word.endswith("하다") and len(word) > len("하다") else word
