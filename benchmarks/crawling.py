"""How fast and in how much memory crawls read and land, against plain COPY, plain INSERT and a bare spider.

    python benchmarks/crawling.py [landing|crawl|memory] [--runs 5]

Everything runs on this machine: an embedded Postgres in a home of its own, and a local site in a process of its own.
What is compared is measured in turns in the same run. Prints Markdown tables; exit code 1 when a limit is missed.
"""

import gc
import io
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SEED = 7
REVIEWS = 200_000
INSERTED = 20_000
FETCHED_AT = datetime(2026, 5, 31, 3, 0, tzinfo=UTC)
LANDED_TO_COPIED, LANDED_TO_COPIED_AIM, LANDED_TO_INSERTED = 0.20, 0.35, 15
COLUMNS = ("source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "author_key")
COLUMNS += ("rating", "rating_max", "title", "body", "written_at", "written_at_precision", "url", "crawl_id")
COLUMNS += ("fetched_at",)


def records(count: int) -> Iterator[dict[str, str | None]]:
    """Reviews as a spider yields them: Korean, 30 to 200 characters; some unrated, untitled, nameless, with a phone."""
    from demo.reviews import Subject, Writer

    drawn = random.Random(SEED)
    writer = Writer("cafe")
    cafes = [Subject(f"cafe-{number}", f"카페 {number}호") for number in range(1_000)]
    for number in range(count):
        cafe = cafes[number // 20 % len(cafes)]
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
            "author": drawn.choice("김이박최정강조윤장임") + f"손님{drawn.randrange(50_000)}" if number % 20 else None,
            "rating": drawn.choice((stars, f"{stars}/5", "★" * int(stars))) if drawn.random() < 0.7 else None,
            "rating_max": "5",
            "title": body[:12] if drawn.random() < 0.5 else None,
            "body": body[:200],
            "written_at": written_at.isoformat(timespec="seconds") if number % 3 else f"{written_at:%Y.%m.%d.}",
        }


class Rates(NamedTuple):
    """Rows per second of one way in each run."""

    way: str
    rows: int
    seconds: list[float]

    @property
    def rate(self) -> float:
        return self.rows / median(self.seconds)


def measure_landing(server: str, runs: int, console: Console) -> bool:
    """Print how landing compares with COPY and INSERT; returns whether the limits hold."""
    from maeari.postgres import connect

    found = list(records(REVIEWS))
    gc.collect()
    gc.freeze()
    with connect("owner") as owner:
        land(owner, found)
        rows = landed_rows(owner)
    lines = "".join(map(copy_line, rows)).encode()
    ways: dict[str, tuple[int, Callable]] = {
        "COPY of lines that are ready": (REVIEWS, lambda owner: copy(owner, io.BytesIO(lines))),
        "COPY, lines made from the rows": (
            REVIEWS,
            lambda owner: copy(owner, io.BytesIO("".join(map(copy_line, rows)).encode())),
        ),
        "landing": (REVIEWS, lambda owner: land(owner, found)),
        "INSERT each, one transaction": (INSERTED, lambda owner: insert(owner, rows[:INSERTED], each=False)),
        "INSERT each, committed each": (INSERTED // 10, lambda owner: insert(owner, rows[: INSERTED // 10], each=True)),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs):
        for way, (_, act) in ways.items():
            with connect("owner") as owner:
                empty(owner)
                began = time.perf_counter()
                act(owner)
                owner.commit()
                seconds[way].append(time.perf_counter() - began)
            console.print(f"run {run + 1}: {way}: {seconds[way][-1]:.2f} s")
    rates = {way: Rates(way, count, seconds[way]) for way, (count, _) in ways.items()}
    ready, _, landed, inserted, _ = rates.values()
    print(f"\n### Landing alone, {REVIEWS:,} valid reviews, median of {runs} runs in turns\n")
    print("| way | rows | rows per second | landing is |\n|---|---|---|---|")
    for one in rates.values():
        print(f"| {one.way} | {one.rows:,} | {one.rate:,.0f} | {landed.rate / one.rate:.2f} |")
    to_copied, to_inserted = landed.rate / ready.rate, landed.rate / inserted.rate
    print(f"\nAt least {LANDED_TO_COPIED} (aim {LANDED_TO_COPIED_AIM}) of COPY: {to_copied:.2f}. ", end="")
    print(f"At least {LANDED_TO_INSERTED} times INSERT: {to_inserted:.1f}.")
    return to_copied >= LANDED_TO_COPIED and to_inserted >= LANDED_TO_INSERTED


def land(owner, found: list[dict]) -> None:
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
            items = [intake.take(record, URL, FETCHED_AT)[0] for record in found[start : start + BATCH]]
            if under_way:
                under_way.result()
            under_way = thread.submit(land_batch, items)
        under_way.result()


BATCH = 2_000
URL = "http://127.0.0.1/cafes/1"


def landed_rows(owner) -> list[tuple]:
    """What has landed, in the order of arrival."""
    with owner.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from raw.reviews order by source_review_id")  # noqa: S608
        return cursor.fetchall()


def copy_line(row: tuple) -> str:
    """A row as a line of COPY's text format."""
    return "\t".join(["\\N" if value is None else str(value).replace("\\", "\\\\") for value in row]) + "\n"


def copy(owner, lines: io.BytesIO) -> None:
    """A bare COPY into a table without an index."""
    with owner.cursor() as cursor:
        cursor.copy_expert(f"copy copied ({', '.join(COLUMNS)}) from stdin", lines, size=1 << 20)


def insert(owner, rows: list[tuple], each: bool) -> None:
    """One INSERT per row, into the same table without an index."""
    statement = f"insert into copied ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
    with owner.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row)
            if each:
                owner.commit()


def empty(owner) -> None:
    """Begin a way anew: empty tables, and nothing left to write."""
    with owner.cursor() as cursor:
        cursor.execute("create table if not exists copied as select * from raw.reviews with no data")
        cursor.execute("truncate copied, raw.reviews")
        owner.commit()
        cursor.execute("checkpoint")
        owner.commit()


@contextmanager
def warehouse() -> Iterator[str]:
    """An embedded server in a home of its own, with a migrated warehouse; its address without a database."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import load_secrets

    home = Path(tempfile.mkdtemp(prefix="maeari-crawling-"))
    home.chmod(0o755)
    os.environ["MAEARI_HOME"] = str(home)
    try:
        port = embedded_postgres.start(home)
        server = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}"
        os.environ["MAEARI_DATABASE_URL"] = f"{server}/maeari"
        migrate.upgrade(f"{server}/maeari")
        yield server
    finally:
        embedded_postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    console = Console(stderr=True)
    with warehouse() as server:
        ok = measure_landing(server, int(sys.argv[1]) if len(sys.argv) > 1 else 5, console)
    sys.exit(not ok)
