"""News: feeds and sitemaps that lead to article pages."""

import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

from lxml import etree
from scrapy import Request
from scrapy.http import HtmlResponse, Response
from scrapy.utils.gz import gunzip
from w3lib.encoding import http_content_type_encoding

from crawlers.answers import plain_text
from crawlers.article import read_article
from crawlers.encoding import decode
from crawlers.errors import PageFault
from crawlers.intake import Record
from crawlers.spiders.base import SourceSpider
from maeari.redaction import redact_key

ENTRIES = "//*[local-name()='item' or local-name()='entry' or local-name()='url' or local-name()='sitemap']"
ROOTS = ("rss", "rdf", "feed", "urlset", "sitemapindex")
GZIP = b"\x1f\x8b"
CARRIED = ("title", "section", "author", "published")
LONGEST_KEY = 500
LONGEST_TEXT = 1_000
# They say where a reader came from, not what is read.
_TRACKING = re.compile(
    r"(?:utm_\w+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid|igshid|igsh|mc_cid|mc_eid|_ga"
    r"|_gl|n_media|n_query|n_rank|n_ad|n_keyword\w*|nacn|napm)(?:=.*)?",
    re.IGNORECASE,
)
# lxml breaks on a text with half of a surrogate pair.
_HALF_CHARACTER = re.compile(
    r"&#(?:x0*d[89a-f][0-9a-f]{2}|0*5(?:529[6-9]|5[3-9]\d\d|6\d{3}|7[0-2]\d\d|73[0-3]\d|734[0-3]));?", re.IGNORECASE
)
_OWN = ("title", "link", "description", "author", "category", "guid", "id", "pubDate", "published", "updated", "loc")


class NewsSpider(SourceSpider):
    """Reads feeds, sitemaps and lists of sitemaps, and the articles that they lead to.

    An article's key is its address without fragment and tracking parameters: other names for it (guid, canonical
    link) are missing on some pages, and change. In a full sweep known articles are fetched again, so that edits are
    seen.
    """

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._met: set[bytes] = set()

    def first_requests(self) -> Iterator[Request]:
        """The feeds and sitemaps."""
        for url in self.source.addresses:
            yield self.ask(url, self.parse, expects="xml")

    def is_passed_over(self, entry: Record) -> bool:
        """Whether an entry is too old to be followed."""
        return False

    async def parse(self, response: Response) -> AsyncIterator[Record | Request]:
        """A feed, a sitemap, or a list of sitemaps."""
        sitemaps: list[str] = []
        articles: dict[str, Record] = {}
        header = http_content_type_encoding((response.headers.get("Content-Type") or b"").decode("latin-1"))
        for entry in read_entries(self._unpacked(response), header):
            link = _joined(response.url, entry.pop("base"), entry["link"])
            is_sitemap, is_feed_item = entry.pop("is_sitemap"), entry.pop("is_feed_item")
            if link and is_sitemap:
                if not self.is_passed_over(entry):
                    sitemaps.append(link)
            elif link and self._is_article(link):
                if not self.is_passed_over(entry) and self._is_met_first(key := self.article_key(link)):
                    articles[key] = {name: entry[name] for name in CARRIED} | {"link": link}
            elif is_feed_item:
                yield {
                    "source_article_id": entry["guid"],
                    "title": entry["title"],
                    "published_at": entry["published"],
                    "refused": f"the feed's item leads outside {self.source.article_path}"
                    if entry["link"]
                    else "link is missing",
                }
        known = await self._known(articles)
        self.crawl.page.count_known(len(known))
        for link in sitemaps:
            yield self.ask(link, self.parse, standing=True, expects="xml")
        for key, entry in articles.items():
            if key not in known:
                link = entry.pop("link")
                yield self.ask(link, self.parse_article, subject=key, entry=entry)

    def parse_article(self, response: HtmlResponse) -> Iterator[Record]:
        """An article's page."""
        article = read_article(response, response.meta["entry"], self.crawl.now())
        yield {"source_article_id": response.meta["subject"], **article}

    def article_key(self, url: str) -> str:
        """The identifier of the article at an address."""
        key = self.source.key_of(url)
        if len(key) <= LONGEST_KEY:
            return key
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{key[: LONGEST_KEY - 33]}-{digest}"

    def _is_article(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.hostname in self.allowed_domains and bool(re.search(self.source.article_path, parts.path))

    def _is_met_first(self, key: str) -> bool:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if digest in self._met:
            return False
        self._met.add(digest)
        return True

    async def _known(self, keys: dict[str, Record]) -> set[str]:
        if self.crawl.is_full_sweep or not keys:
            return set()
        # Keys land without personal data.
        landed_as = {key: redact_key(key.strip(), self._author_key)[0] for key in keys}
        known = await self.crawl.off_reactor(self.crawl.known_articles, list(landed_as.values()))
        return {key for key, landed in landed_as.items() if landed in known}

    def _unpacked(self, response: Response) -> bytes:
        if not response.body.startswith(GZIP):
            return response.body
        limit = self.source.limits.megabytes_per_page
        try:
            return gunzip(response.body, max_size=int(limit * 2**20))
        except (OSError, EOFError, zlib.error):
            raise PageFault("gzip that cannot be unpacked") from None
        except ValueError:
            raise PageFault(f"larger than {limit:g} MB when unpacked") from None


def read_entries(body: bytes, header_encoding: str | None = None) -> Iterator[dict]:
    """The entries of a feed (RSS, Atom), a sitemap or a list of sitemaps; broken ones with what is left of them."""
    text = _HALF_CHARACTER.sub("", decode(body.strip(), header_encoding).strip())
    parser = etree.XMLParser(
        encoding="utf-8", recover=True, resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True
    )
    root = etree.fromstring(text.encode("utf-8", "replace"), parser) if text else None
    if root is None:
        raise PageFault("not XML")
    nodes = root.xpath(ENTRIES)
    if not nodes and _name(root)[1].lower() not in ROOTS:
        raise PageFault("neither a feed nor a sitemap")
    for node in nodes:
        name = _name(node)[1]
        if name == "url" and (node.getparent() is None or _name(node.getparent())[1] != "urlset"):
            continue
        parts = _parts(node)
        yield {
            "link": parts.get("origLink") or parts.get("loc") or parts.get("link"),
            "base": node.base,
            "guid": parts.get("guid") or parts.get("id"),
            "title": parts.get("title"),
            "section": parts.get("category"),
            "author": parts.get("creator") or parts.get("author"),
            "published": parts.get("publication_date")
            or parts.get("pubDate")
            or parts.get("published")
            or parts.get("date")
            or parts.get("updated"),
            "changed": parts.get("lastmod"),
            "is_sitemap": name == "sitemap",
            "is_feed_item": name in ("item", "entry"),
        }


def _parts(node: etree._Element) -> dict[str, str]:
    own = _name(node)[0]
    parts: dict[str, str] = {}
    for child in node.iterchildren(tag=etree.Element):
        namespace, name = _name(child)
        text = "".join(child.itertext()).strip()
        # With an undeclared prefix the name keeps it.
        prefix, _, local = name.rpartition(":")
        is_own = not prefix and namespace == own
        if local == "news":
            parts.update((part, text) for part, text in _parts(child).items() if part in ("title", "publication_date"))
        elif local == "link" and child.get("href"):
            if child.get("rel", "alternate") == "alternate" and (is_own or "Atom" in namespace):
                parts.setdefault("link", child.get("href").strip())
        elif local == "author" and (names := child.xpath("*[local-name()='name']/text()")):
            parts.setdefault("author", names[0].strip()[:LONGEST_TEXT])
        elif local == "category" and is_own and not text:
            parts.setdefault("category", (child.get("label") or child.get("term") or "").strip()[:LONGEST_TEXT])
        elif local == "guid" and is_own and text:
            parts.setdefault("guid", text)
            if child.get("isPermaLink", "").strip() == "true":
                parts.setdefault("permalink", text)
        elif text and (is_own or local not in _OWN):
            parts.setdefault(local, text)
    if "link" not in parts and "permalink" in parts:
        parts["link"] = parts["permalink"]
    for name in ("title", "category", "creator", "author"):
        if name in parts:
            parts[name] = plain_text(parts[name])[:LONGEST_TEXT]
    return parts


def _name(node: etree._Element) -> tuple[str, str]:
    # lxml's QName breaks on a namespace that holds a brace.
    namespace, _, local = node.tag.rpartition("}")
    return namespace.removeprefix("{"), local


def _joined(page: str, base: str | None, link: str | None) -> str | None:
    """An entry's link as a whole address without fragment and tracking parameters; None when it leads nowhere."""
    if not link:
        return None
    try:
        url = urldefrag(urljoin(urljoin(page, base or ""), "".join(link.split("\n")).strip())).url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return None
        query = "&".join(one for one in parts.query.split("&") if not _TRACKING.fullmatch(one))
        return parts._replace(query=query).geturl() if query != parts.query else url
    except ValueError:
        return None
