"""Watch a table of predictions: figures of every complete window from daily sketches, and a verdict for each."""

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from psycopg2.extensions import connection as Connection

from maeari import postgres
from monitoring import store
from monitoring.errors import PolicyError
from monitoring.figures import Figure, Level, binary, estimator_error, regression, segments
from monitoring.figures.binary import ScoreCounts
from monitoring.figures.decision import Decision, Limits, WindowFigures, decide
from monitoring.figures.regression import ErrorCounts
from monitoring.metrics import Measured, Metric
from monitoring.tables import sketches
from monitoring.tables.distances import coarse_counts, distance, missing_share_difference, psi
from monitoring.tables.policy import TablePolicy, load
from monitoring.tables.sketches import ALL, WindowSketch
from monitoring.verdict import Verdict
from monitoring.watch import summary
from monitoring.windows import Window, complete_windows, read_deployments, version_at

MISSING_MORE = 0.05
"""How much more of a column must be missing to be named, as a share."""
SCORE_PSI = 0.1
"""PSI from which on the scores themselves have moved (as credit scoring has it: Siddiqi 2006)."""
USUAL_WINDOWS = 8
VOLUME = (0.5, 2.0)
"""Rows over the median of earlier windows, outside of which a window says so."""
MAIN = {"binary": "accuracy", "regression": "mean_absolute_error"}
"""The figure that a verdict is about."""
METHODS = {
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon distance",
    "wasserstein": "Wasserstein distance in standard deviations",
    "chi_square": "chi-square p",
}
_TASKS = {"binary": binary, "regression": regression}

Progress = Callable[[int, int], None]


def watch(name: str, as_of: date, progress: Progress = lambda done, of: None) -> dict:
    """Bring the policy's sketches up to date, then measure and decide every window that has ended by `as_of`.

    Windows begin after the reference's last day. Verdicts and figures are put in place of earlier ones, so that running
    it again adds nothing. Returns `monitoring.watch.summary`.
    """
    policy = load(name)
    if policy.task not in _TASKS:
        raise PolicyError(
            f"{name} is a {policy.task} policy: its sketches are kept, but nothing decides on them yet. Watch it as "
            "one binary policy a class."
        )
    sketches.update(policy, as_of, progress)
    with postgres.connect("monitor") as connection, postgres.advisory_lock(connection, f"monitor {policy.model}"):
        found = _windows(connection, policy, as_of)
        days = policy.reference.from_, policy.reference.until
        versions = {version for _, version in found}
        references = {version: sketches.read(connection, policy, version, *days) for version in versions}
        history = [
            _Seen(policy, window, sketches.read(connection, policy, version, *window), references[version], as_of)
            for window, version in found
        ]
        decisions = decide([seen.figures for seen in history], _limits(policy))
        _put_volume(history)
        verdicts = []
        for number, (seen, decision) in enumerate(zip(history, decisions, strict=True)):
            reasons = (*decision.reasons, *seen.volume, *_why(seen, decision, history[:number]))
            verdict = Verdict(seen.window, seen.figures.version, decision.verdict, reasons, seen.figures.rows)
            verdicts.append(verdict)
            measured = Measured(seen.window, seen.figures.version, tuple(sorted(seen.metrics())))
            store.replace(
                connection, policy.model, store.Decided(measured, verdict, seen.figures.provisional_until, "")
            )
        if verdicts:
            store.forget_other_windows(connection, policy.model, [verdict.window for verdict in verdicts])
    return summary(name, as_of, verdicts, asks=bool(verdicts) and verdicts[-1].verdict == "declined")


class _Seen:
    """One window: its sketch, its version's reference, and every figure of both."""

    def __init__(
        self, policy: TablePolicy, window: Window, sketch: WindowSketch, reference: WindowSketch, as_of: date
    ) -> None:
        self.policy, self.window, self.sketch, self.reference = policy, window, sketch, reference
        self.task = _TASKS[policy.task]
        self.counts, self.usual = _counts(policy, self.sketch), _counts(policy, self.reference)
        due = self.window.end + timedelta(days=policy.labels.after_days)
        self.figures = WindowFigures(
            self.window.start,
            self.window.end,
            sketch.version,
            self.sketch.rows,
            self._level(self.counts),
            self._level(self.usual),
            _moved(policy, self.reference, self.sketch),
            due if due > as_of else None,
        )
        self.realized = self.task.realized(self.counts[ALL]) if ALL in self.counts else {}
        is_known = ALL in self.counts and ALL in self.usual
        self.estimated = self.task.estimated(self.usual[ALL], self.counts[ALL]) if is_known else {}
        self.volume: tuple[str, ...] = ()

    def _level(self, counts: Mapping[str, ScoreCounts | ErrorCounts]) -> Level:
        if ALL not in counts:
            return Level(0, math.nan, math.nan, Figure(math.nan, 0.0, 1.0, 0))
        return self.task.level(counts[ALL])

    def metrics(self) -> list[Metric]:
        """Every number of the window, as it is kept."""
        rows = self.sketch.rows
        found = [Metric(ALL, "rows", "drift", float(rows), None, None, rows)]
        usual = self.task.realized(self.usual[ALL]) if ALL in self.usual else {}
        for prefix, kind, figures in (
            ("", "realized", self.realized),
            ("reference_", "realized", usual),
            ("", "estimated", self.estimated),
        ):
            found += [_metric(ALL, f"{prefix}{name}", kind, figure) for name, figure in figures.items()]
        main = MAIN[self.policy.task]
        for prefix, every in (("", self.counts), ("reference_", self.usual)):
            for segment, counts in _parts(every).items():
                found.append(_metric(segment, f"{prefix}{main}", "realized", self.task.realized(counts)[main]))
        method = self.policy.drifted.method
        for name, column in self.sketch.columns.items():
            bins, before = self.sketch.reference.columns[name], self.reference.columns.get(name)
            value = distance(method, bins, before, column) if before else None
            found.append(Metric(ALL, f"{name}_{method}", "drift", value, None, None, column.rows - column.missing))
            found.append(Metric(ALL, f"{name}_missing", "drift", column.missing_share, None, None, column.rows))
        return found


def _windows(connection: Connection, policy: TablePolicy, as_of: date) -> list[tuple[Window, int]]:
    """Complete windows after the reference that have rows, each with the version that counts in it.

    Where releases are on record that is the one in charge at the window's end, else the newest with rows in it.
    """
    versions, deployments = sketches.versions(connection, policy), read_deployments(connection, policy.model)
    found = []
    for window in complete_windows(policy.window, policy.reference.until + timedelta(days=1), as_of):
        if deployments:
            begun = deployments[0].effective_on <= window.end
            chosen = [version_at(deployments, window.end)] if begun else []
        else:
            chosen = sorted(
                (one for one, (first, last) in versions.items() if first <= window.end and last >= window.start)
            )
        for version in reversed(chosen):
            if sketches.daily_rows(connection, policy, version, window.start, window.end):
                found.append((window, version))
                break
    return found


def _counts(policy: TablePolicy, window: WindowSketch) -> dict[str, ScoreCounts | ErrorCounts]:
    """The scores of each segment, as figures want them."""
    edges = window.reference.scores[0].edges
    if policy.task == "regression":
        return {
            segment: ErrorCounts(edges, one.rows, one.labelled, one.absolute_error_sums, one.squared_error_sums)
            for segment, one in window.scores.items()
        }
    threshold = policy.predictions.threshold
    return {
        segment: ScoreCounts(
            edges, one.rows, one.score_sums, one.labelled, one.positives, one.labelled_score_sums, threshold
        )
        for segment, one in window.scores.items()
    }


def _limits(policy: TablePolicy) -> Limits:
    return Limits(
        figure="negative mean absolute error" if policy.task == "regression" else "accuracy",
        min_rows=policy.min_rows,
        min_labelled_rows=policy.min_labelled_rows,
        **policy.declined.model_dump(),
    )


def _moved(policy: TablePolicy, reference: WindowSketch, window: WindowSketch) -> tuple[str, ...]:
    """A sentence about each column and the score beyond its limit: what is missing first, since it is no shift."""
    if window.rows < policy.min_rows or not reference.rows:
        return ()
    limits, pipeline, inputs = policy.drifted, [], []
    for name, column in window.columns.items():
        before = reference.columns[name]
        if missing_share_difference(before, column) > MISSING_MORE:
            pipeline.append(
                f"Pipeline: {name} is missing in {column.missing_share:.0%} of the rows, {before.missing_share:.0%} in "
                "the reference: look at its source before blaming the model."
            )
            continue
        value = distance(limits.method, window.reference.columns[name], before, column)
        is_beyond = value is not None and (
            value < limits.limit if limits.method == "chi_square" else value > limits.limit
        )
        if is_beyond:
            inputs.append(
                (value, f"Inputs: {name} moved, {METHODS[limits.method]} {value:.2g}; the limit is {limits.limit:g}.")
            )
    inputs.sort(key=lambda one: one[0], reverse=limits.method != "chi_square")
    found = [*pipeline, *(sentence for _, sentence in inputs)]
    bins = window.reference.scores[0]
    score = psi(coarse_counts(reference.scores[ALL].rows, bins), coarse_counts(window.scores[ALL].rows, bins))
    if score > SCORE_PSI:
        found.append(f"Predictions: the score moved, PSI {score:.2f}; the limit is {SCORE_PSI:g}.")
    return tuple(found)


def _put_volume(history: list[_Seen]) -> None:
    for number, seen in enumerate(history):
        before = sorted(past.figures.rows for past in history[max(0, number - USUAL_WINDOWS) : number])
        if len(before) < USUAL_WINDOWS // 2:
            continue
        ratio = seen.figures.rows / before[len(before) // 2]
        if not VOLUME[0] <= ratio <= VOLUME[1]:
            cause = "Pipeline" if ratio < 1 else "Inputs"
            seen.volume = (f"{cause}: {seen.figures.rows:,} rows, {ratio:.0%} of the usual number.",)


def _why(seen: _Seen, decision: Decision, before: list[_Seen]) -> tuple[str, ...]:
    """What is expected where labels are pending; where the model fails, and why, where it declined."""
    main = MAIN[seen.policy.task]
    if decision.verdict == "labels_pending" and seen.estimated:
        expected = seen.estimated[main]
        told = estimator_error(
            (past.estimated[main], past.realized[main])
            for past in before
            if past.estimated and past.figures.provisional_until is None
        )
        if math.isnan(expected.value):
            return ()
        return (
            f"Estimate before the labels: {_words(main)} {expected.value:.3g} (95 % interval {expected.low:.3g} to "
            f"{expected.high:.3g}). {told.sentence}",
        )
    if decision.verdict != "declined":
        return ()
    worst = segments.worst(_parts(seen.usual), _parts(seen.counts), main)
    found = [
        f"Where: {one.name}, {_words(main)} {one.window.value:.3g} on {one.window.rows:,} rows, "
        f"{one.reference.value:.3g} in the reference (p = {one.p_value:.1g} after {one.segments} looks)."
        for one in worst[:3]
    ]
    parts = segments.explained_drop(seen.usual[ALL], seen.counts[ALL], main)
    if not math.isnan(parts.total.value):
        found.append(
            f"Why: of the loss of {parts.total.value:.3g}, changed inputs alone would cost {parts.inputs.value:.3g} "
            f"({parts.inputs.low:.3g} to {parts.inputs.high:.3g}); a changed relation of inputs and truth costs the "
            f"rest, {parts.relation.value:.3g} ({parts.relation.low:.3g} to {parts.relation.high:.3g})."
        )
    return tuple(found)


def _words(figure: str) -> str:
    return figure.replace("_", " ")


def _parts(counts: Mapping[str, ScoreCounts | ErrorCounts]) -> dict[str, ScoreCounts | ErrorCounts]:
    return {segment: one for segment, one in counts.items() if segment != ALL}


def _metric(segment: str, name: str, kind: str, figure: Figure) -> Metric:
    value, low, high = (one if math.isfinite(one) else None for one in (figure.value, figure.low, figure.high))
    return Metric(segment, name, kind, value, low, high, figure.rows)
