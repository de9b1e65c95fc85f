"""Figures of a set of probabilities against the stars, and the one-line baseline they must beat."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from maeari.answers import UNSURE_BECAUSE
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.features import Split, segments
from ml.sentiment.predict import answer
from ml.statistics import calibration_error, share

PRAISE = ("좋", "맛있", "최고", "추천", "친절", "만족", "재밌", "재미있", "감동", "완벽")
BLAME = ("별로", "실망", "최악", "불친절", "아쉽", "지루", "노잼", "쓰레기", "후회", "비싸")


def baseline(texts: pd.Series) -> np.ndarray:
    """Whether each normalised text has at least as many of ten words of praise as of ten words of blame."""
    return np.array([sum(word in text for word in PRAISE) >= sum(word in text for word in BLAME) for text in texts])


def evaluate(classifier: ReviewClassifier, config: SentimentConfig, split: Split) -> dict:
    """The figures of a split's holdout as JSON: shares with Wilson intervals, calibration, the baseline, each segment.

    Decisions are taken at a probability of 0.5, also where the answer is "unsure", which is counted beside them. The
    star estimate is held against every rated review of the holdout's time, beside one answer for all: the median.
    """
    holdout = split.holdout
    answers = answer(classifier, config, holdout["text"].tolist())
    truth, probabilities = holdout["is_positive"].to_numpy(dtype=bool), answers.probabilities
    right = (probabilities >= 0.5) == truth
    is_unsure = answers.labels == "unsure"
    both_labels = 0 < truth.sum() < len(truth)
    return {
        "rows": len(holdout),
        "positive_share": float(truth.mean()),
        "accuracy": share(right),
        "positive_recall": share(right[truth]),
        "negative_recall": share(right[~truth]),
        "unsure_share": share(is_unsure),
        "sure_accuracy": share(right[~is_unsure]),
        "unsure_because": {because: int((answers.unsure_because == because).sum()) for because in UNSURE_BECAUSE},
        "calibration_error": calibration_error(probabilities, truth),
        "brier_score": float(np.mean((probabilities - truth) ** 2)),
        "roc_auc": float(roc_auc_score(truth, probabilities)) if both_labels else None,
        "baseline_accuracy": share(baseline(holdout["key"]) == truth),
        **_star_errors(classifier, split, answers.stars),
        "segments": {name: share(right[mask.to_numpy()]) for name, mask in segments(holdout).items()},
    }


def _star_errors(classifier: ReviewClassifier, split: Split, estimated: np.ndarray) -> dict:
    middling = split.middling_holdout
    told = pd.concat([split.holdout["stars"], middling["stars"]])
    estimated = np.concatenate([estimated, classifier.stars(classifier.scores(middling["text"].tolist()))])
    median = pd.concat([split.training["stars"], split.middling["stars"]]).median()
    return {
        "star_rows": len(told),
        "mean_star_error": float(np.abs(estimated - told).mean()),
        "mean_star_error_of_the_median": float(np.abs(median - told).mean()),
    }
