"""Reads schema.org objects from a page's JSON-LD."""

import json
import re
from collections.abc import Iterator

from scrapy.http import TextResponse

SCRIPTS = '//script[contains(@type, "ld+json")]/text()'
BRANCHES = ("@graph", "mainEntity", "itemListElement", "item", "review", "reviews")
DEEPEST = 30
# What pages put around their JSON.
_WRAPPING = re.compile(r"^\s*(?://\s*)?(?:<!--|<!\[CDATA\[)|(?://\s*)?(?:-->|\]\]>)\s*$")


def objects(response: TextResponse) -> Iterator[tuple[dict, dict]]:
    """Every typed object of the page with the object that holds it (empty for none), in the page's order.

    A script that is no JSON is passed over, and what is nested too deeply as well.
    """
    for script in response.xpath(SCRIPTS).getall():
        try:
            data = json.loads(_WRAPPING.sub("", script), strict=False)
        except (ValueError, RecursionError):
            continue
        yield from _walk(data, {})


def has_type(node: dict, *names: str) -> bool:
    """Whether the object is of one of the types, or of a kind of them: a NewsArticle is an Article."""
    types = node.get("@type")
    return any(
        isinstance(kind, str) and kind.rpartition("/")[2].endswith(names)
        for kind in (types if isinstance(types, list) else [types])
    )


def text(value: object) -> str | None:
    """A property as text: of a list its first value, of an object its name or value."""
    for _ in range(DEEPEST):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = value.get("name") or value.get("value") or value.get("@value")
        else:
            break
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _walk(node: object, holder: dict, depth: int = 0) -> Iterator[tuple[dict, dict]]:
    if depth > DEEPEST:
        return
    if isinstance(node, list):
        for child in node:
            yield from _walk(child, holder, depth + 1)
    elif isinstance(node, dict):
        if "@type" in node:
            yield node, holder
        for branch in BRANCHES:
            if branch in node:
                yield from _walk(node[branch], node, depth + 1)
