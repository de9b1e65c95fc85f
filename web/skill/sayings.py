"""Answers of words alone, which need no library; they must be there when nothing else is."""

from dataclasses import dataclass

from web.skill import formats, phrases
from web.skill.formats import SkillAnswer


@dataclass(frozen=True)
class Heard:
    """An answer, and what the log is told of it."""

    answer: SkillAnswer
    outcome: str
    intent: str = "-"


def saying(text: str, *more: tuple[str, str]) -> SkillAnswer:
    """An answer of words, with what can be said next: labels and what each says."""
    labels = (phrases.EXAMPLE, phrases.POPULAR_LABEL, phrases.HELP_LABEL)
    return formats.answer(formats.words(text), quick_replies=(*more, *((label, label) for label in labels)))
