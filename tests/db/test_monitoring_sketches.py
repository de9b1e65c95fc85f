"""Sketches of predictions in a real warehouse equal what SQL says of the rows."""

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from psycopg2.errors import InsufficientPrivilege

from maeari.postgres import connect, copy_rows
from maeari.settings import CHECKOUT
from monitoring import distances
from monitoring import source as sources
from monitoring.check import check
from monitoring.errors import BadRows, MonitoringError, NothingToWatch, PolicyError, TimeWentBackwards
from monitoring.policy import load
from monitoring.sketches import daily_rows, forget, read, update, versions

FIRST, LAST, UNTIL = date(2026, 1, 1), date(2026, 3, 31), date(2026, 1, 31)
DAYS, A_DAY = 90, 40
TABLES = """
delete from monitoring.sketch_references;
drop table if exists predictions.shop, predictions.truth;
create table predictions.shop (
    customer_id text, day date, version integer, score float8, grade_a float8, grade_b float8, grade_c float8,
    spend float8, visits integer, is_member boolean, region text, written_at timestamptz
);
create table predictions.truth (customer_id text, churned boolean, grade text, amount numeric, known_on date);
"""
KILLED = """
import os, sys
from datetime import date
from monitoring import sketches
from monitoring.policy import load
sketches.CHUNK_DAYS = 32
sketches.update(load("shop"), date(2026, 3, 31), lambda done, of: os.kill(os.getpid(), 9))
"""


class Shop:
    """A table of predictions, one of labels, and policies that read them."""

    def __init__(self, folder):
        self.folder = folder
        random = np.random.default_rng(4)
        self.execute(TABLES)
        predictions, labels = [], []
        for number in range(DAYS * A_DAY):
            day = FIRST + timedelta(days=number // A_DAY)
            score, grades = random.random(), random.dirichlet([1, 1, 1])
            spend = None if random.random() < 0.1 else random.lognormal(3, 1)
            region = None if random.random() < 0.05 else random.choice(["서울", "부산", "대구"])
            customer = f"손님 {number}"
            version = 1 + (number % 7 == 0)
            visits, is_member = int(random.poisson(2)), bool(random.random() < 0.3)
            predictions.append(
                (customer, day, version, score, *grades, spend, visits, is_member, region, f"{day} 12:00+00")
            )
            grade = "abc"[random.choice(3, p=grades)]
            known_on = day + timedelta(days=20)
            labels.append((customer, bool(random.random() < score), grade, random.normal(50 * score, 5), known_on))
        with connect("owner") as connection:
            copy_rows(connection, "predictions.shop", self.columns("shop"), predictions)
            copy_rows(connection, "predictions.truth", self.columns("truth"), labels)

    def columns(self, table: str) -> list[str]:
        return [
            name
            for (name,) in self.execute(
                "select column_name from information_schema.columns where table_schema = 'predictions' "
                "and table_name = %s order by ordinal_position",
                table,
            )
        ]

    @staticmethod
    def execute(statement: str, *parameters) -> list[tuple]:
        with connect("owner") as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def policy(self, predictions=(), labels=(), **changes):
        """Write the policy `shop` with some changes, and load it."""
        facts = {
            "model": "shop",
            "task": "binary",
            "predictions": {
                "table": "predictions.shop",
                "id": ["customer_id"],
                "at": "day",
                "version": "version",
                "updated_at": "written_at",
                "score": "score",
                "threshold": 0.37,
                "features": {"spend": "numeric", "visits": "numeric", "is_member": "numeric", "region": "category"},
                "segments": ["region", "is_member"],
                **dict(predictions),
            },
            "labels": {
                "table": "predictions.truth",
                "id": ["customer_id"],
                "value": "churned",
                "known_at": "known_on",
                "after_days": 20,
                **dict(labels),
            },
            "window": "week",
            "reference": {"from": FIRST, "until": UNTIL},
            "recompute_days": 3,
            "min_rows": 100,
            "min_labelled_rows": 50,
            "declined": {"min_drop": 0.02, "false_alarms": 0.01, "over_windows": 12},
            "drifted": {"method": "psi", "limit": 0.1},
            **changes,
        }
        (self.folder / "shop.yml").write_text(yaml.safe_dump(facts, allow_unicode=True))
        return load("shop")

    def sketched(self) -> dict[tuple, np.ndarray]:
        """All figures of each day, version, segment and column."""
        found = {}
        for table in ("sketches", "score_sketches"):
            for (row,) in self.execute(f"select to_jsonb(s) - 'reference_id' - 'policy' from monitoring.{table} s"):
                key = tuple(row.pop(name, None) for name in ("day", "model_version", "segment", "column_name"))
                found[key] = np.hstack([figures for figures in row.values() if figures is not None])
        return found

    def written(self) -> dict[date, set[str]]:
        """By day the transactions that wrote its sketches."""
        found = self.execute("select day, array_agg(distinct xmin::text) from monitoring.sketches group by day")
        return {day: set(transactions) for day, transactions in found}


@pytest.fixture(scope="module")
def shared_warehouse(new_warehouse) -> str:
    """One warehouse for all tests, each of which makes its tables anew."""
    return new_warehouse()


@pytest.fixture
def shop(shared_warehouse, maeari_home, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", shared_warehouse)
    folder = maeari_home / "policies"
    folder.mkdir(exist_ok=True)
    yield Shop(folder)
    for file in folder.glob("*.yml"):
        file.unlink()


def assert_same(found: dict[tuple, np.ndarray], expected: dict[tuple, np.ndarray]) -> None:
    """Sums may differ in the last bits, since rows come in any order."""
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-9, atol=1e-9, err_msg=str(key))


def window(policy, version=1, start=FIRST, end=LAST):
    with connect("monitor") as connection:
        return read(connection, policy, version, start, end)


def test_a_window_put_together_from_days_equals_its_rows(shop):
    policy = shop.policy()
    assert update(policy, LAST) == {"policy": "shop", "as_of": "2026-03-31", "days": DAYS, "rows": DAYS * A_DAY}
    start, end = date(2026, 2, 3), date(2026, 3, 20)
    found = window(policy, 1, start, end)
    rows, missing, total, sd, members = shop.execute(
        "select count(*), count(*) - count(spend), sum(spend), stddev_pop(spend), sum(is_member::int) "
        "from predictions.shop where version = 1 and day between %s and %s",
        start,
        end,
    )[0]
    spend = found.columns["spend"]
    assert (found.rows, spend.rows, spend.missing) == (rows, rows, missing)
    assert (spend.sum, spend.sd) == pytest.approx((total, sd), rel=1e-12)
    assert (spend.counts.sum(), spend.sums.sum()) == pytest.approx((rows - missing, total))
    assert found.columns["is_member"].sum == members
    values = [value for (value,) in shop.execute(
        "select spend from predictions.shop where version = 1 and day between %s and %s and spend is not null",
        start, end,
    )]  # fmt: skip
    edges = found.reference.columns["spend"].edges
    places = np.searchsorted(edges, values, side="right")
    np.testing.assert_array_equal(spend.counts, np.bincount(places, minlength=len(edges) + 1))
    regions = dict(
        shop.execute(
            "select region, count(*) from predictions.shop where version = 1 and day between %s and %s group by 1",
            start, end,
        )
    )  # fmt: skip
    kept = found.reference.columns["region"].values
    assert found.columns["region"].counts.tolist() == [*(regions[value] for value in kept), 0]
    assert found.columns["region"].missing == regions[None]


@pytest.mark.parametrize(
    ("segment", "condition"),
    [
        ("all", "true"),
        ("region=서울", "region = '서울'"),
        ("region (missing)", "region is null"),
        ("is_member=true", "is_member"),
    ],
)
def test_scores_and_labels_of_a_segment_equal_its_rows(shop, segment, condition):
    policy = shop.policy()
    update(policy, LAST)
    found = window(policy).scores[segment]
    expected = shop.execute(
        "select count(*), sum(score), count(*) filter (where known), sum(score) filter (where known), "
        "count(*) filter (where known and churned), sum(score) filter (where known and churned), "
        "count(*) filter (where score >= .37) from (select *, known_on <= %s as known from predictions.shop "
        f"join predictions.truth using (customer_id)) as r where version = 1 and {condition}",
        LAST,
    )[0]
    figures = ("rows", "score_sums", "labelled", "labelled_score_sums", "positives", "positive_score_sums")
    assert [getattr(found, name).sum() for name in figures] == pytest.approx(expected[:6])
    edges = window(policy).reference.scores[0].edges
    assert found.rows[np.searchsorted(edges, 0.37) + 1 :].sum() == expected[6]


def test_classes_are_counted_by_the_class_that_was_predicted(shop):
    policy = shop.policy(
        {"score": {"a": "grade_a", "b": "grade_b", "c": "grade_c"}}, {"value": "grade"}, task="multiclass"
    )
    update(policy, LAST)
    found = window(policy)
    grades = np.array(
        shop.execute(
            "select grade_a, grade_b, grade_c, case when known_on <= %s then strpos('abc', grade) - 1 end "
            "from predictions.shop join predictions.truth using (customer_id) where version = 1",
            LAST,
        ),
        float,
    )
    scores, labels = grades[:, :3], grades[:, 3]
    predicted = scores.argmax(axis=1)
    assert found.rows == len(grades)
    for one in range(3):
        for other in range(3):
            own = predicted == one
            assert found.scores["all"].rows[one, other].sum() == own.sum()
            assert found.scores["all"].score_sums[one, other].sum() == pytest.approx(scores[own, other].sum())
            assert found.scores["all"].labelled[one, other].sum() == (own & np.isfinite(labels)).sum()
            assert found.scores["all"].positives[one, other].sum() == (own & (labels == other)).sum()


def test_a_regression_keeps_its_errors(shop):
    policy = shop.policy({"score": "spend_forecast", "table": None, "query": (
        "select *, score * 50 as spend_forecast from predictions.shop where region <> '대구%'"
    )}, {"value": "amount"}, task="regression")  # fmt: skip
    update(policy, LAST)
    found = window(policy).scores["all"]
    expected = shop.execute(
        "select count(*), sum(score * 50 - amount), sum(abs(score * 50 - amount)), sum((score * 50 - amount) ^ 2) "
        "from predictions.shop join predictions.truth using (customer_id) "
        "where version = 1 and region is not null and known_on <= %s",
        LAST,
    )[0]
    figures = (found.labelled, found.error_sums, found.absolute_error_sums, found.squared_error_sums)
    assert [one.sum() for one in figures] == pytest.approx([float(one) for one in expected])
    assert found.positives is None


def test_days_begin_in_the_business_zone(shop):
    shop.execute("alter table predictions.shop add at timestamptz")
    shop.execute("update predictions.shop set at = day::timestamp at time zone 'Asia/Seoul' + interval '1 minute'")
    policy = shop.policy({"at": "at"})
    update(policy, LAST)
    with connect("monitor") as connection:
        found = daily_rows(connection, policy, 1, FIRST, LAST)
    assert found == dict(shop.execute("select day, count(*) from predictions.shop where version = 1 group by 1"))


def test_each_version_is_sketched_by_itself(shop):
    policy = shop.policy()
    update(policy, LAST)
    with connect("monitor") as connection:
        assert versions(connection, policy) == {1: (FIRST, LAST), 2: (FIRST, LAST)}
    assert [window(policy, version).rows for version in (1, 2, 3)] == [
        *(n for (n,) in shop.execute("select count(*) from predictions.shop group by version order by version")),
        0,
    ]


def test_only_touched_days_are_done_again(shop):
    policy = shop.policy()
    update(policy, LAST)
    before, written = shop.sketched(), shop.written()
    again = update(policy, LAST)
    # Labels that were known in the last three days may have come late.
    assert again["days"] == 3
    assert_same(shop.sketched(), before)
    touched = date(2026, 1, 10)
    shop.execute("update predictions.shop set spend = 1, written_at = '2026-05-01' where day = %s", touched)
    update(policy, LAST)
    late = {LAST - timedelta(days=20 + number) for number in range(3)}
    assert {day for day, transactions in shop.written().items() if transactions != written[day]} == {touched, *late}
    assert window(policy, 1, touched, touched).columns["spend"].mean == 1


def test_day_by_day_is_the_same_as_at_once(shop):
    policy = shop.policy()
    for day in (date(2026, 2, 10), date(2026, 2, 11), date(2026, 3, 1), LAST):
        update(policy, day)
    by_day = shop.sketched()
    forget(policy)
    assert shop.sketched() == {}
    update(policy, LAST)
    assert_same(shop.sketched(), by_day)


@pytest.mark.parametrize("changes", [{"updated_at": None}, {"version": None}])
def test_without_some_columns_the_newest_days_are_done_again(shop, changes):
    shop.execute("delete from predictions.shop where version = 2")
    policy = shop.policy(changes, {"known_at": None})
    for day in (date(2026, 3, 1), date(2026, 3, 2), LAST):
        update(policy, day)
    by_day = shop.sketched()
    forget(policy)
    update(policy, LAST)
    assert_same(shop.sketched(), by_day)
    labelled = window(policy).scores["all"].labelled.sum()
    assert labelled == shop.execute("select count(*) from predictions.shop where day <= %s", date(2026, 3, 11))[0][0]


def test_a_killed_run_is_gone_on_with(shop):
    policy = shop.policy()
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=CHECKOUT)
    assert killed.returncode == -9
    done = len(shop.written())
    assert 0 < done < DAYS
    assert update(policy, LAST)["days"] == DAYS - done
    resumed = shop.sketched()
    forget(policy)
    update(policy, LAST)
    assert_same(shop.sketched(), resumed)


def test_rows_of_several_buffers_arrive_whole(shop):
    policy = shop.policy({"version": None, "table": None, "query": (
        "select 'x' || n as customer_id, date '2026-01-05' as day, n * 1.5 as spend, .5 as score, null as region "
        "from generate_series(1, 200000) as n"
    ), "updated_at": None, "features": {"spend": "numeric"}, "segments": []})  # fmt: skip
    with connect("monitor") as connection:
        source = sources.describe(connection, policy)
        query = sources.select(source, [(FIRST, UNTIL)], LAST)
        parts = [words.view(np.float64).copy() for words in sources.stream(connection, query, source.fields)]
    found = np.concatenate(parts)
    assert len(parts) > 1
    np.testing.assert_array_equal(np.sort(found[:, source.first_feature]), np.arange(1, 200_001) * 1.5)


def test_what_the_reference_never_had_is_counted_as_other(shop):
    policy = shop.policy()
    shop.execute("update predictions.shop set region = '제주', spend = 'NaN', visits = -5 where day = %s", LAST)
    update(policy, LAST)
    found = window(policy, 1, LAST, LAST)
    assert found.columns["region"].counts.tolist() == [0, 0, 0, found.rows]
    assert found.scores["region (other)"].rows.sum() == found.rows
    assert found.columns["spend"].missing == found.rows
    assert found.columns["visits"].counts[0] == found.rows


def test_a_window_of_one_row_can_be_read_and_compared(shop):
    policy = shop.policy()
    shop.execute("delete from predictions.shop where day = %s and customer_id <> %s", LAST, f"손님 {DAYS * A_DAY - 1}")
    update(policy, LAST)
    one = window(policy, 1, LAST, LAST)
    assert one.rows == 1
    past = window(policy, 1, FIRST, UNTIL)
    for method in ("psi", "jensen_shannon", "wasserstein", "chi_square"):
        value = distances.distance(
            method, past.reference.columns["visits"], past.columns["visits"], one.columns["visits"]
        )
        assert np.isfinite(value)
    assert window(policy, 1, date(2027, 1, 1), date(2027, 1, 2)).columns == {}


def test_bins_stay_as_they_were_fixed(shop):
    policy = shop.policy()
    update(policy, LAST)
    edges = window(policy).reference.columns["spend"].edges
    shop.execute("update predictions.shop set spend = spend * 100, written_at = '2026-05-01' where day <= %s", UNTIL)
    update(policy, LAST)
    np.testing.assert_array_equal(window(policy).reference.columns["spend"].edges, edges)


def test_a_sound_policy_is_described(shop):
    shop.policy()
    said = check("shop", LAST)
    assert "3,600 predictions of version 1, 2 from 2026-01-01 to 2026-03-31" in said[0]
    assert "1,240 predictions, 1,240 with a label" in said[2]


BAD_ROWS = {
    "a score above 1": (
        "update predictions.shop set score = 1.5 where customer_id = '손님 60'",
        "predictions.shop has 1 rows with 1.5 in score; wanted a probability.*손님 60",
    ),
    "a score that is missing": (
        "update predictions.shop set score = null where customer_id = '손님 60'",
        "predictions.shop has 1 rows with null in score.*손님 60",
    ),
    "no version": (
        "update predictions.shop set version = null where customer_id = '손님 60'",
        "predictions.shop has 1 rows with null in version.*손님 60",
    ),
    "two predictions for one id": (
        "insert into predictions.shop select * from predictions.shop where customer_id = '손님 60'",
        "predictions.shop has two predictions of one version and day for 1 ids.*손님 60.*2026-01-02",
    ),
    "labels that contradict": (
        "insert into predictions.truth select customer_id, not churned, grade, amount, known_on from predictions.truth "
        "where customer_id = '손님 60'",
        "predictions.truth has labels that contradict for 1 ids, such as false and true in churned.*손님 60",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_are_named_and_lose_nothing(shop, case):
    statement, said = BAD_ROWS[case]
    policy = shop.policy()
    update(policy, UNTIL)
    before = shop.sketched()
    shop.execute(statement)
    shop.execute("update predictions.shop set written_at = '2026-05-01' where customer_id = '손님 60'")
    with pytest.raises(PolicyError, match=said):
        check("shop", LAST)
    with pytest.raises(BadRows, match=said):
        update(policy, LAST)
    assert_same(shop.sketched(), before)


def test_days_with_bad_rows_are_done_when_those_are_mended(shop):
    policy = shop.policy()
    update(policy, UNTIL)
    shop.execute("update predictions.shop set score = score + 1 where day = %s", LAST)
    with pytest.raises(BadRows):
        update(policy, LAST)
    shop.execute("update predictions.shop set score = score - 1 where day = %s", LAST)
    update(policy, LAST)
    assert window(policy, 1).rows == shop.execute("select count(*) from predictions.shop where version = 1")[0][0]


def test_one_label_said_twice_is_one(shop):
    policy = shop.policy()
    shop.execute("insert into predictions.truth select * from predictions.truth")
    check("shop", LAST)
    update(policy, LAST)
    found = window(policy).scores["all"]
    assert found.rows.sum() == shop.execute("select count(*) from predictions.shop where version = 1")[0][0]


def test_an_index_that_keeps_rows_apart_changes_no_figure(shop):
    policy = shop.policy()
    update(policy, LAST)
    before = shop.sketched()
    forget(policy)
    shop.execute("alter table predictions.shop add primary key (customer_id, day, version)")
    shop.execute("alter table predictions.truth add primary key (customer_id)")
    with connect("monitor") as connection:
        source = sources.describe(connection, policy)
    assert (source.are_predictions_unique, source.are_labels_unique) == (True, True)
    update(policy, LAST)
    assert_same(shop.sketched(), before)


def test_a_label_of_an_unknown_class_is_named(shop):
    policy = shop.policy(
        {"score": {"a": "grade_a", "b": "grade_b", "c": "grade_c"}}, {"value": "grade"}, task="multiclass"
    )
    shop.execute("update predictions.truth set grade = 'd' where customer_id = '손님 60'")
    said = "predictions.truth has 1 labels such as d in grade; wanted one of the classes a, b, c.*손님 60"
    with pytest.raises(PolicyError, match=said):
        check("shop", LAST)
    with pytest.raises(BadRows, match=said):
        update(policy, LAST)


@pytest.mark.parametrize(
    ("predictions", "labels", "said"),
    [
        ({"table": "predictions.shops"}, {}, "no table predictions.shops.*predictions.shop"),
        ({"score": "scores"}, {}, "predictions.shop has no column scores.*score"),
        ({}, {"value": "churn"}, "predictions.truth has no column churn.*churned"),
        ({"at": "customer_id"}, {}, "customer_id is of type text; wanted date or timestamp with time zone"),
        ({"score": "region"}, {}, "predictions.shop.region is of type text"),
        ({"features": {"region": "numeric"}}, {}, "predictions.shop.region is of type text"),
        ({"id": ["version"]}, {}, "cannot be joined"),
        ({"table": None, "query": "select * from predictions.shop where spendd > 1"}, {}, "spendd"),
        ({"table": None, "query": "with gone as (delete from predictions.shop) select 1"}, {}, "query cannot run"),
        ({"table": "raw.reviews"}, {}, "raw.reviews may not be read.*grant select"),
    ],
)
def test_a_policy_that_does_not_fit_the_database_is_refused(shop, predictions, labels, said):
    policy = shop.policy(predictions, labels)
    with pytest.raises(PolicyError, match=said):
        check("shop", LAST)
    with pytest.raises(PolicyError, match=said):
        update(policy, LAST)


def test_a_table_that_vanished_is_named_and_its_sketches_stay(shop):
    policy = shop.policy()
    update(policy, LAST)
    before = shop.sketched()
    shop.execute("drop table predictions.truth")
    for act in (lambda: check("shop", LAST), lambda: update(policy, LAST)):
        with pytest.raises(PolicyError, match="There is no table predictions.truth"):
            act()
    assert_same(shop.sketched(), before)
    assert window(policy).rows > 0


def test_time_does_not_go_backwards(shop):
    policy = shop.policy()
    update(policy, LAST)
    with pytest.raises(TimeWentBackwards, match="2026-03-31, which lies after 2026-03-01"):
        update(policy, date(2026, 3, 1))
    forget(policy)
    update(policy, date(2026, 3, 1))
    assert window(policy, 1, date(2026, 3, 2), LAST).rows == 0
    with pytest.raises(PolicyError, match="1,200 rows whose day lies after 2026-03-01"):
        check("shop", date(2026, 3, 1))


def test_a_reference_without_enough_rows_or_labels_is_refused(shop):
    shop.policy(reference={"from": date(2025, 1, 1), "until": date(2025, 1, 31)})
    with pytest.raises(PolicyError, match="no rows from 2025-01-01 to 2025-01-31.*lie from 2026-01-01 to 2026-03-31"):
        check("shop", LAST)
    with pytest.raises(NothingToWatch, match="0 rows from 2025-01-01"):
        update(load("shop"), LAST)
    shop.policy(min_rows=5_000)
    with pytest.raises(PolicyError, match="1,240 rows .* at least min_rows, 5,000"):
        check("shop", LAST)
    shop.policy(reference={"from": date(2026, 3, 20), "until": LAST})
    with pytest.raises(PolicyError, match="label for 0 of 480 predictions"):
        check("shop", LAST)
    with pytest.raises(NothingToWatch, match="ends on 2026-03-31, after 2026-03-25"):
        update(load("shop"), date(2026, 3, 25))


def test_nothing_can_be_read_before_it_was_sketched(shop):
    with pytest.raises(NothingToWatch, match="Nothing was sketched yet"):
        window(shop.policy())


def test_an_empty_table_is_told(shop):
    policy = shop.policy()
    shop.execute("truncate predictions.shop")
    with pytest.raises(PolicyError, match="has no rows up to"):
        check("shop", LAST)
    with pytest.raises(MonitoringError):
        update(policy, LAST)


def test_only_monitoring_writes_sketches(shop):
    update(shop.policy(), LAST)
    with connect("analyst") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from monitoring.sketches")
        assert cursor.fetchone()[0] > 0
    with pytest.raises(InsufficientPrivilege), connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute("delete from monitoring.sketches")
