"""How right, how fast and how lasting the sentiment classifier is, on the film reviews of `MAEARI_SHARED_DATA`.

    python benchmarks/sentiment.py [accuracy] [ageing] [peer] [--seed 0] [--write docs/sentiment.md]

`accuracy` (with the seconds of training, scoring and explaining) draws 50,000 reviews by the seed, half of them
positive, leaves all their texts out of training and learns from all other rated reviews in a process of its own.
`ageing` asks what models of earlier years are worth later. `peer`, only when named, is scikit-learn's logistic
regression on TF-IDF of character 1-5-grams of 150,000 reviews, judged on the same 50,000. Prints Markdown tables; ends
with exit code 1 when a limit is missed. `--write` puts the tables between the markers of the page.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

HELD_OUT, PEER_ROWS = 50_000, 150_000
ACCURACY, TRAINING_SECONDS, TRAINING_GIB = 0.885, 600, 6
SCORED_A_SECOND, EXPLAINED_A_SECOND = 100_000, 10_000
PARTS = ("accuracy", "ageing", "peer")
MARKERS = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.DOTALL)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def read_reviews() -> pd.DataFrame:
    """All rated reviews in the columns of `ml.sentiment.features.read_rated`, stars and labels as dbt makes them."""
    from ml.sentiment.text import joined, normalise

    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where naver_movie_reviews/ lies.")
    files = sorted(Path(os.environ["MAEARI_SHARED_DATA"], "naver_movie_reviews").glob("*.csv.gz"))
    if not files:
        sys.exit(f"{os.environ['MAEARI_SHARED_DATA']}/naver_movie_reviews holds no *.csv.gz.")
    parts = [pd.read_csv(file, dtype={"review": str}, keep_default_na=False) for file in files]
    found = pd.concat(parts, ignore_index=True)
    text = [joined(None, review) for review in found["review"]]
    label = found["rating"].map(lambda rating: True if rating >= 9 else False if rating <= 4 else None)
    return pd.DataFrame(
        {
            "text": text,
            "key": normalise(text).texts(),
            "is_positive": label.astype("boolean"),
            "stars": np.maximum(1.0, np.floor(found["rating"] / 2 + 0.5)),
            "written_at": pd.to_datetime(found["written_on"]).dt.tz_localize("Asia/Seoul").dt.tz_convert("UTC"),
        }
    )


def split(rows: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to learn from and the held-out ones, half of them positive, whose texts are in none of the others."""
    drawn = np.random.default_rng(seed)
    held_out = np.zeros(len(rows), dtype=bool)
    for is_positive in (False, True):
        places = np.flatnonzero((rows["is_positive"] == is_positive).fillna(False))
        held_out[drawn.choice(places, HELD_OUT // 2, replace=False)] = True
    training = rows[~held_out & ~rows["key"].isin(set(rows["key"][held_out]))]
    return training, rows[held_out].astype({"is_positive": bool})


def config():
    """The default, for reviews of which half are positive; years back count in full, since they are judged too."""
    from ml.sentiment.config import SentimentConfig

    return SentimentConfig(positive_share=0.5, half_life_days=None)


@app.command(hidden=True)
def learn(folder: Path, seed: int) -> None:
    """Learn in this process alone, and leave the classifier and what it took in the folder."""
    import skops.io

    from ml.sentiment.features import labelled
    from ml.sentiment.train import fit

    training, _ = split(read_reviews(), seed)
    started = time.perf_counter(), time.process_time()
    clear = labelled(training)
    classifier = fit(clear, config(), training[training["is_positive"].isna()])
    took = {"seconds": time.perf_counter() - started[0], "core_seconds": time.process_time() - started[1]}
    took["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took |= {"rows": len(training), "positive": int(clear["is_positive"].sum()), "clear": len(clear)}
    skops.io.dump(classifier, folder / "model.skops")
    (folder / "took.json").write_text(json.dumps(took))


def accuracy(seed: int) -> tuple[str, list[str]]:
    """The figures of the default classifier, and which limits were missed."""
    import skops.io

    from ml.registry import TRUSTED_TYPES
    from ml.sentiment.predict import answer
    from ml.statistics import calibration_error, roc_auc_interval, share

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "learn", folder, str(seed)], check=True)
        classifier = skops.io.load(Path(folder, "model.skops"), trusted=TRUSTED_TYPES)
        size = Path(folder, "model.skops").stat().st_size / 2**20
        took = json.loads(Path(folder, "took.json").read_text())
    _, held_out = split(read_reviews(), seed)
    texts, truth = held_out["text"].tolist(), held_out["is_positive"].to_numpy()
    answer(classifier, config(), texts[:100])
    answers, scoring = core_seconds(lambda: answer(classifier, config(), texts))
    _, explaining = core_seconds(lambda: classifier.contributions(texts))
    sure = answers.labels != "unsure"
    right = (answers.probabilities >= 0.5) == truth
    area = roc_auc_interval(truth, answers.probabilities)
    scored, explained = len(texts) / scoring, len(texts) / explaining
    overall, of_sure, unsure = share(right), share(right[sure]), share(~sure)
    star_error = np.abs(answers.stars - held_out["stars"]).mean()
    rows = [
        ("accuracy", interval(overall), f"at least {ACCURACY}"),
        ("area under the ROC curve", f"{area.value:.4f} ({area.low:.4f} to {area.high:.4f})", ""),
        ("expected calibration error", f"{calibration_error(answers.probabilities, truth):.4f}", ""),
        ("share answered “unsure”", interval(unsure), ""),
        ("accuracy where sure", interval(of_sure), ""),
        ("mean error of the star estimate, in stars", f"{star_error:.2f}", ""),
        ("seconds of training", f"{took['seconds']:.0f} ({took['core_seconds']:.0f} of one core)", "at most 600"),
        ("peak memory of training, GiB", f"{took['gib']:.1f}", f"at most {TRAINING_GIB}"),
        ("size of the saved classifier, MiB", f"{size:.0f}", ""),
        ("reviews scored a second of one core", f"{scored:,.0f}", f"at least {SCORED_A_SECOND:,}"),
        ("reviews explained a second of one core", f"{explained:,.0f}", f"at least {EXPLAINED_A_SECOND:,}"),
    ]
    text = (
        f"{HELD_OUT:,} film reviews (2003 to 2015) drawn by seed {seed}, half of them positive; none of their texts "
        f"was learned. Learned from {took['rows']:,} others: {took['positive']:,} positive, "
        f"{took['clear'] - took['positive']:,} negative, {took['rows'] - took['clear']:,} middling, which count half. "
        "Intervals are of 95 % (Wilson; DeLong for the area). Scoring and explaining take texts in memory as they are."
    )
    missed = [
        what
        for what, is_missed in (
            (f"accuracy {overall['value']:.4f}", overall["value"] < ACCURACY),
            (f"training took {took['seconds']:.0f} s", took["seconds"] > TRAINING_SECONDS),
            (f"training took {took['gib']:.1f} GiB", took["gib"] > TRAINING_GIB),
            (f"scoring {scored:,.0f} a second", scored < SCORED_A_SECOND),
            (f"explaining {explained:,.0f} a second", explained < EXPLAINED_A_SECOND),
        )
        if is_missed
    ]
    return f"{text}\n\n{table(('figure', 'measured', 'wanted'), rows)}", missed


def ageing(seed: int) -> tuple[str, list[str]]:
    """What models that stopped learning at the end of a year are worth in each later year."""
    from ml.sentiment.ageing import measure_ageing
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.train import fit

    found = measure_ageing(read_reviews(), fit, SentimentConfig(seed=seed))
    years = sorted({period["from"][:4] for cutoff in found["cutoffs"] for period in cutoff["periods"]})
    rows = []
    for cutoff in found["cutoffs"]:
        of_year = {period["from"][:4]: interval(period["accuracy"]) for period in cutoff["periods"]}
        rows.append(
            (cutoff["trained_until"], f"{cutoff['training_rows']:,}", *(of_year.get(year, "") for year in years))
        )
    text = f"Accuracy by year, with 95 % intervals (Wilson), at the share of positives of that year. {found['sampled']}"
    return f"{text}\n\n{table(('trained until', 'reviews learned', *years), rows)}", []


def peer(seed: int) -> tuple[str, list[str]]:
    """The same held-out reviews, judged by scikit-learn's n-grams and logistic regression."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from ml.sentiment.features import labelled
    from ml.statistics import share

    training, held_out = split(read_reviews(), seed)
    clear = labelled(training)
    kinds = clear.groupby("is_positive")
    learned = kinds.sample(min(PEER_ROWS // 2, kinds.size().min()), random_state=seed)
    model = make_pipeline(
        HashingVectorizer(analyzer="char", ngram_range=(1, 5), n_features=2**20, alternate_sign=False, norm=None),
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=4, solver="liblinear", random_state=seed),
    )
    _, training_seconds = core_seconds(lambda: model.fit(learned["key"], learned["is_positive"]))
    answers, scoring = core_seconds(lambda: model.predict(held_out["key"]))
    right = share(answers == held_out["is_positive"].to_numpy())
    rows = [
        ("accuracy", interval(right)),
        ("reviews learned", f"{len(learned):,}"),
        ("seconds of training, one core", f"{training_seconds:.0f}"),
        ("reviews scored a second of one core", f"{HELD_OUT / scoring:,.0f}"),
    ]
    return f"A peer: scikit-learn on the same reviews.\n\n{table(('figure', 'measured'), rows)}", []


def core_seconds(work) -> tuple:
    """What the work gives, and the seconds of processor time that it took."""
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def interval(figure: dict) -> str:
    """A share with its limits."""
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def table(heads: tuple, rows: list[tuple]) -> str:
    """Rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


@app.command()
def measure(
    parts: Annotated[list[str] | None, typer.Argument(help="accuracy, ageing, peer; by default the first two")] = None,
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="a page with the markers figures:begin and figures:end")] = None,
) -> None:
    """Measure, print or write, and end with exit code 1 when a limit is missed."""
    chosen = parts or list(PARTS[:2])
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"{', '.join(sorted(unknown))} is none of {', '.join(PARTS)}.")
    measures = {"accuracy": accuracy, "ageing": ageing, "peer": peer}
    texts, missed = zip(*(measures[part](seed) for part in chosen), strict=True)
    print("\n\n".join(texts))
    failed = [what for part in missed for what in part]
    print(*(f"MISSED: {what}" for what in failed), sep="\n")
    if write:
        page, replaced = MARKERS.subn(
            lambda found: "\n".join((found[1], *(f"{text}\n" for text in texts), found[2])), write.read_text()
        )
        if not replaced:
            sys.exit(f"{write} has no place for figures: put <!-- figures:begin --> and <!-- figures:end --> there.")
        write.write_text(page)
    raise typer.Exit(int(bool(failed)))


def main() -> None:
    """`learn` is a process of its own that `accuracy` starts; everything else is `measure`."""
    app(args=sys.argv[1:] if sys.argv[1:2] == ["learn"] else ["measure", *sys.argv[1:]])


if __name__ == "__main__":
    main()
