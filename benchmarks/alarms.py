"""How often a stable model is called declined, and how soon one that lost accuracy is, in simulated streams.

    python benchmarks/alarms.py [--seed 0] [--write docs/PAGE.md]

Windows of 1,000 rows, labels two windows late. A stream is decided anew after each window, as in production, and the
verdict counts that a window has when its labels become final. (Later windows never change it, which is checked on the
first stream of each task; the others are decided once.) Stable: 20 seeds of 200 windows for each task. A
drop of 5 points: 500 runs of a binary classifier that is right so much less often from one window on, for each of four
ways to lose them. Prints Markdown tables; ends with exit code 1 when more than 27 of the 4,000 stable windows of the
binary classifier are called declined, or one of those drops is called within 3 windows in fewer than 475 runs, or any
window is decided before its labels.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from scipy import stats
from tables import write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from maeari.statistics import wilson_interval
from monitoring.figures import Level, binary, multiclass, regression
from monitoring.figures.decision import Decision, Limits, WindowFigures, decide

SEEDS, WINDOWS, ROWS, DELAY, REFERENCE_ROWS = 20, 200, 1_000, 2, 4_000
MOST_ALARMS, RUNS, WITHIN, LEAST_CALLED, BEFORE, LOST = 27, 500, 3, 475, 12, 0.05
MONDAY = date(2026, 1, 5)
THRESHOLD = 0.5
SCORE_EDGES = np.linspace(0.02, 0.98, 49)
CLASSES, CONFIDENCE_EDGES = ("question", "complaint", "praise", "other"), np.linspace(0.3, 0.95, 14)
PREDICTION_EDGES = np.linspace(5, 95, 19)
Draw = Callable[[np.random.Generator, int, float], Level]


def main(
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="a page with the markers alarms:begin and alarms:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    console = Console(stderr=True)
    with console.status("Simulating …") as status:
        text, missed = measured(seed, lambda step: status.update(f"{step} …"))
    print(text)
    print(*(f"MISSED: {what}" for what in missed), sep="\n")
    if write:
        write_between("alarms", write, text)
    raise typer.Exit(int(bool(missed)))


def scores(random: np.random.Generator, rows: int, lost: float, among: str = "certain rows") -> Level:
    """A binary classifier, right for 86 % of the rows, less what is lost: rather among those it is certain about, among
    all alike, among those it has doubts about, or because labels are the other way round."""
    certainty = 0.5 + 0.5 * random.beta(1.6, 0.6, rows)
    weight = {
        "certain rows": certainty,
        "all rows": np.ones(rows),
        "doubtful rows": certainty < np.median(certainty),
        "turned labels": 2 * certainty - 1,
    }[among]
    right = random.random(rows) < certainty - lost * weight / weight.mean()
    is_called = random.random(rows) < 0.4
    labels = (is_called == right).astype(float)
    found = binary.ScoreCounts.of(np.where(is_called, certainty, 1 - certainty), labels, SCORE_EDGES, THRESHOLD)
    return binary.level(found)


def rare(random: np.random.Generator, rows: int, lost: float) -> Level:
    """A binary classifier whose positives are 5 % of the rows, right for 95 % of them, less what is lost."""
    chance = np.where(random.random(rows) < 0.06, random.beta(4, 2, rows), random.beta(1, 40, rows))
    labels = random.random(rows) < chance
    labels ^= random.random(rows) < lost / 0.9
    return binary.level(binary.ScoreCounts.of(chance, labels.astype(float), SCORE_EDGES, THRESHOLD))


def classes(random: np.random.Generator, rows: int, lost: float) -> Level:
    """A classifier of four classes, right for 78 % of the rows, less what is lost."""
    predicted, confidence = random.integers(0, 4, rows), 0.3 + 0.7 * random.beta(3, 1.2, rows)
    right = random.random(rows) < confidence - lost
    true = np.where(right, predicted, (predicted + random.integers(1, 4, rows)) % 4)
    return multiclass.level(multiclass.ClassCounts.of(predicted, true, confidence, CLASSES, CONFIDENCE_EDGES))


def amounts(random: np.random.Generator, rows: int, lost: float) -> Level:
    """A regression whose errors have heavy tails (Student's t, 5 degrees of freedom) and grow by the loss."""
    predictions = 100 * random.random(rows)
    errors = (1 + lost) * (1 + predictions / 60) * random.standard_t(5, rows)
    return regression.level(regression.ErrorCounts.of(predictions, predictions + errors, PREDICTION_EDGES))


STREAMS: dict[str, tuple[Draw, float]] = {
    "binary": (scores, 0.02),
    "binary, 5 % positive": (rare, 0.02),
    "four classes": (classes, 0.02),
    "regression": (amounts, 0.1),
}


LOSSES: tuple[tuple[str, Draw, float, float, bool], ...] = (
    *(
        (f"binary: 5 points of accuracy, {among}", partial(scores, among=among), LOST, 0.02, True)
        for among in ("certain rows", "all rows", "doubtful rows", "turned labels")
    ),
    ("binary: 3 points of accuracy, all rows", partial(scores, among="all rows"), 0.03, 0.02, False),
    ("binary, 5 % positive: 5 points of accuracy, turned labels", rare, LOST, 0.02, False),
    ("four classes: 5 points of accuracy, all rows", classes, LOST, 0.02, False),
    ("regression: errors 25 % larger", amounts, 0.25, 0.1, False),
)
"""What is lost, the stream, how much, the policy's least loss, and whether it has a limit."""


def limits(min_drop: float) -> Limits:
    """The limits of the committed policy for sentiment, with the spans that any model has."""
    return Limits(min_drop=min_drop, min_rows=300, min_labelled_rows=200, false_alarms=0.005, over_windows=26)


def stream(draw: Draw, random: np.random.Generator, losses: list[float]) -> list[WindowFigures]:
    """The windows of one model with all their labels."""
    reference = draw(random, REFERENCE_ROWS, 0.0)
    found = []
    for number, lost in enumerate(losses):
        start = MONDAY + timedelta(weeks=number)
        found.append(WindowFigures(start, start + timedelta(days=6), 1, ROWS, draw(random, ROWS, lost), reference))
    return found


def as_they_came(windows: list[WindowFigures], rules: Limits) -> list[Decision]:
    """The decision of each window when its labels became final, from one run after each window."""
    found: list[Decision] = []
    nothing = Level(0, math.nan, math.nan, wilson_interval(0, 0))
    for today in range(1, len(windows) + DELAY + 1):
        seen = [
            one
            if number + DELAY < today
            else one._replace(level=nothing, provisional_until=one.end + timedelta(weeks=DELAY))
            for number, one in enumerate(windows[:today])
        ]
        decisions = decide(seen, rules)
        if any(decision.verdict != "labels_pending" for decision in decisions[max(today - DELAY, 0) :]):
            raise SystemExit("MISSED: a window was decided before its labels were final.")
        found += decisions[len(found) : max(today - DELAY, 0)]
    return found


def measured(seed: int, progress: Callable[[str], None]) -> tuple[str, list[str]]:
    """The tables, and which limits were missed."""
    missed: list[str] = []
    lines = [
        f"Stable streams: {SEEDS} seeds of {WINDOWS} windows for each task, {ROWS:,} rows a window, labels {DELAY} "
        f"windows late, a reference of {REFERENCE_ROWS:,} rows.",
        "",
        "| stable windows of | called declined | alarms | share (95 % upper limit, Clopper and Pearson) | limit |",
        "|---|---|---|---|---|",
    ]
    for name in STREAMS:
        progress(f"Stable windows, {name}")
        lines.append(stable(seed, name, missed))
    lines += [
        "",
        f"A loss from one window on, after {BEFORE} stable ones; called within so many windows of final labels, not "
        "before.",
        "",
        "| loss | within 1 | within 2 | within 3 (95 % interval, Wilson) | limit |",
        "|---|---|---|---|---|",
    ]
    for what, draw, lost, min_drop, is_limited in LOSSES:
        progress(what)
        lines.append(loss(seed, what, draw, lost, min_drop, is_limited, missed))
    return "\n".join(lines), missed


def stable(seed: int, name: str, missed: list[str]) -> str:
    """The row of a task's stable windows; adds to `missed`."""
    draw, min_drop = STREAMS[name]
    verdicts: Counter[str] = Counter()
    alarms = 0
    for one in range(SEEDS):
        windows = stream(draw, np.random.default_rng([seed, one, 0]), [0.0] * WINDOWS)
        decisions = decide(windows, limits(min_drop))
        if one == 0 and as_they_came(windows, limits(min_drop)) != decisions:
            missed.append(f"{name}: a later window changed an earlier decision")
        found = [decision.verdict for decision in decisions]
        verdicts.update(found)
        alarms += sum(now == "declined" != before for before, now in zip(["stable", *found], found, strict=False))
    total, declined = sum(verdicts.values()), verdicts["declined"]
    upper = float(stats.binomtest(declined, total, alternative="less").proportion_ci(0.95).high)
    limit = "told only"
    if name == "binary":
        limit = f"at most {MOST_ALARMS}, upper limit under 1 %"
        if declined > MOST_ALARMS or upper >= 0.01 or verdicts["stable"] + declined != SEEDS * WINDOWS:
            missed.append(f"of {total:,} stable windows {declined} are called declined")
    return f"| {name} | {declined} of {total:,} | {alarms} | {declined / total:.3%} ({upper:.3%}) | {limit} |"


def loss(seed: int, what: str, draw: Draw, lost: float, min_drop: float, is_limited: bool, missed: list[str]) -> str:
    """The row of a loss; adds to `missed`."""
    within = Counter[int]()
    for run in range(RUNS):
        random = np.random.default_rng([seed, run, 1])
        found = decide(stream(draw, random, [0.0] * BEFORE + [lost] * WITHIN), limits(min_drop))
        called = [number for number, decision in enumerate(found) if decision.verdict == "declined"]
        if called and called[0] >= BEFORE:
            within[called[0] - BEFORE + 1] += 1
    counts = [sum(within[number] for number in range(1, most + 1)) for most in (1, 2, WITHIN)]
    interval = wilson_interval(counts[-1], RUNS)
    if is_limited and counts[-1] < LEAST_CALLED:
        missed.append(f"{what}: called within {WITHIN} windows in {counts[-1]} of {RUNS} runs")
    return (
        f"| {what} | {counts[0]} | {counts[1]} | {counts[2]} of {RUNS} ({interval.low:.1%} to {interval.high:.1%}) | "
        f"{f'at least {LEAST_CALLED}' if is_limited else 'told only'} |"
    )


if __name__ == "__main__":
    typer.run(main)
