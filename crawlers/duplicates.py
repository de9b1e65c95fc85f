"""Marks copies in `ops.duplicates`: the same text, exactly or nearly, under two identifiers, also across sources.

Nothing is dropped. Two texts are compared by the Jaccard similarity of their sets of three-character shingles, which
MinHash estimates as the share of 64 slots that agree (Broder 1997, "On the resemblance and containment of documents");
of a slot the last byte is kept, which is wrong about one slot of 256 (Li and König 2010, "b-Bit Minwise Hashing").
Pairs to compare are found by 9 bands of 7 slots: of texts with similarity s a pair shares a band with probability
1 - (1 - s^7)^9 (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3.4), and is marked when 50 slots agree:

| true similarity               | 0.5   | 0.6   | 0.7   | 0.8   | 0.85  | 0.9   | 0.95  |
|-------------------------------|-------|-------|-------|-------|-------|-------|-------|
| shares a band                 | 0.069 | 0.225 | 0.538 | 0.880 | 0.969 | 0.997 | 1.000 |
| shares a band, and is marked  | 0.000 | 0.002 | 0.088 | 0.677 | 0.932 | 0.996 | 1.000 |
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values
from rensa import RMinHash

from crawlers.items import ArticleItem, ReviewItem
from maeari.postgres import copy_rows

SHINGLE_CHARACTERS = 3
SLOTS = 64
BANDS, SLOTS_PER_BAND = 9, 7
AGREEING_SLOTS = 50
SEED = 20_261_122

# Strangers write "좋아요" or "good value for money" without copying one another, and "ㅋㅋㅋㅋ" has but one shingle.
MIN_CHARACTERS = 20
MIN_DIFFERENT_CHARACTERS = 10
# Beyond that the signature looks no further, so that a text of any length costs a bounded time.
MAX_CHARACTERS = 10_000
# Normalising takes the square of the length of a run of combining marks: 200,000 of them would take half a minute.
NORMALISED_AT_ONCE = 500
# A band that leads to so many originals is a phrase that many use; it leads to no further ones, so that what a text
# is compared with stays bounded.
ORIGINALS_PER_BAND = 16
TEXTS_AT_ONCE = 500
TEXTS_AT_A_TIME = 2_000

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINGERPRINT = ("kind", "source", "record_id", "text_sha256", "signature", "bands", "is_original", "crawl_id")
_MARK = ("kind", "source", "record_id", "original_source", "original_record_id")
_MARK += ("similarity", "is_exact", "method", "crawl_id")


class _Text(NamedTuple):
    """The fingerprint of the newest text of a record."""

    kind: str
    source: str
    record_id: str
    text_sha256: str
    signature: bytes
    crawl_id: int


def keep(connection: Connection, crawl_id: int, items: Sequence[ReviewItem | ArticleItem]) -> None:
    """Keep the texts of records that just became a version, in the caller's transaction, until `mark` compares them."""
    copy_rows(
        connection,
        "ops.uncompared_texts",
        ("kind", "source", "record_id", "body", "crawl_id"),
        ((*_key(item), item.body, crawl_id) for item in items),
    )


def mark(connection: Connection) -> int:
    """Mark copies among the texts that were kept, in their order, and let go of these; return how many were marked.

    A copy points to the earliest known record with its text, which itself is no copy. When a record's text changes,
    its own mark and those that pointed to it are judged anew. Commits after each some thousand texts, so that one that
    was stopped goes on there.
    """
    marked = 0
    while True:
        with connection, connection.cursor() as cursor:
            # Two crawls that bring one text at once would each take theirs for the original.
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('duplicates', 0))")
            cursor.execute(
                "with taken as (delete from ops.uncompared_texts where text_no in "
                "(select text_no from ops.uncompared_texts order by text_no limit %s) returning *) "
                "select kind, source, record_id, body, crawl_id from taken order by text_no",
                (TEXTS_AT_A_TIME,),
            )
            texts = {(kind, source, record_id): (body, crawl_id) for kind, source, record_id, body, crawl_id in cursor}
            if not texts:
                return marked
            marked += _mark(connection, cursor, texts)


def _mark(connection: Connection, cursor: Cursor, newest: dict[tuple, tuple[str, int]]) -> int:
    # A table that grew since it was last analysed looks small to the planner, which then would not use its indexes.
    cursor.execute("set local enable_seqscan = off; set local jit = off")
    texts = _fingerprints(newest)
    known = _known(cursor, list(newest))
    changed = [key for key, sha256 in known.items() if key not in texts or texts[key].text_sha256 != sha256]
    arrivals = _withdraw(cursor, changed) if changed else []
    arrivals += [text for key, text in texts.items() if known.get(key) != text.text_sha256]
    chunks = (arrivals[start : start + TEXTS_AT_ONCE] for start in range(0, len(arrivals), TEXTS_AT_ONCE))
    return sum(_judge(connection, cursor, chunk) for chunk in chunks)


def normalised(text: str) -> str:
    """A text as it is compared: without differences of width, case and spacing."""
    pieces = (text[start : start + NORMALISED_AT_ONCE] for start in range(0, len(text), NORMALISED_AT_ONCE))
    return "".join("".join(unicodedata.normalize("NFKC", piece) for piece in pieces).casefold().split())


def signatures(texts: Sequence[str]) -> np.ndarray:
    """The MinHash signatures of normalised texts, a byte a slot, shape (texts, slots)."""
    shingles = (
        [text[start : start + SHINGLE_CHARACTERS] for start in range(len(text) - SHINGLE_CHARACTERS + 1)]
        for text in (text[:MAX_CHARACTERS] for text in texts)
    )
    matrix = RMinHash.digest_matrix_from_token_sets(list(shingles), SLOTS, SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).astype(np.uint8).reshape(len(texts), SLOTS)


def _key(item: ReviewItem | ArticleItem) -> tuple[str, str, str]:
    if isinstance(item, ReviewItem):
        return "review", item.source, item.source_review_id
    return "article", item.source, item.source_article_id


def _fingerprints(newest: dict[tuple, tuple[str, int]]) -> dict[tuple, _Text]:
    """The fingerprint of each record (its text and crawl) whose text says enough to be somebody's own."""
    texts = {key: normalised(body) for key, (body, _) in newest.items()}
    telling = {
        key: text
        for key, text in texts.items()
        if len(text) >= MIN_CHARACTERS and len(set(text)) >= MIN_DIFFERENT_CHARACTERS
    }
    if not telling:
        return {}
    return {
        key: _Text(*key, hashlib.sha256(text.encode()).hexdigest(), signature.tobytes(), newest[key][1])
        for (key, text), signature in zip(telling.items(), signatures(list(telling.values())), strict=True)
    }


def _known(cursor: Cursor, keys: list[tuple]) -> dict[tuple, str]:
    """The sha256 of the last text of those of the records that have a fingerprint."""
    kinds, sources, record_ids = map(list, zip(*keys, strict=True))
    cursor.execute(
        "select known.* from unnest(%s::text[], %s::text[], %s::text[]) as asked (kind, source, record_id) "
        "join lateral (select kind, source, record_id, text_sha256 from ops.fingerprints "
        "where kind = asked.kind and source = asked.source and record_id = asked.record_id limit 1) as known on true",
        (kinds, sources, record_ids),
    )
    return {tuple(key): sha256 for *key, sha256 in cursor.fetchall()}


def _withdraw(cursor: Cursor, changed: list[tuple]) -> list[_Text]:
    """Forget the last text of records; return the copies of it, the earliest first, to be judged anew."""
    execute_values(
        cursor,
        "delete from ops.duplicates as marked using (values %s) as changed (kind, source, record_id) "
        "where (marked.kind, marked.source, marked.record_id) = (changed.kind, changed.source, changed.record_id)",
        changed,
    )
    copies = execute_values(
        cursor,
        "delete from ops.duplicates as marked using (values %s) as changed (kind, source, record_id) "
        "where (marked.kind, marked.original_source, marked.original_record_id) "
        "= (changed.kind, changed.source, changed.record_id) returning marked.kind, marked.source, marked.record_id",
        changed,
        fetch=True,
    )
    withdrawn = execute_values(
        cursor,
        "delete from ops.fingerprints as known using (values %s) as changed (kind, source, record_id) "
        "where (known.kind, known.source, known.record_id) = (changed.kind, changed.source, changed.record_id) "
        "returning known.kind, known.source, known.record_id, text_sha256, signature, crawl_id",
        changed + copies,
        fetch=True,
    )
    copied = set(copies)
    texts = [_Text(*facts, signature=bytes(signature), crawl_id=crawl_id) for *facts, signature, crawl_id in withdrawn]
    return sorted(
        (text for text in texts if text[:3] in copied), key=lambda text: (text.crawl_id, text.source, text.record_id)
    )


def _judge(connection: Connection, cursor: Cursor, texts: list[_Text]) -> int:
    """Keep each text as an original, or as a copy of an earlier one with its mark; return how many are copies."""
    bands = _bands(texts)
    originals = _same(cursor, texts)
    unmatched = [number for number, text in enumerate(texts) if (text.kind, text.text_sha256) not in originals]
    near, near_bands = _near(cursor, [(texts[number].kind, bands[number]) for number in unmatched])
    # What is compared: the known originals, the earliest first, then the texts in their order.
    compared = [*near, *texts]
    slots = np.frombuffer(b"".join(text.signature for text in compared), dtype=np.uint8).reshape(-1, SLOTS)
    holders: dict[int, list[int]] = {}
    for place, held in enumerate(near_bands):
        for band in held:
            holders.setdefault(band, []).append(place)
    fingerprints, marks = [], []
    for number, text in enumerate(texts):
        place = len(near) + number
        same = originals.get((text.kind, text.text_sha256))
        original, agreeing = same, SLOTS
        if same is None:
            met = sorted({other for band in bands[number] for other in holders.get(band, ())})
            agreements = np.count_nonzero(slots[met] == slots[place], axis=1) if met else []
            for other, agreeing in zip(met, agreements, strict=True):
                if agreeing >= AGREEING_SLOTS:
                    original = compared[other][1:3]
                    break
        leading: list[int] = []
        if original is None:
            originals[text.kind, text.text_sha256] = text[1:3]
            leading = [band for band in bands[number] if len(holders.get(band, ())) < ORIGINALS_PER_BAND]
            for band in leading:
                holders.setdefault(band, []).append(place)
        else:
            method = f"minhash {SLOTS}" if same is None else "sha256"
            marks.append((*text[:3], *original, agreeing / SLOTS, same is not None, method, text.crawl_id))
        fingerprints.append((*text[:4], f"\\x{text.signature.hex()}", _array(leading), original is None, text.crawl_id))
    copy_rows(connection, "ops.fingerprints", _FINGERPRINT, fingerprints)
    if marks:
        copy_rows(connection, "ops.duplicates", _MARK, marks)
    return len(marks)


def _same(cursor: Cursor, texts: list[_Text]) -> dict[tuple[str, str], tuple[str, str]]:
    """The source and identifier of the known original by kind and text_sha256, where there is one."""
    cursor.execute(
        "select kind, text_sha256, original.source, original.record_id "
        "from unnest(%s::text[], %s::text[]) as asked (kind, text_sha256) "
        "join lateral (select source, record_id from ops.fingerprints as known where is_original "
        "and known.text_sha256 = asked.text_sha256 and known.kind = asked.kind limit 1) as original on true",
        ([text.kind for text in texts], [text.text_sha256 for text in texts]),
    )
    return {(kind, sha256): (source, record_id) for kind, sha256, source, record_id in cursor.fetchall()}


def _near(cursor: Cursor, asked: list[tuple[str, list[int]]]) -> tuple[list[_Text], list[list[int]]]:
    """The known originals that share a band with any of the texts, the earliest first, and each one's bands."""
    if not asked:
        return [], []
    # The kind is asked after the bands, which alone have an index that fits.
    cursor.execute(
        "select distinct known.* from unnest(%s::text[], %s::text[]) as asked (kind, bands) "
        "join lateral (select kind, source, record_id, text_sha256, signature, crawl_id, bands "
        "from ops.fingerprints where fingerprints.bands && asked.bands::bigint[] offset 0) as known "
        "on known.kind = asked.kind order by crawl_id, source, record_id",
        ([kind for kind, _ in asked], [_array(bands) for _, bands in asked]),
    )
    found = cursor.fetchall()
    return [_Text(*row[:4], bytes(row[4]), row[5]) for row in found], [row[6] for row in found]


def _bands(texts: list[_Text]) -> list[list[int]]:
    """The bands of each text: a signed 64-bit hash of the kind, the band's number and its slots."""
    slots = np.frombuffer(b"".join(text.signature for text in texts), dtype=np.uint8).reshape(-1, SLOTS)
    rows = slots[:, : BANDS * SLOTS_PER_BAND].astype(np.uint64).reshape(-1, BANDS, SLOTS_PER_BAND)
    # Signatures of another version of the algorithm cannot be compared, so they share no band.
    kinds = np.array([RMinHash.ALGORITHM_VERSION * 2 + (text.kind == "article") for text in texts], dtype=np.uint64)
    hashes = kinds[:, None] * np.uint64(BANDS) + np.arange(BANDS, dtype=np.uint64)
    for slot in range(SLOTS_PER_BAND):
        hashes = (hashes ^ rows[:, :, slot]) * _MULTIPLIER
        hashes ^= hashes >> np.uint64(32)
    return hashes.view(np.int64).tolist()


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
