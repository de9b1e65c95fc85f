"""Bring a warehouse to the newest revision and give its roles their passwords."""

import io
from pathlib import Path

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from maeari.settings import ROLES, Settings


def upgrade(url: str, revision: str = "head") -> None:
    """Run the missing revisions on the owner's address; roles get the passwords of the settings."""
    # Alembic would read an older connection's password characters as its own syntax, so the URL goes by attribute.
    config = _config(url)
    command.upgrade(config, revision)
    _set_role_passwords(url)


def upgrade_sql(revision: str = "head") -> str:
    """The SQL of every revision, for a database administrator to read and run; it holds no password."""
    out = io.StringIO()
    config = _config("postgresql://", out)
    command.upgrade(config, revision, sql=True)
    return out.getvalue()


def newest_revision() -> str:
    """The revision this code expects."""
    return ScriptDirectory.from_config(_config("postgresql://")).get_current_head()


def current_revision(url: str) -> str | None:
    """The revision of a warehouse, None when it was never migrated."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select to_regclass('public.alembic_version') is not null")
            if not cursor.fetchone()[0]:
                return None
            cursor.execute("select version_num from public.alembic_version")
            row = cursor.fetchone()
            return row[0] if row else None
    finally:
        connection.close()


def _config(url: str, out: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=out)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def _set_role_passwords(url: str) -> None:
    settings = Settings()
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for role in ROLES:
                name = f"maeari_{role}"
                # Hashed here, so that no password reaches the server's log.
                verifier = encrypt_password(
                    settings.role_password(role), name, scope=connection, algorithm="scram-sha-256"
                )
                cursor.execute(
                    sql.SQL("alter role {} login password {}").format(sql.Identifier(name), sql.Literal(verifier))
                )
    finally:
        connection.close()
