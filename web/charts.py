"""Geometry of the charts that templates draw as SVG: no script, readable without one, printable."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from maeari import clock
from web import render

SHARES = ("accuracy", "like_rate")
LEAST_STEP_OF_SHARES = 0.05
ESTIMATE_BESIDE = 4
"""How far right of a window's middle its estimate stands, so that neither hides the other."""


@dataclass(frozen=True)
class Point:
    """One window on a chart."""

    x: float
    y: float
    low: float
    high: float
    window: dict


@dataclass(frozen=True)
class Mark:
    """A labelled position on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """The main figure by window, realized and estimated, in the units of an SVG view box."""

    width: int
    height: int
    left: int
    bottom: int
    figure: str
    points: list[Point]
    lines: list[str]
    estimates: list[Point]
    estimate_lines: list[str]
    y_marks: list[Mark]
    x_marks: list[Mark]
    releases: list[Mark]
    reference: Mark | None


def timeline(windows: list[dict], deployments: list[dict], width: int, height: int = 280) -> Timeline | None:
    """The chart of a model's windows; None when no window has a figure."""
    measured = [window for window in windows if window["value"] is not None or window["expected"] is not None]
    if not measured:
        return None
    figure, reference = measured[-1]["figure"], measured[-1]["reference"]
    limits = ("value", "low", "high", "expected", "expected_low", "expected_high")
    known = [window[limit] for window in measured for limit in limits if window[limit] is not None]
    is_share = figure in SHARES
    ticks = _ticks(known if reference is None else [*known, reference], LEAST_STEP_OF_SHARES if is_share else 0)
    texts = [f"{100 * tick:.0f} %" if is_share else render.figure(tick) for tick in ticks]
    left, right, top, bottom = max(44, 14 + 7 * max(map(len, texts))), 16, 26, height - 30
    first, last = measured[0]["window_end"].toordinal(), measured[-1]["window_end"].toordinal()

    def x(day: date) -> float:
        share = 0.5 if last == first else (day.toordinal() - first) / (last - first)
        return round(left + 12 + share * (width - left - right - 24), 1)

    def y(value: float) -> float:
        return round(bottom - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - top), 1)

    def points(value: str, low: str, high: str, beside: float = 0) -> list[Point]:
        return [
            Point(
                x(window["window_end"]) + beside,
                y(window[value]),
                y(_or(window[low], window[value])),
                y(_or(window[high], window[value])),
                window,
            )
            for window in measured
            if window[value] is not None
        ]

    realized = points("value", "low", "high")
    estimates = points("expected", "expected_low", "expected_high", ESTIMATE_BESIDE)
    every = max(1, math.ceil(len(measured) / (width // 90)))
    return Timeline(
        width=width,
        height=height,
        left=left,
        bottom=bottom,
        figure=figure,
        points=realized,
        lines=_lines(realized),
        estimates=estimates,
        estimate_lines=_lines(estimates),
        y_marks=[Mark(y(tick), text) for tick, text in zip(ticks, texts, strict=True)],
        x_marks=[
            Mark(x(window["window_end"]), f"{window['window_end']:%y-%m-%d}")
            for window in measured[::-1][::every][::-1]
        ],
        releases=[
            Mark(max(left, x(day)), f"v{deployment['version']}")
            for deployment in deployments
            if (day := deployment["effective_from"].astimezone(clock.zone()).date()).toordinal() <= last
        ],
        reference=None if reference is None else Mark(y(reference), render.figure(reference, figure)),
    )


def _lines(points: list[Point]) -> list[str]:
    """A line through the points of each version."""
    versions = sorted({point.window["model_version"] for point in points})
    return [
        " ".join(f"{point.x},{point.y}" for point in points if point.window["model_version"] == version)
        for version in versions
    ]


def _ticks(known: list[float], least_step: float) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, around all that is known."""
    lowest, highest = min(known), max(known)
    wanted = (highest - lowest) / 5 or abs(highest) / 5 or 1.0
    power = 10 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * 0.999)
    step = max(step, least_step, abs(highest) * 1e-6)
    begin, end = math.floor(lowest / step), math.ceil(highest / step)
    if begin == end:
        begin, end = begin - 1, end + 1
    return [step * index for index in range(begin, end + 1)]


def sparkline(
    values: Iterable[float | None], width: int = 160, height: int = 36, least_spread: float = LEAST_STEP_OF_SHARES
) -> dict | None:
    """A small line of values, flat where they spread less than that; None with fewer than two that are known."""
    measured = [value for value in values if value is not None]
    if len(measured) < 2:
        return None
    lowest, spread = min(measured), max(max(measured) - min(measured), least_spread)
    points = [
        (
            round(3 + index * (width - 6) / (len(measured) - 1), 1),
            round(height - 4 - (value - lowest) / spread * (height - 8), 1),
        )
        for index, value in enumerate(measured)
    ]
    return {
        "width": width,
        "height": height,
        "line": " ".join(f"{x},{y}" for x, y in points),
        "end": points[-1],
        "first": measured[0],
        "last": measured[-1],
        "points": len(measured),
    }


def sparkline_of_windows(windows: list[dict]) -> dict | None:
    """The small line of a model's realized main figure."""
    values = [window["value"] for window in windows if window["value"] is not None]
    if not values or windows[-1]["figure"] in SHARES:
        return sparkline(values)
    return sparkline(values, least_spread=LEAST_STEP_OF_SHARES * max(values) or 1.0)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
