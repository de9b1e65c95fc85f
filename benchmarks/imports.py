"""How fast and in how much memory a million events are imported, against a bare COPY of the same file.

    python benchmarks/imports.py [--runs 5] [--ids/--no-ids]

Everything runs on this machine: an embedded Postgres in a home of its own, and a file that is drawn here. The bare COPY
reads the CSV as it is into a table with its columns and no key. A run is one bare COPY, one import into an empty
warehouse and one more of the same file, in turns. Prints a Markdown table; ends with exit code 1 if a limit is missed.
"""

import csv
import random
import re
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median

import typer
from embedded import warehouse
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SEED, EVENTS = 7, 1_000_000
FIRST_TO_COPIED, AGAIN_TO_COPIED, PEAK_MB = 5, 10, 2048
AS_OF = date(2026, 5, 31)
COLUMNS = "event_id text, customer_id text, occurred_at timestamptz, item_id text, quantity numeric, price numeric"


def write_events(file: Path) -> None:
    """A million purchases in the order of their times, some without a customer, some returns."""
    drawn = random.Random(SEED)
    at = datetime(2023, 1, 1)
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(re.findall(r"(\w+) \w+", COLUMNS))
        for number in range(EVENTS):
            at += timedelta(seconds=drawn.randrange(1, 120))
            customer = f"C{drawn.randrange(60_000):06}" if drawn.random() > 0.1 else ""
            quantity, price = drawn.choice((1, 1, 2, 3, -1)), f"{drawn.randrange(100, 90_000) / 100:.2f}"
            writer.writerow((f"E{number:08}", customer, at, f"SKU-{drawn.randrange(5_000):05}", quantity, price))


def empty(owner) -> None:
    """Begin anew: empty tables, and nothing left for Postgres to write."""
    with owner.cursor() as cursor:
        cursor.execute("truncate copied, raw.events")
        owner.commit()
        cursor.execute("checkpoint")
    owner.commit()


def copy(owner, file: Path) -> None:
    """A bare COPY of the file."""
    with file.open("rb") as lines, owner.cursor() as cursor:
        cursor.copy_expert("copy copied from stdin (format csv, header)", lines, size=1 << 20)
    owner.commit()


def timed(step: Callable[[], object]) -> float:
    """How many seconds a step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def run(
    runs: int = typer.Option(5, min=1, help="How many runs in turns."),
    ids: bool = typer.Option(True, help="Whether the file's event ids are mapped; without, contents are hashed."),
) -> None:
    """Import a million events, twice, beside a bare COPY."""
    from imports.load import load_events
    from imports.mapping import EventMapping
    from maeari.postgres import connect

    console = Console(stderr=True)
    mapping = EventMapping(
        event_id="event_id" if ids else None,
        customer_id="customer_id",
        occurred_at="occurred_at",
        item_id="item_id",
        quantity="quantity",
        amount="quantity * price",
    )
    seconds: dict[str, list[float]] = {"copied": [], "first": [], "again": []}
    with warehouse() as home, connect("owner") as owner:
        file = home / "events.csv"
        write_events(file)
        with owner.cursor() as cursor:
            cursor.execute(f"create table copied ({COLUMNS})")
        owner.commit()
        for number in range(runs):
            empty(owner)
            seconds["copied"].append(timed(lambda: copy(owner, file)))
            for way in ("first", "again"):
                seconds[way].append(timed(lambda: load_events([file], "shop", mapping, as_of=AS_OF)))
            console.print(
                f"run {number + 1}: " + ", ".join(f"{way} {found[-1]:.2f} s" for way, found in seconds.items())
            )
    # The most that this process has ever held; what it was before it became this program does not count.
    peak_mb = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
    copied, first, again = (median(found) for found in seconds.values())
    print(f"\n### Import of {EVENTS:,} events, median of {runs} runs in turns\n")
    print("| way | seconds | times the COPY | at most |\n|---|---|---|---|")
    print(f"| bare COPY | {copied:.2f} | 1.0 | |")
    print(f"| first import | {first:.2f} | {first / copied:.1f} | {FIRST_TO_COPIED} |")
    print(f"| second import | {again:.2f} | {again / copied:.1f} | {AGAIN_TO_COPIED} |")
    print(f"\nPeak memory {peak_mb:,.0f} MB, at most {PEAK_MB:,}")
    held = first / copied <= FIRST_TO_COPIED and again / copied <= AGAIN_TO_COPIED and peak_mb <= PEAK_MB
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    typer.run(run)
