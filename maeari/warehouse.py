"""The dbt project as functions: build the marts, publish what models said, write the manifest and the docs."""

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from maeari.errors import MaeariError
from maeari.postgres import advisory_lock, connect
from maeari.settings import CHECKOUT, Settings

PROJECT = CHECKOUT / "dbt"
TARGET = "warehouse"
LOCK = "build_warehouse"
PUBLISHED = ("sentiment", "churn", "topics", "keywords")
"""The kinds of marts that show what models said; each is a tag of its dbt models."""
# Neither a crawl of hours nor one that was killed, which is called running for ever, holds up a build.
_UNDER_WAY = """
    select exists (
        select from ops.crawls
        where outcome = 'running' and started_at <= %s and started_at > now() - interval '15 minutes'
    )
"""
_HOLDS_ALL = """
    select
        not exists (
            select from raw.reviews r left join marts.fct_reviews m
                on m.review_id = r.source || ':' || r.source_review_id and m.version_no >= r.version_no
            where m.review_id is null
        )
        and not exists (
            select from raw.articles r left join marts.fct_articles m
                on m.article_id = r.source || ':' || r.source_article_id and m.version_no >= r.version_no
            where m.article_id is null
        )
"""
_task_lock = ExitStack()


class BuildFailed(MaeariError):
    """dbt could not build a model, or a test of the data failed."""


def build(as_of: date) -> dict:
    """Rebuild staging, intermediate and marts from everything landed and test them; `as_of` is handed on as given."""
    with _lock():
        results = run_dbt("build", "--exclude", "tag:publish", "--exclude-resource-type", "unit_test")
    return {"as_of": as_of.isoformat(), **_counts(results)}


def wait_for_crawls() -> None:
    """Wait for the crawls that are under way now, but for none that began 15 minutes ago or earlier."""
    with connect("dbt", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select now()")
        (asked_at,) = cursor.fetchone()
        while True:
            cursor.execute(_UNDER_WAY, (asked_at,))
            if not cursor.fetchone()[0]:
                return
            time.sleep(1)


def holds_all_crawled() -> bool:
    """Whether the marts hold every version of every review and article that was crawled."""
    with connect("dbt") as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('marts.fct_reviews'), to_regclass('marts.fct_articles')")
        if None in cursor.fetchone():
            return False
        cursor.execute(_HOLDS_ALL)
        return cursor.fetchone()[0]


def publish(as_of: date, kinds: Collection[str] = PUBLISHED) -> dict:
    """Rebuild the marts that show predictions, which `build` leaves alone: of each kind, or of those given."""
    if unknown := set(kinds) - set(PUBLISHED):
        raise BuildFailed(
            f"There is nothing to publish of {', '.join(sorted(unknown))}, only of {', '.join(PUBLISHED)}."
        )
    chosen = [f"tag:publish,tag:{kind}" for kind in PUBLISHED if kind in kinds]
    if "sentiment" in kinds:
        # What `build` makes of the predictions is made anew too: after an upgrade it may lack a column until then.
        chosen.append("stg_predictions__sentiment")
    with _lock():
        results = run_dbt("build", "--select", *chosen, "--exclude-resource-type", "unit_test")
    return {"as_of": as_of.isoformat(), **_counts(results)}


def build_current(as_of: date) -> dict:
    """Rebuild `features.churn_now` alone for the end of that day, from the events that the last build saw."""
    with _lock():
        results = run_dbt(
            "build", "--select", "churn_now", "--exclude-resource-type", "unit_test",
            "--vars", json.dumps({"churn_as_of": as_of.isoformat()}),
        )  # fmt: skip
    return {"as_of": as_of.isoformat(), **_counts(results)}


def check_freshness() -> dict:
    """Raise when no crawl of reviews or of articles has finished within the days that the dbt sources allow."""
    with _lock():
        results = run_dbt("source", "freshness")
    return {"sources": len(results)}


def manifest_path() -> Path:
    """The manifest that Airflow reads; dbt's own, under `target`, changes with every command."""
    return Settings().path("dbt", "manifest.json")


def write_manifest() -> Path:
    """Parse the project into `manifest_path()`, leaving the file alone when only times and run ids differ."""
    run_dbt("parse")
    file = manifest_path()
    fresh = (_target_path() / "manifest.json").read_text()
    if not file.exists() or _meaning(file.read_text()) != _meaning(fresh):
        file.write_text(fresh)
    return file


def write_docs() -> Path:
    """Write dbt's documentation as one HTML file that needs no network and return its path."""
    with _lock():
        run_dbt("docs", "generate", "--static")
    return _target_path() / "static_index.html"


def before_task(context, operator) -> None:
    """For a Cosmos task: name the warehouse to dbt and take the lock until `after_task`, or until the process ends.

    Tasks of one build share it, since Airflow lets none begin before those that its model stands on.
    """
    os.environ.update(dbt_environment())
    _task_lock.enter_context(_lock(is_shared=True))


def after_task(project_dir: str, context) -> None:
    """Give back what `before_task` took, whether dbt succeeded or not."""
    _task_lock.close()


def dbt_environment() -> dict[str, str]:
    """The variables that `dbt/profiles.yml` reads, for the role maeari_dbt."""
    url = urlsplit(Settings().role_url("dbt"))
    return {
        "MAEARI_DBT_HOST": url.hostname or "localhost",
        "MAEARI_DBT_PORT": str(url.port or 5432),
        "MAEARI_DBT_USER": unquote(url.username or ""),
        "MAEARI_DBT_PASSWORD": unquote(url.password or ""),
        "MAEARI_DBT_DATABASE": unquote(url.path.lstrip("/")),
        "MAEARI_DBT_SSLMODE": parse_qs(url.query).get("sslmode", ["prefer"])[0],
    }


def _target_path() -> Path:
    return Settings().path("dbt", "target")


def _log_path() -> Path:
    return Settings().path("logs", "dbt")


@contextmanager
def _lock(*, is_shared: bool = False) -> Iterator[None]:
    """One build at a time on one warehouse, whoever starts it."""
    with connect("dbt", autocommit=True) as connection, advisory_lock(connection, LOCK, is_shared=is_shared):
        yield


def run_dbt(*arguments: str) -> list:
    """Run a dbt command in this process and return its results; a failure names what failed."""
    from dbt.cli.main import dbtRunner

    target = _target_path()
    target.mkdir(parents=True, exist_ok=True)
    os.environ.update(dbt_environment())
    outcome = dbtRunner().invoke(
        [
            "--no-version-check", "--log-level", "none", "--no-use-colors", *arguments,
            "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", TARGET,
            "--target-path", str(target), "--log-path", str(_log_path()),
        ]
    )  # fmt: skip
    results = list(getattr(outcome.result, "results", []))
    if not outcome.success:
        raise BuildFailed(_complaint(arguments, results, outcome.exception))
    return results


def _complaint(arguments: tuple[str, ...], results: list, exception: BaseException | None) -> str:
    failed = [result for result in results if result.status in ("error", "fail", "runtime error")]
    command = f"dbt {' '.join(arguments)}"
    if not failed:
        return f"`{command}` stopped before it ran anything: {exception}. Correct the file it names and run it again."
    reasons = "\n".join(f"- {result.node.name}: {(result.message or '').strip()}" for result in failed)
    skipped = sum(result.status == "skipped" for result in results)
    return (
        f"`{command}` failed at {len(failed)} of {len(results)} steps; {skipped} after them were left as they were:\n"
        f"{reasons}\n"
        "For a test, its SQL shows the rows that break the promise; for a model, the database's words say why. "
        f"The SQL of each lies in {_target_path() / 'compiled'}, the log in {_log_path()}. Mend, then run it again."
    )


def _counts(results: list) -> dict[str, int]:
    kinds = [result.node.resource_type for result in results]
    return {"models": kinds.count("model"), "tests": kinds.count("test")}


def _meaning(manifest: str) -> object:
    """A manifest without what changes from one parse to the next of the same project."""
    passing = {"created_at", "metadata"}

    def strip(value):
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items() if key not in passing}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    return strip(json.loads(manifest))
