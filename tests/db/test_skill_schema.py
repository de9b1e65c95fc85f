"""The book bot by its own description: whatever is sent, the answer is one that is described, and never a 500."""

import json

import numpy as np
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maeari import postgres
from maeari.settings import Settings
from ml.recommend.catalogue import Book
from web.skill import app, bot, formats
from web.skill.app import Skill, create_app
from web.skill.callers import SECRET_HEADER
from web.skill.library import Edition, Librarian, Library

TITLES = [
    "데미안",
    "나미야 잡화점의 기적",
    "모모",
    "<b>굵은 책</b>",
    "'; drop table raw.books; --",
    "🙂 이모지 책 🇰🇷",
    "x" * 500,
]
AUTHORS = ["헤르만 헤세", "히가시노 게이고", "미하엘 엔데", None]
WRITTEN = [
    "", " ", "\n", "가" * 10_000, "🙂" * 300, "👩‍👩‍👧‍👦", "\u202e\u200b", "\x00\x01", "좋아요 0",
    "좋아요 99", "좋아요 " + "9" * 50,
    "'; drop table ops.conversations; --", "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s %(x)s", "\\", "NULL",
    "なにか面白い本をください", "Что почитать?", "مرحبا", "推荐一本书", "Recommend me something sad", "데미안 " * 2_000,
    "더 짧은 책", "다른 책", "좋아요 1", "별로", "이미 읽었어요", "더 보여줘", "처음부터",
    "지난번에 산 책 다음은?", "?",
]  # fmt: skip

LIBRARIAN = Librarian()
# What answers is made when the first message comes; until then the app only describes itself.
SERVER = create_app(lambda: Skill.from_settings(LIBRARIAN))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", SERVER)


def known_library() -> Library:
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender

    books = [
        Book(f"b{n}", TITLES[n % len(TITLES)] + (f" {n}" if n >= len(TITLES) else ""), AUTHORS[n % 4], "잔잔한 이야기",
             (), f"s{n % 3}" if n % 2 else None, n if n % 4 == 1 else None, f"w{n - n % 2}", 100 + n if n % 3 else None,
             None, "https://books.example/x" if n % 2 else "javascript:alert(1)", None)
        for n in range(30)
    ]  # fmt: skip
    draws = np.random.default_rng(0)
    small = {"item_vector_size": 4, "text_vector_size": 4, "item_epochs": 1, "text_epochs": 1}
    model = BookRecommender(RecommendConfig(**small).model_dump()).fit(
        [book.book_id for book in books],
        [["잔잔하다", "이야기", f"낱말{n % 5}"] for n in range(30)],
        [draws.choice(25, 5, replace=False) for _ in range(60)],
    )
    return Library(books, model, Edition(1, None, None, len(books), "x"))


@pytest.fixture(scope="module")
def server(new_warehouse):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_SKILL_MESSAGES_A_MINUTE", "1000000")
        patch.setattr(bot, "STORE_SECONDS", 20.0)
        patch.setattr(app, "SLOWEST_SECONDS", 30.0)
        LIBRARIAN.library = known_library()
        yield SERVER


@SCHEMA.parametrize()
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_description_knows(server, case):
    response = case.call(headers={SECRET_HEADER: Settings().skill_secret()})
    case.validate_response(response)
    assert response.status_code < 500
    if case.path == "/kakao/skill":
        check(response.status_code, response.content)


def check(status: int, content: bytes) -> None:
    """A valid answer in format 2.0, or a refusal with a reason."""
    if status == 200:
        formats.SkillAnswer.model_validate_json(content)
    else:
        assert 400 <= status < 500
        told = json.loads(content)
        assert told["error"]
        assert told["message"]
        assert told["message_ko"]


@pytest.fixture(scope="module")
def client(server) -> TestClient:
    return TestClient(server, raise_server_exceptions=False, headers={SECRET_HEADER: Settings().skill_secret()})


def message(said: str, user: str = "reader") -> dict:
    return {"userRequest": {"utterance": said, "user": {"id": user}}, "bot": {"id": "bot"}}


def post(client: TestClient, content: str | bytes):
    return client.post("/kakao/skill", content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("said", WRITTEN)
def test_whatever_is_written_is_answered_before_and_after_books_were_offered(client, said):
    for first in ("처음부터", "데미안", "잔잔한 이야기"):
        assert client.post("/kakao/skill", json=message(first)).status_code == 200
        response = client.post("/kakao/skill", json=message(said))
        assert response.status_code == 200
        check(response.status_code, response.content)
    assert "무언가 잘못" not in response.text


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    said=st.text(st.characters(), max_size=80)
    | st.sampled_from(WRITTEN)
    | st.sampled_from(TITLES).map("{} 같은 책".format),
    user=st.text(st.characters(), min_size=1, max_size=20),
)
def test_any_text_and_any_id_are_answered_or_refused(client, said, user):
    response = post(client, json.dumps(message(said, user)))
    # A lone surrogate is no text.
    is_text = all(not "\ud800" <= sign <= "\udfff" for sign in said + user)
    assert response.status_code == (200 if is_text else 400)
    check(response.status_code, response.content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
parts = ("userRequest", "userRequest.utterance", "userRequest.user", "userRequest.user.id", "bot", "bot.id", "version")


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(part=st.sampled_from(parts), value=json_values, is_left_out=st.booleans())
def test_a_part_that_is_missing_or_of_a_wrong_kind_is_refused_or_passed_over(client, part, value, is_left_out):
    body = message("데미안")
    *path, last = part.split(".")
    place = body
    for name in path:
        place = place[name]
    if is_left_out:
        place.pop(last, None)
    else:
        place[last] = value
    # As Python writes it, with Infinity and NaN, which are no JSON.
    response = post(client, json.dumps(body))
    check(response.status_code, response.content)
    if part.startswith("userRequest") and is_left_out:
        assert response.status_code == 400


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(client, content):
    response = post(client, content)
    assert response.status_code == 400
    check(response.status_code, response.content)


def test_nothing_of_it_was_run_as_sql(client):
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from ops.conversations")
        assert cursor.fetchone()[0] > 0
