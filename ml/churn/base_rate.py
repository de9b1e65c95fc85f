"""How many customers leave: the shares that were known on a day, and the share to be expected from them."""

from datetime import date

import pandas as pd

from ml.churn.features import read_months
from ml.errors import TooFewRows


def read_rates(as_of: date) -> pd.DataFrame:
    """The rates of the month ends whose labels are known at the end of `as_of`; see `rates`."""
    return rates(read_months(as_of))


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """The share of leavers at each month end with known labels, oldest first.

    Columns `as_of_on, labels_mature_on, rows, leaver_share`.
    """
    labelled = frame[frame["churned_in_60d"].notna()]
    by_month = labelled.groupby(["as_of_on", "labels_mature_on"], as_index=False)["churned_in_60d"]
    return by_month.agg(rows="size", leaver_share="mean")


def expected_share(rates: pd.DataFrame, as_of: date) -> float:
    """The share of leavers to be expected among the customers active on `as_of`, from rates mature by then alone."""
    mature = rates[rates["labels_mature_on"] <= as_of]
    if mature.empty:
        raise TooFewRows(
            f"features.churn has no month end whose labels were known on {as_of}; 1 is needed to expect a share of "
            "leavers. Check import_events and build_warehouse, and how far ops.loads.complete_until reaches."
        )
    return float(mature["leaver_share"].iloc[-1])
