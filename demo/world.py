"""The demo world: from a seed alone, the same stores, customers, events, reviews and news, week by week.

A week depends on the seed and its own number only, so moving the clock on never changes what was written before.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from demo.bookshop import Book, CatalogueEntry, ReadingLists, catalogue, with_shared_writers
from demo.grammar import VOICES, compile_sentence, draw, lines, texts, words
from demo.reviews import POSITIVE_SHARE, RATES, Section, Sentiment, Subject, draw_stars, writer

START = date(2024, 12, 2)
FIRST_TODAY = date(2026, 5, 31)
SEOUL = ZoneInfo("Asia/Seoul")

CUSTOMERS_AT_START = 3000
CUSTOMERS_PER_WEEK = 60
WEEKLY_LEAVING = 0.012
LEAST_STAY_DAYS = 14
DECLINE_DAYS = 56
LAST_SHARE_OF_VISITS = 0.15
BUYING_SHARE = 0.85
GIFT_SHARE = 0.15
HORIZON_DAYS = 60
CAFE_SHARE = 0.65
FORMAL_SHARE = 0.34
GAP_WEEKS = 4
GAP_SHARE = 0.65
EVENT_WEEK = 58
EVENT_ARTICLES = {EVENT_WEEK: 60, EVENT_WEEK + 1: 45, EVENT_WEEK + 2: 20}


class WorldConfig(BaseModel):
    """Which world to draw: its seed, and the decline injected into its reviews.

    `decline_size` is the accuracy, in points, that a model trained before loses; a crawl gap has no size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 20241202
    decline_week: int = Field(default=66, ge=1)
    decline_size: Literal[0, 3, 5, 10] = 10
    decline_kind: Literal["words", "irony", "rating_habit", "crawl_gap"] = "words"


class Store(NamedTuple):
    """A cafe of the chain."""

    store_id: str
    name: str
    district: str


class Customer(NamedTuple):
    """A customer and the truth about them: `left_on` may lie after the clock."""

    customer_id: str
    nickname: str
    joined_on: date
    left_on: date
    store_id: str
    visits_per_week: float
    voice: str


class Event(NamedTuple):
    """A visit, or a purchase during one."""

    event_id: str
    customer_id: str
    event_type: Literal["visit", "purchase"]
    occurred_at: datetime
    item_id: str
    quantity: int
    amount_krw: int


class Till(NamedTuple):
    """A week's visits; arrays of shape (visits,), but for `active`, of which `visitors` are places."""

    active: list[Customer]
    visitors: np.ndarray
    seconds: np.ndarray
    order: np.ndarray
    buys: np.ndarray
    at_shop: np.ndarray
    gifts: np.ndarray
    is_gift: np.ndarray
    drinks: np.ndarray
    quantities: np.ndarray


class Truth(NamedTuple):
    """What the site never shows about a review."""

    sentiment: Sentiment
    pattern_id: str
    customer_id: str
    is_changed: bool
    is_listed: bool


class Review(NamedTuple):
    """A review as the site shows it, and its truth."""

    review_id: str
    section: Section
    subject_id: str
    subject_name: str
    author: str
    stars: int | None
    title: str
    body: str
    written_at: datetime
    truth: Truth


class Article(NamedTuple):
    """A news article, and its theme as truth."""

    article_id: str
    section: str
    title: str
    reporter: str
    paragraphs: tuple[str, ...]
    published_at: datetime
    theme: str


def week_of(day: date) -> int:
    """The number of the week (Monday to Sunday) that holds a day; 0 begins on 2024-12-02."""
    return (day - START).days // 7


def articles_in_week(week: int) -> tuple[int, int]:
    """How many articles at least and at most are written: a few a week at first, about 65 from week 50 on."""
    return (3, 8) if week < 50 else (60, 70)


def reviews_in_week(week: int) -> int:
    """How many reviews are written: 700 a week at first, 1,700 from week 44 on."""
    return 700 if week < 40 else min(1700, 700 + 200 * (week - 39))


class World:
    """Everything that happens in one demo world."""

    def __init__(self, config: WorldConfig | None = None) -> None:
        self.config = config or WorldConfig()
        self._reviews: list[Review] = []
        self._review_weeks = 0
        self._customers: list[Customer] = []
        self._customer_weeks = -1
        self._chosen_before = [np.zeros(0, int)]
        # Each week's is needed for its events and for those of the week after.
        self._till_of = lru_cache(maxsize=2)(self._draw_till)
        self._reading_lists: dict[str, list[int]] = {}

    @cached_property
    def stores(self) -> tuple[Store, ...]:
        """The cafes."""
        names = texts("names")
        return tuple(
            Store(f"cafe-{number:02d}", f"{names['cafe_chain']} {place.split()[1]}", place.split()[0])
            for number, place in enumerate(words(names["stores"]), 1)
        )

    @cached_property
    def books(self) -> tuple[Book, ...]:
        """Sixty books of the one bookshop."""
        names, random = texts("names"), self._random("books")
        first, second = words(names["book_words"]["first"]), words(names["book_words"]["second"])
        titles = [f"{one} {two}" for one in first for two in second]
        random.shuffle(titles)
        drawn = [
            Book(
                f"book-{number:03d}",
                title,
                random.choice(words(names["surnames"])) + random.choice(words(names["given"])),
                random.choice(words(names["genres"])),
                random.randrange(9, 33) * 1000,
            )
            for number, title in enumerate(titles[:60], 1)
        ]
        return with_shared_writers(drawn)

    @cached_property
    def catalogue(self) -> list[CatalogueEntry]:
        """What the bookshop's catalogue says of its books and of two more editions."""
        return catalogue(self.books, self._random("catalogue"))

    def customers(self, until: date = FIRST_TODAY) -> list[Customer]:
        """Those who joined on or before a day."""
        self._extend_customers(week_of(until))
        return [customer for customer in self._customers if customer.joined_on <= until]

    def events(self, until: date = FIRST_TODAY, since: date = START) -> Iterator[Event]:
        """Visits and purchases on or before a day and not before another, oldest week first."""
        for week in range(week_of(since), week_of(until) + 1):
            for event in self._events_of(week):
                if since <= event.occurred_at.date() <= until:
                    yield event

    def leaving_probability(self, customer: Customer, as_of: date) -> float:
        """One customer's true probability to buy nothing in the 60 days after a day, as `leaving_probabilities`."""
        return float(self.leaving_probabilities([customer], as_of)[0])

    def leaving_probabilities(self, customers: Sequence[Customer], as_of: date) -> np.ndarray:
        """The true probability of each customer to buy nothing in the 60 days after `as_of`, shape (customers,).

        Known is the state of the world on that day: how often the customer visits, whether they have left (then it
        is 1), and, once their visits thin out, the day on which they will leave. Before that the day is not known, only
        the hazard: the probability is the mean over all days on which they may still leave. It is exact; what remains
        is the chance of visits and of buying during one.
        """
        usual = np.array([customer.visits_per_week for customer in customers])
        joined = np.array([customer.joined_on for customer in customers], "datetime64[D]")
        left = np.array([customer.left_on for customer in customers], "datetime64[D]")
        today = np.datetime64(as_of)
        # The decline of all who leave after the last of these days lies beyond the horizon.
        latest = np.arange(HORIZON_DAYS + 7)
        survival = np.exp(-WEEKLY_LEAVING / 7 * latest)
        chances = survival - np.append(survival[1:], 0)
        unknown = _buys_nothing(usual[:, None], joined[:, None], (today + DECLINE_DAYS + latest)[None], as_of) @ chances
        known = _buys_nothing(usual, joined, left, as_of)
        return np.where((left - today).astype(int) < DECLINE_DAYS, known, unknown)

    def reviews(self, until: date = FIRST_TODAY) -> list[Review]:
        """Reviews the site lists on or before a day, oldest first."""
        return [review for review in self.written(until) if review.truth.is_listed]

    def written(self, until: date = FIRST_TODAY) -> list[Review]:
        """All reviews on or before a day, oldest first, also those that a crawl gap keeps off the site."""
        while self._review_weeks <= week_of(until):
            self._reviews += self.written_in(self._review_weeks)
            self._review_weeks += 1
        end = bisect_right(self._reviews, until, key=lambda review: review.written_at.date())
        return self._reviews[:end]

    def written_in(self, week: int) -> list[Review]:
        """All reviews of one week, oldest first; the same whatever else was drawn before."""
        config, random = self.config, self._random("reviews", week)
        # Changes draw their own numbers, so that worlds of one seed differ in the changed reviews only.
        change = self._random("change", week)
        active = self._active_customers(week)
        soon = START + timedelta(weeks=week + 8)
        leaving = [customer for customer in active if customer.left_on < soon] or active
        since = week - config.decline_week
        rate = 0.0
        if since >= 0 and config.decline_size and config.decline_kind in RATES:
            rate = RATES[config.decline_kind][config.decline_size]
        has_gap = config.decline_kind == "crawl_gap" and 0 <= since < GAP_WEEKS
        monday = datetime.combine(START + timedelta(weeks=week), datetime.min.time(), SEOUL)
        subjects = {
            "cafe": [Subject(store.store_id, store.name) for store in self.stores],
            "bookshop": [Subject(book.book_id, f"『{book.title}』") for book in self.books],
        }
        seconds = sorted(
            random.randrange(7) * 86400 + int(random.triangular(7, 24, 20) * 3600) for _ in range(reviews_in_week(week))
        )
        reviews = []
        for number, second in enumerate(seconds):
            section: Section = "cafe" if random.random() < CAFE_SHARE else "bookshop"
            subject = random.choice(subjects[section])
            sentiment: Sentiment = "positive" if random.random() < POSITIVE_SHARE else "negative"
            unhappy = sentiment == "negative" and random.random() < 0.4
            customer = random.choice(leaving if unhappy else active)
            pen = writer(section)
            draft = pen.write(random, sentiment, customer.voice, subject)
            stars = draw_stars(random, sentiment)
            title = ""
            if section == "cafe" and random.random() < 0.3:
                title = f"{random.choice(pen.pools['when'])} {random.choice(pen.pools['menu'])}"
            lot, is_changed = change.random(), False
            if config.decline_kind == "words" and lot < rate:
                is_changed, draft = True, pen.write_new_words(change, sentiment, customer.voice, subject)
            elif config.decline_kind == "irony" and sentiment == "negative" and lot < rate / (1 - POSITIVE_SHARE):
                is_changed, draft = True, pen.write_irony(change, customer.voice, subject)
            elif config.decline_kind == "rating_habit" and sentiment == "negative" and customer.voice == "formal":
                is_changed = stars in (1, 2) and lot < rate / (1 - POSITIVE_SHARE) / FORMAL_SHARE
                stars = 4 if is_changed else stars
            reviews.append(
                Review(
                    f"{section[0]}{week:03d}{number:04d}",
                    section,
                    subject.subject_id,
                    subject.name,
                    customer.nickname,
                    stars,
                    title,
                    draft.body,
                    monday + timedelta(seconds=second),
                    Truth(
                        draft.sentiment,
                        draft.pattern_id,
                        customer.customer_id,
                        is_changed,
                        not (has_gap and lot < GAP_SHARE),
                    ),
                )
            )
        return reviews

    def articles(self, until: date = FIRST_TODAY) -> list[Article]:
        """News on or before a day, oldest first."""
        found = [article for week in range(week_of(until) + 1) for article in self._articles_of(week)]
        return [article for article in found if article.published_at.date() <= until]

    def _random(self, *what: object) -> Random:
        return Random(":".join(map(str, (self.config.seed, *what))))

    def _extend_customers(self, week: int) -> None:
        names = texts("names")
        first, second = words(names["nicknames"]["first"]), words(names["nicknames"]["second"])
        while self._customer_weeks <= week:
            random = self._random("customers", self._customer_weeks)
            begins = self._customer_weeks < 0
            for _ in range(CUSTOMERS_AT_START if begins else CUSTOMERS_PER_WEEK):
                number = len(self._customers)
                monday = START + timedelta(weeks=self._customer_weeks)
                joined = monday + timedelta(days=random.randrange(7) - (random.randrange(365) if begins else 0))
                stays = LEAST_STAY_DAYS + int(random.expovariate(WEEKLY_LEAVING / 7))
                left = max(joined, START) + timedelta(days=stays)
                self._customers.append(
                    Customer(
                        f"customer-{number:05d}",
                        f"{random.choice(first)}{random.choice(second)}{number}",
                        joined,
                        left,
                        random.choice(self.stores).store_id,
                        round(random.gammavariate(2.0, 0.35), 3),
                        random.choices(VOICES, (FORMAL_SHARE, 0.40, 0.26))[0],
                    )
                )
            self._customer_weeks += 1

    def _active_customers(self, week: int) -> list[Customer]:
        self._extend_customers(week)
        monday = START + timedelta(weeks=week)
        sunday = monday + timedelta(days=6)
        return [customer for customer in self._customers if customer.joined_on < monday and customer.left_on > sunday]

    def _events_of(self, week: int) -> list[Event]:
        till = self._till_of(week)
        start = datetime.combine(START + timedelta(weeks=week), datetime.min.time(), SEOUL)
        chosen = self._books_chosen_before(week)
        events = []
        for number, row in enumerate(till.order.tolist()):
            customer, moment = till.active[till.visitors[row]], start + timedelta(seconds=int(till.seconds[row]))
            place = "bookshop" if till.at_shop[row] else customer.store_id
            events.append(Event(f"v{week:03d}{number:05d}", customer.customer_id, "visit", moment, place, 1, 0))
            if not till.buys[row]:
                continue
            quantity = int(till.quantities[row])
            if till.at_shop[row]:
                book = self.books[till.gifts[row]]
                if not till.is_gift[row]:
                    reads, reader = self._reading_list(customer), _number(customer)
                    book = self.books[reads[chosen[reader] % len(reads)]]
                    chosen[reader] += 1
                item, price = book.book_id, book.price_krw
            else:
                item, price = f"menu-{till.drinks[row] + 1:02d}", 3500 + 200 * int(till.drinks[row])
            moment += timedelta(minutes=4)
            events.append(
                Event(
                    f"p{week:03d}{number:05d}",
                    customer.customer_id,
                    "purchase",
                    moment,
                    item,
                    quantity,
                    price * quantity,
                )
            )
        return events

    @cached_property
    def _tastes(self) -> ReadingLists:
        return ReadingLists(self.books)

    def _draw_till(self, week: int) -> Till:
        active = self._active_customers(week)
        random = np.random.default_rng([self.config.seed & 0xFFFFFFFF, week])
        monday = START + timedelta(weeks=week)
        left_in_weeks = np.array([(customer.left_on - monday).days / 7 for customer in active])
        usual = np.array([customer.visits_per_week for customer in active])
        visits = random.poisson(usual * np.clip(left_in_weeks / (DECLINE_DAYS / 7), LAST_SHARE_OF_VISITS, 1.0))
        visitors = np.repeat(np.arange(len(active)), visits)
        seconds = random.integers(0, 7, len(visitors)) * 86400 + random.integers(8 * 3600, 22 * 3600, len(visitors))
        buys, at_shop = random.random(len(visitors)) < BUYING_SHARE, random.random(len(visitors)) < 0.2
        gifts, drinks = (
            random.integers(0, len(self.books), len(visitors)),
            random.integers(0, 25, len(visitors)),
        )
        quantities = 1 + random.binomial(2, 0.2, len(visitors))
        # Whose book it is draws its own numbers, so that visits, drinks and quantities stay as they were without it.
        is_gift = np.random.default_rng([self.config.seed & 0xFFFFFFFF, week, 1]).random(len(visitors)) < GIFT_SHARE
        order = np.argsort(seconds, kind="stable")
        return Till(active, visitors, seconds, order, buys, at_shop, gifts, is_gift, drinks, quantities)

    def _books_chosen_before(self, week: int) -> np.ndarray:
        """How many books each customer has bought to read in all weeks before, shape (customers by then,)."""
        while len(self._chosen_before) <= week:
            till = self._till_of(len(self._chosen_before) - 1)
            readers = till.visitors[till.buys & till.at_shop & ~till.is_gift].tolist()
            chosen = np.zeros(len(self._customers), int)
            chosen[: len(self._chosen_before[-1])] = self._chosen_before[-1]
            chosen += np.bincount([_number(till.active[reader]) for reader in readers], minlength=len(chosen))
            self._chosen_before.append(chosen)
        self._extend_customers(week)
        before = self._chosen_before[week]
        return np.append(before, np.zeros(len(self._customers) - len(before), int))

    def _reading_list(self, customer: Customer) -> list[int]:
        if customer.customer_id not in self._reading_lists:
            random = np.random.default_rng([self.config.seed & 0xFFFFFFFF, _number(customer), 2])
            self._reading_lists[customer.customer_id] = self._tastes.draw(random)
        return self._reading_lists[customer.customer_id]

    def _articles_of(self, week: int) -> list[Article]:
        random, news, names = self._random("articles", week), texts("news"), texts("names")
        pools = {name: words(text) for name, text in news["pools"].items()}
        themes = [random.choice(list(news["themes"])) for _ in range(random.randint(*articles_in_week(week)))]
        themes += ["event"] * EVENT_ARTICLES.get(week, 0)
        monday = datetime.combine(START + timedelta(weeks=week), datetime.min.time(), SEOUL)
        moments = sorted(
            monday + timedelta(days=random.randrange(7), seconds=random.randrange(6 * 3600, 20 * 3600)) for _ in themes
        )
        articles = []
        for number, (theme, moment) in enumerate(zip(themes, moments, strict=True)):
            facts = news["event"] if theme == "event" else news["themes"][theme]
            chosen = [random.choice(lines(facts["titles"])), *random.sample(lines(facts["paragraphs"]), 4)]
            title, *paragraphs = (draw(compile_sentence(line, pools), random.random) for line in chosen)
            reporter = random.choice(words(names["surnames"])) + random.choice(words(names["given"]))
            articles.append(
                Article(
                    f"n{week:03d}{number:03d}",
                    facts["section"],
                    title,
                    reporter,
                    tuple(paragraphs),
                    moment,
                    theme,
                )
            )
        return articles


def _number(customer: Customer) -> int:
    """A customer's place among all who ever joined."""
    return int(customer.customer_id.removeprefix("customer-"))


def _buys_nothing(usual: np.ndarray, joined: np.ndarray, left: np.ndarray, as_of: date) -> np.ndarray:
    """The probability of no purchase in the horizon for those who leave on the days `left`; all three broadcast."""
    first_day, last_day = as_of + timedelta(days=1), as_of + timedelta(days=HORIZON_DAYS)
    purchases = np.zeros(np.broadcast_shapes(usual.shape, joined.shape, left.shape))
    for week in range(week_of(first_day), week_of(last_day) + 1):
        monday = START + timedelta(weeks=week)
        days = (min(last_day, monday + timedelta(days=6)) - max(first_day, monday)).days + 1
        stays_days = (left - np.datetime64(monday)).astype(int)
        share = np.clip(stays_days / DECLINE_DAYS, LAST_SHARE_OF_VISITS, 1.0)
        is_active = (joined < np.datetime64(monday)) & (stays_days > 6)
        purchases = purchases + usual * BUYING_SHARE * share * is_active * days / 7
    return np.exp(-purchases)


def write_truth(world: World, file: Path, until: date = FIRST_TODAY) -> int:
    """Write the truth of every review up to a day as CSV; returns the number of rows."""
    written = world.written(until)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(
            [
                "review_id",
                "section",
                "subject_id",
                "written_at",
                "week",
                "stars",
                "true_sentiment",
                "pattern_id",
            ]
            + ["customer_id", "is_changed", "is_listed"]
        )
        for review in written:
            table.writerow(
                [review.review_id, review.section, review.subject_id, review.written_at.isoformat()]
                + [week_of(review.written_at.date()), review.stars, *review.truth]
            )
    return len(written)
