"""Watch released models: measure each window, decide, keep the verdicts, draw the pages."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from monitoring.policy import policies

__all__ = ["draw_report", "monitor", "policies"]


def monitor(name: str, as_of: date, progress: Callable[[int, int], None] = lambda done, of: None) -> dict:
    """Measure and decide every complete window of a policy up to `as_of`; a summary as JSON."""
    # Loads numba, which only the counting of rows needs.
    from monitoring import watch

    return watch.watch(name, as_of, progress)


def draw_report(name: str, day: date) -> Path:
    """Draw the page of the window that holds a day anew, whether or not it has ended, and return its file."""
    from monitoring import watch

    return watch.draw_report(name, day)
