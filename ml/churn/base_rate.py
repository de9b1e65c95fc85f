"""How many customers leave: the shares that were known on a day, and the share to be expected from them."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ml.churn.config import ChurnConfig
from ml.errors import TooFewRows

HALF = 0.5
"""How far the present is trusted against the past: chosen once, on the months before those of the reported figures."""


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """The share of leavers at each month end with known labels, oldest first.

    Columns `as_of_on, labels_mature_on, rows, leaver_share` (half a leaver and half a stayer are added, so that it is
    never 0 or 1) and `history_days`, how long before it the first purchase was known.
    """
    labelled = frame[frame["churned_in_60d"].notna()]
    months = labelled.groupby(["as_of_on", "labels_mature_on"], as_index=False)
    found = months.agg(
        rows=("churned_in_60d", "size"), leavers=("churned_in_60d", "sum"), history_days=("tenure_days", "max")
    )
    return found.assign(leaver_share=(found["leavers"].astype(float) + 0.5) / (found["rows"] + 1))


def expected_share(rates: pd.DataFrame, as_of: date) -> float:
    """The share of leavers to be expected among the customers active on `as_of`, from rates mature by then alone.

    In log-odds: that of a year before, moved by half of what the newest mature rate moved within its year; without a
    year of rates half the newest and half the mean of all. Rates of before the events reached back over the whole
    active window count only where there are no others.
    """
    mature = rates[rates["labels_mature_on"] <= as_of]
    if mature.empty:
        raise TooFewRows(
            f"features.churn has no month end whose labels were known on {as_of}; 1 is needed to expect a share of "
            "leavers. Check import_events and build_warehouse, and how far ops.loads.complete_until reaches."
        )
    whole = mature[mature["history_days"] >= _ACTIVE_DAYS - 1]
    known = mature if whole.empty else whole
    odds = pd.Series(logit(known["leaver_share"].to_numpy()), index=known["as_of_on"])
    newest_on, newest = odds.index[-1], odds.iloc[-1]
    a_year_before = _a_year_before(odds, as_of)
    if a_year_before is None:
        return float(expit(HALF * newest + (1 - HALF) * odds.mean()))
    before_newest = _a_year_before(odds, newest_on)
    drift = 0.0 if before_newest is None else newest - before_newest
    return float(expit(a_year_before + HALF * drift))


_ACTIVE_DAYS = ChurnConfig.model_fields["active_days"].default
_HALF_A_MONTH = timedelta(days=16)


def _a_year_before(odds: pd.Series, day: date) -> float | None:
    distances = np.array([abs(known - (day - timedelta(days=365))) for known in odds.index])
    nearest = int(distances.argmin())
    return float(odds.iloc[nearest]) if distances[nearest] <= _HALF_A_MONTH else None
