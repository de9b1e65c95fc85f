"""The network of a period: which words it shows, where they lie, and which groups they form."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.associations.config import AssociationsConfig
from ml.associations.pairs import Pairs

ROUNDS = 100
WARM_ROUNDS = 40
"""Rounds of forces; fewer where the period before says where words lie, so that they stay about there."""


@dataclass(frozen=True)
class Node:
    """A word of the network: its number in the vocabulary, its group (1 is the largest) and its place (-1 to 1)."""

    word: int
    community: int
    x: float
    y: float


def build(
    pairs: Pairs, terms: list[str], places: Mapping[str, tuple[float, float]], config: AssociationsConfig
) -> list[Node]:
    """The words of the surest pairs, in their order, grouped by Louvain's method (Blondel and others 2008).

    Places are found by forces (Fruchterman and Reingold 1991), which begin where words lay in the period before.
    """
    import networkx

    chosen: dict[int, None] = {}
    for first, second in zip(pairs.terms.tolist(), pairs.others.tolist(), strict=True):
        if len(chosen | {first: None, second: None}) <= config.most_nodes:
            chosen |= {first: None, second: None}
    if not chosen:
        return []
    graph = networkx.Graph()
    graph.add_nodes_from(chosen)
    graph.add_weighted_edges_from(
        (first, second, float(np.log(lift)) + 0.1)
        for first, second, lift in zip(pairs.terms.tolist(), pairs.others.tolist(), pairs.lift.tolist(), strict=True)
        if first in chosen and second in chosen
    )
    groups = networkx.community.louvain_communities(graph, seed=config.seed)
    group_of = {
        word: number
        for number, group in enumerate(sorted(groups, key=lambda one: (-len(one), min(one))), 1)
        for word in group
    }
    draws = np.random.default_rng(config.seed)
    known = {word: places[terms[word]] for word in chosen if terms[word] in places}
    start = {word: known.get(word) or tuple(draws.uniform(-1, 1, 2)) for word in chosen}
    found = networkx.spring_layout(
        graph, pos=start, iterations=WARM_ROUNDS if known else ROUNDS, seed=config.seed, k=2 / np.sqrt(len(chosen))
    )
    return [Node(word, group_of[word], *_bounded(found[word])) for word in chosen]


def _bounded(place: np.ndarray) -> tuple[float, float]:
    x, y = np.clip(np.nan_to_num(place), -1, 1).tolist()
    return x, y
