"""How fast the pages of topics, of keywords and of an article open on petitions, and how much they load.

    python benchmarks/topic_pages.py [--serve 8090] [--seed 0] [--write docs/topics.md]

An embedded Postgres in a home of its own gets the petitions of `MAEARI_SHARED_DATA` as articles, each under its
category, goes the real way from landing to published marts, and its pages are served on 127.0.0.1. Only the release is
made without a question, as a replay. Each page is opened in Debian's Chromium with an empty cache until its charts are
drawn, and asked for without a browser. Prints a Markdown table; ends with exit code 1 when a page takes 2 seconds or
weighs 6 MB. `--write` puts the table between the markers of the page. `--serve` measures nothing and serves the pages
under http://127.0.0.1:PORT/maeari/ until it is stopped, for a person to look at.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Annotated, NamedTuple
from urllib.parse import quote

import httpx
import typer
import uvicorn
from embedded import warehouse
from fastapi import FastAPI
from petitions import land
from rich.console import Console
from tables import write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

AS_OF = date(2019, 7, 31)
SECONDS, MEGABYTES, ROUNDS = 2, 6, 5
CHROMIUM = Path("/usr/bin/chromium")
ALL_DRAWN = "[...document.querySelectorAll('figure[data-chart]')].every(one => one.dataset.chart === 'drawn')"
# Heavier than what opens by itself: the largest network of the largest period.
PAGES = {
    "topics": "/topics",
    "topics by day": "/topics?every=day",
    "a topic": "/topics/{topic}",
    "keywords": "/keywords",
    "keywords of a month, 200 words": "/keywords?every=month&words=200",
    "the longest article": "/news/{article}",
}


class Opened(NamedTuple):
    """What it took to open a page once: seconds, bytes, requests."""

    seconds: float
    size: int
    requests: int


def main(
    serve: Annotated[int | None, typer.Option(help="Serve the pages on this port instead, until stopped.")] = None,
    seed: Annotated[int, typer.Option(help="Of the topics that are trained.")] = 0,
    write: Annotated[Path | None, typer.Option(help="a page with the markers pages:begin and pages:end")] = None,
) -> None:
    """Prepare, then serve, or open each page, print or write, and exit with 1 when a limit is missed."""
    # Without it, a server that is told to end would leave its Postgres behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    console = Console(stderr=True)
    with warehouse():
        os.environ["MAEARI_MLFLOW_DATABASE_URL"] = os.environ["MAEARI_DATABASE_URL"].rpartition("/")[0] + "/mlflow"
        os.environ["MAEARI_AS_OF"] = AS_OF.isoformat()
        with console.status("Landing petitions …") as status:
            told = prepare(seed, lambda step: status.update(f"{step} …"))
        if serve is not None:
            print(f"http://127.0.0.1:{serve}/maeari/topics, until this is stopped", flush=True)
            uvicorn.run(pages_app(), host="127.0.0.1", port=serve, log_level="warning")
            return
        with serving() as base:
            addresses = {name: f"{base}{address.format(**told)}" for name, address in PAGES.items()}
            answered = {name: answers(address) for name, address in addresses.items()}
            opened = open_all(addresses) if CHROMIUM.exists() else {}
    text, missed = report(told, answered, opened)
    print(text)
    print(*(f"MISSED: {what}" for what in missed), sep="\n")
    if write:
        write_between("pages", write, text)
    raise typer.Exit(int(bool(missed)))


def prepare(seed: int, progress) -> dict:
    """From petitions to published marts; gives what pages are asked for, and what was found."""
    from maeari import postgres
    from maeari import warehouse as marts
    from ml.associations.mine import mine
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection
    from ml.topics.config import TopicsConfig
    from ml.topics.predict import score
    from ml.topics.train import train

    landed = land()
    progress("Building the marts")
    marts.build(AS_OF)
    progress("Analysing")
    analyse(Collection.articles, AS_OF)
    trained = train(Collection.articles, AS_OF, TopicsConfig(seed=seed), progress)
    progress("Releasing and scoring")
    release(trained.version)
    score(Collection.articles, AS_OF)
    progress("Mining")
    mined = mine(Collection.articles, AS_OF)["mined"]
    progress("Publishing")
    marts.publish(AS_OF, ("topics", "keywords"))
    with postgres.connect("web") as connection, connection.cursor() as cursor:
        cursor.execute("select topic_id from marts.topics order by training_share desc limit 1")
        (topic,) = cursor.fetchone()
        cursor.execute("select article_id from marts.fct_articles order by length(body) desc limit 1")
        (article,) = cursor.fetchone()
    found = {"landed": landed, "topics": len(trained.topics), "method": trained.method, "mined": mined}
    return found | {"topic": topic, "article": quote(article, safe="")}


def release(released: int) -> None:
    """Make the version live with the evidence that a person would be shown, as a replay."""
    from maeari import clock, postgres
    from ml.release import compare_only

    evidence = compare_only("topics", released, AS_OF)
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select ops.promote('topics', %s, null, %s, 'benchmark', now(), %s, %s, true)",
            (released, evidence["artifact_sha256"], clock.start_of_day(AS_OF), json.dumps(evidence)),
        )


def pages_app() -> FastAPI:
    """The pages where Airflow would mount them, open to whoever asks."""
    from web.app import create_app

    app = FastAPI(openapi_url=None)
    app.mount("/maeari", create_app(lambda: None))
    return app


@contextmanager
def serving() -> Iterator[str]:
    """The address of the pages, served by a thread of this process."""
    from cli.embedded_postgres import free_port

    port = free_port(18_280)
    server = uvicorn.Server(uvicorn.Config(pages_app(), host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/maeari"
    finally:
        server.should_exit = True
        thread.join()


def answers(address: str) -> list[float]:
    """Seconds until the server has answered, the first time and again."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        httpx.get(address, timeout=60).raise_for_status()
        seconds.append(time.perf_counter() - started)
    return seconds


def open_all(addresses: dict[str, str]) -> dict[str, list[Opened]]:
    """Open each page several times in a real browser, each time with an empty cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )

        def opened(address: str) -> Opened:
            context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
            page = context.new_page()
            responses = []
            page.on("response", lambda response: responses.append(response))
            started = time.perf_counter()
            page.goto(address)
            page.wait_for_function(ALL_DRAWN)
            seconds = time.perf_counter() - started
            size = sum(len(response.body()) for response in responses)
            context.close()
            return Opened(seconds, size, len(responses))

        opened(next(iter(addresses.values())))
        found = {name: [opened(address) for _ in range(ROUNDS)] for name, address in addresses.items()}
        browser.close()
        return found


def report(told: dict, answered: dict[str, list[float]], opened: dict[str, list[Opened]]) -> tuple[str, list[str]]:
    """The figures as Markdown, and which limits were missed."""
    rows, missed = [], []
    for name, seconds in answered.items():
        shown = opened.get(name, [])
        taken = median(one.seconds for one in shown) if shown else median(seconds)
        size = max((one.size for one in shown), default=0) / 1e6
        rows.append(
            (
                name, f"{median(seconds):.2f} ({seconds[0]:.2f} at first)",
                f"{taken:.2f} ({max(one.seconds for one in shown):.2f})" if shown else "",
                f"{size:.2f}" if shown else "", f"{shown[0].requests}" if shown else "",
            )
        )  # fmt: skip
        if taken >= SECONDS:
            missed.append(f"{name} took {taken:.2f} s")
        if size >= MEGABYTES:
            missed.append(f"{name} weighs {size:.2f} MB")
    heads = (
        "page", "answered in seconds", f"opened in seconds, the slowest (wanted: below {SECONDS})",
        f"MB loaded (wanted: below {MEGABYTES})", "requests",
    )  # fmt: skip
    shown = "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))
    browser = (
        f"Opened in Chromium over loopback with an empty cache until all charts are drawn, {ROUNDS} times, medians; MB "
        f"are all that was loaded, uncompressed, Plotly's script ({version('plotly')}) included."
        if opened
        else f"{CHROMIUM} is missing, so that the server's answers alone were measured."
    )
    text = (
        f"The pages on {told['landed']:,} petitions of April to July 2019, landed as articles: {told['topics']} topics "
        f"by {told['method'].upper()}, {told['mined']} periods mined. {browser} {os.cpu_count()} cores, which the "
        "server, Postgres and the browser share."
    )
    return f"{text}\n\n{shown}", missed


if __name__ == "__main__":
    typer.run(main)
