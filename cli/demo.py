"""The demo: a generated world, or a file of real reviews, sent the whole way through Airflow."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import embedded_postgres
from maeari import clock
from maeari.errors import StackError
from maeari.postgres import connect
from maeari.settings import Settings, load_secrets

app = typer.Typer()
demo_app = typer.Typer(help="Show the whole way on a demo world: crawl, build, train, approve, score, monitor.")
app.add_typer(demo_app, name="demo")
console = Console()

FIRST_TRAINING_AS_OF = date(2025, 11, 30)
STEP_TIMEOUT = timedelta(minutes=15)


class Window(StrEnum):
    """How long one monitored window is."""

    week = "week"
    month = "month"
    quarter = "quarter"


class Kind(StrEnum):
    """What goes wrong in the world."""

    words = "words"
    irony = "irony"
    rating_habit = "rating_habit"
    crawl_gap = "crawl_gap"


@demo_app.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    replay: Annotated[
        Path | None, typer.Option(help="Directory of a review file to serve instead of the generated world.")
    ] = None,
    reviews: Annotated[int, typer.Option(help="With --replay: how many reviews to draw.")] = 20_000,
    window: Annotated[Window | None, typer.Option(help="Length of a monitored window.")] = None,
) -> None:
    """Run the main job through Airflow and leave the stack up. Safe to repeat.

    Example: `maeari demo`, or `MAEARI_HOME=.maeari-replay maeari demo --replay ../shared/data/naver_movie_reviews`
    """
    if context.invoked_subcommand is not None:
        return
    from demo.state import ReplayConfig, SiteState, write_state
    from demo.world import WorldConfig

    file = _state_file()
    if replay is not None:
        from demo.replay import last_day

        chosen = ReplayConfig(directory=replay.absolute(), reviews=reviews)
        _write_world(SiteState(replay=chosen, today=last_day(chosen.directory)))
        window = window or Window.quarter
    elif not file.exists():
        write_state(file, SiteState(world=WorldConfig()))
    if window is not None:
        from monitoring.policy import write_window

        write_window("sentiment", window.value)
    _run_the_way()


@demo_app.command()
def world(
    seed: Annotated[int | None, typer.Option(help="Seed of the world; the same seed gives the same world.")] = None,
    week: Annotated[int, typer.Option(help="Week (from 0) in which the reviews begin to change.")] = 66,
    size: Annotated[int, typer.Option(help="Points of accuracy an older model loses: 0, 3, 5 or 10.")] = 10,
    kind: Annotated[Kind, typer.Option(help="What changes.")] = Kind.words,
    truth: Annotated[Path | None, typer.Option(help="Also write the true sentiments to this CSV file.")] = None,
) -> None:
    """Choose the world of this `MAEARI_HOME` before its first crawl.

    Example: `maeari demo world --seed 7 --kind irony --size 5`
    """
    from demo.state import SiteState
    from demo.world import World, WorldConfig, write_truth

    config = WorldConfig(
        decline_week=week,
        decline_size=size,
        decline_kind=kind.value,
        **({} if seed is None else {"seed": seed}),
    )
    _write_world(SiteState(world=config))
    console.print(f"World with seed {config.seed}: {kind.value} of {size} points from week {week}. Next: `make demo`")
    if truth is not None:
        console.print(f"{write_truth(World(config), truth):,} true sentiments written to {truth}")


@demo_app.command()
def advance(weeks: Annotated[int, typer.Option(min=1, help="How many weeks to move the clock on.")] = 4) -> None:
    """Move the world's clock on and crawl, score and monitor what is new.

    Example: `maeari demo advance --weeks 4`
    """
    from demo import state

    moved = state.advance(_state_file(), weeks)
    console.print(f"The world's clock stands at {moved.today}.")
    _run_the_way()


def _state_file() -> Path:
    return Settings().path("demo", "world.json")


def _write_world(wanted) -> None:
    """Write the wanted state, unless this home already holds another world whose rows it would mix with."""
    from demo.state import read_state, write_state

    file = _state_file()
    if not file.exists():
        write_state(file, wanted)
        return
    present = read_state(file)
    if (present.world, present.replay) != (wanted.world, wanted.replay):
        raise StackError(
            f"{Settings().home} already holds another world ({present.world or present.replay!r}). "
            "Worlds never share a home: set MAEARI_HOME to a new directory, or `make clean` this one."
        )


def _run_the_way() -> None:
    from cli import stack
    from maeari.airflow_client import AirflowClient

    # With an address given, Airflow runs elsewhere, such as in containers.
    if Settings().airflow_url is None:
        stack.up()
    today = clock.today()
    started_at = datetime.now(UTC)
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        airflow = _Follower(AirflowClient("robot"), progress)
        landed = _crawl(airflow, today)
        if landed:
            airflow.follow_next("Build the warehouse with dbt", "build_warehouse", since=started_at)
        live = _live_version()
        if live is None:
            _release_first_model(airflow, today)
        elif landed:
            airflow.follow_next("Score the new reviews", "score_reviews", since=started_at)
        if live is None or landed:
            airflow.follow_next("Monitor the model", "monitor_models", since=started_at)
            if _newest_verdict() == "declined" and _waiting_request() is None:
                airflow.follow_next("Train a challenger on newer reviews", "train_sentiment", since=airflow.seen_at)
                airflow.wait_for_question("Compare, and ask the approver", since=airflow.seen_at)
    _print_summary(today)


def _crawl(airflow: "_Follower", today: date) -> int:
    started_at = datetime.now(UTC)
    conf = {"as_of": today.isoformat()}
    for title, dag_id in (("Crawl the news", "crawl_news"), ("Crawl the reviews", "crawl_reviews")):
        airflow.run(title, dag_id, conf, detail=lambda: _crawled_since(started_at))
    return _landed_since(started_at)


def _release_first_model(airflow: "_Follower", today: date) -> None:
    first = _first_training_day(today)
    conf = {"as_of": first.isoformat(), "is_replay": True}
    started_at = datetime.now(UTC)
    airflow.run(f"Train the first model as of {first}", "train_sentiment", conf)
    question = airflow.wait_for_question("Compare with the baseline, and ask", since=started_at)
    from maeari.airflow_client import AirflowClient

    AirflowClient("demo-approver").answer(
        question["dag_id"], question["dag_run_id"], question["task_id"], ["Approve"], {}
    )
    console.print(
        "  The demo itself approved this first release as the user [bold]demo-approver[/]: "
        "a replay, marked as such on the pages. Later releases wait for a person."
    )
    airflow.follow("Promote the model", "release_model", question["dag_run_id"])
    airflow.follow_next("Score the reviews since then", "score_reviews", since=airflow.seen_at)


def _first_training_day(today: date) -> date:
    """The world's first training day; for a replay the end of the month before which 40 % of the labels lie."""
    from demo.state import read_state

    if read_state(_state_file()).replay is None:
        return FIRST_TRAINING_AS_OF
    (middle,) = _row(
        "select percentile_disc(0.4) within group (order by written_at) at time zone %s from marts.fct_reviews "
        "where sentiment_label is not null",
        clock.zone().key,
    )
    quarter_start = date(middle.year, 3 * ((middle.month - 1) // 3) + 1, 1)
    return quarter_start - timedelta(days=1)


class _Follower:
    """Waits for Airflow's runs and shows each as one line of progress."""

    def __init__(self, client, progress: Progress):
        self.client = client
        self.progress = progress
        self.seen_at = datetime.now(UTC)

    def run(self, title: str, dag_id: str, conf: dict, detail: Callable[[], str] | None = None) -> dict:
        run_id = self.client.trigger(dag_id, conf)["dag_run_id"]
        return self.follow(title, dag_id, run_id, detail)

    def follow_next(self, title: str, dag_id: str, since: datetime) -> dict:
        """Follow the newest run of a DAG that was created after a moment, waiting for it to appear."""
        return self.follow(title, dag_id, self._next_run(dag_id, since)["dag_run_id"])

    def follow(self, title: str, dag_id: str, run_id: str, detail: Callable[[], str] | None = None) -> dict:
        line = self.progress.add_task(title, total=1, detail="")
        self.seen_at = datetime.now(UTC)
        deadline = time.monotonic() + STEP_TIMEOUT.total_seconds()
        while time.monotonic() < deadline:
            run = self.client.dag_run(dag_id, run_id)
            if run["state"] == "success":
                self.progress.update(line, completed=1, detail=detail() if detail else "")
                return run
            if run["state"] == "failed":
                raise StackError(self._failure(dag_id, run_id))
            self.progress.update(line, detail=detail() if detail else self._running_task(dag_id, run_id))
            time.sleep(1)
        raise StackError(
            f"{dag_id} run {run_id} has not finished after {STEP_TIMEOUT}. "
            f"Open it in Airflow, or look into {Settings().path('logs')}; `maeari demo` goes on where it stopped."
        )

    def wait_for_question(self, title: str, since: datetime) -> dict:
        """Wait until the newest run of `release_model` asks a person, and return the question."""
        line = self.progress.add_task(title, total=1, detail="")
        run = self._next_run("release_model", since)
        deadline = time.monotonic() + STEP_TIMEOUT.total_seconds()
        while time.monotonic() < deadline:
            for question in self.client.waiting_approvals():
                if question["dag_run_id"] == run["dag_run_id"]:
                    self.progress.update(line, completed=1)
                    return question
            state = self.client.dag_run("release_model", run["dag_run_id"])["state"]
            if state == "failed":
                raise StackError(self._failure("release_model", run["dag_run_id"]))
            if state == "success":
                raise StackError(
                    "release_model ended without a question: the challenger was not better than what it was "
                    "compared with. The evidence is on the model's page and in ops.release_requests."
                )
            time.sleep(1)
        raise StackError(f"release_model asked nothing within {STEP_TIMEOUT}; look at its run in Airflow.")

    def _next_run(self, dag_id: str, since: datetime) -> dict:
        deadline = time.monotonic() + STEP_TIMEOUT.total_seconds()
        while time.monotonic() < deadline:
            runs = [
                run
                for run in self.client.dag_runs(dag_id)
                if datetime.fromisoformat(run["run_after"]) >= since - timedelta(seconds=1)
            ]
            if runs:
                return max(runs, key=lambda run: run["run_after"])
            time.sleep(1)
        raise StackError(
            f"No run of {dag_id} has begun since {since:%H:%M:%S} UTC; is the scheduler up? `maeari status`"
        )

    def _running_task(self, dag_id: str, run_id: str) -> str:
        tasks = self.client.task_instances(dag_id, run_id)
        running = [task["task_id"] for task in tasks if task["state"] == "running"]
        done = sum(task["state"] in ("success", "skipped") for task in tasks)
        return f"{done}/{len(tasks)} {running[0] if running else ''}"

    def _failure(self, dag_id: str, run_id: str) -> str:
        failed = [task for task in self.client.task_instances(dag_id, run_id) if task["state"] == "failed"]
        if not failed:
            return f"{dag_id} run {run_id} failed before a task could say why; look at it in Airflow."
        task = failed[0]
        log = self.client.task_log(dag_id, run_id, task["task_id"], task["try_number"], task["map_index"])
        return f"{dag_id}: the task {task['task_id']} failed. The end of its log:\n{log[-2500:]}"


def _row(query: str, *parameters) -> tuple:
    with connect("web") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()


def _crawled_since(started_at: datetime) -> str:
    items, pages = _row("select sum(items), sum(pages) from ops.crawls where started_at >= %s", started_at)
    return f"{items or 0:,} records on {pages or 0:,} pages"


def _landed_since(started_at: datetime) -> int:
    return _row("select coalesce(sum(landed), 0) from ops.crawls where started_at >= %s", started_at)[0]


def _live_version() -> int | None:
    row = _row("select version from ops.deployments where model = 'sentiment' and live_to is null")
    return row and row[0]


def _newest_verdict() -> str | None:
    row = _row("select verdict from monitoring.verdicts where model = 'sentiment' order by window_end desc limit 1")
    return row and row[0]


def _waiting_request() -> int | None:
    row = _row("select version from ops.release_requests where model = 'sentiment' and outcome = 'waiting'")
    return row and row[0]


def _print_summary(today: date) -> None:
    settings = Settings()
    ports = settings.ports()
    passwords = load_secrets(settings.home).airflow_users
    airflow = settings.airflow_url or f"http://127.0.0.1:{ports.airflow}"
    reviews, verdict, waiting = _row("select count(*) from marts.fct_reviews")[0], _newest_verdict(), _waiting_request()
    log_ins = "\n".join(
        f"            {user:<9} {passwords[user].get_secret_value()}" for user in ("admin", "approver", "viewer")
    )
    question = (
        f"sentiment version {waiting}: log in as approver at {airflow}/required_actions, or run `maeari approve`"
        if waiting
        else "nothing"
    )
    console.print(
        Panel(
            f"[bold]World's day[/]  {today}; {reviews:,} reviews; newest verdict: {verdict or 'none'}\n"
            f"[bold]Airflow[/]      {airflow}\n"
            f"[bold]Log-ins[/]\n{log_ins}\n"
            f"[bold]Reports[/]      {airflow}/maeari/  (also in Airflow's menu: Maeari)\n"
            f"[bold]MLflow[/]       http://127.0.0.1:{ports.mlflow}\n"
            f"[bold]SQL[/]          {_psql_line(settings)}\n"
            f"[bold]Waiting[/]      {question}\n"
            "[dim]`make down` stops everything; `maeari demo advance --weeks 4` moves the world's clock on.[/]",
            title="Maeari is up",
        )
    )


def _psql_line(settings: Settings) -> str:
    """A line that opens the warehouse as the analyst; its password lies in a file of mode 0600."""
    address = urlsplit(settings.role_url("analyst"))
    database = address.path.lstrip("/")
    file = settings.path("pgpass")
    file.touch(mode=0o600)
    file.write_text(f"{address.hostname}:{address.port}:{database}:{address.username}:{unquote(address.password)}\n")
    psql = shutil.which("psql") or embedded_postgres.binary("psql")
    return f"PGPASSFILE={file} {psql} -h {address.hostname} -p {address.port} -U {address.username} {database}"
