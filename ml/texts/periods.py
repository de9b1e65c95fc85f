"""Which parts of a collection are looked at by which periods, and when there are too few texts to say anything."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.texts.collection import Every

TEXTS_NEEDED = 50
"""Texts of a period below which nothing is said of it."""
MOST_SLICES = 500
"""Parts of a collection beside the whole, those of the most texts first."""


class Slice(NamedTuple):
    """A part of a collection; None stands for all. Articles have sections, reviews have subjects."""

    source: str | None = None
    section: str | None = None
    subject_id: str | None = None

    def holds(self, texts: pd.DataFrame) -> np.ndarray:
        """Which texts, with the columns `source, section, subject_id`, belong to it."""
        mask = np.ones(len(texts), dtype=bool)
        for column, name in self._asdict().items():
            if name is not None:
                mask &= (texts[column] == name).to_numpy()
        return mask

    def periods(self) -> list[Every]:
        """By which periods it is looked at: days are many, and of a part of the texts few have anything to say."""
        return [every for every in Every if every != Every.day or self == Slice()]


def slices(texts: pd.DataFrame) -> list[Slice]:
    """All; each source, section, section of a source, and subject of a source: those of the most texts first.

    Where there is one source, or one section, it is all and no part.
    """
    found = [Slice()]
    for columns in (["source"], ["section"], ["source", "section"], ["source", "subject_id"]):
        sizes = texts.groupby(columns, observed=True).size().sort_values(ascending=False, kind="stable")
        names = [name if isinstance(name, tuple) else (name,) for name in sizes.index]
        if len(names) > 1 and not (columns == ["source", "section"] and texts["source"].nunique() == 1):
            found += [Slice(**dict(zip(columns, name, strict=True))) for name in names]
    return found[: 1 + MOST_SLICES]


def note_of_too_few(texts: int, of: str = "texts", needed: int = TEXTS_NEEDED) -> str:
    """What is said of a period with too few texts."""
    return f"too few {of} ({texts:,} of {needed} needed)"
