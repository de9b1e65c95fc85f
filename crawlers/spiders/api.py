"""Reviews and news from interfaces that answer in JSON or XML."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import jmespath
from jmespath.exceptions import JMESPathError
from scrapy import Request
from scrapy.http import Response

from crawlers import paging
from crawlers.answers import plain_text, read_answer, text_of
from crawlers.errors import PageFault
from crawlers.intake import Record
from crawlers.kinds import DAY, Cursor
from crawlers.spiders.base import SourceSpider

# What an interface has to say about a refusal stands in the body.
WITH_A_MESSAGE = [400, 401, 403, 404, 429]
LONGEST_MESSAGE = 200


class _Found(NamedTuple):
    texts: dict[str, str | None]
    refusal: str | None


class ApiSpider(SourceSpider):
    """Reads the pages of an interface, for each subject, along its pages; what a record is its kinds say."""

    PLAIN = frozenset({"title", "body", "author", "section", "subject_name"})

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._records = jmespath.compile(self.source.records)
        self._errors = [jmespath.compile(path) for path in self.source.errors]
        self._fields = {
            name: jmespath.compile(path)
            for name, path in self.source.fields
            if isinstance(path, str) and name not in ("rating_max", "rating_values")
        }

    def record(self, found: _Found, response: Response) -> Record:
        """The record of what was found at the fields' paths."""
        raise NotImplementedError

    async def start(self) -> AsyncIterator[Request]:
        """The first page of each subject, at each address."""
        by = self.source.paging
        for address in self.source.addresses:
            for subject, name in (self.source.subjects or {None: None}).items():
                meta = {"template": self._placed(address, subject), "subject_name": name}
                if self.source.xml_when_empty:
                    meta["xml_template"] = self._placed(self.source.xml_when_empty, subject)
                yield self._page(by and by.first, subject, meta)

    def ask(self, *arguments, **named) -> Request:
        """As every spider, with the source's headers."""
        request = super().ask(*arguments, **named)
        request.headers.update(self.source.headers)
        return request

    def parse(self, response: Response) -> Iterator[Record | Request]:
        """A page of records."""
        meta = response.meta
        subject, by = meta["subject"], self.source.paging
        shown = meta.get("shown", [])
        if response.status == 404 and shown and not isinstance(by, Cursor):
            # Counted pages may end with one that is not there.
            return
        try:
            answer = self._answer(response)
        except PageFault as fault:
            self.count_fault(str(fault), subject)
            return
        records = self._records_of(answer)
        if not records and "xml_template" in meta and not meta.get("is_xml"):
            yield self._page(meta.get("place"), subject, {**_carried(meta), "is_xml": True, "standing": True})
            return
        if records is None and not shown:
            self.count_fault(f"nothing at {self.source.records}", subject)
        found = [self.record(self._found(record), response) for record in records or []]
        if not found or (shown and paging.digest(found) in shown):
            return
        yield from found
        place = meta.get("place", by and by.first)
        following = self._cursor(answer, by) if isinstance(by, Cursor) else by and paging.following(by, place)
        if following is not None and following != place:
            carried = _carried(meta) | {"shown": paging.with_shown(shown, found)}
            yield self._page(following, subject, carried | paging.asked_for(self.source.newest_first))

    def _placed(self, address: str, subject: str | None) -> str:
        address = address if subject is None else address.replace("{subject}", quote(subject, safe=""))
        parameters = {name: paging.encoded(self._dated(value)) for name, value in self.source.parameters.items()}
        return paging.with_parameters(address, parameters)

    def _dated(self, value: str) -> str:
        return DAY.sub(lambda day: (self.crawl.as_of - timedelta(days=int(day[1] or 0))).strftime(day[2]), value)

    def _page(self, place: int | str | None, subject: str | None, meta: dict) -> Request:
        template = meta["xml_template" if meta.get("is_xml") else "template"]
        url = template if place is None else paging.address_at(template, self.source.paging, place)
        meta = {**meta, "place": place, "expects": "json", "handle_httpstatus_list": WITH_A_MESSAGE}
        return self.ask(url, self.parse, subject=subject, **meta)

    def _answer(self, response: Response) -> object:
        status = f"HTTP {response.status}" if response.status >= 400 else None
        try:
            answer = read_answer(response)
        except PageFault as fault:
            raise PageFault(status or str(fault)) from None
        message = next(filter(None, (self._message(path, answer) for path in self._errors)), None)
        if message or status:
            raise PageFault(": ".join(filter(None, [status, message])))
        return answer

    def _message(self, path, answer: object) -> str | None:
        said = _search(path, answer)
        try:
            return " ".join((text_of(said) or "").split())[:LONGEST_MESSAGE] if said else None
        except ValueError:
            return "a refusal that is no text"

    def _records_of(self, answer: object) -> list | None:
        records = _search(self._records, answer)
        if isinstance(records, list):
            return records
        return [records] if isinstance(records, dict) and records else None

    def _cursor(self, answer: object, by: Cursor) -> str | None:
        try:
            return text_of(_search(jmespath.compile(by.path), answer)) or None
        except ValueError:
            return None

    def _found(self, record: object) -> _Found:
        texts: dict[str, str | None] = {}
        refusal = None
        for name, path in self._fields.items():
            try:
                text = text_of(_search(path, record))
            except ValueError as error:
                text, refusal = None, refusal or f"{name} {error}"
            texts[name] = plain_text(text) if text and self.source.fields_are_html and name in self.PLAIN else text
        return _Found(texts, refusal)


class ReviewApiSpider(ApiSpider):
    """Reads sources of the kind `review_api`."""

    def record(self, found: _Found, response: Response) -> Record:
        """A review; its rating is a number, or a value that the source's file gives a number for."""
        texts, refusal = found
        rating, values = texts.get("rating"), self.source.fields.rating_values
        if rating and values:
            refusal = refusal or (None if rating in values else f"rating “{rating[:40]}” is not among rating_values")
            rating = f"{values[rating]:g}" if rating in values else rating
        return {
            "source_review_id": texts["id"],
            "subject_id": texts.get("subject_id") or response.meta["subject"],
            "subject_name": texts.get("subject_name") or response.meta.get("subject_name"),
            "author": texts.get("author"),
            "rating": rating,
            "rating_max": f"{self.source.fields.rating_max:g}",
            "title": texts.get("title"),
            "body": texts["body"],
            "written_at": texts.get("written_at"),
        } | _optional(texts.get("url"), refusal)


class NewsApiSpider(ApiSpider):
    """Reads sources of the kind `news_api`."""

    def record(self, found: _Found, response: Response) -> Record:
        """An article, as much of it as the interface tells."""
        texts, refusal = found
        return {
            "source_article_id": texts["id"],
            "title": texts["title"],
            "body": texts["body"],
            "section": texts.get("section"),
            "author": texts.get("author"),
            "published_at": texts.get("published_at"),
        } | _optional(texts.get("url"), refusal)


def _optional(url: str | None, refusal: str | None) -> Record:
    is_address = bool(url) and url.startswith(("http://", "https://")) and bool(_host(url))
    return ({"url": url} if is_address else {}) | ({"refused": refusal} if refusal else {})


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _carried(meta: dict) -> dict:
    return {name: meta[name] for name in ("template", "xml_template", "subject_name", "shown") if name in meta}


def _search(path, data: object) -> object:
    """What lies at a path; None where the data is not of the shape that the path wants."""
    try:
        return path.search(data)
    except (JMESPathError, TypeError, RecursionError):
        return None
