"""Vectors of books in Postgres: what a version knows of each, also of books that came after its training."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from maeari.settings import Role, Settings
from ml import registry
from ml.errors import UnknownBook
from ml.recommend import unpack
from ml.recommend.predict import MODEL, load
from ml.recommend.sequences import read_books

COLUMNS = ("model_version", "book_id", "item_vector", "text_vector")
TABLE = "predictions.book_vectors"
KEPT_INDEXES = 4
ROUNDING = 1e-4
"""More than pgvector's single precision can shift a cosine; what lies so near the last of the nearest is looked at."""

By = Literal["readers", "words"]
_COLUMN: dict[By, str] = {"readers": "item_vector", "words": "text_vector"}

_HOME = """
    select namespaces.nspname
    from pg_attribute as columns
    inner join pg_type as types on types.oid = columns.atttypid
    inner join pg_namespace as namespaces on namespaces.oid = types.typnamespace
    where columns.attrelid = 'predictions.book_vectors'::regclass
        and columns.attname = 'item_vector'
        and types.typname = 'vector'
"""

_NEAR = """
    with distances as (

        select
            book_id,
            {column} operator({home}.<=>) %(vector)s::{home}.vector as distance
        from predictions.book_vectors
        where model_version = %(version)s and book_id <> %(book_id)s

    ),

    -- What is at no distance at all has no vector.
    near as (

        select * from distances where distance <> 'NaN'

    ),

    last as (

        select max(distance) as distance
        from (select distance from near order by distance limit %(count)s) as nearest

    )

    select vectors.book_id, vectors.{column}::real[]::text
    from near
    inner join last on near.distance <= last.distance + %(rounding)s
    inner join predictions.book_vectors as vectors
        on vectors.model_version = %(version)s and vectors.book_id = near.book_id
"""


def store_live(as_of: date) -> dict:
    """Store the vectors of the version that is live; `version` is None while none is."""
    version = registry.live_version(MODEL)
    if version is None:
        return {"as_of": as_of.isoformat(), "version": None, "books": 0, "cold_books": 0}
    return store(version, as_of)


def store(version: int, as_of: date | None = None) -> dict:
    """Write a version's vectors, and those of the books that came after its training by their words; safe to repeat.

    Gives how many books have some, and how many of them the version does not know. The vectors of versions that are
    neither live nor were before are removed.
    """
    day = as_of or clock.today()
    model = load(version)
    registered = registry.registered(MODEL, version)
    unpack.keep(model, registered.artifact_sha256)
    source = registered.card["data"]["source"]
    known = set(model.book_ids_.tolist())
    new = read_books(source, day, but=known)
    unread = np.zeros((len(new.book_ids), model.item_vectors_.shape[1]), np.float32)
    cold = zip(new.book_ids, unread, model.folded(new.words), strict=True)
    # One storing at a time, so that none removes what another has just written.
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"store {MODEL}",))
        others = registry.live_version(MODEL), registry.version_before(MODEL)
        kept = [version, *(other for other in others if other is not None)]
        cursor.execute("delete from predictions.book_vectors where model_version <> all(%s)", (kept,))
        cursor.execute(
            "delete from predictions.book_vectors where model_version = %s and book_id <> all(%s)",
            (version, sorted(known)),
        )
        cursor.execute("select book_id from predictions.book_vectors where model_version = %s", (version,))
        stored = {book_id for (book_id,) in cursor.fetchall()}
        ours = zip(model.book_ids_.tolist(), model.item_vectors_, model.text_vectors_, strict=True)
        brackets = "[]" if _home(connection) else "{}"
        rows = _rows(version, [*(row for row in ours if row[0] not in stored), *cold], brackets)
        postgres.copy_rows(connection, TABLE, COLUMNS, rows)
    return {
        "as_of": day.isoformat(),
        "version": version,
        "books": len(known) + len(new.book_ids),
        "cold_books": len(new.book_ids),
    }


def nearest(version: int, book_id: str, count: int, by: By = "readers", role: Role = "ml") -> list[tuple[str, float]]:
    """The books nearest to one by the cosine of a version's stored vectors, the nearest first, ties by rising id.

    A book without a vector, such as one that nobody has read, is near none. Where the server has pgvector, it looks
    through the vectors; elsewhere an index in memory does. Both give the same.
    """
    with postgres.connect(role) as connection:
        column = _COLUMN[by]
        vector = _vector(connection, version, book_id, column)
        if not vector.any() or count < 1:
            return []
        home = _home(connection)
        if home is None:
            book_ids, vectors = _index(role, Settings().role_url(role), column, *_state(connection, version))
        else:
            book_ids, vectors = _candidates(connection, home, version, book_id, vector, count, column)
    return ranked(book_ids, vectors, book_id, vector, count)


def ranked(
    book_ids: Sequence[str], vectors: np.ndarray, book_id: str, vector: np.ndarray, count: int
) -> list[tuple[str, float]]:
    """The books nearest to one, by cosines in double precision that hang on the two vectors alone."""
    found = vectors.any(axis=1) & (np.array(book_ids, dtype=str) != book_id)
    names, vectors, vector = np.array(book_ids, dtype=str)[found], vectors[found].astype(float), vector.astype(float)
    # Not by a matrix product, whose rounding hangs on how many rows there are.
    lengths = np.sqrt((vectors * vectors).sum(axis=1)) * np.sqrt((vector * vector).sum())
    cosines = (vectors * vector).sum(axis=1) / lengths
    best = np.lexsort((names, -cosines))[:count]
    return list(zip(names[best].tolist(), cosines[best].tolist(), strict=True))


def _rows(
    version: int, books: Iterable[tuple[str, np.ndarray, np.ndarray]], brackets: str
) -> Iterator[tuple[int, str, str, str]]:
    first, last = brackets
    for book_id, *vectors in books:
        # Nine digits give a number of single precision back as it was.
        texts = [first + ",".join([f"{value:.9g}" for value in vector.tolist()]) + last for vector in vectors]
        yield version, book_id, *texts


def _home(connection: Connection) -> str | None:
    """The schema in which pgvector lies, None where vectors are kept as plain arrays."""
    with connection.cursor() as cursor:
        cursor.execute(_HOME)
        row = cursor.fetchone()
    return row and row[0]


def _vector(connection: Connection, version: int, book_id: str, column: str) -> np.ndarray:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select {}::real[]::text from predictions.book_vectors where model_version = %s and book_id = %s"
            ).format(sql.Identifier(column)),
            (version, book_id),
        )
        row = cursor.fetchone()
    if row is None:
        raise UnknownBook(
            f"{TABLE} has no book {book_id!r} of {MODEL} version {version}. `maeari score {MODEL}` stores the vectors "
            "of the live version, and those of books that came since its training."
        )
    return _parsed([row[0]])[0]


def _candidates(
    connection: Connection, home: str, version: int, book_id: str, vector: np.ndarray, count: int, column: str
) -> tuple[list[str], np.ndarray]:
    query = sql.SQL(_NEAR).format(column=sql.Identifier(column), home=sql.Identifier(home))
    written = "[" + ",".join([f"{value:.9g}" for value in vector.tolist()]) + "]"
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            {"vector": written, "version": version, "book_id": book_id, "count": count, "rounding": ROUNDING},
        )
        rows = cursor.fetchall()
    return [name for name, _ in rows], _parsed([text for _, text in rows], len(vector))


def _state(connection: Connection, version: int) -> tuple[int, int, int]:
    """What changes with every writing of a version's vectors."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*), max(xmin::text::bigint) from predictions.book_vectors where model_version = %s",
            (version,),
        )
        return version, *cursor.fetchone()


@lru_cache(maxsize=KEPT_INDEXES)
def _index(role: Role, address: str, column: str, version: int, *state: int) -> tuple[list[str], np.ndarray]:
    """A version's vectors, read once for each address and state of the table."""
    with postgres.connect(role) as connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("select book_id, {}::text from predictions.book_vectors where model_version = %s").format(
                sql.Identifier(column)
            ),
            (version,),
        )
        rows = cursor.fetchall()
    return [name for name, _ in rows], _parsed([text for _, text in rows])


def _parsed(texts: Sequence[str], size: int = 0) -> np.ndarray:
    """Arrays as Postgres writes them, shape (texts, size), float32."""
    numbers = np.fromstring(",".join([text[1:-1] for text in texts]), np.float32, sep=",")
    return numbers.reshape(len(texts), -1) if texts else np.empty((0, size), np.float32)
