"""What is said of a table, against pandas; and its pages and command, with hostile names and values."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import psycopg2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg2 import sql
from typer.testing import CliRunner

from maeari import postgres, profile
from maeari.errors import MaeariError
from web.app import create_app

PLANTED = "<script>window.__planted = 1</script>\x1b[31m\u202e%s {{ 7 * 7 }}"
HOSTILE_COLUMN = 'a "quoted" %s; drop table marts.visits --<img src=x>'
HOSTILE_TABLE = 'odd/"name" %s<b>'


@pytest.fixture(scope="module")
def url(new_warehouse) -> str:
    url = new_warehouse()
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("set role maeari_dbt; set timezone = 'Asia/Seoul'")
        cursor.execute(
            """
            create table marts.visits as
            select
                'v:' || n as visit_id,
                case when n % 4 > 0 then case n % 3 when 0 then 'app' else 'shop' end end as channel,
                n % 5 = 0 as is_first,
                case when n % 7 > 0 then (n * 37 % 101)::numeric end as pages,
                case n when 500 then 1e6 when 501 then 'NaN' when 502 then '-Infinity' else sin(n) * 10 end as score,
                -- The last hours of a month in Seoul are another month in UTC.
                case n when 1 then 'infinity' else timestamptz '2026-01-31 23:30+09' + n * interval '2 hours' end
                    as occurred_at,
                date '2026-05-31' - n as seen_on
            from generate_series(1, 1200) n;
            comment on table marts.visits is 'One row per visit.';
            comment on column marts.visits.pages is 'Pages looked at.';
            create table features.nothing (customer_id text, as_of_on date, spend_30d numeric, is_new boolean);
            create table marts.wide as
            select n as number, n % 10 as digit, 'only here' as note from generate_series(1, 30000) n;
            analyze marts.wide
            """
        )
        statement = (
            "create table {} as select n as {}, {} as body, n::numeric ^ 300 as huge from generate_series(1, 40) n"
        )
        cursor.execute(
            sql.SQL(statement).format(
                sql.Identifier("marts", HOSTILE_TABLE), sql.Identifier(HOSTILE_COLUMN), sql.Literal(PLANTED)
            )
        )
    connection.close()
    return url


@pytest.fixture
def filled(url, maeari_home, monkeypatch) -> str:
    monkeypatch.setenv("MAEARI_DATABASE_URL", url)
    return url


@pytest.fixture
def client(filled) -> TestClient:
    parent = FastAPI(openapi_url=None)
    parent.mount("/maeari", create_app(lambda: None))
    return TestClient(parent, raise_server_exceptions=False)


def profiled(schema: str, table: str, role: str = "web", **options) -> profile.TableProfile:
    with postgres.connect(role) as connection:
        return profile.profile_table(connection, schema, table, **options)


def test_figures_agree_with_pandas(filled):
    with psycopg2.connect(filled) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select visit_id, channel, is_first, pages::float8, score, "
            "extract(epoch from nullif(occurred_at, 'infinity'))::float8 as occurred_at, seen_on from marts.visits"
        )
        frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    connection.close()
    found = profiled("marts", "visits")
    columns = {column.name: column for column in found.columns}

    assert (found.rows, found.is_exact, found.sampled_rows, found.description) == (
        1200,
        True,
        1200,
        "One row per visit.",
    )
    assert {name: column.missing for name, column in columns.items()} == {
        **dict.fromkeys(columns, 0), "channel": frame.channel.isna().sum(), "pages": frame.pages.isna().sum(),
    }  # fmt: skip
    assert {name: column.distinct for name, column in columns.items() if column.distinct_is_exact} == {
        "visit_id": 1200, "channel": 2, "is_first": 2, "pages": frame.pages.nunique(), "score": 1198,
        "occurred_at": 1199, "seen_on": 1200,
    }  # fmt: skip
    pages = columns["pages"]
    assert pages.description == "Pages looked at."
    assert (pages.minimum, pages.maximum) == (frame.pages.min(), frame.pages.max())
    assert (pages.mean, pages.sd) == pytest.approx((frame.pages.mean(), frame.pages.std()))
    assert list(pages.quantiles.values()) == pytest.approx(list(frame.pages.quantile([0.01, 0.25, 0.5, 0.75, 0.99])))
    assert sum(bar.rows for bar in pages.histogram.bars) == frame.pages.notna().sum()

    score = columns["score"]
    finite = frame.score[np.isfinite(frame.score)]
    first, third = finite.quantile([0.25, 0.75])
    limits = (first - 3 * (third - first), third + 3 * (third - first))
    assert score.outlier_limits == pytest.approx(limits)
    assert score.outliers == (~finite.between(*limits)).sum() == 1
    assert (score.not_finite, score.minimum, score.maximum) == (2, finite.min(), 1e6)
    assert score.histogram.bars[-1].label.startswith("above")

    channel = columns["channel"]
    assert [(bar.label, bar.rows) for bar in channel.top_values] == [("shop", 600), ("app", 300)]
    assert columns["visit_id"].top_values == []
    assert columns["visit_id"].histogram.over == "lengths"
    assert columns["occurred_at"].minimum.startswith("2026-02-01 03:30")
    assert columns["occurred_at"].not_finite == 1

    months = pd.to_datetime(frame.occurred_at, unit="s", utc=True).dt.tz_convert("Asia/Seoul").dt.strftime("%Y-%m")
    assert found.time_column == "occurred_at"
    assert {month.month: month.rows for month in found.months} == months.value_counts().to_dict()
    assert {month.month: month.medians["pages"] for month in found.months} == pytest.approx(
        frame.pages.groupby(months).median().to_dict()
    )
    numeric = frame[["is_first", "pages", "score"]].astype(float).replace([np.inf, -np.inf], np.nan)
    wanted = numeric.corr("spearman")
    assert len(found.correlations) == 3
    for pair in found.correlations:
        assert pair.spearman == pytest.approx(wanted.loc[pair.first, pair.second])
        assert pair.rows == numeric[[pair.first, pair.second]].dropna().shape[0]
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["columns"][3]["distinct"] == pages.distinct


def test_a_sample_is_seeded_bounded_and_told(filled, monkeypatch):
    first, again, other = (profiled("marts", "wide", sample_rows=2000, seed=seed) for seed in (1, 1, 2))

    assert first == again != other
    number, digit, note = first.columns
    assert 1700 < first.sampled_rows < 2400
    assert (number.minimum, number.maximum, number.missing, number.distinct_is_exact) == (1, 30000, 0, False)
    assert number.distinct == pytest.approx(30000, rel=0.02)
    assert (digit.distinct, note.distinct) == (10, 1)
    assert digit.outliers == 0

    monkeypatch.setattr(profile, "EXACT_ROWS", 10_000)
    large = profiled("marts", "wide", sample_rows=2000)
    assert not large.is_exact
    assert large.rows == pytest.approx(30000, rel=0.05)
    assert large.columns[0].maximum > 29_000


def test_an_empty_table_has_columns_and_no_figures(filled):
    found = profiled("features", "nothing")

    assert (found.rows, found.months, found.correlations, found.time_column) == (0, [], [], "as_of_on")
    assert [(column.missing, column.distinct, column.minimum) for column in found.columns] == [(0, 0, None)] * 4


def test_hostile_names_and_values_are_read_as_names_and_values(filled):
    found = profiled("marts", HOSTILE_TABLE)

    assert [column.name for column in found.columns] == [HOSTILE_COLUMN, "body", "huge"]
    (top,) = found.columns[1].top_values
    assert top.label == PLANTED.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert found.columns[2].not_finite > 0
    json.dumps(asdict(found), allow_nan=False)
    assert profile.visible("x" * 500) == "x" * 79 + "…"


@pytest.mark.parametrize("name", [("raw", "reviews"), ("ops", "crawls"), ("marts", "visits; drop"), ("marts", "\0")])
def test_what_is_no_table_of_marts_or_features_is_refused(filled, name):
    with pytest.raises(profile.UnknownTable, match="No table"):
        profiled(*name, role="owner")


def test_only_what_the_role_may_read_is_read(filled):
    with psycopg2.connect(filled) as connection, connection.cursor() as cursor:
        cursor.execute(
            "set role maeari_dbt; create table marts.guarded (id integer, secret text); "
            "revoke all on marts.guarded from maeari_analyst; grant select (id) on marts.guarded to maeari_analyst"
        )
    connection.close()

    assert [column.name for column in profiled("marts", "guarded", "analyst").columns] == ["id"]
    with pytest.raises(profile.UnknownTable, match="none yet"):
        profiled("marts", "guarded", "crawler")


def test_unit_and_source_come_from_the_manifest_of_dbt(filled, maeari_home, monkeypatch):
    meta = {"unit": "count", "source": "raw.events"}
    columns = {
        "pages": {"description": "Elsewhere described.", "config": {"meta": meta}},
        "score": {"description": "How good.", "meta": {"unit": "none"}},
    }
    node = {"resource_type": "model", "schema": "marts", "alias": "visits", "description": "x", "columns": columns}
    file = maeari_home / "profile-manifest.json"
    file.write_text(json.dumps({"nodes": {"model.maeari.visits": node}}))
    monkeypatch.setattr(profile, "manifest_path", lambda: file)

    with postgres.connect("web") as connection:
        found = {column.name: column for column in profile.describe_columns(connection, "marts", "visits")}

    assert (found["pages"].description, found["pages"].unit, found["pages"].source) == (
        "Pages looked at.", "count", "raw.events",
    )  # fmt: skip
    assert (found["score"].description, found["score"].unit) == ("How good.", "")


def test_the_pages_show_every_table_and_obey_none_of_them(client):
    listed = client.get("/maeari/tables")
    assert listed.status_code == 200
    assert "One row per visit." in listed.text
    assert "script-src 'none'" in listed.headers["Content-Security-Policy"]

    page = client.get("/maeari/tables/marts/visits?column=score")
    assert page.status_code == 200
    assert page.text.count("<rect") > 50
    assert "Median of score by month" in page.text
    assert "Pages looked at." in page.text
    hostile = client.get("/maeari/tables/marts/odd%2F%22name%22%20%25s%3Cb%3E")
    assert hostile.status_code == 200
    for text in (listed.text, hostile.text):
        assert not any(sign in text for sign in ("<script>window", "<img", "<b>", "\x1b", "\u202e"))
    assert "&lt;script&gt;window.__planted" in hostile.text
    assert "nothing to draw" in client.get("/maeari/tables/features/nothing").text


@pytest.mark.parametrize(
    ("address", "status"),
    [("raw/reviews", 422), ("marts/nowhere", 404), ("marts/visits?column=channel", 404), ("marts/%00", 404),
     ("marts/visits/..", 404)],
)  # fmt: skip
def test_what_is_no_table_or_column_has_no_page(client, address, status):
    assert client.get(f"/maeari/tables/{address}").status_code == status


def test_a_warehouse_that_was_never_built_says_what_to_do(client, new_warehouse, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", new_warehouse())

    assert "No table has been built yet" in client.get("/maeari/tables").text


def test_the_command_lists_explores_writes_and_names_what_is_near(filled, tmp_path):
    from cli.main import app

    def run(*arguments: str):
        return CliRunner().invoke(app, ["explore", *arguments], env={"COLUMNS": "200"})

    assert "One row per visit." in run().output
    shown = run("visits").output
    assert all(part in shown for part in ("Pages looked at.", "█", "is_first and", "2026-02"))
    hostile = run(HOSTILE_TABLE).output
    assert "\x1b[31m" not in hostile
    assert "\u202e" not in hostile
    file = tmp_path / "profile.json"
    assert run("marts.visits", "--json", str(file)).exit_code == 0
    assert json.loads(file.read_text())["rows"] == 1200
    with pytest.raises(MaeariError, match=r"Near it: marts\.visits"):
        raise run("visit").exception
