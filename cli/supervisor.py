"""One process that starts the parts of the stack, starts a fallen one again, and takes all of them down with it.

Three things see to it that nothing outlives the supervisor. A forked guard waits for its end, however it comes, then
ends what is left and stops Postgres. Each part also asks the kernel for a SIGTERM at its parent's death. And
`maeari down` ends what the last record names. The guard shares the supervisor's lock, so the lock is free only when
everything is gone.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NoReturn

import httpx
import psutil
from pydantic import BaseModel, ConfigDict
from setproctitle import setproctitle

from cli import embedded_postgres
from cli.airflow_setup import prepare, write_passwords
from cli.services import LOOPBACK, PREFERRED_PORTS, service
from maeari import migrate
from maeari.errors import MaeariError, StackError
from maeari.settings import Ports, Settings

PR_SET_PDEATHSIG = 1
START_SECONDS = 300
GRACE_SECONDS = 4
END_SECONDS = 6
MOST_SECONDS_BETWEEN_RESTARTS = 60
AIRFLOW_PARTS = {
    "api-server": "metadatabase",
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}
_libc = ctypes.CDLL(None, use_errno=True)


class Part(BaseModel):
    """One program of the stack, as `maeari status` shows it; `born_at` tells its process from a later one."""

    model_config = ConfigDict(validate_assignment=True)

    name: str
    state: Literal["starting", "ready", "restarting"] = "starting"
    address: str | None = None
    pid: int | None = None
    born_at: float | None = None
    since: datetime
    restarts: int = 0


class Stack(BaseModel):
    """What the supervisor last wrote down about itself and its parts."""

    model_config = ConfigDict(validate_assignment=True)

    phase: Literal["starting", "up", "stopping", "down"]
    step: str = ""
    failure: str | None = None
    parts: list[Part] = []


def read_stack(home: Path) -> Stack | None:
    """The last record of this home's stack, None when it was never started."""
    file = home / "stack.json"
    return Stack.model_validate_json(file.read_text()) if file.exists() else None


def holder(home: Path) -> int | None:
    """The supervisor's process id while its stack or a remnant of it exists, None when all is gone."""
    file = home / "stack.lock"
    if not file.exists():
        return None
    with file.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(stream.read() or 0)
    return None


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run(settings: Settings) -> None:
    """Start the stack and keep it up until SIGTERM or Ctrl-C; nothing of it is left when this returns."""
    home = settings.path()
    home.mkdir(parents=True, exist_ok=True)
    _lock(home)
    stack = Stack(phase="starting", step="Clear away what an earlier run left")
    sweep(home)
    _write(home, stack)
    with _guard(home), _stopped_by_signals():
        try:
            _Supervisor(settings, stack).run()
        except MaeariError as error:
            stack.failure = str(error)
            raise
        finally:
            stack.phase = "stopping"
            _write(home, stack)


def sweep(home: Path) -> None:
    """End what is left of this home's stack and stop its Postgres; nothing happens when nothing is left."""
    stack = read_stack(home)
    if stack is not None:
        leaders = [part.pid for part in stack.parts if part.pid]
        for ask, only, seconds in (
            # At first the leaders only: they know best how to end their own children.
            (signal.SIGTERM, leaders, GRACE_SECONDS),
            (signal.SIGTERM, None, END_SECONDS),
            (signal.SIGKILL, None, END_SECONDS),
        ):
            for process in _processes(stack):
                if only is None or process.pid in only:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(ask)
            deadline = time.monotonic() + seconds
            while _processes(stack) and time.monotonic() < deadline:
                time.sleep(0.1)
    embedded_postgres.stop(home)
    (home / "ports.json").unlink(missing_ok=True)
    if stack is not None:
        _write(home, Stack(phase="down", failure=stack.failure))


class _Supervisor:
    def __init__(self, settings: Settings, stack: Stack):
        self.settings = settings
        self.home = settings.path()
        self.stack = stack
        self.children: dict[str, subprocess.Popen] = {}
        self.starts_again_at: dict[str, float] = {}
        self.reserved: list[socket.socket] = []
        self.ports = Ports(
            airflow=self._reserve(PREFERRED_PORTS.airflow),
            mlflow=self._reserve(PREFERRED_PORTS.mlflow),
            demo_site=self._reserve(PREFERRED_PORTS.demo_site),
        )

    def run(self) -> NoReturn:
        self._start_databases()
        self._start("mlflow", self.ports.mlflow)
        self._start_demo_site()
        self._step("Bring the databases to the newest revision")
        write_passwords(self.settings)
        migrate.upgrade(self.settings.owner_url())
        prepare(self.settings)
        self._step("Start Airflow")
        self._start("api-server", self.ports.airflow)
        for name in ("dag-processor", "scheduler", "triggerer"):
            self._start(name)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._watch()
            if self.stack.phase == "starting":
                if all(part.state == "ready" for part in self.stack.parts):
                    self.stack.phase, self.stack.step = "up", ""
                elif time.monotonic() > deadline:
                    waiting = ", ".join(part.name for part in self.stack.parts if part.state != "ready")
                    raise StackError(
                        f"After {START_SECONDS} seconds these did not answer: {waiting}. "
                        f"Their logs are in {self.home / 'logs'}."
                    )
            _write(self.home, self.stack)
            time.sleep(0.5)

    def _start_databases(self) -> None:
        given = (self.settings.database_url, self.settings.airflow_database_url, self.settings.mlflow_database_url)
        if None in given:
            self._step("Start Postgres")
            self.ports = self.ports.model_copy(update={"postgres": embedded_postgres.start(self.home)})
            self.stack.parts.append(
                Part(
                    name="postgres",
                    state="ready",
                    address=f"{LOOPBACK}:{self.ports.postgres}",
                    pid=embedded_postgres.server_pid(self.home),
                    since=datetime.now(UTC),
                )
            )
        self._write_ports()

    def _start_demo_site(self) -> None:
        """Start the demo's website once there is a world for it to show."""
        if "demo-site" not in self.children and (self.home / "demo" / "world.json").exists():
            self._start("demo-site", self.ports.demo_site)
            self._write_ports()

    def _start(self, name: str, port: int | None = None) -> None:
        part = Part(name=name, since=datetime.now(UTC), address=port and f"http://{LOOPBACK}:{port}")
        self.stack.parts.append(part)
        self._spawn(part)

    def _spawn(self, part: Part) -> None:
        wanted = service(part.name, self.settings, ports=self.ports)
        log = self._log(part.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != supervisor:
                os._exit(1)

        with log.open("a" if part.restarts else "w") as stream:
            child = subprocess.Popen(
                wanted.command,
                env=os.environ | wanted.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=die_with_supervisor,
            )
        self.children[part.name] = child
        part.pid, part.born_at = child.pid, psutil.Process(child.pid).create_time()
        part.state, part.since = "starting", datetime.now(UTC)
        _write(self.home, self.stack)

    def _watch(self) -> None:
        self._start_demo_site()
        health = None
        for part in self.stack.parts:
            child = self.children.get(part.name)
            if child is None:
                continue
            if child.poll() is not None:
                self._replace(part, child.returncode)
            elif part.state == "starting":
                if part.name in AIRFLOW_PARTS:
                    health = health if health is not None else self._airflow_health()
                    is_ready = _is_healthy(health.get(AIRFLOW_PARTS[part.name], {}), part)
                else:
                    is_ready = _answers(int(part.address.rpartition(":")[2]))
                if is_ready:
                    part.state, part.since = "ready", datetime.now(UTC)

    def _replace(self, part: Part, exit_code: int) -> None:
        if self.stack.phase == "starting":
            log = self._log(part.name)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise StackError(
                f"{part.name} ended while starting (exit code {exit_code}). The end of {log} says:\n{tail}"
            )
        now = time.monotonic()
        if part.state != "restarting":
            print(f"{datetime.now(UTC):%H:%M:%S} {part.name} ended with exit code {exit_code}", flush=True)
            for process in _processes(Stack(phase="up", parts=[part])):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            part.state, part.restarts = "restarting", part.restarts + 1
            self.starts_again_at[part.name] = now + min(2**part.restarts, MOST_SECONDS_BETWEEN_RESTARTS)
        elif now >= self.starts_again_at[part.name]:
            self._spawn(part)

    def _airflow_health(self) -> dict:
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{self.ports.airflow}/api/v2/monitor/health", timeout=3)
            return answer.json() if answer.is_success else {}
        except httpx.HTTPError:
            return {}

    def _reserve(self, preferred: int) -> int:
        """A free port that no other stack of this machine takes before our part listens on it."""
        port = preferred
        while True:
            port = embedded_postgres.free_port(port)
            # A name in the abstract namespace is a lock that ends with this process.
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0maeari-port-{port}")
            except OSError:
                claim.close()
                port += 1
                continue
            self.reserved.append(claim)
            return port

    def _step(self, text: str) -> None:
        self.stack.step = text
        print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)
        _write(self.home, self.stack)

    def _write_ports(self) -> None:
        shown = self.ports if "demo-site" in self.children else self.ports.model_copy(update={"demo_site": None})
        _replace_file(self.home / "ports.json", shown.model_dump_json())

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


@contextmanager
def _guard(home: Path) -> Iterator[None]:
    """A forked process that sweeps up once this one is gone; leaving the block waits for it."""
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.setsid()
        setproctitle(f"maeari guard of {home}")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(writing)
        # Nobody ever writes: the end of the file is the end of the supervisor.
        os.read(reading, 1)
        code = 1
        try:
            sweep(home)
            code = 0
        finally:
            os._exit(code)
    os.close(reading)
    setproctitle(f"maeari supervisor of {home}")
    try:
        yield
    finally:
        os.close(writing)
        while True:
            with suppress(ChildProcessError):
                if os.waitpid(-1, 0)[0] != guard:
                    continue
            break


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turn SIGTERM, SIGHUP and Ctrl-C into one clean stop; later ones change nothing."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    class Stop(BaseException):
        pass

    def stop(*_) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Stop

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    except Stop:
        pass
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def _lock(home: Path) -> None:
    """Take the lock for as long as this process or its guard lives."""
    handle = os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    # A few tries, because `maeari status` holds the lock for a moment to look at it.
    for _ in range(20):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.05)
    else:
        raise StackError(f"The stack of {home} is already run by process {holder(home)}; `maeari down` stops it.")
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())


def _processes(stack: Stack) -> list[psutil.Process]:
    """Every live process of the parts' sessions, Postgres apart: it is stopped by its own program, and last."""
    born = {part.pid: part.born_at for part in stack.parts if part.born_at}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            session = os.getsid(process.pid)
            if session not in born or process.status() == psutil.STATUS_ZOMBIE:
                continue
            is_later_owner = process.pid == session and abs(process.create_time() - born[session]) > 1
            if not is_later_owner and process.create_time() >= born[session] - 1:
                found.append(process)
    return found


def _is_healthy(component: dict, part: Part) -> bool:
    """Whether Airflow calls a component healthy on a heartbeat of this process, not of an earlier one."""
    if component.get("status") != "healthy":
        return False
    heartbeats = [value for key, value in component.items() if key.endswith("heartbeat")]
    return all(value is not None and datetime.fromisoformat(value) >= part.since for value in heartbeats)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _write(home: Path, stack: Stack) -> None:
    _replace_file(home / "stack.json", stack.model_dump_json(indent=1))


def _replace_file(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


if __name__ == "__main__":
    try:
        run(Settings())
    except MaeariError as failure:
        sys.exit(f"error: {failure}")
