"""How fast customers are scored, end to end: read from features.churn, predicted, written to predictions.churn.

    python benchmarks/scoring.py [--customers 1000000] [--seed 1]

An embedded Postgres of its own holds seeded customers of one month end and a forest of the shipped size, fitted on
customers drawn alike. Scoring runs in a process of its own. Ends with exit code 1 when fewer than 50,000 customers a
second are scored, or the process takes 2 GiB or more.
"""

import os
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ROWS_A_SECOND = 50_000
PEAK_MIB = 2_048
LEARNED_FROM = [date(2025, month, 30) for month in (4, 6, 8)]
DAY = date(2025, 11, 30)
AS_OF = date(2025, 12, 1)

_DRAWN = """
    insert into features.churn ({names}, customer_id, as_of_on, churned_in_60d, labels_mature_on, built_at)
    select {drawn}, 'customer-' || lpad(n::text, 8, '0'), %(day)s,
        case when %(is_mature)s then random() < 0.5 end, %(day)s + 60, now()
    from generate_series(1, %(customers)s) as n
"""


def main(
    customers: Annotated[int, typer.Option(help="Customers of the month end that is scored.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="What the customers are drawn from.")] = 1,
) -> None:
    """Prepare, score, print, and exit with 1 when a limit is missed."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import load_secrets

    console = Console()
    home = Path(tempfile.mkdtemp(prefix="maeari-scoring-"))
    os.environ["MAEARI_HOME"] = str(home)
    try:
        with console.status("Drawing customers and fitting a forest …"):
            port = embedded_postgres.start(home)
            server = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}"
            os.environ["MAEARI_DATABASE_URL"] = f"{server}/maeari"
            os.environ["MAEARI_MLFLOW_DATABASE_URL"] = f"{server}/mlflow"
            migrate.upgrade(f"{server}/maeari")
            _prepare(customers, seed)
        with console.status("Scoring …"), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, peak_mib = pool.submit(_score, customers).result()
    finally:
        embedded_postgres.stop(home)
        shutil.rmtree(home)
    scored = seconds["all"] - seconds["reasons"]
    for part, taken in (("reading, predicting, writing", scored), *seconds.items()):
        console.print(f"{part:30} {taken:6.1f} s {customers / taken:12,.0f} customers/s")
    console.print(
        f"limits: {ROWS_A_SECOND:,} customers/s without the reasons; peak {peak_mib:,.0f} of {PEAK_MIB:,} MiB"
    )
    raise typer.Exit(int(customers / scored < ROWS_A_SECOND or peak_mib >= PEAK_MIB))


def _prepare(customers: int, seed: int) -> None:
    from maeari import clock, postgres, warehouse
    from ml import registry
    from ml.churn.config import ChurnConfig
    from ml.churn.features import FEATURES, read_months
    from ml.churn.models import fit

    warehouse.run_dbt("run", "--select", "+churn", "+churn_now")
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'features' and table_name = 'churn' order by ordinal_position"
        )
        drawn = {name: f"(-30 * ln(1 - random()))::{kind}" for name, kind in cursor.fetchall() if name in FEATURES}
        cursor.execute("select setseed(%s)", (1 / (1 + seed),))
        query = _DRAWN.format(names=", ".join(drawn), drawn=", ".join(drawn.values()))
        for day in LEARNED_FROM:
            cursor.execute(query, {"day": day, "is_mature": True, "customers": 10_000})
        cursor.execute("update features.churn set churned_in_60d = recency_days * (0.5 + random()) > 20")
        cursor.execute(query, {"day": DAY, "is_mature": False, "customers": customers})
    config, months = ChurnConfig(), read_months(LEARNED_FROM[-1] + timedelta(days=60))
    version = registry.register(
        "churn",
        fit(months, config),
        card={"features": list(FEATURES), "config": config.model_dump(exclude_none=True)},
        metrics={},
        config={},
        training_set=registry.TrainingSet("drawn", clock.end_of_day(DAY), len(months), "", ""),
    )
    with postgres.connect("owner", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at,"
            " evidence) values ('churn', %s, now(), %s, 'benchmark', now(), '{}')",
            (version, clock.end_of_day(DAY)),
        )
        cursor.execute("vacuum analyze features.churn")
        # What is drawn is on disk before the clock starts.
        cursor.execute("checkpoint")


def _score(customers: int) -> tuple[dict[str, float], float]:
    from ml.churn import score as scoring

    seconds = {"all": 0.0, "predicting (core seconds)": 0.0, "writing": 0.0, "reasons": 0.0}

    def timed(part: str, function):
        def run(*arguments):
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                seconds[part] += time.perf_counter() - start

        return run

    scoring._log_odds = timed("predicting (core seconds)", scoring._log_odds)
    scoring._write = timed("writing", scoring._write)
    scoring._explain = timed("reasons", scoring._explain)
    scored = timed("all", scoring.score)(AS_OF)["scored"]
    # Those of the month end within 90 days are scored too.
    assert scored >= customers, scored
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
