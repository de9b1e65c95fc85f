"""The model card: what the model is for, what it learned from, how well it does, where it fails."""

from datetime import date
from importlib.metadata import version

from sklearn.pipeline import Pipeline

from maeari import clock
from ml.churn.backtest import Tested
from ml.churn.config import ChurnConfig
from ml.churn.evaluate import evaluate, feature_tests, holdout_figures
from ml.churn.explain import global_picture
from ml.churn.features import FEATURES, matrix

LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops", "mlflow", "shap")
EXPLAINED_ROWS = 500


def card(tests: list[Tested], config: ChurnConfig, as_of: date) -> dict:
    """The card as JSON; its figures are those that `evaluate` measured, the newest month end being the holdout."""
    newest = tests[-1]
    backtest = evaluate(tests, config)
    cutoffs = [cutoff.isoformat() for cutoff in newest.training["as_of_on"].unique()]
    return {
        "model": "churn",
        "summary": (
            f"Probability that a customer with a purchase in the last {config.active_days} days makes none in the "
            f"next {config.horizon_days}."
        ),
        "method": (
            "Random forest in which leavers and stayers of a month end weigh the same, calibrated by one temperature "
            "on scores of months that the scoring forest had not seen; then shifted to the share of leavers that the "
            "rates known on the day let expect."
        ),
        "baseline": "Days since the last purchase alone; and logistic regression on the logarithms of all features.",
        "intended_use": "Choosing whom to contact first out of a limited budget, and seeing why a customer may leave.",
        "limits": _limits(config),
        "data": {
            "as_of": as_of.isoformat(),
            "known_until": clock.end_of_day(as_of).isoformat(),
            "training_rows": len(newest.training),
            "training_positive_share": float(newest.training["churned_in_60d"].mean()),
            "training_from": cutoffs[0],
            "training_until": cutoffs[-1],
            "holdout_rows": len(newest.rows),
            "holdout_from": newest.as_of_on.isoformat(),
            "holdout_until": newest.as_of_on.isoformat(),
            "label": (
                f"No purchase in the {config.horizon_days} days after the month end, among customers with a purchase "
                f"in the {config.active_days} days up to it; known once the events are complete for that long."
            ),
            "cutoffs": cutoffs,
        },
        "figures": holdout_figures(newest, backtest),
        "backtest": backtest,
        "feature_tests": feature_tests(newest.training),
        "importance": _importance(newest.forest, newest, config),
        "features": list(FEATURES),
        "config": config.model_dump(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def metrics(card: dict) -> dict:
    """The flat figures of a version that tables and charts show, from its card."""
    figures, data = card["figures"], card["data"]
    return {
        **{
            name: figures[name]["value"]
            for name in ("roc_auc", "pr_auc", "brier_score", "calibration_error", "top_decile_lift", "accuracy")
        },
        "roc_auc_low": figures["roc_auc"]["low"],
        "roc_auc_high": figures["roc_auc"]["high"],
        "positive_share": figures["positive_share"],
        **{name: data[name] for name in ("training_rows", "holdout_rows", "holdout_from", "holdout_until")},
    }


def _limits(config: ChurnConfig) -> list[str]:
    return [
        f"Says who will buy nothing for {config.horizon_days} days, not who is lost for good; rare buyers often are "
        "counted as leaving.",
        "The order of customers is steadier than the level: where the share of leavers jumps, as in a season met for "
        "the first time, probabilities are wrong until a rate of that season is known.",
        "Knows purchases, returns, visits and own reviews; prices, stock and rivals it does not see.",
        "That a feature speaks for leaving does not mean that changing it keeps the customer.",
        "A customer without a purchase in the active window gets no probability.",
    ]


def _importance(forest: Pipeline, newest: Tested, config: ChurnConfig) -> list[dict]:
    drawn = newest.rows.sample(min(EXPLAINED_ROWS, len(newest.rows)), random_state=config.seed)
    return global_picture(forest, matrix(drawn))
