"""Watch released models: measure each window, decide, keep the verdicts, draw the pages."""

from monitoring.policy import policies
from monitoring.watch import draw_report, monitor

__all__ = ["draw_report", "monitor", "policies"]
