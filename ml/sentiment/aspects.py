"""What a review says of each aspect (taste, price, …): the clauses with a seed word of it, and what they add up to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from maeari.settings import Settings
from maeari.text import Morpheme, Term, terms
from ml.errors import ConfigError

COMMITTED = Path(__file__).parent / "aspects.yml"

_JOINING = {"고", "나", "으나", "며", "으며"}
_MARKS = {"SF", "SE", "SP"}
_NOUNS = {"NNG", "NNP", "SL"}

_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30)]
_Key = Annotated[str, StringConstraints(pattern="^[a-z][a-z_]{0,29}$")]


class Aspect(BaseModel):
    """One aspect: how pages call it, and the words that speak of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Word
    seeds: tuple[_Word, ...] = Field(min_length=1, max_length=500)


class Aspects(BaseModel):
    """The seed-word file: which sources' reviews have aspects, and the aspects by their key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[_Word, ...]
    aspects: dict[_Key, Aspect] = Field(min_length=1, max_length=20)


def load() -> Aspects:
    """The file `MAEARI_HOME/aspects.yml`, else the committed one; raises `ConfigError` when it cannot be used."""
    own = Settings().path("aspects.yml")
    file = own if own.exists() else COMMITTED
    try:
        return Aspects.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be used:\n{error}\nCorrect it; {COMMITTED} shows how one is made.") from error


def clauses(text: str, found: Sequence[Morpheme]) -> list[tuple[int, int]]:
    """Where the clauses of a text stand, from its morphemes.

    A clause ends with a sentence, a line, a mark (a comma after a noun lists things and ends none) and an ending that
    joins or contrasts: 지만, 는데, 으나, 고, 며, though not the 고 of 고 싶다.
    """
    spans, start = [], None
    for position, morpheme in enumerate(found):
        start = morpheme.start if start is None else start
        following = found[position + 1] if position + 1 < len(found) else None
        if following is None or _ends(text, found[max(position - 1, 0)], morpheme, following):
            spans.append((start, morpheme.end))
            start = None
    return spans


def aspect_scores(seeds: Aspects, text: str, characters: np.ndarray, found: Sequence[Morpheme]) -> dict[str, dict]:
    """For each aspect that a text speaks of, the sum of contributions in its clauses and where they stand, as JSON.

    `{"taste": {"score": 1.2, "spans": [[0, 9]]}}`; a clause that speaks of several aspects counts for each.
    """
    said = [(term.start, _said(text, term, found)) for term in terms(found)]
    scores: dict[str, dict] = {}
    for start, end in clauses(text, found):
        words = {word for at, forms in said if start <= at < end for word in forms}
        for key, aspect in seeds.aspects.items():
            if not words.isdisjoint(aspect.seeds):
                of_aspect = scores.setdefault(key, {"score": 0.0, "spans": []})
                of_aspect["score"] += float(characters[start:end].sum(dtype=np.float64))
                of_aspect["spans"].append([start, end])
    return scores


def _ends(text: str, before: Morpheme, morpheme: Morpheme, following: Morpheme) -> bool:
    """Whether a clause ends with the morpheme."""
    if "\n" in text[morpheme.end : following.start]:
        return True
    if morpheme.tag == "SP":
        return before.tag not in _NOUNS
    if following.tag in _MARKS:
        return False
    if following.tag in ("VX", "JX"):
        return False
    # Kiwi takes the end of 맛있는데 for a noun where it might be one.
    contrasts = morpheme.tag in ("EC", "NNB") and morpheme.form.endswith(("지만", "데"))
    joins = morpheme.tag == "EC" and morpheme.form in _JOINING
    return contrasts or joins or morpheme.tag in ("EF", "SF", "SE") or following.tag == "MAJ"


def _said(text: str, term: Term, found: Sequence[Morpheme]) -> set[str]:
    """The words that a term may stand for in a list of seeds: without its negation, and as it is written."""
    plain = term.form.removeprefix("안 ").removeprefix("못 ").removesuffix(" 없다")
    written = {text[term.start : morpheme.end] for morpheme in found if 0 < morpheme.end - term.start <= 30}
    return {term.form, plain} | written
