"""Files become events: each rule, each refusal, once and wholly."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imports import inbox
from imports.errors import ImportRefused
from imports.inbox import import_inbox, landed_since
from imports.load import load_authors, load_events, load_query
from imports.mapping import EventMapping, read_mapping
from maeari import clock
from maeari.postgres import advisory_lock, connect
from maeari.redaction import hashed_author
from maeari.settings import Settings

DAY = date(2026, 5, 31)
MAPPING = EventMapping(
    customer_id="customer", occurred_at="at", item_id="code | name", quantity="n", amount="n * price", repeats="drop"
)
HEADER = "customer,at,code,name,n,price"
GOOD = "7,2026-05-01 10:00,A1,cup,1,5"


def rows(query: str, *parameters) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def write(tmp_path):
    """A function that writes a CSV of these lines and returns it."""

    def write(*lines: str, name: str = "sales.csv", header: str = HEADER, encoding: str = "utf-8") -> Path:
        file = tmp_path / name
        file.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return file

    return write


def load(*files: Path, mapping: EventMapping = MAPPING, source: str = "shop", **options) -> dict:
    return load_events(files, source, mapping, as_of=DAY, **options)


def changed(**options) -> EventMapping:
    return EventMapping(**(MAPPING.model_dump() | options))


def test_every_line_is_landed_known_repeated_or_refused_by_rule(warehouse, write):
    file = write(
        "7.0,2026-05-01 10:00,A1,cup,2,6.95",
        '8,2026-05-02T01:00:00+09:00,,"a ""big""',
        'bowl",1,10',
        "",
        "7,2026-05-01 10:00,A1,cup,2,6.95",
        ",2026-05-03,A1,cup,1,5",
        "kim@example.com,2026-05-03 09:00,A1,cup,-1,5",
        *[f"9,2026-05-04 10:00:{second:02},A1,cup,1," for second in range(10)],
        "9,2026-05-04,A1,cup,,5",
        "9,1989-12-31,A1,cup,1,5",
        "9,2026-06-02,A1,cup,1,5",
        "9,2026-02-30,A1,cup,1,5",
        "9,2026-05-04,A1,cup,nan,5",
        "9,2026-05-04,A1,cup,1,five 010-1234-5678",
        "9,2026-05-04,A1,cup,1",
        f"{'9' * 201},2026-05-04,A1,cup,1,5",
    )
    summary = load(file)
    assert summary | {"load_id": 0} == {
        "load_id": 0,
        "source": "shop",
        "kind": "events",
        "files": ["sales.csv"],
        "read": 23,
        "landed": 14,
        "known": 0,
        "repeated": 1,
        "refused": 8,
        "refused_by_reason": {
            "date before 1990-01-01 or after 2026-06-01": 2,
            "unreadable date": 1,
            "no quantity": 1,
            "unreadable quantity": 1,
            "unreadable amount": 1,
            "wrong number of columns": 1,
            "longer than 200 characters": 1,
        },
        "returns": 1,
        "without_customer": 1,
        "redacted": 1,
        "first_event_on": "2026-05-01",
        "last_event_on": "2026-05-04",
        "complete_until": "2026-05-03T15:00:00+00:00",
    }
    assert summary["read"] == summary["landed"] + summary["known"] + summary["repeated"] + summary["refused"]
    landed = rows(
        "select customer_id, event_type, occurred_at, item_id, quantity, amount from raw.events "
        "order by occurred_at, customer_id limit 4"
    )
    assert landed[0] == ("7", "purchase", datetime(2026, 5, 1, 1, tzinfo=UTC), "A1", 2, Decimal("13.9"))
    assert [str(value) for value in landed[0][4:]] == ["2", "13.9"]
    assert landed[1][3] == 'a "big"\nbowl'
    assert landed[2][0] is None
    assert landed[3][0].startswith("redacted-")
    assert landed[3][1:2] + landed[3][4:] == ("return", -1, -5)
    refused = rows(
        "select (payload ->> 'line')::int, reason, payload -> 'values' ->> 'price' from raw.rejected order by 1"
    )
    assert [line for line, _, _ in refused] == [19, 20, 21, 22, 23, 24, 25, 26]
    assert refused[5] == (24, "unreadable amount", "five [phone]")
    [(load_row, first_at, last_at, items)] = rows("select stats, first_event_at, last_event_at, items from ops.loads")
    assert load_row["landed"] == 14
    assert (first_at, last_at, items) == (
        datetime(2026, 5, 1, 1, tzinfo=UTC),
        datetime(2026, 5, 4, 1, 0, 9, tzinfo=UTC),
        23,
    )

    before = rows("select * from raw.events order by event_id")
    again = load(file)
    assert (again["landed"], again["known"], again["repeated"]) == (0, 14, 1)
    assert rows("select * from raw.events order by event_id") == before
    assert rows("select count(*) from raw.rejected") == [(8,)]
    assert rows("select first_event_at from ops.loads where load_id = %s", again["load_id"]) == [(None,)]

    kept = load(file, mapping=changed(repeats="keep"), source="other")
    assert (kept["landed"], kept["repeated"]) == (15, 0)
    assert load(file, mapping=changed(repeats="keep"), source="other")["known"] == 15


def test_an_event_id_makes_an_event_one(warehouse, write):
    mapping = changed(event_id="customer + code")
    file = write(
        "7,2026-05-01,A1,cup,1,5", "7,2026-05-02,A1,cup,1,5", "7,2026-05-02,B1,cup,1,5", "7,2026-05-02,,cup,1,5"
    )
    summary = load(file, mapping=mapping)
    assert (summary["landed"], summary["repeated"], summary["refused_by_reason"]) == (2, 1, {"no event id": 1})
    assert rows(
        "select event_id, extract(day from occurred_at at time zone 'Asia/Seoul') from raw.events order by 1"
    ) == [
        ("7-A1", 1),
        ("7-B1", 2),
    ]


def test_every_kind_of_file_brings_the_same_events(warehouse, tmp_path, write):
    lines = [f"{n},2026-05-0{n} 10:00:00,A{n},컵,{n},1.5" for n in range(1, 6)]
    csv = write(*lines)
    gz = tmp_path / "sales.csv.gz"
    gz.write_bytes(gzip.compress(csv.read_bytes()))
    korean = write(*lines, name="korean.csv", encoding="cp949")
    wide = write(*lines, name="wide.csv", encoding="utf-16")
    marked = write(*lines, name="marked.csv", encoding="utf-8-sig")
    tabs = write(*[line.replace(",", "\t") for line in lines], name="t.tsv", header=HEADER.replace(",", "\t"))
    days = write(*[line.replace("2026-05-0", "0").replace(" 10", "/05/2026 10") for line in lines], name="days.csv")
    records = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in lines]
    for record in records:
        record |= {"n": int(record["n"]), "price": float(record["price"])}
    jsonl = tmp_path / "sales.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, records)))
    parquet = tmp_path / "sales.parquet"
    table = pa.table({name: [record[name] for record in records] for name in records[0]})
    times = pa.array([datetime.fromisoformat(at) for at in table["at"].to_pylist()], pa.timestamp("ns"))
    customers = table["customer"].cast(pa.float64())
    table = table.set_column(0, "customer", customers).set_column(1, "at", times)
    pq.write_table(table, parquet)

    assert load(csv)["landed"] == 5
    for file, options in (
        (gz, {}),
        (korean, {"encoding": "cp949"}),
        (wide, {"encoding": "utf-16"}),
        (marked, {}),
        (tabs, {}),
        (days, {"date_format": "%d/%m/%Y %H:%M:%S"}),
        (jsonl, {}),
        (parquet, {}),
    ):
        summary = load(file, mapping=changed(**options))
        assert (summary["known"], summary["read"]) == (5, 5), file
    assert load(csv, gz, source="both")["repeated"] == 5


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (
            [GOOD],
            {"header": HEADER.replace("customer", "Customer ID")},
            "no column customer; its 6 .* Is Customer ID meant",
        ),
        (
            [GOOD.replace(",", ";")],
            {"header": HEADER.replace(",", ";")},
            "1 column .* needs 6; split at semicolon it has 6",
        ),
        (["컵,2026-05-01,A,컵,1,1"], {"encoding": "cp949"}, "byte 30 cannot be read. Try --encoding cp949"),
        ([GOOD], {"encoding": "utf-16"}, "byte 0 cannot be read. Try --encoding utf-16"),
        (
            [GOOD] * 3 + [GOOD.replace("2026-05-01", "1/5/2026")],
            {},
            "2 formats.* 3 as YYYY-MM-DD, such as line 2; 1 as .*line 5",
        ),
        (["7,13/1/2026,A,,1,1", "7,1/5/2026,A,,1,1", "7,1/14/2026,A,,1,1"], {}, "1 with the day first.*line 2.*line 4"),
        (["7,1/5/2026,A,,1,1"], {}, "no number above 12"),
        ([], {}, "no line beyond its header"),
        ([GOOD, "7,x,A,,1,1", "7,y,A,,1,1"], {}, "2 of 3 lines .* half .*: 2 unreadable date, such as line 3"),
        ([GOOD, '7,2026-05-01,A,cup,1,"5', GOOD, GOOD], {}, "line 3: a quotation mark opens"),
        ([GOOD], {"header": HEADER + ",at"}, "2 columns named at"),
        ([GOOD], {"name": "sales.xlsx"}, "ends in .xlsx"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_refused_whole_with_what_was_found_and_needed(warehouse, write, lines, options, words):
    with pytest.raises(ImportRefused, match=words):
        load(write(*lines, **options))
    assert rows("select count(*) from raw.events") + rows("select count(*) from raw.rejected") == [(0,), (0,)]
    assert {outcome for (outcome,) in rows("select outcome from ops.loads")} <= {"failed"}


def test_a_file_that_was_cut_off_or_is_empty_lands_nothing(warehouse, tmp_path, write):
    packed = gzip.compress("\n".join([HEADER, *[f"{n},2026-05-01,A,,1,{n}" for n in range(50_000)]]).encode())
    file = tmp_path / "cut.csv.gz"
    for content, words in ((packed[: len(packed) // 2], "not a whole gzip"), (b"", "0 bytes"), (b"\n", "empty")):
        file.write_bytes(content)
        with pytest.raises(ImportRefused, match=words):
            load(file)
    file = tmp_path / "cut.parquet"
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(ImportRefused, match="Parquet"):
        load(file)
    # Of two files the broken one takes the good one with it.
    with pytest.raises(ImportRefused, match="no column"):
        load(write(GOOD), write("1", name="other.csv", header="x"))
    assert rows("select count(*) from raw.events") == [(0,)]


def test_completeness_moves_back_only_when_it_is_said(warehouse, write):
    older, newer = write(GOOD), write(GOOD.replace("05-01", "05-20"), name="newer.csv")
    known = "select max(complete_until)::text from ops.loads"

    def until(file: Path, **options) -> str:
        load(file, **options)
        [(found,)] = rows(f"set timezone = 'Asia/Seoul'; {known}")
        return found[:10]

    assert until(newer) == "2026-05-20"
    assert until(older) == "2026-05-20"
    assert until(newer, complete_until="newest") == "2026-05-21"
    assert until(older, complete_until=date(2026, 5, 10)) == "2026-05-11"
    assert until(older, is_final=True) == "infinity"
    assert until(newer) == "infinity"
    # An event of tomorrow makes nothing complete that has not happened.
    ahead = write(GOOD.replace("05-01", "06-01"), name="ahead.csv")
    for source, said, day in (("ahead", None, "2026-05-31"), ("newest", "newest", "2026-06-01")):
        at = datetime.fromisoformat(load(ahead, source=source, complete_until=said)["complete_until"])
        assert at.astimezone(clock.zone()).date().isoformat() == day
    with pytest.raises(ImportRefused, match="lies after 2026-05-31"):
        load(older, complete_until=date(2026, 6, 1))


def test_a_killed_import_leaves_nothing_and_the_next_one_brings_all(warehouse, write):
    file = write(*[f"{n},2026-05-01 10:00,A,,1,{n}" for n in range(100_000)])
    words = ("customer_id=customer", "occurred_at=at", "item_id=code", "amount=price")
    command = [
        Path(sys.executable).parent / "maeari",
        "import",
        "events",
        file,
        "--source",
        "shop",
        "--as-of",
        str(DAY),
    ]
    command += [part for word in words for part in ("--map", word)]
    staged = "select count(*) from pg_stat_activity where application_name = 'maeari importer' and query ilike %s"
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)
    while process.poll() is None and rows(staged, "%insert into raw.events%") == [(0,)]:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert rows("select count(*) from raw.events") == [(0,)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "100,000" in done.stdout
    assert rows("select count(*) from raw.events") == [(100_000,)]
    assert rows("select outcome from ops.loads order by load_id") == [("abandoned",), ("finished",)]


def test_a_query_on_another_postgres_is_a_file_too(warehouse, new_warehouse):
    other = new_warehouse()
    mapping = EventMapping(customer_id="id", occurred_at="at", amount="price")
    query = (
        "select n as id, timestamptz '2026-05-01 10:00+09' + n * interval '1 s' as at, 1.50 as price "
        "from generate_series(1, 7) as n"
    )
    assert load_query(query, other, "shop", mapping, as_of=DAY)["landed"] == 7
    assert rows("select customer_id, amount from raw.events order by occurred_at limit 1") == [("1", Decimal("1.5"))]
    assert rows("select origin from ops.loads") == [("query",)]
    for statement, words in (("create table x (y int)", "refused the query"), ("select 1 as id", "no column at")):
        with pytest.raises(ImportRefused, match=words):
            load_query(statement, other, "shop", mapping, as_of=DAY)
    with pytest.raises(ImportRefused, match="did not answer") as refused:
        load_query(query, "postgresql://me:secret@127.0.0.1:1/x", "shop", mapping, as_of=DAY)
    assert "secret" not in str(refused.value) + str(rows("select message from ops.loads"))


def test_a_link_of_an_author_never_changes(warehouse, tmp_path):
    file = tmp_path / "members.csv"
    mapping = read_mapping(None, "authors", author="nickname", customer_id="id")

    def load_lines(*lines: str) -> dict:
        file.write_text("\n".join(["nickname,id,phone", *lines]))
        return load_authors([file], "reviews", mapping, as_of=DAY)

    first = load_lines("김메아리,1,x", "박소리,2,x", "김메아리,1,x", "박소리,3,x", ",4,x")
    assert (first["landed"], first["repeated"], first["refused"]) == (2, 1, 2)
    again = load_lines("김메아리,9,x", "박소리,2,x", "이울림,5,x")
    assert (again["landed"], again["known"], again["refused"]) == (1, 1, 1)
    key = hashed_author("김메아리", Settings().author_key())
    assert rows("select customer_id from raw.customer_authors where author_key = %s", key) == [("1",)]
    kept = rows("select payload ->> 'line', payload::text from raw.rejected order by rejected_id")
    assert sorted(line for line, _ in kept) == ["2", "5", "6"]
    assert not any(name in text for _, text in kept for name in ("김메아리", "박소리"))


def test_the_inbox_puts_away_what_landed_and_says_why_the_rest_stays(warehouse, maeari_home):
    folders = maeari_home / "inbox"
    for source, mapping in (
        ("shop", "customer_id: customer\noccurred_at: at\ncomplete_until: newest\n"),
        ("members", "kind: authors\nauthor: name\ncustomer_id: customer\n"),
        ("nomap", None),
    ):
        folder = folders / source
        folder.mkdir(parents=True)
        if mapping:
            (folder / "mapping.yml").write_text(mapping)
        (folder / "a.csv").write_text(f"{HEADER}\n{GOOD}\n")
    shop = folders / "shop"
    (shop / "b.csv").write_text("x\n1\n")
    (shop / "c.csv.part").write_text("half")
    (shop / ".hidden.csv").write_text("half")
    assert not landed_since()
    began = datetime.now(UTC)
    with pytest.raises(ImportRefused, match="nomap has no mapping.yml(.|\n)*b.csv"):
        import_inbox(DAY)
    assert landed_since(began)
    assert not landed_since(datetime.now(UTC))
    assert (shop / "done" / "a.csv").exists()
    assert "no column customer or at" in (shop / "b.csv.refused.txt").read_text()
    assert rows("select source, kind, outcome from ops.loads order by load_id") == [
        ("members", "authors", "finished"),
        ("shop", "events", "finished"),
        ("shop", "events", "failed"),
    ]
    (shop / "b.csv").write_text(f"{HEADER}\n{GOOD.replace('05-01', '05-02')}\n")
    (shop / "a.csv").write_text(f"{HEADER}\n{GOOD}\n")
    assert import_inbox(DAY, "shop")["landed"] == 1
    assert sorted(file.name for file in shop.iterdir()) == [".hidden.csv", "c.csv.part", "done", "mapping.yml"]
    assert sorted(file.name for file in (shop / "done").iterdir()) == ["2-a.csv", "a.csv", "b.csv"]
    assert import_inbox(DAY, "shop") == {"loads": [], "landed": 0}

    # Nothing new lands, and labels become known all the same.
    landed = datetime.now(UTC)
    load_events([shop / "done" / "a.csv"], "shop", read_mapping(shop / "mapping.yml"), is_final=True, as_of=DAY)
    assert landed_since(landed)


def test_an_inbox_tries_every_file_and_passes_over_what_another_importer_took(warehouse, maeari_home, monkeypatch):
    shop = maeari_home / "inbox" / "store"
    shop.mkdir(parents=True)
    (shop / "mapping.yml").write_text("customer_id: customer\noccurred_at: at\n")
    for name, day in (("a.csv", "05-01"), ("b.csv", "05-02"), ("c.csv", "05-03")):
        (shop / name).write_text(f"{HEADER}\n{GOOD.replace('05-01', day)}\n")

    def load_or_fail(files, *given, **options):
        if files[0].name == "a.csv":
            raise OSError("the disk cannot be read")
        return load_events(files, *given, **options)

    monkeypatch.setattr(inbox, "load_events", load_or_fail)
    (shop / "done").mkdir()
    with ThreadPoolExecutor(1) as thread:
        with connect("importer", autocommit=True) as connection, advisory_lock(connection, "inbox store"):
            second = thread.submit(import_inbox, DAY, "store")
            waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            while not second.done() and rows(waits) == [(0,)]:
                time.sleep(0.01)
            (shop / "b.csv").rename(shop / "done" / "b.csv")
        with pytest.raises(OSError, match="disk") as failed:
            second.result()
    assert "store/a.csv" in failed.value.__notes__[0]
    assert sorted(file.name for file in shop.iterdir()) == ["a.csv", "done", "mapping.yml"]
    assert sorted(file.name for file in (shop / "done").iterdir()) == ["b.csv", "c.csv"]
    assert rows("select outcome from ops.loads order by load_id") == [("finished",)]


@pytest.mark.skipif("MAEARI_SHARED_DATA" not in os.environ, reason="no data")
def test_the_online_retail_data_comes_in_as_it_is(warehouse, tmp_path):
    whole = Path(os.environ["MAEARI_SHARED_DATA"], "online_retail", "events.csv.gz")
    file = tmp_path / "events.csv"
    with gzip.open(whole, "rt") as lines:
        file.write_text("".join(line for line, _ in zip(lines, range(50_001), strict=False)))
    mapping = EventMapping(
        customer_id="customer_id",
        occurred_at="ts",
        item_id="stock_code | description",
        quantity="quantity",
        amount="quantity * unit_price",
        timezone="Europe/London",
    )
    summary = load(file, mapping=mapping, source="online_retail")
    assert summary["refused"] == 0
    assert summary["landed"] + summary["repeated"] == summary["read"]
    assert 0 < summary["repeated"] < 0.05 * summary["read"]
