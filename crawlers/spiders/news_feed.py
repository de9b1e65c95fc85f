"""News: feeds and sitemaps that lead to articles."""

import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urldefrag, urlsplit

import trafilatura
from lxml import etree
from scrapy.http import HtmlResponse, TextResponse

from crawlers import json_ld
from crawlers.errors import PageFault
from crawlers.intake import Record
from crawlers.spiders.base import SourceSpider

ENTRIES = "//*[local-name()='item' or local-name()='entry' or local-name()='url' or local-name()='sitemap']"


class NewsFeedSpider(SourceSpider):
    """Reads sources of the kind `news_feed`; an article that has landed is not fetched again."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._met: set[str] = set()

    async def start(self) -> AsyncIterator:
        for url in self.source.addresses():
            yield self.ask(url, self.parse, expects="xml")

    async def parse(self, response: TextResponse) -> AsyncIterator:
        """A feed, a sitemap, or a list of sitemaps."""
        entries: dict[str, Record] = {}
        for entry in read_entries(response.body):
            link = urldefrag(response.urljoin(entry["link"])).url if entry["link"] else None
            if link and entry["is_sitemap"]:
                yield self.ask(link, self.parse, expects="xml")
            elif link and self._is_article(link):
                key = self.source.key_of(link)
                if key not in self._met:
                    self._met.add(key)
                    entries[key] = {**entry, "link": link}
            elif entry["is_feed_item"]:
                yield {
                    "source_article_id": entry["guid"],
                    "title": entry["title"],
                    "published_at": entry["published"],
                    "refused": f"the feed's item leads outside {self.source.article_path}"
                    if link
                    else "link is missing",
                }
        known = await self.crawl.off_reactor(self.crawl.known_articles, list(entries))
        self.crawl.spared_pages += len(known)
        self.crawl.items += len(known)
        self.crawl.duplicates += len(known)
        for key, entry in entries.items():
            if key not in known:
                yield self.ask(entry["link"], self.parse_article, subject=key, entry=entry)

    def _is_article(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.hostname in self.allowed_domains and bool(re.search(self.source.article_path, parts.path))

    def parse_article(self, response: HtmlResponse) -> Iterator[Record]:
        """An article: its head from JSON-LD, else OpenGraph, else the feed; its text by trafilatura."""
        entry = response.meta["entry"]
        article = next((node for node, _ in json_ld.objects(response) if json_ld.has_type(node, "Article")), {})

        def tag(name: str) -> str | None:
            return response.xpath("//meta[@property=$name or @name=$name]/@content", name=name).get()

        title = json_ld.text(article.get("headline")) or tag("og:title") or entry["title"]
        body = trafilatura.extract(response.text, include_comments=False, include_tables=False)
        yield {
            "source_article_id": response.meta["subject"],
            "title": title,
            # The page's heading is taken for its first paragraph.
            "body": (body and body.removeprefix(f"{title}\n")) or json_ld.text(article.get("articleBody")),
            "section": json_ld.text(article.get("articleSection")) or tag("article:section") or entry["section"],
            "author": json_ld.text(article.get("author")) or tag("article:author") or entry["author"],
            "published_at": json_ld.text(article.get("datePublished"))
            or tag("article:published_time")
            or entry["published"],
        }


def read_entries(body: bytes) -> Iterator[dict]:
    """The entries of a feed (RSS, Atom), a sitemap or a list of sitemaps; broken ones with what is left of them."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(body.strip(), parser)
    if root is None:
        raise PageFault("not XML")
    for node in root.xpath(ENTRIES):
        parts: dict[str, str] = {}
        for child in node.iterchildren(tag=etree.Element):
            name = etree.QName(child).localname
            text = "".join(child.itertext()).strip()
            if name == "link" and child.get("href") and child.get("rel", "alternate") == "alternate":
                text = child.get("href").strip()
            if text:
                parts.setdefault(name, text)
        kind = etree.QName(node).localname
        guid = parts.get("guid") or parts.get("id")
        yield {
            "link": parts.get("link") or parts.get("loc"),
            "guid": guid,
            "title": parts.get("title"),
            "section": parts.get("category"),
            "author": parts.get("creator") or parts.get("author"),
            "published": parts.get("pubDate") or parts.get("published") or parts.get("updated") or parts.get("date"),
            "is_sitemap": kind == "sitemap",
            "is_feed_item": kind in ("item", "entry"),
        }
