"""How good and stable topics are beside scikit-learn's, and how fast texts become keywords, topics and associations.

    python benchmarks/topics.py [quality] [tokenising] [lda] [associations] [--seed 0] [--write docs/topics.md]

All on the petitions of `MAEARI_SHARED_DATA`. `quality` lets each method find as many topics as there are categories,
from five seeds, and holds the main topic of each petition against the category that its writer chose; the proposed
method is what `choose` picks for that number. `tokenising` analyses texts of 1,000 characters, in memory and from table
to table of an embedded Postgres, in turns with bare kiwipiepy. `lda` fits 20,000 texts, `associations` mines a month
of 10,000; these are drawn from the petitions with replacement. Prints Markdown tables; ends with exit code 1 when a
limit is missed. `--write` puts each part between the markers of its name on the page.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from tables import write_between
from topic_quality import quality
from topic_speed import associations, lda, tokenising

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MEASURES = {"quality": quality, "tokenising": tokenising, "lda": lda, "associations": associations}


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(MEASURES)}; by default all")] = None,
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="a page with markers such as lda:begin and lda:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    chosen = parts or list(MEASURES)
    if unknown := set(chosen) - set(MEASURES):
        sys.exit(f"{', '.join(sorted(unknown))} is none of {', '.join(MEASURES)}.")
    failed = []
    for part in chosen:
        with Console(stderr=True).status(f"{part} …"):
            text, missed = MEASURES[part](seed)
        print(text, end="\n\n", flush=True)
        failed += missed
        if write:
            write_between(part, write, text)
    print(*(f"MISSED: {what}" for what in failed), sep="\n")
    raise typer.Exit(int(bool(failed)))


if __name__ == "__main__":
    typer.run(main)
