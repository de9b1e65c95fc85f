"""Alerts: one for each decline of a live model, to every configured channel, unless a known cause silences it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import httpx
from psycopg2.extensions import connection as Connection

from maeari import postgres
from maeari.settings import Settings
from maeari.text import one_line
from monitoring.errors import AlertNotSent, NotSilenced
from monitoring.windows import Window

LONGEST_LINE = 600
MOST_REASONS = 6
WEBHOOK_SECONDS = 15

_SENT_AT = {"mail": "mailed_at", "webhook": "posted_at"}


class Judged(NamedTuple):
    """A window as it was decided last."""

    window: Window
    version: int
    verdict: str
    reasons: tuple[str, ...]


class Decline(NamedTuple):
    """A decline of one version that lasts until now: its first window, and its newest."""

    first: Judged
    newest: Judged


class _Kept(NamedTuple):
    """An alert on record, and the channels that have taken it."""

    alert_id: int
    window: Window
    sent_by: set[str]


class Letter(NamedTuple):
    """What a channel sends: one line, and some lines below it."""

    subject: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """For a webhook of Slack's kind; nothing that stands in the data can mention anybody or hide an address."""
        lines = [line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in self.lines]
        # Outside Slack, a bare @channel would call everybody.
        return "\n".join([f"*{self.subject}*", *lines]).replace("@", "@\u200b")

    @property
    def html(self) -> str:
        """For a mail."""
        return "".join(f"<p>{escape(line)}</p>\n" for line in self.lines)


def current_decline(judged: Sequence[Judged], live_version: int | None) -> Decline | None:
    """The decline that the newest of some windows, oldest first, belongs to.

    Windows whose labels are pending are not looked at: what was decided last counts until they are. None unless the
    newest other window is called declined and its version is the live one (any is while none is on record). Windows
    that could not be decided do not end a decline, as they do not for the verdict.
    """
    judged = [one for one in judged if one.verdict != "labels_pending"]
    if not judged or judged[-1].verdict != "declined" or live_version not in (None, judged[-1].version):
        return None
    first = newest = judged[-1]
    for one in reversed(judged):
        if one.version != newest.version or one.verdict not in ("declined", "too_few_rows"):
            break
        if one.verdict == "declined":
            first = one
    return Decline(first, newest)


def is_due(decline: Decline, alerted: Sequence[Window], silenced_until: date | None, as_of: date) -> bool:
    """Whether a decline is to be told of: no window of it was told of, and no silence reaches `as_of`."""
    if silenced_until is not None and silenced_until >= as_of:
        return False
    return not any(_holds(decline, window) for window in alerted)


def letter(model: str, decline: Decline) -> Letter:
    """What is said of a decline; every line is one line, whatever stands in the data."""
    first, newest = decline
    since = "" if first.window == newest.window else f", since the window of {_range(first.window)}"
    name = one_line(model, LONGEST_LINE)
    address = f"{_address()}/maeari/models/{quote(model, safe='')}/windows/{newest.window.start}/{newest.window.end}"
    return Letter(
        f"Maeari: {name} version {newest.version} has declined",
        (
            f"Model {name}, version {newest.version}, window {_range(newest.window)}: declined{since}.",
            *(one_line(reason, LONGEST_LINE) for reason in newest.reasons[:MOST_REASONS]),
            f"The page: {address}",
            "What to do: read the page. Look at the crawls if it names the pipeline. If Airflow asks under Required "
            "Actions whether a newly trained version may go live, answer. If the version was bad from the start: "
            f"maeari rollback {name}. If the cause is known: maeari silence {name} --until DATE --reason …",
        ),
    )


def send_due(channels: Mapping[str, Callable[[Letter], None]], as_of: date) -> dict:
    """Send what is due by each given channel (`mail`, `webhook`) that has not taken it; returns what happened, as JSON.

    A decline is recorded in `monitoring.alerts` when it is first seen, and sent once by each channel. Raises
    `AlertNotSent` when a channel did not take one, after everything else has been tried: run it again, and only what is
    missing is sent. A silenced one is sent when the silence is over and the model has still declined.
    """
    found = {"sent": [], "silenced": [], "without_channel": []}
    problems = []
    with postgres.connect("monitor", autocommit=True) as connection, postgres.advisory_lock(connection, "alerts"):
        for model in _models(connection):
            decline = current_decline(_judged(connection, model), _live_version(connection, model))
            if decline is None:
                continue
            kept = _kept(connection, model, decline.newest.version)
            alert_id = _record(connection, model, decline, kept)
            silence_id, until = _silence(connection, model)
            told = {name: [one.window for one in kept if name in one.sent_by] for name in _SENT_AT}
            due = [name for name in channels if is_due(decline, told[name], until, as_of)]
            if due:
                failed = _send(connection, alert_id, {name: channels[name] for name in due}, letter(model, decline))
                found["sent"] += [{"model": model, "channel": name} for name in due if name not in failed]
                problems += [f"{model} by {name} ({problem})" for name, problem in failed.items()]
            elif is_due(decline, [*told["mail"], *told["webhook"]], None, as_of):
                is_silenced = until is not None and until >= as_of
                _update(connection, alert_id, silence_id=silence_id if is_silenced else None)
                found["silenced" if is_silenced else "without_channel"].append(model)
    if problems:
        raise AlertNotSent(
            f"Not sent: {'; '.join(problems)}. What was sent is not sent again; `maeari alerts` shows what is missing."
        )
    return found


def _send(connection: Connection, alert_id: int, channels: Mapping[str, Callable], message: Letter) -> dict[str, str]:
    """Send by each channel, keep what came of it, and return what went wrong by which."""
    failed = {}
    for name, send in channels.items():
        try:
            send(message)
        except Exception as error:  # Whatever one channel raises, the other must still be tried.
            problem = str(error) if isinstance(error, AlertNotSent) else f"{type(error).__name__}: {error}"
            failed[name] = one_line(problem, LONGEST_LINE)
        else:
            _update(connection, alert_id, **{_SENT_AT[name]: datetime.now(UTC)})
    problem = "; ".join(f"{name}: {problem}" for name, problem in failed.items()) or None
    _update(connection, alert_id, problem=problem, silence_id=None)
    return failed


def post(text: str) -> None:
    """Post a text to the address in MAEARI_ALERT_WEBHOOK; no log and no error holds the address, only its host."""
    # At its level INFO it writes down each whole address.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    secret = Settings().alert_webhook
    if secret is None:
        raise AlertNotSent("MAEARI_ALERT_WEBHOOK is not set.")
    host, problem = None, "is no address that can be posted to"
    # The original error may hold the address, so it is not kept.
    with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
        host = httpx.URL(secret.get_secret_value()).host
        problem = f"({host}) did not answer"
        response = httpx.post(secret.get_secret_value(), json={"text": text}, timeout=WEBHOOK_SECONDS)
        problem = None if response.is_success else f"({host}) answered with status {response.status_code}"
    if problem is not None:
        raise AlertNotSent(f"The webhook of MAEARI_ALERT_WEBHOOK {problem}.")


def recipients() -> list[str]:
    """Who gets alerts by mail; nobody unless it is set."""
    return [address for part in Settings().alert_mail_to.split(",") if (address := part.strip())]


def silence(model: str, until: date, reason: str, made_by: str) -> None:
    """Send no alert of the model up to the end of a day; its newest silence counts, so a past day ends one."""
    reason = one_line(reason, LONGEST_LINE)
    if not reason:
        raise NotSilenced(f"A silence of {model} needs its reason: add --reason “…”. It is shown beside the alerts.")
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        known = _models(connection)
        if model not in known:
            raise NotSilenced(
                f"No window of “{model}” has been judged; alerts there are of {', '.join(known) or 'no model yet'}."
            )
        cursor.execute(
            "insert into monitoring.silences (model, until_on, reason, made_by) values (%s, %s, %s, %s)",
            (model, until, reason, one_line(made_by, LONGEST_LINE)),
        )


def read_alerts() -> list[dict]:
    """Every alert with what silences it, newest first."""
    return _rows(
        "select a.*, s.until_on as silenced_until, s.reason as silenced_because, s.made_by as silenced_by"
        " from monitoring.alerts a left join monitoring.silences s using (silence_id) order by a.alert_id desc"
    )


def read_silences(as_of: date) -> list[dict]:
    """The silences that reach a day, one a model."""
    return _rows(
        "select * from (select distinct on (model) * from monitoring.silences order by model, silence_id desc) newest"
        " where until_on >= %s",
        as_of,
    )


def _rows(query: str, *parameters) -> list[dict]:
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _models(connection: Connection) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select distinct model from monitoring.verdicts order by model")
        return [model for (model,) in cursor.fetchall()]


def _judged(connection: Connection, model: str) -> list[Judged]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select window_start, window_end, model_version, verdict, reasons from monitoring.verdicts"
            " where model = %s order by window_end, window_start, model_version",
            (model,),
        )
        return [
            Judged(Window(start, end), version, verdict, tuple(map(str, reasons)))
            for start, end, version, verdict, reasons in cursor.fetchall()
        ]


def _live_version(connection: Connection, model: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("select version from ops.deployments where model = %s and live_to is null", (model,))
        row = cursor.fetchone()
        return row and row[0]


def _silence(connection: Connection, model: str) -> tuple[int | None, date | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select silence_id, until_on from monitoring.silences where model = %s order by silence_id desc limit 1",
            (model,),
        )
        return cursor.fetchone() or (None, None)


def _kept(connection: Connection, model: str, version: int) -> list[_Kept]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select alert_id, window_start, window_end, mailed_at, posted_at from monitoring.alerts"
            " where model = %s and model_version = %s order by alert_id",
            (model, version),
        )
        return [
            _Kept(alert_id, Window(start, end), {name for name, at in zip(_SENT_AT, sent_at, strict=True) if at})
            for alert_id, start, end, *sent_at in cursor.fetchall()
        ]


def _record(connection: Connection, model: str, decline: Decline, kept: list[_Kept]) -> int:
    """The alert of the decline: the one that any of its windows has, since its first may have been called later."""
    for one in kept:
        if _holds(decline, one.window):
            return one.alert_id
    first, newest = decline
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into monitoring.alerts (model, model_version, window_start, window_end, sentence)"
            " values (%s, %s, %s, %s, %s) returning alert_id",
            (model, newest.version, *first.window, one_line(newest.reasons[0], LONGEST_LINE) if newest.reasons else ""),
        )
        return cursor.fetchone()[0]


def _holds(decline: Decline, window: Window) -> bool:
    return decline.first.window.start <= window.start <= decline.newest.window.end


def _update(connection: Connection, alert_id: int, **values: object) -> None:
    columns = ", ".join(f"{name} = %s" for name in values)
    with connection.cursor() as cursor:
        cursor.execute(f"update monitoring.alerts set {columns} where alert_id = %s", (*values.values(), alert_id))  # noqa: S608


def _address() -> str:
    settings = Settings()
    base = settings.public_address or settings.airflow_url or f"http://127.0.0.1:{settings.ports().airflow}"
    return base.rstrip("/")


def _range(window: Window) -> str:
    return f"{window.start} to {window.end}"
