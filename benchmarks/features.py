"""How long dbt takes from landed events to `features.churn`.

    python benchmarks/features.py

An embedded Postgres in a home of its own gets 1,000,000 generated events of 50,000 customers in 26 months. Timed are
the models and data tests that lead to `features.churn` and `features.churn_now`, as `maeari build` runs them: from
nothing, with nothing new, and for one month. Reading the project is done before. Prints a Markdown table; ends with
exit code 1 when the first takes longer than the limit.
"""

import io
import os
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from embedded import warehouse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SEED = 7
EVENTS, CUSTOMERS, ITEMS = 1_000_000, 50_000, 5_000
FIRST_ON, LAST_ON, MONTH_ENDS = date(2024, 1, 1), date(2026, 2, 28), 24
LINES_A_BASKET, RETURNED_SHARE, VISIT_SHARE = 4, 0.03, 0.15
LIMIT_SECONDS = 60


def events() -> pd.DataFrame:
    """Purchases, returns and visits: most customers come rarely and stay months, a few come each week and stay on."""
    drawn = np.random.default_rng(SEED)
    days = (LAST_ON - FIRST_ON).days + 1
    joined = drawn.integers(0, days, CUSTOMERS) * drawn.random(CUSTOMERS)
    stays = np.minimum(drawn.exponential(300, CUSTOMERS), days - joined)
    weight = drawn.gamma(0.7, size=CUSTOMERS) * stays
    occasions = int(EVENTS / (1 - VISIT_SHARE + VISIT_SHARE * LINES_A_BASKET) * 1.2)
    customer = drawn.choice(CUSTOMERS, occasions, p=weight / weight.sum())
    customer[:CUSTOMERS] = np.arange(CUSTOMERS)
    moment = joined[customer] + drawn.random(occasions) * stays[customer]
    visit = drawn.random(occasions) < VISIT_SHARE
    lines = np.where(visit, 1, drawn.geometric(1 / LINES_A_BASKET, occasions))
    frame = pd.DataFrame({"customer": customer, "day": moment, "visit": visit}).loc[
        np.repeat(np.arange(occasions), lines)
    ]
    frame = frame.head(EVENTS)
    returned = drawn.random(len(frame)) < RETURNED_SHARE
    quantity = np.where(returned, -1, 1) * drawn.integers(1, 7, len(frame))
    item = (ITEMS * drawn.random(len(frame)) ** 3).astype(int)
    return pd.DataFrame(
        {
            "source": "shop",
            "event_id": np.arange(len(frame)),
            "customer_id": "customer-" + pd.Series(frame["customer"].to_numpy()).astype(str),
            "event_type": np.select([frame["visit"], returned], ["visit", "return"], "purchase"),
            "occurred_at": pd.Timestamp(FIRST_ON, tz="Asia/Seoul") + pd.to_timedelta(frame["day"].to_numpy(), unit="D"),
            "item_id": "item-" + pd.Series(item).astype(str),
            "quantity": quantity,
            "amount": np.where(frame["visit"], 0, quantity * (1 + item % 90)),
        }
    )


def land(rows: pd.DataFrame) -> None:
    """Put the events where an import would have put them."""
    from maeari.clock import end_of_day
    from maeari.postgres import connect

    with connect("owner") as owner, owner.cursor() as cursor:
        cursor.execute(
            "insert into ops.loads (source, finished_at, outcome, landed, complete_until, first_event_at, last_event_at"
            ") values ('shop', now(), 'finished', %s, %s, %s, %s) returning load_id",
            (len(rows), end_of_day(LAST_ON), rows["occurred_at"].min(), rows["occurred_at"].max()),
        )
        rows = rows.assign(load_id=cursor.fetchone()[0])
        lines = io.StringIO(rows.to_csv(index=False, header=False))
        cursor.copy_expert(f"copy raw.events ({', '.join(rows.columns)}) from stdin (format csv)", lines, size=1 << 20)


def seconds(*arguments: str) -> float:
    """How long dbt works on the features and all that they are made of."""
    from maeari.warehouse import run_dbt

    began = time.perf_counter()
    run_dbt("build", "--select", "+churn", "+churn_now", "--exclude-resource-type", "unit_test", *arguments)
    return time.perf_counter() - began


def count(query: str) -> int:
    """The one number that a query finds."""
    from maeari.postgres import connect

    with connect("owner") as owner, owner.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def main() -> int:
    """Measure, print, and return the exit code."""
    from maeari.warehouse import run_dbt

    with warehouse():
        land(events())
        run_dbt("parse")
        first = seconds()
        months, rows = (
            count("select count(distinct as_of_on) from features.churn"),
            count("select count(*) from features.churn"),
        )
        again = seconds()
        month = seconds("--vars", f'{{churn_months: ["{LAST_ON}"]}}')
        spilled = count("select temp_bytes from pg_stat_database where datname = current_database()") / 2**20
        landed = count("select count(*) from marts.fct_events")
    print(f"\n### Features of {months} month ends from {landed:,} events, {rows:,} rows, {os.cpu_count()} cores\n")
    print("| run | seconds | limit |\n|---|---|---|")
    print(f"| from nothing | {first:.1f} | {LIMIT_SECONDS} |")
    print(f"| nothing new | {again:.1f} | |")
    print(f"| one month | {month:.1f} | |")
    print(f"\nTemporary files of all three: {spilled:,.0f} MiB")
    if (months, landed) != (MONTH_ENDS, EVENTS):
        raise SystemExit(f"{months} month ends of {landed:,} events are there; {MONTH_ENDS} of {EVENTS:,} were wanted.")
    return int(first > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
