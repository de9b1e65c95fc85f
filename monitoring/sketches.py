"""Daily sketches: counts and sums of each day on the reference's bins, from which any window is put together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import numba
import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from maeari import clock, postgres
from monitoring import reference as references
from monitoring import source as sources
from monitoring.check import bad_rows, refuse_duplicates
from monitoring.errors import BadRows, NothingToWatch, TimeWentBackwards
from monitoring.metrics import ALL
from monitoring.policy import Policy
from monitoring.reference import Numbers, Reference
from monitoring.source import DAY, EPOCH, FIRST_SCORE, LABEL, NULL, VERSION, Days, Source, compiled

CHUNK_DAYS, CHUNK_BYTES = 92, 2**27
"""Days that are read, and written, at once; fewer where their arrays would grow larger.

For each chunk the database may read all labels, so that few large ones are cheaper than many small ones.
"""
COMMIT_LAG = timedelta(hours=1)
"""A row may become visible so long after the moment written in it."""
BLOCK_ROWS = 256

SCORE_FIGURES = ("rows", "score_sums", "labelled", "labelled_score_sums", "positives", "positive_score_sums")
REGRESSION_FIGURES = (*SCORE_FIGURES[:4], "error_sums", "absolute_error_sums", "squared_error_sums")
_COUNTS = {"rows", "labelled", "positives"}

Progress = Callable[[int, int], None]
"""Told how many of how many days are done."""


@dataclass(frozen=True, eq=False)
class ColumnSketch:
    """One column in one window."""

    rows: int
    missing: int
    sum: float
    squared_deviations: float
    """From the window's mean; sum and this are nan for a category."""
    counts: np.ndarray
    """int64 [bins]."""
    sums: np.ndarray | None
    """float64 [bins] of the values; None for a category."""

    @property
    def mean(self) -> float:
        found = self.rows - self.missing
        return self.sum / found if found else np.nan

    @property
    def sd(self) -> float:
        """Standard deviation of the window's values."""
        found = self.rows - self.missing
        return float(np.sqrt(self.squared_deviations / found)) if found else np.nan

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else np.nan


@dataclass(frozen=True, eq=False)
class ScoreSketch:
    """The scores of one segment in one window: arrays of one figure a bin.

    Shape [bins]; of a multiclass task [predicted class, class, bins], where bins are of that class's own score and a
    positive is a row of that class. Sums of scores are over rows, over labelled rows, and over positives.
    """

    rows: np.ndarray
    score_sums: np.ndarray
    labelled: np.ndarray
    labelled_score_sums: np.ndarray
    positives: np.ndarray | None = None
    positive_score_sums: np.ndarray | None = None
    error_sums: np.ndarray | None = None
    """Of a regression alone: prediction minus label."""
    absolute_error_sums: np.ndarray | None = None
    squared_error_sums: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class WindowSketch:
    """One version in some days, both included."""

    reference: Reference
    version: int
    start: date
    end: date
    rows: int
    columns: dict[str, ColumnSketch]
    scores: dict[str, ScoreSketch]
    """By segment: `all`, `column=value`, `column (other)`, `column (missing)`; those without rows are left out."""


def update(policy: Policy, as_of: date, progress: Progress = lambda done, of: None) -> dict:
    """Sketch the days up to `as_of` that were touched since the last time, with the labels known at its end.

    Each day is put in place of its earlier sketch in one transaction; a run that was stopped is gone on with by the
    next. BadRows stops it at days whose rows cannot be right; days before them are kept. The summary is JSON.
    """
    with (
        postgres.connect("monitor") as connection,
        postgres.advisory_lock(connection, f"sketches {policy.name}"),
        postgres.connect("monitor") as reader,
    ):
        reader.set_session(readonly=True)
        # As on disks without a head: a day's labels are looked up, not all rows read to find them.
        _set(reader, "random_page_cost", "1.1")
        source = sources.describe(reader, policy)
        reference = references.fix(connection, reader, source, as_of)
        _touch(connection, reader, source, reference, as_of)
        connection.commit()
        pending = _pending(connection, policy, reference)
        connection.commit()
        layout = _Layout.of(reader, source, reference)
        if source.are_labels_unique:
            # A look into the labels' index for each prediction is cheaper than a hash that outgrows memory.
            _set(reader, "enable_hashjoin", "off")
        rows = done = 0
        for days in _chunks(pending, layout.chunk_days):
            reader.rollback()
            found = _count(reader, source, layout, days, as_of)
            _replace(connection, layout, days, found)
            rows += sum(int(one.rows.sum()) for one in found.values())
            done += len(days)
            progress(done, len(pending))
    return {"policy": policy.name, "as_of": as_of.isoformat(), "days": done, "rows": rows}


def _set(reader: Connection, name: str, value: str) -> None:
    with reader.cursor() as cursor:
        cursor.execute("select set_config(%s, %s, false)", (name, value))
    reader.commit()


def forget(policy: Policy) -> None:
    """Remove the policy's bins and sketches, so that the next `update` begins anew."""
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        cursor.execute("delete from monitoring.sketch_references where policy = %s", (policy.name,))


def versions(connection: Connection, policy: Policy) -> dict[int, Days]:
    """Each sketched version with its first and last day."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select model_version, min(day), max(day) from monitoring.score_sketches "
            "where policy = %s and reference_id = %s and segment = %s group by 1 order by 1",
            (policy.name, references.reference_id(policy), ALL),
        )
        return {version: (first, last) for version, first, last in cursor.fetchall()}


def daily_rows(connection: Connection, policy: Policy, version: int, start: date, end: date) -> dict[date, int]:
    """How many rows each day has that has any."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select day, (select sum(n) from unnest(rows) as n)::bigint from monitoring.score_sketches "
            "where policy = %s and reference_id = %s and model_version = %s and segment = %s "
            "and day between %s and %s order by day",
            (policy.name, references.reference_id(policy), version, ALL, start, end),
        )
        found = dict(cursor.fetchall())
    # Each row of a multiclass task is counted once for each class.
    return {day: rows // max(len(policy.classes), 1) for day, rows in found.items()}


def read(connection: Connection, policy: Policy, version: int, start: date, end: date) -> WindowSketch:
    """One version's rows of some days, both included, put together from the days' sketches."""
    reference = references.read(connection, policy)
    if reference is None:
        raise NothingToWatch(f"Nothing was sketched yet for {policy.name} as it stands; update its sketches first.")
    key = (policy.name, reference.reference_id, version, start, end)
    columns = _read_columns(connection, reference, key)
    scores = _read_scores(connection, policy, reference, key)
    rows = 0 if ALL not in scores else int(scores[ALL].rows.sum()) // max(len(policy.classes), 1)
    return WindowSketch(reference, version, start, end, rows, columns, scores)


def _read_columns(connection: Connection, reference: Reference, key: tuple) -> dict[str, ColumnSketch]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select column_name, rows, missing, sum, squared_deviations, counts, sums from monitoring.sketches "
            "where policy = %s and reference_id = %s and model_version = %s and day between %s and %s and segment = %s "
            "order by column_name",
            (*key, ALL),
        )
        days = {name: list(found) for name, found in groupby(cursor.fetchall(), key=lambda row: row[0])}
    return {name: _together(days[name]) for name in reference.columns if name in days}


def _together(days: list[tuple]) -> ColumnSketch:
    """One column's days as one; deviations are moved to the common mean (Chan, Golub and LeVeque 1979)."""
    _, rows, missing, sums, deviations, counts, bin_sums = zip(*days, strict=True)
    rows, missing = np.array(rows), np.array(missing)
    total = np.sum(np.array(counts, np.int64), axis=0)
    if bin_sums[0] is None:
        return ColumnSketch(int(rows.sum()), int(missing.sum()), np.nan, np.nan, total, None)
    found = rows - missing
    sums = np.array(sums, float)
    mean = sums.sum() / max(found.sum(), 1)
    own_means = sums / np.maximum(found, 1)
    squared = float(np.sum(deviations) + (found * (own_means - mean) ** 2).sum())
    return ColumnSketch(
        int(rows.sum()), int(missing.sum()), float(sums.sum()), squared, total, np.sum(np.array(bin_sums), axis=0)
    )


def _read_scores(connection: Connection, policy: Policy, reference: Reference, key: tuple) -> dict[str, ScoreSketch]:
    figures = REGRESSION_FIGURES if policy.task == "regression" else SCORE_FIGURES
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select segment, {} from monitoring.score_sketches where policy = %s and reference_id = %s "
                "and model_version = %s and day between %s and %s order by segment"
            ).format(sql.SQL(", ").join(map(sql.Identifier, figures))),
            key,
        )
        days = {name: list(found) for name, found in groupby(cursor.fetchall(), key=lambda row: row[0])}
    shape = (len(policy.classes), len(policy.classes), -1) if policy.classes else (-1,)
    return {
        segment: ScoreSketch(
            **{
                figure: np.sum([np.array(day[place]) for day in days[segment]], axis=0).reshape(shape)
                for place, figure in enumerate(figures, 1)
            }
        )
        for segment in reference.groups
        if segment in days
    }


def _touch(connection: Connection, reader: Connection, source: Source, reference: Reference, as_of: date) -> None:
    """Note the days touched since the watermark as pending, and move the watermark, in one transaction."""
    policy = source.policy
    key = (policy.name, reference.reference_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "select seen_until, known_until from monitoring.sketch_watermarks where policy = %s and reference_id = %s",
            key,
        )
        row = cursor.fetchone()
        if row and as_of < row[1]:
            raise TimeWentBackwards(
                f"The sketches of {policy.name} hold what was known on {row[1]}, which lies after {as_of}. Take that "
                "day or a later one, or forget the policy's sketches and let them be built anew."
            )
        seen_until = _newest_change(reader, source)
        touched = _touched(reader, source, as_of, *row) if row else _all_days(reader, source, as_of)
        execute_values(
            cursor,
            "insert into monitoring.sketch_pending (policy, reference_id, day) values %s on conflict do nothing",
            [(*key, day) for day in sorted(touched)],
        )
        cursor.execute(
            "insert into monitoring.sketch_watermarks (policy, reference_id, seen_until, known_until) "
            "values (%s, %s, %s, %s) on conflict (policy, reference_id) do update set "
            "seen_until = excluded.seen_until, known_until = excluded.known_until",
            (*key, seen_until, as_of),
        )


def _newest_change(reader: Connection, source: Source) -> datetime | None:
    """Up to when every change is visible for certain."""
    predictions = source.policy.predictions
    if predictions.updated_at is None:
        return None
    query = sql.SQL("select max({}), now() from {}").format(
        sources.column("p", predictions.updated_at), sources.aliased(predictions, "p")
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        newest, now = cursor.fetchone()
    return newest and min(newest, now - COMMIT_LAG)


def _all_days(reader: Connection, source: Source, as_of: date) -> set[date]:
    return _days(reader, source, as_of, sql.SQL("true"))


def _touched(
    reader: Connection, source: Source, as_of: date, seen_until: datetime | None, known_until: date
) -> set[date]:
    """Days with rows or labels that are new or changed since the watermark, and days newly begun."""
    policy = source.policy
    predictions, labels = policy.predictions, policy.labels
    again = timedelta(days=policy.recompute_days)
    # Without a column that says what changed the newest known days are done again; else those that have begun since.
    first = known_until + timedelta(days=1) - (again if predictions.updated_at is None else timedelta())
    touched = set(_range(first, as_of))
    if predictions.updated_at:
        name = sources.column("p", predictions.updated_at)
        # Nothing was seen of a table that was empty.
        is_new = sql.SQL("{} > {}").format(name, sql.Literal(seen_until)) if seen_until else sql.SQL("true")
        touched |= _days(reader, source, as_of, is_new)
    if labels.known_at is None:
        matured = timedelta(days=labels.after_days)
        return touched | set(_range(known_until + timedelta(days=1) - matured - again, as_of - matured))
    ids = sql.SQL(", ").join(sources.column("l", name) for name in labels.id)
    since = sources.since(
        sources.column("l", labels.known_at),
        source.label_types[labels.known_at],
        known_until + timedelta(days=1) - again,
    )
    newly_known = sql.SQL("({}) in (select {} from {} where {} and {})").format(
        sql.SQL(", ").join(sources.column("p", name) for name in predictions.id),
        ids,
        sources.aliased(labels, "l"),
        since,
        sources.is_known(source, as_of),
    )
    return touched | _days(reader, source, as_of, newly_known)


def _days(reader: Connection, source: Source, as_of: date, condition: sql.Composable) -> set[date]:
    query = sql.SQL("select distinct {} from {} where {} and {} > '-infinity' and {}").format(
        sources.day(source),
        sources.aliased(source.policy.predictions, "p"),
        sources.until(source, as_of),
        sources.column("p", source.policy.predictions.at),
        condition,
    )
    with reader.cursor() as cursor:
        cursor.execute(query)
        return {day for (day,) in cursor.fetchall()}


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _pending(connection: Connection, policy: Policy, reference: Reference) -> list[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select day from monitoring.sketch_pending where policy = %s and reference_id = %s order by day",
            (policy.name, reference.reference_id),
        )
        return [day for (day,) in cursor.fetchall()]


def _chunks(days: list[date], most: int) -> Iterator[list[date]]:
    """Days in order, cut so that no chunk spans more than so many."""
    chunk: list[date] = []
    for day in days:
        if chunk and (day - chunk[0]).days >= most:
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk


def _runs(days: list[date]) -> list[Days]:
    """Days in order as stretches without a gap."""
    found: list[Days] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


@dataclass(frozen=True, eq=False)
class _Layout:
    """The reference as the kernels read it."""

    policy: Policy
    reference: Reference
    edges: np.ndarray
    """float64 [columns, most edges], padded."""
    centres: np.ndarray
    """float64 [columns]."""
    hashes: np.ndarray
    """uint64 [columns and segments, most values]: of the kept values, ordered and padded."""
    codes: np.ndarray
    """int64, alike: of each of those its place among the kept values."""
    kept: np.ndarray
    """int64 [columns and segments]: how many values are kept; -1 for numbers."""
    score_edges: np.ndarray
    """float64 [most edges], padded alike."""
    score_bins: int
    first_groups: np.ndarray
    """int64 [segments]: the group of the first value of each."""

    @classmethod
    def of(cls, reader: Connection, source: Source, reference: Reference) -> "_Layout":
        bins = list(reference.columns.values())
        values = [None if isinstance(one, Numbers) else one.values for one in bins]
        values += list(reference.segments.values())
        edges = [one.edges if isinstance(one, Numbers) else np.empty(0) for one in bins]
        hashes = [references.hashes(reader, kept or ()) for kept in values]
        orders = [np.argsort(found) for found in hashes]
        # Of each segment its values, then others, then missing ones; the first group holds all.
        sizes = [len(kept) + 2 for kept in reference.segments.values()]
        return cls(
            source.policy,
            reference,
            _padded(edges, np.float64),
            np.array([one.centre if isinstance(one, Numbers) else 0.0 for one in bins]),
            _padded([found[order] for found, order in zip(hashes, orders, strict=True)], np.uint64),
            _padded(orders, np.int64),
            np.array([-1 if kept is None else len(kept) for kept in values], np.int64),
            _padded([reference.scores[0].edges], np.float64)[0],
            len(reference.scores[0].edges) + 1,
            1 + np.cumsum([0, *sizes])[:-1].astype(np.int64),
        )

    @property
    def bins(self) -> int:
        """Of the column that has the most."""
        return max(self.edges.shape[1], int(self.kept.max(initial=0)) + 1)

    @property
    def cells(self) -> int:
        """Figures of one segment: bins of each class for each predicted class."""
        return max(len(self.policy.classes), 1) ** 2 * self.score_bins

    @property
    def figures(self) -> tuple[str, ...]:
        return REGRESSION_FIGURES if self.policy.task == "regression" else SCORE_FIGURES

    @property
    def chunk_days(self) -> int:
        numbers = 2 * len(self.centres) * self.bins + len(self.reference.groups) * len(self.figures) * self.cells
        return max(1, min(CHUNK_DAYS, CHUNK_BYTES // (8 * numbers)))


class _Days:
    """What was counted of one version in the days from one on."""

    def __init__(self, layout: _Layout, days: int):
        columns = len(layout.centres)
        self.rows = np.zeros(days, np.int64)
        self.missing = np.zeros((days, columns), np.int64)
        self.counts = np.zeros((days, columns, layout.bins), np.int64)
        self.sums = np.zeros((days, columns, layout.bins))
        self.centred = np.zeros((2, days, columns))
        """Sums of what a value differs from its centre, and of the squares."""
        self.scores = np.zeros((days, len(layout.reference.groups), len(layout.figures), layout.cells))
        self.bad = np.zeros(3, np.int64)
        """Scores that cannot be; labels that contradict or are no number; labels that cannot be."""


def _count(reader: Connection, source: Source, layout: _Layout, days: list[date], as_of: date) -> dict[int, _Days]:
    """Sketches of the days by version; BadRows when a row of them cannot be right."""
    runs, found, is_unversioned = _runs(days), {}, False
    if not source.are_predictions_unique:
        refuse_duplicates(reader, source, runs)
    first, span = (days[0] - EPOCH).days, (days[-1] - days[0]).days + 1
    for words in sources.stream(reader, sources.select(source, runs, as_of), source.fields):
        versions = np.unique(words[:, VERSION])
        is_unversioned = is_unversioned or NULL in versions
        for version in versions[versions != NULL]:
            own = words if len(versions) == 1 else words[words[:, VERSION] == version]
            number = int(version.view(np.float64))
            if number not in found:
                found[number] = _Days(layout, span)
            _add(own, source, layout, first, found[number])
    if is_unversioned or any(one.bad.any() for one in found.values()):
        raise BadRows("\n".join(bad_rows(reader, source, runs)))
    return found


def _add(words: np.ndarray, source: Source, layout: _Layout, first: int, counted: _Days) -> None:
    columns = len(layout.centres)
    values = words.view(np.float64)
    days = (values[:, DAY] - first).astype(np.int64)
    if len(days) and not 0 <= days.min() <= days.max() < len(counted.rows):
        raise BadRows(
            f"{source.policy.predictions.origin} gives rows of other days than it was asked for; the database and "
            f"this machine may know {clock.zone().key} differently."
        )
    _add_columns(
        words[:, source.first_feature : source.first_segment], values[:, source.first_feature : source.first_segment],
        days, layout.edges, layout.centres, layout.hashes, layout.codes, layout.kept,
        counted.rows, counted.missing, counted.counts, counted.sums, counted.centred,
    )  # fmt: skip
    groups = _groups(
        words[:, source.first_segment :], layout.hashes[columns:], layout.codes[columns:], layout.kept[columns:],
        layout.first_groups,
    )  # fmt: skip
    add_scores = _add_predictions if source.policy.task == "regression" else _add_probabilities
    add_scores(
        values[:, FIRST_SCORE : source.first_feature], words[:, LABEL], values[:, LABEL], days, groups,
        layout.score_edges, layout.score_bins, counted.scores, counted.bad,
    )  # fmt: skip


def _padded(rows: list[np.ndarray], dtype: type) -> np.ndarray:
    """Ordered numbers in rows of one length, the power of two above the longest, filled up with the largest number."""
    most = np.inf if dtype == np.float64 else np.iinfo(dtype).max
    found = np.full((len(rows), 2 ** max(map(len, rows), default=0).bit_length()), most, dtype)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


@numba.njit(nogil=True, inline="always")
def _bin(value, padded):
    """How many of the edges are not above the value; without a branch, which would be guessed wrong at every step."""
    place, step = 0, len(padded) >> 1
    while step:
        place += step * (padded[place + step - 1] <= value)
        step >>= 1
    return place


@numba.njit(nogil=True, inline="always")
def _code(word, hashes, codes, count):
    """The place of a value among the kept ones, `count` for another."""
    place = _bin(word, hashes) - 1
    if 0 <= place < count and hashes[place] == word:
        return codes[place]
    return count


@compiled
def _add_columns(words, values, days, edges, centres, hashes, codes, kept, rows, missing, counts, sums, centred):
    for row in range(len(words)):
        rows[days[row]] += 1
    # Column by column, so that its edges stay in the nearest cache, and in blocks, so that the rows stay in the next.
    for start in range(0, len(words), BLOCK_ROWS):
        end = min(start + BLOCK_ROWS, len(words))
        for column in range(len(centres)):
            if kept[column] >= 0:
                own_hashes, own_codes = hashes[column], codes[column]
                for row in range(start, end):
                    word = words[row, column]
                    if word == NULL:
                        missing[days[row], column] += 1
                    else:
                        counts[days[row], column, _code(word, own_hashes, own_codes, kept[column])] += 1
                continue
            own_edges, centre = edges[column], centres[column]
            for row in range(start, end):
                day, value = days[row], values[row, column]
                if not np.isfinite(value):
                    missing[day, column] += 1
                    continue
                place = _bin(value, own_edges)
                difference = value - centre
                counts[day, column, place] += 1
                sums[day, column, place] += value
                centred[0, day, column] += difference
                centred[1, day, column] += difference * difference


@compiled
def _groups(words, hashes, codes, kept, first_groups):
    """The groups of each row: int64 [rows, 1 + segments], the first of all rows."""
    groups = np.zeros((len(words), 1 + words.shape[1]), np.int64)
    for row in range(len(words)):
        for segment in range(words.shape[1]):
            if words[row, segment] == NULL:
                code = kept[segment] + 1
            else:
                code = _code(words[row, segment], hashes[segment], codes[segment], kept[segment])
            groups[row, segment + 1] = first_groups[segment] + code
    return groups


@compiled
def _add_probabilities(scores, label_words, labels, days, groups, padded, bins, figures, bad):
    """Figures of classification; of classes, each row counts in the cells of its predicted class, once a class."""
    classes = scores.shape[1]
    for row in range(len(scores)):
        predicted = 0
        for number in range(classes):
            if not 0 <= scores[row, number] <= 1:
                bad[0] += 1
                predicted = -1
                break
            if scores[row, number] > scores[row, predicted]:
                predicted = number
        if predicted < 0:
            continue
        is_labelled, label = label_words[row] != NULL, labels[row]
        if is_labelled and not np.isfinite(label):
            bad[1] += 1
            continue
        if is_labelled and (label != np.floor(label) or label < 0 or label >= max(classes, 2)):
            bad[2] += 1
            continue
        for number in range(classes):
            score = scores[row, number]
            cell = (predicted * classes + number) * bins + _bin(score, padded)
            is_positive = label == (number if classes > 1 else 1)
            for place in range(groups.shape[1]):
                own = figures[days[row], groups[row, place]]
                own[0, cell] += 1
                own[1, cell] += score
                if is_labelled:
                    own[2, cell] += 1
                    own[3, cell] += score
                    if is_positive:
                        own[4, cell] += 1
                        own[5, cell] += score


@compiled
def _add_predictions(scores, label_words, labels, days, groups, padded, bins, figures, bad):
    """Figures of a regression."""
    for row in range(len(scores)):
        score = scores[row, 0]
        if not np.isfinite(score):
            bad[0] += 1
            continue
        is_labelled, label = label_words[row] != NULL, labels[row]
        if is_labelled and not np.isfinite(label):
            bad[1] += 1
            continue
        cell = _bin(score, padded)
        for place in range(groups.shape[1]):
            own = figures[days[row], groups[row, place]]
            own[0, cell] += 1
            own[1, cell] += score
            if is_labelled:
                error = score - label
                own[2, cell] += 1
                own[3, cell] += score
                own[4, cell] += error
                own[5, cell] += abs(error)
                own[6, cell] += error * error


def _replace(connection: Connection, layout: _Layout, days: list[date], found: dict[int, _Days]) -> None:
    """Put the days' sketches in place of earlier ones, and take the days off the list, in one transaction."""
    key = (layout.policy.name, layout.reference.reference_id)
    with connection.cursor() as cursor:
        for table in ("sketches", "score_sketches", "sketch_pending"):
            cursor.execute(
                f"delete from monitoring.{table} where policy = %s and reference_id = %s and day = any(%s)",  # noqa: S608
                (*key, days),
            )
    shared = ("policy", "reference_id", "model_version", "day", "segment")
    postgres.copy_rows(
        connection,
        "monitoring.sketches",
        (*shared, "column_name", "rows", "missing", "sum", "squared_deviations", "counts", "sums"),
        (
            (*key, version, day, ALL, *row)
            for version, one in found.items()
            for day in days
            for row in _column_rows(layout, one, (day - days[0]).days)
        ),
    )
    postgres.copy_rows(
        connection,
        "monitoring.score_sketches",
        (*shared, *layout.figures),
        (
            (*key, version, day, *row)
            for version, one in found.items()
            for day in days
            for row in _score_rows(layout, one, (day - days[0]).days)
        ),
    )
    connection.commit()


def _column_rows(layout: _Layout, counted: _Days, day: int) -> Iterator[tuple]:
    rows = int(counted.rows[day])
    if not rows:
        return
    for column, (name, bins) in enumerate(layout.reference.columns.items()):
        missing = int(counted.missing[day, column])
        if not isinstance(bins, Numbers):
            counts = counted.counts[day, column, : len(bins.values) + 1]
            yield name, rows, missing, None, None, _array(counts), None
            continue
        counts = counted.counts[day, column, : len(bins.edges) + 1]
        sums = counted.sums[day, column, : len(bins.edges) + 1]
        differences, squares = counted.centred[:, day, column]
        deviations = max(float(squares - differences**2 / max(rows - missing, 1)), 0.0)
        yield name, rows, missing, float(sums.sum()), deviations, _array(counts), _array(sums)


def _score_rows(layout: _Layout, counted: _Days, day: int) -> Iterator[tuple]:
    for group, segment in enumerate(layout.reference.groups):
        figures = counted.scores[day, group]
        if figures[0].any():
            yield (
                segment,
                *(
                    _array(one.astype(np.int64) if name in _COUNTS else one)
                    for name, one in zip(layout.figures, figures, strict=True)
                ),
            )


def _array(values: np.ndarray) -> str:
    """Numbers as Postgres writes an array of them, to the last bit."""
    return "{" + repr(values.tolist())[1:-1] + "}"
