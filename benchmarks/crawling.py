"""How fast and in how much memory crawls read and land, against plain COPY, plain INSERT and a bare spider.

    python benchmarks/crawling.py [landing|crawl|memory] [--runs 5]

Everything runs on this machine: an embedded Postgres in a home of its own, and a local site in a process of its own.
What is compared is measured in turns in the same run. Prints Markdown tables; ends with exit code 1 when a limit is
missed.

COPY is as bare as it can be: the rows that landing lands, already written as lines of COPY's text format in one block
of memory, into a table with the same columns and no index, key or check. Beside it stands the COPY that also has to
write its lines. A bare spider is the same spider with the same downloader, and nothing of ours behind it: what it
yields is dropped.
"""

import asyncio
import io
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

from embedded import warehouse
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SEED = 7
REVIEWS, REVIEWS_A_PAGE, PAGES_A_CAFE = 200_000, 20, 10
INSERTED, COMMITTED = 20_000, 2_000
CRAWLED, CRAWLED_LONG = 20_000, 200_000
BATCH = 10_000
FETCHED_AT = datetime(2026, 5, 31, 3, 0, tzinfo=UTC)
LANDED_TO_COPIED, LANDED_TO_COPIED_AIM, LANDED_TO_INSERTED = 0.20, 0.35, 15
CRAWLED_TO_BARE, MEMORY_GROWTH = 0.8, 1.2
COLUMNS = ("source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "author_key")
COLUMNS += ("rating", "rating_max", "title", "body", "written_at", "written_at_precision", "url", "crawl_id")
COLUMNS += ("fetched_at",)
SOURCE = """
name: cafes
kind: review_pages
local: true
start_urls: ["http://127.0.0.1:{port}/cafes"]
owner: Maeari
licence: Generated texts of our own
terms_checked_by: Maeari
terms_checked_on: 2026-11-22
subject_links: a.cafe
delay_seconds: 0
concurrent_requests: 8
"""


def records(count: int) -> Iterator[dict[str, str | None]]:
    """Reviews as a spider yields them: Korean, 30 to 200 characters; some unrated, untitled, nameless, with a phone."""
    from demo.reviews import Subject, Writer

    drawn = random.Random(SEED)
    writer = Writer("cafe")
    for number in range(count):
        cafe_no = number // (REVIEWS_A_PAGE * PAGES_A_CAFE)
        cafe = Subject(f"cafe-{cafe_no}", f"카페 {cafe_no}호")
        sentiment = drawn.choice(("positive", "negative"))
        body = ""
        while len(body) < 30:
            voice = drawn.choice(("formal", "polite", "casual"))
            body = f"{body} {writer.write(drawn, sentiment, voice, cafe).body}".strip()
        if drawn.random() < 0.01:
            body = f"{body[:150]} 문의는 010-2345-{drawn.randrange(10_000):04}"
        written_at = FETCHED_AT - timedelta(seconds=drawn.randrange(365 * 24 * 3600))
        stars = str(drawn.randint(1, 5))
        yield {
            "source_review_id": f"r{number:07}",
            "subject_id": cafe.subject_id,
            "subject_name": cafe.name,
            "author": f"{drawn.choice('김이박최정강조윤장임')}손님{drawn.randrange(10_000)}" if number % 20 else None,
            "rating": drawn.choice((stars, f"{stars}/5", "★" * int(stars))) if drawn.random() < 0.7 else None,
            "rating_max": "5",
            "title": body[:12] if drawn.random() < 0.5 else None,
            "body": body[:200],
            "written_at": written_at.isoformat(timespec="seconds") if number % 3 else f"{written_at:%Y.%m.%d.}",
        }


def measure_landing(runs: int, console: Console) -> bool:
    """Print how landing compares with COPY and INSERT; returns whether the limits hold."""
    from crawlers.run import collect_garbage_rarely
    from maeari.postgres import connect, copy_rows

    found = list(records(REVIEWS))
    with connect("owner") as owner:
        empty(owner)
        land(found)
        rows = landed_rows(owner)
    lines = copy_lines(rows)
    # As a crawl's process does; what is measured did not make these.
    collect_garbage_rarely()
    ways: dict[str, tuple[int, Callable]] = {
        "COPY of lines that are ready": (REVIEWS, lambda owner: copy(owner, lines)),
        "COPY, its lines yet to be written": (REVIEWS, lambda owner: copy_rows(owner, "copied", COLUMNS, rows)),
        "landing": (REVIEWS, lambda owner: land(found)),
        "one INSERT a row, one transaction": (INSERTED, lambda owner: insert(owner, rows[:INSERTED], each=False)),
        "one INSERT a row, committed each": (COMMITTED, lambda owner: insert(owner, rows[:COMMITTED], each=True)),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs):
        for way, (count, act) in ways.items():
            with connect("owner") as owner:
                empty(owner)
                began = time.perf_counter()
                act(owner)
                owner.commit()
                rates[way].append(count / (time.perf_counter() - began))
            console.print(f"run {run + 1}, {way}: {rates[way][-1]:,.0f} rows/s")
    ready, written, landed, inserted, committed = (median(found) for found in rates.values())
    print(f"\n### Landing alone: {REVIEWS:,} valid reviews in batches of {BATCH:,}, median of {runs} runs in turns\n")
    print("| way | rows | rows per second | landing does so many times as much |\n|---|---|---|---|")
    for way, (count, _) in ways.items():
        print(f"| {way} | {count:,} | {median(rates[way]):,.0f} | {landed / median(rates[way]):.2f} |")
    print(f"\nOf COPY at least {LANDED_TO_COPIED:.2f}, aim {LANDED_TO_COPIED_AIM}: {landed / ready:.3f}")
    print(f"Where COPY has its lines yet to write: {landed / written:.2f}")
    print(f"Times INSERT in one transaction at least {LANDED_TO_INSERTED}: {landed / inserted:.1f}")
    print(f"Where each INSERT is committed: {landed / committed:.1f}")
    return landed / ready >= LANDED_TO_COPIED and landed / inserted >= LANDED_TO_INSERTED


def measure_crawl(runs: int, console: Console) -> bool:
    """Print how a crawl compares with a bare spider; returns whether the limit holds."""
    pages = CRAWLED // REVIEWS_A_PAGE
    rates: dict[str, list[float]] = {"bare": [], "crawl": []}
    with site(CRAWLED):
        for run in range(runs):
            for way, found in rates.items():
                measured = crawl_in_child(way)
                if measured.reviews != CRAWLED:
                    raise SystemExit(f"The {way} spider brought {measured.reviews} reviews, not {CRAWLED}.")
                found.append(pages / measured.seconds)
                console.print(f"run {run + 1}, {way}: {found[-1]:,.0f} pages/s, {measured.peak_mb:,.0f} MB")
    bare, crawled = median(rates["bare"]), median(rates["crawl"])
    print(f"\n### Crawl: {CRAWLED:,} reviews on {pages:,} pages, median of {runs} runs in turns\n")
    print("| way | pages per second | of the bare spider's |\n|---|---|---|")
    print(f"| the spider, nothing of ours behind it | {bare:,.0f} | 1.00 |")
    print(f"| with validation, redaction and landing | {crawled:,.0f} | {crawled / bare:.2f} |")
    print(f"\nAt least {CRAWLED_TO_BARE}: {crawled / bare:.2f}")
    return crawled / bare >= CRAWLED_TO_BARE


def measure_memory(runs: int, console: Console) -> bool:
    """Print the peak memory of a short and of a long crawl; returns whether the limit holds."""
    peaks = {}
    for count in (CRAWLED, CRAWLED_LONG):
        with site(count):
            measured = crawl_in_child("crawl")
        if measured.reviews != count:
            raise SystemExit(f"The crawl brought {measured.reviews} reviews, not {count}.")
        console.print(f"{count} reviews: {measured.seconds:.0f} s, {measured.peak_mb:,.0f} MB")
        peaks[count] = measured.peak_mb
    growth = peaks[CRAWLED_LONG] / peaks[CRAWLED]
    print("\n### Peak memory of the crawl's process\n\n| reviews | peak RSS, MB |\n|---|---|")
    for count, peak in peaks.items():
        print(f"| {count:,} | {peak:,.0f} |")
    print(f"\nAt most {MEMORY_GROWTH} times as much: {growth:.2f}")
    return growth <= MEMORY_GROWTH


class Measured(NamedTuple):
    """What a crawl in a process of its own brought and took."""

    reviews: int
    seconds: float
    peak_mb: float


def crawl_in_child(way: str) -> Measured:
    """Crawl the site into an empty warehouse, in a process of its own, since a reactor cannot start twice in one."""
    from maeari.postgres import connect

    with connect("owner") as owner:
        empty(owner)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        measured = pool.submit(CRAWLS[way]).result()
    if way == "bare":
        return measured
    with connect("owner") as owner, owner.cursor() as cursor:
        cursor.execute("select count(*) from raw.reviews")
        return measured._replace(reviews=cursor.fetchone()[0])


def crawl() -> Measured:
    """Crawl as `maeari crawl` does, until everything has landed; copies are marked after that."""
    from crawlers import run
    from crawlers.spiders import SPIDERS  # noqa: F401, imported here so that both ways have it before they begin

    began = time.perf_counter()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        run._run_here("cafes", date.today(), None)
    return Measured(0, time.perf_counter() - began, peak_mb())


def crawl_bare() -> Measured:
    """Crawl with the same spider and downloader, and drop what it yields."""
    from scrapy.crawler import AsyncCrawlerProcess  # noqa: TID251

    from crawlers.ledger import Crawl
    from crawlers.run import collect_garbage_rarely, log_file, scrapy_settings
    from crawlers.sources import load_source
    from crawlers.spiders import SPIDERS

    source = load_source("cafes")
    settings = scrapy_settings(source, log_file("bare"))
    settings.set("SPIDER_MIDDLEWARES", {}, priority="cmdline")
    idle = Crawl(warehouse=None, spool=None, crawl_id=0, source=source, as_of=date.today(), limit=None)
    began = time.perf_counter()
    process = AsyncCrawlerProcess(settings)
    crawler = process.create_crawler(SPIDERS[type(source)])
    process.crawl(crawler, crawl=idle)
    collect_garbage_rarely()
    process.start()
    return Measured(crawler.stats.get_value("item_scraped_count", 0), time.perf_counter() - began, peak_mb())


CRAWLS = {"crawl": crawl, "bare": crawl_bare}


def peak_mb() -> float:
    """The most memory this process has ever held."""
    # Not getrusage, which counts what the process was before it became this program.
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


@contextmanager
def site(count: int) -> Iterator[None]:
    """A local site of so many reviews, and the source's file that tells where it is."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(count, theirs), daemon=True)
    process.start()
    try:
        file = Path(os.environ["MAEARI_HOME"], "sources", "cafes.yml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(SOURCE.format(port=ours.recv()), encoding="utf-8")
        yield
    finally:
        process.terminate()
        process.join()


def serve(count: int, started) -> None:
    """Answer with pages that are ready, and tell the port."""
    answers = {path: answer(page) for path, page in site_pages(count)}
    missing = answer("<html></html>", "404 Not Found")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(answers.get(request.split(b" ", 2)[1].decode(), missing))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        started.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


def answer(page: str, status: str = "200 OK") -> bytes:
    """A page as an HTTP answer."""
    body = page.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def site_pages(count: int) -> Iterator[tuple[str, str]]:
    """The pages of a site like the demo's: a list of cafes, and of each ten pages of twenty reviews as JSON-LD."""
    cafes = range(count // (REVIEWS_A_PAGE * PAGES_A_CAFE))
    links = (f'<li><a class="cafe" href="/cafes/cafe-{number}">카페 {number}호</a></li>' for number in cafes)
    yield "/cafes", f"<html><title>카페</title><ul>{''.join(links)}</ul></html>"
    found = records(count)
    for number in cafes:
        for page in range(1, PAGES_A_CAFE + 1):
            shown = [next(found) for _ in range(REVIEWS_A_PAGE)]
            described = {
                "@context": "https://schema.org",
                "@type": "CafeOrCoffeeShop",
                "name": shown[0]["subject_name"],
                "review": [review_json(review) for review in shown],
            }
            data = json.dumps(described, ensure_ascii=False).replace("<", "\\u003c")
            articles = "".join(f"<article><h3>{one['title'] or ''}</h3><p>{one['body']}</p></article>" for one in shown)
            following = f'<a rel="next" href="/cafes/cafe-{number}?page={page + 1}">다음</a>'
            yield (
                f"/cafes/cafe-{number}" + (f"?page={page}" if page > 1 else ""),
                f'<!doctype html><html><head><script type="application/ld+json">{data}</script></head>'
                f"<body>{articles}{following if page < PAGES_A_CAFE else ''}</body></html>",
            )


def review_json(review: dict[str, str | None]) -> dict:
    """A review as schema.org says."""
    described = {
        "@type": "Review",
        "identifier": review["source_review_id"],
        "datePublished": review["written_at"],
        "reviewBody": review["body"],
    }
    if review["author"]:
        described["author"] = {"@type": "Person", "name": review["author"]}
    if review["title"]:
        described["name"] = review["title"]
    if review["rating"]:
        described["reviewRating"] = {"@type": "Rating", "ratingValue": review["rating"], "bestRating": 5}
    return described


def land(found: list[dict[str, str | None]]) -> None:
    """Records through redaction, validation and versions into raw.reviews, a batch landing while the next is read."""
    from crawlers import landing
    from crawlers.intake import Intake
    from maeari.postgres import connect

    with connect("crawler") as connection, ThreadPoolExecutor(1) as thread:
        with connection.cursor() as cursor:
            cursor.execute("insert into ops.crawls (source) values ('shop') returning crawl_id")
            intake = Intake("shop", cursor.fetchone()[0])
        connection.commit()

        def land_batch(items: list) -> None:
            with connection:
                landing.land(connection, items)

        under_way = None
        for start in range(0, len(found), BATCH):
            items = []
            for page in range(start, start + BATCH, REVIEWS_A_PAGE):
                url, fetched_at = f"http://127.0.0.1/cafes?page={page}", FETCHED_AT + timedelta(milliseconds=page)
                items += [intake.take(record, url, fetched_at)[0] for record in found[page : page + REVIEWS_A_PAGE]]
            if under_way:
                under_way.result()
            under_way = thread.submit(land_batch, items)
        under_way.result()


def landed_rows(owner) -> list[tuple]:
    """What has landed, in the order of arrival."""
    with owner.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from raw.reviews order by source_review_id")  # noqa: S608
        return cursor.fetchall()


def copy_lines(rows: list[tuple]) -> bytes:
    """The rows as lines of COPY's text format."""
    escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
    lines = (
        "\t".join(["\\N" if value is None else str(value).translate(escapes) for value in row]) + "\n" for row in rows
    )
    return "".join(lines).encode()


def copy(owner, lines: bytes) -> None:
    """A bare COPY into a table without an index."""
    with owner.cursor() as cursor:
        cursor.copy_expert(f"copy copied ({', '.join(COLUMNS)}) from stdin", io.BytesIO(lines), size=1 << 20)


def insert(owner, rows: list[tuple], each: bool) -> None:
    """One INSERT a row into the same table, which has no index either."""
    statement = f"insert into copied ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
    with owner.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row)
            if each:
                owner.commit()


def empty(owner) -> None:
    """Begin anew: empty tables, and nothing left for Postgres to write."""
    with owner.cursor() as cursor:
        cursor.execute("create table if not exists copied as select * from raw.reviews with no data")
        cursor.execute("truncate copied, raw.reviews, raw.rejected, ops.crawls cascade")
        owner.commit()
        cursor.execute("checkpoint")
    owner.commit()


MEASURES = {"landing": measure_landing, "crawl": measure_crawl, "memory": measure_memory}


if __name__ == "__main__":
    import typer

    def run(
        which: str = typer.Argument("all", help="landing, crawl or memory; all of them unless given."),
        runs: int = typer.Option(5, min=1, help="How many runs in turns."),
    ) -> None:
        """Figures of crawling and landing."""
        if which != "all" and which not in MEASURES:
            raise typer.BadParameter(f"“{which}” is not measured; choose {', '.join(MEASURES)}.")
        with warehouse():
            held = [measure(runs, Console(stderr=True)) for name, measure in MEASURES.items() if which in ("all", name)]
        sys.exit(0 if all(held) else 1)

    typer.run(run)
