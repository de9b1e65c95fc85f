"""Sentences from patterns: pools of words, Korean particles and endings, compiled so that drawing one is quick."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

TEXTS = Path(__file__).parent / "texts"
VOICES = ("formal", "polite", "casual")

# A compiled sentence: fixed text, and choices between texts.
Sentence = tuple[str | tuple[str, ...], ...]

_PARTICLES = {
    "은": ("은", "는"), "는": ("은", "는"), "이": ("이", "가"), "가": ("이", "가"), "을": ("을", "를"),
    "이랑": ("이랑", "랑"), "이라": ("이라", "라"), "으로": ("으로", "로"),
}  # fmt: skip
_DIGITS_WITH_FINAL = "013678"
_SLOT = re.compile(r"\{(\w+)([~=%&]?)(?::(\w+))?\}")


@cache
def texts(name: str) -> dict:
    """The content of one file of `demo/texts`."""
    return yaml.safe_load((TEXTS / f"{name}.yml").read_text(encoding="utf-8"))


def words(text: str) -> tuple[str, ...]:
    """The words of a pool, written with commas between them."""
    return tuple(part.strip() for part in text.split(","))


def lines(text: str) -> tuple[str, ...]:
    """The lines of a block."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def final_consonant(word: str) -> int:
    """The index of the last syllable's final consonant: 0 for none, 8 for ㄹ."""
    last = word.rstrip("』")[-1]
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28
    if last.isdigit():
        return 8 if last in "178" else int(last in _DIGITS_WITH_FINAL)
    return 0


def with_particle(word: str, particle: str) -> str:
    """The word with a particle in the form its last sound asks for."""
    if particle not in _PARTICLES:
        return word + particle
    after_consonant, after_vowel = _PARTICLES[particle]
    final = final_consonant(word)
    if particle == "으로" and final == 8:
        return word + after_vowel
    return word + (after_consonant if final else after_vowel)


def prospective(stem: str) -> str:
    """An adjective's stem before 줄: 좋 → 좋을, 친절하 → 친절할, 시끄럽 → 시끄러울."""
    return _adnominal(stem, "을", 8)


def attributive(stem: str) -> str:
    """An adjective's stem before a noun: 좋 → 좋은, 친절하 → 친절한, 맛있 → 맛있는, 시끄럽 → 시끄러운."""
    return stem + "는" if stem[-1] in "있없" else _adnominal(stem, "은", 4)


def _adnominal(stem: str, syllable: str, final: int) -> str:
    consonant = final_consonant(stem)
    if consonant == 0:
        return stem[:-1] + chr(ord(stem[-1]) + final)
    if consonant == 8:
        return stem[:-1] + (stem[-1] if final == 8 else chr(ord(stem[-1]) - 8 + final))
    if consonant == 17 and stem[-1] != "좁":
        return stem[:-1] + chr(ord(stem[-1]) - 17) + chr(ord("우") + final)
    return stem + syllable


_FORMS: dict[str, Callable[[str, str], str]] = {
    "~": lambda stem, past: stem,
    "=": lambda stem, past: past,
    "%": lambda stem, past: prospective(stem),
    "&": lambda stem, past: attributive(stem),
}


class Aspect:
    """One thing people judge: its nouns, and adjectives for and against as (stem, past) pairs."""

    def __init__(self, facts: dict) -> None:
        self.nouns = words(facts["nouns"])
        self.adjectives = {
            sentiment: tuple(tuple(pair.split("/")) for pair in words(facts[sentiment]))
            for sentiment in ("positive", "negative")
        }


def compile_sentence(
    pattern: str,
    pools: dict[str, tuple[str, ...]],
    *,
    nouns: dict[str, tuple[str, ...]] | None = None,
    adjectives: dict[str, tuple[tuple[str, str], ...]] | None = None,
) -> Sentence:
    """A pattern as fixed texts and choices: `{pool}`, `{pool:particle}`, and for judgements `{n}`, `{P=}`."""
    parts: list[str | tuple[str, ...]] = []
    end = 0
    for slot in _SLOT.finditer(pattern):
        name, form, particle = slot.groups()
        if form:
            choices = tuple(_FORMS[form](*pair) for pair in adjectives[name])
        else:
            choices = (nouns or {}).get(name) or pools[name]
        if particle:
            choices = tuple(with_particle(word, particle) for word in choices)
        parts += [pattern[end : slot.start()], choices]
        end = slot.end()
    parts.append(pattern[end:])
    return tuple(part for part in parts if part)


def draw(sentence: Sentence, random: Callable[[], float]) -> str:
    """One sentence; `random` gives numbers in [0, 1)."""
    return "".join([part if type(part) is str else part[int(random() * len(part))] for part in sentence])
