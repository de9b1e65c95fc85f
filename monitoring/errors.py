"""Errors of monitoring."""

from maeari.errors import MaeariError


class MonitoringError(MaeariError):
    """Base of everything that monitoring raises on purpose."""


class PolicyError(MonitoringError):
    """A policy is missing or says what cannot be."""


class NothingToWatch(MonitoringError):
    """A model has no live version, no predictions of its reference, or no such window."""
