"""Reads ratings as sites write them."""

import re
import unicodedata

LONGEST = 200
# Three digits after a comma are thousands.
_NUMBER = r"(\d{1,4}(?:\.\d{1,3}|,\d{1,2}(?!\d))?)"
_UNIT = r"\s?(?:점|개|stars?|★|⭐)?\s?"
_PLAIN = re.compile(rf"{_NUMBER}\s?(?:점|개)?")
_PERCENT = re.compile(rf"(?<![\d.,\-]){_NUMBER}\s?%")
_OF = re.compile(rf"(?<![\d.,\-]){_NUMBER}{_UNIT}(?:/|out of|of)\s?{_NUMBER}(?![\d.,/])", re.IGNORECASE)
_FULL_MARK_FIRST = re.compile(
    rf"(?<![\d.,\-]){_NUMBER}\s?(?:점|개)\s?(?:만점에?|중에?)\s?(?:중에?\s)?(?:★\s?)?{_NUMBER}"
)
_ALONE = re.compile(rf"(?<![\d.,])(?<!\s-)(?<!^-){_NUMBER}(?![\d.,]?\d|\s?px)")
_WORD = re.compile(r"\b(one|two|three|four|five|six|seven|eight|nine|ten)\b", re.IGNORECASE)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_FULL, _EMPTY, _HALF = "★⭐🌟✭✮", "☆✩✰", "½⯪⯨"


def read_stars(text: str, scale: float) -> tuple[float, float]:
    """The rating and the scale's end that a text means: "★★★★☆", "★★★½", "4.5/5", "별표 4개", "5점 만점에 4점", "80%".

    `scale` is the end where the text names none. Raises ValueError when it cannot be read.
    """
    if plain := _PLAIN.fullmatch(text):
        return _number(plain[1]), scale
    if len(text) > LONGEST:
        raise ValueError(f"rating “{text[:40]}…” cannot be read: it is longer than {LONGEST} characters")
    shown = " ".join(text.split())[:40]
    halves = sum(map(text.count, _HALF))
    text = re.sub(r"(\d)\s?½", r"\1.5", text).translate(dict.fromkeys(map(ord, _HALF)))
    text = " ".join(unicodedata.normalize("NFKC", text).replace("\ufe0f", "").split())
    if plain := _PLAIN.fullmatch(text):
        return _number(plain[1]), scale
    full, empty = sum(map(text.count, _FULL)), sum(map(text.count, _EMPTY))
    # One star before a figure is an ornament: "★ 4.5".
    if full + empty > 1 or ((full or halves) and not any(map(str.isdecimal, text))):
        return full + min(halves, 1) / 2, max(scale, 10.0) if full + empty == 10 else scale
    if percents := _PERCENT.findall(text):
        if len(percents) == 1:
            return _number(percents[0]), 100.0
    elif text.count("/") > 1:
        pass
    elif found := _OF.search(text):
        return _number(found[1]), _number(found[2])
    elif found := _FULL_MARK_FIRST.search(text):
        return _number(found[2]), _number(found[1])
    elif len(numbers := _ALONE.findall(text)) == 1 and "만점" not in text:
        return _number(numbers[0]), scale
    elif not numbers and len(words := _WORD.findall(text)) == 1:
        return float(_WORDS[words[0].lower()]), scale
    raise ValueError(f"rating “{shown}” cannot be read")


def _number(text: str) -> float:
    return float(text.replace(",", "."))
