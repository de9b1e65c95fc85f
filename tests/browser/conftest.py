"""A real Airflow with the plugin, a question to the approver, a planted script in the warehouse, and Chromium."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from cli import airflow_setup, embedded_postgres, services
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused
from maeari.settings import Ports, Settings, load_secrets

HERE = Path(__file__).parent
CHROMIUM = Path("/usr/bin/chromium")
START_SECONDS = 180
QUESTION = "a-question"


@dataclass(frozen=True)
class Airflow:
    """A running Airflow in which the question `a-question` waits for the approver."""

    url: str
    logs: Path
    passwords: dict[str, str] = field(repr=False)

    def ask(self, run_id: str) -> None:
        """Put a question to the approver and wait until Airflow shows it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                client = AirflowClient("admin")
                if run_id not in {run["dag_run_id"] for run in client.dag_runs("release_model")}:
                    client.trigger("release_model", {}, run_id)
                if run_id in self.waiting():
                    return
            except AirflowRefused:
                # Airflow is starting, or has not read the DAG yet.
                pass
            time.sleep(1)
        raise TimeoutError(f"{run_id} was not asked within {START_SECONDS} seconds; see {self.logs}.")

    def waiting(self) -> set[str]:
        """The runs whose question nobody has answered."""
        return {question["dag_run_id"] for question in AirflowClient("admin").waiting_approvals()}


def planted(run_id: str) -> str:
    """A text that, run as a script in the approver's browser, answers the question of a run."""
    return (HERE / "planted.html").read_text().replace("RUN", run_id)


@pytest.fixture(scope="package")
def airflow(new_warehouse, postgres: str, maeari_home: Path) -> Iterator[Airflow]:
    """Api-server, scheduler and dag-processor as `maeari up` starts them, on ports and databases of their own."""
    warehouse = new_warehouse()
    with psycopg2.connect(warehouse) as connection, connection.cursor() as cursor:
        for seed in ("warehouse.sql", "churn.sql", "topics.sql", "watched.sql"):
            cursor.execute((HERE / seed).read_text(), {"planted": planted(QUESTION)})
    connection.close()
    for page in ("reports/sentiment/report.html", "dbt/target/static_index.html"):
        file = maeari_home / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'<!doctype html><html lang="en"><title>made elsewhere</title><p>{planted(QUESTION)}')

    port = embedded_postgres.free_port(18080)
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stopping:
        environment.setenv("MAEARI_DATABASE_URL", warehouse)
        environment.setenv("MAEARI_AIRFLOW_DATABASE_URL", postgres.rpartition("/")[0] + "/airflow")
        environment.setenv("MAEARI_AIRFLOW_URL", url)
        environment.setenv("MAEARI_AS_OF", "2026-05-31")
        settings = Settings()
        airflow_setup.prepare(settings)
        for name in ("api-server", "scheduler", "dag-processor"):
            service = services.service(name, settings, ports=Ports(airflow=port))
            log = maeari_home / "logs" / f"{name}.log"
            stopping.enter_context(
                _running(service.command, service.environment | {"AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags")}, log)
            )
        users = {user: word.get_secret_value() for user, word in load_secrets(maeari_home).airflow_users.items()}
        airflow = Airflow(url, maeari_home / "logs", users)
        airflow.ask(QUESTION)
        yield airflow


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """A process that ends, with all its children, at the end of the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    try:
        yield
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for one in alive:
            one.kill()
        process.wait()


@pytest.fixture
def attack() -> Callable[[str], str]:
    """A function from a run to the text that would answer its question."""
    return planted


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; nothing is downloaded."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing; `make test-browser` installs it on Debian.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@dataclass(frozen=True)
class Person:
    """Someone who is logged in, and what went wrong in their browser so far."""

    context: BrowserContext
    page: Page
    outside: list[str]
    errors: list[str]


@pytest.fixture
def log_in(airflow: Airflow, browser: Browser) -> Iterator[Callable[..., Person]]:
    """A function that logs a user in through Airflow's own form."""
    with ExitStack() as closing:

        def log_in(user: str, width: int = 1280, height: int = 900) -> Person:
            context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
            closing.callback(context.close)
            person = Person(context, context.new_page(), [], [])
            person.page.goto(f"{airflow.url}/auth/login")
            person.page.locator("input[name=username]").fill(user)
            person.page.locator("input[type=password]").fill(airflow.passwords[user])
            person.page.locator("button[type=submit]").click()
            person.page.wait_for_url(f"{airflow.url}/")
            # Before the log-in Airflow itself logs a 401 in the console.
            person.page.on("request", lambda request: _note_outside(airflow, person, request.url))
            person.page.on("console", lambda message: _note_error(person, message))
            return person

        yield log_in


def _note_outside(airflow: Airflow, person: Person, url: str) -> None:
    if not url.startswith((f"{airflow.url}/", "data:", "blob:", "about:")):
        person.outside.append(url)


def _note_error(person: Person, message: ConsoleMessage) -> None:
    if message.type == "error":
        person.errors.append(f"{message.text} ({message.location.get('url')})")
