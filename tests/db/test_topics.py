"""Topics from training to the pages' tables: what is learned, who releases it, what keeps its name, and bad periods."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta

import pytest
from sklearn.metrics import normalized_mutual_info_score

from demo.world import EVENT_WEEK, START, World
from maeari import clock, postgres, warehouse

AS_OF = START + timedelta(weeks=EVENT_WEEK + 2, days=6)
"""The end of the event's last week."""
BEFORE_THE_EVENT = START + timedelta(weeks=EVENT_WEEK, days=-1)
COPIED = 500
COLUMNS = (
    "source", "source_article_id", "version_no", "content_hash", "title", "body", "section", "published_at", "url",
    "crawl_id", "fetched_at",
)  # fmt: skip
# Dies without a farewell while the second batch is being written.
KILLED = """
import importlib, os, signal, sys
from datetime import date

from ml.texts.collection import Collection

scoring = importlib.import_module("ml.topics.predict")
scoring.BATCH_TEXTS = 300
write, written = scoring._write, []

def die_at_the_second(*arguments):
    written.append(None)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*arguments)

scoring._write = die_at_the_second
scoring.score(Collection.articles, date.fromisoformat(sys.argv[1]))
"""


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def land(rows: list[tuple], source: str = "demo_news") -> None:
    """Land articles: number, title, body, section, when they were published."""
    with postgres.connect("owner") as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into ops.crawls (source, outcome) values (%s, 'finished') returning crawl_id", (source,)
            )
            (crawl_id,) = cursor.fetchone()
        postgres.copy_rows(
            connection,
            "raw.articles",
            COLUMNS,
            [
                (source, number, 1, f"hash {number}", title, body, section, at, "x", crawl_id, at)
                for number, title, body, section, at in rows
            ],
        )


@pytest.fixture(scope="module")
def themes(new_warehouse, new_registry):
    """The demo world's articles up to its event, analysed, with a registry of their own; the theme of each."""
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        patch.setenv("MAEARI_AS_OF", AS_OF.isoformat())
        articles = World().articles(AS_OF)
        land(
            [(one.article_id, one.title, "\n".join(one.paragraphs), one.section, one.published_at) for one in articles]
        )
        warehouse.run_dbt("run", "--exclude", "tag:publish")
        analyse(Collection.articles, AS_OF)
        yield {f"demo_news:{one.article_id}": one.theme for one in articles}


def config(**given):
    from ml.topics.config import TopicsConfig

    return TopicsConfig(**{"candidates": (6, 8, 9, 12), "seeds": 2, "choice_texts": 600} | given)


def train(as_of: date, **given):
    from ml.texts.collection import Collection
    from ml.topics.train import train

    return train(Collection.articles, as_of, config(**given))


def score(as_of: date = AS_OF) -> dict:
    from ml.texts.collection import Collection
    from ml.topics.predict import score

    return score(Collection.articles, as_of)


def release(version: int, as_of: date, airflow, names: str = "", run_id: str = "run") -> dict:
    from ml import release

    evidence = release.compare("topics", version, as_of, is_replay=True, dag_run_id=run_id)
    assert evidence["may_ask"], evidence["reasons"]
    airflow.answer("Approve", names=names)
    assert release.promote(evidence["request_id"])["outcome"] == "approved"
    return evidence


@pytest.fixture(scope="module")
def first(themes):
    """A version that was trained before the event."""
    return train(BEFORE_THE_EVENT)


@pytest.fixture(scope="module")
def second(first):
    """One that knows the event."""
    return train(AS_OF)


def test_the_themes_are_found_and_their_number_too(first, themes):
    assert len(first.topics) == len(set(themes.values())) - 1
    assert first.figures["told_apart"]["low"] > 0.9
    assert all(topic["is_stable"] for topic in first.topics)
    assert len({topic["label"] for topic in first.topics}) == len(first.topics)


def test_nothing_of_later_days_is_learned(first, themes):
    """A version trained with a future ahead is the same as one that was trained without it."""
    fetch(
        "create table kept as select * from raw.articles where published_at >= %s", clock.end_of_day(BEFORE_THE_EVENT)
    )
    fetch("delete from raw.articles where published_at >= %s", clock.end_of_day(BEFORE_THE_EVENT))
    try:
        warehouse.run_dbt("run", "--select", "int_articles__versions")
        alone = train(BEFORE_THE_EVENT)
        assert alone.topics == first.topics
        assert alone.figures == first.figures
    finally:
        fetch("insert into raw.articles select * from kept")
        fetch("drop table kept")
        warehouse.run_dbt("run", "--select", "int_articles__versions")


def test_a_killed_scoring_goes_on_and_every_text_is_told_once(first, themes, airflow):
    fetch("truncate ops.release_requests, ops.deployments, predictions.topics")
    release(first.version, BEFORE_THE_EVENT, airflow)
    killed = subprocess.run([sys.executable, "-c", KILLED, AS_OF.isoformat()], env=os.environ)
    assert killed.returncode < 0
    ((begun,),) = fetch("select count(*) from predictions.topics")
    assert 0 < begun < len(themes)
    assert score()["scored"] == len(themes) - begun
    assert score()["scored"] == 0
    told = fetch("select record_id, main_topic, purpose, event_at, weights from predictions.topics")
    assert len(told) == len(themes)
    assert {purpose for _, _, purpose, at, _ in told if at < clock.end_of_day(BEFORE_THE_EVENT)} == {"backfill"}
    assert {purpose for _, _, purpose, at, _ in told if at >= clock.end_of_day(BEFORE_THE_EVENT)} == {"live"}
    assert all(sum(weights) == pytest.approx(1, abs=1e-5) for *_, weights in told if weights)


def test_a_retraining_keeps_names_and_says_what_is_new_and_a_person_names_the_event(first, second, themes, airflow):
    fetch("truncate ops.release_requests, ops.deployments, predictions.topics, predictions.topic_terms")
    before = release(first.version, BEFORE_THE_EVENT, airflow, names="1: 첫 주제 <b>\n77: 없는 주제\n2:")
    ((evidence,),) = fetch("select evidence from ops.deployments where live_to is null")
    assert evidence["names_not_understood"] == ["77: 없는 주제"]
    live = {topic["topic_id"]: topic for topic in evidence["topics"]}
    assert (live[1]["label"], live[1]["is_named"]) == ("첫 주제 <b>", True)
    assert not live[2]["is_named"]
    assert sorted(live) == list(range(1, len(first.topics) + 1))

    waiting = release(second.version, AS_OF, airflow, run_id="second")
    new = [topic for topic in waiting["topics"] if topic["fate"] == "new"]
    assert [topic["topic_id"] for topic in new] == [len(first.topics) + 1]
    assert {"창고", "화재"} & set(new[0]["terms"][:10])
    kept = {topic["topic_id"] for topic in waiting["topics"] if topic["fate"] == "kept"}
    assert len(kept) >= len(first.topics) - 2
    if 1 in kept:
        assert next(topic for topic in waiting["topics"] if topic["topic_id"] == 1)["label"] == "첫 주제 <b>"
    assert "<b>" not in waiting["question"]
    assert "### Topics" in waiting["question"]
    assert before["names"].count("\n") == len(first.topics) - 1


def test_the_event_rises_in_its_first_week_and_the_tables_say_so(first, second, themes, airflow):
    fetch("truncate ops.release_requests, ops.deployments, predictions.topics, predictions.topic_terms")
    release(first.version, BEFORE_THE_EVENT, airflow)
    release(second.version, AS_OF, airflow, run_id="second")
    assert score(AS_OF + timedelta(days=1))["scored"] == len(themes)
    warehouse.publish(AS_OF, ["topics"])

    told = dict(fetch("select article_id, topic_id from marts.article_topics where is_main"))
    assert len(told) > 0.95 * len(themes)
    assert normalized_mutual_info_score([themes[one] for one in told], list(told.values())) > 0.9
    event = max(told.values())
    weeks = fetch(
        "select period_start_on, trend, share, share_low, share_high, topic_texts, texts from marts.topic_shares"
        " where every = 'week' and topic_id = %s and source is null and section is null and not counts_copies"
        " and texts >= 50 order by period_start_on",
        event,
    )
    assert [week for week, trend, *_ in weeks if trend == "rising"][0] == START + timedelta(weeks=EVENT_WEEK)
    for _, _, share, low, high, topic_texts, texts in weeks:
        assert share == pytest.approx(topic_texts / texts)
        assert low <= share <= high
    sums = fetch(
        "select sum(topic_texts), max(texts) from marts.topic_shares where topic_id is not null"
        " group by every, period_start_on, source, section, counts_copies"
    )
    assert {told == texts for told, texts in sums} == {True}
    assert fetch(
        "select bool_and(note like 'too few texts (%% of 50 needed)'), max(texts) < 50, min(period_start_on)"
        " from marts.topic_shares where topic_id is null and every = 'week'"
    ) == [(True, True, START)]
    assert fetch("select distinct section from marts.topic_shares where section is not null order by 1") == fetch(
        "select distinct section from raw.articles order by 1"
    )
    best = fetch("select term from marts.topic_terms where topic_id = %s order by relevance desc limit 10", event)
    assert {"창고", "화재"} & {term for (term,) in best}


def test_the_commands_print_what_the_tables_hold(themes, first):
    from typer.testing import CliRunner

    from cli.main import app

    week = (START + timedelta(weeks=EVENT_WEEK)).isoformat()
    shown = CliRunner().invoke(app, ["topics", "--every", "week", "--period", week])
    assert shown.exit_code == 0, shown.output
    assert "▲ rising" in shown.output
    few = CliRunner().invoke(app, ["topics", "--every", "week", "--period", START.isoformat()])
    assert few.exit_code == 0
    assert "too few texts (" in few.output
    nowhere = CliRunner().invoke(app, ["topics", "--source", "nobody"])
    assert nowhere.exit_code == 1
    listed = CliRunner().invoke(app, ["models", "--model", "topics"])
    assert listed.exit_code == 0, listed.output


# A source of three articles, of one article 500 times, of stop words only, and of other scripts.
def bad_articles() -> dict[str, list[tuple]]:
    at = clock.start_of_day(AS_OF) + timedelta(hours=9)
    body = "항만 공사가 새 부두를 열었고 화물선이 처음으로 들어왔다."
    return {
        "three": [(f"t{n}", "항만", f"{body} {n}", None, at) for n in range(3)],
        "copied": [(f"c{n}", "같은 기사", body, None, at + timedelta(seconds=n)) for n in range(COPIED)],
        "stop": [(f"s{n}", "것", "이것은 그것이고 저것은 것이다 때문에 " * 3, None, at) for n in range(60)],
        "scripts": [(f"o{n}", "日本語", "これは日本語の文章です。 هذا نص 😀", None, at) for n in range(60)],
        "long": [(f"l{n}", "긴 글", "미세먼지" * 25_000, None, at) for n in range(4)],
    }


def test_periods_with_too_few_or_odd_texts_say_so_and_nothing_is_invented(first, themes, airflow):
    from ml.associations.mine import mine
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection

    for source, rows in bad_articles().items():
        land(rows, source)
    fetch(
        "insert into ops.duplicates select 'article', 'copied', 'c' || n, 'copied', 'c0', 1, true, 'sha', max(crawl_id)"
        " from ops.crawls, generate_series(1, %s) n group by n",
        COPIED - 1,
    )
    fetch("truncate ops.release_requests, ops.deployments, predictions.topics, predictions.topic_terms")
    release(first.version, BEFORE_THE_EVENT, airflow)
    try:
        warehouse.run_dbt("run", "--select", "+fct_articles")
        analyse(Collection.articles, AS_OF)
        score()
        mine(Collection.articles, AS_OF)
        warehouse.publish(AS_OF, ["topics", "keywords"])
        notes = dict(
            fetch(
                "select source, note from marts.topic_shares where every = 'month' and section is null"
                " and not counts_copies and source <> 'demo_news' and topic_id is null"
            )
        )
        assert notes == {
            "three": "too few texts (3 of 50 needed)",
            "copied": "too few texts (1 of 50 needed)",
            "stop": "too few texts with a topic (0 of 50 needed)",
            "scripts": "too few texts with a topic (0 of 50 needed)",
            "long": "too few texts (4 of 50 needed)",
        }
        assert fetch(
            "select count(*) from marts.topic_shares where topic_id is not null and source = any(%s)"
            " and not counts_copies", list(notes),
        ) == [(0,)]  # fmt: skip
        mined = fetch(
            "select source, counts_copies, texts, note, pairs from marts.keyword_periods left join (select mining_id,"
            " count(*) filter (where term is not null) as pairs from marts.keyword_pairs group by mining_id) as found"
            " using (mining_id) where every = 'month' and section is null and source = any(%s)", list(notes),
        )  # fmt: skip
        said = {(source, copies): (texts, note, pairs) for source, copies, texts, note, pairs in mined}
        assert said["three", False][:2] == (3, "too few texts (3 of 50 needed)")
        assert said["copied", False][:2] == (1, "too few texts (1 of 50 needed)")
        assert said["copied", True][0] == COPIED
        assert not said["copied", True][2]
        assert said["stop", False][2] in (0, None)
        assert not any(pairs for (source, _), (_, _, pairs) in said.items() if source in ("stop", "copied", "three"))
    finally:
        fetch("delete from raw.articles where source <> 'demo_news'")
        fetch("truncate ops.duplicates")


def test_too_few_texts_train_nothing(themes):
    from ml import registry
    from ml.errors import TooFewRows

    before = len(registry.versions("topics"))
    with pytest.raises(TooFewRows, match="articles of 2025-01-31 are analysed, copies and every tenth left out"):
        train(date(2025, 1, 31))
    assert len(registry.versions("topics")) == before


def test_a_swapped_artifact_is_refused(first, themes, airflow, maeari_home):
    from ml.errors import ArtifactChanged
    from ml.texts.collection import Collection
    from ml.topics.predict import load

    ((sha,),) = fetch(
        "select artifact_sha256 from ops.model_versions where model = 'topics' and version = %s", first.version
    )
    fetch(
        "update ops.model_versions set artifact_sha256 = repeat('0', 64) where model = 'topics' and version = %s",
        first.version,
    )
    try:
        with pytest.raises(ArtifactChanged, match="was registered with"):
            load(Collection.articles, first.version)
    finally:
        fetch(
            "update ops.model_versions set artifact_sha256 = %s where model = 'topics' and version = %s",
            sha,
            first.version,
        )


def test_what_was_promised_is_on_the_card(first, themes):
    ((card,),) = fetch("select card from ops.model_versions where model = 'topics' and version = %s", first.version)
    assert card["method"].startswith("Non-negative matrix factorisation")
    assert {trial["method"] for trial in card["trials"]} == {"lda", "nmf"}
    assert {trial["topics"] for trial in card["trials"]} == {6, 8, 9, 12}
    assert card["data"]["known_until"] == clock.end_of_day(BEFORE_THE_EVENT).isoformat()
    assert json.dumps(card)
