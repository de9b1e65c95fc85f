"""Sources are written down in the warehouse as their files say, crawled or not."""

import pytest
import yaml

from crawlers.errors import SourceError
from crawlers.register import register, register_all
from crawlers.sources import load_source, source_files
from maeari.postgres import connect

FACTS = {
    "name": "shop",
    "kind": "review_pages",
    "start_urls": ["https://shop.example/list"],
    "owner": "Shop Ltd. '; drop table ops.sources; --",
    "licence": "Their terms, 한글",
    "terms_url": "https://shop.example/terms",
}


@pytest.fixture
def folder(warehouse, maeari_home):
    folder = maeari_home / "sources"
    folder.mkdir(exist_ok=True)
    before = set(folder.iterdir())
    yield folder
    for file in set(folder.iterdir()) - before:
        file.unlink()


def write(folder, **facts) -> None:
    (folder / "shop.yml").write_text(yaml.safe_dump({**FACTS, **facts}))


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_every_source_is_written_down_though_never_crawled_and_a_wrong_file_hides_no_other(folder):
    write(folder)
    (folder / "wrong.yml").write_text("name: [")
    known = set(source_files()) - {"wrong"}
    assert register_all() == len(known)
    assert {name for (name,) in rows("select source from ops.sources")} == known
    assert rows(
        "select kind, owner, licence, terms_url, terms_checked_by, terms_checked_on, is_local from ops.sources "
        "where source = 'shop'"
    ) == [("review_pages", FACTS["owner"], FACTS["licence"], FACTS["terms_url"], None, None, False)]


def test_writing_down_again_changes_nothing_until_the_file_does(folder):
    write(folder)
    register_all()
    before = rows("select * from ops.sources order by 1")
    assert register_all() == 0
    assert rows("select * from ops.sources order by 1") == before
    write(folder, terms_checked_by="data team", terms_checked_on="2026-11-20")
    assert register_all() == 1
    assert rows("select terms_checked_by, terms_checked_on::text from ops.sources where source = 'shop'") == [
        ("data team", "2026-11-20")
    ]


def test_one_source_is_written_down_in_the_callers_transaction(folder):
    write(folder)
    with connect("crawler") as connection:
        register(connection, load_source("shop"))
        connection.rollback()
    assert rows("select * from ops.sources") == []


def test_what_is_reviewed_is_written_down_where_the_file_says_it(folder):
    write(folder)
    register_all()
    told = "select source, subjects_are from ops.sources where source in ('shop', 'demo_books', 'demo_news') order by 1"
    assert rows(told) == [("demo_books", "books"), ("demo_news", None), ("shop", None)]
    write(folder, subjects_are="books")
    assert register_all() == 1
    assert ("shop", "books") in rows(told)
    write(folder, subjects_are="films")
    with pytest.raises(SourceError, match="subjects_are"):
        load_source("shop")
