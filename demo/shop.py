"""What the demo world's shop knows: its till's lines, its books and whose reviews are whose, as files for the inbox."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from random import Random
from typing import NamedTuple

from demo.bookshop import CatalogueEntry
from demo.world import FIRST_TODAY, SEOUL, START, World

TILL = "demo_shop"
CATALOGUE = "books"
SITES = {"cafe": "demo_cafes", "bookshop": "demo_books"}
"""The sources of reviews, by the section of the site that each reads."""

RETURN_SHARE = 0.04
LONGEST_RETURN_DAYS = 10
STRANGERS_PER_DAY = 20
REPEATED_SHARE = 0.002
KNOWN_AUTHOR_SHARE = 0.95

EVENTS_MAPPING = """\
# The till's lines, one file a delivery; negative quantities are returns.
kind: events
event_id: line
customer_id: customer
event_type: type
occurred_at: occurred_at
item_id: item
quantity: quantity
amount: amount_krw
complete_until: {until}
"""
BOOKS_MAPPING = """\
# The bookshop's catalogue, under the name of the source of its books' reviews.
kind: books
{fields}"""
AUTHORS_MAPPING = """\
# Which customers write under which names; the import keeps hashes of the names only.
kind: authors
author: nickname
customer_id: customer
"""


class Line(NamedTuple):
    """A line as the till writes it."""

    line: str
    customer: str
    type: str
    occurred_at: datetime
    item: str
    quantity: int
    amount_krw: int


class Author(NamedTuple):
    """A customer who told the shop under which name they write."""

    nickname: str
    customer: str


def deliver(world: World, inbox: Path, until: date) -> list[Path]:
    """Write what has not been delivered by the end of a day into the inbox; returns the new files.

    The catalogue comes once. A delivery's name says its days, so that an earlier one is known wherever the inbox
    keeps it.
    """
    written = _deliver(inbox / TILL, EVENTS_MAPPING, "lines", Line, lambda since: lines(world, since, until), until)
    for section, source in SITES.items():
        written += _deliver(
            inbox / source,
            AUTHORS_MAPPING,
            "authors",
            Author,
            lambda since, section=section: authors(world, section, since, until),
            until,
        )
    books = inbox / SITES["bookshop"]
    if not any(books.rglob(f"{CATALOGUE}_*.csv.gz")):
        fields = "".join(f"{name}: {name}\n" for name in CatalogueEntry._fields)
        mapping = BOOKS_MAPPING.format(fields=fields)
        written += _deliver(
            books, mapping, CATALOGUE, CatalogueEntry, lambda since: world.catalogue, until, f"{CATALOGUE}.mapping.yml"
        )
    return written


def lines(world: World, since: date = START, until: date = FIRST_TODAY) -> Iterator[Line]:
    """The till's lines of some days: the world's events, returns, purchases of strangers, and some lines twice.

    What the till adds draws its own numbers by day, so that neither the world nor another delivery changes with it.
    """
    lot = _by_day(world, "repeats")
    known = (Line(*event[:3], *event[3:]) for event in world.events(until, since))
    for line in chain(known, _returns(world, since, until), _strangers(world, since, until)):
        yield line
        if lot(line.occurred_at.date()).random() < REPEATED_SHARE:
            yield line


def authors(world: World, section: str, since: date = START, until: date = FIRST_TODAY) -> list[Author]:
    """Those whose first review in a section of the site was listed within some days, but for the few who never told."""
    first_days: dict[Author, date] = {}
    for review in world.reviews(until):
        if review.section == section:
            first_days.setdefault(Author(review.author, review.truth.customer_id), review.written_at.date())
    return [
        author
        for author, day in first_days.items()
        if day >= since and _random(world, "told", author.customer).random() < KNOWN_AUTHOR_SHARE
    ]


def _returns(world: World, since: date, until: date) -> Iterator[Line]:
    """Books that come back within days."""
    lot_of = _by_day(world, "returns")
    for event in world.events(until, max(START, since - timedelta(days=LONGEST_RETURN_DAYS))):
        if event.event_type != "purchase" or not event.item_id.startswith("book-"):
            continue
        lot = lot_of(event.occurred_at.date())
        comes_back, days = lot.random() < RETURN_SHARE, lot.randint(1, LONGEST_RETURN_DAYS)
        moment = event.occurred_at + timedelta(days=days)
        if comes_back and since <= moment.date() <= until:
            yield Line(
                f"r{event.event_id}",
                event.customer_id,
                "purchase",
                moment,
                event.item_id,
                -event.quantity,
                -event.amount_krw,
            )


def _strangers(world: World, since: date, until: date) -> Iterator[Line]:
    """Purchases without a customer's card."""
    for number in range((until - since).days + 1):
        day = since + timedelta(days=number)
        lot = _random(world, "strangers", day)
        opened = datetime.combine(day, time(8), SEOUL)
        for sale in range(STRANGERS_PER_DAY):
            moment = opened + timedelta(seconds=lot.randrange(14 * 3600))
            yield Line(f"s{day:%Y%m%d}{sale:02d}", "", "purchase", moment, f"menu-{lot.randint(1, 25):02d}", 1, 4500)


def _by_day(world: World, what: str) -> Callable[[date], Random]:
    """The random numbers of a day, which go on where that day's last one was drawn."""
    return cache(lambda day: _random(world, what, day))


def _random(world: World, *what: object) -> Random:
    return Random(":".join(map(str, (world.config.seed, "shop", *what))))


def _deliver(
    folder: Path,
    mapping: str,
    name: str,
    row: type,
    rows_since: Callable[[date], Iterator | list],
    until: date,
    mapping_name: str = "mapping.yml",
) -> list[Path]:
    """Write the rows since the last delivery as one file, whole before it has its name; nothing when there are none."""
    days = [
        date.fromisoformat(file.name.removesuffix(".csv.gz").rpartition("_")[2])
        for file in folder.rglob(f"{name}_*.csv.gz")
    ]
    since = max(days, default=START - timedelta(days=1)) + timedelta(days=1)
    if since > until:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / mapping_name).write_text(mapping.format(until=until), encoding="utf-8")
    file = folder / f"{name}_{since}_{until}.csv.gz"
    unfinished = folder / f".{file.name}.part"
    # Without the time of writing in it, so that the same days make the same file.
    with unfinished.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        stream = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        table = csv.writer(stream)
        table.writerow(row._fields)
        table.writerows(rows_since(since))
        stream.flush()
    unfinished.replace(file)
    return [file]
