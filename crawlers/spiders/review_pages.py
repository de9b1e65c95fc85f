"""Reviews on HTML pages: a list of subjects, then each subject's pages along their next links."""

from collections.abc import Iterator
from urllib.parse import unquote, urldefrag, urlsplit

from parsel import Selector
from scrapy import Request
from scrapy.http import HtmlResponse

from crawlers import json_ld
from crawlers.intake import Record
from crawlers.kinds import ReviewSelectors
from crawlers.spiders.base import SourceSpider


class ReviewPagesSpider(SourceSpider):
    """Reads sources of the kind `review_pages`."""

    def parse(self, response: HtmlResponse) -> Iterator[Request]:
        """The list of subjects."""
        for link in response.css(self.source.subject_links):
            url = response.urljoin(link.attrib.get("href", "").strip())
            yield self.ask(url, self.parse_subject, subject=self.subject_id(url))
        if following := self._next_page(response):
            yield self.ask(following, self.parse)

    def parse_subject(self, response: HtmlResponse) -> Iterator[Record | Request]:
        """A page of one subject's reviews."""
        subject = response.meta["subject"]
        selectors = self.source.selectors
        reviews = self._selected_reviews(response, selectors) if selectors else self._json_ld_reviews(response)
        review = None
        for review in reviews:
            yield {"subject_id": subject, **review}
        if review is None:
            self.count_fault("no review on the page", subject)
        if following := self._next_page(response):
            yield self.ask(following, self.parse_subject, subject=subject, next_page=True)

    def subject_id(self, url: str) -> str:
        """The last part of a subject's path with its query; the whole address where the path has no part."""
        parts = urlsplit(url)
        last = parts.path.rstrip("/").rpartition("/")[2]
        address = f"{last}?{parts.query}" if last and parts.query else last or self.source.key_of(urldefrag(url).url)
        return unquote(address)

    def _next_page(self, response: HtmlResponse) -> str | None:
        address = response.css(self.source.paging.link).xpath("@href").get()
        return response.urljoin(address.strip()) if address else None

    def _json_ld_reviews(self, response: HtmlResponse) -> Iterator[Record]:
        for review, holder in json_ld.objects(response):
            if not json_ld.has_type(review, "Review"):
                continue
            rating = review.get("reviewRating")
            rating = rating if isinstance(rating, dict) else {"ratingValue": rating}
            address = json_ld.text(review.get("@id") or review.get("url"))
            yield {
                "source_review_id": json_ld.text(review.get("identifier"))
                or (self.source.key_of(address) if address else None),
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


def found(node: Selector, selector: str | None) -> str | None:
    """The text of the first element that a selector finds, or its attribute (`::attr(name)`); None for nothing."""
    if selector is None:
        return None
    first = next(iter(node.css(selector)), None)
    if first is None:
        return None
    text = first.root if isinstance(first.root, str) else first.xpath("string()").get()
    return text.strip() or None
