"""What a chatbot sends and what it gets: the format 2.0 of KakaoTalk's skills, every limit of it kept.

Limits are those of the guide for developers of skills (“응답 타입별 JSON 포맷”).
"""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from maeari.text import one_line

VERSION = "2.0"
LONGEST_ID = 200
MOST_OUTPUTS, MOST_QUICK_REPLIES, MOST_CARDS, MOST_ITEMS, MOST_BUTTONS = 3, 10, 10, 5, 3
LONGEST_TEXT, LONGEST_LABEL, LONGEST_MESSAGE = 1_000, 14, 100
LONGEST_CARD_TITLE, LONGEST_CARD_TEXT = 50, 128
LONGEST_HEADER, LONGEST_ITEM_TITLE, LONGEST_ITEM_TEXT = 15, 36, 16
LONGEST_LINK = 1_000

Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]


class _Sent(BaseModel):
    """A part of what is sent: keys that are not known are passed over, as Kakao adds some."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class User(_Sent):
    """Who wrote: an id that is this bot's alone."""

    id: Id


class UserRequest(_Sent):
    """What a person wrote."""

    utterance: str
    user: User


class Bot(_Sent):
    """Which bot was written to."""

    id: Annotated[str, StringConstraints(max_length=LONGEST_ID)] = ""


class SkillRequest(_Sent):
    """A message that a chatbot hands on. Callback addresses, parameters and blocks play no part."""

    version: Literal["1.0", "2.0"] | None = None
    """Kakao names none; what names another is refused."""
    userRequest: UserRequest
    bot: Bot | None = None


class _Told(BaseModel):
    """A part of an answer; what breaks a limit is refused here, not by Kakao."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SimpleText(_Told):
    """Words in a bubble."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]


class Button(_Told):
    """What can be pressed: it sends a message in the person's name, or opens an address."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LABEL)]
    action: Literal["message", "webLink"]
    messageText: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_MESSAGE)] | None = None
    webLinkUrl: Annotated[str, StringConstraints(pattern="^https?://", max_length=LONGEST_LINK)] | None = None


class QuickReply(_Told):
    """A suggestion of what to say next."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LABEL)]
    action: Literal["message"] = "message"
    messageText: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_MESSAGE)]


class TextCard(_Told):
    """A card of a carousel: a title, what is said of it, and buttons."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CARD_TITLE)]
    description: Annotated[str, StringConstraints(max_length=LONGEST_CARD_TEXT)]
    buttons: Annotated[tuple[Button, ...], Field(min_length=1, max_length=MOST_BUTTONS)] | None = None


class Carousel(_Told):
    """Cards side by side."""

    type: Literal["textCard"] = "textCard"
    items: Annotated[tuple[TextCard, ...], Field(min_length=1, max_length=MOST_CARDS)]


class ListItem(_Told):
    """A line of a list; pressing it sends a message."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ITEM_TITLE)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ITEM_TEXT)]
    action: Literal["message"] = "message"
    messageText: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_MESSAGE)]


class ListHeader(_Told):
    """What a list is of."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_HEADER)]


class ListCard(_Told):
    """A list under a header."""

    header: ListHeader
    items: Annotated[tuple[ListItem, ...], Field(min_length=1, max_length=MOST_ITEMS)]


class Output(_Told):
    """One bubble: words, a list or cards."""

    simpleText: SimpleText | None = None
    listCard: ListCard | None = None
    carousel: Carousel | None = None


class Template(_Told):
    """The bubbles, and what can be said next."""

    outputs: Annotated[tuple[Output, ...], Field(min_length=1, max_length=MOST_OUTPUTS)]
    quickReplies: Annotated[tuple[QuickReply, ...], Field(max_length=MOST_QUICK_REPLIES)] = ()


class SkillAnswer(_Told):
    """A whole answer."""

    version: Literal["2.0"] = VERSION
    template: Template

    def body(self) -> dict[str, Any]:
        """The answer as JSON, without what is not said."""
        return self.model_dump(exclude_none=True)


class Refusal(_Told):
    """Why a message is not answered, for whoever runs the bot."""

    error: str
    message: str
    message_ko: str


def answer(*outputs: Output, quick_replies: tuple[tuple[str, str], ...] = ()) -> SkillAnswer:
    """An answer of these bubbles; quick replies are labels and what each says."""
    replies = tuple(
        QuickReply(label=cut(label, LONGEST_LABEL), messageText=cut(said, LONGEST_MESSAGE))
        for label, said in dict(quick_replies[:MOST_QUICK_REPLIES]).items()
    )
    return SkillAnswer(template=Template(outputs=outputs[:MOST_OUTPUTS], quickReplies=replies))


def words(text: str) -> Output:
    """A bubble of words, cut where they are too many."""
    return Output(simpleText=SimpleText(text=cut(text, LONGEST_TEXT, keeps_lines=True)))


def message_button(label: str, said: str) -> Button:
    """A button that sends a message."""
    return Button(label=cut(label, LONGEST_LABEL), action="message", messageText=cut(said, LONGEST_MESSAGE))


def link_button(label: str, url: str | None) -> tuple[Button, ...]:
    """A button that opens an address, none where there is none that can be opened."""
    if not is_link(url):
        return ()
    return (Button(label=cut(label, LONGEST_LABEL), action="webLink", webLinkUrl=url),)


def card(title: str, description: str, *buttons: Button) -> TextCard:
    """A card, its texts cut where they are too long."""
    return TextCard(
        title=cut(title, LONGEST_CARD_TITLE),
        description=cut(description, LONGEST_CARD_TEXT, keeps_lines=True),
        buttons=buttons[:MOST_BUTTONS] or None,
    )


def carousel(*cards: TextCard) -> Output:
    """Cards side by side."""
    return Output(carousel=Carousel(items=cards[:MOST_CARDS]))


def item(title: str, description: str, said: str) -> ListItem:
    """A line of a list that sends a message when it is pressed."""
    return ListItem(
        title=cut(title, LONGEST_ITEM_TITLE),
        description=cut(description, LONGEST_ITEM_TEXT),
        messageText=cut(said, LONGEST_MESSAGE),
    )


def list_card(header: str, *items: ListItem) -> Output:
    """A list under a header."""
    return Output(listCard=ListCard(header=ListHeader(title=cut(header, LONGEST_HEADER)), items=items[:MOST_ITEMS]))


def is_link(url: str | None) -> bool:
    """Whether an address can be opened by Kakao."""
    return url is not None and url.startswith(("http://", "https://")) and len(url) <= LONGEST_LINK


def cut(text: str, most: int, keeps_lines: bool = False) -> str:
    """A text of at most so many characters, an ellipsis for what is left out; no sign is parted from its marks.

    What orders a line anew or cannot be seen is taken out. Nothing at all becomes a dash.
    """
    text = unicodedata.normalize("NFC", text)
    # Most texts are as they should be, and a look is quicker than a change.
    if not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " ":
        lines = text.split("\n") if keeps_lines else [text]
        text = "\n".join(one_line(line, len(line)) for line in lines).strip()
    if len(text) > most:
        end = most - 1
        while end > 0 and _goes_on(text, end):
            end -= 1
        text = f"{text[:end].rstrip()}…"
    return text or "–"


def _goes_on(text: str, at: int) -> bool:
    """Whether the character belongs to the one before it: a mark, a tint of skin, the second half of a flag."""
    sign = text[at]
    if unicodedata.category(sign).startswith("M") or "\U0001f3fb" <= sign <= "\U0001f3ff":
        return True
    first = at
    while first > 0 and _is_half_flag(text[first - 1]):
        first -= 1
    return _is_half_flag(sign) and (at - first) % 2 == 1


def _is_half_flag(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"
