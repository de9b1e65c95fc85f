"""Reads an article off its page: what JSON-LD and meta tags say of it, and its text."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urldefrag

import trafilatura
from scrapy.http import HtmlResponse

from crawlers import json_ld
from crawlers.answers import plain_text
from crawlers.dates import read_date
from crawlers.intake import Record
from maeari import clock

# Looking for a text takes up to two seconds for so many; the longest articles have a fifth of it.
MOST_TAGS = 30_000
LONGEST_HEAD = 1_000
_DATES = ("article:published_time", "og:article:published_time", "datepublished", "dd:published_time")
_DATES += ("article:published", "pubdate", "publishdate", "publish-date", "dc.date.issued", "dc.date", "date")
_SECTIONS, _AUTHORS = ("article:section", "articlesection"), ("article:author", "author", "dable:author", "dc.creator")
_TIMES = '//time[@itemprop="datePublished" or @pubdate]/@datetime | //article//time/@datetime | //time/@datetime'


def read_article(response: HtmlResponse, entry: Record, fetched_at: datetime) -> Record:
    """The article on a page, as far as the page or the entry that led to it tells.

    The head comes from JSON-LD, else OpenGraph and other meta tags, else the entry, else the page's visible parts; the
    text by trafilatura, else from JSON-LD. Of the dates that a page gives the first that can be read is taken. A page
    without a text is refused with the reason.
    """
    said = _said(response)
    tags = _tags(response)
    title = _first(
        [
            json_ld.text(said.get("headline")),
            _without_site(tags.get("og:title"), tags.get("og:site_name")),
            entry["title"],
            json_ld.text(said.get("name")),
            response.xpath("string(//h1)").get(),
            _without_site(response.xpath("string(//title)").get(), tags.get("og:site_name")),
        ]
    )
    body, reason = _text(response)
    body = body or plain_text(json_ld.text(said.get("articleBody")) or "")
    record = {
        "title": title,
        "body": _without_heading(body, title),
        "section": _first([json_ld.text(said.get("articleSection")), *map(tags.get, _SECTIONS), entry["section"]]),
        "author": _first([*_names(said.get("author")), *map(_name, map(tags.get, _AUTHORS)), entry["author"]]),
        "published_at": _published(response, said, tags, entry, fetched_at),
    }
    return record if record["body"] else {**record, "refused": f"body is missing: {reason}"}


def _text(response: HtmlResponse) -> tuple[str | None, str]:
    if (tags := response.text.count("<")) > MOST_TAGS:
        return None, f"the page has {tags} tags, more than the {MOST_TAGS} in which an article is looked for"
    body = trafilatura.extract(response.text, include_comments=False, include_tables=False)
    return body, "the page shows no article's text"


def _said(response: HtmlResponse) -> dict:
    """The JSON-LD object of this page's article, with references to other objects followed."""
    nodes = list(json_ld.objects(response))
    by_id = {node["@id"]: node for node, _ in nodes if isinstance(node.get("@id"), str)}
    articles = [
        (node, holder) for node, holder in nodes if json_ld.has_type(node, "Article", "BlogPosting", "NewsStory")
    ]
    own = urldefrag(response.url).url
    # Pages list other articles too; those stand in a list, or name another address.
    for is_meant in (
        lambda node, holder: own in _addresses(node),
        lambda node, holder: not json_ld.has_type(holder, "ItemList", "ListItem"),
    ):
        for node, holder in articles:
            if is_meant(node, holder):
                return {name: _followed(value, by_id) for name, value in node.items()}
    return {}


def _addresses(node: dict) -> set[str]:
    page = node.get("mainEntityOfPage")
    values = [node.get("url"), node.get("@id"), page.get("@id") if isinstance(page, dict) else page]
    return {urldefrag(value).url for value in values if isinstance(value, str)}


def _followed(value: object, by_id: dict[str, dict]) -> object:
    if isinstance(value, list):
        return [_followed(one, by_id) for one in value[:20] if not isinstance(one, list)]
    if isinstance(value, dict) and isinstance(value.get("@id"), str) and "name" not in value:
        return by_id.get(value["@id"], value)
    return value


def _names(authors: object) -> Iterator[str | None]:
    for author in authors if isinstance(authors, list) else [authors]:
        yield _name(json_ld.text(author))


def _name(text: str | None) -> str | None:
    # Facebook wants the author's address in article:author.
    return None if text is None or text.strip().startswith(("http://", "https://", "www.", "@")) else text


def _tags(response: HtmlResponse) -> dict[str, str]:
    tags: dict[str, str] = {}
    for meta in response.xpath("//meta[@content][@property or @name or @itemprop]"):
        # An element is asked for each attribute by name: lxml breaks on listing one whose name begins with a brace.
        name = meta.root.get("property") or meta.root.get("name") or meta.root.get("itemprop") or ""
        if content := meta.root.get("content").strip():
            tags.setdefault(name.strip().lower(), content)
    return tags


def _published(response: HtmlResponse, said: dict, tags: dict, entry: Record, fetched_at: datetime) -> str | None:
    zone = clock.zone()
    told = [json_ld.text(said.get("datePublished")), *map(tags.get, _DATES), entry["published"]]
    told += [json_ld.text(said.get("dateCreated")), *response.xpath(_TIMES).getall()[:1]]
    told = [text.strip() for text in told if text and text.strip()]
    for text in told:
        try:
            read_date(text, fetched_at, zone)
        except ValueError:
            continue
        return text
    return next(iter(told), None)


def _first(texts: list[str | None]) -> str | None:
    plain = (" ".join(plain_text(text[:LONGEST_HEAD]).split()) for text in texts if text)
    return next(filter(None, plain), None)


def _without_site(title: str | None, site: str | None) -> str | None:
    if not title or not site or not title.strip().endswith(site):
        return title
    head = title.strip().removesuffix(site).rstrip()
    return head.rstrip("-–—|:<·").rstrip() if head.endswith(tuple("-–—|:<·")) else title


def _without_heading(body: str | None, title: str | None) -> str | None:
    # The page's heading is taken for its first paragraph.
    first, _, rest = (body or "").partition("\n")
    return rest.strip() if title and rest and " ".join(first.split()) == title else body or None
