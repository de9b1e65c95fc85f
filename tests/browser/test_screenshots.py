"""Pictures of a running stack for the README: `MAEARI_SCREENSHOTS=.maeari` names the home that `make demo` filled."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from maeari.airflow_client import AirflowClient
from maeari.settings import Settings, load_secrets

HOME = os.environ.get("MAEARI_SCREENSHOTS")
PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
MOST_BYTES = 300_000

pytestmark = pytest.mark.skipif(HOME is None, reason="only when MAEARI_SCREENSHOTS names the home of a running stack")


@pytest.fixture
def photograph(browser: Browser, monkeypatch) -> Callable[..., None]:
    """A function that opens an address as the viewer and saves what is seen."""
    monkeypatch.setenv("MAEARI_HOME", str(Path(HOME).absolute()))
    url = f"http://127.0.0.1:{Settings().ports().airflow}"
    password = load_secrets(Path(HOME).absolute()).airflow_users["viewer"].get_secret_value()

    def photograph(name: str, address: str, wait_for: Callable[[Page], None], width: int = 1280) -> None:
        page = browser.new_page(viewport={"width": width, "height": 900}, locale="en-US", color_scheme="light")
        page.goto(f"{url}/auth/login")
        page.locator("input[name=username]").fill("viewer")
        page.locator("input[type=password]").fill(password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(f"{url}/")
        page.goto(url + address)
        wait_for(page)
        page.wait_for_timeout(1_500)
        picture = PICTURES / f"{name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
        page.close()
        assert picture.stat().st_size < MOST_BYTES

    return photograph


def test_the_overview_in_airflow(photograph):
    photograph(
        "index",
        "/plugin/maeari",
        lambda page: page.frame_locator("iframe[title=Maeari]").get_by_role("heading", name="Models").wait_for(),
    )


def test_the_model(photograph):
    photograph("model", "/maeari/models/sentiment", _show("How often it was right"))
    photograph("phone", "/maeari/models/sentiment", _show("How often it was right"), width=375)
    photograph("watched", "/maeari/models/churn", _show("How often it was right"))


def test_the_newest_window_with_its_report(photograph):
    def open_newest(page: Page) -> None:
        page.locator("svg.wide a").last.click()
        _show("Drift report")(page)
        page.frame_locator("iframe.report").get_by_text("Dataset Drift", exact=True).wait_for()

    photograph("drift", "/maeari/models/sentiment", open_newest)


def test_the_reviews(photograph):
    photograph("reviews", "/maeari/reviews", lambda page: page.locator(".review").first.wait_for())


def test_a_review_word_by_word_and_what_is_said_of_a_subject(photograph):
    def open_review(page: Page) -> None:
        # A review that stands for a subject was asked about by SHAP and LIME too.
        open_subject(page)
        page.locator("article").get_by_role("link", name="word by word").first.click()
        page.get_by_role("heading", name="Word by word").wait_for()

    def open_subject(page: Page) -> None:
        page.locator("table a").first.click()
        _show("Words that made the difference")(page)

    photograph("review", "/maeari/subjects", open_review)
    photograph("subject", "/maeari/subjects", open_subject)
    photograph("subject-phone", "/maeari/subjects", open_subject, width=375)


def test_whom_to_contact_and_how_well_that_is_known(photograph):
    photograph("churn", "/maeari/churn", lambda page: page.get_by_role("row").nth(10).wait_for())
    photograph("backtest", "/maeari/churn/backtest", lambda page: page.locator("figure[data-chart=drawn]").wait_for())


def test_what_the_news_is_about_and_which_words_belong_together(photograph):
    def drawn(page: Page) -> None:
        page.locator("figure[data-chart=drawn]").first.wait_for()

    def network(page: Page) -> None:
        drawn(page)
        page.locator("#slider").evaluate("one => one.scrollIntoView()")

    week = "every=week&period=2026-01-12"
    photograph("topics", f"/maeari/topics?{week}", drawn)
    photograph("keywords", f"/maeari/keywords?{week}", network)
    photograph("keywords-phone", f"/maeari/keywords?{week}", network, width=375)


def test_the_question_to_the_approver(photograph):
    # The photographer's fixture has set the home of the stack.
    (question,) = AirflowClient("viewer").waiting_approvals()
    address = "/dags/{dag_id}/runs/{dag_run_id}/tasks/{task_id}/required_actions".format(**question)
    photograph("approval", address, lambda page: page.get_by_text("What your answer does").wait_for())


def _show(heading: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("heading", name=heading).evaluate("one => one.scrollIntoView()")
