"""The features of churn: what they are, that they know no future, and which months a build touches."""

import json
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from math import cos, log, pi, sin
from statistics import fmean, stdev

import psycopg2
import pytest

from maeari import warehouse
from maeari.clock import end_of_day, start_of_day
from maeari.postgres import connect, copy_rows
from ml.churn.features import FEATURES

FIRST_ON, COMPLETE_ON = date(2025, 1, 1), date(2026, 3, 31)
MONTH_END = date(2025, 10, 31)
MONTH_ENDS = [date(2025, month, 1) - timedelta(1) for month in range(4, 13)]
MONTH_ENDS += [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
LABELLED = [day for day in MONTH_ENDS if day + timedelta(60) <= COMPLETE_ON]
EFFECTIVE_FROM = {1: datetime(2025, 3, 1, tzinfo=UTC), 2: datetime(2025, 8, 1, tzinfo=UTC)}
KEYS = ["customer_id", "as_of_on"]
COLUMNS = ["source", "event_id", "customer_id", "event_type", "occurred_at", "item_id", "quantity", "amount", "load_id"]
REGISTERED = """
insert into ops.training_sets values ('t', 'sentiment', now(), 1, 'x', 'select', now());
insert into ops.model_versions (
    model, version, trained_at, training_set_id, metrics, card, artifact_sha256, mlflow_run_id
) select 'sentiment', version, now(), 't', '{}', '{}', 'x', 'r' from generate_series(1, 2) version;
insert into ops.deployments (
    model, version, live_from, live_to, effective_from, approved_by, approved_at, evidence
) values
    ('sentiment', 1, '2025-03-01', '2025-08-01', '2025-03-01', 'me', now(), '{}'),
    ('sentiment', 2, '2025-08-01', null, '2025-08-01', 'me', now(), '{}');
insert into ops.crawls (source, finished_at, outcome) values ('shop', now(), 'finished');
insert into ops.loads (source, kind, finished_at, outcome) values ('shop', 'authors', '2025-01-01', 'finished');
insert into raw.customer_authors select 'shop', 'author-' || i, 'c' || i, 1 from generate_series(0, 9) i;
select predictions.ensure_sentiment_month(month)
from generate_series('2024-12-01'::timestamptz, '2026-05-01', '1 month') month;
"""
_copies = count(1)


def execute(url: str, statement: str, parameters: dict | None = None) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def rows(query: str, role: str = "ml") -> list[dict]:
    with connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def generated_events(seed: int, first_on: date, days: int) -> list[dict]:
    """Events of thirty customers of different habits, of whom some stop; and of nobody known."""
    drawn = random.Random(seed)
    found = []
    for customer in range(31):
        every, stops_at = drawn.choice((3, 12, 30, 70)), drawn.choice((60, 200, 1000))
        day = drawn.randrange(40)
        while day < min(days, stops_at):
            moment = start_of_day(first_on + timedelta(day)) + timedelta(seconds=drawn.randrange(86_400))
            for kind in drawn.choices(
                ("purchase", "return", "visit", "complaint"), (8, 2, 3, 1), k=drawn.randint(1, 4)
            ):
                amount = round(drawn.uniform(0.5, 90), 2)
                found.append(
                    {
                        "source": "till",
                        "event_id": f"{seed}-{len(found)}",
                        "customer_id": f"c{customer}" if customer < 30 else None,
                        "event_type": kind,
                        "occurred_at": moment,
                        "item_id": drawn.choice(("pen", "ink", "book", "lamp", None)),
                        "quantity": -1 if kind == "return" else 1,
                        "amount": {"purchase": amount, "return": -amount}.get(kind),
                    }
                )
            day += 1 + int(drawn.expovariate(1 / every))
    return found


def generated_reviews() -> list[dict]:
    """Reviews of ten linked and five other authors; some are changed later, all are scored by both versions."""
    drawn = random.Random(5)
    found = []
    for number in range(90):
        written_on = FIRST_ON + timedelta(drawn.randrange(440))
        review = {"review_id": str(number), "author": drawn.randrange(15), "written_at": start_of_day(written_on)}
        changed_at = review["written_at"] + timedelta(drawn.randrange(1, 90))
        for version_no in range(1, drawn.randint(1, 2) + 1):
            known_at = review["written_at"] if version_no == 1 else changed_at
            negative = {version: drawn.random() < 0.5 for version in (1, 2)}
            found.append(review | {"version_no": version_no, "known_at": known_at, "negative": negative})
    return found


def land_events(url: str, events: list[dict], finished_at: str = "now()") -> None:
    moments = [event["occurred_at"] for event in events]
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.loads (source, finished_at, outcome, complete_until, first_event_at, last_event_at) "
            f"values ('till', {finished_at}, 'finished', %s, %s, %s) returning load_id",
            (end_of_day(COMPLETE_ON), min(moments), max(moments)),
        )
        (load_id,) = cursor.fetchone()
        copy_rows(connection, "raw.events", COLUMNS, [(*event.values(), load_id) for event in events])


def land_reviews(url: str, reviews: list[dict]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for review in reviews:
            parameters = review | {"hash": f"{review['review_id']}-{review['version_no']}", "crawl": 1}
            cursor.execute(
                "insert into raw.reviews (source, source_review_id, version_no, content_hash, subject_id, author_key, "
                "body, written_at, written_at_precision, url, crawl_id, fetched_at) values ('shop', %(review_id)s, "
                "%(version_no)s, %(hash)s, 'pen', 'author-' || %(author)s, 'text', %(written_at)s, 'day', 'u', "
                "(select min(crawl_id) from ops.crawls), %(known_at)s)",
                parameters,
            )
            for version, is_negative in review["negative"].items():
                cursor.execute(
                    "insert into predictions.sentiment values ('shop:' || %(review_id)s, %(hash)s, %(version)s, "
                    "%(probability)s, 'unsure', %(written_at)s, '2026-04-01', 'live')",
                    parameters | {"version": version, "probability": 0.4 if is_negative else 0.6},
                )


def negative(review: dict) -> bool | None:
    """What the version in charge said; nobody was in charge of the oldest reviews."""
    at = review["written_at"]
    return None if at < EFFECTIVE_FROM[1] else review["negative"][2 if at >= EFFECTIVE_FROM[2] else 1]


def expected(events: list[dict], reviews: list[dict], day: date) -> dict[str, dict]:
    """The features of every active customer at the end of the day, counted one by one as the dictionary words them."""
    found = {}
    for customer in {event["customer_id"] for event in events} - {None}:
        known = [
            {"ago": (day - (event["occurred_at"] + timedelta(hours=9)).date()).days, **event}
            for event in events
            if event["customer_id"] == customer and event["occurred_at"] < end_of_day(day)
        ]
        bought = [event for event in known if event["event_type"] == "purchase"]
        days_ago = sorted({event["ago"] for event in bought}, reverse=True)
        if not days_ago or days_ago[-1] >= 180:
            continue

        def spend(last: int, first: int = 0, bought=bought) -> float:
            return sum(event["amount"] for event in bought if first <= event["ago"] < last)

        def purchase_days(last: int, first: int = 0, days_ago=days_ago) -> int:
            return sum(first <= ago < last for ago in days_ago)

        def decayed(half_life: int, days_ago=days_ago) -> float:
            return sum(0.5 ** (ago / half_life) for ago in days_ago)

        items = {(event["item_id"], event["ago"]) for event in bought if event["item_id"]}
        gaps = [before - after for before, after in pairwise(days_ago)]
        returned = [event for event in known if event["event_type"] == "return" and event["ago"] < 180]
        returned_amount = -sum(event["amount"] for event in returned)
        standing = {
            review["review_id"]: review
            for review in reviews
            if f"c{review['author']}" == customer and review["author"] < 10 and review["known_at"] < end_of_day(day)
        }
        reviewed = [
            ((day - (review["written_at"] + timedelta(hours=9)).date()).days, negative(review))
            for review in standing.values()
        ]
        recent = [negative for ago, negative in reviewed if ago < 180 and negative is not None]
        left = 0.6 / (1.5 + len(gaps)) * ((60 + days_ago[0]) / (60 + sum(gaps))) ** (0.9 + len(gaps))
        season = 2 * pi * day.timetuple().tm_yday / 365.25
        found[customer] = {
            "recency_days": days_ago[-1],
            "third_recency_days": days_ago[-3] if len(days_ago) > 2 else None,
            "tenure_days": days_ago[0],
            "purchase_days_30d": purchase_days(30),
            "purchase_days_90d": purchase_days(90),
            "purchase_days_180d": purchase_days(180),
            "purchase_days_365d": purchase_days(365),
            "purchase_days_ever": len(days_ago),
            "purchase_days_decayed_60d": decayed(60),
            "purchase_days_decayed_120d": decayed(120),
            "purchase_days_decayed_180d": decayed(180),
            "purchase_rate_decayed_120d": 60
            * (decayed(120) - 0.3 * 0.5 ** (days_ago[0] / 120))
            / (120 * (1 - 0.5 ** ((days_ago[0] + 1) / 120)) / log(2) + 30),
            "active_months_180d": len({ago // 30 for ago in days_ago if ago < 180}),
            "spend_30d": spend(30),
            "spend_90d": spend(90),
            "spend_180d": spend(180),
            "spend_ever": spend(10_000),
            "spend_decayed_120d": sum(event["amount"] * 0.5 ** (event["ago"] / 120) for event in bought),
            "lines_decayed_120d": sum(0.5 ** (event["ago"] / 120) for event in bought),
            "basket_180d": spend(180) / purchase_days(180),
            "basket_ever": spend(10_000) / len(days_ago),
            "mean_gap_days": fmean(gaps) if gaps else None,
            "gap_sd_days": stdev(gaps) if len(gaps) > 1 else None,
            "gap_variation": stdev(gaps) / fmean(gaps) if len(gaps) > 1 else None,
            "last_gap_days": gaps[-1] if gaps else None,
            "longest_gap_days": max(gaps) if gaps else None,
            "recency_per_gap": days_ago[-1] / fmean(gaps) if gaps else None,
            "covered_60d_share": (sum(min(gap, 60) for gap in gaps) + 18)
            / (max(days_ago[0] - min(days_ago[-1], 60), 0) + 40),
            "purchase_rate_60d": 60 * (len(gaps) + 0.7) / (days_ago[0] + 60),
            "expected_purchases_60d": 60 * (0.9 + len(gaps)) / (60 + days_ago[0]) / (1 + left if gaps else 1),
            "purchase_days_trend": purchase_days(90) - purchase_days(180, 90),
            "spend_trend": spend(90) - spend(180, 90),
            "distinct_items_180d": len({item for item, ago in items if ago < 180}),
            "distinct_items_ever": len({item for item, _ in items}),
            "repeated_item_share": 1 - len({item for item, _ in items}) / len(items) if items else None,
            "top_weekday_share": max(Counter(ago % 7 for ago in days_ago).values()) / len(days_ago),
            "returns_180d": len(returned),
            "return_share_180d": returned_amount / (spend(180) + returned_amount) if returned else 0,
            "visits_90d": sum(event["event_type"] == "visit" and event["ago"] < 90 for event in known),
            "same_season_days": purchase_days(365, 305) if days_ago[0] >= 364 else None,
            "season_sin": sin(season),
            "season_cos": cos(season),
            "own_review_recency_days": min(ago for ago, _ in reviewed) if reviewed else None,
            "own_reviews_30d": sum(ago < 30 for ago, _ in reviewed),
            "own_reviews_90d": sum(ago < 90 for ago, _ in reviewed),
            "own_reviews_180d": sum(ago < 180 for ago, _ in reviewed),
            "own_negative_share_180d": fmean(recent) if recent else None,
        }
    mean_30d, mean_90d = (fmean(values[f"own_reviews_{days}d"] for values in found.values()) for days in (30, 90))
    for values in found.values():
        silent_days = 365 if values["own_review_recency_days"] is None else values["own_review_recency_days"]
        values["own_reviews_30d_relative"] = values["own_reviews_30d"] / mean_30d if mean_30d else None
        values["own_reviews_90d_relative"] = values["own_reviews_90d"] / mean_90d if mean_90d else None
        values["own_review_silence"] = silent_days * mean_30d / 30 if mean_30d else None
    return found


@pytest.fixture(scope="module")
def events() -> list[dict]:
    return generated_events(3, FIRST_ON, (COMPLETE_ON - FIRST_ON).days + 1)


@pytest.fixture(scope="module")
def reviews() -> list[dict]:
    return generated_reviews()


@pytest.fixture(scope="module")
def built(new_warehouse, events, reviews):
    """A warehouse of 450 days, built once; tests that change something take a copy."""
    url = new_warehouse()
    execute(url, REGISTERED)
    land_events(url, events)
    land_reviews(url, reviews)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", url)
        warehouse.build(COMPLETE_ON)
        yield url


@pytest.fixture
def copied(built, monkeypatch) -> str:
    server, _, name = built.rpartition("/")
    copy = f"{name}_copy_{next(_copies)}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {copy} template {name}")
    monkeypatch.setenv("MAEARI_DATABASE_URL", f"{server}/{copy}")
    return f"{server}/{copy}"


def run(*select: str, **variables) -> None:
    warehouse.run_dbt("run", "--select", *select, "--vars", json.dumps(variables))


def features(table: str = "features.churn", day: date = MONTH_END) -> list[dict]:
    return rows(f"select {', '.join(KEYS + list(FEATURES))} from {table} where as_of_on = '{day}' order by customer_id")


def built_rows() -> dict[date, set]:
    """The physical rows of each month: one that is written again gets another number."""
    found = {}
    for row in rows("select as_of_on, xmin::text, ctid::text from features.churn"):
        found.setdefault(row["as_of_on"], set()).add((row["xmin"], row["ctid"]))
    return found


def test_the_list_of_features_is_the_same_in_sql_and_in_python(built):
    manifest = json.loads(warehouse.write_manifest().read_text())
    label = {"churned_in_60d", "labels_mature_on", "built_at"}
    for model in ("churn", "churn_now"):
        columns = manifest["nodes"][f"model.maeari.{model}"]["columns"]
        assert [name for name in columns if name not in label] == [*KEYS, *FEATURES]
    for model in ("churn", "churn_now", "fct_events", "dim_customers", "bridge_author_customer"):
        for column in manifest["nodes"][f"model.maeari.{model}"]["columns"].values():
            assert column["description"], column
            assert column["config"]["meta"]["unit"] in ("days", "count", "amount", "share", "none"), column
            assert column["config"]["meta"]["source"], column


def test_every_feature_is_what_its_words_say(built, events, reviews):
    assert [row["as_of_on"] for row in rows("select distinct as_of_on from features.churn order by 1")] == MONTH_ENDS
    for day in (MONTH_ENDS[0], MONTH_END, *MONTH_ENDS[-2:]):
        found = {row["customer_id"]: {name: row[name] for name in FEATURES} for row in features(day=day)}
        wanted = expected(events, reviews, day)
        assert found.keys() == wanted.keys()
        for customer, values in wanted.items():
            assert found[customer] == pytest.approx(values, nan_ok=True), (day, customer)
    assert {row["own_reviews_180d"] for row in features()} > {0, 1}
    # Nobody wrote in that February.
    assert {row["own_review_silence"] for row in features(day=MONTH_ENDS[-2])} == {None}


def test_a_label_is_null_until_its_events_are_complete(built, events):
    bought = {
        (event["customer_id"], (event["occurred_at"] + timedelta(hours=9)).date())
        for event in events
        if event["event_type"] == "purchase"
    }
    found = rows("select customer_id, as_of_on, churned_in_60d, labels_mature_on from features.churn")
    assert {row["churned_in_60d"] for row in found} == {True, False, None}
    for row in found:
        later = [row["as_of_on"] + timedelta(ahead) for ahead in range(1, 61)]
        left = not any((row["customer_id"], day) in bought for day in later)
        assert row["labels_mature_on"] == later[-1]
        assert row["churned_in_60d"] == (left if row["as_of_on"] in LABELLED else None)


def test_no_feature_knows_what_comes_later(copied, events):
    before = features()
    execute(
        copied,
        """
        delete from raw.events where occurred_at >= %(end)s and event_id like '%%0';
        update raw.events set occurred_at = occurred_at + interval '20 days', amount = 7 * amount, item_id = 'other'
            where occurred_at >= %(end)s;
        delete from predictions.sentiment where event_at >= %(end)s;
        update predictions.sentiment set label = 'unsure' from raw.reviews
            where review_id = 'shop:' || source_review_id and sentiment.content_hash = reviews.content_hash
                and fetched_at >= %(end)s;
        """,
        {"end": end_of_day(MONTH_END)},
    )
    land_events(copied, generated_events(11, MONTH_END + timedelta(1), 60), finished_at="'2020-01-01'")
    others = built_rows()
    run("+churn", "+churn_now", churn_months=[MONTH_END.isoformat()], churn_as_of=MONTH_END.isoformat())
    assert len(before) > 15
    assert features() == before
    assert features("features.churn_now") == before
    rebuilt = built_rows()
    assert rebuilt.pop(MONTH_END).isdisjoint(others.pop(MONTH_END))
    assert rebuilt == others
    assert warehouse.build_current(date(2025, 9, 17))["models"] == 1
    assert {row["as_of_on"] for row in rows("select as_of_on from features.churn_now")} == {date(2025, 9, 17)}


def test_a_build_touches_only_the_months_of_which_something_new_is_known(copied, reviews):
    before = built_rows()
    late = generated_events(12, date(2026, 2, 20), 30)
    land_events(copied, late)
    landed_on = min((event["occurred_at"] + timedelta(hours=9)).date() for event in late)
    run("+churn")
    after_landing = built_rows()
    # January's label is not due yet, and its features end before.
    wanted = {day for day in MONTH_ENDS if landed_on <= (day + timedelta(60) if day in LABELLED else day)}
    assert wanted == {date(2025, 12, 31), date(2026, 2, 28), date(2026, 3, 31)}
    assert {day for day in MONTH_ENDS if after_landing[day].isdisjoint(before[day])} == wanted
    assert {day for day in MONTH_ENDS if after_landing[day] == before[day]} == set(MONTH_ENDS) - wanted

    linked = [review for review in reviews if review["author"] < 10 and review["written_at"] >= EFFECTIVE_FROM[2]]
    scored = min(linked, key=lambda review: review["written_at"])
    execute(
        copied,
        "update predictions.sentiment set scored_at = now() where model_version = 2 and review_id = %(id)s",
        {"id": f"shop:{scored['review_id']}"},
    )
    run("+churn")
    after_scoring = built_rows()
    untouched = {day for day in MONTH_ENDS if day < (scored["written_at"] + timedelta(hours=9)).date()}
    assert {date(2025, 6, 30), date(2025, 7, 31)} <= untouched < set(MONTH_ENDS)
    assert {day for day in MONTH_ENDS if after_scoring[day] == after_landing[day]} == untouched


def test_a_table_of_other_columns_is_built_anew_without_a_flag(copied):
    before = built_rows()
    execute(copied, "alter table features.churn rename recency_days to days_since")
    run("churn")
    assert len(features()) == len(before[MONTH_END])
    assert all(rows_.isdisjoint(before[day]) for day, rows_ in built_rows().items())
