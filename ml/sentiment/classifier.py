"""A linear classifier of Korean reviews over hashed character n-grams, whose every score can be explained."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from ml.errors import ArtifactChanged, TooFewRows
from ml.sentiment import ngrams
from ml.sentiment.text import HANGUL, LETTER, Codes, character_classes, code_points, normalise

BATCH_ROWS = 20_000
MIN_SYLLABLES, MIN_HANGUL_SHARE = 2, 0.5
_GOOD_STARS = 3.5
_CLEAR_STARS = (1.0, 5.0)
_MOST_BALANCE = 10.0
_SMOOTHING, _EVEN_SHARE, _MIN_OCCURRENCES, _TOLERANCE = 1.0, 0.5, 2, 1e-3
_ARRAYS = (
    "weights_", "scales_", "calibration_scores_", "calibration_probabilities_", "star_scores_", "star_values_",
)  # fmt: skip
_NUMBERS = ("base_score", "training_positive_share_")


@dataclass(frozen=True)
class Contributions:
    """How much each character of each given text moves its score; text `row` has `of(row)`."""

    values: np.ndarray
    offsets: np.ndarray

    def of(self, row: int) -> np.ndarray:
        """The contributions of one text's characters."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]


class ReviewClassifier(BaseEstimator):
    """Logistic regression on character n-grams: score = `base_score` + the contributions of all characters.

    N-grams are scaled by how differently they occur in good and bad reviews (Wang and Manning 2012). A score is in
    log odds. Probability and stars rise with the score; both were learned by isotonic regression from scores that each
    part of the training rows got from a model of the others (Zadrozny and Elkan 2002). Texts are given as they are
    (`ml.sentiment.text.joined`) and normalised here. The same text gets the same answer in every batch and process,
    and the same rows and seed the same model.
    """

    def __init__(
        self,
        *,
        ngram_min: int = 1,
        ngram_max: int = 4,
        feature_bits: int = 23,
        penalty: float = 0.3,
        passes: int = 8,
        middling_weight: float = 0.5,
        calibration_folds: int = 3,
        positive_share: float | None = None,
        seed: int = 0,
    ):
        self.ngram_min = ngram_min
        self.ngram_max = ngram_max
        self.feature_bits = feature_bits
        self.penalty = penalty
        self.passes = passes
        self.middling_weight = middling_weight
        self.calibration_folds = calibration_folds
        self.positive_share = positive_share
        self.seed = seed

    def fit(
        self,
        texts: Sequence[str],
        is_positive: np.ndarray,
        *,
        sample_weight: np.ndarray | None = None,
        stars: np.ndarray | None = None,
    ) -> "ReviewClassifier":
        """Learn from texts and their labels, and from their stars (1 to 5) what stars a score stands for.

        A label that is missing (NaN, None) marks a middling review, which needs stars. It counts `middling_weight`, as
        good above 3.5 stars and as bad below; where all lie on one side they teach nothing. Probabilities are
        calibrated on labelled rows alone.
        """
        rows = _labelled(is_positive, stars, sample_weight)
        codes = normalise(texts)
        columns, starts = ngrams.extract(codes.codes, codes.offsets, *self._hashing())
        folds = self._folds(codes, rows)
        everything = np.arange(len(rows.weight))
        parts = [everything, *(np.flatnonzero(folds != fold) for fold in range(self.calibration_folds))]
        if any(len(set(rows.is_good[part[rows.is_clear[part]]])) < 2 for part in parts):
            raise TooFewRows(
                f"The {rows.is_clear.sum():,} labelled reviews have too few different texts to be parted into "
                f"{self.calibration_folds} with both labels in each; learn from more texts."
            )
        # The compiled loops hold no lock, so parts are learned at the same time; each by itself is in a fixed order.
        with ThreadPoolExecutor(2) as pool:
            models = pool.map(lambda part: self._fit(columns, starts, rows, part), parts)
            table, self.base_score = next(models)
            scores = np.empty(len(rows.weight))
            for fold, (part_table, intercept) in enumerate(models):
                held_out = np.flatnonzero(folds == fold)
                scores[held_out] = ngrams.score_columns(columns, starts, held_out, part_table, intercept)
        self.columns_ = np.flatnonzero(table[:, 1]).astype(np.uint32)
        self.weights_, self.scales_ = table[self.columns_, 0], table[self.columns_, 1]
        self._table = table
        self._calibrate(scores, rows)
        return self

    def _calibrate(self, scores: np.ndarray, rows: "_Rows") -> None:
        truth, weight = rows.is_good[rows.is_clear], rows.weight[rows.is_clear]
        self.training_positive_share_ = float(np.average(truth, weights=weight))
        curve = _calibration_curve(scores[rows.is_clear], truth, weight)
        self.calibration_scores_, self.calibration_probabilities_ = curve.X_thresholds_, curve.y_thresholds_
        curve = IsotonicRegression(y_min=1, y_max=5).fit(scores, rows.stars, rows.weight)
        self.star_scores_, self.star_values_ = curve.X_thresholds_, curve.y_thresholds_

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """The log odds of each text before calibration, shape (rows,)."""
        return self.scores_and_unknown(texts)[0]

    def scores_and_unknown(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The scores of texts, and the share of each one's n-grams that were not learned; both of shape (rows,)."""
        batches = [self._scores(normalise(batch)) for batch in _batches(texts)]
        scores, unknown = zip(*batches, strict=True) if batches else ((np.empty(0),), (np.empty(0),))
        return np.concatenate(scores), np.concatenate(unknown)

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """The calibrated probability of being positive that each score stands for, shape (rows,)."""
        found = np.interp(scores, self.calibration_scores_, self.calibration_probabilities_)
        if self.positive_share is None:
            return found
        learned = self.training_positive_share_
        positive = found * (self.positive_share / learned)
        return positive / (positive + (1 - found) * ((1 - self.positive_share) / (1 - learned)))

    def stars(self, scores: np.ndarray) -> np.ndarray:
        """The stars, 1 to 5, that reviews of each score carry on average, shape (rows,)."""
        return np.interp(scores, self.star_scores_, self.star_values_)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """The probabilities of being negative and positive, shape (rows, 2)."""
        positive = self.probabilities(self.scores(texts))
        return np.column_stack([1 - positive, positive])

    def contributions(self, texts: Sequence[str]) -> Contributions:
        """What each character of each given text adds to its score; with `base_score` they add up to it."""
        values, lengths = [np.empty(0, np.float32)], np.fromiter(map(len, texts), np.int64, len(texts))
        for batch in _batches(texts):
            codes = normalise(batch)
            offsets = code_points(batch)[1]
            values.append(
                ngrams.contribute(codes.codes, codes.offsets, codes.origins, offsets, self._table, *self._hashing())
            )
        return Contributions(np.concatenate(values), np.concatenate([[0], np.cumsum(lengths)]))

    def readable(self, texts: Sequence[str]) -> np.ndarray:
        """Whether each text has at least two Hangul syllables and they are at least half of its letters."""
        codes = normalise(texts)
        classes = character_classes()[codes.codes]
        rows = np.repeat(np.arange(len(codes)), np.diff(codes.offsets))
        syllables = np.bincount(rows[classes & HANGUL > 0], minlength=len(codes))
        letters = np.bincount(rows[classes & LETTER > 0], minlength=len(codes))
        return (syllables >= MIN_SYLLABLES) & (syllables >= MIN_HANGUL_SHARE * letters)

    def __getstate__(self) -> dict:
        # The table follows from columns, weights and scales, which are smaller.
        return {name: value for name, value in super().__getstate__().items() if name != "_table"}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if "columns_" in state:
            self._check()
            self._table = np.zeros((2**self.feature_bits, 2), np.float32)
            self._table[self.columns_, 0], self._table[self.columns_, 1] = self.weights_, self.scales_

    def _check(self) -> None:
        """Refuse arrays that no fit can have made, so that a wrong artifact never answers."""
        for name in _ARRAYS:
            array = getattr(self, name, None)
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind != "f":
                raise _wrong(f"{name} is no row of numbers")
            if not np.isfinite(array.astype(np.float32)).all():
                raise _wrong(f"{name} holds a number that is not finite")
        for name in _NUMBERS:
            number = getattr(self, name, None)
            if not isinstance(number, float) or not np.isfinite(number):
                raise _wrong(f"{name} is {number!r}, no finite number")
        for share in (self.training_positive_share_, 0.5 if self.positive_share is None else self.positive_share):
            if not (isinstance(share, float) and 0 < share < 1):
                raise _wrong(f"{share!r} is no share of positive reviews")
        columns = getattr(self, "columns_", None)
        if not isinstance(columns, np.ndarray) or columns.dtype != np.uint32 or columns.ndim != 1:
            raise _wrong("columns_ is no row of columns")
        if not len(columns) == len(self.weights_) == len(self.scales_):
            raise _wrong(f"{len(columns):,} columns, {len(self.weights_):,} weights, {len(self.scales_):,} scales")
        if not (isinstance(self.feature_bits, int) and 1 <= self.feature_bits <= 24):
            raise _wrong(f"feature_bits is {self.feature_bits!r}")
        if (np.diff(columns.astype(np.int64)) <= 0).any() or (len(columns) and columns[-1] >= 2**self.feature_bits):
            raise _wrong(f"columns_ does not rise to less than 2 to the power of {self.feature_bits}")
        if (self.scales_ <= 0).any():
            raise _wrong("scales_ holds a number that is not positive")
        lengths = (self.ngram_min, self.ngram_max)
        if not all(isinstance(length, int) for length in lengths) or not 1 <= lengths[0] <= lengths[1] <= 16:
            raise _wrong(f"n-grams of {self.ngram_min!r} to {self.ngram_max!r} characters")
        curves = (
            ("calibration", self.calibration_scores_, self.calibration_probabilities_, 0, 1),
            ("stars", self.star_scores_, self.star_values_, 1, 5),
        )
        for name, scores, values, low, high in curves:
            if not 0 < len(scores) == len(values):
                raise _wrong(f"the curve of {name} has {len(scores)} scores and {len(values)} values")
            if (np.diff(scores) < 0).any() or (np.diff(values) < 0).any() or values[0] < low or values[-1] > high:
                raise _wrong(f"the curve of {name} does not rise from {low} to {high}")

    def _folds(self, codes: Codes, rows: "_Rows") -> np.ndarray:
        """The fold of each row; a text that occurs several times is in one, or its scores would know it already."""
        folds = np.empty(len(codes), np.int64)
        drawn = StratifiedKFold(self.calibration_folds, shuffle=True, random_state=self.seed)
        for fold, (_, held_out) in enumerate(drawn.split(folds, rows.is_good + 2 * rows.is_clear)):
            folds[held_out] = fold
        groups, texts = pd.factorize(np.array(codes.texts(), dtype=object))
        of_text = np.empty(len(texts), np.int64)
        of_text[groups[::-1]] = folds[::-1]
        return of_text[groups]

    def _fit(
        self, columns: np.ndarray, starts: np.ndarray, rows: "_Rows", part: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """The table of weights and squared scales, and the intercept, that the rows of a part teach."""
        clear, middling = part[rows.is_clear[part]], part[~rows.is_clear[part]]
        weight = np.zeros(len(rows.weight))
        weight[clear] = _balanced(rows.weight[clear], rows.is_good[clear])
        if 0 < rows.is_good[middling].sum() < len(middling):
            balanced = _balanced(rows.weight[middling], rows.is_good[middling])
            # A lone review of its kind must not outweigh hundreds.
            weight[middling] = self.middling_weight * np.minimum(balanced, _MOST_BALANCE)
        part = np.flatnonzero(weight)
        positive, negative, occurrences = ngrams.count(
            columns, starts, part, weight, rows.is_good, 2**self.feature_bits
        )
        table = np.zeros((2**self.feature_bits, 2), np.float32)
        table[:, 1] = _scales(positive, negative, occurrences >= _MIN_OCCURRENCES) ** 2
        intercept = ngrams.solve(
            columns, starts, part, weight / self.penalty, rows.is_good, table, self.passes, _TOLERANCE, self.seed
        )
        return table, float(intercept)

    def _scores(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        return ngrams.score(codes.codes, codes.offsets, self._table, self.base_score, *self._hashing())

    def _hashing(self) -> tuple[int, int, np.uint64]:
        return self.ngram_min, self.ngram_max, np.uint64(64 - self.feature_bits)


@dataclass(frozen=True)
class _Rows:
    """Labels of training rows: `is_clear` where the label was given, else `is_good` follows from the stars."""

    is_good: np.ndarray
    is_clear: np.ndarray
    stars: np.ndarray
    weight: np.ndarray


def _labelled(is_positive: np.ndarray, stars: np.ndarray | None, sample_weight: np.ndarray | None) -> _Rows:
    labels = pd.array(is_positive, dtype="boolean")
    is_clear = ~np.asarray(labels.isna(), dtype=bool)
    is_good = labels.to_numpy(dtype=bool, na_value=False)
    if not 0 < is_good.sum() < is_clear.sum():
        raise TooFewRows(
            f"Of {is_clear.sum():,} labelled reviews {is_good.sum():,} are positive; both kinds are needed to learn."
        )
    if stars is None:
        stars = np.where(is_good, _CLEAR_STARS[1], _CLEAR_STARS[0])
        if not is_clear.all():
            raise TooFewRows(f"{(~is_clear).sum():,} reviews have no label and no stars; give one of the two.")
    stars = np.asarray(stars, dtype=float)
    is_good = np.where(is_clear, is_good, stars > _GOOD_STARS)
    weight = np.ones(len(stars)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return _Rows(is_good, is_clear, stars, weight)


def _calibration_curve(scores: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> IsotonicRegression:
    """The share of positives by score, each step drawn to even by two rows: few rows must not make near certainty."""
    steps = IsotonicRegression().fit(scores, truth, weight).predict(scores)
    _, step = np.unique(steps, return_inverse=True)
    rows, positive = np.bincount(step, weight), np.bincount(step, weight * truth)
    return IsotonicRegression().fit(scores, ((positive + 1) / (rows + 2))[step], weight)


def _balanced(weight: np.ndarray, is_good: np.ndarray) -> np.ndarray:
    """Weights of 1 on average, half of them on each kind of rows where there are both."""
    weight = weight / weight.mean()
    good = np.average(is_good, weights=weight)
    return weight * np.where(is_good, 0.5 / good, 0.5 / (1 - good)) if 0 < good < 1 else weight


def _scales(positive: np.ndarray, negative: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """How far each column's log odds lie from even, half of it evened out; 0 for what is hardly known."""
    ratios = np.zeros(len(is_known))
    positive, negative = positive[is_known] + _SMOOTHING, negative[is_known] + _SMOOTHING
    distance = np.abs(np.log(positive / positive.sum() / (negative / negative.sum())))
    if len(distance):
        # Never nothing: where all n-grams are even, all count the same.
        ratios[is_known] = (1 - _EVEN_SHARE) * distance + _EVEN_SHARE * max(distance.mean(), 1e-6)
    return ratios


def _batches(texts: Sequence[str]) -> list[Sequence[str]]:
    starts = range(0, len(texts) + BATCH_ROWS, BATCH_ROWS)
    return [texts[start:end] for start, end in pairwise(starts) if start < len(texts)]


def _wrong(what: str) -> ArtifactChanged:
    return ArtifactChanged(f"The saved classifier cannot be right: {what}. Train and release a new version.")
