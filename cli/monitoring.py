"""Commands that watch released models."""

from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from maeari import clock

app = typer.Typer()
console = Console()

MARKS = {"stable": "✓", "drifted": "~", "declined": "✗", "too_few_rows": "·", "labels_pending": "…"}
STYLES = {
    "stable": "green",
    "drifted": "yellow",
    "declined": "bold red",
    "too_few_rows": "dim",
    "labels_pending": "dim",
}


@app.command()
def monitor(
    policy: Annotated[str, typer.Argument(help="Name of a policy, such as sentiment.")] = "sentiment",
    as_of: Annotated[str | None, typer.Option(help="Day until which windows must have ended, YYYY-MM-DD.")] = None,
) -> None:
    """Measure every complete window, decide on each, and draw the pages. Safe to repeat.

    Example: `maeari monitor sentiment --as-of 2026-05-31`
    """
    from monitoring import monitor

    day = clock.today(as_of)
    with Progress(console=console, transient=True) as progress:
        line = progress.add_task(f"Watching {policy}", total=None)
        summary = monitor(policy, day, lambda done, of: progress.update(line, completed=done, total=of))
    windows = summary["windows"]
    if not windows:
        console.print(f"No window of {policy} has ended since its first release; there is nothing to decide by {day}.")
        return
    table = Table(title=f"{policy}, {len(windows)} windows up to {day}")
    for heading in ("Window", "Version", "Reviews", "Verdict", "Why"):
        table.add_column(heading, justify="right" if heading in ("Version", "Reviews") else "left")
    for window in windows:
        name = window["verdict"]
        verdict = f"[{STYLES[name]}]{MARKS[name]} {name}[/]"
        # A stable window needs no reason, others say all of theirs.
        why = "" if name == "stable" else "\n".join(window["reasons"])
        table.add_row(
            f"{window['start']} … {window['end']}", str(window["version"]), f"{window['rows']:,}", verdict, why
        )
    console.print(table)
    asked = "asked for" if summary["retrain"] else "not asked for"
    console.print(f"Newest verdict: {summary['newest_verdict']}; retraining is {asked}.")


@app.command()
def report(
    policy: Annotated[str, typer.Argument(help="Name of a policy, such as sentiment.")] = "sentiment",
    window: Annotated[str | None, typer.Option(help="Any day of the window, YYYY-MM-DD; default: today.")] = None,
) -> None:
    """Draw the drift report of one window anew and print where it lies.

    Example: `maeari report sentiment --window 2026-03-09`
    """
    from monitoring import draw_report

    day: date = clock.today(window)
    typer.echo(draw_report(policy, day))
