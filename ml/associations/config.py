"""What a mining of associations is told, refused early when it contradicts itself."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ConfigError


class AssociationsConfig(BaseModel):
    """One mining; together with the texts it decides on what is found, so a change mines anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_texts: int = Field(50, ge=10)
    """Texts of a period below which nothing is mined; copies count once unless they are asked for."""
    min_texts_a_term: int = Field(5, ge=2)
    """Texts in which a word, and a pair or set of words, must stand."""
    max_share_a_term: float = Field(0.5, gt=0, le=1)
    """Share of the texts above which a word says nothing."""
    max_terms: int = Field(300, ge=10, le=2_000)
    """Words whose pairs are counted, those of the most texts first."""
    max_terms_a_text: int = Field(100, ge=10)
    """Words that count of one text, the rarest first, so that a long one joins no others."""
    max_set_terms: int = Field(100, ge=10, le=300)
    """Words that larger sets and rules are made of, those of the most texts first."""
    max_set_size: int = Field(3, ge=2, le=4)
    max_frequent_pairs: int = Field(500, ge=10)
    """Support is raised until at most so many pairs are frequent, which bounds the sets that grow from them."""
    min_confidence: float = Field(0.3, ge=0, le=1)
    significance: float = Field(0.05, gt=0, lt=1)
    """Holm-corrected p-value below which a pair or rule is kept."""
    most_pairs: int = Field(1_000, ge=10)
    most_rules: int = Field(200, ge=1)
    most_nodes: int = Field(200, ge=20, le=500)
    """Words of the network, those of the surest pairs first."""
    seed: int = 0

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "AssociationsConfig":
        if self.min_texts_a_term > self.max_share_a_term * self.min_texts:
            raise ConfigError(
                f"Of {self.min_texts} texts a word must stand in {self.min_texts_a_term} or more and in at most "
                f"{self.max_share_a_term:.0%}: no word can. Lower min_texts_a_term or raise max_share_a_term."
            )
        if self.max_set_terms > self.max_terms:
            raise ConfigError(
                f"max_set_terms {self.max_set_terms} is above max_terms {self.max_terms}; lower it to at most that."
            )
        return self
