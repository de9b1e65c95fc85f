"""Runs one crawl in a process of its own, because Scrapy's reactor cannot start twice in one."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import psycopg2
from psycopg2 import sql

from crawlers.errors import CrawlFailed, SourceError
from crawlers.kinds import LOOPBACK_HOSTS, AnySource
from crawlers.sources import load_source, why_not
from maeari.errors import DatabaseUnavailable, MaeariError
from maeari.postgres import connect
from maeari.settings import CHECKOUT, Settings

PROGRESS_SECONDS = 0.5
_NEXT_STEPS = {
    "needs": "Set it, or start what it names with `make up`; `maeari source list` tells what each source waits for.",
    "unverified": "Read the site's terms, then write who read them and when into its file as terms_checked_by and "
    "terms_checked_on. Until then `maeari source check` looks at a page or two.",
}
_TELLING = threading.Lock()
SUMMARY = ("crawl_id", "source", "outcome", "pages", "items", "landed", "duplicates", "rejected", "redacted")
SUMMARY += ("robots_verdict", "message", "stats")


def crawl(
    source: str, as_of: date, limit: int | None = None, on_progress: Callable[[dict], None] | None = None
) -> dict:
    """Crawl a source as of a day and return its row of `ops.crawls`; at most `limit` records.

    `on_progress` is told the counts about twice a second. Raises SourceError when the source may not be crawled here,
    CrawlFailed with the reason when what came must not be trusted. Safe to repeat: nothing lands twice.
    """
    check_allowed(load_source(source))
    arguments = [source, as_of.isoformat(), *([] if limit is None else [str(limit)])]
    # The child reads its end of this pipe: it ends when we do, however we end.
    child = subprocess.Popen(
        [sys.executable, "-m", "crawlers.run", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    crawl_id = None
    with child:
        try:
            for line in child.stdout:
                report = json.loads(line)
                if "error" in report:
                    raise CrawlFailed(report["error"])
                crawl_id = report["crawl_id"]
                if on_progress:
                    on_progress(report)
        except BaseException:
            child.terminate()
            raise
    if crawl_id is None:
        raise CrawlFailed(f"The crawl of {source} ended with code {child.returncode} before it began; see above.")
    summary = _summary(crawl_id)
    if summary["outcome"] == "failed":
        raise CrawlFailed(f"{summary['message']} Log: {log_file(source)}")
    if summary["outcome"] == "abandoned" and summary["message"] and not summary["stats"].get("is_in_parts"):
        raise CrawlFailed(f"The crawl of {source} was stopped after {summary['items']} records: {summary['message']}")
    if summary["outcome"] == "running" or (summary["outcome"] == "abandoned" and summary["message"] is None):
        how = signal.Signals(-child.returncode).name if child.returncode < 0 else f"code {child.returncode}"
        raise CrawlFailed(
            f"The crawl of {source} was stopped ({how}) after {summary['items']} records, which are kept. "
            "Run it again: it goes on where this one was."
        )
    return summary


def landed_since(kind: Literal["reviews", "articles"], moment: datetime | None = None) -> int:
    """How many records of a kind landed in crawls that ended after a moment (None: ever), or have not ended."""
    table = sql.Identifier("raw", kind)
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select coalesce(sum(landed), 0)::integer from ops.crawls "
                "where (%(moment)s is null or finished_at is null or finished_at > %(moment)s) "
                "and exists (select from {table} as landed where landed.source = crawls.source)"
            ).format(table=table),
            {"moment": moment},
        )
        return cursor.fetchone()[0]


def check_allowed(source: AnySource) -> None:
    """Raise SourceError unless the source can be crawled here, and its site can tell whom to write to."""
    reason = why_not(source)
    if reason is not None:
        next_steps = " ".join(step for word, step in _NEXT_STEPS.items() if word in reason)
        raise SourceError(f"{source.name} is not crawled: {reason}. {next_steps}")
    require_contact(source)


def require_contact(source: AnySource) -> None:
    """Raise SourceError when a stranger's site would be fetched and its owner could not reach us."""
    strangers = [] if source.demo else [host for host in source.hosts if host not in LOOPBACK_HOSTS]
    if strangers and not Settings().contact:
        raise SourceError(
            f"{source.name} crawls {', '.join(strangers)}, and its owner must be able to reach you. "
            "Set MAEARI_CONTACT to an e-mail address or a page about this crawler."
        )


def user_agent() -> str:
    """What the crawler calls itself, with the contact."""
    contact = Settings().contact
    return f"Maeari/0.1 (+{contact})" if contact else "Maeari/0.1 (loopback only)"


def log_file(source: str) -> Path:
    """Where the newest crawl of a source writes its log; it holds no personal data."""
    return Settings().path("logs", "crawls", f"{source}.log")


def _summary(crawl_id: int) -> dict:
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(SUMMARY)} from ops.crawls where crawl_id = %s", (crawl_id,))  # noqa: S608
        return dict(zip(SUMMARY, cursor.fetchone(), strict=True))


def _run_here(name: str, as_of: date, limit: int | None) -> str:
    """Crawl in this process, and return why it ended."""
    from scrapy.crawler import AsyncCrawlerProcess

    from crawlers.ledger import open_crawl
    from crawlers.spiders import SPIDERS

    source = load_source(name)
    check_allowed(source)
    settings = scrapy_settings(source, log_file(name))
    settings.setdict(
        {
            "DUPEFILTER_CLASS": "crawlers.position.AnsweredFilter",
            "CLOSESPIDER_TIMEOUT": source.limits.minutes * 60,
            # Counted as a fault by our own middleware.
            "DEPTH_LIMIT": 0,
        },
        priority="cmdline",
    )
    with open_crawl(source, as_of, limit) as crawl:
        _report(crawl)
        threading.Thread(target=_report_for_ever, args=(crawl,), daemon=True).start()
        process = AsyncCrawlerProcess(settings)
        crawler = process.create_crawler(SPIDERS[type(source)])
        process.crawl(crawler, crawl=crawl)
        collect_garbage_rarely()
        process.start()
        reason = crawler.stats.get_value("finish_reason", "stopped")
        crawl.finish(reason)
        _report(crawl)
    return reason


def collect_garbage_rarely() -> None:
    """Look for cycles of garbage after many objects only; records hold none, and looking took a fifth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _mark_copies(name: str) -> None:
    """Compare what landed with what is known; not while pages are read, which it would slow down."""
    from crawlers import duplicates

    try:
        with connect("crawler") as connection:
            duplicates.mark(connection)
    except (psycopg2.Error, DatabaseUnavailable) as error:
        raise CrawlFailed(
            f"The crawl of {name} landed, but copies were not marked: {' '.join(str(error).split())}. "
            "Nothing is lost: the next crawl of any source marks them."
        ) from error


def scrapy_settings(source: AnySource, log: Path):
    """Scrapy's settings for requests to a source's site, with a log file."""
    from scrapy.settings import Settings as ScrapySettings

    from crawlers.settings import of_source

    log.parent.mkdir(parents=True, exist_ok=True)
    settings = ScrapySettings()
    settings.setmodule("crawlers.settings", priority="project")
    settings.setdict(
        {
            "USER_AGENT": user_agent(),
            "LOG_FILE": str(log),
            **of_source(source),
        },
        priority="cmdline",
    )
    return settings


def _report(crawl) -> None:
    counts = {name: getattr(crawl, name) for name in ("crawl_id", "pages", "items", "rejected")}
    _tell_parent(counts)


def _tell_parent(facts: dict) -> None:
    # Two threads tell: `print` writes a line and its end apart, and the parent would meet two lines in one.
    with _TELLING:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def _report_for_ever(crawl) -> None:
    while True:
        threading.Event().wait(PROGRESS_SECONDS)
        _report(crawl)


def end_with_parent() -> None:
    """Wait for the parent's end of stdin to close, then end this process at once."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """`python -m crawlers.run SOURCE DAY [LIMIT]`, started by `crawl`."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    name, day, *limit = sys.argv[1:]
    try:
        reason = _run_here(name, date.fromisoformat(day), int(limit[0]) if limit else None)
        if reason != "shutdown":
            _mark_copies(name)
    except MaeariError as error:
        _tell_parent({"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
