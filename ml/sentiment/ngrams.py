"""Compiled loops over code points: folding of spelling, and a linear model over hashed character n-grams.

A text has three kinds of n-grams: of its characters between two spaces; of its syllables less spaces and final
consonants, which stay the same where spacing and endings differ (재밌 다, 재미있다); and of its letters (jamo) less
spaces, which begin with a syllable and may end within one (재미ㅆ, 없ㄴ). Each is hashed to a column of a table that
holds its weight and the square of its scale. A score is the sum of the weights of all occurrences, divided by the
length of their scales, so that each occurrence's part can be given to the characters that it covers.
"""

import numpy as np

from maeari.compiling import compiler

compiled = compiler(__file__)

_SPACE, _ZERO = 32, 48
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_ROTATION = np.uint64(29)
_STEM_SHORTEST, _STEM_LONGEST, _STEM_SEED = 2, 4, np.uint64(0x5851F42D4C957F2D)
_LETTERS_SHORTEST, _LETTERS_LONGEST, _LETTERS_SEED = 4, 10, np.uint64(0x2545F4914F6CDD1D)
_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_FINALS, _VOWELS, _SILENT_INITIAL = 28, 21, 11
_FIRST_INITIAL, _FIRST_VOWEL, _BEFORE_FINALS = 0x1100, 0x1161, 0x11A7


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
def _mixed(hashed, code):
    hashed = (hashed ^ code) * _MULTIPLIER
    return hashed ^ (hashed >> _ROTATION)


@compiled
def _desk(offsets, longest):
    """Room for the n-grams of the longest text: columns, where each begins and ends; stems, letters, their places."""
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    of_character = longest + _STEM_LONGEST - _STEM_SHORTEST + 1 + _LETTERS_LONGEST - _LETTERS_SHORTEST + 1
    room = (most + 2) * of_character
    return (
        np.empty(room, np.uint32), np.empty(room, np.int64), np.empty(room, np.int64),
        np.empty(most, np.uint64), np.empty(most, np.int64),
        np.empty(3 * most, np.uint64), np.empty(3 * most, np.int64), np.empty(most + 1, np.int64),
    )  # fmt: skip


@compiled
def _features(codes, start, end, shortest, longest, shift, desk):
    """Write the column of each n-gram of a text and the characters it covers on the desk, and return their number."""
    found, begins, ends, stems, places, letters, letter_places, firsts = desk
    count = 0
    if start == end:
        return count
    for place in range(start - 1, end):
        hashed = np.uint64(0)
        for length in range(1, longest + 1):
            if place + length > end + 1:
                break
            hashed = _mixed(hashed, _at(codes, start, end, place + length - 1))
            if length >= shortest and (length > 1 or _at(codes, start, end, place) != _SPACE):
                found[count] = (hashed * _MULTIPLIER) >> shift
                begins[count], ends[count] = max(place, start), min(place + length, end)
                count += 1
    size, spelt = 0, 0
    for place in range(start, end):
        code = np.int64(codes[place])
        if code == _SPACE:
            continue
        firsts[size] = spelt
        if _FIRST_SYLLABLE <= code <= _LAST_SYLLABLE:
            syllable = code - _FIRST_SYLLABLE
            letters[spelt], letter_places[spelt] = _FIRST_INITIAL + syllable // (_VOWELS * _FINALS), place
            letters[spelt + 1], letter_places[spelt + 1] = _FIRST_VOWEL + syllable // _FINALS % _VOWELS, place
            spelt += 2
            final = syllable % _FINALS
            if final:
                letters[spelt], letter_places[spelt] = _BEFORE_FINALS + final, place
                spelt += 1
            code -= final
        else:
            letters[spelt], letter_places[spelt] = code, place
            spelt += 1
        stems[size], places[size] = code, place
        size += 1
    for first in range(size):
        hashed = _STEM_SEED
        for last in range(first, min(first + _STEM_LONGEST, size)):
            hashed = _mixed(hashed, stems[last])
            if last - first + 1 >= _STEM_SHORTEST:
                found[count] = (hashed * _MULTIPLIER) >> shift
                begins[count], ends[count] = places[first], places[last] + 1
                count += 1
        hashed = _LETTERS_SEED
        for last in range(firsts[first], min(firsts[first] + _LETTERS_LONGEST, spelt)):
            hashed = _mixed(hashed, letters[last])
            if last - firsts[first] + 1 >= _LETTERS_SHORTEST:
                found[count] = (hashed * _MULTIPLIER) >> shift
                begins[count], ends[count] = places[first], letter_places[last] + 1
                count += 1
    return count


@compiled
def extract(codes, offsets, shortest, longest, shift):
    """The column of each n-gram of each text, one text after the other, and where each text's begin."""
    desk = _desk(offsets, longest)
    starts = np.zeros(len(offsets), np.int64)
    for row in range(len(offsets) - 1):
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, desk)
        starts[row + 1] = starts[row] + count
    columns = np.empty(starts[-1], np.uint32)
    for row in range(len(offsets) - 1):
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, desk)
        columns[starts[row] : starts[row + 1]] = desk[0][:count]
    return columns, starts


@compiled
def count(columns, starts, rows, weights, is_positive, size):
    """The weight of positive and of negative rows that each column occurs in, and its number of occurrences."""
    positive, negative = np.zeros(size, np.float64), np.zeros(size, np.float64)
    occurrences = np.zeros(size, np.int64)
    for row in rows:
        for index in range(starts[row], starts[row + 1]):
            if is_positive[row]:
                positive[columns[index]] += weights[row]
            else:
                negative[columns[index]] += weights[row]
            occurrences[columns[index]] += 1
    return positive, negative, occurrences


@compiled
def solve(columns, starts, rows, costs, is_positive, table, passes, tolerance, seed):
    """Fill the weights of `table` with those of logistic regression on its scales, and return the intercept.

    Dual coordinate descent (Yu, Huang and Lin 2011) on L2-regularised logistic loss, `costs` being what each row's
    loss counts. Rows are visited in an order drawn by the seed, at most `passes` times each, until the dual variables
    move by less than `tolerance` on average.
    """
    np.random.seed(seed)
    order = rows.copy()
    duals = np.zeros(len(starts) - 1, np.float64)
    norms = np.zeros(len(starts) - 1, np.float64)
    lengths = np.ones(len(starts) - 1, np.float64)
    seen = np.zeros(len(table), np.int32)
    for row in rows:
        once, repeated = 0.0, 0.0
        for index in range(starts[row], starts[row + 1]):
            column = columns[index]
            once += table[column, 1]
            # The square of a sum, an occurrence at a time.
            repeated += (2 * seen[column] + 1) * table[column, 1]
            seen[column] += 1
        for index in range(starts[row], starts[row + 1]):
            seen[columns[index]] = 0
        if once > 0:
            norms[row] = 1.0 / np.sqrt(once)
            lengths[row] += repeated / once
    intercept = 0.0
    for _ in range(passes):
        np.random.shuffle(order)
        moved = 0.0
        for row in order:
            total = 0.0
            for index in range(starts[row], starts[row + 1]):
                total += table[columns[index], 0]
            target = 1.0 if is_positive[row] else 0.0
            change = _step(intercept + total * norms[row], costs[row] * lengths[row], target, duals[row])
            duals[row] += change
            moved += abs(change)
            change *= costs[row]
            intercept += change
            change *= norms[row]
            for index in range(starts[row], starts[row + 1]):
                column = columns[index]
                table[column, 0] += np.float32(change * table[column, 1])
        if moved < tolerance * len(order):
            break
    return intercept


@compiled
def _step(margin, reach, target, dual):
    """By how much a row's dual variable changes to be the target less the chance at the margin that this makes."""
    low, high = margin + reach * (target - 1.0 - dual), margin + reach * (target - dual)
    found = margin
    for _ in range(20):
        chance = 1.0 / (1.0 + np.exp(-found))
        error = found - margin - reach * (target - dual - chance)
        if error > 0:
            high = found
        else:
            low = found
        if abs(error) < 1e-4:
            break
        found -= error / (1.0 + reach * chance * (1.0 - chance))
        if found <= low or found >= high:
            found = (low + high) / 2
    return target - 1.0 / (1.0 + np.exp(-found)) - dual


@compiled
def score_columns(columns, starts, rows, table, intercept):
    """The score of each of the rows whose columns were extracted."""
    scores = np.empty(len(rows), np.float64)
    for place in range(len(rows)):
        total, squares = 0.0, 0.0
        for index in range(starts[rows[place]], starts[rows[place] + 1]):
            total += table[columns[index], 0]
            squares += table[columns[index], 1]
        scores[place] = intercept + (total / np.sqrt(squares) if squares > 0 else 0.0)
    return scores


@compiled
def score(codes, offsets, table, intercept, shortest, longest, shift):
    """The score of each text, and the share of its n-grams that have no scale, which is 0 of a text without any.

    A score is the intercept and the sum of the text's weights by the length of its scales.
    """
    desk = _desk(offsets, longest)
    found = desk[0]
    scores, unknown = np.empty(len(offsets) - 1, np.float64), np.zeros(len(offsets) - 1, np.float64)
    for row in range(len(scores)):
        total, squares, missed = 0.0, 0.0, 0
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, desk)
        for index in range(count):
            total += table[found[index], 0]
            squares += table[found[index], 1]
            missed += table[found[index], 1] == 0
        scores[row] = intercept + (total / np.sqrt(squares) if squares > 0 else 0.0)
        unknown[row] = missed / max(count, 1)
    return scores, unknown


@compiled
def contribute(codes, offsets, origins, given_offsets, table, shortest, longest, shift):
    """For each character of the given texts the sum of its equal shares in the n-grams that cover it."""
    values = np.zeros(given_offsets[-1], np.float64)
    desk = _desk(offsets, longest)
    found, begins, ends = desk[:3]
    for row in range(len(offsets) - 1):
        count = _features(codes, offsets[row], offsets[row + 1], shortest, longest, shift, desk)
        squares = 0.0
        for index in range(count):
            squares += table[found[index], 1]
        if squares == 0:
            continue
        norm = 1.0 / np.sqrt(squares)
        for index in range(count):
            part = table[found[index], 0] * norm / (ends[index] - begins[index])
            for place in range(begins[index], ends[index]):
                values[given_offsets[row] + origins[place]] += part
    return values.astype(np.float32)
