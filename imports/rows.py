"""Makes rows for `raw` of what was read, and says why a row cannot be one."""

import hashlib
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imports.errors import ImportRefused
from imports.mapping import AuthorMapping, BookMapping, EventMapping, Expression, Mapping
from imports.reading import Batch, Origin, line_of
from imports.values import (
    LONGEST_TEXT,
    UNORDERED,
    Moments,
    copy_lines,
    isbn_13,
    listed,
    number_of,
    redacted,
    replaced,
    text_of,
    too_long,
    whole_number_of,
    without_fraction,
)
from maeari import clock
from maeari.redaction import hashed_author, redact, redact_key
from maeari.settings import Settings

EARLIEST_DAY = date(1990, 1, 1)
EARLIEST_BOOK = date(1400, 1, 1)
LONGEST_OF_BOOKS = {
    "book_id": LONGEST_TEXT,
    "title": 500,
    "author": 500,
    "description": 10_000,
    "subjects": 2_000,
    "series": 500,
    "edition_of": LONGEST_TEXT,
    "url": 2_000,
}
LARGEST_COUNT = 1_000_000
EVENT_HASH, BOOK_HASH = 32, 64
SAY_FORMAT = "Say it by --date-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'."


class Prepared(NamedTuple):
    """A batch that is ready to land: COPY lines, the refused rows, and what to add to the counts."""

    lines: pa.Array
    refused: list[tuple[int, str, dict]]
    redacted: int
    returns: int = 0
    without_customer: int = 0
    span: tuple[datetime, datetime] | None = None


class Rows(Protocol):
    """Makes rows of one kind of the batches of one file."""

    def __call__(self, batch: Batch, base: int) -> Prepared:
        """The rows of a batch; their positions are its numbers from `base` on."""

    def check(self) -> None:
        """Raise ImportRefused when the whole file, now read, is not what its mapping says."""


def rows_of(origin: Origin, mapping: Mapping, as_of: date) -> Rows:
    """What makes rows of this file, by the mapping's kind."""
    match mapping:
        case EventMapping():
            return _Events(origin, mapping, as_of)
        case BookMapping():
            return _Books(origin, mapping, as_of)
        case AuthorMapping():
            return _Authors(mapping)
    raise TypeError(f"{type(mapping).__name__} has no rows.")


class _Dates:
    """Reads the dates of one field of a file, which must all be written in one way."""

    def __init__(self, origin: Origin, mapping: EventMapping | BookMapping, field: str, timezone: str | None = None):
        self.origin = origin
        order = None
        if mapping.date_format is None and field in mapping.expressions():
            order = self._order(mapping.columns(), mapping.expressions()[field])
        self.moments = Moments(timezone or clock.zone().key, mapping.date_format, order)

    def read(self, text: pa.Array, numbers: np.ndarray) -> pa.Array:
        """Moments in UTC; null where the text is no time."""
        return self.moments.read(text, numbers)

    def check(self) -> None:
        """Refuse a file whose dates are written in two ways: one of them may be read wrongly."""
        seen = sorted(self.moments.seen.items(), key=lambda one: -one[1][0])
        if len(seen) > 1:
            found = "; ".join(
                f"{rows:,} as {layout}, such as line {line_of(self.origin, first):,}" for layout, (rows, first) in seen
            )
            raise ImportRefused(
                f"{self.origin.name} writes its dates in {len(seen)} formats, and one is needed: {found}. "
                "Write them alike, or say which is right by --date-format; lines in others are then refused."
            )
        if UNORDERED in self.moments.seen and self.moments.order is None:
            raise self._unordered()

    def _order(self, columns: list[str], expression: Expression) -> Literal["day", "month"] | None:
        """Whether days or months stand first in dates such as 13/12/2010; None where dates are not written so."""
        above: dict[str, list[int]] = {}
        are_others = False
        for batch in self.origin.batches(columns):
            text = text_of(expression, batch.columns, len(batch.numbers))
            parts = pc.extract_regex(text, r"^(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.]\d{4}(?:\D|$)")
            if not above and pc.all(pc.is_null(parts)).as_py() in (True, None):
                return None
            for place, name in enumerate(("first", "second")):
                is_day = pc.fill_null(pc.greater(pc.struct_field(parts, place).cast(pa.int16()), 12), False)
                if rows := pc.sum(is_day).as_py():
                    above.setdefault(name, [0, int(batch.numbers[pc.index(is_day, True).as_py()])])[0] += rows
            above.setdefault("any", [0, 0])
            are_others = are_others or bool(pc.any(pc.match_substring_regex(text, r"^\d{4}")).as_py())
        if "first" in above and "second" in above:
            (days, day), (months, month) = above["first"], above["second"]
            raise ImportRefused(
                f"{self.origin.name} writes its dates in 2 formats, and one is needed: {days:,} with the day first, "
                f"such as line {line_of(self.origin, day):,}; {months:,} with the month first, such as line "
                f"{line_of(self.origin, month):,}. {SAY_FORMAT}"
            )
        if above and not are_others and "first" not in above and "second" not in above:
            raise self._unordered()
        return "day" if "first" in above else "month" if "second" in above else None

    def _unordered(self) -> ImportRefused:
        return ImportRefused(
            f"{self.origin.name} has dates such as 05/06/2010, and no number above 12 tells whether the day or the "
            f"month comes first. {SAY_FORMAT}"
        )


class _Events:
    """Makes events."""

    def __init__(self, origin: Origin, mapping: EventMapping, as_of: date):
        self.expressions = mapping.expressions()
        self.key = Settings().author_key()
        self.earliest = pa.scalar(clock.start_of_day(EARLIEST_DAY), pa.timestamp("us", "UTC"))
        self.latest = pa.scalar(clock.end_of_day(as_of + timedelta(days=1)), pa.timestamp("us", "UTC"))
        self.out_of_range = f"date before {EARLIEST_DAY} or after {as_of + timedelta(days=1)}"
        self.dates = _Dates(origin, mapping, "occurred_at", mapping.timezone)
        self.check = self.dates.check

    def __call__(self, batch: Batch, base: int) -> Prepared:
        rows = len(batch.numbers)
        text = {
            name: text_of(expression, batch.columns, rows)
            for name, expression in self.expressions.items()
            if name not in ("quantity", "amount")
        }
        nothing = pa.nulls(rows, pa.string())
        moment = self.dates.read(text["occurred_at"], batch.numbers)
        quantity, bad_quantity = number_of(self.expressions["quantity"], batch.columns, rows)
        amount, bad_amount = pa.nulls(rows, pa.float64()), pa.array(np.zeros(rows, bool))
        if "amount" in self.expressions:
            amount, bad_amount = number_of(self.expressions["amount"], batch.columns, rows)
        event_type = pc.utf8_lower(text["event_type"])
        is_return = pc.and_(pc.less(quantity, 0.0), pc.fill_null(pc.equal(event_type, "purchase"), False))
        event_type = pc.if_else(is_return, "return", event_type)
        columns = [
            without_fraction(text.get("event_id", nothing)),
            without_fraction(text["customer_id"]),
            event_type,
            text.get("item_id", nothing),
        ]
        faults = [
            (pc.is_null(text["occurred_at"]), "no date"),
            (pc.is_null(moment), "unreadable date"),
            (pc.or_(pc.less(moment, self.earliest), pc.greater_equal(moment, self.latest)), self.out_of_range),
            (bad_quantity, "unreadable quantity"),
            (pc.is_null(quantity), "no quantity"),
            (bad_amount, "unreadable amount"),
            (pc.is_null(event_type), "no event type"),
        ]
        if "event_id" in text:
            faults.append((pc.is_null(columns[0]), "no event id"))
        faults += [(too_long(column), f"longer than {LONGEST_TEXT} characters") for column in columns]
        good, refused = _sift(faults, batch, base)
        columns += [moment, quantity, amount, is_return, pa.array(batch.numbers + base)]
        if refused:
            columns = [pc.filter(column, good) for column in columns]
        event_id, customer_id, event_type, item_id, moment, quantity, amount, is_return, position = columns
        finds = 0
        cleaned = []
        for column in (event_id, customer_id, event_type, item_id):
            column, found = redacted(column, lambda value: redact_key(value, self.key))
            finds += found
            cleaned.append(column)
        event_id, customer_id, event_type, item_id = cleaned
        # Without a zone, which would take ten times as long to write; the staging table is in UTC.
        facts = [customer_id, event_type, moment.cast(pa.timestamp("us")), item_id, quantity, amount]
        if "event_id" in text:
            lines = copy_lines([position, event_id, *facts])
        else:
            lines = _hashed([position], facts, EVENT_HASH)
        span = pc.min_max(moment).as_py() if len(moment) else None
        return Prepared(
            lines,
            refused + _unread(batch, base),
            finds,
            pc.sum(is_return).as_py() or 0,
            customer_id.null_count,
            span and (span["min"], span["max"]),
        )


class _Authors:
    """Makes links from authors to customers."""

    def __init__(self, mapping: AuthorMapping):
        self.expressions = mapping.expressions()
        self.key = Settings().author_key()

    def __call__(self, batch: Batch, base: int) -> Prepared:
        rows = len(batch.numbers)
        author = text_of(self.expressions["author"], batch.columns, rows)
        customer_id = without_fraction(text_of(self.expressions["customer_id"], batch.columns, rows))
        faults = [
            (pc.is_null(author), "no author"),
            (pc.is_null(customer_id), "no customer"),
            (too_long(customer_id), f"longer than {LONGEST_TEXT} characters"),
        ]
        # No column that may hold a name goes into what is kept of a refused line.
        shown = set(self.expressions["customer_id"].columns) - set(self.expressions["author"].columns)
        columns = {name: column for name, column in batch.columns.items() if name in shown}
        good, refused = _sift(faults, batch._replace(columns=columns), base)
        author, customer_id = pc.filter(author, good), pc.filter(customer_id, good)
        customer_id, finds = redacted(customer_id, lambda value: redact_key(value, self.key))
        is_author = pa.array(np.ones(len(author), bool))
        author, _ = replaced(author, is_author, lambda name: (hashed_author(name, self.key), 0))
        position = pc.filter(pa.array(batch.numbers + base), good)
        return Prepared(copy_lines([position, author, customer_id]), refused + _unread(batch, base), finds)

    def check(self) -> None:
        """Nothing more is asked of a file of links."""


class _Books:
    """Makes books."""

    def __init__(self, origin: Origin, mapping: BookMapping, as_of: date):
        self.expressions = mapping.expressions()
        self.key = Settings().author_key()
        self.dates = _Dates(origin, mapping, "published_on")
        self.check = self.dates.check
        # Books are announced, but hardly for longer than this.
        self.latest = as_of + timedelta(days=730)

    def __call__(self, batch: Batch, base: int) -> Prepared:
        rows = len(batch.numbers)
        nothing = pa.nulls(rows, pa.string())
        text = dict.fromkeys(BookMapping.shapes, nothing) | {
            name: text_of(expression, batch.columns, rows) for name, expression in self.expressions.items()
        }
        for name in ("book_id", "edition_of", "isbn"):
            text[name] = without_fraction(text[name])
        volume, bad_volume = whole_number_of(text["volume"], 0, LARGEST_COUNT)
        pages, bad_pages = whole_number_of(text["pages"], 1, LARGEST_COUNT)
        moment = self.dates.read(text["published_on"], batch.numbers)
        published_on = pc.local_timestamp(moment.cast(pa.timestamp("us", clock.zone().key))).cast(pa.date32())
        isbn, _ = replaced(text["isbn"], pc.is_valid(text["isbn"]), lambda value: (isbn_13(value), 0))
        faults = [
            (pc.is_null(text["book_id"]), "no book id"),
            (pc.is_null(text["title"]), "no title"),
            (bad_volume, f"volume is no whole number from 0 to {LARGEST_COUNT:,}"),
            (bad_pages, f"pages are no whole number from 1 to {LARGEST_COUNT:,}"),
            (pc.and_(pc.is_valid(text["published_on"]), pc.is_null(moment)), "unreadable date"),
            (
                pc.or_(pc.less(published_on, EARLIEST_BOOK), pc.greater(published_on, self.latest)),
                f"date before {EARLIEST_BOOK} or after {self.latest}",
            ),
            (pc.and_(pc.is_valid(text["isbn"]), pc.is_null(isbn)), "ISBN of a wrong length or check digit"),
            (
                pc.invert(pc.match_substring_regex(text["url"], r"(?i)^https?://[^\s/?#]+\S*$")),
                "address is not of the form http://… or https://…",
            ),
        ]
        faults += [
            (too_long(text[name], longest), f"{name} longer than {longest:,} characters")
            for name, longest in LONGEST_OF_BOOKS.items()
        ]
        good, refused = _sift(faults, batch, base)
        finds = 0
        cleaned = {}
        for name in LONGEST_OF_BOOKS:
            is_key = name in ("book_id", "edition_of")
            cleaned[name], found = redacted(
                pc.filter(text[name], good), (lambda value: redact_key(value, self.key)) if is_key else redact
            )
            finds += found
        subjects = cleaned["subjects"]
        cleaned["subjects"], _ = replaced(subjects, pc.is_valid(subjects), lambda value: (listed(value), 0))
        checked = {"volume": volume, "isbn": isbn, "pages": pages, "published_on": published_on}
        cleaned |= {name: pc.filter(column, good) for name, column in checked.items()}
        position = pc.filter(pa.array(batch.numbers + base), good)
        facts = [cleaned[name] for name in BookMapping.shapes if name != "book_id"]
        lines = _hashed([position, cleaned["book_id"]], facts, BOOK_HASH)
        return Prepared(lines, refused + _unread(batch, base), finds)


def _sift(
    faults: list[tuple[pa.Array, str]], batch: Batch, base: int
) -> tuple[pa.Array, list[tuple[int, str, dict[str, str | None]]]]:
    """Which rows have no fault, and the others with their first one and their redacted values."""
    reasons = pa.nulls(len(batch.numbers), pa.string())
    for mask, reason in faults:
        mask = pc.fill_null(mask, False)
        if pc.any(mask).as_py():
            reasons = pc.coalesce(reasons, pc.if_else(mask, reason, None))
    good = pc.is_null(reasons)
    refused = []
    if reasons.null_count < len(reasons):
        rows = pc.indices_nonzero(pc.is_valid(reasons))
        values = pa.table({name: pc.take(column, rows) for name, column in batch.columns.items()}).to_pylist()
        values = values or [{} for _ in rows]
        for row, reason, found in zip(rows.to_pylist(), pc.take(reasons, rows).to_pylist(), values, strict=True):
            shown = {name[:LONGEST_TEXT]: _shown(value) for name, value in found.items()}
            refused.append((int(batch.numbers[row]) + base, reason, shown))
    return good, refused


def _unread(batch: Batch, base: int) -> list[tuple[int, str, dict]]:
    return [(number + base, reason, values) for number, reason, values in batch.refused]


def _shown(value: str | None) -> str | None:
    return None if value is None else redact(value[: 4 * LONGEST_TEXT])[0][:LONGEST_TEXT]


def _hashed(before: list[pa.Array], facts: list[pa.Array], digits: int) -> pa.Array:
    """COPY lines in which the first digits of the sha256 of the facts stand before them."""
    lines = copy_lines(facts)
    hashes = map(hashlib.sha256, lines.cast(pa.binary()).to_pylist())
    hashes = pa.array([found.hexdigest()[:digits] for found in hashes], pa.string())
    return pc.binary_join_element_wise(copy_lines(before), hashes, lines, "\t")
