"""Drift pages: a sample of a window's rows beside one of its reference's, drawn by Evidently."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from psycopg2.extensions import connection as Connection

from maeari import postgres
from monitoring import source as sources
from monitoring import store
from monitoring.errors import NothingToWatch
from monitoring.policy import Policy
from monitoring.reference import Categories
from monitoring.sketches import WindowSketch
from monitoring.source import Source
from monitoring.windows import Window

FORMAT = 1
"""Raised whenever what a page shows changes, so that pages drawn before are drawn again."""
SAMPLE_ROWS = 2_000
MIN_ROWS = 2
MOST_PAGES = 60
"""Pages that one run draws at most, at a second or two each; the next run goes on."""
STEPS = 10_000
"""Neighbouring floats that values must span to be parted into bins."""
CATEGORY_PSI = 0.1
"""The limit of categories where the policy's method is for numbers alone."""

Pair = tuple[WindowSketch, WindowSketch]
"""A window and its reference."""


def draw_changed(
    connection: Connection, policy: Policy, known: Mapping[Window, store.Decided], pairs: Iterable[Pair]
) -> None:
    """Draw the newest windows, oldest first, that have no page or whose rows, or reference, are others than its page's.

    What pages were drawn from is kept as `inputs_sha256` of the windows' verdicts.
    """
    recorded, digest = store.read_reports(connection, policy.model), cache(_digest)
    due = []
    for sketch, reference in pairs:
        window, inputs = Window(sketch.start, sketch.end), _inputs(policy, digest(sketch), digest(reference))
        is_drawn = window in recorded and store.page(policy.model, window).exists()
        is_same = window in known and known[window].inputs_sha256 == inputs
        if min(sketch.rows, reference.rows) >= MIN_ROWS and not (is_drawn and is_same):
            due.append((sketch, reference))
    if due:
        _draw(connection, policy, due[-MOST_PAGES:])


def draw(connection: Connection, policy: Policy, sketch: WindowSketch, reference: WindowSketch) -> Path:
    """Draw one window's page, and return its file."""
    for days in (sketch, reference):
        if days.rows < MIN_ROWS:
            raise NothingToWatch(
                f"The sketches of {policy.name} have {days.rows} rows of version {days.version} from {days.start} to "
                f"{days.end}; a page needs {MIN_ROWS} on each side. Choose another day, or correct the reference."
            )
    _draw(connection, policy, [(sketch, reference)])
    return store.page(policy.model, Window(sketch.start, sketch.end))


def _draw(connection: Connection, policy: Policy, pairs: Sequence[Pair]) -> None:
    """Draw pages and record them, with samples that a read-only connection of its own reads."""
    # Evidently, which takes seconds.
    from monitoring import report

    with postgres.connect("monitor") as reader:
        reader.set_session(readonly=True)
        source = sources.describe(reader, policy)

        @lru_cache(maxsize=4)
        def sample(sketch: WindowSketch) -> pd.DataFrame:
            return _sample(reader, source, sketch, report.LONGEST_CATEGORY)

        for sketch, reference in pairs:
            window, current, past = Window(sketch.start, sketch.end), sample(sketch), sample(reference)
            numbers = _numbers(policy)
            numerical = [name for name in numbers if _has_bins(current[name], past[name])]
            categorical = [name for name in current if name not in numbers and len(current) and len(past)]
            if not numerical and not categorical:
                continue
            shown = [*numerical, *categorical]
            report.draw(
                store.page(policy.model, window),
                report.dataset(current[shown], numerical, categorical),
                report.dataset(past[shown], numerical, categorical),
                _methods(policy),
            )
            store.replace_report(connection, policy.model, window)
            store.replace_inputs(connection, policy.model, window, _inputs(policy, _digest(sketch), _digest(reference)))


def _methods(policy: Policy) -> dict[str, str | float]:
    """The policy's method and limit as Evidently has them, for numbers and for categories."""
    limit = policy.drifted.limit
    numbers, categories = {
        "psi": (("psi", limit), ("psi", limit)),
        # Evidently takes natural logarithms where the policy's distance is in bits.
        "jensen_shannon": (("jensenshannon", limit * math.sqrt(math.log(2))),) * 2,
        "wasserstein": (("wasserstein", limit), ("psi", CATEGORY_PSI)),
        # Its chi-square is for categories alone; the other test of two samples has the same kind of limit.
        "chi_square": (("ks", limit), ("chisquare", limit)),
    }[policy.drifted.method]
    return {
        "num_method": numbers[0],
        "num_threshold": numbers[1],
        "cat_method": categories[0],
        "cat_threshold": categories[1],
    }


def _sample(reader: Connection, source: Source, sketch: WindowSketch, longest: int) -> pd.DataFrame:
    """Some of a version's rows: numbers as float (nan: missing), of categories the values that the reference kept."""
    query = sources.select_some(source, (sketch.start, sketch.end), sketch.version, SAMPLE_ROWS, longest)
    with reader.cursor() as cursor:
        cursor.execute(query)
        rows = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    for name in rows:
        if name in _numbers(source.policy):
            rows[name] = rows[name].astype(float).replace([np.inf, -np.inf], np.nan)
        else:
            bins = sketch.reference.columns.get(name)
            values = bins.values if isinstance(bins, Categories) else sketch.reference.segments[name]
            kept = {value[:longest] for value in values}
            rows[name] = [
                value if value in kept else "(missing)" if pd.isna(value) else "(other)" for value in rows[name]
            ]
    return rows


def _numbers(policy: Policy) -> list[str]:
    features = policy.predictions.features
    return list(dict.fromkeys([*policy.scores, *(name for name in features if features[name] != "category")]))


def _has_bins(*samples: pd.Series) -> bool:
    """Whether Evidently can part the samples, and both together, into bins: floats must lie close enough for that."""
    for values in (*samples, pd.concat(samples)):
        low, high = float(values.min()), float(values.max())
        width = high - low or 1.0
        # Not so either where there is no value, or the width is no finite number.
        if not STEPS * np.spacing(max(abs(low), abs(high))) < width < np.inf:
            return False
    return True


def _inputs(policy: Policy, window: str, reference: str) -> str:
    parts = [FORMAT, policy.drifted.model_dump(mode="json"), window, reference]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(sketch: WindowSketch) -> str:
    """A fingerprint of what a page shows of a window: its rows and version, not its labels.

    Sums to seven digits, since the order of rows may change the last ones.
    """
    found = hashlib.sha256(
        f"{sketch.reference.reference_id} {sketch.version} {sketch.start} {sketch.end} {sketch.rows}".encode()
    )
    arrays = [(name, column.counts, column.sums) for name, column in sketch.columns.items()]
    arrays += [(segment, score.rows, score.score_sums) for segment, score in sketch.scores.items()]
    for name, counts, sums in arrays:
        found.update(name.encode() + counts.tobytes())
        if sums is not None:
            with np.errstate(over="ignore"):
                found.update(sums.astype(np.float32).tobytes())
    return found.hexdigest()
