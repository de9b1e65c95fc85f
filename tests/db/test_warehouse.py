"""dbt on a real Postgres: what is landed becomes marts that others rely on."""

import json
import random
import threading
import time
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg2
import pytest
from psycopg2.extras import execute_values

from maeari import warehouse
from maeari.postgres import advisory_lock, connect
from maeari.statistics import wilson_interval

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


def said_of_two_cafes() -> list[dict]:
    """Three months of explained reviews of one café, and of another that nobody reviewed in the second month."""
    chance = random.Random(5)
    terms = [f"말{number}" for number in range(130)]
    said = []
    for number in range(600):
        written_at = datetime(2026, 1, 31, 15, tzinfo=UTC) + timedelta(hours=89 * 24 * number / 600)
        month = written_at.astimezone(ZoneInfo("Asia/Seoul")).date().replace(day=1)
        subject = chance.choice("aab") if month.month != 3 else "a"
        spoken = chance.sample(terms, chance.randint(0, 12))
        said.append(
            {
                "review_id": f"cafes:{number}",
                "month": month,
                "subject_id": subject,
                "event_at": written_at,
                "label": chance.choice(["positive", "negative", "unsure"]),
                # Exact in 32 bits, so that sums can be compared.
                "terms": {term: chance.randint(-8000, 8000) / 4096 for term in spoken},
                "aspects": {name: chance.choice([-1.5, 0, 0.5, 2]) for name in chance.sample(["taste", "price"], 1)},
            }
        )
    return said


@pytest.fixture(scope="module")
def published(built):
    """The same warehouse with what two versions said of its reviews and of those of two cafés, published once."""
    url = warehouse.Settings().owner_url()
    execute(
        url,
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
        from unnest(array['2026-01-05', '2026-02-01', '2026-03-01', '2026-04-01']::timestamptz[]) month;
        insert into predictions.sentiment values
            ('shop:2', 'h3', 1, 0.9, 'positive', '2026-02-01', now(), 'live'),
            ('shop:2', 'h3', 2, 0.1, 'negative', '2026-02-01', now(), 'backfill'),
            ('shop:1', 'h1', 1, 0.9, 'positive', '2026-01-05', now(), 'live');
        insert into predictions.sentiment values
            ('film:2', 'h4', 2, 0.6, 'unsure', '2026-03-01', now(), 'live', 3.5, 'close');
        """,
    )
    said = said_of_two_cafes()
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        # Straight into the mart, which saves a build.
        execute_values(
            cursor,
            "insert into marts.fct_reviews (review_id, source, subject_id, body, content_hash, version_no, fetched_at) "
            "values %s",
            [(one["review_id"], "cafes", one["subject_id"], HOSTILE, "h", 1, one["event_at"]) for one in said],
        )
        execute_values(
            cursor,
            "insert into predictions.sentiment values %s",
            [
                (one["review_id"], "h", version, 0.5, one["label"], one["event_at"], AS_OF, "live", 3)
                for one in said
                for version in (1, 2)
            ],
        )
        # The last review is scored and not yet explained; the first version says the opposite of the second.
        execute_values(
            cursor,
            "insert into predictions.sentiment_explanations (review_id, content_hash, model_version, event_at, "
            "explained_at, base_score, score, characters, terms, term_contributions, aspects) values %s",
            [
                (
                    one["review_id"], "h", version, one["event_at"], AS_OF, 0, 0, [], list(one["terms"]),
                    [value if version == 2 else -value for value in one["terms"].values()],
                    json.dumps({name: {"score": score, "spans": []} for name, score in one["aspects"].items()}),
                )
                for one in said[:-1]
                for version in (1, 2)
            ],
            template="(%s, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s::real[], %s)",
        )  # fmt: skip
        execute_values(
            cursor,
            "insert into predictions.sentiment_picks values %s",
            [
                ("2026-04-01", "cafes", "a", "typical_positive", rank, f"cafes:{number}", content_hash, version, AS_OF)
                for rank, number, content_hash, version in [(1, 598, "h", 2), (2, 597, "h", 1), (3, 596, "changed", 2)]
            ],
        )
    return warehouse.publish(AS_OF)


def test_every_conditional_behaves_as_its_sentence_says(published):
    results = warehouse.run_dbt("test", "--select", "test_type:unit")
    assert len(results) > 10


def test_published_marts_show_the_version_live_at_the_time(published):
    assert published["models"] > 0
    assert rows(
        "analyst",
        "select review_id, model_version, predicted_label, unsure_because from marts.review_sentiment "
        "where source <> 'cafes' order by 1",
    ) == [
        ("film:2", 2, "unsure", "close"),
        ("shop:2", 1, "positive", None),
    ]
    assert rows(
        "analyst",
        "select week_start_on::text, subject_id, reviews, predicted_unsure_reviews, mean_estimated_stars::float "
        "from marts.weekly_sentiment where source <> 'cafes' order by 1, 2",
    ) == [
        ("2026-01-26", "cafe", 1, 0, None),
        ("2026-02-23", "film", 1, 1, 3.5),
    ]


def test_months_words_and_aspects_are_what_their_reviews_add_up_to(published):
    scored = defaultdict(list)
    for one in said_of_two_cafes():
        scored[one["month"], one["subject_id"]].append(one)
    assert len(scored) == 5
    explained = {key: [one for one in said if one["review_id"] != "cafes:599"] for key, said in scored.items()}

    def numbers(key, column, name):
        return [one[column][name] for one in explained.get(key, []) if name in one[column]]

    def sides(scores):
        return len(scores), sum(score > 0 for score in scores), sum(score < 0 for score in scores)

    def near(*values):
        return tuple(pytest.approx(value, abs=1e-6) if isinstance(value, float) else value for value in values)

    months, words, aspects = [], [], []
    for key, said in sorted(scored.items()):
        key_before = ((key[0] - timedelta(days=1)).replace(day=1), key[1])
        now, before = explained[key], explained.get(key_before)
        sure = [one["label"] for one in said if one["label"] != "unsure"]
        share = wilson_interval(sure.count("positive"), len(sure))
        months.append(
            (*key, len(said), len(said) - len(sure), *near(share.value, share.low, share.high), key[0].month < 4)
            + (len(now), before and len(before), 1 if key[0].month == 2 else 2)
        )
        sign = -1 if key[0].month == 2 else 1
        compared = []
        for term in {term for one in now + (before or []) for term in one["terms"]}:
            found, found_before = numbers(key, "terms", term), numbers(key_before, "terms", term)
            if len(found) + len(found_before) >= 3:
                mean, mean_before = sign * sum(found) / len(now), sum(found_before) / len(before) if before else None
                difference = mean - mean_before if before else None
                compared.append((term, len(found), before and len(found_before), mean, mean_before, difference))
        compared.sort(key=lambda row: (-abs(row[-1] if before else row[-3]), row[0]))
        words += [(*key, rank, *near(*row)) for rank, row in enumerate(compared[:100], 1)]
        for aspect in ("price", "taste"):
            found, found_before = (sides(numbers(month, "aspects", aspect)) for month in (key, key_before))
            share, share_before = (wilson_interval(good, good + bad) for _, good, bad in (found, found_before))
            aspects.append(
                (*key, aspect, *found, *near(share.value, share.low, share.high))
                + ((*found_before, *near(share_before.low, share_before.high)) if before else (None,) * 5)
            )

    chosen = "where source = 'cafes' order by month_start_on, subject_id"
    assert months == rows(
        "analyst",
        "select month_start_on, subject_id, reviews, predicted_unsure_reviews, positive_share, positive_share_low, "
        "positive_share_high, is_complete, explained_reviews, explained_reviews_before, explained_by_version "
        f"from marts.subject_months {chosen}",
    )
    assert words == rows(
        "analyst",
        "select month_start_on, subject_id, rank, term, reviews, reviews_before, contribution, contribution_before, "
        f"difference from marts.subject_words {chosen}, rank",
    )
    assert max(rank for _, _, rank, *_ in words) == 100
    assert aspects == rows(
        "analyst",
        "select month_start_on, subject_id, aspect, reviews, positive_reviews, negative_reviews, positive_share, "
        "positive_share_low, positive_share_high, reviews_before, positive_reviews_before, negative_reviews_before, "
        f"positive_share_before_low, positive_share_before_high from marts.subject_aspects {chosen}, aspect",
    )


def test_a_pick_is_shown_as_the_version_that_picked_it_reads_it_while_its_text_is_the_same(published):
    assert rows("web", "select rank, review_id, body, model_version from marts.subject_reviews order by rank") == [
        (1, "cafes:598", HOSTILE, 2),
        (2, "cafes:597", HOSTILE, 1),
    ]
    ((description,),) = rows("web", "select obj_description('marts.subject_reviews'::regclass)")
    assert description.startswith("One row per month")


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


def test_a_task_of_airflow_shares_the_lock_with_its_like_alone_until_dbt_is_done(built):
    alone, shared = (
        f"select pg_try_advisory_xact_lock{kind}(hashtextextended('{warehouse.LOCK}', 0))" for kind in ("", "_shared")
    )
    warehouse.before_task(context={}, operator=None)
    assert rows("dbt", alone) == [(False,)]
    assert rows("dbt", shared) == [(True,)]
    warehouse.after_task("project", context={})
    assert rows("dbt", alone) == [(True,)]


def test_a_build_that_has_taken_in_all_that_was_crawled_needs_no_second(built):
    assert warehouse.holds_all_crawled()
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into raw.articles (source, source_article_id, version_no, content_hash, title, body, url, crawl_id,"
            " fetched_at) values ('news', '1', 3, 'h9', 'newer', 'text', 'u', 1, now())"
        )
    assert not warehouse.holds_all_crawled()
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("alter table raw.articles disable trigger user")
        cursor.execute("delete from raw.articles where content_hash = 'h9'")
        cursor.execute("alter table raw.articles enable trigger user")
        cursor.execute(
            "insert into ops.crawls (source, outcome, started_at) values"
            " ('slow', 'running', now()), ('killed', 'running', now() - interval '2 hours') returning crawl_id"
        )
    waiting = threading.Thread(target=warehouse.wait_for_crawls)
    waiting.start()
    time.sleep(2)
    assert waiting.is_alive()
    with connect("owner") as connection, connection.cursor() as cursor:
        # A crawl that began after the question is the next build's.
        cursor.execute("insert into ops.crawls (source, outcome, started_at) values ('next', 'running', now())")
        cursor.execute("delete from ops.crawls where source = 'slow' and outcome = 'running'")
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.crawls where source in ('next', 'killed') and outcome = 'running'")


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
