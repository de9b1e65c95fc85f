"""The model card: what the model is for, what it learned from, how well it does, where it fails."""

from datetime import date
from importlib.metadata import version

from ml.sentiment.config import SentimentConfig
from ml.sentiment.features import Split
from ml.sentiment.text import NORMALISATION

LIBRARIES = ("scikit-learn", "numpy", "numba", "skops", "mlflow")


def card(split: Split, config: SentimentConfig, figures: dict, as_of: date) -> dict:
    """The card as JSON; its figures are those that `evaluate` measured on the holdout."""
    written = split.training["written_at"]
    return {
        "model": "sentiment",
        "summary": "Probability that a Korean review is positive, from its title and body alone.",
        "method": (
            "Logistic regression on hashed character n-grams, newer reviews weighing more, "
            "classes balanced, probabilities calibrated by isotonic regression on reviews held apart."
        ),
        "data": {
            "as_of": as_of.isoformat(),
            "known_until": split.known_until.isoformat(),
            "training_rows": len(split.training),
            "training_positive_share": float(split.training["is_positive"].mean()),
            "training_from": written.min().isoformat(),
            "training_until": written.max().isoformat(),
            "holdout_rows": len(split.holdout),
            "holdout_from": split.holdout_from.isoformat(),
            "holdout_until": split.known_until.isoformat(),
            "label": "Stars: at least 9 of 10 or 4 of 5 positive, at most 4 of 10 or 2 of 5 negative, the rest unused.",
        },
        "figures": figures,
        "baseline": "Ten words of praise against ten of blame; a tie counts as praise.",
        "intended_use": (
            "Counting and following the mood of many reviews by place, product and time, and finding reviews to read."
        ),
        "limits": [
            "Learned from reviews that carry stars; how well it does on reviews without stars is not known.",
            "Stars and text disagree in some reviews, so no model reaches 100 %.",
            "Irony, new slang and new products lower its accuracy until it is trained again.",
            "Says nothing about a single author; it must not be used to judge persons.",
        ],
        "config": config.model_dump(),
        "normalisation": NORMALISATION,
        "libraries": {name: version(name) for name in LIBRARIES},
    }
