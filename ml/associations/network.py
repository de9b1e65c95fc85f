"""The network of a period: which words it has, and which groups they form."""

from dataclasses import dataclass

import numpy as np

from ml.associations.config import AssociationsConfig
from ml.associations.pairs import Pairs


@dataclass(frozen=True)
class Node:
    """A word of the network: its number in the vocabulary, and its group, of which 1 is the largest."""

    word: int
    community: int


def nodes(pairs: Pairs, config: AssociationsConfig) -> list[Node]:
    """The words of the surest pairs, in their order, grouped by Louvain's method (Blondel and others 2008)."""
    import networkx

    edges = list(zip(pairs.terms.tolist(), pairs.others.tolist(), pairs.lift.tolist(), strict=True))
    chosen: dict[int, None] = {}
    for first, second, _ in edges:
        if len(chosen | {first: None, second: None}) <= config.most_nodes:
            chosen |= {first: None, second: None}
    if not chosen:
        return []
    graph = networkx.Graph()
    graph.add_nodes_from(chosen)
    graph.add_weighted_edges_from(
        (first, second, float(np.log(lift))) for first, second, lift in edges if first in chosen and second in chosen
    )
    groups = networkx.community.louvain_communities(graph, seed=config.seed)
    number_of = {
        word: number
        for number, group in enumerate(sorted(groups, key=lambda one: (-len(one), min(one))), 1)
        for word in group
    }
    return [Node(word, number_of[word]) for word in chosen]
