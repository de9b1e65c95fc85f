"""The pages of reviews and subjects over a real warehouse: explained and not, published and not, with hostile texts."""

import re
from html import unescape

import pytest

SEEDS = ("warehouse.sql",)
# One review of each kind that has no colours, and more subjects than a page holds.
MORE = """
update marts.fct_reviews set body = body || %(planted)s where review_id = 'demo_cafe:200';
update marts.fct_reviews set content_hash = 'new' where review_id = 'demo_cafe:201';
delete from predictions.sentiment_explanations where review_id in ('demo_cafe:202', 'demo_cafe:203');
select predictions.ensure_sentiment_month('2026-03-15');
update predictions.sentiment set event_at = '2026-03-31 23:59+09' where review_id = 'demo_cafe:203';
update predictions.sentiment set label = 'unsure', unsure_because = 'unreadable' where review_id = 'demo_cafe:204';
update predictions.sentiment set label = 'unsure', unsure_because = 'endless' where review_id = 'demo_cafe:205';
update predictions.sentiment set label = 'negative', positive_probability = 0.001 where review_id = 'demo_cafe:207';
insert into predictions.sentiment_picks
select '2026-05-01', source, subject_id, 'disagreeing', 9, review_id, content_hash, 1, now() from marts.fct_reviews
where review_id = 'demo_cafe:208';
update marts.fct_reviews set written_at = '2019-05-31', subject_id = 'old', content_hash = 'never'
where review_id = 'demo_cafe:206';
insert into marts.dim_subjects values ('demo_cafe:old', 'demo_cafe', 'old', '옛집', 1, 0, null);
insert into marts.weekly_sentiment
select '2026-05-25', 'demo_bookshop', 'book-' || n, '책 100%% ' || n, 10, 5, 5 from generate_series(1, 60) n;
"""


@pytest.fixture(scope="module")
def filled(filled, plant):
    plant(filled, MORE)
    return filled


def test_a_review_is_explained_word_by_word_and_the_words_add_up(pages, filled):
    page = pages.html("/reviews/demo_cafe%3A0")
    shown = pages.read("/reviews/demo_cafe%3A0")
    adds = re.findall(r'<bdi>[^<]*</bdi></th>.*?<td class="number">([^<]+)</td>', page, re.DOTALL)
    begins, ends = re.search(r"begins at (\S+) , .* move it to (\S+) ,", shown).groups()

    assert re.search(r'<span class="plus-3" title="\+1\.\d\d">고소해요\.</span>', page)
    assert "speaks for a positive review" in shown
    assert "SHAP agrees closely (+0.93) , LIME hardly (+0.41)" in shown
    assert "Taste ＋ positive +0.80" in shown
    assert number(begins) + sum(map(number, adds)) == pytest.approx(number(ends), abs=0.005 * (len(adds) + 2))


def number(shown: str) -> float:
    return float(shown.replace("−", "-"))


def test_each_version_that_scored_a_review_can_be_asked(pages, filled):
    assert "Version 1 says:" in pages.read("/reviews/demo_cafe%3A1")
    second = pages.read("/reviews/demo_cafe%3A1?version=2")
    assert "Version 2 says:" in second
    assert "waits to be explained" in second
    assert pages.get("/maeari/reviews/demo_cafe%3A1?version=3").status_code == 404
    assert pages.get("/maeari/reviews/nobody").status_code == 404


def test_the_list_and_the_page_of_a_review_show_the_version_in_charge(pages, filled, plant):
    of_list = re.compile(r"positive, v(\d)</span>\s*<a href=\"/maeari/reviews/demo_cafe%3A2\"")
    plant(filled, """
        insert into predictions.sentiment
        select review_id, content_hash, 2, 0.9, 'positive', event_at, now(), 'live' from predictions.sentiment
        where review_id = 'demo_cafe:2'
    """)  # fmt: skip
    assert of_list.search(pages.html("/reviews"))[1] == "1"
    plant(filled, "update marts.review_sentiment set model_version = 2 where review_id = 'demo_cafe:2'")
    assert of_list.search(pages.html("/reviews"))[1] == "2"
    assert "Version 2 says: ＋ positive with a probability of 90 % ." in pages.read("/reviews/demo_cafe%3A2")
    assert 'aria-label="word by word: review of 2026-05-31, ' in pages.html("/reviews?source=demo_cafe")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (200, "changed or redacted since it was explained"),
        (201, "It has not been scored yet"),
        (202, "waits to be explained, which score_reviews does after scoring. Next: maeari explain sentiment 디저트는"),
        (203, "Only reviews of this month and the month before are explained; this one is older. "
              "Next: maeari explain sentiment --review demo_cafe:203"),
        (206, "Written before the time that the first release scored. "
              "Next: maeari explain sentiment --review demo_cafe:206"),
    ],
)  # fmt: skip
def test_a_review_without_colours_says_why_and_still_shows_its_text(pages, filled, number, why):
    page = pages.html(f"/reviews/demo_cafe%3A{number}")

    assert why in pages.read(f"/reviews/demo_cafe%3A{number}")
    assert 'class="plus' not in page
    assert 'class="minus' not in page
    assert re.search(r'<p class="body">\w+', page)


def test_unsure_says_why(pages, filled):
    assert "Version 1 says: ○ unsure too little Korean to read . Th" in pages.read("/reviews/demo_cafe%3A204")
    assert "one word of more than 1,000 characters" in pages.read("/reviews/demo_cafe%3A205")
    assert "negative with a probability of over 99 %" in pages.read("/reviews/demo_cafe%3A207")
    listed = pages.read("/reviews?label=unsure")
    assert "○ unsure too close to call" in listed
    assert "reads like 3." in listed
    assert "positive, v1" in listed


def test_a_review_that_was_picked_waits_for_the_other_methods(pages, filled):
    assert "this one does, and waits for the next scoring run" in pages.read("/reviews/demo_cafe%3A208")
    assert "about this one they were not" in pages.read("/reviews/demo_cafe%3A209")


def test_whatever_its_id_a_review_and_a_subject_have_a_page_that_is_linked(pages, filled):
    listed = {unescape(link) for link in re.findall('href="([^"]*)"', pages.html("/reviews"))}
    hostile = [link.removeprefix("/maeari") for link in listed if ".." in link or "script" in link]

    assert len(hostile) == 4
    for link in hostile:
        heading = re.search("<h1.*?</h1>", pages.html(link), re.DOTALL)[0]
        assert ".." in heading or "__planted" in heading


def test_subjects_are_searched_sorted_paged_and_compared(pages, filled, planted):
    first, second = pages.html("/subjects"), pages.html("/subjects?page=2")
    rows = re.compile(r'<th scope="row">')

    assert len(rows.findall(first)) == 50
    assert len(rows.findall(second)) == 18
    falling = pages.read("/subjects?order=falling")
    assert falling.index("서촌 한옥점") < falling.index("망원 메아리")
    assert re.search(r"서촌 한옥점 demo_cafe 134 of [\d,]+ scored 34\.7 % \[26\.9 %, 43\.4 %\]", falling)
    assert "▼ -41.9 points" in falling
    assert len(rows.findall(pages.html("/subjects?search=한옥"))) == 1
    # A sign of SQL's patterns is a character like any other.
    assert len(rows.findall(pages.html("/subjects?search=책 100%25 1"))) == 11
    assert "No subject matches" in pages.read("/subjects?search=%25%25")
    assert "No subject matches" in pages.read(f"/subjects?search={planted.replace('&', '')}x")
    assert pages.get("/maeari/subjects?order=1;drop").status_code == 422


def test_a_subject_shows_a_month_against_the_month_before(pages, filled):
    newest = pages.read("/subjects/demo_cafe/store-3")
    assert "May 2026 against April 2026" in newest
    assert "This month may not be over yet" in newest
    assert "Told by version 1" in newest
    assert re.search(r"More positive by .* 고소하다 \+30\.00 39 \(33 %\) 2 \(2 %\)", newest)
    assert re.search(r"More negative by .* 기다리다 −15\.00", newest)
    assert "Taste 61 before 58 88.0 % [78.0 %, 95.0 %] 73.0 % [61.0 %, 82.0 %]" in newest
    assert re.search(r"Typical negative .* word by word", newest)
    # As the version reads it that picked it, which need not be the one in charge of the review.
    assert re.search(r'/reviews/demo_cafe%3A\d+\?version=1" aria-label', pages.html("/subjects/demo_cafe/store-3"))

    april = pages.read("/subjects/demo_cafe/store-3?month=2026-04-01")
    assert "Of the month before nothing is explained" in april
    assert "No reviews have been picked" in april
    assert "never explained" in pages.read("/subjects/demo_cafe/store-3?month=2026-01-01")
    assert pages.get("/maeari/subjects/demo_cafe/store-3?month=2019-01-01").status_code == 404
    assert pages.get("/maeari/subjects/demo_cafe/nobody").status_code == 404
    old = pages.read("/subjects/demo_cafe/old")
    assert "All of its reviews were written before" in old
    assert "maeari explain sentiment --review demo_cafe:206" in old


def test_a_card_shows_its_ageing_and_an_older_card_still_opens(pages, filled, plant):
    newer, older = pages.read("/models/sentiment/versions/2"), pages.read("/models/sentiment/versions/1")

    assert (
        "It answers “unsure” in 7.2 % [6.4 %, 8.0 %] on 4,102 : 290 too close to call, 5 too little Korean to read."
        in newer
    )
    assert "off by 0.71 on average" in newer
    assert "3.1 % carry stars that contradict" in newer
    assert re.search(r"2025-10-01 86\.1 % \[84\.8 %, 87\.2 %\] 87\.3 %", newer)
    assert "How it ages" not in older
    assert "In short" not in older
    plant(filled, 'update ops.model_versions set card = card || \'{"ageing": {"skipped": "Too few years."}}\'')
    assert "Too few years." in pages.read("/models/sentiment/versions/1")


def test_nothing_published_yet_says_what_to_do(pages, filled, plant):
    plant(filled, "drop table marts.subject_words; truncate marts.weekly_sentiment")
    assert "No scored review has been published yet" in pages.read("/subjects")
    assert "maeari publish" in pages.read("/subjects/demo_cafe/store-3")

    plant(filled, "drop table marts.weekly_sentiment, marts.dim_subjects, marts.review_sentiment")
    assert "maeari publish" in pages.read("/subjects")
    assert pages.get("/maeari/subjects/demo_cafe/store-3").status_code == 404
    assert "Version 1 says:" in pages.read("/reviews/demo_cafe%3A0")
    assert "positive, v1" in pages.read("/reviews")
