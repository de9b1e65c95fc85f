"""When a person may be asked to release a challenger, and what they read."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maeari.statistics import holm_adjusted
from ml.judgement import ACCURACY, ROC_AUC, Side, Unseen, judge
from ml.question import approval_body
from ml.statistics import calibration_error, paired_difference

ROWS = 4_000
random = np.random.default_rng(7)
TRUTH = random.random(ROWS) < 0.5


def probabilities(accuracy: float, seed: int, truth: np.ndarray = TRUTH) -> np.ndarray:
    """Calibrated probabilities that are right in the given share of rows."""
    right = np.random.default_rng(seed).random(len(truth)) < accuracy
    says_positive = right == truth
    return np.where(says_positive, accuracy, 1 - accuracy)


def unseen(challenger: np.ndarray, live: np.ndarray | None, baseline_accuracy: float = 0.6, **changes) -> Unseen:
    baseline = changes.pop("baseline", probabilities(baseline_accuracy, seed=99) >= 0.5)
    versions = {"challenger": challenger} | ({} if live is None else {"live": live})
    facts = {
        "measure": ACCURACY,
        "rows_are": "reviews with stars",
        "since": datetime(2026, 5, 4, tzinfo=UTC),
        "until": datetime(2026, 5, 31, 15, tzinfo=UTC),
        "truth": TRUTH,
        "sides": {name: Side(says, says >= 0.5) for name, says in versions.items()}
        | {"baseline": Side(baseline, baseline, is_probability=False)},
        "segments": {"source a": np.arange(ROWS) < 2_000, "source b": np.arange(ROWS) >= 2_000},
        "max_calibration_error": 0.05,
    }
    return Unseen(**facts | changes)


def test_a_better_challenger_may_be_asked_for():
    judged = judge(unseen(probabilities(0.9, 1), probabilities(0.8, 2)))
    assert judged["may_ask"]
    assert judged["comparisons"]["live"]["is_better"]


def test_remarks_come_first_and_judge_nothing():
    told = judge(unseen(probabilities(0.9, 1), probabilities(0.8, 2), remarks=["Read this.", "And this."]))
    assert told["may_ask"]
    assert told["reasons"][:2] == ["Read this.", "And this."]


def test_a_worse_challenger_may_not():
    judged = judge(unseen(probabilities(0.8, 1), probabilities(0.9, 2)))
    assert not judged["may_ask"]
    assert any("Neither better" in reason for reason in judged["reasons"])


def test_an_equal_challenger_is_not_worse():
    same = probabilities(0.85, 1)
    judged = judge(unseen(same, same))
    assert judged["may_ask"]
    assert judged["comparisons"]["live"] | {"difference": None} == {
        "difference": None,
        "p_value": 1.0,
        "holm_p_value": 1.0,
        "is_ahead": False,
        "is_better": False,
        "is_not_worse": True,
    }


def test_a_gain_below_the_least_that_counts_is_no_more_than_not_worse():
    live = probabilities(0.85, 1)
    challenger = live.copy()
    wrong = np.flatnonzero((live >= 0.5) != TRUTH)[:60]
    challenger[wrong] = 1 - challenger[wrong]
    small = judge(unseen(challenger, live, min_gain=0.02))
    assert small["may_ask"]
    against = small["comparisons"]["live"]
    assert (against["is_ahead"], against["is_better"], against["is_not_worse"]) == (True, False, True)
    assert any("ahead of it by less than the minimum gain of 2.0 points (+1.5," in said for said in small["reasons"])
    assert "is as good as version 2" in approval_body(evidence(**small))
    large = judge(unseen(challenger, live, min_gain=0.015))
    assert large["comparisons"]["live"]["is_better"]
    first = judge(unseen(challenger, None, baseline=live >= 0.5, min_gain=0.02))
    assert not first["may_ask"]
    assert any(said.startswith("No better than the baseline") and "minimum gain" in said for said in first["reasons"])


def test_unsure_answers_are_shown_and_are_no_hits():
    challenger, live = probabilities(0.9, 1), probabilities(0.9, 2)
    wrong = (challenger >= 0.5) != TRUTH
    plain = judge(unseen(challenger, live))
    sides = {
        "challenger": Side(challenger, challenger >= 0.5, is_unsure=wrong),
        "live": Side(live, live >= 0.5, is_unsure=np.zeros(ROWS, bool)),
        "baseline": Side(live, TRUTH ^ (random.random(ROWS) < 0.4), is_probability=False),
    }
    judged = judge(unseen(challenger, live, sides=sides))
    own = judged["figures"]["challenger"]
    assert own["unsure_share"]["value"] == pytest.approx(wrong.mean())
    assert own["sure_accuracy"]["value"] == 1
    assert own["accuracy"] == plain["figures"]["challenger"]["accuracy"]
    assert judged["comparisons"]["live"]["difference"] == plain["comparisons"]["live"]["difference"]
    said = f"Unsure of {100 * wrong.mean():.1f} %, the live version of 0.0 %"
    assert any(reason.startswith(said) for reason in judged["reasons"])


def test_the_first_version_must_beat_the_baseline():
    assert judge(unseen(probabilities(0.8, 1), None))["may_ask"]
    judged = judge(unseen(probabilities(0.6, 1), None, baseline_accuracy=0.7))
    assert not judged["may_ask"]
    assert any("No better than the baseline" in reason for reason in judged["reasons"])


def test_a_boastful_challenger_may_not_be_asked_for():
    boastful = np.where(probabilities(0.85, 1) >= 0.5, 0.999, 0.001)
    judged = judge(unseen(boastful, probabilities(0.75, 2)))
    assert not judged["may_ask"]
    assert any("Not calibrated" in reason for reason in judged["reasons"])


def test_a_challenger_that_fails_one_segment_may_not_be_asked_for():
    challenger, live = probabilities(0.95, 1), probabilities(0.8, 2)
    segment = np.arange(ROWS) < 400
    challenger[segment] = probabilities(0.6, 3)[segment]
    judged = judge(
        unseen(challenger, live, segments={"source a": segment, "source b": ~segment}, max_calibration_error=1)
    )
    assert judged["comparisons"]["live"]["is_better"]
    assert not judged["may_ask"]
    assert "Worse in source a." in judged["reasons"]


def test_too_few_rows_ask_nobody():
    few = slice(0, 150)
    judged = judge(
        unseen(
            probabilities(0.9, 1)[few], None, truth=TRUTH[few], baseline=TRUTH[few],
            segments={"source a": np.ones(150, bool)},
        )
    )  # fmt: skip
    assert not judged["may_ask"]
    assert "150" in judged["reasons"][0]


LEAVING = random.random(ROWS)
LEFT = random.random(ROWS) < LEAVING


def leaving(noise: float, seed: int) -> np.ndarray:
    """Probabilities of leaving that are calibrated without noise, and rank worse the more of it there is."""
    drawn = np.random.default_rng(seed).random(ROWS)
    return np.where(np.random.default_rng(seed + 1).random(ROWS) < noise, drawn, LEAVING)


def customers(challenger: np.ndarray, live: np.ndarray | None = None, **changes) -> Unseen:
    versions = {"challenger": challenger} | ({} if live is None else {"live": live})
    recency = leaving(0.6, seed=99) * 100
    facts = {
        "measure": ROC_AUC,
        "rows_are": "customers with a known outcome",
        "since": datetime(2026, 3, 31, 15, tzinfo=UTC),
        "until": datetime(2026, 5, 30, 15, tzinfo=UTC),
        "truth": LEFT,
        "sides": {name: Side(says, says >= np.quantile(says, 0.8)) for name, says in versions.items()}
        | {"baseline": Side(recency, recency >= np.quantile(recency, 0.8), is_probability=False)},
        "segments": {"new": np.arange(ROWS) < 2_000, "old": np.arange(ROWS) >= 2_000, "few": np.arange(ROWS) < 29},
        "max_calibration_error": 0.05,
    }
    return Unseen(**facts | changes)


def test_leavers_ranked_better_may_be_asked_for():
    judged = judge(customers(leaving(0, 1), leaving(0.2, 2), max_calibration_error=0.1))
    assert judged["may_ask"], judged["reasons"]
    against = judged["comparisons"]["live"]
    assert against["is_better"]
    assert against["difference"]["low"] > 0
    assert {segment["segment"] for segment in judged["segments"]} == {"new", "old"}
    own = judged["figures"]["challenger"]
    assert own["contacted"] == ROWS / 5
    assert own["lift"] == pytest.approx(own["precision"]["value"] / LEFT.mean())
    assert judged["figures"]["baseline"].keys() == own.keys() - {"brier_score", "calibration_error"}


def test_every_test_of_ranks_and_of_decisions_is_corrected_together():
    comparisons = judge(customers(leaving(0, 1), leaving(0.1, 2)))["comparisons"]
    tests = [test for one in comparisons.values() for test in (one, one["decisions"])]
    assert len(tests) == 4
    assert [test["holm_p_value"] for test in tests] == holm_adjusted([test["p_value"] for test in tests])


def test_leavers_ranked_worse_may_not_and_equally_may():
    worse = judge(customers(leaving(0.3, 1), leaving(0, 2), max_calibration_error=1))
    assert not worse["may_ask"]
    assert any("Neither better" in reason for reason in worse["reasons"])
    same = leaving(0, 1)
    assert judge(customers(same, same))["may_ask"]


def test_a_model_of_shuffled_labels_is_no_better_than_the_baseline():
    judged = judge(customers(np.random.default_rng(3).permutation(leaving(0, 1)), max_calibration_error=1))
    assert not judged["may_ask"]
    assert any(reason.startswith("No better than the baseline") for reason in judged["reasons"])


def test_a_coin_is_not_released_where_the_baseline_ranks_the_wrong_way_round():
    told = 0.5 + 1e-6 * np.random.default_rng(3).random(ROWS)
    coin, wrong_way = Side(told, told > 1), 1 - leaving(0.3, 5)
    baseline = Side(wrong_way, wrong_way >= np.quantile(wrong_way, 0.8), is_probability=False)
    judged = judge(customers(told, sides={"challenger": coin, "baseline": baseline}))
    assert judged["comparisons"]["baseline"]["is_better"]
    assert not judged["may_ask"]
    assert any(reason.startswith("No better than a coin") for reason in judged["reasons"])


def test_leavers_of_one_segment_ranked_worse_stop_the_release():
    mixed = np.where(np.arange(ROWS) < 800, np.random.default_rng(5).random(ROWS), leaving(0, 1))
    segments = {"new": np.arange(ROWS) < 800, "old": np.arange(ROWS) >= 800}
    judged = judge(customers(mixed, leaving(0.4, 2), segments=segments, max_calibration_error=1))
    assert judged["comparisons"]["live"]["is_better"]
    assert "Worse in new." in judged["reasons"]
    assert not judged["may_ask"]


@pytest.mark.parametrize(("left", "seen"), [(300, "300 are positive and 0 are not"), (2, "2 are positive")])
def test_customers_who_all_did_the_same_ask_nobody(left, seen):
    truth = np.arange(300) < left
    judged = judge(customers(leaving(0, 1), truth=truth))
    assert not judged["may_ask"]
    assert seen in judged["reasons"][0]
    assert "needs 5 of each" in judged["reasons"][0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_only_raises_p_values_and_keeps_their_order(p_values):
    adjusted = holm_adjusted(p_values)
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert all(after <= 1 for after in adjusted)
    ranked = [adjusted[index] for index in np.argsort(p_values, kind="stable")]
    assert ranked == sorted(ranked)


def test_holm_as_worked_by_hand():
    assert holm_adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_paired_difference_lies_in_its_interval_and_turns_with_its_sides(rows, seed):
    draws = np.random.default_rng(seed)
    first, second = draws.random(rows) < 0.8, draws.random(rows) < 0.7
    one, other = paired_difference(first, second), paired_difference(second, first)
    assert one.low <= one.value <= one.high
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_a_calibrated_model_has_a_small_error_and_a_boastful_one_a_large():
    calm = probabilities(0.8, 5)
    assert calibration_error(calm, TRUTH) < 0.03
    assert calibration_error(np.where(calm >= 0.5, 1.0, 0.0), TRUTH) > 0.15


def evidence(**changes) -> dict:
    facts = {
        "model": "sentiment", "version": 3, "live_version": 2, "as_of": "2026-05-31", "is_replay": False,
        "training_set_id": "sentiment-2026-05-31-abc", "artifact_sha256": "f" * 64,
        "window_from": "2026-05-03T15:00:00+00:00", "window_until": "2026-05-31T15:00:00+00:00",
    }  # fmt: skip
    return facts | judge(unseen(probabilities(0.9, 1), probabilities(0.8, 2))) | changes


def test_the_question_says_what_was_seen_and_what_each_answer_does():
    body = approval_body(evidence(), 7)
    assert "request `7`" in body
    assert "Sentiment version 3 is better than version 2" in body
    assert "written from 2026-05-04 to 2026-05-31" in body
    assert "version 2 stays live" in body
    assert "(/maeari/models/sentiment/versions/3)" in body
    assert "Replay" not in body


def test_the_question_tells_how_the_live_version_does_and_shows_the_page_that_was_kept():
    assert "How the live version does" not in approval_body(evidence(), 7)
    seen = {
        "start": "2026-05-25", "end": "2026-05-31", "verdict": "declined", "page": "frozen/abc.html",
        "reasons": ["Inputs: [a](b) | *moved*."],
    }  # fmt: skip
    body = approval_body(evidence(monitoring=seen), 7)
    assert "From 2026-05-25 to 2026-05-31, monitoring says of version 2: **declined**." in body
    assert "\\[a\\]\\(b\\) \\| \\*moved\\*" in body
    assert "[The drift page of these days, as it was](/maeari/reports/frozen/abc.html)" in body
    assert "as it was" not in approval_body(evidence(monitoring=seen | {"page": None}), 7)


def test_the_question_about_leavers_speaks_of_customers_ranks_and_budget():
    judged = judge(customers(leaving(0, 1), leaving(0.2, 2), max_calibration_error=0.1))
    body = approval_body(evidence(**judged, model="churn", window_from="2026-03-31T15:00:00+00:00", is_replay=True), 7)
    own, live = (judged["figures"][side]["roc_auc"]["value"] for side in ("challenger", "live"))
    better = f"Churn version 3 ranks leavers better than version 2: ROC-AUC {own:.3f}, not {live:.3f}"
    assert better.replace("0.", ".") in body
    assert "4,000 customers, by who bought nothing from 2026-04-01 to 2026-05-31" in body
    assert "| 800 |" in body
    assert "scores the customers of every month end from 2026-06-01 on" in body
    assert "last 90 days once more" in body
    assert "(/maeari/models/churn/versions/3)" in body
    assert "review" not in body
    first = approval_body(evidence(**judge(customers(leaving(0, 1))), model="churn", live_version=None), 7)
    assert "Churn version 3 ranks leavers with a ROC-AUC of" in first
    assert "nothing goes live" in first


def test_every_line_of_a_table_has_as_many_cells():
    for judged, model in (
        (judge(unseen(probabilities(0.9, 1), probabilities(0.8, 2))), "sentiment"),
        (judge(customers(leaving(0, 1), leaving(0.2, 2))), "churn"),
    ):
        lines = [line for line in approval_body(evidence(**judged, model=model), 7).splitlines() if line[:1] == "|"]
        assert len({line.count("|") for line in lines}) == 2


def test_a_preview_bears_no_mark_of_a_request():
    assert "request" not in approval_body(evidence())


def test_a_replay_says_so():
    assert "**Replay.**" in approval_body(evidence(is_replay=True), 7)


def test_data_cannot_become_markup():
    hostile = "source [x](http://evil) | <script>alert(1)</script> `a`"
    mask = np.ones(ROWS, bool)
    judged = judge(unseen(probabilities(0.9, 1), probabilities(0.8, 2), segments={hostile: mask}))
    body = approval_body(evidence(**judged), 7)
    assert "[x](http" not in body
    assert "<script>" not in body.replace("\\<script\\>", "")
    row = next(line for line in body.splitlines() if "evil" in line)
    assert row.replace("\\|", "").count("|") == 6
