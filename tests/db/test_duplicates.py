"""Copies are marked: which texts count as one, what a mark points to, and that marking again changes nothing."""

import random
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawlers.duplicates import SLOTS, keep, mark, normalised, signatures
from crawlers.items import ArticleItem, ReviewItem
from crawlers.run import crawl
from maeari.postgres import connect

TEXT = "주말에 아이들과 함께 다녀왔는데 직원분들이 친절하고 커피 맛이 아주 깊어서 다음 달에도 꼭 다시 들르려고 합니다."
OTHER = "배송이 일주일이나 늦었고 상자는 찌그러져 있었으며 고객센터는 전화를 받지 않아 결국 환불을 요청했습니다."
THIRD = "책의 앞부분은 지루했지만 뒤로 갈수록 인물들의 사연이 얽히며 눈을 뗄 수 없는 결말로 이어지는 소설입니다."


def review(record_id: str, body: str, source: str = "shop") -> ReviewItem:
    return ReviewItem(
        source=source,
        url="http://shop.test/",
        crawl_id=1,
        fetched_at=datetime(2026, 5, 31, tzinfo=UTC),
        source_review_id=record_id,
        subject_id="cafe",
        subject_name=None,
        author_key=None,
        rating=None,
        rating_max=None,
        title=None,
        body=body,
        written_at=None,
        written_at_precision=None,
    )


def article(record_id: str, body: str, source: str = "press") -> ArticleItem:
    return ArticleItem(
        source=source,
        url="http://press.test/",
        crawl_id=1,
        fetched_at=datetime(2026, 5, 31, tzinfo=UTC),
        source_article_id=record_id,
        title="제목",
        body=body,
        section=None,
        author_key=None,
        published_at=None,
    )


def marked(*items) -> int:
    """Mark items as one batch of a crawl of their own."""
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source) values ('shop') returning crawl_id")
        keep(connection, cursor.fetchone()[0], items)
        return mark(connection)


def rows(query: str) -> list[tuple]:
    with connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def copies() -> dict[str, str]:
    """Each copy's original, both as `source:identifier`."""
    return dict(
        rows("select source || ':' || record_id, original_source || ':' || original_record_id from ops.duplicates")
    )


@pytest.mark.parametrize(
    ("copy", "is_exact"),
    [
        (TEXT, True),
        ("  " + TEXT.replace(" ", "  \n"), True),
        (TEXT.replace(" ", ""), True),
        (TEXT.replace("다음 달", "다음 주"), False),
        (TEXT.replace(".", "!!"), False),
        (TEXT.replace("커피", "커피,"), False),
    ],
)
def test_the_same_text_exactly_or_nearly_is_marked(warehouse, copy, is_exact):
    assert marked(review("1", TEXT), review("2", OTHER)) == 0
    assert marked(review("3", copy)) == 1
    assert rows("select record_id, original_record_id, is_exact, similarity >= 0.78 from ops.duplicates") == [
        ("3", "1", is_exact, True)
    ]


def test_width_and_case_make_no_difference(warehouse):
    assert marked(review("1", "The COFFEE here was cold and ５ people waited")) == 0
    assert marked(review("2", "the coffee here was cold and 5 people waited")) == 1


def test_copies_are_found_within_a_batch_and_across_sources(warehouse):
    assert marked(review("1", TEXT), review("2", TEXT), review("3", TEXT + " 추천!")) == 2
    assert marked(review("1", TEXT, "other")) == 1
    assert copies() == {"shop:2": "shop:1", "shop:3": "shop:1", "other:1": "shop:1"}


def test_different_texts_are_not_marked_nor_a_review_that_cites_an_article(warehouse):
    assert marked(review("1", TEXT), review("2", OTHER), review("3", THIRD), article("1", TEXT)) == 0


@pytest.mark.parametrize("text", ["좋아요", "배송 빨라요 좋아요", "ㅋ" * 400, "좋아요 " * 50, "=-" * 100])
def test_what_says_nothing_of_its_own_is_no_copy(warehouse, text):
    assert marked(review("1", text), review("2", text)) == 0
    assert rows("select count(*) from ops.fingerprints") == [(0,)]


def test_a_mark_points_to_the_original_never_to_a_copy(warehouse):
    near = TEXT.replace("다음 달", "다음 주")
    nearer = near.replace("아주", "매우")
    for number, text in enumerate((TEXT, near, nearer, near, TEXT)):
        marked(review(str(number), text))
    originals = set(copies().values())
    assert originals
    assert not originals & copies().keys()
    assert copies()["shop:4"] == "shop:0"
    assert copies()["shop:3"] == "shop:0"


def test_marking_again_changes_nothing(warehouse):
    batch = [review("1", TEXT), review("2", TEXT), review("3", OTHER), article("1", THIRD), article("2", THIRD)]
    assert marked(*batch) == 2
    everything = "select * from ops.fingerprints order by 1, 2, 3", "select * from ops.duplicates order by 1, 2, 3"
    before = [rows(query) for query in everything]
    assert marked(*batch) == 0
    assert marked() == 0
    assert [rows(query) for query in everything] == before


def test_a_new_version_is_no_copy_of_its_old_one(warehouse):
    marked(review("1", TEXT))
    assert marked(review("1", TEXT + " 추신: 주차도 편합니다.")) == 0
    assert copies() == {}


def test_a_changed_copy_loses_its_mark(warehouse):
    marked(review("1", TEXT), review("2", TEXT))
    assert marked(review("2", OTHER)) == 0
    assert copies() == {}
    assert marked(review("3", OTHER)) == 1
    assert copies() == {"shop:3": "shop:2"}


@pytest.mark.parametrize("text", [OTHER, "좋아요"])
def test_when_an_original_changes_its_earliest_copy_takes_its_place(warehouse, text):
    marked(review("1", TEXT))
    marked(review("2", TEXT), review("3", TEXT))
    marked(review("4", OTHER))
    marked(review("1", text))
    expected = {"shop:3": "shop:2"} | ({"shop:1": "shop:4"} if text == OTHER else {})
    assert copies() == expected
    assert marked(review("5", TEXT)) == 1
    assert copies()["shop:5"] == "shop:2"


def test_hostile_text_is_text(warehouse):
    hostile = "'; drop table ops.duplicates; -- \\N {1,2} %s %(x)s \\ud800 <script>alert(1)</script> \t한글 \U0001f642"
    assert marked(review("it's {\"a\"}, \\ \t'", hostile)) == 0
    assert marked(review("2", hostile + "!")) == 1
    assert copies() == {"shop:2": "shop:it's {\"a\"}, \\ \t'"}


def test_a_run_of_combining_marks_takes_no_square_of_time():
    assert len(normalised("a" + "\u0300\u0316" * 100_000)) == 200_000


def test_many_copies_and_phrases_that_all_use_keep_what_is_compared_bounded(warehouse):
    marked(*(review(f"copy {number}", TEXT) for number in range(3_000)))
    template = "이 글은 체험단으로 제품을 무상으로 제공받아 솔직하게 작성한 후기이며 아래는 제가 직접 써 본 느낌입니다 "
    random_words = random.Random(7)
    tails = ("".join(chr(random_words.randint(0xAC00, 0xD000)) for _ in range(30)) for _ in range(3_000))
    marked(*(review(f"template {number}", template + tail) for number, tail in enumerate(tails)))
    (led_to,) = rows("select max(n) from (select count(*) n from ops.fingerprints, unnest(bands) band group by band) c")
    assert led_to[0] <= 16
    assert rows("select count(*) from ops.fingerprints where record_id like 'copy%' and bands <> '{}'") == [(1,)]
    assert {value for key, value in copies().items() if "copy" in key} == {"shop:copy 0"}


def test_nearly_all_near_copies_are_found_and_hardly_any_other(warehouse):
    chosen = random.Random(20261122)
    words = ["".join(chr(chosen.randint(0xAC00, 0xD7A3)) for _ in range(chosen.randint(1, 4))) for _ in range(2_000)]
    texts = [chosen.choices(words, k=40) for _ in range(1_500)]
    marked(*(review(f"{number}", " ".join(text)) for number, text in enumerate(texts)))
    changed = {}
    for number, text in enumerate(texts):
        copy = list(text)
        for place in chosen.sample(range(len(copy)), k=chosen.choice((1, 2, 12, 20))):
            copy[place] = chosen.choice(words)
        changed[number] = " ".join(copy)
    marked(*(review(f"{number}", text, "mirror") for number, text in changed.items()))
    found = copies()
    assert all(original == copy.replace("mirror", "shop") for copy, original in found.items())
    similar = {number: jaccard(" ".join(texts[number]), text) for number, text in changed.items()}
    near = [number for number, similarity in similar.items() if similarity >= 0.85]
    far = [number for number, similarity in similar.items() if similarity < 0.6]
    assert len(near) > 300
    assert len(far) > 300
    assert sum(f"mirror:{number}" in found for number in near) / len(near) > 0.95
    assert sum(f"mirror:{number}" in found for number in far) / len(far) < 0.01


def test_a_crawl_lands_copies_marked_and_the_next_one_leaves_the_marks(site):
    bodies = {"s0": {"1": TEXT, "2": OTHER}, "s1": {"3": TEXT, "4": THIRD}}
    site.reviews = {
        subject: [site.review(number, 1, reviewBody=body) for number, body in reviews.items()]
        for subject, reviews in bodies.items()
    }
    assert crawl("shop", date(2026, 5, 31))["landed"] == 4
    # Which of the two pages came first is chance.
    assert copies() in ({"shop:3": "shop:1"}, {"shop:1": "shop:3"})
    before = copies()
    assert crawl("shop", date(2026, 5, 31))["landed"] == 0
    assert copies() == before
    site.reviews["s0"].insert(0, site.review("5", 1, reviewBody=THIRD))
    assert crawl("shop", date(2026, 5, 31))["landed"] == 1
    assert copies() == before | {"shop:5": "shop:4"}


NEAR = TEXT.replace("다음 달", "다음 주")
POOL = [TEXT, NEAR, NEAR.replace("아주", "매우"), OTHER, OTHER + "!!", THIRD, "좋아요"]
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(POOL)), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_whatever_comes_and_changes_each_text_has_one_original_and_no_mark_leads_to_a_mark(warehouse, batches):
    with connect("crawler") as connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.duplicates; delete from ops.fingerprints")
        cursor.execute("insert into ops.crawls (source) values ('shop') returning crawl_id")
        (crawl_id,) = cursor.fetchone()
        for batch in batches:
            keep(connection, crawl_id, [review(record_id, text) for record_id, text in batch])
            mark(connection)
        cursor.execute("select record_id, text_sha256, is_original from ops.fingerprints")
        known = {record_id: (sha256, is_original) for record_id, sha256, is_original in cursor.fetchall()}
        cursor.execute("select record_id, original_record_id, is_exact from ops.duplicates")
        marks = cursor.fetchall()
    newest = {record_id: text for batch in batches for record_id, text in batch}
    assert known.keys() == {record_id for record_id, text in newest.items() if text != "좋아요"}
    assert {record_id for record_id, (_, is_original) in known.items() if not is_original} == {
        record_id for record_id, *_ in marks
    }
    for record_id, original, is_exact in marks:
        assert original != record_id
        assert known[original][1]
        assert is_exact == (normalised(newest[record_id]) == normalised(newest[original]))
    originals = [sha256 for sha256, is_original in known.values() if is_original]
    assert len(originals) == len(set(originals))


def jaccard(one: str, other: str) -> float:
    sets = [{text[n : n + 3] for n in range(len(text) - 2)} for text in map(normalised, (one, other))]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


# What reaches a crawl's items is text that UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=300)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_signature_does_not_depend_on_the_texts_beside_it(texts):
    together = signatures(texts)
    assert together.shape == (len(texts), SLOTS)
    for text, signature in zip(texts, together, strict=True):
        np.testing.assert_array_equal(signatures([text])[0], signature)


@settings(max_examples=60)
@given(st.text(max_size=700))
def test_normalising_twice_is_normalising_once_and_spacing_does_not_count(text):
    assert normalised("\n".join(text.split())) == normalised(text) or len(text) > 500
    assert not any(character.isspace() for character in normalised(text))
