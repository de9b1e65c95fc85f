"""Figures of a set of probabilities against the stars, and the one-line baseline they must beat."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ml.sentiment.features import segments
from ml.statistics import calibration_error, share

PRAISE = ("좋", "맛있", "최고", "추천", "친절", "만족", "재밌", "재미있", "감동", "완벽")
BLAME = ("별로", "실망", "최악", "불친절", "아쉽", "지루", "노잼", "쓰레기", "후회", "비싸")


def baseline(texts: pd.Series) -> np.ndarray:
    """Whether each normalised text has at least as many of ten words of praise as of ten words of blame."""
    return np.array([sum(word in text for word in PRAISE) >= sum(word in text for word in BLAME) for text in texts])


def evaluate(probabilities: np.ndarray, holdout: pd.DataFrame) -> dict:
    """The figures of a holdout as JSON: shares with Wilson intervals, calibration, the baseline, and each segment."""
    truth = holdout["is_positive"].to_numpy()
    right = (probabilities >= 0.5) == truth
    both_labels = 0 < truth.sum() < len(truth)
    return {
        "rows": len(holdout),
        "positive_share": float(truth.mean()),
        "accuracy": share(right),
        "positive_recall": share(right[truth]),
        "negative_recall": share(right[~truth]),
        "calibration_error": calibration_error(probabilities, truth),
        "brier_score": float(np.mean((probabilities - truth) ** 2)),
        "roc_auc": float(roc_auc_score(truth, probabilities)) if both_labels else None,
        "baseline_accuracy": share(baseline(holdout["key"]) == truth),
        "segments": {name: share(right[mask.to_numpy()]) for name, mask in segments(holdout).items()},
    }
