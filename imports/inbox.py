"""Imports what lies in the inbox: a folder for each source, with its mappings and its files."""

import os
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

from imports.errors import ImportRefused
from imports.load import load_authors, load_books, load_events
from imports.mapping import read_mapping
from maeari.postgres import advisory_lock, connect
from maeari.redaction import redact
from maeari.settings import Settings

MAPPING, DONE, REFUSED = "mapping.yml", "done", ".refused.txt"
OWN_MAPPING = f".{MAPPING}"
"""Of the files whose names begin with what stands before it."""


def waiting(source: str | None = None) -> dict[str, list[Path]]:
    """The files that wait in each source's folder, the oldest names first; files being written are passed over."""
    inbox = Settings().path("inbox")
    folders = [folder for folder in sorted(inbox.glob("*/")) if source in (None, folder.name)]
    found = {folder.name: [file for file in sorted(folder.iterdir()) if _is_data(file)] for folder in folders}
    return {name: files for name, files in found.items() if files}


def import_inbox(as_of: date, source: str | None = None) -> dict:
    """Import every waiting file, each by itself; raises after the last: ImportRefused, or what else went wrong first.

    A file that has landed moves to `done/`; one that is refused stays, and a file beside it says why.
    """
    summaries, refusals, failures = [], [], []
    for name in waiting(source):
        with connect("importer", autocommit=True) as connection, advisory_lock(connection, f"inbox {name}"):
            # Listed again: another importer may have put files away while this one waited for the lock.
            for file in waiting(name).get(name, []):
                if not file.is_file():
                    continue
                try:
                    summary = _import(file, name, as_of)
                    _put_away(file)
                except ImportRefused as error:
                    _note(file).write_text(f"{redact(str(error))[0]}\n", encoding="utf-8")
                    refusals.append(f"{name}/{file.name}: {error}")
                except Exception as error:
                    error.add_note(f"while {name}/{file.name} was imported; the other files were tried all the same")
                    failures.append(error)
                else:
                    summaries.append(summary)
    if failures:
        for refusal in refusals:
            failures[0].add_note(refusal)
        raise failures[0]
    if refusals:
        raise ImportRefused("\n".join(refusals))
    return {"loads": summaries, "landed": sum(summary["landed"] for summary in summaries)}


def landed_since(moment: datetime | None = None) -> bool:
    """Whether an import that finished after the moment brought anything, or says until when events are complete.

    What readers tell the book bot is no import: it waits for the next build.
    """
    with connect("importer") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from ops.loads where outcome = 'finished' "
            "and (kind = 'events' or (kind in ('authors', 'books') and landed > 0)) "
            "and (%(moment)s::timestamptz is null or finished_at > %(moment)s))",
            {"moment": moment},
        )
        return cursor.fetchone()[0]


def _import(file: Path, source: str, as_of: date) -> dict:
    mapping_file = _mapping_of(file)
    if not mapping_file.is_file():
        raise ImportRefused(
            f"{source} has no {MAPPING} in the inbox, so the columns have no meaning. Write one with lines such as "
            "customer_id: COLUMN and occurred_at: COLUMN, or kind: books, book_id: COLUMN and title: COLUMN."
        )
    mapping = read_mapping(mapping_file)
    load = {"events": load_events, "authors": load_authors, "books": load_books}[mapping.kind]
    return load([file], source, mapping, as_of=as_of)


def _mapping_of(file: Path) -> Path:
    """The mapping for files that begin as this one does, the longest beginning first; else that of the folder."""
    own = [found for found in file.parent.glob(f"?*{OWN_MAPPING}") if file.name.startswith(_begins_with(found))]
    return max(own, key=lambda found: len(_begins_with(found)), default=file.parent / MAPPING)


def _begins_with(mapping_file: Path) -> str:
    return mapping_file.name.removesuffix(OWN_MAPPING)


def _is_data(file: Path) -> bool:
    return (
        file.is_file()
        and not file.name.startswith(".")
        and not file.name.endswith((".part", REFUSED, OWN_MAPPING))
        and file.name != MAPPING
    )


def _note(file: Path) -> Path:
    return file.with_name(file.name + REFUSED)


def _put_away(file: Path) -> None:
    """Move a landed file; one of the same name that landed before keeps its own."""
    done = file.parent / DONE
    done.mkdir(exist_ok=True)
    kept, number = done / file.name, 1
    while kept.exists():
        number += 1
        kept = done / f"{number}-{file.name}"
    os.replace(file, kept)
    with suppress(FileNotFoundError):
        _note(file).unlink()
