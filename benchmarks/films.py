"""The film reviews that the benchmarks measure on: the folder naver_movie_reviews of `MAEARI_SHARED_DATA`."""

import os
import sys
from pathlib import Path

import pandas as pd


def films(newest: int | None = None) -> pd.DataFrame:
    """The reviews that say something, oldest first (all, or so many of the newest parts on), as the files have them.

    Columns `review_id, movie_id, written_on, rating, review`; the last is text, `written_on` a day as YYYY-MM-DD.
    """
    from demo.errors import ReplayRefused
    from demo.replay import review_files

    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where naver_movie_reviews lies.")
    try:
        files = review_files(Path(os.environ["MAEARI_SHARED_DATA"], "naver_movie_reviews"))
    except ReplayRefused as refused:
        sys.exit(str(refused))
    parts, found = [], 0
    for file in reversed(files):
        if newest is not None and found >= newest:
            break
        part = pd.read_csv(file, dtype={"review_id": str, "movie_id": str, "review": str}, keep_default_na=False)
        parts.append(part[part["review"] != ""])
        found += len(parts[-1])
    return pd.concat(reversed(parts), ignore_index=True)
