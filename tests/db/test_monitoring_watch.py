"""Any table of predictions is watched by its policy: a decline is found, placed and explained, and labels come late."""

import csv
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from maeari import clock, postgres

FIRST = date(2025, 1, 6)
SHARED = os.environ.get("MAEARI_SHARED_DATA")
POLICY = {
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
    "labels": {"table": "predictions.credit_truth", "id": ["loan"], "value": "is_late", "after_days": 14},
    "window": "week",
    "reference": {"from": FIRST, "until": FIRST + timedelta(days=27)},
    "min_rows": 300,
    "min_labelled_rows": 200,
    "declined": {"min_drop": 0.02, "false_alarms": 0.005, "over_windows": 26},
    "drifted": {"method": "psi", "limit": 0.1},
}


def execute(statement: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def write_policy(maeari_home):
    """A function that writes a policy of this home, changed as told."""
    folder = maeari_home / "policies"
    folder.mkdir(exist_ok=True)

    def write(name: str, policy: dict) -> str:
        (folder / f"{name}.yml").write_text(yaml.safe_dump(policy))
        return name

    yield write
    for file in folder.glob("*.yml"):
        file.unlink()


def loans(week: int, rows: int = 1_500, lost: dict[str, float] | None = None, richer: float = 0.0) -> list[tuple]:
    """Loans of one week: `lost` turns the truth of a share of a branch's rows, `richer` moves the incomes."""
    random = np.random.default_rng(week)
    chance = random.beta(0.5, 0.5, rows)
    is_late = random.random(rows) < chance
    branch = random.choice(["강남", "대전", "부산"], rows)
    for name, share in (lost or {}).items():
        turned = (branch == name) & (random.random(rows) < share)
        is_late = np.where(turned, ~is_late, is_late)
    income = random.lognormal(8, 0.4, rows) * np.exp(richer)
    channel = random.choice(["앱", "창구"], rows, p=[0.7, 0.3])
    facts = (chance, income, channel, branch, is_late)
    return [
        (f"{week}-{n}", FIRST + timedelta(days=7 * week + n % 7), *row)
        for n, row in enumerate(zip(*(fact.tolist() for fact in facts), strict=True))
    ]


def land(rows: list[tuple]) -> None:
    with postgres.connect("owner") as connection:
        columns = ("loan", "day", "chance", "income", "channel", "branch")
        postgres.copy_rows(connection, "predictions.credit", columns, [row[:6] for row in rows])
        truth = [(row[0], row[6]) for row in rows]
        postgres.copy_rows(connection, "predictions.credit_truth", ("loan", "is_late"), truth)


@pytest.fixture
def credit(warehouse):
    """A table of predictions made elsewhere, and its truth, with ten stable weeks."""
    execute(
        "create table predictions.credit (loan text primary key, day date, chance float8, income float8, channel text,"
        " branch text); create table predictions.credit_truth (loan text primary key, is_late boolean)"
    )
    for week in range(10):
        land(loans(week))


def verdicts(model: str = "credit") -> list[tuple]:
    return execute(
        "select window_start, verdict, reasons, provisional_until from monitoring.verdicts where model = %s"
        " order by window_start",
        model,
    )


def day(week: int) -> date:
    """The last day of a week."""
    return FIRST + timedelta(days=7 * week + 6)


def test_a_decline_in_one_branch_is_found_placed_and_put_down_to_a_changed_relation(credit, write_policy):
    from monitoring.watch import watch

    for week in (10, 11):
        land(loans(week, lost={"부산": 0.45}))
    name = write_policy("credit", POLICY)
    summary = watch(name, day(11) + timedelta(days=14))
    found = verdicts()
    assert [verdict for _, verdict, _, _ in found] == ["stable"] * 6 + ["declined"] * 2
    reasons = found[-1][2]
    assert any(one.startswith("Where: branch=부산, accuracy") for one in reasons)
    assert not any("branch=강남" in one or "branch=대전" in one for one in reasons)
    assert any(one.startswith("Why: of the loss of") for one in reasons)
    assert summary["newest_verdict"] == "declined"
    assert summary["retrain"]
    assert watch(name, day(11) + timedelta(days=14)) == summary
    assert verdicts() == found
    compared = execute(
        "select segment, count(distinct metric) from monitoring.metrics where segment <> 'all'"
        " and metric in ('accuracy', 'reference_accuracy') group by 1 order by 1"
    )
    assert compared == [(f"branch={branch}", 2) for branch in ("강남", "대전", "부산")]
    kinds = execute("select distinct kind from monitoring.metrics where model = 'credit' order by 1")
    assert kinds == [("drift",), ("estimated",), ("realized",)]


def test_until_labels_are_due_a_window_is_pending_and_an_estimate_stands_in(credit, write_policy):
    from monitoring.watch import watch

    watch(write_policy("credit", POLICY), day(9))
    found = verdicts()
    assert [verdict for _, verdict, _, _ in found] == ["stable"] * 4 + ["labels_pending"] * 2
    assert [until for *_, until in found[-2:]] == [day(8) + timedelta(days=14), day(9) + timedelta(days=14)]
    assert any("Estimate before the labels: accuracy" in one for one in found[-1][2])
    missed = execute(
        "select count(*) filter (where r.value not between e.low and e.high), count(*) from monitoring.metrics e"
        " join monitoring.metrics r using (model, window_start, segment, metric) where e.kind = 'estimated'"
        " and r.kind = 'realized' and metric = 'accuracy' and segment = 'all'"
    )
    assert missed[0][0] <= 1
    assert missed[0][1] == 6


def test_inputs_that_move_while_the_answers_hold_are_drift_and_no_decline(credit, write_policy):
    from monitoring.watch import watch

    land(loans(10, richer=0.5))
    execute("update predictions.credit set channel = null where loan like '9-%' and branch <> '강남'")
    watch(write_policy("credit", POLICY), day(10) + timedelta(days=14))
    found = {start: (verdict, reasons) for start, verdict, reasons, _ in verdicts()}
    assert found[FIRST + timedelta(weeks=10)][0] == "drifted"
    assert any(one.startswith("Inputs: income moved, PSI") for one in found[FIRST + timedelta(weeks=10)][1])
    assert any(one.startswith("Pipeline: channel is missing in 6") for one in found[FIRST + timedelta(weeks=9)][1])


def test_a_source_that_stopped_is_named_as_the_pipelines(credit, write_policy):
    from monitoring.watch import watch

    land([one for one in loans(10) if one[5] != "대전"])
    watch(write_policy("credit", POLICY), day(10) + timedelta(days=14))
    *before, (_, verdict, reasons, _) = verdicts()
    assert [one for one in reasons if one.startswith("Pipeline")] == [
        "Pipeline: 0 rows of branch=대전, 0% of the usual number: look whether its source stopped before blaming the "
        "model."
    ]
    assert verdict == "drifted"
    assert not any(one.startswith("Pipeline") for _, _, earlier, _ in before for one in earlier)


def test_windows_may_be_days(credit, write_policy):
    from monitoring.watch import watch

    daily = POLICY | {"window": "day", "min_rows": 100, "min_labelled_rows": 50}
    summary = watch(write_policy("credit", daily), day(9) + timedelta(days=14))
    assert [window["start"] for window in summary["windows"]] == [
        (FIRST + timedelta(days=number)).isoformat() for number in range(28, 70)
    ]
    assert {window["verdict"] for window in summary["windows"]} <= {"stable", "drifted"}


def release(version: int, effective_on: date) -> None:
    execute("insert into ops.training_sets values ('x', 'credit', now(), 1, 'x', 'select 1') on conflict do nothing")
    execute("insert into ops.model_versions values ('credit', %s, now(), 'x', '{}', '{}', 'x', 'x')", version)
    execute("update ops.deployments set live_to = now() where live_to is null")
    execute(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('credit', %s, now(), %s, 'approver', now(), '{}')",
        version,
        clock.start_of_day(effective_on),
    )


def test_each_version_is_held_against_what_it_scored_before_its_release(credit, write_policy):
    from monitoring.watch import watch

    name = write_policy(
        "credit",
        POLICY
        | {
            "reference": "before_release",
            "predictions": POLICY["predictions"] | {"version": "version"},
        },
    )
    execute("alter table predictions.credit add column version integer not null default 1")
    as_of = day(11) + timedelta(days=14)
    assert watch(name, as_of)["windows"] == []
    release(1, FIRST + timedelta(weeks=4))
    execute("delete from predictions.credit where day >= %s", FIRST + timedelta(weeks=8))
    execute("alter table predictions.credit alter version set default 2")
    for week in range(4, 12):
        # The second version errs more often from its beginning on, which is no decline.
        lost = {"강남": 0.2} | ({"부산": 0.45} if week > 9 else {})
        land([(f"second {one[0]}", *one[1:]) for one in loans(week, lost=lost)])
    release(2, FIRST + timedelta(weeks=8))
    summary = watch(name, as_of)
    assert [(window["version"], window["verdict"]) for window in summary["windows"]] == (
        [(1, "stable")] * 4 + [(2, "stable")] * 2 + [(2, "declined")] * 2
    )
    assert summary["retrain"]
    usual = execute(
        "select model_version, rows, round(avg(value)::numeric, 2)::float8 from monitoring.metrics"
        " where metric = 'reference_accuracy' and segment = 'all' group by 1, 2 order by 1"
    )
    assert [(version, rows) for version, rows, _ in usual] == [(1, 6_000), (2, 6_000)]
    assert usual[0][2] > usual[1][2] + 0.02


def test_a_model_of_several_classes_is_decided_on_too(warehouse, write_policy):
    from monitoring.watch import watch

    classes = ["좋음", "보통", "나쁨"]
    random = np.random.default_rng(0)
    execute(
        "create table predictions.grades (id integer primary key, day date, good float8, middle float8, bad float8,"
        " shop text, truth text)"
    )
    rows = []
    for week in range(9):
        chances = random.dirichlet([0.4, 0.4, 0.4], 1_200)
        truth = np.array([random.choice(3, p=one) for one in chances])
        shop = random.choice(["합정", "성수"], len(truth))
        wrong = (shop == "성수") & (random.random(len(truth)) < 0.4) & (week > 6)
        truth = np.where(wrong, (truth + 1) % 3, truth)
        rows += [
            (len(rows) + n, FIRST + timedelta(days=7 * week + n % 7), *chances[n].tolist(), shop[n], classes[truth[n]])
            for n in range(len(truth))
        ]
    with postgres.connect("owner") as connection:
        columns = ("id", "day", "good", "middle", "bad", "shop", "truth")
        postgres.copy_rows(connection, "predictions.grades", columns, rows)
    name = write_policy(
        "grades",
        POLICY
        | {
            "model": "grades",
            "task": "multiclass",
            "predictions": {
                "table": "predictions.grades",
                "id": ["id"],
                "at": "day",
                "score": dict(zip(classes, ("good", "middle", "bad"), strict=True)),
                "segments": ["shop"],
            },
            "labels": {"table": "predictions.grades", "id": ["id"], "value": "truth", "after_days": 7},
        },
    )
    watch(name, day(8) + timedelta(days=7))
    found = verdicts("grades")
    assert [verdict for _, verdict, _, _ in found] == ["stable"] * 3 + ["declined"] * 2
    assert any(one.startswith("Where: shop=성수, accuracy") for one in found[-1][2])
    right = execute(
        "select avg((truth = case greatest(good, middle, bad) when good then '좋음' when middle then '보통' else '나쁨'"
        " end)::int)::float8 from predictions.grades where day >= %s",
        FIRST + timedelta(weeks=8),
    )
    kept = execute(
        "select value from monitoring.metrics where model = 'grades' and metric = 'accuracy' and kind = 'realized'"
        " and segment = 'all' and window_start = %s",
        FIRST + timedelta(weeks=8),
    )
    assert kept[0][0] == pytest.approx(right[0][0], abs=1e-12)


@pytest.mark.skipif(SHARED is None, reason="MAEARI_SHARED_DATA names the folder with bike_sharing")
def test_a_model_of_early_2011_is_called_declined_when_the_season_turns(warehouse, write_policy):
    from sklearn.ensemble import HistGradientBoostingRegressor

    from monitoring.watch import watch

    with (Path(SHARED) / "bike_sharing" / "hour.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["yr"] == "0"]
    features = ["hr", "temp", "atemp", "hum", "windspeed", "weekday", "workingday", "weathersit"]
    days = [datetime.strptime(row["dteday"], "%m/%d/%y").date() for row in rows]
    table = np.array([[float(row[name]) for name in features] for row in rows])
    rented = np.array([float(row["cnt"]) for row in rows])
    known = np.array([one < date(2011, 3, 1) for one in days])
    # Every other day is learned from, so that the rest of these months is an honest reference.
    is_learned = known & np.array([one.toordinal() % 2 == 0 for one in days])
    predicted = HistGradientBoostingRegressor(random_state=0).fit(table[is_learned], rented[is_learned]).predict(table)
    execute(
        "create table predictions.bikes (hour integer primary key, day date, predicted float8, rented float8, "
        + ", ".join(f"{name} float8" for name in features)
        + ")"
    )
    with postgres.connect("owner") as connection:
        postgres.copy_rows(
            connection,
            "predictions.bikes",
            ("hour", "day", "predicted", "rented", *features),
            [
                (number, days[number], predicted[number], rented[number], *table[number])
                for number in np.flatnonzero(~is_learned).tolist()
            ],
        )
    name = write_policy(
        "bikes",
        {
            "model": "bikes",
            "task": "regression",
            "predictions": {
                "table": "predictions.bikes",
                "id": ["hour"],
                "at": "day",
                "score": "predicted",
                "features": dict.fromkeys(features, "numeric"),
            },
            "labels": {"table": "predictions.bikes", "id": ["hour"], "value": "rented", "after_days": 0},
            "window": "month",
            "reference": {"from": date(2011, 1, 1), "until": date(2011, 2, 28)},
            "min_rows": 300,
            "min_labelled_rows": 200,
            "declined": {"min_drop": 15, "false_alarms": 0.005, "over_windows": 12},
            "drifted": {"method": "wasserstein", "limit": 0.5},
        },
    )
    watch(name, date(2011, 12, 31))
    found = {start.month: (verdict, reasons) for start, verdict, reasons, _ in verdicts("bikes")}
    assert [month for month, (verdict, _) in found.items() if verdict == "declined"][0] in (4, 5)
    reasons = found[6][1]
    assert any(one.startswith(("Inputs: temp moved", "Inputs: atemp moved")) for one in reasons)
    assert not any(one.startswith(("Inputs: hr moved", "Inputs: weekday moved")) for one in reasons)
    assert any(one.startswith("Why:") for one in reasons)
