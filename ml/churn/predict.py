"""Probabilities that customers leave, and who of them is contacted."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from ml import registry
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES
from ml.errors import UnknownVersion

LARGEST_SHIFT = 40.0
"""In log-odds: beyond what doubles can tell from 0 and 1."""


def load(version: int) -> Pipeline:
    """The registered version, checked to be what was registered and to expect today's features."""
    learned = registry.registered("churn", version).card["features"]
    if learned != list(FEATURES):
        differing = sorted(set(learned) ^ set(FEATURES)) or ["their order"]
        raise UnknownVersion(
            f"churn version {version} was trained on {len(learned)} features; this release of Maeari makes "
            f"{len(FEATURES)}, and these differ: {', '.join(differing)}. Train and release a new version."
        )
    return registry.load("churn", version)


def log_odds(pipeline: Pipeline, features: np.ndarray) -> np.ndarray:
    """The log-odds that each customer leaves if half of all did, whoever else is in the batch."""
    if not len(features):
        return np.empty(0)
    # All trees may agree, and infinite odds could not be shifted.
    return np.clip(logit(pipeline.predict_proba(features)[:, 1]), -LARGEST_SHIFT / 2, LARGEST_SHIFT / 2)


def shift(population: np.ndarray, expected_share: float) -> float:
    """What is added to a day's log-odds so that their mean probability is the share of leavers to be expected.

    `population` holds those of all customers active on the day. Of a share that changes, only the level is then taken
    from what was known, and who leaves from the model (after Saerens, Latinne and Decaestecker 2002).
    """
    return brentq(lambda added: expit(population + added).mean() - expected_share, -LARGEST_SHIFT, LARGEST_SHIFT)


def predict_day(pipeline: Pipeline, features: np.ndarray, expected_share: float) -> np.ndarray:
    """The probability that each customer leaves, where `features` are those of all customers active on a day."""
    even = log_odds(pipeline, features)
    return expit(even + shift(even, expected_share)) if len(even) else even


def threshold(probabilities: np.ndarray, config: ChurnConfig) -> float:
    """The probability from which a customer is contacted: that of the budget's last one, or cost by saved value."""
    if config.contact_budget_share is None:
        return config.contact_cost / config.saved_value
    if not len(probabilities):
        return 1.0
    contacted = max(1, int(len(probabilities) * config.contact_budget_share))
    return float(np.sort(probabilities)[-contacted])
