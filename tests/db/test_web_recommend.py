"""The pages of the recommender: its figure beside the models that are watched, and its card."""

import json

import pytest

SEEDS = ("warehouse.sql",)
INTERVAL = {"value": 0.412, "low": 0.38, "high": 0.445, "rows": 474}
CARD = {
    "model": "recommend",
    "data": {"as_of": "2026-03-31", "source": "demo_books"},
    "figures": {
        "rows": 474,
        "recall_at_10": INTERVAL,
        "ndcg_at_10": {"value": 0.214, "low": 0.2, "high": 0.23},
        "baseline_recall_at_10": INTERVAL,
    },
}


@pytest.fixture
def registered(filled, plant):
    card = json.dumps(CARD).replace("'", "''")
    plant(
        filled,
        "insert into ops.training_sets values ('recommend-1', 'recommend', now(), 900, repeat('0', 64), %(planted)s)"
        " on conflict do nothing",
        "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card, artifact_sha256,"
        f" mlflow_run_id) values ('recommend', 1, now(), 'recommend-1', '{{}}', '{card}', repeat('0', 64), 'run')"
        " on conflict do nothing",
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence,"
        " is_replay) select 'recommend', 1, now(), now(), 'approver', now(), '{}', false"
        " where not exists (select from ops.deployments where model = 'recommend')",
    )


def test_the_recommender_stands_beside_the_other_models(pages, registered):
    assert "Last books found 41.2 % [38.0 %, 44.5 %] of 474 readers" in pages.read("/")


def test_its_page_and_its_card_say_how_well_it_does(pages, registered):
    page = pages.read("/models/recommend")
    assert "How well it knows what readers read next Last books found 41.2 %" in page
    card = pages.read("/models/recommend/versions/1")
    assert "NDCG at 10" in card
    assert "0.214" in card
    assert "41.2 %" in card
