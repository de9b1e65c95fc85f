"""Compiled loops over code points: folding of spelling, and a linear model over hashed character n-grams.

Each text stands between two spaces; its n-grams of `shortest` to `longest` characters are hashed into the weights,
every occurrence counting once, divided by the square root of their number. So a score is a sum over occurrences, and
each occurrence's part can be given to the characters that it covers.
"""

import tempfile
from pathlib import Path

import numba
import numpy as np

from maeari.settings import Settings


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _compiler():
    """`numba.njit`, keeping its work beside the byte code, else in the home, else only in this process."""
    if _can_write(Path(__file__).parent / "__pycache__"):
        return numba.njit(nogil=True, cache=True)
    if _can_write(Settings().path("cache", "numba")):
        numba.config.CACHE_DIR = str(Settings().path("cache", "numba"))
        return numba.njit(nogil=True, cache=True)
    return numba.njit(nogil=True)


compiled = _compiler()

_SPACE, _ZERO = 32, 48
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_ROTATION = np.uint64(29)
_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_FINALS, _VOWELS, _SILENT_INITIAL = 28, 21, 11


@compiled
def fold(given, offsets, lower_case, classes):
    """Fold the spelling of texts: see `ml.sentiment.text.normalise`. Gives codes, offsets and origins."""
    codes = np.empty(len(given), np.uint32)
    origins = np.empty(len(given), np.int32)
    folded_offsets = np.zeros(len(offsets), np.int64)
    written = 0
    for row in range(len(offsets) - 1):
        first = written
        start, end = offsets[row], offsets[row + 1]
        place = start
        while place < end:
            code = lower_case[given[place]]
            stretched, repeats = np.uint32(0), 0
            if _FIRST_SYLLABLE <= code <= _LAST_SYLLABLE and place + 2 < end:
                stretched = lower_case[given[place + 1]]
                if given[place + 2] == stretched and _is_vowel(stretched):
                    while place + 1 + repeats < end and given[place + 1 + repeats] == stretched:
                        repeats += 1
            if repeats < 2:
                repeats = 0
            written = _write(codes, origins, first, written, code, place - start, classes)
            if repeats and not _ends_in(code, stretched):
                written = _write(codes, origins, first, written, stretched, place + 1 - start, classes)
                if repeats == 2:
                    written = _write(codes, origins, first, written, stretched, place + 2 - start, classes)
            place += 1 + repeats
        if written > first and codes[written - 1] == _SPACE:
            written -= 1
        folded_offsets[row + 1] = written
    return codes[:written].copy(), folded_offsets, origins[:written].copy()


@compiled
def _is_vowel(code):
    """Whether it is a syllable without an initial sound and without a final one, like 우."""
    if code < _FIRST_SYLLABLE or code > _LAST_SYLLABLE:
        return False
    syllable = np.int64(code) - _FIRST_SYLLABLE
    return syllable // (_VOWELS * _FINALS) == _SILENT_INITIAL and syllable % _FINALS == 0


@compiled
def _ends_in(code, vowel):
    """Whether a syllable ends in the vowel that a syllable like 우 is."""
    syllable, sound = np.int64(code) - _FIRST_SYLLABLE, np.int64(vowel) - _FIRST_SYLLABLE
    return syllable % _FINALS == 0 and syllable // _FINALS % _VOWELS == sound // _FINALS % _VOWELS


@compiled
def _write(codes, origins, first, written, code, origin, classes):
    kind = classes[code]
    if kind & 1:
        code = np.uint32(_SPACE)
        if written == first or codes[written - 1] == _SPACE:
            return written
    elif kind & 2:
        code = np.uint32(_ZERO)
        if written > first and codes[written - 1] == _ZERO:
            return written
    elif written - first >= 2 and codes[written - 1] == code and codes[written - 2] == code:
        return written
    codes[written] = code
    origins[written] = origin
    return written + 1


@compiled
def _at(codes, start, end, place):
    return np.uint64(codes[place]) if start <= place < end else np.uint64(_SPACE)


@compiled
def _features(codes, start, end, shortest, longest, shift, found):
    """Write the column of each n-gram of a text into `found` and return their number."""
    count = 0
    for place in range(start - 1, end):
        hashed = np.uint64(0)
        for length in range(1, longest + 1):
            if place + length > end + 1:
                break
            hashed = (hashed ^ _at(codes, start, end, place + length - 1)) * _MULTIPLIER
            hashed ^= hashed >> _ROTATION
            if length >= shortest and (length > 1 or _at(codes, start, end, place) != _SPACE):
                found[count] = (hashed * _MULTIPLIER) >> shift
                count += 1
    return count


@compiled
def _longest_text(offsets):
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@compiled
def score(codes, offsets, weights, intercept, shortest, longest, shift):
    """The score of each text: the intercept and the sum of its n-grams' weights by the root of their number."""
    found = np.empty((_longest_text(offsets) + 2) * longest, np.int64)
    scores = np.empty(len(offsets) - 1, np.float64)
    for row in range(len(scores)):
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, found)
        total = 0.0
        for index in range(count):
            total += weights[found[index]]
        scores[row] = intercept + total / np.sqrt(max(count, 1))
    return scores


@compiled
def contribute(codes, offsets, origins, given_offsets, weights, shortest, longest, shift):
    """For each character of the given texts the sum of its shares in the n-grams that cover it."""
    values = np.zeros(given_offsets[-1], np.float64)
    found = np.empty((_longest_text(offsets) + 2) * longest, np.int64)
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        norm = np.sqrt(max(_features(codes, start, end, shortest, longest, shift, found), 1))
        count = 0
        for place in range(start - 1, end):
            for length in range(1, longest + 1):
                if place + length > end + 1:
                    break
                if length < shortest or (length == 1 and _at(codes, start, end, place) == _SPACE):
                    continue
                weight = weights[found[count]] / norm
                count += 1
                first, last = max(place, start), min(place + length, end)
                for covered in range(first, last):
                    values[given_offsets[row] + origins[covered]] += weight / (last - first)
    return values.astype(np.float32)


@compiled
def fit(codes, offsets, targets, sample_weights, order, shortest, longest, shift, columns, penalty):
    """Weights and intercept of logistic regression by stochastic gradient descent in the order of rows given.

    The step is that of Bottou (2012): 1 / (penalty * (t + t0)). L2 penalty on the weights, none on the intercept.
    """
    weights = np.zeros(columns, np.float32)
    found = np.empty((_longest_text(offsets) + 2) * longest, np.int64)
    intercept, scale = 0.0, 1.0
    first_step = 1.0 / (penalty * 4.0)
    for step in range(len(order)):
        row = order[step]
        rate = 1.0 / (penalty * (step + first_step))
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, found)
        norm = np.sqrt(max(count, 1))
        total = 0.0
        for index in range(count):
            total += weights[found[index]]
        margin = intercept + scale * total / norm
        gradient = sample_weights[row] * (1.0 / (1.0 + np.exp(-margin)) - targets[row])
        scale *= 1.0 - rate * penalty
        change = np.float32(rate * gradient / (norm * scale))
        for index in range(count):
            weights[found[index]] -= change
        intercept -= 0.01 * rate * gradient
        if scale < 1e-6:
            weights *= np.float32(scale)
            scale = 1.0
    return weights * np.float32(scale), intercept
