"""Each query of docs/sql.md runs, as the role the page names, and finds what a small warehouse holds."""

import json
import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
FIRST = datetime(2026, 3, 2, 3, tzinfo=UTC)
REVIEWS = 40


def queries() -> dict[str, tuple[str, str]]:
    """The page's queries by heading, each with the role its section names."""
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        role = {"As the analyst": "analyst", "As the owner": "owner"}[section.splitlines()[0]]
        for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
            (query,) = re.findall(r"```sql\n(.+?)```", part, re.DOTALL)
            found[part.splitlines()[0]] = (role, query)
    return found


@pytest.fixture(scope="module")
def filled_warehouse(new_warehouse):
    """A warehouse with one crawl, one live version, its predictions and one verdict."""
    from maeari import warehouse

    url = new_warehouse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", url)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            _land(cursor)
            _release(cursor)
        warehouse.build(date(2026, 3, 8))
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            _score_and_judge(cursor)
        warehouse.publish(date(2026, 3, 8))
        yield url


def _land(cursor) -> None:
    cursor.execute(
        "insert into ops.crawls (source, finished_at, pages, items, landed, outcome, robots_verdict, stats) values "
        "('shop', now(), 4, 41, 41, 'finished', 'allowed', '{\"records_per_page\": 10.25}') returning crawl_id"
    )
    (crawl_id,) = cursor.fetchone()
    cursor.executemany(
        "insert into raw.reviews (source, source_review_id, version_no, content_hash, subject_id, subject_name, "
        "rating, rating_max, body, written_at, written_at_precision, url, crawl_id, fetched_at) values "
        "('shop', %s, %s, %s, 'cafe', '메아리 카페', %s, 5, '커피가 좋아요', %s, 'day', 'http://shop.test/', %s, %s)",
        [
            (
                f"r:{n}",
                version,
                f"hash {n} {version}",
                1 + n % 5,
                written_at,
                crawl_id,
                written_at + timedelta(hours=version),
            )
            for n in range(REVIEWS)
            for version in ((1, 2) if n == 0 else (1,))
            for written_at in [FIRST + timedelta(hours=3 * n)]
        ],
    )
    cursor.execute(
        "insert into raw.rejected (source, kind, reason, payload, payload_sha256, crawl_id) "
        "values ('shop', 'review', 'six stars', '{}', '', %s)",
        (crawl_id,),
    )


def _release(cursor) -> None:
    cursor.execute(
        "insert into ops.training_sets values ('set', 'sentiment', %s, 30, 'sha', 'select 1', now());"
        "insert into ops.model_versions values ('sentiment', 1, now(), 'set', '{}', '{}', 'file', 'run');"
        "insert into ops.release_requests (model, version, as_of, effective_from, evidence, may_ask, expires_at, "
        "outcome, decided_by, decided_at) "
        "values ('sentiment', 1, %s, %s, '{}', true, now(), 'approved', '지원', now());"
        "select ops.promote('sentiment', 1, null, 'file', '지원', now(), %s, '{}', false)",
        (FIRST, FIRST, FIRST, FIRST - timedelta(days=1)),
    )


def _score_and_judge(cursor) -> None:
    cursor.execute("select predictions.ensure_sentiment_month(%s)", (FIRST,))
    cursor.execute(
        "insert into predictions.sentiment select review_id, content_hash, 1, 0.9, 'positive', written_at, now(), "
        "'live' from marts.fct_reviews"
    )
    cursor.execute(
        "insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons, rows) "
        "values ('sentiment', 1, '2026-03-02', '2026-03-08', 'too_few_rows', %s, 40)",
        (json.dumps(["40 rows"]),),
    )
    cursor.execute(
        "insert into monitoring.reports (model, window_start, window_end, path) "
        "values ('sentiment', '2026-03-02', '2026-03-08', 'sentiment/2026-03-02.html')"
    )


@pytest.fixture
def answer(filled_warehouse):
    """A function that runs the query under a heading and returns its rows as dictionaries."""
    from maeari.postgres import connect

    def ask(heading: str) -> list[dict]:
        role, query = queries()[heading]
        with connect(role) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    return ask


def test_the_page_holds_queries_and_each_is_run():
    assert len(queries()) == PAGE.count("```sql") > 5


@pytest.mark.parametrize("heading", queries())
def test_a_query_finds_something(answer, heading):
    assert answer(heading)


def test_a_prediction_leads_back_to_its_crawl_and_the_person_who_approved(answer):
    (row,) = answer("Back: from a prediction to the page it was crawled from")
    assert (row["approved_by"], row["training_set_id"], row["robots_verdict"]) == ("지원", "set", "allowed")
    assert row["url"] == "http://shop.test/"


def test_a_crawl_leads_forward_to_its_verdicts(answer):
    (row,) = answer("Forward: from a crawl to the verdicts it took part in")
    assert row["verdict"] == "too_few_rows"
    assert row["reviews_of_this_crawl"] == row["reviews_in_all"] == REVIEWS


def test_a_changed_review_shows_both_versions(answer):
    assert [row["version_no"] for row in answer("Which reviews did their authors change?")] == [1, 2]
