"""Reads ratings as sites write them."""

import re

_NUMBER = r"(\d{1,4}(?:[.,]\d{1,3})?)"
_PLAIN = re.compile(rf"{_NUMBER}\s*(?:점|개)?")
_OF = re.compile(rf"{_NUMBER}\s*(?:점|개)?\s*(?:/|out of|of)\s*{_NUMBER}", re.IGNORECASE)
_FULL_MARK_FIRST = re.compile(rf"{_NUMBER}\s*(?:점|개)?\s*(?:만점에?|중에?)\s*{_NUMBER}")
_ALONE = re.compile(rf"(?<![\d.,-]){_NUMBER}(?![\d.,])")
_FULL, _EMPTY = "★⭐🌟", "☆"


def read_stars(text: str, scale: float) -> tuple[float, float]:
    """The rating and the scale's end that a text means: "★★★★☆", "4.5/5", "별표 4개", "5점 만점에 4점", "8".

    `scale` is the end where the text names none. Raises ValueError when it cannot be read.
    """
    text = text.strip()
    if plain := _PLAIN.fullmatch(text):
        return _number(plain[1]), scale
    full, empty = sum(map(text.count, _FULL)), text.count(_EMPTY)
    # One star before a figure is an ornament: "★ 4.5".
    if full + empty > 1 or (full and not any(map(str.isdecimal, text))):
        return float(full), max(scale, 10.0) if full + empty == 10 else scale
    if found := _OF.search(text):
        return _number(found[1]), _number(found[2])
    if found := _FULL_MARK_FIRST.search(text):
        return _number(found[2]), _number(found[1])
    numbers = _ALONE.findall(text)
    if len(numbers) != 1:
        raise ValueError(f"rating “{text[:40]}” cannot be read")
    return _number(numbers[0]), scale


def _number(text: str) -> float:
    return float(text.replace(",", "."))
