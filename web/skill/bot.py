"""One message from its arrival to its answer: understood, answered and written down, or a kind word in time."""

import hashlib
import hmac
import logging
import time
from dataclasses import dataclass, replace

from maeari.redaction import keyed_hash
from web.skill import phrases
from web.skill.answers import Reply, State, repeated, reply
from web.skill.formats import SkillRequest
from web.skill.library import Librarian, Library
from web.skill.sayings import Heard, saying
from web.skill.store import Store, StoreAway
from web.skill.understand import Intent, understand

STORE_SECONDS = 0.7
"""From its arrival on, how long a message may wait for the database."""
TWICE_SECONDS = 2.0
"""Within which the same words of the same reader are one message that came twice."""
logger = logging.getLogger("maeari.skill")


@dataclass
class Bot:
    """Answers messages; everything that a conversation needs is in the store, so bots side by side are as one."""

    librarian: Librarian
    store: Store
    key: bytes
    messages_a_minute: int

    def hear(self, request: SkillRequest, arrived: float, channel: str = "kakao") -> Heard:
        """The answer to a message that arrived at a moment of `time.monotonic()`; what fails becomes a kind word."""
        library = self.librarian.current()
        if library is None:
            return Heard(saying(phrases.LOADING), "loading")
        reader = self.reader_key(request)
        deadline = arrived + STORE_SECONDS
        try:
            with self.store.conversation(reader, channel, deadline) as told:
                if told.messages > self.messages_a_minute:
                    heard = Heard(saying(phrases.TOO_FAST), "too_many")
                else:
                    said = self._message_key(reader, request.userRequest.utterance)
                    done, intent = self._answered(request, told.state, library, said)
                    told.after, told.offer, told.feedback = done.state, done.offer, done.feedback
                    told.version = library.edition.version
                    heard = Heard(done.answer, "answered", intent)
        except StoreAway as error:
            logger.warning("the database is away: %s", error)
            return Heard(saying(phrases.AWAY), "away")
        return heard

    def reader_key(self, request: SkillRequest) -> str:
        """A keyed hash of who wrote, of this bot alone."""
        bot = request.bot.id if request.bot else ""
        return keyed_hash(f"reader:{bot}:{request.userRequest.user.id}", self.key)

    def _answered(self, request: SkillRequest, state: State, library: Library, said: str) -> tuple[Reply, str]:
        now = time.time()
        if (
            said == state.message
            and 0 <= now - state.answered_at < TWICE_SECONDS
            and (again := repeated(state, library))
        ):
            return again, "twice"
        offered = tuple(book_id for book_id in state.offered if book_id in library.books)
        names = tuple(library.books[book_id].title for book_id in offered)
        intent: Intent = understand(request.userRequest.utterance, offered, names, library.titles)
        done = reply(intent, state, library)
        kept = done.state.model_copy(update={"message": said if done.offer else "", "answered_at": now})
        return replace(done, state=kept), intent.kind

    def _message_key(self, reader: str, utterance: str) -> str:
        told = f"message:{reader}:{utterance}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, told, hashlib.sha256).hexdigest()[:24]
