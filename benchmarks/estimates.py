"""How far off the estimate before labels is, beside the published method's reference implementation.

    python benchmarks/estimates.py [--seeds 20] [--peer PYTHON | --no-peer] [--write docs/PAGE.md]

Streams with covariate shift: 20 seeds, two models that miss part of the relation (a logistic regression, boosted
trees), references of 500, 2,000 and 8,000 labelled rows, and windows of 4,000 rows from seven distributions of inputs.
The relation of inputs and labels never changes. Both sides read the same scores and labels from one parquet file: ours
counts them in 50 bins of score, `nannyml`'s CBPE takes them raw. It is installed into an environment of its own in a
temporary directory, and never into ours (`--peer` names the Python of one that has it). Realized figures are
scikit-learn's on the raw scores. Prints Markdown tables; ends with exit code 1 when the mean absolute error of ours, in
ROC AUC or in F1, is above that of the peer or of the naive estimate that nothing changed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from peers import installed
from rich.console import Console
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from tables import write_between

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PEER = ("nannyml==0.13.1", "statsmodels")
TRAINING, REFERENCES, WINDOW, FEATURES = 1_500, (500, 2_000, 8_000), 4_000, 5
THRESHOLD, RESAMPLES = 0.5, 2_000
FIGURES = ("roc_auc", "f1", "accuracy")
LIMITED = ("roc_auc", "f1")
PEER_SCRIPT = """
import sys, warnings
import pandas as pd
warnings.filterwarnings("ignore")
import nannyml

rows, found = pd.read_parquet(sys.argv[1]), []
for name, stream in rows.groupby("stream", sort=False):
    columns = ["score", "is_predicted", "is_positive"]
    reference = stream.loc[stream["window"] == "reference", columns].reset_index(drop=True)
    windows = stream[stream["window"] != "reference"]
    estimator = nannyml.CBPE(
        problem_type="classification_binary", y_pred_proba="score", y_pred="is_predicted", y_true="is_positive",
        metrics=["roc_auc", "f1", "accuracy"], chunk_size=int(sys.argv[3]),
    )
    estimator.fit(reference)
    told = estimator.estimate(windows[columns[:2]].reset_index(drop=True)).filter(period="analysis").to_df()
    for place, window in enumerate(windows["window"].unique()):
        values = {figure: told[figure, "value"].iloc[place] for figure in ("roc_auc", "f1", "accuracy")}
        found.append({"stream": name, "window": window, **values})
pd.DataFrame(found).to_parquet(sys.argv[2])
"""


def main(
    seeds: int = 20,
    peer: Annotated[Path | None, typer.Option(help="the Python of an environment that has nannyml")] = None,
    with_peer: Annotated[bool, typer.Option("--with-peer/--no-peer")] = True,
    write: Annotated[Path | None, typer.Option(help="a page with the markers estimates:begin, estimates:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder, console.status("Drawing streams …") as status:
        rows = pd.concat([stream for seed in range(seeds) for stream in streams(seed)], ignore_index=True)
        file = Path(folder) / "streams.parquet"
        rows.to_parquet(file)
        status.update("Estimating …")
        estimates = {"ours": ours(rows), "nothing changed": naive(rows)}
        if with_peer:
            status.update("Installing and running nannyml apart …")
            try:
                python = peer or installed(Path(folder), *PEER)
                estimates[PEER[0].replace("==", " ") + " CBPE"] = peers(python, file)
            except subprocess.CalledProcessError as error:
                console.print(f"No peer: {(error.stderr or '').strip()[-500:]}")
        status.update("Comparing …")
        text, missed = compared(realized(rows), estimates)
    print(text)
    print(*(f"MISSED: {what}" for what in missed), sep="\n")
    if write:
        write_between("estimates", write, text)
    raise typer.Exit(int(bool(missed)))


def chance(inputs: np.ndarray) -> np.ndarray:
    """The probability of a positive, the same in every window."""
    first, second, third, fourth, _ = inputs.T
    return 1 / (1 + np.exp(-(1.3 * first - 0.9 * second + 0.7 * first * third + 0.6 * np.abs(fourth) - 0.8)))


def shifted(random: np.random.Generator, shift: str, rows: int) -> np.ndarray:
    """Inputs of a window."""
    inputs = random.standard_normal((rows, FEATURES))
    if shift == "higher":
        inputs[:, 0] += 0.8
    elif shift == "lower":
        inputs[:, 0] -= 0.8
    elif shift == "wider":
        inputs *= 1.5
    elif shift == "narrower":
        inputs *= 0.6
    elif shift == "turned":
        inputs[:, 1] += 0.7 * inputs[:, 0]
    elif shift == "a new group":
        inputs[: rows // 3] = inputs[: rows // 3] * 0.5 + np.array([1.0, 1.5, -0.5, 0.5, 0.0])
    return inputs


SHIFTS = ("none", "higher", "lower", "wider", "narrower", "turned", "a new group")


def streams(seed: int) -> list[pd.DataFrame]:
    """The references and windows of one seed, scored by both models."""
    random = np.random.default_rng(seed)

    def drawn(shift: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
        inputs = shifted(random, shift, rows)
        return inputs, (random.random(rows) < chance(inputs)).astype(int)

    training = drawn("none", TRAINING)
    models = {
        "logistic": LogisticRegression().fit(*training),
        "boosted": HistGradientBoostingClassifier(max_iter=60, random_state=seed).fit(*training),
    }
    found = []
    for size in REFERENCES:
        parts = {"reference": drawn("none", size), **{shift: drawn(shift, WINDOW) for shift in SHIFTS}}
        for name, model in models.items():
            for window, (inputs, labels) in parts.items():
                scores = model.predict_proba(inputs)[:, 1]
                found.append(
                    pd.DataFrame(
                        {
                            "stream": f"{seed} {name} {size}",
                            "window": window,
                            "score": scores,
                            "is_predicted": (scores >= THRESHOLD).astype(int),
                            "is_positive": labels,
                        }
                    )
                )
    return found


def realized(rows: pd.DataFrame) -> pd.DataFrame:
    """The figures of the raw scores and labels, the reference's among them."""
    found = []
    for (stream, window), part in rows.groupby(["stream", "window"], sort=False):
        truth, scores, called = part["is_positive"], part["score"], part["is_predicted"]
        values = (roc_auc_score(truth, scores), f1_score(truth, called), accuracy_score(truth, called))
        found.append({"stream": stream, "window": window, **dict(zip(FIGURES, values, strict=True))})
    return pd.DataFrame(found)


def naive(rows: pd.DataFrame) -> pd.DataFrame:
    """For each window what was realized in the reference."""
    found = realized(rows)
    usual = found[found["window"] == "reference"].set_index("stream")[list(FIGURES)]
    windows = found.loc[found["window"] != "reference", ["stream", "window"]]
    return windows.join(usual, on="stream")


def ours(rows: pd.DataFrame) -> pd.DataFrame:
    """Our estimates and their limits."""
    from monitoring.figures.binary import ScoreCounts, estimated, score_edges

    found = []
    for stream, parts in rows.groupby("stream", sort=False):
        by_window = dict(list(parts.groupby("window", sort=False)))
        usual = by_window.pop("reference")
        edges = score_edges(usual["score"].to_numpy(), THRESHOLD)
        reference = ScoreCounts.of(usual["score"], usual["is_positive"], edges, THRESHOLD)
        for window, part in by_window.items():
            pending = np.full(len(part), np.nan)
            told = estimated(reference, ScoreCounts.of(part["score"], pending, edges, THRESHOLD))
            one = {"stream": stream, "window": window}
            for figure in FIGURES:
                one |= {figure: told[figure].value, f"{figure}_low": told[figure].low}
                one[f"{figure}_high"] = told[figure].high
            found.append(one)
    return pd.DataFrame(found)


def peers(python: Path, file: Path) -> pd.DataFrame:
    """The peer's estimates from the same file."""
    answer = file.with_name("peer.parquet")
    subprocess.run(
        [str(python), "-c", PEER_SCRIPT, str(file), str(answer), str(WINDOW)],
        check=True,
        capture_output=True,
        text=True,
        env={"NML_DISABLE_USAGE_LOGGING": "1", "PATH": "/usr/bin:/bin"},
    )
    return pd.read_parquet(answer)


def compared(truth: pd.DataFrame, estimates: dict[str, pd.DataFrame]) -> tuple[str, list[str]]:
    """The tables, and which limits were missed."""
    keys = ["stream", "window"]
    truth = truth[truth["window"] != "reference"].sort_values(keys).set_index(keys)
    told = {name: found.set_index(keys).loc[truth.index] for name, found in estimates.items()}
    misses = {
        (name, figure): (found[figure] - truth[figure]).abs() for name, found in told.items() for figure in FIGURES
    }
    lines = ["| mean absolute error of | " + " | ".join(FIGURES) + " |", "|---" * (1 + len(FIGURES)) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{misses[name, figure].mean():.5f}" for figure in FIGURES) + " |" for name in told
    ]
    missed = []
    lines += ["", "| ours less | figure | difference (95 % interval over seeds) | limit |", "|---|---|---|---|"]
    for name in [name for name in told if name != "ours"]:
        for figure in LIMITED:
            value, low, high = difference(misses["ours", figure] - misses[name, figure])
            lines.append(f"| {name} | {figure} | {value:+.5f} ({low:+.5f} to {high:+.5f}) | at most 0 |")
            if value > 0:
                missed.append(f"the error in {figure} is {value:.5f} above that of {name}")
    sizes = truth.index.get_level_values("stream").str.split().str[2].astype(int)
    models = truth.index.get_level_values("stream").str.split().str[1]
    for title, groups in (("reference", sizes), ("model", models), ("shift", truth.index.get_level_values("window"))):
        lines += ["", f"| {title} | " + " | ".join(f"{name}: {figure}" for figure in LIMITED for name in told) + " |"]
        lines.append("|---" * (1 + len(LIMITED) * len(told)) + "|")
        for group in dict.fromkeys(sorted(groups) if title == "reference" else groups):
            means = [misses[name, figure][groups == group].mean() for figure in LIMITED for name in told]
            label = f"{group:,} rows" if title == "reference" else group
            lines.append(f"| {label} | " + " | ".join(f"{mean:.4f}" for mean in means) + " |")
    mine = told["ours"]
    unshifted = truth.index.get_level_values("window") == "none"
    inside = {
        figure: (mine[f"{figure}_low"] <= truth[figure]) & (truth[figure] <= mine[f"{figure}_high"])
        for figure in FIGURES
    }
    lines += ["", "| realized values inside our 95 % interval | " + " | ".join(FIGURES) + " |"]
    lines.append("|---" * (1 + len(FIGURES)) + "|")
    for label, rows in (("no shift", unshifted), ("all windows", np.ones(len(truth), dtype=bool))):
        lines.append(f"| {label} | " + " | ".join(f"{inside[figure][rows].mean():.1%}" for figure in FIGURES) + " |")
    intro = (
        f"{truth.index.get_level_values('stream').nunique()} streams and {len(truth):,} windows of {WINDOW:,} rows; "
        "the relation of inputs and labels never changes, what the models miss of it does.\n\n"
    )
    return intro + "\n".join(lines), missed


def difference(values: pd.Series) -> tuple[float, float, float]:
    """The mean with its interval, whole seeds resampled."""
    by_seed = values.groupby(values.index.get_level_values("stream").str.split().str[0]).mean().to_numpy()
    drawn = np.random.default_rng(0).choice(by_seed, (RESAMPLES, len(by_seed))).mean(axis=1)
    return (float(by_seed.mean()), *(float(limit) for limit in np.quantile(drawn, [0.025, 0.975])))


if __name__ == "__main__":
    typer.run(main)
