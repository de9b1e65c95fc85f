"""Checks of a policy against the database: whether its tables, columns and rows are what watching them needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from monitoring import reference as references
from monitoring import source as sources
from monitoring.errors import BadRows, PolicyError
from monitoring.policy import FirstDays, load
from monitoring.source import Days, Source

EXAMPLES = 3
EVERYWHERE = sql.SQL("true")


def check(name: str, as_of: date | None = None) -> list[str]:
    """Look at every row of a policy's tables: sentences on what was found, or a PolicyError with all the problems.

    `as_of` is the day that is today, by default that of `maeari.clock`.
    """
    policy, today = load(name), as_of or clock.today()
    with postgres.connect("monitor") as connection:
        connection.set_session(readonly=True)
        source = sources.describe(connection, policy)
        facts = _read_facts(connection, source, today)
        problems = [*_bad_predictions(connection, source, EVERYWHERE), *_bad_labels(connection, source)]
        problems += _contradictions(source, facts, today)
    if problems:
        raise PolicyError("\n".join(problems))
    return [*_told(source, facts, today)]


def _told(source: Source, facts: "_Facts", today: date) -> Iterator[str]:
    policy = source.policy
    predictions, labels = policy.predictions, policy.labels
    if facts.first is None:
        yield f"{predictions.origin}: no predictions up to {today} yet."
    else:
        versions = ", ".join(map(str, facts.versions))
        days = f"from {facts.first} to {facts.last}"
        yield f"{predictions.origin}: {facts.rows:,} predictions of version {versions} {days}."
        yield f"{labels.origin}: {facts.labelled:,} of them have a label that was known on {today}."
    if facts.reference is None:
        yield (
            f"No reference yet: it will be the first {policy.reference.first_days} days on end that hold min_rows, "
            f"{policy.min_rows:,}, of one version. Nothing is decided before they are over."
        )
    else:
        yield (
            f"Reference from {facts.reference[0]} to {facts.reference[1]}: {facts.reference_rows:,} predictions, "
            f"{facts.reference_labelled:,} with a label."
        )


def bad_rows(connection: Connection, source: Source, runs: list[Days]) -> list[str]:
    """What cannot be right among the predictions of some days and among all labels, in sentences with examples."""
    found = [*_bad_predictions(connection, source, sources.within(source, runs)), *_bad_labels(connection, source)]
    return found or ["Rows that could not be right have changed meanwhile; update the sketches again."]


def refuse_duplicates(connection: Connection, source: Source, runs: list[Days]) -> None:
    """Raise BadRows when some days have two predictions for one id and version."""
    problems = list(_duplicates(connection, source, sources.within(source, runs)))
    if problems:
        raise BadRows("\n".join(problems))


@dataclass(frozen=True)
class _Facts:
    rows: int
    labelled: int
    first: date | None
    last: date | None
    versions: tuple[int, ...]
    later_rows: int
    reference: Days | None
    """None while the first days are not over."""
    reference_rows: int
    reference_labelled: int


def _read_facts(connection: Connection, source: Source, today: date) -> _Facts:
    if isinstance(source.policy.reference, FirstDays):
        _, reference = references.first_stretch(connection, source, today) or (None, None)
    else:
        reference = references.first_days(connection, source)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("select min({day}), max({day}), array_agg(distinct {version}) from {rows} where {until}").format(
                day=sources.day(source),
                version=sources.version(source),
                rows=sources.aliased(source.policy.predictions, "p"),
                until=sources.until(source, today),
            )
        )
        first, last, versions = cursor.fetchone()
        cursor.execute(
            sql.SQL("select count(*) from {} where not {}").format(
                sources.aliased(source.policy.predictions, "p"), sources.until(source, today)
            )
        )
        (later,) = cursor.fetchone()
        rows = labelled = reference_rows = reference_labelled = 0
        if first is not None:
            day = sql.SQL("date '1970-01-01' + day::integer between {} and {}").format(
                *map(sql.Literal, reference or (None, None))
            )
            cursor.execute(
                sql.SQL(
                    "select count(*), count(label), count(*) filter (where {day}), count(label) filter (where {day}) "
                    "from ({rows}) as rows (day, version, label)"
                ).format(day=day, rows=sources.select(source, [(first, last)], today))
            )
            rows, labelled, reference_rows, reference_labelled = cursor.fetchone()
    known = tuple(sorted(version for version in versions or () if version is not None))
    return _Facts(rows, labelled, first, last, known, later, reference, reference_rows, reference_labelled)


def _contradictions(source: Source, facts: _Facts, today: date) -> Iterator[str]:
    policy = source.policy
    predictions = policy.predictions
    if facts.later_rows:
        yield (
            f"{predictions.origin} has {facts.later_rows:,} rows whose {predictions.at} lies after {today}; wanted "
            "none from the future. Correct the rows, or say which day is today by --as-of."
        )
    if facts.reference is None:
        return
    start, end = facts.reference
    days = f"from {start} to {end}"
    if not facts.rows:
        yield f"{predictions.origin} has no rows up to {today}; wanted predictions. Score some first."
        return
    if end > today:
        yield f"The reference ends on {end}, after {today}; wanted days that are over. Correct reference.until."
    if not facts.reference_rows:
        yield (
            f"{predictions.origin} has no rows {days}, the reference; its rows lie from {facts.first} to {facts.last}. "
            "Correct reference.from and reference.until."
        )
        return
    if facts.reference_rows < policy.min_rows:
        yield (
            f"{predictions.origin} has {facts.reference_rows:,} rows {days}, the reference; wanted at least min_rows, "
            f"{policy.min_rows:,}. Take more days into the reference, or lower min_rows."
        )
    if facts.reference_labelled < max(policy.min_labelled_rows, 1):
        labels = policy.labels
        when = labels.known_at or f"{labels.after_days} days after the prediction"
        yield (
            f"{labels.origin} has a label for {facts.reference_labelled:,} of {facts.reference_rows:,} predictions "
            f"{days}, the reference, that was known on {today} (by {when}); wanted at least min_labelled_rows, "
            f"{policy.min_labelled_rows:,}. Take earlier days as the reference, or look whether the ids of both agree."
        )


def _bad_predictions(connection: Connection, source: Source, where: sql.Composable) -> Iterator[str]:
    policy = source.policy
    predictions = policy.predictions
    yield from _duplicates(connection, source, where)
    for name in policy.scores:
        score = sources.column("p", name)
        condition = sql.SQL("({score} is null or {score}::float8 {allowed})").format(
            score=score,
            allowed=sql.SQL("in ('NaN', 'Infinity', '-Infinity')")
            if policy.task == "regression"
            else sql.SQL("not between 0 and 1"),
        )
        wanted = "a number" if policy.task == "regression" else "a probability from 0 to 1"
        yield from _examples(
            connection, source, where, condition, score, f"with {{}} in {name}; wanted {wanted} in every row"
        )
    for name, purpose in (
        (predictions.at, "day"),
        (predictions.version, "version"),
        (predictions.updated_at, "change"),
    ):
        if name is not None:
            value = sources.column("p", name)
            condition = sql.SQL("{} is null").format(value)
            # Rows without a day belong to none, so they are looked for among all.
            yield from _examples(
                connection,
                source,
                EVERYWHERE if name == predictions.at else where,
                condition,
                value,
                f"with {{}} in {name}; wanted the row's {purpose}",
            )


def _examples(
    connection: Connection,
    source: Source,
    where: sql.Composable,
    condition: sql.Composable,
    value: sql.Composable,
    sentence: str,
) -> Iterator[str]:
    """One sentence about the predictions that meet a condition, with what the first of them holds, if there are any."""
    predictions = source.policy.predictions
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("select count(*) over (), {}::text, {} from {} where {} and {} limit {}").format(
                value,
                sql.SQL(", ").join(sources.column("p", name) for name in predictions.id),
                sources.aliased(predictions, "p"),
                where,
                condition,
                sql.Literal(EXAMPLES),
            )
        )
        rows = cursor.fetchall()
    if rows:
        seen = rows[0][1] if rows[0][1] is not None else "null"
        yield (
            f"{predictions.origin} has {rows[0][0]:,} rows {sentence.format(seen)}. "
            f"Correct or leave out: {_ids(predictions.id, [row[2:] for row in rows])}."
        )


def _duplicates(connection: Connection, source: Source, where: sql.Composable) -> Iterator[str]:
    if source.are_predictions_unique:
        return
    predictions = source.policy.predictions
    ids = sql.SQL(", ").join(sources.column("p", name) for name in predictions.id)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select count(*) over (), {ids}, {version}, {day} from {rows} where {where} "
                "group by {ids}, {version}, {day} having count(*) > 1 limit {examples}"
            ).format(
                ids=ids,
                version=sources.version(source),
                day=sources.day(source),
                rows=sources.aliased(predictions, "p"),
                where=where,
                examples=sql.Literal(EXAMPLES),
            )
        )
        rows = cursor.fetchall()
    if rows:
        yield (
            f"{predictions.origin} has two predictions of one version and day for {rows[0][0]:,} ids; wanted one. Name "
            "all columns of the key as predictions.id, or keep the newest in a query: "
            f"{_ids((*predictions.id, 'version', 'day'), [row[1:] for row in rows])}."
        )


def _bad_labels(connection: Connection, source: Source) -> Iterator[str]:
    policy = source.policy
    labels = policy.labels
    ids = sql.SQL(", ").join(sources.column("l", name) for name in labels.id)
    value, code = sources.column("l", labels.value), sources.label_code(source)
    with connection.cursor() as cursor:
        if not source.are_labels_unique:
            cursor.execute(
                sql.SQL(
                    "select count(*) over (), min({value}::text), max({value}::text), {ids} from {rows} "
                    "where {value} is not null group by {ids} having min({code}) <> max({code}) limit {examples}"
                ).format(
                    value=value, code=code, ids=ids, rows=sources.aliased(labels, "l"), examples=sql.Literal(EXAMPLES)
                )
            )
            rows = cursor.fetchall()
            if rows:
                count, one, other, *_ = rows[0]
                yield (
                    f"{labels.origin} has labels that contradict for {count:,} ids, such as {one} and {other} in "
                    f"{labels.value}; wanted one label per id. Keep the one that counts in a query: "
                    f"{_ids(labels.id, [row[3:] for row in rows])}."
                )
        is_or_not = ("not in (0, 1)", "true or false, or 1 or 0")
        refused, wanted = {
            "binary": is_or_not,
            "multiclass": ("= -1", f"one of the classes {', '.join(policy.classes)}"),
            "regression": ("in ('NaN', 'Infinity', '-Infinity')", "a number"),
            "rate": is_or_not,
        }[policy.task]
        cursor.execute(
            sql.SQL("select count(*) over (), {}::text, {} from {} where {} {} limit {}").format(
                value, ids, sources.aliased(labels, "l"), code, sql.SQL(refused), sql.Literal(EXAMPLES)
            )
        )
        rows = cursor.fetchall()
    if rows:
        yield (
            f"{labels.origin} has {rows[0][0]:,} labels such as {rows[0][1]} in {labels.value}; wanted {wanted}. "
            f"Correct or leave out: {_ids(labels.id, [row[2:] for row in rows])}."
        )


def _ids(names: tuple[str, ...], rows: list[tuple]) -> str:
    return "; ".join(", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True)) for row in rows)
