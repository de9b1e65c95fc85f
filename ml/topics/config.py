"""What a training run of a topic model is told, refused early when it contradicts itself."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ConfigError

Method = Literal["lda", "nmf"]
METHODS: tuple[Method, ...] = ("lda", "nmf")


class TopicsConfig(BaseModel):
    """One training run; saved with the model it made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topics: int | None = Field(None, ge=2, le=200)
    """How many topics; None: chosen among the candidates by coherence and stability."""
    candidates: tuple[int, ...] = (5, 7, 9, 11, 13, 15, 17, 20, 25, 30, 40)
    """Numbers of topics to choose from; those with fewer than `min_texts_a_topic` texts a topic are left out."""
    method: Method | None = None
    """How topics are found; None: by whichever method is more coherent and stable on these texts."""
    min_texts: int = Field(500, ge=500)
    """Texts below which nothing is trained, copies counting once; a tenth as many judge the version."""
    min_texts_a_topic: int = Field(25, ge=5)
    min_texts_a_term: int = Field(5, ge=2)
    """Texts in which a word must stand to be part of the vocabulary."""
    max_share_a_term: float = Field(0.5, gt=0, le=1)
    """Share of the texts above which a word says nothing."""
    max_terms: int = Field(20_000, ge=100)
    """The vocabulary's size; words of the most texts come first."""
    min_known_terms: int = Field(3, ge=1)
    """Words of the vocabulary below which a text has no topic."""
    choice_texts: int = Field(2_500, ge=500)
    """Texts, drawn by the seed, on which numbers of topics and methods are compared."""
    seeds: int = Field(3, ge=2, le=20)
    """How often each candidate is fitted, each time to other four fifths of those texts and from another seed."""
    lda_passes: int = Field(20, ge=1)
    """Times that LDA goes through the texts."""
    stable_from: float = Field(0.5, ge=0, le=1)
    """Share of a topic's first 20 words that must come back under other seeds for it to be called stable."""
    label_relevance: float = Field(0.6, ge=0, le=1)
    """Weight of frequency against lift for the words that name a topic (Sievert and Shirley 2014)."""
    label_terms: int = Field(3, ge=1, le=10)
    max_loss: float = Field(0.02, ge=0, lt=0.5)
    """By how much a version may tell texts apart less well than the live one and still be released."""
    seed: int = 0

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "TopicsConfig":
        if self.topics is None and not any(one * self.min_texts_a_topic <= self.min_texts for one in self.candidates):
            raise ConfigError(
                f"The smallest of the candidates {self.candidates} needs {self.min_texts_a_topic} texts a topic, more "
                f"than min_texts {self.min_texts}: lower the candidate or min_texts_a_topic, or raise min_texts."
            )
        if any(not 2 <= one <= 200 for one in self.candidates):
            raise ConfigError(f"The candidates {self.candidates} must lie between 2 and 200 topics.")
        if self.choice_texts < self.min_texts:
            raise ConfigError(
                f"choice_texts {self.choice_texts} is below min_texts {self.min_texts}; raise it to at least that."
            )
        return self
