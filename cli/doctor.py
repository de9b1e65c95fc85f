"""What can be wrong with an installation, each said in plain words with what to do."""

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from cli import embedded_postgres, supervisor
from cli.services import PREFERRED_PORTS
from maeari import migrate
from maeari.errors import MaeariError
from maeari.postgres import connect
from maeari.settings import CHECKOUT, Settings

LEAST_FREE_BYTES = 2 * 1024**3
PYTHONS = ((3, 11), (3, 12))
MOST_PACKAGES_NAMED = 5
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)(?: *; *([^\\\n]+))?", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, or merely worth knowing, and what to do about it."""

    seen: str
    next_step: str
    is_wrong: bool = True


def examine() -> list[Problem]:
    """Every problem that can be found, the deeper checks only where the shallow ones allow them."""
    settings = Settings()
    checks: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
        check_python,
        check_packages,
        check_home,
        check_disk,
        check_stack,
        check_database,
        check_models,
    )
    return [problem for check in checks for problem in check(settings)]


def check_python(settings: Settings) -> Iterator[Problem]:
    """The running Python is one that the locked packages were resolved for."""
    if sys.version_info[:2] not in PYTHONS:
        yield Problem(
            f"This is Python {sys.version.split()[0]}; the locked packages need 3.11 or 3.12.",
            "Install python3.11 or python3.12, remove .venv, and run `make setup`.",
        )


def check_packages(settings: Settings, lock: Path = CHECKOUT / "requirements.lock") -> Iterator[Problem]:
    """The installed packages are those of `requirements.lock`."""
    from packaging.markers import Marker

    differing = []
    for name, wanted, marker in _PIN.findall(lock.read_text()):
        if marker and not Marker(marker.strip()).evaluate():
            continue
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != wanted:
            differing.append(f"{name} is {installed}, not {wanted}")
    if differing:
        rest = len(differing) - MOST_PACKAGES_NAMED
        more = f", and {rest} more" if rest > 0 else ""
        yield Problem(
            f"Packages differ from requirements.lock: {'; '.join(differing[:MOST_PACKAGES_NAMED])}{more}.",
            "Run `touch requirements.lock && make setup`.",
        )


def check_home(settings: Settings) -> Iterator[Problem]:
    """`MAEARI_HOME` can be written."""
    place = next(parent for parent in (settings.path(), *settings.path().parents) if parent.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        yield Problem(
            f"{place} cannot be written by this user, so the state of the stack has no place.",
            f"Give it to this user (`chown -R $(id -un) {place}`), or set MAEARI_HOME to another directory.",
        )


def check_disk(settings: Settings) -> Iterator[Problem]:
    """There is room for the warehouse to grow."""
    place = next(parent for parent in (settings.path(), *settings.path().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        yield Problem(
            f"Only {free / 1024**3:.1f} GB are free where {settings.path()} lies; Postgres stops when a disk is full.",
            "Free at least 2 GB, or set MAEARI_HOME to a directory on a larger disk.",
        )


def check_stack(settings: Settings) -> Iterator[Problem]:
    """The stack runs, all parts answer, and none had to give way to another program's port.

    Nothing is looked at where Airflow runs elsewhere, such as in containers with health checks of their own.
    """
    if settings.airflow_url is not None:
        return
    home = settings.path()
    stack = supervisor.read_stack(home) if home.exists() else None
    pid = supervisor.holder(home)
    if pid is None:
        if stack is not None and stack.phase != "down":
            yield Problem(
                f"The last stack of {home} was killed and left its lock and record behind.",
                "Run `maeari down`: it ends what is left. Then `make up`.",
            )
        elif stack is not None and stack.failure:
            yield Problem(f"The last start of the stack failed: {stack.failure}", "Then run `make up` again.")
        elif embedded_postgres.server_pid(home) is not None:
            yield Problem(
                f"{home / 'postgres' / 'postmaster.pid'} is left from a server that was killed or runs by itself.",
                "Run `maeari down`, then `make up`: Postgres repairs itself at its start.",
            )
        else:
            yield Problem(f"The stack of {home} is down.", "`make up` starts it.")
        return
    if not supervisor.is_alive(pid):
        yield Problem(
            f"The supervisor (process {pid}) was killed; its guard is ending the rest.",
            "Wait half a minute, then run `make up`.",
        )
        return
    for part in stack.parts:
        if part.state != "ready":
            yield Problem(
                f"{part.name} does not answer: {part.state} since {part.since.astimezone():%H:%M:%S}, "
                f"restarted {part.restarts} times.",
                f"Look at the end of {home / 'logs' / part.name}.log.",
            )
    for name, preferred in PREFERRED_PORTS:
        chosen = getattr(settings.ports(), name)
        if chosen is not None and chosen != preferred:
            yield Problem(
                f"Port {preferred} was taken, so {name.replace('_', ' ')} listens on {chosen}.",
                f"That works. To have {preferred}, stop the program that holds it (`ss -ltnp 'sport = :{preferred}'`), "
                "then `make down up`.",
                is_wrong=False,
            )


def check_database(settings: Settings) -> Iterator[Problem]:
    """Each of the three databases answers, and the warehouse is at the newest revision."""
    if settings.database_url is None and supervisor.holder(settings.path()) is None:
        return
    for database in ("warehouse", "airflow", "mlflow"):
        try:
            url = settings.owner_url(database)
            psycopg2.connect(url, connect_timeout=5).close()
        except (MaeariError, psycopg2.OperationalError) as error:
            setting = "MAEARI_DATABASE_URL" if database == "warehouse" else f"MAEARI_{database.upper()}_DATABASE_URL"
            yield Problem(
                f"The {database} database does not answer: {str(error).strip()}",
                f"Check {setting} and that its server runs; without the setting `make up` starts a server of its own.",
            )
            continue
        if database == "warehouse" and (revision := migrate.current_revision(url)) != migrate.newest_revision():
            yield Problem(
                f"The warehouse is at revision {revision or 'none'}, this code expects {migrate.newest_revision()}.",
                "Run `maeari migrate`.",
            )


def check_models(settings: Settings) -> Iterator[Problem]:
    """MLflow knows the versions of `ops`, and its alias names the live one."""
    for model in _models(settings):
        from ml import registry

        for difference in registry.differences(model):
            yield Problem(difference, "Run `maeari doctor --repair`: ops is right, and MLflow is made to follow it.")


def repair_models() -> None:
    """Make MLflow follow `ops` for every model, where that loses nothing."""
    for model in _models(Settings()):
        from ml import registry

        registry.repair(model)


def _models(settings: Settings) -> list[str]:
    if settings.database_url is None and supervisor.holder(settings.path()) is None:
        return []
    try:
        with connect("web") as connection, connection.cursor() as cursor:
            cursor.execute("select distinct model from ops.model_versions order by model")
            return [model for (model,) in cursor.fetchall()]
    except (MaeariError, psycopg2.Error):
        # An earlier check has said already what is wrong with the database.
        return []
