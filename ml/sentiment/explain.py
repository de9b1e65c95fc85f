"""Why a review was taken as positive or negative: each character's part in the score, told by words and terms."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import connection as Connection

from maeari import clock, postgres
from maeari.postgres import number_array, text_array
from maeari.text import LONGEST, Morpheme, Term, joined, morphemes, terms
from ml.batches import read_batches
from ml.errors import UnknownReview
from ml.sentiment import aspects, picks
from ml.sentiment.classifier import Contributions, ReviewClassifier
from ml.sentiment.predict import load, stretches
from ml.sentiment.text import code_points

BATCH_ROWS = 2_000
BATCH_CHARACTERS = 1_000_000
"""Long texts make smaller batches, so that memory stays bounded."""
COMPARED_REVIEWS = 150
"""Picked reviews that one run explains by SHAP and LIME too; what is left waits for the next run."""
MAX_COMPARED_WORDS = 500
MAX_COMPARED_CHARACTERS = 10_000
"""A text longer in either way gets no SHAP and LIME: they would take minutes."""
LIME_DRAWS = 500
SHAP_PERMUTATIONS = 10
SEED = 0

EXPLANATION_COLUMNS = (
    "review_id", "content_hash", "model_version", "event_at", "explained_at", "base_score", "score", "characters",
    "terms", "term_contributions", "aspects",
)  # fmt: skip

_WORD = re.compile(r"\S+")
# All characters that `str.isspace` knows lie below this one.
_IS_SPACE = np.array([chr(code).isspace() for code in range(0x3001)] + [False])

_UNEXPLAINED = """
    select scored.review_id, scored.content_hash, scored.event_at, versions.source, versions.title, versions.body
    from predictions.sentiment as scored
    inner join intermediate.int_reviews__versions as versions
        on versions.review_id = scored.review_id
        and versions.content_hash = scored.content_hash
        and coalesce(versions.written_at, versions.valid_from) = scored.event_at
    where scored.model_version = %(version)s
        and scored.purpose <> 'shadow'
        and scored.event_at >= %(start)s
        and scored.event_at < %(until)s
        and versions.valid_from < %(known_until)s
        and (versions.valid_to is null or versions.valid_to >= %(known_until)s)
        and not exists (
            select from predictions.sentiment_explanations as explained
            where explained.review_id = scored.review_id
                and explained.content_hash = scored.content_hash
                and explained.model_version = scored.model_version
        )
    order by scored.event_at, scored.review_id
"""

_UNCOMPARED = """
    select
        picked.review_id, picked.content_hash, picked.model_version, versions.title, versions.body,
        count(*) over () as waiting
    from predictions.sentiment_picks as picked
    inner join predictions.sentiment_explanations as explained using (review_id, content_hash, model_version)
    inner join intermediate.int_reviews__versions as versions using (review_id, content_hash)
    where explained.shap is null and picked.month_start_on = any(%(months)s)
    group by 1, 2, 3, 4, 5
    order by max(picked.month_start_on) desc, min(picked.rank), picked.review_id
    limit %(at_most)s
"""

_REVIEW = """
    select title, body
    from intermediate.int_reviews__versions
    where review_id = %(review_id)s and valid_from < %(known_until)s
    order by version_no desc
    limit 1
"""


class Part(NamedTuple):
    """A word or a morpheme of a text, where it stands, and what it adds to the score."""

    text: str
    start: int
    end: int
    contribution: float


@dataclass(frozen=True)
class Comparison:
    """What SHAP and LIME say that each word of a text adds to the score, and Spearman's correlation with ours.

    A correlation is None where there is nothing to rank: fewer than two words, or all of them equal.
    """

    shap: np.ndarray
    lime: np.ndarray
    shap_agreement: float | None
    lime_agreement: float | None


@dataclass(frozen=True)
class Explanation:
    """Why a classifier gives a text its score: `base_score` and the words add up to `score`.

    So do the morphemes, of a text that is read to its end. Aspects are told whatever the text is about.
    """

    text: str
    base_score: float
    score: float
    probability: float
    words: list[Part]
    morphemes: list[Part]
    comparison: Comparison | None
    """None for a text too long for them."""
    aspects: dict[str, dict]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text stand: all that is between white space."""
    return [match.span() for match in _WORD.finditer(text)]


def word_contributions(texts: Sequence[str], contributions: Contributions) -> tuple[np.ndarray, np.ndarray]:
    """What each word adds to its text's score: values of all words in order, and offsets of the texts in them.

    White space counts to the word before it, at the beginning to the first word, so that words add up to the text.
    """
    codes, offsets = code_points(texts)
    is_space = _IS_SPACE[np.minimum(codes, len(_IS_SPACE) - 1)]
    after_space = np.concatenate([[True], is_space[:-1]])[: len(codes)]
    after_space[offsets[:-1][offsets[:-1] < len(codes)]] = True
    starts = np.flatnonzero(~is_space & after_space)
    word_offsets = np.searchsorted(starts, offsets)
    has_words = np.diff(word_offsets) > 0
    ends = np.append(starts[1:], len(codes))
    starts[word_offsets[:-1][has_words]] = offsets[:-1][has_words]
    ends[word_offsets[1:][has_words] - 1] = offsets[1:][has_words]
    sums = np.concatenate([[0.0], np.cumsum(contributions.values, dtype=np.float64)])
    return sums[ends] - sums[starts], word_offsets


def words(text: str, characters: np.ndarray) -> list[Part]:
    """The words of a text with their contributions, from those of its characters; see `word_contributions`."""
    values, _ = word_contributions([text], Contributions(characters, np.array([0, len(characters)])))
    return _parts(text, word_spans(text), values)


def morpheme_parts(text: str, characters: np.ndarray, found: Sequence[Morpheme]) -> list[Part]:
    """The morphemes of a text with their contributions, which add up to those of the characters that are read.

    A character of several, as 했 is 하 and 었, is parted evenly; what no morpheme covers counts to the one before.
    """
    if not found:
        return []
    text, characters = text[:LONGEST], characters[:LONGEST]
    starts = np.array([morpheme.start for morpheme in found])
    ends = np.maximum([morpheme.end for morpheme in found], np.append(starts[1:], len(text)))
    starts[0] = 0
    sharers = np.zeros(len(text) + 1)
    np.add.at(sharers, starts, 1)
    np.add.at(sharers, ends, -1)
    sums = np.concatenate([[0.0], np.cumsum(characters / np.maximum(np.cumsum(sharers)[:-1], 1), dtype=np.float64)])
    spans = [(morpheme.start, morpheme.end) for morpheme in found]
    return [
        part._replace(text=morpheme.form)
        for part, morpheme in zip(_parts(text, spans, sums[ends] - sums[starts]), found, strict=True)
    ]


def term_contributions(characters: np.ndarray, found: Sequence[Term]) -> dict[str, float]:
    """What the characters of each term add to the score, over all its places in the text."""
    sums = np.concatenate([[0.0], np.cumsum(characters, dtype=np.float64)])
    totals: dict[str, float] = {}
    for form, start, end in found:
        totals[form] = totals.get(form, 0.0) + float(sums[end] - sums[start])
    return totals


def shap_values(classifier: ReviewClassifier, text: str, seed: int = SEED) -> np.ndarray:
    """What each word adds to the score by SHAP, one number a word: a hidden word is a word taken out of the text.

    The permutation explainer (Lundberg and Lee 2017): there and back through each order of the words. The classifier
    is additive in characters but for the length of the text and what neighbours share, for which its few orders are
    exact enough; a linear explainer would not see what taking a word out does to its neighbours.
    """
    import shap

    spans = word_spans(text)
    if not spans:
        return np.empty(0)
    score = _score_of_kept(classifier, text)
    before = np.random.get_state()
    try:
        # It draws from numpy's global generator and seeds that.
        explainer = shap.PermutationExplainer(score, lambda kept, row: (kept * row)[None], seed=seed)
        evaluations = SHAP_PERMUTATIONS * (2 * len(spans) + 1)
        found = explainer(np.ones((1, len(spans))), max_evals=evaluations, silent=True)
    finally:
        np.random.set_state(before)
    return np.asarray(found.values[0], dtype=float)


def lime_values(classifier: ReviewClassifier, text: str, seed: int = SEED) -> np.ndarray:
    """What each word adds to the score by LIME (Ribeiro et al. 2016), one number a word.

    The library's own text explainer, its draws and weights; it is shown the words' numbers in place of the words, so
    that equal words keep their places and no spelling can upset it.
    """
    from lime.lime_text import LimeTextExplainer

    spans = word_spans(text)
    if not spans:
        return np.empty(0)
    score = _score_of_kept(classifier, text)

    def scores(stand_ins: list[str]) -> np.ndarray:
        kept = np.zeros((len(stand_ins), len(spans)))
        for row, stand_in in zip(kept, stand_ins, strict=True):
            row[[int(number) for number in stand_in.split()]] = 1
        found = score(kept)
        return np.column_stack([-found, found])

    explainer = LimeTextExplainer(split_expression=r"\s+", feature_selection="none", random_state=seed)
    stand_in = " ".join(map(str, range(len(spans))))
    found = explainer.explain_instance(stand_in, scores, num_features=len(spans), num_samples=LIME_DRAWS)
    values = np.zeros(len(spans))
    for word, weight in found.local_exp[1]:
        values[word] = weight
    return values


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's correlation of two rows of numbers; None where there is nothing to rank."""
    from scipy.stats import rankdata

    ranks = [rankdata(row) for row in (first, second)]
    if len(first) < 2 or any(np.ptp(ranked) == 0 for ranked in ranks):
        return None
    return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))


def compare(classifier: ReviewClassifier, text: str, seed: int = SEED) -> Comparison | None:
    """SHAP and LIME of a text next to our own words; None when it is too long for them."""
    if len(text) > MAX_COMPARED_CHARACTERS or len(word_spans(text)) > MAX_COMPARED_WORDS:
        return None
    ours, _ = word_contributions([text], classifier.contributions([text]))
    by_shap, by_lime = shap_values(classifier, text, seed), lime_values(classifier, text, seed)
    return Comparison(by_shap, by_lime, rank_correlation(ours, by_shap), rank_correlation(ours, by_lime))


def explain(classifier: ReviewClassifier, text: str) -> Explanation:
    """Everything there is to say about one text's score."""
    contributions, scores = classifier.contributions([text]), classifier.scores([text])
    characters = contributions.of(0)
    (found,) = morphemes([text])
    return Explanation(
        text=text,
        base_score=classifier.base_score,
        score=float(scores[0]),
        probability=float(classifier.probabilities(scores)[0]),
        words=words(text, characters),
        morphemes=morpheme_parts(text, characters, found),
        comparison=compare(classifier, text),
        aspects=aspects.aspect_scores(aspects.load(), text, characters, found),
    )


def read_review(review_id: str, as_of: date) -> str:
    """The text of a review as it was known at the end of a day; `UnknownReview` when there was none."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_REVIEW, {"review_id": review_id, "known_until": clock.end_of_day(as_of)})
        row = cursor.fetchone()
    if row is None:
        raise UnknownReview(
            f"No review “{review_id}” was known on {as_of}. The reviews there are stand in marts.fct_reviews, their "
            "ids as source:number; build_warehouse takes new ones in."
        )
    return joined(*row)


def explain_reviews(as_of: date) -> dict:
    """Explain the reviews of the month of `as_of` and the one before that are scored and not explained yet.

    By every version that was in charge since then, until its successor took over, so that one version can tell the two
    months that end with it. Then picks of both months are made anew by the version in charge of `as_of`, and those
    that have no SHAP and LIME yet get them, the newest month and the best picks first, at most `COMPARED_REVIEWS` a
    run. Only what was known at the end of `as_of` is read; running it again adds nothing, and a run that broke off
    goes on where it stopped.
    """
    known_until = clock.end_of_day(as_of)
    in_charge = stretches(known_until)
    months = _months(as_of)
    start = clock.start_of_day(months[0])
    by_version: dict[str, int] = {}
    for stretch in in_charge:
        until = min(stretch.effective_until or known_until, known_until)
        key = str(stretch.version)
        by_version[key] = by_version.get(key, 0) + _explain_stretch(stretch.version, start, until, known_until)
    picked = sum(picks.pick(month, as_of, in_charge[-1].version) for month in months) if in_charge else 0
    compared, left = _compare_picks(months) if in_charge else (0, 0)
    return {
        "as_of": as_of.isoformat(),
        "explained": sum(by_version.values()),
        "by_version": by_version,
        "picked": picked,
        "compared": compared,
        "left_to_compare": left,
        "compared_at_most": COMPARED_REVIEWS,
    }


def _parts(text: str, spans: Sequence[tuple[int, int]], values: np.ndarray) -> list[Part]:
    return [
        Part(text[start:end], start, end, value) for (start, end), value in zip(spans, values.tolist(), strict=True)
    ]


def _score_of_kept(classifier: ReviewClassifier, text: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function that scores the text with only the words kept whose number is not 0, shape (rows, words)."""
    parts = text.split()

    def score(kept: np.ndarray) -> np.ndarray:
        return classifier.scores([" ".join(itertools.compress(parts, row)) for row in kept.tolist()])

    return score


def _months(as_of: date) -> list[date]:
    this = as_of.replace(day=1)
    return [date(this.year - (this.month == 1), (this.month - 2) % 12 + 1, 1), this]


def _explain_stretch(version: int, start: datetime, until: datetime, known_until: datetime) -> int:
    """Explain what a version has scored of a stretch of time; returns how many."""
    parameters = {"version": version, "start": start, "until": until, "known_until": known_until}
    classifier, explained = None, 0
    with postgres.connect("ml") as reader, postgres.connect("ml") as writer:
        for batch in read_batches(reader, _UNEXPLAINED, parameters, BATCH_ROWS, BATCH_CHARACTERS):
            classifier = classifier or load(version)
            explained += _write(writer, _rows(classifier, version, batch))
            # Each batch stands by itself, so that a run that is killed resumes where it stopped.
            writer.commit()
    return explained


def _rows(classifier: ReviewClassifier, version: int, batch: list[tuple]) -> Iterator[tuple]:
    texts = [joined(title, body) for *_, title, body in batch]
    contributions, scores, seeds = classifier.contributions(texts), classifier.scores(texts), aspects.load()
    explained_at = datetime.now(UTC)
    for number, (row, text, found) in enumerate(zip(batch, texts, morphemes(texts), strict=True)):
        review_id, content_hash, event_at, source, _, _ = row
        characters = contributions.of(number)
        by_term = term_contributions(characters, terms(found))
        by_aspect = aspects.aspect_scores(seeds, text, characters, found) if source in seeds.sources else {}
        yield (
            review_id, content_hash, version, event_at, explained_at, classifier.base_score, float(scores[number]),
            number_array(characters), text_array(by_term), number_array(by_term.values()), json.dumps(by_aspect),
        )  # fmt: skip


def _write(connection: Connection, rows: Iterator[tuple]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table explained_batch (like predictions.sentiment_explanations including defaults)"
            " on commit drop"
        )
        postgres.copy_rows(connection, "explained_batch", EXPLANATION_COLUMNS, rows)
        cursor.execute(
            "insert into predictions.sentiment_explanations select * from explained_batch on conflict do nothing"
        )
        return cursor.rowcount


def _compare_picks(months: list[date]) -> tuple[int, int]:
    """SHAP and LIME for picked reviews that lack them; returns how many got them and how many are left."""
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_UNCOMPARED, {"months": months, "at_most": COMPARED_REVIEWS})
        waiting = cursor.fetchall()
        classifiers: dict[int, ReviewClassifier] = {}
        for review_id, content_hash, version, title, body, _ in waiting:
            if version not in classifiers:
                classifiers[version] = load(version)
            found = compare(classifiers[version], joined(title, body))
            cursor.execute(
                "update predictions.sentiment_explanations set shap = %s::real[], lime = %s::real[],"
                " shap_agreement = %s, lime_agreement = %s"
                " where review_id = %s and content_hash = %s and model_version = %s",
                (
                    number_array(found.shap), number_array(found.lime), found.shap_agreement, found.lime_agreement,
                    review_id, content_hash, version,
                ),
            )  # fmt: skip
            connection.commit()
    return len(waiting), waiting[0][-1] - len(waiting) if waiting else 0
