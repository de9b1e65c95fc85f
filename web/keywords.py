"""The page of keywords: the network of a period, what is new in it, its pairs and rules."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response
from psycopg2.extensions import cursor as Cursor

from web import network, periods, policies, queries, topic_figures, topic_queries
from web.render import render
from web.topic_queries import View
from web.topics import LookedAt, choices

PAIRS_LISTED = 60
RULES_LISTED = 30
MOST_PAIRS = 1_000

router = APIRouter()
WordsShown = Annotated[int, Query(ge=20, le=200)]
Colour = Literal["topic", "group"]


@router.get("/keywords")
def keywords_page(
    request: Request, view: LookedAt, period: date | None = None, words: WordsShown = 60, colour: Colour = "topic"
) -> HTMLResponse:
    """Which words of a period go together, drawn and listed; a click on either leads to the texts."""
    with queries.reading() as cursor:
        filters, view = choices(cursor, view)
        is_published = queries.exist(cursor, *topic_queries.KEYWORD_MARTS)
        found = topic_queries.mined_periods(cursor, view) if is_published else []
        shown = periods.shown(found, view.every, period)
        drawn = _network(cursor, view, shown, words, colour)
        mining_id = shown.get("mining_id") if shown else None
        pairs = topic_queries.pairs(cursor, mining_id, PAIRS_LISTED) if mining_id else []
        rules = topic_queries.rules(cursor, mining_id, RULES_LISTED) if mining_id else []
    return render(
        request,
        "keywords.html",
        has_charts=bool(found),
        scripts=["network.js"],
        policy=policies.NETWORK,
        view=view,
        filters=filters,
        periods=found,
        names=[periods.name(view.every, one["period_start_on"]) for one in found],
        shown=shown,
        name=periods.name(view.every, shown["period_start_on"]) if shown else None,
        at=next((place for place, one in enumerate(found) if one is shown), None),
        words=words,
        colour=colour,
        figure=network.figure(*drawn) if drawn[0] else None,
        drawn_words=sorted(drawn[0], key=lambda word: (-word.texts, word.term)),
        drawn_edges=drawn[1],
        pairs=pairs,
        rules=rules,
        lifts=network.LIFTS,
        text_address=_text_address(view, shown) if shown else None,
    )


@router.get("/keywords/network.graphml")
def keywords_graphml(
    view: LookedAt, period: date | None = None, words: WordsShown = 60, colour: Colour = "topic"
) -> Response:
    """The drawn network for programs such as Gephi."""
    with queries.reading() as cursor:
        _, view = choices(cursor, view)
        if not queries.exist(cursor, *topic_queries.KEYWORD_MARTS):
            raise HTTPException(404)
        shown = periods.shown(topic_queries.mined_periods(cursor, view), view.every, period)
        drawn = _network(cursor, view, shown, words, colour)
    if not drawn[0]:
        raise HTTPException(404)
    name = f"keywords-{view.collection}-{view.every}-{shown['period_start_on']}.graphml"
    return Response(
        network.graphml(*drawn),
        media_type="application/graphml+xml",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _network(
    cursor: Cursor, view: View, shown: dict | None, most: int, colour: Colour
) -> tuple[list[network.Word], list[network.Edge]]:
    """The words and edges of a period; both empty where nothing is said of it."""
    if not shown or not shown.get("mining_id"):
        return [], []
    nodes = topic_queries.nodes(cursor, shown["mining_id"], most)
    terms = [one["term"] for one in nodes]
    pairs = network.backbone(topic_queries.pairs(cursor, shown["mining_id"], MOST_PAIRS, terms))
    topic_of = topic_queries.topics_of_terms(cursor, view.collection, terms) if colour == "topic" else {}
    named = {one["topic_id"]: one for one in topic_queries.topics(cursor, view.collection)} if topic_of else {}
    words = [
        network.Word(
            one["term"],
            one["texts"],
            *_look(one, topic_of, named, colour),
            one["community"],
            bool(one["is_new"]),
            f"word-{one['rank']}",
        )
        for one in nodes
    ]
    edges = [
        network.Edge(
            one["term"], one["other_term"], one["texts"], one["lift"], one["holm_p_value"], bool(one["is_new"]),
            f"pair-{one['rank']}",
        )
        for one in pairs
    ]  # fmt: skip
    return words, edges


def _look(node: dict, topic_of: dict[str, int], named: dict[int, dict], colour: Colour) -> tuple[int, str]:
    if colour == "group" or not named:
        return node["community"] - 1, f"group {node['community']}"
    topic_id = topic_of.get(node["term"])
    if topic_id is None:
        return network.NO_LOOK, "no topic"
    return topic_figures.look(topic_id), topic_figures.title(named[topic_id])


def _text_address(view: View, shown: dict) -> str:
    """The address of the texts of the shown period, to which words are added."""
    wanted = {"every": view.every, "period": shown["period_start_on"], "source": view.source}
    if view.collection == "articles":
        wanted |= {"section": view.section, "copies": None if view.counts_copies else "false"}
    else:
        wanted["subject"] = view.subject_id
    page = "news" if view.collection == "articles" else "reviews"
    return f"/{page}?{urlencode({name: value for name, value in wanted.items() if value})}"
