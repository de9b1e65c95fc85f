"""The one way to the warehouse: psycopg2 connections by role, COPY, advisory locks."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Literal

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari.errors import DatabaseUnavailable
from maeari.settings import Role, Settings

COPY_BATCH_ROWS = 5_000
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@contextmanager
def connect(role: Role | Literal["owner"], *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection as `maeari_<role>` that commits on success, rolls back on an error, and closes."""
    settings = Settings()
    url = settings.owner_url() if role == "owner" else settings.role_url(role)
    try:
        connection = psycopg2.connect(url, application_name=f"maeari {role}", connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(
            f"The warehouse did not answer as {role}: {str(error).strip()}. "
            "Run `maeari doctor`; if the stack is down, `make up` starts it."
        ) from error
    connection.autocommit = autocommit
    try:
        yield connection
        if not autocommit:
            connection.commit()
    except BaseException:
        if not autocommit and not connection.closed:
            connection.rollback()
        raise
    finally:
        connection.close()


def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence]) -> int:
    """COPY rows into a table (`schema.name` or a temporary one) and return how many; None becomes NULL.

    Values are sent as their `str`, so JSON must be dumped and times must carry a zone. Memory stays bounded.
    """
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor:
        cursor.copy_expert(statement, _CopySource(rows))
        return cursor.rowcount


def text_array(values: Iterable[str]) -> str:
    """Texts as Postgres writes an array of them, for `copy_rows` or as a parameter."""
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join(quoted) + "}"


def number_array(values: Iterable[float]) -> str:
    """Numbers, to six digits, as Postgres writes an array of them."""
    return "{" + ",".join([f"{value:.6g}" for value in values]) + "}"


class _CopySource(io.TextIOBase):
    """A readable file of COPY text lines, made as Postgres asks for them."""

    def __init__(self, rows: Iterable[Sequence]):
        self._lines = map(_copy_line, rows)

    def read(self, size: int = -1) -> str:
        """The next lines, whole ones; psycopg2 takes what it gets."""
        return "".join(islice(self._lines, COPY_BATCH_ROWS))


def _copy_line(row: Sequence) -> str:
    line = "\t".join(["\\N" if value is None else value if value.__class__ is str else str(value) for value in row])
    # Few rows hold anything to escape, and one look at the whole line is much quicker than one at each value.
    if line.count("\\") != row.count(None) or line.count("\t") != len(row) - 1 or "\n" in line or "\r" in line:
        line = "\t".join(["\\N" if value is None else str(value).translate(_ESCAPES) for value in row])
    return line + "\n"


@contextmanager
def advisory_lock(connection: Connection, name: str, *, is_shared: bool = False) -> Iterator[None]:
    """Hold the session lock of this name, waiting for whoever holds it; those that share it hold it side by side."""
    kind = "_shared" if is_shared else ""
    with connection.cursor() as cursor:
        cursor.execute(f"select pg_advisory_lock{kind}(hashtextextended(%s, 0))", (name,))
    try:
        yield
    finally:
        if not connection.closed:
            if connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR:
                connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute(f"select pg_advisory_unlock{kind}(hashtextextended(%s, 0))", (name,))
