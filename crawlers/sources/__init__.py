"""Sources: one YAML file of facts about one site, here or in `MAEARI_HOME/sources`, which wins."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import yaml
from croniter import CroniterBadDateError, croniter
from pydantic import Field, TypeAdapter, ValidationError

from crawlers.errors import SourceError
from crawlers.kinds import KINDS, LOOPBACK_HOSTS, AnySource, Source, demo_site
from maeari import clock
from maeari.postgres import connect
from maeari.settings import Settings

FOLDER = Path(__file__).parent
UNVERIFIED = "unverified"
LOOKED_AT_EVERY = timedelta(hours=1)
_ALL_KINDS = [kind for kinds in KINDS.values() for kind in kinds]
_FACTS = TypeAdapter(Annotated[AnySource, Field(discriminator="kind")])


def load_source(name: str) -> AnySource:
    """The named source; raises SourceError that names the file, the key and the fix."""
    files = source_files()
    if name not in files:
        raise SourceError(f"There is no source “{name}”. Known are: {', '.join(sorted(files))}.")
    return read_source(files[name])


def read_source(file: Path) -> AnySource:
    """The source in a file; raises SourceError that names the file, the key and the fix."""
    try:
        facts = yaml.safe_load(file.read_text(encoding="utf-8"))
        source = _FACTS.validate_python(facts)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} is not YAML: {' '.join(str(error).split())}. Correct it there.") from None
    except ValidationError as error:
        raise SourceError(f"{file}: {'; '.join(map(_fix, error.errors()))}.") from None
    if source.name != file.stem:
        raise SourceError(f"{file}: name is “{source.name}”; make it “{file.stem}”, or rename the file.")
    return source


def active_sources(kind: Literal["reviews", "articles"]) -> list[str]:
    """The names of the sources of a kind that can be crawled now, in order.

    One whose file is wrong is among them, whatever its kind, so that its own crawl fails and says why.
    """
    names = []
    for name, file in sorted(source_files().items()):
        try:
            source = read_source(file)
        except SourceError:
            names.append(name)
        else:
            if source.kind in KINDS[kind] and why_not(source) is None:
                names.append(name)
    return names


def due_sources(kind: Literal["reviews", "articles"], at: datetime) -> list[str]:
    """The names of the active sources whose newest crawl, however it ended, began before their newest scheduled time.

    What was never crawled is due. What cannot even begin a crawl (a wrong file, a contact that is not set) leaves no
    trace of having been tried: it is due in the hour after its scheduled time only, each day at 4 when the file does
    not even say when.
    """
    began = _last_begun()
    return [name for name in active_sources(kind) if _is_due(name, began.get(name), at)]


def newest_slot(schedule: str, at: datetime) -> datetime | None:
    """When a cron expression in the business zone last said so, up to and at a moment; None when it never does."""
    try:
        # The slot before a moment is asked for, and one at the moment itself counts.
        return croniter(schedule, at.astimezone(clock.zone()) + timedelta(seconds=1)).get_prev(datetime)
    except CroniterBadDateError:
        return None


def _is_due(name: str, began: datetime | None, at: datetime) -> bool:
    try:
        source = load_source(name)
    except SourceError:
        schedule, can_begin = Source.model_fields["schedule"].default, False
    else:
        is_strange = source.demo is None and not set(source.hosts) <= set(LOOPBACK_HOSTS)
        schedule, can_begin = source.schedule, bool(Settings().contact) or not is_strange
    slot = newest_slot(schedule, at)
    if slot is None:
        return False
    return (began is None or began < slot) if can_begin else at - slot < LOOKED_AT_EVERY


def _last_begun() -> dict[str, datetime]:
    """When each source's newest crawl began; one that was gone on with later counts from its last end."""
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (source) source, "
            "greatest(started_at, case when resumed > 0 then finished_at end) from ops.crawls "
            "order by source, crawl_id desc"
        )
        return dict(cursor.fetchall())


def why_not(source: Source) -> str | None:
    """Why a source is not crawled, in a few words ("needs NAVER_CLIENT_ID; unverified"); None when it can be."""
    return "; ".join(filter(None, (what_it_lacks(source), None if source.is_verified else UNVERIFIED))) or None


def what_it_lacks(source: Source) -> str | None:
    """What must be there before any page of a source can be fetched; None when all is."""
    if source.demo is not None and not _is_shown(source):
        return f"needs the demo site, showing the {source.demo}"
    if source.needs:
        return f"needs {', '.join(source.needs)}"
    return None


def source_files() -> dict[str, Path]:
    """Every source's file by the source's name."""
    folders = (FOLDER, Settings().path("sources"))
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yml"))}


def _is_shown(source: Source) -> bool:
    state = Settings().path("demo", "world.json")
    if not state.exists() or demo_site() is None:
        return False
    return source.demo == ("replay" if "replay" in json.loads(state.read_text()) else "world")


def _fix(error: dict) -> str:
    key = ".".join(str(part) for part in error["loc"] if part not in _ALL_KINDS) or "the file"
    match error["type"]:
        case "missing":
            return f"“{key}” is missing; add it"
        case "extra_forbidden":
            return f"“{key}” is not a key of this kind of source; remove it or correct its spelling"
        case "union_tag_not_found" | "union_tag_invalid" if key in ("the file", "kind"):
            return f"“kind” must be one of {', '.join(_ALL_KINDS)}"
        case "value_error":
            message = error["msg"].removeprefix("Value error, ")
            return message if key == "the file" else f"“{key}”: {message}"
        case _:
            return f"“{key}” is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"
