"""The pages of models that only monitoring knows: of a class with late labels, of a number, and of a hostile name."""

import re
from html import unescape
from urllib.parse import quote

import pytest

SEEDS = ("warehouse.sql", "churn.sql", "watched.sql", "recommend.sql")


def section(page: str, heading: str) -> str:
    return next(part for part in page.split("<section") if f"<h2>{heading}" in part)


def test_the_overview_has_a_card_of_every_watched_model(pages, filled, planted):
    page = pages.html("/")
    cards = {
        pages.plain(re.search("<h3>(.*?)</h3>", card)[1]).strip(): card
        for card in page.split('<article class="card">')[1:]
    }

    assert cards.keys() >= {"sentiment", "churn", "credit", "rent", planted}
    assert "Watched only: its releases are made elsewhere" in cards["credit"]
    assert "Watched only" not in cards["churn"]
    credit = pages.plain(cards["credit"])
    assert re.search(r"labels pending 2026-05-25 to 2026-05-31 Accuracy 7\d\.\d % \[.*\] estimated", credit)
    assert re.search(
        r"Decided last: ▼ declined 2026-03-30 to 2026-04-05 Accuracy 7\d\.\d % \[.*\] on 1,180 rows with a label",
        credit,
    )
    assert re.search(
        r"declined .* Mean absolute error 6\d,\d{3} \[5\d,\d{3}, 6\d,\d{3}\] on 410", pages.plain(cards["rent"])
    )
    assert 'aria-label="Mean absolute error realized in 9 windows, from 41,' in cards["rent"]
    assert [name for name, card in cards.items() if "rated reviews" in card] == ["sentiment"]


def test_the_trust_line_speaks_of_any_model_and_of_what_was_decided_last(pages, filled):
    overview = pages.read("/")

    assert "rent has declined: its errors are larger than in its reference." in overview
    assert (
        "credit has declined: it is less often right than in its reference, says the newest window with labels, "
        "to 2026-04-05."
    ) in overview


def test_every_link_of_a_hostile_name_opens(pages, filled, planted):
    page = pages.html(f"/models/{quote(planted, safe='')}")
    links = [unescape(link) for link in re.findall('href="(/maeari/models/[^"]*)"', page)]

    assert planted in pages.plain(re.search("<h1>.*?</h1>", page)[0])
    assert "No window with labels has been judged yet" in page
    assert links
    for link in links:
        assert planted in pages.read(link.removeprefix("/maeari"))
    assert f'href="/maeari/models/{quote(planted, safe="")}"' in pages.html("/")


def test_estimates_stand_where_labels_are_pending_and_look_unlike_what_came_true(pages, filled):
    page = pages.html("/models/credit")
    wide = re.search('<svg class="timeline wide".*?</svg>', page, re.DOTALL)[0]
    windows = section(page, "Windows")

    assert wide.count('<g class="point estimate">') == wide.count("<rect") == 26
    assert wide.count('<g class="point') == 26 + 18, "early labels are no fair sample"
    assert '<polyline class="path estimate"' in wide
    assert "realized in 18 windows" in wide
    assert "estimated in 26" in wide
    assert "Hollow squares on a dashed line" in page
    assert windows.count("estimated</span>") == 8
    assert "40.0 %" not in page
    assert "Where: branch=Busan" in windows


def test_columns_that_moved_come_with_their_distance_named_ones_first(pages, filled, planted):
    moved = section(pages.html("/models/credit"), "Columns that moved")
    names = [pages.plain(name).strip() for name in re.findall('<th scope="row">(.*?)</th>', moved, re.DOTALL)]

    assert names[:3] == ["income beyond its limit", "employer beyond its limit", "amount"]
    assert names[-1] == "age", "what no distance was found for comes last"
    assert "title" not in names, "what no row has tells nothing"
    assert planted in names
    assert "by PSI" in moved
    assert "income beyond its limit 0.270 0.4 %" in pages.plain(moved)


def test_segments_are_shown_surely_bad_ones_first_beside_their_reference(pages, filled):
    credit = section(pages.html("/models/credit"), "Segments")
    names = re.findall('<th scope="row">(.*?)</th>', credit)

    assert names[:2] == ["branch=Busan", "branch=Jeju"]
    assert len(names) == 10
    assert "3 more are on the" in pages.plain(credit)
    assert "branch=Busan 61.0 % [55.0 %, 67.0 %] 84.0 % 260" in pages.plain(credit)
    assert "in 2026-03-30 to 2026-04-05 , the newest window with labels" in pages.plain(credit)
    rent = section(pages.html("/models/rent"), "Segments")
    assert re.findall('<th scope="row">(.*?)</th>', rent) == ["district=Mapo", "district=Jung"]
    assert "Reference" not in rent


def test_a_regression_is_told_in_its_own_unit(pages, filled):
    page = pages.read("/models/rent")

    assert "How far off it was" in page
    assert "reference 41,500" in page
    assert "Wasserstein distance in standard deviations" in page
    assert "Accuracy" not in page
    assert "stars" not in page
    assert "reviews" not in page.split("How far off")[1]
    assert "410 rows" in pages.read("/models/rent/windows/2026-04-01/2026-04-30")


def test_recommendations_are_told_as_what_was_liked(pages, filled):
    page = pages.read("/models/recommend")
    said = pages.plain(section(pages.html("/models/recommend"), "Coverage and shares"))

    assert "How often a reader liked what it offered" in page
    assert "Like rate: the share of answers of which a book was liked within 7 days" in page
    assert "Newest" not in page
    for never in ("ccuracy", "right", "estimate", "stars"):
        assert never not in page.split("What was live on")[0], never
    assert (
        "2026-05-18 to 2026-05-24 v1 97.0 % (100 % of the reference's) 20.1 % [18.1 %, 22.1 %] reference 6.0 %" in said
    )
    assert "2026-04-06 to 2026-04-12 v1 3.0 % (3 % of the reference's) 6.1 %" in said
    assert "is_unknown beyond its limit 0.190" in pages.plain(section(pages.html("/models/recommend"), "Columns that"))
    assert "why=words 4.0 % [2.0 %, 6.0 %] 26.0 % 260" in pages.plain(section(pages.html("/models/recommend"), "Segm"))
    window = pages.read("/models/recommend/windows/2026-05-18/2026-05-24")
    assert "version 1, 712 answers" in window
    assert "Unknown share v1 all drift 20.1 % 18.1 % to 22.1 %" in window
    assert "Coverage v1 all drift 97.0 % – 3,560" in window
    assert "Coverage and shares" not in pages.read("/models/credit")


def test_the_overview_says_that_recommendations_are_liked_less(pages, filled):
    page = pages.html("/")
    card = next(card for card in page.split('<article class="card">')[1:] if ">recommend</a>" in card)

    assert "recommend has declined: what it offers is liked less often than in its reference" in pages.plain(page)
    assert re.search(r"declined 2026-05-18 to 2026-05-24 Like rate 17\.\d % \[.*\] on 712 answers", pages.plain(card))
    assert 'aria-label="Like rate realized in 17 windows, from 25.8 %' in card


@pytest.mark.parametrize(
    ("model", "day", "answer"),
    [
        ("credit", "2026-05-27", "no release is on record here; the window "
                                 "2026-05-25 to 2026-05-31 of version 3: … labels pending"),
        ("credit", "2024-01-01", "no window that holds this day was watched"),
        ("credit", "2027-01-01", "2027-01-01 has not come yet"),
        ("sentiment", "2025-11-30", "no version was in charge; no window"),
        ("sentiment", "2026-03-11", "version 1 was in charge, which counts from 2025-12-01 and was approved by "
                                    "demo-approver on"),
        ("sentiment", "2026-03-11", "replay ; the window 2026-03-09 to 2026-03-15 of version 1: ◆ drifted"),
        ("sentiment", "", "What was live on … Day Show Versions"),
    ],
)  # fmt: skip
def test_what_was_live_on_a_day(pages, filled, model, day, answer):
    said = re.sub(" ([,;])", r"\1", pages.read(f"/models/{model}?on={day}"))

    assert re.sub(" ([,;])", r"\1", answer) in said


def test_of_two_releases_the_later_one_counts_from_its_day(pages, filled, plant, planted):
    plant(
        filled,
        "update ops.deployments set live_to = now() where model = 'churn'",
        "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence) "
        "values ('churn', 2, now(), '2026-05-20 00:00+09', %(planted)s, now(), "
        """'{"rollback_of": 1, "reason": "slow"}')""",
    )

    assert "version 2 was in charge" not in pages.read("/models/churn?on=2026-05-19")
    assert f"version 2 was in charge, which counts from 2026-05-20 and was restored by {planted}" in re.sub(
        " ,", ",", pages.read("/models/churn?on=2026-05-20")
    )


@pytest.mark.parametrize("day", ["x", "2026-02-30", "<script>"])
def test_a_day_that_is_none_is_refused_by_its_name(pages, filled, day):
    response = pages.get(f"/maeari/models/credit?on={day}")

    assert response.status_code == 422
    assert "Not understood in the address: on." in pages.plain(response.text)


def test_churn_without_a_window_says_so_below_its_own_figure(pages, filled):
    page = pages.read("/models/churn")

    assert "How well it tells leavers from stayers ROC-AUC 0.781" in page
    assert "How often it was right No window with labels has been judged yet" in page


def test_what_the_version_before_would_have_said_stands_beside_the_live_one(pages, filled, plant):
    assert "Beside the version before" not in pages.read("/models/sentiment")
    plant(
        filled,
        "insert into monitoring.metrics select 'sentiment', 1, '2026-05-25', '2026-05-31', 'all', * from (values"
        " ('shadow_version', 'drift', 7, null, null, 1700),"
        " ('shadow_accuracy', 'realized', 0.751, 0.72, 0.78, 1071)) m",
    )

    shown = pages.plain(section(pages.html("/models/sentiment"), "Beside the version before"))
    for said in (
        "2026-05-25 to 2026-05-31",
        "75.1 % [72.0 %, 78.0 %] v7 1,071",
    ):
        assert said in shown
