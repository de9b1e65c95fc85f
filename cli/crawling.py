"""Commands that bring records into the warehouse."""

from collections import Counter
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.terminal import printable
from maeari import clock
from maeari.errors import MaeariError

SHOWN_FAULTS = 5

app = typer.Typer()
console = Console()


@app.command()
def crawl(
    source: Annotated[str | None, typer.Argument(help="Name of a source, such as demo_cafes.")] = None,
    everything: Annotated[
        Literal["reviews", "articles"] | None, typer.Option("--all", help="Crawl all active sources of a kind.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="The day to work for, YYYY-MM-DD.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
) -> None:
    """Crawl one source, or all of a kind; nothing lands twice, and a crawl that was stopped goes on where it was.

    Example: `maeari crawl demo_cafes --limit 100`, or `maeari crawl --all reviews`
    """
    from crawlers.errors import CrawlFailed
    from crawlers.kinds import KINDS
    from crawlers.overview import states
    from crawlers.run import crawl as run_crawl
    from crawlers.sources import active_sources

    if (source is None) == (everything is None):
        raise typer.BadParameter("give a source's name, or --all reviews, or --all articles")
    names = [source] if source else active_sources(everything)
    if everything:
        for other in states():
            if other.kind in KINDS[everything] and other.name not in names:
                _say(f"{other.name} is skipped: {other.state}", "yellow")
    if not names:
        raise CrawlFailed(
            f"No source of {everything} can be crawled now. `make up` starts the demo site; "
            "`maeari source list` tells what each source waits for."
        )
    day = clock.today(as_of)
    failures: list[MaeariError] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for name in names:
            line = progress.add_task(f"{printable(name)}: starting", total=None)
            begun_with: list[int] = []

            def show(counts: dict, line=line, name=name, begun_with=begun_with) -> None:
                begun_with.append(counts["items"])
                progress.update(line, description=f"{name}: {_read(counts)}")

            try:
                summary = run_crawl(name, day, limit, show)
            except MaeariError as error:
                if everything:
                    _say(f"{name} failed", "red")
                failures.append(error)
            else:
                _say(f"{name}: {_outcome(summary, begun_with[0] if begun_with else 0)}")
            progress.remove_task(line)
    if failures:
        raise CrawlFailed("\n".join(map(str, failures)))


def _read(counts: dict) -> str:
    return f"{counts['items']:,} records on {counts['pages']:,} pages"


def _outcome(summary: dict, begun_with: int) -> str:
    line = f"{_read(summary)}: {summary['landed']:,} landed, {summary['duplicates']:,} known, "
    line += f"{summary['rejected']:,} refused"
    if begun_with:
        line += f"; went on from {begun_with:,} records"
    if faults := summary["stats"].get("faults"):
        most = Counter(faults).most_common(SHOWN_FAULTS)
        line += f". Faults: {', '.join(f'{fault} ({count:,})' for fault, count in most)}"
    # A crawl that stopped at a limit of its source's says so.
    return f"{line}. {summary['message']}" if summary["message"] else line


def _say(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style))
