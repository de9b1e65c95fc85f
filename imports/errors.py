"""Errors of imports."""

from maeari.errors import MaeariError


class ImportRefused(MaeariError):
    """What was given cannot be imported as it is; nothing of it has landed."""
