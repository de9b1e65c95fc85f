"""Files become books: what lands, what is a new version, what is refused and why."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from imports.errors import ImportRefused
from imports.inbox import import_inbox, landed_since
from imports.load import load_books
from imports.mapping import BookMapping
from maeari.postgres import connect

DAY = date(2026, 5, 31)
FIELDS = list(BookMapping.shapes)
MAPPING = BookMapping(**{field: field for field in FIELDS})
WHOLE = {
    "book_id": "b1",
    "title": "바다의 편지",
    "author": "김메아리",
    "description": "비 오는 날의 이야기.",
    "subjects": "소설; 바다 |가족,,바다",
    "series": "물결",
    "volume": 2,
    "edition_of": "b0",
    "isbn": "978-89-364-3426-7",
    "pages": 320,
    "published_on": "2024-05-01",
    "url": "https://shop.example/b1",
}


def rows(query: str, *parameters) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def load(warehouse, tmp_path):
    """A function that imports these books, each as the fields that are said of it."""

    def load(*books: dict, source: str = "shop") -> dict:
        file = tmp_path / "books.jsonl"
        file.write_text("\n".join(map(json.dumps, books)))
        return load_books([file], source, MAPPING, as_of=DAY)

    return load


def test_a_book_lands_with_all_that_is_said_of_it_and_one_with_a_title_alone_lands_too(load):
    summary = load(WHOLE, {"book_id": 7.0, "title": " 제목뿐 "})
    assert (summary["read"], summary["landed"], summary["refused"]) == (2, 2, 0)
    assert rows(f"select {', '.join(FIELDS)} from raw.books order by book_id desc") == [
        ("b1", "바다의 편지", "김메아리", "비 오는 날의 이야기.", ["소설", "바다", "가족"], "물결", 2, "b0",
         "9788936434267", 320, date(2024, 5, 1), "https://shop.example/b1"),
        ("7", "제목뿐", None, None, [], None, None, None, None, None, None, None),
    ]  # fmt: skip
    assert rows("select kind, outcome, items, landed, complete_until from ops.loads") == [
        ("books", "finished", 2, 2, None)
    ]


def test_a_new_version_lands_only_when_the_content_has_changed(load):
    first, other = WHOLE, WHOLE | {"title": "바다의 편지, 개정판"}
    assert load(first)["landed"] == 1
    again = load(first)
    assert (again["landed"], again["known"], again["repeated"]) == (0, 1, 0)
    assert [load(book)["landed"] for book in (other, other, first)] == [1, 0, 1]
    versions = "select version_no, title from raw.books where source = %s order by version_no"
    kept = [(1, first["title"]), (2, other["title"]), (3, first["title"])]
    assert rows(versions, "shop") == kept
    # In one file they are the same versions.
    summary = load(first, first, other, first, source="other")
    assert (summary["landed"], summary["known"], summary["repeated"]) == (3, 0, 1)
    assert rows(versions, "other") == kept
    again = load(first, first, source="other")
    assert (again["landed"], again["known"], again["repeated"]) == (0, 1, 1)
    # A subject more, or a field that is empty now, is a change.
    assert load(WHOLE | {"subjects": "소설,바다,가족,여행"}, source="other")["landed"] == 1
    assert load(WHOLE | {"subjects": None}, source="other")["landed"] == 1


def test_two_imports_of_one_source_at_once_make_no_version_twice(load, tmp_path):
    files, mapping = [], BookMapping(book_id="book_id", title="title")
    for number in range(2):
        files.append(tmp_path / f"{number}.jsonl")
        files[-1].write_text("\n".join(json.dumps({"book_id": n, "title": f"책 {n}"}) for n in range(500)))
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda file: load_books([file], "shop", mapping, as_of=DAY), files))
    assert sorted((one["landed"], one["known"]) for one in found) == [(0, 500), (500, 0)]
    assert rows("select count(*), max(version_no) from raw.books") == [(500, 1)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"book_id": " "}, "no book id"),
        ({"title": ""}, "no title"),
        ({"title": "긴" * 501}, "title longer than 500 characters"),
        ({"description": "긴" * 10_001}, "description longer than 10,000 characters"),
        ({"book_id": "9" * 201}, "book_id longer than 200 characters"),
        ({"pages": "many"}, "pages are no whole number from 1 to 1,000,000"),
        ({"pages": 0}, "pages are no whole number from 1 to 1,000,000"),
        ({"pages": 12.5}, "pages are no whole number from 1 to 1,000,000"),
        ({"volume": -1}, "volume is no whole number from 0 to 1,000,000"),
        ({"volume": 1e12}, "volume is no whole number from 0 to 1,000,000"),
        ({"isbn": "9788936434268"}, "ISBN of a wrong length or check digit"),
        ({"isbn": "89364342"}, "ISBN of a wrong length or check digit"),
        ({"published_on": "2024-02-30"}, "unreadable date"),
        ({"published_on": "봄"}, "unreadable date"),
        ({"published_on": "1212-01-01"}, "date before 1400-01-01 or after 2028-05-30"),
        ({"published_on": "2030-01-01"}, "date before 1400-01-01 or after 2028-05-30"),
        ({"url": "javascript:alert(1)"}, "address is not of the form http://… or https://…"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_book_is_refused_with_its_reason_and_the_others_land(load, fault, reason):
    summary = load(WHOLE, WHOLE | fault)
    assert summary["refused_by_reason"] == {reason: 1}
    assert summary["landed"] == 1
    assert rows("select kind, reason, payload ->> 'line' from raw.rejected") == [("book", reason, "2")]


def test_what_a_stranger_writes_is_redacted_and_stays_text(load):
    hostile = '\'; drop table raw.books; -- <script>alert(1)</script> \x00 \ud800 \\N {a,"b"}\t010-1234-5678'
    summary = load(
        WHOLE | {"title": hostile, "description": hostile, "author": "kim@example.com", "subjects": f"소설|{hostile}"},
        WHOLE | {"book_id": "kim@example.com", "edition_of": "kim@example.com"},
    )
    assert summary["landed"] == 2
    assert summary["redacted"] == 6
    found = dict(
        rows("select case edition_of when 'b0' then 'first' else 'second' end, to_jsonb(books) from raw.books")
    )
    said = '\'; drop table raw.books; -- <script>alert(1)</script> \\u0000 \\ud800 \\N {a,"b"}\t[phone]'
    assert found["first"]["title"] == found["first"]["description"] == said
    assert found["first"]["author"] == "[email]"
    assert "".join(found["first"]["subjects"]).count("[phone]") == 1
    assert found["first"]["subjects"][2] == "drop table raw.books"
    assert found["second"]["book_id"] == found["second"]["edition_of"]
    assert found["second"]["book_id"].startswith("redacted-")


def test_a_file_of_which_most_cannot_be_taken_is_refused_whole(load):
    with pytest.raises(ImportRefused, match="2 of 3 lines cannot be taken.*2 no title"):
        load(WHOLE, {"book_id": 1}, {"book_id": 2})
    assert rows("select count(*) from raw.books") == [(0,)]


def test_the_inbox_and_the_command_take_books_too(warehouse, maeari_home, tmp_path):
    folder = maeari_home / "inbox" / "bookshop"
    folder.mkdir(parents=True)
    (folder / "mapping.yml").write_text("kind: authors\nauthor: name\ncustomer_id: id\n")
    (folder / "book.mapping.yml").write_text("kind: books\nbook_id: isbn\ntitle: name\n")
    (folder / "books.mapping.yml").write_text("kind: books\nbook_id: id\ntitle: name\nsubjects: =소설\n")
    (folder / "books.csv").write_text("id,name\n1,첫째\n2,둘째\n")
    (folder / "members.csv").write_text("id,name\n1,김메아리\n")
    assert not landed_since()
    assert {load["kind"]: load["landed"] for load in import_inbox(DAY, "bookshop")["loads"]} == {
        "books": 2,
        "authors": 1,
    }
    assert sorted(file.name for file in (folder / "done").iterdir()) == ["books.csv", "members.csv"]
    assert landed_since()
    file = tmp_path / "more.csv"
    file.write_text("id,name\n2,둘째\n3,셋째\n")
    command = [Path(sys.executable).parent / "maeari", "import", "books", file, "--source", "bookshop"]
    command += ["--map", "book_id=id", "--map", "title=name", "--map", "subjects==소설", "--as-of", str(DAY)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert rows("select book_id, subjects from raw.books where source = 'bookshop' order by 1") == [
        ("1", ["소설"]), ("2", ["소설"]), ("3", ["소설"]),
    ]  # fmt: skip
