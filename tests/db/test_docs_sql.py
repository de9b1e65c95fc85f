"""Each query of docs/sql.md runs, as the role the page names, and finds what a small warehouse holds."""

import json
import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
FIRST = datetime(2026, 2, 27, 3, tzinfo=UTC)
REVIEWS = 40
BOUGHT = datetime(2025, 7, 1, 3, tzinfo=UTC)
YEAR_END = datetime(2025, 12, 31, 15, tzinfo=UTC)
SEEN = date(2026, 3, 8)
MONDAY = datetime(2026, 2, 8, 15, tzinfo=UTC)
"""When the first of the four weeks of articles begins in Seoul; the last ends with the day `SEEN`."""
WEEKS, ARTICLES_A_WEEK = 4, 60
LAST_WEEK = date(2026, 3, 2)
TOPICS = (("원두", "생두"), ("일회용컵", "보증금"), ("책방", "독립서점"))


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
    """A warehouse with one crawl and one import, a live version of each model, their predictions and one verdict."""
    from maeari import warehouse

    url = new_warehouse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", url)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            _land(cursor)
            _import(cursor)
            _release(cursor)
            _release_churn(cursor)
            _release_topics(cursor)
        warehouse.build(SEEN)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            _score_and_judge(cursor)
            _score_customers(cursor)
            _tell_topics(cursor)
        _count_topics_and_pairs()
        warehouse.publish(SEEN)
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
    _land_articles(cursor, crawl_id)


def _land_articles(cursor, crawl_id: int) -> None:
    """Four weeks of articles: the first topic has more and more, and the second one of the last week is a copy."""
    cursor.executemany(
        "insert into raw.articles (source, source_article_id, version_no, content_hash, title, body, published_at, "
        "url, crawl_id, fetched_at) values ('press', %s, 1, %s, %s, '본문', %s, 'http://press.test/', %s, %s)",
        [
            (f"a:{n}", f"hash a:{n}", " ".join(_terms(n)), published_at, crawl_id, published_at + timedelta(hours=1))
            for n in range(WEEKS * ARTICLES_A_WEEK)
            for published_at in [MONDAY + n * timedelta(weeks=1) / ARTICLES_A_WEEK]
        ],
    )
    cursor.execute(
        "insert into ops.duplicates (kind, source, record_id, original_source, original_record_id, similarity, "
        "is_exact, method, crawl_id) values ('article', 'press', 'a:181', 'press', 'a:180', 1, true, 'sha256', %s)",
        (crawl_id,),
    )


def _topic(n: int) -> int:
    week, place = divmod(n, ARTICLES_A_WEEK)
    return 0 if place < 6 * (week + 1) else 1 + place % 2


def _terms(n: int) -> list[str]:
    """The two words of the article's topic, of which a sixth of the first lacks one; in the last week 관세 is new."""
    week, place = divmod(n, ARTICLES_A_WEEK)
    topic = _topic(n)
    terms = list(TOPICS[topic][: 1 if topic == 0 and place % 6 == 5 else 2])
    return terms + ["관세"] if week == WEEKS - 1 and place < 12 else terms


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
    cursor.execute(
        "select predictions.ensure_sentiment_month(%(first)s), predictions.ensure_sentiment_month('2026-03-01');"
        "insert into predictions.sentiment select review_id, content_hash, 1, 0.9, 'positive', written_at, now(), "
        "'live', 4.5 from marts.fct_reviews;"
        "insert into predictions.sentiment_explanations select review_id, content_hash, 1, written_at, now(), 0.1, "
        "2.1, '{}', '{커피,좋다}', array[0, case when written_at < '2026-02-28 15:00+00' then 2 else 1.5 end], "
        '\'{"taste": {"score": 2}}\' from marts.fct_reviews;'
        "insert into predictions.sentiment_picks select '2026-02-01', source, subject_id, 'disagreeing', 1, review_id, "
        "content_hash, 1, now() from marts.fct_reviews where stars = 1 order by written_at limit 1",
        {"first": FIRST},
    )
    cursor.execute(
        "insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons, rows) "
        "values ('sentiment', 1, '2026-02-27', '2026-03-05', 'too_few_rows', %s, 40)",
        (json.dumps(["40 rows"]),),
    )
    cursor.execute(
        "insert into monitoring.reports (model, window_start, window_end, path) "
        "values ('sentiment', '2026-02-27', '2026-03-05', 'sentiment/2026-02-27.html')"
    )


def _import(cursor) -> None:
    cursor.execute(
        "insert into ops.loads (source, kind, origin, finished_at, outcome, complete_until) "
        "values ('till', 'events', 'sales.csv', now(), 'finished', '2026-03-08 00:00+09') returning load_id"
    )
    (load_id,) = cursor.fetchone()
    cursor.executemany(
        "insert into raw.events (source, event_id, customer_id, event_type, occurred_at, amount, load_id) "
        "values ('till', %s, %s, 'purchase', %s, 10, %s)",
        [
            (f"{customer} {days}", customer, BOUGHT + timedelta(days=days), load_id)
            for customer, until in (("stays", 240), ("leaves", 170))
            for days in range(0, until, 20)
        ],
    )
    cursor.execute(
        "insert into raw.rejected (source, kind, reason, payload, payload_sha256, load_id) "
        "values ('till', 'events', 'no date', '{\"file\": \"sales.csv\", \"line\": 7}', '', %s)",
        (load_id,),
    )


def _release_churn(cursor) -> None:
    cursor.execute(
        "insert into ops.training_sets values ('months', 'churn', %s, 30, 'sha', 'select 1', now());"
        "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card, artifact_sha256, "
        "mlflow_run_id) values ('churn', 1, now(), 'months', '{}', '{\"config\": {\"contact_budget_share\": 0.5}}', "
        "'file', 'run');"
        "select ops.promote('churn', 1, null, 'file', '지원', now(), %s, '{}', false)",
        (YEAR_END, YEAR_END),
    )


def _release_topics(cursor) -> None:
    for model, labels in (("topics", [" · ".join(terms) for terms in TOPICS]), ("review_topics", ["맛", "기다림"])):
        topics = [{"topic_no": number, "topic_id": number + 1, "label": label} for number, label in enumerate(labels)]
        looks = {"share": 0.5, "coherence": 0.4, "stability": 0.9, "is_stable": True, "x": 0, "y": 0, "terms": ["커피"]}
        cursor.execute(
            "insert into ops.training_sets values (%(model)s, %(model)s, %(at)s, 30, 'sha', 'select 1', now());"
            "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card, "
            "artifact_sha256, mlflow_run_id) values (%(model)s, 1, now(), %(model)s, '{}', %(card)s, 'file', 'run');"
            "select ops.promote(%(model)s, 1, null, 'file', '지원', now(), %(at)s, %(evidence)s, false)",
            {
                "model": model,
                "at": MONDAY,
                "card": json.dumps({"topics": [topic | looks for topic in topics]}),
                "evidence": json.dumps({"topics": [topic | {"is_named": False, "fate": "new"} for topic in topics]}),
            },
        )


def _tell_topics(cursor) -> None:
    cursor.execute(
        "insert into predictions.dictionaries (analyser, words) values ('kiwi', '[]') returning dictionary_id"
    )
    (dictionary_id,) = cursor.fetchone()
    for n in range(WEEKS * ARTICLES_A_WEEK):
        weights = [0.9 if number == _topic(n) else 0.05 for number in range(len(TOPICS))]
        cursor.execute(
            "insert into predictions.text_terms "
            "values ('articles', %(id)s, %(hash)s, %(dictionary)s, %(terms)s, 9, now());"
            "insert into predictions.topics select 'topics', article_id, content_hash, 1, %(topic)s, %(weights)s, 9, "
            "9, published_at, now(), 'live' from marts.fct_articles where article_id = %(id)s",
            {
                "id": f"press:a:{n}",
                "hash": f"hash a:{n}",
                "dictionary": dictionary_id,
                "terms": _terms(n),
                "topic": _topic(n),
                "weights": weights,
            },
        )
    # 카페 is frequent everywhere, 생두 is rare and of the first topic alone.
    cursor.execute(
        "insert into predictions.topic_terms values ('topics', 1, 0, '카페', 0.3, 0.29), ('topics', 1, 0, '원두', 0.2, "
        "0.1), ('topics', 1, 0, '생두', 0.1, 0.02);"
        "insert into predictions.topics select 'review_topics', review_id, content_hash, 1, (stars <= 2)::integer, "
        "case when stars <= 2 then '{0.2,0.8}' else '{0.8,0.2}' end::real[], 9, 9, written_at, now(), 'live' "
        "from marts.fct_reviews"
    )


def _count_topics_and_pairs() -> None:
    from maeari.postgres import connect
    from ml.associations.mine import mine
    from ml.texts.collection import Collection
    from ml.topics.shares import write_shares

    with connect("ml") as connection:
        write_shares(connection, Collection.articles, 1, SEEN)
    mine(Collection.articles, SEEN)


def _score_customers(cursor) -> None:
    cursor.execute(
        "insert into predictions.churn select customer_id, as_of_on, 1, chance, 'live', now(), chance > 0.5 "
        "from features.churn join (values ('leaves', 0.9), ('stays', 0.1)) as said (customer_id, chance) "
        "using (customer_id) where as_of_on in ('2025-12-31', '2026-02-28');"
        "insert into predictions.churn_reasons select customer_id, as_of_on, 1, method, 1, 'recency_days', 80, 0.2, "
        "'no purchase for 80 days; usually every 20' from predictions.churn, unnest('{shap,lime}'::text[]) as method "
        "where is_predicted_leaver"
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


def test_a_word_is_held_against_the_month_before(answer):
    word, other = answer("Which words made the difference, this month against the one before?")
    assert (word["month_start_on"], word["rank"], word["term"]) == (date(2026, 3, 1), 1, "좋다")
    assert float(word["difference"]) == -0.5
    assert (word["is_complete"], word["explained_by_version"]) == (False, 1)
    assert (other["term"], other["difference"]) == ("커피", 0)
    assert [row["stars"] for row in answer("In which reviews do stars and text disagree?")] == [1]


def test_the_list_names_the_leaver_with_the_reason(answer):
    (row,) = answer("Whom to contact now?")
    assert (row["as_of_on"], row["customer_id"]) == (date(2026, 2, 28), "leaves")
    assert row["strongest_reason"] == "no purchase for 80 days; usually every 20"
    assert [row["method"] for row in answer("Why is a customer thought to leave?")] == ["shap", "lime"]


def test_a_promise_is_held_against_what_happened(answer):
    (row,) = answer("What was promised of the customers, and what happened?")
    assert (row["as_of_on"], row["customers"]) == (date(2025, 12, 31), 2)
    assert row["promised_leavers"] == row["actual_leavers"] == row["contacted"] == row["of_them_left"] == 1


def test_a_customers_probability_leads_back_to_the_files_and_the_person_who_approved(answer):
    (row,) = answer("Back: from a customer's probability to the files that their events came in")
    assert (row["customer_id"], row["origin"], row["events"], row["approved_by"]) == ("leaves", "sales.csv", 9, "지원")


def test_a_refused_line_shows_its_place(answer):
    (row,) = answer("Which imports refused lines, and why?")
    assert (row["file"], row["first_line"], row["reason"]) == ("sales.csv", 7, "no date")


def test_the_topics_of_a_month_stand_with_their_intervals(answer):
    rows = answer("What was the news about in a month?")
    assert [(row["topic_id"], row["topic_texts"], row["texts"]) for row in rows] == [
        (2, 68, 172),
        (3, 68, 172),
        (1, 36, 172),
    ]
    assert {row["period_start_on"] for row in rows} == {date(2026, 2, 1)}
    assert (rows[2]["label"], float(rows[2]["percent"]), rows[2]["interval_95"]) == (
        "원두 · 생두",
        20.9,
        "15.5 to 27.6",
    )


def test_a_topic_that_rose_leads_to_its_articles(answer):
    (row,) = answer("Which topics rose in a week?")
    assert (row["period_start_on"], row["label"]) == (LAST_WEEK, "원두 · 생두")
    # Of 24 articles of 60 one is a copy.
    assert (row["topic_texts"], row["texts"], row["trend_periods"]) == (23, 59, 4)
    assert 0 < row["trend_p_value"] < 0.001
    articles = answer("Which articles are behind a topic in a period?")
    assert len(articles) == 24
    assert [row["is_copy"] for row in articles].count(True) == 1
    assert {row["url"] for row in articles} == {"http://press.test/"}


def test_the_words_of_a_topic_are_ranked_at_the_relevance_that_is_asked_for(answer):
    assert [row["term"] for row in answer("Which words make a topic?")] == ["생두", "원두", "카페"]


def test_a_pair_of_words_has_its_counts_its_p_value_and_whether_it_is_new(answer):
    rows = answer("Which words went together in a week, and which of these pairs are new?")
    pairs = {(row["term"], row["other_term"]): row for row in rows}
    known, new = pairs["생두", "원두"], pairs["관세", "원두"]
    assert known["period_start_on"] == LAST_WEEK
    assert [known[name] for name in ("texts", "term_texts", "other_texts", "all_texts")] == [19, 19, 23, 59]
    assert float(known["lift"]) == 2.6
    assert 0 < known["holm_p_value"] < 1e-6
    assert (known["is_new"], new["is_new"], new["texts"]) == (False, True, 11)


def test_a_rule_goes_one_way(answer):
    rows = {(row["if_these"], row["then_these"]): row for row in answer("Which rules held in a month?")}
    assert rows["생두", "원두"]["confidence"] == 1
    assert (rows["원두", "생두"]["texts"], rows["원두", "생두"]["antecedent_texts"]) == (30, 36)
    assert 0 < rows["원두", "생두"]["holm_p_value"] < 1e-6


def test_pairs_are_counted_as_they_are_mined_over_any_span(answer):
    (row,) = answer("What does a word go with, in any span of time?")
    # Of 239 articles, the copy left out, 책방 and 독립서점 stand in the same ones.
    assert (row["other_term"], row["all_texts"]) == ("독립서점", 239)
    assert row["texts"] == row["term_texts"] == row["other_texts"] == 27 + 24 + 21 + 18
    assert float(row["lift"]) == 2.7
    weeks = answer("How often do two words stand in one text, week by week?")
    assert [(row["texts"], row["all_texts"]) for row in weeks] == [(27, 60), (24, 60), (21, 60), (18, 59)]
    mined = answer("Which words went together in a week, and which of these pairs are new?")
    (pair,) = [row for row in mined if row["term"] == "독립서점"]
    assert (pair["texts"], pair["all_texts"], pair["lift"]) == (18, 59, weeks[-1]["lift"])


def test_the_topics_of_a_subject_stand_with_their_stars(answer):
    first, second = answer("What are the reviews of each subject about?")
    assert (first["subject_name"], first["label"], first["reviews"], first["percent"]) == ("메아리 카페", "맛", 24, 60)
    assert (second["label"], second["reviews"], float(second["mean_stars"])) == ("기다림", 16, 1.5)
