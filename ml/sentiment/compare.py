"""Challenger, live version and baseline on the newest reviews that neither version has learned from."""

from datetime import date, datetime

import pandas as pd

from maeari import clock
from ml import registry
from ml.judgement import ACCURACY, Side, Unseen
from ml.sentiment.config import SentimentConfig
from ml.sentiment.evaluate import baseline
from ml.sentiment.features import read_labelled, read_rated, segments, unlearned
from ml.sentiment.predict import answer, load
from ml.sentiment.text import NORMALISATION


def unseen_reviews(version: int, live_version: int | None, as_of: date) -> Unseen:
    """Score the labelled reviews written since the later of both holdouts began, less every text that was learned.

    A live version of an earlier release, which read text by another rule and cannot be loaded any more, is left out
    and said to be.
    """
    challenger = registry.registered("sentiment", version)
    versions = {"challenger": challenger}
    remarks = []
    if live_version is not None:
        live = registry.registered("sentiment", live_version)
        if live.card["normalisation"] == NORMALISATION:
            versions["live"] = live
        else:
            remarks.append(
                f"Version {live_version}, live now, was trained by an earlier release of Maeari and can neither be "
                "loaded nor score new reviews: not compared."
            )
    if summary := challenger.card.get("ageing", {}).get("summary"):
        remarks.append(f"How it ages: {summary}")
    since = max(datetime.fromisoformat(one.card["data"]["holdout_from"]) for one in versions.values())
    rows = read_labelled(as_of)
    learned = (_learned_texts(*known) for known in {_learning(one) for one in versions.values()})
    rows = unlearned(rows[rows["written_at"] >= since], *learned).reset_index(drop=True)
    config = _config(challenger)
    return Unseen(
        measure=ACCURACY,
        rows_are="reviews with stars",
        since=since,
        until=clock.end_of_day(as_of),
        truth=rows["is_positive"].to_numpy(dtype=bool),
        sides=_sides(rows, versions),
        segments={name: mask.to_numpy() for name, mask in segments(rows).items()},
        max_calibration_error=config.max_calibration_error,
        min_gain=config.min_gain,
        remarks=remarks,
    )


def _sides(rows: pd.DataFrame, versions: dict[str, registry.Registered]) -> dict[str, Side]:
    found = {}
    for name, registered in versions.items():
        answers = answer(load(registered.version), _config(registered), rows["text"].tolist())
        probabilities = answers.probabilities
        found[name] = Side(probabilities, probabilities >= 0.5, is_unsure=answers.labels == "unsure")
    praised = baseline(rows["key"])
    return found | {"baseline": Side(praised, praised, is_probability=False)}


def _config(registered: registry.Registered) -> SentimentConfig:
    return SentimentConfig(**registered.card["config"])


def _learning(registered: registry.Registered) -> tuple[str, str]:
    return registered.card["data"]["as_of"], registered.card["data"]["holdout_from"]


def _learned_texts(as_of: str, holdout_from: str) -> pd.Series:
    known = read_rated(date.fromisoformat(as_of))
    return known["key"][known["written_at"] < pd.Timestamp(holdout_from)]
