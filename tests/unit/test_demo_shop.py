import csv
import gzip
from collections import Counter
from datetime import datetime, timedelta

import pytest

from demo.shop import LONGEST_RETURN_DAYS, SITES, TILL, authors, deliver, lines
from demo.world import START, World, WorldConfig

FIRST_DAY = START + timedelta(weeks=4, days=-1)
LATER_DAY = FIRST_DAY + timedelta(weeks=1)


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=8))


@pytest.fixture(scope="module")
def inbox(world, tmp_path_factory):
    """The inbox after two deliveries."""
    folder = tmp_path_factory.mktemp("inbox")
    deliver(world, folder, FIRST_DAY)
    deliver(world, folder, LATER_DAY)
    return folder


def rows(file) -> list[dict]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_later_delivery_holds_what_is_new_and_nothing_else(world, inbox):
    first, later = sorted(inbox.glob(f"{TILL}/*.csv.gz"))
    days = [{datetime.fromisoformat(row["occurred_at"]).date() for row in rows(file)} for file in (first, later)]
    assert (min(days[0]), max(days[0])) == (START, FIRST_DAY)
    assert (min(days[1]), max(days[1])) == (FIRST_DAY + timedelta(days=1), LATER_DAY)
    apart = Counter(row["line"] for file in (first, later) for row in rows(file))
    assert apart == Counter(line.line for line in lines(world, until=LATER_DAY))
    assert f"complete_until: {LATER_DAY}" in (inbox / TILL / "mapping.yml").read_text()


def test_nothing_is_delivered_twice_wherever_the_inbox_keeps_its_files(world, inbox):
    done = inbox / TILL / "done"
    done.mkdir()
    for file in list((inbox / TILL).glob("*.csv.gz")):
        file.rename(done / file.name)
    assert deliver(world, inbox, LATER_DAY) == []


def test_the_same_days_make_the_same_files(world, inbox, tmp_path):
    deliver(World(world.config), tmp_path, FIRST_DAY)
    written = sorted(tmp_path.rglob("*.csv.gz"))
    assert len(written) == 4
    for file in written:
        (kept,) = inbox.rglob(f"{file.parent.name}/**/{file.name}")
        assert file.read_bytes() == kept.read_bytes()


def test_the_till_adds_lines_to_the_events_and_changes_none(world):
    found = list(lines(world, until=FIRST_DAY))
    known = [tuple(event) for event in world.events(FIRST_DAY)]
    by_id = {line.line: tuple(line) for line in found}
    assert [by_id[event[0]] for event in known] == known

    repeated = sum(count - 1 for count in Counter(line.line for line in found).values())
    strangers = [line for line in by_id.values() if not line[1]]
    returns = [line for line in by_id.values() if line[5] < 0]
    assert len(by_id) == len(known) + len(strangers) + len(returns)
    assert 0.001 < repeated / len(found) < 0.003
    assert len(strangers) == 28 * 20
    books = sum(event[2] == "purchase" and event[4].startswith("book-") for event in known)
    assert 0.02 < len(returns) / books < 0.06
    for line in returns:
        bought = by_id[line[0].removeprefix("r")]
        assert (line[1], line[4], line[5], line[6]) == (bought[1], bought[4], -bought[5], -bought[6])
        assert timedelta(days=1) <= line[3] - bought[3] <= timedelta(days=LONGEST_RETURN_DAYS)


def test_most_authors_told_the_shop_their_name(world, inbox):
    for section, source in SITES.items():
        wrote = {(r.author, r.truth.customer_id) for r in world.reviews(LATER_DAY) if r.section == section}
        files = sorted(inbox.glob(f"{source}/authors_*.csv.gz"))
        told = [(row["nickname"], row["customer"]) for file in files for row in rows(file)]
        assert len(files) == 2
        assert len(set(told)) == len(told)
        assert set(told) < wrote
        assert 0.9 < len(told) / len(wrote) < 1
        assert {tuple(author) for author in authors(world, section, until=LATER_DAY)} == set(told)


def test_the_catalogue_comes_once_beside_the_authors_of_its_reviews(world, inbox):
    folder = inbox / SITES["bookshop"]
    (file,) = folder.glob("books_*.csv.gz")
    found = rows(file)
    assert [row["book_id"] for row in found] == [entry.book_id for entry in world.catalogue]
    assert {row["description"] for row in found} == {entry.description or "" for entry in world.catalogue}
    assert "kind: books" in (folder / "books.mapping.yml").read_text()
    assert "kind: authors" in (folder / "mapping.yml").read_text()
