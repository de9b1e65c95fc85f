"""`maeari serve` as a process: it waits for a database, answers, takes a new catalogue, and stops when asked."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import psutil
import pytest

from maeari import postgres
from maeari.settings import CHECKOUT, Settings
from web.skill import phrases
from web.skill.callers import SECRET_HEADER

DIM_BOOKS = (
    "create table marts.dim_books (source text, book_id text, title text, author text, description text,"
    " subjects text[], series text, volume integer, work_id text, pages integer, published_on date, url text,"
    " mean_stars numeric(3, 2)); grant select on marts.dim_books to maeari_skill;"
    " insert into marts.dim_books (source, book_id, title, subjects, work_id, pages)"
    " select 'shop', n::text, '책 ' || n, '{}', n::text, 100 + n from generate_series(1, 9) n"
)


def rows(query: str) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from cli.main import main; main()", "serve", *arguments]


@contextmanager
def serving(*arguments: str, until: str):
    """A running server, its address, and what it printed until a line that begins so."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command("--port", "0", *arguments), cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        printed = ""
        while not printed.rpartition("\n")[0].rpartition("\n")[2].startswith(until):
            line = process.stdout.readline()
            assert line, printed
            printed += line
        yield process, re.search(r"listens at (http://\S+)/kakao", printed)[1], printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def say(address: str, said: str) -> str:
    body = {"userRequest": {"utterance": said, "user": {"id": "reader"}}}
    headers = {SECRET_HEADER: Settings().skill_secret()}
    response = httpx.post(f"{address}/kakao/skill", json=body, headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()["template"]["outputs"][0]["simpleText"]["text"]


def wait_for(what, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_it_answers_replaces_a_fallen_worker_and_stops_when_asked(warehouse):
    rows(DIM_BOOKS)
    with serving("--workers", "2", until="Ready:") as (process, address, printed):
        assert "Ready: 9 books, no live recommender." in printed
        assert Settings().skill_secret() not in printed
        assert "secrets.json" in printed
        assert httpx.get(f"{address}/health").json()["books"] == 9
        wait_for(lambda: say(address, "안녕") == phrases.GREETING)
        assert httpx.get(f"{address}/").status_code == 404

        workers = psutil.Process(process.pid).children()
        assert len(workers) == 2
        workers[0].kill()
        wait_for(lambda: len([one for one in psutil.Process(process.pid).children() if one.is_running()]) == 2)
        wait_for(lambda: say(address, "안녕") == phrases.GREETING)

        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not [one for one in family if one.is_running()]


def test_workers_end_with_their_parent_however_it_ends(warehouse):
    rows(DIM_BOOKS)
    with serving("--workers", "1", until="Ready:") as (process, _, _):
        workers = psutil.Process(process.pid).children()
        assert workers
        process.kill()
        assert psutil.wait_procs(workers, timeout=20)[1] == []


def test_before_the_library_is_there_it_says_so_and_it_can_be_stopped(warehouse):
    with serving("--workers", "1", until="Loading") as (process, address, _):
        wait_for(lambda: is_there(address))
        assert httpx.get(f"{address}/health").status_code == 503
        assert say(address, "안녕") == phrases.LOADING
        rows(DIM_BOOKS)
        wait_for(lambda: httpx.get(f"{address}/health", timeout=30).status_code == 200)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def is_there(address: str) -> bool:
    try:
        return bool(httpx.get(f"{address}/health", timeout=30))
    except httpx.TransportError:
        return False
    finally:
        time.sleep(0.1)


@pytest.mark.parametrize(
    "arguments", [("--chat", "--host", "0.0.0.0"), ("--chat", "--host", "::"), ("--port", "70000")]
)
def test_what_is_unsafe_or_impossible_is_refused(maeari_home, arguments):
    found = subprocess.run(command(*arguments), cwd=CHECKOUT, capture_output=True, text=True)
    assert found.returncode == 2
    assert "--chat" in found.stderr or "--port" in found.stderr


def test_a_port_that_is_taken_is_named(maeari_home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = subprocess.run(command("--port", str(port)), cwd=CHECKOUT, capture_output=True, text=True)
    assert found.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened at" in found.stderr
    assert "--port 0" in found.stderr
