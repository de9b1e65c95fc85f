"""The charts of topics: shares over time, the map, and the words of one topic."""

from collections.abc import Sequence
from datetime import date

from web import figures

TOPICS_DRAWN = 8
# With more periods than these the intervals would hide the line.
PERIODS_WITH_INTERVALS = 30


def look(topic_id: int) -> int:
    """The look of a topic, which it keeps as long as its number: the first ones differ in colour."""
    return topic_id - 1


def title(topic: dict) -> str:
    """A topic as charts call it: its number and its name."""
    return f"{topic['topic_id']} {topic['label']}"


def shares_over_time(topics: Sequence[dict], shares: Sequence[dict], starts: Sequence[date], every: str) -> dict:
    """The share of each of the largest topics by period; a period with too few texts leaves a gap."""
    by_topic = {topic["topic_id"]: {} for topic in topics}
    for one in shares:
        by_topic[one["topic_id"]][one["period_start_on"]] = one
    peaks = {number: max((one["share"] for one in found.values()), default=0) for number, found in by_topic.items()}
    highest = sorted(topics, key=lambda topic: -peaks[topic["topic_id"]])[:TOPICS_DRAWN]
    drawn = sorted(highest, key=lambda topic: topic["topic_id"])
    return figures.lines(
        starts,
        {title(one): [_value(by_topic[one["topic_id"]], start, "share") for start in starts] for one in drawn},
        looks={title(one): look(one["topic_id"]) for one in drawn},
        x_title=f"{every.capitalize()} from" if every != "day" else "Day",
        y_title="Share of texts",
        y_format=".0%",
    )


def share_over_time(topic: dict, shares: Sequence[dict], starts: Sequence[date], every: str) -> dict:
    """The share of one topic by period, with its interval where these are few enough to be read."""
    found = {one["period_start_on"]: one for one in shares if one["topic_id"] == topic["topic_id"]}
    limits = [(_value(found, start, "share_low"), _value(found, start, "share_high")) for start in starts]
    return figures.lines(
        starts,
        {title(topic): [_value(found, start, "share") for start in starts]},
        looks={title(topic): look(topic["topic_id"])},
        intervals={title(topic): limits} if len(starts) <= PERIODS_WITH_INTERVALS else None,
        x_title=f"{every.capitalize()} from" if every != "day" else "Day",
        y_title="Share of texts",
        y_format=".0%",
    )


def topic_map(topics: Sequence[dict], share_of: dict[int, float]) -> dict:
    """The topics as circles, as large as their share of the period, near where they use words alike."""
    return figures.bubbles(
        [f"{one['topic_id']} {one['label']}" for one in topics],
        [
            figures.Bubble(
                one["map_x"],
                one["map_y"],
                share_of.get(one["topic_id"], 0.0),
                look(one["topic_id"]),
                f"{100 * share_of.get(one['topic_id'], 0.0):.1f} %",
                f"topic-{one['topic_id']}",
            )
            for one in topics
        ],
        hover="%{customdata[1]} of the texts",
    )


def words(terms: Sequence[dict]) -> dict:
    """How large a part of a topic's words each is, beside its part of all words."""
    return figures.bars(
        [one["term"] for one in terms],
        {
            "in this topic": [one["probability"] for one in terms],
            "in all texts": [one["overall_probability"] for one in terms],
        },
        label_title="Word",
        value_title="Share of words",
        value_format=".2%",
        horizontal=True,
    )


def _value(by_start: dict[date, dict], start: date, name: str) -> float | None:
    return by_start[start][name] if start in by_start else None
