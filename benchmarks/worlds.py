"""Ten demo worlds that nobody tuned to, under the shipped policy: what is called declined, and when.

    python benchmarks/worlds.py [--seed 1] [--worlds 10]

Each world has its own database on one embedded server, and goes the real way but for two steps: its reviews are landed
by the crawlers' own intake without HTTP, and the first model is made live without a question, as a replay. So a world
takes about two minutes. Ends with exit code 1 when a world of size 0 or with a crawl gap is called declined, any world
before its injection, or one of size 5 or 10 not within two windows of it. Size 3 is printed as it is.
"""

import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, redirect_stdout
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import psycopg2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TRAINED_AS_OF = date(2025, 11, 30)
DRAWN = (
    ("words", 0), ("words", 5), ("irony", 5), ("rating_habit", 5), ("words", 10), ("irony", 10), ("irony", 3),
    ("crawl_gap", 0), ("rating_habit", 3), ("irony", 0),
)  # fmt: skip
LANDED_AT_ONCE = 5_000


class World(NamedTuple):
    """Which world to draw."""

    seed: int
    kind: str
    size: int
    week: int


class Outcome(NamedTuple):
    """What became of it: a window is counted from the one in which the injection begins, which is 0."""

    world: World
    reviews: int
    reference: float
    before: float
    after: float
    declined: tuple[int, ...]
    drifted: tuple[int, ...]
    seconds: float

    @property
    def is_right(self) -> bool | None:
        """Whether the verdicts are as they should be; None where nothing is asked (size 3)."""
        if any(window < 0 for window in self.declined):
            return False
        if self.world.size == 0:
            return not self.declined
        return None if self.world.size == 3 else bool(self.declined) and min(self.declined) <= 1


def main(seed: int, count: int) -> int:
    """Run the worlds one after the other, print their table, and return the exit code."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import load_secrets

    console = Console()
    drawn = random.Random(seed)
    worlds = [World(drawn.randrange(2**31), kind, size, drawn.randrange(58, 73)) for kind, size in DRAWN[:count]]
    home = Path(tempfile.mkdtemp(prefix="maeari-worlds-"))
    home.chmod(0o755)
    os.environ["MAEARI_HOME"] = str(home)
    outcomes = []
    try:
        port = embedded_postgres.start(home)
        server = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}"
        migrate.upgrade(f"{server}/maeari")
        os.environ["MAEARI_MLFLOW_DATABASE_URL"] = f"{server}/mlflow"
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            line = progress.add_task("Worlds", total=len(worlds))
            for number, world in enumerate(worlds):
                progress.update(line, description=f"{world.kind}, size {world.size}, seed {world.seed}")
                with closing(psycopg2.connect(f"{server}/postgres")) as connection, connection.cursor() as cursor:
                    connection.autocommit = True
                    cursor.execute(f"create database world_{number} template maeari")
                # A process of its own, since settings, dbt and MLflow remember their database.
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    outcomes.append(pool.submit(live_through, world, f"{server}/world_{number}").result())
                progress.console.print(line_of(outcomes[-1]), soft_wrap=True)
                progress.advance(line)
    finally:
        embedded_postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    console.print(f"Draw again with --seed {seed}")
    print(table(outcomes))
    return 1 if any(outcome.is_right is False for outcome in outcomes) else 0


def live_through(world: World, database: str) -> Outcome:
    """Land a world, build, train, release, score and monitor it."""
    started = time.monotonic()
    os.environ["MAEARI_DATABASE_URL"] = database
    from demo.world import FIRST_TODAY, START, WorldConfig
    from demo.world import World as DemoWorld
    from maeari import postgres, warehouse
    from ml.sentiment import score, train
    from monitoring import monitor

    logging.disable(logging.WARNING)
    config = WorldConfig(seed=world.seed, decline_kind=world.kind, decline_size=world.size, decline_week=world.week)
    log = Path(os.environ["MAEARI_HOME"], "worlds.log")
    with log.open("a") as stream, redirect_stdout(stream):
        reviews = land(DemoWorld(config).reviews(FIRST_TODAY))
        warehouse.build(FIRST_TODAY)
        release(train(TRAINED_AS_OF).version)
        score(FIRST_TODAY)
        summary = monitor("sentiment", FIRST_TODAY)
    injected = START + timedelta(weeks=world.week)
    numbers = {
        name: tuple(
            (date.fromisoformat(window["start"]) - injected).days // 7
            for window in summary["windows"]
            if window["verdict"] == name
        )
        for name in ("declined", "drifted")
    }
    with postgres.connect("web") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select max(value) filter (where metric = 'reference_accuracy'), "
            "sum(value * rows) filter (where metric = 'accuracy' and window_start < %(injected)s) "
            "/ sum(rows) filter (where metric = 'accuracy' and window_start < %(injected)s), "
            "sum(value * rows) filter (where metric = 'accuracy' and window_start >= %(injected)s) "
            "/ sum(rows) filter (where metric = 'accuracy' and window_start >= %(injected)s) "
            "from monitoring.metrics where segment = 'all'",
            {"injected": injected},
        )
        accuracies = [float(value) for value in cursor.fetchone()]
    return Outcome(world, reviews, *accuracies, **numbers, seconds=time.monotonic() - started)


def land(reviews: list) -> int:
    """Land reviews as a crawl of today would, by the crawlers' intake; returns how many."""
    from crawlers import landing
    from crawlers.intake import Intake
    from maeari import clock, postgres

    sources = {"cafe": "demo_cafes", "bookshop": "demo_books"}
    fetched_at = clock.end_of_day(max(review.written_at.date() for review in reviews))
    with postgres.connect("crawler") as connection:
        for section, source in sources.items():
            found = [review for review in reviews if review.section == section]
            with connection.cursor() as cursor:
                cursor.execute(
                    "insert into ops.crawls (source, finished_at, outcome, items, landed) "
                    "values (%s, now(), 'finished', %s, %s) returning crawl_id",
                    (source, len(found), len(found)),
                )
                intake = Intake(source, cursor.fetchone()[0])
            records = (
                {
                    "source_review_id": review.review_id,
                    "subject_id": review.subject_id,
                    "subject_name": review.subject_name,
                    "author": review.author,
                    "rating": None if review.stars is None else str(review.stars),
                    "rating_max": "5",
                    "title": review.title,
                    "body": review.body,
                    "written_at": review.written_at.isoformat(),
                }
                for review in found
            )
            items = [intake.take(record, "http://127.0.0.1/", fetched_at)[0] for record in records]
            for start in range(0, len(items), LANDED_AT_ONCE):
                landing.land(connection, items[start : start + LANDED_AT_ONCE])
                connection.commit()
    return len(reviews)


def release(version: int) -> None:
    """Make the version live from the day after its training, as a replay."""
    from maeari import clock, postgres
    from ml import registry

    effective_from = clock.start_of_day(TRAINED_AS_OF + timedelta(days=1))
    sha256 = registry.registered("sentiment", version).artifact_sha256
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select ops.promote('sentiment', %s, null, %s, 'benchmark', now(), %s, %s, true)",
            (version, sha256, effective_from, json.dumps({"benchmark": True})),
        )


def line_of(outcome: Outcome) -> str:
    """The outcome as one row of the table."""
    world = outcome.world
    called = next((str(window + 1) for window in outcome.declined if window >= 0), "never")
    early = sum(window < 0 for window in outcome.declined)
    right = {True: "yes", False: "**NO**", None: "as it is"}[outcome.is_right]
    return (
        f"| {world.seed} | {world.kind} | {world.size} | {world.week} | {outcome.reviews:,} | {outcome.reference:.1%} "
        f"| {outcome.before:.1%} | {outcome.after:.1%} | {early} | {called} | {len(outcome.drifted)} | {right} "
        f"| {outcome.seconds:.0f} |"
    )


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as a Markdown table."""
    headings = (
        "seed", "kind", "size", "week", "reviews", "reference accuracy", "before", "after", "declined before",
        "called in window", "windows drifted", "as wanted", "seconds",
    )  # fmt: skip
    return "\n".join([f"| {' | '.join(headings)} |", "|---" * len(headings) + "|", *map(line_of, outcomes)])


if __name__ == "__main__":
    import typer

    def run(
        seed: int = typer.Option(None, help="Draws the worlds; a new one each time unless given."),
        worlds: int = typer.Option(len(DRAWN), min=1, max=len(DRAWN), help="How many worlds."),
    ) -> None:
        """Ten demo worlds under the shipped policy."""
        sys.exit(main(random.SystemRandom().randrange(10**6) if seed is None else seed, worlds))

    typer.run(run)
