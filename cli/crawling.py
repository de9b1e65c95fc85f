"""Commands that bring records into the warehouse."""

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from maeari import clock
from maeari.errors import MaeariError

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
    """Crawl one source, or all of a kind; nothing lands twice.

    Example: `maeari crawl demo_cafes --limit 100`, or `maeari crawl --all reviews`
    """
    from crawlers.errors import CrawlFailed
    from crawlers.run import crawl as run_crawl
    from crawlers.sources import active_sources

    if (source is None) == (everything is None):
        raise typer.BadParameter("give a source's name, or --all reviews, or --all articles")
    names = [source] if source else active_sources(everything)
    if not names:
        raise CrawlFailed(f"No source of {everything} can be crawled now. `make up` starts the demo site.")
    day = clock.today(as_of)
    failures: list[MaeariError] = []
    columns = (SpinnerColumn(finished_text=""), TextColumn("{task.description}"), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        for name in names:
            line = progress.add_task(name, total=1, counts="starting")
            try:
                summary = run_crawl(
                    name, day, limit, lambda counts, line=line: progress.update(line, counts=_counts(counts))
                )
            except MaeariError as error:
                progress.update(line, completed=1, counts="[red]failed[/]")
                failures.append(error)
            else:
                progress.update(line, completed=1, counts=_counts(summary))
    if failures:
        raise CrawlFailed("\n".join(map(str, failures)))


def _counts(counts: dict) -> str:
    line = f"{counts['items']:,} records on {counts['pages']:,} pages"
    if "landed" in counts:
        line += f": {counts['landed']:,} landed, {counts['duplicates']:,} known, {counts['rejected']:,} refused"
    return line
