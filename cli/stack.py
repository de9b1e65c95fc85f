"""Commands that start, stop, show and query the one-machine stack."""

import csv
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from maeari.errors import StackError
from maeari.settings import Settings

app = typer.Typer()
console = Console()

UP_SECONDS = 400
DOWN_SECONDS = 90
MOST_ROWS_SHOWN = 200


@app.command("up")
def up_command(
    foreground: Annotated[bool, typer.Option(help="Stay in this terminal; Ctrl-C stops everything.")] = False,
) -> None:
    """Start Postgres, Airflow, MLflow and, where a demo world lies, its website. Safe to repeat.

    Example: `maeari up`
    """
    if foreground:
        from cli import supervisor

        supervisor.run(Settings())
    else:
        up()
        print_status()


def up() -> None:
    """Start the stack in the background unless it runs, and return once all of it answers."""
    from cli import supervisor

    settings = Settings()
    home = settings.path()
    home.mkdir(parents=True, exist_ok=True)
    _wait_for_remnants(home)
    child = None
    if supervisor.holder(home) is None:
        child = _start_supervisor(home)
    elif supervisor.read_stack(home).phase != "up":
        raise StackError(
            f"Another `maeari up` (process {supervisor.holder(home)}) is starting or stopping this stack. "
            "Wait for it: `maeari status` shows how far it is."
        )
    try:
        _follow_start(settings, child)
    except KeyboardInterrupt:
        if child is not None:
            console.print("Stopping what was started …")
            down()
        raise


@app.command("down")
def down_command() -> None:
    """Stop everything; nothing of the stack is left running. Safe to repeat.

    Example: `maeari down`
    """
    with console.status("Stopping the stack …"):
        down()
    console.print("Nothing of the stack is running.")


def down() -> None:
    """Stop the stack and whatever a killed one left behind."""
    from cli import supervisor

    home = Settings().path()
    if not home.exists():
        return
    deadline = time.monotonic() + DOWN_SECONDS
    while (pid := supervisor.holder(home)) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"The stack did not stop within {DOWN_SECONDS} seconds; look into {home / 'logs'}.")
        if supervisor.read_stack(home).phase in ("starting", "up"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)
    supervisor.sweep(home)


@app.command("status")
def status_command() -> None:
    """Show each part of the stack, its address and its process.

    Example: `maeari status`
    """
    print_status()


def print_status() -> None:
    """Print the parts of the stack as a table."""
    from cli import supervisor

    settings = Settings()
    home = settings.path()
    is_up = supervisor.holder(home) is not None
    stack = supervisor.read_stack(home)
    if not is_up or stack is None:
        console.print(f"The stack of {home} is down. `maeari up` starts it.")
        if stack is not None and stack.failure:
            console.print(f"Its last start failed: {stack.failure}", markup=False)
        return
    table = Table("part", "state", "address", "pid", "since", title=f"{home}: {stack.phase}", title_justify="left")
    for part in stack.parts:
        restarts = f" (restarted {part.restarts}×)" if part.restarts else ""
        since = f"{part.since.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(part.name, part.state + restarts, part.address or "", str(part.pid or ""), since)
    console.print(table)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="api-server, scheduler, dag-processor, triggerer, mlflow or demo-site.")],
    host: Annotated[str, typer.Option(help="Address to listen on; a container needs 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port to listen on instead of the usual one.")] = None,
) -> None:
    """Run one service in this process, for a container or a unit of one's own.

    Example: `maeari run api-server --host 0.0.0.0`
    """
    from cli import services
    from cli.airflow_setup import write_passwords
    from maeari.settings import Ports

    settings = Settings()
    write_passwords(settings)
    if name == "demo-site" and not settings.path("demo", "world.json").exists():
        from demo.state import SiteState, write_state
        from demo.world import WorldConfig

        write_state(settings.path("demo", "world.json"), SiteState(world=WorldConfig()))
    ports = port and Ports(airflow=port, mlflow=port, demo_site=port)
    services.replace_process(services.service(name, settings, host=host, ports=ports), settings)


@app.command()
def migrate(
    sql: Annotated[bool, typer.Option(help="Print the warehouse's SQL for a database administrator.")] = False,
) -> None:
    """Bring the warehouse and Airflow's own tables to the newest revision. Safe to repeat.

    Example: `maeari migrate --sql > warehouse.sql`
    """
    from cli import airflow_setup
    from maeari import migrate as migrations

    if sql:
        print(migrations.upgrade_sql())
        return
    settings = Settings()
    migrations.upgrade(settings.owner_url())
    airflow_setup.prepare(settings)
    console.print(f"The warehouse is at revision {migrations.newest_revision()}; Airflow's tables are ready.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    role: Annotated[
        Literal["analyst", "owner"], typer.Option(help="Who to be; the analyst may only read.")
    ] = "analyst",
) -> None:
    """Open the warehouse in psql; further arguments go to psql.

    Example: `maeari psql -c "select count(*) from marts.fct_reviews"`
    """
    from cli import embedded_postgres

    settings = Settings()
    address = urlsplit(settings.owner_url() if role == "owner" else settings.role_url(role))
    program = str(embedded_postgres.binary("psql"))
    place = ["-h", address.hostname, "-p", str(address.port or 5432), "-U", unquote(address.username)]
    os.execve(
        program,
        [program, *place, "-d", address.path.lstrip("/"), *context.args],
        os.environ | {"PGPASSWORD": unquote(address.password or "")},
    )


@app.command("sql")
def sql_command(
    query: Annotated[str, typer.Argument(help="One statement.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
) -> None:
    """Ask the warehouse one question as the analyst, who may only read.

    Example: `maeari sql "select source, count(*) from marts.fct_reviews group by 1" --csv`
    """
    import psycopg2

    from maeari.postgres import connect

    with connect("analyst") as connection, connection.cursor() as cursor:
        try:
            cursor.execute(query)
        except psycopg2.Error as error:
            raise StackError(f"Postgres refused the statement: {str(error).strip()}") from error
        columns = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall() if columns else []
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
        return
    table = Table(*columns)
    for row in rows[:MOST_ROWS_SHOWN]:
        table.add_row(*map(_shown, row))
    console.print(table)
    if len(rows) > MOST_ROWS_SHOWN:
        console.print(f"{MOST_ROWS_SHOWN} of {len(rows):,} rows; --csv prints all.")


def _shown(value: object) -> Text:
    """A value as plain text: crawled text may hold markup and codes that would command the terminal."""
    text = "" if value is None else str(value)
    return Text("".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text))


@app.command()
def doctor(
    repair: Annotated[bool, typer.Option(help="Also make MLflow follow ops where they differ.")] = False,
) -> None:
    """Say in plain words what is missing or wrong, and what to do.

    Example: `maeari doctor`
    """
    from cli.doctor import examine, repair_models

    if repair:
        repair_models()
    problems = examine()
    for problem in problems:
        console.print("[red]✗[/]" if problem.is_wrong else "[yellow]![/]", end=" ")
        console.print(f"{problem.seen}\n  → {problem.next_step}", markup=False, highlight=False, soft_wrap=True)
    if any(problem.is_wrong for problem in problems):
        raise typer.Exit(1)
    console.print("[green]✓[/] Nothing is wrong.")


def _start_supervisor(home: Path) -> subprocess.Popen:
    (home / "logs").mkdir(exist_ok=True)
    with (home / "logs" / "supervisor.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "cli.supervisor"],
            env=os.environ | {"MAEARI_HOME": str(home)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for_remnants(home: Path) -> None:
    """Wait while the guard of a killed supervisor still clears up."""
    from cli import supervisor

    deadline = time.monotonic() + DOWN_SECONDS
    while (pid := supervisor.holder(home)) is not None and not supervisor.is_alive(pid):
        if time.monotonic() > deadline:
            raise StackError("An earlier stack was killed and is not cleared away yet; run `maeari down`.")
        time.sleep(0.2)


def _follow_start(settings: Settings, child: subprocess.Popen | None) -> None:
    """Show the start part by part until all of it answers."""
    from cli import supervisor

    home = settings.path()
    expects_site = settings.path("demo", "world.json").exists()
    deadline = time.monotonic() + UP_SECONDS
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        whole = progress.add_task("Start the stack", total=1)
        lines = {}
        while time.monotonic() < deadline:
            # Looked at before the record is read, so that the record of an ended supervisor is its last.
            has_ended = child.poll() is not None if child else supervisor.holder(home) is None
            stack = supervisor.read_stack(home)
            if has_ended:
                raise StackError((stack and stack.failure) or _last_words(home))
            if stack is not None:
                progress.update(
                    whole, description=f"Start the stack: {stack.step}" if stack.step else "Start the stack"
                )
                for part in stack.parts:
                    if part.name not in lines:
                        lines[part.name] = progress.add_task(part.name, total=1)
                    progress.update(lines[part.name], completed=part.state == "ready")
                has_site = any(part.name == "demo-site" for part in stack.parts)
                is_ready = all(part.state == "ready" for part in stack.parts)
                if stack.phase == "up" and is_ready and (has_site or not expects_site) and _has_read_dags():
                    return
            time.sleep(0.2)
    raise StackError(f"The stack did not come up within {UP_SECONDS} seconds; look into {home / 'logs'}.")


def _has_read_dags() -> bool:
    """Whether Airflow knows every file of the DAG folder, as a DAG or as one that does not load."""
    from cli.airflow_setup import DAGS
    from maeari.airflow_client import AirflowClient

    client = AirflowClient("robot")
    errors = client.import_errors()
    known = {dag["dag_id"] for dag in client.dags()} | {Path(error["filename"]).stem for error in errors}
    return {file.stem for file in DAGS.glob("*.py")} <= known


def _last_words(home: Path) -> str:
    log = home / "logs" / "supervisor.log"
    return f"The supervisor ended. {log} says:\n{log.read_text(errors='replace')[-1500:]}"
