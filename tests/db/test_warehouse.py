"""dbt on a real Postgres: what is landed becomes marts that others rely on."""

import json
import threading
from contextlib import closing
from datetime import date

import psycopg2
import pytest

from maeari import warehouse
from maeari.postgres import advisory_lock, connect

AS_OF = date(2026, 5, 31)
HOSTILE = "'; drop table raw.reviews; -- <script>alert(1)</script> {{ ref('x') }} %s \\N 한글 \U0001f642"

LANDED = """
insert into ops.crawls (source, finished_at, landed, outcome) values ('shop', now(), 3, 'finished');
insert into ops.sources (source, kind, owner, licence, terms_url, is_local, facts_sha256) values
    ('shop', 'review_pages', 'Shop Ltd.', %(hostile)s, 'https://shop.example/terms', false, 'x');
insert into ops.duplicates (
    kind, source, record_id, original_source, original_record_id, similarity, is_exact, method, crawl_id
) values
    ('review', 'shop', '2', 'film', '2', 0.9, false, 'minhash 64', 1),
    ('article', 'news', '2', 'news', '1', 1, true, 'sha256', 1);
insert into raw.reviews (
    source, source_review_id, version_no, content_hash, subject_id, subject_name, author_key, rating, rating_max,
    title, body, written_at, written_at_precision, url, crawl_id, fetched_at
) values
    ('shop', '1', 1, 'h1', 'cafe', '카페', 'a', 5, 5, null, 'first', '2026-01-05', 'day', 'u', 1, '2026-03-01'),
    ('shop', '1', 2, 'h2', 'cafe', '카페', 'a', 1, 5, null, 'changed', '2026-01-12', 'week', 'u', 1, '2026-04-01'),
    ('shop', '2', 1, 'h3', 'cafe', null, 'b', null, null, null, %(hostile)s, '2026-02-01', 'day', 'u', 1, '2026-03-01'),
    ('film', '2', 1, 'h4', 'film', null, null, 10, 10, 'title', 'great', null, null, 'u', 1, '2026-03-01');
insert into raw.articles (
    source, source_article_id, version_no, content_hash, title, body, published_at, url, crawl_id, fetched_at
) values
    ('news', '1', 1, 'h1', 'old title', 'text', '2026-01-05', 'u', 1, '2026-01-06'),
    ('news', '1', 2, 'h2', %(hostile)s, 'text', '2026-01-09', 'u', 1, '2026-01-10');
"""


def execute(url: str, statement: str, parameters: dict | None = None) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def rows(role: str, query: str) -> list[tuple]:
    with connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def built(new_warehouse):
    """A warehouse with a few landed rows, built once."""
    url = new_warehouse()
    execute(url, LANDED, {"hostile": HOSTILE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", url)
        yield warehouse.build(AS_OF)


@pytest.fixture(scope="module")
def manifest(built):
    return json.loads(warehouse.write_manifest().read_text())


def test_a_build_says_what_it_did(built):
    assert built["as_of"] == "2026-05-31"
    assert built["models"] > 0
    assert built["tests"] > built["models"]


def test_a_review_is_one_row_with_its_newest_text_and_its_first_date(built):
    assert rows(
        "ml",
        "select review_id, version_no, body, stars, sentiment_label, written_at::date::text, written_at_precision "
        "from marts.fct_reviews order by review_id",
    ) == [
        ("film:2", 1, "great", 5, "positive", None, None),
        ("shop:1", 2, "changed", 1, "negative", "2026-01-05", "day"),
        ("shop:2", 1, HOSTILE, None, None, "2026-02-01", "day"),
    ]


def test_what_was_known_on_a_day_can_be_read_back(built):
    known = "select body from intermediate.int_reviews__versions where review_id = 'shop:1' and valid_from <= '{0}' "
    known += "and (valid_to is null or valid_to > '{0}')"
    assert rows("ml", known.format("2026-01-04")) == []
    assert rows("ml", known.format("2026-02-01")) == [("first",)]
    assert rows("ml", known.format("2026-04-02")) == [("changed",)]


def test_an_article_is_one_row_and_its_text_stays_text(built):
    assert rows("web", "select article_id, title, published_at::date::text from marts.fct_articles") == [
        ("news:1", HOSTILE, "2026-01-05")
    ]


def test_subjects_are_counted(built):
    assert rows(
        "analyst", "select subject_key, subject_name, reviews, rated_reviews from marts.dim_subjects order by 1"
    ) == [
        ("film:film", None, 1, 1),
        ("shop:cafe", "카페", 2, 1),
    ]


def test_each_source_shows_whose_it_is_and_how_its_crawls_do(built):
    assert rows(
        "analyst",
        "select source, owner, licence, is_verified, last_outcome, landed_rows, reviews, articles "
        "from marts.dim_sources order by 1",
    ) == [
        ("film", None, None, False, None, 0, 1, 0),
        ("news", None, None, False, None, 0, 0, 1),
        ("shop", "Shop Ltd.", HOSTILE, False, "finished", 3, 2, 0),
    ]


def test_copies_are_shown_beside_the_reviews_and_none_is_dropped(built):
    assert rows("analyst", "select review_id, original_review_id, is_exact from marts.duplicate_reviews") == [
        ("shop:2", "film:2", False)
    ]


def test_building_again_changes_no_row(built):
    tables = ["intermediate.int_reviews__versions", "marts.fct_reviews", "marts.fct_articles", "marts.dim_subjects"]
    tables += ["marts.dim_sources", "marts.duplicate_reviews"]
    before = {table: rows("dbt", f"select * from {table} order by 1, 2") for table in tables}
    warehouse.build(AS_OF)
    assert {table: rows("dbt", f"select * from {table} order by 1, 2") for table in tables} == before


@pytest.mark.parametrize("role", ["ml", "monitor", "web", "analyst"])
def test_readers_may_read_the_marts_but_not_write_them(built, role):
    assert rows(role, "select count(*) from marts.fct_reviews") == [(3,)]
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
        rows(role, "delete from marts.fct_reviews returning 1")


@pytest.mark.parametrize("relation", ["raw.reviews", "staging.stg_raw__reviews", "intermediate.int_reviews__versions"])
def test_the_analyst_sees_nothing_before_the_marts(built, relation):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows("analyst", f"select 1 from {relation}")


def test_every_conditional_behaves_as_its_sentence_says(built):
    warehouse.publish(AS_OF)
    results = warehouse.run_dbt("test", "--select", "test_type:unit")
    assert len(results) > 10


def test_published_marts_show_the_version_live_at_the_time(built):
    execute(
        warehouse.Settings().owner_url(),
        """
        insert into ops.training_sets values ('t', 'sentiment', now(), 1, 'x', 'select', now());
        insert into ops.model_versions (
            model, version, trained_at, training_set_id, metrics, card, artifact_sha256, mlflow_run_id
        ) select 'sentiment', version, now(), 't', '{}', '{}', 'x', 'r' from generate_series(1, 2) version;
        insert into ops.deployments (
            model, version, live_from, live_to, effective_from, approved_by, approved_at, evidence
        ) values
            ('sentiment', 1, '2026-05-01', '2026-05-02', '2026-01-01', 'me', now(), '{}'),
            ('sentiment', 2, '2026-05-02', null, '2026-03-01', 'me', now(), '{}');
        select predictions.ensure_sentiment_month(month)
        from unnest(array['2026-01-05', '2026-02-01', '2026-03-01']::timestamptz[]) month;
        insert into predictions.sentiment values
            ('shop:2', 'h3', 1, 0.9, 'positive', '2026-02-01', now(), 'live'),
            ('shop:2', 'h3', 2, 0.1, 'negative', '2026-02-01', now(), 'backfill'),
            ('film:2', 'h4', 2, 0.8, 'positive', '2026-03-01', now(), 'live'),
            ('shop:1', 'h1', 1, 0.9, 'positive', '2026-01-05', now(), 'live');
        """,
    )
    assert warehouse.publish(AS_OF)["models"] > 0
    assert rows(
        "analyst", "select review_id, model_version, predicted_label from marts.review_sentiment order by 1"
    ) == [
        ("film:2", 2, "positive"),
        ("shop:2", 1, "positive"),
    ]
    assert rows(
        "analyst", "select week_start_on::text, subject_id, reviews from marts.weekly_sentiment order by 1, 2"
    ) == [
        ("2026-01-26", "cafe", 1),
        ("2026-02-23", "film", 1),
    ]


def test_every_model_states_its_grain_and_every_mart_keeps_a_contract(manifest):
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    assert len(models) >= 8
    tested = {
        (node["attached_node"].rpartition(".")[2], node["column_name"], node["test_metadata"]["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
    }
    for name, model in models.items():
        assert model["description"].startswith("One row per "), name
        assert model["schema"] in ("staging", "intermediate", "marts", "features"), name
        if model["schema"] in ("marts", "features"):
            assert model["config"]["contract"]["enforced"], name
        if model["schema"] == "marts":
            key = next(iter(model["columns"]))
            assert {(name, key, "unique"), (name, key, "not_null")} <= tested, name


def test_an_unchanged_manifest_is_left_alone_and_a_parse_from_nothing_is_no_change(manifest):
    file = warehouse.manifest_path()
    before = file.stat().st_mtime_ns
    (warehouse.Settings().path("dbt", "target") / "partial_parse.msgpack").unlink()
    warehouse.write_manifest()
    assert file.stat().st_mtime_ns == before


def test_the_docs_are_one_page_that_asks_for_nothing(built):
    page = warehouse.write_docs().read_text()
    assert "One row per review, in its newest version." in page
    for asking in ('src="http', "src='http", 'rel="stylesheet" href="http', "url(http", "@import"):
        assert asking not in page


def test_nothing_is_written_into_the_checkout(built):
    assert {path.name for path in warehouse.PROJECT.iterdir()} == {
        "dbt_project.yml", "macros", "models", "profiles.yml"
    }  # fmt: skip


def test_a_build_waits_for_the_one_before(built):
    done = threading.Event()

    def build():
        warehouse.build(AS_OF)
        done.set()

    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = "
    waiting += "(select oid from pg_database where datname = current_database())"
    thread = threading.Thread(target=build)
    with connect("dbt", autocommit=True) as connection, advisory_lock(connection, warehouse.LOCK):
        thread.start()
        while rows("dbt", waiting) == [(0,)]:
            assert thread.is_alive()
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_a_task_of_airflow_holds_the_lock_until_dbt_is_done(built):
    free = f"select pg_try_advisory_xact_lock(hashtextextended('{warehouse.LOCK}', 0))"
    warehouse.before_task(context={}, operator=None)
    assert rows("dbt", free) == [(False,)]
    warehouse.after_task("project", context={})
    assert rows("dbt", free) == [(True,)]


def test_a_failure_names_the_model_and_the_next_step(new_warehouse, monkeypatch):
    url = new_warehouse()
    monkeypatch.setenv("MAEARI_DATABASE_URL", url)
    execute(url, "revoke select on raw.reviews from maeari_dbt")
    with pytest.raises(warehouse.BuildFailed, match="(?s)- int_reviews__versions: .*permission denied.*run it again"):
        warehouse.build(AS_OF)


def test_freshness_goes_by_finished_crawls(new_warehouse, monkeypatch):
    url = new_warehouse()
    monkeypatch.setenv("MAEARI_DATABASE_URL", url)
    assert warehouse.check_freshness()["sources"] == 2
    execute(url, LANDED, {"hostile": HOSTILE})
    execute(url, "update ops.crawls set source = 'news', finished_at = now()")
    execute(
        url,
        "insert into ops.crawls (source, finished_at, outcome) values ('shop', now() - interval '8 days', 'finished')",
    )
    with pytest.raises(warehouse.BuildFailed, match="reviews"):
        warehouse.check_freshness()
