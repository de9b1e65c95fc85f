"""How fast reviews are explained, and how far the explanation agrees with SHAP and LIME.

    MAEARI_SHARED_DATA=/path/to/shared/data python benchmarks/explaining.py [--reviews 50000] [--seed 1]

A classifier learns from shared film reviews; others of them are explained, in one process. Ends with exit code 1 when
fewer than 10,000 reviews a second get the contributions of their words.
"""

import csv
import gzip
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

REVIEWS_A_SECOND = 10_000
TRAINING_ROWS = 150_000
MORPHEME_ROWS, COMPARED_ROWS, WARM_UP_ROWS = 2_000, 200, 20
RESAMPLES = 2_000


def main(
    reviews: Annotated[int, typer.Option(help="Reviews whose words get contributions.")] = 50_000,
    seed: Annotated[int, typer.Option(help="By which training and explained reviews are drawn.")] = 1,
) -> None:
    """Learn, explain, print, and exit with 1 when the limit is missed."""
    from maeari.text import morphemes, terms
    from ml.sentiment import explain
    from ml.sentiment.classifier import ReviewClassifier

    console, random = Console(), np.random.default_rng(seed)
    with console.status("Reading and learning …"):
        rows = _read()
        order = random.permutation(len(rows))
        training = [rows[number] for number in order[:TRAINING_ROWS] if rows[number][1] <= 4 or rows[number][1] >= 9]
        texts = [rows[number][0] for number in order[TRAINING_ROWS:][:reviews]]
        classifier = ReviewClassifier().fit([text for text, _ in training], np.array([r >= 9 for _, r in training]))

    def told(chosen: list[str]) -> None:
        explain.word_contributions(chosen, classifier.contributions(chosen))

    def with_morphemes(chosen: list[str]) -> None:
        contributions = classifier.contributions(chosen)
        for number, found in enumerate(morphemes(chosen)):
            explain.term_contributions(contributions.of(number), terms(found))

    def each(values) -> None:
        return lambda chosen: [values(classifier, text) for text in chosen]

    parts = {
        "contributions of words": (told, texts),
        "the same of terms, with morphemes": (with_morphemes, texts[:MORPHEME_ROWS]),
        "SHAP": (each(explain.shap_values), texts[:COMPARED_ROWS]),
        "LIME": (each(explain.lime_values), texts[:COMPARED_ROWS]),
    }
    rates = {}
    for name, (part, chosen) in parts.items():
        # Compiled code and the morphemes' model are loaded before the clock starts.
        part(chosen[:WARM_UP_ROWS])
        start = time.perf_counter()
        part(chosen)
        rates[name] = len(chosen) / (time.perf_counter() - start)
        console.print(f"{name:36} {len(chosen):8,} reviews {rates[name]:10,.0f} reviews/s", highlight=False)

    found = [explain.compare(classifier, text) for text in texts[:COMPARED_ROWS]]
    for name in ("shap", "lime"):
        given = [getattr(one, f"{name}_agreement") for one in found]
        values = np.array([value for value in given if value is not None])
        medians = np.median(random.choice(values, (RESAMPLES, len(values))), axis=1)
        low, high = np.quantile(medians, (0.025, 0.975))
        console.print(
            f"agreement with {name.upper():21} median {np.median(values):.3f} ({low:.3f} to {high:.3f}, bootstrap), "
            f"{len(values)} of {len(given)} reviews with anything to rank",
            highlight=False,
        )
    console.print(f"limit: {REVIEWS_A_SECOND:,} reviews/s for contributions of words")
    raise typer.Exit(int(rates["contributions of words"] < REVIEWS_A_SECOND))


def _read() -> list[tuple[str, int]]:
    found = []
    for file in sorted(Path(os.environ["MAEARI_SHARED_DATA"], "naver_movie_reviews").glob("*.csv.gz")):
        with gzip.open(file, "rt", newline="", encoding="utf-8") as lines:
            found += [(row["review"], int(row["rating"])) for row in csv.DictReader(lines) if row["review"]]
    return found


if __name__ == "__main__":
    typer.run(main)
