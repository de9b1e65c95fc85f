"""How a model ages: models that stop learning at earlier days, judged on each period that came later."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from maeari import clock
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.features import MIN_OF_EACH, labelled, without_slips
from ml.statistics import share

MAX_CUTOFFS = 3
MIN_TRAINING_SHARE = 0.1
"""Of all rows: a model of fewer would show how little it learned, not how old it is."""
MIN_PERIOD_ROWS = 200
MAX_TRAINING_ROWS = 100_000
MAX_PERIOD_ROWS = 20_000

_PERIODS = {"year": "Y", "quarter": "Q"}


def measure_ageing(
    rows: pd.DataFrame,
    fit: Callable[[pd.DataFrame, SentimentConfig, pd.DataFrame], ReviewClassifier],
    config: SentimentConfig,
    known: Callable[[date], pd.DataFrame] | None = None,
) -> dict:
    """Accuracy by period of models trained until at most three earlier days, as JSON; or why there are none.

    `rows` have the columns `written_at, text, key, is_positive` and, where a label is missing, `stars`; those with a
    label are judged. `known` gives the rows as they were known at the end of a day, of which those written until then
    teach (without it, those of `rows`); `fit` is `ml.sentiment.train.fit`. Periods are calendar years, or quarters
    where the years give fewer than two models. All models learn from the same number of rows, drawn by the seed and at
    most `MAX_TRAINING_ROWS` with a label, all counting the same whatever `half_life_days` says, so that they differ by
    when they stopped learning and not by how much they learned; at most `MAX_PERIOD_ROWS` are judged a period, none
    of a text that was learned.
    """
    config = config.model_copy(update={"half_life_days": None})
    judged = labelled(rows)
    years, quarters = (_cutoffs(judged, unit, config.min_rows) for unit in _PERIODS)
    unit, days = ("year", years) if len(years) >= 2 else ("quarter", quarters)
    learned = {day: _learned(rows if known is None else known(day), day, config.seed) for day in days}
    learned = {day: parts for day, parts in learned.items() if _suffices(parts[0], config.min_rows)}
    counts = [min(map(len, kind)) for kind in zip(*learned.values(), strict=True)]
    found = []
    for day, parts in learned.items():
        training, middling = (_drawn(part, count, config.seed) for part, count in zip(parts, counts, strict=True))
        texts = set(training["key"]) | set(middling["key"])
        classifier = fit(training, config, middling)
        found.append(
            {
                "trained_until": day.isoformat(),
                "training_rows": len(training),
                "periods": _judged(classifier, texts, judged, day, unit, config.seed),
            }
        )
    found = [cutoff for cutoff in found if cutoff["periods"]]
    if not found:
        return {
            "skipped": (
                f"No year or quarter has {config.min_rows:,} labelled reviews of both kinds, and a tenth of the "
                f"{len(judged):,} there are, until its end, and {MIN_PERIOD_ROWS} with other texts in a later one."
            )
        }
    return {
        "summary": _summary(found),
        "period": unit,
        "sampled": (
            f"Each model learned from {counts[0]:,} labelled reviews and {counts[1]:,} middling ones of all the time "
            "until its day, drawn by the seed and all counting the same, so that models differ by when they stopped "
            f"learning, not by how much they learned; at most {MAX_PERIOD_ROWS:,} a {unit} are judged, none of a text "
            "that was learned."
        ),
        "cutoffs": found,
    }


def _summary(found: list[dict]) -> str:
    """How the models do in the newest period, whose reviews are equally hard for all of them."""
    newest = max((cutoff["periods"][-1] for cutoff in found), key=lambda period: period["from"])
    models = [
        f"{100 * cutoff['periods'][-1]['accuracy']['value']:.1f} % when trained until {cutoff['trained_until']}"
        for cutoff in found
        if cutoff["periods"][-1]["from"] == newest["from"]
    ]
    return (
        f"Of the reviews from {newest['from']} to {newest['until']}, models of {found[0]['training_rows']:,} reviews "
        f"got right {', '.join(models)}."
    )


def _cutoffs(rows: pd.DataFrame, unit: str, min_rows: int) -> list[date]:
    """At most three days that end a period, evenly spread over those that enough was written before and after."""
    periods = _periods(rows["written_at"], unit)
    counts = periods.value_counts().sort_index()
    judged = counts[counts >= MIN_PERIOD_ROWS]
    if judged.empty:
        return []
    learned = counts.cumsum()
    wanted = max(min_rows, MIN_TRAINING_SHARE * len(rows))
    ends = [
        period.end_time.date() for period in counts.index if learned[period] >= wanted and period < judged.index[-1]
    ]
    places = np.linspace(0, len(ends) - 1, min(MAX_CUTOFFS, len(ends))).round().astype(int)
    return [ends[place] for place in places]


def _judged(
    classifier: ReviewClassifier, learned: set[str], rows: pd.DataFrame, day: date, unit: str, seed: int
) -> list[dict]:
    """The figures of each later period that has enough rows of other texts than were learned."""
    later = rows[(rows["written_at"] >= clock.end_of_day(day)) & ~rows["key"].isin(learned)]
    return [
        _days(period, rows) | _figures(classifier, part.sample(min(len(part), MAX_PERIOD_ROWS), random_state=seed))
        for period, part in later.groupby(_periods(later["written_at"], unit))
        if len(part) >= MIN_PERIOD_ROWS
    ]


def _figures(classifier: ReviewClassifier, rows: pd.DataFrame) -> dict:
    truth = rows["is_positive"].to_numpy(dtype=bool)
    probabilities = classifier.predict_proba(rows["text"].tolist())[:, 1]
    both_labels = 0 < truth.sum() < len(truth)
    return {
        "rows": len(rows),
        "accuracy": share((probabilities >= 0.5) == truth),
        "roc_auc": float(roc_auc_score(truth, probabilities)) if both_labels else None,
    }


def _days(period: pd.Period, rows: pd.DataFrame) -> dict:
    """The first and the last day of a period; of the newest, the last day that was written on."""
    newest = rows["written_at"].max().tz_convert(clock.zone()).date()
    return {
        "from": period.start_time.date().isoformat(),
        "until": min(period.end_time.date(), newest).isoformat(),
    }


def _periods(written_at: pd.Series, unit: str) -> pd.Series:
    # In the business zone a year begins nine hours before it does in UTC.
    return written_at.dt.tz_convert(clock.zone()).dt.tz_localize(None).dt.to_period(_PERIODS[unit])


def _learned(known: pd.DataFrame, day: date, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with a label and the middling ones that were written until a day, not more than are learned from."""
    known = known[known["written_at"] < clock.end_of_day(day)]
    training, _ = without_slips(labelled(known))
    parts = (training, known[known["is_positive"].isna()])
    return tuple(_drawn(part, min(len(part), MAX_TRAINING_ROWS), seed) for part in parts)


def _drawn(rows: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """So many rows in their order, of each label its share but at least `MIN_OF_EACH` where there are as many."""
    kinds = sorted((part for _, part in rows.groupby("is_positive")), key=len)
    if len(kinds) < 2:
        return rows.sample(count, random_state=seed).sort_index()
    rarer = max(round(count * len(kinds[0]) / len(rows)), min(MIN_OF_EACH, len(kinds[0])))
    parts = zip(kinds, (rarer, count - rarer), strict=True)
    return pd.concat([part.sample(size, random_state=seed) for part, size in parts]).sort_index()


def _suffices(learned: pd.DataFrame, min_rows: int) -> bool:
    of_each = learned["is_positive"].value_counts()
    return len(learned) >= min(min_rows, MAX_TRAINING_ROWS) and len(of_each) == 2 and of_each.min() >= MIN_OF_EACH
