"""Errors that Maeari raises on purpose: each says what was seen, what was wanted, and the next step."""


class MaeariError(Exception):
    """Base of every error whose message is meant for the person at the terminal."""


class SettingsError(MaeariError):
    """A setting is missing or contradicts another."""


class DatabaseUnavailable(MaeariError):
    """The warehouse cannot be reached."""


class StackError(MaeariError):
    """A part of the one-machine stack did not start, stop or answer."""


class AirflowRefused(MaeariError):
    """Airflow answered a request with an error."""
