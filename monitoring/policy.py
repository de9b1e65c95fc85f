"""Policies: where a model's predictions and labels lie, what is watched of them, and the limits."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from maeari.settings import Settings
from monitoring.errors import PolicyError
from monitoring.windows import WindowLength

COMMITTED = Path(__file__).parent / "policies"
MOST_CLASSES = 10

Column = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w{0,62}$")]
Table = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w{0,62}\.[^\W\d]\w{0,62}$")]
Share = Annotated[float, Field(gt=0, lt=1)]
Task = Literal["binary", "multiclass", "regression", "rate"]
Kind = Literal["numeric", "category", "share"]
Method = Literal["psi", "jensen_shannon", "wasserstein", "chi_square"]
METHODS = {
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon distance",
    "wasserstein": "Wasserstein distance in standard deviations",
    "chi_square": "chi-square p",
}
"""What people call them."""


def _one_select(query: str) -> str:
    if ";" in query or query.lower().split(maxsplit=1)[:1] not in (["select"], ["with"]):
        raise ValueError("wanted one query that begins with “select” or “with”, without a semicolon")
    return query


Query = Annotated[str, AfterValidator(_one_select)]


class _Part(BaseModel):
    # Every command imports these and few read one: they are built when the first is read.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class _Rows(_Part):
    table: Table | None = None
    """`schema.name` …"""
    query: Query | None = None
    """… or a query that gives the rows."""
    id: tuple[Column, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _refuse_two_origins(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("name either a table (schema.name) or a query")
        return self

    @property
    def origin(self) -> str:
        """How the rows are called in a message."""
        return self.table or "the query"


class Predictions(_Rows):
    """Where the predictions lie: one row per id, version and day."""

    at: Column
    """A date or timestamptz: the day that the row belongs to, in the business zone; it never changes."""
    version: Column | None = None
    """An integer; null: everything is version 1."""
    updated_at: Column | None = None
    """A timestamptz of the row's last change; null: the newest `recompute_days` are redone each time."""
    score: Column | dict[str, Column] | None = None
    """The probability of the positive class, the predicted value, or each class with the column of its probability;
    null of a rate."""
    threshold: Share = 0.5
    """From which probability on a binary prediction is positive."""
    features: dict[Column, Kind] = {}
    """A share is a boolean of which each window tells how often it is true."""
    segments: tuple[Column, ...] = ()
    late_days: int = Field(default=0, ge=0)
    """Days for which more rows may still come: until then a verdict is provisional."""


class Labels(_Rows):
    """Where the truth appears: ids in the order of the predictions' ids."""

    value: Column
    """True or false (1 or 0), the class, or the true value; null is not known."""
    positive: str | None = None
    """Of a binary task or a rate whose labels are words: the one that is positive."""
    known_at: Column | None = None
    """A date or timestamptz; null: a label is known `after_days` after its prediction."""
    after_days: int = Field(ge=0)
    """Days after which a label is to be expected."""


class Reference(_Part):
    """Days of predictions, both included, that are known to be good and have labels."""

    from_: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _refuse_backwards(self) -> Self:
        if self.until < self.from_:
            raise ValueError(f"until ({self.until}) lies before from ({self.from_}); exchange them")
        return self


class FirstDays(_Part):
    """So many days on end: the first that hold `min_rows` predictions of one version, to which others are held too."""

    first_days: int = Field(ge=1)


class Catalogue(_Rows):
    """What there is to be offered, one row per item."""

    id: tuple[Column]
    version: Column | None = None
    """An integer, where each version has a catalogue of its own."""


class Coverage(_Part):
    """Which share of a catalogue the predictions of a window reach."""

    column: Column
    """The item of a prediction, or an array of them."""
    catalogue: Catalogue
    least: Share
    """Different items over those that as many of the reference's reach: below it, the predictions have drifted."""


class DeclinedLimits(_Part):
    """When performance is called declined."""

    min_drop: float = Field(gt=0)
    """What must at least be lost …"""
    false_alarms: Share
    """… by a drop so unlikely that a stable model is called declined with this chance at most …"""
    over_windows: int = Field(ge=1)
    """… in so many windows."""


class DriftedLimits(_Part):
    """When a column is called drifted: the named method, whatever the number of rows."""

    method: Method
    limit: float = Field(gt=0)
    """The distance from which on a column has drifted; of chi_square the p-value under which it has."""


class Policy(_Part):
    """One model's monitoring, as its YAML file says; `name` is the file's."""

    name: str = Field(pattern=r"^[\w-]{1,100}$")
    model: str = Field(min_length=1)
    task: Task
    predictions: Predictions
    labels: Labels
    window: WindowLength
    reference: Reference | FirstDays | Literal["before_release"]
    """Fixed days; the first days; or of each version what it scored of the days before its first release counted."""
    recompute_days: int = Field(default=7, ge=1)
    """Days before the newest known one that are redone, since rows and labels may arrive late."""
    are_crawled: bool = False
    """Whether the rows come from crawls, so that those that failed are a cause."""
    min_rows: int = Field(ge=1)
    min_labelled_rows: int = Field(ge=30)
    declined: DeclinedLimits
    drifted: DriftedLimits
    coverage: Coverage | None = None

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        score, classes = self.predictions.score, self.classes
        if (self.task == "rate") != (score is None):
            raise ValueError(
                "a rate has no score, and every other task has one: "
                + ("leave score out" if self.task == "rate" else f"name its column, the task is {self.task}")
            )
        if (self.task == "multiclass") != isinstance(score, dict):
            raise ValueError(
                "score is one column for a binary or regression task, and a mapping of each class to its column for a "
                f"multiclass task; the task is {self.task}"
            )
        if self.task == "multiclass" and not 2 <= len(classes) <= MOST_CLASSES:
            raise ValueError(f"score has {len(classes)} classes; wanted 2 to {MOST_CLASSES}, so join rare ones")
        if len(self.labels.id) != len(self.predictions.id):
            raise ValueError(
                f"labels.id has {len(self.labels.id)} columns and predictions.id {len(self.predictions.id)}; a label "
                "is found by all of them, in the same order"
            )
        if self.labels.positive is not None and self.task not in ("binary", "rate"):
            raise ValueError(f"labels.positive is for a binary task or a rate; leave it out, the task is {self.task}")
        if self.min_labelled_rows > self.min_rows:
            raise ValueError(
                f"min_labelled_rows is {self.min_labelled_rows} and min_rows {self.min_rows}; "
                "labelled rows are some of the rows, so raise min_rows or lower min_labelled_rows"
            )
        if self.drifted.method == "wasserstein" and "category" in self.predictions.features.values():
            raise ValueError(
                "wasserstein has no meaning for a category; name psi, jensen_shannon or chi_square as drifted.method"
            )
        if self.drifted.method == "chi_square" and self.drifted.limit >= 1:
            raise ValueError(f"the limit of chi_square is a p-value, below 1, and not {self.drifted.limit}")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a multiclass task, in the order of their codes; empty for other tasks."""
        score = self.predictions.score
        return tuple(score) if isinstance(score, dict) else ()

    @property
    def scores(self) -> tuple[str, ...]:
        """The columns of the score: one, or one a class; none of a rate."""
        score = self.predictions.score
        if score is None:
            return ()
        return tuple(score.values()) if isinstance(score, dict) else (score,)


def policies() -> list[str]:
    """Names of all policies, committed ones and those of this `MAEARI_HOME`."""
    own, earlier = Settings().path("policies"), Settings().path("table_policies")
    if any(earlier.glob("*.yml")):
        raise PolicyError(f"{earlier} is not read any more. Move its files to {own}, and remove it.")
    return sorted({file.stem for folder in (COMMITTED, own) for file in folder.glob("*.yml")})


def load(name: str) -> Policy:
    """The policy of that name: from `MAEARI_HOME/policies/` if there is one, else the committed one."""
    if name not in policies():
        raise PolicyError(f"There is no policy {name!r}; there are: {', '.join(policies())}. Write {own_file(name)}.")
    file = _file(name)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Policy.model_validate((content if isinstance(content, dict) else {}) | {"name": name})
    except (ValidationError, yaml.YAMLError) as error:
        raise PolicyError(f"{file} cannot be used:\n{error}\nCorrect the file; docs/monitoring.md says how.") from error


def write_window(name: str, window: str) -> Path:
    """Write a copy of the policy with another window length to `MAEARI_HOME/policies/`, which then wins."""
    content = yaml.safe_load(_file(name).read_text(encoding="utf-8")) | {"window": WindowLength(window).value}
    own = own_file(name)
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return own


def own_file(name: str) -> Path:
    """Where the policy of that name belongs in this `MAEARI_HOME`."""
    return Settings().path("policies", f"{name}.yml")


def _file(name: str) -> Path:
    return own_file(name) if own_file(name).exists() else COMMITTED / f"{name}.yml"
