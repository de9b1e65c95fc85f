"""The bookshop has a catalogue that can be searched, and customers with taste."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest

from demo.bookshop import LAST_PUBLISHED, ReadingLists, volumes
from demo.grammar import texts
from demo.world import START, World, WorldConfig
from maeari.text import keywords, morphemes
from ml.recommend.evaluate import evaluate
from ml.recommend.model import BookRecommender
from ml.texts.corpus import is_held_out

UNTIL = START + timedelta(weeks=40, days=-1)


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=8))


@pytest.fixture(scope="module")
def bought(world) -> dict[str, list[str]]:
    """The books that each customer bought, in order, each once."""
    found: dict[str, dict[str, None]] = {}
    for event in world.events(UNTIL):
        if event.event_type == "purchase" and event.item_id.startswith("book-"):
            found.setdefault(event.customer_id, {})[event.item_id] = None
    return {customer: list(books) for customer, books in found.items()}


@pytest.fixture(scope="module")
def model_and_held_out(world, bought):
    """A recommender of the world's readers but for a tenth of them, and the books of these."""
    entries = {entry.book_id: entry for entry in world.catalogue}
    ids = [book.book_id for book in world.books]
    told = [
        " ".join(filter(None, (entries[one].title, entries[one].subjects, entries[one].description))) for one in ids
    ]
    readers = sorted(bought)
    sequences = [np.array([ids.index(book) for book in bought[reader]]) for reader in readers]
    is_out = is_held_out(readers)
    learned, held_out = ([sequences[place] for place in np.flatnonzero(mask)] for mask in (~is_out, is_out))
    model = BookRecommender().fit(ids, [keywords(found) for found in morphemes(told)], learned)
    return model, ids, held_out


def test_the_catalogue_has_every_book_and_two_more_editions(world):
    entries = {entry.book_id: entry for entry in world.catalogue}
    assert len(world.catalogue) == len(entries) == 62
    for book in world.books:
        entry = entries[book.book_id]
        assert entry.title == book.title
        assert entry.author in (book.writer, None)
        assert entry.subjects.split("|")[0] == book.genre
    editions = [entry for entry in entries.values() if entry.edition_of]
    assert [entries[one.edition_of].author for one in editions] == [one.author for one in editions]
    for field in ("author", "description", "pages", "published_on"):
        assert sum(getattr(entry, field) is None for entry in entries.values()) == 1
    days = [entry.published_on for entry in entries.values() if entry.published_on]
    assert date(1998, 1, 1) < min(days)
    assert max(days) <= LAST_PUBLISHED < START


def test_a_series_has_one_writer_and_comes_out_in_order(world):
    series: dict[str, list] = {}
    for entry in world.catalogue:
        if entry.series and not entry.edition_of:
            series.setdefault(entry.series, []).append(entry)
    assert len(series) == 4
    for of_one in series.values():
        assert [entry.volume for entry in of_one] == list(range(1, len(of_one) + 1))
        assert len({entry.author for entry in of_one}) == 1
        assert sorted(of_one, key=lambda entry: entry.published_on) == of_one


@pytest.mark.parametrize("seed", [8, 9, 20241202])
def test_every_world_has_a_calm_novel_for_a_rainy_day(seed):
    world = World(WorldConfig(seed=seed))
    found = [
        entry
        for entry in world.catalogue
        if entry.description and "비 오는 날" in entry.description and "잔잔한 소설" in entry.description
    ]
    assert found
    # A slot that was not filled would show.
    assert not any(set("{}") & set(entry.description or "") for entry in world.catalogue)
    assert {book.genre for book in world.books} <= set(texts("books")["genres"])


def test_worlds_of_one_seed_have_one_catalogue(world):
    assert World(world.config).catalogue == world.catalogue
    assert World(WorldConfig(seed=9)).catalogue != world.catalogue


def test_a_reading_list_holds_every_book_once_and_no_volume_before_the_one_before(world):
    lists, numbered = ReadingLists(world.books), volumes(world.books)
    follows = 0
    for number in range(200):
        read = lists.draw(np.random.default_rng(number))
        assert sorted(read) == list(range(60))
        found = [numbered[world.books[place].book_id] for place in read if world.books[place].book_id in numbered]
        for series in {name for name, _ in found}:
            assert [volume for name, volume in found if name == series] == sorted(
                volume for name, volume in found if name == series
            )
        by_book = [numbered.get(world.books[place].book_id) for place in read]
        follows += sum(
            bool(one and other and (one[0], one[1] + 1) == other)
            for one, other in zip(by_book, by_book[1:], strict=False)
        )
    assert follows / 200 > 0.6 * sum(volume > 1 for _, volume in numbered.values())


def test_a_week_is_drawn_alike_whatever_was_drawn_before(world):
    late = World(world.config)
    day = START + timedelta(weeks=12)
    before = list(late.events(day + timedelta(days=6), day))
    assert list(late.events(day - timedelta(days=1))) == list(world.events(day - timedelta(days=1)))
    assert list(world.events(day + timedelta(days=6), day)) == before


def test_customers_keep_to_two_genres_and_no_book_is_everybodys(world, bought):
    genres = {book.book_id: book.genre for book in world.books}
    of_many = [books for books in bought.values() if len(books) >= 4]
    shares = [sum(n for _, n in Counter(genres[one] for one in books).most_common(2)) / len(books) for books in of_many]
    assert 0.65 < np.mean(shares) < 0.9
    readers = Counter(book for books in bought.values() for book in books)
    assert len(readers) == 60
    assert max(readers.values()) < 0.2 * len(bought)


def test_a_reader_unknown_to_the_recommender_is_served_better_than_by_what_many_read(model_and_held_out):
    figures = evaluate(*model_and_held_out)
    assert figures["rows"] > 200
    assert figures["recall_at_10"]["low"] > figures["baseline_recall_at_10"]["high"]


def test_a_rainy_day_finds_a_calm_novel(world, model_and_held_out):
    model, _, _ = model_and_held_out
    entries = {entry.book_id: entry for entry in world.catalogue}
    first, *_ = model.recommend([], "비 오는 날 읽기 좋은 잔잔한 소설", [], 3)
    assert "잔잔한 소설" in entries[first.book_id].description
    assert "비 오는 날" in entries[first.book_id].description
    assert first.why.kind == "words"
