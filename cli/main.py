"""The `maeari` command: one Typer app, its commands kept by theme."""

import sys

import typer
from rich.console import Console
from rich.text import Text

from cli import (
    crawling,
    demo,
    evaluate,
    explain,
    explore,
    imports,
    models,
    monitoring,
    recommend,
    serve,
    sources,
    stack,
    topics,
    warehouse,
)
from cli.terminal import printable
from maeari.errors import MaeariError

app = typer.Typer(
    name="maeari",
    help="From crawled pages to approved models and drift reports.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
for theme in (
    stack,
    sources,
    crawling,
    imports,
    warehouse,
    explore,
    models,
    recommend,
    topics,
    evaluate,
    explain,
    monitoring,
    serve,
    demo,
):
    app.add_typer(theme.app)


def main() -> None:
    """Run the command; an error made for the person prints as one sentence, exit code 1."""
    try:
        app()
    except MaeariError as error:
        # A site's own words may stand in the message.
        Console(stderr=True).print(Text.assemble(("error:", "red"), " ", printable(str(error))))
        sys.exit(1)
