"""The pages of tables: which there are, and what each holds, column by column. Nothing is kept between two answers."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse

from maeari import profile
from maeari.profile import Bar, ColumnProfile, TableProfile, visible
from web import figures, queries
from web.render import render

# Half of what a terminal reads: a page answers at once.
SAMPLE_ROWS = 10_000
PAIRS_SHOWN = 15
HEATMAP_COLUMNS = 8
BAR_WIDTH, BAR_HEIGHT = 9, 40

router = APIRouter()


@dataclass(frozen=True)
class Spark:
    """A bar of a small distribution, in the units of an SVG view box."""

    x: int
    y: float
    width: int
    height: float
    label: str
    share: float


@router.get("/tables")
def tables_page(request: Request) -> HTMLResponse:
    """Every table of marts and features, with what a row is, how many there are and how new they are."""
    with queries.reading() as cursor:
        tables = profile.list_tables(cursor.connection)
    return render(request, "tables.html", tables=tables, schemas=profile.SCHEMAS, visible=visible)


@router.get("/tables/{schema}/{table:path}")
def table_page(
    request: Request,
    schema: Literal["marts", "features"],
    table: Annotated[str, PathParameter(max_length=200)],
    column: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The dictionary of a table's columns with their distributions, and how the table changes over time."""
    with queries.reading() as cursor:
        try:
            found = profile.profile_table(cursor.connection, schema, table, sample_rows=SAMPLE_ROWS)
        except profile.UnknownTable as error:
            raise HTTPException(404) from error
    numeric = [one.name for one in found.columns if one.kind == "number" and one.quantiles]
    if column and column not in numeric:
        raise HTTPException(404)
    chosen = column or _most_telling(found, numeric)
    return render(
        request,
        "table.html",
        has_charts=True,
        found=found,
        numeric=numeric,
        chosen=chosen,
        months=_rows_by_month(found),
        medians=_medians(found, chosen) if chosen else None,
        heatmap=_heatmap(found),
        pairs=found.correlations[:PAIRS_SHOWN],
        sparks=_sparks,
        shown=_shown,
        visible=visible,
        outlier_ranges=profile.OUTLIER_RANGES,
        compared=profile.COMPARED_CHARACTERS,
        measured=profile.MEASURED_CHARACTERS,
    )


def _most_telling(found: TableProfile, numeric: list[str]) -> str:
    """The first numeric column whose median changes from month to month, else the first."""
    for name in numeric:
        if len({month.medians[name] for month in found.months if name in month.medians}) > 1:
            return name
    return numeric[0] if numeric else ""


def _rows_by_month(found: TableProfile) -> dict | None:
    if not found.months:
        return None
    return figures.bars(
        [month.month for month in found.months],
        {"Rows": [month.rows for month in found.months]},
        label_title="Month",
        value_title="Rows",
        value_format=",.0f",
        x_type="date",
    )


def _medians(found: TableProfile, column: str) -> dict | None:
    months = [month for month in found.months if column in month.medians]
    if not months:
        return None
    name = visible(column)
    return figures.lines(
        [month.month for month in months],
        {name: [month.medians[column] for month in months]},
        x_title="Month",
        y_title=f"Median of {name}",
        x_type="date",
    )


def _heatmap(found: TableProfile) -> dict | None:
    """The columns of the strongest correlations, in the order of the table."""
    strongest = dict.fromkeys(name for pair in found.correlations for name in (pair.first, pair.second))
    chosen = set(list(strongest)[:HEATMAP_COLUMNS])
    names = [column.name for column in found.columns if column.name in chosen]
    if len(names) < 3:
        return None
    known = {frozenset((pair.first, pair.second)): pair.spearman for pair in found.correlations}
    values = [[1.0 if row == name else known.get(frozenset((row, name))) for name in names] for row in names]
    labels = [visible(name) for name in names]
    return figures.heatmap(labels, labels, values, value_title="Spearman")


def _sparks(column: ColumnProfile) -> list[Spark]:
    bars: list[Bar] = column.histogram.bars if column.histogram else []
    highest = max((bar.rows for bar in bars), default=0)
    # A handful of bars stay bars, and twenty fit.
    width = max(BAR_WIDTH, min(24, 180 // max(1, len(bars))))
    sparks = []
    for place, bar in enumerate(bars):
        # The rarest is still seen.
        height = round(max(1.5, BAR_HEIGHT * bar.rows / highest), 1) if bar.rows else 0
        sparks.append(Spark(place * width, round(BAR_HEIGHT - height, 1), width - 1, height, bar.label, bar.share))
    return sparks


def _shown(value: float | str | None) -> str:
    """A limit of a column: numbers as people read them, moments to the minute."""
    if value is None:
        return "–"
    # The foot of the page names the zone.
    return visible(value[:16]) if isinstance(value, str) else profile.plain(value)
