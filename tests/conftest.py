"""Fixtures for every folder of tests: one embedded Postgres a session, one warehouse a test."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.server import HTTPServer
from itertools import count
from pathlib import Path

import psutil
import psycopg2
import pytest
from hypothesis import settings

from cli import embedded_postgres
from maeari.settings import Settings

# The first example may compile or load something; no test asserts time.
settings.register_profile("maeari", deadline=None)
settings.load_profile("maeari")

# What is printed must not depend on the terminal that the tests were started from.
os.environ["COLUMNS"] = "200"

# Of tests that run side by side none may take the port of a server that another has stopped for a moment.
embedded_postgres.DEFAULT_PORT += 200 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

MAEARI = Path(sys.executable).parent / "maeari"
_numbers = count(1)


@pytest.fixture(scope="session")
def maeari_home() -> Iterator[Path]:
    """A `MAEARI_HOME` of this session that every child process sees too."""
    home = Path(tempfile.mkdtemp(prefix="maeari-test-"))
    os.environ["MAEARI_HOME"] = str(home)
    yield home
    del os.environ["MAEARI_HOME"]
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def serve() -> Iterator[Callable[[HTTPServer], HTTPServer]]:
    """A function that runs an HTTP server in a thread until the test ends, and returns it."""
    with ExitStack() as stack:

        def run(server: HTTPServer) -> HTTPServer:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server

        yield run


@pytest.fixture(scope="session")
def postgres(maeari_home: Path) -> Iterator[str]:
    """The owner's address of an embedded server whose database `maeari` is migrated."""
    from maeari import migrate
    from maeari.settings import load_secrets

    port = embedded_postgres.start(maeari_home)
    url = f"postgresql://postgres:{load_secrets(maeari_home).postgres.get_secret_value()}@127.0.0.1:{port}/maeari"
    try:
        # A killed process loses nothing by it; only a machine that loses its power would.
        for statement in ("alter system set fsync = off", "select pg_reload_conf()"):
            _execute(url, statement)
        migrate.upgrade(url)
        yield url
    finally:
        embedded_postgres.stop(maeari_home)


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)


def _make_database(postgres: str, kind: str, template: str) -> str:
    server, name = postgres.rpartition("/")[0], f"{kind}_{next(_numbers)}"
    _execute(f"{server}/postgres", f"create database {name} template {template}")
    return f"{server}/{name}"


@pytest.fixture(scope="session")
def new_warehouse(postgres: str) -> Callable[[], str]:
    """A function that makes one more empty, migrated warehouse and returns its owner's address."""
    return partial(_make_database, postgres, "warehouse", template="maeari")


@pytest.fixture(scope="session")
def new_registry(postgres: str) -> Callable[[], str]:
    """A function that makes one more empty database for MLflow and returns its owner's address."""
    return partial(_make_database, postgres, "registry", template="template1")


@pytest.fixture
def warehouse(new_warehouse, monkeypatch) -> str:
    """The owner's address of an empty warehouse, which `maeari.postgres.connect` uses during the test."""
    url = new_warehouse()
    monkeypatch.setenv("MAEARI_DATABASE_URL", url)
    return url


class OwnStack:
    """The whole stack in a `MAEARI_HOME` of its own, driven by the commands a person types."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="maeari-stack-"))
        self.settings = Settings(home=self.home)

    def maeari(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
        """Run `maeari …` on this stack and return its output."""
        environment = self._environment() | environment
        result = subprocess.run([MAEARI, *arguments], env=environment, capture_output=True, text=True)
        if check and result.returncode != 0:
            pytest.fail(f"maeari {' '.join(arguments)}: {result.stdout}\n{result.stderr}\n{self.logs()}")
        return result

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start `maeari …` on this stack without waiting for it."""
        return subprocess.Popen([MAEARI, *arguments], env=self._environment(), stdout=subprocess.DEVNULL)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAEARI_")}
        return inherited | {"MAEARI_HOME": str(self.home), "COLUMNS": "200"}

    def processes(self) -> list[psutil.Process]:
        """Every live process of this stack: it works inside the home, or one that does started it."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(self.home):
                    found |= {one.pid: one for one in (process, *process.children(recursive=True))}
        return [one for one in found.values() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    def logs(self) -> str:
        """The end of each log, to be printed with a failure."""
        ends = (f"== {log}\n{log.read_text(errors='replace')[-1500:]}" for log in self.home.glob("logs/*.log"))
        return "\n".join(ends)

    def remove(self) -> None:
        """Stop the stack, see that nothing of it is left, and delete its home."""
        self.maeari("down")
        left = self.processes()
        shutil.rmtree(self.home, ignore_errors=True)
        assert left == []


@pytest.fixture
def own_stack() -> Iterator[OwnStack]:
    """A stack that is not up yet, for tests that hurt it."""
    stack = OwnStack()
    yield stack
    stack.remove()


@pytest.fixture(scope="session")
def stack() -> Iterator[OwnStack]:
    """The stack of this session, up and shared; it is slow to start, and no test may break it."""
    stack = OwnStack()
    try:
        stack.maeari("up")
        yield stack
    finally:
        stack.remove()
