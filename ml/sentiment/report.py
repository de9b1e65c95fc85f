"""The model card: what the model is for, what it learned from, how well it does, where it fails."""

from datetime import date
from importlib.metadata import version

from ml.sentiment.config import SentimentConfig
from ml.sentiment.features import Split
from ml.sentiment.text import NORMALISATION

LIBRARIES = ("scikit-learn", "numpy", "numba", "skops", "mlflow")


def card(split: Split, config: SentimentConfig, figures: dict, ageing: dict, as_of: date) -> dict:
    """The card as JSON; figures and ageing are those that `evaluate` and `measure_ageing` have measured."""
    written = split.training["written_at"]
    return {
        "model": "sentiment",
        "summary": (
            "Whether a Korean review is positive or negative, or “unsure”, and how many stars it would carry, from its "
            "title and body alone."
        ),
        "method": _method(config),
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
            "middling_rows": len(split.middling),
            "label": "Stars: at least 9 of 10 or 4 of 5 positive, at most 4 of 10 or 2 of 5 negative; 5 to below "
            "9 of 10 and 2.5 to below 4 of 5 middling. Other scales are not learned from.",
            "label_noise": split.label_noise | {"rule": SLIPS},
        },
        "figures": figures,
        "ageing": ageing,
        "baseline": "Ten words of praise against ten of blame; a tie counts as praise.",
        "intended_use": (
            "Counting and following the mood of many reviews by place, product and time, and finding reviews to read."
        ),
        "limits": [
            "Learned from reviews that carry stars; how well it does on reviews without stars is not known.",
            f"Answers “unsure” where it is wrong with a chance above {config.cost_of_unsure:.0%}, and where it can "
            "read too little Korean; accuracy counts its leaning there, never the answer as a hit.",
            "Its stars are an average of reviews with such a text: it seldom says 1 or 5, and follows the text where "
            "the stars do not.",
            "Its figures are of texts that it has not learned: held-out reviews with a learned one, mostly short and "
            "frequent, are left out of them.",
            "Stars and text disagree in some reviews, so no model reaches 100 %.",
            "Irony, new slang and new products lower its accuracy until it is trained again.",
            "Says nothing about a single author; it must not be used to judge persons.",
        ],
        "config": config.model_dump(),
        "normalisation": NORMALISATION,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


SLIPS = (
    "Of one text with both labels, those of the rarer are left out of training where at most one in ten bears it; "
    "where labels are mixed, all stay. The share is that of the rarer label among the reviews whose text others wrote "
    "too: no model gets these right."
)


def _method(config: SentimentConfig) -> str:
    days = config.half_life_days
    age = "" if days is None else f", a review counting half when it is {days:g} days older"
    meant = "" if config.positive_share is None else f", shifted to {config.positive_share:.0%} of positive reviews"
    return (
        f"Logistic regression on n-grams of {config.ngram_min} to {config.ngram_max} characters, of 2 to 4 syllables "
        "without final consonants and of 4 to 10 letters (jamo), hashed into "
        f"2^{config.feature_bits} columns and scaled by how differently they occur in positive and negative reviews; "
        f"both kinds weigh the same{age}. Middling reviews count {config.middling_weight:g}, as good above 3.5 stars "
        "and as bad below. A score is the sum of what its characters contribute. Probability and stars are rising "
        "functions of the score, learned by isotonic regression on scores of reviews that the scoring model had not "
        f"seen, the probability on labelled reviews alone{meant}. It runs as compiled code on one core."
    )
