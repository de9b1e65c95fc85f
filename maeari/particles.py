"""Korean particles in the form that the sound before them asks for."""

import re
import unicodedata

_LATIN = re.compile("[A-Za-z]+")
_RIEUL = 8
_DIGITS = {"0": 21, "1": _RIEUL, "3": 16, "6": 1, "7": _RIEUL, "8": _RIEUL}
"""Digits whose name ends in a consonant (영, 일, 삼, 육, 칠, 팔), and which; 십, 백 and 천 end in one as well."""
_ENDING_OPEN = set("aiouywfszhjvx")
"""Last letters after which a word that is read in Korean has no final consonant."""
_ENDING_CLOSED = {"l": _RIEUL, "m": 16, "n": 4}
_NAMED_CLOSED = {"L": _RIEUL, "M": 16, "N": 4, "R": _RIEUL}
"""Letters whose own name ends in a consonant (엘, 엠, 엔, 알)."""


def with_particle(word: str, particle: str) -> str:
    """A word and its particle, given in both forms: `with_particle("『데미안』", "을/를")` is 『데미안』을.

    Marks after the last letter or digit have no sound. Where the sound cannot be told, as of most foreign words, both
    forms are written: 을(를).
    """
    closed, opened = particle.split("/")
    final = _final_consonant(word)
    if final is None:
        return word + (f"({closed[0]}){opened}" if closed[1:] == opened else f"{closed}({opened})")
    # After ㄹ it is 로, as after a vowel.
    return word + (closed if final and not (closed == "으로" and final == _RIEUL) else opened)


def _final_consonant(word: str) -> int | None:
    """The final consonant of the last sound, counted as in Unicode: 0 for none, None where it cannot be told."""
    text = unicodedata.normalize("NFKC", word)
    sounds = [letter for letter in text if letter.isalnum()]
    if not sounds:
        return None
    last = sounds[-1]
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28
    if last in "0123456789":
        return _DIGITS.get(last, 0)
    if not last.isascii():
        return None
    if _LATIN.findall(text)[-1].isupper():
        return _NAMED_CLOSED.get(last, 0)
    return 0 if last.lower() in _ENDING_OPEN else _ENDING_CLOSED.get(last.lower())
