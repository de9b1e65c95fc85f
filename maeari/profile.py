"""What a table of the warehouse holds: its columns' meaning, distributions, outliers, correlations, change over time.

Counts, missing values, minima and maxima are exact, by SQL, up to `EXACT_ROWS`. Everything else comes from a seeded
sample, which is the whole table where that is no larger. Text is read no further than its first characters.
"""

import difflib
import itertools
import json
import math
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from maeari.errors import MaeariError
from maeari.settings import Settings
from maeari.warehouse import manifest_path

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SCHEMAS = ("marts", "features")
EXACT_ROWS = 2_000_000
# The first of these that a table has is its time; else its first date or timestamp.
TIME_COLUMNS = ("as_of_on", "occurred_at", "written_at", "published_at", "event_at", "week_start_on", "fetched_at")
MONTHS_SHOWN = 240
# Texts are told apart by this many characters, measured up to the second, shown up to the third.
COMPARED_CHARACTERS, MEASURED_CHARACTERS, SHOWN_CHARACTERS = 200, 2_000, 80
FEW_VALUES = 12
TOP_VALUES = 5
RANGES = 20
OUTLIER_RANGES = 3.0
"""A number is an outlier when it lies more than so many interquartile ranges outside the quartiles."""
QUANTILES = {"p01": 0.01, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p99": 0.99}
CORRELATED_COLUMNS = 30
CORRELATED_ROWS = 5_000
FEWEST_CORRELATED = 10
LARGEST = 1e300
"""Beyond it a number counts as not finite: sums of squares would overflow."""
LARGEST_COUNTED = 1e15
"""Up to it whole numbers are shown whole, each digit true."""

Kind = Literal["number", "boolean", "time", "text"]
_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "time"),
    "bool": "boolean",
}
_INTEGERS = ("int2", "int4", "int8")
# Controls, marks that reorder a line, lone surrogates, separators of lines and paragraphs.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_BOUNDS = sql.SQL(" between {} and {}").format(sql.Literal(-LARGEST), sql.Literal(LARGEST))


class UnknownTable(MaeariError):
    """No table of marts or features that this role may read has the name."""


@dataclass(frozen=True)
class Table:
    """One table of marts or features; `rows` is the planner's guess unless `is_exact`."""

    schema: str
    name: str
    description: str
    rows: int
    is_exact: bool
    built_at: datetime | None = None
    newest: str | None = None

    @property
    def full_name(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Column:
    """One column as the catalogue and dbt describe it."""

    name: str
    type: str
    kind: Kind
    description: str
    unit: str
    source: str
    base_type: str = field(repr=False)


@dataclass(frozen=True)
class Bar:
    """One value or range, and how many rows of the sample hold it."""

    label: str
    rows: int
    share: float


@dataclass(frozen=True)
class Histogram:
    """Bars over values, over ranges of equal width with a tail at either end, or over the lengths of texts."""

    over: Literal["values", "ranges", "lengths"]
    bars: list[Bar]


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds; figures are None where the kind of column has none."""

    name: str
    type: str
    kind: Kind
    description: str
    unit: str
    source: str
    missing: int
    missing_share: float
    distinct: int
    distinct_is_exact: bool
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    not_finite: int = 0
    mean: float | None = None
    sd: float | None = None
    quantiles: dict[str, float | str] | None = None
    outliers: int | None = None
    outlier_share: float | None = None
    outlier_limits: tuple[float, float] | None = None
    histogram: Histogram | None = None
    top_values: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Month:
    """How many rows a month has, and the median of each numeric column in the sample's rows of it."""

    month: str
    rows: int
    medians: dict[str, float]


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of two columns over the sampled rows that have both."""

    first: str
    second: str
    spearman: float
    rows: int


@dataclass(frozen=True)
class TableProfile:
    """What a table holds; `rows` and everything of SQL are estimates unless `is_exact`."""

    schema: str
    table: str
    description: str
    rows: int
    is_exact: bool
    sampled_rows: int
    seed: int
    time_column: str | None
    columns: list[ColumnProfile]
    months: list[Month]
    correlations: list[Correlation]


def visible(text: str, longest: int = SHOWN_CHARACTERS) -> str:
    """The text, bounded, with characters that are not seen or that reorder a line told as `\\x1b`."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(ascii(sign)[1:-1] if unicodedata.category(sign) in _UNSEEN else sign for sign in shown)


def plain(number: float) -> str:
    """A number as people read it: whole and large ones whole, others to five digits."""
    is_whole = number == math.floor(number) or abs(number) >= 10_000
    return _whole(number) if is_whole and abs(number) < LARGEST_COUNTED else f"{number:,.5g}"


def list_tables(connection: Connection) -> list[Table]:
    """The tables of marts and features that the connection's role may read, with their rows and how new they are."""
    with connection.cursor() as cursor:
        _set_up(cursor, "10s")
        return [_entry(cursor, schema, name, comment) for schema, name, comment in _catalogue(cursor)]


def find_table(connection: Connection, name: str) -> tuple[str, str]:
    """Schema and name of a table given as `schema.name` or as its name alone; raises UnknownTable."""
    with connection.cursor() as cursor:
        known = {f"{schema}.{table}": (schema, table) for schema, table, _ in _catalogue(cursor)}
    matches = [full for full, (_, table) in known.items() if name in (full, table)]
    if len(matches) == 1:
        return known[matches[0]]
    asked = visible(name)
    if matches:
        raise UnknownTable(f"“{asked}” may be {' or '.join(matches)}; give the schema too.")
    near = {full: max(_likeness(name, full), _likeness(name, table)) for full, (_, table) in known.items()}
    nearest = [visible(full) for full in sorted(near, key=near.get, reverse=True) if near[full] >= 0.5][:3]
    if nearest:
        advice = f"Near it: {', '.join(nearest)}. `maeari explore` lists them all."
    elif known:
        advice = "`maeari explore` lists them all."
    else:
        advice = "There is none yet: `maeari build` makes them from what was landed."
    raise UnknownTable(f"No table “{asked}” in {' or '.join(SCHEMAS)} that this role may read. {advice}")


def describe_columns(connection: Connection, schema: str, table: str) -> list[Column]:
    """The columns that the connection's role may read, in order: meaning from Postgres, unit and source from dbt."""
    with connection.cursor() as cursor:
        return _columns(cursor, schema, table)


def profile_table(
    connection: Connection,
    schema: str,
    table: str,
    *,
    sample_rows: int = 20_000,
    seed: int = 0,
    timeout: str = "10s",
) -> TableProfile:
    """What a table of marts or features holds, as far as the connection's role may read it; raises UnknownTable.

    `timeout` bounds each statement; it and the time zone hold until the transaction ends.
    """
    schema, table = find_table(connection, f"{schema}.{table}")
    with connection.cursor() as cursor:
        _set_up(cursor, timeout)
        columns = _columns(cursor, schema, table)
        relation = sql.Identifier(schema, table)
        rows = _about(cursor, relation)
        is_exact = rows <= EXACT_ROWS
        aggregates = {}
        if is_exact:
            rows, aggregates = _aggregate(cursor, relation, columns)
        sample = _sample(cursor, relation, columns, rows, sample_rows, seed)
        is_whole = is_exact and len(sample) == rows
        time_column = _time_column(columns)
        months = _months(cursor, relation, columns, time_column, sample, rows, is_exact)
        description = next((text for *name, text in _catalogue(cursor) if name == [schema, table]), "")
    return TableProfile(
        schema=schema,
        table=table,
        description=description or _documented(schema, table).get("description", ""),
        rows=rows,
        is_exact=is_exact,
        sampled_rows=len(sample),
        seed=seed,
        time_column=time_column.name if time_column else None,
        columns=[
            _profile_column(column, number, sample, rows, aggregates.get(column.name), is_whole)
            for number, column in enumerate(columns)
        ],
        months=months,
        correlations=_correlations(columns, sample, seed),
    )


def _set_up(cursor: Cursor, timeout: str) -> None:
    cursor.execute(
        "select set_config('statement_timeout', %s, true), set_config('timezone', %s, true)",
        (timeout, Settings().timezone),
    )


def _catalogue(cursor: Cursor) -> list[tuple[str, str, str]]:
    """Schema, name and comment of every table that may be read."""
    return _rows(
        cursor,
        sql.SQL(
            """
            select n.nspname, c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ({}) and c.relkind in ('r', 'p', 'm') and not c.relispartition
              and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
            order by n.nspname desc, c.relname
            """
        ).format(sql.SQL(", ").join(map(sql.Literal, SCHEMAS))),
    )


def _columns(cursor: Cursor, schema: str, table: str) -> list[Column]:
    documented = _documented(schema, table).get("columns", {})
    found = _rows(
        cursor,
        sql.SQL(
            """
            select a.attname, format_type(a.atttypid, a.atttypmod), t.typname,
                coalesce(col_description(c.oid, a.attnum), '')
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            join pg_type t on t.oid = a.atttypid
            where n.nspname = {} and c.relname = {} and has_column_privilege(c.oid, a.attnum, 'select')
            order by a.attnum
            """
        ).format(sql.Literal(schema), sql.Literal(table)),
    )
    return [
        Column(
            name=name,
            type=type_name,
            kind=_KINDS.get(base_type, "text"),
            description=comment or documented.get(name, {}).get("description", ""),
            unit=documented.get(name, {}).get("unit", ""),
            source=documented.get(name, {}).get("source", ""),
            base_type=base_type,
        )
        for name, type_name, base_type, comment in found
    ]


def _documented(schema: str, table: str) -> dict:
    """What dbt's manifest says of a table: its description, and its columns with their units and sources."""
    file = manifest_path()
    return _manifest(file, file.stat().st_mtime_ns).get(f"{schema}.{table}", {}) if file.is_file() else {}


@lru_cache(maxsize=2)
def _manifest(file: Path, written: int) -> dict[str, dict]:
    try:
        nodes = json.loads(file.read_text())["nodes"].values()
    except json.JSONDecodeError:
        # It is being written anew; the next look has another time of writing.
        return {}
    tables = {}
    for node in nodes:
        if node["resource_type"] == "model":
            tables[f"{node['schema']}.{node['alias']}"] = {
                "description": node.get("description", "").strip(),
                "columns": {
                    name: {"description": column.get("description", "").strip(), **_meta(column)}
                    for name, column in node["columns"].items()
                },
            }
    return tables


def _meta(column: dict) -> dict[str, str]:
    meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
    return {key: str(meta[key]) for key in ("unit", "source") if meta.get(key, "none") != "none"}


def _entry(cursor: Cursor, schema: str, name: str, comment: str) -> Table:
    relation = sql.Identifier(schema, name)
    columns = _columns(cursor, schema, name)
    rows = _about(cursor, relation)
    is_exact = rows <= EXACT_ROWS
    built_at = newest = None
    if is_exact:
        time = _time_column(columns)
        is_stamped = any(column.name == "built_at" and column.base_type == "timestamptz" for column in columns)
        newest_of = sql.SQL("(max({0}) filter (where isfinite({0})))")
        statement = sql.SQL("select count(*), {}, {}::date::text from {}").format(
            newest_of.format(sql.Identifier("built_at")) if is_stamped else sql.NULL,
            newest_of.format(_name(time)) if time else sql.NULL,
            relation,
        )
        ((rows, built_at, newest),) = _rows(cursor, statement)
    description = comment or _documented(schema, name).get("description", "")
    return Table(schema, name, description, rows, is_exact, built_at, newest)


def _about(cursor: Cursor, relation: sql.Identifier) -> int:
    """The planner's estimate, which reads no row; of a table not analysed yet, which it knows badly, a count."""
    statement = "select reltuples >= 0 from pg_class where oid = {}::regclass"
    ((is_analysed,),) = _rows(cursor, sql.SQL(statement).format(sql.Literal(relation.as_string(cursor))))
    if not is_analysed:
        return _count(cursor, relation)
    ((plan,),) = _rows(cursor, sql.SQL("explain (format json) select from {}").format(relation))
    return int(plan[0]["Plan"]["Plan Rows"])


def _count(cursor: Cursor, relation: sql.Identifier) -> int:
    ((rows,),) = _rows(cursor, sql.SQL("select count(*) from {}").format(relation))
    return rows


def _aggregate(cursor: Cursor, relation: sql.Identifier, columns: list[Column]) -> tuple[int, dict[str, tuple]]:
    """The count of rows, and of each column the count of values, the smallest and the largest."""
    found = _extremes(cursor, relation, columns, is_bounded=False)
    unbounded = [
        column
        for column, (_, *limits) in zip(columns, found[1:], strict=True)
        if column.kind in ("number", "time") and any(_is_endless(column, limit) for limit in limits)
    ]
    aggregates = {column.name: values for column, values in zip(columns, found[1:], strict=True)}
    if unbounded:
        for column, (_, *limits) in zip(
            unbounded, _extremes(cursor, relation, unbounded, is_bounded=True)[1:], strict=True
        ):
            aggregates[column.name] = (aggregates[column.name][0], *limits)
    return found[0][0], aggregates


def _extremes(cursor: Cursor, relation: sql.Identifier, columns: list[Column], is_bounded: bool) -> list[tuple]:
    parts = [sql.SQL("count(*), null, null")]
    for column in columns:
        name = _name(column)
        if column.kind not in ("number", "time"):
            parts.append(sql.SQL("count({}), null, null").format(name))
            continue
        condition = sql.SQL("")
        if is_bounded:
            inside = sql.SQL("isfinite({})").format(name) if column.kind == "time" else name + _BOUNDS
            condition = sql.SQL(" filter (where {})").format(inside)
        parts.append(sql.SQL("count({0}), min({0}){1}::text, max({0}){1}::text").format(name, condition))
    (values,) = _rows(cursor, sql.SQL("select {} from {}").format(sql.SQL(", ").join(parts), relation))
    return [values[place : place + 3] for place in range(0, len(values), 3)]


def _is_endless(column: Column, limit: str | None) -> bool:
    if limit is None:
        return False
    return "infinity" in limit if column.kind == "time" else not abs(float(limit)) <= LARGEST


def _sample(
    cursor: Cursor, relation: sql.Identifier, columns: list[Column], rows: int, sample_rows: int, seed: int
) -> "pd.DataFrame":
    """Rows taken evenly from the table by the seed; columns are `v0`, `v1`…, lengths of texts `n0`, `n1`…

    Times are seconds since 1970 on the clock of the business zone; what is not finite is nan, what is missing None.
    """
    import pandas as pd

    expressions, names = [], []
    for number, column in enumerate(columns):
        name = _name(column)
        names.append(f"v{number}")
        if column.base_type in _INTEGERS:
            expressions.append(sql.SQL("{}::float8").format(name))
        elif column.kind == "number":
            expressions.append(
                sql.SQL("case when {0}{1} then {0}::float8 when {0} is not null then 'NaN' end").format(name, _BOUNDS)
            )
        elif column.kind == "time":
            expressions.append(
                sql.SQL(
                    "case when isfinite({0}) then extract(epoch from {0}::timestamp)::float8 "
                    "when {0} is not null then 'NaN' end"
                ).format(name)
            )
        elif column.kind == "boolean":
            expressions.append(name)
        else:
            text = name if column.base_type in ("text", "varchar", "bpchar") else sql.SQL("{}::text").format(name)
            expressions.append(sql.SQL("left({}, {})").format(text, sql.Literal(COMPARED_CHARACTERS)))
            expressions.append(sql.SQL("char_length(left({}, {}))").format(text, sql.Literal(MEASURED_CHARACTERS)))
            names.append(f"n{number}")
    taken = sql.SQL("")
    if rows > sample_rows:
        taken = sql.SQL(" tablesample bernoulli ({}) repeatable ({})").format(
            sql.Literal(100 * sample_rows / rows), sql.Literal(seed)
        )
    statement = sql.SQL("select true, {} from {}{} limit {}").format(
        sql.SQL(", ").join(expressions or [sql.SQL("null")]),
        relation,
        taken,
        # Far above what is expected; a bound all the same.
        sql.Literal(sample_rows + sample_rows // 5 + 100),
    )
    found = _rows(cursor, statement)
    return pd.DataFrame(
        {name: pd.Series([row[place] for row in found], dtype=object) for place, name in enumerate(names, start=1)},
        index=range(len(found)),
    )


def _profile_column(
    column: Column, number: int, sample: "pd.DataFrame", rows: int, aggregate: tuple | None, is_whole: bool
) -> ColumnProfile:
    values = sample[f"v{number}"]
    given = values[[value is not None for value in values]]
    known = aggregate[0] if aggregate else round(rows * len(given) / max(1, len(values)))
    missing = rows - known
    if column.kind in ("number", "time"):
        given = given.astype(float)
    counts = given.value_counts()
    if column.kind in ("number", "time"):
        figures = _figures(column, given.to_numpy(), counts, aggregate)
    elif column.kind == "boolean":
        figures = {"histogram": Histogram("values", _bars(counts.sort_index().items(), len(given)))}
    else:
        figures = _text_figures(counts, sample.loc[given.index, f"n{number}"].to_numpy(float))
    return ColumnProfile(
        name=column.name,
        type=column.type,
        kind=column.kind,
        description=column.description,
        unit=column.unit,
        source=column.source,
        missing=missing,
        missing_share=missing / rows if rows else 0.0,
        distinct=len(counts) if is_whole else _distinct(counts.to_numpy(), known),
        distinct_is_exact=is_whole,
        **figures,
    )


def _text_figures(counts: "pd.Series", lengths: "np.ndarray") -> dict[str, Any]:
    ranked = sorted(counts.items(), key=lambda found: (-found[1], found[0]))
    if len(ranked) <= FEW_VALUES:
        histogram = Histogram("values", _bars(ranked, len(lengths)))
    else:
        histogram = Histogram("lengths", _ranges(lengths, _whole))
    # Of keys, each of which is there once, none is on top.
    repeated = [(value, rows) for value, rows in ranked[:TOP_VALUES] if rows > 1]
    return {"histogram": histogram, "top_values": _bars(repeated, len(lengths))}


def _figures(column: Column, numbers: "np.ndarray", counts: "pd.Series", aggregate: tuple | None) -> dict[str, Any]:
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    figures: dict[str, Any] = {"not_finite": len(numbers) - len(finite)}
    if aggregate:
        _, low, high = aggregate
        figures |= {"minimum": _limit(column, low), "maximum": _limit(column, high)}
    if not len(finite):
        return figures
    say = _day if column.kind == "time" else plain
    typed = say if column.kind == "time" else float
    if not aggregate:
        figures |= {"minimum": typed(finite.min()), "maximum": typed(finite.max())}
    quantiles = dict(zip(QUANTILES, np.quantile(finite, list(QUANTILES.values())), strict=True))
    figures["quantiles"] = {name: typed(value) for name, value in quantiles.items()}
    if len(counts) <= FEW_VALUES:
        ordered = ((say(value), rows) for value, rows in counts.sort_index().items())
        figures["histogram"] = Histogram("values", _bars(ordered, len(finite)))
    else:
        figures["histogram"] = Histogram("ranges", _ranges(finite, say))
    if column.kind == "number":
        figures |= _moments(finite) | _outliers(finite, quantiles["p25"], quantiles["p75"])
    return figures


def _limit(column: Column, text: str | None) -> int | float | str | None:
    if text is None or _is_endless(column, text):
        return None
    if column.kind == "time":
        return text
    return int(text) if column.base_type in _INTEGERS else float(text)


def _moments(finite: "np.ndarray") -> dict[str, float | None]:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        sd = float(finite.std(ddof=1)) if len(finite) > 1 else math.nan
    return {"mean": float(finite.mean()), "sd": sd if math.isfinite(sd) else None}


def _outliers(finite: "np.ndarray", first: float, third: float) -> dict[str, Any]:
    """Nothing where half of the numbers are one: any other number would be an outlier."""
    width = third - first
    if width <= 0:
        return {}
    low, high = float(first - OUTLIER_RANGES * width), float(third + OUTLIER_RANGES * width)
    outside = int(((finite < low) | (finite > high)).sum())
    return {"outliers": outside, "outlier_share": outside / len(finite), "outlier_limits": (low, high)}


def _ranges(numbers: "np.ndarray", say: Callable[[float], str]) -> list[Bar]:
    """Ranges of equal width from the 1st to the 99th percentile, and a tail at either end where there is one."""
    import numpy as np

    low, high = np.quantile(numbers, [0.01, 0.99], method="nearest")
    if low == high:
        low, high = numbers.min(), numbers.max()
    if say is not _day and high - low < LARGEST_COUNTED and (numbers == np.floor(numbers)).all():
        # Ranges of unequal numbers of whole numbers would draw combs.
        step = math.ceil((high - low + 1) / RANGES)
        starts = np.arange(low, high + 1, step)
        edges = np.append(starts, starts[-1] + step)
        labels = [say(start) if step == 1 else f"{say(start)} to {say(start + step - 1)}" for start in starts]
        high = edges[-1] - 1
    else:
        edges = np.linspace(low, high, RANGES + 1)
        labels = [f"{say(start)} to {say(end)}" for start, end in itertools.pairwise(edges)]
    inner = numbers[(numbers >= low) & (numbers <= high)]
    counted = [int(count) for count in np.histogram(inner, edges)[0]]
    below, above = int((numbers < low).sum()), int((numbers > high).sum())
    bars = [(f"below {say(low)}", below)] * bool(below)
    bars += zip(labels, counted, strict=True)
    bars += [(f"above {say(high)}", above)] * bool(above)
    return [Bar(label, count, count / len(numbers)) for label, count in bars]


def _bars(counts: Iterable[tuple[Any, int]], rows: int) -> list[Bar]:
    return [Bar(visible(str(value)), int(count), int(count) / rows) for value, count in counts]


def _distinct(counts: "np.ndarray", rows: int) -> int:
    """How many different values `rows` hold, of which a sample has shown each as often as `counts` says.

    The estimator Duj1 of Haas and Stokes (1998), as in Postgres' own statistics.
    """
    sampled, seen, once = int(counts.sum()), len(counts), int((counts == 1).sum())
    if not sampled or rows <= sampled:
        return seen
    return min(rows, max(seen, round(sampled * seen / (sampled - once + once * sampled / rows))))


def _time_column(columns: list[Column]) -> Column | None:
    times = {column.name: column for column in columns if column.kind == "time"}
    return next((times[name] for name in (*TIME_COLUMNS, *times) if name in times), None)


def _months(
    cursor: Cursor,
    relation: sql.Identifier,
    columns: list[Column],
    time: Column | None,
    sample: "pd.DataFrame",
    rows: int,
    is_exact: bool,
) -> list[Month]:
    import numpy as np

    if time is None:
        return []
    seconds = sample[f"v{columns.index(time)}"].astype(float)
    known = sample[np.isfinite(seconds)]
    months = seconds[known.index].to_numpy().astype("datetime64[s]").astype("datetime64[M]").astype(str)
    numeric = {f"v{number}": column.name for number, column in enumerate(columns) if column.kind == "number"}
    medians = known[list(numeric)].astype(float).groupby(months).median()
    if is_exact:
        counted = _rows(
            cursor,
            sql.SQL(
                """
                select to_char(month, 'YYYY-MM'), rows
                from (
                    select date_trunc('month', {0}::timestamp) as month, count(*) as rows from {1}
                    where isfinite({0}) group by 1 order by 1 desc limit {2}
                ) as newest
                order by month
                """
            ).format(_name(time), relation, sql.Literal(MONTHS_SHOWN)),
        )
    else:
        names, counts = np.unique(months, return_counts=True)
        counted = [(str(name), round(count * rows / len(sample))) for name, count in zip(names, counts, strict=True)]
    by_month = {
        month: {numeric[key]: value for key, value in row.items() if not math.isnan(value)}
        for month, row in medians.to_dict("index").items()
    }
    return [Month(month, count, by_month.get(month, {})) for month, count in counted[-MONTHS_SHOWN:]]


def _correlations(columns: list[Column], sample: "pd.DataFrame", seed: int) -> list[Correlation]:
    """The pairs of numeric and boolean columns, strongest first; a column of one value has none."""
    import numpy as np

    if len(sample) > CORRELATED_ROWS:
        sample = sample.sample(CORRELATED_ROWS, random_state=seed)
    numeric = {f"v{n}": column.name for n, column in enumerate(columns) if column.kind in ("number", "boolean")}
    frame = sample[list(numeric)].rename(columns=numeric).astype(float)
    frame = frame.loc[:, frame.nunique() > 1].iloc[:, :CORRELATED_COLUMNS]
    found = frame.corr(method="spearman", min_periods=FEWEST_CORRELATED).to_numpy()
    is_given = frame.notna().to_numpy(int)
    both = is_given.T @ is_given
    pairs = [
        Correlation(frame.columns[first], frame.columns[second], float(found[first, second]), int(both[first, second]))
        for first, second in itertools.combinations(range(frame.shape[1]), 2)
        if np.isfinite(found[first, second])
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.spearman))


def _name(column: Column) -> sql.Composable:
    return sql.Identifier(column.name)


def _rows(cursor: Cursor, statement: sql.Composable) -> list[tuple]:
    """The rows, in order; values stand in the statement as literals, since a name may hold a percent sign."""
    cursor.execute(statement)
    return cursor.fetchall()


def _likeness(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first.lower(), second.lower()).ratio()


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _day(seconds: float) -> str:
    import numpy as np

    return str(np.float64(seconds).astype("datetime64[s]").astype("datetime64[D]"))
