"""Which column of a file becomes which field: a few words of grammar, in a file or on the command line."""

import codecs
import re
from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from imports.errors import ImportRefused

Kind = Literal["column", "constant", "product", "first", "joined"]
OPERATORS: dict[str, Kind] = {"*": "product", "|": "first", "+": "joined"}
SHAPES: dict[Kind, str] = {
    "column": "a column's name",
    "constant": "=a constant",
    "product": "a * b (a product)",
    "first": "a | b (the first that is not empty)",
    "joined": "a + b (joined to one identifier)",
}


class Expression(NamedTuple):
    """How a field is made from columns; the operands of a constant are its text."""

    kind: Kind
    operands: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return () if self.kind == "constant" else self.operands


def parse_expression(text: str) -> Expression:
    """The expression of a text; raises ValueError with what is wrong.

    Operators have a space on both sides, and a name in double quotes is a column whatever it holds.
    """
    text = text.strip()
    if text.startswith("="):
        return Expression("constant", (text[1:].strip(),))
    parts = re.findall(r'"[^"]*"|\S+', text)
    found = [part for part in parts if part in OPERATORS]
    if len(set(found)) > 1:
        raise ValueError(f"“{text}” mixes {' and '.join(sorted(set(found)))}; only one of them can be used")
    operands = [""]
    for part in re.split(r'("[^"]*"|\s+)', text):
        if part in OPERATORS:
            operands.append("")
        else:
            operands[-1] += part
    operands = tuple(operand.strip().removeprefix('"').removesuffix('"').strip() for operand in operands)
    if not all(operands):
        raise ValueError(f"“{text}” lacks a column's name")
    if not found:
        return Expression("column", operands)
    if OPERATORS[found[0]] == "product" and len(operands) > 2:
        raise ValueError(f"“{text}” multiplies {len(operands)} columns; two can be multiplied")
    return Expression(OPERATORS[found[0]], operands)


class Mapping(BaseModel):
    """What all mappings say: how a file is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    shapes: ClassVar[dict[str, tuple[Kind, ...]]] = {}
    required: ClassVar[tuple[str, ...]] = ()

    kind: str
    delimiter: str | None = None
    """Between columns of a CSV; a comma unless said, in a file ending in .tsv a tab."""
    encoding: str = "utf-8"

    @field_validator("delimiter")
    @classmethod
    def _one_sign(cls, value: str | None) -> str | None:
        value = {"\\t": "\t", "tab": "\t"}.get(value, value)
        if value is not None and (len(value) != 1 or not value.isascii() or value in '"\r\n'):
            raise ValueError(f"“{value}” is no delimiter; it is one sign, such as , or ; or tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(f"“{value}” is no encoding; try utf-8, cp949 or utf-16") from None
        return value

    @model_validator(mode="after")
    def _expressions_fit(self) -> "Mapping":
        for field, shapes in self.shapes.items():
            text = getattr(self, field)
            if text is not None and parse_expression(text).kind not in shapes:
                fitting = ", or ".join(SHAPES[shape] for shape in shapes)
                raise ValueError(f"{field} cannot be “{text}”; it can be {fitting}")
        return self

    def expressions(self) -> dict[str, Expression]:
        """The expression of each field that is mapped."""
        return {field: parse_expression(text) for field in self.shapes if (text := getattr(self, field)) is not None}

    def columns(self) -> list[str]:
        """The columns that are read, each once."""
        return list(dict.fromkeys(name for expression in self.expressions().values() for name in expression.columns))


class EventMapping(Mapping):
    """How lines become events, and what is known about them as a whole."""

    shapes: ClassVar[dict[str, tuple[Kind, ...]]] = {
        "event_id": ("column", "joined"),
        "customer_id": ("column", "first"),
        "event_type": ("column", "constant", "first"),
        "occurred_at": ("column", "first"),
        "item_id": ("column", "first"),
        "quantity": ("column", "constant", "first"),
        "amount": ("column", "product", "first", "constant"),
    }
    required: ClassVar[tuple[str, ...]] = ("customer_id", "occurred_at")

    kind: Literal["events"] = "events"
    event_id: str | None = None
    customer_id: str
    event_type: str = "=purchase"
    occurred_at: str
    item_id: str | None = None
    quantity: str = "=1"
    amount: str | None = None
    date_format: str | None = None
    """As of Python's strptime, such as %d/%m/%Y %H:%M."""
    timezone: str | None = None
    """The zone of times that say none; the business zone unless said."""
    repeats: Literal["drop", "keep"] = "drop"
    complete_until: date | Literal["newest"] | None = None
    """The last day that is complete, or that the newest day in each file is."""
    final: bool = False

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        try:
            return value and ZoneInfo(value).key
        except (ValueError, OSError, KeyError):
            raise ValueError(f"“{value}” is no time zone; write it such as Asia/Seoul or Europe/London") from None

    @model_validator(mode="after")
    def _ends_once(self) -> "EventMapping":
        if self.final and self.complete_until is not None:
            raise ValueError("final and complete_until exclude one another: leave one out")
        return self


class AuthorMapping(Mapping):
    """How lines become links from authors of reviews to customers."""

    shapes: ClassVar[dict[str, tuple[Kind, ...]]] = {"author": ("column", "first"), "customer_id": ("column", "first")}
    required: ClassVar[tuple[str, ...]] = ("author", "customer_id")

    kind: Literal["authors"] = "authors"
    author: str
    customer_id: str


class BookMapping(Mapping):
    """How lines become books."""

    shapes: ClassVar[dict[str, tuple[Kind, ...]]] = {
        "book_id": ("column", "first", "joined"),
        "title": ("column", "first"),
        "author": ("column", "first"),
        "description": ("column", "first"),
        "subjects": ("column", "first", "constant"),
        "series": ("column", "first"),
        "volume": ("column", "first"),
        "edition_of": ("column", "first", "joined"),
        "isbn": ("column", "first"),
        "pages": ("column", "first"),
        "published_on": ("column", "first"),
        "url": ("column", "first"),
    }
    required: ClassVar[tuple[str, ...]] = ("book_id", "title")

    kind: Literal["books"] = "books"
    book_id: str
    title: str
    author: str | None = None
    description: str | None = None
    subjects: str | None = None
    """Parted by commas, semicolons or bars within the field."""
    series: str | None = None
    volume: str | None = None
    edition_of: str | None = None
    """The id of the book of which this one is another edition."""
    isbn: str | None = None
    pages: str | None = None
    published_on: str | None = None
    url: str | None = None
    date_format: str | None = None
    """As of Python's strptime, such as %d/%m/%Y."""


MAPPINGS: dict[str, type[Mapping]] = {"events": EventMapping, "authors": AuthorMapping, "books": BookMapping}


def read_mapping(file: Path | None, kind: Literal["events", "authors", "books"] | None = None, **given) -> Mapping:
    """The mapping of a YAML file, overruled by what is given; a kind of None is the file's own."""
    said: dict = {}
    if file is not None:
        try:
            said = yaml.safe_load(file.read_text(encoding="utf-8-sig")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            problem = str(error).replace("\n", " ")
            raise ImportRefused(
                f"{file} could not be read as YAML: {problem}. Write lines such as key: value."
            ) from None
        if not isinstance(said, dict):
            raise ImportRefused(f"{file} holds no keys; write lines such as customer_id: Customer ID.")
    said = {str(key): value for key, value in said.items()} | {k: v for k, v in given.items() if v is not None}
    # One that ends a source on the command line overrules the other in the file.
    for ended, other in (("final", "complete_until"), ("complete_until", "final")):
        if given.get(ended):
            said = {key: value for key, value in said.items() if key != other or given.get(other)}
    kind = kind or said.get("kind", "events")
    where = f"{file}" if file else "The mapping"
    if kind not in MAPPINGS:
        raise ImportRefused(f"{where}: kind is “{kind}”; it is one of {', '.join(MAPPINGS)}.")
    model = MAPPINGS[kind]
    missing = [name for name in model.required if name not in said]
    if missing:
        raise ImportRefused(
            f"{where} does not say which column is {' or '.join(missing)}. Add --map {missing[0]}=COLUMN, "
            f"or a line {missing[0]}: COLUMN in the mapping's file."
        )
    try:
        return model.model_validate(said)
    except ValidationError as error:
        faults = "; ".join(_fault(fault, model.model_fields) for fault in error.errors())
        raise ImportRefused(f"{where}: {faults}.") from None


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """What `--map field=EXPR …` says."""
    said = {}
    for pair in pairs:
        field, sign, expression = pair.partition("=")
        if not sign or not field.strip() or not expression.strip():
            raise ImportRefused(f"--map “{pair}” is not FIELD=EXPRESSION, such as --map customer_id='Customer ID'.")
        if field.strip() in said:
            raise ImportRefused(f"--map names {field.strip()} twice; keep one.")
        said[field.strip()] = expression.strip()
    return said


def _fault(fault: dict, known: dict) -> str:
    name = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(name, known, 1)
        return f"“{name}” is not known" + (f"; is {near[0]} meant?" if near else f"; known are {', '.join(known)}")
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
