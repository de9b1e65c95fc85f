"""Watch released models: measure each window, decide, keep the verdicts, draw the pages."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from monitoring import policy, tables, watch

__all__ = ["draw_report", "monitor", "policies"]


def policies() -> list[str]:
    """Names of all policies: of the sentiment model, and of tables of predictions."""
    return sorted({*policy.policies(), *tables.policies()})


def monitor(name: str, as_of: date, progress: Callable[[int, int], None] = lambda done, of: None) -> dict:
    """Measure and decide every complete window of a policy up to `as_of`; a summary as JSON."""
    if name in tables.policies():
        # Loads numba, which only the counting of tables needs.
        from monitoring.tables.watch import watch as watch_table

        return watch_table(name, as_of, progress)
    return watch.monitor(name, as_of, progress)


def draw_report(name: str, day: date) -> Path:
    """Draw the page of the window that holds a day anew, whether or not it has ended, and return its file."""
    if name in tables.policies():
        from monitoring.tables.watch import draw_report as draw_table_report

        return draw_table_report(name, day)
    return watch.draw_report(name, day)
