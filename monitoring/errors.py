"""Errors of monitoring."""

from maeari.errors import MaeariError


class MonitoringError(MaeariError):
    """Base of everything that monitoring raises on purpose."""


class PolicyError(MonitoringError):
    """A policy is missing or says what cannot be."""


class NothingToWatch(MonitoringError):
    """A model has no live version, no predictions of its reference, or no such window."""


class BadRows(MonitoringError):
    """Predictions or labels hold what cannot be."""


class TimeWentBackwards(MonitoringError):
    """A day was asked for that lies before what is known already."""


class NotSilenced(MonitoringError):
    """A silence of a model that is not watched, or without a reason."""


class AlertNotSent(MonitoringError):
    """A channel did not take an alert."""
