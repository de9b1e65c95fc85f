"""The rolling backtest: at each month end, models of what was known then meet what was to come."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from time import monotonic

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml.churn.base_rate import expected_share, rates
from ml.churn.config import ChurnConfig
from ml.churn.features import matrix, telling
from ml.churn.models import FOREST, MODELS, fit
from ml.churn.predict import log_odds, shift
from ml.errors import TooFewRows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tested:
    """One month end: what the models of that day said of its customers, and what became of them."""

    as_of_on: date
    labelled: pd.DataFrame
    """Every month end with known labels, those after this one too."""
    rows: pd.DataFrame
    """The customers of this one."""
    expected_share: float
    probabilities: dict[str, np.ndarray]
    """By model, with the share of leavers that was to be expected on that day."""
    unshifted: dict[str, np.ndarray]
    """By model, as if the share of leavers were that among its training rows."""
    forest: Pipeline

    @property
    def training(self) -> pd.DataFrame:
        """The rows whose labels were known on that day, which the models learned from."""
        return _known_on(self.labelled, self.as_of_on)

    @property
    def truth(self) -> np.ndarray:
        """Whether each customer left."""
        return self.rows["churned_in_60d"].to_numpy(dtype=bool)


def backtest(frame: pd.DataFrame, as_of: date, config: ChurnConfig) -> list[Tested]:
    """Test each month end with known labels on which enough earlier labels were mature, oldest first.

    `frame` is that of `read_months(as_of)`. Refuses by `TooFewRows` what nothing can be learned from.
    """
    labelled = frame[frame["churned_in_60d"].notna()]
    cutoffs = testable(labelled, as_of, config)
    labelled = telling(labelled)
    log.info("Trying %d models on each of %d month ends, %s to %s.", len(MODELS), len(cutoffs), cutoffs[0], cutoffs[-1])
    # Growing trees lets other threads run, where those of the linear algebra only stand in each other's way.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda cutoff: _test(labelled, cutoff, config), cutoffs))


def testable(labelled: pd.DataFrame, as_of: date, config: ChurnConfig) -> list[date]:
    """The month ends on which the labels of at least `config.min_cutoffs` earlier ones were mature, oldest first."""
    labels_mature_on = telling(labelled).groupby("as_of_on")["labels_mature_on"].first()
    mature = {cutoff: int((labels_mature_on <= cutoff).sum()) for cutoff in labels_mature_on.index}
    _refuse_what_teaches_nothing(labelled, as_of, mature, config)
    return [cutoff for cutoff, count in mature.items() if count >= config.min_cutoffs]


def _refuse_what_teaches_nothing(labelled: pd.DataFrame, as_of: date, mature: dict[date, int], config: ChurnConfig):
    customers, leavers = labelled["customer_id"].nunique(), int(labelled["churned_in_60d"].sum())
    if customers == 1:
        raise TooFewRows(
            f"features.churn has 1 customer with known labels on {as_of}; training needs at least 2, and "
            f"{config.min_rows:,} rows in all. Check which column import_events was told is the customer."
        )
    if len(labelled) < config.min_rows:
        raise TooFewRows(
            f"features.churn has {len(labelled):,} rows with known labels on {as_of}; training needs "
            f"{config.min_rows:,}. Check that import_events and build_warehouse succeeded for that day."
        )
    if leavers in (0, len(labelled)):
        raise TooFewRows(
            f"Of {len(labelled):,} customers at month ends with known labels on {as_of}, {leavers:,} left; training "
            "needs some who left and some who stayed. Check that the events reach as far as ops.loads.complete_until."
        )
    most = max(mature.values(), default=0)
    if most < config.min_cutoffs:
        raise TooFewRows(
            f"features.churn has {len(mature)} month ends with labels known on {as_of} at which some left and some "
            f"stayed; on the newest of them the labels of {most} earlier ones were mature, and training needs "
            f"{config.min_cutoffs}: {config.min_cutoffs + 2} in a row would do. Import older events, or wait."
        )


def _known_on(labelled: pd.DataFrame, day: date) -> pd.DataFrame:
    return labelled[labelled["labels_mature_on"] <= day].reset_index(drop=True)


def _test(labelled: pd.DataFrame, cutoff: date, config: ChurnConfig) -> Tested:
    started = monotonic()
    training = _known_on(labelled, cutoff)
    rows = labelled[labelled["as_of_on"] == cutoff].reset_index(drop=True)
    features = matrix(rows)
    expected = expected_share(rates(training), cutoff)
    pipelines = {model: fit(training, config, model) for model in MODELS}
    even = {model: log_odds(pipeline, features) for model, pipeline in pipelines.items()}
    learned = logit(training["churned_in_60d"].mean())
    log.info(
        "%s: learned from %s rows, tried on %s customers, %.1f s.",
        cutoff, f"{len(training):,}", f"{len(rows):,}", monotonic() - started,
    )  # fmt: skip
    return Tested(
        as_of_on=cutoff,
        labelled=labelled,
        rows=rows,
        expected_share=expected,
        probabilities={model: expit(odds + shift(odds, expected)) for model, odds in even.items()},
        unshifted={model: expit(odds + learned) for model, odds in even.items()},
        forest=pipelines[FOREST],
    )
