"""Geometry of the charts that templates draw as SVG: no script, readable without one, printable."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from maeari import clock


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
    """Realized accuracy by window, in the units of an SVG view box."""

    width: int
    height: int
    left: int
    bottom: int
    points: list[Point]
    lines: list[str]
    y_marks: list[Mark]
    x_marks: list[Mark]
    releases: list[Mark]
    reference: Mark | None


def timeline(windows: list[dict], deployments: list[dict], width: int, height: int = 280) -> Timeline | None:
    """The chart of a model's windows; None when no window has a realized accuracy."""
    measured = [window for window in windows if window["accuracy"] is not None]
    if not measured:
        return None
    left, right, top, bottom = 44, 16, 26, height - 30
    first, last = measured[0]["window_end"].toordinal(), measured[-1]["window_end"].toordinal()
    reference = measured[-1]["reference"]
    shown = [limit for window in measured for limit in (window["low"], window["accuracy"], window["high"])]
    known = [limit for limit in (*shown, reference) if limit is not None]
    lowest, highest = math.floor(20 * min(known)) / 20, math.ceil(20 * max(known)) / 20
    if highest <= lowest:
        lowest, highest = lowest - 0.05, highest + 0.05

    def x(day: date) -> float:
        share = 0.5 if last == first else (day.toordinal() - first) / (last - first)
        return round(left + 12 + share * (width - left - right - 24), 1)

    def y(share: float) -> float:
        return round(bottom - (share - lowest) / (highest - lowest) * (bottom - top), 1)

    points = [
        Point(
            x(window["window_end"]),
            y(window["accuracy"]),
            y(_or(window["low"], window["accuracy"])),
            y(_or(window["high"], window["accuracy"])),
            window,
        )
        for window in measured
    ]
    versions = sorted({point.window["model_version"] for point in points})
    lines = [
        " ".join(f"{point.x},{point.y}" for point in points if point.window["model_version"] == version)
        for version in versions
    ]
    step = 0.05 if highest - lowest <= 0.31 else 0.1
    ticks = [lowest + step * index for index in range(round((highest - lowest) / step) + 1)]
    every = max(1, math.ceil(len(points) / (width // 90)))
    return Timeline(
        width=width,
        height=height,
        left=left,
        bottom=bottom,
        points=points,
        lines=lines,
        y_marks=[Mark(y(tick), f"{100 * tick:.0f} %") for tick in ticks],
        x_marks=[Mark(point.x, f"{point.window['window_end']:%y-%m-%d}") for point in points[::-1][::every][::-1]],
        releases=[
            Mark(max(left, x(day)), f"v{deployment['version']}")
            for deployment in deployments
            if (day := deployment["effective_from"].astimezone(clock.zone()).date()).toordinal() <= last
        ],
        reference=None if reference is None else Mark(y(reference), f"at release {100 * reference:.1f} %"),
    )


def sparkline(shares: Iterable[float | None], width: int = 160, height: int = 36) -> dict | None:
    """A small line of shares; None with fewer than two that are known."""
    measured = [share for share in shares if share is not None]
    if len(measured) < 2:
        return None
    lowest, spread = min(measured), max(max(measured) - min(measured), 0.05)
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


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
