"""Reasons in words: every feature has a sentence, with numbers, whatever is undefined."""

import re

import pytest

from ml.churn.features import FEATURES
from ml.churn.words import SENTENCES, reason

CUSTOMER = {
    "recency_days": 47, "tenure_days": 1234, "purchase_days_30d": 0, "purchase_days_90d": 1, "purchase_days_180d": 7,
    "purchase_days_ever": 40, "spend_30d": 0, "spend_90d": 1234.5, "spend_180d": 9876543.2, "spend_ever": 2e7,
    "basket_180d": 1410934.7, "mean_gap_days": 12.2, "gap_sd_days": 3.4, "last_gap_days": 30, "longest_gap_days": 61,
    "recency_per_gap": 47 / 12.2, "purchase_days_trend": -5, "spend_trend": -9000, "distinct_items_180d": 1,
    "returns_180d": 2, "return_share_180d": 0.125, "visits_90d": 3, "same_season_days": 4, "season_sin": -0.71,
    "season_cos": 0.70, "own_reviews_180d": 8, "own_negative_share_180d": 0.375,
    "third_recency_days": 75, "purchase_days_365d": 20, "purchase_days_decayed_60d": 4.56,
    "purchase_days_decayed_120d": 7.89, "purchase_days_decayed_180d": 12.3, "purchase_rate_decayed_120d": 2.34,
    "active_months_180d": 5, "spend_decayed_120d": 2e6, "lines_decayed_120d": 41.5, "basket_ever": 5e5,
    "gap_variation": 0.28, "covered_60d_share": 0.97, "purchase_rate_60d": 1.9, "expected_purchases_60d": 0.4,
    "distinct_items_ever": 31, "repeated_item_share": 0.6, "top_weekday_share": 0.25, "own_review_recency_days": 9,
    "own_reviews_30d": 1, "own_reviews_90d": 4, "own_reviews_30d_relative": 0.4, "own_reviews_90d_relative": 1234.5,
    "own_review_silence": 2.34,
}  # fmt: skip
FIRST_TIME_BUYER = CUSTOMER | {
    "recency_days": 0, "purchase_days_ever": 1, "mean_gap_days": None, "gap_sd_days": None, "last_gap_days": None,
    "longest_gap_days": float("nan"), "recency_per_gap": None, "basket_180d": None, "returns_180d": 0,
    "return_share_180d": None, "visits_90d": 0, "same_season_days": 0, "own_reviews_180d": 0,
    "own_negative_share_180d": None, "third_recency_days": None, "gap_variation": None, "repeated_item_share": None,
    "own_review_recency_days": None, "own_reviews_30d": 0, "own_reviews_90d": 0, "own_reviews_30d_relative": 0,
    "own_reviews_90d_relative": None, "own_review_silence": 4.87,
}  # fmt: skip


def test_every_feature_has_a_sentence_and_no_other():
    assert FEATURES
    assert sorted(SENTENCES) == sorted(FEATURES)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_sentence_reads_well_whatever_is_undefined(feature):
    undefined = dict.fromkeys(
        ("mean_gap_days", "gap_sd_days", "last_gap_days", "longest_gap_days", "recency_per_gap", "basket_180d",
         "return_share_180d", "own_negative_share_180d", "same_season_days", "own_review_silence")
    )  # fmt: skip
    for customer in (CUSTOMER, FIRST_TIME_BUYER, CUSTOMER | undefined):
        said = reason(feature, customer, 0.1)
        assert re.fullmatch(r"\S.*[\w%]", said)
        assert not re.search(r"None|nan|\d{4}|  |-\d|\b1 (days|reviews|items|purchases)\b", said)
        assert reason(feature, customer, -0.1) == f"but {said}"


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("recency_days", "no purchase for 47 days; usually every 12"),
        ("purchase_days_trend", "bought on 1 day in the last 90, on 6 in the 90 before"),
        ("own_negative_share_180d", "38 % of the own reviews of the last 180 days that are scored are negative"),
        ("spend_180d", "spent 9,876,543 in the last 180 days"),
        ("spend_trend", "spent 1,234 in the last 90 days, 10,234 in the 90 before"),
        ("recency_per_gap", "the time since the last purchase is 3.9 times the usual gap"),
        ("gap_sd_days", "buys every 12 days, give or take 3 days"),
        ("last_gap_days", "30 days lay between the last two purchases; usually 12"),
        ("purchase_days_30d", "bought nothing in the last 30 days"),
        ("spend_30d", "bought nothing in the last 30 days"),
        ("distinct_items_180d", "bought 1 different item in the last 180 days"),
        ("return_share_180d", "returned 12 % of what was bought in the last 180 days"),
        ("visits_90d", "visited 3 times in the last 90 days"),
        ("same_season_days", "bought on 4 days in the same 60 days of last year"),
        ("season_sin", "the time of the year: mid November"),
        ("purchase_days_decayed_120d", "bought on 7.9 days, where one 120 days back counts half"),
        ("covered_60d_share", "bought again within 60 days after 99 % of all days so far"),
        ("purchase_rate_60d", "buys on about 1.9 days in 60, over all the time so far"),
        ("purchase_rate_decayed_120d", "lately buys on about 2.3 days in 60"),
        ("expected_purchases_60d", "with such a record 0.4 purchases are to be expected in 60 days"),
        ("own_review_recency_days", "wrote the last review 9 days ago"),
        ("own_reviews_30d_relative", "wrote 40 % of the average customer's reviews of the last 30 days"),
        ("own_reviews_90d_relative", "wrote 1,234.5 times the average customer's reviews of the last 90 days"),
        ("own_review_silence", "no review for 9 days, in which the average customer now writes 2.3"),
    ],
)
def test_what_is_said_of_a_customer(feature, said):
    assert reason(feature, CUSTOMER, 0.1) == said


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("recency_days", "bought on the last day; bought once so far"),
        ("mean_gap_days", "bought once so far"),
        ("longest_gap_days", "bought once so far"),
        ("recency_per_gap", "bought once so far, so there is no usual gap to compare with"),
        ("covered_60d_share", "has not bought again yet"),
        ("purchase_rate_60d", "bought once so far"),
        ("purchase_rate_decayed_120d", "bought once so far"),
        ("visits_90d", "no visit in the last 90 days"),
        ("own_negative_share_180d", "no own review of the last 180 days is scored"),
        ("own_review_recency_days", "no own review is known"),
        ("own_reviews_30d_relative", "wrote no review in the last 30 days"),
        ("own_reviews_90d_relative", "no customer is known to have written a review in the last 90 days"),
        ("own_review_silence", "no own review is known; the average customer now writes 4.9 a year"),
    ],
)
def test_what_is_said_of_a_first_time_buyer(feature, said):
    assert reason(feature, FIRST_TIME_BUYER, 0.1) == said


@pytest.mark.parametrize(("covered", "percent"), [(0, "0 %"), (50, "50 %"), (100, "100 %"), (101, "100 %")])
def test_the_share_of_days_that_is_said_is_without_the_average_customer(covered, percent):
    customer = CUSTOMER | {"tenure_days": 160, "recency_days": 75, "covered_60d_share": (covered + 18) / 140}
    said = reason("covered_60d_share", customer, 0.1)
    assert said == f"bought again within 60 days after {percent} of all days so far"
