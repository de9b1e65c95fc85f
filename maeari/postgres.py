"""The one way to the warehouse: psycopg2 connections by role, COPY, advisory locks."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari.errors import DatabaseUnavailable
from maeari.settings import Role, Settings

COPY_BATCH_CHARACTERS = 1 << 20
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
        cursor.copy_expert(statement, _CopySource(rows), size=COPY_BATCH_CHARACTERS)
        return cursor.rowcount


class _CopySource(io.TextIOBase):
    """A readable file of COPY text lines, made as Postgres asks for them."""

    def __init__(self, rows: Iterable[Sequence]):
        self._lines = (
            "\t".join("\\N" if value is None else str(value).translate(_ESCAPES) for value in row) + "\n"
            for row in rows
        )
        self._rest = ""

    def read(self, size: int = -1) -> str:
        parts, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line)
            length += len(line)
        text = "".join(parts)
        if size < 0:
            self._rest = ""
            return text
        self._rest = text[size:]
        return text[:size]


@contextmanager
def advisory_lock(connection: Connection, name: str) -> Iterator[None]:
    """Hold the session lock of this name, waiting for whoever holds it."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
    try:
        yield
    finally:
        if not connection.closed:
            if connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR:
                connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
