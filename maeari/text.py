"""Korean text as morphemes and as the terms that carry what it says (kiwipiepy)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

LONGEST = 10_000
"""Characters of a text that are read; the rest has no morphemes, since a run without spaces takes a minute a MB."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOUNS = {"NNG", "NNP", "SL", "XR"}
_STEMS = {"VV", "VA"}
_VERB_SUFFIXES = {"XSA", "XSV"}
_NEGATIONS = {"안", "못"}
# Stems that say nothing by themselves, and the one-syllable adverbs that say something.
_LIGHT = {"하다", "되다", "있다", "같다"}
_SHORT_ADVERBS = {"잘", "꼭", "또", "딱"}


class Morpheme(NamedTuple):
    """A morpheme and where it stands, as indices of the text's characters; of 했 both 하 and 었 are the whole."""

    form: str
    tag: str
    start: int
    end: int


class Term(NamedTuple):
    """A content word in the form of a dictionary, and where it stands."""

    form: str
    start: int
    end: int


def morphemes(texts: Iterable[str]) -> Iterator[list[Morpheme]]:
    """The morphemes of each text in turn, whatever it holds; texts should be in Unicode's form NFC.

    Tags are those of the Sejong corpus as Kiwi has them, without its marks of irregular verbs (`VV-I` is `VV`).
    """
    # Kiwi reads UTF-16, in which a lone surrogate is no text and a pair would be one character instead of two.
    read = (_SURROGATE.sub("\ufffd", text[:LONGEST]) for text in texts)
    for tokens in _kiwi().tokenize(read, compatible_jamo=True):
        yield [Morpheme(token.form, token.tag.partition("-")[0], token.start, token.end) for token in tokens]


def terms(found: Sequence[Morpheme]) -> list[Term]:
    """The content terms among the morphemes of a text, in order.

    Nouns and foreign words in lower case; verbs and adjectives as stem and 다, with what they are made of (불친절하다);
    adverbs. What is negated says so: 안 맛있다 (also of 맛있지 않다), 못 가다, 맛 없다.
    """
    terms, position = [], 0
    while position < len(found):
        term, after = _term(found, position)
        if term is not None and term.form not in _LIGHT:
            terms.append(term)
        position = after
    return terms


def _term(found: Sequence[Morpheme], position: int) -> tuple[Term | None, int]:
    """The term that begins at a position, if one does, and the position after it."""
    first, at, before = found[position], position, ""
    if first.tag == "MAG" and first.form in _NEGATIONS and _is_stem(found, position + 1):
        before, at = f"{first.form} ", position + 1
    stem = _stem(found, at)
    if stem is not None:
        form, at = stem
        after, negation = _negation_after(found, at)
        return Term(f"{negation or before}{form}", first.start, found[after - 1].end), after
    noun, at = _noun(found, position)
    if noun:
        absent = at + (at < len(found) and found[at].tag in ("JKS", "JX"))
        if absent < len(found) and found[absent].form == "없" and found[absent].tag == "VA":
            return Term(f"{noun} 없다", first.start, found[absent].end), absent + 1
        return Term(noun, first.start, found[at - 1].end), at
    if first.tag == "MAG" and (len(first.form) > 1 or first.form in _SHORT_ADVERBS | _NEGATIONS):
        return Term(first.form, first.start, first.end), position + 1
    return None, position + 1


def _noun(found: Sequence[Morpheme], at: int) -> tuple[str, int]:
    prefix = ""
    if found[at].tag == "XPN" and at + 1 < len(found) and found[at + 1].tag in _NOUNS:
        prefix, at = found[at].form, at + 1
    return (prefix + found[at].form.lower(), at + 1) if found[at].tag in _NOUNS else ("", at)


def _stem(found: Sequence[Morpheme], at: int) -> tuple[str, int] | None:
    if found[at].tag in _STEMS:
        return f"{found[at].form}다", at + 1
    noun, at = _noun(found, at)
    if noun and at < len(found) and found[at].tag in _VERB_SUFFIXES:
        return f"{noun}{found[at].form}다", at + 1
    return None


def _is_stem(found: Sequence[Morpheme], at: int) -> bool:
    return at < len(found) and _stem(found, at) is not None


def _negation_after(found: Sequence[Morpheme], at: int) -> tuple[int, str]:
    """The position after 지 (는, 도, 가) 않 or 못하 and what it means, else the given one and nothing."""
    forms = [morpheme.form for morpheme in found[at : at + 4]]
    if forms[:1] != ["지"] or found[at].tag != "EC":
        return at, ""
    particle = len(forms) > 1 and found[at + 1].tag in ("JX", "JKS", "JKO")
    rest = forms[1 + particle :]
    if rest[:1] == ["않"]:
        return at + particle + 2, "안 "
    if rest[:1] == ["못하"]:
        return at + particle + 2, "못 "
    if rest[:2] == ["못", "하"]:
        return at + particle + 3, "못 "
    return at, ""


@cache
def _kiwi():
    # Hundreds of megabytes and seconds to load: one a process, and only where morphemes are asked for. Names of
    # several words are left out: they would hide the words they are made of, and take most of the time to load.
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=2, load_multi_dict=False)
