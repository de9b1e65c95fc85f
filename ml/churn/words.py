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
        # In the words of the purchase days, so that one fact is one reason.
        if not values[f"purchase_days_{days}d"]:
            return f"bought nothing in the last {days} days"
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


def _third_recency(values: Values) -> str:
    days = values["third_recency_days"]
    if days is None:
        return "bought on fewer than three days so far"
    return f"the third newest day with a purchase lies {_days(days)} back"


def _purchase_days_decayed(half_life: int) -> Callable[[Values], str]:
    def sentence(values: Values) -> str:
        weighed = values[f"purchase_days_decayed_{half_life}d"]
        return f"bought on {weighed:.1f} days, where one {half_life} days back counts half"

    return sentence


def _purchase_rate_decayed(values: Values) -> str:
    if values["purchase_days_ever"] == 1:
        return "bought once so far"
    return f"lately buys on about {values['purchase_rate_decayed_120d']:.1f} days in 60"


def _active_months(values: Values) -> str:
    return f"bought in {round(values['active_months_180d'])} of the last six stretches of 30 days"


def _spend_decayed(values: Values) -> str:
    return f"spent {_money(values['spend_decayed_120d'])}, where money spent 120 days back counts half"


def _lines_decayed(values: Values) -> str:
    return f"bought {values['lines_decayed_120d']:,.1f} lines, where one 120 days back counts half"


def _basket_ever(values: Values) -> str:
    return f"has spent {_money(values['basket_ever'])} on a day with a purchase so far"


def _gap_variation(values: Values) -> str:
    variation = values["gap_variation"]
    if variation is None:
        return "bought too seldom to have a rhythm"
    return f"the gaps between purchases vary by {_percent(variation)} of their mean"


def _covered(values: Values) -> str:
    days = max(values["tenure_days"] - min(values["recency_days"], 60), 0)
    if days == 0 or values["purchase_days_ever"] == 1:
        return "has not bought again yet"
    # Without the average customer's 40 days, 18 of them covered, that the macro churn_features adds.
    share = (values["covered_60d_share"] * (days + 40) - 18) / days
    return f"bought again within 60 days after {_percent(min(max(share, 0), 1))} of all days so far"


def _purchase_rate(values: Values) -> str:
    if values["purchase_days_ever"] == 1:
        return "bought once so far"
    return f"buys on about {values['purchase_rate_60d']:.1f} days in 60, over all the time so far"


def _expected_purchases(values: Values) -> str:
    return f"with such a record {values['expected_purchases_60d']:.1f} purchases are to be expected in 60 days"


def _purchase_days_trend(values: Values) -> str:
    now = values["purchase_days_90d"]
    before = now - values["purchase_days_trend"]
    return f"bought on {_days(now)} in the last 90, on {round(before):,} in the 90 before"


def _spend_trend(values: Values) -> str:
    now = values["spend_90d"]
    return f"spent {_money(now)} in the last 90 days, {_money(now - values['spend_trend'])} in the 90 before"


def _distinct_items(values: Values) -> str:
    return f"bought {_count(values['distinct_items_180d'], 'different item')} in the last 180 days"


def _distinct_items_ever(values: Values) -> str:
    return f"bought {_count(values['distinct_items_ever'], 'different item')} so far"


def _repeated_items(values: Values) -> str:
    share = values["repeated_item_share"]
    return "what was bought is not known" if share is None else f"{_percent(share)} of the items were bought before"


def _top_weekday(values: Values) -> str:
    return f"{_percent(values['top_weekday_share'])} of the days with a purchase fall on the same day of the week"


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


def _own_review_recency(values: Values) -> str:
    days = values["own_review_recency_days"]
    return "no own review is known" if days is None else f"wrote the last review {_days(days)} ago"


def _own_reviews(days: int) -> Callable[[Values], str]:
    def sentence(values: Values) -> str:
        reviews = values[f"own_reviews_{days}d"]
        return f"wrote {_count(reviews, 'review') if reviews else 'no review'} in the last {days} days"

    return sentence


def _own_reviews_relative(days: int) -> Callable[[Values], str]:
    def sentence(values: Values) -> str:
        relative = values[f"own_reviews_{days}d_relative"]
        if relative is None:
            return f"no customer is known to have written a review in the last {days} days"
        if relative == 0:
            return f"wrote no review in the last {days} days"
        if relative < 1:
            return f"wrote {_percent(relative)} of the average customer's reviews of the last {days} days"
        return f"wrote {relative:,.1f} times the average customer's reviews of the last {days} days"

    return sentence


def _own_review_silence(values: Values) -> str:
    silence, days = values["own_review_silence"], values["own_review_recency_days"]
    if silence is None:
        return "no customer is known to have written a review in the last 30 days"
    if days is None:
        return f"no own review is known; the average customer now writes {silence:,.1f} a year"
    if round(days) == 0:
        return "wrote a review on the last day"
    return f"no review for {_days(days)}, in which the average customer now writes {silence:,.1f}"


def _own_negative_share(values: Values) -> str:
    share = values["own_negative_share_180d"]
    if share is None:
        return "no own review of the last 180 days is scored"
    return f"{_percent(share)} of the own reviews of the last 180 days that are scored are negative"


SENTENCES: dict[str, Callable[[Values], str]] = {
    "recency_days": _recency,
    "third_recency_days": _third_recency,
    "tenure_days": _tenure,
    "purchase_days_30d": _purchase_days(30),
    "purchase_days_90d": _purchase_days(90),
    "purchase_days_180d": _purchase_days(180),
    "purchase_days_365d": _purchase_days(365),
    "purchase_days_ever": _purchase_days_ever,
    "purchase_days_decayed_60d": _purchase_days_decayed(60),
    "purchase_days_decayed_120d": _purchase_days_decayed(120),
    "purchase_days_decayed_180d": _purchase_days_decayed(180),
    "purchase_rate_decayed_120d": _purchase_rate_decayed,
    "active_months_180d": _active_months,
    "spend_30d": _spend(30),
    "spend_90d": _spend(90),
    "spend_180d": _spend(180),
    "spend_ever": _spend_ever,
    "spend_decayed_120d": _spend_decayed,
    "lines_decayed_120d": _lines_decayed,
    "basket_180d": _basket,
    "basket_ever": _basket_ever,
    "mean_gap_days": _mean_gap,
    "gap_sd_days": _gap_sd,
    "gap_variation": _gap_variation,
    "last_gap_days": _last_gap,
    "longest_gap_days": _longest_gap,
    "recency_per_gap": _recency_per_gap,
    "covered_60d_share": _covered,
    "purchase_rate_60d": _purchase_rate,
    "expected_purchases_60d": _expected_purchases,
    "purchase_days_trend": _purchase_days_trend,
    "spend_trend": _spend_trend,
    "distinct_items_180d": _distinct_items,
    "distinct_items_ever": _distinct_items_ever,
    "repeated_item_share": _repeated_items,
    "top_weekday_share": _top_weekday,
    "returns_180d": _returns,
    "return_share_180d": _return_share,
    "visits_90d": _visits,
    "same_season_days": _same_season,
    "season_sin": _season,
    "season_cos": _season,
    "own_review_recency_days": _own_review_recency,
    "own_reviews_30d": _own_reviews(30),
    "own_reviews_90d": _own_reviews(90),
    "own_reviews_180d": _own_reviews(180),
    "own_reviews_30d_relative": _own_reviews_relative(30),
    "own_reviews_90d_relative": _own_reviews_relative(90),
    "own_review_silence": _own_review_silence,
    "own_negative_share_180d": _own_negative_share,
}
