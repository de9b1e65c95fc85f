"""How fast reviews are scored and explained, warehouse to warehouse: from int_reviews__versions to predictions.

    python benchmarks/reviews.py [--reviews 600000] [--write docs/sentiment.md]

An embedded Postgres in a home of its own gets the newest reviews of `MAEARI_SHARED_DATA`, built by dbt, and a version
that learned from a part of them. Scoring runs in a process of its own; next to it stands a bare COPY of the rows that
it wrote. Then the reviews of July and August 2015, the newest there are, are explained, in another process. Prints a
Markdown table; ends with exit code 1 when fewer than 25,000 reviews a second are scored, or that process takes 1 GiB
or more. `--write` puts the table between the markers of the page.
"""

import hashlib
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from embedded import warehouse
from films import films
from rich.console import Console
from tables import write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ROWS_A_SECOND = 25_000
PEAK_MIB = 1_024
TRAINING_ROWS = 50_000
AS_OF = date(2015, 8, 31)
COLUMNS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "rating", "rating_max",
    "body", "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip


def main(
    reviews: Annotated[int, typer.Option(help="Reviews that are scored.")] = 600_000,
    write: Annotated[
        Path | None, typer.Option(help="a page with the markers warehouse:begin and warehouse:end")
    ] = None,
) -> None:
    """Prepare, score, explain, print or write, and exit with 1 when a limit is missed."""
    console = Console(stderr=True)
    with warehouse():
        os.environ["MAEARI_MLFLOW_DATABASE_URL"] = os.environ["MAEARI_DATABASE_URL"].rpartition("/")[0] + "/mlflow"
        # Each step in a process of its own: one that grew large would hand its peak on.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            with console.status("Landing reviews and training a version …"):
                landed = pool.submit(_prepare, reviews).result()
            with console.status("Scoring …"):
                seconds, peak_mib = pool.submit(_score, landed).result()
            copied = _copy_bare()
            with console.status("Explaining …"):
                explained, explaining, explaining_mib = pool.submit(_explain).result()
    scored_a_second = landed / seconds["scored, warehouse to warehouse"]
    rows = [(part, landed, taken, "") for part, taken in seconds.items()]
    rows[0] = (*rows[0][:3], f"at least {ROWS_A_SECOND:,} a second")
    rows += [
        ("a bare COPY of what scoring wrote", landed, copied, ""),
        ("explained by characters and terms, warehouse to warehouse", explained, explaining, ""),
    ]
    table = [
        "| what | reviews | seconds | a second | wanted |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {what} | {count:,} | {taken:.1f} | {count / taken:,.0f} | {wanted} |"
            for what, count, taken, wanted in rows
        ),
    ]
    text = (
        f"{landed:,} film reviews from table to table in an embedded Postgres on the same machine. Scoring peaks at "
        f"{peak_mib:,.0f} MiB (wanted: below {PEAK_MIB:,}), explaining at {explaining_mib:,.0f} MiB. Explained is "
        "what was written in the last two months, the time to load version and dictionary included; aspects, picks, "
        "SHAP and LIME are not part of it."
    )
    text = f"{text}\n\n" + "\n".join(table)
    print(text)
    if write:
        write_between("warehouse", write, text)
    raise typer.Exit(int(scored_a_second < ROWS_A_SECOND or peak_mib >= PEAK_MIB))


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
            for row in films(newest=reviews).tail(reviews).to_dict("records")
        )  # fmt: skip
        landed = postgres.copy_rows(connection, "raw.reviews", COLUMNS, rows)
    warehouse.run_dbt("run", "--select", "+int_reviews__versions")
    return landed


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
    seconds = {
        "scored, warehouse to warehouse": 0.0,
        "of it loading the version": 0.0,
        "answering": 0.0,
        "writing": 0.0,
    }

    def timed(part: str, function):
        def run(*arguments):
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                seconds[part] += time.perf_counter() - start

        return run

    scoring.load = timed("of it loading the version", scoring.load)
    scoring.answer = timed("answering", scoring.answer)
    scoring._write = timed("writing", scoring._write)
    scored = timed("scored, warehouse to warehouse", scoring.score)(AS_OF)["scored"]
    assert scored == reviews, scored
    assert scoring.score(AS_OF)["scored"] == 0
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _explain() -> tuple[int, float, float]:
    from ml.sentiment import explain

    # Picks and comparisons are bounded by numbers of their own and would measure something else.
    explain.picks.pick = lambda *_: 0
    explain.COMPARED_REVIEWS = 0
    start = time.perf_counter()
    explained = explain.explain_reviews(AS_OF)["explained"]
    seconds = time.perf_counter() - start
    return explained, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
