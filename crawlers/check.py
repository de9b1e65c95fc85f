"""Looks at a page or two of a source through its real spider, and says what it would land; nothing lands."""

import asyncio
import json
import subprocess
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from crawlers.errors import CrawlFailed, PageFault, SourceError
from crawlers.intake import Intake
from crawlers.items import RefusedItem
from crawlers.kinds import KINDS, AnySource, ReviewPages
from crawlers.pages import Counts
from crawlers.run import end_with_parent, require_contact, scrapy_settings
from crawlers.sources import load_source, read_source, what_it_lacks
from maeari import clock
from maeari.errors import MaeariError
from maeari.redaction import redact
from maeari.settings import CHECKOUT, Settings

PAGES = 6
PAGES_WITH_RECORDS = {"reviews": 1, "articles": 2}
CHILD_SECONDS = 300
EXAMPLE_CHARACTERS = 80
FIELDS = {
    "reviews": {
        "id": "source_review_id",
        "body": "body",
        "rating": "rating",
        "written_at": "written_at",
        "title": "title",
        "author": "author_key",
        "subject_id": "subject_id",
        "subject_name": "subject_name",
    },
    "articles": {
        "id": "source_article_id",
        "title": "title",
        "body": "body",
        "published_at": "published_at",
        "section": "section",
        "author": "author_key",
    },
}
REQUIRED = {"reviews": ("id", "body"), "articles": ("id", "title", "body")}


@dataclass
class CheckCrawl:
    """What a spider asks of a crawl, when nothing is known and nothing is kept."""

    source: AnySource
    as_of: date
    crawl_id: int = 0
    limit: int | None = None
    page: Counts = field(default_factory=Counts)
    is_full_sweep: bool = True
    robots_verdict: str | None = None
    robots_checked_at: datetime | None = None

    def now(self) -> datetime:
        return clock.now(self.as_of) if self.source.demo else datetime.now(UTC)

    async def off_reactor(self, function: Callable, *arguments):
        return function(*arguments)

    def known_articles(self, article_ids) -> set[str]:
        return set()

    def has_news(self, reviews) -> bool:
        return True


@dataclass
class FieldSeen:
    """How often a field was filled, with an example, and the key of the source's file that it comes from."""

    name: str
    filled: int
    records: int
    example: str | None
    comes_from: str
    is_required: bool


@dataclass
class Checked:
    """What a source's first pages gave; all text is redacted and bounded."""

    source: str
    kind: str
    records: int = 0
    pages: list[dict] = field(default_factory=list)
    fields: list[FieldSeen] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    redacted: int = 0
    robots_verdict: str | None = None

    @property
    def problem(self) -> str | None:
        """Why this source would bring nothing, None when it would bring records."""
        missing = [one.name for one in self.fields if one.is_required and not one.filled]
        if self.records == 0 and not self.refused:
            return "No record was found on these pages."
        if missing:
            return f"No record has {' or '.join(missing)}; without it none can land."
        return "Every record was refused." if self.records == 0 else None

    def as_json(self) -> dict:
        """Everything as plain values."""
        return {**asdict(self), "problem": self.problem}


def check(name_or_file: str) -> Checked:
    """What the first pages of a source give, fetched in a process of its own; no Postgres is needed.

    Raises SourceError when the source's file is wrong or its site may not be fetched, CrawlFailed when the process
    ended without an answer.
    """
    is_file = name_or_file.endswith((".yml", ".yaml")) or "/" in name_or_file
    if is_file and not Path(name_or_file).is_file():
        raise SourceError(f"There is no file {name_or_file}. Give a source's name, or the path of its YAML file.")
    source = read_source(Path(name_or_file).absolute()) if is_file else load_source(name_or_file)
    if lacking := what_it_lacks(source):
        raise SourceError(f"{source.name} cannot be checked: {lacking}. Set it, or start what it names with `make up`.")
    require_contact(source)
    file = str(Path(name_or_file).absolute()) if is_file else name_or_file
    answer = in_child("crawlers.check", file)
    fields = [FieldSeen(**one) for one in answer.pop("fields")]
    answer.pop("problem")
    return Checked(**answer, fields=fields)


def in_child(module: str, *arguments: str) -> dict:
    """The answer (JSON) of a module that fetches; Scrapy's reactor cannot start twice in one process."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    with child:
        try:
            # The child's end of stdin closes when we end, however we end; until then it stays open.
            answer = child.stdout.read()
        except BaseException:
            child.terminate()
            raise
    lines = answer.strip().splitlines()
    if not lines:
        raise CrawlFailed(f"Looking at the site ended with code {child.returncode} and no answer. Log: {log_file()}")
    report = json.loads(lines[-1])
    if "error" in report:
        raise SourceError(report["error"])
    return report


def log_file() -> Path:
    """Where the newest check writes its log."""
    return Settings().path("logs", "crawls", "check.log")


# Takes a Scrapy request, gives its response; Scrapy is imported by the process that fetches, not by the command.
Fetch = Callable[..., Awaitable]


@dataclass
class Sample:
    """The records of a source's first pages: taken items, refused ones, and the crawl that counted faults."""

    crawl: CheckCrawl
    items: list = field(default_factory=list)
    refused: list[RefusedItem] = field(default_factory=list)
    record_pages: list = field(default_factory=list)


async def sample(source: AnySource, fetch: Fetch, pages: int = PAGES) -> Sample:
    """Read a source's first pages with its spider until one (of articles two) gave records, `pages` at most.

    The list of subjects, then a subject; a feed, then articles; the first page of an interface.
    """
    from scrapy import Request
    from scrapy.http import TextResponse
    from scrapy.spidermiddlewares.httperror import HttpError
    from twisted.python.failure import Failure

    from crawlers.spiders import SPIDERS
    from crawlers.spiders.base import described_failure

    crawl = CheckCrawl(source, clock.today())
    seen = Sample(crawl)
    spider = SPIDERS[type(source)](crawl=crawl)
    intake = Intake(source.name, crawl.crawl_id)
    wanted = PAGES_WITH_RECORDS[_records_of(source)]
    starts = [request async for request in spider.start()]
    waiting, asked = deque(starts[:1]), {request.url for request in starts[:1]}
    for _ in range(pages):
        if not waiting or len(seen.record_pages) >= wanted:
            break
        request = waiting.popleft()
        try:
            response = await fetch(request)
            if response.status != 200 and response.status not in request.meta.get("handle_httpstatus_list", ()):
                raise HttpError(response)
            if not isinstance(response, TextResponse):
                raise PageFault("not text")
        except Exception as error:
            failure = Failure(error)
            failure.request = request
            crawl.page.count_fault(described_failure(failure)[0], request.meta.get("subject"))
            continue
        crawl.page.pages += 1
        outputs = await _outputs(spider, request, response)
        found = 0
        for record in outputs:
            if isinstance(record, Request):
                continue
            item, finds = intake.take(record, response.url, crawl.now())
            crawl.page.redacted += finds
            found += 1
            (seen.refused if isinstance(item, RefusedItem) else seen.items).append(item)
        if found:
            seen.record_pages.append(response)
        links = [output for output in outputs if isinstance(output, Request)]
        onward = [link for link in links if link.callback != request.callback]
        # A list of sitemaps leads to sitemaps; a list's next page is looked at only when this one leads nowhere.
        for link in onward or ([] if found else links[:2]):
            if link.url not in asked:
                asked.add(link.url)
                waiting.append(link)
    return seen


async def _outputs(spider, request, response) -> list:
    try:
        result = (request.callback or spider.parse)(response)
        if hasattr(result, "__aiter__"):
            return [output async for output in result]
        return list(result or ())
    except PageFault as error:
        spider.count_fault(str(error), response.meta.get("subject"))
    except Exception as error:
        spider.count_fault(f"broken page ({type(error).__name__})", response.meta.get("subject"))
    return []


def summarise(source: AnySource, seen: Sample) -> Checked:
    """Field by field what the records hold."""
    kind = _records_of(source)
    rows = [vars(item) for item in seen.items] + [item.payload for item in seen.refused]
    checked = Checked(source.name, source.kind, records=len(seen.items), redacted=seen.crawl.page.redacted)
    checked.refused = dict(Counter(bounded(item.reason) for item in seen.refused))
    checked.faults = {bounded(fault): count for fault, count in seen.crawl.page.faults.items()}
    for name, column in FIELDS[kind].items():
        values = [row[column] for row in rows if row.get(column) not in (None, "")]
        example = next((_example(row, column) for row in rows if row.get(column) not in (None, "")), None)
        checked.fields.append(
            FieldSeen(name, len(values), len(rows), example, _comes_from(source, name), name in REQUIRED[kind])
        )
    return checked


def bounded(text: str, characters: int = EXAMPLE_CHARACTERS) -> str:
    """A text of a site on one line, redacted, at most so long."""
    line = " ".join(redact(text[: 20 * characters])[0].split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def _records_of(source: AnySource) -> str:
    return next(records for records, kinds in KINDS.items() if source.kind in kinds)


def _example(row: dict, column: str) -> str:
    value = row[column]
    if column == "author_key":
        return f"kept as a keyed hash, {value[:8]}…"
    if column == "rating" and isinstance(value, float):
        return f"{value:g} of {row['rating_max']:g}"
    if isinstance(value, datetime):
        precision = row.get("written_at_precision")
        return f"{value.astimezone(clock.zone()):%Y-%m-%d %H:%M}" + (f", to the {precision}" if precision else "")
    return bounded(str(value))


def _comes_from(source: AnySource, name: str) -> str:
    """Where in the source's file a field is told, or what the site has to show for it."""
    if isinstance(source, ReviewPages):
        if name == "subject_id":
            return "subject_links" if source.subject_links else "start_urls"
        if source.selectors is None:
            return "the page's JSON-LD or microdata; “selectors” would take it from the markup"
        key, holder = f"selectors.{name}", source.selectors
    elif hasattr(source, "fields"):
        key, holder = f"fields.{name}", source.fields
    elif name == "id":
        return "article_path"
    else:
        return "the article's page: JSON-LD, OpenGraph or text"
    return key if getattr(holder, name, None) else f"{key}, which the file does not give"


def fetch_with(source: AnySource, work: Callable[[Fetch], Awaitable[dict]]) -> tuple[dict, dict]:
    """Run `work`, whose requests go through the downloader of a crawl of `source`; its result and the statistics.

    Robots.txt, delays, retries, redirects, limits of size and refused addresses hold as in a crawl. Once a process.
    """
    from scrapy import Request
    from scrapy.crawler import AsyncCrawlerProcess

    from crawlers.spiders.base import SourceSpider

    outcome: dict = {}

    class Reader(SourceSpider):
        async def start(self):
            async def fetch(request: Request):
                response = await self.crawler.engine.download_async(request)
                return response if response.request is request else response.replace(request=request)

            try:
                outcome["result"] = await asyncio.wait_for(work(fetch), CHILD_SECONDS)
            except TimeoutError:
                outcome["error"] = CrawlFailed(f"Looking at the site took longer than {CHILD_SECONDS} seconds.")
            except Exception as error:
                outcome["error"] = error
            # Scrapy itself looks only every five seconds whether anything is left to do.
            self._close("finished")
            return
            yield

    settings = scrapy_settings(source, log_file())
    settings.setdict({"SPIDER_MIDDLEWARES": {}}, priority="cmdline")
    process = AsyncCrawlerProcess(settings)
    crawler = process.create_crawler(Reader)
    process.crawl(crawler, crawl=CheckCrawl(source, clock.today()))
    process.start()
    if "error" in outcome:
        raise outcome["error"]
    if "result" not in outcome:
        raise CrawlFailed(f"The site could not be looked at. Log: {log_file()}")
    return outcome["result"], crawler.stats.get_stats()


def answer_parent(answer: Callable[[list[str]], dict]) -> None:
    """Print the answer to the command line's arguments as JSON for the parent, or its error; end with the parent."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        print(json.dumps(answer(sys.argv[1:])), flush=True)
    except MaeariError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)
    except Exception as error:
        # Its text may be the site's; only the log has it.
        with log_file().open("a", encoding="utf-8", errors="backslashreplace") as log:
            traceback.print_exc(file=log)
        fault = f"Looking at the site broke ({type(error).__name__}). Log: {log_file()}"
        print(json.dumps({"error": fault}), flush=True)
        sys.exit(1)


def _check_here(arguments: list[str]) -> dict:
    (name_or_file,) = arguments
    source = read_source(Path(name_or_file)) if "/" in name_or_file else load_source(name_or_file)
    pages: list[dict] = []

    async def work(fetch: Fetch) -> Sample:
        async def noted(request):
            try:
                response = await fetch(request)
            except Exception as error:
                pages.append({"url": bounded(request.url, 200), "status": None, "error": bounded(str(error))})
                raise
            pages.append({"url": bounded(response.url, 200), "status": response.status})
            return response

        return await sample(source, noted)

    seen, stats = fetch_with(source, work)
    checked = summarise(source, seen)
    checked.pages, checked.robots_verdict = pages, stats.get("robotstxt/verdict")
    return checked.as_json()


if __name__ == "__main__":
    answer_parent(_check_here)
