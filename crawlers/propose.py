"""Proposes a source from what an address shows: its kind, its links and its selectors, tried with the real spider."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from lxml import etree
from pydantic import Field, TypeAdapter, ValidationError
from scrapy import Request
from scrapy.http import Response, TextResponse

from crawlers.blocks import review_blocks
from crawlers.check import Checked, Fetch, Sample, answer_parent, bounded, fetch_with, in_child, sample, summarise
from crawlers.errors import AddressRefused, PageFault, SourceError
from crawlers.json_records import interface_fields, path_key, record_lists
from crawlers.kinds import LOOPBACK_HOSTS, AnySource
from crawlers.links import OFFSET_NAMES, PAGE_NAMES, joined, link_groups, paging_of
from crawlers.run import require_contact
from crawlers.spiders.news import read_entries
from maeari import clock

PAGES = 20
LINK_GROUPS = 4
HEADS = 4
TRIAL = {"name": "new_source", "owner": "unknown", "licence": "unknown"}

_SOURCE = TypeAdapter(Annotated[AnySource, Field(discriminator="kind")])


@dataclass
class Proposal:
    """Facts of a source that brought records, why they were chosen, and what the first pages gave."""

    facts: dict
    reasons: list[str]
    checked: Checked
    examples: list[dict] = field(default_factory=list)

    def as_json(self) -> dict:
        """Everything as plain values; texts of the site are redacted and bounded."""
        return {"facts": self.facts, "reasons": self.reasons, "examples": self.examples} | {
            "records": self.checked.records,
            "kind": self.checked.kind,
        }


class _Site:
    """Pages of one site, each fetched once, so many at most."""

    def __init__(self, fetch: Fetch, is_local: bool):
        self._fetch = fetch
        self._pages: dict[str, Response | Exception] = {}
        self.is_local = is_local

    async def fetch(self, request: Request) -> Response:
        """The response; raises what fetching raised, or PageFault when enough pages were fetched."""
        key = request.url
        if key not in self._pages:
            if len(self._pages) >= PAGES:
                raise PageFault(f"not fetched: {PAGES} pages have been looked at")
            try:
                self._pages[key] = await self._fetch(request)
            except Exception as error:
                self._pages[key] = error
        page = self._pages[key]
        if isinstance(page, Exception):
            raise page
        return page.replace(request=request)

    async def page(self, url: str) -> TextResponse | None:
        """A page of text, None when it cannot be read."""
        try:
            response = await self.fetch(Request(url))
        except Exception:
            return None
        return response if response.status == 200 and isinstance(response, TextResponse) else None

    async def tried(self, facts: dict, reasons: list[str]) -> Proposal | None:
        """The proposal when the source's own spider reads records by it, more than it refuses."""
        facts = facts | ({"local": True} if self.is_local else {})
        try:
            source = _SOURCE.validate_python(TRIAL | facts)
        except ValidationError:
            # What a site shows may not be sayable in a source: an address with braces.
            return None
        seen = await sample(source, self.fetch, pages=4)
        if not seen.items or len(seen.refused) > len(seen.items):
            return None
        return Proposal(facts, reasons, summarise(source, seen), _examples(seen))


async def propose(address: str, fetch: Fetch, *, is_local: bool = False) -> Proposal:
    """The source that an address is: what its site tells in a standard first, else selectors for what repeats.

    Raises SourceError when the address cannot be read, or no record was found there.
    """
    site = _Site(fetch, is_local)
    try:
        first = await site.fetch(Request(address))
    except Exception as error:
        hint = " If it is on your own network, add --local." if isinstance(error, AddressRefused) else ""
        fault = bounded(str(error) or type(error).__name__, 300)
        raise SourceError(f"{bounded(address, 200)} cannot be read: {fault}.{hint}") from None
    if first.status != 200 or not isinstance(first, TextResponse):
        shown = f"HTTP {first.status}" if first.status != 200 else "neither a page, a feed nor JSON"
        raise SourceError(
            f"{bounded(address, 200)} answered with {shown}. Open it in a browser and give its address there."
        )
    body = first.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if body[:1] in (b"{", b"["):
        candidates = _interfaces(site, first)
    elif not body[:500].lower().startswith((b"<!doctype html", b"<html")) and list(_entries(first)):
        candidates = _feeds(site, [first.url])
    else:
        candidates = _pages(site, first)
    async for facts, reasons in candidates:
        proposal = await site.tried(facts, reasons)
        if proposal is not None:
            return proposal
    raise SourceError(
        f"No record was found at {bounded(address, 200)}: no review in JSON-LD, microdata or repeated blocks with an "
        "identifier, no feed, no sitemap with dated articles. Give the address of a page that shows reviews, or of "
        "a feed; a page that a script draws in the browser cannot be read, but the JSON it asks for can."
    )


async def _pages(site: _Site, first: TextResponse) -> AsyncIterator[tuple[dict, list[str]]]:
    """Candidates of an HTML page, the most trustworthy first."""
    facts = {"kind": "review_pages", "start_urls": [first.url]}
    groups = link_groups(first)[:LINK_GROUPS]
    yield facts | _paging(first), ["The page tells its reviews in JSON-LD or microdata."]
    targets: list[tuple[dict, list[str], TextResponse]] = []
    for group in groups:
        for url in group.urls[:2]:
            target = await site.page(url)
            if target is None:
                continue
            led = facts | {"subject_links": group.selector} | _paging(target, first)
            reasons = [f"{len(group.urls)} links of the page ({group.selector}) lead to pages with reviews."]
            targets.append((led, reasons, target))
            yield led, [*reasons, "They tell their reviews in JSON-LD or microdata."]
    unrated: list[tuple[dict, list[str]]] = []
    for described, reasons, page in [(facts | _paging(first), [], first), *targets]:
        for selectors in review_blocks(page)[:2]:
            candidate = described | {"selectors": selectors}, [*reasons, f"Each review is one {selectors['review']}."]
            if "rating" in selectors:
                yield candidate
            elif "written_at" in selectors or "author" in selectors:
                unrated.append(candidate)
    feeds = first.xpath(
        '//link[contains(@rel, "alternate") and (contains(@type, "rss") or contains(@type, "atom"))]/@href'
    ).getall()
    async for candidate in _feeds(
        site, list(dict.fromkeys(filter(None, (joined(first.url, feed) for feed in feeds))))[:3]
    ):
        yield candidate
    async for candidate in _feeds(site, await _sitemaps(site, first.url)):
        yield candidate
    for candidate in unrated:
        yield candidate


async def _feeds(site: _Site, urls: list[str]) -> AsyncIterator[tuple[dict, list[str]]]:
    """Feeds and sitemaps that lead to articles of the site's own host."""
    for url in urls:
        page = await site.page(url)
        entries = list(_entries(page)) if page is not None else []
        if any(entry["is_sitemap"] for entry in entries) and page is not None:
            for entry in entries[:2]:
                nested = await site.page(joined(page.url, entry["link"] or "") or "")
                entries += list(_entries(nested)) if nested is not None else []
        links = [joined(page.url, entry["link"]) for entry in entries if entry["link"] and not entry["is_sitemap"]]
        links = [link for link in links if link]
        if not links:
            continue
        is_feed = any(entry["is_feed_item"] for entry in entries)
        facts = {"kind": "news_feed" if is_feed else "news_sitemap", "start_urls": [page.url]}
        what = f"{'A feed' if is_feed else 'A sitemap'} with {len(links)} links"
        heads = path_heads(links, urlsplit(page.url).hostname)
        if is_feed and heads:
            # What a feed lists is news, whatever its path.
            path = f"^{re.escape(heads[0])}" if len(heads) == 1 else "."
            yield facts | {"article_path": path}, [f"{what} to articles."]
        elif dated := [head for head in heads[:HEADS] if await _are_dated(site, facts, head)]:
            paths = "|".join(map(re.escape, dated))
            path = f"^{paths}" if len(dated) == 1 else f"^(?:{paths})"
            yield facts | {"article_path": path}, [f"{what}; those to {', '.join(dated)} lead to dated articles."]


async def _are_dated(site: _Site, facts: dict, head: str) -> bool:
    """Whether the pages under a path are articles: a sitemap lists everything, but only articles tell their day."""
    proposal = await site.tried(facts | {"article_path": f"^{re.escape(head)}"}, [])
    return proposal is not None and any(one.filled for one in proposal.checked.fields if one.name == "published_at")


def _entries(page: TextResponse) -> Iterator[dict]:
    try:
        yield from read_entries(page.body)
    except (PageFault, ValueError, etree.LxmlError):
        return


async def _sitemaps(site: _Site, url: str) -> list[str]:
    robots = await site.page(urljoin(url, "/robots.txt"))
    named = re.findall(r"(?im)^\s*sitemap:\s*(\S+)", robots.text) if robots is not None else []
    host = urlsplit(url).netloc
    own = [address for address in named if urlsplit(address).netloc == host]
    return list(dict.fromkeys([*own[:2], urljoin(url, "/sitemap.xml")]))


def path_heads(links: list[str], host: str | None) -> list[str]:
    """The first parts of the paths that links on a host have, the commonest first; "/" for those that have none."""
    paths = [urlsplit(link).path for link in links if urlsplit(link).hostname == host]
    return [
        head
        for head, _ in Counter(
            f"/{path.split('/')[1]}/" if path.count("/") > 1 else "/" for path in paths
        ).most_common()
    ]


def _paging(*pages: TextResponse) -> dict:
    """The paging of the first page that shows one, as a fact; none when the usual next link says it."""
    for page in pages:
        described = paging_of(page)
        if described is not None:
            return {"paging": described} if described else {}
    return {}


async def _interfaces(site: _Site, first: TextResponse) -> AsyncIterator[tuple[dict, list[str]]]:
    """Candidates of an answer in JSON."""
    try:
        answer = json.loads(first.body)
    except (ValueError, RecursionError):
        return
    for path, records in record_lists(answer)[:3]:
        fields = interface_fields(records)
        if fields is None:
            continue
        kind = "news_api" if "title" in fields and "rating" not in fields and "url" in fields else "review_api"
        if kind == "news_api":
            renamed = {"written_at": "published_at"}
            fields = {renamed.get(name, name): value for name, value in fields.items() if name != "rating_max"}
        facts = {"kind": kind, "start_urls": [first.url], "records": path, "fields": fields}
        facts |= await _api_paging(site, first, answer, path, records)
        if kind == "review_api" and "subject_id" not in fields:
            facts |= _one_subject(facts, first.url)
        reasons = [f"The address answers in JSON with {len(records)} records at “{path}”."]
        if "paging" not in facts:
            reasons.append("No way to a next page was found: only these are read, unless “paging” tells one.")
        yield facts, reasons


def _one_subject(facts: dict, url: str) -> dict:
    """The subject of reviews that do not name theirs: what the address does, else the address's last part for all."""
    (address,) = facts["start_urls"]
    for name, value in parse_qsl(urlsplit(address).query):
        if re.search(r"(?:id|no|code|seq)$", name, re.IGNORECASE) and address.count(f"{name}={value}") == 1:
            return {
                "start_urls": [address.replace(f"{name}={value}", f"{name}={{subject}}")],
                "subjects": {value: None},
            }
    for part in reversed(urlsplit(address).path.split("/")):
        if re.search(r"\d{2}", part) and address.count(f"/{part}") == 1:
            return {"start_urls": [address.replace(f"/{part}", "/{subject}")], "subjects": {part: None}}
    name = re.sub(r"[^\w.-]", "", urlsplit(url).path.rstrip("/").rpartition("/")[2]) or "all"
    return {"fields": facts["fields"] | {"subject_id": f"'{name}'"}}


async def _api_paging(site: _Site, first: TextResponse, answer: object, path: str, records: list) -> dict:
    parts = urlsplit(first.url)
    query = parse_qsl(parts.query)
    for name, value in query:
        if PAGE_NAMES.match(name) and value.isdecimal():
            url = urlunsplit(parts._replace(query=urlencode([pair for pair in query if pair[0] != name])))
            return {"start_urls": [url], "paging": {"by": "page", "parameter": name, "first": int(value)}}
        if OFFSET_NAMES.match(name) and value.isdecimal():
            url = urlunsplit(parts._replace(query=urlencode([pair for pair in query if pair[0] != name])))
            paging = {"by": "offset", "parameter": name, "step": len(records)}
            return {"start_urls": [url], "paging": paging | ({"first": int(value)} if int(value) else {})}
    if isinstance(answer, dict):
        for name in answer:
            if re.fullmatch(r"(?:next_?)?cursor|next_?page_?token", name, re.IGNORECASE) and answer[name]:
                parameter = "cursor" if "cursor" in name.lower() else "pageToken"
                return {"paging": {"by": "cursor", "parameter": parameter, "path": path_key(name)}}
    if (paging := _paging_of_next(first.url, answer, len(records))) is not None:
        return {"paging": paging}
    sign = "&" if parts.query else "?"
    counted = [await _records_at(site, f"{first.url}{sign}page={number}", path) for number in range(3)]
    for number in (1, 0):
        if counted[number] == records and counted[number + 1] not in (None, [], records):
            return {"paging": {"by": "page", "parameter": "page"} | ({} if number else {"first": 0})}
    return {}


def _paging_of_next(url: str, answer: object, records: int) -> dict | None:
    """How the pages are counted, by the address of the next one that an answer holds."""
    holders = [answer, *answer.values()] if isinstance(answer, dict) else []
    for link in (holder.get("next") for holder in holders if isinstance(holder, dict)):
        following = joined(url, link) if isinstance(link, str) else None
        for name, value in parse_qsl(urlsplit(following or "").query):
            if PAGE_NAMES.match(name) and value.isdecimal() and int(value) > 0:
                return {"by": "page", "parameter": name} | ({} if value == "2" else {"first": int(value) - 1})
            if OFFSET_NAMES.match(name) and value.isdecimal() and int(value) >= records:
                first = int(value) - records
                return {"by": "offset", "parameter": name, "step": records} | ({"first": first} if first else {})
    return None


async def _records_at(site: _Site, url: str, path: str) -> list[dict] | None:
    page = await site.page(url)
    try:
        return dict(record_lists(json.loads(page.body))).get(path) if page is not None else None
    except (ValueError, RecursionError):
        return None


def _examples(seen: Sample) -> list[dict]:
    examples = []
    for item in seen.items[:3]:
        row = vars(item)
        rating = row.get("rating")
        when = row.get("written_at") or row.get("published_at")
        examples.append(
            {
                "id": bounded(row.get("source_review_id") or row["source_article_id"]),
                "rating": f"{rating:g} of {row['rating_max']:g}" if rating is not None else None,
                "when": f"{when.astimezone(clock.zone()):%Y-%m-%d}" if when else None,
                "text": bounded(row["body"] if row.get("title") is None else f"{row['title']}: {row['body']}", 120),
            }
        )
    return examples


def look_at(address: str, is_local: bool) -> dict:
    """The proposal for an address, as plain values, fetched in a process of its own with the manners of a crawl.

    Loopback is local without being told. Raises SourceError when nothing can be proposed.
    """
    is_loopback = urlsplit(address).hostname in LOOPBACK_HOSTS
    is_local = is_local or is_loopback
    require_contact(_look(address, is_local))
    proposal = in_child("crawlers.propose", address, "local" if is_local else "public")
    if is_loopback:
        proposal["facts"]["delay_seconds"] = 0
    return proposal


def proposed_name(address: str) -> str:
    """A name for the source of an address, from its host and path."""
    parts = urlsplit(address)
    host = (parts.hostname or "").removeprefix("www.")
    # Of an address without letters nothing is worth keeping.
    labels = [label for label in host.split(".")[:-1] if re.search("[a-z]", label)] or ["site"]
    path = re.sub(r"\.\w{2,5}$", "", parts.path.rstrip("/")).rpartition("/")[2]
    name = re.sub(r"[^a-z0-9]+", "_", f"{'_'.join(labels[-2:])}_{path}".lower()).strip("_")[:40]
    return name if name[:1].isalpha() else f"site_{name}"


def require_name(name: str) -> None:
    """Raise SourceError unless a source can have this name."""
    try:
        require_valid(TRIAL | {"name": name, "kind": "review_pages", "start_urls": ["https://site.example"]})
    except SourceError:
        raise SourceError(
            f"“{name[:80]}” cannot be a source's name; give 2 to 63 of a-z, 0-9 and _, a letter first, "
            "such as book_shop."
        ) from None


def require_valid(facts: dict) -> None:
    """Raise SourceError unless the facts can be a source's file."""
    try:
        _SOURCE.validate_python(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"][1:]) or "the file"
        raise SourceError(f"{key} is {first['input']!r}: {first['msg']}. Give another.") from None


def _look(address: str, is_local: bool) -> AnySource:
    facts = {**TRIAL, "kind": "review_pages", "start_urls": [address], "local": is_local}
    try:
        return _SOURCE.validate_python(facts | ({"delay_seconds": 0} if is_local else {}))
    except ValidationError as error:
        raise SourceError(f"{bounded(address, 200)} is no address: {error.errors()[0]['msg']}.") from None


def _look_here(arguments: list[str]) -> dict:
    """The proposal for an address, fetched with the manners of a crawl."""
    address, local = arguments
    is_local = local == "local"

    async def work(fetch: Fetch) -> Proposal:
        return await propose(address, fetch, is_local=is_local)

    proposal, _ = fetch_with(_look(address, is_local), work)
    return proposal.as_json()


if __name__ == "__main__":
    answer_parent(_look_here)
