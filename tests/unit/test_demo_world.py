import csv
import re
from collections import Counter
from datetime import date, timedelta

import pytest

from demo.world import EVENT_WEEK, FIRST_TODAY, GAP_WEEKS, START, World, WorldConfig, week_of, write_truth


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=8, decline_size=0))


def weeks_of(texts, moment: str = "written_at") -> Counter:
    return Counter(week_of(getattr(text, moment).date()) for text in texts)


def test_the_first_clock_ends_week_77():
    assert START.weekday() == 0
    assert week_of(FIRST_TODAY) == 77
    assert FIRST_TODAY.weekday() == 6


def test_the_same_seed_draws_the_same_world(world):
    again = World(world.config)
    until = START + timedelta(weeks=3)
    assert again.written(until) == world.written(until)
    assert list(again.events(until)) == list(world.events(until))
    assert again.articles(until) == world.articles(until)
    assert again.customers(until) == world.customers(until)
    assert World(WorldConfig(seed=9)).written_in(0) != world.written_in(0)


def test_moving_the_clock_on_changes_nothing_written_before():
    early, late = World(), World()
    day = START + timedelta(weeks=5, days=2)
    before = early.written(day), list(early.events(day)), early.articles(day), early.customers(day)
    late.written(day + timedelta(weeks=30))
    assert (late.written(day), list(late.events(day)), late.articles(day), late.customers(day)) == before
    assert early.written(day + timedelta(weeks=1))[: len(before[0])] == before[0]


def test_the_world_goes_on_for_a_year_after_the_first_clock(world):
    week = week_of(FIRST_TODAY) + 52
    assert len(world.written_in(week)) == 1700
    assert World(world.config).written_in(week) == world.written_in(week)


def test_nothing_is_written_after_the_clock(world):
    day = date(2025, 1, 8)
    assert max(review.written_at.date() for review in world.reviews(day)) == day
    assert max(article.published_at.date() for article in world.articles(day)) <= day
    assert max(event.occurred_at.date() for event in world.events(day)) == day


def test_review_ids_are_unique_and_dates_are_in_order(world):
    reviews = world.reviews(START + timedelta(weeks=10))
    assert len({review.review_id for review in reviews}) == len(reviews)
    assert [review.written_at for review in reviews] == sorted(review.written_at for review in reviews)
    assert {review.written_at.utcoffset() for review in reviews} == {timedelta(hours=9)}


def test_a_customer_keeps_one_nickname_and_is_silent_after_leaving(world):
    until = START + timedelta(weeks=20)
    customers = {customer.customer_id: customer for customer in world.customers(until)}
    assert len({customer.nickname for customer in customers.values()}) == len(customers)
    for review in world.written(until):
        customer = customers[review.truth.customer_id]
        assert review.author == customer.nickname
        assert customer.joined_on <= review.written_at.date() < customer.left_on
    for event in world.events(until):
        customer = customers[event.customer_id]
        assert customer.joined_on <= event.occurred_at.date() < customer.left_on


def test_there_are_twelve_cafes_sixty_books_and_one_news_event(world):
    assert len({store.store_id for store in world.stores}) == 12
    assert len({book.title for book in world.books}) == 60
    articles = world.articles()
    assert len({(article.title, article.paragraphs) for article in articles}) == len(articles)
    by_week = weeks_of(articles, "published_at")
    # A week needs 50 texts for anything to be said of it, and a tenth may be copies.
    assert all(3 <= by_week[week] <= 8 for week in range(50))
    assert all(by_week[week] >= 60 for week in range(50, 78))
    event = weeks_of([article for article in articles if article.theme == "event"], "published_at")
    assert event == {EVENT_WEEK: 60, EVENT_WEEK + 1: 45, EVENT_WEEK + 2: 20}


@pytest.mark.parametrize("kind", ["words", "irony", "rating_habit"])
def test_a_decline_changes_only_its_reviews_and_only_from_its_week(world, kind):
    declined = World(WorldConfig(seed=8, decline_week=50, decline_kind=kind))
    assert declined.written_in(49) == world.written_in(49)
    pairs = list(zip(declined.written_in(50), world.written_in(50), strict=True))
    changed = [new for new, old in pairs if new != old]
    assert changed
    assert all(review.truth.is_changed for review in changed)
    assert all(new.body == old.body for new, old in pairs) == (kind == "rating_habit")


def test_a_crawl_gap_hides_reviews_and_changes_none(world):
    gap = World(WorldConfig(seed=8, decline_week=2, decline_kind="crawl_gap"))
    until = START + timedelta(weeks=8) - timedelta(days=1)
    written, listed = gap.written(until), gap.reviews(until)
    plain = [review._replace(truth=review.truth._replace(is_listed=True)) for review in written]
    assert plain == world.written(until)
    shares = {week: weeks_of(listed)[week] / count for week, count in weeks_of(written).items()}
    assert all(share < 0.5 for week, share in shares.items() if 2 <= week < 2 + GAP_WEEKS)
    assert all(share == 1 for week, share in shares.items() if not 2 <= week < 2 + GAP_WEEKS)


def test_the_truth_is_written_for_every_review(world, tmp_path):
    until = START + timedelta(weeks=2)
    rows = write_truth(world, tmp_path / "truth.csv", until)
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert rows == len(found) == len(world.written(until))
    assert {row["true_sentiment"] for row in found} == {"positive", "negative"}
    assert found[0]["review_id"] == world.written(until)[0].review_id


def test_worlds_drawn_side_by_side_do_not_mix(world):
    """Two seeds name their books differently; texts of one must not show up in the other."""
    other = World(WorldConfig(seed=9))
    other.written_in(0)
    titles = {book.title.replace(" ", "") for book in world.books}
    bodies = [review.body.replace(" ", "") for review in world.written_in(0)]
    mentioned = {title for body in bodies for title in re.findall(r"『(.*?)』", body)}
    assert mentioned
    assert mentioned <= titles


def test_the_oracle_gives_the_true_share_of_those_who_leave(world):
    as_of = START + timedelta(weeks=30, days=2)
    bought = {
        event.customer_id
        for event in world.events(as_of + timedelta(days=60), as_of + timedelta(days=1))
        if event.event_type == "purchase"
    }
    customers = [one for one in world.customers(as_of) if one.joined_on < as_of - timedelta(days=7)]
    chances = world.leaving_probabilities(customers, as_of)
    left = [one.customer_id not in bought for one in customers]
    assert 0 <= chances.min() <= chances.max() <= 1
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 1.0)):
        group = [(chance, is_left) for chance, is_left in zip(chances, left, strict=True) if low <= chance < high]
        expected, seen = (sum(values) / len(group) for values in zip(*group, strict=True))
        assert len(group) > 100
        assert abs(expected - seen) < 4 * (expected * (1 - expected) / len(group)) ** 0.5


def test_the_oracle_knows_a_state_and_no_future(world):
    customer = world.customers()[0]._replace(joined_on=START, visits_per_week=0.5)

    def chance(days: int, **changes) -> float:
        leaving = customer._replace(left_on=FIRST_TODAY + timedelta(days=days), **changes)
        return world.leaving_probability(leaving, FIRST_TODAY)

    assert chance(0) == chance(-30) == 1
    assert chance(56) == chance(57) == chance(4000)
    assert 1 > chance(10) > chance(30) > chance(55) > chance(56) > 0
    by_visits = [chance(4000, visits_per_week=rate) for rate in (0.01, 0.1, 0.5, 2.0)]
    assert by_visits == sorted(by_visits, reverse=True)
    assert len(set(by_visits)) == 4
