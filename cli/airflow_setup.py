"""Airflow as Maeari runs it: its settings, log-ins, tables and pools."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2

from maeari.errors import SettingsError, StackError
from maeari.settings import CHECKOUT, AirflowUser, Settings, load_secrets

ROLES: dict[AirflowUser, str] = {
    "admin": "admin",
    "approver": "op",
    "demo-approver": "op",
    "viewer": "viewer",
    "robot": "op",
}
POOLS = {"build_warehouse": 2}
PARALLEL_TASKS = 4
DAGS = CHECKOUT / "dags"


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Every setting of Airflow and of what its tasks run, as environment variables."""
    secrets = load_secrets(settings.home)
    port = settings.ports().airflow or 8080
    address = settings.airflow_url or f"http://127.0.0.1:{port}"
    sections = {
        "core": {
            "dags_folder": DAGS,
            "executor": "LocalExecutor",
            "parallelism": PARALLEL_TASKS,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            # Cosmos and dbt together take seconds to import on a busy machine.
            "dagbag_import_timeout": 90,
            "fernet_key": secrets.fernet_key.get_secret_value(),
            "execution_api_server_url": f"{address}/execution/",
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in ROLES.items()),
            "simple_auth_manager_passwords_file": _passwords_file(settings),
            "simple_auth_manager_all_admins": False,
        },
        "database": {
            "sql_alchemy_conn": sqlalchemy_url(settings.owner_url("airflow")),
            # Only the endpoint that waits for a run needs it, and it would need one more driver.
            "sql_alchemy_conn_async": "",
        },
        "api": {
            "base_url": address,
            "workers": 1,
            "secret_key": secrets.api_secret_key.get_secret_value(),
            "instance_name": "Maeari",
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret.get_secret_value()},
        "dag_processor": {
            "parsing_processes": 1,
            # A changed file is read at once all the same.
            "min_file_process_interval": 300,
            "dag_file_processor_timeout": 120,
        },
        # How long a worker waits at most for a task's process that has ended, before it takes another.
        "workers": {"min_heartbeat_interval": 1},
        "logging": {
            "base_log_folder": settings.path("logs", "airflow"),
            "dag_processor_child_process_log_directory": settings.path("logs", "airflow", "dag_processor"),
            "colored_console_log": False,
        },
        "cosmos": {"cache_dir": settings.path("dbt", "cosmos"), "enable_telemetry": False},
    }
    threads = str(max(1, (os.cpu_count() or 1) // PARALLEL_TASKS))
    return {
        # Tasks share the cores; more threads than those would only wait for each other.
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **{
            f"AIRFLOW__{section}__{name}".upper(): str(value)
            for section, options in sections.items()
            for name, value in options.items()
        },
        **_mail_server(settings),
        "AIRFLOW_HOME": str(settings.path("airflow")),
        "MAEARI_HOME": str(settings.path()),
        "PYTHONPATH": str(Path(__file__).parent / "airflow_config"),
        "PYTHONUNBUFFERED": "1",
        # The home has folders named like packages (airflow, dbt, demo, mlflow); they must not be importable.
        "PYTHONSAFEPATH": "1",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _mail_server(settings: Settings) -> dict[str, str]:
    """MAEARI_SMTP_URL as the connection that Airflow's mail notifier reads; empty where it is not set."""
    if settings.smtp_url is None:
        return {}
    parts = urlsplit(settings.smtp_url.get_secret_value())
    is_plain = parts.query == "tls=no"
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or (parts.query and not is_plain):
        raise SettingsError(
            "MAEARI_SMTP_URL must look like smtps://user:password@host:465, or smtp://user:password@host:587 for "
            "STARTTLS, or smtp://host:25?tls=no for a server on this machine."
        )
    connection = {
        "conn_type": "smtp",
        "host": parts.hostname,
        "port": parts.port or (465 if parts.scheme == "smtps" else 587),
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        # The notifier would ask for STARTTLS within TLS too.
        "extra": {"disable_ssl": parts.scheme == "smtp", "disable_tls": parts.scheme == "smtps" or is_plain},
    }
    return {"AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(connection)}


def sqlalchemy_url(url: str) -> str:
    """The same address with psycopg2 named, because SQLAlchemy's own choice is another driver."""
    return "postgresql+psycopg2://" + url.partition("://")[2]


def prepare(settings: Settings) -> None:
    """Write the log-ins, bring Airflow's tables to its version, make its pools and dbt's manifest. Safe to repeat."""
    write_passwords(settings)
    migrated_to = settings.path("airflow", "migrated.json")
    url = settings.owner_url("airflow")
    # In processes of their own: Airflow and dbt are large, and this process may live for weeks.
    commands = [["-c", "from maeari.warehouse import write_manifest; write_manifest()"]]
    if not migrated_to.exists() or json.loads(migrated_to.read_text()) != _revision(url):
        commands.append(["-m", "airflow", "db", "migrate"])
    _run_side_by_side(settings, commands)
    migrated_to.write_text(json.dumps(_revision(url)))
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for pool, slots in POOLS.items():
            cursor.execute(
                "insert into slot_pool (pool, slots, description, include_deferred) values (%s, %s, '', false) "
                "on conflict (pool) do nothing",
                (pool, slots),
            )


def write_passwords(settings: Settings) -> None:
    """Write the log-ins where the simple auth manager reads them, with mode 0600."""
    file = _passwords_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    users = load_secrets(settings.home).airflow_users
    file.touch(mode=0o600)
    file.write_text(json.dumps({user: password.get_secret_value() for user, password in users.items()}))


def _passwords_file(settings: Settings) -> Path:
    return settings.path("airflow", "passwords.json")


def _revision(url: str) -> list[str | None]:
    """Airflow's version and the revision of its database, None before the first migration."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('alembic_version') is not null")
        if not cursor.fetchone()[0]:
            return [version("apache-airflow-core"), None]
        cursor.execute("select version_num from alembic_version")
        return [version("apache-airflow-core"), cursor.fetchone()[0]]


def _run_side_by_side(settings: Settings, commands: list[list[str]]) -> None:
    """Run Python commands at the same time; the first that fails raises, and none is left running."""
    with ExitStack() as stack:
        running = []
        for arguments in commands:
            out = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env=os.environ | airflow_environment(settings),
                cwd=settings.path(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            running.append((arguments, process, out))
        for arguments, process, out in running:
            if process.wait() != 0:
                out.seek(0)
                raise StackError(f"`python {' '.join(arguments)}` failed. It said:\n{out.read()[-2000:]}")
