"""The drift report of a window as HTML, drawn by Evidently from derived columns, never from text."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

# Read when the package is imported: nothing is ever sent.
os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from monitoring import drift

SAMPLE_ROWS = 2_000
SEED = 0
NUMERICAL = ["review_length", "unknown_bigram_share", "positive_probability"]
CATEGORICAL = ["source", "stars", "is_rated", "prediction"]


def write(file: Path, rows: pd.DataFrame, reference: drift.Reference, psi_limit: float) -> None:
    """Write the page in one move: PSI of every column, as Evidently bins both samples together.

    Its figures differ from ours, whose bins the reference alone fixes; the page names its method beside each.
    """
    columns = DataDriftPreset(num_method="psi", cat_method="psi", num_threshold=psi_limit, cat_threshold=psi_limit)
    current = _dataset(drift.describe(rows), reference.bigrams)
    # A column without any variation has no correlation, which Evidently asks for all the same.
    with np.errstate(invalid="ignore"):
        html = Report([columns]).run(current, _past(reference)).get_html_str(as_iframe=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(html, encoding="utf-8")
    os.replace(unfinished, file)


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
    return Dataset.from_pandas(derived, DataDefinition(numerical_columns=NUMERICAL, categorical_columns=CATEGORICAL))
