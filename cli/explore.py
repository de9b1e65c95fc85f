"""The command that looks into a table: what its columns mean, how their values lie, what goes together."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal import printable

if TYPE_CHECKING:
    from maeari.profile import ColumnProfile, Histogram, TableProfile

app = typer.Typer()
console = Console()

PAIRS_SHOWN = 8
MONTHS_SHOWN = 24
# In a narrower terminal the meanings stand below the figures.
WIDE = 150
BLOCKS = "▁▂▃▄▅▆▇█"


@app.command()
def explore(
    table: Annotated[
        str | None, typer.Argument(help="A table of marts or features, such as marts.fct_reviews or fct_reviews.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Write the whole profile into this file as JSON.")] = None,
) -> None:
    """Show what a table holds: meaning, missing values, distributions, outliers, correlations, rows by month.

    Without a table, lists those there are. Reads as the role analyst, which may only read marts and features.

    Example: `maeari explore fct_reviews`
    """
    from maeari import postgres, profile

    with postgres.connect("analyst") as connection:
        if table is None:
            _list(profile.list_tables(connection))
            return
        with console.status(_plain(f"Looking into {table}")):
            found = profile.profile_table(connection, *profile.find_table(connection, table), timeout="60s")
    if to is not None:
        to.write_text(json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        console.print(_plain(f"Written: {to}"))
        return
    _show(found)


def _list(tables: list) -> None:
    if not tables:
        console.print("No table has been built yet: `maeari build` makes them from what was landed.")
        return
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    grid.add_column("Table", overflow="fold")
    grid.add_column("Rows", justify="right", no_wrap=True)
    grid.add_column("Newest row", no_wrap=True)
    grid.add_column("What it holds")
    for one in tables:
        rows = f"{'' if one.is_exact else '~'}{one.rows:,}"
        grid.add_row(_plain(one.full_name), rows, one.newest or "", _plain(one.description))
    console.print(grid)


def _show(found: "TableProfile") -> None:
    about = "" if found.is_exact else "about "
    console.print(_plain(f"{found.schema}.{found.table}", "bold"))
    if found.description:
        console.print(_plain(found.description))
    console.print(_plain(f"{about}{found.rows:,} rows; read evenly: {found.sampled_rows:,} (seed {found.seed})"))
    console.print()
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    is_wide = console.width >= WIDE
    grid.add_column("Column", overflow="fold", min_width=12)
    if is_wide:
        grid.add_column("Meaning", overflow="fold")
        grid.add_column("Unit")
    for heading in ("Missing", "Distinct"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for heading in ("Min", "Median", "Max"):
        grid.add_column(heading, justify="right", overflow="fold")
    grid.add_column("Values", no_wrap=True)
    grid.add_column("Outliers", justify="right", overflow="fold", min_width=8)
    for column in found.columns:
        grid.add_row(*_row(column, is_wide))
    console.print(grid)
    if not is_wide and any(column.description for column in found.columns):
        console.print()
        for column in found.columns:
            unit = f" (in {column.unit})" if column.unit else ""
            console.print(_plain(f"{column.name}{unit}: {column.description}"))
    if found.correlations:
        console.print()
        console.print("Strongest correlations (Spearman)", style="bold")
        for pair in found.correlations[:PAIRS_SHOWN]:
            console.print(_plain(f"{pair.spearman:+.2f}  {pair.first} and {pair.second} ({pair.rows:,} rows)"))
    if found.months:
        console.print()
        console.print(_plain(f"Rows by month of {found.time_column}", "bold"))
        shown = found.months[-MONTHS_SHOWN:]
        longest = max(month.rows for month in shown)
        for month in shown:
            console.print(_plain(f"{month.month}  {month.rows:>12,}  {'█' * round(24 * month.rows / longest)}"))


def _row(column: "ColumnProfile", is_wide: bool) -> list[Text]:
    median = column.quantiles["p50"] if column.quantiles else None
    cells = [
        column.name,
        *((column.description, column.unit) if is_wide else ()),
        f"{100 * column.missing_share:.1f} %" if column.missing else "",
        f"{'' if column.distinct_is_exact else '~'}{column.distinct:,}",
        *(_limit(value) for value in (column.minimum, median, column.maximum)),
        _sparkline(column.histogram, 24 if is_wide else 11),
        f"{column.outliers:,} ({100 * column.outlier_share:.1f} %)" if column.outliers else "",
    ]
    return [_plain(cell) for cell in cells]


def _limit(value: float | str | None) -> str:
    from maeari.profile import plain

    if value is None:
        return ""
    return value[:10] if isinstance(value, str) else plain(value)


def _sparkline(histogram: "Histogram | None", longest: int) -> str:
    rows = [bar.rows for bar in histogram.bars] if histogram else []
    if len(rows) > longest:
        rows = [sum(rows[place : place + 2]) for place in range(0, len(rows), 2)]
    highest = max(rows, default=0)
    return "".join(BLOCKS[(len(BLOCKS) * count - 1) // highest] if count else " " for count in rows)


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style)
