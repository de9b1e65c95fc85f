"""Crawls while Postgres is away or slow: batches wait on disk, land later, in order, once; memory stays bounded."""

import asyncio
import shutil
import tempfile
import time
from datetime import date
from pathlib import Path

import psutil
import psycopg2
import pytest

from cli import embedded_postgres
from crawlers import ledger, spool
from crawlers.errors import CrawlFailed
from crawlers.kinds import ReviewPages
from crawlers.ledger import open_crawl
from crawlers.pages import BATCH_ROWS, Counts, Gatherer, Page
from crawlers.run import crawl
from maeari import migrate
from maeari.settings import load_secrets

DAY = date(2026, 5, 31)


@pytest.fixture
def own_postgres(site, maeari_home, monkeypatch):
    """The home of a server that the test may stop; the crawls use it."""
    home = Path(tempfile.mkdtemp(prefix="maeari-postgres-"))
    try:
        port = embedded_postgres.start(home)
        url = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}/maeari"
        migrate.upgrade(url)
        # It comes back where the crawls look for it.
        monkeypatch.setattr(embedded_postgres, "DEFAULT_PORT", port)
        monkeypatch.setenv("MAEARI_DATABASE_URL", url)
        yield home
    finally:
        embedded_postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def wait_until(is_true, child=None) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        if child is not None and child.poll() is not None:
            pytest.fail(f"The crawl ended: {child.stdout.read()}")
        time.sleep(0.02)


def test_batches_wait_on_disk_while_postgres_is_away_and_land_once_in_order(site, own_postgres, maeari_home):
    with site.crawling("shop") as child:
        assert child.wait(timeout=120) == 0
    undisturbed = site.everything_landed()
    counted = "select pages, items, landed, duplicates, rejected, stats, outcome, batch_no > 0 from ops.crawls"
    counts = site.rows(counted)
    for table in ("ops.duplicates", "ops.fingerprints", "ops.crawl_fields", "ops.pages", "raw.reviews", "raw.rejected"):
        site.rows(f"delete from {table}")
    site.rows("delete from ops.crawls")

    spool = maeari_home / "spool" / "shop"
    site.seconds_an_answer = 0.4
    with site.crawling("shop") as child:
        wait_until(lambda: site.rows("select batch_no > 0 from ops.crawls") == [(True,)], child)
        embedded_postgres.stop(own_postgres)
        wait_until(lambda: len(list(spool.glob("*.json"))) >= 2, child)
        assert b"\xec\x86\x90\xeb\x8b\x98" not in b"".join(file.read_bytes() for file in spool.glob("*.json"))
        # Killed with batches on disk; the next one lands them first.
        child.kill()
        child.wait()
    embedded_postgres.start(own_postgres)
    with site.crawling("shop") as child:
        child.stdout.readline()
        assert list(spool.glob("*.json")) == []
        embedded_postgres.stop(own_postgres)
        wait_until(lambda: list(spool.glob("*.json")), child)
        embedded_postgres.start(own_postgres)
        site.seconds_an_answer = 0
        assert child.wait(timeout=120) == 0
    assert list(spool.glob("*.json")) == []
    assert site.everything_landed() == undisturbed
    assert site.rows(counted) == counts


def test_a_full_spool_stops_the_crawl_and_the_next_one_goes_on_before_the_pages_that_found_no_room(
    warehouse, monkeypatch
):
    source = ReviewPages(
        name="shop", kind="review_pages", start_urls=("http://127.0.0.1/list",), owner="the tests", licence="our own"
    )

    def page(number: int) -> Page:
        request = {"url": f"http://127.0.0.1/list?page={number}", "callback": "parse", "meta": {}}
        return Page([f"page {number}"], Counts(pages=1, items=10), requests={f"page {number + 1}": request})

    with open_crawl(source, DAY, None) as crawl:
        crawl.land([page(1)])
        monkeypatch.setattr(spool, "LARGEST", 10)
        monkeypatch.setattr(ledger, "land_batch", away)
        crawl.land([page(2)])
        assert "no more is kept there" in crawl.overrun
        monkeypatch.undo()
        monkeypatch.setenv("MAEARI_DATABASE_URL", warehouse)
        crawl.land([page(3)])
        crawl.finish("spool full")
    with open_crawl(source, DAY, None) as again:
        assert again.crawl_id == crawl.crawl_id
        assert (again.counts.pages, [request["url"][-1] for request in again.pending]) == (1, ["1"])
        assert again.answered == {"page 1"}


def away(*arguments) -> None:
    raise psycopg2.OperationalError("server closed the connection unexpectedly")


def test_a_crawl_whose_process_is_killed_does_not_end_well(site):
    site.seconds_an_answer = 0.3

    def kill(counts: dict) -> None:
        (child,) = (one for one in psutil.Process().children() if "crawlers.run" in one.cmdline())
        child.kill()

    with pytest.raises(CrawlFailed, match=r"shop was stopped \(SIGKILL\)"):
        crawl("shop", DAY, on_progress=kill)


def test_taking_waits_while_a_full_batch_waits_for_a_slow_postgres():
    async def gather() -> tuple[int, list[int]]:
        landed: list[int] = []
        waiting = 0
        most = 0

        async def land(pages):
            nonlocal waiting
            await asyncio.sleep(0.01)
            landed.extend(page.counts.pages for page in pages)
            waiting -= len(pages)

        gatherer = Gatherer(land)
        for number in range(500):
            gatherer.put(Page([str(number)], Counts(pages=number), items=[None] * 99))
            waiting += 1
            most = max(most, waiting)
            await gatherer.wait_for_room()
        if gatherer._landing:
            await gatherer._landing
        landed.extend(page.counts.pages for page in gatherer.rest())
        return most, landed

    most, landed = asyncio.run(gather())
    assert landed == list(range(500))
    assert most * 100 <= 2 * BATCH_ROWS + 100
