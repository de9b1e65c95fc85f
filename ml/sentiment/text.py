"""The text that the model reads: title and body as one, and its spelling folded to what matters."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

NORMALISATION = 2
"""Raised whenever `normalise` or the n-grams of `ml.sentiment.ngrams` change, so that a model meets only what it was
trained on."""

SPACE, DIGIT, LETTER, HANGUL = 1, 2, 4, 8
"""Classes of characters, as bits: what `character_classes` gives."""

_CODE_POINTS = 0x110000
_FIRST_SYLLABLE, _LAST_SYLLABLE = ord("가"), ord("힣")
# Zero-width and direction marks, which `str.isspace` does not count.
_UNSEEN = (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)


@dataclass(frozen=True)
class Codes:
    """Normalised texts as code points, one after the other, and where each character came from.

    Text `row` is `codes[offsets[row]:offsets[row + 1]]`; `origins` holds for each of its characters the index in the
    text that was given.
    """

    codes: np.ndarray
    offsets: np.ndarray
    origins: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def texts(self) -> list[str]:
        """The normalised texts as strings."""
        whole = self.codes.tobytes().decode("utf-32-le", "surrogatepass")
        return [whole[start:end] for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True)]


def normalise(texts: Sequence[str]) -> Codes:
    """Each text as one lower-case line: 너무우우 → 너무, ㅋㅋㅋㅋ → ㅋㅋ, ㅜ → ㅠ, digits → 0, controls → space."""
    from ml.sentiment.ngrams import fold

    texts = list(texts)
    origins = None
    # One check of the whole batch: a line break composes with nothing.
    if not unicodedata.is_normalized("NFC", "\n".join(texts)):
        composed = [_composed(text) for text in texts]
        texts = [text for text, _ in composed]
        origins = np.concatenate([indexes for _, indexes in composed])
    given, offsets = code_points(texts)
    codes, folded_offsets, folded_origins = fold(given, offsets, lower_case(), character_classes())
    if origins is not None:
        rows = np.repeat(offsets[:-1], np.diff(folded_offsets))
        folded_origins = origins[rows + folded_origins]
    return Codes(codes, folded_offsets, folded_origins)


def code_points(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """All characters of the texts as one array, and where each text begins and the last one ends."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32), offsets


@cache
def lower_case() -> np.ndarray:
    """For each code point the one it is folded to; capital letters become small ones one for one."""
    # Of all characters only İ has a lower case of two; no other lies above the Adlam letters.
    everything = np.arange(0x1E944, dtype=np.uint32)
    text = everything.tobytes().decode("utf-32-le", "surrogatepass").replace("İ", "i").replace("ㅜ", "ㅠ").lower()
    table = np.arange(_CODE_POINTS, dtype=np.uint32)
    table[: len(everything)] = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return table


@cache
def character_classes() -> np.ndarray:
    """For each code point the bits SPACE (control characters too), DIGIT, LETTER and HANGUL (syllables)."""
    characters = np.arange(_CODE_POINTS, dtype=np.uint32).view("U1")
    classes = np.zeros(_CODE_POINTS, np.uint8)
    classes[np.strings.isspace(characters)] |= SPACE
    classes[[*range(32), *range(127, 160), *_UNSEEN]] = SPACE
    classes[np.strings.isdecimal(characters)] |= DIGIT
    classes[np.strings.isalpha(characters)] |= LETTER
    classes[_FIRST_SYLLABLE : _LAST_SYLLABLE + 1] |= HANGUL
    return classes


def _composed(text: str) -> tuple[str, np.ndarray]:
    """The text in form NFC, and for each of its characters the index where it begins in the text given.

    Parted before characters that never compose with what stands before them; within a part, which is nearly always
    one letter with its marks, characters are matched one by one.
    """
    if unicodedata.is_normalized("NFC", text):
        return text, np.arange(len(text), dtype=np.int32)
    starts = [index for index, character in enumerate(text) if index == 0 or _begins(character)] + [len(text)]
    parts, origins = [], []
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        part = unicodedata.normalize("NFC", text[start:end])
        parts.append(part)
        origins.extend(min(start + index, end - 1) for index in range(len(part)))
    return "".join(parts), np.array(origins, np.int32)


def _begins(character: str) -> bool:
    code = ord(character)
    return code < 0x300 or 0x1100 <= code <= 0x1112 or 0x3130 <= code <= 0x318F or 0x4E00 <= code <= _LAST_SYLLABLE
