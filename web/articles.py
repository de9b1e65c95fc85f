"""The pages of articles: those behind a topic, a word or a pair of a period, and one with what it is about."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from maeari import clock
from web import colouring, periods, queries, topic_queries
from web.pages import EveryPeriod, PageNumber, Terms, chosen_terms, terms_in_address
from web.render import render
from web.sentiment import Identifier
from web.topics import Name

LONGEST_TEXT = colouring.LONGEST_TEXT
router = APIRouter()


@router.get("/news")
def news_page(
    request: Request,
    source: Name = "",
    section: Name = "",
    term: Terms = None,
    topic: Annotated[int, Query(ge=1, le=2**31 - 1)] | Literal[""] | None = None,
    every: EveryPeriod = "week",
    period: date | Literal[""] | None = None,
    copies: bool = True,
    page: PageNumber = 1,
) -> HTMLResponse:
    """The newest articles, or those that hold all of some words, have a topic, lie in a period."""
    source, section = source.replace("\0", ""), section.replace("\0", "")
    terms = chosen_terms(term)
    with queries.reading() as cursor:
        built = queries.has_marts(cursor)
        has_topics = topic and queries.exist(cursor, *topic_queries.TOPIC_MARTS)
        topics = topic_queries.topics(cursor, "articles") if has_topics else []
        start = period and periods.Every(every).start(period)
        found = (
            topic_queries.texts(
                cursor,
                "articles",
                source=source or None,
                part=section or None,
                terms=terms,
                topic_id=topic if has_topics else None,
                between=periods.bounds(every, start) if start else None,
                copies=copies,
                page=page,
            )
            if built
            else []
        )
        sources = topic_queries.parts(cursor, "articles", "source") if built else []
        sections = topic_queries.parts(cursor, "articles", "section") if built else []
    return render(
        request,
        "news.html",
        articles=found[: queries.ROWS_PER_PAGE],
        has_more=len(found) > queries.ROWS_PER_PAGE,
        page=page,
        built=built,
        source=source,
        section=section,
        sources=sources,
        sections=sections,
        terms=terms,
        topic=next((one for one in topics if one["topic_id"] == topic), None),
        every=every,
        period=start,
        copies=copies,
        name=periods.name(every, start) if start else None,
        terms_in_address=terms_in_address(terms),
    )


@router.get("/news/{article_id:path}")
def article_page(request: Request, article_id: str, article: Identifier = "") -> HTMLResponse:
    """One article: its text, its topics and keywords, and the copies of it.

    An id that no path can hold, such as “..”, comes as `?id=`.
    """
    article_id = (article_id or article).replace("\0", "")
    with queries.reading() as cursor:
        known = queries.has_marts(cursor) and topic_queries.article(cursor, article_id)
        if not known:
            raise HTTPException(404)
        has_topics = queries.exist(cursor, *topic_queries.TOPIC_MARTS)
        topics = topic_queries.article_topics(cursor, article_id) if has_topics else []
        copies = topic_queries.copies(cursor, article_id)
    return render(
        request,
        "article.html",
        article=known,
        published_on=known["published_at"] and known["published_at"].astimezone(clock.zone()).date(),
        body=known["body"][:LONGEST_TEXT],
        left_out=max(0, len(known["body"]) - LONGEST_TEXT),
        topics=topics,
        keywords=list(dict.fromkeys(known["terms"] or [])),
        is_analysed=known["terms"] is not None,
        copies=copies,
    )
