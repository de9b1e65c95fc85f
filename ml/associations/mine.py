"""Mines the associations of every period and slice of a collection of which something has changed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pandas as pd
from psycopg2.extensions import cursor as Cursor

from maeari import clock, postgres
from ml.associations.config import AssociationsConfig
from ml.associations.network import Node, nodes
from ml.associations.pairs import Pairs, Vocabulary, count_pairs, read_baskets, read_vocabulary, surest_pairs
from ml.associations.rules import frequent_sets, surest_rules
from ml.texts import dictionary
from ml.texts.analyse import in_use
from ml.texts.collection import Collection, Every, known_texts
from ml.texts.periods import Slice, note_of_too_few, slices

RULE = 1
"""Raised whenever the same texts would give other associations."""

# Once a run: each text with its words, each once and without stop words. A copy has an earlier text as its original.
_TEXTS = """
    create temporary table mined_texts as
    select
        row_number() over (order by known.event_at, known.record_id)::integer as text_no,
        (known.event_at at time zone %(zone)s)::date as written_on,
        known.source,
        known.section,
        known.subject_id,
        row_number() over (partition by known.original_id order by known.event_at, known.record_id) > 1 as is_copy,
        hashtextextended(known.record_id || ' ' || known.content_hash || ' ' || read.terms::text, 0) as fingerprint,
        array(select distinct term from unnest(read.terms) as term where term <> all(%(stop_words)s)) as terms
    from ({known_texts}) as known
    inner join predictions.text_terms as read
        on read.collection = %(collection)s
        and read.record_id = known.record_id
        and read.content_hash = known.content_hash
"""
_IN_SLICE = """
    (%(source)s::text is null or source = %(source)s)
    and (%(section)s::text is null or section = %(section)s)
    and (%(subject_id)s::text is null or subject_id = %(subject_id)s)
    and (%(counts_copies)s or not is_copy)
"""
_PERIODS = f"""
    select date_trunc(%(every)s, written_on)::date, count(*), bit_xor(fingerprint)
    from mined_texts where {_IN_SLICE}
    group by 1
"""  # noqa: S608
_PERIOD_TEXTS = f"""
    create temporary table period_texts on commit drop as
    select text_no, terms from mined_texts
    where written_on between %(first)s and %(last)s and {_IN_SLICE}
"""  # noqa: S608
_TEXTS_BEFORE = f"""
    select term, count(*) from mined_texts, unnest(terms) as term
    where written_on between %(first)s and %(last)s and {_IN_SLICE} and term = any(%(terms)s)
    group by term
"""  # noqa: S608
_SAME_PERIOD = """
    collection = %(collection)s and every = %(every)s and period_start_on = %(first)s
    and source is not distinct from %(source)s and section is not distinct from %(section)s
    and subject_id is not distinct from %(subject_id)s and counts_copies = %(counts_copies)s
"""

Progress = Callable[[int, int], None]
"""Told how many periods are done, and of how many."""


@dataclass(frozen=True)
class Period:
    """One period of one slice, how many texts it has, and the md5 of all that decides on what is found in it."""

    every: Every
    start: date
    part: Slice
    counts_copies: bool
    texts: int
    inputs_md5: str

    @property
    def identity(self) -> tuple:
        """What tells it from others of its collection."""
        return (self.every.value, self.start, *self.part, self.counts_copies)

    def parameters(self, collection: Collection) -> dict:
        """The values of `_IN_SLICE`, `_SAME_PERIOD` and of the statements that read its texts."""
        return {
            "collection": collection.value,
            "every": self.every.value,
            "first": self.start,
            "last": self.every.last_day(self.start),
            "counts_copies": self.counts_copies,
            **self.part._asdict(),
        }


@dataclass(frozen=True)
class Found:
    """What was found in a period."""

    vocabulary: Vocabulary
    pairs: Pairs
    nodes: list[Node]
    rules: list
    tested_rules: int


@dataclass(frozen=True)
class _Before:
    """The period before of the same slice, where it was mined, and its pairs."""

    start: date
    pairs: set[tuple[str, str]]


def mine(
    collection: Collection, as_of: date, config: AssociationsConfig | None = None, progress: Progress | None = None
) -> dict:
    """Mine every period of the analysed texts known at the end of `as_of` of which texts or settings have changed.

    Each day, week, month and quarter; all texts, and each source, section and subject; copies of a text counted once
    and, in periods with copies, each. A period with too few texts gets a row that says so. Safe to repeat; a run that
    was stopped goes on where it was.
    """
    config = config or AssociationsConfig()
    # One mining at a time; the lock ends with the connection that writes.
    with postgres.connect("ml") as connection, postgres.advisory_lock(connection, f"mine {collection}"):
        with connection.cursor() as cursor:
            _read_texts(cursor, collection, as_of)
            periods = _periods(cursor, as_of, config)
            known = _mined(cursor, collection)
        connection.commit()
        changed = [period for period in periods if known.get(period.identity) != period.inputs_md5]
        too_small = [period for period in changed if period.texts < config.min_texts]
        with connection.cursor() as cursor:
            for period in too_small:
                _forget(cursor, collection, period)
                note = note_of_too_few(period.texts, needed=config.min_texts)
                _write_period(cursor, collection, period, as_of, None, note)
        connection.commit()
        waiting = [period for period in changed if period.texts >= config.min_texts]
        for number, period in enumerate(waiting, 1):
            with connection.cursor() as cursor:
                _mine_period(cursor, collection, period, as_of, config)
            # Each period stands by itself, so that a run that is killed resumes where it stopped.
            connection.commit()
            if progress is not None:
                progress(number, len(waiting))
        with connection.cursor() as cursor:
            # Periods whose texts are gone.
            for every, start, source, section, subject_id, counts_copies in known.keys() - {
                period.identity for period in periods
            }:
                period = Period(Every(every), start, Slice(source, section, subject_id), counts_copies, 0, "")
                _forget(cursor, collection, period)
    return {
        "as_of": as_of.isoformat(),
        "collection": collection.value,
        "periods": len(periods),
        "mined": len(waiting),
        "with_too_few_texts": len(too_small),
    }


def mine_all(as_of: date, of: str | None = None) -> dict:
    """Mine the given collection, or every one in use; gives how many periods of each were new, as JSON."""
    found = {one.value: mine(one, as_of) for one in ([Collection(of)] if of else in_use())}
    mined = {name: one["mined"] + one["with_too_few_texts"] for name, one in found.items()}
    return {"as_of": as_of.isoformat(), "mined": mined}


def associations(cursor: Cursor, texts: int, config: AssociationsConfig) -> Found:
    """What is found in the texts of `period_texts`, a temporary table with `text_no` and `terms` (each word once)."""
    vocabulary = read_vocabulary(cursor, texts, config)
    pairs = surest_pairs(vocabulary, count_pairs(cursor, vocabulary.terms, config), texts, config)
    few = vocabulary.terms[: config.max_set_terms]
    frequent = frequent_sets(read_baskets(cursor, few, config), len(few), texts, config)
    rules, tested = surest_rules(frequent, texts, config)
    return Found(vocabulary, pairs, nodes(pairs, config), rules, tested)


def _read_texts(cursor: Cursor, collection: Collection, as_of: date) -> None:
    cursor.execute(
        _TEXTS.format(known_texts=known_texts(collection)),
        {
            "zone": clock.zone().key,
            "collection": collection.value,
            "known_until": clock.end_of_day(as_of),
            "stop_words": sorted(dictionary.stop_words()),
        },
    )
    cursor.execute("create index on mined_texts (written_on)")
    cursor.execute("analyze mined_texts")


def _periods(cursor: Cursor, as_of: date, config: AssociationsConfig) -> list[Period]:
    """Every period of every slice that has texts, earlier ones first, so that each can look back at the one before."""
    cursor.execute("select source, section, subject_id from mined_texts")
    texts = pd.DataFrame(cursor.fetchall(), columns=["source", "section", "subject_id"])
    settings = f"{RULE} {config.model_dump_json()} {sorted(dictionary.stop_words())}"
    found = []
    for part in slices(texts):
        for every in part.periods():
            sizes: dict[bool, dict[date, tuple[int, int]]] = {}
            for counts_copies in (False, True):
                parameters = {"every": every.value, "counts_copies": counts_copies, **part._asdict()}
                cursor.execute(_PERIODS, parameters)
                sizes[counts_copies] = {start: (count, mark) for start, count, mark in cursor.fetchall()}
            for counts_copies, by_start in sizes.items():
                for start, (count, mark) in by_start.items():
                    # Without a copy in it, a period is the same counted either way.
                    if counts_copies and sizes[False].get(start) == (count, mark):
                        continue
                    # What is new hangs on the period before.
                    before = by_start.get(start - every.length)
                    inputs = f"{settings} {every.last_day(start) <= as_of} {count} {mark} {before}"
                    digest = hashlib.md5(inputs.encode(), usedforsecurity=False)
                    found.append(Period(every, start, part, counts_copies, count, digest.hexdigest()))
    return sorted(found, key=lambda period: period.start)


def _mined(cursor: Cursor, collection: Collection) -> dict[tuple, str]:
    cursor.execute(
        "select every, period_start_on, source, section, subject_id, counts_copies, inputs_md5"
        " from predictions.keyword_periods where collection = %s",
        (collection.value,),
    )
    return {tuple(row[:-1]): row[-1] for row in cursor.fetchall()}


def _forget(cursor: Cursor, collection: Collection, period: Period) -> None:
    cursor.execute(
        f"delete from predictions.keyword_periods where {_SAME_PERIOD}",  # noqa: S608
        period.parameters(collection),
    )


def _mine_period(
    cursor: Cursor, collection: Collection, period: Period, as_of: date, config: AssociationsConfig
) -> None:
    _forget(cursor, collection, period)
    before = _before(cursor, collection, period)
    cursor.execute(_PERIOD_TEXTS, period.parameters(collection))
    cursor.execute("analyze period_texts")
    found = associations(cursor, period.texts, config)
    mining_id = _write_period(cursor, collection, period, as_of, found, None)
    _write_pairs(cursor, mining_id, found, before)
    _write_rules(cursor, mining_id, found)
    _write_nodes(cursor, mining_id, found, before, collection, period)


def _before(cursor: Cursor, collection: Collection, period: Period) -> _Before | None:
    """The period before, where something was mined in it. Counted without copies where it has none."""
    start = period.start - period.every.length
    cursor.execute(
        "select mining_id from predictions.keyword_periods where note is null and (collection, every, period_start_on)"
        " = (%(collection)s, %(every)s, %(start)s) and source is not distinct from %(source)s"
        " and section is not distinct from %(section)s and subject_id is not distinct from %(subject_id)s"
        " and (counts_copies = %(counts_copies)s or not counts_copies) order by counts_copies desc limit 1",
        {**period.parameters(collection), "start": start},
    )
    row = cursor.fetchone()
    if row is None:
        return None
    cursor.execute("select term, other_term from predictions.keyword_pairs where mining_id = %s", row)
    return _Before(start, set(cursor.fetchall()))


def _write_period(
    cursor: Cursor, collection: Collection, period: Period, as_of: date, found: Found | None, note: str | None
) -> int:
    cursor.execute(
        "insert into predictions.keyword_periods (collection, every, period_start_on, is_complete, source, section,"
        " subject_id, counts_copies, texts, terms, tested_pairs, tested_rules, note, inputs_md5, mined_at)"
        " values (%(collection)s, %(every)s, %(first)s, %(is_complete)s, %(source)s, %(section)s, %(subject_id)s,"
        " %(counts_copies)s, %(texts)s, %(terms)s, %(pairs)s, %(rules)s, %(note)s, %(md5)s, %(mined_at)s)"
        " returning mining_id",
        {
            **period.parameters(collection),
            "is_complete": period.every.last_day(period.start) <= as_of,
            "texts": period.texts,
            "terms": len(found.vocabulary.terms) if found else 0,
            "pairs": found.pairs.tested if found else 0,
            "rules": found.tested_rules if found else 0,
            "note": note,
            "md5": period.inputs_md5,
            "mined_at": datetime.now(UTC),
        },
    )
    return cursor.fetchone()[0]


def _write_pairs(cursor: Cursor, mining_id: int, found: Found, before: _Before | None) -> None:
    pairs, terms, texts = found.pairs, found.vocabulary.terms, found.vocabulary.texts
    rows = []
    for rank, place in enumerate(range(len(pairs)), 1):
        # By their spelling, so that a pair is written one way in every period.
        first, second = sorted((int(pairs.terms[place]), int(pairs.others[place])), key=terms.__getitem__)
        names = (terms[first], terms[second])
        rows.append(
            (
                mining_id, *names, rank, int(pairs.texts[place]), int(texts[first]), int(texts[second]),
                pairs.lift[place], pairs.p_values[place], pairs.holm_p_values[place],
                None if before is None else names not in before.pairs,
            )
        )  # fmt: skip
    columns = (
        "mining_id", "term", "other_term", "rank", "texts", "term_texts", "other_texts", "lift", "p_value",
        "holm_p_value", "is_new",
    )  # fmt: skip
    postgres.copy_rows(cursor.connection, "predictions.keyword_pairs", columns, rows)


def _write_rules(cursor: Cursor, mining_id: int, found: Found) -> None:
    terms = found.vocabulary.terms
    rows = (
        (
            mining_id, postgres.text_array(terms[word] for word in rule.antecedent),
            postgres.text_array(terms[word] for word in rule.consequent), rank, rule.texts, rule.antecedent_texts,
            rule.consequent_texts, rule.support, rule.confidence, rule.lift, rule.p_value, rule.holm_p_value,
        )
        for rank, rule in enumerate(found.rules, 1)
    )  # fmt: skip
    columns = (
        "mining_id", "antecedent", "consequent", "rank", "texts", "antecedent_texts", "consequent_texts", "support",
        "confidence", "lift", "p_value", "holm_p_value",
    )  # fmt: skip
    postgres.copy_rows(cursor.connection, "predictions.keyword_rules", columns, rows)


def _write_nodes(
    cursor: Cursor, mining_id: int, found: Found, before: _Before | None, collection: Collection, period: Period
) -> None:
    terms, texts_before = found.vocabulary.terms, {}
    names = [terms[node.word] for node in found.nodes]
    if before is not None:
        earlier = Period(period.every, before.start, period.part, period.counts_copies, 0, "")
        cursor.execute(_TEXTS_BEFORE, {**earlier.parameters(collection), "terms": names})
        texts_before = dict(cursor.fetchall())
    stood = set() if before is None else {term for pair in before.pairs for term in pair}
    rows = (
        (
            mining_id, name, rank, int(found.vocabulary.texts[node.word]),
            None if before is None else texts_before.get(name, 0), node.community,
            None if before is None else name not in stood,
        )
        for rank, (name, node) in enumerate(zip(names, found.nodes, strict=True), 1)
    )  # fmt: skip
    columns = ("mining_id", "term", "rank", "texts", "texts_before", "community", "is_new")
    postgres.copy_rows(cursor.connection, "predictions.keyword_nodes", columns, rows)
