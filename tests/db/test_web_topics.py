"""The pages of topics, keywords and articles over a real warehouse: full, too few, empty, and with hostile texts."""

import json
import re
from html import unescape

import networkx
import pytest

PLANTED = """<script>window.__planted = 1</script><img src=x onerror="window.__planted = 1">'"&{{ 7 * 7 }}"""
SEEDS = ("warehouse.sql", "topics.sql")


def test_before_anything_is_published_each_page_says_what_to_do(pages, warehouse):
    assert "maeari train topics" in pages.plain(pages.html("/topics"))
    assert "maeari mine" in pages.plain(pages.html("/keywords"))
    assert "has not been built yet" in pages.plain(pages.html("/news"))
    assert pages.get("/maeari/topics/1").status_code == 404
    assert pages.get("/maeari/keywords/network.graphml").status_code == 404
    assert pages.get("/maeari/news/x").status_code == 404


def test_the_topics_of_the_newest_week_come_largest_first_with_what_rises(pages, filled):
    page = pages.html("/topics")
    shown = pages.plain(page)
    assert "2026-05-25 to 2026-05-31" in shown
    assert "▲ rising" in shown
    assert "▼ falling" in shown
    assert "unstable" in shown
    assert "33.3 %" in shown
    shares = [float(share) for share in re.findall(r"(\d+\.\d) % \[[^]]*\] \d+ texts", shown)]
    assert len(shares) == 6
    assert shares == sorted(shares, reverse=True)
    assert len(re.findall(r'data-chart="waiting"', page)) == 2


@pytest.mark.parametrize("address", ["/topics", "/topics/2", "/keywords"])
def test_a_period_with_too_few_texts_says_so_and_shows_no_topic(pages, filled, address):
    start = "2026-05-11" if address == "/keywords" else "2026-04-20"
    page = pages.html(f"{address}?period={start}")
    assert "too few texts (3 of 50 needed)" in pages.plain(page)
    assert 'id="network"' not in page
    assert "of the texts," not in pages.plain(page)


def test_a_period_without_any_text_is_no_error(pages, filled):
    for address in ("/topics", "/topics/1", "/keywords"):
        assert "nothing was written in it" in pages.plain(pages.html(f"{address}?period=2019-01-01"))
        assert pages.plain(pages.html(f"{address}?every=quarter&source=nobody&section=x&copies=true"))


def test_a_topic_ranks_its_words_by_the_asked_relevance_and_lists_its_texts(pages, filled):
    page = pages.html("/topics/3")
    shown = pages.plain(page)
    assert "new in version 1" in shown
    assert "named by a person" in shown
    assert "33.3 % [25.3 %, 42.3 %] of the texts, 20 of 60" in shown
    for link in re.findall(r'<strong><a href="([^"]+)"', page):
        assert pages.get(unescape(link)).status_code == 200
    assert pages.plain(pages.html("/topics/3?relevance=0")) != shown
    assert pages.get("/maeari/topics/3?relevance=2").status_code == 422
    assert pages.get("/maeari/topics/99").status_code == 404
    assert "Other seeds find only 40 % of its first 20 words" in pages.plain(pages.html("/topics/6"))


def test_copies_are_listed_with_the_others_only_when_they_count(pages, filled):
    address = next(
        f"/topics/{topic}?every=month&period=2026-05-01"
        for topic in range(1, 7)
        if "demo_news%3A7" in pages.html(f"/topics/{topic}?every=month&period=2026-05-01&copies=true")
    )
    assert "demo_news%3A7" not in pages.html(address)
    assert "demo_news%3A7" in pages.html("/news")
    assert "demo_news%3A7" not in pages.html("/news?copies=false")


def test_each_word_and_line_of_the_network_leads_to_texts_that_hold_them(pages, filled):
    page = pages.html("/keywords")
    links = {unescape(one) for one in re.findall(r'id="(?:word|pair)-\d+" href="([^"]+)"', page)}
    assert len(links) > 40
    assert all("copies=false" in link and "period=2026-05-25" in link for link in links)
    planted = sorted((link for link in links if "script" in link), key=lambda link: link.count("&term="))
    alone, pair = planted[0], planted[-1]
    assert (alone.count("term="), pair.count("term=")) == (1, 2)
    assert len(re.findall("<article", pages.html(alone.removeprefix("/maeari")))) == 11
    assert "No article matches." in pages.html(pair.removeprefix("/maeari"))
    found = pages.html("/news?every=week&period=2026-05-25&term=카페&term=거리")
    assert len(re.findall("<article", found)) == 12
    assert "No article matches." in pages.html("/news?term=카페&term=없다")


def test_the_network_of_the_slider_is_the_one_of_its_period(pages, filled):
    page = pages.html("/keywords?words=20")
    starts, names = json.loads(re.search(r'<script type="application/json">(\[\[.*?\]\])</script>', page, re.DOTALL)[1])
    assert starts == ["2026-05-04", "2026-05-11", "2026-05-18", "2026-05-25"]
    assert names[-1] == "2026-05-25 to 2026-05-31"
    assert 'value="3"' in page
    assert "1e-06" in page or "0.000001" in page or "0.0001" in page
    assert "80 %" in pages.plain(page)


def test_graphml_is_what_is_drawn(pages, filled):
    response = pages.get("/maeari/keywords/network.graphml?words=40&period=2026-05-25")
    assert response.headers["Content-Disposition"] == (
        'attachment; filename="keywords-articles-week-2026-05-25.graphml"'
    )
    graph = networkx.parse_graphml(response.text)
    assert {"원두", "책방", "화재"} <= {data.get("label", node) for node, data in graph.nodes(data=True)}
    assert graph.number_of_edges() > 20
    assert all(float(data["lift"]) > 1 for *_, data in graph.edges(data=True))


def test_an_article_shows_its_topics_its_words_and_what_copies_it(pages, filled):
    shown = pages.plain(pages.html("/news/demo_news%3A8"))
    assert "80 %" in shown
    assert "성수동" in shown
    assert pages.plain(pages.html("/news/demo_news%3A7")).count("copy") > 0
    for number in (3, 4):
        assert "{{ 7 * 7 }}" in pages.plain(pages.html(f"/news/demo_news%3A{number}"))


@pytest.mark.parametrize(
    "address",
    [
        "/topics?every=year",
        "/topics?period=yesterday",
        "/keywords?words=2000",
        "/keywords?colour=red",
        "/topics/0",
        "/news?topic=0",
        "/news?term=" + "가" * 101,
    ],
)
def test_what_an_address_cannot_ask_is_refused(pages, filled, address):
    assert pages.get(f"/maeari{address}").status_code in (404, 422)


@pytest.mark.parametrize(
    "value", [PLANTED, "\0", "%", "' or 1=1 --", "가" * 400, "\ud800".encode("utf-16", "surrogatepass").hex()]
)
def test_hostile_filters_find_nothing_and_show_as_text(pages, filled, value):
    for name in ("source", "section", "subject"):
        for page in ("/topics", "/topics/1", "/keywords"):
            response = pages.get(f"/maeari{page}", params={name: value})
            assert response.status_code == 200
            assert "<script>window" not in response.text
    response = pages.get("/maeari/news", params={"term": value[:100], "source": value})
    assert response.status_code == 200
    assert "<script>window" not in response.text


def test_the_model_of_topics_has_its_pages(pages, filled):
    assert "topics" in pages.plain(pages.html("/"))
    assert pages.plain(pages.html("/models/topics"))
    card = pages.plain(pages.html("/models/topics/versions/1"))
    assert "0.93" in card or "93" in card
    assert "lda" in card
