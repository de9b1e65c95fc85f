"""Sources: one YAML file of facts about one site, here or in `MAEARI_HOME/sources`, which wins."""

import json
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from crawlers.errors import SourceError
from maeari.settings import Settings

FOLDER = Path(__file__).parent
DEMO_SITE = "{demo_site}"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Facts):
    """What every source says about its site."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,62}$")
    demo: Literal["world", "replay"] | None = None
    start_urls: tuple[str, ...] = Field(min_length=1)
    delay_seconds: float = Field(default=1.0, ge=0)
    concurrent_requests: int = Field(default=2, ge=1, le=16)

    @model_validator(mode="after")
    def _addresses_are_whole(self) -> "Source":
        for url in self.start_urls:
            if url.startswith(DEMO_SITE) != (self.demo is not None):
                raise ValueError(f"start_urls: {url} begins with {DEMO_SITE} if, and only if, “demo” is set")
            if self.demo is None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
                raise ValueError(f"start_urls: {url} must begin with http:// or https:// and a host")
        return self

    def addresses(self) -> list[str]:
        """The start addresses, with the demo site's own put in."""
        site = _demo_site()
        if self.demo and site is None:
            raise SourceError(
                f"{self.name} is read from the demo site, which does not run. "
                "Start it with `make up`, or set MAEARI_DEMO_SITE_URL."
            )
        return [url.replace(DEMO_SITE, site or "") for url in self.start_urls]

    def key_of(self, url: str) -> str:
        """An address as an identifier: without its origin when that is the source's own, which may move."""
        first = urlsplit(self.addresses()[0])
        parts = urlsplit(urljoin(self.addresses()[0], url))
        path = (
            parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        )
        return path if parts.netloc == first.netloc else f"{parts.netloc}{path}"

    @property
    def hosts(self) -> list[str]:
        """The hosts that may be fetched."""
        return sorted({urlsplit(url).hostname for url in self.addresses()})


class ReviewSelectors(_Facts):
    """CSS selectors of a review's parts; `::attr(name)` takes an attribute, else the element's text is taken."""

    review: str
    id: str
    body: str
    title: str | None = None
    author: str | None = None
    rating: str | None = None
    rating_max: float = Field(default=5, gt=0)
    written_at: str | None = None
    subject_name: str = "h1"


class ReviewPages(Source):
    """A list of subjects, whose pages show reviews, newest first, over pages joined by a next link."""

    kind: Literal["review_pages"]
    subject_links: str
    next_link: str = 'a[rel~="next"], link[rel~="next"]'
    selectors: ReviewSelectors | None = Field(default=None, description="None: the page's JSON-LD is read.")


class NewsFeed(Source):
    """Feeds (RSS, Atom) and sitemaps that lead to article pages."""

    kind: Literal["news_feed"]
    article_path: str = Field(description="Regular expression of an article's path", default=".")


AnySource = Annotated[ReviewPages | NewsFeed, Field(discriminator="kind")]
KINDS = {"reviews": "review_pages", "articles": "news_feed"}


def load_source(name: str) -> ReviewPages | NewsFeed:
    """The named source; raises SourceError that names the file, the key and the fix."""
    files = _files()
    if name not in files:
        raise SourceError(f"There is no source “{name}”. Known are: {', '.join(sorted(files))}.")
    return read_source(files[name])


def read_source(file: Path) -> ReviewPages | NewsFeed:
    """The source in a file; raises SourceError that names the file, the key and the fix."""
    try:
        facts = yaml.safe_load(file.read_text(encoding="utf-8"))
        source = TypeAdapter(AnySource).validate_python(facts)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} is not YAML: {' '.join(str(error).split())}. Correct it there.") from None
    except ValidationError as error:
        raise SourceError(f"{file}: {'; '.join(map(_fix, error.errors()))}.") from None
    if source.name != file.stem:
        raise SourceError(f"{file}: name is “{source.name}”; make it “{file.stem}”, or rename the file.")
    return source


def active_sources(kind: Literal["reviews", "articles"]) -> list[str]:
    """The names of the sources of a kind that can be crawled now, in order.

    One whose file is wrong is among them, whatever its kind, so that its own crawl fails and says why.
    """
    names = []
    for name, file in sorted(_files().items()):
        try:
            source = read_source(file)
        except SourceError:
            names.append(name)
        else:
            if source.kind == KINDS[kind] and is_active(source):
                names.append(name)
    return names


def is_active(source: Source) -> bool:
    """Whether a source's site is there: a demo source needs the demo site, showing what it is about."""
    if source.demo is None:
        return True
    state = Settings().path("demo", "world.json")
    if not state.exists() or _demo_site() is None:
        return False
    return source.demo == ("replay" if "replay" in json.loads(state.read_text()) else "world")


def _files() -> dict[str, Path]:
    folders = (FOLDER, Settings().path("sources"))
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yml"))}


def _demo_site() -> str | None:
    settings = Settings()
    port = settings.ports().demo_site
    site = settings.demo_site_url or (f"http://127.0.0.1:{port}" if port else None)
    return site and site.rstrip("/")


def _fix(error: dict) -> str:
    key = ".".join(str(part) for part in error["loc"] if part not in KINDS.values()) or "the file"
    match error["type"]:
        case "missing":
            return f"“{key}” is missing; add it"
        case "extra_forbidden":
            return f"“{key}” is not a key of this kind of source; remove it or correct its spelling"
        case "union_tag_not_found" | "union_tag_invalid":
            return f"“kind” must be one of {', '.join(KINDS.values())}"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case _:
            return f"“{key}” is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"
