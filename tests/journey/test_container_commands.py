"""Every service of docker-compose.yml, run outside a container until its own health check passes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from cli import embedded_postgres

CHECKOUT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SERVERS = [name for name, service in OURS.items() if "healthcheck" in service]
READY_SECONDS = 240
STOP_SECONDS = 60


class Containers:
    """What the containers would run, with their network and volumes replaced by loopback and a directory."""

    def __init__(self, place: Path):
        self.home = place / "state"
        self.password_file = place / "password"
        self.ports = {name: embedded_postgres.free_port(20000 + 100 * n) for n, name in enumerate(SERVERS)}
        self.running: dict[str, subprocess.Popen] = {}
        self.replacements = {
            SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"]: str(self.password_file),
            OURS["migrate"]["environment"]["MAEARI_HOME"]: str(self.home),
            "0.0.0.0": "127.0.0.1",
        }
        for name in SERVERS:
            for port in SERVICES[name].get("ports", []):
                inside = port.rpartition(":")[2]
                self.replacements[f"{name}:{inside}"] = f"127.0.0.1:{self.ports[name]}"
                self.replacements[f"127.0.0.1:{inside}"] = f"127.0.0.1:{self.ports[name]}"

    def start_postgres(self) -> None:
        self.postgres_port = embedded_postgres.start(self.home)
        self.replacements["postgres:5432"] = f"127.0.0.1:{self.postgres_port}"

    def here(self, text: str) -> str:
        """The text with each name of the containers' world replaced by what stands for it here."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        for inside, outside in self.replacements.items():
            text = text.replace(inside, outside)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """The service's environment, and of this process's only what finds programs."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {key: self.here(value) for key, value in SERVICES[name].get("environment", {}).items()}
        return {"PATH": path, "HOME": str(self.home.parent), "LANG": "C.UTF-8"} | own

    def run_once(self, name: str) -> None:
        """Run a one-shot to its end."""
        command = [self.here(word) for word in SERVICES[name]["command"]]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment(name), capture_output=True, text=True, timeout=READY_SECONDS
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def start(self, name: str) -> None:
        """Start a server on a port of its own."""
        command = [self.here(word) for word in SERVICES[name]["command"]]
        if SERVICES[name].get("ports"):
            command += ["--port", str(self.ports[name])]
        with self.log(name).open("w") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def probe(self, name: str) -> subprocess.CompletedProcess:
        """Ask the service's health check once."""
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        if name == "postgres":
            command[0] = str(embedded_postgres.binary(command[0]))
            command.append(f"--port={self.postgres_port}")
        return subprocess.run(
            [self.here(word) for word in command],
            cwd=CHECKOUT, env=self.environment(name), capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    def log(self, name: str) -> Path:
        return self.home.parent / f"{name}.log"

    def stop(self) -> None:
        """End all that was started, and with it each one's own children."""
        for child in self.running.values():
            child.send_signal(signal.SIGTERM)
        for child in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        embedded_postgres.stop(self.home)


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    place = Path(tempfile.mkdtemp(prefix="maeari-containers-"))
    place.chmod(0o755)
    containers = Containers(place)
    try:
        containers.run_once("secrets")
        containers.start_postgres()
        containers.run_once("migrate")
        for name in SERVERS:
            containers.start(name)
        yield containers
    finally:
        containers.stop()
        shutil.rmtree(place, ignore_errors=True)


def test_the_password_that_postgres_reads_is_the_generated_one(containers):
    from maeari.settings import load_secrets

    assert containers.password_file.read_text() == load_secrets(containers.home).postgres.get_secret_value()
    assert containers.password_file.stat().st_mode & 0o777 == 0o600


def test_the_one_shots_may_run_at_every_start(containers):
    before = containers.password_file.read_text()
    containers.run_once("secrets")
    containers.run_once("migrate")
    assert containers.password_file.read_text() == before


def test_the_probe_of_postgres_passes(containers):
    probe = containers.probe("postgres")
    assert probe.returncode == 0, probe.stdout + probe.stderr


@pytest.mark.parametrize("name", SERVERS)
def test_a_service_runs_until_its_probe_passes(containers, name):
    deadline = time.monotonic() + READY_SECONDS
    while (probe := containers.probe(name)).returncode != 0:
        exit_code = containers.running[name].poll()
        said = containers.log(name).read_text()[-3000:]
        assert exit_code is None, f"{name} ended with {exit_code} and said:\n{said}"
        assert time.monotonic() < deadline, f"{name}: {probe.stdout}{probe.stderr}\nIt said:\n{said}"
        time.sleep(1)


def test_the_probe_of_a_stopped_service_fails(containers):
    containers.running["demo-site"].send_signal(signal.SIGTERM)
    containers.running["demo-site"].wait(STOP_SECONDS)
    assert containers.probe("demo-site").returncode != 0
