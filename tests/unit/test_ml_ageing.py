"""How the ageing of the sentiment model is measured."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from maeari import clock
from ml.sentiment.ageing import measure_ageing
from ml.sentiment.config import SentimentConfig
from ml.sentiment.train import fit

CONFIG = SentimentConfig(min_rows=500, feature_bits=14)
WORDS = {True: ["달콤", "꿀맛", "최고", "만족", "감동"], False: ["지루", "실망", "별로", "후회", "최악"]}


def reviews(count: int, first: str, last: str, years: bool = True) -> pd.DataFrame:
    """Reviews that use the word of their year (or of their quarter), or that of the one before."""
    moments = pd.date_range(first, last, periods=count, tz="Asia/Seoul")
    draws = np.random.default_rng(3)
    period = (moments.year - moments.year[0] if years else moments.quarter) - draws.integers(0, 2, count)
    is_positive = draws.random(count) < 0.5
    noise = draws.integers(0xAC00, 0xD7A4, (count, 3))
    texts = [
        f"{''.join(map(chr, syllables))} {WORDS[bool(good)][max(0, at)]}"
        for syllables, good, at in zip(noise, is_positive, period, strict=True)
    ]
    return pd.DataFrame(
        {"written_at": moments.tz_convert("UTC"), "text": texts, "key": texts, "is_positive": is_positive, "stars": 5.0}
    )


def test_the_older_a_model_the_less_it_knows_of_new_words_and_none_learns_of_its_future():
    rows = reviews(1_600, "2021-01-01", "2024-12-31")
    rows.loc[rows.index[-100:], ["text", "key"]] = "그냥 그래요"
    rows.loc[rows.index[10], ["text", "key"]] = "그냥 그래요"
    seen, days = [], []

    def recording(part, config, middling):
        seen.append(part)
        return fit(part, config, middling)

    def known(day):
        days.append(day)
        return rows

    found = measure_ageing(rows, recording, CONFIG, known)
    assert found["period"] == "year"
    assert days == [date(2022, 12, 31), date(2023, 12, 31)]
    assert all(part["written_at"].max() < clock.end_of_day(day) for part, day in zip(seen, days, strict=True))
    older, newer = found["cutoffs"]
    assert older["training_rows"] == newer["training_rows"] == len(seen[0]) == len(seen[1])
    assert [(one["from"], one["until"]) for one in older["periods"]] == [
        ("2023-01-01", "2023-12-31"),
        ("2024-01-01", "2024-12-31"),
    ]
    early, late = (one["accuracy"]["value"] for one in older["periods"])
    (fresh,) = (one["accuracy"]["value"] for one in newer["periods"])
    assert late < fresh - 0.1
    assert late < early - 0.1
    judged = older["periods"][1]
    assert judged["rows"] == (300 if "그냥 그래요" in set(seen[0]["key"]) else 400)
    assert judged["accuracy"]["low"] < judged["accuracy"]["value"] < judged["accuracy"]["high"]
    assert f"{100 * fresh:.1f} % when trained until 2023-12-31" in found["summary"]
    assert measure_ageing(rows, fit, CONFIG) == found


def test_quarters_stand_for_years_while_there_are_few():
    found = measure_ageing(reviews(1_600, "2024-01-01", "2024-11-20", years=False), fit, CONFIG)
    assert found["period"] == "quarter"
    assert [cutoff["trained_until"] for cutoff in found["cutoffs"]] == ["2024-06-30", "2024-09-30"]
    assert found["cutoffs"][-1]["periods"][-1]["until"] == "2024-11-20"


def test_models_keep_enough_of_the_rarer_label_when_they_learn_from_fewer_rows_and_learn_without_age():
    rows, few = reviews(1_600, "2021-01-01", "2024-12-31"), reviews(9_000, "2021-01-01", "2023-12-31")
    few["is_positive"] = np.arange(len(few)) % 150 > 0
    learned = []

    def recording(part, config, middling):
        learned.append((len(part), int((~part["is_positive"]).sum()), config.half_life_days))
        return fit(part, config, middling)

    measure_ageing(rows, recording, CONFIG, lambda day: few if day.year == 2023 else rows)
    (count, negative, _), fewest = learned
    assert 300 < negative < 500
    assert fewest == (count, 50, None)


@pytest.mark.parametrize(
    "rows",
    [
        reviews(400, "2024-01-01", "2024-11-20"),
        reviews(1_000, "2024-01-01", "2024-02-20"),
        reviews(1_600, "2021-01-01", "2024-12-31").assign(is_positive=True),
    ],
    ids=["few", "one quarter", "one label"],
)
def test_too_short_a_history_is_skipped_with_a_reason(rows):
    found = measure_ageing(rows, fit, CONFIG)
    assert found.keys() == {"skipped"}
    assert "500 labelled reviews" in found["skipped"]
