"""The page to try the book bot, as a person sees it: on a screen and on a phone."""

import os
import re
import signal
import subprocess
import sys

import pytest

from maeari import clock, postgres
from maeari.settings import CHECKOUT

SCREENSHOTS = CHECKOUT / "docs" / "screenshots"
PLANTED = "<img src=x onerror=\"document.title='ran'\"> & {{ 7 * 7 }}"
BOOKS = [
    ("바다", "고래의 노래", "윤파도", 264, "바다를 건너는 고래와 등대 이야기"),
    ("바다", "등대지기의 편지", "서해안", 312, "섬에 홀로 남은 등대지기와 바다"),
    ("바다", "섬으로 가는 배", "문갈매", 198, "배를 타고 섬으로 떠나는 여행과 바다"),
    ("바다", "항구의 아침", "윤파도", 240, "항구에서 바다를 바라보는 사람들"),
    ("가족", "할머니의 저녁", "김가온", 221, "할머니와 가족이 함께하는 잔잔한 저녁"),
    ("가족", "잔잔한 집", "이저녁", 184, "잔잔한 가족의 하루"),
    ("가족", "오래된 앨범", "박거실", 276, "앨범 속 가족을 찾아가는 이야기"),
    ("가족", PLANTED, "한문패", 205, "문패에 이름을 새기는 가족"),
    ("부엌", "국물의 시간", "한소금", 320, "부엌에서 국물을 끓이는 요리"),
    ("부엌", "밥상 앞에서", "오국물", 208, "요리와 밥상에 둘러앉은 사람들"),
    ("부엌", "여름 김치", "배양념", 152, "여름 김치를 담그는 부엌"),
    ("부엌", "도마 소리", "한소금", 190, "도마 소리가 들리는 부엌과 요리"),
]


def rows(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def chat(new_warehouse, new_registry):
    """The address of `maeari serve --chat` over a small bookshop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        fill()
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from cli.main import main; main()",
                "serve",
                "--port",
                "0",
                "--workers",
                "1",
                "--chat",
            ],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            address = None
            for line in process.stdout:
                address = address or re.search(r"Try it at (\S+)/$", line)
                if line.startswith("Ready:"):
                    break
            yield address[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


def fill() -> None:
    import numpy as np

    from maeari.text import keywords, morphemes
    from ml import registry
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender

    rows(
        "create table marts.dim_books (source text, book_id text, title text, author text, description text,"
        " subjects text[], series text, volume integer, work_id text, pages integer, published_on date, url text,"
        " mean_stars numeric(3, 2)); grant select on marts.dim_books to maeari_skill"
    )
    ids = [f"{kind}-{place}" for place, (kind, *_) in enumerate(BOOKS)]
    with postgres.connect("owner") as connection:
        columns = ("source", "book_id", "title", "author", "description", "subjects", "work_id", "pages", "url")
        postgres.copy_rows(
            connection,
            "marts.dim_books",
            columns,
            [
                ("shop", book_id, title, author, about, "{}", book_id, pages, f"https://books.example/{place}")
                for place, (book_id, (_, title, author, pages, about)) in enumerate(zip(ids, BOOKS, strict=True))
            ],
        )
    draws, kinds = np.random.default_rng(0), np.array([kind for kind, *_ in BOOKS])
    texts = [keywords(one) for one in morphemes(f"{title} {about}" for _, title, _, _, about in BOOKS)]
    sequences = [draws.permutation(np.flatnonzero(kinds == ("바다", "가족", "부엌")[n % 3]))[:3] for n in range(90)]
    small = {"item_vector_size": 8, "text_vector_size": 8, "item_epochs": 3, "text_epochs": 3}
    version = registry.register(
        "recommend",
        BookRecommender(RecommendConfig(**small).model_dump()).fit(ids, texts, sequences),
        card={"data": {"source": "shop"}},
        metrics={},
        config={},
        training_set=registry.TrainingSet(
            "shop", clock.end_of_day(clock.today("2026-05-31")), 90, "0" * 64, "select 1"
        ),
    )
    rows(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('recommend', %s, now(), now(), 'approver', now(), '{}')",
        version,
    )


@pytest.fixture
def visit(chat, browser):
    """A function that opens the page, in a window of a width."""
    contexts = []

    def visit(width: int, height: int, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda sent: page.wrong.append(sent.url) if not sent.url.startswith(chat) else None)
        page.goto(f"{chat}/")
        return page

    yield visit
    for context in contexts:
        context.close()


def say(page, said: str) -> None:
    answers = page.locator(".theirs .told").count()
    page.get_by_label("보낼 말").fill(said)
    page.get_by_role("button", name="보내기").click()
    page.locator(".theirs .told").nth(answers).wait_for()


def picture(page, name: str) -> None:
    if os.environ.get("MAEARI_SCREENSHOTS"):
        page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_a_conversation_on_a_screen(visit):
    page = visit(1280, 900)
    say(page, "고래의 노래 같은 책 추천해줘")
    page.locator(".bubble", has_text="『고래의 노래』를 읽으셨다면 이런 책은 어떠세요?").wait_for()
    assert page.locator(".book").count() == 5
    assert page.locator(".book p", has_text="『고래의 노래』를 읽은 분들이 함께 골랐어요").count() >= 2

    page.locator("#replies").get_by_role("button", name="좋아요 2").click()
    page.locator(".bubble", has_text="마음에 드셨군요").wait_for()
    say(page, "한소금 작가의 책")
    assert page.locator(".list h2").inner_text() == "한소금"

    page.locator(".told summary").last.click()
    sent = page.get_by_label("요청", exact=True).last.inner_text()
    assert '"utterance": "한소금 작가의 책"' in sent
    assert '"version": "2.0"' in page.get_by_label("응답", exact=True).last.inner_text()
    page.locator(".told summary").last.click()
    page.locator(".book").first.scroll_into_view_if_needed()
    picture(page, "chat")
    assert page.wrong == []


def test_what_others_wrote_is_text_on_a_phone(visit):
    page = visit(390, 844, "dark")
    say(page, "잔잔한 가족 이야기")
    say(page, "더 보여줘")
    say(page, PLANTED)
    assert page.locator(".mine .bubble").last.inner_text() == PLANTED
    assert page.get_by_role("heading", name="<img src=x").count() == 1
    assert page.locator("img").count() == 0
    assert page.title() != "ran"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#replies button").first.scroll_into_view_if_needed()
    picture(page, "chat-phone")
    assert page.wrong == []


def test_a_refused_message_is_told(visit):
    page = visit(800, 600)
    page.route("**/chat/messages", lambda route: route.fulfill(status=500, json={"message_ko": "고장"}))
    page.get_by_label("보낼 말").fill("안녕")
    page.keyboard.press("Enter")
    page.get_by_text("답을 받지 못했어요: 고장").wait_for()
