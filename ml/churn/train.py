"""Training: customers at month ends, with the labels known on a day, become a registered challenger with its card."""

from dataclasses import dataclass
from datetime import date

from maeari import clock
from ml import registry
from ml.churn.backtest import Tested, backtest
from ml.churn.config import DECISIONS, ChurnConfig
from ml.churn.features import MONTHS, read_months, row_keys_sha256, with_day
from ml.churn.report import card, metrics


@dataclass(frozen=True)
class Trained:
    """A registered version and its figures on the holdout."""

    version: int
    as_of: date
    training_rows: int
    figures: dict

    def summary(self) -> dict:
        """The version as JSON, for the log and for the DAG that asks for its release."""
        return {
            "model": "churn",
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "training_rows": self.training_rows,
            "holdout_rows": self.figures["rows"],
            "roc_auc": self.figures["roc_auc"]["value"],
            "roc_auc_low": self.figures["roc_auc"]["low"],
            "roc_auc_high": self.figures["roc_auc"]["high"],
            "calibration_error": self.figures["calibration_error"]["value"],
        }


def train(as_of: date, config: ChurnConfig | None = None) -> Trained:
    """Backtest on what was known at the end of `as_of`, and register the forest of the newest month end.

    It learned from the month ends whose labels were mature on that one, which is its holdout. Without a config, the
    budget or cost that the newest version was told is taken over.
    """
    config = config or ChurnConfig(**stated_before())
    tests = backtest(read_months(as_of), as_of, config)
    found = card(tests, config, as_of)
    newest = tests[-1]
    version = registry.register(
        "churn",
        newest.forest,
        card=found,
        metrics=metrics(found),
        config=config.model_dump(),
        training_set=_training_set(newest, as_of),
    )
    return Trained(version, as_of, len(newest.training), found["figures"])


def stated_before() -> dict:
    """Who is to be contacted, as the newest version was told; empty before the first."""
    told = next((version.card["config"] for version in registry.versions("churn")), {})
    return {name: told[name] for name in DECISIONS if told.get(name) is not None}


def _training_set(newest: Tested, as_of: date) -> registry.TrainingSet:
    fingerprint = row_keys_sha256(newest.training)
    return registry.TrainingSet(
        training_set_id=f"churn-{as_of}-{fingerprint[:12]}",
        known_until=clock.end_of_day(as_of),
        rows=len(newest.training),
        row_keys_sha256=fingerprint,
        query=with_day(MONTHS, newest.as_of_on) + "    -- less those whose churned_in_60d is null\n",
    )
