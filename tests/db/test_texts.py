"""Texts are analysed once, whatever they hold, and again only where a changed word of the dictionary might stand."""

import os
import subprocess
import sys
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maeari import clock, postgres, warehouse
from maeari.text import LONGEST, joined, keywords, morphemes

AS_OF = date(2025, 6, 30)
COLUMNS = (
    "source", "source_article_id", "version_no", "content_hash", "title", "body", "section", "published_at", "url",
    "crawl_id", "fetched_at",
)  # fmt: skip
ODD = [
    ("😀😀😀", "😀"),
    ("", "은 는 이 가"),
    ("Nice cities", "The cities of Europe and their boats"),
    ("endless", "x" * 9_000 + " #" + "y" * 900),
    ("日本語", "これは日本語の文章です。"),
    ("العربية", "هذا نص باللغة العربية"),
    ("끝없음", "미세먼지" * 25_000),
    ("탭\t과 \\N", 'c,"7\n\\.\n\t\\N한글 {a,b} "'),
    ("스마트워친 줄 알았다", "새로 나온 스마트워치의 스마트 워치가 좋다"),
    ("공공 배달", "공공배달 앱이 공공  배달을 돕는다"),
]
# Dies without a farewell when the second batch is about to be analysed.
KILLED = """
import importlib, os, signal, sys
from datetime import date

from ml.texts.collection import Collection

analysing = importlib.import_module("ml.texts.analyse")
analysing.BATCH_TEXTS = 40
write, written = analysing._write, []

def die_at_the_second(*arguments):
    written.append(None)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*arguments)

analysing._write = die_at_the_second
analysing.analyse(Collection.articles, date.fromisoformat(sys.argv[1]))
"""


def fetch(query: str, *parameters) -> list[tuple]:
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def land(articles: list[tuple[str, int, str | None, str, datetime]]) -> None:
    """Land articles, each a number, a version, a title, a body and when it was published and fetched."""
    with postgres.connect("owner") as connection:
        with connection.cursor() as cursor:
            cursor.execute("insert into ops.crawls (source, outcome) values ('press', 'finished') returning crawl_id")
            (crawl_id,) = cursor.fetchone()
        postgres.copy_rows(
            connection,
            "raw.articles",
            COLUMNS,
            [
                ("press", number, version, f"hash {title} {body[:99]}", title, body, "사회", at, "x", crawl_id, at)
                for number, version, title, body, at in articles
            ],
        )


@pytest.fixture(scope="module")
def landed(new_warehouse, maeari_home):
    """Articles of a month, some odd, one with a second version, in a warehouse as far as dbt builds texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", new_warehouse())
        first = clock.start_of_day(date(2025, 6, 1))
        plain = [(f"소식 {n}", f"시청은 {n}번째 공원을 새로 열고 주민들에게 나무를 나눠 주었다.") for n in range(80)]
        land([(f"a{n:03}", 1, *text, first + timedelta(hours=n)) for n, text in enumerate(ODD + plain)])
        land([("a050", 2, "고친 제목", "본문도 바뀌었다", first + timedelta(days=20))])
        warehouse.run_dbt("run", "--select", "+int_articles__versions", "+int_reviews__versions")
        yield len(ODD + plain)


@pytest.fixture(autouse=True)
def own_dictionary(maeari_home):
    """A home whose dictionary the test may change."""
    yield maeari_home / "words.tsv"
    for name in ("words.tsv", "stopwords.txt"):
        (maeari_home / name).unlink(missing_ok=True)


def analyse(as_of: date = AS_OF) -> dict:
    from ml.texts.analyse import analyse
    from ml.texts.collection import Collection

    return analyse(Collection.articles, as_of)


def kept() -> dict[str, list[str]]:
    return dict(fetch("select record_id || ' ' || content_hash, terms from predictions.text_terms"))


def read_anew() -> dict[str, list[str]]:
    """What today's dictionary makes of every text that was known at the end of the day."""
    from ml.texts import dictionary
    from ml.texts.collection import Collection, known_texts

    texts = known_texts(Collection.articles).replace("%(known_until)s", "%s")
    rows = fetch(f"select record_id || ' ' || content_hash, title, body from ({texts}) as known",
                 *[clock.end_of_day(AS_OF)] * 3)  # fmt: skip
    words = dictionary.words()
    own = {word.form.replace(" ", "").lower() for word in words}
    found = morphemes([joined(title, body) for _, title, body in rows], words)
    return {key: keywords(one, own) for (key, *_), one in zip(rows, found, strict=True)}


def test_each_text_is_analysed_once_in_the_version_that_was_known(landed):
    fetch("truncate predictions.text_terms")
    assert analyse(AS_OF - timedelta(days=20))["analysed"] == landed
    assert analyse() == {"as_of": "2025-06-30", "collection": "articles", "analysed": 1, "carried_over": 0}
    assert analyse()["analysed"] == 0
    found = kept()
    assert read_anew().items() <= found.items()
    assert len(found) == landed + 1
    assert fetch("select max(characters_read), min(characters_read) >= 0 from predictions.text_terms") == [
        (LONGEST, True)
    ]
    english = next(terms for key, terms in found.items() if "Europe" in key)
    assert english == ["nice", "city", "the", "city", "of", "europe", "and", "their", "boat"]


def test_an_analysis_that_is_killed_goes_on_after_its_last_batch(landed):
    fetch("truncate predictions.text_terms")
    killed = subprocess.run([sys.executable, "-c", KILLED, AS_OF.isoformat()], env=os.environ)
    assert killed.returncode < 0
    begun = len(kept())
    assert 0 < begun < landed
    assert analyse()["analysed"] == landed - begun
    assert kept() == read_anew()


def test_a_changed_dictionary_reads_anew_only_the_texts_that_may_hold_its_words(landed, own_dictionary):
    fetch("truncate predictions.text_terms")
    analyse()
    own_dictionary.write_text("스마트워치\tNNG\n공공 배달\tNNG\n", encoding="utf-8")
    changed = analyse()
    assert 2 <= changed["analysed"] <= 4
    assert changed["analysed"] + changed["carried_over"] == landed
    found = kept()
    assert found == read_anew()
    assert sum("공공배달" in terms for terms in found.values()) == 1
    assert sum(terms.count("스마트워치") for terms in found.values()) >= 2

    own_dictionary.write_text("스마트워치\tNNG\n", encoding="utf-8")
    assert 1 <= analyse()["analysed"] <= 3
    assert kept() == read_anew()
    assert analyse()["analysed"] == 0


def test_another_analyser_reads_every_text_anew(landed, monkeypatch):
    from ml.texts import dictionary

    analyse()
    monkeypatch.setattr(dictionary, "RULE", dictionary.RULE + 1)
    assert analyse()["analysed"] == landed


def test_a_wrong_dictionary_is_refused_and_nothing_is_lost(landed, own_dictionary):
    from ml.errors import ConfigError

    analyse()
    before = kept()
    own_dictionary.write_text("좋은말\tADJ\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="words.tsv line 1: “좋은말\tADJ”; wanted"):
        analyse()
    assert kept() == before


def test_proposed_words_are_accepted_into_the_dictionary_of_the_home(landed, own_dictionary):
    from typer.testing import CliRunner

    from cli.main import app

    first = clock.start_of_day(date(2025, 6, 25))
    land(
        [
            (f"w{n}", 1, "뚜벅이길", f"{n}번째 뚜벅이길에서 무인카페 주인을 만났다. 뚜벅이길은 길다.", first)
            for n in range(40)
        ]
    )
    warehouse.run_dbt("run", "--select", "int_articles__versions")
    shown = CliRunner().invoke(app, ["words", "--as-of", AS_OF.isoformat()])
    assert shown.exit_code == 0, shown.output
    assert "무인 카페" in shown.output
    unknown = CliRunner().invoke(app, ["words", "--accept", "없는말", "--as-of", AS_OF.isoformat()])
    assert unknown.exit_code == 1
    assert not own_dictionary.exists()
    accepted = CliRunner().invoke(app, ["words", "--accept", "무인 카페", "--as-of", AS_OF.isoformat()])
    assert accepted.exit_code == 0, accepted.output
    assert "무인 카페\tNNG" in own_dictionary.read_text(encoding="utf-8")
    analyse()
    assert fetch("select count(*) from predictions.text_terms where terms @> array['무인카페']") == [(40,)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    terms=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=8)
)
def test_an_array_of_any_words_arrives_as_it_was_sent(warehouse, terms):
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table sent (terms text[]) on commit drop")
        postgres.copy_rows(connection, "sent", ("terms",), [(postgres.text_array(terms),)])
        cursor.execute("select terms from sent")
        assert cursor.fetchone() == (terms,)
