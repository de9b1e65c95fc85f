"""The words that are known beside the analyser's own, and the stop words: two files that a person may edit."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from maeari.settings import Settings
from maeari.text import Word
from ml.errors import ConfigError

COMMITTED = Path(__file__).parent
WORDS, STOP_WORDS = "words.tsv", "stopwords.txt"
TAGS = ("NNG", "NNP")
RULE = 1
"""Raised whenever `maeari.text.keywords` changes what it makes of the same morphemes."""
MOST_WORDS = 20_000
LONGEST_WORD = 30
_WITHOUT_FINAL = 28
# Of a space the analyser's idea is wider than that of regular expressions.
_SPACES = r"[\s\u200b-\u200f]*"


def analyser() -> str:
    """What reads the texts: another answer means that every text must be read again."""
    return f"kiwipiepy {version('kiwipiepy')}, model {version('kiwipiepy_model')}, rule {RULE}"


def words() -> tuple[Word, ...]:
    """The file `MAEARI_HOME/words.tsv`, else the committed one, in order; raises `ConfigError` where it is wrong."""
    file = _file(WORDS)
    found: dict[str, Word] = {}
    for number, line in enumerate(_lines(file), 1):
        if not line or line.startswith("#"):
            continue
        form, _, tag = (part.strip() for part in line.partition("\t"))
        form = " ".join(form.split())
        if not form or len(form) > LONGEST_WORD or tag not in TAGS:
            raise ConfigError(
                f"{file} line {number}: “{line[:60]}”; wanted a word of up to {LONGEST_WORD} characters, a tab, and "
                f"{' or '.join(TAGS)}, such as “미세 먼지<tab>NNG”."
            )
        if form in found:
            raise ConfigError(f"{file} line {number}: “{form}” stands there twice. Delete one of the two lines.")
        found[form] = Word(form, tag)
        if len(found) > MOST_WORDS:
            raise ConfigError(f"{file} holds more than {MOST_WORDS:,} words. Keep those that texts really hold.")
    return tuple(sorted(found.values()))


def stop_words() -> frozenset[str]:
    """The file `MAEARI_HOME/stopwords.txt`, else the committed one; what follows a # is left out."""
    lines = (line.partition("#")[0] for line in _lines(_file(STOP_WORDS)))
    return frozenset(word.lower() for line in lines for word in line.split())


def add_words(added: Iterable[Word]) -> Path:
    """Write words into the file of this home, which begins as a copy of the committed one; returns the file."""
    own = Settings().path(WORDS)
    if not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text((COMMITTED / WORDS).read_text(encoding="utf-8"), encoding="utf-8")
    known = {word.form for word in words()}
    text = own.read_text(encoding="utf-8")
    lines = [f"{word.form}\t{word.tag}\n" for word in added if word.form not in known]
    own.write_text(text + ("" if text.endswith("\n") else "\n") + "".join(lines), encoding="utf-8")
    return own


def sightings(changed: Iterable[Word]) -> re.Pattern | None:
    """A pattern that is found in every text in which one of the words might be read; None without a word.

    A word with a space is read wherever its nouns stand side by side, and the analyser may part it elsewhere than the
    dictionary does. An ending may melt into a last syllable without a final consonant (워치 and ㄴ are 워친): any final
    matches there.
    """
    patterns = [(_SPACES if " " in word.form else "").join(_melting(word.form.replace(" ", ""))) for word in changed]
    return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None


def _melting(form: str) -> list[str]:
    """A pattern for each character of a word."""
    *before, last = form
    if "가" <= last <= "힣" and (ord(last) - ord("가")) % _WITHOUT_FINAL == 0:
        return [*map(re.escape, before), f"[{last}-{chr(ord(last) + _WITHOUT_FINAL - 1)}]"]
    return [*map(re.escape, form)]


def _file(name: str) -> Path:
    own = Settings().path(name)
    return own if own.exists() else COMMITTED / name


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip("\ufeff \r\n") for line in file.read_text(encoding="utf-8").split("\n")]
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text. Save it as UTF-8.") from None
