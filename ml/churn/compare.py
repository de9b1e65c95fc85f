"""Challenger, live version and baseline on the newest month end from which neither version has learned."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from maeari import clock
from ml import registry
from ml.churn.base_rate import expected_share, rates
from ml.churn.config import ChurnConfig
from ml.churn.features import matrix, read_months, telling
from ml.churn.models import LOGISTIC, fit
from ml.churn.predict import load, predict_day, threshold
from ml.judgement import ROC_AUC, Side, Unseen


def unseen_customers(version: int, live_version: int | None, as_of: date) -> Unseen:
    """Score the customers of the newest month end with known labels that is not older than either holdout.

    One month end only, so that no customer is counted twice; probabilities and decisions use what was known then.
    A live version that cannot be computed any more, since the features have changed, is left out and said to be.
    """
    challenger = registry.registered("churn", version)
    sides = {"challenger": challenger}
    remarks = []
    if live_version is not None:
        live = registry.registered("churn", live_version)
        if live.card["features"] == challenger.card["features"]:
            sides["live"] = live
        else:
            remarks.append(
                f"Version {live_version}, live now, learned from other features than there are: not compared."
            )
    config = ChurnConfig(**challenger.card["config"])
    months = read_months(as_of)
    rows, cutoff = _newest(months, max(_day(side.card["data"]["holdout_from"]) for side in sides.values()))
    return Unseen(
        measure=ROC_AUC,
        rows_are="customers with a known outcome",
        since=clock.end_of_day(cutoff),
        until=clock.end_of_day(cutoff + timedelta(days=config.horizon_days)),
        truth=rows["churned_in_60d"].to_numpy(dtype=bool),
        sides=_sides(rows, months, cutoff, {name: side.version for name, side in sides.items()}, config),
        segments=segments(rows),
        max_calibration_error=config.max_calibration_error,
        remarks=remarks,
    )


def segments(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Customers by how long and how often they have bought, and by whether they have written of late."""
    tenure, purchases, reviews = (rows[name].to_numpy() for name in _SEGMENTED)
    return {
        "customer for under 90 days": tenure < 90,
        "customer for 90 to 364 days": (tenure >= 90) & (tenure < 365),
        "customer for a year or more": tenure >= 365,
        "bought on 1 day in 180": purchases == 1,
        "bought on 2 to 4 days in 180": (purchases >= 2) & (purchases <= 4),
        "bought on 5 days or more in 180": purchases >= 5,
        "wrote a review in 180 days": reviews > 0,
    }


_SEGMENTED = ("tenure_days", "purchase_days_180d", "own_reviews_180d")


def _newest(months: pd.DataFrame, unseen_from: date) -> tuple[pd.DataFrame, date]:
    labelled = months[months["churned_in_60d"].notna() & (months["as_of_on"] >= unseen_from)]
    cutoff = unseen_from if labelled.empty else labelled["as_of_on"].max()
    return labelled[labelled["as_of_on"] == cutoff].reset_index(drop=True), cutoff


def _sides(
    rows: pd.DataFrame, months: pd.DataFrame, cutoff: date, versions: dict[str, int], config: ChurnConfig
) -> dict[str, Side]:
    if rows.empty:
        return {}
    features, share = matrix(rows), expected_share(rates(months), cutoff)
    found = {}
    for name, number in versions.items():
        probabilities = predict_day(load(number), features, share)
        found[name] = Side(probabilities, probabilities >= threshold(probabilities, config))
    found["logistic regression"] = _logistic(months, cutoff, features, share, config)
    recency = rows["recency_days"].to_numpy()
    # Recency gives no probability to compare with a cost: it may contact as many as the challenger does.
    return found | {"baseline": Side(recency, _top(recency, found["challenger"].decisions.sum()), is_probability=False)}


def _logistic(months: pd.DataFrame, cutoff: date, features: np.ndarray, share: float, config: ChurnConfig) -> Side:
    """What a plain model says that has learned everything that was known at the cut-off."""
    known = telling(months[(months["labels_mature_on"] <= cutoff) & months["churned_in_60d"].notna()])
    probabilities = predict_day(fit(known, config, LOGISTIC), features, share)
    return Side(probabilities, probabilities >= threshold(probabilities, config))


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(-scores, kind="stable")[:count]] = True
    return chosen


def _day(moment: str) -> date:
    return date.fromisoformat(moment[:10])
