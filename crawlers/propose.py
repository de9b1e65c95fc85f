"""Proposes a source from what an address shows: its kind, its links and its selectors, tried with the real spider."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os.path import commonprefix
from statistics import mean, median
from typing import Annotated
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit, urlunsplit

from lxml import etree
from parsel import Selector
from pydantic import Field, TypeAdapter, ValidationError
from scrapy import Request
from scrapy.http import Response, TextResponse

from crawlers.check import Checked, Fetch, Sample, answer_parent, bounded, fetch_with, in_child, sample, summarise
from crawlers.dates import read_date
from crawlers.errors import PageFault, SourceError
from crawlers.kinds import LOOPBACK_HOSTS, AnySource
from crawlers.run import require_contact
from crawlers.spiders.news import read_entries
from crawlers.spiders.review_pages import found
from crawlers.stars import read_stars
from maeari import clock

PAGES = 16
LINK_GROUPS = 4
BLOCK_TAGS = ("article", "li", "tr", "div", "section", "dl", "tbody", "blockquote", "p", "td")
BLOCK_GROUPS = 24
BLOCKS_READ = 30
BLOCKS_FOR_SELECTORS = 8
FRAME = frozenset({"nav", "header", "footer", "aside", "form", "select", "script", "style", "head"})
TRIAL = {"name": "new_source", "owner": "unknown", "licence": "unknown"}

_IDENT = re.compile(r"[A-Za-z가-힣_-][\w-]*")
_MADE_BY_A_BUILD = re.compile(r"^(?:css|sc|jsx|svelte|emotion)-|^_|[a-z]\d+[a-z]|__\w*\d", re.IGNORECASE)
_RATING_TEXT = re.compile(r"[★☆⭐🌟]|\d\s*점|\d\s*(?:/|out of)\s*\d|별표?\s*\d")
_DATE_TEXT = re.compile(
    r"\d{2,4}\s*[.\-/년]\s*\d{1,2}\s*[.\-/월]\s*\d{1,2}|\d월\s*\d|\d\s*\S{1,3}\s*(?:전|ago)\b|^(?:방금|오늘|어제|그제|그저께)"
)
_PAGE_NAMES = re.compile(r"^(?:page|p|pg|pn|paged|(?:cur|now|c)page|page_?(?:no|num|index))$", re.IGNORECASE)
_OFFSET_NAMES = re.compile(r"^(?:offset|start|from|skip|startindex|start_?no)$", re.IGNORECASE)
_NEXT_TEXT = re.compile(r"^\s*(?:다음(?:\s*페이지)?|next(?: page)?|older)?\s*[›»>→▶]*\s*$", re.IGNORECASE)
_HINTS = {
    "rating": r"rating|rate|star|score|grade|point|별점|평점|점수",
    "written_at": r"date|time|day|regist|created|written|작성일|등록|날짜|일자",
    "author": r"author|writer|nick|user|member|reviewer|(?<![a-z])name|(?<![a-z])by(?![a-z])|작성자|글쓴이|닉네임|이름",
    "title": r"title|subject|summary|headline|제목",
    "body": r"body|content|text|comment|desc|message|memo|review|내용|본문|후기|의견|한줄평",
    "id": r"(?:^|[^a-z])(?:id|no|num|seq|idx|key|srl|uuid)(?![a-z])|(?:Id|No|Seq|Idx|_id)(?![a-z])|번호",
}
HINTS = {role: re.compile(pattern, re.IGNORECASE if role != "id" else 0) for role, pattern in _HINTS.items()}
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
        raise SourceError(
            f"{bounded(address, 200)} cannot be read: {bounded(str(error) or type(error).__name__, 300)}."
        ) from None
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
        "identifier, no feed, no sitemap with articles. Give the address of a page that shows reviews, or of a feed; "
        "a page that a script draws in the browser cannot be read, but the JSON it asks for can."
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
    async for candidate in _feeds(site, list(dict.fromkeys(first.urljoin(feed.strip()) for feed in feeds))[:3]):
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
                nested = await site.page(page.urljoin(entry["link"] or ""))
                entries += list(_entries(nested)) if nested is not None else []
        links = [page.urljoin(entry["link"]) for entry in entries if entry["link"] and not entry["is_sitemap"]]
        if not links:
            continue
        is_feed = any(entry["is_feed_item"] for entry in entries)
        facts = {"kind": "news_feed" if is_feed else "news_sitemap", "start_urls": [page.url]}
        what = f"{'A feed' if is_feed else 'A sitemap'} with {len(links)} links"
        for path in article_paths(links, urlsplit(page.url).hostname):
            yield facts | {"article_path": path}, [f"{what}; those to {path} are articles."]


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


def article_paths(links: list[str], host: str | None) -> list[str]:
    """Regular expressions of the paths that a feed's links have in common, the commonest first."""
    paths = [urlsplit(link).path for link in links if urlsplit(link).hostname == host]
    heads = Counter(f"/{path.split('/')[1]}/" for path in paths if path.count("/") > 1)
    common = [f"^{re.escape(head)}" for head, count in heads.most_common(2) if count >= max(2, len(paths) / 5)]
    return [*common, *(["."] if paths and not common else [])]


@dataclass
class LinkGroup:
    """Links of one page that are made alike, and a selector that finds them alone."""

    selector: str
    urls: list[str]


def link_groups(page: TextResponse) -> list[LinkGroup]:
    """Links to other pages of the host that repeat one pattern, the most repeated first."""
    here = urlsplit(page.url)
    found_links: dict[tuple, list] = {}
    for link in page.css("a[href]"):
        url = urldefrag(urljoin(page.url, link.attrib["href"].strip())).url
        parts = urlsplit(url)
        is_paging = parts.path == here.path and _without_page(parts.query) == _without_page(here.query)
        if parts.scheme in ("http", "https") and parts.netloc == here.netloc and not is_paging:
            found_links.setdefault(_pattern_of(parts), []).append((link, url))
    groups = []
    for members in found_links.values():
        urls = list(dict.fromkeys(url for _, url in members))
        if len(urls) < 2:
            continue
        selector = _links_selector(page, [link for link, _ in members], set(urls))
        if selector is not None:
            in_frame = mean(any(node.tag in FRAME for node in link.root.iterancestors()) for link, _ in members)
            groups.append((in_frame > 0.5, -len(urls), LinkGroup(selector, urls)))
    return [group for *_, group in sorted(groups, key=lambda entry: entry[:2])]


def _pattern_of(parts) -> tuple:
    segments = ["#" if any(map(str.isdigit, segment)) else segment for segment in parts.path.split("/")]
    keys = tuple(sorted({name for name, _ in parse_qsl(parts.query) if not _PAGE_NAMES.match(name)}))
    if "#" not in segments and not keys:
        segments[-1] = "*"
    return tuple(segments), keys


def _links_selector(page: TextResponse, links: list[Selector], urls: set[str]) -> str | None:
    """The first selector that finds these links and hardly any other."""
    hrefs = [link.attrib["href"].strip() for link in links]
    prefix = re.match(r".*[/=?]|", commonprefix(hrefs))[0]
    candidates = []
    if is_absolute := prefix.startswith(("http://", "https://", "//")):
        prefix = re.sub(r"^(?:https?:)?//[^/]*", "", prefix)
    if len(prefix) > 1:
        candidates.append(f"a[href{'*' if is_absolute else '^'}={_quoted(prefix)}]")
        suffix = re.match(r"[/.]\w*|", commonprefix([href[::-1] for href in hrefs])[::-1])[0]
        if suffix:
            candidates.append(f"{candidates[0]}[href$={_quoted(suffix)}]")
    shared = set.intersection(*(_class_names(link.root) for link in links))
    candidates += [f"a.{name}" for name in sorted(shared)]
    for link in links[:1]:
        for node in list(link.root.iterancestors())[:5]:
            if node.get("id") and _IDENT.fullmatch(node.get("id")) and not any(map(str.isdigit, node.get("id"))):
                candidates.append(f"#{node.get('id')} a")
            candidates += [f"{node.tag}.{name} a" for name in sorted(_class_names(node))]
    for candidate in candidates:
        chosen = {urldefrag(urljoin(page.url, link.attrib.get("href", "").strip())).url for link in page.css(candidate)}
        if len(chosen & urls) >= 0.8 * len(urls) and len(chosen - urls) <= 0.05 * len(urls):
            return candidate
    return None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _without_page(query: str) -> list[tuple[str, str]]:
    return sorted(
        pair for pair in parse_qsl(query) if not _PAGE_NAMES.match(pair[0]) and not _OFFSET_NAMES.match(pair[0])
    )


def _paging(*pages: TextResponse) -> dict:
    """The paging of the first page that shows one, as a fact; none when the usual next link says it."""
    for page in pages:
        described = paging_of(page)
        if described is not None:
            return {"paging": described} if described else {}
    return {}


def paging_of(page: TextResponse) -> dict | None:
    """How a page leads to the next: {} by a link with rel=next, else a selector, a parameter, or None for not."""
    if page.css('a[rel~="next"][href], link[rel~="next"][href]'):
        return {}
    here = urlsplit(page.url)
    numbers: dict[str, set[int]] = {}
    for link in page.css("a[href]"):
        parts = urlsplit(urljoin(page.url, link.attrib["href"].strip()))
        if (parts.netloc, parts.path) != (here.netloc, here.path):
            continue
        for name, value in parse_qsl(parts.query):
            if (_PAGE_NAMES.match(name) or _OFFSET_NAMES.match(name)) and value.isdecimal() and len(value) < 7:
                numbers.setdefault(name, set()).add(int(value))
    for name, values in numbers.items():
        steps = sorted(value for value in values if value > 0)
        if _OFFSET_NAMES.match(name) and steps and steps[0] > 1:
            return {"by": "offset", "parameter": name, "step": steps[0]}
        if steps:
            return {"by": "page", "parameter": name} | ({"first": 0} if 0 in values else {})
    for link in page.css("a[href]"):
        text = link.xpath("string()").get("")
        if not text.strip() or not _NEXT_TEXT.match(text) or link.attrib["href"].strip() in ("#", ""):
            continue
        for name in sorted(_class_names(link.root)):
            if len(page.css(f"a.{name}")) == 1:
                return {"by": "next_link", "link": f"a.{name}"}
    return None


def _class_names(node) -> set[str]:
    return {
        name
        for name in (node.get("class") or "").split()
        if _IDENT.fullmatch(name) and not _MADE_BY_A_BUILD.search(name)
    }


def review_blocks(page: TextResponse) -> list[dict]:
    """Selectors of blocks that repeat and read like reviews, the likeliest first."""
    found_blocks = []
    for selector, blocks in _repeated(page):
        fields, score = _fields_of(blocks[:BLOCKS_READ])
        if fields is not None:
            name = next((tag for tag in ("h1", "h2", "title") if found(page.selector, tag)), "h1")
            found_blocks.append(
                (score, {"review": selector, **fields} | ({} if name == "h1" else {"subject_name": name}))
            )
    return [fields for _, fields in sorted(found_blocks, key=lambda entry: -entry[0])]


def _repeated(page: TextResponse) -> list[tuple[str, list[Selector]]]:
    """Elements that repeat beside one another with text of their own, with a selector that finds them alone."""
    groups: dict[tuple, list] = {}
    for node in page.selector.root.iter(*BLOCK_TAGS):
        parent = node.getparent()
        if parent is None or any(above.tag in FRAME - {"form"} for above in node.iterancestors()):
            continue
        if node.tag == "tr" and node.find("td") is None:
            continue
        kin = (parent.tag, parent.get("id"), parent.get("class"))
        for name in [None, *sorted(_class_names(node))]:
            groups.setdefault((node.tag, name, kin), []).append(node)
    weighed: dict[tuple, tuple[float, str | None, list]] = {}
    for (_, name, _), nodes in groups.items():
        texts = [" ".join("".join(node.itertext()).split()) for node in nodes[:BLOCKS_READ]]
        if len(nodes) < 2 or len(set(texts)) < 0.8 * len(texts) or median(map(len, texts)) < 8:
            continue
        key = tuple(map(id, nodes))
        if key not in weighed or name is not None:
            weighed[key] = (len(nodes) * min(median(map(len, texts)), 400), name, nodes)
    described = []
    for _, name, nodes in sorted(weighed.values(), key=lambda entry: -entry[0])[:BLOCK_GROUPS]:
        selector = _blocks_selector(page, name, nodes)
        if selector is not None:
            described.append((selector, page.css(selector)))
    return described


def _blocks_selector(page: TextResponse, name: str | None, nodes: list) -> str | None:
    tag = nodes[0].tag
    candidates = [f"{tag}.{name}"] if name else []
    shared = set.intersection(*({key for key in node.attrib if key.startswith("data-")} for node in nodes))
    candidates += [f"{tag}[{key}]" for key in sorted(shared) if _IDENT.fullmatch(key)]
    inner = f"{tag}:has(td)" if tag == "tr" else tag
    for depth, above in enumerate(list(nodes[0].iterancestors())[:4]):
        joined = " > " if depth == 0 and tag != "tr" else " "
        if above.get("id") and _IDENT.fullmatch(above.get("id")):
            candidates.append(f"#{above.get('id')}{joined}{inner}")
        candidates += [f"{above.tag}.{one}{joined}{inner}" for one in sorted(_class_names(above))]
    candidates += [f"{nodes[0].getparent().tag} > {inner}"]
    wanted = [id(node) for node in nodes]
    return next((css for css in candidates if [id(one.root) for one in page.css(css)] == wanted), None)


@dataclass
class _Column:
    """What one selector finds in each block."""

    selector: str
    values: list[str | None]
    hint: str
    nodes: list

    @property
    def filled(self) -> list[str]:
        return [value for value in self.values if value]

    @property
    def share(self) -> float:
        return len(self.filled) / len(self.values)

    @property
    def is_attribute(self) -> bool:
        return "::attr(" in self.selector

    def hints_at(self, role: str) -> bool:
        return bool(HINTS[role].search(self.hint))

    def instability(self) -> int:
        """0 for what a site names on purpose, more for what a change of layout moves."""
        if "itemprop" in self.selector or self.selector.startswith("::attr"):
            return 0
        if ":nth-" in self.selector:
            return 4
        if " + " in self.selector or " > " in self.selector:
            return 3
        return 1 if self.selector.startswith((".", "[")) else 2


def _fields_of(blocks: list[Selector]) -> tuple[dict | None, float]:
    """Selectors of a review's parts within blocks, and how much they look like reviews; None without id or body."""
    columns = _columns(blocks)
    rating, rating_max = _rating(columns, blocks)
    written_at = _written_at([one for one in columns if one is not rating])
    taken = [one for one in (rating, written_at) if one is not None]
    identifier = _identifier(columns, taken)
    author = _hinted("author", columns, taken, 40)
    taken += [author] if author else []
    title = _hinted("title", columns, taken, 120)
    body = _body(columns, [*taken, *([title] if title else [])], blocks)
    if body is None and title is not None:
        title, body = None, _body(columns, taken, blocks)
    if identifier is None or body is None:
        return None, 0
    fields = {"id": identifier.selector, "body": body.selector}
    for name, column in (("title", title), ("author", author), ("rating", rating), ("written_at", written_at)):
        if column is not None:
            fields[name] = column.selector
        if name == "rating" and rating is not None and rating_max != 5:
            fields["rating_max"] = rating_max
    length = median(len(value) for value in body.filled)
    score = 3 * (rating is not None) + 2 * (written_at is not None) + (author is not None) + min(length, 200) / 100
    return fields, score + min(len(blocks), 20) / 20


def _columns(blocks: list[Selector]) -> list[_Column]:
    selectors: dict[str, None] = {}
    for block in blocks[:BLOCKS_FOR_SELECTORS]:
        for name in block.root.attrib:
            if name in ("id", "name", "value") or name.startswith("data-"):
                selectors[f"::attr({name})"] = None
        for node in block.root.iterdescendants(etree.Element):
            selectors |= dict.fromkeys(_selectors_of(node))
    headers = _headers(blocks[0])
    columns, seen = [], {}
    for selector in selectors:
        try:
            nodes = [next(iter(block.css(selector.partition("::")[0] or "*")), None) for block in blocks]
            values = [found(block, selector) for block in blocks]
        except ValueError:
            continue
        cell = nodes[0].root if nodes[0] is not None else None
        while cell is not None and cell.tag != "td" and cell is not blocks[0].root:
            cell = cell.getparent()
        place = len(list(cell.itersiblings("td", preceding=True))) if cell is not None and cell.tag == "td" else None
        hint = f"{selector} {headers[place] if place is not None and place < len(headers) else ''}"
        column = _Column(selector, values, hint, [node.root if node is not None else None for node in nodes])
        key = tuple(values)
        if any(values) and (key not in seen or column.instability() < seen[key].instability()):
            seen[key] = column
    columns.extend(seen.values())
    return columns


def _selectors_of(node) -> Iterator[str]:
    if node.tag in ("script", "style"):
        return
    itemprop = node.get("itemprop")
    names = sorted(_class_names(node))
    bases = [f'[itemprop="{itemprop}"]'] if itemprop and _IDENT.fullmatch(itemprop) else []
    bases += [f".{name}" for name in names] or [node.tag]
    before, above = node.getprevious(), node.getparent().tag
    if not names and node.tag != "td":
        if before is not None and isinstance(before.tag, str):
            bases += [f".{name} + {node.tag}" for name in sorted(_class_names(before))]
        # With the parent's tag, so that the block itself is not found.
        nth = 1 + len(list(node.itersiblings(node.tag, preceding=True)))
        bases += [f"{above} > {node.tag}", f"{above} > {node.tag}:nth-of-type({nth})"]
    if node.tag == "td" and not names:
        bases = [f"td:nth-child({1 + len(list(node.itersiblings(preceding=True)))})"]
    elif node.getparent().tag == "td" and not names and node.tag not in ("p", "time"):
        bases = [f"td:nth-child({1 + len(list(node.getparent().itersiblings(preceding=True)))}) {node.tag}"]
    yield from bases
    for key in node.attrib:
        if key in ("datetime", "title", "aria-label", "alt", "content"):
            yield from (f"{base}::attr({key})" for base in bases)
        elif key.startswith("data-") and _IDENT.fullmatch(key):
            yield f"[{key}]::attr({key})"
        elif key == "id" or (key == "name" and node.tag == "a"):
            yield f"{node.tag}[{key}]::attr({key})"
        elif key == "href" and node.tag == "a":
            yield from (f"{base}::attr(href)" for base in bases)
        elif key == "value" and node.tag == "input":
            yield from (f"{base}::attr(value)" for base in bases)
        elif key == "class" and re.search(r"\d", node.get("class")):
            yield from (f"{base}::attr(class)" for base in bases)


def _headers(block: Selector) -> list[str]:
    """The heads of a row's table, by column."""
    table = next(block.root.iterancestors("table"), None)
    if block.root.tag != "tr" or table is None:
        return []
    row = next((row for row in table.iter("tr") if row.find("th") is not None), None)
    return ["".join(cell.itertext()).strip() for cell in row] if row is not None else []


def _rating(columns: list[_Column], blocks: list[Selector]) -> tuple[_Column | None, float]:
    candidates = []
    for column in columns:
        values = column.filled
        if column.share < 0.25 or max(map(len, values)) > 40 or column.selector.endswith("::attr(href)"):
            continue
        told = mean(bool(_RATING_TEXT.search(value)) for value in values)
        if told < 0.9 and not column.hints_at("rating"):
            continue
        if mean(bool(re.search(r"\d{2,4}[.\-/년]\s*\d{1,2}[.\-/월]", value)) for value in values) > 0.2:
            continue
        readings = []
        for value in values:
            try:
                readings.append(read_stars(value, 5))
            except ValueError:
                continue
        if len(readings) < 0.9 * len(values) or any(rating < 0 for rating, _ in readings):
            continue
        highest = max(rating for rating, _ in readings)
        named = max(scale for _, scale in readings)
        scale = next((end for end in (5, 10, 100) if highest <= max(end, named)), None)
        if scale is None or highest == 0:
            continue
        is_one_value = len(set(values)) == 1 and len(values) > 4
        candidates.append((is_one_value, told < 0.9, -round(column.share, 1), mean(map(len, values)), column, scale))
    if not candidates:
        return None, 5
    *_, column, scale = min(candidates, key=lambda entry: (*entry[:4], entry[4].instability()))
    # More than one rating in a block: it holds several reviews.
    within = column.selector.partition("::")[0]
    if within and ":nth-" not in within and mean(len(block.css(within)) for block in blocks) > 2 * column.share:
        return None, 5
    return column, scale


def _written_at(columns: list[_Column]) -> _Column | None:
    candidates = []
    now = datetime.now(UTC)
    for column in columns:
        values = column.filled
        if column.share < 0.6 or max(map(len, values)) > 60 or column.selector.endswith("::attr(href)"):
            continue
        readable = 0
        for value in values:
            if _DATE_TEXT.search(value):
                try:
                    read_date(value, now, clock.zone())
                except ValueError:
                    continue
                readable += 1
        if readable >= 0.8 * len(values):
            is_machine_made = "datetime" in column.selector or "content" in column.selector
            candidates.append((not is_machine_made, not column.hints_at("written_at"), column.instability(), column))
    return min(candidates, key=lambda entry: entry[:3])[3] if candidates else None


def _identifier(columns: list[_Column], taken: list[_Column]) -> _Column | None:
    candidates = []
    for column in columns:
        if column in taken or column.share < 1 or len(set(column.values)) < len(column.values):
            continue
        if max(map(len, column.values)) > 200 or _is_place(column.values):
            continue
        own = column.selector.startswith("::attr(")
        named = column.hints_at("id")
        if own and (named or column.selector == "::attr(id)"):
            rank = 0
        elif column.is_attribute and named and not column.selector.endswith(("::attr(href)", "::attr(class)")):
            rank = 1
        elif column.selector.endswith("::attr(href)"):
            if any(_PAGE_NAMES.match(name) for value in column.values for name, _ in parse_qsl(urlsplit(value).query)):
                continue
            rank = 3 if mean(bool(re.search(r"\d", value)) for value in column.values) == 1 else 5
        elif column.is_attribute and all(re.fullmatch(r"[\w.:-]*\d[\w.:-]*", value) for value in column.values):
            rank = 2
        elif not column.is_attribute and all(re.fullmatch(r"[#\d,]{1,20}", value) for value in column.values):
            rank = 4
        else:
            continue
        candidates.append((rank, column.instability(), len(column.selector), column))
    return min(candidates, key=lambda entry: entry[:3])[3] if candidates else None


def _is_place(values: list[str]) -> bool:
    """Whether values only count the page's blocks, and come again on every page."""
    numbers = [re.findall(r"\d+", value) for value in values]
    if len(values) < 3 or not all(len(found_numbers) == 1 for found_numbers in numbers):
        return False
    counted = [int(found_numbers[0]) for found_numbers in numbers]
    return counted in (list(range(len(values))), list(range(1, len(values) + 1)))


def _hinted(role: str, columns: list[_Column], taken: list[_Column], longest: int) -> _Column | None:
    candidates = []
    for column in columns:
        if column in taken or column.is_attribute or column.share < 0.3 or not column.hints_at(role):
            continue
        if median(map(len, column.filled)) > longest or _contains(column, taken):
            continue
        if role == "title" and len(set(column.filled)) < 0.5 * len(column.filled):
            continue
        candidates.append((column.instability(), -column.share, mean(map(len, column.filled)), column))
    return min(candidates, key=lambda entry: entry[:3])[3] if candidates else None


def _body(columns: list[_Column], taken: list[_Column], blocks: list[Selector]) -> _Column | None:
    candidates = []
    for column in columns:
        if column in taken or column.is_attribute or column.share < 0.8 or _contains(column, taken):
            continue
        if any(node is block.root for node, block in zip(column.nodes, blocks, strict=True)):
            continue
        if not re.search(r"[^\W\d_]{2}", " ".join(column.filled)) or len(set(column.filled)) < 0.5 * len(column.filled):
            continue
        length = sum(map(len, column.filled))
        candidates.append((length * (1.5 if column.hints_at("body") else 1), -column.instability(), column))
    if not candidates:
        return None
    longest = max(length for length, *_ in candidates)
    return max((one for one in candidates if one[0] >= 0.98 * longest), key=lambda one: one[1])[2]


def _contains(column: _Column, others: list[_Column]) -> bool:
    """Whether the column's elements hold those of another, or lie within them."""
    for other in others:
        for node, held in zip(column.nodes, other.nodes, strict=True):
            if node is None or held is None or node is held:
                if node is not None and node is held and not other.is_attribute:
                    return True
                continue
            if not other.selector.startswith("::") and (
                any(above is node for above in held.iterancestors())
                or any(above is held for above in node.iterancestors())
            ):
                return True
    return False


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
        yield facts, [f"The address answers in JSON with {len(records)} records at “{path}”."]


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
        if _PAGE_NAMES.match(name) and value.isdecimal():
            url = urlunsplit(parts._replace(query=urlencode([pair for pair in query if pair[0] != name])))
            return {"start_urls": [url], "paging": {"by": "page", "parameter": name, "first": int(value)}}
        if _OFFSET_NAMES.match(name) and value.isdecimal():
            url = urlunsplit(parts._replace(query=urlencode([pair for pair in query if pair[0] != name])))
            paging = {"by": "offset", "parameter": name, "step": len(records)}
            return {"start_urls": [url], "paging": paging | ({"first": int(value)} if int(value) else {})}
    if isinstance(answer, dict):
        for name in answer:
            if re.fullmatch(r"(?:next_?)?cursor|next_?page_?token", name, re.IGNORECASE) and answer[name]:
                parameter = "cursor" if "cursor" in name.lower() else "pageToken"
                return {"paging": {"by": "cursor", "parameter": parameter, "path": _key(name)}}
    joined = "&" if parts.query else "?"
    counted = [await _records_at(site, f"{first.url}{joined}page={number}", path) for number in range(3)]
    for number in (1, 0):
        if counted[number] == records and counted[number + 1] not in (None, [], records):
            return {"paging": {"by": "page", "parameter": "page"} | ({} if number else {"first": 0})}
    return {}


async def _records_at(site: _Site, url: str, path: str) -> list[dict] | None:
    page = await site.page(url)
    try:
        return dict(record_lists(json.loads(page.body))).get(path) if page is not None else None
    except (ValueError, RecursionError):
        return None


def record_lists(answer: object, path: str = "", depth: int = 0) -> list[tuple[str, list[dict]]]:
    """Lists of records in an answer with their JMESPaths, the one with most text first."""
    lists = []
    if isinstance(answer, list):
        records = [one for one in answer if isinstance(one, dict)]
        if records and len(records) == len(answer):
            lists.append((path or "@", records))
    elif isinstance(answer, dict) and depth < 5:
        for name, value in list(answer.items())[:50]:
            lists += record_lists(value, f"{path}.{_key(name)}" if path else _key(name), depth + 1)
    return sorted(lists, key=lambda entry: -len(json.dumps(entry[1], ensure_ascii=False)))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


_API_NAMES = {
    "id": r"^(?:id|.*[_-]id|.*Id|_id|no|seq|idx|uuid|key|guid|link|url)$",
    "body": r"text|body|content|review|comment|message|desc|내용|후기|summary",
    "rating": r"rating|score|star|point|grade|rate|별점|평점",
    "written_at": r"date|time|created|written|published|updated|regist|_at$|dt$|작성일|등록일",
    "title": r"title|subject|headline|제목",
    "author": r"author|nick|user_?name|writer|reviewer|^user$|^name$|작성자",
    "url": r"^(?:url|link|permalink|href|originallink)$",
    "subject_id": r"^(?:product|item|store|shop|place|book|movie|app|subject|restaurant|goods)_?(?:id|no|code)$",
    "subject_name": r"^(?:product|item|store|shop|place|book|movie|app|subject|restaurant|goods)_?(?:name|title)$",
}


def interface_fields(records: list[dict]) -> dict | None:
    """JMESPaths of a record's parts, guessed from the names and values; None without an identifier or a text."""
    columns: dict[str, list] = {}
    for record in records[:BLOCKS_READ]:
        for path, value in _leaves(record):
            columns.setdefault(path, []).append(value)
    count = min(len(records), BLOCKS_READ)
    fields: dict = {}

    def pick(role: str, suits, order=lambda values: 0) -> None:
        pattern = re.compile(_API_NAMES[role], re.IGNORECASE if role != "id" else 0)
        candidates = []
        for path, values in columns.items():
            name = path.rpartition(".")[2].strip('"')
            filled = [value for value in values if value not in (None, "")]
            whole = pattern.search(path if role in ("author", "rating") else name)
            if path not in fields.values() and filled and whole and suits(filled):
                candidates.append((order(filled), path.count("."), -len(filled), len(path), path))
        if candidates:
            fields[role] = min(candidates)[-1]

    def is_id(values: list) -> bool:
        return len(values) == count and len(set(map(str, values))) == count and max(map(len, map(str, values))) < 300

    pick("rating", lambda values: all(_is_rating(value) for value in values))
    pick("subject_id", lambda values: all(isinstance(value, str | int) for value in values))
    pick("subject_name", lambda values: all(isinstance(value, str) for value in values))
    pick("id", is_id, lambda values: any("/" in str(value) for value in values))
    pick("written_at", lambda values: all(_is_moment(value) for value in values))
    texts = [
        path
        for path, values in columns.items()
        if path not in fields.values() and all(isinstance(value, str | None) for value in values)
    ]
    pick(
        "body",
        lambda values: all(isinstance(value, str) and not value.startswith("http") for value in values),
        lambda values: -sum(map(len, values)),
    )
    if "body" not in fields and texts:
        fields["body"] = max(texts, key=lambda path: sum(len(value or "") for value in columns[path]))
    pick("title", lambda values: all(isinstance(value, str) for value in values))
    pick("author", lambda values: all(isinstance(value, str) and len(value) < 100 for value in values))
    if "id" in fields:
        urls = [path for path in columns if path != fields["id"]] + [fields["id"]]
        for path in urls:
            values = [value for value in columns[path] if value]
            if re.search(_API_NAMES["url"], path) and values and all(str(one).startswith("http") for one in values):
                fields["url"] = path
                break
    if "id" not in fields or "body" not in fields:
        return None
    if "rating" in fields:
        highest = max(read_stars(str(value), 5)[0] for value in columns[fields["rating"]] if value not in (None, ""))
        if highest > 5:
            fields["rating_max"] = 10 if highest <= 10 else 100
    order = ("id", "body", "title", "author", "rating", "rating_max", "written_at", "url", "subject_id", "subject_name")
    return {name: fields[name] for name in order if name in fields}


def _leaves(record: dict, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    for name, value in list(record.items())[:60]:
        here = f"{path}.{_key(name)}" if path else _key(name)
        if isinstance(value, dict) and depth < 2:
            yield from _leaves(value, here, depth + 1)
        elif not isinstance(value, dict | list):
            yield here, value


def _is_rating(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return 0 <= read_stars(str(value), 5)[0] <= 100
    except ValueError:
        return False


def _is_moment(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        return 8e8 < float(value) < 4e12
    try:
        read_date(str(value), datetime.now(UTC), clock.zone())
    except ValueError:
        return False
    return True


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
