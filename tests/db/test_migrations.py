"""Schemas and roles as `maeari migrate` makes them."""

from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg2
import pytest

from maeari import migrate
from maeari.postgres import connect, copy_rows

DUMPS = sorted((Path(__file__).parent / "dumps").glob("*.sql"))
_numbers = count(1)


def test_the_warehouse_is_at_the_newest_revision(warehouse):
    assert migrate.current_revision(warehouse) == migrate.newest_revision()


def test_migrating_again_changes_nothing(warehouse):
    migrate.upgrade(warehouse)
    assert migrate.current_revision(warehouse) == migrate.newest_revision()


def test_copied_text_arrives_as_it_was(warehouse):
    rows = [(1, 'tab\there\\ "quoted"\r\nline 한글'), (2, None), (3, ""), (4, "\\N")]
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table landing (n integer, body text)")
        assert copy_rows(connection, "landing", ("n", "body"), rows) == 4
        cursor.execute("select n, body from landing order by n")
        assert cursor.fetchall() == rows


@pytest.mark.parametrize("role", ["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst", "release", "skill"])
def test_no_role_may_write_deployments(warehouse, role):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connect(role) as connection:  # noqa: SIM117
        with connection.cursor() as cursor:
            cursor.execute("update ops.deployments set approved_by = 'me'")


@pytest.mark.parametrize("role", ["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst", "skill"])
def test_only_release_may_promote(warehouse, role):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connect(role) as connection:  # noqa: SIM117
        with connection.cursor() as cursor:
            cursor.execute("select ops.promote('sentiment', 1, null, 'x', 'me', now(), now(), '{}', false)")


def test_the_printed_sql_holds_every_revision_and_no_password(maeari_home):
    from maeari.settings import load_secrets

    text = migrate.upgrade_sql()
    assert "create table raw.reviews" in text
    assert "ops.release_requests" in text
    for password in load_secrets(maeari_home).roles.values():
        assert password.get_secret_value() not in text


@pytest.fixture(params=DUMPS, ids=lambda file: file.stem)
def earlier_warehouse(request, postgres) -> tuple[str, str]:
    """A warehouse restored from a dump of an earlier revision, and that revision."""
    server, name = postgres.rpartition("/")[0], f"restored_{next(_numbers)}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
    with closing(psycopg2.connect(f"{server}/{name}")) as connection, connection, connection.cursor() as cursor:
        cursor.execute(request.param.read_text())
    return f"{server}/{name}", request.param.stem


def all_rows(url: str) -> dict[str, list[dict]]:
    """Every row of every table, partitions by themselves."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname in ('raw', 'ops', 'predictions', 'monitoring')"
        )
        rows = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"select to_jsonb(t) from {table} t order by ctid")
            rows[table] = [row for (row,) in cursor.fetchall()]
        return rows


def shape(url: str) -> set[tuple]:
    """Every column and every grant of the warehouse, apart from the partitions that rows brought about."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name, column_name, data_type, is_nullable, column_default "
            "from information_schema.columns "
            "where table_schema in ('raw', 'ops', 'predictions', 'monitoring') and table_name !~ '_[0-9]{4}_[0-9]{2}$' "
            "union all "
            "select table_schema, table_name, column_name, grantee, privilege_type, '' "
            "from information_schema.column_privileges "
            "where grantee like 'maeari%' and table_name !~ '_[0-9]{4}_[0-9]{2}$'"
        )
        return set(cursor.fetchall())


def test_there_is_a_dump_to_upgrade_from():
    assert DUMPS


def test_an_upgrade_from_an_earlier_revision_loses_no_row(earlier_warehouse):
    url, revision = earlier_warehouse
    before = all_rows(url)
    assert migrate.current_revision(url) == revision != migrate.newest_revision()
    assert all(before.values()), "every table of the dump holds rows"
    migrate.upgrade(url)
    assert migrate.current_revision(url) == migrate.newest_revision()
    after = all_rows(url)
    for table, rows in before.items():
        # A later revision may add columns; those that were there keep their values.
        kept = [{column: row[column] for column in rows[0]} for row in after[table]]
        assert kept == rows, table


def test_an_upgraded_warehouse_is_like_a_new_one(earlier_warehouse, warehouse):
    url, _ = earlier_warehouse
    migrate.upgrade(url)
    assert shape(url) == shape(warehouse)
