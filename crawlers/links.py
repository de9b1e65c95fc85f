"""Links of a page that are made alike, and how a page leads to the next one."""

import re
from dataclasses import dataclass
from os.path import commonprefix
from statistics import mean
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

from parsel import Selector
from scrapy.http import TextResponse

FRAME = frozenset({"nav", "header", "footer", "aside", "form", "select", "script", "style", "head"})
IDENT = re.compile(r"[A-Za-z가-힣_-][\w-]*")
_MADE_BY_A_BUILD = re.compile(r"^(?:css|sc|jsx|svelte|emotion)-|^_|[a-z]\d+[a-z]|__\w*\d", re.IGNORECASE)
PAGE_NAMES = re.compile(r"^(?:page|p|pg|pn|paged|(?:cur|now|c)page|page_?(?:no|num|index))$", re.IGNORECASE)
OFFSET_NAMES = re.compile(r"^(?:offset|start|from|skip|startindex|start_?no)$", re.IGNORECASE)
_NEXT_TEXT = re.compile(r"^\s*(?:다음(?:\s*페이지)?|next(?: page)?|older)?\s*[›»>→▶]*\s*$", re.IGNORECASE)


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
        url = joined(page.url, link.root.get("href", ""))
        if url is None:
            continue
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


def joined(page_url: str, href: str) -> str | None:
    """A link's whole address without its fragment, None when it is none."""
    try:
        url = urldefrag(urljoin(page_url, href.strip())).url
        urlsplit(url)
    except ValueError:
        return None
    return url


def _pattern_of(parts) -> tuple:
    segments = ["#" if any(map(str.isdigit, segment)) else segment for segment in parts.path.split("/")]
    keys = tuple(sorted({name for name, _ in parse_qsl(parts.query) if not PAGE_NAMES.match(name)}))
    if "#" not in segments and not keys:
        segments[-1] = "*"
    return tuple(segments), keys


def _links_selector(page: TextResponse, links: list[Selector], urls: set[str]) -> str | None:
    """The first selector that finds these links and hardly any other."""
    hrefs = [link.root.get("href", "").strip() for link in links]
    prefix = re.match(r".*[/=?]|", commonprefix(hrefs))[0]
    candidates = []
    if not prefix.isprintable():
        prefix = ""
    if is_absolute := prefix.startswith(("http://", "https://", "//")):
        prefix = re.sub(r"^(?:https?:)?//[^/]*", "", prefix)
    if len(prefix) > 1:
        candidates.append(f"a[href{'*' if is_absolute else '^'}={_quoted(prefix)}]")
        suffix = re.match(r"[/.]\w*|", commonprefix([href[::-1] for href in hrefs])[::-1])[0]
        if suffix:
            candidates.append(f"{candidates[0]}[href$={_quoted(suffix)}]")
    shared = set.intersection(*(class_names(link.root) for link in links))
    candidates += [f"a.{name}" for name in sorted(shared)]
    for link in links[:1]:
        for node in list(link.root.iterancestors())[:5]:
            if node.get("id") and IDENT.fullmatch(node.get("id")) and not any(map(str.isdigit, node.get("id"))):
                candidates.append(f"#{node.get('id')} a")
            candidates += [f"{node.tag}.{name} a" for name in sorted(class_names(node))]
    for candidate in candidates:
        chosen = {joined(page.url, link.root.get("href", "")) for link in page.css(candidate)} - {None}
        if len(chosen & urls) >= 0.8 * len(urls) and len(chosen - urls) <= 0.05 * len(urls):
            return candidate
    return None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _without_page(query: str) -> list[tuple[str, str]]:
    return sorted(
        pair for pair in parse_qsl(query) if not PAGE_NAMES.match(pair[0]) and not OFFSET_NAMES.match(pair[0])
    )


def paging_of(page: TextResponse) -> dict | None:
    """How a page leads to the next: {} by a link with rel=next, else a selector, a parameter, or None for not."""
    if page.css('a[rel~="next"][href], link[rel~="next"][href]'):
        return {}
    here = urlsplit(page.url)
    numbers: dict[str, set[int]] = {}
    for link in page.css("a[href]"):
        parts = urlsplit(joined(page.url, link.root.get("href", "")) or "")
        if (parts.netloc, parts.path) != (here.netloc, here.path):
            continue
        for name, value in parse_qsl(parts.query):
            if (PAGE_NAMES.match(name) or OFFSET_NAMES.match(name)) and value.isdecimal() and len(value) < 7:
                numbers.setdefault(name, set()).add(int(value))
    for name, values in numbers.items():
        steps = sorted(value for value in values if value > 0)
        if OFFSET_NAMES.match(name) and steps and steps[0] > 1:
            return {"by": "offset", "parameter": name, "step": steps[0]}
        if steps:
            return {"by": "page", "parameter": name} | ({"first": 0} if 0 in values else {})
    for link in page.css("a[href]"):
        text = link.xpath("string()").get("")
        if not text.strip() or not _NEXT_TEXT.match(text) or link.root.get("href", "").strip() in ("#", ""):
            continue
        for name in sorted(class_names(link.root)):
            if len(page.css(f"a.{name}")) == 1:
                return {"by": "next_link", "link": f"a.{name}"}
    return None


def class_names(node) -> set[str]:
    """The classes of an element that people named, which a change of the site's build leaves."""
    return {
        name
        for name in (node.get("class") or "").split()
        if IDENT.fullmatch(name) and not _MADE_BY_A_BUILD.search(name)
    }
