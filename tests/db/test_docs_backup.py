"""The runbook's backup and restore, run as they stand on the page."""

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
SCRIPTS = dict(re.findall(r"<!-- run by a test: ([\w ]+) -->\n```sh\n(.+?)```", PAGE, re.DOTALL))


@pytest.fixture
def server(tmp_path):
    """A home with a running server, its address without the database, and a directory to work in."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import Ports, load_secrets

    home = tmp_path / "home"
    port = embedded_postgres.start(home)
    address = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}"
    (home / "ports.json").write_text(Ports(postgres=port).model_dump_json())
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MAEARI_HOME", str(home))
            migrate.upgrade(f"{address}/maeari")
        yield home, address
    finally:
        embedded_postgres.stop(home)


def run(url: str, statement: str) -> list[tuple]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_what_was_backed_up_comes_back(server, tmp_path):
    from cli import embedded_postgres

    home, address = server
    run(f"{address}/maeari", "insert into ops.crawls (source, message) values ('shop', '처음')")
    run(f"{address}/airflow", "create table kept (n integer); insert into kept values (7)")
    environment = os.environ | {"MAEARI_HOME": str(home)}
    spoil = """
        psql="$bin/psql --quiet --no-psqlrc"
        $psql --command "update ops.crawls set message = 'spoiled'; drop schema monitoring cascade" maeari
        $psql --command "drop table kept" airflow
    """
    script = "set -euo pipefail\n" + SCRIPTS["back up"] + spoil + SCRIPTS["restore"]
    script = script.replace(".venv/bin/", f"{sys.prefix}/bin/")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    port = embedded_postgres.running_port(home)
    address = f"{address.rpartition(':')[0]}:{port}"
    assert run(f"{address}/maeari", "select message from ops.crawls") == [("처음",)]
    assert run(f"{address}/maeari", "select count(*) from monitoring.verdicts") == [(0,)]
    assert run(f"{address}/airflow", "select n from kept") == [(7,)]
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
