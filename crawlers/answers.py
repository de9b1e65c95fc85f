"""Reads what an interface answers: JSON, and XML in the same shape."""

import html
import json
import re

from lxml import etree
from scrapy.http import Response, TextResponse

from crawlers.errors import PageFault

_LINE_ENDS = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^<>]*>", re.IGNORECASE)
_TAGS = re.compile(r"<(?:[a-zA-Z/][^<>]*|!--[^<>]*--)>")
LONGEST_INTEGER = 20


def read_answer(response: Response) -> object:
    """The answer as JSON has it; an XML element becomes `{"label": text, "attributes": {…}, …children}`.

    Children of one name become a list, as in iTunes' JSON. Raises PageFault for what is neither.
    """
    body = response.body.strip().removeprefix(b"\xef\xbb\xbf")
    return _xml(body) if body.startswith(b"<") else _json(body, response)


def text_of(value: object) -> str | None:
    """A value as text; of several their texts. Raises ValueError for one that has no text."""
    match value:
        case None | str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case list() if not any(isinstance(part, list | dict) for part in value):
            return ", ".join(filter(None, map(text_of, value))) or None
        case _:
            raise ValueError("is an object, not text")


def plain_text(markup: str) -> str:
    """The text of a piece of HTML: without tags, with its entities read once."""
    return html.unescape(_TAGS.sub("", _LINE_ENDS.sub("\n", markup))).strip()


def _json(body: bytes, response: Response) -> object:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = response.text if isinstance(response, TextResponse) else body.decode(errors="replace")
    try:
        return json.loads(text, strict=False, parse_int=_integer, parse_constant=lambda name: None)
    except RecursionError:
        raise PageFault("JSON nested too deeply") from None
    except ValueError:
        raise PageFault("neither JSON nor XML") from None


def _integer(digits: str) -> int | str:
    # Python refuses to read integers of thousands of digits, and with one the whole page would be lost.
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


def _xml(body: bytes) -> dict:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise PageFault("neither JSON nor XML") from None
    if next(root.iter(etree.Entity), None) is not None:
        # They are never put in, and a text without them would land cut short.
        raise PageFault("XML with entities of its own")
    return {_name(root): _shape(root)}


def _shape(node: etree._Element) -> dict:
    shape: dict = {}
    if node.attrib:
        shape["attributes"] = {name.rpartition("}")[2]: value for name, value in node.attrib.items()}
    children: dict[str, list] = {}
    for child in node.iterchildren(tag=etree.Element):
        children.setdefault(_name(child), []).append(_shape(child))
    if not children and node.text:
        shape["label"] = node.text.strip()
    return shape | {name: shapes[0] if len(shapes) == 1 else shapes for name, shapes in children.items()}


def _name(node: etree._Element) -> str:
    # lxml's QName breaks on a namespace that holds a brace.
    local = node.tag.rpartition("}")[2]
    return f"{node.prefix}:{local}" if node.prefix else local
