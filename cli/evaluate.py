"""The command that measures a model on a public benchmark."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.terminal import printable

app = typer.Typer()
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure a model on a public benchmark, without a warehouse.")
app.add_typer(evaluate_app, name="evaluate")
progress = Console(stderr=True)


class Dataset(StrEnum):
    """The benchmarks there are."""

    nsmc = "nsmc"


@evaluate_app.callback()
def choose() -> None:
    """Measure a model on a public benchmark, without a warehouse."""


@evaluate_app.command("sentiment")
def evaluate_sentiment(
    training: Annotated[
        Path, typer.Argument(metavar="FILE_TRAIN", exists=True, dir_okay=False, help="ratings_train.txt, or .gz of it.")
    ],
    test: Annotated[
        Path, typer.Argument(metavar="FILE_TEST", exists=True, dir_okay=False, help="ratings_test.txt, or .gz of it.")
    ],
    dataset: Annotated[Dataset, typer.Option(help="Whose files these are.")],
) -> None:
    """Learn from one file of a standard split, measure on the other, and print one figure a line.

    The files of nsmc are in UTF-8 and hold a header and a review a line: id, document and label, parted by tabs and
    never quoted; label 0 is negative (1 to 4 stars of 10), 1 positive (9 and 10). Nothing is registered or stored.

    Example: `maeari evaluate sentiment --dataset nsmc ratings_train.txt ratings_test.txt`
    """
    from ml.sentiment import nsmc

    _say(f"Reading {training.name} and {test.name} ({dataset}).")
    learned, judged = nsmc.read(training), nsmc.read(test)
    for remark in nsmc.remarks(learned, judged):
        _say(remark)
    _say(f"Learning from {len(learned):,} reviews, then answering {len(judged):,}.")
    for figure in nsmc.measure(learned, judged):
        typer.echo(figure)


def _say(sentence: str) -> None:
    progress.print(Text(printable(sentence)), soft_wrap=True)
