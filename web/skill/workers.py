"""The skill server as processes: a parent that loads the library, and workers that share it and answer.

Workers are forked once the library is there, so that all read the same memory. A new library gets new workers, and the
old ones end when they have answered what they were asked. While the first is loaded one worker says so.
"""

import ctypes
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import uvicorn

from maeari import text
from maeari.settings import Settings
from web.skill.app import Skill, create_app
from web.skill.library import CHECK_SECONDS, Librarian, Library
from web.skill.store import Store, StoreAway

PR_SET_PDEATHSIG = 1
START_SECONDS, GRACE_SECONDS, RETRY_SECONDS, TURN_SECONDS = 20, 6, 5, 0.2
logger = logging.getLogger("maeari.skill")
_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(BaseException):
    """Someone asked the server to end."""


@dataclass
class Workers:
    """Keeps so many workers answering at a socket that listens, until the process is asked to end."""

    listener: socket.socket
    count: int
    has_chat: bool
    on_ready: Callable[[Library], None]

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then end every worker, and return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        self._pids: set[int] = set()
        librarian = Librarian()
        text.stay_in_one_thread()
        try:
            self._fork(librarian)
            check_at = 0.0
            while True:
                if time.monotonic() >= check_at:
                    check_at = time.monotonic() + self._refresh(librarian)
                self._replace_fallen(librarian)
                time.sleep(TURN_SECONDS)
        except Stopped:
            pass
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            self._end(self._pids)

    def _refresh(self, librarian: Librarian) -> float:
        """Take a new library where there is one; in how many seconds to look again."""
        try:
            if librarian.refresh():
                before = set(self._pids)
                # What is never looked at by the collector is never written to, and stays shared.
                gc.freeze()
                self._start(librarian, self.count)
                self._end(before)
                self.on_ready(librarian.library)
            _forget()
        except Exception as error:
            # Whatever it was, the workers go on with what they have, and it is tried again.
            logger.warning("the library was not loaded: %s", str(error) or type(error).__name__)
            return RETRY_SECONDS if librarian.library is None else CHECK_SECONDS
        return CHECK_SECONDS

    def _start(self, librarian: Librarian, count: int) -> None:
        """Fork workers and wait until they answer."""
        waiting = [self._fork(librarian) for _ in range(count)]
        deadline = time.monotonic() + START_SECONDS
        for reader in waiting:
            os.set_blocking(reader, False)
            while time.monotonic() < deadline:
                with suppress(BlockingIOError):
                    os.read(reader, 1)
                    break
                time.sleep(0.02)
            os.close(reader)

    def _fork(self, librarian: Librarian) -> int:
        """Start a worker; what it returns can be read from when the worker answers, or has ended."""
        reader, writer = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _work(self.listener, librarian, self.has_chat, parent, writer)
        os.close(writer)
        self._pids.add(pid)
        return reader

    def _replace_fallen(self, librarian: Librarian) -> None:
        wanted = self.count if librarian.library is not None else 1
        for pid in list(self._pids):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._pids.discard(pid)
                logger.error("worker %d ended with status %d; another takes its place", pid, status)
        while len(self._pids) < wanted:
            os.close(self._fork(librarian))

    def _end(self, pids: set[int]) -> None:
        """Let workers finish what they were asked; who takes too long is killed."""
        pids = set(pids)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while pids:
            for pid in list(pids):
                with suppress(ChildProcessError):
                    if os.waitpid(pid, os.WNOHANG)[0] == 0:
                        if time.monotonic() > deadline:
                            os.kill(pid, signal.SIGKILL)
                        continue
                pids.discard(pid)
                self._pids.discard(pid)
            time.sleep(0.02)


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: int):
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(self._ready, b"!")
        os.close(self._ready)


def _work(listener: socket.socket, librarian: Librarian, has_chat: bool, parent: int, ready: int) -> NoReturn:
    """Answer until SIGTERM; never returns to what the parent was doing."""
    status = 1
    try:
        gc.enable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # Workers end with their parent, however it ends.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:
            app = create_app(lambda: Skill.from_settings(librarian), has_chat=has_chat)
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                # Whose word on addresses is taken is a setting of ours.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS - 2,
            )
            _Server(config, ready).run(sockets=[listener])
        status = 0
    except BaseException as error:
        logger.error("a worker broke: %s: %s", type(error).__name__, error)
    finally:
        logging.shutdown()
        os._exit(status)


def _forget() -> None:
    store = Store(Settings().role_url("skill"))
    with suppress(StoreAway):
        store.forget(time.monotonic() + 5)
    store.close()


def _stop(*_: object) -> NoReturn:
    raise Stopped
