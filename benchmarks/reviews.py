"""How fast reviews are scored, warehouse to warehouse: from int_reviews__versions to predictions.sentiment.

    python benchmarks/reviews.py [--reviews 600000]

An embedded Postgres in a home of its own gets the newest reviews of `MAEARI_SHARED_DATA`, built by dbt, and a version
that learned from a part of them. Scoring runs in a process of its own; next to it stands a bare COPY of the rows that
it wrote. Ends with exit code 1 when fewer than 25,000 reviews a second are scored, or the process takes 1 GiB or more.
"""

import csv
import gzip
import hashlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from embedded import warehouse
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ROWS_A_SECOND = 25_000
PEAK_MIB = 1_024
TRAINING_ROWS = 50_000
AS_OF = date(2015, 12, 31)
COLUMNS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "rating", "rating_max",
    "body", "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip


def main(reviews: Annotated[int, typer.Option(help="Reviews that are scored.")] = 600_000) -> None:
    """Prepare, score, print, and exit with 1 when a limit is missed."""
    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where naver_movie_reviews lies.")
    console = Console()
    with warehouse():
        os.environ["MAEARI_MLFLOW_DATABASE_URL"] = os.environ["MAEARI_DATABASE_URL"].rpartition("/")[0] + "/mlflow"
        # Each step in a process of its own: one that grew large would hand its peak on.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            with console.status("Landing reviews and training a version …"):
                landed = pool.submit(_prepare, reviews).result()
            with console.status("Scoring …"):
                seconds, peak_mib = pool.submit(_score, landed).result()
        seconds["bare COPY of what was written"] = _copy_bare()
    for part, taken in seconds.items():
        console.print(f"{part:34} {taken:6.1f} s {landed / taken:10,.0f} reviews/s")
    console.print(f"limits: {ROWS_A_SECOND:,} reviews/s; peak {peak_mib:,.0f} of {PEAK_MIB:,} MiB")
    raise typer.Exit(int(landed / seconds["warehouse to warehouse"] < ROWS_A_SECOND or peak_mib >= PEAK_MIB))


def _prepare(reviews: int) -> int:
    landed = _land(reviews)
    _release()
    return landed


def _land(reviews: int) -> int:
    from maeari import postgres, warehouse

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source, outcome) values ('films', 'finished') returning crawl_id")
        (crawl_id,) = cursor.fetchone()
        rows = (
            (
                "films", row["review_id"], 1, hashlib.sha256(f"{row['review']}|{row['rating']}".encode()).hexdigest(),
                row["movie_id"], row["movie_id"], row["rating"], 10, row["review"], f"{row['written_on']}T00:00+09:00",
                "day", "http://127.0.0.1/", crawl_id, f"{row['written_on']}T00:00+09:00",
            )
            for row in islice(_newest(), reviews)
        )  # fmt: skip
        landed = postgres.copy_rows(connection, "raw.reviews", COLUMNS, rows)
    warehouse.run_dbt("run", "--select", "+int_reviews__versions")
    return landed


def _newest() -> Iterator[dict]:
    files = sorted(Path(os.environ["MAEARI_SHARED_DATA"], "naver_movie_reviews").glob("*.csv.gz"), reverse=True)
    for file in files:
        with gzip.open(file, "rt", newline="") as lines:
            yield from (row for row in csv.DictReader(lines) if row["review"])


def _release() -> None:
    from maeari import clock, postgres
    from ml import registry
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.features import read_labelled
    from ml.sentiment.text import NORMALISATION
    from ml.sentiment.train import fit

    config, rows = SentimentConfig(), read_labelled(AS_OF)
    first = rows["written_at"].min().to_pydatetime()
    version = registry.register(
        "sentiment",
        fit(rows.tail(TRAINING_ROWS), config),
        card={
            "normalisation": NORMALISATION,
            "config": config.model_dump(),
            "data": {"holdout_from": first.isoformat()},
        },
        metrics={},
        config={},
        training_set=registry.TrainingSet("a part", clock.end_of_day(AS_OF), TRAINING_ROWS, "", ""),
    )
    with postgres.connect("owner", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at,"
            " evidence) values ('sentiment', %s, now(), %s, 'benchmark', now(), '{}')",
            (version, first - timedelta(days=1)),
        )
        cursor.execute("vacuum analyze intermediate.int_reviews__versions")
        # What was landed is on disk before the clock starts.
        cursor.execute("checkpoint")


def _score(reviews: int) -> tuple[dict[str, float], float]:
    import importlib

    # The package hands on a function of this name.
    scoring = importlib.import_module("ml.sentiment.predict")
    seconds = {"warehouse to warehouse": 0.0, "loading the version": 0.0, "answering": 0.0, "writing": 0.0}

    def timed(part: str, function):
        def run(*arguments):
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                seconds[part] += time.perf_counter() - start

        return run

    scoring.load = timed("loading the version", scoring.load)
    scoring.answer = timed("answering", scoring.answer)
    scoring._write = timed("writing", scoring._write)
    scored = timed("warehouse to warehouse", scoring.score)(AS_OF)["scored"]
    assert scored == reviews, scored
    assert scoring.score(AS_OF)["scored"] == 0
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _copy_bare() -> float:
    from maeari import postgres

    with postgres.connect("owner") as connection, connection.cursor() as cursor, TemporaryFile() as rows:
        cursor.copy_expert("copy (select * from predictions.sentiment) to stdout", rows)
        rows.seek(0)
        cursor.execute("create temporary table bare (like predictions.sentiment)")
        start = time.perf_counter()
        cursor.copy_expert("copy bare from stdin", rows)
        return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
