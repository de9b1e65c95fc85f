"""Alerts through Airflow's notifiers, to a webhook and a mail server of our own on loopback."""

import email
import importlib.util
import json
import logging
import os
import socketserver
import threading
from datetime import UTC, date, datetime, timedelta
from email.policy import default as email_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from psycopg2.extras import Json
from typer.testing import CliRunner

from cli.airflow_setup import airflow_environment
from maeari import postgres
from maeari.errors import SettingsError
from maeari.settings import CHECKOUT, Settings
from monitoring import alerts
from monitoring.alerts import Decline, Judged, current_decline, is_due, letter
from monitoring.errors import AlertNotSent, NotSilenced
from monitoring.windows import Window

DAY = date(2026, 5, 31)
SECRET = "T000-s3cret"
FIRST = Window(date(2026, 5, 4), date(2026, 5, 10))
HOSTILE = "Inputs: <!channel> @here {{ 7 * 7 }} &\r\nBcc: all@shop.example\u202e <b>(강남)</b>."


def week(number: int) -> Window:
    start = FIRST.start + timedelta(weeks=number)
    return Window(start, start + timedelta(days=6))


class Hook(ThreadingHTTPServer):
    """Refuses as often as it is told to, then takes; keeps what it was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Take)
        self.refusals = 0
        self.asked = 0
        self.taken: list[str] = []


class _Take(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        is_refused = self.server.asked <= self.server.refusals
        if not is_refused:
            self.server.taken.append(body["text"])
        self.send_response(503 if is_refused else 200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """As much of SMTP as a mail needs; `letters` are the recipients and the parsed message."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Session)
        self.letters: list[tuple[list[str], email.message.EmailMessage]] = []


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self):
        self._say("220 loopback")
        to: list[str] = []
        while line := self.rfile.readline():
            match line.split(b" ")[0].strip().upper():
                case b"RCPT":
                    to.append(line.decode().partition("<")[2].partition(">")[0])
                    self._say("250 ok")
                case b"DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    self.server.letters.append((to, email.message_from_bytes(b"".join(lines), policy=email_policy)))
                    self._say("250 taken")
                case b"QUIT":
                    return self._say("221 bye")
                case _:
                    self._say("250 ok")

    def _say(self, answer: str):
        self.wfile.write(f"{answer}\r\n".encode())


@pytest.fixture(scope="session")
def dag_file(maeari_home, tmp_path_factory):
    """The DAG's module, as Airflow reads it."""
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    spec = importlib.util.spec_from_file_location("monitor_models", CHECKOUT / "dags" / "monitor_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def send(warehouse, dag_file, monkeypatch):
    """A function that does what the DAG's task does for a day."""
    monkeypatch.setenv("MAEARI_PUBLIC_ADDRESS", "https://airflow.shop.example/")
    return lambda day=DAY: alerts.send_due(dag_file.channels(), day)


@pytest.fixture
def hook(serve, monkeypatch):
    server = serve(Hook())
    monkeypatch.setenv("MAEARI_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/services/{SECRET}")
    return server


def connection_of(url: str, monkeypatch) -> str:
    """What Airflow is given for a MAEARI_SMTP_URL."""
    monkeypatch.setenv("MAEARI_SMTP_URL", url)
    monkeypatch.setenv("MAEARI_AIRFLOW_DATABASE_URL", "postgresql://nowhere/airflow")
    return airflow_environment(Settings())["AIRFLOW_CONN_SMTP_DEFAULT"]


@pytest.fixture
def mail_server(maeari_home, monkeypatch):
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MAEARI_ALERT_MAIL_TO", "data@shop.example, night@shop.example")
        url = f"smtp://127.0.0.1:{server.server_address[1]}?tls=no"
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection_of(url, monkeypatch))
        yield server
        server.shutdown()


def judge(*verdicts: str, model: str = "sentiment", version: int = 1, reasons: tuple[str, ...] = ("It is worse.",)):
    """Put verdicts of running weeks, oldest first, in place of all that the model had."""
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        cursor.execute("delete from monitoring.verdicts where model = %s", (model,))
        for number, verdict in enumerate(verdicts):
            cursor.execute(
                "insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons,"
                " rows) values (%s, %s, %s, %s, %s, %s, 900)",
                (model, version, *week(number), verdict, Json(reasons)),
            )


def kept() -> list[tuple]:
    return [
        (one["model"], one["model_version"], one["window_start"], bool(one["mailed_at"]), bool(one["posted_at"]))
        for one in reversed(alerts.read_alerts())
    ]


def judged(*verdicts: str, version: int = 1) -> list[Judged]:
    return [Judged(week(number), version, verdict, ("Why.",)) for number, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "first"),
    [
        ([], None),
        (["declined", "stable"], None),
        (["declined", "too_few_rows"], None),
        (["stable", "declined"], 1),
        (["declined", "stable", "declined", "declined"], 2),
        (["stable", "too_few_rows", "declined", "labels_pending", "declined"], 2),
        (["declined", "drifted", "declined"], 2),
        (["labels_pending"], None),
        (["declined", "stable", "labels_pending"], None),
    ],
)
def test_a_decline_lasts_from_its_first_window_to_the_newest(verdicts, first):
    windows = judged(*verdicts)
    found = current_decline(windows, 1)
    assert found == (None if first is None else Decline(windows[first], windows[-1]))


def test_labels_that_are_pending_leave_the_newest_decline_as_it_is():
    windows = judged("stable", "declined", "declined", "labels_pending", "labels_pending")
    assert current_decline(windows, 1) == Decline(windows[1], windows[2])


def test_only_the_live_version_declines_and_each_for_itself():
    windows = judged("declined", "declined")
    windows[1] = windows[1]._replace(version=2)
    assert current_decline(windows, 2) == Decline(windows[1], windows[1])
    assert current_decline(windows, 3) is None
    # Of a model that was trained elsewhere no release is on record.
    assert current_decline(windows, None) == Decline(windows[1], windows[1])


def test_a_decline_is_due_until_it_was_told_and_while_nothing_silences_it():
    decline = Decline(*judged("declined", "declined", "declined")[::2])
    assert is_due(decline, [], None, DAY)
    assert is_due(decline, [week(-1)], DAY - timedelta(days=1), DAY)
    assert not is_due(decline, [], DAY, DAY)
    assert not any(is_due(decline, [week(number)], None, DAY) for number in range(3))


def test_a_webhook_that_is_away_twice_gets_one_alert(send, hook, caplog):
    judge("stable", "declined")
    hook.refusals = 2
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        with pytest.raises(
            AlertNotSent, match=r"sentiment by webhook .*\(127.0.0.1\) answered with status 503"
        ) as error:
            send()
        assert SECRET not in str(error.value)
    assert "status 503" in alerts.read_alerts()[0]["problem"]
    assert send()["sent"] == [{"model": "sentiment", "channel": "webhook"}]
    assert send() == {"sent": [], "silenced": [], "without_channel": []}
    assert (hook.asked, len(hook.taken)) == (3, 1)
    assert kept() == [("sentiment", 1, week(1).start, False, True)]
    assert alerts.read_alerts()[0]["problem"] is None
    assert SECRET not in caplog.text


def test_an_alert_says_what_where_why_and_what_to_do_each_on_one_line(send, hook, mail_server):
    judge("stable", "declined", "declined", reasons=("Performance: accuracy 72.0%.", HOSTILE))
    assert {one["channel"] for one in send()["sent"]} == {"mail", "webhook"}
    (posted,) = hook.taken
    title, what, why, hostile, page, to_do = posted.splitlines()
    assert title == "*Maeari: sentiment version 1 has declined*"
    assert what == (
        "Model sentiment, version 1, window 2026-05-18 to 2026-05-24: declined, "
        "since the window of 2026-05-11 to 2026-05-17."
    )
    assert why == "Performance: accuracy 72.0%."
    assert hostile.startswith(
        "Inputs: &lt;!channel&gt; @\u200bhere {{ 7 * 7 }} &amp; Bcc: all@\u200bshop.example &lt;b"
    )
    assert "\u202e" not in posted
    assert page == ("The page: https://airflow.shop.example/maeari/models/sentiment/windows/2026-05-18/2026-05-24")
    assert "maeari rollback sentiment" in to_do
    ((to, mail),) = mail_server.letters
    assert to == ["data@shop.example", "night@shop.example"]
    assert mail["Subject"] == "Maeari: sentiment version 1 has declined"
    assert mail["From"] == "data@shop.example"
    assert mail["Bcc"] is None
    html = next(part for part in mail.walk() if part.get_content_type() == "text/html").get_content()
    assert "&lt;!channel&gt; @here {{ 7 * 7 }} &amp; Bcc: all@shop.example &lt;b&gt;(강남)&lt;/b&gt;." in html
    assert "windows/2026-05-18/2026-05-24" in html


def test_one_channel_that_is_away_does_not_hold_up_the_other_nor_tell_it_twice(send, hook, mail_server):
    judge("declined")
    hook.refusals = 1
    with pytest.raises(AlertNotSent, match="sentiment by webhook"):
        send()
    assert kept() == [("sentiment", 1, week(0).start, True, False)]
    send()
    assert kept() == [("sentiment", 1, week(0).start, True, True)]
    assert len(mail_server.letters) == len(hook.taken) == 1


def test_a_mail_server_that_is_away_is_named(send, monkeypatch):
    judge("declined")
    monkeypatch.setenv("MAEARI_ALERT_MAIL_TO", "data@shop.example")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://user:s3cret@127.0.0.1:9/?disable_ssl=true")
    with pytest.raises(AlertNotSent, match="sentiment by mail .*Connection refused") as error:
        send()
    assert "s3cret" not in str(error.value)


def test_a_decline_is_told_once_however_it_goes_on_and_the_next_one_again(send, hook):
    for verdicts in (
        ["stable", "stable", "declined"],
        ["stable", "stable", "declined", "declined"],
        ["stable", "declined", "declined", "declined"],  # Late labels moved its first window.
        ["stable", "declined", "declined", "too_few_rows"],
        ["stable", "declined", "declined", "too_few_rows", "declined"],
    ):
        judge(*verdicts)
        send()
        assert len(hook.taken) == 1
    judge("stable", "declined", "declined", "too_few_rows", "declined", "stable", "declined")
    send()
    assert kept() == [("sentiment", 1, week(2).start, False, True), ("sentiment", 1, week(6).start, False, True)]


def test_each_model_and_each_version_is_told_for_itself(send, hook):
    judge("declined")
    judge("declined", model="elsewhere")
    send()
    assert [text.splitlines()[0] for text in hook.taken] == [
        "*Maeari: elsewhere version 1 has declined*",
        "*Maeari: sentiment version 1 has declined*",
    ]
    judge("declined", version=2)
    send()
    assert "sentiment version 2" in hook.taken[2]
    send()
    assert len(hook.taken) == 3


def test_a_silenced_model_is_shown_and_told_when_the_silence_is_over_and_it_is_still_declined(send, hook):
    judge("stable", "declined")
    run = CliRunner()
    from cli.main import app

    said = run.invoke(
        app, ["silence", "sentiment", "--until", "2026-05-31", "--reason", "갭\nin the crawl", "--by", "유진"]
    )
    assert said.exit_code == 0, said.exception
    assert send(DAY)["silenced"] == ["sentiment"]
    assert hook.asked == 0
    listed = run.invoke(app, ["alerts"], env={"MAEARI_AS_OF": "2026-05-31", "COLUMNS": "300"}).output
    assert "silenced until 2026-05-31 by 유진: 갭 in the crawl" in listed
    assert "It is worse." in listed
    assert send(DAY + timedelta(days=1))["sent"]
    assert send(DAY + timedelta(days=1))["sent"] == []
    (alert,) = alerts.read_alerts()
    assert alert["silenced_until"] is None
    assert "is silenced" not in run.invoke(app, ["alerts"], env={"MAEARI_AS_OF": "2026-06-01"}).output


def test_a_silence_keeps_one_model_quiet_and_ends_early(send, hook):
    judge("declined")
    judge("declined", model="elsewhere")
    alerts.silence("sentiment", DAY, "known", "me")
    assert send() == {
        "sent": [{"model": "elsewhere", "channel": "webhook"}],
        "silenced": ["sentiment"],
        "without_channel": [],
    }
    alerts.silence("sentiment", DAY - timedelta(days=1), "mended", "me")
    assert send()["sent"] == [{"model": "sentiment", "channel": "webhook"}]


def test_a_silence_needs_a_reason_and_a_model_that_is_watched(warehouse):
    judge("stable")
    with pytest.raises(NotSilenced, match="needs its reason"):
        alerts.silence("sentiment", DAY, " \n", "me")
    with pytest.raises(NotSilenced, match="No window of “sentimnet” has been judged; alerts there are of sentiment"):
        alerts.silence("sentimnet", DAY, "known", "me")


def test_without_a_channel_a_decline_is_kept_and_told_once_there_is_one(send, request):
    judge("declined")
    assert send()["without_channel"] == ["sentiment"]
    assert kept() == [("sentiment", 1, week(0).start, False, False)]
    request.getfixturevalue("hook")
    assert send()["sent"]


def test_the_task_tries_for_an_hour_and_says_why_it_sent_nothing(warehouse, dag_file, hook, monkeypatch):
    from types import SimpleNamespace

    from airflow.sdk.exceptions import AirflowSkipException

    task = dag_file.monitor_models().get_task("alert")
    assert (task.retries, task.retry_delay, task.retry_exponential_backoff) == (6, timedelta(minutes=1), 2)
    assert task.trigger_rule == "all_done"
    run = SimpleNamespace(conf={"as_of": DAY.isoformat()}, consumed_asset_events=[], run_after=datetime.now(UTC))
    with pytest.raises(AirflowSkipException, match="Nothing new"):
        task.python_callable(dag_run=run)
    judge("declined")
    assert task.python_callable(dag_run=run)["sent"]
    monkeypatch.delenv("MAEARI_ALERT_WEBHOOK")
    judge("declined", model="elsewhere")
    with pytest.raises(AirflowSkipException, match="Nobody was told that elsewhere declined: set MAEARI_ALERT_MAIL_TO"):
        task.python_callable(dag_run=run)


@pytest.mark.parametrize(
    ("url", "host", "port", "extra"),
    [
        ("smtps://me%40shop:p%2Fw@mail.example", "mail.example", 465, {"disable_ssl": False, "disable_tls": True}),
        ("smtp://me%40shop:p%2Fw@mail.example", "mail.example", 587, {"disable_ssl": True, "disable_tls": False}),
        ("smtp://me%40shop:p%2Fw@127.0.0.1:25?tls=no", "127.0.0.1", 25, {"disable_ssl": True, "disable_tls": True}),
    ],
)
def test_the_mail_server_is_a_connection_of_airflow(maeari_home, monkeypatch, url, host, port, extra):
    connection = json.loads(connection_of(url, monkeypatch))
    assert "p%2Fw" not in repr(Settings())
    assert connection == {
        "conn_type": "smtp", "host": host, "port": port, "login": "me@shop", "password": "p/w", "extra": extra,
    }  # fmt: skip


@pytest.mark.parametrize("url", ["mail.example:25", "http://mail.example", "smtp://me:s3cret@", "smtp://h?tls=maybe"])
def test_an_address_of_no_mail_server_is_refused_without_being_told(maeari_home, monkeypatch, url):
    with pytest.raises(SettingsError, match="must look like") as error:
        connection_of(url, monkeypatch)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["hooks.example/T000", "ftp://hooks.example/T000", "http://[::T000", "http://127.0.0.1:9/T000"]
)
def test_a_webhook_that_cannot_be_reached_is_told_without_its_address(maeari_home, monkeypatch, url):
    monkeypatch.setenv("MAEARI_ALERT_WEBHOOK", url)
    with pytest.raises(AlertNotSent, match="MAEARI_ALERT_WEBHOOK") as error:
        alerts.post("text")
    assert "T000" not in str(error.value)
    assert error.value.__cause__ is error.value.__context__ is None


def test_the_address_of_the_page_fits_any_name_of_a_model(maeari_home, monkeypatch):
    monkeypatch.setenv("MAEARI_PUBLIC_ADDRESS", "https://airflow.shop.example")
    (one,) = judged("declined")
    lines = letter("이탈/모델", Decline(one, one)).lines
    assert "https://airflow.shop.example/maeari/models/%EC%9D%B4%ED%83%88%2F%EB%AA%A8%EB%8D%B8/windows/" in lines[2]
