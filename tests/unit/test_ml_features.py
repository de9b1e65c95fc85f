"""What the sentiment model is given: normalised text, and rows parted by time."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maeari import clock
from maeari.text import joined
from ml.errors import ConfigError, TooFewRows
from ml.sentiment.config import SentimentConfig
from ml.sentiment.features import segments, split_by_time, without_slips
from ml.sentiment.text import normalise

AS_OF = date(2026, 3, 31)
SMALL = SentimentConfig(min_rows=500, holdout_min_rows=50)


def rows(count: int, per_day: int, last: date = AS_OF, text: str = "리뷰") -> pd.DataFrame:
    """So many labelled reviews that end on a day, `per_day` on each."""
    end = clock.start_of_day(last) + timedelta(hours=12)
    written = [end - timedelta(days=index // per_day) for index in reversed(range(count))]
    return pd.DataFrame(
        {
            "review_id": [f"s:{index}" for index in range(count)],
            "version_no": 1,
            "source": "s",
            "written_at": pd.to_datetime(written, utc=True),
            "text": [f"{text} {index}" for index in range(count)],
            "key": [f"{text} {index}" for index in range(count)],
            "is_positive": [index % 2 == 0 for index in range(count)],
        }
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("너무우우우 좋아아아요", "너무 좋아요"),
        ("ㅋㅋㅋㅋㅋㅋ 대박", "ㅋㅋ 대박"),
        ("별로에요ㅜㅜㅜㅜ", "별로에요ㅠㅠ"),
        ("최고!!!!!!", "최고!!"),
        ("2025년에 3번  갔어요\n또 갈래요", "0년에 0번 갔어요 또 갈래요"),
        ("GOOD", "good"),
        ("아이를 데리고", "아이를 데리고"),
        ("강아지", "강아지"),
        ("거위의 꿈", "거위의 꿈"),
    ],
)
def test_text_is_folded_to_what_matters(text, wanted):
    assert normalise([text]).texts() == [wanted]


def test_the_title_is_part_of_the_text():
    assert normalise([joined("최악", "다시는 안 가요")]).texts() == ["최악 다시는 안 가요"]


@given(st.text(st.characters()))
def test_no_character_is_repeated_more_than_twice(text):
    (folded,) = normalise([text]).texts()
    assert not any(a == b == c for a, b, c in zip(folded, folded[1:], folded[2:], strict=False))


def test_the_holdout_is_the_newest_28_days():
    split = split_by_time(rows(1_000, per_day=4), AS_OF, SMALL)
    assert split.holdout_from == clock.start_of_day(date(2026, 3, 4))
    assert len(split.holdout) == 28 * 4
    assert split.training["written_at"].max() < split.holdout["written_at"].min()


def test_a_thin_holdout_reaches_further_back_but_not_beyond_its_share():
    config = SentimentConfig(min_rows=500, holdout_min_rows=400, holdout_max_share=0.2)
    split = split_by_time(rows(1_000, per_day=4), AS_OF, config)
    assert len(split.holdout) == 200


def test_a_holdout_that_would_be_most_of_the_rows_is_cut():
    split = split_by_time(rows(1_000, per_day=40), AS_OF, SMALL)
    assert 100 <= len(split.holdout) <= 200


def test_no_text_of_the_holdout_was_learned():
    frame = rows(1_000, per_day=4)
    frame.loc[frame.index[-5:], "key"] = "리뷰 3"
    split = split_by_time(frame, AS_OF, SMALL)
    assert not set(split.holdout["key"]) & set(split.training["key"])
    assert len(split.holdout) == 28 * 4 - 5


def test_reviews_between_the_labels_are_parted_by_the_same_day_and_count_for_nothing_else():
    labelled = rows(1_000, per_day=4)
    between = rows(200, per_day=4, text="그저").assign(is_positive=pd.NA)
    between.loc[between.index[-3:], "key"] = "리뷰 3"
    rated = pd.concat([labelled.astype({"is_positive": "boolean"}), between.astype({"is_positive": "boolean"})])
    split = split_by_time(rated.sort_values("written_at", kind="stable"), AS_OF, SMALL)
    alone = split_by_time(labelled, AS_OF, SMALL)
    pd.testing.assert_frame_equal(split.training, alone.training)
    pd.testing.assert_frame_equal(split.holdout, alone.holdout)
    assert (len(split.middling), len(split.middling_holdout)) == (200 - 28 * 4, 28 * 4 - 3)
    assert split.middling["written_at"].max() < split.holdout_from


def test_labels_that_contradict_a_clear_majority_of_their_text_are_left_out_and_counted():
    frame = rows(100, per_day=4)
    frame["key"] = ["재밌어요"] * 20 + ["보통"] * 4 + ["지루해요"] * 10 + [f"리뷰 {number}" for number in range(66)]
    frame["is_positive"] = [*[True] * 19, False, True, True, True, False, True, *[False] * 9, *[True] * 66]
    kept, noise = without_slips(frame)
    assert frame.index.difference(kept.index).tolist() == [19, 24]
    assert noise == {
        "repeated_reviews": 34, "mixed_texts": 3, "contradicting_reviews": 3, "share": 3 / 34, "left_out": 2,
    }  # fmt: skip
    everything, nothing = without_slips(frame[34:])
    pd.testing.assert_frame_equal(everything, frame[34:])
    assert (nothing["share"], nothing["left_out"]) == (None, 0)


def test_too_few_rows_say_how_many_and_what_to_do():
    with pytest.raises(TooFewRows, match="120 labelled reviews for 2026-03-31; training needs 500.*build_warehouse"):
        split_by_time(rows(120, per_day=4), AS_OF, SMALL)


def test_a_holdout_of_texts_that_were_all_learned_is_refused_before_anything_is_learned():
    frame = rows(1_000, per_day=4)
    frame.loc[frame.index[-112:], "key"] = "리뷰 3"
    with pytest.raises(TooFewRows, match="since 2026-03-04, 0 have a text that no earlier review has; 50 are needed"):
        split_by_time(frame, AS_OF, SMALL)


def test_reviews_that_all_praise_are_not_learned_from():
    frame = rows(1_000, per_day=4)
    frame["is_positive"] = frame.index >= 40
    with pytest.raises(TooFewRows, match="848 are positive and 40 negative; at least 50 of each"):
        split_by_time(frame, AS_OF, SMALL)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"ngram_min": 6}, "raise ngram_max"),
        ({"holdout_max_share": 0.7}, "lower it to at most 0.5"),
        ({"min_rows": 200}, "raise min_rows"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused_with_advice(wrong, advice):
    with pytest.raises(ConfigError, match=advice):
        SentimentConfig(**wrong)


def test_each_row_is_in_one_segment_of_each_kind():
    frame = rows(300, per_day=4)
    frame["source"] = ["a", "b", "b"] * 100
    masks = segments(frame)
    for kind in ("source ", "written "):
        assert sum(mask.sum() for name, mask in masks.items() if name.startswith(kind)) == len(frame)
    assert masks["source b"].sum() == 200
    assert "written 2026-03" in masks
    years = [name for name in segments(rows(1_000, per_day=2)) if name.startswith("written ")]
    assert years == ["written 2024", "written 2025", "written 2026"]


def test_months_begin_in_the_business_zone():
    frame = rows(1, per_day=1)
    frame["written_at"] = pd.to_datetime([datetime(2026, 3, 31, 15, 30, tzinfo=UTC)], utc=True)
    assert "written 2026-04" in segments(frame)
