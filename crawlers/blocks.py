"""Blocks of a page that repeat and read like reviews, and the selectors of their parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from statistics import mean, median
from urllib.parse import parse_qsl, urlsplit

from lxml import etree
from parsel import Selector
from scrapy.http import TextResponse

from crawlers.dates import read_date
from crawlers.links import FRAME, IDENT, PAGE_NAMES, class_names
from crawlers.spiders.review_pages import found
from crawlers.stars import read_stars
from maeari import clock

BLOCK_TAGS = ("article", "li", "tr", "div", "section", "dl", "tbody", "blockquote", "p", "td")
BLOCKS_LOOKED_AT = 20_000
BLOCK_GROUPS = 24
BLOCKS_READ = 30
BLOCKS_FOR_SELECTORS = 8
_RATING_TEXT = re.compile(r"[★☆⭐🌟]|\d\s*점|\d\s*(?:/|out of)\s*\d|별표?\s*\d")
_DATE_TEXT = re.compile(
    r"\d{2,4}\s*[.\-/년]\s*\d{1,2}\s*[.\-/월]\s*\d{1,2}|\d월\s*\d|\d\s*\S{1,3}\s*(?:전|ago)\b|^(?:방금|오늘|어제|그제|그저께)"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.? \d|"
    r"\d(?:st|nd|rd|th)? (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_HINTS = {
    "rating": r"rating|rate|star|score|grade|point|별점|평점|점수",
    "written_at": r"date|time|day|regist|created|written|작성일|등록|날짜|일자",
    "author": r"author|writer|nick|user|member|reviewer|(?<![a-z])name|(?<![a-z])by(?![a-z])|작성자|글쓴이|닉네임|이름",
    "title": r"title|subject|summary|headline|제목",
    "body": r"body|content|text|comment|desc|message|memo|review|내용|본문|후기|의견|한줄평",
    "id": r"(?:^|[^a-z])(?:id|no|num|seq|idx|key|srl|uuid)(?![a-z])|(?:Id|No|Seq|Idx|_id)(?![a-z])|번호",
}
HINTS = {role: re.compile(pattern, re.IGNORECASE if role != "id" else 0) for role, pattern in _HINTS.items()}


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
    for node in islice(page.selector.root.iter(*BLOCK_TAGS), BLOCKS_LOOKED_AT):
        parent = node.getparent()
        if parent is None or any(above.tag in FRAME - {"form"} for above in node.iterancestors()):
            continue
        if node.tag == "tr" and node.find("td") is None:
            continue
        kin = (parent.tag, parent.get("id"), parent.get("class"))
        for name in [None, *sorted(class_names(node))]:
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
    candidates += [f"{tag}[{key}]" for key in sorted(shared) if IDENT.fullmatch(key)]
    inner = f"{tag}:has(td)" if tag == "tr" else tag
    for depth, above in enumerate(list(nodes[0].iterancestors())[:4]):
        joined = " > " if depth == 0 and tag != "tr" else " "
        if above.get("id") and IDENT.fullmatch(above.get("id")):
            candidates.append(f"#{above.get('id')}{joined}{inner}")
        candidates += [f"{above.tag}.{one}{joined}{inner}" for one in sorted(class_names(above))]
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
            if name in ("id", "name", "value") or (name.startswith("data-") and IDENT.fullmatch(name)):
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
    names = sorted(class_names(node))
    bases = [f'[itemprop="{itemprop}"]'] if itemprop and IDENT.fullmatch(itemprop) else []
    bases += [f".{name}" for name in names] or [node.tag]
    before, above = node.getprevious(), node.getparent().tag
    if not names and node.tag != "td":
        if before is not None and isinstance(before.tag, str):
            bases += [f".{name} + {node.tag}" for name in sorted(class_names(before))]
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
        elif key.startswith("data-") and IDENT.fullmatch(key):
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
        is_one_value = len(set(readings)) == 1 and len(values) > 4
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
            if any(PAGE_NAMES.match(name) for value in column.values for name, _ in parse_qsl(urlsplit(value).query)):
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
