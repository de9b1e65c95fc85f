"""What a customer buys next, found among ten items, by our recommender and by its peers."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from peers import installed
from scipy import sparse
from tables import table, versions

PEER = "implicit==0.7.3"
OFFERED, LAST = 10, 20
SHORTEST = 3
PEER_SCRIPT = """
import sys
import numpy as np
from scipy import sparse
from implicit.als import AlternatingLeastSquares

given, seed = np.load(sys.argv[1]), int(sys.argv[3])

def offered(prefix, factors, alpha):
    matrix = sparse.csr_matrix(
        (np.ones(len(given[prefix + "read"]), np.float32), given[prefix + "read"], given[prefix + "offsets"]),
        shape=(len(given[prefix + "offsets"]) - 1, int(given["items"])),
    )
    model = AlternatingLeastSquares(
        factors=factors, alpha=alpha, regularization=0.01, iterations=15, random_state=seed, num_threads=1
    )
    model.fit(matrix, show_progress=False)
    found, _ = model.recommend(np.arange(matrix.shape[0]), matrix, N=10, filter_already_liked_items=True)
    return found

def recall(found, prefix):
    return np.mean([one in row for one, row in zip(given[prefix + "wanted"], found)])

settings = [(factors, alpha) for factors in (128, 256, 512) for alpha in (1, 10)]
best = max(settings, key=lambda one: recall(offered("choosing_", *one), "choosing_"))
np.savez(sys.argv[2], last=offered("last_", *best), visit=offered("visit_", *best), best=best)
"""


@dataclass(frozen=True)
class Task:
    """What each customer had bought, oldest first, and which new items are to be found, as numbers of items."""

    read: list[np.ndarray]
    wanted: list[np.ndarray]


def items(seed: int, choosing: bool, with_peer: bool, peer: Path | None) -> tuple[str, list[str]]:
    """The figures of every method on the last item and on the last visit, and which limits were missed."""
    bought = purchases()
    names = sorted(bought["item"].unique())
    tasks = {"last": last_item(bought, 2 if choosing else 1), "visit": last_visit(bought, 2 if choosing else 1)}
    told, als_settings = {}, ""
    for name, task in tasks.items():
        told[name] = {**ours(task, len(names), seed), "popularity": popular(task, len(names))}
        told[name][f"cosine, last {LAST} items"] = cosine(task, len(names))
    if with_peer:
        try:
            found, best = als(tasks, last_item(bought, 2), len(names), seed, peer)
            als_settings = (
                f" ALS has {best[0]} factors and alpha {best[1]}, the best of six settings on the item before the last."
            )
        except subprocess.CalledProcessError as error:
            als_settings = f" No ALS: {(error.stderr or '').strip()[-300:]}"
        else:
            for name in tasks:
                told[name][f"ALS ({PEER.replace('==', ' ')})"] = found[name]
    lines, missed = [introduced(bought, tasks, als_settings)], []
    for name, title in (("last", "the last new item"), ("visit", "the new items of the last visit")):
        hits = {method: gains(found, tasks[name].wanted) for method, found in told[name].items()}
        lines += [*figures(title, hits), *compared(title, hits, name == "last", missed)]
    return "\n".join(lines), missed


def purchases() -> pd.DataFrame:
    """Each customer's first purchase of each item, in order: columns `customer_id, ts, item`; three items or more."""
    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where online_retail lies.")
    file = Path(os.environ["MAEARI_SHARED_DATA"], "online_retail", "events.csv.gz")
    lines = pd.read_csv(file, usecols=["ts", "customer_id", "description", "quantity"], parse_dates=["ts"])
    lines = lines[lines["customer_id"].notna() & lines["description"].notna() & (lines["quantity"] > 0)]
    lines["item"] = lines["description"].str.split().str.join(" ").str.upper()
    first = lines.sort_values("ts", kind="stable").drop_duplicates(["customer_id", "item"])
    counts = first.groupby("customer_id")["item"].transform("size")
    found = first.loc[counts >= SHORTEST, ["customer_id", "ts", "item"]].sort_values("customer_id", kind="stable")
    return found.assign(number=pd.Categorical(found["item"], sorted(found["item"].unique())).codes)


def last_item(bought: pd.DataFrame, from_last: int) -> Task:
    """Find the item that is so many from the last, knowing those before it."""
    rows = [one.to_numpy() for _, one in bought.groupby("customer_id")["number"]]
    return Task([one[:-from_last] for one in rows], [one[-from_last:][:1] for one in rows])


def last_visit(bought: pd.DataFrame, from_last: int) -> Task:
    """Find the new items of the visit that is so many from the last, knowing those before it."""
    visits = bought.groupby(["customer_id", "ts"])["number"].agg(list).groupby("customer_id").agg(list)
    visits = [one for one in visits if len(one) >= SHORTEST]
    known = [np.concatenate(one[:-from_last]).astype(int) for one in visits]
    return Task(known, [np.array(one[-from_last]) for one in visits])


def ours(task: Task, count: int, seed: int) -> dict[str, list[list[int]]]:
    """What our recommender offers, as shipped and with parts of it taken away."""
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender

    ids = [f"{number:05d}" for number in range(count)]
    model = BookRecommender(RecommendConfig(seed=seed).model_dump()).fit(ids, [[] for _ in ids], task.read)
    shipped, together = model.config, model.neighbour_weights_

    def offered(**changed) -> list[list[int]]:
        model.config = {**shipped, **changed}
        return [
            [int(one.book_id) for one in model.recommend_words([ids[number] for number in read], [], [], OFFERED)]
            for read in task.read
        ]

    found = {
        "ours, as shipped": offered(),
        "ours, without diversity": offered(relevance=1.0),
        "ours, without Word2Vec": offered(relevance=1.0, vector_weight=0.0),
    }
    model.neighbour_weights_ = np.zeros_like(together)
    found["ours, Word2Vec alone"] = offered(relevance=1.0, popularity_weight=0.0)
    return found


def popular(task: Task, count: int) -> list[list[int]]:
    """The most bought items that a customer has not bought."""
    bought = np.bincount(np.concatenate(task.read), minlength=count).astype(float)
    return best(np.tile(bought, (len(task.read), 1)), task)


def cosine(task: Task, count: int) -> list[list[int]]:
    """By the cosine of who bought both, summed over the last items; every pair is kept."""
    matrix = bought_by(task.read, count)
    shared = (matrix.T @ matrix).toarray()
    lengths = np.sqrt(np.maximum(np.diag(shared), 1))
    shared /= np.outer(lengths, lengths)
    np.fill_diagonal(shared, 0)
    return best(bought_by([one[-LAST:] for one in task.read], count) @ shared, task)


def best(scores: np.ndarray, task: Task) -> list[list[int]]:
    """The ten largest scores of each customer among items not bought; equals by their number."""
    for row, read in zip(scores, task.read, strict=True):
        row[read] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :OFFERED].tolist()


def bought_by(read: list[np.ndarray], count: int) -> sparse.csr_matrix:
    """Ones where a customer bought an item, shape (customers, items)."""
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in read])])
    ones = np.ones(offsets[-1])
    return sparse.csr_matrix((ones, np.concatenate(read), offsets), shape=(len(read), count))


def als(
    tasks: dict[str, Task], choosing: Task, count: int, seed: int, peer: Path | None
) -> tuple[dict[str, list[list[int]]], list[int]]:
    """What the library's ALS offers, in its own environment, and its settings: factors and alpha."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"items": np.array(count), "choosing_wanted": np.concatenate(choosing.wanted)}
        for name, task in {**tasks, "choosing": choosing}.items():
            given[f"{name}_read"] = np.concatenate(task.read)
            given[f"{name}_offsets"] = np.concatenate([[0], np.cumsum([len(one) for one in task.read])])
        asked, answer = Path(folder) / "asked.npz", Path(folder) / "answer.npz"
        np.savez(asked, **given)
        command = [str(peer or installed(Path(folder), PEER)), "-c", PEER_SCRIPT, str(asked), str(answer), str(seed)]
        # Its own threads and those of the linear algebra would wait for one another.
        environment = {"OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        with np.load(answer) as told:
            return {name: told[name].tolist() for name in tasks}, told["best"].tolist()


def gains(offered: list[list[int]], wanted: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Each customer's recall and NDCG among ten: of ten items at most, so that both can reach 1."""
    discounts = 1 / np.log2(np.arange(OFFERED) + 2)
    recalls, ndcgs = np.zeros(len(wanted)), np.zeros(len(wanted))
    for row, (found, aims) in enumerate(zip(offered, wanted, strict=True)):
        hits, most = np.isin(found, aims), min(OFFERED, len(aims))
        recalls[row] = hits.sum() / most
        ndcgs[row] = (hits * discounts[: len(hits)]).sum() / discounts[:most].sum()
    return recalls, ndcgs


def figures(title: str, hits: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """The table of both figures with their intervals."""
    from ml.statistics import mean_interval

    rows = [(method, *(shown(mean_interval(values)) for values in both)) for method, both in hits.items()]
    return ["", table((f"found: {title}", "recall@10", "NDCG@10"), rows)]


def compared(title: str, hits: dict, has_limit: bool, missed: list[str]) -> list[str]:
    """Ours less each peer, customer by customer; where there is a limit, what is below it goes to `missed`."""
    from ml.statistics import mean_interval

    shipped, rows = hits["ours, as shipped"], []
    for method, both in hits.items():
        if method.startswith("ours"):
            continue
        cells = []
        for figure, own, other in zip(("recall@10", "NDCG@10"), shipped, both, strict=True):
            difference = mean_interval(own - other, lowest=-1.0)
            cells.append(shown(difference, sign="+"))
            if has_limit and difference.value < 0:
                missed.append(f"{figure} of {title} is {-difference.value:.4f} below that of {method}")
        rows.append((f"ours less {method}", *cells, "at least 0" if has_limit else ""))
    return ["", table((title, "recall@10", "NDCG@10", "wanted"), rows)]


def shown(interval, sign: str = "") -> str:
    """A value with its interval."""
    return f"{interval.value:{sign}.3f} ({interval.low:{sign}.3f} to {interval.high:{sign}.3f})"


def introduced(bought: pd.DataFrame, tasks: dict[str, Task], als_settings: str) -> str:
    """What was measured on, in sentences."""
    return (
        f"{len(bought):,} first purchases of {bought['number'].nunique():,} items by {len(tasks['last'].read):,} "
        f"customers with {SHORTEST} items or more, in the order of the log; {len(tasks['visit'].read):,} of them with "
        f"{SHORTEST} visits or more. What a customer has bought is never offered again. Means over customers with "
        f"95 % normal intervals; differences are paired.{als_settings} {versions('gensim', 'numpy', 'scipy')}"
    )
