"""Explanations and picks of scored reviews in a real warehouse; the artifact of a version is stood in for."""

import hashlib
import importlib
import json
from datetime import date

import numpy as np
import pytest

from maeari import postgres
from maeari.text import joined
from maeari.warehouse import run_dbt
from ml.sentiment import explain, score
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.text import NORMALISATION

AS_OF, LATER = date(2026, 5, 20), date(2026, 5, 25)
GOOD = ["커피가 정말 맛있어요", "직원분이 친절해요", "자리가 넓고 편해요", "가격이 착해요", "최고예요 추천해요"]
BAD = [
    "커피가 너무 밍밍해요",
    "직원분이 불친절해요",
    "자리가 좁고 시끄러워요",
    "가격이 비싸요",
    "최악이에요 실망했어요",
]
REVIEW_COLUMNS = (
    "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "author_key", "rating",
    "rating_max", "title", "body", "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
)  # fmt: skip
ANY_TEXT = '역슬래시 \\ 탭\t줄\r\n바꿈 "따옴표" {중괄호},NULL <b>굵게</b> \x1b[31m😀' + "가" * 1_200


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def review(number, written_at, body, stars=None, *, source="demo_cafes", version=1, author=None, title=None, at=None):
    return (
        source, str(number), version, hashlib.sha256(f"{body}|{stars}".encode()).hexdigest(), "s1", "가게",
        author or f"author {number}", stars, stars and 5, title, body, written_at, "second", "http://127.0.0.1/", 1,
        at or written_at,
    )  # fmt: skip


def reviews() -> list[tuple]:
    # Five authors praise and five complain, twice each; two months, the first hour of them in Seoul included.
    rows = [
        review(f"{month}-{kind}-{n}", f"2026-0{month}-1{n}T09:00Z", f"{text} {' '.join(texts)}", author=f"a{n % 5}")
        for month in (4, 5)
        for kind, texts in (("good", GOOD), ("bad", BAD))
        for n, text in enumerate(texts * 2)
        if n < 9
    ]
    praise, blame = ". ".join(GOOD), ". ".join(BAD)
    return [
        *rows,
        review("too-early", "2026-03-31T14:59:59Z", praise),
        review("first-hour", "2026-03-31T15:00Z", praise),
        review("too-late", "2026-05-20T15:00Z", praise),
        review("angry", "2026-05-05T09:00Z", blame, 5, title="제목"),
        review("kind", "2026-05-06T09:00Z", praise, 1),
        review("book", "2026-05-07T09:00Z", praise, source="demo_books"),
        review("any", "2026-05-08T09:00Z", ANY_TEXT),
        review("empty", "2026-05-08T09:00Z", ""),
        review("changed", "2026-05-09T09:00Z", praise, 5),
        review("changed", "2026-05-09T09:00Z", blame, 1, version=2, at="2026-05-22T09:00Z"),
    ]


@pytest.fixture(scope="module")
def classifiers() -> dict[int, ReviewClassifier]:
    texts = [f"{first}. {second}" for part in (GOOD, BAD) for first in part for second in part]
    truth = np.arange(len(texts)) < len(texts) / 2
    return {seed: ReviewClassifier(feature_bits=14, passes=30, seed=seed).fit(texts, truth) for seed in (1, 2)}


@pytest.fixture(scope="module")
def built(new_warehouse, classifiers):
    """A warehouse of the reviews, built by dbt, and two versions of the model."""
    card = {
        "normalisation": NORMALISATION,
        "config": SentimentConfig().model_dump(),
        "data": {"holdout_from": "2026-01-01T00:00:00+00:00"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        for name in ("predict", "explain"):
            patch.setattr(importlib.import_module(f"ml.sentiment.{name}"), "load", classifiers.__getitem__)
        with postgres.connect("owner") as connection, connection.cursor() as cursor:
            cursor.execute("insert into ops.crawls (source, outcome) values ('demo_cafes', 'finished')")
            postgres.copy_rows(connection, "raw.reviews", REVIEW_COLUMNS, reviews())
            cursor.execute("insert into ops.training_sets values ('t', 'sentiment', now(), 1, '', '')")
            for version in classifiers:
                cursor.execute(
                    "insert into ops.model_versions values ('sentiment', %s, now(), 't', '{}', %s, '', '')",
                    (version, json.dumps(card)),
                )
        run_dbt("run", "--select", "+int_reviews__versions")
        yield


@pytest.fixture
def landed(built):
    """The warehouse with nothing released, scored or explained."""
    fetch(
        "truncate ops.deployments, predictions.sentiment, predictions.sentiment_explanations,"
        " predictions.sentiment_picks"
    )


def release(version: int, effective_from: str) -> None:
    fetch("update ops.deployments set live_to = now()")
    fetch(
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence)"
        " values ('sentiment', %s, now(), %s, 'someone', now(), '{}')",
        version,
        effective_from,
    )


def explained(version: int) -> set[str]:
    rows = fetch("select review_id from predictions.sentiment_explanations where model_version = %s", version)
    return {review_id.partition(":")[2] for (review_id,) in rows}


def picked(kind: str) -> list[tuple]:
    return fetch(
        "select month_start_on, source, rank, review_id, model_version from predictions.sentiment_picks"
        " where kind = %s order by 1, 2, 3",
        kind,
    )


def test_reviews_of_two_months_are_explained_once_and_picked(landed, classifiers):
    assert explain.explain_reviews(AS_OF)["explained"] == 0
    release(1, "2026-01-01")
    score(AS_OF)
    done = explain.explain_reviews(AS_OF)
    known = {row[1] for row in reviews()} - {"too-early", "too-late"}
    assert explained(1) == known
    assert done["explained"] == done["by_version"]["1"] == len(known)
    assert done["compared"] == len(fetch("select distinct review_id from predictions.sentiment_picks"))

    # What is stored adds up to the score; terms are told apart; aspects only of the sources that have some.
    for review_id, characters, base, total, terms, values, found, probability in fetch(
        "select review_id, characters, base_score, score, terms, term_contributions, aspects, positive_probability"
        " from predictions.sentiment_explanations"
        " join predictions.sentiment using (review_id, content_hash, model_version)"
    ):
        text = next(joined(row[9], row[10]) for row in reviews() if review_id == f"{row[0]}:{row[1]}")
        assert len(characters) == len(text)
        assert base + sum(characters) == pytest.approx(total, rel=1e-4, abs=1e-4)
        assert classifiers[1].probabilities(np.array([total]))[0] == pytest.approx(probability)
        assert len(set(terms)) == len(terms) == len(values)
        assert bool(found) == (text != "" and "book" not in review_id)
    ((said, of_aspects),) = fetch(
        "select terms, aspects from predictions.sentiment_explanations where review_id = 'demo_cafes:angry'"
    )
    assert {"제목", "커피", "불친절하다", "좁다", "비싸다"} <= set(said)
    assert set(of_aspects) == {"taste", "service", "place", "price"}
    assert all(aspect["score"] < 0 for aspect in of_aspects.values())

    # Picks: typical ones of one author each, and those whose stars say the opposite.
    assert {row[3] for row in picked("disagreeing")} == {"demo_cafes:angry", "demo_cafes:kind"}
    for kind, mark in (("typical_positive", "good"), ("typical_negative", "bad")):
        of_april = [row for row in picked(kind) if row[0] == date(2026, 4, 1)]
        assert [row[2] for row in of_april] == [1, 2, 3]
        assert {row[3] for row in picked(kind)}.isdisjoint({"demo_cafes:angry", "demo_cafes:kind"})
        assert all(f"4-{mark}" in row[3] or "first-hour" in row[3] for row in of_april)
    assert fetch(
        "select count(*) from (select month_start_on, source, subject_id, kind, author_key from"
        " predictions.sentiment_picks join intermediate.int_reviews__versions using (review_id, content_hash, source,"
        " subject_id) group by 1, 2, 3, 4, 5 having count(*) > 1) as twice"
    ) == [(0,)]
    for shap, lime, agreement, body in fetch(
        "select shap, lime, shap_agreement, body from predictions.sentiment_explanations"
        " join intermediate.int_reviews__versions using (review_id, content_hash) where shap is not null"
    ):
        assert len(shap) == len(lime) >= len(body.split())
        assert agreement is None or -1 <= agreement <= 1

    # Again adds nothing, and changes no pick.
    picks = fetch("select * from predictions.sentiment_picks order by review_id, kind")
    again = explain.explain_reviews(AS_OF)
    assert (again["explained"], again["compared"], again["picked"]) == (0, 0, done["picked"])
    assert [row[:-1] for row in picks] == [
        row[:-1] for row in fetch("select * from predictions.sentiment_picks order by review_id, kind")
    ]

    # A version that was seen after the day is explained from then on only.
    ((before,),) = fetch("select count(*) from predictions.sentiment_explanations where review_id like '%%:changed'")
    assert before == 1
    score(LATER)
    assert explain.explain_reviews(LATER)["explained"] == 2
    assert "too-late" in explained(1)


def test_a_broken_off_run_goes_on_and_a_new_version_starts_with_two_months(landed, monkeypatch):
    release(1, "2026-01-01")
    score(AS_OF)
    monkeypatch.setattr(explain, "BATCH_ROWS", 10)
    write, calls = explain._write, []

    def break_off(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(*arguments)

    monkeypatch.setattr(explain, "_write", break_off)
    with pytest.raises(KeyboardInterrupt):
        explain.explain_reviews(AS_OF)
    monkeypatch.setattr(explain, "_write", write)
    assert len(explained(1)) == 20
    monkeypatch.setattr(explain, "COMPARED_REVIEWS", 4)
    first = explain.explain_reviews(AS_OF)
    assert first["explained"] == len(explained(1)) - 20
    assert (first["compared"], first["compared_at_most"]) == (4, 4)
    assert first["left_to_compare"] > 0
    assert fetch(
        "select distinct month_start_on from predictions.sentiment_picks"
        " join predictions.sentiment_explanations using (review_id, content_hash, model_version) where shap is not null"
    ) == [(date(2026, 5, 1),)]

    release(2, "2026-05-12")
    score(AS_OF)
    second = explain.explain_reviews(AS_OF)
    assert second["by_version"] == {"1": 0, "2": len(explained(1))}
    assert fetch("select distinct month_start_on, model_version from predictions.sentiment_picks order by 1") == [
        (date(2026, 4, 1), 2),
        (date(2026, 5, 1), 2),
    ]
    assert second["picked"] == first["picked"]


def test_a_month_is_told_whole_by_the_version_in_charge_at_its_end_though_reviews_land_late(landed):
    release(1, "2026-05-12")
    release(2, "2026-05-16")
    score(AS_OF)
    explain.explain_reviews(AS_OF)
    assert explained(1) == explained(2) - {row[1] for row in reviews() if row[11] >= "2026-05-16"}
    run_dbt("run", "--select", "+subject_reviews")
    assert fetch("select count(*) from marts.subject_reviews") == fetch(
        "select count(*) from predictions.sentiment_picks"
    )


def test_a_text_or_a_review_is_explained_on_the_terminal(landed, monkeypatch, capsys):
    from typer.testing import CliRunner

    from cli.explain import console, explain_sentiment
    from cli.main import app
    from cli.terminal import LONGEST_TEXT
    from maeari.errors import MaeariError

    monkeypatch.setattr(console, "width", 200)
    release(1, "2026-01-01")
    explain_sentiment(text="커피는 맛있는데 직원이 \x1b[31m불친절해요\ud800 [bold]010-1234-5678[/bold]")
    shown = capsys.readouterr().out
    for expected in ("맛있는데", " +++", " ---", "SHAP", "LIME", "Agreement", "맛 (taste)", "서비스 (service)"):
        assert expected in shown
    assert "\x1b" not in shown
    assert "1234" not in shown
    assert "[bold]" in shown
    explain_sentiment(text="맛있어요 " * 700)
    assert "the 60 strongest of 700" in (shown := capsys.readouterr().out)
    assert "SHAP and LIME are left out" in shown
    assert "one word of more than" not in shown
    piped = CliRunner().invoke(
        app, ["explain", "sentiment", "--text", "-"], input="좋아요" * 400, env={"COLUMNS": "200"}
    )
    assert piped.output.startswith("unsure (one word of more than 1,000 characters), reads like")
    assert "nothing to rank" in piped.output
    explain_sentiment(text="")
    shown = capsys.readouterr().out
    assert shown.startswith("unsure (too little Korean to read), reads like")
    assert "adds" not in shown
    explain_sentiment(review="demo_cafes:any")
    assert "\\x1b[31m" in capsys.readouterr().out
    for options, reason in (
        ({"review": "demo_cafes:none"}, "No review “demo_cafes:none” was known"),
        ({"text": "가", "review": "나"}, "not both"),
        ({"text": "가" * (LONGEST_TEXT + 1)}, "no review is that long"),
        ({"version": 1}, "--version goes with"),
    ):
        with pytest.raises(MaeariError, match=reason):
            explain_sentiment(**options)
