"""Analyses the texts of a collection into keywords, each text once, and keeps these in `predictions.text_terms`."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from maeari import clock, postgres
from maeari.text import LONGEST, Word, joined, keywords, morphemes
from ml.batches import read_batches
from ml.texts import dictionary
from ml.texts.collection import Collection, known_texts

BATCH_TEXTS = 1_000
"""Texts that are written at once; a run that was stopped goes on after the last batch."""
BATCH_CHARACTERS = 1_000_000

COLUMNS = ("collection", "record_id", "content_hash", "dictionary_id", "terms", "characters_read", "analysed_at")

# A dictionary of null stands for every one: what has no keywords at all.
_UNREAD = """
    select known.record_id, known.content_hash, known.title, known.body
    from ({known_texts}) as known
    left join predictions.text_terms as read
        on read.collection = %(collection)s
        and read.record_id = known.record_id
        and read.content_hash = known.content_hash
    where {condition}
    order by known.event_at, known.record_id
"""

Progress = Callable[[int], None]
"""Told how many more texts were analysed."""


def analyse(collection: Collection, as_of: date, progress: Progress | None = None) -> dict:
    """Analyse what was known at the end of `as_of` and is not analysed by today's dictionary; safe to repeat.

    After a change of the dictionary only texts in which a changed word might be read are analysed again; after a change
    of the analyser, all.
    """
    words = dictionary.words()
    parameters = {"collection": collection.value, "known_until": clock.end_of_day(as_of)}
    # One analysis at a time; the lock ends with the connection that writes.
    with postgres.connect("ml") as writer, postgres.advisory_lock(writer, f"analyse {collection}"):
        current = _current_dictionary(writer, words)
        kept = sum(
            _carry_over(writer, collection, parameters | {"dictionary": other}, changed, current)
            for other, changed in _other_dictionaries(writer, collection, current, words)
            if changed is not None
        )
        analysed = 0
        query = _UNREAD.format(
            known_texts=known_texts(collection), condition="read.dictionary_id is distinct from %(dictionary)s"
        )
        with postgres.connect("ml") as reader:
            for batch in read_batches(
                reader, query, parameters | {"dictionary": current}, BATCH_TEXTS, BATCH_CHARACTERS
            ):
                _write(writer, collection, current, words, batch)
                analysed += len(batch)
                if progress is not None:
                    progress(len(batch))
    return {"as_of": as_of.isoformat(), "collection": collection.value, "analysed": analysed, "carried_over": kept}


def analyse_all(as_of: date) -> dict:
    """Analyse every collection in use; gives how many texts of each were analysed, as JSON."""
    analysed = {collection.value: analyse(collection, as_of)["analysed"] for collection in in_use()}
    return {"as_of": as_of.isoformat(), "analysed": analysed}


def in_use() -> list[Collection]:
    """The articles, and what else somebody has had analysed before."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select name from unnest(%s::text[]) as name"
            " where exists (select from predictions.text_terms where collection = name)",
            ([collection.value for collection in Collection],),
        )
        found = {name for (name,) in cursor.fetchall()}
    return [one for one in Collection if one == Collection.articles or one.value in found]


def unread_texts(collection: Collection, as_of: date) -> int:
    """How many texts known at the end of `as_of` were never analysed; changed words are not looked at."""
    query = _UNREAD.format(known_texts=known_texts(collection), condition="read.dictionary_id is null")
    parameters = {"collection": collection.value, "known_until": clock.end_of_day(as_of)}
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from ({query}) as unread", parameters)  # noqa: S608
        return cursor.fetchone()[0]


def _current_dictionary(connection: Connection, words: Sequence[Word]) -> int:
    """The id of the dictionary with these words and today's analyser, which is kept the first time it is met."""
    written = json.dumps([list(word) for word in words], ensure_ascii=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "select dictionary_id from predictions.dictionaries where analyser = %s and words = %s::jsonb",
            (dictionary.analyser(), written),
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute(
                "insert into predictions.dictionaries (analyser, words) values (%s, %s) returning dictionary_id",
                (dictionary.analyser(), written),
            )
            row = cursor.fetchone()
    connection.commit()
    return row[0]


def _other_dictionaries(
    connection: Connection, collection: Collection, current: int, words: Sequence[Word]
) -> list[tuple[int, set[Word] | None]]:
    """Other dictionaries by which texts were read, and the words that changed since; None where the analyser did."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select dictionary_id, analyser, words from predictions.dictionaries where dictionary_id in ("
            "select dictionary_id from predictions.text_terms where collection = %s and dictionary_id <> %s)",
            (collection.value, current),
        )
        found = cursor.fetchall()
    today = dictionary.analyser()
    return [
        (one, {Word(*word) for word in then} ^ set(words) if analyser == today else None)
        for one, analyser, then in found
    ]


def _carry_over(writer: Connection, collection: Collection, parameters: dict, changed: set[Word], current: int) -> int:
    """Leave the keywords of texts as they are that hold none of the changed words; returns how many."""
    pattern, kept = dictionary.sightings(changed), 0
    query = _UNREAD.format(known_texts=known_texts(collection), condition="read.dictionary_id = %(dictionary)s")
    with postgres.connect("ml") as reader:
        for batch in read_batches(reader, query, parameters, BATCH_TEXTS, BATCH_CHARACTERS):
            same = [
                (record_id, content_hash)
                for record_id, content_hash, title, body in batch
                if pattern is None or not pattern.search(joined(title, body)[:LONGEST])
            ]
            if same:
                with writer.cursor() as cursor:
                    execute_values(
                        cursor,
                        "update predictions.text_terms as read set dictionary_id = known.dictionary_id from (values %s)"
                        " as known (collection, record_id, content_hash, dictionary_id)"
                        " where (read.collection, read.record_id, read.content_hash)"
                        " = (known.collection, known.record_id, known.content_hash)",
                        [(collection.value, *key, current) for key in same],
                        page_size=BATCH_TEXTS,
                    )
                writer.commit()
                kept += len(same)
    return kept


def _write(
    connection: Connection, collection: Collection, current: int, words: tuple[Word, ...], batch: list[tuple]
) -> None:
    texts = [joined(title, body) for *_, title, body in batch]
    own = {word.form.replace(" ", "").lower() for word in words}
    analysed_at = datetime.now(UTC)
    rows = [
        (
            collection.value, record_id, content_hash, current, postgres.text_array(keywords(found, own)),
            min(len(text), LONGEST), analysed_at,
        )
        for (record_id, content_hash, *_), text, found in zip(batch, texts, morphemes(texts, words), strict=True)
    ]  # fmt: skip
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "delete from predictions.text_terms as read using (values %s) as anew (collection, record_id, content_hash)"
            " where (read.collection, read.record_id, read.content_hash)"
            " = (anew.collection, anew.record_id, anew.content_hash)",
            [row[:3] for row in rows],
            page_size=BATCH_TEXTS,
        )
    postgres.copy_rows(connection, "predictions.text_terms", COLUMNS, rows)
    # Each batch stands by itself, so that a run that is killed resumes where it stopped.
    connection.commit()
