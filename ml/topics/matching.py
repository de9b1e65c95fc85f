"""Which topics of a new version are those of the live one, and which were born, split, merged or are gone."""

from dataclasses import dataclass

import numpy as np

SURVIVES_FROM = 0.5
"""Share of an old topic's texts that must come to one new topic for it to live on there …"""
SPLITS_FROM = 0.25
"""… or to each of several, which then are parts of it, when together they take as many."""


@dataclass(frozen=True)
class Matching:
    """What became of topics: both lists go by the numbers of new and of old topics.

    A new topic keeps the identity of at most one old topic, `kept_from`; `parts_of` are the old ones it is a part of.
    An old topic lives on in one new topic or in several parts, `went_to`; nowhere, and it is gone.
    """

    kept_from: list[int | None]
    parts_of: list[list[int]]
    went_to: list[list[int]]


def match(flows: np.ndarray) -> Matching:
    """The transitions by the texts that both versions know, shape (old topics, new topics): a pure function.

    As in MONIC (Spiliopoulou, Ntoutsi, Theodoridis and Schult 2006): an old topic survives in the new one that takes at
    least half of its texts; else it splits into those that take a quarter each and half together; else it is gone. Of
    several old topics that survive in one, which are merged, the one with the most texts there gives its identity; of
    the parts of one that was split, the largest keeps it unless another topic survives there.
    """
    old, new = flows.shape
    kept_from: list[int | None] = [None] * new
    parts_of: list[list[int]] = [[] for _ in range(new)]
    went_to: list[list[int]] = [[] for _ in range(old)]
    shares = flows / np.maximum(flows.sum(axis=1, keepdims=True), 1)
    for topic in range(old):
        strongest = int(shares[topic].argmax())
        parts = np.flatnonzero(shares[topic] >= SPLITS_FROM)
        if shares[topic, strongest] >= SURVIVES_FROM:
            went_to[topic] = [strongest]
        elif shares[topic, parts].sum() >= SURVIVES_FROM:
            went_to[topic] = sorted(parts.tolist(), key=lambda part: -shares[topic, part])
        for part in went_to[topic]:
            parts_of[part].append(topic)
    # Survivors first, those with the most texts first; then the largest parts of what was split.
    for topic in sorted(range(old), key=lambda one: (len(went_to[one]) > 1, -flows[one].max())):
        for part in went_to[topic]:
            if kept_from[part] is None:
                kept_from[part] = topic
                break
    return Matching(kept_from, parts_of, went_to)
