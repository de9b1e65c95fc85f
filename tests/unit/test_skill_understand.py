"""What people write to the book bot, and what they want by it."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.recommend.titles import TitleIndex
from web.skill.understand import READ_LETTERS, Intent, plain, understand


@dataclass(frozen=True)
class Titled:
    book_id: str
    title: str
    author: str | None


TITLES = TitleIndex(
    [
        Titled("demian", "데미안", "헤르만 헤세"),
        Titled("namiya", "나미야 잡화점의 기적", "히가시노 게이고"),
        Titled("sapiens", "사피엔스: 유인원에서 사이보그까지", "유발 하라리"),
        Titled("momo", "모모", "미하엘 엔데"),
        Titled("store", "불편한 편의점", "김호연"),
        Titled("flower", "검은 꽃", "김영하"),
        Titled("1984", "1984", "조지 오웰"),
        Titled("help", "도움말", "아무개"),
        Titled("demian-other", "데미안", "다른 사람"),
    ]
)
OFFERED, NAMES = ("store", "momo", "1984"), ("불편한 편의점", "모모", "1984")


def wanted(written: str) -> Intent:
    return understand(written, OFFERED, NAMES, TITLES)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (kind, one)
        for kind, lines in {
            "empty": ["", "   ", "\n\t", "\u200b"],
            "unreadable": ["🙂🙂🙂", "!!!", "…"],
            "help": ["도움", "?", "뭐 할 수 있어?", "사용법 알려줘", "HELP"],
            "greeting": ["안녕하세요", "안녕~", "hello!", "반가워요"],
            "goodbye": ["잘 가", "내일 봐요", "수고하세요"],
            "thanks": ["고마워요!", "정말 감사합니다", "thank you", "ㄱㅅ"],
            "small_talk": ["ㅋㅋㅋ", "넌 누구야", "이름이 뭐야?", "네", "오늘 날씨 어때"],
            "restart": ["처음부터", "초기화 해줘"],
            "more": ["더 보여줘", "더", "다음", "또 없어?", "책 더 추천해 주세요", "more"],
            "others": ["다른 책", "다른 책 보여줘", "다른 거", "이거 말고", "김영하 말고 다른 작가"],
            "shorter": ["더 짧은 책", "이거랑 비슷한데 더 짧은 거", "짧은 책 추천해줘", "like this but shorter"],
            "popular": ["책 추천해줘", "요즘 인기 있는 책", "아무거나", "다음에 뭐 읽지", "좋은 책", "책"],
            "bought": ["지난번에 산 책 다음은?", "내가 산 책이랑 비슷한 거", "구매 내역"],
        }.items()
        for one in lines
    ],
)
def test_phrases(kind, written):
    assert wanted(written) == Intent(kind)


@pytest.mark.parametrize(
    ("written", "book_ids"),
    [
        ("데미안", ("demian", "demian-other")),
        ("데미안 같은 책 추천해줘", ("demian", "demian-other")),
        ("데미안이랑 비슷한 책", ("demian", "demian-other")),
        ("데미안을 재밌게 읽었어요", ("demian", "demian-other")),
        ("나미야 잡화점의 기적을 읽었는데 비슷한 책 있을까요", ("namiya",)),
        ("불편한 편의점 다음 권", ("store",)),
        ("도움말", ("help",)),
        ("1984", ("1984",)),
    ],
)
def test_titles(written, book_ids):
    assert (wanted(written).kind, wanted(written).book_ids, wanted(written).is_sure) == ("title", book_ids, True)


@pytest.mark.parametrize("written", ["사피언스", "사피언스 비슷한거 있어?", "'사피언스' 같은 책"])
def test_a_title_with_a_slip_is_not_sure(written):
    assert (wanted(written).kind, wanted(written).book_ids, wanted(written).is_sure) == ("title", ("sapiens",), False)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("김영하", "김영하"),
        ("김영하 책", "김영하"),
        ("김영하 작가의 다른 소설", "김영하"),
        ("김영하가 쓴 책 보여줘", "김영하"),
        ("헤세 책 추천해줘", "헤르만 헤세"),
        ("히가시노 게이코 소설", "히가시노 게이고"),
    ],
)
def test_authors(written, name):
    assert (wanted(written).kind, wanted(written).author) == ("author", name)
    assert wanted(written).book_ids


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("잔잔한 가족 이야기", "잔잔한 가족 이야기"),
        ("비 오는 날 읽기 좋은 잔잔한 소설 추천해 주세요", "비 오는 날 읽기 좋은 잔잔한 소설"),
        ("역사에 대한 책", "역사에 대한 책"),
        ("여행 에세이 추천", "여행 에세이"),
        ("요리책 있어?", "요리"),
        ("짧고 따뜻한 가족 이야기", "짧고 따뜻한 가족 이야기"),
        ("가족 이야기 좋아해", "가족 이야기 좋아해"),
        ("I want a sad love story", "i want a sad love story"),
        ("なにか面白い本", "なにか面白い本"),
        ("select * from users; drop table x", "select * from users; drop table x"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_free_words(written, text):
    assert wanted(written).kind == "words"
    assert wanted(written).text in (text, text.removesuffix(" 좋아해") + " 좋아")


@pytest.mark.parametrize(
    ("written", "intent"),
    [
        ("좋아요", Intent("like")),
        ("👍", Intent("like")),
        ("이 책 좋아요", Intent("like")),
        ("좋아요 1", Intent("like", number=1)),
        ("1번 좋아요", Intent("like", number=1)),
        ("첫 번째 책 마음에 들어요", Intent("like", number=1)),
        ("마지막 책 좋아요", Intent("like", number=3)),
        ("12번 좋아요", Intent("like", number=12)),
        ("좋아요 모모", Intent("like", ("momo",))),
        ("불편한 좋아", Intent("like", ("store",))),
        ("1984 좋아요", Intent("like", ("1984",))),
        ("『모모』 좋았어", Intent("like", ("momo",))),
        ("데미안 좋아요", Intent("like", ("demian",))),
        ("별로", Intent("dislike")),
        ("2번 별로예요", Intent("dislike", number=2)),
        ("모모는 별로", Intent("dislike", ("momo",))),
        ("이미 읽었어요 2", Intent("read", number=2)),
        ("모모 읽었어", Intent("read", ("momo",))),
    ],
)
def test_opinions(written, intent):
    assert wanted(written) == intent


def test_shorter_than_a_named_book():
    assert wanted("데미안보다 더 짧은 책") == Intent("shorter", ("demian",))
    assert wanted("나미야 잡화점의 기적이랑 비슷한데 좀 더 얇은 책") == Intent("shorter", ("namiya",))


def test_only_the_beginning_is_read_and_in_one_form():
    assert len(plain("가" * 10_000)) == READ_LETTERS
    assert plain("ｈｅｌｌｏ\u200b  \n ㅋㅋ 데") == "hello ㅋㅋ 데"
    assert wanted("가" * 10_000).kind == "words"


@given(st.text(max_size=400))
def test_whatever_is_written_is_understood_somehow(written):
    intent = wanted(written)
    assert intent.kind
    assert set(intent.book_ids) <= {
        "demian",
        "namiya",
        "sapiens",
        "momo",
        "store",
        "flower",
        "1984",
        "help",
        "demian-other",
    }


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_titles_that_were_offered_may_hold_anything(written, names):
    understand(f"{written} 좋아요", [str(place) for place in range(len(names))], names, TITLES)
