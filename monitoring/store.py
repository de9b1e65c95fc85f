"""What monitoring keeps in Postgres: metrics, verdicts and the addresses of reports."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from maeari.settings import Settings
from monitoring.figures.decision import Name
from monitoring.metrics import Measured, Metric
from monitoring.windows import Window


class Verdict(NamedTuple):
    """What is thought of one window, and why, in sentences."""

    window: Window
    version: int
    verdict: Name
    reasons: tuple[str, ...]
    rows: int


class Decided(NamedTuple):
    """A window as it was measured and decided last."""

    measured: Measured
    verdict: Verdict
    provisional_until: date | None
    inputs_sha256: str


class Request(NamedTuple):
    """A question to the approver: made with the knowledge of which day, and how it ended."""

    as_of: date
    outcome: str


def read(connection: Connection, model: str) -> dict[Window, Decided]:
    """Every decided window of the model."""
    metrics: dict[tuple, list[Metric]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select window_start, window_end, model_version, segment, metric, kind, value, low, high, rows "
            "from monitoring.metrics where model = %s",
            (model,),
        )
        for start, end, version, *metric in cursor.fetchall():
            metrics.setdefault((start, end, version), []).append(Metric(*metric))
        cursor.execute(
            "select window_start, window_end, model_version, verdict, reasons, rows, provisional_until, inputs_sha256 "
            "from monitoring.verdicts where model = %s",
            (model,),
        )
        found = {}
        for start, end, version, name, reasons, rows, provisional_until, inputs in cursor.fetchall():
            window = Window(start, end)
            measured = Measured(window, version, tuple(sorted(metrics.get((start, end, version), []))))
            verdict = Verdict(window, version, name, tuple(reasons), rows)
            found[window] = Decided(measured, verdict, provisional_until, inputs)
        return found


def is_same(one: Decided, other: Decided | None) -> bool:
    """Whether two say the same of a window.

    Figures may differ in their last digits, as sums of the same rows in another order do.
    """
    if other is None or (one[1:], one.measured[:2]) != (other[1:], other.measured[:2]):
        return False
    pairs = zip_longest(one.measured.metrics, other.measured.metrics)
    return all(None not in pair and _is_close(*pair) for pair in pairs)


def _is_close(one: Metric, other: Metric) -> bool:
    if (one[:3], one.rows) != (other[:3], other.rows):
        return False
    return all(
        mine == theirs if None in (mine, theirs) else math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-12)
        for mine, theirs in zip(one[3:6], other[3:6], strict=True)
    )


def replace(connection: Connection, model: str, decided: Decided) -> None:
    """Put the window's metrics and verdict in place of earlier ones, of whatever version, in one transaction."""
    window, version = decided.measured.window, decided.measured.version
    key = (model, window.start, window.end)
    with connection, connection.cursor() as cursor:
        for table in ("metrics", "verdicts"):
            cursor.execute(
                f"delete from monitoring.{table} where model = %s and window_start = %s and window_end = %s",  # noqa: S608
                key,
            )
        execute_values(
            cursor,
            "insert into monitoring.metrics (model, model_version, window_start, window_end, segment, metric, kind, "
            "value, low, high, rows) values %s",
            [(model, version, window.start, window.end, *metric) for metric in decided.measured.metrics],
        )
        cursor.execute(
            "insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons, rows, "
            "provisional_until, inputs_sha256) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                model,
                version,
                window.start,
                window.end,
                decided.verdict.verdict,
                json.dumps(decided.verdict.reasons, ensure_ascii=False),
                decided.verdict.rows,
                decided.provisional_until,
                decided.inputs_sha256,
            ),
        )


def forget_other_windows(connection: Connection, model: str, windows: Sequence[Window]) -> None:
    """Remove what was kept of windows that a policy no longer has, up to the end of its newest window."""
    with connection, connection.cursor() as cursor:
        for table in ("metrics", "verdicts", "reports"):
            cursor.execute(
                f"delete from monitoring.{table} where model = %s and window_end <= %s "  # noqa: S608
                "and (window_start, window_end) not in %s",
                (model, windows[-1].end, tuple((window.start, window.end) for window in windows)),
            )


def read_reports(connection: Connection, model: str) -> set[Window]:
    """The windows that have a page."""
    with connection.cursor() as cursor:
        cursor.execute("select window_start, window_end from monitoring.reports where model = %s", (model,))
        return {Window(*row) for row in cursor.fetchall()}


def page(model: str, window: Window) -> Path:
    """Where the window's page lies."""
    # A policy may give a model any name; only one that can be a folder's is.
    folder = model if re.fullmatch(r"[\w-]{1,80}", model) else hashlib.sha256(model.encode()).hexdigest()
    return Settings().path("reports", folder, f"{window.start}_{window.end}", "drift.html")


def replace_report(connection: Connection, model: str, window: Window) -> None:
    """Record the window's page."""
    path = page(model, window).relative_to(Settings().path("reports")).as_posix()
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into monitoring.reports (model, window_start, window_end, path) values (%s, %s, %s, %s) "
            "on conflict (model, window_start, window_end, path) do update set created_at = now()",
            (model, window.start, window.end, path),
        )


def replace_inputs(connection: Connection, model: str, window: Window, inputs_sha256: str) -> None:
    """Record what the window's page was drawn from."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "update monitoring.verdicts set inputs_sha256 = %s "
            "where model = %s and window_start = %s and window_end = %s",
            (inputs_sha256, model, window.start, window.end),
        )


def newest_request(connection: Connection, model: str) -> Request | None:
    """The newest question about a real release that was put to the approver."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select as_of, outcome from ops.release_requests where model = %s and not is_replay "
            "order by request_id desc limit 1",
            (model,),
        )
        row = cursor.fetchone()
        return row and Request(*row)
