"""How right, how fast, how explained and how lasting the sentiment classifier is, on film reviews.

    python benchmarks/sentiment.py [accuracy] [explaining] [ageing] [peer] [--seed 0] [--write docs/sentiment.md]

`accuracy` (with the seconds of `fit` and of scoring) draws 50,000 reviews by the seed, half of them positive, leaves
all their texts out of training and learns from all other rated reviews in a process of its own. `explaining` tells how
fast those 50,000 are explained, by words and by more than words, and how far SHAP and LIME agree. `ageing` asks what
models of earlier years are worth later. `peer`, only when named, is scikit-learn's logistic regression on TF-IDF of
character 1-5-grams of at most 150,000 reviews, judged on the same 50,000. Prints Markdown tables; ends with exit
code 1 when a limit is missed. `--write` puts the tables between the markers of the page.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from films import films
from tables import table, write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

HELD_OUT, PEER_ROWS = 50_000, 150_000
MORPHEME_ROWS, COMPARED_ROWS, WARM_UP_ROWS, RESAMPLES = 2_000, 200, 100, 2_000
ACCURACY, TRAINING_SECONDS, TRAINING_GIB = 0.885, 600, 6
SCORED_A_SECOND, EXPLAINED_A_SECOND = 100_000, 10_000
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cache
def read_reviews() -> pd.DataFrame:
    """All rated reviews in the columns of `ml.sentiment.features.read_rated`, stars and labels as dbt makes them."""
    from maeari.text import joined
    from ml.sentiment.text import normalise

    found = films()
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
    """The shipped settings but for two, since half of those judged are positive and years back are judged too."""
    from ml.sentiment.config import SentimentConfig

    return SentimentConfig(positive_share=0.5, half_life_days=None)


def changed() -> str:
    """Where `config` differs from the shipped settings."""
    from ml.sentiment.config import SentimentConfig

    shipped, told = SentimentConfig(), config()
    differing = [name for name in SentimentConfig.model_fields if getattr(told, name) != getattr(shipped, name)]
    settings = ", ".join(f"`{name}={getattr(told, name)}` for {getattr(shipped, name)}" for name in differing)
    return f"Settings as shipped, but {settings}."


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


@cache
def learned(seed: int) -> tuple:
    """The classifier of a process of its own, its size in MiB and what it took."""
    import skops.io

    from ml.registry import TRUSTED_TYPES

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "learn", folder, str(seed)], check=True)
        file = Path(folder, "model.skops")
        classifier = skops.io.load(file, trusted=TRUSTED_TYPES)
        return classifier, file.stat().st_size / 2**20, json.loads(Path(folder, "took.json").read_text())


def accuracy(seed: int) -> tuple[str, list[str]]:
    """The figures of the classifier with the settings of `config`, and which limits were missed."""
    from ml.sentiment.predict import answer
    from ml.statistics import calibration_error, roc_auc_interval, share

    classifier, size, took = learned(seed)
    _, held_out = split(read_reviews(), seed)
    texts, truth = held_out["text"].tolist(), held_out["is_positive"].to_numpy()
    answer(classifier, config(), texts[:WARM_UP_ROWS])
    answers, scoring = core_seconds(lambda: answer(classifier, config(), texts))
    sure = answers.labels != "unsure"
    right = (answers.probabilities >= 0.5) == truth
    area = roc_auc_interval(truth, answers.probabilities)
    scored = len(texts) / scoring
    overall, of_sure, unsure = share(right), share(right[sure]), share(~sure)
    star_error = np.abs(answers.stars - held_out["stars"]).mean()
    rows = [
        ("accuracy", interval(overall), f"at least {ACCURACY}"),
        ("area under the ROC curve", f"{area.value:.4f} ({area.low:.4f} to {area.high:.4f})", ""),
        ("expected calibration error", f"{calibration_error(answers.probabilities, truth):.4f}", ""),
        ("share answered “unsure”", interval(unsure), ""),
        ("accuracy where sure", interval(of_sure), ""),
        ("mean error of the star estimate, of positive and negative reviews alone, in stars", f"{star_error:.2f}", ""),
        (
            "seconds of training (`fit`, from texts in memory)",
            f"{took['seconds']:.0f} ({took['core_seconds']:.0f} of one core)",
            f"at most {TRAINING_SECONDS}",
        ),
        ("peak memory of that process, GiB", f"{took['gib']:.1f}", f"at most {TRAINING_GIB}"),
        ("size of the saved classifier, MiB", f"{size:.0f}", ""),
        ("reviews scored a second of one core", f"{scored:,.0f}", f"at least {SCORED_A_SECOND:,}"),
    ]
    years = read_reviews()["written_at"].dt.tz_convert("Asia/Seoul").dt.year
    text = (
        f"{HELD_OUT:,} film reviews ({years.min()} to {years.max()}) drawn by seed {seed}, half of them positive; none "
        f"of their texts was learned. Learned from {took['rows']:,} others: {took['positive']:,} positive, "
        f"{took['clear'] - took['positive']:,} negative, {took['rows'] - took['clear']:,} middling, which count "
        f"{config().middling_weight:g} each. {changed()} Intervals are of 95 % (Wilson; DeLong for the area). Scoring "
        "takes texts in memory as they are."
    )
    missed = [
        what
        for what, is_missed in (
            (f"accuracy {overall['value']:.4f}", overall["value"] < ACCURACY),
            (f"training took {took['seconds']:.0f} s", took["seconds"] > TRAINING_SECONDS),
            (f"training took {took['gib']:.1f} GiB", took["gib"] > TRAINING_GIB),
            (f"scoring {scored:,.0f} a second", scored < SCORED_A_SECOND),
        )
        if is_missed
    ]
    return f"{text}\n\n{table(('figure', 'measured', 'wanted'), rows)}", missed


def explaining(seed: int) -> tuple[str, list[str]]:
    """How fast held-out reviews are explained by one core, and the agreement with SHAP and LIME."""
    from maeari.text import morphemes, terms
    from ml.sentiment import explain

    classifier, _, _ = learned(seed)
    _, held_out = split(read_reviews(), seed)
    draws = np.random.default_rng(seed)
    texts = draws.permutation(held_out["text"].to_numpy(dtype=object)).tolist()

    def words(chosen: list[str]) -> None:
        explain.word_contributions(chosen, classifier.contributions(chosen))

    def with_terms(chosen: list[str]) -> None:
        contributions = classifier.contributions(chosen)
        for number, found in enumerate(morphemes(chosen)):
            explain.term_contributions(contributions.of(number), terms(found))

    def compared(chosen: list[str]) -> list:
        return [explain.compare(classifier, text) for text in chosen]

    parts = (
        ("its words", words, texts, f"at least {EXPLAINED_A_SECOND:,}"),
        ("its terms, by kiwipiepy's morphemes", with_terms, texts[:MORPHEME_ROWS], ""),
        ("SHAP and LIME, and their agreement", compared, texts[:COMPARED_ROWS], ""),
    )
    rows, rates = [], []
    for name, part, chosen, wanted in parts:
        # Compiled code and the morphemes' model are loaded before the clock starts.
        part(texts[-WARM_UP_ROWS:] if part is not compared else texts[-2:])
        found, seconds = core_seconds(lambda part=part, chosen=chosen: part(chosen))
        rates.append(len(chosen) / seconds)
        rows.append((name, f"{len(chosen):,}", f"{rates[-1]:,.0f}", wanted))
    agreements = [agreement(name, found, draws) for name in ("shap", "lime")]
    text = (
        "How many of the reviews held out are explained in a second of one core, texts being in memory. Words are what "
        "every explanation begins with; the rest is told of fewer reviews, drawn by the seed, and has no limit."
    )
    missed = [f"explaining {rates[0]:,.0f} a second"] if rates[0] < EXPLAINED_A_SECOND else []
    shown = table(("what is told of a review", "reviews", "a second", "wanted"), rows)
    return f"{text}\n\n{shown}\n\n{' '.join(agreements)}", missed


def agreement(name: str, found: list, draws: np.random.Generator) -> str:
    """The median rank correlation of a method with the words' contributions, in a sentence."""
    values = [getattr(one, f"{name}_agreement") for one in found if one is not None]
    values = np.array([value for value in values if value is not None])
    medians = np.median(draws.choice(values, (RESAMPLES, len(values))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return (
        f"{name.upper()} orders the words of a review as we do with a rank correlation (Spearman) of "
        f"{np.median(values):.3f} in the median ({low:.3f} to {high:.3f}, 95 %, bootstrap), of {len(values):,} reviews "
        "with more than one word to order."
    )


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
    text = (
        f"Accuracy by year, with 95 % intervals (Wilson), at the share of positives of that year. "
        f"{found['sampled']} Other settings as shipped."
    )
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


MEASURES = {"accuracy": accuracy, "explaining": explaining, "ageing": ageing, "peer": peer}


@app.command()
def measure(
    parts: Annotated[
        list[str] | None, typer.Argument(help="accuracy, explaining, ageing, peer; by default three")
    ] = None,
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="a page with the markers figures:begin and figures:end")] = None,
) -> None:
    """Measure, print or write, and end with exit code 1 when a limit is missed."""
    chosen = parts or list(MEASURES)[:-1]
    if unknown := set(chosen) - set(MEASURES):
        sys.exit(f"{', '.join(sorted(unknown))} is none of {', '.join(MEASURES)}.")
    texts, missed = zip(*(MEASURES[part](seed) for part in chosen), strict=True)
    print("\n\n".join(texts))
    failed = [what for part in missed for what in part]
    print(*(f"MISSED: {what}" for what in failed), sep="\n")
    if write:
        write_between("figures", write, "\n\n".join(texts))
    raise typer.Exit(int(bool(failed)))


def main() -> None:
    """`learn` is a process of its own that `learned` starts; everything else is `measure`."""
    app(args=sys.argv[1:] if sys.argv[1:2] == ["learn"] else ["measure", *sys.argv[1:]])


if __name__ == "__main__":
    main()
