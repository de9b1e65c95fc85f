"""Charts as Plotly figures: plain dicts that `static/charts.js` draws, and the same figures as a table.

Every text in a figure is taken for a stranger's: `block` escapes what Plotly would read as a tag.
"""

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from markupsafe import Markup

# Never told apart by colour alone; the colours are those of Okabe and Ito, in maeari.css.
COLOURS = [f"var(--chart-{number})" for number in range(1, 9)]
DASHES = ["solid", "dash", "dot", "dashdot", "longdash"]
MARKERS = ["circle", "square", "diamond", "triangle-up", "x"]
LONGEST_TEXT = 80
# The only tags that a hover text of ours may hold.
_HOVER_TAGS = re.compile(r"(<br>|<extra></extra>)")

Interval = tuple[float | None, float | None]


class Bubble(NamedTuple):
    """A point of `bubbles`: where it lies, how large it is, its look (a number from 0), its words and its link."""

    x: float
    y: float
    size: float
    look: int
    said: str
    link: str


def lines(
    x: Sequence,
    series: Mapping[str, Sequence[float | None]],
    *,
    x_title: str,
    y_title: str,
    intervals: Mapping[str, Sequence[Interval]] | None = None,
    x_format: str = "",
    y_format: str = "",
    x_type: str = "date",
    looks: Mapping[str, int] | None = None,
) -> dict:
    """A line per name over the same x, with error bars where intervals are given.

    `x_type` is Plotly's type of the axis; a format is d3's, such as ".1%", ".3f" or ",.0f". `looks` gives the names
    numbers from 0, each of which has a colour, dash and marker of its own; else they follow one another.
    """
    data = []
    for place, (name, values) in enumerate(series.items()):
        number = place if looks is None else looks[name]
        trace = {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(x),
            "y": list(values),
            "line": {"color": _nth(COLOURS, number), "dash": _nth(DASHES, number), "width": 2},
            "marker": {"symbol": _nth(MARKERS, number), "size": 8},
        }
        if intervals and name in intervals:
            trace["error_y"] = _errors(values, intervals[name], _nth(COLOURS, number))
        data.append(trace)
    return {
        "data": data,
        "layout": {
            "xaxis": {
                "title": {"text": x_title},
                "type": x_type,
                "tickformat": x_format,
                "hoverformat": "%Y-%m-%d" if x_type == "date" else "",
            },
            "yaxis": {"title": {"text": y_title}, "tickformat": y_format},
            "showlegend": len(data) > 1,
        },
    }


def bars(
    labels: Sequence,
    series: Mapping[str, Sequence[float | None]],
    *,
    label_title: str,
    value_title: str,
    intervals: Mapping[str, Sequence[Interval]] | None = None,
    value_format: str = "",
    horizontal: bool = False,
    x_type: str = "category",
) -> dict:
    """A group of bars per label; horizontal ones run from the top down and leave room for long labels."""
    value, label = ("x", "y") if horizontal else ("y", "x")
    data = []
    for number, (name, values) in enumerate(series.items()):
        trace = {
            "type": "bar",
            "name": name,
            "orientation": "h" if horizontal else "v",
            label: list(labels),
            value: list(values),
            "marker": {
                "color": _nth(COLOURS, number),
                "pattern": {"shape": _nth(["", "/", ".", "x", "-"], number), "solidity": 0.3},
            },
        }
        if intervals and name in intervals:
            trace[f"error_{value}"] = _errors(values, intervals[name], "var(--text)")
        data.append(trace)
    label_axis = {"title": {"text": label_title}, "type": x_type}
    if horizontal:
        label_axis |= {"autorange": "reversed"}
    return {
        "data": data,
        "layout": {
            f"{label}axis": label_axis,
            f"{value}axis": {"title": {"text": value_title}, "tickformat": value_format, "rangemode": "tozero"},
            "barmode": "group",
            "showlegend": len(data) > 1,
            "height": max(280, 110 + 26 * len(labels) * max(1, len(data))) if horizontal else 340,
        },
    }


def bubbles(names: Sequence[str], points: Sequence[Bubble], *, hover: str) -> dict:
    """A circle a point, its area as its size, its name beside it; the axes have no scale, only distances count.

    `hover` is said after the name, with `%{customdata[1]}` for a point's own words; a click follows the link of the
    element on the page whose id is the point's `link`.
    """
    largest = max((point.size for point in points), default=0) or 1
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [point.x for point in points],
                "y": [point.y for point in points],
                "text": list(names),
                "textposition": "bottom center",
                "customdata": [[point.link, point.said] for point in points],
                "marker": {
                    "size": [10 + 50 * math.sqrt(point.size / largest) for point in points],
                    "color": [_nth(COLOURS, point.look) for point in points],
                    "symbol": [_nth(MARKERS, point.look // len(COLOURS)) for point in points],
                    "opacity": 0.75,
                    "line": {"color": "var(--text)", "width": 1},
                },
                "hovertemplate": f"%{{text}}<br>{hover}<extra></extra>",
                "cliponaxis": False,
            }
        ],
        "layout": {
            "xaxis": {"visible": False, "range": _padded([point.x for point in points])},
            "yaxis": {"visible": False, "range": _padded([point.y for point in points]), "scaleanchor": "x"},
            "showlegend": False,
            "height": 480,
        },
    }


def _padded(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=-1.0), max(values, default=1.0)
    room = 0.2 * (high - low) or 1.0
    return [low - room, high + room]


def heatmap(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]], *, value_title: str
) -> dict:
    """Values between -1 and 1 by row and column, such as correlations; each cell also says its value."""
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(columns),
                "y": list(rows),
                "z": [list(row) for row in values],
                "zmin": -1,
                "zmax": 1,
                "colorscale": [[0, "var(--chart-2)"], [0.5, "var(--page)"], [1, "var(--chart-1)"]],
                "colorbar": {"title": {"text": value_title}, "thickness": 10},
                "texttemplate": "%{z:.2f}" if len(columns) <= 12 else "",
                "hovertemplate": "%{y}, %{x}: %{z:.2f}<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"type": "category"},
            "yaxis": {"type": "category", "autorange": "reversed"},
            "height": max(360, 180 + 26 * len(rows)),
        },
    }


def block(figure: dict) -> Markup:
    """The figure as JSON for a script element: nothing in it can end the element or become a tag in a label."""
    text = json.dumps(_inert(figure), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # Every character that HTML would read is escaped above.


def table(figure: dict) -> dict:
    """The figures of a chart as columns and rows of text, whatever the kind of its traces."""
    layout, data = figure["layout"], figure["data"]
    if data and data[0]["type"] == "heatmap":
        one = data[0]
        return {
            "columns": ["", *map(str, one["x"])],
            "rows": [
                [str(name), *(_number(cell, "") for cell in cells)]
                for name, cells in zip(one["y"], one["z"], strict=True)
            ],
        }
    is_horizontal = bool(data) and data[0].get("orientation") == "h"
    label, value = ("y", "x") if is_horizontal else ("x", "y")
    number_format = layout[f"{value}axis"].get("tickformat", "")
    label_format = layout[f"{label}axis"].get("tickformat", "")
    found: dict[Any, dict[str, str]] = {}
    for trace in data:
        errors = trace.get(f"error_{value}")
        for place, (name, number) in enumerate(zip(trace[label], trace[value], strict=True)):
            cell = _number(number, number_format)
            if errors and number is not None and errors["array"][place] is not None:
                low, high = number - errors["arrayminus"][place], number + errors["array"][place]
                cell += f" [{_number(low, number_format)}, {_number(high, number_format)}]"
            found.setdefault(name, {})[trace["name"]] = cell
    names = list(dict.fromkeys(trace["name"] for trace in data))
    titles = names if len(names) > 1 else [layout[f"{value}axis"]["title"]["text"]]
    return {
        "columns": [layout[f"{label}axis"]["title"]["text"], *titles],
        "rows": [
            [_number(key, label_format), *(cells.get(name, "–") for name in names)] for key, cells in found.items()
        ],
    }


def _nth(choices: list, number: int) -> Any:
    return choices[number % len(choices)]


def _errors(values: Sequence[float | None], intervals: Sequence[Interval], colour: str) -> dict:
    pairs = [
        (None, None) if None in (value, low, high) else (max(0.0, high - value), max(0.0, value - low))
        for value, (low, high) in zip(values, intervals, strict=True)
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [above for above, _ in pairs],
        "arrayminus": [below for _, below in pairs],
        "color": colour,
        "thickness": 1.5,
        "width": 3,
    }


def _number(value: Any, number_format: str) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool | str) or not isinstance(value, int | float | Decimal):
        return str(value)
    if number_format.endswith("%"):
        return f"{100 * value:.1f} %"
    if number_format:
        return format(value, number_format)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _inert(value: Any, name: str = "") -> Any:
    """JSON values alone, texts bounded and with the characters of Plotly's pseudo-HTML as entities."""
    if isinstance(value, Mapping):
        return {str(key): _inert(part, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_inert(part, name) for part in value]
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise TypeError(f"A figure holds {type(value).__name__} at {name!r}; it takes numbers, texts, dates and lists.")
    if name == "hovertemplate":
        return "".join(
            part if _HOVER_TAGS.fullmatch(part) else html.escape(part, quote=False) for part in _HOVER_TAGS.split(value)
        )
    shown = value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"
    return html.escape(shown, quote=False)
