"""Topics that stay the same through retrainings: their numbers, their names, and what became of them."""

import re
from collections.abc import Sequence

import numpy as np

from maeari.text import one_line
from ml.topics.matching import match

LONGEST_NAME = 60
_LINE = re.compile(r"(\d{1,6}) ?[:=] ?(.*)")
_LONGEST_LINE = LONGEST_NAME + len("123456 : ")


def identified(topics: Sequence[dict], live: Sequence[dict], flows: np.ndarray | None, next_id: int) -> dict:
    """The topics of a challenger with their identities beside those of the live version, as JSON for the evidence.

    `topics` are those of the challenger's card; `live` those of the live version's evidence, with `topic_id`; `flows`
    counts the texts by both main topics, shape (live topics, challenger's topics). New identities count from
    `next_id`, the topics of the most texts first.

    Gives `topics`, each with `topic_id`, `label` (a name that a person gave stays with its topic), `is_named`, `fate`
    (`new`, `kept`, `merged`, `part`) and `from_ids`; and `gone`, each with `topic_id`, `label`, `fate` (`gone`,
    `merged`) and `into_ids`.
    """
    found = [dict(topic) for topic in topics]
    if flows is None:
        kept_from, parts_of, went_to = [None] * len(found), [[] for _ in found], []
    else:
        matching = match(flows)
        kept_from, parts_of, went_to = matching.kept_from, matching.parts_of, matching.went_to
    for topic, kept in zip(found, kept_from, strict=True):
        topic["topic_id"] = None if kept is None else live[kept]["topic_id"]
    for topic in sorted(found, key=lambda one: -one["texts"]):
        if topic["topic_id"] is None:
            topic["topic_id"], next_id = next_id, next_id + 1
    for topic, kept, parts in zip(found, kept_from, parts_of, strict=True):
        before = None if kept is None else live[kept]
        topic["from_ids"] = [live[part]["topic_id"] for part in parts]
        topic["share_before"] = None if before is None else before["share"]
        topic["is_named"] = bool(before and before.get("is_named"))
        if topic["is_named"]:
            topic["label"] = before["label"]
        is_part = any(len(went_to[part]) > 1 for part in parts)
        topic["fate"] = "new" if not parts else "merged" if len(parts) > 1 else "part" if is_part else "kept"
    taken = {topic["topic_id"] for topic in found}
    gone = [
        {
            "topic_id": topic["topic_id"],
            "label": topic["label"],
            "share": topic["share"],
            "fate": "merged" if into else "gone",
            "into_ids": [found[part]["topic_id"] for part in into],
        }
        for topic, into in zip(live, went_to, strict=True)
        if topic["topic_id"] not in taken
    ]
    return {"topics": found, "gone": gone, "next_topic_id": next_id}


def names_to_edit(topics: Sequence[dict]) -> str:
    """One line a topic, `7: 커피 · 원두`, for a person to change."""
    return "\n".join(f"{topic['topic_id']}: {topic['label']}" for topic in _by_share(topics))


def renamed(topics: Sequence[dict], text: str) -> tuple[list[dict], list[str]]:
    """The topics with the names that a person wrote, one line each, and the lines that could not be understood.

    A name that is left as it was, or empty, changes nothing. Names are cut to 60 characters of one line.
    """
    known = {topic["topic_id"]: topic for topic in topics}
    names: dict[int, str] = {}
    unknown = []
    lines = (one_line(line, _LONGEST_LINE) for line in text.splitlines())
    for line in filter(None, lines):
        parts = _LINE.match(line)
        if parts is None or int(parts[1]) not in known:
            unknown.append(line[:LONGEST_NAME].strip())
            continue
        name = parts[2][:LONGEST_NAME].strip()
        if name and name != known[int(parts[1])]["label"]:
            names[int(parts[1])] = name
    changed = [
        topic | ({"label": names[topic["topic_id"]], "is_named": True} if topic["topic_id"] in names else {})
        for topic in topics
    ]
    return changed, unknown


def _by_share(topics: Sequence[dict]) -> list[dict]:
    return sorted(topics, key=lambda topic: -topic["share"])
