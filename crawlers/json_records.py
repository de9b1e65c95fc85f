"""Records in an answer of JSON, and the JMESPaths of their parts, guessed from names and values."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from crawlers.dates import read_date
from crawlers.stars import read_stars
from maeari import clock

RECORDS_READ = 30


def record_lists(answer: object, path: str = "", depth: int = 0) -> list[tuple[str, list[dict]]]:
    """Lists of records in an answer with their JMESPaths, the one with most text first."""
    lists = []
    if isinstance(answer, list):
        records = [one for one in answer if isinstance(one, dict)]
        if records and len(records) == len(answer):
            lists.append((path or "@", records))
    elif isinstance(answer, dict) and depth < 5:
        for name, value in list(answer.items())[:50]:
            lists += record_lists(value, f"{path}.{path_key(name)}" if path else path_key(name), depth + 1)
    return sorted(lists, key=lambda entry: -len(json.dumps(entry[1], ensure_ascii=False)))


def path_key(name: str) -> str:
    """A name as a JMESPath."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


_API_NAMES = {
    "id": r"^(?:id|no|seq|idx|uuid|key|guid|link|url|.*[_-](?:id|no|seq|idx|key)|.*[a-z](?:Id|ID|No|Seq|Idx|Key))$",
    "body": r"text|body|content|review|comment|message|desc|내용|후기|summary",
    "rating": r"rating|score|star|point|grade|rate|별점|평점",
    "written_at": r"date|time|created|written|published|updated|regist|_at$|dt$|작성일|등록일",
    "title": r"title|subject|headline|제목",
    "author": r"author|nick|user_?name|writer|reviewer|^user$|^name$|작성자",
    "url": r"^(?:url|link|permalink|href|originallink)$",
    "subject_id": r"^(?:product|item|store|shop|place|book|movie|app|subject|restaurant|goods)_?(?:id|no|code)$",
    "subject_name": r"^(?:product|item|store|shop|place|book|movie|app|subject|restaurant|goods)_?(?:name|title)$",
}


def interface_fields(records: list[dict]) -> dict | None:
    """JMESPaths of a record's parts, guessed from the names and values; None without an identifier or a text."""
    columns: dict[str, list] = {}
    for record in records[:RECORDS_READ]:
        for path, value in _leaves(record):
            columns.setdefault(path, []).append(value)
    count = min(len(records), RECORDS_READ)
    fields: dict = {}

    def pick(role: str, suits, order=lambda values: 0) -> None:
        pattern = re.compile(_API_NAMES[role], re.IGNORECASE if role != "id" else 0)
        candidates = []
        for path, values in columns.items():
            name = path.rpartition(".")[2].strip('"')
            filled = [value for value in values if value not in (None, "")]
            whole = pattern.search(path if role in ("author", "rating") else name)
            if path not in fields.values() and filled and whole and suits(filled):
                candidates.append((order(filled), path.count("."), -len(filled), len(path), path))
        if candidates:
            fields[role] = min(candidates)[-1]

    def is_id(values: list) -> bool:
        return len(values) == count and len(set(map(str, values))) == count and max(map(len, map(str, values))) < 300

    pick("rating", lambda values: all(_is_rating(value) for value in values))
    pick("subject_id", lambda values: all(isinstance(value, str | int) for value in values))
    pick("subject_name", lambda values: all(isinstance(value, str) for value in values))
    pick("id", is_id, lambda values: any("/" in str(value) for value in values))
    pick("written_at", lambda values: all(_is_moment(value) for value in values))
    texts = [
        path
        for path, values in columns.items()
        if path not in fields.values() and all(isinstance(value, str | None) for value in values)
    ]
    pick(
        "body",
        lambda values: all(isinstance(value, str) and not value.startswith("http") for value in values),
        lambda values: -sum(map(len, values)),
    )
    if "body" not in fields and texts:
        fields["body"] = max(texts, key=lambda path: sum(len(value or "") for value in columns[path]))
    pick("title", lambda values: all(isinstance(value, str) for value in values))
    pick("author", lambda values: all(isinstance(value, str) and len(value) < 100 for value in values))
    if "id" in fields:
        urls = [path for path in columns if path != fields["id"]] + [fields["id"]]
        for path in urls:
            values = [value for value in columns[path] if value]
            if re.search(_API_NAMES["url"], path) and values and all(str(one).startswith("http") for one in values):
                fields["url"] = path
                break
    if "id" not in fields or "body" not in fields:
        return None
    if "rating" in fields:
        highest = max(read_stars(str(value), 5)[0] for value in columns[fields["rating"]] if value not in (None, ""))
        if highest > 5:
            fields["rating_max"] = 10 if highest <= 10 else 100
    order = ("id", "body", "title", "author", "rating", "rating_max", "written_at", "url", "subject_id", "subject_name")
    return {name: fields[name] for name in order if name in fields}


def _leaves(record: dict, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    for name, value in list(record.items())[:60]:
        here = f"{path}.{path_key(name)}" if path else path_key(name)
        if isinstance(value, dict) and depth < 2:
            yield from _leaves(value, here, depth + 1)
        elif not isinstance(value, dict | list):
            yield here, value


def _is_rating(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return 0 <= read_stars(str(value), 5)[0] <= 100
    except ValueError:
        return False


def _is_moment(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        return 8e8 < float(value) < 4e12
    try:
        read_date(str(value), datetime.now(UTC), clock.zone())
    except ValueError:
        return False
    return True
