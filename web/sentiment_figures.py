"""The charts of the sentiment model, from the marts and from its card."""

from web import figures
from web.churn_figures import limits, part, value

# With more weeks than these the intervals would hide the line.
WEEKS_WITH_INTERVALS = 30


def shares_by_week(weeks: list[dict]) -> dict:
    """What share of each week's reviews was positive, negative and unsure; few weeks with an interval."""
    from maeari.statistics import wilson_interval

    def shares(name: str) -> list[float]:
        return [week[name] / week["reviews"] for week in weeks]

    def interval(week: dict) -> figures.Interval:
        found = wilson_interval(week["positive"], week["reviews"])
        return found.low, found.high

    return figures.lines(
        [week["week_start_on"] for week in weeks],
        {name: shares(name) for name in ("positive", "negative", "unsure")},
        intervals={"positive": [interval(week) for week in weeks]} if len(weeks) <= WEEKS_WITH_INTERVALS else None,
        x_title="Week from",
        y_title="Share of reviews",
        y_format=".0%",
    )


def accuracy_by_age(ageing: dict) -> dict | None:
    """How often models trained until each cut-off were right in each later period; None where nothing was measured."""
    cutoffs = [
        (str(cutoff.get("trained_until")), {str(one.get("from")): one.get("accuracy") for one in periods})
        for cutoff in part(ageing, "cutoffs") or []
        if (periods := part(cutoff, "periods"))
    ]
    starts = sorted({start for _, periods in cutoffs for start in periods})
    if not starts:
        return None
    by_cutoff = {f"trained until {until}": [periods.get(start) for start in starts] for until, periods in cutoffs}
    return figures.lines(
        starts,
        {name: [value(one) for one in found] for name, found in by_cutoff.items()},
        intervals={name: [limits(one) for one in found] for name, found in by_cutoff.items()},
        x_title="Reviews written from",
        y_title="Accuracy",
        y_format=".1%",
    )
