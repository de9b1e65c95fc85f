"""The one-machine stack: what listens, who may do what, and that nothing outlives it."""

import os
import signal
import socket
import time
from contextlib import closing
from ipaddress import ip_address

import httpx
import psutil
import pytest

from cli import supervisor
from cli.embedded_postgres import free_port
from cli.services import PREFERRED_PORTS
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused

ORPHANS_SECONDS = 70


@pytest.fixture
def question(stack):
    """The address of an answer to a question; the permission is looked at before whether there is such a question."""
    return "dags/release_model/dagRuns/any/taskInstances/ask/-1/hitlDetails"


def test_every_part_is_ready(stack):
    parts = supervisor.read_stack(stack.home).parts
    assert {part.name for part in parts} >= {"postgres", "mlflow", "api-server", "scheduler", "dag-processor"}
    assert {part.state for part in parts} == {"ready"}


def test_nothing_listens_beyond_loopback(stack):
    listening = [
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert all(ip_address(ip).is_loopback for ip in listening)


def test_a_second_up_is_safe(stack):
    before = [part.pid for part in supervisor.read_stack(stack.home).parts]
    stack.maeari("up")
    assert [part.pid for part in supervisor.read_stack(stack.home).parts] == before


def test_every_dag_file_is_read(stack):
    client = AirflowClient("viewer")
    assert client.import_errors() == []
    assert client.dags()


def test_an_anonymous_caller_may_read_and_do_nothing(stack, question):
    base = f"http://127.0.0.1:{stack.settings.ports().airflow}"
    for method, path in (("GET", "dags"), ("GET", "dags/~/dagRuns/~/hitlDetails"), ("PATCH", question)):
        answer = httpx.request(
            method, f"{base}/api/v2/{path}", json={"chosen_options": ["Approve"]} if "ask" in path else None
        )
        assert answer.status_code == 401, path
    assert httpx.get(f"{base}/auth/token").status_code == 403


def test_a_viewer_may_neither_trigger_nor_answer(stack):
    viewer = AirflowClient("viewer")
    dag_id = viewer.dags()[0]["dag_id"]
    with pytest.raises(AirflowRefused) as refused:
        viewer.trigger(dag_id, {})
    assert refused.value.status == 403
    with pytest.raises(AirflowRefused) as refused:
        viewer.answer(dag_id, "any", "ask", ["Approve"], {})
    assert refused.value.status == 403


def test_a_log_in_is_who_airflow_says_and_a_viewer_hands_on_nothing(stack):
    assert AirflowClient("approver").me() == "approver"
    viewer = AirflowClient("viewer")
    assert viewer.me() == "viewer"
    with pytest.raises(AirflowRefused) as refused:
        viewer.hand_on("model.sentiment", {})
    assert refused.value.status == 403


def test_a_wrong_password_is_refused(stack):
    with pytest.raises(AirflowRefused) as refused:
        AirflowClient("approver", password="wrong").dags()
    assert refused.value.status == 401


def test_passwords_are_readable_by_their_owner_only(stack):
    for name in ("secrets.json", "airflow/passwords.json"):
        assert (stack.home / name).stat().st_mode & 0o077 == 0, name


def test_no_password_shows_in_a_command_line(stack):
    secrets = (stack.home / "secrets.json").read_text()
    for process in stack.processes():
        for word in process.cmdline():
            assert not (len(word) >= 16 and word in secrets), process


def test_the_analyst_reads_and_cannot_write(stack):
    assert stack.maeari("sql", "select 1 as one", "--csv").stdout.split() == ["one", "1"]
    refused = stack.maeari("sql", "create table marts.mine (n int)", check=False)
    assert refused.returncode == 1
    assert "refused" in refused.stderr


def test_crawled_text_cannot_command_the_terminal(stack):
    shown = stack.maeari("sql", r"select E'x[/a] \x1b]0;title\x07 [red]' as body").stdout
    assert "x[/a] \N{REPLACEMENT CHARACTER}]0;title" in shown
    assert "[red]" in shown
    assert "\x1b" not in shown


def test_psql_opens_the_warehouse(stack):
    assert stack.maeari("psql", "-Atc", "select current_user").stdout.strip() == "maeari_analyst"


def test_nothing_outlives_a_killed_stack_and_it_starts_again(own_stack):
    with closing(socket.socket()) as taken:
        port = free_port(PREFERRED_PORTS.airflow)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with own_stack.start("up") as starting:
            wait_until(lambda: supervisor.holder(own_stack.home))
            second = own_stack.maeari("up", check=False)
            assert (second.returncode, "Another `maeari up`" in second.stderr) == (1, True)
            assert starting.wait() == 0
    assert own_stack.settings.ports().airflow not in (None, port)
    assert len(own_stack.processes()) > 5
    own_stack.maeari("psql", "--role", "owner", "-c", "create table kept as select 7 as n")

    os.kill(supervisor.holder(own_stack.home), signal.SIGKILL)
    wait_until(lambda: not own_stack.processes())
    assert own_stack.settings.ports().postgres is None

    own_stack.maeari("up")
    assert own_stack.maeari("psql", "--role", "owner", "-Atc", "select n from kept").stdout.strip() == "7"
    parts = supervisor.read_stack(own_stack.home).parts
    watchers = [one for one in own_stack.processes() if one.name().startswith("maeari")]
    assert len(watchers) == 2
    for watcher in watchers:
        watcher.kill()
    own_stack.maeari("down")
    assert own_stack.processes() == []
    assert not any(supervisor.is_alive(part.pid) for part in parts)


def wait_until(is_so) -> None:
    """Return once something is so, and fail when it has not come about after the time that a clean end may take."""
    deadline = time.monotonic() + ORPHANS_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)
