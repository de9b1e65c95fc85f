"""The forest and the two baselines that it must beat, all trained and calibrated in the same way."""

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES, UNDEFINED, matrix

FOREST, LOGISTIC, RECENCY = MODELS = ("forest", "logistic", "recency")


def fit(frame: pd.DataFrame, config: ChurnConfig, model: str = FOREST) -> Pipeline:
    """A pipeline from `matrix` to the probability of leaving if half of each month's customers left.

    The rows are customers at month ends with known labels; the same rows and seed give the same pipeline. Leavers and
    stayers of a month end weigh the same, so that it learns who leaves; how many do is added by `predict_day`. One
    temperature (Guo, Pleiss, Sun and Weinberger 2017) for all log-odds is fitted on scores that each stretch of month
    ends got from a model of the other stretches.
    """
    truth = frame["churned_in_60d"].to_numpy(dtype=bool)
    classifier = forest(config) if model == FOREST else LogisticRegression(C=0.1, max_iter=500)
    stretches = PredefinedSplit(_stretches(frame, config))
    calibrated = CalibratedClassifierCV(classifier, method="temperature", cv=stretches, ensemble=False)
    pipeline = Pipeline([*_steps(model), ("classifier", calibrated)])
    pipeline.fit(matrix(frame), truth, classifier__sample_weight=_weights(frame, truth))
    return pipeline


def forest(config: ChurnConfig) -> RandomForestClassifier:
    """The forest before it is fitted."""
    return RandomForestClassifier(
        config.trees,
        max_depth=config.depth,
        min_samples_leaf=config.min_leaf,
        max_samples=config.tree_sample_share,
        # Threads of its own would add up the trees in the order in which they end: the last digit would vary.
        n_jobs=None,
        random_state=config.seed,
    )


def _steps(model: str) -> list[tuple]:
    if model == FOREST:
        return []
    seen = _recency_alone if model == RECENCY else _logs
    return [("columns", FunctionTransformer(seen)), ("scale", StandardScaler())]


def _recency_alone(features: np.ndarray) -> np.ndarray:
    return features[:, [FEATURES.index("recency_days")]]


def _logs(features: np.ndarray) -> np.ndarray:
    """The logarithms of all features, and beside them which are not defined."""
    return np.hstack([np.sign(features) * np.log1p(np.abs(features)), features == UNDEFINED])


def _stretches(frame: pd.DataFrame, config: ChurnConfig) -> np.ndarray:
    cutoffs = frame["as_of_on"].unique()
    stretches = min(config.calibration_stretches, len(cutoffs))
    return np.searchsorted(np.sort(cutoffs), frame["as_of_on"]) * stretches // len(cutoffs)


def _weights(frame: pd.DataFrame, truth: np.ndarray) -> np.ndarray:
    leavers = pd.Series(truth, index=frame.index).groupby(frame["as_of_on"]).transform("mean").to_numpy()
    return 0.5 / np.where(truth, leavers, 1 - leavers)
