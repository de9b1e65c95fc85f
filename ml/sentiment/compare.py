"""Challenger, live version and baseline on the newest reviews that neither version has learned from."""

from datetime import date, datetime

import pandas as pd

from maeari import clock
from ml import registry
from ml.judgement import ACCURACY, Side, Unseen
from ml.sentiment.evaluate import baseline
from ml.sentiment.features import read_labelled, segments
from ml.sentiment.predict import load, predict


def unseen_reviews(version: int, live_version: int | None, as_of: date) -> Unseen:
    """Score the labelled reviews written since the later of both holdouts began, less every text that was learned."""
    challenger = registry.registered("sentiment", version)
    sides = [challenger] + ([registry.registered("sentiment", live_version)] if live_version is not None else [])
    since = max(datetime.fromisoformat(side.card["data"]["holdout_from"]) for side in sides)
    rows = read_labelled(as_of)
    rows = rows[(rows["written_at"] >= since) & ~rows["key"].isin(_learned_texts(sides))].reset_index(drop=True)
    return Unseen(
        measure=ACCURACY,
        rows_are="reviews with stars",
        since=since,
        until=clock.end_of_day(as_of),
        truth=rows["is_positive"].to_numpy(dtype=bool),
        sides=_sides(rows, version, live_version),
        segments={name: mask.to_numpy() for name, mask in segments(rows).items()},
        max_calibration_error=challenger.card["config"]["max_calibration_error"],
    )


def _sides(rows: pd.DataFrame, version: int, live_version: int | None) -> dict[str, Side]:
    versions = {"challenger": version} | ({} if live_version is None else {"live": live_version})
    found = {}
    for name, number in versions.items():
        probabilities = predict(load(number), rows["text"])
        found[name] = Side(probabilities, probabilities >= 0.5)
    answers = baseline(rows["key"])
    return found | {"baseline": Side(answers, answers, is_probability=False)}


def _learned_texts(sides: list[registry.Registered]) -> set[str]:
    texts: set[str] = set()
    for side in sides:
        data = side.card["data"]
        known = read_labelled(date.fromisoformat(data["as_of"]))
        texts |= set(known["key"][known["written_at"] < pd.Timestamp(data["holdout_from"])])
    return texts
