"""Monitoring over a real warehouse whose reviews and predictions follow known truth."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from maeari import clock
from monitoring import draw_report, monitor
from monitoring.errors import NothingToWatch

FIRST_DAY = date(2025, 12, 1)
HOLDOUT_FROM = date(2025, 11, 3)
TABLES = """
set role maeari_dbt;
create table intermediate.int_reviews__versions (
    review_id text, version_no integer, source text, content_hash text, subject_id text, stars integer,
    sentiment_label text, title text, body text, written_at timestamptz, valid_from timestamptz, valid_to timestamptz
);
create unique index on intermediate.int_reviews__versions (review_id, version_no);
create index on intermediate.int_reviews__versions (valid_from);
create table marts.dim_subjects (subject_key text, source text, subject_id text);
insert into marts.dim_subjects values ('cafe:1', 'cafe', '1'), ('bookshop:1', 'bookshop', '1');
reset role;
"""
WORDS = ["커피", "맛", "좋아요", "별로", "친절", "매장", "재미", "지루", "분위기", "다시", "방문", "추천", "가격"]
NEW_WORDS = ["뷁흙", "쀍귤", "휇뿅", "쭹뀨"]


class Period(NamedTuple):
    """Reviews of some days: how many, how often the model is right about the stars, how their text is made."""

    start: date
    days: int
    rows: int
    accuracy: float
    words: list[str] = WORDS
    rated: float = 0.7


class Shop:
    """A warehouse with one released model, to which periods of reviews are added."""

    def __init__(self, url: str):
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.random = np.random.default_rng(7)
        self.written = 0
        self.execute(TABLES)
        self.release(1, FIRST_DAY)

    def execute(self, statement: str, parameters: tuple = ()) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def release(
        self,
        version: int,
        effective_on: date,
        holdout_from: date | None = None,
        model: str = "sentiment",
        evidence: str = "{}",
    ) -> None:
        start = clock.start_of_day(effective_on)
        holdout = {
            "holdout_from": clock.start_of_day(holdout_from or effective_on - timedelta(days=28)).isoformat(),
            "holdout_until": start.isoformat(),
        }
        training_set = f"{model} {version}"
        self.execute("insert into ops.training_sets values (%s, %s, %s, 1, '', '')", (training_set, model, start))
        self.execute(
            "insert into ops.model_versions values (%s, %s, %s, %s, %s, '{}', 'sha', 'run')",
            (model, version, start, training_set, json.dumps(holdout)),
        )
        self.execute("update ops.deployments set live_to = now() where model = %s and live_to is null", (model,))
        self.execute(
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, "
            "evidence) values (%s, %s, now(), %s, 'approver', now(), %s)",
            (model, version, start, evidence),
        )

    def write(self, period: Period, versions: tuple[int, ...] = (1,)) -> None:
        """Add reviews and what each version says of them; a version is as right as the period says."""
        random, reviews, predictions = self.random, [], []
        for _ in range(period.rows):
            self.written += 1
            review_id, moment = (
                f"r{self.written}",
                clock.start_of_day(period.start) + timedelta(seconds=float(random.uniform(0, period.days * 86_400))),
            )
            is_positive = random.random() < 0.6
            stars = int(random.choice([4, 5] if is_positive else [1, 2])) if random.random() < period.rated else None
            label = None if stars is None else "positive" if is_positive else "negative"
            source = "cafe" if random.random() < 0.65 else "bookshop"
            body = " ".join(random.choice(period.words, 8))
            reviews.append((review_id, 1, source, review_id, "1", stars, label, None, body, moment, moment, None))
            for version in versions:
                certainty = random.beta(6, 2) * 0.5 + 0.5
                unknown = float(np.isin(body.split(), NEW_WORDS).mean())
                says_positive = is_positive == (random.random() < period.accuracy)
                probability = certainty if says_positive else 1 - certainty
                predictions.append(
                    (
                        review_id,
                        review_id,
                        version,
                        probability,
                        "positive",
                        moment,
                        datetime.now(UTC),
                        "live",
                        None,
                        None,
                        unknown,
                    )
                )
        with self.connection.cursor() as cursor:
            for month in {prediction[5].astimezone(UTC).replace(day=1) for prediction in predictions}:
                cursor.execute("select predictions.ensure_sentiment_month(%s)", (month,))
            execute_values(cursor, "insert into intermediate.int_reviews__versions values %s", reviews, page_size=2000)
            execute_values(cursor, "insert into predictions.sentiment values %s", predictions, page_size=2000)

    def weeks(self, first: int, count: int, **changes) -> None:
        for week in range(first, first + count):
            facts = {"days": 7, "rows": 1000, "accuracy": 0.82} | changes
            self.write(Period(FIRST_DAY + timedelta(weeks=week), **facts))


@pytest.fixture
def shop(warehouse, maeari_home):
    shop = Shop(warehouse)
    shop.write(Period(HOLDOUT_FROM, 28, 4000, 0.82))
    yield shop
    shop.connection.close()


def end_of(week: int) -> date:
    return FIRST_DAY + timedelta(weeks=week + 1, days=-1)


def verdicts(summary: dict) -> list[str]:
    return [window["verdict"] for window in summary["windows"]]


def test_a_decline_is_called_within_two_windows_and_asks_once_for_retraining(shop, maeari_home):
    shop.weeks(0, 4)
    shop.weeks(4, 3, accuracy=0.72)
    summary = monitor("sentiment", end_of(6))
    assert verdicts(summary)[:4] == ["stable"] * 4
    assert "declined" in verdicts(summary)[4:6]
    assert summary["newest_verdict"] == verdicts(summary)[6] == "declined"
    assert summary["retrain"]
    (path,) = shop.execute("select path from monitoring.reports where window_end = %s", (end_of(6),))[0]
    page = (maeari_home / "reports" / path).read_text()
    assert "psi" in page.lower()
    assert not any(word in page for word in WORDS)
    shop.execute(
        "insert into ops.release_requests (model, version, as_of, effective_from, evidence, may_ask, expires_at) "
        "values ('sentiment', 1, %s, now(), '{}', true, now())",
        (end_of(6),),
    )
    assert not monitor("sentiment", end_of(6))["retrain"]


def test_a_decline_in_one_source_is_placed_there_and_put_down_to_what_changed(shop):
    shop.weeks(0, 4)
    shop.weeks(4, 2)
    # From then on the cafes' stars no longer mean what they meant.
    shop.execute(
        "update intermediate.int_reviews__versions set sentiment_label = case sentiment_label when 'positive' then"
        " 'negative' when 'negative' then 'positive' end where source = 'cafe' and valid_from >= %s"
        " and abs(hashtext(review_id)) %% 3 = 0",
        (clock.start_of_day(FIRST_DAY + timedelta(weeks=4)),),
    )
    windows = monitor("sentiment", end_of(5))["windows"]
    assert [window["verdict"] for window in windows] == ["stable"] * 4 + ["declined"] * 2
    assert not any(reason.startswith(("Where", "Why")) for window in windows[:4] for reason in window["reasons"])
    where, *_ = (reason for reason in windows[5]["reasons"] if reason.startswith("Where"))
    assert where.startswith("Where: source=cafe, accuracy 0.")
    (why,) = (reason for reason in windows[5]["reasons"] if reason.startswith("Why"))
    found = re.search(r"loss of ([\d.-]+), .* would cost ([\d.-]+) \(.* the rest, ([\d.-]+) \(", why)
    loss, inputs, relation = map(float, found.groups())
    assert relation > 0.8 * loss > 5 * abs(inputs)


def test_a_second_run_keeps_every_row_and_decides_nothing_anew(shop):
    shop.weeks(0, 3)
    monitor("sentiment", end_of(2))
    kept = "select xmin::text, * from monitoring.{} as kept order by kept::text"
    before = [shop.execute(kept.format(table)) for table in ("metrics", "verdicts", "reports")]
    assert all(before)
    monitor("sentiment", end_of(2))
    assert [shop.execute(kept.format(table)) for table in ("metrics", "verdicts", "reports")] == before


def test_late_rows_replace_their_window_and_none_before(shop):
    shop.weeks(0, 3)
    monitor("sentiment", end_of(2))
    decided = "select window_start, decided_at, rows from monitoring.verdicts order by 1"
    before = shop.execute(decided)
    shop.write(Period(FIRST_DAY + timedelta(weeks=1), 7, 50, 0.82))
    monitor("sentiment", end_of(2))
    after = shop.execute(decided)
    assert [row[2] for row in after] == [1000, 1050, 1000]
    assert [old == new for old, new in zip(before, after, strict=True)][:2] == [True, False]


def test_a_new_version_that_counts_from_an_earlier_day_replaces_its_windows(shop):
    shop.weeks(0, 2)
    for week in (2, 3):
        shop.write(Period(FIRST_DAY + timedelta(weeks=week), 7, 1000, 0.82), versions=(1, 2))
    assert [window["version"] for window in monitor("sentiment", end_of(3))["windows"]] == [1, 1, 1, 1]
    shop.release(2, FIRST_DAY + timedelta(weeks=3), holdout_from=FIRST_DAY + timedelta(weeks=2))
    assert [window["version"] for window in monitor("sentiment", end_of(3))["windows"]] == [1, 1, 1, 2]
    assert shop.execute("select count(*) from monitoring.verdicts") == [(4,)]


def test_after_a_release_it_is_told_what_the_version_before_would_have_said(shop):
    shop.weeks(0, 2)
    shop.write(Period(HOLDOUT_FROM, 28, 1000, 0.82), versions=(2,))
    for week in (2, 3):
        shop.write(Period(FIRST_DAY + timedelta(weeks=week), 7, 1000, 0.9), versions=(2,))
    shop.release(2, FIRST_DAY + timedelta(weeks=2), holdout_from=HOLDOUT_FROM)
    assert not any("along" in reason for reason in monitor("sentiment", end_of(3))["windows"][3]["reasons"])
    shop.execute(
        "insert into predictions.sentiment select review_id, content_hash, 1,"
        " case when abs(hashtext(review_id)) %% 5 = 0 then 1 - positive_probability else positive_probability end,"
        " label, event_at, scored_at, 'shadow' from predictions.sentiment where model_version = 2 and event_at >= %s",
        (clock.start_of_day(FIRST_DAY + timedelta(weeks=2)),),
    )
    windows = monitor("sentiment", end_of(3))["windows"]
    assert [window["version"] for window in windows] == [1, 1, 2, 2]
    (said,) = (reason for reason in windows[3]["reasons"] if "along" in reason)
    assert said.startswith("Version 1, which was in charge before, scored 1,000 of these rows along: its accuracy")
    kept = shop.execute(
        "select metric, value, rows from monitoring.metrics where window_end = %s and segment = 'all'"
        " and metric in ('accuracy', 'shadow_accuracy', 'shadow_version') and kind <> 'estimated' order by metric",
        (end_of(3),),
    )
    ((_, accuracy, labelled), (_, shadow, along), (_, version, rows)) = kept
    assert (version, rows) == (1, 1000)
    assert labelled == along < rows
    assert accuracy - shadow > 0.1


def test_a_crawl_gap_is_blamed_on_the_pipeline(shop):
    shop.weeks(0, 4)
    shop.weeks(4, 2, rows=340)
    shop.weeks(6, 1, rows=100)
    summary = monitor("sentiment", end_of(6))
    assert verdicts(summary) == ["stable"] * 4 + ["drifted", "drifted", "too_few_rows"]
    assert all(any("Pipeline" in reason for reason in window["reasons"]) for window in summary["windows"][4:])


def test_new_words_without_harm_are_called_drifted(shop):
    shop.weeks(0, 2)
    shop.weeks(2, 1, words=WORDS + NEW_WORDS * 2)
    summary = monitor("sentiment", end_of(2))
    assert verdicts(summary) == ["stable", "stable", "drifted"]
    assert any("Inputs: unknown_share moved, PSI" in reason for reason in summary["windows"][2]["reasons"])


def test_more_jamo_and_emoji_are_called_drifted(shop):
    shop.weeks(0, 2)
    shop.weeks(2, 1, words=[*WORDS, "ㅋㅋㅋ", "😀😀"])
    (*before, told) = monitor("sentiment", end_of(2))["windows"]
    assert [window["verdict"] for window in before] == ["stable", "stable"]
    assert told["verdict"] == "drifted"
    for what in ("jamo_share", "emoji_share"):
        assert any(f"Inputs: {what} moved, PSI" in reason for reason in told["reasons"])


def test_another_mix_of_topics_is_called_drifted(shop):
    shop.weeks(0, 3)
    topics = [{"topic_no": number, "topic_id": 7 - number} for number in range(2)]
    shop.release(4, FIRST_DAY, model="review_topics", evidence=json.dumps({"topics": topics}))
    # Of the last week all are about one topic, of the weeks before every other one.
    shop.execute(
        "insert into predictions.topics select 'review_topics', review_id, content_hash, 4,"
        " case when valid_from < %s then abs(hashtext(review_id)) %% 2 else 0 end, '{1}', 1, 1, valid_from, now(),"
        " 'live' from intermediate.int_reviews__versions",
        (clock.start_of_day(FIRST_DAY + timedelta(weeks=2)),),
    )
    windows = monitor("sentiment", end_of(2))["windows"]
    assert [window["verdict"] for window in windows] == ["stable", "stable", "drifted"]
    assert any("Inputs: topic moved, PSI" in reason for reason in windows[2]["reasons"])


def test_crawls_that_failed_are_told(shop):
    shop.weeks(0, 1)
    for outcome in ("finished", "failed", "abandoned"):
        shop.execute(
            "insert into ops.crawls (source, started_at, finished_at, outcome) values ('cafe', %s, now(), %s)",
            (clock.start_of_day(FIRST_DAY + timedelta(days=2)), outcome),
        )
    (window,) = monitor("sentiment", end_of(0))["windows"]
    assert window["verdict"] == "drifted"
    assert "Pipeline: 67% of 3 crawls failed (source=cafe)." in window["reasons"]


def test_what_a_version_may_have_learned_from_is_not_in_its_reference(shop):
    shop.write(Period(HOLDOUT_FROM - timedelta(days=28), 28, 500, 1.0))
    shop.weeks(0, 1)
    monitor("sentiment", end_of(0))
    ((labelled,),) = shop.execute(
        "select rows from monitoring.metrics where metric = 'reference_accuracy' and segment = 'all'"
    )
    assert 0.6 * 4000 < labelled < 0.8 * 4000


def test_windows_without_reviews_or_without_stars_say_so(shop):
    shop.weeks(0, 1)
    shop.weeks(2, 1, rated=0.0)
    assert verdicts(monitor("sentiment", end_of(2))) == ["stable", "too_few_rows", "too_few_rows"]


def test_what_happens_later_changes_no_earlier_verdict(shop):
    shop.weeks(0, 3)
    early = monitor("sentiment", end_of(2))["windows"]
    shop.weeks(3, 3, accuracy=0.7)
    assert monitor("sentiment", end_of(5))["windows"][:3] == early


def test_a_review_that_changed_counts_once_as_it_was_first_seen(shop):
    shop.weeks(0, 1)
    (review_id, moment) = shop.execute(
        "select review_id, valid_from from intermediate.int_reviews__versions where valid_from >= %s limit 1",
        (clock.start_of_day(FIRST_DAY),),
    )[0]
    for number, later in ((2, timedelta(seconds=1)), (3, timedelta(days=30))):
        content_hash = f"h{number}"
        shop.execute(
            "insert into intermediate.int_reviews__versions values "
            "(%s, %s, 'cafe', %s, '1', 5, 'positive', null, '좋아요', %s, %s, null)",
            (review_id, number, content_hash, moment, moment + later),
        )
        shop.execute(
            "insert into predictions.sentiment values (%s, %s, 1, 0.9, 'positive', %s, now(), 'live')",
            (review_id, content_hash, moment),
        )
    monitor("sentiment", end_of(0))
    assert shop.execute("select rows from monitoring.verdicts") == [(1000,)]


def test_a_drawn_report_is_the_window_of_the_day(shop):
    shop.weeks(0, 1)
    monitor("sentiment", end_of(0))
    assert draw_report("sentiment", FIRST_DAY + timedelta(days=3)).parent.name == "2025-12-01_2025-12-07"


def test_nothing_is_watched_before_the_first_release(warehouse, maeari_home):
    assert monitor("sentiment", date(2026, 1, 1))["windows"] == []
    with pytest.raises(NothingToWatch, match="has no window"):
        draw_report("sentiment", date(2026, 1, 1))
