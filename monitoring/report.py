"""The drift report of a window as HTML, drawn by Evidently from numbers and categories, never from text."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

# Read when the package is imported: nothing is ever sent.
os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from maeari.text import one_line
from monitoring import drift

SAMPLE_ROWS = 2_000
SEED = 0
LONGEST_CATEGORY = 100
NUMERICAL = ["review_length", "unknown_bigram_share", "positive_probability"]
CATEGORICAL = ["source", "stars", "is_rated", "prediction"]


def write(file: Path, rows: pd.DataFrame, reference: drift.Reference, psi_limit: float) -> None:
    """Write the page in one move: PSI of every column, as Evidently bins both samples together.

    Its figures differ from ours, whose bins the reference alone fixes; the page names its method beside each.
    """
    methods = {"num_method": "psi", "cat_method": "psi", "num_threshold": psi_limit, "cat_threshold": psi_limit}
    draw(file, _dataset(drift.describe(rows), reference.bigrams), _past(reference), methods)


def draw(file: Path, current: Dataset, reference: Dataset, methods: Mapping[str, str | float]) -> None:
    """Write the page of two samples in one move; `methods` names those of `DataDriftPreset`, and their limits."""
    # Evidently asks for the correlation of a column without any variation, and for the odds of what never was.
    with np.errstate(invalid="ignore", divide="ignore"):
        html = Report([DataDriftPreset(**methods)]).run(current, reference).get_html_str(as_iframe=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(html, encoding="utf-8")
    os.replace(unfinished, file)


def dataset(rows: pd.DataFrame, numerical: Sequence[str], categorical: Sequence[str]) -> Dataset:
    """The rows as Evidently reads them, with categories of which none can be more than text on the page."""
    rows = rows.assign(**{name: rows[name].map(_harmless) for name in categorical})
    definition = DataDefinition(numerical_columns=list(numerical), categorical_columns=list(categorical))
    return Dataset.from_pandas(rows, definition)


def _harmless(value: str) -> str:
    # Evidently writes values into a script as they are, where </script> would end it, and Plotly reads tags in labels.
    line = one_line(value, LONGEST_CATEGORY)
    return line.replace("<", "‹").replace(">", "›") or "(empty)"


@lru_cache(maxsize=1)
def _past(reference: drift.Reference) -> Dataset:
    # Every other row: the vocabulary of pairs comes from the rest, in which no pair could be unknown.
    return _dataset(reference.rows.iloc[1::2], reference.bigrams)


def _dataset(rows: pd.DataFrame, bigrams: frozenset[str]) -> Dataset:
    sample = rows.sample(min(len(rows), SAMPLE_ROWS), random_state=SEED)
    derived = pd.DataFrame(
        {
            "review_length": sample["review_length"],
            "unknown_bigram_share": [drift.unknown_bigram_share(text, bigrams) for text in sample["text"]],
            "positive_probability": sample["positive_probability"],
            "source": sample["source"],
            "stars": sample["stars"].map(lambda stars: "none" if pd.isna(stars) else f"{stars:g}"),
            "is_rated": sample["is_rated"].map({True: "yes", False: "no"}),
            "prediction": sample["is_predicted_positive"].map({True: "positive", False: "negative"}),
        }
    )
    return dataset(derived, NUMERICAL, CATEGORICAL)
