"""What a training run of recommendations is told, refused early when it contradicts itself."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.errors import ConfigError


class RecommendConfig(BaseModel):
    """One training run, and how its answers are weighed; saved with the model it made.

    The weights were chosen on the parts of `benchmarks/recommend.py` that its figures are not measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_readers: int = Field(100, ge=10)
    """Readers of two books or more below which nothing is trained; one in ten judges the version."""
    longest_sequence: int = Field(1_000, ge=20)
    """A reader's newest books that are learned from, since pairs grow with their square."""
    item_vector_size: int = Field(64, ge=2, le=512)
    item_window: int = Field(5, ge=1)
    """Books on either side that Word2Vec sees as read beside one."""
    item_negatives: int = Field(10, ge=1)
    item_epochs: int = Field(10, ge=1)
    neighbours: int = Field(100, ge=1)
    """For how many books at most each book is remembered as one that the same readers read."""
    last_books: int = Field(20, ge=1)
    """The newest books of a reader that an answer looks at."""
    lasting_weight: float = Field(0.2, ge=0)
    """What each of these books counts beside one over its place from the newest."""
    vector_weight: float = Field(0.3, ge=0)
    """What likeness of vectors counts beside having the same readers."""
    popularity_weight: float = Field(0.1, ge=0)
    """What the most popular book has ahead of one that nobody has read."""
    max_words: int = Field(100_000, ge=100)
    """The words that books are found by; those of the most books come first."""
    max_share_a_word: float = Field(0.5, gt=0, le=1)
    """Share of the books above which a word says nothing, where there are at least ten books."""
    saturation: float = Field(4.0, gt=0)
    """How often a word may stand in a text of usual length and still count half of what it can (BM25's k1)."""
    text_vector_size: int = Field(64, ge=2, le=512)
    text_window: int = Field(5, ge=1)
    text_negatives: int = Field(5, ge=1)
    text_epochs: int = Field(30, ge=1)
    text_vector_weight: float = Field(0.2, ge=0)
    """What likeness of Doc2Vec's vectors counts beside the words themselves."""
    relevance: float = Field(0.9, gt=0, le=1)
    """Weight of how well a book fits against how much it is like one offered before it (Carbonell and Goldstein)."""
    max_loss: float = Field(0.02, ge=0, lt=0.5)
    """By how much a version may find fewer last books than the live one and still be released."""
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "RecommendConfig":
        if self.last_books > self.longest_sequence:
            raise ConfigError(
                f"Answers look at last_books {self.last_books}, more than the longest_sequence {self.longest_sequence} "
                "that is learned from: raise longest_sequence, or lower last_books."
            )
        return self
