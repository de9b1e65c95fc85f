"""A reason in words with numbers, one sentence a feature; pure."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from math import atan2, isnan, tau

Values = Mapping[str, float | None]
"""A customer's features by name; None (or NaN) where undefined."""


def reason(feature: str, values: Values, contribution: float) -> str:
    """Say what the feature is for this customer; what speaks against leaving begins with “but”."""
    known = {name: None if value is None or isnan(value) else float(value) for name, value in values.items()}
    text = SENTENCES[feature](known)
    return f"but {text}" if contribution < 0 else text


def _count(number: float, one: str, many: str | None = None) -> str:
    whole = round(number)
    return f"{whole:,} {one if whole == 1 else many or one + 's'}"


def _days(number: float) -> str:
    return _count(number, "day")


def _times(number: float) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(round(number), f"{round(number):,} times")


def _every(gap_days: float) -> str:
    return "daily" if gap_days < 1.5 else f"every {round(gap_days):,} days"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _money(amount: float) -> str:
    return f"{amount:,.0f}"


def _recency(values: Values) -> str:
    recency, gap = values["recency_days"], values["mean_gap_days"]
    since = "bought on the last day" if round(recency) == 0 else f"no purchase for {_days(recency)}"
    if gap is None:
        return f"{since}; bought once so far"
    return f"{since}; usually {_every(gap).removesuffix(' days')}"


def _recency_per_gap(values: Values) -> str:
    ratio = values["recency_per_gap"]
    if ratio is None:
        return "bought once so far, so there is no usual gap to compare with"
    if ratio < 1:
        return f"the time since the last purchase is {_percent(ratio)} of the usual gap"
    return f"the time since the last purchase is {ratio:.1f} times the usual gap"


def _tenure(values: Values) -> str:
    return f"first bought {_days(values['tenure_days'])} ago"


def _purchase_days(days: int) -> Callable[[Values], str]:
    def sentence(values: Values) -> str:
        bought = values[f"purchase_days_{days}d"]
        return f"bought on {_days(bought)} in the last {days}" if bought else f"bought nothing in the last {days} days"

    return sentence


def _purchase_days_ever(values: Values) -> str:
    return f"bought on {_days(values['purchase_days_ever'])} so far"


def _spend(days: int) -> Callable[[Values], str]:
    def sentence(values: Values) -> str:
        return f"spent {_money(values[f'spend_{days}d'])} in the last {days} days"

    return sentence


def _spend_ever(values: Values) -> str:
    return f"spent {_money(values['spend_ever'])} so far"


def _basket(values: Values) -> str:
    basket = values["basket_180d"]
    return "no purchase day to spend on" if basket is None else f"spends {_money(basket)} on a day with a purchase"


def _mean_gap(values: Values) -> str:
    gap = values["mean_gap_days"]
    return "bought once so far" if gap is None else f"buys {_every(gap)} on average"


def _gap_sd(values: Values) -> str:
    spread, gap = values["gap_sd_days"], values["mean_gap_days"]
    if spread is None:
        return "bought too seldom to have a rhythm"
    if gap is None:
        return f"the gaps between purchases vary by {_days(spread)}"
    return f"buys {_every(gap)}, give or take {_days(spread)}"


def _last_gap(values: Values) -> str:
    gap, usual = values["last_gap_days"], values["mean_gap_days"]
    if gap is None:
        return "bought once so far"
    compared = "" if usual is None else f"; usually {round(usual):,}"
    return f"{_days(gap)} lay between the last two purchases{compared}"


def _longest_gap(values: Values) -> str:
    gap = values["longest_gap_days"]
    return "bought once so far" if gap is None else f"never stayed away longer than {_days(gap)} before"


def _purchase_days_trend(values: Values) -> str:
    now = values["purchase_days_90d"]
    before = now - values["purchase_days_trend"]
    return f"bought on {_days(now)} in the last 90, on {round(before):,} in the 90 before"


def _spend_trend(values: Values) -> str:
    now = values["spend_90d"]
    return f"spent {_money(now)} in the last 90 days, {_money(now - values['spend_trend'])} in the 90 before"


def _distinct_items(values: Values) -> str:
    return f"bought {_count(values['distinct_items_180d'], 'different item')} in the last 180 days"


def _returns(values: Values) -> str:
    returns = values["returns_180d"]
    return f"returned {_count(returns, 'purchase')} in the last 180 days" if returns else "returned nothing"


def _return_share(values: Values) -> str:
    share = values["return_share_180d"]
    if share is None:
        return "nothing to return in the last 180 days"
    return f"returned {_percent(share)} of what was bought in the last 180 days"


def _visits(values: Values) -> str:
    visits = values["visits_90d"]
    return f"visited {_times(visits)} in the last 90 days" if visits else "no visit in the last 90 days"


def _same_season(values: Values) -> str:
    bought = values["same_season_days"]
    if bought is None:
        return "not yet a customer a year ago"
    return f"bought {f'on {_days(bought)}' if bought else 'nothing'} in the same 60 days of last year"


def _season(values: Values) -> str:
    turn = atan2(values["season_sin"], values["season_cos"]) / tau % 1
    day = date(2001, 1, 1) + timedelta(days=min(int(turn * 365.25), 364))
    part = "early" if day.day <= 10 else "mid" if day.day <= 20 else "late"
    return f"the time of the year: {part} {day:%B}"


def _own_reviews(values: Values) -> str:
    reviews = values["own_reviews_180d"]
    return f"wrote {_count(reviews, 'review') if reviews else 'no review'} in the last 180 days"


def _own_negative_share(values: Values) -> str:
    share, reviews = values["own_negative_share_180d"], values["own_reviews_180d"]
    if share is None or not reviews:
        return "wrote no review in the last 180 days"
    negative = round(share * reviews)
    were = "was" if negative == 1 else "were"
    return f"{negative:,} of {_count(reviews, 'own review')} of the last 180 days {were} negative"


SENTENCES: dict[str, Callable[[Values], str]] = {
    "recency_days": _recency,
    "tenure_days": _tenure,
    "purchase_days_30d": _purchase_days(30),
    "purchase_days_90d": _purchase_days(90),
    "purchase_days_180d": _purchase_days(180),
    "purchase_days_ever": _purchase_days_ever,
    "spend_30d": _spend(30),
    "spend_90d": _spend(90),
    "spend_180d": _spend(180),
    "spend_ever": _spend_ever,
    "basket_180d": _basket,
    "mean_gap_days": _mean_gap,
    "gap_sd_days": _gap_sd,
    "last_gap_days": _last_gap,
    "longest_gap_days": _longest_gap,
    "recency_per_gap": _recency_per_gap,
    "purchase_days_trend": _purchase_days_trend,
    "spend_trend": _spend_trend,
    "distinct_items_180d": _distinct_items,
    "returns_180d": _returns,
    "return_share_180d": _return_share,
    "visits_90d": _visits,
    "same_season_days": _same_season,
    "season_sin": _season,
    "season_cos": _season,
    "own_reviews_180d": _own_reviews,
    "own_negative_share_180d": _own_negative_share,
}
