"""The services of the stack: what each runs. The supervisor and the containers start the same commands."""

import os
import sys
from dataclasses import dataclass, field

from cli.airflow_setup import airflow_environment, sqlalchemy_url
from maeari.errors import StackError
from maeari.settings import Ports, Settings

NAMES = ("api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "demo-site")
PREFERRED_PORTS = Ports(postgres=15432, airflow=8080, mlflow=5500, demo_site=8090)
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """A program and what it needs in its environment."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def service(name: str, settings: Settings, *, host: str = LOOPBACK, ports: Ports | None = None) -> Service:
    """What to run for one of `NAMES`."""
    ports = ports or PREFERRED_PORTS
    environment = airflow_environment(settings)
    airflow = [sys.executable, "-m", "airflow"]
    match name:
        case "api-server":
            return Service([*airflow, name, "--host", host, "--port", str(ports.airflow)], environment)
        case "scheduler" | "triggerer":
            # Without this each would serve its logs on every address of the machine.
            return Service([*airflow, name, "--skip-serve-logs"], environment)
        case "dag-processor":
            return Service([*airflow, name], environment)
        case "mlflow":
            artifacts = settings.path("mlflow", "artifacts")
            artifacts.mkdir(parents=True, exist_ok=True)
            server = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(ports.mlflow)]
            store = {
                # In the environment, because a command line is readable by everyone on the machine.
                "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(settings.owner_url("mlflow")),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            }
            return Service(
                [*server, "--workers", "1", "--default-artifact-root", artifacts.as_uri(), "--no-serve-artifacts"],
                environment | store,
            )
        case "demo-site":
            state = settings.path("demo", "world.json")
            return Service(
                [sys.executable, "-m", "demo.site", "--state", str(state), "--host", host]
                + ["--port", str(ports.demo_site)],
                {"MAEARI_HOME": str(settings.path()), "PYTHONSAFEPATH": "1"},
            )
        case _:
            raise StackError(f"There is no service “{name}”; it must be one of {', '.join(NAMES)}.")


def replace_process(service: Service, settings: Settings) -> None:
    """Become the service: this process ends and the service takes its place. Used by the containers.

    An `AIRFLOW__…` variable that is set already wins, such as one that names another auth manager.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")}
    os.chdir(settings.path())
    os.execvpe(service.command[0], service.command, os.environ | service.environment | given)
