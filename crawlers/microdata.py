"""Reads schema.org objects from a page's microdata, in the shape of JSON-LD.

extruct's reader takes seven seconds for 36 KB of itemprops that many itemrefs share; this one passes the page once and
leaves itemref out.
"""

from collections.abc import Iterator
from urllib.parse import urljoin

from lxml import etree
from scrapy.http import TextResponse

_ADDRESSES = dict.fromkeys(("a", "area", "link"), "href") | {"object": "data"}
_ADDRESSES |= dict.fromkeys(("audio", "embed", "iframe", "img", "source", "track", "video"), "src")
# The text of properties inside properties is read again for each of them.
DEEPEST = 8


def objects(response: TextResponse) -> Iterator[tuple[dict, dict]]:
    """Every typed object of the page with the object that holds it (empty for none), in the page's order."""
    found: list[tuple[dict, dict]] = []
    open_items: list[dict] = [{}]
    open_texts = 0
    for event, node in etree.iterwalk(response.selector.root, events=("start", "end"), tag="*"):
        is_item, names = "itemscope" in node.attrib, node.get("itemprop", "").split()
        if event == "end":
            open_items = open_items[:-1] if is_item else open_items
            open_texts -= bool(names) and not is_item
            continue
        holder = open_items[-1]
        if is_item:
            value: dict | str = {"@type": node.get("itemtype", "").split()}
            if node.get("itemid"):
                value["@id"] = node.get("itemid").strip()
            if value["@type"]:
                found.append((value, holder))
            open_items.append(value)
        elif names:
            open_texts += 1
            if open_texts > DEEPEST:
                continue
            value = _value(node, response.url)
        for name in names:
            holder.setdefault(name, []).append(value)
    return iter(found)


def text_in(node: etree._Element) -> str:
    """The text of an element as it is written, with a line's end for each `<br>`."""
    return "".join(piece if isinstance(piece, str) else "\n" for piece in node.xpath(".//text() | .//br"))


def _value(node: etree._Element, base: str) -> str:
    if node.tag in _ADDRESSES:
        address = node.get(_ADDRESSES[node.tag], "").strip()
        try:
            return urljoin(base, address)
        except ValueError:
            return address
    for name in ("content", "datetime", "value"):
        if name in node.attrib:
            return node.get(name).strip()
    return text_in(node).strip()
