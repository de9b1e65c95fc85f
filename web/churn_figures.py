"""The charts of the churn model, from its card and from rows of the marts."""

from typing import Any

from web import figures

MODELS = {"forest": "random forest", "logistic": "logistic regression", "recency": "recency alone"}
MEASURES = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier_score": "Brier score",
    "calibration_error": "Calibration error",
    "calibration_error_unshifted": "Calibration error before the correction",
    "top_decile_lift": "Lift in the top tenth",
    "precision": "Chosen who left",
    "recall": "Leavers who were chosen",
    "accuracy": "Decided rightly",
}
MOST_FEATURES = 15
MOST_WHOLE_TICKS = 6


def part(card: Any, *names: str) -> Any:
    """What a card says under these names one in another; None where it says nothing."""
    for name in names:
        card = card.get(name) if isinstance(card, dict) else None
    return card


def value(measured: Any) -> float | None:
    """A measure that may or may not have an interval, as a number."""
    found = measured.get("value") if isinstance(measured, dict) else measured
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def limits(measured: Any) -> figures.Interval:
    """The interval of a measure; None for both where it has none."""
    return (measured.get("low"), measured.get("high")) if isinstance(measured, dict) else (None, None)


def models_of(cutoffs: list[dict]) -> list[str]:
    """The models of a backtest, the forest first."""
    found = {name for cutoff in cutoffs for name in part(cutoff, "models") or {}}
    return [name for name in MODELS if name in found] + sorted(found - MODELS.keys())


def auc_by_cutoff(cutoffs: list[dict]) -> dict:
    """ROC-AUC of each model at each cut-off, with intervals."""
    measured = {
        MODELS.get(name, name): [part(cutoff, "models", name, "roc_auc") for cutoff in cutoffs]
        for name in models_of(cutoffs)
    }
    return figures.lines(
        [cutoff.get("as_of_on") for cutoff in cutoffs],
        {name: [value(one) for one in found] for name, found in measured.items()},
        intervals={name: [limits(one) for one in found] for name, found in measured.items()},
        x_title="Cut-off",
        y_title="ROC-AUC",
        y_format=".3f",
    )


def correction_by_cutoff(cutoffs: list[dict]) -> dict:
    """Expected calibration error of the forest at each cut-off, before and after the correction."""
    names = {"after the correction": "calibration_error", "before it": "calibration_error_unshifted"}
    return figures.lines(
        [cutoff.get("as_of_on") for cutoff in cutoffs],
        {words: [value(part(cutoff, "models", "forest", name)) for cutoff in cutoffs] for words, name in names.items()},
        x_title="Cut-off",
        y_title="Expected calibration error",
        y_format=".1%",
    )


def calibration(curve: list[dict]) -> dict:
    """How many of those with about the same probability left, with intervals, beside what was promised."""
    promised = [value(one.get("predicted")) for one in curve]
    return figures.lines(
        promised,
        {"left": [value(one.get("observed")) for one in curve], "promised": promised},
        intervals={"left": [(one.get("low"), one.get("high")) for one in curve]},
        x_title="Promised probability",
        y_title="Share that left",
        x_format=".0%",
        y_format=".0%",
        x_type="linear",
    )


def importance(found: list[dict]) -> dict:
    """By how much each feature moves the forest's score on average, the strongest first."""
    shown = found[:MOST_FEATURES]
    return figures.bars(
        [str(one.get("feature")) for one in shown],
        {"moves the score by": [value(one.get("mean_abs_shap")) for one in shown]},
        label_title="Feature",
        value_title="Mean change of the forest's score",
        value_format=".1%",
        horizontal=True,
    )


def promised_by_day(days: list[dict]) -> dict:
    """The share of leavers that was promised on each day, and the share that left."""
    days = days[::-1]
    return _from_0_to_1(
        figures.lines(
            [day["as_of_on"] for day in days],
            {
                "left": [day["actual_leavers"] / day["customers"] for day in days],
                "promised": [day["promised_leavers"] / day["customers"] for day in days],
            },
            x_title="Scored day",
            y_title="Share of customers",
            y_format=".0%",
        )
    )


def promised_by_decile(deciles: list[dict]) -> dict:
    """The share of leavers promised in each tenth of the customers, and the share that left, with intervals."""
    return figures.lines(
        [str(one["decile"]) for one in deciles],
        {
            "left": [one["actual_share"] for one in deciles],
            "promised": [one["promised_share"] for one in deciles],
        },
        intervals={"left": [(one["actual_share_low"], one["actual_share_high"]) for one in deciles]},
        x_title="Tenth of the customers, likeliest first",
        y_title="Share of customers",
        y_format=".1%",
        x_type="category",
    )


def probability_by_day(days: list[dict]) -> dict:
    """What was said of one customer on each scored day."""
    return _from_0_to_1(
        figures.lines(
            [day["as_of_on"] for day in days],
            {"probability of leaving": [day["churn_probability"] for day in days]},
            x_title="Scored day",
            y_title="Probability of leaving",
            y_format=".0%",
        )
    )


def purchases_by_month(months: list[dict]) -> dict:
    """On how many days of each month one customer bought."""
    figure = figures.bars(
        [month["month"] for month in months],
        {"days with a purchase": [month["days"] for month in months]},
        label_title="Month",
        value_title="Days with a purchase",
        x_type="date",
    )
    if max(month["days"] for month in months) <= MOST_WHOLE_TICKS:
        figure["layout"]["yaxis"] |= {"dtick": 1}
    return figure


def _from_0_to_1(figure: dict) -> dict:
    """The figure over all that a share can be, so that small changes look small."""
    figure["layout"]["yaxis"] |= {"range": [-0.02, 1.02]}
    return figure
