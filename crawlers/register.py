"""Writes down whose the sources are and under which terms they are read, for people who only see the warehouse."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from crawlers.errors import SourceError
from crawlers.kinds import AnySource
from crawlers.sources import read_source, source_files
from maeari.postgres import connect


def register_all() -> int:
    """Write down every source whose file can be read, crawled or not; return how many have changed."""
    sources = []
    for file in source_files().values():
        try:
            sources.append(read_source(file))
        except SourceError:
            # Its own crawl and `maeari source list` say what is wrong with it.
            continue
    with connect("crawler") as connection:
        return _write(connection, sources)


def register(connection: Connection, source: AnySource) -> None:
    """Write a source down as its file is now, in the caller's transaction."""
    _write(connection, [source])


def _write(connection: Connection, sources: Sequence[AnySource]) -> int:
    """Insert or update rows of `ops.sources`; one that says the same stays untouched."""
    rows = [
        (source.name, source.kind, source.owner, source.licence, source.terms_url)
        + (source.terms_checked_by, source.terms_checked_on, source.local)
        + (getattr(source, "subjects_are", None), source.facts_sha256)
        for source in sorted(sources, key=lambda source: source.name)
    ]
    with connection.cursor() as cursor:
        return len(
            execute_values(
                cursor,
                "insert into ops.sources as known (source, kind, owner, licence, terms_url, terms_checked_by, "
                "terms_checked_on, is_local, subjects_are, facts_sha256) values %s on conflict (source) do update set "
                "kind = excluded.kind, owner = excluded.owner, licence = excluded.licence, "
                "terms_url = excluded.terms_url, terms_checked_by = excluded.terms_checked_by, "
                "terms_checked_on = excluded.terms_checked_on, is_local = excluded.is_local, "
                "subjects_are = excluded.subjects_are, "
                "facts_sha256 = excluded.facts_sha256, updated_at = now() "
                "where known.facts_sha256 <> excluded.facts_sha256 returning source",
                rows,
                page_size=1_000,
                fetch=True,
            )
        )
