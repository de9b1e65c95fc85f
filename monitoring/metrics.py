"""The shape of every measured number."""

from typing import Literal, NamedTuple

from monitoring.windows import Window

ALL = "all"


class Metric(NamedTuple):
    """One number about one segment of one window, with its 95 % interval where it has one, and the rows it covers."""

    segment: str
    metric: str
    kind: Literal["drift", "estimated", "realized"]
    value: float | None
    low: float | None
    high: float | None
    rows: int


class Measured(NamedTuple):
    """Everything measured of one window under the version live at its end."""

    window: Window
    version: int
    metrics: tuple[Metric, ...]
