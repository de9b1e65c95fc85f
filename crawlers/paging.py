"""Where the next page lies, for pages that are counted or whose answers hold the key of the next one."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote_plus

from crawlers.kinds import ENVIRONMENT_KEY, Cursor, Offsets, PageNumbers

Counted = PageNumbers | Offsets
LOOKED_BACK = 8
# The digits of a hash may look like a phone number, and a request that seems to hold one is not kept.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def address_at(template: str, paging: Counted | Cursor, place: int | str) -> str:
    """The address of a page: its place at `{page}`, `{offset}` or `{cursor}`, else in the query parameter."""
    mark = f"{{{paging.by}}}"
    if mark in template:
        return template.replace(mark, quote(str(place), safe=""))
    return with_parameters(template, {paging.parameter: quote_plus(str(place))})


def following(paging: Counted, place: int) -> int | None:
    """The place after this one, None after the last."""
    after = place + (paging.step if isinstance(paging, Offsets) else 1)
    return None if paging.last is not None and after > paging.last else after


def asked_for(newest_first: bool) -> dict[str, bool]:
    """How a request for the next page is marked: it ends where news end, or is asked in every crawl."""
    return {"next_page": True} if newest_first else {"standing": True}


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """The address with encoded values of query parameters; what else its query says stays as it was written."""
    address, hash_mark, fragment = url.partition("#")
    path, _, query = address.partition("?")
    kept = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) not in parameters]
    query = "&".join([*kept, *(f"{quote_plus(name)}={value}" for name, value in parameters.items())])
    return f"{path}?{query}{hash_mark}{fragment}" if query else url


def encoded(value: str) -> str:
    """A value for a query, encoded once; a key's `${NAME}` stays, for the key is put in and encoded when it is sent."""
    parts = re.split(f"({ENVIRONMENT_KEY.pattern.replace('(', '(?:')})", value)
    return "".join(part if ENVIRONMENT_KEY.fullmatch(part) else quote_plus(part) for part in parts)


def digest(records: Iterable[Mapping[str, str | None]]) -> str:
    """Says whether two pages show the same records: sites show the last or the first page again past the end."""
    shown = [
        [record.get(name) for name in ("source_review_id", "source_article_id", "body", "title")] for record in records
    ]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32].translate(_LETTERS)


def with_shown(shown: list[str], records: Iterable[Mapping[str, str | None]]) -> list[str]:
    """The digests to look out for on the next page: of the first page and of the last few, this one included."""
    return [*shown[:1], *shown[1:][1 - LOOKED_BACK :], digest(records)]
