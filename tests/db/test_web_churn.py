"""The pages of the churn model over a real warehouse: step by step from empty to full, with hostile customers."""

import re
from html import unescape

SEEDS = ("warehouse.sql", "churn.sql")


def test_each_missing_step_is_named_with_its_command(pages, warehouse, plant):
    steps = [
        ("insert into ops.loads (source, kind, outcome) values ('shop', 'events', 'finished')", "maeari import events"),
        (
            "create table features.churn (); grant select on features.churn to maeari_web",
            "maeari build",
        ),
        (
            "insert into ops.training_sets (training_set_id, model, known_until, rows, row_keys_sha256, query) values "
            "('c', 'churn', now(), 1, repeat('a', 64), ''); "
            "insert into ops.model_versions select 'churn', 1, now(), 'c', '{}', '{}', repeat('a', 64), 'run'",
            "maeari train churn",
        ),
        (
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, "
            "evidence) values ('churn', 1, now(), now(), 'approver', now(), '{}')",
            "maeari approve --model churn",
        ),
        (
            "insert into predictions.churn (customer_id, as_of_on, model_version, churn_probability, purpose, "
            "scored_at) values ('a', '2026-05-31', 1, 0.5, 'live', now())",
            "maeari score churn",
        ),
    ]
    for statement, command in steps:
        assert f"Next: {command}" in pages.read("/churn")
        plant(warehouse, statement)
    assert "Next: maeari publish" in pages.read("/churn")
    assert "No scored day is 60 days old yet" in pages.read("/churn/outcomes")
    for page in ("backtest", "calibration", "reasons"):
        assert "The card of this version holds no" in pages.read(f"/churn/{page}")


def test_the_list_says_who_why_and_by_which_budget(pages, filled):
    first, second = pages.read("/churn"), pages.read("/churn?page=2")

    assert "of 120 customers who bought in the last 180 days are expected" in first
    assert "the 20 % who are likeliest to leave can be contacted" in first
    assert "no purchase for 47 days; usually every 12" in first
    assert "51. C00051" in second


def test_every_customer_has_a_page_whatever_the_id(pages, filled):
    html = pages.get("/maeari/churn").text
    links = [unescape(link) for link in re.findall(r'href="(/maeari/churn/customers/[^"]*)"', html)]

    shown = [pages.read(link.removeprefix("/maeari")) for link in links]

    assert len(shown) == 50
    for link, text in zip(links[:6], shown, strict=False):
        assert "/.." not in link
        assert "Both name 4 of 5 reasons" in text
        assert "Leaves with a probability of" in text
    assert "LIME explains only the first few" in shown[20]
    assert "Reasons are stored for the first on the list" in shown[40]
    assert pages.get("/maeari/churn/customers/nobody").status_code == 404
    assert pages.get("/maeari/churn/customers/").status_code == 404


def test_the_proof_is_read_from_the_card_of_the_chosen_version(pages, filled):
    backtest = pages.read("/churn/backtest")
    calibration = pages.read("/churn/calibration?version=2")
    reasons = pages.read("/churn/reasons")

    assert "0.778 [0.771, 0.786]" in backtest
    assert "clearly better" in backtest
    assert "2025-11-30" in backtest
    assert "card of version 1" in backtest
    assert "card of version 2" in calibration
    assert "2.1 % after the correction and 9.1 % before it" in calibration
    assert "1,630 left (87.3 %)" in calibration
    assert "a high value" in reasons
    assert "Days since the newest purchase" in reasons
    assert pages.get("/maeari/churn/backtest?version=9").status_code == 404
    assert pages.get("/maeari/churn/backtest?version=x").status_code == 422


def test_what_was_promised_is_held_against_what_happened(pages, filled):
    newest, older = pages.read("/churn/outcomes"), pages.read("/churn/outcomes?day=2026-01-31")

    assert "57 were expected to leave, 58 did , of 120 customers scored as of 2026-02-28" in newest
    assert "In 1 of 10 tenths" in newest
    assert "That day was scored afterwards" in older
    assert pages.get("/maeari/churn/outcomes?day=2020-01-31").status_code == 404


def test_the_overview_speaks_of_churn_in_its_own_words(pages, filled):
    overview, model, version = (pages.read(page) for page in ("/", "/models/churn", "/models/churn/versions/1"))

    assert "ROC-AUC" in overview
    assert "Events are complete until 2026-06-01" in overview
    assert "stars" not in model
    assert "ROC-AUC 0.781 [0.761, 0.800]" in model
    assert "The backtest, cut-off by cut-off" in version
    assert "0.761" in version


def test_only_pages_with_charts_may_run_our_scripts(pages, filled):
    for address in (
        "/churn/backtest",
        "/churn/calibration",
        "/churn/reasons",
        "/churn/outcomes",
        "/churn/customers/C00011",
    ):
        policy = pages.get(f"/maeari{address}").headers["Content-Security-Policy"]
        assert "script-src 'self'; style-src 'self' 'unsafe-inline'" in policy, address
    for address in ("/churn", "/", "/models/churn"):
        assert "script-src 'none'" in pages.get(f"/maeari{address}").headers["Content-Security-Policy"]
    library = pages.get("/maeari/static/plotly.min.js")
    assert library.headers["Cache-Control"].startswith("private, max-age=31536000")
    assert "plotly.js" in library.text[:100]


def test_what_a_later_version_says_of_a_day_is_not_shown_above_the_list_of_the_one_in_charge(pages, filled, plant):
    before = pages.read("/churn"), pages.read("/churn/customers/C00011")
    plant(
        filled,
        "update ops.deployments set live_to = now() where model = 'churn'",
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence) "
        "values ('churn', 2, now(), '2026-06-10 00:00+09', 'approver', now(), '{}')",
    )
    assert pages.read("/churn") == before[0], "the list stays while the new version has not scored"

    plant(
        filled,
        "insert into predictions.churn select customer_id, as_of_on + later, 2, 0.999, said.purpose, now() "
        "from predictions.churn, (values (0, 'backfill'), (1, 'shadow')) as said (later, purpose) "
        "where as_of_on = '2026-05-31'",
        "insert into predictions.churn_reasons select customer_id, as_of_on, 2, method, rank, feature, value, "
        "contribution, 'said by version 2' from predictions.churn_reasons",
    )

    assert (pages.read("/churn"), pages.read("/churn/customers/C00011")) == before
    assert "says version 1" in before[0]
