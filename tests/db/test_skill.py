"""The book bot over a real Postgres and a small model that is live: a conversation, and what it does when hurt."""

import json
import logging
import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import psycopg2
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from maeari import clock, postgres
from maeari.settings import Settings
from web.skill import app, bot, phrases
from web.skill.app import MOST_BYTES, Skill, create_app
from web.skill.callers import SECRET_HEADER
from web.skill.formats import SkillAnswer
from web.skill.library import Librarian, current_edition
from web.skill.store import Store, StoreAway

KINDS = {
    "바다": ("바다를 항해하는 고래와 등대", ("윤파도", "서등대", "문고래")),
    "부엌": ("부엌에서 국물과 양념을 만드는 요리", ("한소금", "오국물", "배양념")),
    "가족": ("잔잔한 가족과 할머니의 저녁", ("김가온", "이저녁", "박거실")),
}
NAMES = {
    "바다": "고래의 노래, 등대지기의 편지, 파도 아래 도시, 섬으로 가는 배, 항구의 아침, 먼바다, 물결 학교, "
    "닻을 올려라, 조개 줍는 날, 갯벌의 시간, 밀물과 썰물, 해녀의 숨, 돛단배, 소금밭",
    "부엌": "국물의 시간, 양념 한 숟갈, 부엌의 철학, 할 수 있는 요리, 밥상 앞에서, 소금의 말, 여름 김치, "
    "도마 소리, 된장 일기, 반찬 가게, 아홉 개의 냄비, 불 조절, 빵 굽는 밤, 국수 한 그릇",
    "가족": "할머니의 저녁, 잔잔한 집, 우리 집 막내, 식탁의 온도, 긴 편지, 오래된 앨범, 마당 있는 집, "
    "아버지의 자전거, 엄마의 서랍, 형제의 계절, 이사 가는 날, 돌잔치, 다락방, 문패",
}
BOOKS = [
    (f"{kind}-{number}", title, kind)
    for kind, titles in NAMES.items()
    for number, title in enumerate(titles.split(", "))
]
SOURCE = "my_books"
MINE = {"userRequest": {"user": {"id": "reader-of-010-1234-5678"}}, "bot": {"id": "bot-1"}}


def rows(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def bookshop(new_warehouse, new_registry):
    """Three kinds of books, readers who keep to one kind, and a version that is live."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        rows(
            "create table marts.dim_books (source text, book_id text, title text, author text, description text,"
            " subjects text[], series text, volume integer, work_id text, pages integer, published_on date, url text,"
            " mean_stars numeric(3, 2)); grant select on marts.dim_books to maeari_skill"
        )
        with postgres.connect("owner") as connection:
            postgres.copy_rows(
                connection,
                "marts.dim_books",
                ("source", "book_id", "title", "author", "description", "subjects", "work_id", "pages", "url"),
                [
                    (
                        SOURCE,
                        book_id,
                        title,
                        KINDS[kind][1][place % 3],
                        KINDS[kind][0],
                        "{}",
                        book_id,
                        120 + 40 * (place % 14),
                        "https://books.example/x",
                    )
                    for place, (book_id, title, kind) in enumerate(BOOKS)
                ],
            )
        rows(
            "insert into ops.deployments"
            " (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
            " values ('recommend', %s, now(), now(), 'approver', now(), '{}')",
            register(),
        )
        yield


def register() -> int:
    from maeari.text import keywords, morphemes
    from ml import registry
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender

    texts = [keywords(one) for one in morphemes(f"{title} {KINDS[kind][0]}" for _, title, kind in BOOKS)]
    draws, ids = np.random.default_rng(0), [book_id for book_id, _, _ in BOOKS]
    own = [[place for place, book in enumerate(BOOKS) if book[2] == kind] for kind in KINDS]
    sequences = [draws.permutation(own[reader % 3])[:4] for reader in range(90)]
    small = {"item_vector_size": 8, "text_vector_size": 8, "item_epochs": 3, "text_epochs": 3}
    model = BookRecommender(RecommendConfig(**small).model_dump()).fit(ids, texts, sequences)
    return registry.register(
        "recommend",
        model,
        card={"data": {"source": SOURCE}},
        metrics={},
        config={},
        training_set=registry.TrainingSet(
            "books", clock.end_of_day(datetime.now(UTC).date()), 90, "0" * 64, "select 1"
        ),
    )


@pytest.fixture(scope="module")
def librarian(bookshop) -> Librarian:
    librarian = Librarian()
    assert librarian.refresh()
    return librarian


@pytest.fixture(autouse=True)
def patient(request, monkeypatch):
    """Where time is not what is tested, a busy machine may take what it needs."""
    if not {"silent", "in_time"} & set(request.fixturenames):
        monkeypatch.setattr(bot, "STORE_SECONDS", 20.0)
        monkeypatch.setattr(app, "SLOWEST_SECONDS", 30.0)


@pytest.fixture
def in_time():
    """The answers must come within a second."""


@pytest.fixture
def emptied(bookshop):
    """Nobody has talked to the bot."""
    rows("truncate ops.conversations, predictions.recommendations, raw.events; delete from ops.loads")


@pytest.fixture
def client(librarian, emptied) -> TestClient:
    server = create_app(lambda: Skill.from_settings(librarian))
    return TestClient(server, raise_server_exceptions=False, headers={SECRET_HEADER: Settings().skill_secret()})


def message(said: object, **parts) -> dict:
    user = {"user": {"id": parts.pop("user", "reader-1")}}
    return {"userRequest": {"utterance": said, **user}, "bot": {"id": "bot-1"}, **parts}


class Talk:
    """One reader's side of a conversation."""

    def __init__(self, client: TestClient, user: str = "reader-1"):
        self.client, self.user = client, user

    def say(self, said: str) -> dict:
        response = self.client.post("/kakao/skill", json=message(said, user=self.user))
        assert response.status_code == 200, response.text
        SkillAnswer.model_validate(response.json())
        return response.json()["template"]


def told(template: dict) -> str:
    return next((one["simpleText"]["text"] for one in template["outputs"] if "simpleText" in one), "")


def offered(template: dict) -> list[str]:
    """The titles of cards or of a list, without their numbers."""
    found = []
    for one in template["outputs"]:
        items = (one.get("carousel") or one.get("listCard") or {"items": []})["items"]
        found += [re.sub(r"^\d+\. ", "", item["title"]) for item in items]
    return found


def reasons(template: dict) -> list[str]:
    return [
        card["description"].split("\n")[-1]
        for one in template["outputs"]
        for card in one.get("carousel", {"items": []})["items"]
    ]


def test_a_conversation_of_ten_turns(client, librarian):
    kind = {title: kind for _, title, kind in BOOKS}
    talk = Talk(client)

    hello = talk.say("안녕하세요")
    assert told(hello) == phrases.GREETING

    first = talk.say("고래의노래 같은 책 추천해줘")
    assert told(first) == "『고래의 노래』를 읽으셨다면 이런 책은 어떠세요?"
    assert len(offered(first)) == 5
    assert "고래의 노래" not in offered(first)
    assert {kind[title] for title in offered(first)[:3]} == {"바다"}
    assert "『고래의 노래』를 읽은 분들이 함께 골랐어요" in reasons(first)
    assert [one["label"] for one in first["quickReplies"]] == [
        "더 보여줘", "더 짧은 책", "좋아요 1", "좋아요 2", "좋아요 3", "좋아요 4", "좋아요 5", "다른 책", "도움말",
    ]  # fmt: skip

    more = talk.say("더 보여줘")
    assert not set(offered(more)) & {*offered(first), "고래의 노래"}

    liked = talk.say("좋아요 2")
    assert told(liked).startswith(f"『{offered(more)[1]}』")
    assert "마음에 드셨군요" in told(liked)

    words = talk.say("잔잔한 가족 이야기")
    shown = {*offered(first), *offered(more)}
    assert not set(offered(words)) & shown
    assert any(re.search("'잔잔한', '가족'|'가족', '잔잔한'", why) for why in reasons(words)), reasons(words)

    shorter = talk.say("이거랑 비슷한데 더 짧은 책")
    under = int(re.match(r"(\d+)쪽보다", told(shorter))[1]) if offered(shorter) else 0
    pages = {book.title: book.pages for book in librarian.library.books.values()}
    assert all(pages[title] < under for title in offered(shorter))

    author = talk.say("한소금 작가의 책 보여줘")
    assert told(author) == phrases.BY_AUTHOR.format(author="한소금")
    assert author["outputs"][1]["listCard"]["header"]["title"] == "한소금"
    assert {kind[title] for title in offered(author)} == {"부엌"}

    others = talk.say("다른 책")
    assert not set(offered(others)) & set(offered(author))

    assert told(talk.say("고마워요!")) == phrases.THANKS

    own = talk.say("지난번에 산 책 다음은?")
    assert told(own) in (phrases.FROM_LIKED, phrases.NOTHING_LEFT)

    kinds = rows("select event_type, count(*) from raw.events group by 1 order by 1")
    assert kinds == [("like", 1), ("seen", len(offered(author)))]
    told_of = rows(
        "select asked_for, is_unknown, cardinality(book_ids), model_version from predictions.recommendations"
        " order by answer_id"
    )
    assert [row[0] for row in told_of][:3] == ["title", "more", "words"]
    assert {row[3] for row in told_of} == {librarian.library.edition.version}
    assert not any(row[1] for row in told_of)


def test_what_is_not_known_is_said_and_what_many_read_is_offered(client):
    template = Talk(client).say("quantum chromodynamics")
    assert told(template) == phrases.UNKNOWN
    assert len(offered(template)) == 5
    assert rows("select asked_for, is_unknown, whys[1] from predictions.recommendations") == [
        ("words", True, "popular")
    ]


def test_likes_are_remembered_when_the_conversation_is_over(client):
    talk = Talk(client)
    title = offered(talk.say("고래의 노래"))[0]
    talk.say("좋아요 1")
    rows("update ops.conversations set expires_at = now() - interval '1 second'")
    assert told(talk.say("더 보여줘")) == phrases.MORE
    again = talk.say("책 추천해줘")
    assert told(again) == phrases.FROM_LIKED
    assert title not in offered(again)
    talk.say(f"별로 {title}")
    rows("update ops.conversations set expires_at = now() - interval '1 second'")
    assert told(talk.say("책 추천해줘")) == phrases.POPULAR
    assert told(Talk(client, "someone else").say("지난번에 산 책 다음은?")) == phrases.NO_PURCHASES


def test_a_message_that_comes_twice_lands_once(client):
    talk = Talk(client)
    first = talk.say("고래의 노래")
    again = talk.say("고래의 노래")
    assert offered(again) == offered(first)
    assert rows("select count(*) from predictions.recommendations") == [(1,)]
    assert talk.say("좋아요 1") == talk.say("좋아요 1")
    assert rows("select event_type, count(*) from raw.events group by 1") == [("like", 1)]
    assert offered(talk.say("다른 책")) == offered(talk.say("다른 책"))
    assert rows("select event_type, count(*) from raw.events group by 1 order by 1") == [("like", 1), ("seen", 4)]
    (load,) = rows("select source, kind, outcome, items, landed, duplicates, complete_until from ops.loads")
    assert load == ("book_bot", "feedback", "finished", 6, 5, 1, None)


def test_what_is_said_of_a_book_belongs_to_the_answer_that_offered_it(client):
    talk = Talk(client)
    first = offered(talk.say("고래의 노래"))[0]
    second = offered(talk.say("더 보여줘"))[0]
    for said in (f"좋아요 『{first}』", f"좋아요 『{second}』", "좋아요 『국물의 시간』"):
        talk.say(said)
    ids = dict(rows("select item_id, split_part(event_id, ':', 1) from raw.events"))
    answers = dict(rows("select answer_id::text, book_ids from predictions.recommendations"))
    by_title = {title: book_id for book_id, title, _ in BOOKS}
    for title in (first, second):
        assert by_title[title] in answers[ids[by_title[title]]]
    assert (
        ids[by_title["국물의 시간"]] not in answers or by_title["국물의 시간"] in answers[ids[by_title["국물의 시간"]]]
    )


def test_many_messages_at_once_of_one_reader_are_answered_one_after_the_other(client):
    talk = Talk(client)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(talk.say, ["더 보여줘", "다른 책", "책 추천해줘", "도움말", "고래의 노래", "가족"]))
    books = [title for answer in answers for title in offered(answer)]
    assert len(books) == len(set(books))
    assert rows("select messages from ops.conversations") == [(6,)]


def test_who_writes_too_much_is_asked_to_wait(client):
    talk = Talk(client)
    limit = Settings().skill_messages_a_minute
    for _ in range(limit):
        assert told(talk.say("안녕")) == phrases.GREETING
    assert told(talk.say("안녕")) == phrases.TOO_FAST
    assert told(Talk(client, "another").say("안녕")) == phrases.GREETING
    rows("update ops.conversations set counted_since = now() - interval '61 seconds'")
    assert told(talk.say("안녕")) == phrases.GREETING


def test_nothing_that_was_written_and_no_id_is_kept_or_logged(client, caplog):
    caplog.set_level(logging.DEBUG)
    personal = "홍길동 010-1234-5678 hong@example.com 서울시 가족"
    talk = Talk(client, "user-홍길동-4242")
    for said in (
        personal,
        f"{personal} 같은 책",
        f"좋아요 {personal}",
        "더 보여줘",
        f"『{personal}』",
        "좋아요 1",
        "다른 책",
    ):
        talk.say(said)
    client.post("/kakao/skill", json=message({"이름": "홍길동"}))
    kept = json.dumps(
        [
            rows(f"select row_to_json(t)::text from {table} t")
            for table in ("ops.conversations", "predictions.recommendations", "raw.events", "ops.loads")
        ],
        ensure_ascii=False,
    )
    for part in ("홍길동", "1234", "5678", "hong", "example", "서울", "4242", "user-"):
        assert part not in kept
        assert part not in caplog.text
    assert "intent=words outcome=answered" in caplog.text
    assert re.search("reader=[0-9a-f]{8}\\b", caplog.text)


def test_a_caller_must_know_the_secret_or_come_from_an_allowed_address(librarian, emptied, monkeypatch):
    def status(peer: str, **headers: str) -> int:
        server = create_app(lambda: Skill.from_settings(librarian))
        found = TestClient(server, client=(peer, 1)).post("/kakao/skill", json=message("도움말"), headers=headers)
        if found.status_code == 401:
            assert found.json()["message_ko"]
        return found.status_code

    secret = {SECRET_HEADER: Settings().skill_secret()}
    assert status("203.0.113.7", **secret) == 200
    assert status("203.0.113.7") == 401
    assert status("203.0.113.7", **{SECRET_HEADER: "wrong"}) == 401
    monkeypatch.setenv("MAEARI_SKILL_ALLOWED", "203.0.113.0/28, 2001:db8::/64")
    assert status("203.0.113.7") == status("2001:db8::5") == status("::ffff:203.0.113.7") == 200
    assert status("203.0.113.99") == 401
    assert status("198.51.100.1", **{"X-Forwarded-For": "203.0.113.7"}) == 401
    monkeypatch.setenv("MAEARI_SKILL_PROXIES", "198.51.100.1")
    assert status("198.51.100.1", **{"X-Forwarded-For": "203.0.113.7"}) == 200
    assert status("198.51.100.1", **{"X-Forwarded-For": "203.0.113.7, 192.0.2.1"}) == 401
    assert status("198.51.100.1", **{"X-Forwarded-For": "rubbish"}) == 401
    assert status("198.51.100.1") == 401


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415, "no_json"),
        (b"{}", {}, 415, "no_json"),
        (b"", {"Content-Type": "application/json"}, 400, "not_understood"),
        (b"{", {"Content-Type": "application/json"}, 400, "not_understood"),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 400, "not_understood"),
        (
            b'{"userRequest":{"utterance":"\xff","user":{"id":"1"}}}',
            {"Content-Type": "application/json"},
            400,
            "not_understood",
        ),
        (b" " * (MOST_BYTES + 1), {"Content-Type": "application/json"}, 413, "too_large"),
    ],
)
def test_a_body_that_is_no_request_is_refused_with_a_reason(client, body, headers, status, error):
    response = client.post("/kakao/skill", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["message"]
    assert response.json()["message_ko"]


def test_a_body_without_a_length_is_not_read_to_its_end(client):
    read = 0

    def parts():
        nonlocal read
        for _ in range(1_000):
            read += 1
            yield b" " * 1_024

    response = client.post("/kakao/skill", content=parts(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


@pytest.mark.parametrize("version", ["3.0", "", 2, None])
def test_an_unknown_version_is_refused_by_name(client, version):
    response = client.post("/kakao/skill", json=message("도움말", version=version))
    assert response.status_code == (200 if version is None else 400)
    assert version is None or "version" in response.json()["message"]


def test_health_and_description(client, librarian):
    told = client.get("/health").json()
    assert told == {
        "is_ready": True, "database_answers": True, "model_version": librarian.library.edition.version,
        "books": len(BOOKS),
    }  # fmt: skip
    assert "/kakao/skill" in client.get("/openapi.json").json()["paths"]
    page = client.get("/docs")
    assert "<code>POST /kakao/skill</code>" in page.text
    assert not re.search(r"https?://(?!books)", page.text.replace("^https?://", ""))
    assert client.get("/nowhere").json()["error"] == "not_found"
    assert client.get("/kakao/skill").json()["error"] == "wrong_method"
    assert client.get("/").status_code == client.post("/chat/messages", json={}).status_code == 404
    assert client.get("/nowhere").headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_while_the_library_is_loaded_it_says_so(emptied):
    client = TestClient(create_app(lambda: Skill.from_settings(Librarian())))
    assert client.get("/health").status_code == 503
    client.headers[SECRET_HEADER] = Settings().skill_secret()
    assert told(Talk(client).say("데미안")) == phrases.LOADING


def test_a_new_version_or_another_catalogue_is_taken_without_a_restart(bookshop):
    librarian = Librarian()
    assert librarian.refresh()
    assert not librarian.refresh()
    before = librarian.library
    rows("update marts.dim_books set title = '고래의 합창' where book_id = '바다-0'")
    try:
        assert librarian.refresh()
        assert librarian.library.titles.find("고래의 합창", 1)
        assert librarian.library is not before
    finally:
        rows("update marts.dim_books set title = '고래의 노래' where book_id = '바다-0'")


@pytest.fixture
def commits():
    """Whether what lands in a table will wait for the disk, by table; None where nothing landed."""
    tables = {"raw.events": "events", "predictions.recommendations": "recommendations"}
    rows("create table seen_commits (name text, waits text)")
    rows(
        "create function note_commit() returns trigger language plpgsql security definer as"
        " $$ begin insert into seen_commits values (tg_table_name, current_setting('synchronous_commit'));"
        " return null; end $$"
    )
    for table in tables:
        rows(f"create trigger note_commit after insert on {table} execute function note_commit()")
    yield lambda: {
        name: rows("select distinct waits from seen_commits where name = %s", name) for name in tables.values()
    }
    for table in tables:
        rows(f"drop trigger note_commit on {table}")
    rows("drop function note_commit")
    rows("drop table seen_commits")


def test_an_opinion_waits_for_the_disk_and_other_talk_does_not(client, emptied, commits):
    talk = Talk(client)
    talk.say("가족 이야기")
    assert commits() == {"events": [], "recommendations": [("off",)]}
    talk.say("좋아요 1")
    assert commits()["events"] == [("on",)]


def test_a_kept_model_that_is_broken_is_read_anew_from_the_registry(bookshop, librarian, caplog):
    file = Settings().path("unpacked", f"{current_edition().artifact_sha256}.npz")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(whole[5_000:5_004], b"\xff\x00\xff\x00"))
    assert file.read_bytes() != whole
    anew = Librarian()
    assert anew.refresh()
    assert "cannot be right and is written anew" in caplog.text
    assert file.read_bytes() == whole
    np.testing.assert_array_equal(anew.library.model.text_vectors_, librarian.library.model.text_vectors_)


def test_without_a_live_version_the_best_reviewed_books_are_offered(bookshop, emptied):
    version = current_edition().version
    rows("update ops.deployments set live_to = now() where model = 'recommend' and live_to is null")
    rows("update marts.dim_books set mean_stars = 4.9 where book_id = '부엌-3'")
    try:
        librarian = Librarian()
        librarian.refresh()
        assert librarian.library.edition.version is None
        client = TestClient(create_app(lambda: Skill.from_settings(librarian)))
        client.headers[SECRET_HEADER] = Settings().skill_secret()
        talk = Talk(client)
        popular = talk.say("책 추천해줘")
        assert offered(popular)[0] == "할 수 있는 요리"
        alike = talk.say("고래의 노래 같은 책")
        assert told(alike) == phrases.UNKNOWN
        assert not set(offered(alike)) & {*offered(popular), "고래의 노래"}
        assert offered(talk.say("한소금"))
        assert rows("select distinct model_version from predictions.recommendations") == [(None,)]
    finally:
        rows("update marts.dim_books set mean_stars = null")
        rows("update ops.deployments set live_to = null where model = 'recommend' and version = %s", version)


@pytest.fixture
def silent():
    """The port of a listener that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def timed(talk: Talk, said: str) -> tuple[str, float]:
    begun = time.monotonic()
    return told(talk.say(said)), time.monotonic() - begun


def test_a_database_that_never_answers_is_said_kindly_within_a_second(librarian, emptied, silent, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", f"postgresql://postgres:x@127.0.0.1:{silent}/maeari")
    client = TestClient(create_app(lambda: Skill.from_settings(librarian)))
    client.headers[SECRET_HEADER] = Settings().skill_secret()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: timed(Talk(client, f"reader-{number}"), "가족"), range(24)))
    assert {words for words, _ in answers} == {phrases.AWAY}
    assert max(seconds for _, seconds in answers) < 1.5
    assert client.get("/health").json()["database_answers"] is False


def test_a_server_that_is_stopped_and_comes_back_is_used_again(client, maeari_home, in_time):
    from cli import embedded_postgres

    talk = Talk(client)
    assert told(talk.say("안녕")) == phrases.GREETING
    backends = [pid for (pid,) in rows("select pid from pg_stat_activity where application_name = 'maeari skill'")]
    postmaster = embedded_postgres.server_pid(maeari_home)
    for pid in (*backends, postmaster):
        os.kill(pid, signal.SIGSTOP)
    try:
        words, seconds = timed(talk, "가족")
        assert words == phrases.AWAY
        assert seconds < 1.5
        words, seconds = timed(talk, "가족")
        assert words == phrases.AWAY
        assert seconds < 0.5
    finally:
        for pid in (*backends, postmaster):
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 20
    while told(talk.say("안녕")) != phrases.GREETING:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (threads,) = {one.name.startswith("skill") for one in threading.enumerate() if one.name.startswith("skill")}
    assert threads


def test_a_connection_that_the_server_closed_is_made_anew(client):
    talk = Talk(client)
    assert told(talk.say("안녕")) == phrases.GREETING
    rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'maeari skill'")
    time.sleep(0.1)
    assert told(talk.say("안녕")) == phrases.GREETING


def test_conversations_that_have_expired_are_deleted(client):
    Talk(client).say("안녕")
    store = Store(Settings().role_url("skill"))
    store.forget(time.monotonic() + 5)
    assert rows("select count(*) from ops.conversations") == [(1,)]
    rows("update ops.conversations set expires_at = now() - interval '1 second'")
    store.forget(time.monotonic() + 5)
    assert rows("select count(*) from ops.conversations") == [(0,)]
    store.close()


def test_the_role_can_do_nothing_else(bookshop):
    for statement in (
        "select amount from raw.events", "update raw.events set item_id = 'x'", "delete from raw.events",
        "update ops.deployments set version = 1", "select body from raw.reviews",
        "insert into ops.model_versions default values", "delete from predictions.recommendations",
        "select * from ops.training_sets",
    ):  # fmt: skip
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            postgres.connect("skill") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_a_store_that_is_away_says_what_kind_of_error_it_was_and_no_more(silent):
    store = Store(f"postgresql://someone:secret@127.0.0.1:{silent}/maeari")
    with pytest.raises(StoreAway) as refused, store.conversation("x", "kakao", time.monotonic() + 0.1):
        pass
    assert "secret" not in str(refused.value)


def test_in_airflow_only_the_endpoint_is_there_without_a_log_in(librarian, emptied):
    def authorize(request: Request) -> None:
        if request.headers.get("X-Caller") != "viewer":
            raise HTTPException(401)

    server = create_app(lambda: Skill.from_settings(librarian), has_chat=True, authorize=authorize)
    parent = FastAPI(openapi_url=None)
    parent.mount("/maeari-skill", server)
    client = TestClient(parent)
    paths = {route.path for route in server.routes if isinstance(route, APIRoute)}
    assert paths >= {"/", "/chat/messages", "/docs", "/health", "/kakao/skill", "/openapi.json", "/static/{name}"}
    for path in [*paths - {"/kakao/skill"}, "/nowhere"]:
        for method in ("GET", "POST"):
            assert client.request(method, f"/maeari-skill{path}").status_code in (401, 405), path
    assert client.post("/maeari-skill/kakao/skill", json=message("안녕")).status_code == 401
    secret = {SECRET_HEADER: Settings().skill_secret()}
    assert client.post("/maeari-skill/kakao/skill", json=message("안녕"), headers=secret).status_code == 200
    viewer = {"X-Caller": "viewer"}
    page = client.get("/maeari-skill/", headers=viewer)
    assert 'data-messages="/maeari-skill/chat/messages"' in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for link in re.findall(r'(?:href|src)="([^"]*)"', page.text):
        assert client.get(link, headers=viewer).status_code == 200, link
    typed = {"utterance": "고래의 노래", "user": "0123456789abcdef"}
    answered = client.post("/maeari-skill/chat/messages", json=typed, headers=viewer).json()
    assert answered["request"]["userRequest"]["utterance"] == "고래의 노래"
    SkillAnswer.model_validate(answered["response"])
    assert rows("select channel from predictions.recommendations") == [("chat_page",)]
    for wrong in ({"utterance": "x", "user": "'"}, {"utterance": "x"}, {"utterance": 1, "user": "01234567"}):
        assert client.post("/maeari-skill/chat/messages", json=wrong, headers=viewer).status_code == 400
