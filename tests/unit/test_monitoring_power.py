"""How often a stable model is called declined, and how soon one that lost accuracy is: simulated, with fixed seeds."""

from datetime import date, timedelta

import numpy as np
import pytest

from monitoring.metrics import ALL, Measured, Metric
from monitoring.performance import mean_with_interval
from monitoring.policy import load
from monitoring.verdict import decide
from monitoring.windows import Window

POLICY = load("sentiment")
# As in the demo world.
ACCURACY, LABELLED, REFERENCE_LABELLED = 0.864, 1_050, 4_250
BEFORE = 12
FACTS = ("predicted_positive_share", "rated_share", "unknown_bigram_share", "jamo_share", "emoji_share")


def realized(random: np.random.Generator, prefix: str, rows: int, lost: float) -> list[Metric]:
    """Figures of reviews to whose labels a calibrated model of that accuracy gives what it gives, less what is lost."""
    certainty = 0.5 + 0.5 * random.beta(1.6, 0.6, rows)
    right = random.random(rows) < certainty - lost * certainty / certainty.mean()
    accuracy = float(right.mean())
    return [
        Metric(ALL, f"{prefix}accuracy", "realized", accuracy, accuracy, accuracy, rows),
        mean_with_interval(ALL, f"{prefix}true_label_probability", np.where(right, certainty, 1 - certainty)),
    ]


def run(random: np.random.Generator, losses: list[float]) -> list[str]:
    """The verdicts of one model's windows, each having lost so much."""
    reference, measured = realized(random, "reference_", REFERENCE_LABELLED, 0.0), []
    same = [
        Metric(ALL, f"{prefix}{name}", "drift", 0.5, None, None, 1700)
        for name in FACTS
        for prefix in ("", "reference_")
    ]
    rows = Metric(ALL, "rows", "drift", 1700.0, None, None, 1700)
    for number, lost in enumerate(losses):
        start = date(2025, 12, 1) + timedelta(weeks=number)
        metrics = (*realized(random, "", LABELLED, lost), *reference, *same, rows)
        measured.append(Measured(Window(start, start + timedelta(days=6)), 1, metrics))
    return [verdict.verdict for verdict in decide(measured, POLICY)]


def test_the_simulated_model_is_as_accurate_as_it_says():
    accuracy, _ = realized(np.random.default_rng(0), "", 200_000, 0.0)
    assert accuracy.value == pytest.approx(ACCURACY, abs=0.004)


def test_a_stable_model_is_hardly_ever_called_declined_in_half_a_year():
    random = np.random.default_rng(1)
    alarms = sum("declined" in run(random, [0.0] * 26) for _ in range(400))
    assert alarms <= 4


@pytest.mark.parametrize(("lost", "least"), [(0.05, 0.95), (0.10, 1.0)])
def test_a_decline_is_called_within_two_windows(lost, least):
    random, runs = np.random.default_rng(2), 200
    called = sum("declined" in run(random, [0.0] * BEFORE + [lost] * 2)[BEFORE:] for _ in range(runs))
    assert called >= least * runs


def test_what_creeps_in_slowly_is_called_as_well():
    random, runs = np.random.default_rng(3), 50
    creeping = [0.004 * week for week in range(26)]
    called = sum("declined" in run(random, creeping) for _ in range(runs))
    assert called == runs
