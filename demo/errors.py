"""Errors of the demo."""

from maeari.errors import MaeariError


class DemoError(MaeariError):
    """The demo world or its website cannot be made as asked."""


class ReplayRefused(DemoError):
    """The review files to replay are missing or not in the expected form."""
