"""The demo website on loopback: reviews, news and feeds of a generated world or of replayed files.

The state file is looked at on each request, so moving its clock on shows at once.
"""

import argparse
import json
import sys
from datetime import date, datetime, time, timedelta
from email.utils import format_datetime
from math import ceil
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.catalog import Catalog, Section, ShownReview, Subject, replay_catalog, world_catalog
from demo.errors import DemoError
from demo.state import SiteState, read_state
from demo.world import SEOUL, Article, World

REVIEWS_ON_A_PAGE = 100
ARTICLES_IN_THE_FEED = 50
RELATIVE_DAYS = 20

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html", "xml"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


def json_in_html(value: object) -> Markup:
    """JSON for a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def stars_as_text(stars: int | None) -> str:
    """★★★★☆ for 4 of 5; empty for none."""
    return "" if stars is None else "★" * stars + "☆" * (5 - stars)


def date_as_text(written_at: datetime, today: date) -> str:
    """How people read a date on `today`, seen from the end of that day: 방금 전, 3시간 전, 어제 … then 2025.01.13."""
    days = (today - written_at.date()).days
    if days == 0:
        end_of_today = datetime.combine(today + timedelta(days=1), time(), SEOUL)
        hours = int((end_of_today - written_at).total_seconds() // 3600)
        return f"{hours}시간 전" if hours else "방금 전"
    if days == 1:
        return "어제"
    if days < 7:
        return f"{days}일 전"
    return f"{days // 7}주 전" if days <= RELATIVE_DAYS else written_at.strftime("%Y.%m.%d.")


templates.filters["stars"] = stars_as_text
templates.filters["day"] = date_as_text
templates.filters["rfc822"] = format_datetime


class Shelf:
    """Keeps the catalog in step with the state file."""

    def __init__(self, state_file: Path) -> None:
        self._file = state_file
        self._seen: tuple[int, int] | None = None
        self._state: SiteState | None = None
        self._world: World | None = None
        self._catalog: Catalog | None = None
        self.catalog()

    def catalog(self) -> Catalog:
        """What the site shows now."""
        try:
            facts = self._file.stat()
        except FileNotFoundError:
            read_state(self._file)
            raise
        if (facts.st_mtime_ns, facts.st_ino) != self._seen:
            state = read_state(self._file)
            if state != self._state:
                self._catalog = self._build(state)
                self._state = state
            self._seen = (facts.st_mtime_ns, facts.st_ino)
        return self._catalog

    def _build(self, state: SiteState) -> Catalog:
        if state.world is None:
            return replay_catalog(state)
        if self._world is None or self._world.config != state.world:
            self._world = World(state.world)
        return world_catalog(state, self._world)


def json_ld(section: Section, subject: Subject, reviews: list[ShownReview], base: str) -> dict:
    """A page's reviews as schema.org says."""
    address = f"{base}/{section.slug}/{subject.subject_id}"
    stars = [review.stars for review in subject.reviews if review.stars is not None]
    described = {
        "@context": "https://schema.org",
        "@type": section.schema_type,
        "@id": address,
        "name": subject.name,
        "review": [_review_json(review, section, address) for review in reviews],
    }
    if stars:
        described["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": round(sum(stars) / len(stars), 2),
            "ratingCount": len(stars),
            "reviewCount": len(subject.reviews),
            "bestRating": section.best_rating,
        }
    return described


def _review_json(review: ShownReview, section: Section, address: str) -> dict:
    described = {
        "@type": "Review",
        "@id": f"{address}#{review.review_id}",
        "identifier": review.review_id,
        "datePublished": review.written_at.isoformat(),
        "reviewBody": review.body,
    }
    if review.author:
        described["author"] = {"@type": "Person", "name": review.author}
    if review.title:
        described["name"] = review.title
    if review.stars is not None:
        described["reviewRating"] = {
            "@type": "Rating",
            "ratingValue": review.stars,
            "bestRating": section.best_rating,
            "worstRating": 1,
        }
    return described


def article_json_ld(article: Article, base: str) -> dict:
    """An article as schema.org says."""
    return {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "@id": f"{base}/news/{article.article_id}",
        "headline": article.title,
        "articleSection": article.section,
        "datePublished": article.published_at.isoformat(),
        "author": {"@type": "Person", "name": f"{article.reporter} 기자"},
        "publisher": {"@type": "Organization", "name": "물결신문"},
        "articleBody": "\n".join(article.paragraphs),
    }


def create_app(state_file: Path) -> Starlette:
    """The website that shows what a state file says."""
    shelf = Shelf(state_file)

    def render(template: str, request: Request, media_type: str = "text/html", **facts) -> Response:
        catalog = shelf.catalog()
        base = str(request.base_url).rstrip("/")
        text = templates.get_template(template).render(catalog=catalog, today=catalog.today, base=base, **facts)
        return Response(text, media_type=media_type)

    def section_of(request: Request) -> Section:
        section = shelf.catalog().sections.get(request.path_params["slug"])
        if section is None:
            raise HTTPException(404)
        return section

    async def home(request: Request) -> Response:
        articles = list(shelf.catalog().articles.values())[: -ARTICLES_IN_THE_FEED - 1 : -1]
        return render("home.html", request, articles=articles)

    async def show_section(request: Request) -> Response:
        return render("section.html", request, section=section_of(request))

    async def show_subject(request: Request) -> Response:
        section = section_of(request)
        subject = section.subjects.get(request.path_params["subject_id"])
        page = request.query_params.get("page", "1")
        pages = max(1, ceil(len(subject.reviews) / REVIEWS_ON_A_PAGE)) if subject else 0
        if not (page.isascii() and page.isdigit() and 1 <= int(page) <= pages):
            raise HTTPException(404)
        number = int(page)
        end = len(subject.reviews) - (number - 1) * REVIEWS_ON_A_PAGE
        reviews = subject.reviews[max(0, end - REVIEWS_ON_A_PAGE) : end][::-1]
        facts = {"section": section, "subject": subject, "reviews": reviews, "number": number, "pages": pages}
        if section.schema_type is None:
            return render("reviews_plain.html", request, **facts)
        data = json_in_html(json_ld(section, subject, reviews, str(request.base_url).rstrip("/")))
        return render("reviews.html", request, data=data, **facts)

    async def show_article(request: Request) -> Response:
        article = shelf.catalog().articles.get(request.path_params["article_id"])
        if article is None:
            raise HTTPException(404)
        data = json_in_html(article_json_ld(article, str(request.base_url).rstrip("/")))
        return render("article.html", request, article=article, data=data)

    async def feed(request: Request) -> Response:
        articles = list(shelf.catalog().articles.values())[: -ARTICLES_IN_THE_FEED - 1 : -1]
        return render("feed.xml", request, "application/rss+xml", articles=articles)

    async def sitemap(request: Request) -> Response:
        return render("sitemap.xml", request, "application/xml")

    async def robots(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return PlainTextResponse(f"User-agent: *\nDisallow: /admin/\n\nSitemap: {base}/sitemap.xml\n")

    async def admin(request: Request) -> Response:
        return HTMLResponse("<!doctype html><title>관리</title><p>로봇은 오지 않는 곳.</p>")

    async def healthz(request: Request) -> Response:
        return PlainTextResponse(f"ok {shelf.catalog().today}\n")

    async def not_found(request: Request, error: HTTPException) -> Response:
        page = render("not_found.html", request)
        page.status_code = 404
        return page

    routes = [
        Route("/", home),
        Route("/robots.txt", robots),
        Route("/sitemap.xml", sitemap),
        Route("/feed.xml", feed),
        Route("/healthz", healthz),
        Route("/admin/", admin),
        Route("/news/{article_id}", show_article),
        Route("/{slug}", show_section),
        Route("/{slug}/{subject_id}", show_subject),
    ]
    return Starlette(routes=routes, exception_handlers={404: not_found})


def serve(state_file: Path, port: int, host: str = "127.0.0.1") -> None:
    """Serve the site until the process is asked to stop."""
    uvicorn.run(create_app(state_file), host=host, port=port, log_level="warning", access_log=False)


def main() -> None:
    """`python -m demo.site --state FILE --port P [--host ADDRESS]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    try:
        serve(arguments.state, arguments.port, arguments.host)
    except DemoError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
