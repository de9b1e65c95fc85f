"""Rates: how many of the rows got a positive label, where no score says beforehand which will."""

from dataclasses import dataclass

import numpy as np

from monitoring.figures import Figure, Level, level_of_share, share, whole_counts


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """How many rows there are, how many of them have a label, and how many a positive one."""

    rows: np.integer
    labelled: np.integer
    positives: np.integer

    def __post_init__(self) -> None:
        whole_counts("LabelCounts", self.rows, self.labelled, self.positives)
        if not self.positives <= self.labelled <= self.rows:
            raise ValueError(
                f"{self.positives} positive of {self.labelled} labelled of {self.rows} rows cannot be; each is a part "
                "of the next."
            )

    def __add__(self, other: "LabelCounts") -> "LabelCounts":
        return LabelCounts(self.rows + other.rows, self.labelled + other.labelled, self.positives + other.positives)

    @classmethod
    def of(cls, labels: np.ndarray) -> "LabelCounts":
        """Count raw rows; labels are 0 or 1, nan where not known."""
        labels = np.asarray(labels, dtype=float)
        return cls(np.int64(len(labels)), (~np.isnan(labels)).sum(), (labels == 1).sum())


def realized(counts: LabelCounts) -> dict[str, Figure]:
    """The share of labelled rows whose label is positive, with Wilson's limits."""
    return {"like_rate": share(counts.positives, counts.labelled, counts.labelled)}


def estimated(reference: LabelCounts, window: LabelCounts) -> dict[str, Figure]:
    """Nothing: without a score nothing is to be expected before the labels."""
    return {}


def level(counts: LabelCounts) -> Level:
    """For a decision: the rate itself."""
    return level_of_share(counts.positives, realized(counts)["like_rate"])
