"""Training: labelled reviews as known on a day become a registered challenger with its card."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ml import registry
from ml.sentiment.ageing import measure_ageing
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.evaluate import evaluate
from ml.sentiment.features import Split, read_rated, row_keys_sha256, split_by_time, training_query
from ml.sentiment.report import card


@dataclass(frozen=True)
class Trained:
    """A registered version and its figures on the holdout."""

    version: int
    as_of: date
    training_rows: int
    figures: dict

    def summary(self) -> dict:
        """The version as JSON, for the log and for the DAG that asks for its release."""
        accuracy = self.figures["accuracy"]
        return {
            "model": "sentiment",
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "training_rows": self.training_rows,
            "holdout_rows": self.figures["rows"],
            "accuracy": accuracy["value"],
            "accuracy_low": accuracy["low"],
            "accuracy_high": accuracy["high"],
            "baseline_accuracy": self.figures["baseline_accuracy"]["value"],
            "calibration_error": self.figures["calibration_error"],
        }


def train(as_of: date, config: SentimentConfig | None = None) -> Trained:
    """Train on the reviews known at the end of `as_of`, less the newest ones, and register the challenger."""
    config = config or SentimentConfig()
    rated = read_rated(as_of)
    split = split_by_time(rated, as_of, config)
    classifier = fit(split.training, config, split.middling)
    figures = evaluate(classifier, config, split)
    ageing = measure_ageing(rated, fit, config, known=read_rated)
    version = registry.register(
        "sentiment",
        classifier,
        card=card(split, config, figures, ageing, as_of),
        metrics=_metrics(split, figures),
        config=config.model_dump(),
        training_set=_training_set(split, as_of),
    )
    return Trained(version, as_of, len(split.training), figures)


def fit(training: pd.DataFrame, config: SentimentConfig, middling: pd.DataFrame | None = None) -> ReviewClassifier:
    """A classifier of the training rows and of those without a label, the same for the same rows and seed."""
    rows = training if middling is None else pd.concat([training, middling], ignore_index=True)
    parameters = config.model_dump(include=set(ReviewClassifier().get_params()))
    return ReviewClassifier(**parameters).fit(
        rows["text"].tolist(),
        rows["is_positive"].to_numpy(dtype=object, na_value=None),
        sample_weight=_recency(rows, config),
        stars=rows["stars"].to_numpy(),
    )


def _recency(training: pd.DataFrame, config: SentimentConfig) -> np.ndarray:
    if config.half_life_days is None:
        return np.ones(len(training))
    age_days = (training["written_at"].max() - training["written_at"]).dt.total_seconds().to_numpy() / 86_400
    weights = 0.5 ** (age_days / config.half_life_days)
    return weights / weights.mean()


_NUMBERS = ("calibration_error", "brier_score", "roc_auc", "positive_share", "mean_star_error")
_SHARES = ("accuracy", "positive_recall", "negative_recall", "unsure_share", "sure_accuracy")


def _metrics(split: Split, figures: dict) -> dict:
    return {
        **{name: figures[name] for name in _NUMBERS},
        **{name: figures[name]["value"] for name in _SHARES},
        "accuracy_low": figures["accuracy"]["low"],
        "accuracy_high": figures["accuracy"]["high"],
        "baseline_accuracy": figures["baseline_accuracy"]["value"],
        "training_rows": len(split.training),
        "holdout_rows": len(split.holdout),
        "holdout_from": split.holdout_from.isoformat(),
        "holdout_until": split.known_until.isoformat(),
    }


def _training_set(split: Split, as_of: date) -> registry.TrainingSet:
    learned = split.learned()
    fingerprint = row_keys_sha256(learned)
    return registry.TrainingSet(
        training_set_id=f"sentiment-{as_of}-{fingerprint[:12]}",
        known_until=split.known_until,
        rows=len(learned),
        row_keys_sha256=fingerprint,
        query=training_query(split),
    )
