"""The petitions that the benchmarks measure on: the folder petitions of `MAEARI_SHARED_DATA`."""

import gzip
import json
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse


@cache
def petitions() -> pd.DataFrame:
    """The petitions of April to July 2019, as the files have them, each body once: the first petition with it counts.

    Columns `petition_idx, category, begin, end, title, content, num_agree, status`.
    """
    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where petitions lies.")
    folder = Path(os.environ["MAEARI_SHARED_DATA"], "petitions")
    files = sorted(folder.glob("*.jsonl.gz"))
    if not files:
        sys.exit(f"{folder} holds no *.jsonl.gz file.")
    rows = []
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows += [json.loads(line) for line in lines]
    return pd.DataFrame(rows).drop_duplicates("content", ignore_index=True)


def texts() -> list[str]:
    """The petitions as models read them."""
    from maeari.text import joined

    return [joined(title, content) for title, content in petitions()[["title", "content"]].itertuples(index=False)]


@cache
def corpus():
    """The petitions' keywords as `ml.texts.analyse` finds them, a `Corpus` whose texts tell the `section` alone."""
    from maeari.text import keywords, morphemes
    from ml.texts import dictionary
    from ml.texts.corpus import Corpus

    words = dictionary.words()
    own = {word.form.replace(" ", "").lower() for word in words}
    numbers: dict[str, int] = {}
    found = [
        np.array([numbers.setdefault(word, len(numbers)) for word in keywords(read, own)], np.int32)
        for read in morphemes(texts(), words)
    ]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in found])])
    facts = pd.DataFrame({"section": petitions()["category"]})
    return Corpus(facts, np.array(list(numbers), dtype=str), np.concatenate(found), offsets)


def counted(found) -> tuple[list[str], sparse.csr_matrix]:
    """The vocabulary of a corpus by the shipped rules, and how often each of its words stands in each text."""
    from ml.texts import dictionary
    from ml.topics.config import TopicsConfig

    config = TopicsConfig()
    words, _ = found.vocabulary(
        dictionary.stop_words(),
        min_texts=config.min_texts_a_term,
        max_share=config.max_share_a_term,
        most=config.max_terms,
    )
    return words, found.counts(words)


def land() -> int:
    """Land the petitions as articles of one source, each on the day it began and under its category; returns how many.

    By the crawlers' own intake, without HTTP; copies are marked as after a crawl.
    """
    from crawlers import duplicates, landing
    from crawlers.intake import Intake
    from maeari import clock, postgres

    with postgres.connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.crawls (source, finished_at, outcome) values ('petitions', now(), 'finished')"
            " returning crawl_id"
        )
        (crawl_id,) = cursor.fetchone()
        intake = Intake("petitions", crawl_id)
        items = [
            intake.take(
                {
                    "source_article_id": str(petition.petition_idx),
                    "title": petition.title,
                    "body": petition.content,
                    "section": petition.category,
                    "author": None,
                    "published_at": f"{petition.begin}T09:00+09:00",
                },
                "http://127.0.0.1/",
                clock.end_of_day(pd.Timestamp(petition.begin).date()),
            )[0]
            for petition in petitions().itertuples()
        ]
        landed = landing.land(connection, items).new
        duplicates.keep(connection, crawl_id, landed)
        duplicates.mark(connection)
    return len(landed)
