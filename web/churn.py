"""The pages of the churn model: who is likely to leave, why, how well that is known, and what came of it."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from psycopg2.extensions import cursor as Cursor

from web import churn_figures, churn_queries, queries
from web.churn_figures import part, value
from web.pages import PageNumber
from web.render import render

# Columns of features.churn that are no features.
NO_FEATURE = {"customer_id", "as_of_on", "churned_in_60d", "labels_mature_on", "built_at"}

router = APIRouter(prefix="/churn")
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@router.get("")
def retention_page(request: Request, page: PageNumber = 1) -> HTMLResponse:
    """Who is expected to leave as of the newest day, with reasons, and which version says so."""
    with queries.reading() as cursor:
        scored = churn_queries.scored_day(cursor)
        listed = churn_queries.listed_day(cursor) if queries.exist(cursor, "marts.retention_list") else None
        missing = _missing(cursor) if not scored and not listed else None
        card = churn_queries.card(cursor, listed["model_version"]) if listed else {}
        found = churn_queries.retention_list(cursor, listed["as_of_on"], page) if listed else []
    return render(
        request,
        "churn.html",
        missing=missing,
        scored=scored,
        listed=listed,
        config=part(card, "config") or {},
        customers=found[: queries.ROWS_PER_PAGE],
        has_more=len(found) > queries.ROWS_PER_PAGE,
        page=page,
    )


@router.get("/backtest")
def backtest_page(request: Request, version: Version = None) -> HTMLResponse:
    """How well the model would have done at each past cut-off, next to two plain rivals."""
    chosen = _chosen(version)
    cutoffs = part(chosen["card"], "backtest", "cutoffs") or []
    return render(
        request,
        "churn_backtest.html",
        has_charts=bool(cutoffs),
        **chosen,
        cutoffs=cutoffs,
        names=churn_figures.models_of(cutoffs),
        measures=churn_figures.MEASURES,
        pooled=part(chosen["card"], "backtest", "pooled") or {},
        comparisons=part(chosen["card"], "backtest", "comparisons") or [],
        feature_tests=part(chosen["card"], "feature_tests") or [],
        figure=churn_figures.auc_by_cutoff(cutoffs) if cutoffs else None,
    )


@router.get("/calibration")
def calibration_page(request: Request, version: Version = None) -> HTMLResponse:
    """Whether of those with a probability of 70 % about 70 in 100 left, and who is reached within the budget."""
    chosen = _chosen(version)
    card = chosen["card"]
    curve = part(card, "backtest", "calibration_curve", "forest") or []
    cutoffs = part(card, "backtest", "cutoffs") or []
    confusion = part(card, "backtest", "pooled", "forest", "confusion") or part(card, "figures", "confusion") or {}
    return render(
        request,
        "churn_calibration.html",
        has_charts=bool(curve or cutoffs),
        **chosen,
        curve=churn_figures.calibration(curve) if curve else None,
        correction=churn_figures.correction_by_cutoff(cutoffs) if cutoffs else None,
        forest=part(card, "backtest", "pooled", "forest") or {},
        confusion={name: value(count) or 0 for name, count in confusion.items()},
    )


@router.get("/reasons")
def reasons_page(request: Request, version: Version = None) -> HTMLResponse:
    """Which features move the probability, which way, and what they mean."""
    chosen = _chosen(version)
    found = part(chosen["card"], "importance") or []
    with queries.reading() as cursor:
        descriptions = churn_queries.descriptions(cursor)
    return render(
        request,
        "churn_reasons.html",
        has_charts=bool(found),
        **chosen,
        importance=found,
        most=churn_figures.MOST_FEATURES,
        figure=churn_figures.importance(found) if found else None,
        descriptions=descriptions,
        feature_tests=part(chosen["card"], "feature_tests") or [],
    )


@router.get("/customers/{customer_id:path}")
def customer_page(request: Request, customer_id: str, customer: Annotated[str, Query(alias="id")] = "") -> HTMLResponse:
    """One customer: what was said of them, why, by two methods, and what they did.

    An id that no path can hold, such as “..”, comes as `?id=`.
    """
    customer_id = (customer_id or customer).replace("\0", "")
    with queries.reading() as cursor:
        known = queries.exist(cursor, "marts.dim_customers") and churn_queries.customer(cursor, customer_id)
        if not known:
            raise HTTPException(404)
        probabilities = churn_queries.probabilities(cursor, customer_id)
        reasons = churn_queries.reasons(cursor, customer_id)
        features = churn_queries.features(cursor, customer_id)
        purchases = churn_queries.purchases(cursor, customer_id)
        descriptions = churn_queries.descriptions(cursor)
    shap, lime = ([one for one in reasons if one["method"] == method] for method in ("shap", "lime"))
    return render(
        request,
        "churn_customer.html",
        has_charts=bool(probabilities or purchases),
        customer=known,
        probabilities=probabilities[::-1],
        shap=shap,
        lime=lime,
        agreed=_agreed(shap, lime),
        features={name: found for name, found in (features or {}).items() if name not in NO_FEATURE},
        features_on=features["as_of_on"] if features else None,
        descriptions=descriptions,
        said=churn_figures.probability_by_day(probabilities) if probabilities else None,
        bought=churn_figures.purchases_by_month(purchases) if purchases else None,
    )


@router.get("/outcomes")
def outcomes_page(request: Request, day: date | None = None) -> HTMLResponse:
    """What was promised and what happened, by scored day and by tenth of the customers."""
    with queries.reading() as cursor:
        has_outcomes = queries.exist(cursor, "marts.churn_outcomes")
        days = churn_queries.outcomes(cursor) if has_outcomes else []
        missing = _missing(cursor) if not days and not churn_queries.scored_day(cursor) else None
        if day and day not in {one["as_of_on"] for one in days}:
            raise HTTPException(404)
        shown = next((one for one in days if day in (None, one["as_of_on"])), None)
        deciles = churn_queries.deciles(cursor, shown["as_of_on"], shown["model_version"]) if shown else []
    return render(
        request,
        "churn_outcomes.html",
        has_charts=bool(days),
        missing=missing,
        days=days,
        shown=shown,
        deciles=deciles,
        by_day=churn_figures.promised_by_day(days) if len(days) > 1 else None,
        by_decile=churn_figures.promised_by_decile(deciles) if deciles else None,
    )


def _missing(cursor: Cursor) -> dict:
    """The first step that has not been done yet and how it is done, where no customer has been scored."""
    if not queries.imports(cursor):
        return {
            "what": "No events have been imported yet, so there are no customers.",
            "how": "maeari import events FILE",
        }
    if not queries.exist(cursor, "features.churn"):
        return {"what": "The warehouse has not been built since the first events came in.", "how": "maeari build"}
    versions = churn_queries.versions(cursor)
    if not versions:
        return {"what": "The churn model has not been trained yet.", "how": "maeari train churn"}
    if not any(version["is_live"] for version in versions):
        return {
            "what": f"Version {versions[0]['version']} is trained, but none is live: a person must approve one first.",
            "how": "maeari approve --model churn",
        }
    return {"what": "The live version has not scored a customer yet.", "how": "maeari score churn"}


def _chosen(number: int | None) -> dict:
    """The version that was asked for, else the live one, else the newest; 404 for one that does not exist."""
    with queries.reading() as cursor:
        versions = churn_queries.versions(cursor)
        live = next((one["version"] for one in versions if one["is_live"]), None)
        chosen = number or live or (versions[0]["version"] if versions else None)
        if number and number not in {one["version"] for one in versions}:
            raise HTTPException(404)
        card = churn_queries.card(cursor, chosen) if chosen else {}
        missing = _missing(cursor) if not chosen else None
    return {
        "versions": versions,
        "version": chosen,
        "card": card,
        "missing": missing,
        "titles": churn_figures.MODELS,
    }


def _agreed(shap: list[dict], lime: list[dict]) -> list[str]:
    """The features that both methods name; only what speaks for leaving is stored, so they point the same way."""
    named = {one["feature"] for one in lime}
    return [one["feature"] for one in shap if one["feature"] in named]
