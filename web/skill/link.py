"""A connection to Postgres whose every wait has an end.

libpq waits two seconds or longer for a server that is silent, and for ever for one that has stopped in the midst of an
answer. So the connection is asynchronous, and each wait for its socket ends at a deadline of `time.monotonic()`.
"""

import select
import time
from contextlib import suppress

import psycopg2
from psycopg2 import extensions

STATEMENT_MS = 700
_EVENTS = select.POLLERR | select.POLLHUP


class Link:
    """A connection whose every wait ends at a deadline."""

    def __init__(self, url: str, deadline: float, statement_ms: int = STATEMENT_MS):
        options = f"-c statement_timeout={statement_ms} -c lock_timeout=400 -c idle_in_transaction_session_timeout=5000"
        self._connection = psycopg2.connect(url, async_=True, application_name="maeari skill", options=options)
        try:
            self._wait(deadline)
        except BaseException:
            self.close()
            raise
        self._cursor = self._connection.cursor()

    def is_usable(self) -> bool:
        """Whether the server has not hung up: an idle connection has nothing to read."""
        if self._connection.closed:
            return False
        poller = select.poll()
        poller.register(self._connection.fileno(), select.POLLIN | _EVENTS)
        return not poller.poll(0)

    def ask(self, statement: str, parameters: dict, deadline: float) -> list[tuple]:
        """The rows of the last of some statements."""
        self._cursor.execute(statement, parameters)
        self._wait(deadline)
        return self._cursor.fetchall() if self._cursor.description else []

    def close(self) -> None:
        with suppress(psycopg2.Error):
            self._connection.close()

    def _wait(self, deadline: float) -> None:
        poller = select.poll()
        while (state := self._connection.poll()) != extensions.POLL_OK:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("The database did not answer in time.")
            wanted = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            poller.register(self._connection.fileno(), wanted | _EVENTS)
            poller.poll(1_000 * left)
