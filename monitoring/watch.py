"""Watch a model: measure every complete window, decide, keep, and draw its page."""

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from monitoring import crawls, drift, explained, performance, store, windows
from monitoring.errors import NothingToWatch
from monitoring.metrics import Measured, Metric
from monitoring.policy import Policy, load
from monitoring.verdict import Verdict, decide
from monitoring.windows import Deployment, Window

MEASURES = 3
"""Raised whenever measuring changes, so that windows measured before are measured again."""


def monitor(policy: str, as_of: date, progress: Callable[[int, int], None] = lambda done, of: None) -> dict:
    """Verdicts of every complete window from the first release up to `as_of`, kept in `monitoring.*`; a JSON summary.

    A window is measured, and its page drawn, anew when its rows or labels, its live version, that version's reference,
    its crawls or the policy's segments changed; otherwise its numbers are read back. All windows are decided anew each
    time. Running it again replaces rows and never adds any.
    """
    rules = load(policy)
    with postgres.connect("monitor") as connection, postgres.advisory_lock(connection, f"monitor {rules.model}"):
        deployments = windows.read_deployments(connection, rules.model)
        found = windows.complete_windows(rules.window, deployments[0].effective_on, as_of) if deployments else []
        if not found:
            return summary(policy, as_of, [], asks=False)
        eye = _Eye(connection, rules, deployments)
        known, drawn = store.read(connection, rules.model), store.read_reports(connection, rules.model)
        inputs = {window: eye.inputs_sha256(window) for window in found}
        changed = {window for window in found if window not in known or known[window].inputs_sha256 != inputs[window]}
        measured = [
            eye.measure(window) if window in changed else drift.without_volume(known[window].measured)
            for window in found
        ]
        measured = [one._replace(metrics=tuple(sorted(one.metrics))) for one in drift.with_volume(measured)]
        verdicts = decide(measured, rules)
        store.forget_other_windows(connection, rules.model, found)
        for number, (one, verdict) in enumerate(zip(measured, verdicts, strict=True), 1):
            if one.window in changed or one.window not in drawn or not store.page(rules.model, one.window).exists():
                eye.draw(one.window)
            provisional_until = one.window.end + timedelta(days=rules.late_rows_days)
            decided = store.Decided(
                one, verdict, provisional_until if provisional_until > as_of else None, inputs[one.window]
            )
            if decided != known.get(one.window):
                store.replace(connection, rules.model, decided)
            progress(number, len(found))
        asks = asks_for_retraining(connection, rules.model, verdicts, deployments, as_of)
        return summary(policy, as_of, verdicts, asks)


def draw_report(policy: str, day: date) -> Path:
    """Draw the page of the window that holds a day anew, whether or not it has ended, and return its file."""
    rules = load(policy)
    with postgres.connect("monitor") as connection:
        deployments = windows.read_deployments(connection, rules.model)
        window = windows.window_of(rules.window, day)
        if not deployments or window.end < deployments[0].effective_on:
            first = f"its first release counts from {deployments[0].effective_on}" if deployments else "it has none"
            raise NothingToWatch(f"No version of {rules.model} was live on {day}: {first}. Choose a later day.")
        return _Eye(connection, rules, deployments).draw(window)


class _Eye:
    """Reads and measures one model's windows through one connection; a version's reference is read once."""

    def __init__(self, connection: Connection, rules: Policy, deployments: list[Deployment]) -> None:
        self.connection = connection
        self.rules = rules
        self.deployments = deployments
        self._references: dict[int, drift.Reference] = {}
        self._reference_sha256s: dict[int, str] = {}

    def inputs_sha256(self, window: Window) -> str:
        """A fingerprint of everything that measuring the window reads."""
        version = windows.version_at(self.deployments, window.end)
        start, end = _moments(window)
        if version not in self._reference_sha256s:
            holdout = windows.read_holdout(self.connection, self.rules.model, version)
            self._reference_sha256s[version] = windows.fingerprint(self.connection, version, *holdout)
        parts = [
            MEASURES,
            version,
            self.rules.segments,
            windows.fingerprint(self.connection, version, start, end),
            self._reference_sha256s[version],
            crawls.measure(self.connection, start, end),
            self._compare(window),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def measure(self, window: Window) -> Measured:
        """Every number of the window but its volume, which needs the windows before."""
        version = windows.version_at(self.deployments, window.end)
        start, end = _moments(window)
        rows, fixed = windows.read_rows(self.connection, version, start, end), self._reference(version)
        metrics = [
            *performance.measure(rows, self.rules.segments),
            *drift.measure(rows, fixed, self.rules.segments),
            *crawls.measure(self.connection, start, end),
            *self._compare(window),
            *explained.measure(rows, fixed.rows),
        ]
        return Measured(window, version, tuple(metrics))

    def _compare(self, window: Window) -> list[Metric]:
        version = windows.version_at(self.deployments, window.end)
        before = windows.version_before(self.deployments, window.end)
        if before is None:
            return []
        both = windows.count_scored_by_both(self.connection, version, before, *_moments(window))
        return performance.compare(both, before)

    def draw(self, window: Window) -> Path:
        """Draw the window's page and record it."""
        from monitoring import report

        version = windows.version_at(self.deployments, window.end)
        rows = windows.read_rows(self.connection, version, *_moments(window))
        file = store.page(self.rules.model, window)
        if len(rows):
            report.write(file, rows, self._reference(version), self.rules.drifted.psi)
            store.replace_report(self.connection, self.rules.model, window)
        return file

    def _reference(self, version: int) -> drift.Reference:
        if version not in self._references:
            start, end = windows.read_holdout(self.connection, self.rules.model, version)
            rows = windows.read_rows(self.connection, version, start, end)
            if rows.empty:
                raise NothingToWatch(
                    f"predictions.sentiment has no rows of version {version} from {start:%Y-%m-%d} to {end:%Y-%m-%d}, "
                    "the reviews held out of its training, so there is nothing to compare with. Run `maeari score`."
                )
            realized = performance.measure(rows, self.rules.segments, prefix="reference_")
            self._references[version] = drift.fix_reference(rows, (end - start).total_seconds() / 86_400, realized)
        return self._references[version]


def _moments(window: Window) -> tuple[datetime, datetime]:
    return clock.start_of_day(window.start), clock.end_of_day(window.end)


def asks_for_retraining(
    connection: Connection, model: str, verdicts: list[Verdict], deployments: list[Deployment], as_of: date
) -> bool:
    """Whether the newest verdict wants a challenger that nobody has made: the live version declined, none waits, and
    none was already put to the approver with this day's knowledge. Windows whose labels are pending are passed over."""
    newest = next((verdict for verdict in reversed(verdicts) if verdict.verdict != "labels_pending"), None)
    if newest is None or newest.verdict != "declined":
        return False
    if deployments and windows.version_at(deployments, date.max) != newest.version:
        return False
    request = store.newest_request(connection, model)
    return request is None or (request.outcome != "waiting" and request.as_of < as_of)


def summary(policy: str, as_of: date, verdicts: list[Verdict], asks: bool) -> dict:
    """What was decided, as JSON; `asks` says whether a new version is wanted."""
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
