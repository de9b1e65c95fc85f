"""What the book bot answers: of an intent, a conversation and a library it makes an answer; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from maeari.particles import with_particle
from ml.recommend.model import Suggestion, words_of
from ml.recommend.reasons import reason
from web.skill import formats, phrases
from web.skill.formats import SkillAnswer
from web.skill.library import Library
from web.skill.sayings import saying
from web.skill.understand import Intent

OFFERED = 5
"""Books of one answer."""
MOST_SHOWN, MOST_LIKED, MOST_EARLIER = 200, 50, 10
LIKES_BESIDE = 2
"""The newest likes that count beside a title that is asked for."""
FEW_PAGES = 200

AskedFor = Literal["title", "author", "words", "more", "shorter", "popular"]
Opinion = Literal["like", "dislike", "seen", "read"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Asked(_Kept):
    """What was asked for last, as “더 보여줘” goes on with it; of free words those that books are found by."""

    kind: Literal["title", "author", "words", "popular", "liked"] = "popular"
    book_ids: tuple[str, ...] = ()
    author: str = ""
    words: tuple[str, ...] = ()
    pages_under: int | None = None


class State(_Kept):
    """What a conversation knows; nothing that was written is in it."""

    asked: Asked | None = None
    answer_id: int | None = None
    offered: tuple[str, ...] = ()
    """The books of the last answer that offered some."""
    reasons: tuple[str, ...] = ()
    earlier: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """Answers before it, each with its books, the newest last: buttons of theirs can still be pressed."""
    shown: tuple[str, ...] = ()
    """All that was offered, liked or not, the newest last."""
    liked: tuple[str, ...] = ()
    message: str = ""
    """A keyed hash of the last message, by which one that comes twice is known."""
    answered_at: float = 0

    def answer_of(self, book_id: str) -> int | None:
        """The newest answer that offered a book, None where none is remembered."""
        answers = [*self.earlier, *([(self.answer_id, self.offered)] if self.answer_id is not None else [])]
        return next((answer_id for answer_id, book_ids in reversed(answers) if book_id in book_ids), None)

    @classmethod
    def read(cls, kept: dict) -> "State":
        """A state as it was kept; a new one where it is of an older kind."""
        try:
            return cls.model_validate(kept)
        except ValidationError:
            return cls()


@dataclass(frozen=True)
class Offer:
    """What is written down of books that are offered."""

    asked_for: AskedFor
    is_unknown: bool
    book_ids: tuple[str, ...]
    whys: tuple[str, ...]


@dataclass(frozen=True)
class Feedback:
    """What a reader says of a book."""

    book_id: str
    opinion: Opinion


@dataclass(frozen=True)
class Reply:
    """An answer, what the conversation knows after it, and what is written down."""

    answer: SkillAnswer
    state: State
    offer: Offer | None = None
    feedback: tuple[Feedback, ...] = ()


def reply(intent: Intent, state: State, library: Library) -> Reply:
    """The answer to what is wanted."""
    if not library.books:
        return Reply(saying(phrases.NO_BOOKS), state)
    if intent.kind in _SAYINGS:
        return Reply(saying(_SAYINGS[intent.kind]), state)
    return _ANSWERS[intent.kind](intent, state, library)


def repeated(state: State, library: Library) -> Reply | None:
    """The last offer once more, for a message that came twice; None where books are gone meanwhile."""
    if not state.offered or any(book_id not in library.books for book_id in state.offered):
        return None
    cards = formats.carousel(*_cards(state.offered, state.reasons, library))
    return Reply(formats.answer(cards, quick_replies=_after_offer(state.offered, library)), state)


def _restart(intent: Intent, state: State, library: Library) -> Reply:
    return Reply(saying(phrases.RESTARTED), State())


def _title(intent: Intent, state: State, library: Library) -> Reply:
    book_id = max(intent.book_ids, key=lambda one: (library.popularity(one), -intent.book_ids.index(one)))
    name = with_particle(_quoted(book_id, library), "을/를")
    preface = (phrases.LIKE_TITLE if intent.is_sure else phrases.IS_IT).format(title=name)
    return _offer(Asked(kind="title", book_ids=(book_id,)), "title", preface, state, library)


def _author(intent: Intent, state: State, library: Library) -> Reply:
    preface = (phrases.BY_AUTHOR if intent.is_sure else phrases.IS_IT_AUTHOR).format(author=intent.author)
    return _books_of(Asked(kind="author", author=intent.author, book_ids=intent.book_ids), preface, state, library)


def _words(intent: Intent, state: State, library: Library) -> Reply:
    words = library.keywords(intent.text)
    if not words:
        return _offer(Asked(), "words", phrases.UNKNOWN, state, library, is_unknown=True)
    return _offer(Asked(kind="words", words=words), "words", phrases.OTHERS, state, library)


def _popular(intent: Intent, state: State, library: Library) -> Reply:
    if state.liked:
        return _offer(Asked(kind="liked"), "popular", phrases.FROM_LIKED, state, library)
    return _offer(Asked(), "popular", phrases.POPULAR, state, library)


def _bought(intent: Intent, state: State, library: Library) -> Reply:
    if not state.liked:
        return Reply(saying(phrases.NO_PURCHASES), state)
    return _offer(Asked(kind="liked"), "title", phrases.FROM_LIKED, state, library)


def _more(intent: Intent, state: State, library: Library) -> Reply:
    return _go_on("more", phrases.MORE, state, library)


def _others(intent: Intent, state: State, library: Library) -> Reply:
    passed = tuple(Feedback(book_id, "seen") for book_id in state.offered if book_id not in state.liked)
    return _and(_go_on("more", phrases.OTHERS, state, library), passed)


def _shorter(intent: Intent, state: State, library: Library) -> Reply:
    asked = Asked(kind="title", book_ids=intent.book_ids) if intent.book_ids else state.asked or Asked()
    named = [library.books[book_id].pages for book_id in asked.book_ids[:1] if book_id in library.books]
    before = [library.books[book_id].pages for book_id in state.offered if book_id in library.books]
    known = [pages for pages in named if pages] if asked.kind == "title" else []
    if not known or asked.pages_under is not None:
        known = [pages for pages in before if pages]
    under = int(median(known)) if known else FEW_PAGES
    if asked.pages_under is not None:
        under = min(under, asked.pages_under - 1)
    preface = phrases.SHORTER.format(pages=under)
    if not known and state.offered:
        preface = phrases.NO_PAGES
    kept = asked.model_copy(update={"pages_under": under, "kind": "title" if asked.kind == "author" else asked.kind})
    nothing = phrases.NONE_SHORTER.format(pages=under)
    return _offer(kept, "shorter", preface, state, library, nothing=nothing)


def _like(intent: Intent, state: State, library: Library) -> Reply:
    book_ids = _meant(intent, state, library)
    if isinstance(book_ids, str):
        return Reply(saying(book_ids), state)
    if len(book_ids) > 1:
        return Reply(formats.answer(formats.words(phrases.WHICH), quick_replies=_numbers(len(book_ids))), state)
    name = with_particle(_quoted(book_ids[0], library), "이/가")
    after = state.model_copy(
        update={
            "liked": _newest(state.liked, book_ids, MOST_LIKED),
            "shown": _newest(state.shown, book_ids, MOST_SHOWN),
        }
    )
    told = formats.answer(formats.words(phrases.LIKED.format(title=name)), quick_replies=_NEXT)
    return Reply(told, after, feedback=(Feedback(book_ids[0], "like"),))


def _dislike(intent: Intent, state: State, library: Library) -> Reply:
    return _passed(intent, state, library, "dislike", phrases.DISLIKED, "은/는", phrases.OTHERS)


def _read(intent: Intent, state: State, library: Library) -> Reply:
    return _passed(intent, state, library, "read", phrases.READ, "은/는", phrases.READ_ALL)


def _passed(
    intent: Intent, state: State, library: Library, opinion: Opinion, one: str, particle: str, several: str
) -> Reply:
    book_ids = _meant(intent, state, library)
    if isinstance(book_ids, str):
        return Reply(saying(book_ids), state)
    feedback = tuple(Feedback(book_id, opinion) for book_id in book_ids)
    liked = (
        tuple(book_id for book_id in state.liked if book_id not in book_ids) if opinion == "dislike" else state.liked
    )
    after = state.model_copy(update={"shown": _newest(state.shown, book_ids, MOST_SHOWN), "liked": liked})
    if len(book_ids) > 1:
        return _and(_go_on("more", several, after, library), feedback)
    name = with_particle(_quoted(book_ids[0], library), particle)
    told = formats.answer(formats.words(one.format(title=name)), quick_replies=_NEXT)
    return Reply(told, after, feedback=feedback)


def _meant(intent: Intent, state: State, library: Library) -> tuple[str, ...] | str:
    """The books that an opinion is of, or what to say where that is not clear."""
    if intent.book_ids:
        return intent.book_ids[:1]
    offered = tuple(book_id for book_id in state.offered if book_id in library.books)
    if not offered:
        return phrases.NOTHING_OFFERED
    if intent.number is None:
        return offered
    if not 1 <= intent.number <= len(offered):
        return phrases.NO_SUCH_NUMBER.format(count=len(offered))
    return (offered[intent.number - 1],)


def _go_on(asked_for: AskedFor, preface: str, state: State, library: Library) -> Reply:
    asked = state.asked or Asked()
    if asked.kind == "author":
        return _books_of(asked, preface, state, library, asked_for)
    return _offer(asked, asked_for, preface, state, library)


def _books_of(asked: Asked, preface: str, state: State, library: Library, asked_for: AskedFor = "author") -> Reply:
    """A list of an author's books that were not shown yet, those most read first; then others like them."""
    left = [book_id for book_id in asked.book_ids if book_id in library.books and book_id not in state.shown]
    left = sorted(left, key=lambda book_id: (-library.popularity(book_id), book_id))
    works: dict[str, str] = {}
    for book_id in left:
        works.setdefault(library.books[book_id].work_id, book_id)
    chosen = tuple(works.values())[:OFFERED]
    if not chosen:
        said = phrases.AFTER_AUTHOR.format(author=asked.author)
        return _offer(asked.model_copy(update={"kind": "title"}), asked_for, said, state, library)
    items = [
        formats.item(_name(one, library), _facts(one, library, short=True), _alike(one, library)) for one in chosen
    ]
    told = formats.answer(
        formats.words(preface),
        formats.list_card(phrases.AUTHOR_HEADER.format(author=asked.author), *items),
        quick_replies=_after_offer(chosen, library),
    )
    reasons = tuple(f"{asked.author} 작가의 책이에요" for _ in chosen)
    after = _known(state, asked, chosen, reasons)
    return Reply(told, after, Offer(asked_for, False, chosen, ("author",) * len(chosen)))


def _offer(
    asked: Asked,
    asked_for: AskedFor,
    preface: str,
    state: State,
    library: Library,
    *,
    is_unknown: bool = False,
    nothing: str = phrases.NOTHING_LEFT,
) -> Reply:
    """Books that fit what is asked for and what is liked, as cards with the reason of each."""
    named = tuple(book_id for book_id in asked.book_ids[:OFFERED] if book_id in library.books)
    words = asked.words
    if asked.kind == "title":
        # A book that came after the training is known by its own words.
        unlearned = [library.books[book_id] for book_id in named if not library.is_learned(book_id)]
        words = tuple(word for book in unlearned for word in words_of(f"{book.title} {book.description or ''}"))
    beside = state.liked[-LIKES_BESIDE:] if asked.kind == "title" else state.liked
    liked = tuple(dict.fromkeys((*(one for one in beside if one not in named), *named)))
    found = library.offer(liked, words, state.shown, OFFERED, asked.pages_under)
    if not found:
        return Reply(saying(nothing, (phrases.RESTART_LABEL, phrases.RESTART_LABEL)), state)
    if not is_unknown and asked.kind in ("title", "words") and library.model is None:
        is_unknown, preface = True, phrases.UNKNOWN
    chosen = tuple(one.book_id for one in found)
    reasons = tuple(_reason(one, library) for one in found)
    told = formats.answer(
        formats.words(preface),
        formats.carousel(*_cards(chosen, reasons, library)),
        quick_replies=_after_offer(chosen, library),
    )
    return Reply(
        told,
        _known(state, asked, chosen, reasons),
        Offer(asked_for, is_unknown, chosen, tuple(one.why.kind for one in found)),
    )


def _known(state: State, asked: Asked, chosen: tuple[str, ...], reasons: tuple[str, ...]) -> State:
    last = () if state.answer_id is None else ((state.answer_id, state.offered),)
    return state.model_copy(
        update={
            "asked": asked, "answer_id": None, "earlier": (*state.earlier, *last)[-MOST_EARLIER:],
            "offered": chosen, "reasons": reasons,
            "shown": _newest(state.shown, chosen, MOST_SHOWN),
        }
    )  # fmt: skip


def _and(after: Reply, feedback: tuple[Feedback, ...]) -> Reply:
    return Reply(after.answer, after.state, after.offer, feedback)


def _newest(known: Sequence[str], added: Sequence[str], most: int) -> tuple[str, ...]:
    return (*(one for one in known if one not in added), *added)[-most:]


def _reason(suggestion: Suggestion, library: Library) -> str:
    named = suggestion.why.named if suggestion.why.kind == "liked" else ()
    return reason(suggestion, {one: library.books[one].title for one in named if one in library.books})


def _cards(book_ids: Sequence[str], reasons: Sequence[str], library: Library) -> list[formats.TextCard]:
    return [
        formats.card(
            f"{number}. {_name(book_id, library)}",
            f"{_facts(book_id, library)}\n{why}".strip(),
            formats.message_button(phrases.LIKE_LABEL, phrases.LIKE_SAID.format(title=_name(book_id, library))),
            formats.message_button(phrases.ALIKE_LABEL, _alike(book_id, library)),
            *formats.link_button(phrases.LINK_LABEL, library.books[book_id].url),
        )
        for number, (book_id, why) in enumerate(zip(book_ids, reasons, strict=True), 1)
    ]


def _name(book_id: str, library: Library) -> str:
    return formats.cut(library.books[book_id].title, formats.LONGEST_CARD_TITLE)


def _quoted(book_id: str, library: Library) -> str:
    return f"『{_name(book_id, library)}』"


def _alike(book_id: str, library: Library) -> str:
    return phrases.ALIKE_SAID.format(title=_name(book_id, library))


def _facts(book_id: str, library: Library, short: bool = False) -> str:
    book = library.books[book_id]
    facts = [
        "" if short else formats.cut(book.author, formats.LONGEST_CARD_TITLE) if book.author else "",
        str(book.published_on.year) if book.published_on else "",
        phrases.PAGES.format(pages=book.pages) if book.pages else "",
    ]
    return " · ".join(filter(None, facts))


def _numbers(count: int) -> tuple[tuple[str, str], ...]:
    return tuple((said, said) for number in range(1, count + 1) for said in [phrases.NUMBERED.format(number=number)])


def _after_offer(book_ids: Sequence[str], library: Library) -> tuple[tuple[str, str], ...]:
    has_pages = any(library.books[book_id].pages for book_id in book_ids)
    first = [phrases.MORE_LABEL, *([phrases.SHORTER_LABEL] if has_pages else [])]
    last = [phrases.OTHERS_LABEL, phrases.HELP_LABEL]
    return (
        *((label, label) for label in first),
        *_numbers(min(len(book_ids), OFFERED)),
        *((label, label) for label in last),
    )


_NEXT = tuple((label, label) for label in (phrases.MORE_LABEL, phrases.OTHERS_LABEL, phrases.HELP_LABEL))
_SAYINGS = {
    "empty": phrases.EMPTY,
    "unreadable": phrases.UNREADABLE,
    "help": phrases.HELP,
    "greeting": phrases.GREETING,
    "goodbye": phrases.GOODBYE,
    "thanks": phrases.THANKS,
    "small_talk": phrases.SMALL_TALK,
}
_ANSWERS: dict[str, Callable[[Intent, State, Library], Reply]] = {
    "restart": _restart,
    "more": _more,
    "others": _others,
    "shorter": _shorter,
    "like": _like,
    "dislike": _dislike,
    "read": _read,
    "bought": _bought,
    "popular": _popular,
    "title": _title,
    "author": _author,
    "words": _words,
}
