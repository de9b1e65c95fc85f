"""Figures of the models at the month ends of a backtest, each with its interval, and the tests that compare them."""

import math
from dataclasses import asdict
from datetime import date

import numpy as np
import pandas as pd
from scipy import stats

from maeari.statistics import Interval, holm_adjusted, mcnemar_p_value, wilson_interval
from ml.churn.backtest import Tested
from ml.churn.compare import segments
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES
from ml.churn.models import FOREST, LOGISTIC, MODELS, RECENCY
from ml.churn.predict import threshold
from ml.statistics import (
    calibration_bins,
    delong_difference,
    estimate,
    normal_p_value,
    paired_difference,
    roc_auc_interval,
    weighted_figures,
)

RANGES = {
    "roc_auc": (0, 1), "pr_auc": (0, 1), "brier_score": (0, 1), "calibration_error": (0, 1),
    "calibration_error_unshifted": (0, 1), "top_decile_lift": (0, 10), "accuracy": (0, 1), "precision": (0, 1),
    "recall": (0, 1),
}  # fmt: skip
"""The figures of a model, and between what they lie."""
MEASURES = tuple(RANGES)
DISCRETE_VALUES = 5
CELLS_AT_ONCE = 4_000_000

Draws = dict[str, np.ndarray]
"""By model: its figures with the shape (1 + replicates, month ends, measures); the first row is what was observed."""


def evaluate(tests: list[Tested], config: ChurnConfig) -> dict:
    """The `backtest` of the card: figures by month end and pooled, comparisons and the calibration curve, as JSON.

    A pooled figure is the mean over the month ends, each of which is ranked and decided by itself. Its interval comes
    from a bootstrap over customers, who recur from month to month. Within a month end DeLong's interval stands for the
    area and Wilson's for shares.
    """
    decisions = [_decisions(test, config) for test in tests]
    draws = _draws(tests, decisions, config)
    cutoffs = [
        {
            "as_of_on": test.as_of_on.isoformat(),
            "training_rows": len(test.training),
            "rows": len(test.rows),
            "positive_share": float(test.truth.mean()),
            "expected_share": test.expected_share,
            "models": {model: _figures(test, model, decided[model], draws[model][:, position]) for model in MODELS},
        }
        for position, (test, decided) in enumerate(zip(tests, decisions, strict=True))
    ]
    return {
        "cutoffs": cutoffs,
        "pooled": {model: _pooled(draws[model], [cutoff["models"][model] for cutoff in cutoffs]) for model in MODELS},
        "comparisons": _comparisons(tests[-1], decisions[-1], draws),
        "calibration_curve": {model: _calibration_curve(tests, model) for model in MODELS},
    }


def holdout_figures(test: Tested, backtest: dict) -> dict:
    """The `figures` of the card: those of the forest at the newest month end, and by segment."""
    cutoff = backtest["cutoffs"][-1]
    probabilities = test.probabilities[FOREST]
    return {
        "rows": cutoff["rows"],
        "positive_share": cutoff["positive_share"],
        "expected_share": cutoff["expected_share"],
        **cutoff["models"][FOREST],
        "segments": {
            name: _segment(test.truth[mask], probabilities[mask])
            for name, mask in segments(test.rows).items()
            if mask.any()
        },
    }


def feature_tests(training: pd.DataFrame) -> list[dict]:
    """Whether each feature differs between leavers and stayers of the newest month end, the strongest effect first.

    Mann-Whitney's test with the rank-biserial correlation, or for features of few values the chi-square test with
    Cramér's V; p-values are Holm-corrected. `direction` is 1 where leavers have more, -1 where less. A feature with a
    single value is not tested.
    """
    newest = training[training["as_of_on"] == training["as_of_on"].max()]
    is_leaver = newest["churned_in_60d"].to_numpy(dtype=bool)
    found = [_feature_test(name, newest[name].to_numpy(dtype=float), is_leaver) for name in FEATURES]
    tested = [row for row in found if row["p_value"] is not None]
    for row, adjusted in zip(tested, holm_adjusted([row["p_value"] for row in tested]), strict=True):
        row["holm_p_value"] = adjusted
    return sorted(found, key=lambda row: -abs(row["effect"] or 0))


def _decisions(test: Tested, config: ChurnConfig) -> dict[str, tuple[float, np.ndarray]]:
    found = {}
    for model, probabilities in test.probabilities.items():
        lowest = threshold(probabilities, config)
        found[model] = (lowest, probabilities >= lowest)
    return found


def _draws(tests: list[Tested], decisions: list[dict], config: ChurnConfig) -> Draws:
    """Figures of what was observed and of replicates in which each customer counts Poisson(1) times."""
    customers, positions = np.unique(np.concatenate([test.rows["customer_id"] for test in tests]), return_inverse=True)
    positions = np.split(positions, np.cumsum([len(test.rows) for test in tests])[:-1])
    random = np.random.default_rng(config.seed)
    at_once = max(1, CELLS_AT_ONCE // len(customers))
    parts: dict[str, list[np.ndarray]] = {model: [] for model in MODELS}
    for start in range(0, config.replicates + 1, at_once):
        weights = random.poisson(1, (min(at_once, config.replicates + 1 - start), len(customers))).astype(float)
        if start == 0:
            weights[0] = 1
        for model in MODELS:
            parts[model].append(
                np.stack(
                    [
                        _drawn(test, model, decided[model][1], weights[:, own])
                        for test, decided, own in zip(tests, decisions, positions, strict=True)
                    ],
                    axis=1,
                )
            )
    return {model: np.concatenate(part) for model, part in parts.items()}


def _drawn(test: Tested, model: str, decided: np.ndarray, weights: np.ndarray) -> np.ndarray:
    figures = weighted_figures(test.truth, test.probabilities[model], weights)
    gaps = [
        abs(weights[:, rows] @ (test.unshifted[model] - test.truth)[rows])
        for rows in calibration_bins(test.unshifted[model])
    ]
    hits = weights @ (decided & test.truth)
    with np.errstate(invalid="ignore", divide="ignore"):
        figures |= {
            "calibration_error_unshifted": sum(gaps) / weights.sum(axis=1),
            "accuracy": weights @ (decided == test.truth) / weights.sum(axis=1),
            "precision": hits / (weights @ decided),
            "recall": hits / (weights @ test.truth),
        }
    return np.stack([figures[measure] for measure in MEASURES], axis=1)


def _figures(test: Tested, model: str, decision: tuple[float, np.ndarray], draws: np.ndarray) -> dict:
    truth, (lowest, decided) = test.truth, decision
    intervals = _intervals(draws) | {
        "roc_auc": roc_auc_interval(truth, test.probabilities[model]),
        "accuracy": wilson_interval(int((decided == truth).sum()), len(truth)),
        "precision": wilson_interval(int((decided & truth).sum()), int(decided.sum())),
        "recall": wilson_interval(int((decided & truth).sum()), int(truth.sum())),
    }
    confusion = {
        "true_leavers": int((decided & truth).sum()),
        "false_leavers": int((decided & ~truth).sum()),
        "missed_leavers": int((~decided & truth).sum()),
        "true_stayers": int((~decided & ~truth).sum()),
    }
    return _as_json(intervals) | {"threshold": lowest, "confusion": confusion}


def _pooled(draws: np.ndarray, cutoffs: list[dict]) -> dict:
    confusions = [cutoff["confusion"] for cutoff in cutoffs]
    return _as_json(_intervals(draws.mean(axis=1))) | {
        "confusion": {name: sum(confusion[name] for confusion in confusions) for name in confusions[0]}
    }


def _intervals(draws: np.ndarray) -> dict[str, Interval]:
    return {
        measure: estimate(float(draws[0, position]), draws[1:, position], *RANGES[measure])
        for position, measure in enumerate(MEASURES)
    }


def _as_json(intervals: dict[str, Interval]) -> dict:
    return {measure: _interval(interval) for measure, interval in intervals.items()}


def _interval(interval: Interval) -> dict:
    return {name: None if math.isnan(value) else value for name, value in asdict(interval).items()}


def _comparisons(newest: Tested, decisions: dict[str, tuple[float, np.ndarray]], draws: Draws) -> list[dict]:
    """The forest against each baseline: on the newest month end by DeLong and McNemar, over all by the bootstrap."""
    found = []
    for rival in (LOGISTIC, RECENCY):
        area, p_value = delong_difference(newest.truth, newest.probabilities[FOREST], newest.probabilities[rival])
        found.append(_comparison(rival, "roc_auc", newest.as_of_on, "DeLong", area, p_value))
        right, rivals = (decisions[model][1] == newest.truth for model in (FOREST, rival))
        p_value = mcnemar_p_value(int((right & ~rivals).sum()), int((~right & rivals).sum()))
        difference = paired_difference(right, rivals)
        found.append(_comparison(rival, "accuracy", newest.as_of_on, "McNemar", difference, p_value))
        found[-1]["effect"] = _cohens_g(right, rivals)
        for measure in ("roc_auc", "accuracy"):
            position = MEASURES.index(measure)
            leads = (draws[FOREST] - draws[rival])[:, :, position].mean(axis=1)
            p_value = normal_p_value(float(leads[0]), float(np.nanstd(leads[1:], ddof=1)))
            difference = estimate(float(leads[0]), leads[1:], -1, 1)
            found.append(_comparison(rival, measure, None, "bootstrap over customers", difference, p_value))
    for row, adjusted in zip(found, holm_adjusted([row["p_value"] for row in found]), strict=True):
        row["holm_p_value"] = adjusted
    return found


def _comparison(rival: str, measure: str, cutoff: date | None, test: str, difference: Interval, p_value: float) -> dict:
    return {
        "rival": rival,
        "measure": measure,
        "as_of_on": cutoff and cutoff.isoformat(),
        "test": test,
        "difference": _interval(difference),
        "p_value": p_value,
        # Of areas: by how much the rank-biserial correlations differ.
        "effect": 2 * difference.value if measure == "roc_auc" else difference.value,
    }


def _cohens_g(right: np.ndarray, rivals: np.ndarray) -> float:
    discordant = int((right != rivals).sum())
    return float((right & ~rivals).sum() / discordant - 0.5) if discordant else 0.0


def _segment(truth: np.ndarray, probabilities: np.ndarray) -> dict:
    return {
        "rows": len(truth),
        "positive_share": float(truth.mean()),
        "mean_probability": float(probabilities.mean()),
        "roc_auc": _interval(roc_auc_interval(truth, probabilities)),
    }


def _calibration_curve(tests: list[Tested], model: str) -> list[dict]:
    """Promised against observed over all month ends, in ten bins; errors are robust to customers who recur."""
    probabilities = np.concatenate([test.probabilities[model] for test in tests])
    truth = np.concatenate([test.truth for test in tests]).astype(float)
    _, customers = np.unique(np.concatenate([test.rows["customer_id"] for test in tests]), return_inverse=True)
    curve = []
    for rows in calibration_bins(probabilities):
        share = truth[rows].mean()
        error = math.sqrt((np.bincount(customers[rows], truth[rows] - share) ** 2).sum()) / len(rows)
        margin = 1.96 * error
        curve.append(
            {
                "predicted": float(probabilities[rows].mean()),
                "observed": float(share),
                "low": float(max(share - margin, 0)),
                "high": float(min(share + margin, 1)),
                "rows": len(rows),
            }
        )
    return curve


def _feature_test(name: str, values: np.ndarray, is_leaver: np.ndarray) -> dict:
    defined = ~np.isnan(values)
    values, is_leaver = values[defined], is_leaver[defined]
    row = {"feature": name, "rows": len(values), "test": None, "statistic": None, "p_value": None}
    row |= {"holm_p_value": None, "effect": None, "direction": 0}
    leavers, stayers = values[is_leaver], values[~is_leaver]
    kinds = np.unique(values)
    if len(kinds) < 2 or not len(leavers) or not len(stayers):
        return row
    above = 2 * roc_auc_interval(is_leaver, values).value - 1
    row["direction"] = int(np.sign(above))
    if len(kinds) > DISCRETE_VALUES:
        result = stats.mannwhitneyu(leavers, stayers, method="asymptotic")
        return row | {
            "test": "Mann-Whitney", "statistic": float(result.statistic), "p_value": float(result.pvalue),
            "effect": above,
        }  # fmt: skip
    table = np.array([[(part == kind).sum() for kind in kinds] for part in (leavers, stayers)])
    result = stats.chi2_contingency(table, correction=False)
    return row | {
        "test": "chi-square", "statistic": float(result.statistic), "p_value": float(result.pvalue),
        "effect": math.sqrt(result.statistic / len(values)),
    }  # fmt: skip
