"""The drift report of a window as HTML, drawn by Evidently from numbers and categories, never from text."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

# Read when the package is imported: nothing is ever sent.
os.environ["DO_NOT_TRACK"] = "1"

from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from maeari.text import one_line

LONGEST_CATEGORY = 100


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
