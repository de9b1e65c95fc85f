import csv
import gzip
import os
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from demo.catalog import replay_catalog
from demo.errors import ReplayRefused
from demo.replay import COLUMNS, draw_films, last_day
from demo.state import ReplayConfig, SiteState

NEWEST = date(2015, 8, 27)


def write_part(file, rows, header=COLUMNS):
    with gzip.open(file, "wt", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.fixture
def directory(tmp_path):
    """Two parts: 40 films of 10 reviews each, one review a week up to the newest day, and one old film."""
    rows = []
    for number in range(400):
        day = NEWEST - timedelta(weeks=number // 2)
        rows.append([number, f"film{number % 40}", day.isoformat(), 1 + number % 10, 0, f"영화 이야기 {number}"])
    rows += [[1000 + number, "old", "2004-01-01", 10, 0, "옛날"] for number in range(5)]
    rows.sort(key=lambda row: row[2])
    write_part(tmp_path / "reviews_2004-2013.csv.gz", rows[:200])
    write_part(tmp_path / "reviews_2014.csv.gz", rows[200:])
    return tmp_path


def test_whole_films_are_drawn_until_there_are_enough(directory):
    drawn = draw_films(ReplayConfig(directory=directory, reviews=95, seed=3))
    assert len(drawn) == 100
    assert all(sum(review.film_id == film for review in drawn) == 10 for film in {r.film_id for r in drawn})
    assert [review.written_on for review in drawn] == sorted(review.written_on for review in drawn)
    assert drawn == draw_films(ReplayConfig(directory=directory, reviews=95, seed=3))
    assert drawn != draw_films(ReplayConfig(directory=directory, reviews=95, seed=4))


def test_the_newest_five_years_are_taken_unless_days_are_given(directory):
    assert last_day(directory) == NEWEST
    assert "old" not in {review.film_id for review in draw_films(ReplayConfig(directory=directory, reviews=400))}
    early = ReplayConfig(directory=directory, reviews=5, first_day=date(2004, 1, 1), last_day=date(2004, 12, 31))
    assert {review.film_id for review in draw_films(early)} == {"old"}


def test_a_replay_shows_nothing_after_its_clock(directory):
    today = NEWEST - timedelta(weeks=20)
    catalog = replay_catalog(SiteState(replay=ReplayConfig(directory=directory, reviews=400), today=today))
    shown = [review for film in catalog.sections["films"].subjects.values() for review in film.reviews]
    assert shown
    assert max(review.written_at for review in shown) <= today


def test_more_reviews_than_there_are_is_refused(directory):
    with pytest.raises(ReplayRefused, match=r"has 400 reviews .* but 401 were asked for"):
        draw_films(ReplayConfig(directory=directory, reviews=401))


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(ReplayRefused, match="is not a folder"):
        draw_films(ReplayConfig(directory=tmp_path / "missing"))
    with pytest.raises(ReplayRefused, match=r"holds no \*.csv.gz file"):
        draw_films(ReplayConfig(directory=tmp_path))


def test_files_of_another_form_are_refused(tmp_path):
    part = tmp_path / "reviews.csv.gz"
    row = ["1", "film", "2015-01-01", "10", "0", "좋다"]
    write_part(part, [row], header=["id", "text"])
    with pytest.raises(ReplayRefused, match="begins with the columns"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))
    write_part(part, [row[:3]])
    with pytest.raises(ReplayRefused, match="line 2 has 3 values"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))
    write_part(part, [[*row[:3], "many", *row[4:]]])
    with pytest.raises(ReplayRefused, match="rating"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))
    write_part(part, [[*row[:2], "last spring", *row[3:]]])
    with pytest.raises(ReplayRefused, match="last spring"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))
    write_part(part, [])
    with pytest.raises(ReplayRefused, match="no review"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))
    part.write_bytes(b"not gzip at all")
    with pytest.raises(ReplayRefused, match="cannot be read as gzip CSV"):
        draw_films(ReplayConfig(directory=tmp_path, reviews=1))


def test_real_reviews_fill_every_quarter():
    shared = os.environ.get("MAEARI_SHARED_DATA")
    if not shared:
        pytest.skip("MAEARI_SHARED_DATA is not set: the real review files are not at hand")
    drawn = draw_films(ReplayConfig(directory=Path(shared) / "naver_movie_reviews", reviews=20_000))
    assert len(drawn) >= 20_000
    quarters = Counter((review.written_on.year, (review.written_on.month - 1) // 3) for review in drawn)
    # The first and the last quarter are cut by the five years.
    assert len(quarters) == 21
    assert min(sorted(quarters.items())[number][1] for number in range(1, 20)) >= 150
