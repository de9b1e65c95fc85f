"""The connection of a crawl to the warehouse, made anew after Postgres was away."""

import logging
import time
from contextlib import ExitStack, suppress

import psycopg2
from psycopg2.extensions import connection as Connection

from maeari.errors import DatabaseUnavailable
from maeari.postgres import advisory_lock, connect
from maeari.redaction import redact

RECONNECT_SECONDS = 3
AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, DatabaseUnavailable)

logger = logging.getLogger(__name__)


class Warehouse:
    """The connection of one crawl at a time of a source; made anew after Postgres was away."""

    def __init__(self, source: str):
        self._source = source
        self._stack = ExitStack()
        self._connection: Connection | None = None
        self._try_at = 0.0

    def open(self) -> Connection:
        """Connect, and wait for another crawl of the source to end."""
        self._connect(lock_timeout_seconds=0)
        return self._connection

    @property
    def connection(self) -> Connection:
        """The connection; raises one of AWAY when there is none, and tries every few seconds to have one again."""
        if self._connection is None:
            if time.monotonic() < self._try_at:
                raise DatabaseUnavailable("Postgres is away.")
            self._try_at = time.monotonic() + RECONNECT_SECONDS
            # The server may hold the lock for our lost connection until it notices.
            self._connect(lock_timeout_seconds=RECONNECT_SECONDS)
            logger.info("Postgres is back.")
        return self._connection

    def lose(self, error: Exception) -> None:
        """Give the connection up after one of AWAY."""
        if self._connection is not None:
            logger.warning("Postgres is away: %s", redact(" ".join(str(error).split()))[0])
            self._try_at = time.monotonic() + RECONNECT_SECONDS
        self.close()

    def close(self) -> None:
        """Give the connection back, if there is one."""
        self._connection = None
        with suppress(psycopg2.Error):
            self._stack.close()

    def _connect(self, lock_timeout_seconds: int) -> None:
        with ExitStack() as stack:
            connection = stack.enter_context(connect("crawler"))
            with connection.cursor() as cursor:
                cursor.execute("select set_config('lock_timeout', %s, false)", (f"{lock_timeout_seconds}s",))
            stack.enter_context(advisory_lock(connection, f"crawl {self._source}"))
            with connection.cursor() as cursor:
                cursor.execute("select set_config('lock_timeout', '0', false)")
            connection.commit()
            self._connection, self._stack = connection, stack.pop_all()
