"""`maeari recommend`: by liked books, by a customer's purchases, by a text, and by what many read."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from maeari import clock, postgres
from maeari.errors import MaeariError

AS_OF = date(2026, 1, 31)
SOURCE = "my_books"
GENRES = {"sea": ["바다", "고래", "등대"], "star": ["우주", "혜성", "은하"]}
BOOKS = [f"{genre}-{number}" for genre in GENRES for number in range(8)]
NEW = "sea-new"
TITLES = {book: f"{GENRES[book.split('-')[0]][0]}의 {number}번째 책" for number, book in enumerate(BOOKS)} | {
    NEW: "먼 섬", "sea-0": "데미안",
}  # fmt: skip


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.fixture(scope="module")
def shop(new_warehouse, new_registry):
    """A catalogue with hostile words, a customer, and a version that keeps two kinds of books apart."""
    from ml import registry
    from ml.recommend.model import BookRecommender

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        patch.setenv("MAEARI_AS_OF", AS_OF.isoformat())
        change(
            "create table marts.dim_books (source text, book_id text, title text, author text, description text,"
            " subjects text[], series text, volume integer, work_id text, pages integer, published_on date, url text,"
            " mean_stars numeric(3, 2))"
        )
        change(
            "create table marts.fct_events (event_key text, customer_id text, event_type text, occurred_at timestamptz,"
            " item_id text, quantity integer)"
        )
        change("grant select on marts.dim_books, marts.fct_events to maeari_ml")
        for book, title in TITLES.items():
            change(
                "insert into marts.dim_books (source, book_id, title, author, subjects, work_id)"
                " values (%s, %s, %s, %s, '{}', %s)",
                SOURCE, book, title, f"지은이 {book}\x1b[31m", book,
            )  # fmt: skip
        start = clock.start_of_day(AS_OF - timedelta(days=9))
        for day, (book, quantity) in enumerate([("star-1", 1), ("star-0", 1), ("star-1", 1), ("sea-5", -1)]):
            change(
                "insert into marts.fct_events values (%s, 'C-1', 'purchase', %s, %s, %s)",
                str(day), start + timedelta(days=day), book, quantity,
            )  # fmt: skip
        draws = np.random.default_rng(0)
        readers = [draws.permutation(8)[:4] + 8 * (reader % 2) for reader in range(60)]
        words = [GENRES[book.split("-")[0]] * 3 for book in BOOKS]
        config = {"item_vector_size": 8, "text_vector_size": 8, "item_epochs": 5, "text_epochs": 20}
        registry.register(
            "recommend",
            BookRecommender(config).fit(BOOKS, words, readers),
            card={"data": {"as_of": AS_OF.isoformat(), "source": SOURCE}, "config": config},
            metrics={"training_rows": 240, "recall_at_10": 0.5, "recall_at_10_low": 0.4, "recall_at_10_high": 0.6},
            config=config,
            training_set=registry.TrainingSet("recommend", clock.end_of_day(AS_OF), 240, "0" * 64, "select 1"),
        )
        yield


def offered(*arguments: str) -> list[dict]:
    answer = CliRunner().invoke(app, ["recommend", "--version", "1", "--json", *arguments])
    assert answer.exit_code == 0, answer.exception
    return [json.loads(line) for line in answer.stdout.splitlines()]


def genres(books: list[dict]) -> set[str]:
    return {one["book_id"].split("-")[0] for one in books}


def test_while_no_version_is_live_the_next_step_is_said(shop):
    with pytest.raises(MaeariError, match="No version of recommend is live.*maeari train recommend"):
        CliRunner().invoke(app, ["recommend"], catch_exceptions=False)


@pytest.mark.parametrize("title", ["데미안", "sea-0", " 데미안을 "])
def test_a_liked_book_leads_to_those_its_readers_read(shop, title):
    found = offered("--like", title, "--count", "4")
    assert len(found) == 4
    assert genres(found) == {"sea"}
    assert found[0]["reason"] == "『데미안』을 읽은 분들이 함께 골랐어요"
    assert found[0].keys() == {"model_version", "book_id", "title", "author", "score", "why", "reason"}


def test_nothing_that_a_customer_bought_is_offered_to_them(shop):
    found = offered("--for", "C-1", "--count", "16")
    assert len(found) == len(BOOKS) - 2
    assert {one["book_id"] for one in found}.isdisjoint({"star-0", "star-1"})
    assert genres(found[:5]) == {"star"}
    assert found[0]["why"] == "liked"


def test_an_unknown_customer_gets_what_many_read_and_is_told_so(shop):
    answer = CliRunner().invoke(app, ["recommend", "--version", "1", "--for", "nobody"])
    assert "nobody has bought nothing, or is no customer. What many read is offered instead" in answer.output
    assert "많은 분이 읽은 책이에요" in answer.output
    assert len(offered("--for", "nobody")) == len(offered()) == 5


def test_a_text_leads_to_books_that_share_its_words(shop):
    found = offered("--text", "고래를 찾아 바다로 가는 이야기", "--count", "3")
    assert genres(found) == {"sea"}
    assert "'고래'" in found[0]["reason"]
    assert "이야기가 닮았어요" in found[0]["reason"]


def test_a_book_that_came_after_training_leads_to_those_of_its_words(shop, monkeypatch):
    from ml.errors import UnknownBook
    from ml.recommend import vectors
    from ml.recommend.sequences import Books

    with pytest.raises(UnknownBook, match="maeari score recommend"):
        CliRunner().invoke(app, ["recommend", "--version", "1", "--like", "먼 섬"], catch_exceptions=False)
    later = Books(SOURCE, [NEW], [TITLES[NEW]], [["고래", "등대"]])
    monkeypatch.setattr(vectors, "read_books", lambda *given, but: later)
    vectors.store(1)
    found = offered("--like", "먼 섬", "--count", "4")
    assert genres(found) == {"sea"}
    assert {one["why"] for one in found} == {"words"}


def test_a_title_that_is_not_there_is_said_with_those_like_it(shop):
    with pytest.raises(
        MaeariError, match="No book of marts.dim_books has the id or title “먼 산 너머”. Was it .*『먼 섬』"
    ):
        CliRunner().invoke(app, ["recommend", "--version", "1", "--like", "먼 산 너머"], catch_exceptions=False)
    with pytest.raises(MaeariError, match="has the id or title “qqqq”. `maeari explore dim_books`"):
        CliRunner().invoke(app, ["recommend", "--version", "1", "--like", "qqqq"], catch_exceptions=False)


def test_what_others_wrote_cannot_move_the_cursor(shop):
    answer = CliRunner().invoke(app, ["recommend", "--version", "1"])
    assert "지은이" in answer.output
    assert "\x1b" not in answer.output


def test_a_source_without_a_catalogue_is_said(shop):
    change("update marts.dim_books set source = 'another'")
    try:
        with pytest.raises(MaeariError, match="marts.dim_books has no book of my_books"):
            CliRunner().invoke(app, ["recommend", "--version", "1"], catch_exceptions=False)
    finally:
        change("update marts.dim_books set source = %s", SOURCE)
