"""The pages of the sentiment model: one review explained word by word, and what is said of each subject."""

import math
import shlex
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from psycopg2.extensions import cursor as Cursor

from maeari import clock
from web import charts, colouring, queries, sentiment_figures, sentiment_queries
from web.pages import PageNumber
from web.render import render

WORDS_LISTED = 30
EXCERPT = 400
WORDS_EACH_WAY = 10
ORDERS = {
    "reviews": "most reviewed lately",
    "worst": "least positive",
    "best": "most positive",
    "falling": "falling most",
    "rising": "rising most",
    "name": "name",
}

router = APIRouter()
Identifier = Annotated[str, Query(alias="id", max_length=2_000)]


@router.get("/reviews/{review_id:path}")
def review_page(
    request: Request,
    review_id: str,
    review: Identifier = "",
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """One review: its text in colours, each word with what it adds to the score, and what each version said.

    An id that no path can hold, such as “..”, comes as `?id=`.
    """
    review_id = (review_id or review).replace("\0", "")
    with queries.reading() as cursor:
        known = queries.exist(cursor, "marts.fct_reviews") and sentiment_queries.review(cursor, review_id)
        if not known:
            raise HTTPException(404)
        scores = sentiment_queries.scores(cursor, review_id, known["content_hash"])
        score = _chosen(cursor, known, scores, version)
        key = (review_id, known["content_hash"], score["model_version"]) if score else None
        explanation = key and sentiment_queries.explanation(cursor, *key)
        # Picks of earlier months that no run has come to stay without SHAP and LIME.
        is_waiting = key and sentiment_queries.is_picked(cursor, *key, since=_month_before(clock.today()))
        is_too_old = not scores and sentiment_queries.is_before_all_scored(
            cursor, known["written_at"] or known["fetched_at"]
        )
    characters = explanation and explanation["characters"]
    text = colouring.colour(known["title"], known["body"], characters)
    words = []
    if text.is_explained:
        words = colouring.words(known["title"], known["body"], characters, explanation["shap"], explanation["lime"])
    return render(
        request,
        "review.html",
        review=known,
        scores=scores,
        score=score,
        explanation=explanation,
        unexplained=None if text.is_explained else _why_unexplained(known, score, explanation, is_too_old),
        waits_for_methods=is_waiting,
        text=text,
        words=_strongest(words),
        all_words=len(words),
        largest=max((abs(one.contribution) for one in words), default=0),
        aspects=_aspects(known, explanation) if text.is_explained else [],
    )


@router.get("/subjects")
def subjects_page(
    request: Request,
    search: Annotated[str, Query(max_length=200)] = "",
    order: Literal["reviews", "worst", "best", "falling", "rising", "name"] = "reviews",
    page: PageNumber = 1,
) -> HTMLResponse:
    """What is reviewed, with the newest weeks against the weeks before."""
    search = search.replace("\0", "")
    with queries.reading() as cursor:
        is_published = queries.exist(cursor, "marts.weekly_sentiment")
        newest = sentiment_queries.newest_week(cursor) if is_published else None
        found = sentiment_queries.subjects(cursor, search.strip(), order, newest, page) if newest else []
    return render(
        request,
        "subjects.html",
        newest=newest,
        subjects=[_compared(one) for one in found[: queries.ROWS_PER_PAGE]],
        has_more=len(found) > queries.ROWS_PER_PAGE,
        page=page,
        search=search,
        order=order,
        orders=ORDERS,
        weeks=sentiment_queries.RECENT_WEEKS,
    )


@router.get("/subjects/{source}/{subject_id:path}")
def subject_page(
    request: Request, source: str, subject_id: str, subject: Identifier = "", month: date | None = None
) -> HTMLResponse:
    """One subject: its sentiment over time, and one month against the month before, with the reviews that stand for it.

    An id that no path can hold, such as “..”, comes as `?id=`.
    """
    source, subject_id = source.replace("\0", ""), (subject_id or subject).replace("\0", "")
    with queries.reading() as cursor:
        known = queries.exist(cursor, "marts.dim_subjects") and sentiment_queries.subject(cursor, source, subject_id)
        if not known:
            raise HTTPException(404)
        is_published = queries.exist(cursor, "marts.weekly_sentiment", *sentiment_queries.SUBJECT_MARTS)
        weeks = sentiment_queries.weeks(cursor, source, subject_id) if is_published else []
        months = sentiment_queries.months(cursor, source, subject_id) if is_published else []
        if month and month not in {one["month_start_on"] for one in months}:
            raise HTTPException(404)
        shown = next((one for one in months if month in (None, one["month_start_on"])), None)
        key = (source, subject_id, shown["month_start_on"]) if shown else None
        aspects = sentiment_queries.aspects(cursor, *key) if key else []
        words = sentiment_queries.words(cursor, *key) if key else []
        picked = sentiment_queries.picked_reviews(cursor, *key) if key else []
        newest = None if weeks else sentiment_queries.newest_review(cursor, source, subject_id)
        is_too_old = newest and sentiment_queries.is_before_all_scored(cursor, newest["event_at"])
    return render(
        request,
        "subject.html",
        has_charts=bool(weeks),
        subject=known,
        weeks=sentiment_figures.shares_by_week(weeks) if weeks else None,
        weeks_shown=len(weeks),
        explained_by_hand=_explained_by_hand(newest["review_id"]) if is_too_old else None,
        is_cut=len(weeks) == sentiment_queries.WEEKS_SHOWN,
        months=months,
        shown=shown,
        before=next(
            (one for one in months if shown and one["month_start_on"] == _month_before(shown["month_start_on"])), None
        ),
        aspects=aspects,
        **_by_direction(words),
        picked={
            kind: [
                one | {"text": colouring.colour(one["title"], one["body"], one["characters"], EXCERPT)}
                for one in picked
                if one["kind"] == kind
            ]
            for kind in ("typical_positive", "typical_negative", "disagreeing")
        },
    )


def _chosen(cursor: Cursor, review: dict, scores: list[dict], number: int | None) -> dict | None:
    """The score that was asked for, else that of the version in charge, else of the live one, else the newest."""
    if number:
        asked = next((one for one in scores if one["model_version"] == number), None)
        if asked is None:
            raise HTTPException(404)
        return asked
    in_charge = (
        sentiment_queries.version_in_charge(cursor, review["review_id"], review["content_hash"])
        if queries.exist(cursor, "marts.review_sentiment")
        else None
    )
    return next(
        (one for one in scores if one["model_version"] == in_charge),
        next((one for one in scores if one["is_live"]), scores[0] if scores else None),
    )


def _why_unexplained(review: dict, score: dict | None, explanation: dict | None, is_too_old: bool) -> dict:
    """Why the text of a review has no colours, and what to do about it."""
    by_hand = _explained_by_hand(review["review_id"])
    if is_too_old:
        return {"why": "Written before the time that the first release scored.", "how": by_hand}
    if score is None:
        return {"why": "It has not been scored yet, so there is nothing to explain.", "how": "maeari score sentiment"}
    if explanation:
        # Explained was the text as it stood when it was scored.
        why = "The text has been changed or redacted since it was explained, so its words cannot be coloured."
        return {"why": why, "how": None}
    if _month(score["event_at"]) < _month_before(clock.today()):
        return {
            "why": "Only reviews of this month and the month before are explained; this one is older.",
            "how": by_hand,
        }
    why = "It has been scored and waits to be explained, which score_reviews does after scoring."
    return {"why": why, "how": "maeari explain sentiment"}


def _explained_by_hand(review_id: str) -> str:
    return f"maeari explain sentiment --review {shlex.quote(review_id)}"


def _month(moment: datetime) -> date:
    return moment.astimezone(clock.zone()).date().replace(day=1)


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def _strongest(words: list[colouring.Word]) -> list[colouring.Word]:
    """The words that matter most, in the order in which they are read."""
    kept = sorted(range(len(words)), key=lambda place: -abs(words[place].contribution))[:WORDS_LISTED]
    return [words[place] for place in sorted(kept)]


def _aspects(review: dict, explanation: dict) -> list[dict]:
    """What the review speaks of, with the passages that say so."""
    text = colouring.joined(review["title"], review["body"])
    return [
        {
            "name": name,
            "score": aspect["score"],
            "passages": [text[start:end].strip() for start, end in aspect.get("spans", [])],
        }
        for name, aspect in explanation["aspects"].items()
    ]


def _compared(subject: dict) -> dict:
    """A subject with its share of positive reviews in the newest weeks, in those before, and how far they differ."""
    # It brings scipy, which the log-in page need not wait for.
    from maeari.statistics import wilson_interval

    now, before = (
        wilson_interval(subject[f"positive{when}"], subject[f"positive{when}"] + subject[f"negative{when}"])
        for when in ("", "_before")
    )
    line = charts.sparkline(subject["shares"] or [])
    if math.isnan(now.value) or math.isnan(before.value):
        return subject | {"now": now, "before": before, "difference": None, "sparkline": line}
    # Newcombe's interval of a difference of two shares, from Wilson's limits of each (Newcombe 1998, method 10).
    difference = {
        "value": now.value - before.value,
        "low": now.value - before.value - math.hypot(now.value - now.low, before.high - before.value),
        "high": now.value - before.value + math.hypot(now.high - now.value, before.value - before.low),
    }
    return subject | {"now": now, "before": before, "difference": difference, "sparkline": line}


def _by_direction(words: list[dict]) -> dict:
    """The words that moved a month up and those that moved it down; where nothing came before, by what they add."""
    moved = [one | {"moved": one["contribution"] if one["difference"] is None else one["difference"]} for one in words]
    up = [one for one in moved if one["moved"] > 0][:WORDS_EACH_WAY]
    down = [one for one in moved if one["moved"] < 0][:WORDS_EACH_WAY]
    return {"up": up, "down": down, "largest": max((abs(one["moved"]) for one in [*up, *down]), default=0)}
