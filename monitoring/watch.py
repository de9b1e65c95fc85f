"""Watch a model: figures of every complete window from daily sketches, and a verdict for each."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from psycopg2.extensions import connection as Connection

from maeari import postgres
from monitoring import coverage, crawls, pages, sketches, store
from monitoring import reference as references
from monitoring import source as sources
from monitoring.coverage import Reached
from monitoring.distances import coarse_counts, distance, missing_share_difference, psi
from monitoring.errors import NothingToWatch
from monitoring.figures import Figure, Level, binary, estimator_error, multiclass, rate, regression, segments, share
from monitoring.figures.binary import ScoreCounts
from monitoring.figures.decision import Decision, Limits, WindowFigures, decide
from monitoring.figures.multiclass import ClassCounts
from monitoring.figures.rate import LabelCounts
from monitoring.figures.regression import ErrorCounts
from monitoring.figures.segments import Counts
from monitoring.metrics import ALL, Measured, Metric
from monitoring.policy import METHODS, FirstDays, Policy, load
from monitoring.sketches import ColumnSketch, ScoreSketch, WindowSketch
from monitoring.source import Days
from monitoring.store import Verdict
from monitoring.windows import (
    Deployment,
    Window,
    complete_windows,
    read_deployments,
    version_at,
    version_before,
    window_of,
)

MISSING_MORE = 0.05
"""How much more of a column must be missing to be named, as a share."""
SCORE_PSI = 0.1
"""PSI from which on the scores themselves have moved (as credit scoring has it: Siddiqi 2006)."""
USUAL_WINDOWS, USUAL_MIN_ROWS = 8, 100
VOLUME = (0.5, 2.0)
"""Rows over the median of earlier windows, outside of which a window says so of itself and of its larger segments."""
MOST_VOLUMES = 4
SEGMENTS_NAMED = 5
SAME_ROWS = 0.9
"""Share of a window's rows that the version before must have scored along, so that both can be compared."""
FAILED_CRAWLS = 0.5
"""Share of a source's crawls that must fail to be named."""
MAIN = {"binary": "accuracy", "multiclass": "accuracy", "regression": "mean_absolute_error", "rate": "like_rate"}
"""The figure that a verdict is about."""
_TASKS = {"binary": binary, "multiclass": multiclass, "regression": regression, "rate": rate}
Progress = Callable[[int, int], None]


def watch(name: str, as_of: date, progress: Progress = lambda done, of: None) -> dict:
    """Bring the policy's sketches up to date, then measure and decide every window that has ended by `as_of`.

    Windows begin after the reference's last day; of a model whose reference is what was scored before a release,
    nothing is watched before the first one, and of one whose reference is its first days nothing before their end.
    Verdicts and figures are put in place of earlier ones, so that running it again adds nothing. Returns what was
    decided, as JSON; `retrain` says whether a new version is wanted.
    """
    policy = load(name)
    with postgres.connect("monitor") as connection:
        deployments = read_deployments(connection, policy.model)
    if not _has_reference(policy, deployments, as_of):
        return _summary(name, as_of, [], asks=False)
    sketches.update(policy, as_of, progress)
    with postgres.connect("monitor") as connection, postgres.advisory_lock(connection, f"monitor {policy.model}"):
        read = partial(sketches.read, connection, policy)
        found = _windows(connection, policy, as_of, deployments)
        usual = {against: read(against[0], *against[1]) for against in {one[2] for one in found}}
        known = store.read(connection, policy.model)
        reached = _reached(policy, found, known)
        history: list[_Seen] = []
        for window, version, against in found:
            before = version_before(deployments, window.end)
            shadow = None if before is None else read(before, *window)
            failed = crawls.measure(connection, window) if policy.are_crawled else []
            offers = (reached[version, window], reached[against]) if reached else None
            sketch = read(version, *window)
            history.append(_Seen(policy, sketch, usual[against], as_of, shadow, failed, offers, history))
        decisions = decide([seen.figures for seen in history], _limits(policy))
        verdicts: list[Verdict] = []
        for number, (seen, decision) in enumerate(zip(history, decisions, strict=True)):
            reasons = (*decision.reasons, *seen.beside(), *_why(seen, decision, history[:number]))
            verdict = Verdict(seen.window, seen.figures.version, decision.verdict, reasons, seen.figures.rows)
            verdicts.append(verdict)
            measured = Measured(seen.window, seen.figures.version, tuple(sorted(seen.metrics())))
            drawn_from = known[seen.window].inputs_sha256 if seen.window in known else ""
            decided = store.Decided(measured, verdict, seen.provisional_until, drawn_from)
            if not store.is_same(decided, known.get(seen.window)):
                store.replace(connection, policy.model, decided)
        if verdicts:
            store.forget_other_windows(connection, policy.model, [verdict.window for verdict in verdicts])
        pages.draw_changed(connection, policy, known, [(seen.sketch, seen.reference) for seen in history])
        asks = asks_for_retraining(connection, policy.model, verdicts, deployments, as_of)
    return _summary(name, as_of, verdicts, asks)


def draw_report(name: str, day: date) -> Path:
    """Draw the page of the window that holds a day anew, whether or not it has ended, and return its file."""
    policy = load(name)
    window = window_of(policy.window, day)
    with postgres.connect("monitor") as connection:
        deployments = read_deployments(connection, policy.model)
        found = [one for one in _windows(connection, policy, window.end, deployments) if one[0] == window]
        if not found:
            raise NothingToWatch(
                f"{name} has no window from {window.start} to {window.end}: no row was sketched, or the reference is "
                f"not over. Run `maeari monitor {name}` first, or choose a later day."
            )
        ((_, version, against),) = found
        sketch, reference = (sketches.read(connection, policy, of, *days) for of, days in ((version, window), against))
        return pages.draw(connection, policy, sketch, reference)


def _has_reference(policy: Policy, deployments: list[Deployment], as_of: date) -> bool:
    """Whether the days are there that windows are held to; fixed ones are taken to be, and refused later if not."""
    if policy.reference == "before_release":
        return any(one.effective_on <= as_of for one in deployments)
    if not isinstance(policy.reference, FirstDays):
        return True
    with postgres.connect("monitor") as connection:
        connection.set_session(readonly=True)
        if references.read(connection, policy) is not None:
            return True
        return references.first_stretch(connection, sources.describe(connection, policy), as_of) is not None


def _reached(
    policy: Policy, found: list[tuple[Window, int, tuple[int, Days]]], known: Mapping[Window, store.Decided]
) -> dict[tuple[int, Days], Reached]:
    """What each window and each reference offered, by version and days; empty where no coverage is watched."""
    if policy.coverage is None:
        return {}
    wanted = {(version, window) for window, version, _ in found} | {against for *_, against in found}
    with postgres.connect("monitor") as reader:
        reader.set_session(readonly=True)
        source = sources.describe(reader, policy)
        reached = {one: coverage.read(reader, source, *one) for one in wanted}
    for window, version, _ in found:
        if window in known and known[window].verdict.version == version:
            reached[version, window] = reached[version, window].as_measured(known[window].measured.metrics)
    return reached


def asks_for_retraining(
    connection: Connection, model: str, verdicts: list[Verdict], deployments: list[Deployment], as_of: date
) -> bool:
    """Whether the newest verdict wants a challenger that nobody has made: the live version declined, none waits, and
    none was already put to the approver with this day's knowledge. Windows whose labels are pending are passed over."""
    newest = next((verdict for verdict in reversed(verdicts) if verdict.verdict != "labels_pending"), None)
    if newest is None or newest.verdict != "declined":
        return False
    if deployments and version_at(deployments, date.max) != newest.version:
        return False
    request = store.newest_request(connection, model)
    return request is None or (request.outcome != "waiting" and request.as_of < as_of)


def _summary(policy: str, as_of: date, verdicts: list[Verdict], asks: bool) -> dict:
    return {
        "policy": policy,
        "as_of": as_of.isoformat(),
        "newest_verdict": verdicts[-1].verdict if verdicts else None,
        "retrain": asks,
        "windows": [
            {
                "start": verdict.window.start.isoformat(),
                "end": verdict.window.end.isoformat(),
                "version": verdict.version,
                "verdict": verdict.verdict,
                "rows": verdict.rows,
                "reasons": list(verdict.reasons),
            }
            for verdict in verdicts
        ],
    }


class _Seen:
    """One window: its sketch, its version's reference, and every figure of both."""

    def __init__(
        self,
        policy: Policy,
        sketch: WindowSketch,
        reference: WindowSketch,
        as_of: date,
        shadow: WindowSketch | None,
        failed_crawls: list[Metric],
        offers: tuple[Reached, Reached] | None,
        before: Sequence["_Seen"],
    ) -> None:
        self.policy, self.sketch, self.reference = policy, sketch, reference
        self.window, self.failed_crawls, self.offers = Window(sketch.start, sketch.end), failed_crawls, offers
        self.task = _TASKS[policy.task]
        self.counts, self.usual = _counts(policy, sketch), _counts(policy, reference)
        self.shadow = shadow if shadow is not None and shadow.rows >= SAME_ROWS * sketch.rows > 0 else None
        self.provisional_until = self._until(max(policy.labels.after_days, policy.predictions.late_days), as_of)
        self.figures = WindowFigures(
            self.window.start,
            self.window.end,
            sketch.version,
            sketch.rows,
            self._level(self.counts),
            self._level(self.usual),
            (*_failed(failed_crawls), *self._volume(before), *_moved(policy, reference, sketch), *self._narrowed()),
            self._until(policy.labels.after_days, as_of),
        )
        self.realized = self.task.realized(self.counts[ALL]) if ALL in self.counts else {}
        self.shadow_figure = self._shadow_figure()
        is_known = ALL in self.counts and ALL in self.usual
        self.estimated = self.task.estimated(self.usual[ALL], self.counts[ALL]) if is_known else {}

    def _until(self, days: int, as_of: date) -> date | None:
        """The day by which all is known that comes so many days late; None when it has passed."""
        due = self.window.end + timedelta(days=days)
        return due if due > as_of else None

    def beside(self) -> tuple[str, ...]:
        """What the version that was in charge before says of the same rows, where it scored them along."""
        main, shadow = MAIN[self.policy.task], self.shadow_figure
        if shadow is None:
            return ()
        return (
            f"Version {self.shadow.version}, which was in charge before, scored {self.shadow.rows:,} of these rows "
            f"along: its {_words(main)} would have been {shadow.value:.3g} (95 % interval {shadow.low:.3g} to "
            f"{shadow.high:.3g}), where this version's was {self.realized[main].value:.3g}.",
        )

    def _shadow_figure(self) -> Figure | None:
        """The main figure of the version before, None without labels of all rows that are due."""
        if self.shadow is None or self.figures.provisional_until is not None:
            return None
        counts = _counts(self.policy, self.shadow)
        found = self.task.realized(counts[ALL])[MAIN[self.policy.task]] if ALL in counts else None
        return found if found is not None and math.isfinite(found.value) else None

    def _narrowed(self) -> tuple[str, ...]:
        """A sentence when the same few items are offered to everyone."""
        if self.offers is None or self.sketch.rows < self.policy.min_rows:
            return ()
        return coverage.moved(*self.offers, self.policy.coverage.least)

    def _volume(self, before: Sequence["_Seen"]) -> tuple[str, ...]:
        """What has far fewer or more rows than in the windows before, the whole first."""
        before = before[-USUAL_WINDOWS:]
        if len(before) < USUAL_WINDOWS // 2:
            return ()
        found = []
        for segment in dict.fromkeys(name for past in before for name in past.counts):
            usual = float(np.median([past.rows_of(segment) for past in before]))
            if usual >= USUAL_MIN_ROWS:
                found.append((self.rows_of(segment) / usual, segment))
        moved = [(ratio, segment) for ratio, segment in found if not VOLUME[0] <= ratio <= VOLUME[1]]
        moved.sort(key=lambda one: (one[1] != ALL, one[0]))
        return tuple(_volume(ratio, segment, self.rows_of(segment)) for ratio, segment in moved[:MOST_VOLUMES])

    def rows_of(self, segment: str) -> int:
        """How many rows of a segment the window has."""
        return int(self.counts[segment].rows.sum()) if segment in self.counts else 0

    def _level(self, counts: Mapping[str, Counts]) -> Level:
        if ALL not in counts:
            return Level(0, math.nan, math.nan, Figure(math.nan, 0.0, 1.0, 0))
        return self.task.level(counts[ALL])

    def metrics(self) -> list[Metric]:
        """Every number of the window, as it is kept."""
        rows, main = self.sketch.rows, MAIN[self.policy.task]
        found = [Metric(ALL, "rows", "drift", float(rows), None, None, rows), *self.failed_crawls]
        if self.shadow_figure is not None:
            version = float(self.shadow.version)
            found.append(Metric(ALL, "shadow_version", "drift", version, None, None, self.shadow.rows))
            found.append(_metric(ALL, f"shadow_{main}", "realized", self.shadow_figure))
        usual = self.task.realized(self.usual[ALL]) if ALL in self.usual else {}
        for prefix, kind, figures in (
            ("", "realized", self.realized),
            ("reference_", "realized", usual),
            ("", "estimated", self.estimated),
        ):
            found += [_metric(ALL, f"{prefix}{name}", kind, figure) for name, figure in figures.items()]
        for prefix, every in (("", self.counts), ("reference_", self.usual)):
            for segment, counts in _parts(every).items():
                found.append(_metric(segment, f"{prefix}{main}", "realized", self.task.realized(counts)[main]))
        method = self.policy.drifted.method
        for name, column in self.sketch.columns.items():
            bins, before = self.sketch.reference.columns[name], self.reference.columns.get(name)
            value = distance(method, bins, before, column) if before else None
            found.append(Metric(ALL, f"{name}_{method}", "drift", value, None, None, column.rows - column.missing))
            found.append(Metric(ALL, f"{name}_missing", "drift", column.missing_share, None, None, column.rows))
        for name, kind in self.policy.predictions.features.items():
            if kind == "share":
                for prefix, columns in (("", self.sketch.columns), ("reference_", self.reference.columns)):
                    if name in columns:
                        found.append(_metric(ALL, f"{prefix}{share_name(name)}", "drift", _true_share(columns[name])))
        if self.offers is not None:
            found += coverage.metrics(*self.offers)
        return found


def _windows(
    connection: Connection, policy: Policy, as_of: date, deployments: list[Deployment]
) -> list[tuple[Window, int, tuple[int, Days]]]:
    """Complete windows from the reference's end to the newest row, each with the version that counts and its reference.

    A reference is a version and days of its rows.

    Where releases are on record that is the one in charge at the window's end, whether or not it has rows in it, else
    the newest that has.
    """
    reference = references.read(connection, policy)
    if reference is None:
        return []
    if reference.first:
        begins = reference.first[1][1] + timedelta(days=1)
    elif policy.reference != "before_release":
        begins = policy.reference.until + timedelta(days=1)
    elif deployments:
        begins = deployments[0].effective_on
    else:
        return []
    sketched, found = sketches.versions(connection, policy), []
    newest = max((last for _, last in sketched.values()), default=begins)
    for window in complete_windows(policy.window, begins, as_of):
        if deployments:
            begun = deployments[0].effective_on <= window.end
            version = version_at(deployments, window.end) if begun else None
        else:
            version = _newest_with_rows(connection, policy, sketched, window)
        if version in sketched and window.start <= newest:
            against = reference.first or (
                version,
                references.days_of(policy, version, sketched[version][0], deployments),
            )
            found.append((window, version, against))
    return found


def _newest_with_rows(connection: Connection, policy: Policy, sketched: dict[int, Days], window: Window) -> int | None:
    reaching = [version for version, days in sketched.items() if days[0] <= window.end and days[1] >= window.start]
    for version in sorted(reaching, reverse=True):
        if sketches.daily_rows(connection, policy, version, window.start, window.end):
            return version
    return None


def _counts(policy: Policy, window: WindowSketch) -> dict[str, Counts]:
    """The scores of each segment, as figures want them."""
    edges = window.reference.scores[0].edges
    if policy.task == "regression":
        return {
            segment: ErrorCounts(edges, one.rows, one.labelled, one.absolute_error_sums, one.squared_error_sums)
            for segment, one in window.scores.items()
        }
    if policy.task == "multiclass":
        return {segment: _class_counts(policy.classes, edges, one) for segment, one in window.scores.items()}
    if policy.task == "rate":
        return {
            segment: LabelCounts(one.rows.sum(), one.labelled.sum(), one.positives.sum())
            for segment, one in window.scores.items()
        }
    threshold = policy.predictions.threshold
    return {
        segment: ScoreCounts(
            edges, one.rows, one.score_sums, one.labelled, one.positives, one.labelled_score_sums, threshold
        )
        for segment, one in window.scores.items()
    }


def _class_counts(classes: tuple[str, ...], edges: np.ndarray, sketch: ScoreSketch) -> ClassCounts:
    """The confidence in a predicted class is that class's own score."""
    own = np.arange(len(classes))
    by_bin = (sketch.rows, sketch.score_sums, sketch.labelled, sketch.labelled_score_sums, sketch.positives)
    return ClassCounts(classes, edges, *(counts[own, own] for counts in by_bin), sketch.positives.sum(axis=-1))


def _limits(policy: Policy) -> Limits:
    return Limits(
        figure="negative mean absolute error" if policy.task == "regression" else _words(MAIN[policy.task]),
        min_rows=policy.min_rows,
        min_labelled_rows=policy.min_labelled_rows,
        **policy.declined.model_dump(),
    )


def _moved(policy: Policy, reference: WindowSketch, window: WindowSketch) -> tuple[str, ...]:
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
            said = f"{METHODS[limits.method]} {value:.2g}; the limit is {limits.limit:g}."
            if policy.predictions.features[name] == "share":
                said = f"from {_true_share(before).value:.1%} to {_true_share(column).value:.1%} of the rows, {said}"
            inputs.append((value, f"Inputs: {name} moved, {said}"))
    inputs.sort(key=lambda one: one[0], reverse=limits.method != "chi_square")
    found = [*pipeline, *(sentence for _, sentence in inputs)]
    scores = (window.reference.scores, _rows_of_scores(reference), _rows_of_scores(window))
    for name, bins, before, now in zip(policy.scores, *scores, strict=True) if policy.scores else ():
        value = psi(coarse_counts(before, bins), coarse_counts(now, bins))
        if value > SCORE_PSI:
            found.append(f"Predictions: {name} moved, PSI {value:.2f}; the limit is {SCORE_PSI:g}.")
    return tuple(found)


def share_name(feature: str) -> str:
    """How the share of rows is called of which a feature is true: `unknown_share` of `is_unknown`."""
    return f"{feature.removeprefix('is_').removeprefix('has_')}_share"


def _true_share(column: ColumnSketch) -> Figure:
    known = column.rows - column.missing
    return share(column.sum, known, known)


def _rows_of_scores(sketch: WindowSketch) -> np.ndarray:
    """Rows by score and its bin."""
    rows = sketch.scores[ALL].rows
    return rows.sum(axis=0) if rows.ndim > 1 else rows[None]


def _failed(found: list[Metric]) -> Iterator[str]:
    for one in found:
        if one.value > FAILED_CRAWLS:
            yield f"Pipeline: {one.value:.0%} of {one.rows} crawls failed ({one.segment})."


def _volume(ratio: float, segment: str, rows: int) -> str:
    where = "" if segment == ALL else f" of {segment}"
    said = f"{rows:,} rows{where}, {ratio:.0%} of the usual number"
    if ratio < 1:
        return f"Pipeline: {said}: look whether its source stopped before blaming the model."
    return f"Inputs: {said}."


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
    # The surest first: of many small segments some lose much by chance.
    worst = sorted(worst, key=lambda one: (one.p_value, -one.drop.value))
    found = [
        f"Where: {one.name}, {_words(main)} {one.window.value:.3g} on {one.window.rows:,} rows, "
        f"{one.reference.value:.3g} in the reference (p = {one.p_value:.1g} after {one.segments} looks)."
        for one in worst[:SEGMENTS_NAMED]
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


def _parts(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    return {segment: one for segment, one in counts.items() if segment != ALL}


def _metric(segment: str, name: str, kind: str, figure: Figure) -> Metric:
    value, low, high = (one if math.isfinite(one) else None for one in (figure.value, figure.low, figure.high))
    return Metric(segment, name, kind, value, low, high, figure.rows)
