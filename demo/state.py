"""The website's state file: what it shows and its clock."""

import os
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from demo.errors import DemoError
from demo.world import FIRST_TODAY, WorldConfig


class ReplayConfig(BaseModel):
    """Which reviews of the review files to show: whole films drawn by seed until there are enough.

    Without days: the newest five years of the files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path
    reviews: int = Field(default=20_000, ge=1)
    seed: int = 1
    first_day: date | None = None
    last_day: date | None = None


class PlantedReview(BaseModel):
    """One more review that the site shows like any other; for tests of what hostile text can do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject_id: str
    body: str
    written_at: datetime
    stars: int | None = None
    author: str = "손님"
    title: str = ""
    review_id: str | None = None


class SiteState(BaseModel):
    """What the website shows, and the last day of which it shows anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    today: date = FIRST_TODAY
    world: WorldConfig | None = None
    replay: ReplayConfig | None = None
    planted: tuple[PlantedReview, ...] = ()

    @model_validator(mode="after")
    def _shows_one_thing(self) -> "SiteState":
        if (self.world is None) == (self.replay is None):
            raise ValueError("give either “world” or “replay”, not both and not none")
        return self


def read_state(file: Path) -> SiteState:
    """The state in a file; raises DemoError when it is missing or not understood."""
    try:
        return SiteState.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DemoError(f"{file} does not exist; write it with `maeari demo world`.") from None
    except ValidationError as error:
        raise DemoError(
            f"{file} is not a state of the demo site: {error}. Write it anew with `maeari demo world`."
        ) from None


def write_state(file: Path, state: SiteState) -> None:
    """Write the state so that a running site sees the old or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fresh.write_text(state.model_dump_json(indent=2, exclude_none=True), encoding="utf-8")
    fresh.replace(file)


def advance(file: Path, weeks: int) -> SiteState:
    """Move the clock on by whole weeks; the running site shows what was written since."""
    if weeks < 1:
        raise DemoError(f"The clock moves on by at least one week, not by {weeks}; what was shown stays shown.")
    state = read_state(file)
    moved = state.model_copy(update={"today": state.today + timedelta(weeks=weeks)})
    write_state(file, moved)
    return moved
