"""Schemas and roles as `maeari migrate` makes them."""

import psycopg2
import pytest

from maeari import migrate
from maeari.postgres import connect, copy_rows


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


@pytest.mark.parametrize("role", ["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst", "release"])
def test_no_role_may_write_deployments(warehouse, role):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connect(role) as connection:  # noqa: SIM117
        with connection.cursor() as cursor:
            cursor.execute("update ops.deployments set approved_by = 'me'")


@pytest.mark.parametrize("role", ["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst"])
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
