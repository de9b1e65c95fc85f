"""Reads files and queries in batches of text columns, in constant memory, and says in which line something stands."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from imports.errors import ImportRefused
from imports.mapping import Mapping

BLOCK_BYTES, BATCH_ROWS = 4 << 20, 40_000
LONGEST_LINE = 1 << 20
# Arrow takes a line that crosses one edge of a block, and what it took must be found again.
LONGEST_CSV_LINE = 2 * BLOCK_BYTES
csv.field_size_limit(LONGEST_CSV_LINE)
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
ENCODINGS = ("utf-8-sig", "cp949", "utf-16", "cp1252")
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WRONG_COLUMNS, NOT_JSON = "wrong number of columns", "not a JSON object"


class Batch(NamedTuple):
    """Rows that were read: their numbers in the source, the wanted columns as text, and the rows that have none."""

    numbers: np.ndarray
    columns: dict[str, pa.Array]
    refused: list[tuple[int, str, dict[str, str]]]


class Origin(Protocol):
    """Something that can be read in batches, again if need be."""

    name: str
    size: int | None

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """The rows, with the wanted columns."""

    def lines(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Each row's number with its line, both rising."""

    @property
    def done(self) -> int:
        """How many bytes of `size` have been read."""


def line_of(origin: Origin, number: int) -> int:
    """In which line of an origin a row stands."""
    return next((line for _, line in origin.lines([number])), number + 1)


def open_file(path: Path, mapping: Mapping) -> Origin:
    """The reader that fits the file's ending."""
    if not path.is_file():
        raise ImportRefused(f"{path} is no file. Check the name; to import a folder, put it into the inbox.")
    if path.stat().st_size == 0:
        raise ImportRefused(f"{path.name} is empty: 0 bytes. An import needs at least one line.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = next((suffix for suffix in reversed(suffixes) if suffix not in (".gz", ".gzip")), "")
    if ending in (".csv", ".tsv", ".txt"):
        return CsvFile(path, mapping.delimiter or ("\t" if ending == ".tsv" else ","), mapping.encoding)
    if ending in (".jsonl", ".ndjson", ".json"):
        return JsonLines(path, mapping.encoding)
    if ending in (".parquet", ".pq"):
        return ParquetFile(path)
    raise ImportRefused(
        f"{path.name} ends in {ending or 'nothing'}; read are .csv, .tsv, .txt, .jsonl, .ndjson, .json (each also .gz) "
        "and .parquet. Rename the file to what it is."
    )


@dataclass
class _File:
    """A file of bytes, packed or not, whose reading is watched."""

    path: Path
    raw: BinaryIO | None = field(default=None, init=False)
    quotes: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def done(self) -> int:
        return self.raw.tell() if self.raw and not self.raw.closed else 0

    @contextmanager
    def unpacked(self) -> Iterator[BinaryIO]:
        """The bytes in the file; a packed one that is broken or ends early is refused."""
        with self.path.open("rb") as self.raw:
            is_packed = self.raw.read(2) == b"\x1f\x8b"
            self.raw.seek(0)
            self.quotes = 0
            try:
                yield io.BufferedReader(gzip.GzipFile(fileobj=self.raw), BLOCK_BYTES) if is_packed else self.raw
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ImportRefused(
                    f"{self.name} is not a whole gzip file: {error}. It was probably cut off; fetch it again."
                ) from error

    @contextmanager
    def text(self, encoding: str) -> Iterator[io.TextIOWrapper]:
        """The file's text with its line ends as they are."""
        with self.unpacked() as stream:
            try:
                # A mark at the beginning is no part of the first column's name.
                yield io.TextIOWrapper(stream, "utf-8-sig" if _is_utf8(encoding) else encoding, newline="")
            except UnicodeError:
                raise self.wrong_encoding(encoding) from None

    def wrong_encoding(self, encoding: str) -> ImportRefused:
        """Says at which byte the file is no text in this encoding, and in which it may be."""
        with self.unpacked() as stream:
            start = stream.read(LONGEST_LINE)
        fitting = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
        for other in () if fitting else ENCODINGS:
            try:
                codecs.getincrementaldecoder(other)().decode(start)
            except UnicodeError:
                continue
            if other != "utf-16" or b"\x00" in start:
                fitting = fitting or other
        if fitting and codecs.lookup(fitting) == codecs.lookup(encoding):
            fitting = None
        advice = f"--encoding {fitting}" if fitting else "--encoding cp949, utf-8-sig or utf-16"
        return ImportRefused(
            f"{self.name} is not {encoding}: byte {self._undecodable_byte(encoding):,} cannot be read. Try {advice}."
        )

    def _undecodable_byte(self, encoding: str) -> int:
        decoder, before = codecs.getincrementaldecoder(encoding)(), 0
        with self.unpacked() as stream:
            while True:
                block = stream.read(LONGEST_LINE)
                waiting = len(decoder.getstate()[0])
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    return before - waiting + error.start
                except UnicodeError:
                    return before
                if not block:
                    return before
                before += len(block)


class _Watched(io.RawIOBase):
    """Bytes that pass by, with their quotes counted."""

    def __init__(self, file: _File, stream: BinaryIO):
        self._file, self._stream = file, stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._file.quotes += block.count(b'"')
        return block


@dataclass
class CsvFile(_File):
    """A CSV file with a header."""

    delimiter: str
    encoding: str

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        line, header = self._header(wanted)
        places = {name: str(header.index(name)) for name in wanted}
        refused: deque[tuple[int, str, dict[str, str]]] = deque()

        def refuse(row: pa.csv.InvalidRow) -> str:
            # What stands in a line whose columns are not known may be anybody's name.
            found = {"columns": f"{row.actual_columns}, not {row.expected_columns}"}
            refused.append((row.number - line - 1, WRONG_COLUMNS, found))
            return "skip"

        number = 0
        with self.unpacked() as stream:
            try:
                reader = pa.csv.open_csv(
                    _Watched(self, stream),
                    # Threads would leave rows without a number. Columns go by place: names may stand there twice.
                    pa.csv.ReadOptions(
                        use_threads=False,
                        block_size=BLOCK_BYTES,
                        column_names=[str(place) for place in range(len(header))],
                        skip_rows_after_names=line,
                        encoding="utf8" if _is_utf8(self.encoding) else self.encoding,
                    ),
                    pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                    pa.csv.ConvertOptions(
                        include_columns=list(places.values()), column_types=dict.fromkeys(places.values(), pa.string())
                    ),
                )
                for read in reader:
                    # Arrow parses the next block before it gives this one, so some that were refused stand in that one.
                    gone, end = [], number + read.num_rows
                    while refused and refused[0][0] <= end:
                        gone.append(refused.popleft())
                        end += 1
                    numbers = np.arange(number, end)
                    if gone:
                        numbers = np.delete(numbers, [row - number for row, _, _ in gone])
                    number = end
                    yield Batch(numbers, {name: read.column(place) for name, place in places.items()}, gone)
            except pa.ArrowInvalid as error:
                raise self._refusal(error) from None
            except UnicodeError:
                raise self.wrong_encoding(self.encoding) from None
        if refused:
            yield Batch(np.arange(0), {name: pa.array([], pa.string()) for name in wanted}, list(refused))
        if self.quotes % 2 and (line := self._open_quote()):
            raise ImportRefused(
                f"{self.name}, line {line:,}: a quotation mark opens and never closes, so the lines after it would be "
                "read as one value. Close or double it."
            )

    def lines(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        sought = iter(numbers)
        following = next(sought, None)
        for number, (line, _) in enumerate(self._rows()):
            if number - 1 == following:
                yield following, line
                following = next(sought, None)
            if following is None:
                return

    def _rows(self, after: Iterable[str] = ()) -> Iterator[tuple[int, list[str]]]:
        with self.text(self.encoding) as text:
            lines = chain(_lines(text, LONGEST_CSV_LINE), after)
            reader = csv.reader(lines, delimiter=self.delimiter)
            begun = 1
            try:
                for row in reader:
                    if row:
                        yield begun, row
                    begun = reader.line_num + 1
            except csv.Error as error:
                raise ImportRefused(
                    f"{self.name}, line {begun:,}, could not be read as CSV: {error}. Probably a quotation mark opens "
                    "and never closes; close or double it."
                ) from None

    def _open_quote(self) -> int | None:
        ((line, row),) = deque(self._rows(after=["\x00end"]), maxlen=1)
        return None if row == ["\x00end"] else line

    def _header(self, wanted: Sequence[str]) -> tuple[int, list[str]]:
        """The line of the header, which blank ones may precede, and its names."""
        line, header = next(self._rows(), (1, []))
        header = [name.strip() for name in header]
        if not header:
            raise ImportRefused(f"{self.name} is empty. An import needs a header and at least one line.")
        missing = [name for name in wanted if name not in header]
        if missing and len(header) == 1:
            for other, word in DELIMITERS.items():
                if other != self.delimiter and header[0].count(other):
                    written = "tab" if other == "\t" else other
                    raise ImportRefused(
                        f"{self.name} has 1 column when it is split at “{self.delimiter}”, and needs {len(wanted)}; "
                        f"split at {word} it has {header[0].count(other) + 1}. Try --delimiter '{written}'."
                    )
        _check_columns(self.name, header, wanted)
        if twice := [name for name in wanted if header.count(name) > 1]:
            raise ImportRefused(
                f"{self.name} has {header.count(twice[0])} columns named {twice[0]}; rename all but one."
            )
        return line, header

    def _refusal(self, error: pa.ArrowInvalid) -> ImportRefused:
        said = str(error)
        if "invalid UTF8" in said:
            return self.wrong_encoding(self.encoding)
        if "straddl" in said or "out of sync" in said:
            return ImportRefused(
                f"{self.name} has a line of more than {BLOCK_BYTES >> 20} MiB; probably a quotation mark opens and "
                "never closes. Close or double it."
            )
        return ImportRefused(f"{self.name} could not be read as CSV: {said.splitlines()[0][:200]}.")


@dataclass
class JsonLines(_File):
    """A file of one JSON object a line."""

    encoding: str

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        # Numbers stay as they are written.
        decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
        names: dict[str, None] = {}
        with self.text(self.encoding) as text:
            lines = enumerate(_lines(text, LONGEST_LINE))
            while block := list(islice(lines, BATCH_ROWS)):
                numbers, objects, refused = [], [], []
                for number, line in block:
                    if not line.strip():
                        continue
                    try:
                        found = decode(line)
                    except (ValueError, RecursionError):
                        found = None
                    if type(found) is dict:
                        numbers.append(number)
                        objects.append(found)
                        if len(names) < 1_000:
                            names.update(dict.fromkeys(found))
                    else:
                        refused.append((number, NOT_JSON, {}))
                columns = {name: _texts([found.get(name) for found in objects]) for name in wanted}
                yield Batch(np.array(numbers, dtype=np.int64), columns, refused)
        if names:
            _check_columns(self.name, list(names), wanted)

    def lines(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        return ((number, number + 1) for number in numbers)


@dataclass
class ParquetFile(_File):
    """A Parquet file, whose rows count as lines."""

    _rows: int = field(default=0, init=False)
    _read: int = field(default=0, init=False)

    @property
    def done(self) -> int:
        return self.size * self._read // max(self._rows, 1)

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        try:
            with pa.parquet.ParquetFile(self.path) as file:
                _check_columns(self.name, file.schema_arrow.names, wanted)
                self._rows, self._read = file.metadata.num_rows, 0
                for read in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
                    columns = {name: _as_text(self.name, name, read.column(name)) for name in wanted}
                    numbers = np.arange(self._read, self._read + read.num_rows)
                    self._read += read.num_rows
                    yield Batch(numbers, columns, [])
        except (pa.ArrowInvalid, OSError) as error:
            raise ImportRefused(f"{self.name} could not be read as Parquet: {str(error)[:200]}.") from None

    def lines(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        return ((number, number + 1) for number in numbers)


@dataclass
class Query:
    """What a query on another Postgres answers; its rows count as lines."""

    query: str
    address: str = field(repr=False)
    name: str = "query"
    size: int | None = None
    done: int = 0

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        try:
            connection = psycopg2.connect(self.address, application_name="maeari import", connect_timeout=10)
        except psycopg2.Error as error:
            # The driver's words may repeat the address with its password.
            raise ImportRefused(
                f"The other Postgres did not answer ({type(error).__name__}). Check the address in the environment, "
                "and that this machine may connect."
            ) from None
        try:
            connection.set_session(readonly=True)
            with connection.cursor("maeari_import") as cursor:
                cursor.itersize = BATCH_ROWS
                cursor.execute(self.query)
                rows = cursor.fetchmany(BATCH_ROWS)
                header = [column.name for column in cursor.description]
                _check_columns("The query", header, wanted)
                number = 0
                while rows:
                    places = {name: header.index(name) for name in wanted}
                    columns = {name: _texts([row[place] for row in rows]) for name, place in places.items()}
                    yield Batch(np.arange(number, number + len(rows)), columns, [])
                    number += len(rows)
                    rows = cursor.fetchmany(BATCH_ROWS)
        except psycopg2.Error as error:
            raise ImportRefused(
                f"The other Postgres refused the query: {str(error).strip().splitlines()[0][:300]}."
            ) from None
        finally:
            connection.close()

    def lines(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        return ((number, number + 1) for number in numbers)


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _lines(text: io.TextIOWrapper, longest: int) -> Iterator[str]:
    # A line without an end must not fill the memory; its pieces are read as lines and refused.
    return iter(partial(text.readline, longest), "")


def _check_columns(name: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in found]
    if not missing:
        return
    near = [close[0] for column in missing if (close := get_close_matches(column, found, 1, 0.5))]
    shown = ", ".join(column[:60] for column in found[:30]) + (", …" if len(found) > 30 else "")
    raise ImportRefused(
        f"{name} has no column {' or '.join(missing)}; its {len(found)} columns are {shown}. "
        + (f"Is {' or '.join(near)} meant? " if near else "")
        + "Name the right one by --map."
    )


def _texts(values: list) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    # JSON can write half a sign, which no database takes.
    return str(value).encode("utf-8", "backslashreplace").decode()


def _as_text(file: str, name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        # Identifiers with gaps come as 12346.0.
        column = column.cast(pa.float64())
        whole = pc.and_(pc.equal(column, pc.floor(column)), pc.less(pc.abs(column), 1e15))
        integers = pc.if_else(whole, column, None).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(integers, column.cast(pa.string()))
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ImportRefused(
            f"{file}: column {name} holds {column.type}, which is no text, number or time. Map another column."
        ) from None
