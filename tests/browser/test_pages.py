"""The pages as people with different log-ins see them in a real Airflow."""

import re

import httpx
import pytest

from maeari.airflow_client import AirflowClient
from maeari.errors import AirflowRefused
from web.app import create_app

PAGES = [
    "/",
    "/models/sentiment",
    "/models/sentiment/versions/2",
    "/models/sentiment/windows/2026-05-25/2026-05-31",
    "/models/credit?on=2026-03-31",
    "/models/rent",
    "/models/rent/windows/2026-04-01/2026-04-30",
    "/reviews",
    "/reviews?label=negative&page=2",
    "/reviews/demo_cafe%3A1",
    "/subjects",
    "/subjects/demo_cafe/store-1",
    "/subjects/demo_cafe/?id=..",
    "/news",
    "/warehouse",
    "/churn",
    "/churn/backtest",
    "/churn/calibration?version=2",
    "/churn/reasons",
    "/churn/outcomes",
    "/churn/customers/C00008",
    "/models/churn/versions/1",
    "/topics",
    "/topics?period=2026-04-20",
    "/topics/3",
    "/keywords",
    "/keywords?words=20&colour=group",
    "/keywords?period=2026-05-11",
    "/news/demo_news%3A3",
    "/news?term=카페&every=week&period=2026-05-25",
    "/models/topics/versions/1",
    "/nowhere",
]
ALL_DRAWN = "[...document.querySelectorAll('figure[data-chart]')].every(one => one.dataset.chart === 'drawn')"
LOOK = """word => {
  const look = getComputedStyle(word);
  return {
    background: look.backgroundColor, thickness: look.textDecorationThickness,
    line: look.textDecorationLine === "none" ? "none" : look.textDecorationStyle,
  };
}"""
PLACE_OF_WORD = """(plot, word) => {
  const trace = plot.data.find(one => one.hovertext && one.hovertext.includes(word));
  const place = trace.hovertext.indexOf(word);
  const { xaxis, yaxis, _size } = plot._fullLayout;
  return [_size.l + xaxis.l2p(trace.x[place]), _size.t + yaxis.l2p(trace.y[place])];
}"""
# Pages made by other tools, which ask for more than they are given.
MADE_ELSEWHERE = ("/maeari/reports/", "/maeari/warehouse-docs")


def own_errors(errors: list[str]) -> list[str]:
    return [error for error in errors if not any(address in error for address in MADE_ELSEWHERE)]


def test_the_menu_entry_shows_the_overview_and_its_links_stay_in_the_frame(airflow, log_in):
    viewer = log_in("viewer")

    viewer.page.get_by_role("link", name="Maeari").click()
    frame = viewer.page.frame_locator("iframe[title=Maeari]")
    frame.get_by_role("heading", name="Newest crawls").wait_for()
    frame.get_by_text("Browse → Required Actions").wait_for()
    frame.get_by_role("link", name="sentiment", exact=True).click()
    frame.get_by_role("heading", name="How often it was right").wait_for()
    frame.locator("svg.wide a").last.click()
    frame.get_by_role("heading", name="Drift report").wait_for()

    viewer.page.wait_for_url(f"{airflow.url}/plugin/maeari/maeari/models/sentiment/windows/2026-05-25/2026-05-31")
    assert viewer.outside == []
    assert own_errors(viewer.errors) == []


def test_charts_are_drawn_in_the_frame_on_a_phone_and_follow_the_colours(airflow, log_in):
    viewer = log_in("viewer", 390)
    viewer.page.goto(f"{airflow.url}/plugin/maeari")
    frame = viewer.page.frame_locator("iframe[title=Maeari]")

    frame.get_by_role("link", name="Customers", exact=True).click()
    # On the overview a model has a hostile name too.
    frame.get_by_role("heading", name="Who is likely to leave").wait_for()
    frame.get_by_role("link", name="<script>").click()
    frame.get_by_role("heading", name="<script>").wait_for()
    drawn = frame.locator("figure[data-chart=drawn]")
    drawn.nth(1).wait_for()
    frame.get_by_role("link", name="Backtest").click()
    frame.get_by_role("heading", name="How well it would have done").wait_for()
    line = drawn.first.locator(".scatterlayer path.js-line").first
    light = line.get_attribute("style")
    viewer.page.emulate_media(color_scheme="dark")
    frame.locator(f".scatterlayer path.js-line:not([style='{light}'])").first.wait_for()
    frame.get_by_text("The figures as a table").click()
    frame.get_by_role("row", name=re.compile("2025-11-30.*0.788")).first.wait_for()

    assert frame.locator("body").evaluate("body => body.ownerDocument.defaultView.__planted") is None
    assert viewer.outside == []
    assert own_errors(viewer.errors) == []


def test_words_that_speak_for_either_side_differ_in_colour_and_in_line(airflow, log_in):
    viewer = log_in("viewer", 375)
    viewer.page.goto(f"{airflow.url}/maeari/reviews/demo_cafe%3A1")
    text = viewer.page.locator(".text")
    backgrounds = set()
    for colours in ("light", "dark"):
        viewer.page.emulate_media(color_scheme=colours)
        waited = text.get_by_text("기다렸는데").evaluate(LOOK)
        planted = text.get_by_text('onerror="window.__planted').first.evaluate(LOOK)
        plain = text.get_by_text("하시더라고요").evaluate(LOOK)
        backgrounds |= {waited["background"], planted["background"]} - {plain["background"]}
        assert (waited["line"], planted["line"], plain["line"]) == ("dotted", "solid", "none")
        assert waited["thickness"] != planted["thickness"]
    assert len(backgrounds) == 4
    assert viewer.page.get_by_role("row", name=re.compile("기다렸는데 −1.3")).is_visible()
    assert viewer.page.evaluate("window.__planted") is None

    viewer.page.goto(f"{airflow.url}/maeari/subjects/demo_cafe/store-3")
    viewer.page.get_by_label("Month").select_option("2026-04-01")
    viewer.page.get_by_role("button", name="Show").click()
    viewer.page.get_by_role("heading", name="April 2026 against March 2026").wait_for()


def test_what_was_live_is_asked_with_a_date_picker_and_estimates_are_told_apart_by_their_shape(airflow, log_in):
    viewer = log_in("viewer", 375)
    viewer.page.goto(f"{airflow.url}/maeari/")
    viewer.page.get_by_role("link", name="credit", exact=True).click()
    chart = viewer.page.locator("svg.narrow")
    estimate = "one => { const look = getComputedStyle(one); return [look.fill, look.strokeDasharray]; }"
    page_colour = viewer.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert chart.is_visible()
    assert chart.locator(".estimate rect").first.evaluate(estimate)[0] == page_colour
    assert chart.locator("polyline.estimate").evaluate(estimate)[1] != "none"
    assert chart.locator(".point.stable line").first.evaluate(estimate)[1] == "none"
    viewer.page.get_by_label("Day").fill("2026-03-31")
    viewer.page.get_by_role("button", name="Show").click()
    viewer.page.get_by_text("On 2026-03-31 no release is on record here").wait_for()
    assert viewer.page.url.endswith("?on=2026-03-31#on")
    assert own_errors(viewer.errors) == []


def test_the_slider_moves_the_period_and_the_graph_opens_an_article(airflow, log_in):
    viewer = log_in("viewer")
    viewer.page.goto(f"{airflow.url}/plugin/maeari")
    frame = viewer.page.frame_locator("iframe[title=Maeari]")
    frame.get_by_role("link", name="Keywords", exact=True).click()
    drawn = frame.locator("#network[data-chart=drawn]")
    drawn.wait_for()
    frame.get_by_role("heading", name="2026-05-25 to 2026-05-31").wait_for()

    frame.get_by_role("slider").press("ArrowLeft")
    frame.get_by_role("heading", name="2026-05-18 to 2026-05-24").wait_for()
    frame.get_by_role("button", name="the period before").click()
    frame.get_by_role("heading", name="2026-05-11 to 2026-05-17").wait_for()
    frame.get_by_text("too few texts (3 of 50 needed)").wait_for()
    assert drawn.count() == 0
    frame.get_by_role("button", name="the period after").click()
    frame.get_by_role("button", name="the period after").click()
    frame.get_by_role("heading", name="2026-05-25 to 2026-05-31").wait_for()
    drawn.wait_for()

    with viewer.page.expect_download() as picture:
        frame.get_by_role("button", name="Save as PNG").click()
    assert picture.value.suggested_filename == "keywords-articles-week-2026-05-25.png"
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")

    plot = drawn.locator(".plot")
    across, down = plot.evaluate(PLACE_OF_WORD, "카페")
    plot.click(position={"x": across, "y": down})
    frame.get_by_text("Articles that hold this word as keyword").wait_for()
    assert frame.get_by_label("Word").input_value() == "카페"
    frame.get_by_role("article").get_by_role("link", name=re.compile("성수동 카페 거리")).first.click()
    frame.get_by_role("heading", name=re.compile("성수동 카페 거리")).wait_for()
    assert viewer.outside == []
    assert own_errors(viewer.errors) == []


def test_without_its_library_a_chart_says_so_and_leaves_its_table(airflow, log_in):
    viewer = log_in("viewer")
    viewer.page.route("**/plotly.min.js*", lambda route: route.abort())
    viewer.page.goto(f"{airflow.url}/maeari/churn/outcomes")

    viewer.page.get_by_text("The chart could not be drawn here").first.wait_for()
    assert viewer.page.get_by_role("table").first.is_visible()


@pytest.mark.parametrize("width", [1280, 375])
def test_every_page_fits_its_width_and_asks_for_nothing_from_outside(airflow, log_in, width):
    viewer = log_in("viewer", width)

    for address in PAGES:
        viewer.page.goto(f"{airflow.url}/maeari{address}")
        assert viewer.page.locator("h1").count() == 1, address
        viewer.page.wait_for_function(ALL_DRAWN)
        assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width, address

    assert viewer.outside == []
    assert [error for error in own_errors(viewer.errors) if "/nowhere" not in error] == []


def test_a_planted_script_is_inert_on_every_page_and_the_question_stays_unanswered(airflow, log_in):
    approver = log_in("approver")
    waiting, seen = {"/maeari/"}, set()
    sent = []
    approver.page.on("request", lambda request: sent.append((request.method, request.url)))

    while waiting:
        address = waiting.pop()
        seen.add(address)
        approver.page.goto(airflow.url + address, wait_until="load")
        if not address.startswith(MADE_ELSEWHERE):
            approver.page.wait_for_function(ALL_DRAWN)
            assert approver.page.evaluate("window.__planted") is None, address
        links = approver.page.eval_on_selector_all(
            "a[href], iframe[src], area[href]",
            "all => all.map(one => one.getAttribute('href') || one.getAttribute('src'))",
        )
        # Of customers, reviews, subjects, words and articles those with hostile names or texts, of windows and periods
        # few; the others are alike.
        alike = re.compile(
            r"/customers/C|/reviews/demo_cafe%3A(?!1$)\d|/subjects/demo_cafe/store-[0-4]|/windows/2026-0[1-4]"
            r"|/news\?.*term=|/news/demo_news%3A(1\d|[12569])|/topics/[12456]\?|\.graphml"
        )
        waiting |= {link for link in links if link.startswith("/maeari/") and not alike.search(link)} - seen

    assert len(seen) > 30
    assert {address for address in seen if address.startswith(MADE_ELSEWHERE)} == {
        "/maeari/reports/sentiment/report.html",
        "/maeari/warehouse-docs",
    }
    assert [(method, url) for method, url in sent if method != "GET"] == []
    assert "a-question" in airflow.waiting()
    assert own_errors(approver.errors) == []


def test_the_planted_script_would_answer_the_question_if_a_page_let_it(airflow, log_in, attack):
    airflow.ask("unguarded")
    approver = log_in("approver")
    approver.page.route(
        "**/maeari/unguarded", lambda route: route.fulfill(body=f"<p>{attack('unguarded')}", content_type="text/html")
    )

    with approver.page.expect_response(re.compile("hitlDetails")) as answer:
        approver.page.goto(f"{airflow.url}/maeari/unguarded")

    assert answer.value.status == 200
    assert "unguarded" not in airflow.waiting()


def test_a_viewer_reads_but_cannot_answer(airflow, log_in):
    viewer = log_in("viewer")
    viewer.page.goto(f"{airflow.url}/maeari/")
    viewer.page.get_by_text("asks to go live").wait_for()

    for user in ("viewer", "admin", "demo-approver", "robot"):
        with pytest.raises(AirflowRefused) as refusal:
            AirflowClient(user).answer("release_model", "a-question", "ask", ["Approve"], {})
        assert refusal.value.status == 403
    assert "a-question" in airflow.waiting()


def test_the_approver_answers_on_the_page_that_the_overview_links_to(airflow, log_in):
    airflow.ask("by-hand")
    approver = log_in("approver")
    approver.page.goto(f"{airflow.url}/maeari/")

    approver.page.get_by_role("link", name="Answer in Airflow").click()
    approver.page.get_by_role("row", name=re.compile("by-hand")).get_by_role("link").first.click()
    with approver.page.expect_response(
        lambda answer: "hitlDetails" in answer.url and answer.request.method == "PATCH"
    ) as answer:
        approver.page.get_by_role("button", name="Approve").click()

    assert answer.value.status == 200
    assert "by-hand" not in airflow.waiting()


def test_a_stranger_gets_401_from_every_address_of_the_running_airflow(airflow):
    addresses = [re.sub("{[^}]*}", "1", route.path) for route in create_app(lambda: None).routes]
    assert len(addresses) > 8
    for address in [*addresses, *PAGES, "/static/maeari.css", "/reports/sentiment/report.html", "/openapi.json"]:
        assert httpx.get(f"{airflow.url}/maeari{address}").status_code == 401, address
        # Airflow itself answers 403 to a token that it did not sign.
        forged = httpx.get(f"{airflow.url}/maeari{address}", headers={"Cookie": "_token=forged"})
        assert forged.status_code in (401, 403), address
    assert httpx.get(f"{airflow.url}/maeari/").headers["Content-Security-Policy"].startswith("default-src 'none'")
