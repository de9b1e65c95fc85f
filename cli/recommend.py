"""The command that offers books: by books that are liked, a customer's purchases, a text, or what many read."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal import given_text, printable
from maeari import clock
from maeari.errors import MaeariError

if TYPE_CHECKING:
    import numpy as np

    from ml.recommend.catalogue import Book
    from ml.recommend.model import Suggestion
    from ml.recommend.offer import Ask, Shelf
    from ml.recommend.titles import TitleIndex

app = typer.Typer()
console = Console()
notes = Console(stderr=True)

NEAR_BOOKS = 200
"""Books nearest to a liked one that came after training, among which the rules choose."""
NEAR_TITLES, LEAST_NEAR = 3, 0.5


@app.command()
def recommend(
    like: Annotated[
        list[str] | None, typer.Option(help="A liked book, by title or id; again for more, oldest first.")
    ] = None,
    customer: Annotated[str | None, typer.Option("--for", help="By and without what this customer bought.")] = None,
    text: Annotated[str | None, typer.Option(help="What is asked for, in any words; - reads standard input.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many books.")] = 5,
    version: Annotated[int | None, typer.Option(help="By this version; the live one without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON a book.")] = False,
) -> None:
    """Offer books, each with its reason; without any option, what many read.

    Example: `maeari recommend --like 데미안 --like "수레바퀴 아래서"`, or `maeari recommend --for C-1029`, or
    `maeari recommend --text "비 오는 날 읽기 좋은 잔잔한 소설"`
    """
    from ml import registry
    from ml.recommend.catalogue import read_catalogue
    from ml.recommend.model import words_of
    from ml.recommend.offer import Shelf
    from ml.recommend.predict import MODEL, load
    from ml.recommend.sequences import read_purchases
    from ml.recommend.titles import TitleIndex

    version = registry.live_version(MODEL) if version is None else version
    if version is None:
        raise MaeariError(
            f"No version of {MODEL} is live. `maeari models --model {MODEL}` lists the versions: name one with "
            f"--version, or train one with `maeari train {MODEL}` and let release_model ask for its approval."
        )
    model = load(version)
    source = registry.registered(MODEL, version).card["data"]["source"]
    books = read_catalogue("ml", source)
    if not books:
        raise MaeariError(
            f"marts.dim_books has no book of {source}, whose books version {version} offers. Import or crawl its "
            "catalogue, then `maeari build`."
        )
    catalogue = {book.book_id: book for book in books}
    titles = TitleIndex(books)
    named = [_named(one, catalogue, titles) for one in like or []]
    bought = read_purchases(customer, clock.today()) if customer is not None else []
    if customer is not None and not any(one in catalogue for one in bought):
        seen = "bought none of these books" if bought else "bought nothing"
        rest = "" if named or text else " What many read is offered instead"
        notes.print(Text(printable(f"{customer} has {seen}, or is no customer.{rest}")))
    words = words_of(given_text(text)) if text else []
    shelf = Shelf(model, catalogue)
    liked = [*bought, *named]
    new = [one for one in named if one not in shelf]
    offered = []
    if new and len(new) == len(named) and not words:
        offered = shelf.fill(_near(version, new[-1], shelf), liked, bought, count)
    offered = offered or shelf.offer(liked, words, bought, count)
    _print(offered, catalogue, version, as_json)


def _named(given: str, catalogue: Mapping[str, "Book"], titles: "TitleIndex") -> str:
    """The id of the book that a person means by its id or title."""
    if given in catalogue:
        return given
    if found := titles.find(given, 1):
        return found[0].book_id
    near = [f"『{catalogue[one.book_id].title}』" for one in titles.find(given, NEAR_TITLES, LEAST_NEAR)]
    meant = f"Was it {', '.join(near)}?" if near else "`maeari explore dim_books` shows what there is."
    raise MaeariError(f"No book of marts.dim_books has the id or title “{given}”. {meant}")


def _near(version: int, book_id: str, shelf: "Shelf") -> "Ask":
    """The known books whose words are nearest to those of one that came after training."""
    from ml.recommend.model import Suggestion, Why
    from ml.recommend.vectors import nearest

    near = nearest(version, book_id, NEAR_BOOKS, by="words")

    def ask(wanted: int, allowed: "np.ndarray") -> list["Suggestion"]:
        found = (Suggestion(other, cosine, Why("words")) for other, cosine in near if shelf.allows(other, allowed))
        return list(found)[:wanted]

    return ask


def _print(offered: list["Suggestion"], catalogue: Mapping[str, "Book"], version: int, as_json: bool) -> None:
    from ml.recommend.reasons import reason

    titles = {book_id: book.title for book_id, book in catalogue.items()}
    table = Table("title", "author", "why", title=f"recommend version {version}")
    for one in offered:
        book, why = catalogue[one.book_id], reason(one, titles)
        if as_json:
            facts = {"model_version": version, "book_id": one.book_id, "title": book.title, "author": book.author}
            print(json.dumps(facts | {"score": one.score, "why": one.why.kind, "reason": why}))
        else:
            table.add_row(*(Text(printable(cell)) for cell in (book.title, book.author or "", why)))
    if not offered:
        notes.print("No book is left to offer.")
    elif not as_json:
        console.print(table)
