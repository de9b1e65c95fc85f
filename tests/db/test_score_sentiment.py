"""Scoring of reviews on a real warehouse and registry: who is unsure, hostile rows, a kill in the middle, one text."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from maeari import clock, postgres, warehouse
from ml.sentiment.config import SentimentConfig

AS_OF = date(2025, 6, 30)
WRITTEN_SINCE = date(2025, 4, 2)
CONFIG = SentimentConfig(cost_of_unsure=0.2, feature_bits=14, passes=30)
GOOD = ["정말 맛있어요", "친절하고 좋아요", "최고예요 추천해요", "분위기가 편안해요"]
BAD = ["너무 맛없어요", "불친절하고 별로예요", "최악이에요 실망했어요", "시끄럽고 비싸요"]
BOTH = ["그냥 그래요", "무난한 편이에요"]
ODD = ["😀", "Nice place", "ㅋㅋㅋ", "<b>x</b>", "\\N", "\\.", "맛있어요" * 500]
HOSTILE = 'c,"7\n\\.\n\t\\N한글'
REVIEW_COLUMNS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "title", "body", "rating", "rating_max",
    "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip
# Dies without a farewell while the batch before is being written.
KILLED = """
import importlib, os, signal, sys
from datetime import date

scoring = importlib.import_module("ml.sentiment.predict")
scoring.BATCH_ROWS = 40
answer, answered = scoring.answer, []

def die_at_the_fourth(*arguments):
    answered.append(None)
    if len(answered) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(*arguments)

scoring.answer = die_at_the_fourth
scoring.score(date.fromisoformat(sys.argv[1]))
"""


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def predictions() -> list[tuple]:
    return fetch(
        "select review_id, content_hash, model_version, positive_probability, label, event_at, purpose, "
        "estimated_stars, unsure_because, unknown_share from predictions.sentiment order by 1, 2"
    )


def reviews() -> list[tuple]:
    """Reviews of three months: some odd, one changed and changed back, one without a date, one with a hostile id."""
    (crawl_id,) = fetch("insert into ops.crawls (source, outcome) values ('cafe', 'finished') returning crawl_id")[0]
    texts = (GOOD + BAD + BOTH) * 20 + ODD
    rows = []
    for n, body in enumerate(texts):
        written_at = clock.start_of_day(WRITTEN_SINCE + timedelta(days=n * 85 // len(texts)))
        title = None if n % 3 or body in ODD else "카페"
        number = HOSTILE if n == 7 else f"r{n:03}"
        rows.append((number, 1, f"hash {n}", title, body, None if n == 5 else written_at, written_at))
        if n == 9:
            rows.append((number, 2, "another", title, "바뀐 글이에요", written_at, written_at + timedelta(days=1)))
            rows.append((number, 3, f"hash {n}", title, body, written_at, written_at + timedelta(days=2)))
    return [
        ("cafe", number, version, content_hash, "s", title, body, 5, 5, written_at, "day", "x", crawl_id, fetched_at)
        for number, version, content_hash, title, body, written_at, fetched_at in rows
    ]


@pytest.fixture(scope="module")
def landed(new_warehouse, new_registry):
    """The reviews in a warehouse built by dbt, and two versions in its registry; none is released yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        rows = reviews()
        land(rows)
        warehouse.run_dbt("run", "--select", "+int_reviews__versions")
        register(seed=1)
        yield rows


def land(rows: list[tuple]) -> None:
    with postgres.connect("owner") as connection:
        postgres.copy_rows(connection, "raw.reviews", REVIEW_COLUMNS, rows)


def register(seed: int) -> int:
    from ml import registry
    from ml.sentiment.classifier import ReviewClassifier
    from ml.sentiment.text import NORMALISATION

    texts = [f"{first} {second}" for part in (GOOD, BAD) for first in part for second in part] + BOTH * 8
    is_positive = [row < len(GOOD) ** 2 or row >= len(texts) - 8 for row in range(len(texts))]
    config = CONFIG.model_copy(update={"seed": seed})
    parameters = config.model_dump(include=set(ReviewClassifier().get_params()))
    holdout_from = clock.start_of_day(date(2025, 4, 1)).isoformat()
    return registry.register(
        "sentiment",
        ReviewClassifier(**parameters).fit(texts, is_positive),
        card={"normalisation": NORMALISATION, "config": config.model_dump(), "data": {"holdout_from": holdout_from}},
        metrics={},
        config=config.model_dump(),
        training_set=registry.TrainingSet(f"reviews {seed}", clock.end_of_day(AS_OF), len(texts), "x", "select 1"),
    )


def release(version: int, effective_from: datetime) -> None:
    fetch("update ops.deployments set live_to = now() where model = 'sentiment' and live_to is null")
    fetch(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('sentiment', %s, now(), %s, 'approver', now(), '{}')",
        version,
        effective_from,
    )


@pytest.fixture
def released(landed):
    """The first version is live, and nothing is scored yet."""
    fetch("truncate ops.deployments, predictions.sentiment")
    release(1, clock.start_of_day(date(2025, 5, 15)))
    return landed


def score_text(*arguments: str, standard_input: bytes = b""):
    from typer.testing import CliRunner

    from cli.main import app

    return CliRunner().invoke(app, ["score", "sentiment", *arguments], input=standard_input, env={"COLUMNS": "200"})


def test_each_text_of_a_review_is_scored_once_with_label_stars_and_reason(released):
    from ml.sentiment import score

    assert score(AS_OF)["scored"] == len(released) - 1
    scored = predictions()
    assert score(AS_OF)["scored"] == 0
    assert predictions() == scored
    assert {row[0] for row in scored} == {f"cafe:{row[1]}" for row in released}
    texts = {(f"cafe:{row[1]}", row[3]): row[6] for row in released}
    for review_id, content_hash, _, probability, label, event_at, purpose, stars, because, unknown in scored:
        text = texts[review_id, content_hash]
        if text in ODD:
            assert (label, because) == ("unsure", "endless" if len(text) > 1_000 else "unreadable")
        elif min(probability, 1 - probability) > CONFIG.cost_of_unsure:
            assert (label, because) == ("unsure", "close")
        else:
            assert (label, because) == ("positive" if probability >= 0.5 else "negative", None)
        assert 1 <= stars <= 5
        assert 0 <= unknown <= 1
        assert purpose == ("live" if event_at >= datetime(2025, 5, 14, 15, tzinfo=UTC) else "backfill")
    assert {"positive", "negative", "unsure"} == {row[4] for row in scored}
    assert {None, "close", "unreadable", "endless"} == {row[8] for row in scored}
    assert len({row[9] for row in scored}) > 1


def test_a_killed_scoring_loses_nothing_and_repeats_nothing(released, monkeypatch):
    from ml.sentiment import score

    score(AS_OF)
    undisturbed = predictions()
    fetch("truncate predictions.sentiment")
    killed = subprocess.run([sys.executable, "-c", KILLED, AS_OF.isoformat()], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    left = score(AS_OF)["scored"]
    assert 0 < left <= len(undisturbed) - 80
    assert predictions() == undisturbed


def test_two_scorings_at_once_write_each_review_once(released):
    from concurrent.futures import ThreadPoolExecutor

    from ml.sentiment import score

    with ThreadPoolExecutor(2) as pool:
        scored = [one["scored"] for one in pool.map(score, [AS_OF, AS_OF])]
    assert sorted(scored) == [0, len(released) - 1]


def test_the_version_before_scores_along_for_four_weeks_and_after_a_rollback_it_is_in_charge_again(released):
    from ml.sentiment import score

    score(AS_OF)
    second = register(seed=2)
    release(second, clock.start_of_day(date(2025, 5, 20)))
    fetch("delete from predictions.sentiment where event_at >= %s", clock.start_of_day(date(2025, 5, 20)))
    spans = (
        "select model_version, purpose, count(*), min(event_at)::date, max(event_at)::date from predictions.sentiment"
        " where event_at >= '2025-05-20 00:00+09' group by 1, 2 order by 1, 2"
    )
    told = score(AS_OF)
    ((one, shadow, along, first, last), (two, live, scored, *_)) = fetch(spans)
    assert (one, shadow, two, live) == (1, "shadow", second, "live")
    assert first >= date(2025, 5, 19)
    assert last < date(2025, 6, 17)
    assert 0 < along == told["shadow"] < scored
    assert score(AS_OF) == told | {"scored": 0, "by_version": {"1": 0, str(second): 0}, "shadow": 0}

    fetch("delete from predictions.sentiment where model_version = %s and event_at >= '2025-06-01 00:00+09'", second)
    release(1, clock.start_of_day(date(2025, 6, 1)))
    score(AS_OF)
    found = {(version, purpose): (first, last) for version, purpose, _, first, last in fetch(spans)}
    assert found[1, "shadow"][1] < date(2025, 6, 1) <= found[1, "live"][0] + timedelta(days=1)
    assert found[second, "live"][1] < date(2025, 6, 1) <= found[second, "shadow"][0] + timedelta(days=1)


def test_after_an_upgrade_the_version_in_charge_is_named_and_a_replaced_one_stands_in_nobodys_way(released):
    from ml.errors import UnknownVersion
    from ml.sentiment import score

    fetch("update ops.model_versions set card = jsonb_set(card, '{normalisation}', '1')")
    try:
        with pytest.raises(UnknownVersion, match="Train and release a new version"):
            score(AS_OF)
        newer = register(seed=2)
        release(newer, clock.end_of_day(AS_OF))
        assert score(AS_OF)["by_version"] == {str(newer): len(released) - 1}
    finally:
        fetch("update ops.model_versions set card = jsonb_set(card, '{normalisation}', '2') where version = 1")


def test_single_texts_are_scored_by_the_live_version_and_nothing_is_written(released):
    hostile = "\x1b[2J[red]좋아요[/] \u202e정말 맛있어요"
    printed = score_text("--text", GOOD[0], "--text", " ".join(BAD), "--text", hostile, "--text", "", "--text", "😀")
    assert printed.exit_code == 0, printed.exception
    assert "sentiment version 1" in printed.output
    for word in (
        "positive",
        "negative",
        "unsure",
        "too little Korean to read",
        "[red]좋아요[/]",
        "\\x1b[2J",
        "\\u202e",
    ):
        assert word in printed.output
    assert not {"\x1b", "\u202e"} & set(printed.output)
    piped = score_text("--text", "-", "--json", "--version", "1", standard_input=("맛있어요" * 25_000).encode())
    told = json.loads(piped.output)
    assert (told["model_version"], told["label"], told["unsure_because"]) == (1, "unsure", "endless")
    assert predictions() == []


@pytest.mark.parametrize(
    ("arguments", "standard_input", "reason"),
    [
        (["--text", "-"], "맛있어요".encode("cp949"), "not UTF-8"),
        (["--text", "-"], b"a" * 200_001, "more than 200,000 characters"),
        (["--text", "좋아요", "--version", "99"], b"", "no version 99"),
        (["--text", "좋아요", "--as-of", "2025-06-30"], b"", "leave it out with --text"),
        (["--version", "1"], b"", "go with --text"),
    ],
)
def test_a_text_that_cannot_be_scored_is_refused_with_the_reason(released, arguments, standard_input, reason):
    refused = score_text(*arguments, standard_input=standard_input)
    assert refused.exit_code == 1
    assert reason in str(refused.exception)


def test_while_nothing_is_live_a_text_is_refused_with_the_next_step(landed):
    fetch("truncate ops.deployments")
    refused = score_text("--text", "좋아요")
    assert refused.exit_code == 1
    assert "maeari train sentiment" in str(refused.exception)
