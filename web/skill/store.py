"""Conversations in Postgres: a message is one transaction, and no wait is longer than its deadline."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import psycopg2

from maeari import clock
from maeari.errors import MaeariError
from web.skill.answers import MOST_LIKED, Feedback, Offer, State
from web.skill.link import Link

SOURCE = "book_bot"
LIFETIME = "1 day"
"""How long after its last message a conversation is remembered."""
RETRY_SECONDS = 1.0
"""For how long nobody waits for a database that did not answer; then one message tries."""
logger = logging.getLogger("maeari.skill")

# Nobody waits for the disk so that the bot remembers a moment of talk should the server fall.
_BEGIN = """
begin;
set local synchronous_commit = off;
insert into ops.conversations as known (reader_key, state, expires_at, counted_since, messages)
values (%(reader_key)s, '{}', now() + %(lifetime)s::interval, now(), 1)
on conflict (reader_key) do update set
    messages = case when known.counted_since > now() - interval '1 minute' then known.messages + 1 else 1 end,
    counted_since = case when known.counted_since > now() - interval '1 minute' then known.counted_since else now() end,
    state = case when known.expires_at > now() then known.state else '{}' end,
    expires_at = excluded.expires_at
returning state, messages
"""
# The newest opinion of each book counts.
_LIKED = """
select item_id
from (
    select distinct on (item_id) item_id, event_type, occurred_at
    from raw.events
    where source = %(source)s and customer_id = %(reader_key)s and event_type in ('like', 'dislike')
    order by item_id, occurred_at desc
) opinions
where event_type = 'like'
order by occurred_at desc
limit %(most)s
"""
_KEEP = "update ops.conversations set state = %(state)s where reader_key = %(reader_key)s; commit"
_OFFER = """
with offered as (
    insert into predictions.recommendations
        (channel, reader_key, model_version, asked_for, is_unknown, book_ids, whys)
    values (%(channel)s, %(reader_key)s, %(version)s, %(asked_for)s, %(is_unknown)s, %(book_ids)s, %(whys)s)
    returning answer_id
)
update ops.conversations set state = jsonb_set(%(state)s, '{answer_id}', to_jsonb(answer_id))
from offered
where reader_key = %(reader_key)s;
"""
_LOAD = """
select pg_advisory_xact_lock(hashtextextended('feedback ' || %(source)s, 0));
insert into ops.loads (source, kind, origin, finished_at, outcome)
select %(source)s, 'feedback', 'the book bot', now(), 'finished'
where not exists (select from ops.loads where source = %(source)s and kind = 'feedback' and started_at >= %(since)s);
select max(load_id) from ops.loads where source = %(source)s and kind = 'feedback' and started_at >= %(since)s
"""
# An opinion is kept once it is thanked for.
_LAND = """
set local synchronous_commit = on;
with landed as (
    insert into raw.events (source, event_id, customer_id, event_type, occurred_at, item_id, load_id)
    select %(source)s, event_id, %(reader_key)s, event_type, now(), item_id, %(load_id)s
    from unnest(%(event_ids)s, %(event_types)s, %(item_ids)s) as told (event_id, event_type, item_id)
    on conflict (source, event_id) do nothing
    returning event_id
)
update ops.loads set
    items = items + %(items)s,
    landed = landed + (select count(*) from landed),
    duplicates = duplicates + %(items)s - (select count(*) from landed),
    finished_at = now()
where load_id = %(load_id)s;
"""
_FORGET = "delete from ops.conversations where expires_at < now()"


class StoreAway(MaeariError):
    """The database did not answer in time, or refused."""


@dataclass
class Conversation:
    """What is known of a reader at the beginning of a message, and what is to be written at its end."""

    reader_key: str
    state: State
    messages: int
    """How many of theirs came within the last minute, this one included."""
    channel: str
    version: int | None = None
    after: State | None = None
    offer: Offer | None = None
    feedback: tuple[Feedback, ...] = ()


@dataclass
class Store:
    """A few connections as `maeari_skill`; safe to use from several threads, and after a fork when it is new."""

    url: str
    _idle: list["Link"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _retry_at: float = 0.0
    _loads: dict[datetime, int] = field(default_factory=dict)

    @contextmanager
    def conversation(self, reader_key: str, channel: str, deadline: float) -> Iterator[Conversation]:
        """A reader's conversation, held for this message alone and written when the block ends; else all is undone.

        Raises StoreAway when that cannot be done before the deadline, by `time.monotonic()`.
        """
        with self._link(deadline) as link:
            kept, messages = link.ask(_BEGIN, {"reader_key": reader_key, "lifetime": LIFETIME}, deadline)[0]
            state = State.read(kept)
            if not kept:
                found = {"source": SOURCE, "reader_key": reader_key, "most": MOST_LIKED}
                liked = [item_id for (item_id,) in link.ask(_LIKED, found, deadline)]
                state = State(liked=tuple(reversed(liked)), shown=tuple(reversed(liked)))
            conversation = Conversation(reader_key, state, messages, channel)
            yield conversation
            self._write(link, conversation, deadline)

    def answers(self, deadline: float) -> bool:
        """Whether the database answers."""
        try:
            with self._link(deadline) as link:
                return link.ask("select 1", {}, deadline) == [(1,)]
        except StoreAway:
            return False

    def forget(self, deadline: float) -> None:
        """Delete the conversations that have expired."""
        with self._link(deadline) as link:
            link.ask(_FORGET, {}, deadline)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _write(self, link: "Link", told: Conversation, deadline: float) -> None:
        statement, parameters = "", {"reader_key": told.reader_key, "source": SOURCE}
        if told.feedback:
            # By the answer that offered it, so that a message that comes twice lands once.
            answers = [told.state.answer_of(one.book_id) or told.reader_key[:16] for one in told.feedback]
            parameters |= {
                "load_id": self._load_id(link, deadline),
                "items": len(told.feedback),
                "event_ids": [
                    f"{answer}:{one.book_id}:{one.opinion}" for answer, one in zip(answers, told.feedback, strict=True)
                ],
                "event_types": [one.opinion for one in told.feedback],
                "item_ids": [one.book_id for one in told.feedback],
            }
            statement += _LAND
        after = told.after or told.state
        if told.offer is not None:
            parameters |= {
                "channel": told.channel, "version": told.version, "asked_for": told.offer.asked_for,
                "is_unknown": told.offer.is_unknown, "book_ids": list(told.offer.book_ids),
                "whys": list(told.offer.whys),
            }  # fmt: skip
            statement += _OFFER + "commit"
        else:
            statement += _KEEP
        parameters["state"] = json.dumps(after.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)
        link.ask(statement, parameters, deadline)

    def _load_id(self, link: "Link", deadline: float) -> int:
        """The load of today, which all the feedback of a day shares."""
        today = clock.start_of_day(_today())
        if today not in self._loads:
            found = link.ask(_LOAD, {"source": SOURCE, "since": today}, deadline)
            self._loads = {today: found[0][0]}
        return self._loads[today]

    @contextmanager
    def _link(self, deadline: float) -> Iterator["Link"]:
        """A connection that is no one else's; it is closed after any error, and kept for others otherwise."""
        with self._lock:
            if time.monotonic() < self._retry_at:
                raise StoreAway("The database did not answer a moment ago.")
            link = self._idle.pop() if self._idle else None
        if link is not None and not link.is_usable():
            link.close()
            link = None
        try:
            link = link or Link(self.url, deadline)
            yield link
        except (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError) as error:
            if link is not None:
                link.close()
            if not getattr(error, "pgcode", None):
                with self._lock:
                    self._retry_at = time.monotonic() + RETRY_SECONDS
            raise StoreAway(type(error).__name__) from error
        except psycopg2.Error as error:
            link.close()
            # Its message may hold what was to be written.
            raise StoreAway(f"{type(error).__name__} {error.pgcode}") from error
        except BaseException:
            if link is not None:
                link.close()
            raise
        with self._lock:
            self._idle.append(link)


def _today() -> date:
    """The day on which a reader says something, which is one of the wall clock."""
    return datetime.now(clock.zone()).date()
