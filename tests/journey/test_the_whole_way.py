"""Pages and a shop's files → Postgres → dbt → Airflow → approved models → a drift report and a retention list."""

import time
from datetime import date, timedelta

import httpx
import pytest
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from demo.shop import SITES
from demo.state import read_state
from demo.world import START, World, WorldConfig
from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused
from maeari.postgres import connect
from maeari.settings import load_secrets

# The demo takes minutes on two cores, and longer beside other work.
pytestmark = pytest.mark.timeout(2_400)

DECLINE_BEGINS = START + timedelta(weeks=WorldConfig().decline_week)


@pytest.fixture(scope="module")
def told(stack) -> str:
    """What `maeari demo` printed on its first run."""
    return stack.maeari("demo").stdout


@pytest.fixture
def query(stack, told):
    """A function that reads the warehouse as the pages do."""

    def run(statement: str) -> list[tuple]:
        with connect("web") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    return run


@pytest.fixture(scope="module")
def today(stack, told) -> date:
    """The world's day."""
    return read_state(stack.home / "demo" / "world.json").today


@pytest.fixture(scope="module")
def world(stack, told) -> World:
    """The world that the demo showed."""
    return World(read_state(stack.home / "demo" / "world.json").world)


@pytest.fixture
def question(stack, told) -> dict:
    """The retraining's question, which the demo leaves to a person."""
    (question,) = AirflowClient("viewer").waiting_approvals()
    return question


def test_the_terminal_says_where_everything_is(stack, told):
    ports = stack.settings.ports()
    assert f"http://127.0.0.1:{ports.airflow}/maeari/" in told
    assert f"-p {ports.postgres} -U maeari_analyst" in told
    assert "the user demo-approver" in told
    assert "approve --user approver" in told


def test_every_review_on_the_site_has_landed_once(query, world, today):
    listed = {review.review_id for review in world.reviews(today)}
    landed = [row[0] for row in query("select source_review_id from raw.reviews")]
    assert set(landed) == listed
    assert len(landed) == len(listed)
    assert query("select count(*) > 300 from raw.articles") == [(True,)]


def test_no_author_and_no_personal_data_has_landed(query):
    assert query("select count(*) from raw.reviews where author_key !~ '^[0-9a-f]{64}$'") == [(0,)]
    assert query(r"select count(*) from raw.reviews where body ~ '010-\d{4}-\d{4}' or body ~ '@example\.com'") == [(0,)]
    assert query("select sum(redacted) > 0 from ops.crawls") == [(True,)]


def test_every_line_of_the_shop_has_landed_once_and_by_rule(query, world, today):
    from demo.shop import lines

    delivered = list(lines(world, until=today))
    landed = query("select event_id, customer_id is null, event_type from raw.events where source = 'demo_shop'")
    assert {row[0] for row in landed} == {line.line for line in delivered}
    assert len(landed) == len({row[0] for row in landed}) < len(delivered)
    assert {row[0] for row in landed if row[1]} == {line.line for line in delivered if not line.customer}
    assert {row[0] for row in landed if row[2] == "return"} == {line.line for line in delivered if line.quantity < 0}


def test_nearly_every_review_leads_to_its_customer(query, world, today):
    ((reviews, linked),) = query(
        "select count(*), count(customer_id) from marts.fct_reviews left join marts.bridge_author_customer"
        " using (source, author_key)"
    )
    assert 0.9 < linked / reviews < 1
    truth = {(f"{SITES[r.section]}:{r.review_id}", r.truth.customer_id) for r in world.reviews(today)}
    found = query(
        "select review_id, customer_id from marts.fct_reviews join marts.bridge_author_customer"
        " using (source, author_key) where written_at >= '2026-04-01'"
    )
    assert found
    assert set(found) <= truth


def test_the_first_releases_are_replays_approved_by_name(query):
    assert query("select model, version, approved_by, is_replay from ops.deployments order by model") == [
        ("churn", 1, "demo-approver", True),
        ("recommend", 1, "demo-approver", True),
        ("sentiment", 1, "demo-approver", True),
        ("topics", 1, "demo-approver", True),
    ]


def test_what_is_known_of_the_books_is_stored(query, told):
    ((books,),) = query("select count(*) from predictions.book_vectors where model_version = 1")
    assert books >= 60
    assert f"{books} books are known to version 1" in told


def test_the_list_of_whom_to_contact_is_of_the_newest_month_end_and_gives_reasons(query, told):
    ((customers, as_of_on, with_reasons),) = query(
        "select count(*), as_of_on, count(*) filter (where jsonb_array_length(reasons) = 5)"
        " from marts.retention_list group by as_of_on order by as_of_on desc limit 1"
    )
    assert as_of_on == date(2026, 5, 31)
    assert customers > 500
    assert with_reasons > 0
    assert f"{customers:,} customers to contact as of {as_of_on}" in told


def test_leavers_are_told_nearly_as_well_as_who_knows_the_world_could(query, world):
    """What the released model keeps of the oracle's ROC-AUC above 0.5, on the month ends that it scored live."""
    customers = {customer.customer_id: customer for customer in world.customers()}
    reached = []
    for (as_of_on,) in query(
        "select distinct as_of_on from predictions.churn join features.churn using (customer_id, as_of_on)"
        " where purpose = 'live' and churned_in_60d is not null"
    ):
        scored = query(
            "select customer_id, churned_in_60d, churn_probability from predictions.churn"
            f" join features.churn using (customer_id, as_of_on) where as_of_on = '{as_of_on}'"
        )
        names, has_left, chances = zip(*scored, strict=True)
        oracle = world.leaving_probabilities([customers[name] for name in names], as_of_on)
        reached.append((roc_auc_score(has_left, chances) - 0.5) / (roc_auc_score(has_left, oracle) - 0.5))
    assert len(reached) == 4
    assert sum(reached) / len(reached) >= 0.9


def test_the_decline_is_called_within_two_windows_and_nothing_before(query):
    verdicts = query(
        "select window_start, verdict from monitoring.verdicts where model = 'sentiment' order by window_start"
    )
    before = [verdict for start, verdict in verdicts if start < DECLINE_BEGINS]
    since = [verdict for start, verdict in verdicts if start >= DECLINE_BEGINS]
    assert len(before) >= 10
    assert "declined" not in before
    assert "declined" in since[:2]
    assert since[-1] == "declined"
    ((reasons,),) = query(
        "select reasons from monitoring.verdicts where model = 'sentiment' order by window_start desc limit 1"
    )
    for beginning, said in (
        ("Where: ", "source=demo_cafes"),
        ("Why: of the loss of ", "a changed relation"),
        ("Inputs: ", "unknown_share moved"),
    ):
        assert any(reason.startswith(beginning) and said in reason for reason in reasons), reasons


def test_the_question_shows_the_decline_with_its_page_as_it_was(query, stack, question):
    ((seen,),) = query(
        "select evidence -> 'monitoring' from ops.release_requests where model = 'sentiment' and outcome = 'waiting'"
    )
    assert (seen["verdict"], seen["end"]) == ("declined", "2026-05-31")
    assert "<html" in (stack.home / "reports" / seen["page"]).read_text()[:2000].lower()
    assert seen["page"] in question["body"]


def test_the_newest_window_has_a_drift_report(query, stack):
    ((path, newest),) = query(
        "select path, window_end from monitoring.reports where model = 'sentiment' order by window_end desc limit 1"
    )
    assert newest == date(2026, 5, 31)
    assert "<html" in (stack.home / "reports" / path).read_text()[:2000].lower()


def test_a_prediction_leads_back_to_its_crawl_and_its_training_set(query):
    traced = query(
        """
        select count(*), count(c.crawl_id), count(v.version), count(t.training_set_id)
        from predictions.sentiment p
        left join raw.reviews r
            on r.source || ':' || r.source_review_id = p.review_id and r.content_hash = p.content_hash
        left join ops.crawls c using (crawl_id)
        left join ops.model_versions v on v.model = 'sentiment' and v.version = p.model_version
        left join ops.training_sets t using (training_set_id)
        """
    )[0]
    assert traced[0] > 30_000
    assert set(traced) == {traced[0]}


def test_what_is_said_of_the_cafes_this_month_is_explained(query):
    ((unexplained, explained, furthest),) = query(
        """
        select count(*) filter (where e.review_id is null), count(e.review_id),
            max(abs(e.base_score + (select sum(part) from unnest(e.characters) as part) - e.score))
        from predictions.sentiment p
        left join predictions.sentiment_explanations e using (review_id, content_hash, model_version)
        where p.event_at >= '2026-05-01 00:00+09'
        """
    )
    assert unexplained == 0
    assert explained > 5_000
    assert furthest < 1e-3
    told = query(
        "select count(distinct a.subject_id), count(distinct a.aspect), bool_and(a.positive_share between 0 and 1),"
        " (select count(distinct subject_id) from marts.subject_words where source = 'demo_cafes')"
        " from marts.subject_aspects a where a.source = 'demo_cafes' and a.month_start_on = '2026-05-01'"
    )
    assert told == [(12, 5, True, 12)]
    assert query(
        "select count(*) > 100, min(shap_agreement) >= -1 from predictions.sentiment_explanations"
        " where shap is not null and lime is not null"
    ) == [(True, True)]


def test_the_themes_of_the_news_are_its_topics(query, world, today):
    themes = {f"demo_news:/news/{article.article_id}": article.theme for article in world.articles(today)}
    told = dict(query("select article_id, label from marts.article_topics where is_main"))
    assert len(told) > 0.95 * len(themes)
    truth = [themes[article_id] for article_id in told]
    assert normalized_mutual_info_score(truth, list(told.values())) > 0.9
    assert query("select count(*) from marts.topics where not is_stable") == [(0,)]


def test_the_event_of_the_news_rises_in_its_first_week(query, world, today):
    event = [article for article in world.articles(today) if article.theme == "event"]
    first_week = min(article.published_at for article in event).date()
    first_week -= timedelta(days=first_week.weekday())
    ids = ", ".join(f"'demo_news:/news/{article.article_id}'" for article in event)
    ((topic, articles),) = query(
        f"select topic_id, count(*) from marts.article_topics where is_main and article_id in ({ids})"
        " group by topic_id order by count(*) desc limit 1"
    )
    assert articles > 0.9 * len(event)
    weeks = query(
        "select period_start_on, trend, share_low, share_high from marts.topic_shares where every = 'week'"
        f" and topic_id = {topic} and source is null and section is null and not counts_copies"
        " and trend is not null order by period_start_on"
    )
    assert [start for start, trend, _, _ in weeks if trend == "rising"][0] == first_week
    before, after = (
        [week for week in weeks if week[0] == first_week + timedelta(weeks=number)][0] for number in (-1, 0)
    )
    assert before[3] < after[2]


def test_words_of_the_event_stand_together_beyond_chance_and_are_new(query, world):
    event = {
        f"demo_news:/news/{article.article_id}": article.published_at.date()
        for article in world.articles(DECLINE_BEGINS)
        if article.theme == "event"
    }
    first_week = min(event.values()) - timedelta(days=min(event.values()).weekday())
    pairs = query(
        "select term, other_term, texts, term_texts, other_texts, lift, holm_p_value, is_new from marts.keyword_pairs"
        f" where every = 'week' and period_start_on = '{first_week}' and source is null and section is null"
        " and not counts_copies order by rank"
    )
    assert len(pairs) > 100
    assert all(pair[2] <= min(pair[3:5]) and pair[5] > 1 and pair[6] < 0.05 for pair in pairs)
    assert any(is_new for *_, is_new in pairs[:30])
    term, other, texts = pairs[0][:3]
    ((both,),) = query(
        "select count(*) from predictions.text_terms join marts.fct_articles on record_id = article_id"
        " left join ops.duplicates d on d.kind = 'article' and d.source || ':' || d.record_id = article_id"
        f" where terms @> array['{term}', '{other}'] and d.record_id is null"
        f" and (published_at at time zone 'Asia/Seoul')::date between '{first_week}' and '{first_week}'::date + 6"
    )
    assert both == texts


def test_a_retraining_waits_for_a_person(query, question):
    assert query("select model, version, is_replay from ops.release_requests where outcome = 'waiting'") == [
        ("sentiment", 2, False)
    ]
    assert [user["id"] for user in question["assigned_users"]] == ["approver"]


@pytest.mark.parametrize("user", ["viewer", "admin", "demo-approver", "robot"])
def test_only_the_approver_may_answer(question, user):
    with pytest.raises(AirflowRefused) as refused:
        AirflowClient(user).answer(question["dag_id"], question["dag_run_id"], question["task_id"], ["Approve"], {})
    assert refused.value.status == 403


def test_an_anonymous_caller_can_neither_answer_nor_read_a_page(stack, question):
    base = f"http://127.0.0.1:{stack.settings.ports().airflow}"
    address = "dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/-1/hitlDetails".format(**question)
    assert httpx.patch(f"{base}/api/v2/{address}", json={"chosen_options": ["Approve"]}).status_code == 401
    for page in ("", "models/sentiment", "models/churn/versions/1", "churn", "reviews", "warehouse-docs"):
        assert httpx.get(f"{base}/maeari/{page}").status_code == 401, page


def test_a_second_demo_lands_no_row_twice(stack, query):
    tables = ("raw.reviews", "raw.articles", "raw.events", "raw.customer_authors", "raw.rejected", "ops.loads")
    before = [query(f"select count(*) from {table}") for table in tables]
    stack.maeari("demo")
    assert [query(f"select count(*) from {table}") for table in tables] == before
    assert query("select model, version from ops.deployments order by model") == [
        ("churn", 1),
        ("recommend", 1),
        ("sentiment", 1),
        ("topics", 1),
    ]


def test_the_approver_releases_the_challenger(stack, query, question):
    password = load_secrets(stack.home).airflow_users["approver"].get_secret_value()
    stack.maeari("approve", "--user", "approver", MAEARI_AIRFLOW_PASSWORD=password)
    client, deadline = AirflowClient("viewer"), time.monotonic() + 180
    while client.dag_run(question["dag_id"], question["dag_run_id"])["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline, "release_model has not ended"
        time.sleep(1)
    assert query(
        "select version, approved_by, is_replay from ops.deployments where model = 'sentiment' and live_to is null"
    ) == [(2, "approver", False)]


def test_the_four_weeks_after_the_release_are_stable(stack, query, today):
    stack.maeari("demo", "advance", "--weeks", "4")
    windows = query(
        "select window_end, model_version, verdict, reasons from monitoring.verdicts where model = 'sentiment'"
        f" and window_start > '{today}' order by window_start"
    )
    assert [(end, version) for end, version, *_ in windows] == [
        (today + timedelta(weeks=number), 2) for number in range(1, 5)
    ]
    assert [verdict for _, _, verdict, _ in windows] == ["stable"] * 4
    assert any("Version 1, which was in charge before" in reason for reason in windows[-1][3])
    watched = query("select verdict from monitoring.verdicts where model = 'churn' order by window_start")
    assert [verdict for (verdict,) in watched[-2:]] == ["labels_pending"] * 2
    assert "declined" not in {verdict for (verdict,) in watched}
