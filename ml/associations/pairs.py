"""Pairs of words that stand in the same texts more often than by chance; the counts are made in the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg2.extensions import cursor as Cursor
from scipy.stats import hypergeom

from maeari.statistics import holm_adjusted
from ml.associations.config import AssociationsConfig

# `period_texts` is the view of the texts of the period at hand, which `mine` makes: text_no and terms, each once.
_VOCABULARY = """
    select term, count(*)
    from period_texts, unnest(terms) as term
    group by term
    having count(*) between %(min_texts)s and %(max_texts)s
    order by count(*) desc, term collate "C"
    limit %(most)s
"""
# Words by their rank: the rarest of a text are those with the largest numbers.
_BASKETS = """
    with vocabulary as (
        select term, number from unnest(%(vocabulary)s::text[]) with ordinality as listed (term, number)
    )
    select (array_agg(number::integer order by number desc))[:%(most)s] as numbers
    from period_texts, unnest(terms) as said (term)
    inner join vocabulary using (term)
    group by text_no
"""
_PAIRS = f"""
    with baskets as materialized ({_BASKETS})
    select lesser, greater, count(*)
    from baskets
    cross join lateral unnest(numbers) with ordinality as first (greater, place)
    cross join lateral unnest(numbers[place + 1:]) as second (lesser)
    group by lesser, greater
"""  # noqa: S608


@dataclass(frozen=True)
class Vocabulary:
    """The words of a period, those of the most texts first, and in how many texts each stands."""

    terms: list[str]
    texts: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Pairs of words that go together, the surest first; words by their number in the vocabulary.

    `tested` counts every pair that the vocabulary could make: p-values are corrected for all of them.
    """

    terms: np.ndarray
    others: np.ndarray
    texts: np.ndarray
    lift: np.ndarray
    p_values: np.ndarray
    holm_p_values: np.ndarray
    tested: int

    def __len__(self) -> int:
        return len(self.terms)


def read_vocabulary(cursor: Cursor, texts: int, config: AssociationsConfig) -> Vocabulary:
    """The words that stand in enough and in not too many of the period's texts."""
    cursor.execute(
        _VOCABULARY,
        {
            "min_texts": config.min_texts_a_term,
            "max_texts": int(config.max_share_a_term * texts),
            "most": config.max_terms,
        },
    )
    rows = cursor.fetchall()
    return Vocabulary([term for term, _ in rows], np.array([texts for _, texts in rows], dtype=np.int64))


def read_baskets(cursor: Cursor, vocabulary: Sequence[str], config: AssociationsConfig) -> list[list[int]]:
    """The numbers of the words of each text that holds any, from 0."""
    cursor.execute(_BASKETS, {"vocabulary": list(vocabulary), "most": config.max_terms_a_text})
    return [[number - 1 for number in numbers] for (numbers,) in cursor.fetchall()]


def count_pairs(
    cursor: Cursor, vocabulary: Sequence[str], config: AssociationsConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each pair of words that stands in a text: the numbers of both, and in how many texts they do."""
    cursor.execute(_PAIRS, {"vocabulary": list(vocabulary), "most": config.max_terms_a_text})
    rows = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 3)
    return rows[:, 0] - 1, rows[:, 1] - 1, rows[:, 2]


def surest_pairs(
    vocabulary: Vocabulary,
    counts: tuple[np.ndarray, np.ndarray, np.ndarray],
    texts: int,
    config: AssociationsConfig,
) -> Pairs:
    """The pairs that go together beyond chance, by Fisher's exact test (one-sided), corrected by Holm."""
    first, second, together = counts
    tested = len(vocabulary.terms) * (len(vocabulary.terms) - 1) // 2
    first_texts, second_texts = vocabulary.texts[first], vocabulary.texts[second]
    lift = together * texts / (first_texts * second_texts)
    # The others cannot be significant: their p-value is above a half, or they are too few to be told.
    rows = np.flatnonzero((together >= config.min_texts_a_term) & (lift > 1))
    p_values = exact_p_values(together[rows], first_texts[rows], second_texts[rows], texts)
    adjusted = np.array(holm_adjusted(p_values, tests=tested))
    rows, p_values, adjusted = (part[adjusted < config.significance] for part in (rows, p_values, adjusted))
    order = _surest(p_values, together[rows], first_texts[rows] * second_texts[rows] / texts)[: config.most_pairs]
    rows = rows[order]
    return Pairs(first[rows], second[rows], together[rows], lift[rows], p_values[order], adjusted[order], tested)


def exact_p_values(together: np.ndarray, first: np.ndarray, second: np.ndarray, texts: int) -> np.ndarray:
    """The chance that two things as frequent as these meet in at least as many texts (Fisher 1935)."""
    return np.clip(hypergeom.sf(together - 1, texts, first, second), 0, 1)


def _surest(p_values: np.ndarray, together: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The order by p-value; of those too small for a number, by how far the count lies above the expected one."""
    return np.lexsort((-(together - expected) / np.sqrt(expected), p_values))
