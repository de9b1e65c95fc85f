"""Korean text as morphemes, as the terms that carry what it says, and as keywords of what it is about (kiwipiepy)."""

import os
import re
import unicodedata
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

LONGEST = 10_000
"""Characters of a text that are read; the rest has no morphemes, since a run without spaces takes a minute a MB."""

LONGEST_KEYWORD = 60
"""Characters above which a run of letters is no word."""

_threads = os.cpu_count() or 1

# Controls, and the marks that reorder a line or cannot be seen.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Every space but the two that Kiwi surely parts words at, and what has no width: others it may leave within a word.
_SPACE = re.compile(r"[^\S\n ]|[\u200b-\u200f]")
_NOUNS = {"NNG", "NNP", "SL", "XR"}
_NAMED = {"NNG", "NNP", "SL", "SH", "W_HASHTAG"}
_COMPOUNDED = {"NNG", "NNP", "NNB", "NR", "SL", "SN", "XR", "XPN", "XSN"}
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


class Word(NamedTuple):
    """A noun (NNG) or name (NNP) that Kiwi does not know; with a space in it, it is met with and without the space."""

    form: str
    tag: str


def joined(title: str | None, body: str) -> str:
    """The text that models read and pages show: title, line break and body, or the body alone, in form NFC."""
    return unicodedata.normalize("NFC", f"{title}\n{body}" if title else body)


def one_line(text: str, most: int) -> str:
    """What others wrote, as one line of at most so many characters that hides and reorders nothing."""
    return " ".join(_CONTROLS.sub(" ", text).split())[:most].strip()


def morphemes(texts: Iterable[str], words: tuple[Word, ...] = ()) -> Iterator[list[Morpheme]]:
    """The morphemes of each text in turn, whatever it holds; texts should be in Unicode's form NFC.

    Tags are those of the Sejong corpus as Kiwi has them, without its marks of irregular verbs (`VV-I` is `VV`). Words
    are known beside Kiwi's own.
    """
    compounds = {word.form.replace(" ", "").lower(): word.tag for word in words if " " in word.form}
    beginnings = {form[:length] for form in compounds for length in range(1, len(form))}
    for tokens, text in _tokenized(map(_readable, texts), words):
        found = [Morpheme(token.form, token.tag.partition("-")[0], token.start, token.end) for token in tokens]
        yield _compounded(found, text, compounds, beginnings) if compounds else found


def stay_in_one_thread() -> None:
    """From now on let whoever asks for morphemes find them itself, so that the process may fork: threads do not."""
    global _threads
    _threads = 0
    _kiwi.cache_clear()


def _tokenized(texts: Iterable[str], words: tuple[Word, ...]) -> Iterator[tuple[list, str]]:
    kiwi = _kiwi(words)
    if _threads:
        return kiwi.tokenize(texts, compatible_jamo=True, echo=True)
    return ((kiwi.tokenize(text, compatible_jamo=True), text) for text in texts)


def _compounded(
    found: Sequence[Morpheme], text: str, compounds: Mapping[str, str], beginnings: Container[str]
) -> list[Morpheme]:
    """The morphemes with each run of nouns that spells a compound as one; Kiwi itself knows few that have a space."""
    joined, position = [], 0
    while position < len(found):
        spelled, at, whole = "", position, None
        while at < len(found) and found[at].tag in _COMPOUNDED and (at == position or _is_near(text, found, at)):
            spelled += found[at].form.lower()
            at += 1
            if spelled in compounds:
                whole = at, spelled
            if spelled not in beginnings:
                break
        if whole is None or whole[0] == position + 1:
            joined.append(found[position])
            position += 1
        else:
            joined.append(Morpheme(whole[1], compounds[whole[1]], found[position].start, found[whole[0] - 1].end))
            position = whole[0]
    return joined


def _is_near(text: str, found: Sequence[Morpheme], at: int) -> bool:
    """Whether at most spaces lie between a morpheme and the one before."""
    return not text[found[at - 1].end : found[at].start].strip()


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


def keywords(found: Sequence[Morpheme], kept: Container[str] = ()) -> list[str]:
    """What a text is about, in order and as often as it says so: nouns, names and foreign words, verbs and adjectives.

    Nouns stand as they are in lower case and without spaces, without what makes a verb of them (폐지하다 is 폐지);
    English plurals as their singular; verbs and adjectives as stem and 다. Nouns of one character are left out, since
    most are parts of other words, and what is longer than `LONGEST_KEYWORD`, unless they are among the kept ones.
    """
    words, prefix = [], ""
    for position, (form, tag, _, _) in enumerate(found):
        if tag in _NAMED:
            word = f"{prefix}{form}".lower()
            if tag == "SL":
                word = _singular(word)
            elif tag == "W_HASHTAG":
                word = word.removeprefix("#")
            elif " " in word:
                word = word.replace(" ", "")
            if 1 < len(word) <= LONGEST_KEYWORD or word in kept:
                words.append(word)
        elif tag in _STEMS:
            words.append(f"{form}다")
        elif tag == "XR" and position + 1 < len(found) and found[position + 1].tag == "XSA":
            words.append(f"{form}{found[position + 1].form}다")
        prefix = form if tag == "XPN" else ""
    return words


def frequent_strings(texts: Sequence[str], min_count: int) -> list[tuple[str, float, int]]:
    """Strings that behave like nouns that Kiwi does not know, the likeliest first: form, score and count.

    Kiwi's own extraction, by how surely the inner characters of a string follow one another and what stands around it.
    """
    found = _kiwi(()).extract_words(list(map(_readable, texts)), min_cnt=min_count) if texts else []
    return [(form, score, count) for form, score, count, _ in found]


def _readable(text: str) -> str:
    """What Kiwi is given to read, as long as the text or `LONGEST`."""
    # It reads UTF-16, in which a lone surrogate is no text and a pair would be one character instead of two.
    return _SPACE.sub(" ", _SURROGATE.sub("\ufffd", text[:LONGEST]))


def _singular(word: str) -> str:
    """An English word without the ending of its plural, by the S-stemmer's rules (Harman 1991)."""
    if len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith("ies") and word[-4] not in "ea":
        return f"{word[:-3]}y"
    if word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    return word if word[-2] in "us" or word.endswith("es") else word[:-1]


@cache
def _kiwi(words: tuple[Word, ...]):
    # Hundreds of megabytes and seconds to load: one a dictionary in a process, and only where morphemes are asked
    # for. Names of several words are left out: they would hide the words they are made of, and take most of the time
    # to load.
    from kiwipiepy import Kiwi

    with warnings.catch_warnings():
        # It says that no threads meant something else in old versions.
        warnings.simplefilter("ignore", DeprecationWarning)
        kiwi = Kiwi(num_workers=_threads, load_multi_dict=False)
    for word in words:
        kiwi.add_user_word(word.form.replace(" ", ""), word.tag)
    return kiwi
