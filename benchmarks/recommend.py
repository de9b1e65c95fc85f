"""How well books are recommended, from what was read and from a text alone, and how fast.

    python benchmarks/recommend.py [items] [texts] [speed] [--seed 0] [--choosing] [--peer PYTHON | --no-peer]
        [--write docs/recommend.md]

`items`: purchases of `MAEARI_SHARED_DATA`, each customer's last new item found again among ten, and the new items of
their last visit; beside popularity, the cosine of who bought both over the last 20 items, and an implicit-feedback ALS
by `implicit`. That is installed into an environment of its own in a temporary directory, and never into ours (`--peer`
names the Python of one that has it). `texts`: book reviews of `MAEARI_SHARED_DATA`, the book of a held-out review found
among all, beside scikit-learn's TF-IDF of the same keywords. `speed`: one answer on 100,000 drawn books. Prints
Markdown tables; ends with exit code 1 when a limit is missed. `--write` puts each part between the markers of its name
on the page. `--choosing` measures items and texts on what settings are chosen by, and has no limits: the item (or
visit) before the last, and of books with one review its second half, the first being known.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from recommend_items import items
from recommend_speed import speed
from recommend_texts import texts
from rich.console import Console
from tables import write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PARTS = ("items", "texts", "speed")


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(PARTS)}; by default all")] = None,
    seed: int = 0,
    choosing: Annotated[bool, typer.Option("--choosing")] = False,
    peer: Annotated[Path | None, typer.Option(help="the Python of an environment that has implicit")] = None,
    with_peer: Annotated[bool, typer.Option("--with-peer/--no-peer")] = True,
    write: Annotated[Path | None, typer.Option(help="a page with markers such as items:begin and items:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    chosen = parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"{', '.join(sorted(unknown))} is none of {', '.join(PARTS)}.")
    measures = {
        "items": lambda: items(seed, choosing, with_peer, peer),
        "texts": lambda: texts(seed, choosing),
        "speed": lambda: speed(seed),
    }
    failed = []
    for part in chosen:
        with Console(stderr=True).status(f"{part} …"):
            text, missed = measures[part]()
        print(text, end="\n\n", flush=True)
        failed += [] if choosing else missed
        if write and not choosing:
            write_between(part, write, text)
    print(*(f"MISSED: {what}" for what in failed), sep="\n")
    raise typer.Exit(int(bool(failed)))


if __name__ == "__main__":
    typer.run(main)
