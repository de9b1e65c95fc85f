"""Probabilities that customers leave, and who of them is contacted."""

import numpy as np
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from ml import registry
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES
from ml.errors import UnknownVersion


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


def predict(pipeline: Pipeline, features: np.ndarray, expected_share: float | None) -> np.ndarray:
    """The probability that each customer leaves, whoever else is in the batch.

    A pipeline is fitted as if half of the customers of each month left. Its log-odds plus those of the share to be
    expected give the probability (Saerens, Latinne and Decaestecker 2002); with None they stay as fitted.
    """
    if not len(features):
        return np.empty(0)
    even = pipeline.predict_proba(features)[:, 1]
    return even if expected_share is None else expit(logit(even) + logit(expected_share))


def threshold(probabilities: np.ndarray, config: ChurnConfig) -> float:
    """The probability from which a customer is contacted: that of the budget's last one, or cost by saved value."""
    if config.contact_budget_share is None:
        return config.contact_cost / config.saved_value
    if not len(probabilities):
        return 1.0
    contacted = max(1, int(len(probabilities) * config.contact_budget_share))
    return float(np.sort(probabilities)[-contacted])
