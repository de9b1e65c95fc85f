"""Drift: how far inputs and predictions of a window lie from the reference, on bins that the reference fixed."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maeari.statistics import wilson_interval
from monitoring.metrics import ALL, Measured, Metric

BINS = 10
PSI_FLOOR = 1e-4
CHARACTERS = {"jamo_share": re.compile("[ㄱ-ㅎㅏ-ㅣ]"), "emoji_share": re.compile("[☀-➿\U0001f300-\U0001faff]")}
"""Single jamo, as in ㅋㅋ and ㅠㅠ, and pictures: what no word of a text shows."""
USUAL_WINDOWS = 8
USUAL_MIN_ROWS = 100
PSI_COLUMNS = ("review_length", "stars", "positive_probability")


@dataclass(frozen=True, eq=False)
class Reference:
    """What windows are compared with: the rows themselves and what was fixed from them."""

    rows: pd.DataFrame
    days: float
    edges: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]
    bigrams: frozenset[str]
    metrics: tuple[Metric, ...]


def describe(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their derived columns `review_length`, `is_rated`, `is_predicted_positive`."""
    return rows.assign(
        review_length=rows["text"].str.len().astype(float),
        is_rated=rows["stars"].notna(),
        is_predicted_positive=rows["positive_probability"] >= 0.5,
    )


def fix_reference(rows: pd.DataFrame, days: float, realized: list[Metric]) -> Reference:
    """Fix bins and vocabulary from the reference's rows.

    The pairs of characters come from every other row, so that the rest shows which share is unknown in usual times.
    """
    described = describe(rows)
    known, usual = described.iloc[::2], described.iloc[1::2]
    bigrams = frozenset(pair for text in known["text"] for pair in _bigrams(text))
    edges = {
        "review_length": _quantile_edges(described["review_length"]),
        "stars": np.arange(1.5, 5.0),
        "positive_probability": _quantile_edges(described["positive_probability"]),
    }
    counts = {name: bin_counts(described[name], edges[name]) for name in PSI_COLUMNS}
    shares = [
        *_shares(described, "reference_"),
        *_characters(described, "reference_"),
        _unknown_bigrams(usual, bigrams, "reference_"),
        _pace(ALL, len(rows), days),
    ]
    return Reference(described, days, edges, counts, bigrams, (*realized, *shares))


def measure(rows: pd.DataFrame, reference: Reference, segments: tuple[str, ...]) -> list[Metric]:
    """How far the rows lie from the reference, with the reference's own figures beside them."""
    described = describe(rows)
    found = [Metric(ALL, "rows", "drift", float(len(rows)), None, None, len(rows))]
    for name in PSI_COLUMNS:
        values = described[name].dropna()
        counts = bin_counts(values, reference.edges[name])
        value = psi(reference.counts[name], counts) if len(values) and reference.counts[name].sum() else None
        found.append(Metric(ALL, f"{name}_psi", "drift", value, None, None, len(values)))
    found += _shares(described, "")
    found += _characters(described, "")
    found.append(_unknown_bigrams(described, reference.bigrams, ""))
    for column in segments:
        usual = reference.rows[column].value_counts()
        now = described[column].value_counts()
        for name in sorted(set(usual.index) | set(now.index)):
            segment = f"{column}={name}"
            found.append(Metric(segment, "rows", "drift", float(now.get(name, 0)), None, None, int(now.get(name, 0))))
            found.append(_pace(segment, int(usual.get(name, 0)), reference.days))
    return [*found, *reference.metrics]


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Population stability index of two counts over the same bins; an empty bin counts as a share of 0.0001."""
    expected = np.maximum(reference / reference.sum(), PSI_FLOOR)
    found = np.maximum(current / current.sum(), PSI_FLOOR)
    return float(((found - expected) * np.log(found / expected)).sum())


def bin_counts(values: pd.Series, edges: np.ndarray) -> np.ndarray:
    """How many values lie in each bin; the outer bins are open, so that no value falls outside."""
    return np.bincount(np.searchsorted(edges, values.dropna().to_numpy(), side="right"), minlength=len(edges) + 1)


def with_volume(measured: list[Measured]) -> list[Measured]:
    """Add `volume_ratio`: rows over the median of up to eight windows before, or at first over the reference's pace.

    It stays empty where fewer than 100 rows are usual, since chance alone moves those far.
    """
    found: list[Measured] = []
    for number, one in enumerate(measured):
        ratios = []
        for rows in [metric for metric in one.metrics if metric.metric == "rows"]:
            before = [past.get("rows", rows.segment) for past in measured[max(0, number - USUAL_WINDOWS) : number]]
            counts = [past.rows for past in before if past is not None]
            pace = one.get("reference_rows_per_day", rows.segment)
            usual = float(np.median(counts)) if len(counts) >= USUAL_WINDOWS // 2 else pace.value * one.window.days
            ratio = rows.rows / usual if usual >= USUAL_MIN_ROWS else None
            ratios.append(Metric(rows.segment, "volume_ratio", "drift", ratio, None, None, rows.rows))
        found.append(one._replace(metrics=(*one.metrics, *ratios)))
    return found


def without_volume(measured: Measured) -> Measured:
    """The window as `measure` left it."""
    return measured._replace(metrics=tuple(metric for metric in measured.metrics if metric.metric != "volume_ratio"))


def unknown_bigram_share(text: str, bigrams: frozenset[str]) -> float:
    """The share of a text's pairs of characters that are not in the vocabulary; 0 for a text without a pair."""
    pairs = _bigrams(text)
    return sum(pair not in bigrams for pair in pairs) / len(pairs) if pairs else 0.0


def _bigrams(text: str) -> list[str]:
    return [pair for word in text.split() for pair in map("".join, zip(word, word[1:], strict=False))]


def _pace(segment: str, rows: int, days: float) -> Metric:
    return Metric(segment, "reference_rows_per_day", "drift", rows / days, None, None, rows)


def _quantile_edges(values: pd.Series) -> np.ndarray:
    return np.unique(np.quantile(values.to_numpy(), np.arange(1, BINS) / BINS)) if len(values) else np.empty(0)


def _shares(rows: pd.DataFrame, prefix: str) -> list[Metric]:
    found = []
    for column, metric in (("is_rated", "rated_share"), ("is_predicted_positive", "predicted_positive_share")):
        share = wilson_interval(int(rows[column].sum()), len(rows))
        value = share.value if len(rows) else None
        found.append(Metric(ALL, f"{prefix}{metric}", "drift", value, share.low, share.high, len(rows)))
    return found


def _characters(rows: pd.DataFrame, prefix: str) -> list[Metric]:
    """How many of all characters are of some kind."""
    text = "".join(rows["text"])
    shares = {name: len(kind.findall(text)) / len(text) if text else None for name, kind in CHARACTERS.items()}
    return [Metric(ALL, f"{prefix}{name}", "drift", share, None, None, len(rows)) for name, share in shares.items()]


def _unknown_bigrams(rows: pd.DataFrame, bigrams: frozenset[str], prefix: str) -> Metric:
    pairs = [pair for text in rows["text"] for pair in _bigrams(text)]
    value = sum(pair not in bigrams for pair in pairs) / len(pairs) if pairs else None
    return Metric(ALL, f"{prefix}unknown_bigram_share", "drift", value, None, None, len(rows))
