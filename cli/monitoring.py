"""Commands that watch released models."""

import getpass
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cli.terminal import printable, when
from maeari import clock
from monitoring.errors import PolicyError

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
    policy: Annotated[str, typer.Argument(help="Name of a policy, such as sentiment; or check.")] = "sentiment",
    checked: Annotated[str | None, typer.Argument(help="After check: the policy that is checked.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Day until which windows must have ended, YYYY-MM-DD.")] = None,
) -> None:
    """Measure every complete window, decide on each, and draw the pages. Safe to repeat.

    `check` holds a policy against the database, and names all that does not fit.

    Example: `maeari monitor sentiment --as-of 2026-05-31`, or `maeari monitor check credit`
    """
    from monitoring import monitor

    day = clock.today(as_of)
    if policy == "check":
        _check(checked, day)
        return
    if checked is not None:
        raise PolicyError(f"One policy at a time: {policy} or {checked}. `maeari monitor check NAME` checks one.")
    with Progress(console=console, transient=True) as progress:
        line = progress.add_task(f"Watching {policy}", total=None)
        summary = monitor(policy, day, lambda done, of: progress.update(line, completed=done, total=of))
    windows = summary["windows"]
    if not windows:
        console.print(
            f"No window of {policy} is to be decided by {day}: none has ended since its first release, or since the "
            "days that it is held to."
        )
        return
    table = Table(title=f"{policy}, {len(windows)} windows up to {day}")
    for heading in ("Window", "Version", "Rows", "Verdict", "Why"):
        table.add_column(heading, justify="right" if heading in ("Version", "Rows") else "left")
    for window in windows:
        name = window["verdict"]
        verdict = f"[{STYLES[name]}]{MARKS[name]} {name}[/]"
        # A stable window needs no reason, others say all of theirs.
        why = "" if name == "stable" else printable("\n".join(window["reasons"]))
        table.add_row(
            f"{window['start']} … {window['end']}", str(window["version"]), f"{window['rows']:,}", verdict, Text(why)
        )
    console.print(table)
    asked = "asked for" if summary["retrain"] else "not asked for"
    console.print(f"Newest verdict: {summary['newest_verdict']}; retraining is {asked}.")


def _check(name: str | None, day: date) -> None:
    from monitoring import policies
    from monitoring.check import check

    if name is None:
        raise PolicyError(f"Say which policy is checked, `maeari monitor check NAME`: {', '.join(policies())}.")
    for sentence in check(name, day):
        console.print(Text(printable(sentence)))
    console.print(f"{name} fits: `maeari monitor {name}` watches it.")


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


@app.command()
def alerts() -> None:
    """List the declines that were told, by which channel and when, and what is silenced.

    Example: `maeari alerts`
    """
    from monitoring.alerts import read_alerts, read_silences

    found = read_alerts()
    if not found:
        console.print("No decline has been seen since alerts are kept.")
    for alert in found:
        told = [
            f"{name} {when(alert[at])}" for name, at in (("mail", "mailed_at"), ("webhook", "posted_at")) if alert[at]
        ]
        if alert["problem"]:
            told.append(f"failed: {alert['problem']}")
        if alert["silenced_until"] is not None:
            told.append(
                f"silenced until {alert['silenced_until']} by {alert['silenced_by']}: {alert['silenced_because']}"
            )
        lines = (
            f"{when(alert['raised_at'])}  {alert['model']} version {alert['model_version']}, "
            f"declined since the window of {alert['window_start']} to {alert['window_end']}",
            f"  {alert['sentence']}",
            f"  Told: {'; '.join(told) or 'nobody; set MAEARI_ALERT_MAIL_TO or MAEARI_ALERT_WEBHOOK'}",
        )
        console.print(Text(printable("\n".join(lines))))
    for one in read_silences(clock.today()):
        console.print(Text(printable(_silenced(one["model"], one["until_on"], one["made_by"], one["reason"]))))


@app.command()
def silence(
    model: Annotated[str, typer.Argument(help="Which model, such as sentiment.")],
    until: Annotated[str, typer.Option(help="The last silent day, YYYY-MM-DD; a past one ends a silence.")],
    reason: Annotated[str, typer.Option(help="The known cause; shown beside the alerts.")],
    by: Annotated[str | None, typer.Option(help="Who says so; your log-in to this machine without it.")] = None,
) -> None:
    """Send no alert of a model for a known cause, up to the end of a day; if it has still declined then, one is sent.

    Example: `maeari silence sentiment --until 2026-06-14 --reason "the shop's crawl is being mended"`
    """
    from monitoring.alerts import silence

    day, person = clock.parse_day(until), by or getpass.getuser()
    silence(model, day, reason, person)
    if day < clock.today():
        console.print(f"{model} is not silenced any longer.")
    else:
        console.print(Text(printable(_silenced(model, day, person, reason))))


def _silenced(model: str, until: date, by: str, reason: str) -> str:
    return f"{model} is silenced until {until} by {by}: {reason}"
