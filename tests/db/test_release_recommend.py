"""The release of recommenders against a real warehouse and registry; small models stand in for trained ones."""

from datetime import date, timedelta

import numpy as np
import pytest

from maeari import clock, postgres

AS_OF = date(2026, 1, 31)
SOURCE = "my_books"
BOOKS = [f"book-{number:02d}" for number in range(60)]
READERS = 1_800
SMALL = {"item_vector_size": 8, "text_vector_size": 8, "item_epochs": 2, "text_epochs": 2}
START = clock.start_of_day(date(2025, 6, 1))


def change(statement: str, *parameters) -> None:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def copy(table: str, columns: tuple[str, ...], rows: list[tuple]) -> None:
    with postgres.connect("owner") as connection:
        postgres.copy_rows(connection, table, columns, rows)


@pytest.fixture(scope="module")
def shop(new_warehouse, new_registry):
    """Readers who keep to one of three kinds of books, in marts of their own, and a registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        patch.setenv("MAEARI_MLFLOW_DATABASE_URL", new_registry())
        patch.setenv("MAEARI_AS_OF", AS_OF.isoformat())
        change(
            "create table marts.dim_subjects"
            " (source text, subject_id text, subject_name text, first_written_at timestamptz)"
        )
        change(
            "create table marts.fct_events (event_key text, customer_id text, event_type text, occurred_at timestamptz,"
            " item_id text, quantity integer)"
        )
        change("grant select on marts.dim_subjects, marts.fct_events to maeari_ml")
        copy(
            "marts.dim_subjects",
            ("source", "subject_id", "subject_name", "first_written_at"),
            [(SOURCE, book, f"책 {book}", START) for book in BOOKS],
        )
        draws = np.random.default_rng(0)
        lines = []
        for reader in range(READERS):
            own = BOOKS[reader % 3 :: 3]
            for turn, book in enumerate(draws.permutation(own)[: 2 + reader % 5].tolist()):
                key = f"{reader}-{turn}"
                lines.append((key, f"reader-{reader:04d}", "purchase", START + timedelta(days=turn), book, 1))
        copy(
            "marts.fct_events", ("event_key", "customer_id", "event_type", "occurred_at", "item_id", "quantity"), lines
        )
        yield


def register(kept: slice = slice(None), books: list[str] = BOOKS, is_noise: bool = False, **config) -> int:
    """Register a version that has learned some of the readers, as they are or with their books drawn anew."""
    from ml import registry
    from ml.recommend.config import RecommendConfig
    from ml.recommend.model import BookRecommender
    from ml.recommend.sequences import read_readings

    learned, _ = read_readings(books, AS_OF).split()
    sequences = learned.sequences[kept]
    if is_noise:
        draws = np.random.default_rng(1)
        sequences = [draws.choice(len(books), len(one), replace=False) for one in sequences]
    config = RecommendConfig(**{**SMALL, **config}).model_dump()
    model = BookRecommender(config).fit(books, [[]] * len(books), sequences)
    return registry.register(
        "recommend",
        model,
        card={"data": {"as_of": AS_OF.isoformat(), "source": SOURCE}, "config": config},
        metrics={"training_rows": len(sequences), "recall_at_10": 0.5, "recall_at_10_low": 0.4,
                 "recall_at_10_high": 0.6},
        config=config,
        training_set=registry.TrainingSet("recommend", clock.end_of_day(AS_OF), len(sequences), "0" * 64, "select 1"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def good(shop):
    """A version that has learned who reads what."""
    return register()


@pytest.fixture
def no_release(good):
    """Nothing was ever released."""
    change("truncate ops.release_requests, ops.deployments")


def ask(version: int, run_id: str = "run-1") -> dict:
    from ml import release

    return release.compare("recommend", version, AS_OF, dag_run_id=run_id)


def test_an_approved_version_found_more_last_books_than_the_ten_most_read(good, no_release, airflow):
    from ml import registry, release
    from ml.recommend.sequences import read_readings

    _, held_out = read_readings(BOOKS, AS_OF).split()
    evidence = ask(good)
    assert evidence["may_ask"], evidence["reasons"]
    assert evidence["measure"] == "recall_at_10"
    assert evidence["rows"] == len(held_out.readers) > 100
    assert evidence["window_from"] == min(held_out.newest_at).isoformat()
    assert evidence["window_until"] == clock.end_of_day(AS_OF).isoformat()
    figures = evidence["figures"]
    # Ten of the 15 or more books of a reader's own kind, beside ten of all.
    assert figures["challenger"]["recall_at_10"]["value"] > 0.45
    assert figures["baseline"]["recall_at_10"]["value"] < 0.3
    assert 0 < figures["challenger"]["ndcg_at_10"]["value"] < figures["challenger"]["recall_at_10"]["value"]
    assert [segment["segment"] for segment in evidence["segments"]] == [
        "1 book before", "2 to 4 books before", "5 books or more before",
    ]  # fmt: skip
    assert sum(segment["rows"] for segment in evidence["segments"]) == evidence["rows"]
    assert f"Recommend version {good} finds the last book of" in evidence["question"]
    assert "the book bot and `maeari recommend` offer books by version" in evidence["question"]
    assert "baseline (the ten most read)" in evidence["question"]
    airflow.answer("Approve")
    assert release.promote(evidence["request_id"])["outcome"] == "approved"
    assert registry.live_version("recommend") == good
    assert registry.differences("recommend") == []


def test_a_reader_of_one_book_and_a_purchase_of_a_later_day_change_nothing(good, no_release):
    from ml import release

    before = release.compare_only("recommend", good, AS_OF)
    later = [("x", "held-1", "purchase", START, BOOKS[0], 1)] + [
        (f"later-{number}", f"reader-{number:04d}", "purchase", clock.end_of_day(AS_OF), BOOKS[-1 - number % 3], 1)
        for number in range(READERS)
    ]
    copy("marts.fct_events", ("event_key", "customer_id", "event_type", "occurred_at", "item_id", "quantity"), later)
    try:
        assert release.compare_only("recommend", good, AS_OF) == before
        assert release.compare_only("recommend", good, AS_OF + timedelta(days=1)) != before
    finally:
        change("delete from marts.fct_events where event_key = 'x' or starts_with(event_key, 'later-')")


def test_a_version_of_drawn_books_is_no_better_than_the_baseline_and_cannot_be_promoted(good, no_release, airflow):
    from ml import registry, release

    evidence = ask(register(is_noise=True))
    assert not evidence["may_ask"]
    assert any(reason.startswith("No better than the baseline") for reason in evidence["reasons"])
    airflow.answer("Approve")
    assert release.promote(evidence["request_id"])["outcome"] == "not_better"
    assert registry.live_version("recommend") is None


def test_a_version_as_good_as_the_live_one_is_asked_for_and_a_duller_one_is_not(good, no_release, airflow):
    from ml import release

    airflow.answer("Approve")
    release.promote(ask(good)["request_id"])
    twin = ask(register(), run_id="run-2")
    assert twin["may_ask"], twin["reasons"]
    assert twin["comparisons"]["live"]["difference"]["value"] == 0
    assert f"finds as many last books as version {good}" in twin["question"]
    dull = ask(register(kept=slice(60)), run_id="run-3")
    assert not dull["may_ask"]
    assert any(reason.startswith("Neither better than the live version") for reason in dull["reasons"])


def test_a_book_that_a_version_does_not_know_counts_as_not_found(good, no_release, airflow):
    from ml import release
    from ml.recommend.evaluate import by_model, last_book_ranks
    from ml.recommend.predict import load
    from ml.recommend.sequences import read_readings

    airflow.answer("Approve")
    half = register(books=BOOKS[:30])
    release.promote(ask(half)["request_id"])
    _, held_out = read_readings(BOOKS, AS_OF).split()
    ranks = last_book_ranks(by_model(load(half)), BOOKS, held_out.sequences)
    assert not ranks[[one[-1] >= 30 for one in held_out.sequences]].any()
    evidence = ask(good, run_id="run-2")
    assert evidence["figures"]["live"]["recall_at_10"]["value"] == pytest.approx((ranks > 0).mean())
    assert evidence["rows"] == len(held_out.readers)


def test_too_few_readers_are_said_so(good, no_release):
    from ml import release

    early = release.compare_only("recommend", good, START.date() - timedelta(days=1))
    assert not early["may_ask"]
    assert early["reasons"] == [
        "Only 0 held-out readers of two books or more are unseen by both; a comparison needs 50."
    ]


def test_only_a_recommender_is_loaded(good):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    from ml import registry
    from ml.errors import ArtifactChanged
    from ml.recommend.predict import load

    other = registry.register(
        "recommend",
        Pipeline([("classifier", LogisticRegression())]).fit([[0.0], [1.0]], [0, 1]),
        card={"data": {"as_of": AS_OF.isoformat()}},
        metrics={"training_rows": 2, "recall_at_10": 0.0, "recall_at_10_low": 0.0, "recall_at_10_high": 0.0},
        config={},
        training_set=registry.TrainingSet("other", clock.end_of_day(AS_OF), 2, "0" * 64, "select 1"),
    )
    try:
        with pytest.raises(ArtifactChanged, match="no recommender of books"):
            load(other)
    finally:
        change("delete from ops.model_versions where model = 'recommend' and version = %s", other)


def test_the_commands_name_the_model(good, no_release):
    from typer.testing import CliRunner

    from cli.main import app

    printed = CliRunner().invoke(app, ["release", "recommend", "--version", str(good)])
    assert printed.exit_code == 0, printed.exception
    assert "To ask for it" in printed.output
    listed = CliRunner().invoke(app, ["models", "--model", "recommend"])
    assert listed.exit_code == 0, listed.exception
    assert "last books found" in listed.output
    assert "0.500" in listed.output
