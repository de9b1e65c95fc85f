"""The pages of topics: what the texts of a period were about, and one topic with its words and its texts."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse
from psycopg2.extensions import cursor as Cursor

from web import charts, periods, queries, topic_figures, topic_queries
from web.pages import EveryPeriod, PageNumber
from web.render import render
from web.topic_queries import LINE_PERIODS, Texts, View

WORDS_SHOWN = 25
WORDS_LISTED = 8
TRENDS = {"rising": ("▲", "rising"), "falling": ("▼", "falling"), "steady": ("", "steady")}
Name = Annotated[str, Query(max_length=500)]

router = APIRouter()


def looked_at(
    of: Texts = "articles",
    every: EveryPeriod = "week",
    source: Name = "",
    section: Name = "",
    subject: Name = "",
    copies: bool = False,
) -> View:
    """What the address asks to look at."""
    chosen = (one.replace("\0", "") or None for one in (source, section, subject))
    return View(of, every, *chosen, copies)


LookedAt = Annotated[View, Depends(looked_at)]
Relevance = Annotated[float, Query(ge=0, le=1)]


@router.get("/topics")
def topics_page(request: Request, view: LookedAt, period: date | None = None) -> HTMLResponse:
    """The topics of one period, largest first, how they have changed, and how far apart they lie."""
    with queries.reading() as cursor:
        filters, view = choices(cursor, view)
        is_published = queries.exist(cursor, *topic_queries.TOPIC_MARTS)
        topics = topic_queries.topics(cursor, view.collection) if is_published else []
        found = topic_queries.share_periods(cursor, view) if topics else []
        shown = periods.shown(found, view.every, period)
        shares, starts = _shares(cursor, view, found, shown) if shown else ([], [])
    now = {one["topic_id"]: one for one in shares if one["period_start_on"] == starts[-1]}
    share_of = {number: one["share"] for number, one in now.items()}
    return render(
        request,
        "topics.html",
        has_charts=bool(topics),
        view=view,
        filters=filters,
        topics=[
            one | {"now": now.get(one["topic_id"]), "line": _line(one, shares, starts)}
            for one in sorted(topics, key=lambda one: (-share_of.get(one["topic_id"], 0), one["topic_id"]))
        ],
        periods=found,
        shown=shown,
        over_time=topic_figures.shares_over_time(topics, shares, starts, view.every) if shares else None,
        map=topic_figures.topic_map(topics, share_of) if topics else None,
        rising=[one for one in now.values() if one["trend"] == "rising"],
        falling=[one for one in now.values() if one["trend"] == "falling"],
        names=[periods.name(view.every, one["period_start_on"]) for one in found],
        name=periods.name(view.every, shown["period_start_on"]) if shown else None,
        words_listed=WORDS_LISTED,
        TRENDS=TRENDS,
    )


@router.get("/topics/{topic_id}")
def topic_page(
    request: Request,
    view: LookedAt,
    topic_id: Annotated[int, Path(ge=1, le=2**31 - 1)],
    period: date | None = None,
    relevance: Relevance = 0.6,
    page: PageNumber = 1,
) -> HTMLResponse:
    """One topic: its words at a relevance, its share over time, and the texts of a period whose main topic it is."""
    with queries.reading() as cursor:
        filters, view = choices(cursor, view)
        is_published = queries.exist(cursor, *topic_queries.TOPIC_MARTS)
        topics = topic_queries.topics(cursor, view.collection) if is_published else []
        topic = next((one for one in topics if one["topic_id"] == topic_id), None)
        if topic is None:
            raise HTTPException(404)
        terms = topic_queries.topic_terms(cursor, view.collection, topic_id, relevance, WORDS_SHOWN)
        found = topic_queries.share_periods(cursor, view)
        shown = periods.shown(found, view.every, period)
        shares, starts = _shares(cursor, view, found, shown) if shown else ([], [])
        texts = topic_queries.texts(
            cursor,
            view.collection,
            source=view.source,
            part=view.section or view.subject_id,
            terms=[],
            topic_id=topic_id,
            between=periods.bounds(view.every, shown["period_start_on"]) if shown else None,
            copies=view.counts_copies,
            page=page,
        )
    now = [one for one in shares if one["topic_id"] == topic_id and one["period_start_on"] == starts[-1]]
    return render(
        request,
        "topic.html",
        has_charts=True,
        view=view,
        filters=filters,
        topic=topic,
        words=topic_figures.words(terms),
        relevance=relevance,
        over_time=topic_figures.share_over_time(topic, shares, starts, view.every) if shares else None,
        periods=found,
        shown=shown,
        now=now[0] if now else None,
        names=[periods.name(view.every, one["period_start_on"]) for one in found],
        name=periods.name(view.every, shown["period_start_on"]) if shown else None,
        texts=texts[: queries.ROWS_PER_PAGE],
        has_more=len(texts) > queries.ROWS_PER_PAGE,
        page=page,
        TRENDS=TRENDS,
    )


def choices(cursor: Cursor, view: View) -> tuple[dict, View]:
    """What can be chosen, and the view without what is no choice: the only source or section is all."""
    if not queries.has_marts(cursor):
        return {"collections": [view.collection], "sources": [], "sections": [], "subjects": []}, view
    found = {
        "collections": topic_queries.collections(cursor) or [view.collection],
        "sources": topic_queries.parts(cursor, view.collection, "source"),
        "sections": topic_queries.parts(cursor, view.collection, "section"),
        "subjects": topic_queries.parts(cursor, view.collection, "subject_id"),
    }
    if len(found["sources"]) == 1 and view.source == found["sources"][0]["name"] and not view.subject_id:
        view = view._replace(source=None)
    if len(found["sections"]) == 1 and view.section == found["sections"][0]["name"]:
        view = view._replace(section=None)
    if view.subject_id and not view.source:
        # A subject is one of a source.
        sources = next((one["sources"] for one in found["subjects"] if one["name"] == view.subject_id), [None])
        view = view._replace(source=sources[0])
    return found, view


def _shares(cursor: Cursor, view: View, found: list[dict], shown: dict) -> tuple[list[dict], list[date]]:
    """The shares of the periods up to the shown one, and the starts of these."""
    until = shown["period_start_on"]
    starts = [one["period_start_on"] for one in found if one["period_start_on"] <= until][-LINE_PERIODS:]
    return (topic_queries.shares(cursor, view, starts[0], until), starts) if starts else ([], [])


def _line(topic: dict, shares: list[dict], starts: list[date]):
    found = {one["period_start_on"]: one["share"] for one in shares if one["topic_id"] == topic["topic_id"]}
    return charts.sparkline(found.get(start) for start in starts)
