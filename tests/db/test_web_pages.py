"""The pages over a real warehouse: full, empty, and away."""

import re
from html import unescape
from pathlib import Path

import psycopg2
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from httpx import Response

from web.app import create_app

WAREHOUSE_SQL = Path(__file__).parents[1] / "browser" / "warehouse.sql"
PLACEHOLDERS = {"model": "sentiment", "number": "1", "start": "2026-05-25", "end": "2026-05-31", "name": "maeari.css"}


def authorize(request: Request) -> None:
    if request.headers.get("X-Caller") != "viewer":
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


def client(**headers: str) -> TestClient:
    parent = FastAPI(openapi_url=None)
    parent.mount("/maeari", create_app(authorize))
    return TestClient(parent, raise_server_exceptions=False, headers=headers)


@pytest.fixture
def anonymous() -> TestClient:
    return client()


@pytest.fixture
def viewer() -> TestClient:
    return client(**{"X-Caller": "viewer"})


@pytest.fixture
def filled(warehouse: str, maeari_home: Path, plant, monkeypatch) -> str:
    monkeypatch.setenv("MAEARI_AS_OF", "2026-05-31")
    plant(warehouse, WAREHOUSE_SQL.read_text())
    write_files(maeari_home)
    return warehouse


@pytest.fixture(scope="module")
def pages(new_warehouse, maeari_home: Path, plant) -> dict[str, Response]:
    """Every page and file below /maeari/ that links reach, of a full warehouse."""
    warehouse = new_warehouse()
    plant(warehouse, WAREHOUSE_SQL.read_text())
    write_files(maeari_home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAEARI_DATABASE_URL", warehouse)
        environment.setenv("MAEARI_AS_OF", "2026-05-31")
        return crawl(client(**{"X-Caller": "viewer"}))


def write_files(home: Path) -> None:
    for file in ("reports/sentiment/report.html", "dbt/target/static_index.html"):
        page = home / file
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<!doctype html><script>document.title = 'ran'</script>")


def links(html: str) -> set[str]:
    return {unescape(link) for link in re.findall(r'(?:href|src|action)="([^"]*)"', html)}


def crawl(client: TestClient) -> dict[str, Response]:
    waiting, seen = {"/maeari/"}, {}
    while waiting:
        address = waiting.pop()
        seen[address] = client.get(address)
        assert seen[address].status_code == 200, (address, seen[address].text)
        waiting |= {link for link in links(html(seen[address])) if is_followed(link)} - seen.keys()
    return seen


def is_followed(link: str) -> bool:
    """Of the reviews those with hostile texts and ids; the others are alike."""
    return link.startswith("/maeari/") and not re.search("/reviews/demo_cafe%3A[0-9]{2}", link)


def html(response: Response) -> str:
    """A page's text; a script of a library holds addresses that nobody follows."""
    return response.text if "html" in response.headers["Content-Type"] else ""


def addresses() -> list[str]:
    paths = [route.path for route in create_app(authorize).routes]
    assert len(paths) > 8
    filled_in = [re.sub(r"{(\w+)(:path)?}", lambda part: PLACEHOLDERS.get(part[1], "x"), path) for path in paths]
    return [*filled_in, "/openapi.json", "/docs", "/redoc", "/static/", "/static/../app.py", "/reports/", "/nowhere/"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("address", addresses())
def test_a_stranger_gets_401_from_every_address_by_every_method(anonymous, address, method):
    response = anonymous.request(method, f"/maeari{address}")

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_every_page_opens_and_links_only_to_pages_that_open(pages):
    kinds = {re.sub(r"\d.*", "", address.split("?")[0]) for address in pages}
    assert kinds >= {
        "/maeari/", "/maeari/models/sentiment", "/maeari/models/sentiment/versions/", "/maeari/reviews", "/maeari/news",
        "/maeari/models/sentiment/windows/", "/maeari/warehouse", "/maeari/warehouse-docs",
        "/maeari/reports/sentiment/report.html", "/maeari/static/maeari.css", "/maeari/tables",
        "/maeari/tables/marts/fct_reviews", "/maeari/reviews/demo_cafe%", "/maeari/subjects",
        "/maeari/subjects/demo_cafe/store-", "/maeari/subjects/demo_cafe/",
    }  # fmt: skip
    outside = {link for page in pages.values() for link in links(html(page)) if not link.startswith("/")}
    assert outside == set()


def test_planted_text_is_shown_as_text_on_every_page(pages):
    showing = {
        re.sub(r"\d.*", "", address.split("?")[0]) for address, page in pages.items() if "__planted" in html(page)
    }
    assert showing >= {"/maeari/", "/maeari/models/sentiment", "/maeari/reviews", "/maeari/news",
                       "/maeari/tables/marts/fct_reviews", "/maeari/reviews/demo_cafe%", "/maeari/subjects",
                       "/maeari/subjects/demo_cafe/store-",
                       "/maeari/models/sentiment/versions/", "/maeari/models/sentiment/windows/"}  # fmt: skip
    for address, page in pages.items():
        assert "<script>window.__planted" not in html(page), address
        assert "<img" not in html(page), address
        assert "49" not in re.findall(r"&amp;(..)", html(page)), address


def test_pages_may_run_nothing_and_other_tools_pages_run_as_nobody(pages):
    for address, page in pages.items():
        policy = page.headers["Content-Security-Policy"]
        if address.startswith(("/maeari/reports/", "/maeari/warehouse-docs")):
            assert policy.startswith("sandbox allow-scripts; default-src 'none'")
            assert "allow-same-origin" not in policy
        elif "static/charts.js" in page.text:
            assert "script-src 'self'; style-src 'self' 'unsafe-inline'" in policy
            assert policy.count("unsafe") == 1
        else:
            assert "script-src 'none'" in policy
            assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "static/" in address or page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        "/reports/../secrets.json", "/reports/%2e%2e/secrets.json", "/reports/..%2fsecrets.json",
        "/reports//etc/passwd", "/reports/%2Fetc%2Fpasswd", "/reports/link.html", "/reports/sentiment",
        "/reports/%00.html", "/reports/" + "x" * 5000 + ".html", "/static/..%2fapp.py", "/models/churn",
        "/models/%3Cscript%3E",
        "/models/sentiment/versions/9", "/models/sentiment/windows/2020-01-01/2020-01-07", "/nowhere",
    ],
)  # fmt: skip
def test_nothing_is_served_that_is_not_a_page(viewer, filled, maeari_home, address):
    link = maeari_home / "reports" / "link.html"
    if not link.is_symlink():
        link.symlink_to(maeari_home / "secrets.json")

    assert viewer.get(f"/maeari{address}").status_code == 404


@pytest.mark.parametrize(
    "address",
    ["/reviews?page=0", "/reviews?page=x", "/reviews?page=99999999999999999999", "/reviews?label=<script>",
     "/models/sentiment/versions/x", "/models/sentiment/versions/99999999999999", "/models/sentiment/windows/x/y",
     "/models/%00", "/models/sentiment?on=tomorrow"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_refused_with_a_page(viewer, filled, address):
    response = viewer.get(f"/maeari{address}")

    assert response.status_code == 422
    assert "<script>" not in response.text


def test_reviews_can_be_narrowed_and_paged(viewer, filled):
    first = viewer.get("/maeari/reviews").text
    second = viewer.get("/maeari/reviews?page=2").text
    negative = viewer.get("/maeari/reviews?label=negative&subject=store-1").text

    assert first.count('class="review"') == second.count('class="review"') == 50
    assert first != second
    assert negative.count("－ negative</span>") == negative.count('class="review"') > 0
    assert viewer.get("/maeari/reviews?subject=%00").status_code == 200
    assert "No review matches" in viewer.get("/maeari/reviews?subject=nobody").text
    assert 'class="review"' in viewer.get("/maeari/reviews?subject=store-1&source=demo_cafe").text
    assert "No review matches" in viewer.get("/maeari/reviews?subject=store-1&source=demo_bookshop").text


def test_a_declined_model_and_a_replayed_release_are_said_plainly(viewer, filled):
    index = viewer.get("/maeari/").text
    model = viewer.get("/maeari/models/sentiment").text

    assert "Read today&#39;s figures with care" in index or "Read today's figures with care" in index
    assert "sentiment has declined" in index
    assert "version 2</a></strong>" in index
    assert 'href="/required_actions?response_received=false"' in index
    assert "approved by the demo itself" in model
    assert "95 % interval" in unescape(model)


def test_an_empty_warehouse_says_what_to_do_next(viewer, warehouse):
    for address in ("/", "/reviews", "/subjects", "/news", "/tables"):
        response = viewer.get(f"/maeari{address}")
        assert response.status_code == 200
        assert 'class="empty"' in response.text
    assert viewer.get("/maeari/models/sentiment").status_code == 404


def test_the_question_shows_the_drift_page_that_was_kept_with_it(viewer, filled):
    kept = '<a href="/maeari/reports/sentiment/report.html">The drift page of 2026-03-16 to 2026-03-22</a>'
    for address in ("/models/sentiment", "/models/sentiment/versions/2"):
        assert kept in viewer.get(f"/maeari{address}").text


def test_a_registered_model_that_is_not_live_asks_for_approval(viewer, filled):
    with psycopg2.connect(filled) as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from ops.deployments; delete from monitoring.verdicts; delete from monitoring.metrics;"
            "delete from predictions.sentiment"
        )
    connection.close()

    assert "No version is live yet" in viewer.get("/maeari/").text
    assert "No version is live yet" in viewer.get("/maeari/models/sentiment").text
    assert "not scored" in viewer.get("/maeari/reviews").text


def test_a_warehouse_without_tables_asks_for_migration(viewer, postgres, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", postgres.rpartition("/")[0] + "/postgres")

    response = viewer.get("/maeari/")

    assert response.status_code == 503
    assert "maeari migrate" in response.text


def test_a_warehouse_that_is_away_is_a_clear_503(viewer, maeari_home, monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", "postgresql://postgres:x@127.0.0.1:9/maeari")

    response = viewer.get("/maeari/")

    assert response.status_code == 503
    assert "maeari doctor" in response.text
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
