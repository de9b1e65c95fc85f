"""Errors of training, release and scoring."""

from maeari.errors import MaeariError


class ModelError(MaeariError):
    """Base of everything the model rooms raise on purpose."""


class ConfigError(ModelError):
    """A model's configuration contradicts itself."""


class TooFewRows(ModelError):
    """There is not enough labelled data to train or to compare."""


class UnreadableDataset(ModelError):
    """A file of labelled texts is not what it should be."""


class UnknownVersion(ModelError):
    """A model version is not registered, or its artifact is gone."""


class ArtifactChanged(ModelError):
    """A saved model is not the one that was registered."""


class EventsIncomplete(ModelError):
    """A day cannot be scored yet: not all of its events are known."""


class UnknownBook(ModelError):
    """A book is not in the catalogue, or nothing is stored of it."""


class UnknownCustomer(ModelError):
    """A customer was not scored, or is gone since."""


class UnknownReview(ModelError):
    """No review of that id was known on that day."""


class NotRolledBack(ModelError):
    """A rollback that may not happen: nothing to go back to, nobody who may, or the world moved on meanwhile."""


class NotPromoted(ModelError):
    """A release that may not happen: no valid approval, or the world moved on since the question was put."""
