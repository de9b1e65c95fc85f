"""Each query of docs/sql.md runs, as the role the page names, and finds what a small warehouse holds."""

import json
import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg2
import pytest
import yaml
from psycopg2.extras import execute_values

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
JUDGED = "Is a model still good?"
CREDIT_FROM = date(2025, 1, 6)
CREDIT_WEEKS, LOANS_A_WEEK, BAD_WEEK = 9, 900, 7
TOPICS = (("원두", "생두"), ("일회용컵", "보증금"), ("책방", "독립서점"))


def monday(week: int) -> date:
    """The first day of a week of loans."""
    return CREDIT_FROM + timedelta(weeks=week)


def queries() -> dict[str, tuple[str, str]]:
    """The page's queries by heading, each with the role that its section, or the text above it, names."""
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        roles = {"As the analyst": "analyst", JUDGED: "analyst", "As the owner": "owner"}
        role = roles[section.splitlines()[0]]
        for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
            (query,) = re.findall(r"```sql\n(.+?)```", part, re.DOTALL)
            found[part.splitlines()[0]] = ("owner" if "\nAs the owner" in part else role, query)
    return found


@pytest.fixture(scope="module")
def filled_warehouse(new_warehouse, maeari_home):
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
            _roll_back(cursor)
        warehouse.build(SEEN)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            _score_and_judge(cursor)
            _score_customers(cursor)
            _tell_topics(cursor)
            _lend(cursor)
            _recommend(cursor)
        _count_topics_and_pairs()
        _watch_loans(patch, maeari_home)
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
        "insert into raw.events (source, event_id, customer_id, event_type, occurred_at, item_id, amount, load_id) "
        "values ('till', %s, %s, 'purchase', %s, %s, 10, %s)",
        [
            (f"{customer} {days}", customer, BOUGHT + timedelta(days=days), f"b{1 + days % 40 // 20}", load_id)
            for customer, until in (("stays", 240), ("leaves", 170))
            for days in range(0, until, 20)
        ],
    )
    cursor.execute(
        "insert into raw.rejected (source, kind, reason, payload, payload_sha256, load_id) "
        "values ('till', 'events', 'no date', '{\"file\": \"sales.csv\", \"line\": 7}', '', %s)",
        (load_id,),
    )
    cursor.execute(
        "with books as (insert into ops.loads (source, kind, outcome) values ('library', 'books', 'finished') "
        "returning load_id) insert into raw.books (source, book_id, version_no, content_hash, title, author, "
        "edition_of, load_id) select 'library', id, 1, id, title, author, work, load_id from books, (values "
        "('b1', '바다의 편지', '김메아리', null), ('b2', '바다의 편지 (큰글자판)', null, 'b1'), "
        "('b3', '골목', null, null)"
        ") as told (id, title, author, work)"
    )
    cursor.execute(
        "with told as (insert into ops.loads (source, kind, outcome) values ('book_bot', 'feedback', 'finished') "
        "returning load_id) insert into raw.events (source, event_id, customer_id, event_type, occurred_at, item_id, "
        "load_id) select 'book_bot', reader || item, reader, what, %s, item, load_id from told, (values "
        "('r1', 'like', 'b2'), ('r2', 'like', 'b1'), ('r3', 'dislike', 'b1'), ('r3', 'like', 'b3')"
        ") as said (reader, what, item)",
        (BOUGHT,),
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


def _roll_back(cursor) -> None:
    """A model of two versions, of which the first is restored."""
    for version, before in ((1, None), (2, 1)):
        cursor.execute(
            "insert into ops.training_sets values (%(set)s, 'prices', %(at)s, 30, 'sha', 'select 1', now());"
            "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card, "
            "artifact_sha256, mlflow_run_id) values ('prices', %(version)s, now(), %(set)s, '{}', '{}', 'file', 'run');"
            "select ops.promote('prices', %(version)s, %(before)s, 'file', '지원', now(), %(at)s, '{}', false)",
            {"set": f"prices {version}", "version": version, "before": before, "at": FIRST + timedelta(days=version)},
        )
    cursor.execute(
        "select ops.rollback('prices', 2, 1, 'file', '민지', now(), %s, 'wrong since Tuesday')",
        (FIRST + timedelta(days=9),),
    )


def _lend(cursor) -> None:
    """Loans of nine weeks: in the eighth, incomes rise, channels are missing, and one branch turns; then no labels."""
    cursor.execute(
        "create table predictions.credit (loan integer primary key, day date, chance float8, income float8,"
        " channel text, branch text); create table predictions.credit_truth (loan integer primary key, is_late boolean)"
    )
    random, rows = np.random.default_rng(0), []
    for loan in range(CREDIT_WEEKS * LOANS_A_WEEK):
        week, place = divmod(loan, LOANS_A_WEEK)
        chance, branch, is_bad = random.beta(0.5, 0.5), ("강남", "대전", "부산")[loan % 3], week == BAD_WEEK
        is_late = bool(random.random() < chance) ^ (is_bad and branch == "부산" and place % 2 == 0)
        income, channel = random.lognormal(9 if is_bad else 8, 0.4), None if is_bad and place % 4 == 0 else "앱"
        rows.append((loan, monday(week) + timedelta(days=place % 7), chance, income, channel, branch, is_late))
    execute_values(cursor, "insert into predictions.credit values %s", [row[:6] for row in rows])
    execute_values(cursor, "insert into predictions.credit_truth values %s", [(row[0], row[6]) for row in rows])


def _recommend(cursor) -> None:
    """What was measured of one week of recommendations."""
    execute_values(
        cursor,
        "insert into monitoring.metrics (model, model_version, window_start, window_end, segment, metric, kind, value,"
        " rows) values %s",
        [
            ("recommend", 1, monday(0), monday(1) - timedelta(days=1), segment, metric, kind, value, rows)
            for segment, metric, kind, value, rows in (
                ("all", "like_rate", "realized", 0.18, 640),
                ("why=words", "like_rate", "realized", 0.9, 10),
                ("all", "reference_like_rate", "realized", 0.25, 2_900),
                ("all", "unknown_share", "drift", 0.06, 712),
                ("all", "coverage", "drift", 0.5, 3_560),
                ("all", "relative_coverage", "drift", 0.98, 3_560),
            )
        ],
    )


def _watch_loans(patch, maeari_home: Path) -> None:
    """Verdicts while the labels of the last week are pending; the decline, seen the week before, is silenced."""
    from monitoring import alerts, pages
    from monitoring.watch import watch

    # Nobody looks at the pages.
    patch.setattr(pages, "draw_changed", lambda *of: None)
    file = maeari_home / "policies" / "loans.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        yaml.safe_dump(
            {
                "model": "credit",
                "task": "binary",
                "predictions": {
                    "table": "predictions.credit",
                    "id": ["loan"],
                    "at": "day",
                    "score": "chance",
                    "features": {"income": "numeric", "channel": "category"},
                    "segments": ["branch"],
                },
                "labels": {"table": "predictions.credit_truth", "id": ["loan"], "value": "is_late", "after_days": 6},
                "window": "week",
                "reference": {"from": monday(0), "until": monday(4) - timedelta(days=1)},
                "min_rows": 300,
                "min_labelled_rows": 200,
                "declined": {"min_drop": 0.02, "false_alarms": 0.005, "over_windows": 26},
                "drifted": {"method": "psi", "limit": 0.1},
            }
        )
    )
    last_day = monday(CREDIT_WEEKS) - timedelta(days=1)
    watch("loans", last_day - timedelta(days=1))
    alerts.silence("credit", date(2099, 1, 1), "the branch moved", "민지")
    assert alerts.send_due({"mail": lambda letter: None}, last_day)["silenced"] == ["credit"]
    watch("loans", last_day)
    file.unlink()


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


def test_recommendations_stand_with_what_became_of_them(answer):
    (row,) = answer("How were the recommendations received?")
    assert row["answers"] == 712
    found = [float(value) for name, value in row.items() if name.endswith("percent") or "_percent_" in name]
    assert found == [18.0, 25.0, 6.0, 50.0, 98.0]


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


def test_the_editions_of_a_book_are_counted_together(answer):
    first, second = answer(
        "Which books are read, all editions together, and what do the book bot's readers say of them?"
    )
    assert (first["title"], first["author"], first["editions"]) == ("바다의 편지", "김메아리", 2)
    assert (first["buyers"], first["liked_by"], first["disliked_by"]) == (2, 2, 1)
    assert (second["title"], second["buyers"], second["liked_by"]) == ("골목", 0, 1)


def test_the_newest_verdict_of_each_model_has_its_age(answer):
    credit, sentiment = answer("What is the newest verdict of each model?")
    assert (credit["model"], credit["window_start"], credit["verdict"]) == ("credit", monday(8), "labels_pending")
    assert (sentiment["model"], sentiment["verdict"], sentiment["first_reason"]) == (
        "sentiment",
        "too_few_rows",
        "40 rows",
    )
    never, judged = answer("How many days ago was a window of each model judged last?")
    assert (never["model"], never["days_since"], never["unjudged_since"]) == ("sentiment", None, 1)
    assert (judged["model"], judged["judged_until"], judged["unjudged_since"]) == (
        "credit",
        monday(8) - timedelta(days=1),
        1,
    )
    assert judged["days_since"] == credit["days_since"] + 7


def test_accuracy_stands_beside_the_reference_with_its_interval(answer):
    weeks = {row["window_start"]: row for row in answer("How good was each model, window by window?")}
    assert list(weeks) == [monday(week) for week in (8, 7, 6, 5, 4)]
    bad, good = weeks[monday(BAD_WEEK)], weeks[monday(5)]
    assert (bad["verdict"], good["verdict"], bad["labelled_rows"]) == ("declined", "stable", LOANS_A_WEEK)
    assert bad["value"] < bad["in_the_reference"] - Decimal("0.05")
    assert abs(good["value"] - good["in_the_reference"]) < Decimal("0.05")
    low, high = map(Decimal, good["interval_95"].split(" to "))
    assert low < good["value"] < high
    assert good["in_the_reference"] == bad["in_the_reference"]


def test_an_estimate_is_held_against_what_came_true_once_it_is_known(answer):
    rows = answer("What was expected before the labels came, and how wrong was that?")
    found = {row["window_start"]: row for row in rows if row["metric"] == "accuracy"}
    assert list(found) == [monday(week) for week in (8, 7, 6, 5, 4)]
    assert (found[monday(8)]["realized"], found[monday(8)]["error"], found[monday(8)]["is_within"]) == (None,) * 3
    # What turned in one branch no score could show.
    bad, good = found[monday(BAD_WEEK)], found[monday(5)]
    assert bad["error"] > Decimal("0.05")
    assert (bad["is_within"], good["is_within"]) == (False, True)
    assert abs(good["error"] - (good["estimate"] - good["realized"])) <= Decimal("0.001")


def test_what_moved_what_is_missing_and_where_it_fails(answer):
    far, other = answer("Which columns moved in a window?")
    assert (far["window_start"], far["metric"], other["metric"]) == (monday(BAD_WEEK), "income_psi", "channel_psi")
    assert far["said"].startswith("Inputs: income moved, PSI ")
    assert (far["distance"] > 1, far["usual_distance"] < Decimal("0.1"), other["said"]) == (True, True, None)
    (gone,) = answer("Which columns are missing more often than they were?")
    assert (gone["window_start"], gone["column_name"]) == (monday(BAD_WEEK), "channel")
    assert (gone["missing_percent"], gone["usual_percent"]) == (25, 0)
    worst, *others = answer("Where does a model fail?")
    assert (worst["window_start"], worst["segment"]) == (monday(BAD_WEEK), "branch=부산")
    assert (len(others), worst["labelled_rows"]) == (3, LOANS_A_WEEK / 3)
    assert worst["lost"] > 2 * others[0]["lost"] > 0


def test_what_may_still_change_and_what_was_silenced(answer):
    (open_,) = answer("Which verdicts may still change, and until when?")
    assert (open_["window_start"], open_["provisional_until"]) == (monday(8), monday(9) + timedelta(days=5))
    (alert,) = answer("Which declines were told to whom, and which were silenced?")
    assert (alert["model"], alert["window_start"], alert["mailed_at"]) == ("credit", monday(BAD_WEEK), None)
    assert (alert["silenced_by"], alert["silenced_because"]) == ("민지", "the branch moved")


def test_what_was_live_who_decided_and_what_was_rolled_back(answer):
    live = {row["model"]: row for row in answer("What was live on a date?")}
    # The second version counts from that day, and was not rolled back before.
    assert (live["prices"]["version"], live["prices"]["approved_by"]) == (2, "지원")
    assert (live["sentiment"]["version"], live["churn"]["version"]) == (1, 1)
    (asked,) = answer("Which releases were asked for, who decided, and how long did that take?")
    assert (asked["model"], asked["outcome"], asked["decided_by"]) == ("sentiment", "approved", "지원")
    (back,) = answer("What was rolled back, by whom and why?")
    assert (back["model"], back["taken_back"], back["restored"]) == ("prices", 2, 1)
    assert (back["rolled_back_by"], back["reason"]) == ("민지", "wrong since Tuesday")
    assert back["lived"] > timedelta()


def test_the_page_has_at_least_ten_queries_on_whether_a_model_is_still_good():
    (section,) = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(f"{JUDGED}\n")]
    assert section.count("```sql") >= 10
