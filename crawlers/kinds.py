"""What a source's file may say: the facts about one site, a model for each kind of source."""

import hashlib
import json
import os
import re
from datetime import date
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

import jmespath
from croniter import croniter
from parsel import csstranslator
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from crawlers.errors import SourceError
from maeari.settings import Settings

DEMO_SITE = "{demo_site}"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
ENVIRONMENT_KEY = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
DAY = re.compile(r"\{day(?:-(\d{1,4}))?:([^{}]+)\}")
_PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}]*)\}")


def _css(selector: str) -> str:
    try:
        csstranslator.HTMLTranslator().css_to_xpath(selector)
    except Exception as error:
        raise ValueError(f"“{selector}” is no CSS selector: {error}") from None
    return selector


def _json_path(path: str) -> str:
    try:
        jmespath.compile(path)
    except Exception as error:
        raise ValueError(f"“{path}” is no JMESPath: {' '.join(str(error).split())}") from None
    return path


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"“{text}” is no regular expression: {error}") from None
    return text


def _cron(text: str) -> str:
    if not croniter.is_valid(text):
        raise ValueError(f"“{text}” is no cron expression; write one such as “0 4 * * *” (each day at 4)")
    return text


def _as_written(value: object) -> object:
    # YAML reads 440, 1.5 and true as other than text.
    return json.dumps(value) if isinstance(value, bool | int | float) else value


Css = Annotated[str, AfterValidator(_css)]
JsonPath = Annotated[str, AfterValidator(_json_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Cron = Annotated[str, AfterValidator(_cron)]
Host = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Written = Annotated[str, BeforeValidator(_as_written)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Facts):
    """Where a crawl stops by itself; what is left is read by the next one."""

    pages: int = Field(default=50_000, ge=1)
    records: int = Field(default=2_000_000, ge=1)
    minutes: float = Field(default=180, gt=0)
    megabytes_per_page: float = Field(default=20, gt=0, le=100)
    depth: int = Field(default=5_000, ge=1, description="Links from a start address")


class Source(_Facts):
    """What every source says about its site."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,62}$")
    demo: Literal["world", "replay"] | None = None
    start_urls: tuple[str, ...] = Field(min_length=1)
    owner: str = Field(min_length=1, description="Whose site it is")
    licence: str = Field(min_length=1, description="The licence or terms under which its content may be kept")
    terms_url: str | None = None
    terms_checked_by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = Field(
        default=None, description="Who of the team has read the terms"
    )
    terms_checked_on: date | None = None
    local: bool = Field(default=False, description="The site is on a private network, whose addresses may be fetched")
    schedule: Cron = Field(default="0 4 * * *", description="When to crawl, in the business zone")
    delay_seconds: float = Field(default=1.0, ge=0)
    concurrent_requests: int = Field(default=2, ge=1, le=16)
    full_sweep_every_days: int = Field(default=7, ge=1, description="Until everything is read again, not only news")
    expected_records: int | None = Field(default=None, ge=1, description="About how many records the site shows")
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _addresses_are_whole(self) -> "Source":
        for url in self.start_urls:
            if url.startswith(DEMO_SITE) != (self.demo is not None):
                raise ValueError(f"start_urls: {url} begins with {DEMO_SITE} if, and only if, “demo” is set")
            if self.demo is None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
                raise ValueError(f"start_urls: {url} must begin with http:// or https:// and a host")
        return self

    @model_validator(mode="after")
    def _a_check_has_a_name_and_a_day(self) -> "Source":
        if (self.terms_checked_by is None) != (self.terms_checked_on is None):
            raise ValueError("terms_checked_by and terms_checked_on belong together: give both, or leave both empty")
        return self

    @property
    def is_verified(self) -> bool:
        """Whether somebody has checked that the site may be crawled."""
        return self.terms_checked_by is not None

    @property
    def needs(self) -> list[str]:
        """The environment variables that the file names and that are not set."""
        named = ENVIRONMENT_KEY.findall(self.model_dump_json())
        return [name for name in dict.fromkeys(named) if not os.environ.get(name)]

    @property
    def facts_sha256(self) -> str:
        """Changes when the file says something else: what an earlier crawl remembered then no longer holds."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def addresses(self) -> list[str]:
        """The start addresses, with the demo site's own put in as it is when first asked for."""
        site = demo_site()
        if self.demo and site is None:
            raise SourceError(
                f"{self.name} is read from the demo site, which does not run. "
                "Start it with `make up`, or set MAEARI_DEMO_SITE_URL."
            )
        return [url.replace(DEMO_SITE, site or "") for url in self.start_urls]

    def key_of(self, url: str) -> str:
        """An address as an identifier: without its origin when that is the source's own, which may move."""
        first = urlsplit(self.addresses[0])
        parts = urlsplit(urljoin(self.addresses[0], url))
        path = (
            parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        )
        return path if parts.netloc == first.netloc else f"{parts.netloc}{path}"

    @property
    def hosts(self) -> list[str]:
        """The hosts that may be fetched."""
        return sorted({urlsplit(url).hostname for url in self.addresses})


class NextLink(_Facts):
    """Pages joined by a link to the next one."""

    by: Literal["next_link"] = "next_link"
    link: Css = 'a[rel~="next"], link[rel~="next"]'


class PageNumbers(_Facts):
    """Pages counted by a query parameter, or at `{page}` in the address; they end with one that has no record."""

    by: Literal["page"]
    parameter: str = "page"
    first: int = 1
    last: int | None = None


class Offsets(_Facts):
    """Pages that begin at a record's number, in a query parameter or at `{offset}` in the address."""

    by: Literal["offset"]
    parameter: str = "offset"
    first: int = 0
    step: int = Field(ge=1, description="Records a page")
    last: int | None = None


class Cursor(_Facts):
    """Pages whose answer holds the key of the next one; they end when it repeats or is missing."""

    by: Literal["cursor"]
    parameter: str = "cursor"
    first: str | None = None
    path: JsonPath = "cursor"


PagePaging = Annotated[NextLink | PageNumbers | Offsets, Field(discriminator="by")]
ApiPaging = Annotated[PageNumbers | Offsets | Cursor, Field(discriminator="by")]


class ReviewSelectors(_Facts):
    """CSS selectors of a review's parts; `::attr(name)` takes an attribute, else the element's text is taken."""

    review: Css
    id: Css
    body: Css
    title: Css | None = None
    author: Css | None = None
    rating: Css | None = None
    rating_max: float = Field(default=5, gt=0)
    written_at: Css | None = None
    subject_name: Css = "h1"


class _Reviews(Source):
    """What every source of reviews says about them."""

    subjects_are: Literal["books"] | None = Field(
        default=None, description="What is reviewed, where it is books: they stand in marts.dim_books"
    )


class ReviewPages(_Reviews):
    """A list of subjects, whose pages show reviews."""

    kind: Literal["review_pages"]
    subject_links: Css | None = Field(default=None, description="None: the start addresses themselves show reviews")
    paging: PagePaging = NextLink()
    newest_first: bool = Field(default=True, description="False: every page is read at every crawl, news or not")
    selectors: ReviewSelectors | None = Field(default=None, description="None: JSON-LD, else microdata is read")

    @model_validator(mode="after")
    def _addresses_can_be_filled(self) -> "ReviewPages":
        _check_placeholders(self.start_urls, {self.paging.by})
        return self


def _check_placeholders(addresses: tuple[str, ...], known: set[str]) -> None:
    for address in addresses:
        for mark in _PLACEHOLDER.findall(address.removeprefix(DEMO_SITE)):
            if mark not in known:
                raise ValueError(
                    f"{{{mark}}} in {address} would never be filled: {{subject}} needs “subjects”, "
                    "{page}, {offset} and {cursor} need “paging” by the same name"
                )


class _Api(Source):
    """Answers in JSON (or XML), page by page, for each subject."""

    subjects: dict[Written, str | None] = Field(
        default={}, description="Identifier and name of each subject, put at {subject} in the addresses"
    )
    headers: dict[str, str] = {}
    parameters: dict[str, Written] = Field(
        default={},
        description="Query parameters; their values are encoded once. {day-7:%Y%m%d} is a week before the crawl's day",
    )
    paging: ApiPaging | None = None
    newest_first: bool = Field(default=True, description="False: every page is read at every crawl, news or not")
    records: JsonPath = Field(description="A list of records, or one record")
    errors: tuple[JsonPath, ...] = Field(default=(), description="Paths that hold a message when the site refuses")
    fields_are_html: bool = Field(default=False, description="Tags and entities in fields are turned into text")
    xml_when_empty: str | None = Field(
        default=None, description="An address to read instead, in XML, when a page of JSON has no record"
    )

    @model_validator(mode="after")
    def _placeholders_can_be_filled(self) -> "_Api":
        first = self.paging and self.paging.first
        known = ({"subject"} if self.subjects else set()) | ({self.paging.by} if first is not None else set())
        addresses = (*self.start_urls, *([self.xml_when_empty] if self.xml_when_empty else []))
        _check_placeholders(addresses, known)
        for name, value in self.parameters.items():
            if "{day" in DAY.sub("", value):
                raise ValueError(f"parameters.{name}: write a day as {{day:%Y%m%d}} or {{day-7:%Y-%m-%d}}")
        hosts = {urlsplit(address).hostname for address in self.start_urls}
        if self.xml_when_empty and urlsplit(self.xml_when_empty).hostname not in hosts:
            raise ValueError("xml_when_empty: only the hosts of start_urls are asked")
        if self.subjects and not all("{subject}" in address for address in addresses):
            raise ValueError("subjects: put {subject} into each address, or leave “subjects” out")
        return self


class ReviewFields(_Facts):
    """JMESPaths of a review's parts, seen from the record."""

    id: JsonPath
    body: JsonPath
    title: JsonPath | None = None
    author: JsonPath | None = None
    rating: JsonPath | None = None
    rating_max: float = Field(default=5, gt=0)
    rating_values: dict[Written, float] = Field(
        default={}, description="Ratings by the value as text: {true: 5, false: 1}"
    )
    written_at: JsonPath | None = None
    url: JsonPath | None = None
    subject_id: JsonPath | None = None
    subject_name: JsonPath | None = None


class ArticleFields(_Facts):
    """JMESPaths of an article's parts, seen from the record."""

    id: JsonPath
    title: JsonPath
    body: JsonPath
    section: JsonPath | None = None
    author: JsonPath | None = None
    published_at: JsonPath | None = None
    url: JsonPath | None = None


class ReviewApi(_Api, _Reviews):
    """Reviews from an interface that answers in JSON."""

    kind: Literal["review_api"]
    fields: ReviewFields

    @model_validator(mode="after")
    def _reviews_have_a_subject(self) -> "ReviewApi":
        if not self.subjects and not self.fields.subject_id:
            raise ValueError("fields.subject_id: say where a record names its subject, or list “subjects”")
        return self


class NewsApi(_Api):
    """News and notices from an interface that answers in JSON."""

    kind: Literal["news_api"]
    fields: ArticleFields


class _News(Source):
    """Lists of addresses that lead to article pages."""

    article_path: Pattern = Field(description="Regular expression of an article's path", default=".")
    article_hosts: tuple[Host, ...] = Field(
        default=(), description="Hosts of the articles, where they are others than the start addresses'"
    )

    @property
    def hosts(self) -> list[str]:
        """The hosts that may be fetched."""
        return sorted({*super().hosts, *self.article_hosts})


class NewsFeed(_News):
    """Feeds (RSS, Atom), and sitemaps beside them, that lead to article pages."""

    kind: Literal["news_feed"]


class NewsSitemap(_News):
    """Sitemaps, and lists of them, that lead to article pages."""

    kind: Literal["news_sitemap"]
    newest_days: int | None = Field(default=None, ge=1, description="Entries last changed before that are passed over")


AnySource = ReviewPages | ReviewApi | NewsApi | NewsFeed | NewsSitemap
KINDS: dict[Literal["reviews", "articles"], tuple[str, ...]] = {
    "reviews": ("review_pages", "review_api"),
    "articles": ("news_feed", "news_sitemap", "news_api"),
}


def demo_site() -> str | None:
    """The address of the demo site, None when it does not run."""
    settings = Settings()
    port = settings.ports().demo_site
    site = settings.demo_site_url or (f"http://127.0.0.1:{port}" if port else None)
    return site and site.rstrip("/")
