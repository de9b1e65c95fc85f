"""Watch any model's predictions: one policy names the table, daily sketches answer for any window."""

# Counting loads numba and scipy, which a list of policies does not need: its modules are imported by themselves.
from monitoring.tables.policy import TablePolicy, load, policies

__all__ = ["TablePolicy", "load", "policies"]
