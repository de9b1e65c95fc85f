"""The network of words as a Plotly figure and as GraphML: where its words lie, how they look, which edges are drawn."""

import io
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from web import figures

EDGES_A_WORD = 3
ROUNDS, MOST_WORD_ROUNDS = 250, 15_000
SEED = 0
NO_LOOK = -1
# Half the width and height of the picture on a wide screen; labels are kept apart there.
PIXELS = np.array([510.0, 250.0])
PUSHES = 80
# Edges are drawn in as many widths; the legend of the page names where each begins.
WIDTHS = (0.7, 1.3, 2.1, 3.0)
LIFTS = (1.0, 2.0, 4.0, 8.0)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Edge(NamedTuple):
    """A pair as it is drawn, with what it is called on the page."""

    term: str
    other_term: str
    texts: int
    lift: float
    holm_p_value: float
    is_new: bool
    link: str


class Word(NamedTuple):
    """A word as it is drawn.

    In how many texts it stands, its look (a number from 0, or `NO_LOOK`) with the name of those that share it, the
    group of words that it lies with, whether it is new, and what it is called on the page.
    """

    term: str
    texts: int
    look: int
    name: str
    community: int
    is_new: bool
    link: str


def backbone(pairs: Sequence[dict]) -> list[dict]:
    """The surest pairs of each word, few enough to be read: those that are among the first three of either word."""
    drawn: dict[str, int] = {}
    kept = []
    for pair in pairs:
        ends = (pair["term"], pair["other_term"])
        if any(drawn.get(end, 0) < EDGES_A_WORD for end in ends):
            kept.append(pair)
            for end in ends:
                drawn[end] = drawn.get(end, 0) + 1
    return kept


def places(words: Sequence[Word], edges: Sequence[Edge]) -> dict[str, tuple[float, float]]:
    """Where each word lies, -1 to 1, the same for the same words and edges.

    By ForceAtlas2 (Jacomy and others 2014). A word begins where its group's most frequent word and its own spelling
    say, so that it lies about the same in the next period.
    """
    import networkx

    if len(words) < 2:
        return {word.term: (0.0, 0.0) for word in words}
    graph = networkx.Graph()
    graph.add_nodes_from(word.term for word in words)
    graph.add_edges_from((edge.term, edge.other_term) for edge in edges)
    heads: dict[int, Word] = {}
    for word in sorted(words, key=lambda word: (-word.texts, word.term)):
        heads.setdefault(word.community, word)
    start = {word.term: _start(word, heads[word.community]) for word in words}
    found = networkx.forceatlas2_layout(
        graph,
        pos=start,
        max_iter=min(ROUNDS, MOST_WORD_ROUNDS // len(words)),
        scaling_ratio=4.0,
        strong_gravity=True,
        seed=SEED,
    )
    lies = np.array([found[word.term] for word in words])
    # The picture is wider than high, and is filled either way.
    lies = (lies - lies.mean(axis=0)) / np.maximum(np.abs(lies - lies.mean(axis=0)).max(axis=0), 1e-9)
    lies = _apart(lies * PIXELS, _boxes(words)) / PIXELS
    return {word.term: (float(x), float(y)) for word, (x, y) in zip(words, lies, strict=True)}


def _boxes(words: Sequence[Word]) -> np.ndarray:
    """Half the width and height that each word takes with its label below, in pixels of a wide screen."""
    widths = [max(size, 13 * len(word.term)) for word, size in zip(words, _sizes(words), strict=True)]
    return np.array([[width / 2 + 2, (size + 16) / 2] for width, size in zip(widths, _sizes(words), strict=True)])


def _apart(at: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The places, each moved as little as it takes that no two boxes lie on one another, as far as there is room."""
    room = boxes[:, None] + boxes[None]
    for _ in range(PUSHES):
        away = at[:, None] - at[None]
        overlap = room - np.abs(away)
        overlaps = (overlap > 0).all(axis=2)
        np.fill_diagonal(overlaps, False)
        if not overlaps.any():
            break
        # Along the way on which less is needed; of two in one place the first goes one way.
        is_flat = overlap[..., 0] < overlap[..., 1]
        side = np.where(away == 0, np.sign(np.arange(len(at))[:, None] - np.arange(len(at)))[..., None], np.sign(away))
        push = 0.5 * overlap * side * np.stack([is_flat, ~is_flat], axis=2) * overlaps[..., None]
        at = np.clip(at + push.sum(axis=1) * 0.6, -PIXELS, PIXELS)
    return at


def _sizes(words: Sequence[Word]) -> list[float]:
    """How large each word is drawn; together they take as much of the picture as 60, however many there are."""
    largest = max((word.texts for word in words), default=1)
    most = 26 * min(1.0, math.sqrt(60 / max(1, len(words))))
    return [7 + most * math.sqrt(word.texts / largest) for word in words]


def _start(word: Word, head: Word) -> np.ndarray:
    angle = 2 * math.pi * _fraction(head.term)
    middle = np.array([math.cos(angle), math.sin(angle)])
    return middle + 0.3 * np.array([_fraction(word.term) - 0.5, _fraction(word.term[::-1]) - 0.5])


def _fraction(text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32


def figure(words: Sequence[Word], edges: Sequence[Edge]) -> dict:
    """The network: lines by lift (dotted where new), and words by frequency and look (ringed where new).

    The page hides labels that would overlap, the least frequent first.
    """
    at = places(words, edges)
    return {
        "data": [*_lines(edges, at), _touch(edges, at), *_looks(words, at)],
        "layout": {
            "xaxis": {"visible": False, "range": [-1.12, 1.12], "fixedrange": False},
            "yaxis": {"visible": False, "range": [-1.15, 1.1], "fixedrange": False},
            "showlegend": True,
            "height": 640,
        },
        "config": {"scrollZoom": True},
    }


def graphml(words: Sequence[Word], edges: Sequence[Edge]) -> bytes:
    """The network as GraphML, with counts, lift and p-values, and the places that are drawn."""
    import networkx

    at = places(words, edges)
    graph = networkx.Graph()
    for word in words:
        x, y = at[word.term]
        facts = {"texts": word.texts, "colour": _xml(word.name), "group": word.community, "is_new": word.is_new}
        graph.add_node(_xml(word.term), **facts, x=x, y=y)
    for edge in edges:
        graph.add_edge(
            _xml(edge.term), _xml(edge.other_term), texts=edge.texts, lift=edge.lift, holm_p_value=edge.holm_p_value,
            is_new=edge.is_new,
        )  # fmt: skip
    written = io.BytesIO()
    networkx.write_graphml(graph, written, encoding="utf-8")
    return written.getvalue()


def _lines(edges: Sequence[Edge], at: Mapping[str, tuple[float, float]]) -> list[dict]:
    traces = []
    for is_new in (False, True):
        for number, (least, width) in enumerate(zip(LIFTS, WIDTHS, strict=True)):
            most = LIFTS[number + 1] if number + 1 < len(LIFTS) else math.inf
            chosen = [edge for edge in edges if edge.is_new == is_new and least <= edge.lift < most]
            if chosen:
                ends = [(at[edge.term], at[edge.other_term]) for edge in chosen]
                traces.append(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "name": "new pairs" if is_new else "pairs",
                        "x": [part for one, other in ends for part in (one[0], other[0], None)],
                        "y": [part for one, other in ends for part in (one[1], other[1], None)],
                        "line": {"color": "var(--edge)", "width": width, "dash": "dot" if is_new else "solid"},
                        "hoverinfo": "skip",
                        "showlegend": False,
                    }
                )
    return traces


def _touch(edges: Sequence[Edge], at: Mapping[str, tuple[float, float]]) -> dict:
    """A point in the middle of each edge, which can be pointed at and clicked."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "edges",
        "x": [(at[edge.term][0] + at[edge.other_term][0]) / 2 for edge in edges],
        "y": [(at[edge.term][1] + at[edge.other_term][1]) / 2 for edge in edges],
        "text": [f"{edge.term} – {edge.other_term}" for edge in edges],
        "customdata": [[edge.link, _said(edge)] for edge in edges],
        "marker": {"size": 8, "color": "var(--edge)", "symbol": "diamond", "opacity": 0.25},
        "hovertemplate": "%{text}<br>%{customdata[1]}<extra></extra>",
        "showlegend": False,
    }


def _looks(words: Sequence[Word], at: Mapping[str, tuple[float, float]]) -> list[dict]:
    size_of = dict(zip((word.term for word in words), _sizes(words), strict=True))
    traces = []
    for look, name in sorted({(word.look, word.name) for word in words}):
        chosen = [word for word in words if (word.look, word.name) == (look, name)]
        colour, symbol = figures.COLOURS[look % len(figures.COLOURS)], figures.MARKERS[look // len(figures.COLOURS) % 5]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": name,
                "x": [at[word.term][0] for word in chosen],
                "y": [at[word.term][1] for word in chosen],
                "text": [word.term for word in chosen],
                "textposition": "bottom center",
                "hovertext": [word.term for word in chosen],
                "customdata": [[word.link, f"{word.texts:,} texts{', new' if word.is_new else ''}"] for word in chosen],
                "marker": {
                    "size": [size_of[word.term] for word in chosen],
                    # Hollow, since the greys are those of topics.
                    "color": "var(--page)" if look == NO_LOOK else colour,
                    "symbol": "circle" if look == NO_LOOK else symbol,
                    "opacity": 0.85,
                    "line": {"color": "var(--text)", "width": [3 if word.is_new else 0.5 for word in chosen]},
                },
                "hovertemplate": "%{hovertext}<br>%{customdata[1]}<extra></extra>",
                "cliponaxis": False,
            }
        )
    return traces


def _said(edge: Edge) -> str:
    chance = "< 0.0001" if edge.holm_p_value < 0.0001 else f"{edge.holm_p_value:.4f}"
    return f"{edge.texts:,} texts, lift {edge.lift:.1f}, p {chance}"


def _xml(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _NO_XML.sub("", text)
