"""What a training run of the churn model is told, refused early when it contradicts itself."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ConfigError

DECISIONS = ("contact_budget_share", "contact_cost", "saved_value")
"""What says who is contacted: the first, or the other two."""


class ChurnConfig(BaseModel):
    """One training run; saved with the model it made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon_days: int = Field(60, ge=1)
    """Days after a cut-off within which a customer who buys nothing has left; dbt makes the label by the same."""
    active_days: int = Field(180, ge=1)
    """Days up to a cut-off within which a customer has bought something; dbt chooses the rows by the same."""
    min_rows: int = Field(500, ge=100)
    """Labelled rows below which nothing is trained."""
    min_cutoffs: int = Field(2, ge=2)
    """Cut-offs with mature labels below which nothing is trained."""
    trees: int = Field(100, ge=10)
    depth: int = Field(8, ge=1, le=12)
    """Deeper trees would take minutes to explain."""
    min_leaf: int = Field(20, ge=1)
    """Rows in the smallest leaf."""
    tree_sample_share: float = Field(0.3, gt=0, le=1)
    """Share of the rows that each tree is grown on: neighbouring month ends say nearly the same of a customer."""
    calibration_stretches: int = Field(3, ge=2, le=10)
    """The month ends are parted into so many stretches of time, each scored by a model of the others to calibrate."""
    contact_budget_share: float | None = Field(None, gt=0, le=1)
    """The share of the scored customers who can be contacted: the likeliest leavers are, whatever the threshold …"""
    contact_cost: float | None = Field(None, gt=0)
    """… or what contacting a customer costs, and …"""
    saved_value: float | None = Field(None, gt=0)
    """… what a customer is worth who would have left and is contacted, in the same unit."""
    max_calibration_error: float = Field(0.05, gt=0, lt=1)
    """Expected calibration error above which a release may not be asked for."""
    reasons_customers: int = Field(1_000, ge=1)
    """So many customers, the first on the list of whom to contact, have their reasons stored."""
    lime_customers: int = Field(20, ge=0)
    """So many of them are explained a second time, by LIME."""
    replicates: int = Field(200, ge=20)
    """Draws of the bootstrap over customers."""
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _take_a_fifth_by_default(cls, given):
        return given if set(DECISIONS) & set(given) else {**given, "contact_budget_share": 0.2}

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "ChurnConfig":
        by_cost = self.contact_cost is not None or self.saved_value is not None
        if by_cost and self.contact_budget_share is not None:
            raise ConfigError(
                f"contact_budget_share {self.contact_budget_share} and a cost are both given; the threshold follows "
                "from one of them: leave out the share, or leave out contact_cost and saved_value."
            )
        if not by_cost and self.contact_budget_share is None:
            raise ConfigError(
                "Nothing says who is contacted: give contact_budget_share, or contact_cost and saved_value."
            )
        if by_cost and (self.contact_cost is None or self.saved_value is None):
            missing = "contact_cost" if self.contact_cost is None else "saved_value"
            raise ConfigError(f"The threshold of a cost is contact_cost / saved_value; {missing} is missing.")
        if by_cost and self.contact_cost >= self.saved_value:
            raise ConfigError(
                f"contact_cost {self.contact_cost} is not below saved_value {self.saved_value}: nobody would be worth "
                "contacting. Correct one of them, or give contact_budget_share instead."
            )
        return self
