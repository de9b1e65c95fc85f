"""Turns columns of text into numbers, moments and identifiers, whole columns at a time, and marks what cannot be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from imports.mapping import Expression

LONGEST_TEXT = 200
LARGEST_NUMBER, DECIMALS = 1e15, 6
JOINED_BY = "-"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$"
_CLOCK = r"(?:[ T]\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d|[+-]\d\d))?)?$"
LAYOUTS = {
    "YYYY-MM-DD": rf"^\d{{4}}-\d{{1,2}}-\d{{1,2}}{_CLOCK}",
    "YYYY/MM/DD": rf"^\d{{4}}/\d{{1,2}}/\d{{1,2}}{_CLOCK}",
    "YYYY.MM.DD": rf"^\d{{4}}\.\d{{1,2}}\.\d{{1,2}}{_CLOCK}",
    "YYYYMMDD": rf"^\d{{8}}{_CLOCK}",
    "DD/MM/YYYY or MM/DD/YYYY": rf"^\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}{_CLOCK}",
}
STRICTER = {
    r"^(\d{4})-(\d)-": r"\1-0\2-",
    r"^(\d{4}-\d\d)-(\d)( |T|$)": r"\1-0\2\3",
    r"[ T](\d):": r" 0\1:",
    r"(\.\d{6})\d+": r"\1",
    r" (Z|[+-]\d\d:?\d\d|[+-]\d\d)$": r"\1",
}
UNORDERED = "DD/MM/YYYY or MM/DD/YYYY"
_ZONED = r"(?:Z|[+-]\d\d:?\d\d|[+-]\d\d)$"
_AREA = r"(?:1[016-9]|2|[3-6][1-5]|70|80|50\p{Nd}?)"
_SPACE = r"[\s\p{Z}\x1c-\x1f\x85]?"
# Where `redact` may find something, which takes a hundred times as long to look; there, digits are of any script.
MAY_BE_PERSONAL = "|".join(
    (
        r"[@＠\x00]",
        rf"(?:^|\P{{Nd}})\p{{Nd}}{{6}}{_SPACE}[-–‐−]?{_SPACE}[1-8]\p{{Nd}}{{6}}(?:\P{{Nd}}|$)",
        r"(?:^|\P{Nd})[^\P{Nd}0178](?:[ .\-–]?\p{Nd}){12,18}(?:\P{Nd}|$)",
        r"\+[1-9](?:[ .\-–()]{0,2}\p{Nd}){7}",
        rf"(?:^|\P{{Nd}})(?:82[ .\-–]?(?:\(0\))?0?|0){_AREA}[ .\-–)]{{0,2}}"
        r"\p{Nd}{3,4}[ .\-–)]{0,2}\p{Nd}{4}",
    )
)


def text_of(expression: Expression, columns: dict[str, pa.Array], rows: int) -> pa.Array:
    """The trimmed text that an expression gives each row; null where there is none."""
    if expression.kind == "constant":
        return pa.repeat(pa.scalar(expression.operands[0] or None, pa.string()), rows)
    parts = [_trimmed(columns[name]) for name in expression.operands]
    if expression.kind == "first":
        return reduce(pc.coalesce, parts)
    if expression.kind == "joined":
        # An identifier of which a part is missing would be another's.
        return pc.binary_join_element_wise(*parts, JOINED_BY)
    return parts[0]


def number_of(expression: Expression, columns: dict[str, pa.Array], rows: int) -> tuple[pa.Array, pa.Array]:
    """The numbers that an expression gives each row, with up to 15 digits, and where there is text that is none."""
    if expression.kind != "product":
        return _numbers(text_of(expression, columns, rows))
    (first, bad), (second, also_bad) = (_numbers(_trimmed(columns[name])) for name in expression.operands)
    product = pc.multiply(first, second)
    too_large = pc.fill_null(pc.greater_equal(pc.abs(product), LARGEST_NUMBER), False)
    return pc.round(product, DECIMALS), pc.or_(pc.or_(bad, also_bad), too_large)


def _numbers(text: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        numbers = text.cast(pa.float64())
    except pa.ArrowInvalid:
        readable = pc.match_substring_regex(text, _NUMBER)
        numbers = pc.if_else(readable, text, None).cast(pa.float64())
    is_number = pc.fill_null(pc.less(pc.abs(numbers), LARGEST_NUMBER), False)
    bad = pc.and_(pc.is_valid(text), pc.invert(is_number))
    return pc.round(pc.if_else(is_number, numbers, None), DECIMALS), bad


def whole_number_of(text: pa.Array, least: int, most: int) -> tuple[pa.Array, pa.Array]:
    """The whole numbers from `least` to `most` in a text, and where there is text that is none."""
    numbers, bad = _numbers(text)
    is_whole = pc.and_(
        pc.equal(numbers, pc.floor(numbers)), pc.and_(pc.greater_equal(numbers, least), pc.less_equal(numbers, most))
    )
    bad = pc.or_(bad, pc.invert(pc.fill_null(is_whole, True)))
    return pc.if_else(bad, None, numbers).cast(pa.int64()), bad


def isbn_13(text: str) -> str | None:
    """An ISBN of 10 or 13 digits, however parted, as 13 digits; None when its length or check digit is wrong."""
    signs = re.sub(r"[\s\-‐-―]", "", text).upper()
    if re.fullmatch(r"[0-9]{9}[0-9X]", signs):
        digits = [10 if sign == "X" else int(sign) for sign in signs]
        if sum(weight * digit for weight, digit in zip(range(10, 0, -1), digits, strict=True)) % 11:
            return None
        signs = f"978{signs[:9]}"
        return f"{signs}{-_weighted(signs) % 10}"
    return signs if re.fullmatch(r"97[89][0-9]{10}", signs) and _weighted(signs) % 10 == 0 else None


def _weighted(digits: str) -> int:
    return sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(digits))


def listed(text: str) -> str:
    """The words that commas, semicolons or bars part, each once, parted by bars."""
    return "|".join(dict.fromkeys(word for part in re.split("[,;|]", text) if (word := part.strip())))


def without_fraction(text: pa.Array) -> pa.Array:
    """Identifiers that were numbers with gaps: 12346.0 becomes 12346."""
    if not pc.any(pc.ends_with(text, ".0")).as_py():
        return text
    return pc.replace_substring_regex(text, r"^(\d+)\.0$", r"\1")


@dataclass
class Moments:
    """Reads times in one layout, and counts the layouts it meets."""

    zone: str
    date_format: str | None = None
    order: Literal["day", "month"] | None = None
    seen: dict[str, list[int]] = field(default_factory=dict)
    """How many rows each layout has, and the number of the first."""

    def read(self, text: pa.Array, numbers) -> pa.Array:
        """Moments in UTC; null where the text is no time in the layout."""
        if self.date_format is not None:
            return self._each(text, lambda value: datetime.strptime(value, self.date_format))
        canonical = None
        for layout, pattern in LAYOUTS.items():
            fits = pc.fill_null(pc.match_substring_regex(text, pattern), False)
            found = pc.sum(fits).as_py() or 0
            if not found:
                continue
            if layout not in self.seen:
                self.seen[layout] = [0, int(numbers[pc.index(fits, True).as_py()])]
            self.seen[layout][0] += found
            these = self._canonical(text if found == len(text) else pc.if_else(fits, text, None), layout)
            canonical = these if canonical is None else pc.coalesce(canonical, these)
            if pc.sum(pc.is_valid(canonical)).as_py() == len(text):
                break
        if canonical is None:
            return pa.nulls(len(text), pa.timestamp("us", "UTC"))
        try:
            return self._cast(canonical)
        except pa.ArrowInvalid:
            return self._each(canonical, datetime.fromisoformat)

    def _canonical(self, text: pa.Array, layout: str) -> pa.Array:
        """The text as Arrow reads times: 2009-12-01 07:45:00."""
        if layout == "YYYYMMDD":
            text = pc.replace_substring_regex(text, r"^(\d{4})(\d\d)(\d\d)", r"\1-\2-\3")
        elif layout == UNORDERED:
            turned = r"\3-\1-\2" if self.order == "month" else r"\3-\2-\1"
            text = pc.replace_substring_regex(text, r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", turned)
        else:
            text = pc.replace_substring_regex(text, r"^(\d{4})[/.](\d{1,2})[/.]", r"\1-\2-")
        if _fits_any(text, "(?m)" + "|".join(STRICTER)):
            for loose, strict in STRICTER.items():
                text = pc.replace_substring_regex(text, loose, strict)
        return text

    def _cast(self, text: pa.Array) -> pa.Array:
        utc = pa.timestamp("us", "UTC")
        zoned = rf":\d\d(?:\.\d+)?{_ZONED}"
        if not _fits_any(text, f"(?m){zoned}"):
            return self._local(text.cast(pa.timestamp("us")))
        has_zone = pc.match_substring_regex(text, zoned)
        zoned = pc.if_else(has_zone, text, None).cast(utc)
        return pc.coalesce(zoned, self._local(pc.if_else(has_zone, None, text).cast(pa.timestamp("us"))))

    def _local(self, moments: pa.Array) -> pa.Array:
        local = pc.assume_timezone(moments, self.zone, ambiguous="earliest", nonexistent="earliest")
        return local.cast(pa.timestamp("us", "UTC"))

    def _each(self, text: pa.Array, read: Callable[[str], datetime]) -> pa.Array:
        """One by one, each text once: for formats of one's own, and for days that do not exist."""
        different = pc.dictionary_encode(text)
        local, zoned = [], []
        for value in different.dictionary.to_pylist():
            try:
                moment = read(value)
            except (ValueError, OverflowError):
                moment = None
            local.append(moment if moment and moment.tzinfo is None else None)
            zoned.append(moment if moment and moment.tzinfo is not None else None)
        moments = pc.coalesce(
            pa.array(zoned, pa.timestamp("us", "UTC")), self._local(pa.array(local, pa.timestamp("us")))
        )
        return pc.take(moments, different.indices)


def redacted(text: pa.Array, redact: Callable[[str], tuple[str, int]]) -> tuple[pa.Array, int]:
    """The text with its personal data replaced by `redact`, and how many rows held some."""
    if not _fits_any(text, MAY_BE_PERSONAL):
        return text, 0
    mask = pc.fill_null(pc.match_substring_regex(text, MAY_BE_PERSONAL), False)
    return replaced(text, mask, redact)


def replaced(text: pa.Array, mask: pa.Array, replace: Callable[[str], tuple[str | None, int]]) -> tuple[pa.Array, int]:
    """The text with what is marked replaced, each different one once, and the rows with finds."""
    different = pc.dictionary_encode(pc.filter(text, mask))
    results = [replace(value) for value in different.dictionary.to_pylist()]
    new = pa.array([value for value, _ in results], pa.string())
    has_finds = pa.array([finds > 0 for _, finds in results], pa.bool_())
    rows = pc.sum(pc.take(has_finds, different.indices)).as_py() or 0
    return pc.replace_with_mask(text, mask, pc.take(new, different.indices)), rows


def too_long(text: pa.Array, longest: int = LONGEST_TEXT) -> pa.Array:
    """Where a text is longer than is kept."""
    return pc.fill_null(pc.greater(pc.utf8_length(text), longest), False)


def copy_lines(columns: list[pa.Array]) -> pa.Array:
    """Rows as lines of COPY's text format, without their ends."""
    escaped = []
    for column in columns:
        if pa.types.is_string(column.type) and _fits_any(column, r"[\\\t\n\r]", between="|"):
            for sign, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
                column = pc.replace_substring(column, sign, written)
        escaped.append(column if pa.types.is_string(column.type) else column.cast(pa.string()))
    return pc.binary_join_element_wise(*escaped, "\t", null_handling="replace", null_replacement="\\N")


def _fits_any(text: pa.Array, pattern: str, between: str = "\n") -> bool:
    """Whether a row may fit the pattern: False is sure. All rows as one text take a tenth of the time of each."""
    rows = text.drop_null()
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows), between)
    return pc.match_substring_regex(joined, pattern)[0].as_py()


def _trimmed(text: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), None, text)
