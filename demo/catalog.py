"""What the website has to show on a day: subjects with their reviews, and news."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from demo.errors import DemoError
from demo.replay import draw_films
from demo.state import SiteState
from demo.world import SEOUL, Article, World


class ShownReview(NamedTuple):
    """A review as a page shows it; `written_at` is a plain day where the source knows no time."""

    review_id: str
    author: str | None
    stars: int | None
    title: str
    body: str
    written_at: datetime | date


@dataclass
class Subject:
    """A store, book or film with its reviews, oldest first."""

    subject_id: str
    name: str
    note: str
    reviews: list[ShownReview] = field(default_factory=list)


@dataclass
class Section:
    """One part of the site; its slug begins its addresses."""

    slug: str
    title: str
    schema_type: str | None
    best_rating: int
    subjects: dict[str, Subject]


@dataclass
class Catalog:
    """Everything the site shows on `today`."""

    today: date
    sections: dict[str, Section]
    articles: dict[str, Article]


def world_catalog(state: SiteState, world: World) -> Catalog:
    """What a demo world's site shows."""
    cafes = {store.store_id: Subject(store.store_id, store.name, f"서울 {store.district}") for store in world.stores}
    books = {
        book.book_id: Subject(book.book_id, book.title, f"{book.writer} · {book.genre} · {book.price_krw:,}원")
        for book in world.books
    }
    subjects = cafes | books
    for review in world.reviews(state.today):
        subjects[review.subject_id].reviews.append(
            ShownReview(review.review_id, review.author, review.stars, review.title, review.body, review.written_at)
        )
    _plant(state, subjects)
    sections = {
        "cafes": Section("cafes", "물결커피 매장", "CafeOrCoffeeShop", 5, cafes),
        "books": Section("books", "물결책방 서가", None, 5, books),
    }
    return Catalog(state.today, sections, {article.article_id: article for article in world.articles(state.today)})


def replay_catalog(state: SiteState) -> Catalog:
    """What the site shows when it replays a review file."""
    films: dict[str, Subject] = {}
    for review in draw_films(state.replay):
        if review.written_on > state.today:
            continue
        film = films.setdefault(review.film_id, Subject(review.film_id, f"영화 {review.film_id}", ""))
        film.reviews.append(ShownReview(review.review_id, None, review.rating, "", review.body, review.written_on))
    _plant(state, films)
    return Catalog(state.today, {"films": Section("films", "영화", "Movie", 10, films)}, {})


def _plant(state: SiteState, subjects: dict[str, Subject]) -> None:
    for number, planted in enumerate(state.planted, 1):
        subject = subjects.get(planted.subject_id)
        if subject is None:
            raise DemoError(f"“{planted.subject_id}” is no subject of this site; one is “{next(iter(subjects), '')}”.")
        written_at = planted.written_at
        written_at = written_at.replace(tzinfo=SEOUL) if written_at.tzinfo is None else written_at.astimezone(SEOUL)
        if written_at.date() > state.today:
            continue
        subject.reviews.append(
            ShownReview(
                planted.review_id or f"planted-{number}",
                planted.author,
                planted.stars,
                planted.title,
                planted.body,
                written_at,
            )
        )
        subject.reviews.sort(key=lambda review: review.written_at.isoformat())
