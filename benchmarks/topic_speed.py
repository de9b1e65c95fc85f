"""How fast texts become keywords, topics and associations, and in how much memory."""

import hashlib
import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from embedded import warehouse
from petitions import corpus, counted, texts
from tables import table, versions

CHARACTERS, TOKENISED, ROUNDS, TOKENISED_TO_BARE = 1_000, 300, 9, 0.9
LDA_TEXTS, LDA_TOPICS, LDA_SECONDS = 20_000, 17, 300
MONTH_TEXTS, MONTH_SECONDS, MONTH_GIB = 10_000, 30, 2
AS_OF = date(2019, 7, 31)
COLUMNS = (
    "source", "source_article_id", "version_no", "content_hash", "title", "body", "published_at", "url", "crawl_id",
    "fetched_at",
)  # fmt: skip


def tokenising(seed: int) -> tuple[str, list[str]]:
    """Texts of 1,000 characters a second, beside bare kiwipiepy, and which limits were missed."""
    from kiwipiepy import Kiwi

    from maeari.text import keywords, morphemes
    from ml.texts import dictionary
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection

    cut, words = cut_texts(seed), dictionary.words()
    kiwi = Kiwi(num_workers=os.cpu_count())

    def bare() -> None:
        for _ in kiwi.tokenize(cut):
            pass

    def in_memory() -> None:
        for found in morphemes(cut, words):
            keywords(found)

    def from_table_to_table() -> None:
        assert analyse(Collection.articles, AS_OF)["analysed"] == len(cut)

    ways = {
        "bare kiwipiepy: `Kiwi(num_workers).tokenize(texts)`": bare,
        "`maeari.text`: morphemes and keywords": in_memory,
        "`ml.texts.analyse`: from table to table": from_table_to_table,
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with warehouse():
        land_cut(cut)
        # In turns; the first round, in which models are loaded, does not count.
        for number in range(ROUNDS + 1):
            for way, act in ways.items():
                forget_terms()
                started = time.perf_counter()
                act()
                if number:
                    seconds[way].append(time.perf_counter() - started)
    ratios = {way: median(seconds[next(iter(ways))]) / median(found) for way, found in seconds.items()}
    rows = [
        (way, f"{len(cut) / median(found):,.1f}", f"{ratios[way]:.3f}", "" if act is bare else f"{TOKENISED_TO_BARE}")
        for (way, act), found in zip(ways.items(), seconds.values(), strict=True)
    ]
    text = (
        f"{len(cut):,} texts of {CHARACTERS:,} characters, cut from the petitions in an order drawn by seed {seed}; "
        f"medians of {ROUNDS} rounds in turns, models loaded before. All by {os.cpu_count()} workers with the same "
        f"model files. {versions('kiwipiepy', 'kiwipiepy_model')}"
    )
    missed = [f"{way} at {ratio:.3f} of bare kiwipiepy" for way, ratio in ratios.items() if ratio < TOKENISED_TO_BARE]
    return f"{text}\n\n{table(('way', 'texts a second', 'of bare kiwipiepy', 'at least'), rows)}", missed


def cut_texts(seed: int) -> list[str]:
    """Texts of one length, cut from petitions that follow one another in an order drawn by the seed."""
    whole = np.random.default_rng(seed).permutation(np.array(texts(), dtype=object))
    joined = "\n".join(whole)
    return [joined[place * CHARACTERS : (place + 1) * CHARACTERS] for place in range(TOKENISED)]


def land_cut(bodies: list[str]) -> None:
    """Put texts where a crawl would have put articles, and build what the analysis reads."""
    from maeari import clock, postgres
    from maeari import warehouse as marts

    written_at = clock.start_of_day(AS_OF).isoformat()
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source, outcome) values ('cut', 'finished') returning crawl_id")
        (crawl_id,) = cursor.fetchone()
        rows = (
            (
                "cut", number, 1, hashlib.sha256(body.encode()).hexdigest(), "", body, written_at, "http://127.0.0.1/",
                crawl_id, written_at,
            )
            for number, body in enumerate(bodies)
        )  # fmt: skip
        postgres.copy_rows(connection, "raw.articles", COLUMNS, rows)
    marts.run_dbt("run", "--select", "+int_articles__versions", "+int_reviews__versions")


def forget_terms() -> None:
    """Empty the table of keywords, so that every text is to be analysed."""
    from maeari import postgres

    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("truncate predictions.text_terms")


def lda(seed: int) -> tuple[str, list[str]]:
    """How long LDA takes for 20,000 texts, and whether that is too long."""
    from ml.topics.config import TopicsConfig
    from ml.topics.model import TopicModel

    words, counts = counted(drawn_corpus(LDA_TEXTS, seed))
    config = TopicsConfig()
    started = time.perf_counter(), time.process_time()
    TopicModel("lda", LDA_TOPICS, config.lda_passes, config.min_known_terms, seed).fit(counts, words)
    seconds, core_seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    text = (
        f"{LDA_TEXTS:,} texts drawn with replacement from the petitions by seed {seed}, their keywords in memory: "
        f"{int(counts.sum()):,}, of {len(words):,} words. {LDA_TOPICS} topics, {config.lda_passes} passes as shipped. "
        f"{versions('gensim', 'numpy')}"
    )
    taken = f"{seconds:.0f} ({core_seconds:.0f} of one core)"
    missed = [f"LDA took {seconds:.0f} s"] if seconds > LDA_SECONDS else []
    rows = [("seconds of `TopicModel.fit` by LDA", taken, f"at most {LDA_SECONDS}")]
    return f"{text}\n\n{table(('figure', 'measured', 'wanted'), rows)}", missed


def associations(seed: int) -> tuple[str, list[str]]:
    """How long and in how much memory a month with 10,000 texts is mined, and which limits were missed."""
    from ml.associations.config import AssociationsConfig
    from ml.texts import dictionary

    config, stop_words = AssociationsConfig(), dictionary.stop_words()
    found = drawn_corpus(MONTH_TEXTS, seed)
    baskets = [
        sorted(set(found.words[found.terms[start:end]].tolist()) - stop_words)
        for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)
    ]
    # A process of its own: this one has grown large.
    with warehouse(), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, process_gib, server_gib, told = pool.submit(mine_month, baskets).result()
    text = (
        f"A month of {MONTH_TEXTS:,} texts drawn with replacement from the petitions by seed {seed}, "
        f"{sum(map(len, baskets)) / len(baskets):.0f} different keywords each, mined from their table in Postgres with "
        f"the shipped settings ({config.max_terms} words and their pairs; sets and rules of {config.max_set_terms}): "
        f"{told}. {versions('mlxtend', 'networkx')}"
    )
    gib = process_gib + server_gib
    both = f"{gib:.2f} ({process_gib:.2f} and {server_gib:.2f})"
    rows = [
        ("seconds of `ml.associations.mine.associations`", f"{seconds:.1f}", f"at most {MONTH_SECONDS}"),
        ("peak memory of its process and of Postgres's, GiB", both, f"at most {MONTH_GIB}"),
    ]
    missed = [f"associations took {seconds:.1f} s"] if seconds > MONTH_SECONDS else []
    missed += [f"associations took {gib:.2f} GiB"] if gib > MONTH_GIB else []
    return f"{text}\n\n{table(('figure', 'measured', 'wanted'), rows)}", missed


def mine_month(baskets: list[list[str]]) -> tuple[float, float, float, str]:
    """Seconds, peak memory of this process and of its connection's in GiB, and what was found."""
    from maeari import postgres
    from ml.associations.config import AssociationsConfig
    from ml.associations.mine import associations as mine

    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table period_texts (text_no integer, terms text[])")
        rows = ((number, postgres.text_array(basket)) for number, basket in enumerate(baskets))
        postgres.copy_rows(connection, "period_texts", ("text_no", "terms"), rows)
        cursor.execute("analyze period_texts")
        started = time.perf_counter()
        found = mine(cursor, len(baskets), AssociationsConfig())
        seconds = time.perf_counter() - started
        peaks = peak_gib("self"), peak_gib(connection.info.backend_pid)
    told = f"{len(found.pairs):,} pairs, {len(found.rules):,} rules, {len(found.nodes):,} words in the network"
    return seconds, *peaks, told


def peak_gib(process: int | str) -> float:
    """The most memory that a process has had; `getrusage` would count that of the process which started it."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 2**20


def drawn_corpus(size: int, seed: int):
    """So many of the petitions, drawn with replacement."""
    return corpus().select(np.sort(np.random.default_rng(seed).integers(0, len(corpus()), size)))
