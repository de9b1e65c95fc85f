"""The two files of words that a person may edit, which texts a changed word is in, and which words are proposed."""

import random
from datetime import date
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maeari.text import Morpheme, Word, keywords, morphemes
from ml.errors import ConfigError
from ml.texts import dictionary, proposals
from ml.texts.collection import Collection

# One dictionary for all tests: each loads an analyser of its own. None of them is a part of another.
WORDS = tuple(
    sorted(
        [
            Word("독립 서점", "NNG"), Word("갤럭시 워치", "NNP"), Word("두바이 쫀득 쿠키", "NNP"), Word("챗GPT", "NNP"),
            Word("코로나19", "NNP"), Word("오픈런", "NNG"), Word("카공", "NNG"), Word("슬세권", "NNP"),
            Word("마라탕후루", "NNG"), Word("C++", "NNP"), Word("K-푸드", "NNG"), Word("미세 먼지", "NNG"),
            Word("AI 반도체", "NNG"),
        ]
    )
)  # fmt: skip
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u200b", "\u200d", "\x1f", "\u2028"]
BEFORE = ["", "새", "오늘은 ", "그 유명한 ", "(", "“", "#", "1", "초"]
AFTER = [
    "", "가", "이", "를", "은", "의", "에서", "에선", "처럼", "로", "들이", "라서", "이라서", "였다", "이었다",
    "입니다", "인데", "야", "요", "ㅋㅋ", "님", "적인", "하다", "했다", "되는", "화", "랑", ",", "2",
    "ㄴ", "데", "니다", "까", "만의",
]  # fmt: skip
MELTED = {"ㄴ": 4, "ㄹ": 8, "ㅂ": 17, "ㅁ": 16, "ㅆ": 20, "ㅋ": 24}


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty `MAEARI_HOME`."""
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_the_committed_words_and_stop_words_are_right(home):
    words = dictionary.words()
    assert words == tuple(sorted(words))
    assert {word.tag for word in words} <= set(dictionary.TAGS)
    stop_words = dictionary.stop_words()
    assert {"기자", "하다", "the"} <= stop_words
    assert not any("#" in word or word != word.strip().lower() for word in stop_words)


def test_the_words_of_the_home_win_and_are_sorted(home):
    (home / "words.tsv").write_text("\ufeff# ours\r\n\r\n오픈런\tNNG\r\n  갤럭시   워치\tNNP \r\n", encoding="utf-8")
    assert dictionary.words() == (Word("갤럭시 워치", "NNP"), Word("오픈런", "NNG"))


def test_the_stop_words_of_the_home_win_and_what_follows_a_hash_is_left_out(home):
    (home / "stopwords.txt").write_text("# none\n그것  The # 이것\n\n경우#때문\n", encoding="utf-8")
    assert dictionary.stop_words() == {"그것", "the", "경우"}


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("오픈런\tVV", "line 3: “오픈런\tVV”; wanted a word"),
        ("오픈런 NNG", "line 3: “오픈런 NNG”; wanted a word"),
        ("오픈런", "line 3"),
        ("\tNNG", "line 3"),
        ("가" * 31 + "\tNNG", "line 3.*up to 30 characters"),
        ("독립 서점\tNNP", "line 3: “독립 서점” stands there twice"),
        ("독립  서점\tNNG", "line 3: “독립 서점” stands there twice"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(home, line, seen):
    file = home / "words.tsv"
    file.write_text(f"# ours\n독립 서점\tNNG\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=seen) as raised:
        dictionary.words()
    assert str(raised.value).startswith(f"{file} line 3: ")


@pytest.mark.parametrize("name", ["words.tsv", "stopwords.txt"])
def test_a_file_that_is_not_utf_8_is_named(home, name):
    (home / name).write_bytes("오픈런\tNNG\n".encode("cp949"))
    with pytest.raises(ConfigError, match=f"{name} is not UTF-8 text"):
        dictionary.words() if name == "words.tsv" else dictionary.stop_words()


def test_too_many_words_are_refused(home, monkeypatch):
    monkeypatch.setattr(dictionary, "MOST_WORDS", 2)
    (home / "words.tsv").write_text("가나\tNNG\n다라\tNNG\n마바\tNNG\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="more than 2 words"):
        dictionary.words()


LINES = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=20)
    | st.builds("{}\t{}".format, st.text("가나 \t#A", max_size=4), st.sampled_from(["NNG", "NNP ", "VV", ""])),
    max_size=4,
)


@settings(max_examples=60)
@given(LINES)
def test_any_file_is_read_or_refused_by_the_line(tmp_path_factory, lines):
    folder = tmp_path_factory.getbasetemp() / "any_file"
    folder.mkdir(exist_ok=True)
    (folder / "words.tsv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MAEARI_HOME", str(folder))
        try:
            words, refusal = dictionary.words(), ""
        except ConfigError as error:
            words, refusal = (), str(error)
    assert all(word.form and word.tag in dictionary.TAGS for word in words)
    assert not refusal or refusal.startswith(f"{folder / 'words.tsv'} line ")


def test_added_words_begin_with_a_copy_and_are_written_once(home):
    before = dictionary.words()
    file = dictionary.add_words([Word("오픈런", "NNG"), Word("갤럭시 워치", "NNP")])
    assert file == home / "words.tsv"
    committed = (dictionary.COMMITTED / "words.tsv").read_text(encoding="utf-8")
    written = file.read_text(encoding="utf-8")
    assert written == f"{committed}오픈런\tNNG\n갤럭시 워치\tNNP\n"
    assert set(dictionary.words()) == {*before, Word("오픈런", "NNG"), Word("갤럭시 워치", "NNP")}
    dictionary.add_words([Word("오픈런", "NNP"), Word("갤럭시 워치", "NNP")])
    assert file.read_text(encoding="utf-8") == written


def test_words_are_added_to_a_home_that_is_not_there_yet_and_to_a_file_without_a_last_line_break(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path / "new"))
    file = dictionary.add_words([])
    file.write_text("오픈런\tNNG", encoding="utf-8")
    dictionary.add_words([Word("카공", "NNG")])
    assert file.read_text(encoding="utf-8") == "오픈런\tNNG\n카공\tNNG\n"


def texts_with(word: Word) -> list[str]:
    """The word among particles and endings, an ending melted into it, and its parts apart as they may be."""
    parts, whole = word.form.split(" "), word.form.replace(" ", "")
    forms = [whole, whole.lower(), whole.upper()]
    if len(parts) > 1:
        forms += [space.join(parts) for space in SPACES]
        forms += [f"{whole[:at]} {whole[at:]}" for at in range(1, len(whole))]
    last = forms[0][-1]
    if "가" <= last <= "힣" and (ord(last) - ord("가")) % 28 == 0:
        forms += [form[:-1] + chr(ord(form[-1]) + final) for form in forms for final in MELTED.values()]
    draws = random.Random(0)
    surroundings = list(product(BEFORE, AFTER))
    return [f"{before}{form}{after}" for form in forms for before, after in draws.sample(surroundings, 8)]


def test_every_text_that_a_word_changes_is_one_in_which_it_may_be_sighted():
    melted = 0
    for word in WORDS:
        texts, sighted = texts_with(word), dictionary.sightings([word])
        with_words = [keywords(found) for found in morphemes(texts, WORDS)]
        without = [keywords(found) for found in morphemes(texts)]
        differ = [text for text, one, other in zip(texts, with_words, without, strict=True) if one != other]
        assert [text for text in differ if not sighted.search(text)] == []
        assert differ, word
        melted += sum(word.form.replace(" ", "") not in "".join(text.split()) for text in differ)
    assert melted > 100


def test_a_melted_ending_is_sighted_and_other_syllables_are_not():
    sighted = dictionary.sightings([Word("갤럭시 워치", "NNP")])
    assert sighted.search("새 갤럭시워친데")
    assert sighted.search("갤럭시\n워칩니다")
    assert sighted.search("갤 럭시워치")
    assert not sighted.search("갤럭시 워커")
    assert not sighted.search("갤럭시와 워치")
    assert not dictionary.sightings([Word("독립 서점", "NNG")]).search("독립 서저")


def test_no_changed_word_has_no_pattern_and_several_have_one():
    assert dictionary.sightings([]) is None
    sighted = dictionary.sightings([Word("C++", "NNP"), Word("챗GPT", "NNP")])
    assert sighted.search("c++를 배운다")
    assert sighted.search("챗gpt")
    assert not sighted.search("C를 배운다")


def morpheme(form: str, start: int, tag: str = "NNG") -> Morpheme:
    return Morpheme(form, tag, start, start + len(form))


def test_two_nouns_that_are_always_written_together_are_a_compound():
    together = [morpheme("일회", 0), morpheme("컵", 2), morpheme("독립", 4), morpheme("서점", 6, "NNP")]
    apart = [morpheme("독립", 0), morpheme("서점", 3)]
    others = [[morpheme(noun, 0), morpheme("이", 4, "JKS")] for noun in ("커피", "원두", "우유", "설탕") * 40]
    found = list(proposals._compounds(["가나다라독립서점이"] * 12 + ["커피"] * 161, [together] * 12 + [apart] + others))
    assert [(one.word, one.kind, one.texts) for one in found] == [(Word("독립 서점", "NNP"), "compound", 12)]
    assert found[0].score > 0.9
    assert found[0].example == "가나다라독립서점이"


def test_nouns_that_meet_by_chance_or_in_too_few_texts_are_none():
    draws = random.Random(0)
    nouns = ("커피", "원두", "우유", "설탕")
    texts = [[morpheme(draws.choice(nouns), 0), morpheme(draws.choice(nouns), 2)] for _ in range(400)]
    assert list(proposals._compounds(["커피원두"] * 400, texts)) == []
    few = [[morpheme("독립", 0), morpheme("서점", 2)]] * (proposals.LEAST_TEXTS - 1)
    assert list(proposals._compounds(["독립서점"] * len(few), few)) == []


def test_words_are_proposed_once_the_surest_first_and_none_that_is_known(home, monkeypatch):
    draws = random.Random(1)
    nouns = ["커피", "라떼", "우유", "도서관", "카페", "지하철", "골목", "날씨"]
    texts = [f"요즘 {draws.choice(['독립서점', '골목상권'])}에서 {draws.choice(nouns)}를 봤다" for _ in range(60)]
    texts += ["미세먼지가 심하다"] * 30
    texts += [f"{draws.choice(nouns)}가 좋다. {draws.choice(nouns)}도 좋다" for _ in range(100)]
    strings = [("골목상권", 4.0, 30), ("도서관", 2.0, 30)]
    monkeypatch.setattr(proposals, "_read", lambda collection, as_of: texts)
    monkeypatch.setattr(proposals, "frequent_strings", lambda texts, least: strings)
    (home / "words.tsv").write_text("독립 서점\tNNG\n미세 먼지\tNNG\n", encoding="utf-8")
    found = proposals.propose(Collection.articles, date(2026, 5, 31))
    assert [(one.word.form.replace(" ", ""), one.kind) for one in found] == [("골목상권", "compound")]
    assert found[0].texts == sum("골목상권" in text for text in texts)
    assert "골목상권" in found[0].example
    assert 0 < found[0].score <= 1
