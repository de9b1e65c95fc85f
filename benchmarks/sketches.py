"""How fast daily sketches are built, in how much memory, and how exact what is read from them is.

    python benchmarks/sketches.py [--rows 10000000] [--seed 0] [--evidently-rows 1000000] [--write docs/monitoring.md]

Fills an embedded Postgres with predictions of 20 features over 365 days, all but the newest, whose inputs move at day
300, and their labels, known after 30 days. Measures the first build; then one new day: its update and the reading of a
month and of the reference, in a process of its own. Compares every distance with that of the raw rows. Evidently's
drift preset on rows of the same table stands beside it. Prints a Markdown table; ends with exit code 1 when a limit is
missed. `--write` puts the table between the markers `sketches:begin` and `sketches:end` of a page.
"""

import io
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import yaml
from embedded import warehouse
from tables import table, versions, write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FIRST_DAY, DAYS, MOVED_ON = date(2025, 1, 1), 365, 300
REFERENCE_DAYS, WINDOW_DAYS, LABEL_DAYS = 60, 31, 30
ROWS_A_SECOND, DAY_SECONDS, DAY_GIB, EQUAL, WASSERSTEIN_SD = 150_000, 10, 1, 1e-9, 0.01
NEW_DAY = FIRST_DAY + timedelta(days=DAYS - 1)

MOVED = f"(day > {MOVED_ON})::integer"
FEATURES = {
    **{f"normal_{n}": f"random_normal({n}, {n + 1}) + {MOVED} * .{n}" for n in range(6)},
    **{f"lognormal_{n}": f"exp(random_normal(0, .{n + 5})) * (1 + {MOVED} * .{n})" for n in range(5)},
    **{f"uniform_{n}": f"random() * {10**n} + {MOVED} * .{n}" for n in range(3)},
    **{f"count_{n}": f"floor(-ln(1 - random()) * {n + 1} * (1 + {MOVED} * .2))" for n in range(3)},
    "gap_0": "case when random() < .8 then random_normal() end",
}
CATEGORIES = {
    "region": f"'region ' || floor(power(random(), 1 + {MOVED} * .2) * 12)",
    "item": "'item ' || floor(power(random(), 2) * 200)",
}
NAMES = (*FEATURES, *CATEGORIES)
TABLES = f"""
create table predictions.bench (
    prediction_id bigint not null, at timestamptz not null, model_version integer not null, score float8 not null,
    scored_at timestamptz not null, {", ".join(f"{name} float8" for name in FEATURES)},
    {", ".join(f"{name} text" for name in CATEGORIES)}
);
create table predictions.bench_labels (prediction_id bigint not null, is_positive boolean, known_on date);
"""
INDEXES = """
alter table predictions.bench add primary key (prediction_id);
create index on predictions.bench (at);
create index on predictions.bench (scored_at);
alter table predictions.bench_labels add primary key (prediction_id);
create index on predictions.bench_labels (known_on);
"""
DAY_OF_ROWS = f"""
    insert into predictions.bench
    select
        %(day)s * 1000000::bigint + number, at, 1, random(), at + interval '1 day', {", ".join(FEATURES.values())},
        {", ".join(CATEGORIES.values())}
    from generate_series(1, %(rows)s) as number
    cross join lateral (select %(day)s as day, %(start)s + number * interval '1 day' / (%(rows)s + 1) as at) as moment
"""  # noqa: S608
DAY_OF_LABELS = f"""
    insert into predictions.bench_labels
    select prediction_id, random() < score, (at at time zone 'Asia/Seoul')::date + {LABEL_DAYS} from predictions.bench
    where at >= %(start)s and at < %(start)s + interval '1 day'
"""  # noqa: S608


def policy(home: Path) -> None:
    """Write the policy of the table."""
    folder = home / "policies"
    folder.mkdir(exist_ok=True)
    content = {
        "model": "bench",
        "task": "binary",
        "predictions": {
            "table": "predictions.bench",
            "id": ["prediction_id"],
            "at": "at",
            "version": "model_version",
            "updated_at": "scored_at",
            "score": "score",
            "features": dict.fromkeys(FEATURES, "numeric") | dict.fromkeys(CATEGORIES, "category"),
            "segments": ["region"],
        },
        "labels": {
            "table": "predictions.bench_labels",
            "id": ["prediction_id"],
            "value": "is_positive",
            "known_at": "known_on",
            "after_days": LABEL_DAYS,
        },
        "window": "month",
        "reference": {"from": FIRST_DAY, "until": FIRST_DAY + timedelta(days=REFERENCE_DAYS - 1)},
        "min_rows": 1000,
        "min_labelled_rows": 1000,
        "declined": {"min_drop": 0.02, "false_alarms": 0.005, "over_windows": 26},
        "drifted": {"method": "psi", "limit": 0.1},
    }
    (folder / "bench.yml").write_text(yaml.safe_dump(content))


def fill(days: range, rows: int, seed: int) -> None:
    """Insert the predictions and labels of some days, so many rows in each."""
    from maeari import clock, postgres

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("select setseed(%s)", ((seed + days.start) % 1000 / 1000,))
        for day in days:
            facts = {"day": day, "rows": rows, "start": clock.start_of_day(FIRST_DAY + timedelta(days=day))}
            cursor.execute(DAY_OF_ROWS, facts)
            cursor.execute(DAY_OF_LABELS, facts)


def make(rows: int, seed: int) -> int:
    """Make and fill the tables, all but the newest day; returns how many rows a day has."""
    from maeari import postgres

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("create index filling on predictions.bench (at)")
    a_day = rows // DAYS
    fill(range(DAYS - 1), a_day, seed)
    with postgres.connect("owner", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("drop index predictions.filling")
        cursor.execute(INDEXES)
        cursor.execute("vacuum analyze predictions.bench, predictions.bench_labels")
        cursor.execute("checkpoint")
    return a_day


def build(as_of: date) -> tuple[int, float, float, float]:
    """Rows sketched, seconds, those of one core in this process and in Postgres's, and the peak of this one in GiB."""
    from monitoring.policy import load
    from monitoring.sketches import update

    started = time.perf_counter(), time.process_time() + server_core_seconds()
    found = update(load("bench"), as_of)
    core_seconds = time.process_time() + server_core_seconds() - started[1]
    return found["rows"], time.perf_counter() - started[0], core_seconds, peak_gib()


def server_core_seconds() -> float:
    """What all processes of the server have used, those that have ended too."""
    import psutil

    from maeari import postgres

    with postgres.connect("monitor") as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
        times = [server.cpu_times(), *(child.cpu_times() for child in server.children())]
    return sum(one.user + one.system for one in times) + times[0].children_user + times[0].children_system


def one_day() -> tuple[int, float, float, float]:
    """Rows sketched for a new day, seconds of that and of reading a window with all distances, and GiB at the peak."""
    from maeari import postgres
    from monitoring.policy import load
    from monitoring.sketches import update

    started = time.perf_counter()
    found = update(load("bench"), NEW_DAY)
    updated = time.perf_counter()
    with postgres.connect("monitor") as connection:
        distances(connection)
    return found["rows"], updated - started, time.perf_counter() - updated, peak_gib()


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def windows(connection) -> tuple:
    """The sketches of the reference and of the newest month."""
    from monitoring.policy import load
    from monitoring.sketches import read

    rules = load("bench")
    reference = read(connection, rules, 1, rules.reference.from_, rules.reference.until)
    return reference, read(connection, rules, 1, NEW_DAY - timedelta(days=WINDOW_DAYS - 1), NEW_DAY)


def distances(connection) -> dict[tuple[str, str], float]:
    """Every distance of every column and of the score, from sketches."""
    from monitoring import distances as by

    reference, window = windows(connection)
    found = {}
    for name, bins in reference.reference.columns.items():
        for method in ("psi", "jensen_shannon", "wasserstein"):
            value = by.distance(method, bins, reference.columns[name], window.columns[name])
            if value is not None:
                found[name, method] = value
        counts = [by.coarse_counts(one.columns[name].counts, bins) for one in (reference, window)]
        found[name, "chi_square"] = by.chi_square(*counts).statistic
    for group in ("all", "region=region 0"):
        one = window.scores[group]
        found[group, "score_mean"] = one.score_sums.sum() / one.rows.sum()
        found[group, "positive_share"] = one.positives.sum() / max(one.labelled.sum(), 1)
    return found


def raw_distances() -> dict[tuple[str, str], float]:
    """The same of the raw rows, by scipy and plain counting."""
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    from maeari import postgres

    found = {}
    with postgres.connect("monitor") as connection:
        reference, window = windows(connection)
        spans = [(one.start, one.end) for one in (reference, window)]
        for name, bins in reference.reference.columns.items():
            past, now = (column(connection, name, name in FEATURES, *span) for span in spans)
            if name in FEATURES:
                found[name, "wasserstein"] = stats.wasserstein_distance(past, now) / past.std()
                counts = np.array([histogram(values, bins.coarse) for values in (past, now)])
            else:
                kept = [*bins.values, "other"]
                counts = np.array(
                    [
                        [np.count_nonzero(values == value) for value in bins.values]
                        + [np.count_nonzero(~np.isin(values, bins.values))]
                        for values in (past, now)
                    ]
                )
                assert len(kept) == counts.shape[1]
            shares = np.maximum(counts / counts.sum(axis=1, keepdims=True), 1e-4)
            found[name, "psi"] = np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0]))
            found[name, "jensen_shannon"] = jensenshannon(*counts, base=2)
            held = counts[:, counts.sum(axis=0) > 0]
            found[name, "chi_square"] = stats.chi2_contingency(held, correction=False).statistic
        with connection.cursor() as cursor:
            for group, condition in (("all", "true"), ("region=region 0", "region = 'region 0'")):
                cursor.execute(
                    "select avg(score), coalesce(avg(is_positive::integer) filter (where known_on <= %s), 0) "  # noqa: S608
                    "from predictions.bench join predictions.bench_labels using (prediction_id) "
                    f"where at >= %s and at < %s and {condition}",
                    (NEW_DAY, *moments(*spans[1])),
                )
                mean, share = cursor.fetchone()
                found[group, "score_mean"], found[group, "positive_share"] = mean, float(share)
    return found


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.array([((values >= low) & (values < high)).sum() for low, high in edge_pairs(edges)])


def edge_pairs(edges: np.ndarray) -> list[tuple[float, float]]:
    return list(zip([-np.inf, *edges], [*edges, np.inf], strict=True))


def moments(start: date, end: date) -> tuple:
    from maeari import clock

    return clock.start_of_day(start), clock.end_of_day(end)


def column(connection, name: str, is_number: bool, start: date, end: date) -> np.ndarray:
    """A column's values in some days, without the missing ones."""
    from psycopg2.extensions import adapt

    first, after = (adapt(moment).getquoted().decode() for moment in moments(start, end))
    out = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"copy (select {name} from predictions.bench where at >= {first} and at < {after} "  # noqa: S608
            f"and {name} is not null) to stdout",
            out,
        )
    lines = out.getvalue().decode()
    return np.fromstring(lines, sep="\n") if is_number else np.array(lines.splitlines())


def evidently(rows: int) -> tuple[float, float]:
    """Seconds and peak GiB of Evidently's drift preset on so many rows, half of them the reference's."""
    import pandas as pd

    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report  # noqa: TID251
    from evidently.presets import DataDriftPreset  # noqa: TID251

    from maeari import postgres

    with postgres.connect("monitor") as connection:
        reference, window = windows(connection)
        samples = []
        for one in (reference, window):
            first, after = moments(one.start, one.end)
            out = io.BytesIO()
            with connection.cursor() as cursor:
                query = f"select {', '.join(NAMES)} from predictions.bench where at >= %s and at < %s limit %s"  # noqa: S608
                query = cursor.mogrify(query, (first, after, rows // 2)).decode()
                cursor.copy_expert(f"copy ({query}) to stdout (format csv, header)", out)
            out.seek(0)
            samples.append(pd.read_csv(out))
    started = time.perf_counter()
    definition = DataDefinition(numerical_columns=list(FEATURES), categorical_columns=list(CATEGORIES))
    past, now = (Dataset.from_pandas(sample, definition) for sample in samples)
    Report([DataDriftPreset(num_method="psi", cat_method="psi")]).run(now, past).dict()
    return time.perf_counter() - started, peak_gib()


def alone(act, *arguments):
    """What a function gives in a process of its own, whose peak memory is then its own, too."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(act, *arguments).result()


def main(
    rows: int = 10_000_000,
    seed: int = 0,
    evidently_rows: Annotated[int, typer.Option(help="0: leave Evidently out")] = 1_000_000,
    write: Annotated[Path | None, typer.Option(help="a page with the markers sketches:begin and sketches:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    with warehouse() as home:
        policy(home)
        a_day = make(rows, seed)
        built, seconds, core_seconds, gib = alone(build, NEW_DAY - timedelta(days=1))
        assert built == a_day * (DAYS - 1)
        fill(range(DAYS - 1, DAYS), a_day, seed)
        day_rows, update_seconds, read_seconds, day_gib = alone(one_day)
        from maeari import postgres

        with postgres.connect("monitor") as connection:
            sketched = distances(connection)
        raw = raw_distances()
        assert raw.keys() == sketched.keys()
        beside = alone(evidently, min(evidently_rows, 2 * a_day * WINDOW_DAYS)) if evidently_rows else None
    off = {key: abs(sketched[key] - raw[key]) for key in raw}
    # A statistic that grows with the rows is compared by its share.
    off |= {key: off[key] / max(raw[key], 1) for key in raw if key[1] == "chi_square"}
    equal = max(value for (_, method), value in off.items() if method != "wasserstein")
    moved = max(value for (_, method), value in off.items() if method == "wasserstein")
    speed, day_seconds = built / seconds, update_seconds + read_seconds
    lines = [
        (
            "rows a second of the first build (seconds; of one core, in its process and in Postgres's)",
            f"{speed:,.0f} ({seconds:.0f}; {core_seconds:.0f})",
            f"at least {ROWS_A_SECOND:,}",
        ),
        ("its peak memory, GiB", f"{gib:.2f}", ""),
        (
            f"seconds of a new day: its update ({day_rows:,} rows, newly labelled days with it) and all distances",
            f"{day_seconds:.1f} ({update_seconds:.1f} and {read_seconds:.1f})",
            f"at most {DAY_SECONDS}",
        ),
        ("its peak memory, GiB", f"{day_gib:.2f}", f"at most {DAY_GIB}"),
        ("PSI, Jensen-Shannon, chi-square, means: farthest from the raw rows'", f"{equal:.1e}", f"at most {EQUAL:.0e}"),
        ("Wasserstein: farthest from that of the raw values, sd", f"{moved:.4f}", f"at most {WASSERSTEIN_SD}"),
    ]
    if beside:
        told = f"{beside[0]:.1f} s, {beside[1]:.2f} GiB"
        lines.append((f"Evidently's drift preset by PSI on {evidently_rows:,} rows in memory", told, "no limit"))
    text = (
        f"{a_day * DAYS:,} predictions of {len(NAMES)} features over {DAYS} days, with labels; seed {seed}. "
        f"{versions('numba', 'numpy', 'psycopg2-binary', 'evidently')}\n\n"
        f"{table(('figure', 'measured', 'wanted'), lines)}"
    )
    print(text)
    missed = [
        what
        for what, is_missed in {
            f"{speed:,.0f} rows a second": speed < ROWS_A_SECOND,
            f"a new day took {day_seconds:.1f} s": day_seconds > DAY_SECONDS,
            f"a new day took {day_gib:.2f} GiB": day_gib > DAY_GIB,
            f"a figure is {equal:.1e} off": not equal <= EQUAL,
            f"a Wasserstein distance is {moved:.4f} sd off": not moved <= WASSERSTEIN_SD,
        }.items()
        if is_missed
    ]
    print(*(f"MISSED: {what}" for what in missed), sep="\n")
    if write:
        write_between("sketches", write, text)
    raise typer.Exit(int(bool(missed)))


if __name__ == "__main__":
    typer.run(main)
