"""Commands that import events, books, and whose reviews are a customer's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.terminal import printable
from maeari import clock

app = typer.Typer()
imports = typer.Typer(
    name="import",
    help="Bring events, books, and the customers behind reviews into the warehouse.",
    no_args_is_help=True,
)
app.add_typer(imports)
console = Console()

LABELS = {
    "read": "lines read",
    "landed": "landed",
    "known": "known already",
    "repeated": "repeated in the file",
    "returns": "of the lines, returns",
    "without_customer": "of the lines, without a customer",
    "redacted": "values with personal data, hashed",
    "refused": "refused",
}

Files = Annotated[list[Path] | None, typer.Argument(help=".csv, .tsv, .jsonl (each also .gz) or .parquet.")]
Source = Annotated[str, typer.Option(help="The name that the source has in the warehouse.")]
Mapping = Annotated[Path | None, typer.Option("--mapping", help="A YAML file with a line field: expression a field.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--map", help="field=COLUMN, or a * b, a | b (the first not empty), =constant. Wins over --mapping."),
]
Delimiter = Annotated[str | None, typer.Option(help="Between the columns of a CSV; a comma unless given.")]
Encoding = Annotated[str | None, typer.Option(help="utf-8 unless given.")]
AsOf = Annotated[str | None, typer.Option(help="The day to work for, YYYY-MM-DD.")]


@imports.command()
def events(
    files: Files = None,
    source: Source = ...,
    mapping: Mapping = None,
    pairs: Pairs = None,
    query: Annotated[str | None, typer.Option(help="Import what this query on another Postgres answers.")] = None,
    from_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds that Postgres's address.")
    ] = None,
    complete_until: Annotated[
        str | None, typer.Option(help="The last day that is complete, YYYY-MM-DD, or: newest.")
    ] = None,
    final: Annotated[bool, typer.Option("--final", help="The source has ended: nothing more will come.")] = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    date_format: Annotated[str | None, typer.Option(help="As of strptime, such as '%d/%m/%Y %H:%M'.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Of times that name none; the business zone unless given.")
    ] = None,
    repeats: Annotated[
        Literal["drop", "keep"] | None, typer.Option(help="What happens to equal lines without an event id.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Import events from files, or by a query on another Postgres; nothing lands twice.

    Fields are event_id, customer_id, event_type (=purchase unless said), occurred_at, item_id, quantity and amount.

    Example: `maeari import events sales.csv --source my_shop --map customer_id="Customer ID" --map occurred_at=date
    --map item_id="code | name" --map amount="quantity * price"`

    Example: `maeari import events --query "select * from orders" --from-env SHOP_DATABASE_URL --source my_shop
    --mapping my_shop.yml`
    """
    from imports.load import load_events, load_query
    from imports.mapping import parse_pairs, read_mapping

    if bool(files) == bool(query):
        raise typer.BadParameter("give files, or a query by --query with --from-env")
    options = {
        "delimiter": delimiter,
        "encoding": encoding,
        "date_format": date_format,
        "timezone": timezone,
        "repeats": repeats,
        "complete_until": complete_until,
        "final": final or None,
    }
    read = read_mapping(mapping, "events", **parse_pairs(pairs or []), **options)
    day = clock.today(as_of)
    with _progress() as progress:
        if query:
            address = os.environ.get(from_env or "")
            if not address:
                raise typer.BadParameter(
                    f"{from_env or '--from-env'} holds no address; export it, such as postgresql://host/name, and name "
                    "the variable by --from-env"
                )
            summary = load_query(query, address, source, read, as_of=day, progress=progress)
        else:
            summary = load_events(files, source, read, as_of=day, progress=progress)
    _show(summary)


@imports.command()
def authors(
    file: Annotated[Path, typer.Argument(help=".csv, .tsv, .jsonl (each also .gz) or .parquet.")],
    source: Annotated[str, typer.Option(help="The source of the reviews, as in raw.reviews.")],
    mapping: Mapping = None,
    pairs: Pairs = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    as_of: AsOf = None,
) -> None:
    """Say which customer an author of reviews is; the names become keyed hashes and are not kept.

    Example: `maeari import authors members.csv --source my_reviews --map author=nickname --map customer_id=id`
    """
    from imports.load import load_authors
    from imports.mapping import parse_pairs, read_mapping

    options = {"delimiter": delimiter, "encoding": encoding}
    read = read_mapping(mapping, "authors", **parse_pairs(pairs or []), **options)
    with _progress() as progress:
        summary = load_authors([file], source, read, as_of=clock.today(as_of), progress=progress)
    _show(summary)


@imports.command()
def books(
    files: Annotated[list[Path], typer.Argument(help=".csv, .tsv, .jsonl (each also .gz) or .parquet.")],
    source: Source,
    mapping: Mapping = None,
    pairs: Pairs = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    date_format: Annotated[str | None, typer.Option(help="As of strptime, such as '%d/%m/%Y'.")] = None,
    as_of: AsOf = None,
) -> None:
    """Import the catalogue of a bookshop or a library; a book that has changed becomes a new version.

    Fields are book_id, title, author, description, subjects (parted by , ; or |), series, volume, edition_of, isbn,
    pages, published_on and url. Where reviews of the same books are crawled, name their source.

    Example: `maeari import books catalogue.csv --source my_books --map book_id=id --map title=title
    --map author="author | translator" --map subjects=genre`
    """
    from imports.load import load_books
    from imports.mapping import parse_pairs, read_mapping

    options = {"delimiter": delimiter, "encoding": encoding, "date_format": date_format}
    read = read_mapping(mapping, "books", **parse_pairs(pairs or []), **options)
    with _progress() as progress:
        summary = load_books(files, source, read, as_of=clock.today(as_of), progress=progress)
    _show(summary)


@imports.command()
def inbox(
    source: Annotated[str | None, typer.Argument(help="One source's folder; all of them unless given.")] = None,
    as_of: AsOf = None,
) -> None:
    """Import the files that lie in MAEARI_HOME/inbox/SOURCE/, as the DAG `import_events` does.

    Example: `maeari import inbox my_shop`
    """
    from imports.inbox import import_inbox

    loads = import_inbox(clock.today(as_of), source)["loads"]
    for summary in loads:
        _show(summary)
    if not loads:
        console.print("The inbox is empty.")


@contextmanager
def _progress() -> Iterator:
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        line = progress.add_task("", total=None)
        yield lambda done, total: progress.update(line, completed=done, total=total)


def _show(summary: dict) -> None:
    title = Text(printable(f"{summary['source']}: {', '.join(summary['files'])}"), overflow="fold")
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, label in LABELS.items():
        if name in summary:
            table.add_row(label, f"{summary[name]:,}")
    for reason, count in summary["refused_by_reason"].items():
        table.add_row(f"  {reason}", f"{count:,}")
    if summary["kind"] == "events":
        table.add_row("days", f"{summary['first_event_on']} to {summary['last_event_on']}")
        until = summary["complete_until"]
        table.add_row("complete until", "for ever" if until == "infinity" else until)
    console.print(table)
