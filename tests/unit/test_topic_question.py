"""What the approver reads of topics, and how far a version may fall behind and still be asked for."""

import re
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from ml.judgement import Side, Unseen, judge
from ml.question import approval_body
from ml.topics.compare import TOLD_APART
from ml.topics.identity import identified, renamed

TEXTS = 600
HOSTILE = "x | [y](http://evil.example) <img src=x onerror=alert(1)> `z` **b**\n# heading | $a$ ![i](j) ~~s~~ &lt;"
LIVE = [
    {"topic_id": 1, "label": "커피", "share": 0.6, "is_named": True},
    {"topic_id": 2, "label": "선거", "share": 0.3, "is_named": False},
    {"topic_id": 3, "label": "날씨", "share": 0.1, "is_named": False},
]
FLOWS = np.array([[300, 10, 20], [5, 150, 10], [20, 30, 1]])


def told(mean: float, seed: int = 0, noise: float = 0.1) -> Side:
    """Texts that are told apart in that share of cases, more or less."""
    values = np.random.default_rng(seed).normal(mean, noise, TEXTS)
    return Side(values, values >= 0.5, is_probability=False)


def unseen(challenger: Side, live: Side | None = None, **changes) -> Unseen:
    sides = {"challenger": challenger} | ({} if live is None else {"live": live}) | {"baseline": told(0.6, seed=9)}
    facts = {
        "measure": TOLD_APART, "rows_are": "held-out articles", "since": datetime(2026, 5, 4, tzinfo=UTC),
        "until": datetime(2026, 5, 31, 15, tzinfo=UTC), "truth": np.ones(TEXTS, dtype=bool), "sides": sides,
        "segments": {}, "max_calibration_error": None,
    }  # fmt: skip
    return Unseen(**facts | changes)


def topics(**changes) -> list[dict]:
    """Three topics of a card, the second of which did not come back."""
    return [
        {"topic_no": number, "label": f"말 {number}", "terms": [f"낱말{number}", "a|b", *("나머지",) * 18],
         "texts": [330, 190, 31][number], "share": [0.6, 0.35, 0.05][number], "coherence": 0.2 + number / 10,
         "stability": [0.9, 0.4, 0.8][number], "is_stable": number != 1} | changes
        for number in range(3)
    ]  # fmt: skip


def evidence(live: bool = True, method: str = "NMF.", **changes) -> dict:
    shown = identified(topics(), LIVE if live else [], FLOWS if live else None, 4 if live else 1)
    compared = unseen(told(0.9), told(0.9, seed=0) if live else None, shown={"method": method, **shown})
    return {
        "model": "review_topics", "version": 3, "live_version": 2 if live else None, "as_of": "2026-05-31",
        "is_replay": False, "training_set_id": "topics-2026-05-31-abc", "artifact_sha256": "f" * 64,
        "window_from": "2026-05-03T15:00:00+00:00", "window_until": "2026-05-31T15:00:00+00:00", **judge(compared),
    } | changes  # fmt: skip


def rows_of(body: str) -> list[list[str]]:
    """The cells of the table of topics."""
    table = body.split("### Topics")[1].split("\n\n")[1].splitlines()
    return [[cell.strip() for cell in line.replace("\\|", "\\/").strip("|").split("|")] for line in table[2:]]


def test_both_versions_stand_side_by_side_and_what_is_gone_is_named():
    body = approval_body(evidence(), 7)
    assert "Review topics version 3 tells texts apart as well as version 2" in body
    assert "600 texts, written from 2026-05-04 to 2026-05-31, from which no version ever learns" in body
    kept, second, third, gone = rows_of(body)
    assert kept == ["1", "**커피**", "낱말0, a\\/b, " + ", ".join(["나머지"] * 8), "60.0 %", "60.0 %", ".200", "90.0 %",
                    "as before"]  # fmt: skip
    assert second[0] == "2"
    assert second[3:] == ["35.0 %", "30.0 %", ".300", "40.0 % **unstable**", "merged from 2, 3"]
    assert third[0] == "4"
    assert third[3:] == ["5.0 %", "", ".400", "80.0 %", "new"]
    assert gone == ["3", "날씨", "", "", "10.0 %", "", "", "merged into 2"]
    assert "Found by: NMF." in body
    assert "- **Names**: change a line of the form" in body
    assert "version 3 tells the topics of all texts, old and new" in body


def test_a_topic_that_went_nowhere_is_gone():
    flows = np.array([[300, 0, 0], [0, 150, 0], [0, 0, 0]])
    body = approval_body(evidence(**identified(topics(), LIVE, flows, 4)), 7)
    assert rows_of(body)[-1] == ["3", "날씨", "", "", "10.0 %", "", "", "gone"]


def test_parts_of_a_topic_name_it():
    flows = np.array([[40, 45, 15], [0, 0, 50], [0, 0, 0]])
    fates = [row[-1] for row in rows_of(approval_body(evidence(**identified(topics(), LIVE, flows, 4)), 7))]
    assert fates == ["part of 1", "part of 1", "as before", "gone"]


def test_a_first_version_has_nothing_beside_it():
    body = approval_body(evidence(live=False), 7)
    assert "Review topics version 3 tells texts apart in" in body
    assert "the baseline in" in body
    assert [row[4] for row in rows_of(body)] == [""] * 3
    assert [row[-1] for row in rows_of(body)] == [""] * 3
    assert "nothing goes live" in body


def test_every_line_of_a_table_has_as_many_cells():
    lines = [line.replace("\\|", "") for line in approval_body(evidence(), 7).splitlines() if line[:1] == "|"]
    assert len({line.count("|") for line in lines}) == 3


def bare_marks(body: str) -> Counter:
    """The characters of Markdown and HTML that are not escaped."""
    return Counter(re.findall(r"[`*_{}\[\]()<>#!|~&$]", re.sub(r"\\.", "", body)))


@pytest.mark.parametrize("place", ["label", "name", "terms", "gone", "method"])
def test_what_people_and_texts_say_cannot_become_markup(place):
    def body(said: str) -> str:
        changes = {"label": {"label": said}, "terms": {"terms": [said] * 20}}.get(place, {})
        shown = identified(topics(**changes), LIVE, FLOWS, 4)
        if place == "name":
            shown["topics"], _ = renamed(shown["topics"], f"2: {said}")
        if place == "gone":
            shown["gone"][0]["label"] = said
        return approval_body(evidence(method=said if place == "method" else "NMF.", **shown), 7)

    harmless, hostile = body("말"), body(HOSTILE)
    assert "evil" in hostile
    assert bare_marks(hostile) == bare_marks(harmless)
    assert len(hostile.splitlines()) == len(harmless.splitlines())
    assert {len(row) for row in rows_of(hostile)} == {8}


def test_a_version_may_fall_behind_by_the_loss_that_is_allowed_and_no_more():
    live = told(0.9)
    behind = Side(live.scores - 0.015, live.decisions, is_probability=False)
    strict = judge(unseen(behind, live, max_loss=0.01))
    assert not strict["may_ask"]
    assert any(
        said.startswith("Neither better than the live version nor surely within 1 points") for said in strict["reasons"]
    )
    lax = judge(unseen(behind, live, max_loss=0.02))
    assert lax["may_ask"]
    assert any(said.startswith("Not worse than the live version by more than 2 points") for said in lax["reasons"])
    assert lax["comparisons"]["live"]["difference"]["value"] == pytest.approx(-0.015)


def test_half_a_point_is_the_loss_unless_another_is_given():
    live = told(0.9)
    for loss, may_ask in ((0.004, True), (0.006, False)):
        judged = judge(unseen(Side(live.scores - loss, live.decisions, is_probability=False), live))
        assert judged["may_ask"] == may_ask
        assert any("half a point" in said for said in judged["reasons"])


def test_a_better_version_is_told_by_a_paired_test():
    judged = judge(unseen(told(0.92, seed=1), told(0.88, seed=2)))
    against = judged["comparisons"]["live"]
    assert against["is_better"]
    assert against["difference"]["low"] > 0
    assert "decisions" not in against
    assert judged["figures"]["challenger"]["told_apart"]["rows"] == TEXTS
    assert "Review topics version 3 tells texts apart better than version 2" in approval_body(evidence(**judged), 7)


def test_fewer_texts_than_are_needed_ask_nobody():
    few = [Side(side.scores[:60], side.decisions[:60], is_probability=False) for side in (told(0.9), told(0.6, seed=9))]
    sides = {"challenger": few[0], "baseline": few[1]}
    compared = {"truth": np.ones(60, dtype=bool), "sides": sides}
    refused = judge(unseen(few[0], min_rows=61, **compared))
    assert not refused["may_ask"]
    assert refused["reasons"] == ["Only 60 held-out articles are unseen by both; a comparison needs 61."]
    assert judge(unseen(few[0], min_rows=60, **compared))["may_ask"]
    assert not judge(unseen(few[0], **compared))["may_ask"]


def test_topics_no_better_than_a_coin_are_not_asked_for():
    judged = judge(unseen(told(0.5), sides={"challenger": told(0.5, noise=0.2), "baseline": told(0.3, seed=9)}))
    assert judged["comparisons"]["baseline"]["is_better"]
    assert not judged["may_ask"]
    assert any(said.startswith("No better than a coin") for said in judged["reasons"])


def test_what_is_shown_besides_belongs_to_the_evidence():
    shown = {"topics": [], "gone": [], "method": "NMF."}
    assert judge(unseen(told(0.9), shown=shown)).items() >= shown.items()
    assert judge(unseen(told(0.9), min_rows=1_000, shown=shown)).items() >= shown.items()
