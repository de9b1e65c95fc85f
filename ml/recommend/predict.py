"""The registered recommender, checked to be one."""

from ml import registry
from ml.errors import ArtifactChanged
from ml.recommend.model import BookRecommender

MODEL = "recommend"


def load(version: int) -> BookRecommender:
    """A registered version."""
    model = registry.load(MODEL, version)
    if not isinstance(model, BookRecommender):
        raise ArtifactChanged(
            f"{MODEL} version {version} holds a {type(model).__name__}, no recommender of books. "
            "Train and release a new version."
        )
    return model
