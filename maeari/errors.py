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
    """Airflow answered a request with an error; `status` is None when it did not answer at all."""

    def __init__(self, status: int | None, detail: str):
        super().__init__(f"Airflow refused (status {status}): {detail}" if status else f"Airflow: {detail}")
        self.status = status
        self.detail = detail
