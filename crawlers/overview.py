"""What is known of every source: whether it can be crawled, and what its crawls brought."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from croniter import croniter

from crawlers.errors import SourceError
from crawlers.sources import read_source, source_files, why_not
from maeari import clock
from maeari.errors import MaeariError
from maeari.postgres import connect


@dataclass
class SourceState:
    """A source and its crawls; what is not known is None."""

    name: str
    file: str
    kind: str | None = None
    state: str = "ready"
    problem: str | None = None
    last_crawl_at: datetime | None = None
    last_outcome: str | None = None
    rows: int | None = None
    robots_verdict: str | None = None
    next_due_at: datetime | None = None


def overview() -> tuple[list[SourceState], str | None]:
    """Every source by name, and why nothing is known of their crawls (None when it is)."""
    sources = states()
    try:
        crawls, problem = _crawls(), None
    except MaeariError as error:
        return sources, str(error)
    for source in sources:
        if source.name in crawls:
            source.last_crawl_at, source.last_outcome, source.robots_verdict, source.rows = crawls[source.name]
        else:
            source.rows = 0
    return sources, problem


def states() -> list[SourceState]:
    """Every source by name with its state alone, as its file and the environment tell it."""
    return [_state(name, file) for name, file in sorted(source_files().items())]


def _state(name: str, path: Path) -> SourceState:
    file = str(path)
    try:
        source = read_source(path)
        reason = why_not(source)
    except SourceError as error:
        return SourceState(name, file, state="wrong file", problem=str(error))
    state = SourceState(name, file, kind=source.kind, state=reason or "ready")
    if reason is None:
        state.next_due_at = croniter(source.schedule, datetime.now(clock.zone())).get_next(datetime)
    return state


def _crawls() -> dict[str, tuple]:
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (source) source, started_at, outcome, robots_verdict, "
            "(sum(landed) over (partition by source))::bigint from ops.crawls order by source, crawl_id desc"
        )
        return {name: tuple(facts) for name, *facts in cursor.fetchall()}
