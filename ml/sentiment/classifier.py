"""A linear classifier of Korean reviews over hashed character n-grams, whose every score can be explained."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from ml.errors import ArtifactChanged
from ml.sentiment import ngrams
from ml.sentiment.text import HANGUL, LETTER, Codes, character_classes, code_points, normalise

BATCH_ROWS = 20_000
MIN_SYLLABLES, MIN_HANGUL_SHARE = 2, 0.5
_ARRAYS = ("weights_", "calibration_scores_", "calibration_probabilities_", "star_scores_", "star_values_")
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

    A score is in log odds. Probability and stars rise with the score; both were learned by isotonic regression from
    scores that each part of the training rows got from a model of the others (Zadrozny and Elkan 2002). Texts are
    given as they are (`ml.sentiment.text.joined`) and normalised here. The same text gets the same answer in every
    batch and process, and the same rows and seed the same model.
    """

    def __init__(
        self,
        *,
        ngram_min: int = 1,
        ngram_max: int = 5,
        feature_bits: int = 20,
        penalty: float = 3e-6,
        passes: int = 8,
        calibration_folds: int = 3,
        positive_share: float | None = None,
        seed: int = 0,
    ):
        self.ngram_min = ngram_min
        self.ngram_max = ngram_max
        self.feature_bits = feature_bits
        self.penalty = penalty
        self.passes = passes
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
        """Learn from texts and their labels, and from their stars (1 to 5) what stars a score stands for."""
        codes = normalise(texts)
        truth = np.asarray(is_positive, dtype=bool)
        weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        everything = np.arange(len(truth))
        folds = StratifiedKFold(self.calibration_folds, shuffle=True, random_state=self.seed)
        parts = list(folds.split(everything, truth))
        # The compiled loops hold no lock, so parts are learned at the same time; each by itself is in a fixed order.
        with ThreadPoolExecutor(2) as pool:
            models = list(
                pool.map(lambda rows: self._fit(codes, truth, weight, rows), [everything, *(part for part, _ in parts)])
            )
        self.weights_, self.base_score = models[0]
        scores = np.empty(len(truth))
        for (_, held_out), (weights, intercept) in zip(parts, models[1:], strict=True):
            scores[held_out] = self._scores(_rows(codes, held_out), weights, intercept)
        self.training_positive_share_ = float(np.average(truth, weights=weight))
        edge = 1 / (len(truth) + 2)
        knots = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(scores, truth, weight)
        self.calibration_scores_, self.calibration_probabilities_ = knots.X_thresholds_, knots.y_thresholds_
        told = np.where(truth, 5.0, 1.0) if stars is None else np.asarray(stars, dtype=float)
        knots = IsotonicRegression(y_min=1, y_max=5).fit(scores, told, weight)
        self.star_scores_, self.star_values_ = knots.X_thresholds_, knots.y_thresholds_
        return self

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """The log odds of each text before calibration, shape (rows,)."""
        batches = [self._scores(normalise(batch), self.weights_, self.base_score) for batch in _batches(texts)]
        return np.concatenate(batches) if batches else np.empty(0)

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
                ngrams.contribute(codes.codes, codes.offsets, codes.origins, offsets, self.weights_, *self._hashing())
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

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self._check()

    def _check(self) -> None:
        """Refuse arrays that no fit can have made, so that a wrong artifact never answers."""
        for name in _ARRAYS:
            array = getattr(self, name, None)
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind != "f":
                raise _wrong(f"{name} is no row of numbers")
            if not np.isfinite(array).all():
                raise _wrong(f"{name} holds a number that is not finite")
        for name in _NUMBERS:
            number = getattr(self, name, None)
            if not isinstance(number, float) or not np.isfinite(number):
                raise _wrong(f"{name} is {number!r}, no finite number")
        if not (isinstance(self.feature_bits, int) and len(self.weights_) == 2**self.feature_bits):
            raise _wrong(f"{len(self.weights_):,} weights do not fit {self.feature_bits!r} bits")
        if not 1 <= self.ngram_min <= self.ngram_max <= 16:
            raise _wrong(f"n-grams of {self.ngram_min} to {self.ngram_max} characters")
        curves = (
            ("calibration", self.calibration_scores_, self.calibration_probabilities_, 0, 1),
            ("stars", self.star_scores_, self.star_values_, 1, 5),
        )
        for name, scores, values, low, high in curves:
            if not 0 < len(scores) == len(values):
                raise _wrong(f"the curve of {name} has {len(scores)} scores and {len(values)} values")
            if (np.diff(scores) < 0).any() or (np.diff(values) < 0).any() or values[0] < low or values[-1] > high:
                raise _wrong(f"the curve of {name} does not rise from {low} to {high}")

    def _fit(self, codes: Codes, truth: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
        positive = np.average(truth[rows], weights=weight[rows])
        balanced = weight * np.where(truth, 0.5 / positive, 0.5 / (1 - positive))
        balanced /= balanced[rows].mean()
        generator = np.random.default_rng(self.seed)
        order = np.concatenate([generator.permutation(rows) for _ in range(self.passes)])
        weights, intercept = ngrams.fit(
            codes.codes, codes.offsets, truth.astype(float), balanced, order, *self._hashing(),
            2**self.feature_bits, self.penalty,
        )  # fmt: skip
        return weights, float(intercept)

    def _scores(self, codes: Codes, weights: np.ndarray, intercept: float) -> np.ndarray:
        return ngrams.score(codes.codes, codes.offsets, weights, intercept, *self._hashing())

    def _hashing(self) -> tuple[int, int, np.uint64]:
        return self.ngram_min, self.ngram_max, np.uint64(64 - self.feature_bits)


def _rows(codes: Codes, rows: np.ndarray) -> Codes:
    lengths = np.diff(codes.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(codes.offsets[rows] - offsets[:-1], lengths)
    return Codes(codes.codes[places], offsets, codes.origins[places])


def _batches(texts: Sequence[str]) -> list[Sequence[str]]:
    starts = range(0, len(texts) + BATCH_ROWS, BATCH_ROWS)
    return [texts[start:end] for start, end in pairwise(starts) if start < len(texts)]


def _wrong(what: str) -> ArtifactChanged:
    return ArtifactChanged(f"The saved classifier cannot be right: {what}. Train and release a new version.")
