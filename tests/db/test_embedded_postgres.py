"""The embedded server: safe to start twice, whole after a kill, closed to strangers."""

import os
import signal
import stat
import time

import psycopg2
import pytest

from cli import embedded_postgres
from maeari.settings import load_secrets


@pytest.fixture
def home(tmp_path):
    # Below a directory that only its owner may enter, as a home directory often is.
    place = tmp_path / "private"
    place.mkdir(mode=0o700)
    yield place / "home"
    embedded_postgres.stop(place / "home")


def _ask(home, port: int, query: str, password: str | None = None):
    password = password or load_secrets(home).postgres.get_secret_value()
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="maeari")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def test_a_server_starts_once_and_keeps_its_rows_through_a_kill(home):
    home.mkdir()
    port = embedded_postgres.start(home)
    assert embedded_postgres.start(home) == port
    _ask(home, port, "create table kept as select '메아리' as word")
    os.kill(embedded_postgres.server_pid(home), signal.SIGKILL)
    while embedded_postgres.running_port(home) is not None:
        time.sleep(0.1)
    port = embedded_postgres.start(home)
    assert _ask(home, port, "select word from kept") == "메아리"
    embedded_postgres.stop(home)
    assert embedded_postgres.running_port(home) is None


def test_a_wrong_password_is_refused_and_secrets_are_private(home):
    home.mkdir()
    port = embedded_postgres.start(home)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        _ask(home, port, "select 1", password="wrong")
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600


def test_an_initdb_that_was_killed_is_begun_anew(home):
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    assert _ask(home, embedded_postgres.start(home), "select 1") == 1


def test_stopping_what_does_not_run_does_nothing(home):
    embedded_postgres.stop(home)
    assert embedded_postgres.running_port(home) is None
