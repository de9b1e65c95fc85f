"""What a training run of the sentiment model is told, refused early when it contradicts itself."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ConfigError


class SentimentConfig(BaseModel):
    """One training run; saved with the model it made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_rows: int = Field(2_000, ge=100)
    """Labelled rows below which nothing is trained."""
    holdout_days: int = Field(28, ge=1)
    """Days up to `as_of` that are never trained on."""
    holdout_min_rows: int = Field(1_000, ge=1)
    """The holdout reaches further back while it has fewer rows than this …"""
    holdout_max_share: float = Field(0.2, gt=0, lt=1)
    """… but never takes more than this share of the labelled rows."""
    calibration_folds: int = Field(3, ge=2, le=10)
    """Probabilities are calibrated on scores that each of so many parts got from a model of the others."""
    ngram_min: int = Field(1, ge=1)
    ngram_max: int = Field(4, ge=1, le=8)
    feature_bits: int = Field(23, ge=10, le=24)
    """Character n-grams are hashed into 2 to this power columns."""
    penalty: float = Field(0.3, gt=0)
    """Strength of the L2 penalty, as that many reviews' loss."""
    middling_weight: float = Field(0.5, ge=0, le=1)
    """What a review counts whose stars are neither good nor bad: above 3.5 stars as good, below as bad."""
    passes: int = Field(8, ge=1)
    """Times that the training rows are gone through."""
    half_life_days: float | None = Field(365, gt=0)
    """A review this many days older counts half: words and menus change, so newer ones teach more. None: all count
    the same."""
    positive_share: float | None = Field(None, gt=0, lt=1)
    """The share of positives among the reviews that probabilities are meant for; None: as in the training rows."""
    cost_of_unsure: float = Field(0.35, gt=0, le=0.5)
    """Cost of the answer "unsure" in units of the cost of a wrong one: where the chance of being wrong is higher, the
    answer is unsure."""
    max_calibration_error: float = Field(0.05, gt=0, lt=1)
    """Expected calibration error above which a release may not be asked for."""
    min_gain: float = Field(0.005, ge=0, lt=0.5)
    """Share of right decisions that a version must gain to be called better than another; a smaller gain counts as not
    worse."""
    seed: int = 0

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "SentimentConfig":
        if self.ngram_min > self.ngram_max:
            raise ConfigError(
                f"ngram_min is {self.ngram_min} and ngram_max {self.ngram_max}; raise ngram_max to at least ngram_min."
            )
        if self.holdout_max_share > 0.5:
            raise ConfigError(
                f"holdout_max_share {self.holdout_max_share} leaves less than half of the rows to learn from; "
                "lower it to at most 0.5."
            )
        if self.holdout_max_share * self.min_rows < 100:
            raise ConfigError(
                f"min_rows {self.min_rows} with holdout_max_share {self.holdout_max_share} could leave a holdout of "
                f"{self.holdout_max_share * self.min_rows:.0f} rows; at least 100 are needed: raise min_rows."
            )
        return self
