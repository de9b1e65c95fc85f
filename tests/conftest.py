"""Fixtures for every folder of tests: one embedded Postgres a session, one warehouse a test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg2
import pytest

_numbers = count(1)


@pytest.fixture(scope="session")
def maeari_home() -> Iterator[Path]:
    """A `MAEARI_HOME` of this session that every child process sees too."""
    home = Path(tempfile.mkdtemp(prefix="maeari-test-"))
    os.environ["MAEARI_HOME"] = str(home)
    yield home
    del os.environ["MAEARI_HOME"]
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(maeari_home: Path) -> Iterator[str]:
    """The owner's address of an embedded server whose database `maeari` is migrated."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import load_secrets

    port = embedded_postgres.start(maeari_home)
    url = f"postgresql://postgres:{load_secrets(maeari_home).postgres.get_secret_value()}@127.0.0.1:{port}/maeari"
    try:
        migrate.upgrade(url)
        yield url
    finally:
        embedded_postgres.stop(maeari_home)


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(scope="session")
def new_warehouse(postgres: str):
    """A function that makes one more empty, migrated warehouse and returns its owner's address."""
    server = postgres.rpartition("/")[0]

    def make() -> str:
        name = f"warehouse_{next(_numbers)}"
        _execute(f"{server}/postgres", f"create database {name} template maeari")
        return f"{server}/{name}"

    return make


@pytest.fixture
def warehouse(new_warehouse, monkeypatch) -> str:
    """The owner's address of an empty warehouse, which `maeari.postgres.connect` uses during the test."""
    url = new_warehouse()
    monkeypatch.setenv("MAEARI_DATABASE_URL", url)
    return url
