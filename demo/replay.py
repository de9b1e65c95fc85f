"""Real movie reviews from a folder of files, drawn by whole films."""

import csv
import gzip
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

from demo.errors import ReplayRefused
from demo.state import ReplayConfig

COLUMNS = ["review_id", "movie_id", "written_on", "rating", "nsmc_train", "review"]


class FilmReview(NamedTuple):
    """A review of a film with 1 to 10 stars; the files name no author."""

    review_id: str
    film_id: str
    written_on: date
    rating: int
    body: str


def review_files(directory: Path) -> list[Path]:
    """The gzip CSV parts of a folder, by name; raises ReplayRefused when there are none."""
    if not directory.is_dir():
        raise ReplayRefused(
            f"{directory} is not a folder. Give the folder that holds the review parts (reviews_*.csv.gz)."
        )
    files = sorted(directory.glob("*.csv.gz"))
    if not files:
        raise ReplayRefused(
            f"{directory} holds no *.csv.gz file. Give the folder that holds the review parts (reviews_*.csv.gz)."
        )
    return files


def last_day(directory: Path) -> date:
    """The day of the newest review in a folder's newest part."""
    newest = review_files(directory)[-1]
    day = max((row[2] for row in _rows(newest)), default="")
    try:
        return date.fromisoformat(day)
    except ValueError:
        found = f"the newest day {day!r}" if day else "no review"
        raise ReplayRefused(f"{newest} has {found}; wanted reviews with days as YYYY-MM-DD.") from None


def draw_films(config: ReplayConfig) -> list[FilmReview]:
    """The drawn reviews, oldest first: whole films in an order set by the seed until there are enough."""
    files = review_files(config.directory)
    last = config.last_day or last_day(config.directory)
    # A leap day has no namesake five years earlier.
    first = config.first_day or date(last.year - 5, last.month, min(last.day, 28))
    films: dict[str, list[FilmReview]] = {}
    for file in files:
        for row in _rows(file):
            if first.isoformat() <= row[2] <= last.isoformat():
                films.setdefault(row[1], []).append(_film_review(file, row))
    found = sum(map(len, films.values()))
    if found < config.reviews:
        raise ReplayRefused(
            f"{config.directory} has {found} reviews from {first} to {last}, but {config.reviews} were asked for. "
            "Ask for fewer, or for more years."
        )
    order = sorted(films)
    Random(config.seed).shuffle(order)
    drawn: list[FilmReview] = []
    for film in order:
        if len(drawn) >= config.reviews:
            break
        drawn += films[film]
    return sorted(drawn, key=lambda review: (review.written_on, review.review_id))


def _film_review(file: Path, row: list[str]) -> FilmReview:
    review_id, film_id, written_on, rating, _, body = row
    try:
        return FilmReview(review_id, film_id, date.fromisoformat(written_on), int(rating), body)
    except ValueError:
        raise ReplayRefused(
            f"{file} has a review {review_id} of {written_on!r} with rating {rating!r}; "
            "wanted a day as YYYY-MM-DD and a whole number of stars."
        ) from None


def _rows(file: Path):
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
            table = csv.reader(stream)
            header = next(table, [])
            if header != COLUMNS:
                raise ReplayRefused(f"{file} begins with the columns {header}; wanted {COLUMNS}.")
            for row in table:
                if len(row) != len(COLUMNS):
                    raise ReplayRefused(f"{file} line {table.line_num} has {len(row)} values; wanted {len(COLUMNS)}.")
                yield row
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReplayRefused(f"{file} cannot be read as gzip CSV in UTF-8: {error}. Fetch the file again.") from error
