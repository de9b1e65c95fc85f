"""Reviews on HTML pages: a list of subjects, then each subject's pages."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import unquote, urldefrag, urlsplit

from parsel import Selector
from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawlers import json_ld, microdata, paging
from crawlers.intake import Record
from crawlers.kinds import NextLink, ReviewSelectors
from crawlers.spiders.base import SourceSpider


class ReviewPagesSpider(SourceSpider):
    """Reads sources of the kind `review_pages`."""

    async def start(self) -> AsyncIterator[Request]:
        """Each start address: a list of subjects, or the first page of the one subject that it shows."""
        for template in self.source.addresses:
            is_list = self.source.subject_links is not None
            url = template if isinstance(self.source.paging, NextLink) else self._first_page(template)
            yield self.ask(
                url,
                self.parse if is_list else self.parse_subject,
                subject=None if is_list else self.source.key_of(template),
                template=template,
            )

    def parse(self, response: HtmlResponse) -> Iterator[Request]:
        """The list of subjects."""
        links = [leads_to(response, link) for link in response.css(self.source.subject_links).xpath("@href").getall()]
        urls = [url for url in links if url]
        for url in urls:
            yield self.ask(url, self.parse_subject, subject=self.subject_id(url), standing=True)
        if urls:
            yield from self._next_page(response, self.parse, [{"body": url} for url in urls], standing=True)
        elif not response.meta.get("shown"):
            self.count_fault("no link to a subject on the list", None)

    def parse_subject(self, response: HtmlResponse) -> Iterator[Record | Request]:
        """A page of one subject's reviews."""
        subject = response.meta["subject"]
        selectors = self.source.selectors
        found = self._selected_reviews(response, selectors) if selectors else self._marked_up_reviews(response)
        reviews = [{"subject_id": subject, **review} for review in found]
        if is_shown_again(response, reviews):
            return
        yield from reviews
        if reviews:
            mark = paging.asked_for(self.source.newest_first)
            yield from self._next_page(response, self.parse_subject, reviews, subject=subject, **mark)
        # Counted pages end with one that shows nothing.
        elif isinstance(self.source.paging, NextLink) or response.meta.get("place") is None:
            self.count_fault("no review on the page", subject)

    def request_failed(self, failure: Failure) -> None:
        """As every spider; but a counted page that is not there is the end, not a fault."""
        is_past_the_end = (
            not isinstance(self.source.paging, NextLink)
            and failure.check(HttpError)
            and failure.value.response.status in (404, 410)
            and failure.request.meta.get("place") is not None
        )
        if is_past_the_end:
            self.answer(failure.request, fault=None)
        else:
            super().request_failed(failure)

    def subject_id(self, url: str) -> str:
        """The last part of a subject's path with its query; the whole address where the path has no part."""
        parts = urlsplit(url)
        last = parts.path.rstrip("/").rpartition("/")[2]
        address = f"{last}?{parts.query}" if last and parts.query else last or self.source.key_of(urldefrag(url).url)
        return unquote(address)

    def _first_page(self, template: str) -> str:
        # Where the address has no place for a number, the site's own first address is the first page.
        by = self.source.paging
        return paging.address_at(template, by, by.first) if f"{{{by.by}}}" in template else template

    def _next_page(self, response: HtmlResponse, callback, records: list[Record], **meta) -> Iterator[Request]:
        if is_shown_again(response, records):
            return
        by = self.source.paging
        meta["shown"] = paging.with_shown(response.meta.get("shown", []), records)
        if isinstance(by, NextLink):
            if url := leads_to(response, response.css(by.link).xpath("@href").get()):
                yield self.ask(url, callback, **meta)
        else:
            place = paging.following(by, response.meta.get("place", by.first))
            if place is not None:
                template = response.meta.get("template", response.url)
                url = paging.address_at(template, by, place)
                yield self.ask(url, callback, template=template, place=place, **meta)

    def _marked_up_reviews(self, response: HtmlResponse) -> Iterator[Record]:
        for objects in (json_ld.objects, microdata.objects):
            reviews = [pair for pair in objects(response) if json_ld.has_type(pair[0], "Review")]
            if reviews:
                yield from (self._review(response, review, holder) for review, holder in reviews)
                return

    def _review(self, response: HtmlResponse, review: dict, holder: dict) -> Record:
        rating = review.get("reviewRating")
        rating = next(iter(rating), None) if isinstance(rating, list) else rating
        rating = rating if isinstance(rating, dict) else {"ratingValue": rating}
        address = json_ld.text(review.get("@id") or review.get("url"))
        # “#review-2” counts the reviews of a page: another one has it tomorrow.
        url = leads_to(response, address) if address and not address.startswith("#") else None
        return {
            "source_review_id": json_ld.text(review.get("identifier")) or (self.source.key_of(url) if url else None),
            "subject_name": json_ld.text(review.get("itemReviewed") or holder.get("name")),
            "author": json_ld.text(review.get("author")),
            "rating": json_ld.text(rating.get("ratingValue")),
            "rating_max": json_ld.text(rating.get("bestRating")) or "5",
            "title": json_ld.text(review.get("name") or review.get("headline")),
            "body": json_ld.text(review.get("reviewBody") or review.get("description")),
            "written_at": json_ld.text(review.get("datePublished") or review.get("dateCreated")),
        }

    def _selected_reviews(self, response: HtmlResponse, selectors: ReviewSelectors) -> Iterator[Record]:
        name = found(response.selector, selectors.subject_name)
        for review in response.css(selectors.review):
            yield {
                "source_review_id": found(review, selectors.id),
                "subject_name": name,
                "author": found(review, selectors.author),
                "rating": found(review, selectors.rating),
                "rating_max": f"{selectors.rating_max:g}",
                "title": found(review, selectors.title),
                "body": found(review, selectors.body),
                "written_at": found(review, selectors.written_at),
            }


def is_shown_again(response: HtmlResponse, records: list[Record]) -> bool:
    """Whether a page before this one, along the same paging, showed the same records."""
    shown = response.meta.get("shown")
    return bool(shown and records) and paging.digest(records) in shown


def leads_to(response: HtmlResponse, address: str | None) -> str | None:
    """The whole address of a link; None for one that leads to no page: a script, a mail address, a broken one."""
    try:
        url = response.urljoin(address.strip()) if address else ""
        return url if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname else None
    except ValueError:
        return None


def found(node: Selector, selector: str | None) -> str | None:
    """The text of the first element that a selector finds, or its attribute (`::attr(name)`); None for nothing."""
    if selector is None:
        return None
    first = next(iter(node.css(selector)), None)
    if first is None:
        return None
    text = first.root if isinstance(first.root, str) else microdata.text_in(first.root)
    return text.strip() or None
