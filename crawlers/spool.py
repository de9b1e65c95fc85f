"""Batches on disk while Postgres is away: files in order, whole or absent, with redacted content only."""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path

from crawlers.errors import SpoolFull
from crawlers.items import ArticleItem, RefusedItem, ReviewItem
from crawlers.pages import Batch, Counts, Page, Validators
from maeari.settings import Settings

LARGEST = 1 << 30
_ITEMS = {model.__name__: model for model in (ReviewItem, ArticleItem, RefusedItem)}


class Spool:
    """The waiting batches of one source."""

    def __init__(self, source: str):
        self.folder = Settings().path("spool", source)

    def files(self) -> list[Path]:
        """The waiting batches, the oldest first."""
        return sorted(self.folder.glob("*.json"))

    def put(self, batch: Batch) -> None:
        """Keep a batch; it survives a power cut from here on. Raises SpoolFull beyond a gigabyte."""
        content = _dump(batch).encode()
        size = sum(file.stat().st_size for file in self.files())
        if size + len(content) > LARGEST:
            raise SpoolFull(
                f"{size / 2**30:.1f} GB wait in {self.folder} for Postgres, and no more is kept there. "
                "Start Postgres; the next crawl lands them and goes on."
            )
        file = self.folder / f"{batch.crawl_id:012}-{batch.batch_no:08}.json"
        partial = file.with_suffix(".partial")
        with open(partial, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(file)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @staticmethod
    def read(file: Path) -> Batch:
        """The batch in a file."""
        facts = json.loads(file.read_text(encoding="utf-8"))
        return Batch(**{**facts, "pages": [_page(page) for page in facts["pages"]]})


@contextmanager
def held(source: str) -> Iterator[Spool]:
    """The spool of a source, for one process at a time: another one waits here."""
    spool = Spool(source)
    spool.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(spool.folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in spool.folder.glob("*.partial"):
            left.unlink()
        yield spool


def _dump(batch: Batch) -> str:
    pages = [
        {
            "answered": page.answered,
            "counts": {**vars(page.counts), "unread_subjects": sorted(page.counts.unread_subjects)},
            "items": [(type(item).__name__, _facts(item)) for item in page.items],
            "requests": page.requests,
            "validators": page.validators and asdict(page.validators),
        }
        for page in batch.pages
    ]
    return json.dumps({**vars(batch), "pages": pages}, ensure_ascii=False)


def _facts(item: ReviewItem | ArticleItem | RefusedItem) -> dict:
    return asdict(item) if is_dataclass(item) else item.model_dump(mode="json")


def _page(facts: dict) -> Page:
    counts = facts["counts"]
    return Page(
        answered=facts["answered"],
        counts=Counts(
            **{**counts, "faults": Counter(counts["faults"]), "unread_subjects": set(counts["unread_subjects"])}
        ),
        items=[_item(_ITEMS[name], item) for name, item in facts["items"]],
        requests=facts["requests"],
        validators=facts["validators"] and Validators(**facts["validators"]),
    )


def _item(model: type, facts: dict) -> ReviewItem | ArticleItem | RefusedItem:
    return model(**facts) if is_dataclass(model) else model.model_validate(facts)
