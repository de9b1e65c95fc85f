"""Why the forest thinks that a customer leaves: SHAP for each, LIME beside it for a few, both in words."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from math import isnan

import numpy as np
import pandas as pd
from psycopg2 import sql
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from maeari import clock, postgres
from ml import registry
from ml.churn.config import ChurnConfig
from ml.churn.features import FEATURES, matrix
from ml.churn.predict import load
from ml.churn.words import reason
from ml.errors import UnknownCustomer

REASONS = 5
LIME_SAMPLE_ROWS = 2_000
LIME_DRAWS = 2_000
REASON_COLUMNS = (
    "customer_id", "as_of_on", "model_version", "method", "rank", "feature", "value", "contribution", "reason",
)  # fmt: skip

# The few are chosen first, so that a million others are never joined; the features of a day stand in either table.
_SCORED = """
    select chosen.customer_id, churn_probability, {features}
    from (
        select customer_id, churn_probability, is_predicted_leaver, expected_spend_60d
        from predictions.churn as scored
        where as_of_on = %(day)s and model_version = %(version)s {and_filter}
        order by {order}
        limit %(limit)s
    ) as chosen
    cross join lateral (
        select {features} from features.churn as months
        where months.as_of_on = %(day)s and months.customer_id = chosen.customer_id
        union all
        select {features} from features.churn_now as current
        where current.as_of_on = %(day)s and current.customer_id = chosen.customer_id
        limit 1
    ) as customers
    order by {order}
"""


@dataclass(frozen=True)
class Reason:
    """One reason: `contribution` in probability points of the forest, `value` None where the feature is undefined."""

    rank: int
    feature: str
    value: float | None
    contribution: float
    reason: str


@dataclass(frozen=True)
class Agreement:
    """How far two explanations of one customer agree."""

    top_in_common: float
    """Of the five strongest contributions of the one, the share that is among the other's five with the same sign."""
    rank_correlation: float
    """Spearman's correlation of the contributions of all features."""


@dataclass(frozen=True)
class Explanation:
    """Why a version thinks what it thinks of a customer."""

    customer_id: str
    as_of_on: date
    model_version: int
    churn_probability: float
    shap: list[Reason]
    lime: list[Reason]
    agreement: Agreement


def shap_values(pipeline: Pipeline, features: np.ndarray) -> tuple[float, np.ndarray]:
    """The forest's mean probability and what each feature adds to it, shape (rows, len(FEATURES)).

    Base and row sum to the forest's own probability of leaving, before calibration and the expected share of leavers
    (TreeSHAP: Lundberg et al. 2020).
    """
    import shap

    explainer = shap.TreeExplainer(_forest(pipeline), feature_perturbation="tree_path_dependent")
    values = explainer.shap_values(features, check_additivity=False)
    return float(explainer.expected_value[1]), values[..., 1]


def forest_probability(pipeline: Pipeline, features: np.ndarray) -> np.ndarray:
    """The forest's own probability of leaving, which its explanations add up to."""
    return _forest(pipeline).predict_proba(features)[:, 1]


def lime_values(pipeline: Pipeline, features: np.ndarray, sample: np.ndarray, seed: int) -> np.ndarray:
    """What a linear model around each customer says that each feature adds, shape (rows, len(FEATURES)).

    LIME (Ribeiro et al. 2016) on the forest's own probability, each feature in the quartiles of `sample`. Each row is
    drawn from the same seed, so that it does not depend on the others.
    """
    from lime.lime_tabular import LimeTabularExplainer

    # Its sums over draws round differently in single precision.
    sample = sample.astype(float)
    values = np.zeros((len(features), len(FEATURES)))
    for row, customer in zip(values, features.astype(float), strict=True):
        explainer = LimeTabularExplainer(sample, feature_names=FEATURES, feature_selection="none", random_state=seed)
        found = explainer.explain_instance(
            customer, _forest(pipeline).predict_proba, num_features=len(FEATURES), num_samples=LIME_DRAWS
        )
        for feature, weight in found.local_exp[1]:
            row[feature] = weight
    return values


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """How far two rows of contributions agree; a row without differences agrees with none."""
    from scipy.stats import rankdata

    rows = (first, second)
    tops = [{(i, np.sign(row[i])) for i in np.argsort(-np.abs(row), kind="stable")[:REASONS]} for row in rows]
    ranks = [rankdata(row) for row in rows]
    varied = all(np.ptp(ranked) > 0 for ranked in ranks)
    return Agreement(
        top_in_common=len(tops[0] & tops[1]) / REASONS,
        rank_correlation=float(np.corrcoef(*ranks)[0, 1]) if varied else 0.0,
    )


def global_picture(pipeline: Pipeline, features: np.ndarray) -> list[dict]:
    """What each feature adds over these customers, the strongest first: `feature, mean_abs_shap, direction`.

    `direction` is the sign of the rank correlation of value and contribution: 1 where a high value speaks for leaving,
    -1 where a low one does, 0 where neither.
    """
    from scipy.stats import rankdata

    _, values = shap_values(pipeline, features)
    picture = []
    for position, name in enumerate(FEATURES):
        value, contribution = rankdata(features[:, position]), rankdata(values[:, position])
        covariance = np.mean((value - value.mean()) * (contribution - contribution.mean()))
        picture.append(
            {
                "feature": name,
                "mean_abs_shap": float(np.abs(values[:, position]).mean()),
                "direction": int(np.sign(covariance)),
            }
        )
    return sorted(picture, key=lambda row: -row["mean_abs_shap"])


def reasons(values: Mapping[str, float], contributions: np.ndarray) -> list[Reason]:
    """The five largest contributions of a customer towards leaving, in words; fewer where fewer speak for it."""
    found: dict[str, Reason] = {}
    for position in np.argsort(-contributions, kind="stable"):
        contribution = float(contributions[position])
        if contribution <= 0 or len(found) == REASONS:
            break
        name = FEATURES[position]
        text = reason(name, values, contribution)
        # Two features that say the same, as both halves of the season do, are one reason.
        value = None if isnan(values[name]) else float(values[name])
        found.setdefault(text, Reason(len(found) + 1, name, value, contribution, text))
    return list(found.values())


def listed_reasons(version: int, day: date) -> list[tuple]:
    """Rows for `predictions.churn_reasons`, in the order of `REASON_COLUMNS`, of the first on a day's list."""
    config = _config(version)
    listed = _scored(version, day, limit=config.reasons_customers)
    if listed.empty:
        return []
    pipeline, features = load(version), matrix(listed)
    _, by_shap = shap_values(pipeline, features)
    by_lime = lime_values(pipeline, features[: config.lime_customers], _sample(version, day), config.seed)
    rows = listed[list(FEATURES)].to_dict("records")
    return [
        (customer, day, version, method, *astuple(found))
        for method, values in (("shap", by_shap), ("lime", by_lime))
        for customer, row, contributions in zip(listed["customer_id"], rows, values, strict=False)
        for found in reasons(row, contributions)
    ]


def explain(customer_id: str, as_of: date) -> Explanation:
    """Explain the newest score that a customer had by the end of `as_of`, by the version in charge of its day."""
    day, version = _newest_score(customer_id, as_of)
    customer = _scored(version, day, customer_id=customer_id)
    if customer.empty:
        raise UnknownCustomer(
            f"Customer “{customer_id}” was scored for {day}, but features.churn and features.churn_now have no row of "
            "that day any more. `maeari build` makes the features anew; `--as-of` names an earlier day."
        )
    pipeline, features = load(version), matrix(customer)
    _, by_shap = shap_values(pipeline, features)
    by_lime = lime_values(pipeline, features, _sample(version, day), _config(version).seed)
    (values,) = customer[list(FEATURES)].to_dict("records")
    return Explanation(
        customer_id=customer_id,
        as_of_on=day,
        model_version=version,
        churn_probability=float(customer["churn_probability"].iloc[0]),
        shap=reasons(values, by_shap[0]),
        lime=reasons(values, by_lime[0]),
        agreement=agreement(by_shap[0], by_lime[0]),
    )


def _config(version: int) -> ChurnConfig:
    return ChurnConfig(**registry.registered("churn", version).card["config"])


def _newest_score(customer_id: str, as_of: date) -> tuple[date, int]:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select as_of_on, array_agg(model_version) from predictions.churn"
            " where customer_id = %s and as_of_on <= %s and purpose <> 'shadow'"
            " group by as_of_on order by as_of_on desc limit 1",
            (customer_id, as_of),
        )
        found = cursor.fetchone()
    if found is None:
        raise UnknownCustomer(
            f"No customer “{customer_id}” was scored for a day up to {as_of}. The list of who was is "
            "predictions.churn; who bought nothing in the 180 days before is in none. `maeari score churn` scores."
        )
    day, versions = found
    stretches = registry.stretches("churn")
    in_charge = registry.version_for("churn", clock.end_of_day(day)) or (stretches[0].version if stretches else None)
    return day, in_charge if in_charge in versions else max(versions)


def _forest(pipeline: Pipeline) -> RandomForestClassifier:
    last = pipeline[-1]
    return last.calibrated_classifiers_[0].estimator if hasattr(last, "calibrated_classifiers_") else last


def _sample(version: int, day: date) -> np.ndarray:
    """Scored customers of the day, drawn by a hash, so that the same are drawn each time."""
    return matrix(_scored(version, day, order="md5(customer_id)", limit=LIME_SAMPLE_ROWS))


def _scored(
    version: int,
    day: date,
    customer_id: str | None = None,
    order: str = "is_predicted_leaver desc, churn_probability * expected_spend_60d desc nulls last, customer_id",
    limit: int | None = None,
) -> pd.DataFrame:
    query = sql.SQL(_SCORED).format(
        features=sql.SQL(", ").join(map(sql.Identifier, FEATURES)),
        and_filter=sql.SQL("" if customer_id is None else "and scored.customer_id = %(customer)s"),
        order=sql.SQL(order),
    )
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(query, {"day": day, "version": version, "customer": customer_id, "limit": limit})
        frame = pd.DataFrame(cursor.fetchall(), columns=["customer_id", "churn_probability", *FEATURES])
    return frame.astype(dict.fromkeys(FEATURES, float))
