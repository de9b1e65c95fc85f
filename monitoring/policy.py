"""Policies: what is watched of a model, and the limits of each verdict."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maeari.settings import Settings
from monitoring.errors import PolicyError

COMMITTED = Path(__file__).parent / "policies"
Share = Annotated[float, Field(gt=0, lt=1)]


class WindowLength(StrEnum):
    """How long one monitored window is."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


LOOKS = 4
"""How often each window is compared; see `monitoring.verdict.decide`."""


class DeclinedLimits(_Part):
    """When performance is called declined."""

    min_drop: Share
    """Accuracy that must at least be lost."""
    false_alarms: Share
    """Chance that a stable model is called declined at all …"""
    over_windows: int = Field(ge=1)
    """… in so many windows."""

    @property
    def alpha(self) -> float:
        """The p-value below which one look counts."""
        return self.false_alarms / self.over_windows / LOOKS


class DriftedLimits(_Part):
    """When inputs or predictions are called drifted."""

    psi: float = Field(gt=0)
    predicted_positive_share: Share
    rated_share: Share
    unknown_bigram_share: Share
    jamo_share: Share = 0.02
    emoji_share: Share = 0.02
    volume: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=1)]]


class Policy(_Part):
    """One model's monitoring, as its YAML file says."""

    model: Literal["sentiment"]
    window: WindowLength
    reference: Literal["holdout"]
    late_rows_days: int = Field(ge=0)
    segments: tuple[Literal["source", "subject_id"], ...]
    min_rows: int = Field(ge=1)
    min_labelled_rows: int = Field(ge=30)
    declined: DeclinedLimits
    drifted: DriftedLimits

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "Policy":
        if self.min_labelled_rows > self.min_rows:
            raise ValueError(
                f"min_labelled_rows is {self.min_labelled_rows} and min_rows {self.min_rows}; "
                "labelled rows are some of the rows, so raise min_rows or lower min_labelled_rows"
            )
        return self


def policies() -> list[str]:
    """Names of all policies, committed ones and those of this `MAEARI_HOME`."""
    return sorted({file.stem for folder in (COMMITTED, _own()) for file in folder.glob("*.yml")})


def load(name: str) -> Policy:
    """The policy of that name: from `MAEARI_HOME/policies/` if there is one, else the committed one."""
    file = _file(name)
    try:
        return Policy.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise PolicyError(f"{file} cannot be used:\n{error}\nCorrect the file; docs are in {COMMITTED}.") from error


def write_window(name: str, window: str) -> Path:
    """Write a copy of the policy with another window length to `MAEARI_HOME/policies/`, which then wins."""
    content = yaml.safe_load(_file(name).read_text(encoding="utf-8")) | {"window": WindowLength(window).value}
    own = _own() / f"{name}.yml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return own


def _own() -> Path:
    return Settings().path("policies")


def _file(name: str) -> Path:
    for folder in (_own(), COMMITTED):
        file = folder / f"{name}.yml"
        if file.exists():
            return file
    raise PolicyError(f"There is no policy “{name}”; there are: {', '.join(policies())}. A policy is one YAML file.")
