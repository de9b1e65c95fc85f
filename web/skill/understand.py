"""What a person wants who wrote to the book bot: rules over Korean phrases, titles and authors; pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml.recommend.titles import Match, TitleIndex, letters

READ_LETTERS = 300
"""How much of what was written is read: nobody asks for a book in more."""
LONGEST_PHRASE = 60
"""Letters above which what was said is no phrase of the tables below."""
_CHOICES = 5

Kind = Literal[
    "empty", "unreadable", "help", "greeting", "goodbye", "thanks", "small_talk", "restart", "more", "shorter",
    "others", "like", "dislike", "read", "bought", "popular", "title", "author", "words",
]  # fmt: skip


@dataclass(frozen=True)
class Intent:
    """What is wanted, and of what: books of the catalogue, an author, free words, or which book by number."""

    kind: Kind
    book_ids: tuple[str, ...] = ()
    is_sure: bool = True
    """Not where the title or the name was typed otherwise."""
    author: str = ""
    text: str = ""
    number: int | None = None
    """Which of the books offered last, from 1."""


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_BOOK = _any("책", "소설", "작품", "도서", "시집", "에세이", "거", "것", "걸", "권", "이야기")
_PLAIN_BOOK = _any("책", "도서", "작품", "거", "것", "걸")
_GIVE = _any(r"줄 수 있(?:어|나요)", "줘", "줄래", "주세요", "주실래요", "주라", "봐", "드려요?", "합니다", "요")
_ASK = (
    r"(?:좀|하나|한 권|몇 권)?\s?"
    + _any(
        "(?:추천|소개|부탁|검색)(?:을|를)?(?: ?(?:해|드려|드립니다))?",
        "보여",
        "찾아요?",
        "알려",
        "골라",
        "권해",
        "해",
        "찾고 있어",
        _GIVE,
        "please",
        "(?:할|볼|읽을) ?만한",
        "있(?:어|나|니|을까|습니까)",
        "없(?:어|나|을까)",
        "(?:읽고|보고) 싶(?:어|다)",
        "뭐 읽지",
        "뭐가 있어",
        "뭐 있어",
        "뭐야",
        "원해",
        "바라",
        "할까",
        "할게",
    )
    + rf"(?:\s?{_GIVE})*"
)
_PLEASE = rf"(?:\s?{_ASK})?"
_THIS = _any("이거", "이것", "이런 ?(?:거|것|책)", "이 ?책", "그거", "그 ?책", "방금 책", "이 중", "여기")
_THIS += "(?:이랑|랑|하고|와|과|보다|처럼|에서|말고)?"

_IS_THERE = "(?: ?[없있](?:어|나)요?)?"

# The first whose pattern is the whole of what was said decides.
_PHRASES: dict[Kind, tuple[str, ...]] = {
    "help": (
        r"\?",
        "help",
        "도움말?",
        "도와 ?줘(?:요)?",
        "도와주세요",
        "사용 ?(?:법|방법)(?: 알려 ?줘)?",
        "메뉴",
        "기능",
        "명령어?",
        "(?:뭐|무엇을?|뭘) ?(?:할|해 ?줄) ?수 ?있(?:어|니|나요|어요|는데)",
        "(?:너는? ?|넌 )?(?:뭐|뭘|무엇을) ?(?:할 줄 ?알아|해 ?줘)",
        "어떻게 ?(?:써|쓰는 ?거야|쓰나요|사용해|사용하나요|하는 ?거야|해)",
    ),
    "restart": (
        f"처음(?:부터|으로)(?: 다시)?{_PLEASE}",
        "다시 시작",
        "초기화(?: ?해 ?줘)?",
        "리셋",
        "reset",
        "(?:대화|기록)(?:을|를)? ?(?:지워|잊어|삭제해)(?: ?줘)?(?:요)?",
    ),
    "more": (
        "더(?:요)?",
        "또(?:요)?",
        "계속",
        "다음(?: ?거)?",
        "more",
        "show more",
        "(?:조금|좀)? ?(?:더|또) ?(?:없어|없나요?|있어|있나요?|줘|주세요|보기)",
        f"(?:책 ?)?(?:조금 |좀 )?(?:더|또) ?(?:많이 |많은 )?(?:{_BOOK} ?)?{_ASK}",
        f"{_BOOK} ?더{_PLEASE}",
    ),
    "others": (
        f"(?:아니 ?)?(?:{_THIS} ?)?(?:다른|딴) ?{_BOOK}(?:들)?(?:은|을|를|으로|로|도)?{_IS_THERE}{_PLEASE}",
        f"{_THIS} ?말고(?: ?다른)?{_PLEASE}",
        f"(?:다른 ?걸로|바꿔)(?:요)?{_PLEASE}",
        "others?",
        "something else",
    ),
    "popular": (
        "(?:요즘|최근|지금|올해|제일|가장)? ?(?:인기|유명|베스트(?:셀러)?|많이 ?(?:읽|팔|찾)|핫|잘나가|화제)[가-힣]*"
        rf"(?: ?(?:있는|많은|도서|순|목록))*(?: ?{_BOOK})?(?:은|이|을|들)?(?: ?뭐[가-힣]*)?{_PLEASE}",
        f"아무 ?(?:거|책|것)(?:이?나)?{_PLEASE}",
        "심심해(?:요)?",
        "popular",
        "recommend(?: me)?(?: a book)?",
        "책|도서",
        "(?:오늘|요즘|이번 ?주|주말에?|지금|다음에?|이제)? ?(?:뭐|(?:무슨|어떤) ?책을?) ?읽(?:지|을까)요?",
        f"(?:재밌는|재미있는|좋은|괜찮은|읽을 ?만한|볼 ?만한) ?{_BOOK}{_PLEASE}",
        f"(?:{_PLAIN_BOOK} ?)?(?:을|를)?(?:추천|소개|골라|권해)[가-힣 ]*",
        f"{_PLAIN_BOOK}(?:을|를)? ?(?:찾아|보여|알려|읽고)[가-힣 ]*",
    ),
    "greeting": (
        "(?:봇|메아리)?(?:아|야)? ?(?:안녕|하이|헬로우?|ㅎㅇ|반가워|반갑습니다|처음 뵙겠습니다|hi|hello|hey)[가-힣~ ]*",
        "좋은 ?(?:아침|오후|저녁|하루)[가-힣 ]*",
    ),
    "goodbye": (
        "(?:안녕히|잘) ?(?:가|계세요|있어|자)[가-힣]*",
        "바이(?:바이)?",
        "ㅂㅇ",
        "bye",
        "(?:내일|다음에|또) ?(?:봐|보자|올게)[가-힣]*",
        "그만[가-힣]*",
        "됐어[가-힣]*",
        "(?:이제 )?(?:끝|종료|나갈게|갈게)[가-힣]*",
        "수고[가-힣 ]*",
    ),
    "thanks": (
        "(?:(?:정말|진짜|너무|완전|아주|매우|네|응|오|와)[, ]*)*"
        "(?:고마|고맙|감사|ㄱㅅ|ㄳ|땡큐|쌩큐|thank|thx|최고|짱|훌륭|잘 ?읽을게|잘 ?볼게)[가-힣a-z ]*",
        "덕분에[가-힣 ]*",
        "(?:좋은|멋진) ?추천(?:이네요?|이야|이에요|입니다| ?고마워(?:요)?)?",
    ),
    "small_talk": (
        "[ㅋㅎㅠㅜㅇㄴㅡ^.~! ]+",
        "(?:네|넵|응|어|음|아|오|와|그래|아니|그렇구나|그렇군|알겠어|오케이|ok|ㅇㅋ|yes|no)(?:요)?",
        "알겠습니다",
        "(?:너|넌|네|당신)[가-힣]* ?(?:이름|누구|뭐|몇 ?살|사람|로봇|봇|어디|바보|천재|똑똑|좋아|사랑)[가-힣 ]*",
        "이름이? ?(?:뭐|뭔|무엇)[가-힣 ]*",
        "누구(?:야|니|세요|신가요)",
        "(?:사람|로봇|봇|기계|ai)(?:이야|이니|인가요|이에요|이세요)",
        "뭐 ?(?:해|하니|하고 ?있어)",
        "밥 ?먹었(?:어|니)(?:요)?",
        "(?:오늘 ?)?날씨[가-힣 ]*",
        "사랑해(?:요)?",
        "바보(?:야)?",
        "테스트",
        "test",
        "(?:배고파|졸려|피곤해|외로워|우울해|행복해|슬퍼|힘들어)(?:요)?",
    ),
}
_WHOLE = tuple((kind, re.compile(_any(*patterns))) for kind, patterns in _PHRASES.items())

_ORDINALS = ("첫", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열")
_NUMBER = re.compile(
    _any(
        r"(?P<digit>\d{1,2}) ?(?:번째|번|위)?",
        f"(?P<word>{'|'.join(_ORDINALS)}) ?번째",
        "(?P<last>마지막|맨 ?끝)",
    )
    + "(?: ?(?:책|거|것))?(?:이|가|은|는|을|를)?"
)
_VERY = r"(?:(?:정말|진짜|너무|완전|아주|제일|가장|더|좀|조금)\s?)*"
_LIKED = _VERY + _any(
    "좋아(?:해요|요|해)?",
    "좋(?:네요|네|다|았어요|았어|습니다|은데요|은데)",
    "(?:마음|맘)에 ?(?:들어|들었어|드네)요?",
    "(?:재밌|재미있)겠다",
    "(?:재밌어|재미있어) ?보여요?",
    "찜(?:할게요|할게)?",
    "이걸로 ?할게요?",
    "굿",
    "good",
    "like",
    "👍",
    "❤",
    "♥",
    "💕",
    "😍",
)
_DISLIKED = _VERY + _any(
    "별로(?:예요|에요|네요|인데요|인데|네|야|다)?",
    "싫어요?",
    "싫다",
    "안 ?좋아(?:해요|요|해)?",
    "(?:마음|맘)에 ?안 ?들어요?",
    "관심 ?없어요?",
    "안 ?끌려요?",
    "재미 ?없(?:어 ?보여|어|겠다)요?",
    "노잼",
    "dislike",
    "👎",
)
_READ = r"(?:(?:이미|벌써|다|예전에|전에)\s?)?" + _any(
    "(?:읽|봤)(?:었)?(?:습니다|어요|는데요|어|던 ?(?:책|거)(?:예요|네요|야)?)",
    "(?:읽은|본) ?(?:책|거|것)(?:이에요|예요|네요|이야|야|입니다)?",
    "(?:갖고|가지고) ?있어요?",
)
_OPINIONS = tuple(
    (kind, re.compile(rf"(?P<before>.*?)\s*{said}"), re.compile(rf"{said}\s*(?P<after>.*)"))
    for kind, said in (("dislike", _DISLIKED), ("like", _LIKED), ("read", _READ))
)
_NOBODY = re.compile(rf"(?:{_THIS}|이|저|난|나|전)(?:은|는|도)?")
_SHORT = "(?:짧|얇|가볍)"
_SHORTER = re.compile(
    rf"(?:더|좀|조금|훨씬)\s?{_SHORT}[가-힣]*|덜 ?(?:길|두꺼)[가-힣]*|shorter"
    "|(?:분량|두께|쪽수|페이지)[가-힣]* ?(?:적|짧|얇)[가-힣]*"
)
_SHORT_WHOLE = re.compile(
    rf"(?:{_THIS}(?: ?(?:비슷|같|닮)[가-힣]*)?\s?)?(?:근데|그런데|하지만|인데)?\s?(?:(?:더|좀|조금|훨씬)\s?)*"
    rf"(?:{_SHORT}|분량[가-힣]* ?(?:적|짧)|덜 ?(?:길|두꺼))[가-힣]*\s?(?:{_PLAIN_BOOK}(?:으로|로|은|을|도)?)?"
    rf"{_IS_THERE}{_PLEASE}"
    rf"|(?:like this but )?shorter|(?:금방|빨리|하루에|한 번에) ?읽[가-힣 ]*{_PLAIN_BOOK}{_PLEASE}"
)
_BOUGHT = re.compile(
    "(?:지난번?|저번|전번|최근|얼마 ?전|예전|이전|전|아까|어제)에? ?(?:내가 ?|제가 ?)?"
    "(?:산|샀던|사 ?본|(?:구매|구입|주문|대출)(?:한|했던)|빌린)"
    "|(?:내|제|나의|저의)(?:가)? ?(?:산|구매한|구입한|주문한|구매 ?(?:내역|목록|기록))"
    "|(?:구매|주문|대출) ?(?:내역|기록|목록)|(?:내|제)가 ?(?:좋아한|좋다고 ?한|찜한) ?책"
)
_OTHERS = re.compile("말고 ?(?:다른|딴) ?(?:작가|책|거|것)")
_FREE = re.compile(
    "에 ?(?:대한|관한|대해|관해)|(?:을|를) ?다룬|(?:이|가) ?나오는|주제|분위기|소재|같은 ?기분|느낌의|이야기"
)
_TAIL = re.compile(rf"\s*(?:{_PLAIN_BOOK}(?:들?을|를|들?로|으로|이|은|도|들)?)?\s*{_ASK}[\s?!.~…ㅎㅋ^]*$")
_LIKE_TITLE = re.compile(
    r"^(?P<title>.+?)\s?"
    + _any(r"(?:이?랑|하고|와|과)?\s?(?:비슷|유사|닮)[가-힣]*", "같은", "느낌의?", "류의?", "스타일의?", "을", "를")
    + rf"?\s?(?:{_BOOK}|책들)?\s?"
    + _any(
        r"(?:을|를)?\s?(?:(?:재밌게|재미있게|감명 ?깊게|잘|다|막|방금|어제|얼마 ?전에)\s?)?(?:읽|봤|보)[가-힣]*.*",
        "좋아[가-힣]*.*",
        "좋았[가-힣]*.*",
        "(?:의 )?다음(?:에|엔|에는|은|권)?.*",
        "후속.*",
    )
    + "?$"
)
_AUTHOR = re.compile(
    r"^(?P<name>.+?)(?:이|가)?\s?(?:작가|저자|소설가|시인|선생)?(?:님)?(?:이|가|의)?\s?"
    + _any(
        rf"(?:쓴|지은|그린|낸|번역한)\s?(?:다른 ?)?(?:{_BOOK})?",
        rf"(?:다른 ?)?(?:{_BOOK}|신작|대표작|작가님?|저자)(?:들|은|을|를|이)?",
    )
    + "$"
)


def understand(written: str, offered: Sequence[str], names: Sequence[str], titles: TitleIndex) -> Intent:
    """What is wanted; `offered` are the ids of the books offered last, and `names` their titles in the same order."""
    text = plain(written)
    if not text:
        return Intent("empty")
    said = _without_end(text.casefold())
    if said == "?" or not letters(text):
        return _opinion(said, offered, names, titles) or Intent("help" if said == "?" else "unreadable")
    if titled := _title(titles.find(said, _CHOICES, least=1.0) if len(letters(said)) > 1 else [], said):
        return titled
    if len(said) <= LONGEST_PHRASE and (intent := _phrase(said, offered, names, titles)):
        return intent
    if _BOUGHT.search(said):
        return Intent("bought")
    if _SHORTER.search(said):
        mentioned = titles.mentioned(text, 1) or _similar(_SHORTER.sub("", said).strip(), titles, least=1.0)
        if mentioned:
            return Intent("shorter", (mentioned[0].book_id,))
    return _asked(text, said, titles)


def plain(written: str) -> str:
    """The beginning of what was written, as one line in one form; without what cannot be seen."""
    # Of the letters in ㅋㅋ NFKC would make the beginnings of syllables.
    read = (
        one if "\u3131" <= one <= "\u318e" else unicodedata.normalize("NFKC", one) for one in written[:READ_LETTERS]
    )
    text = unicodedata.normalize("NFC", "".join(read))
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _without_end(text: str) -> str:
    said = re.sub(r"[\s.!~…,;?]+$", "", text)
    return said or ("?" if "?" in text else "")


def _phrase(said: str, offered: Sequence[str], names: Sequence[str], titles: TitleIndex) -> Intent | None:
    if opinion := _opinion(said, offered, names, titles):
        return opinion
    if _OTHERS.search(said):
        return Intent("others")
    if _SHORT_WHOLE.fullmatch(said):
        return Intent("shorter")
    return next((Intent(kind) for kind, pattern in _WHOLE if pattern.fullmatch(said)), None)


def _opinion(said: str, offered: Sequence[str], names: Sequence[str], titles: TitleIndex) -> Intent | None:
    """That a book is liked, is not, or was read: which one is said by its number, by its title, or not at all."""
    for kind, before, after in _OPINIONS:
        for pattern in (before, after):
            if not (match := pattern.fullmatch(said)):
                continue
            rest = next(iter(match.groupdict().values())).strip()
            if not rest or _NOBODY.fullmatch(rest):
                return Intent(kind)
            if numbered := _NUMBER.fullmatch(rest):
                return Intent(kind, number=_number(numbered, len(offered)))
            book_id = _named(rest, offered, names, titles)
            # Who tells of having read a book that was not offered wants others like it.
            if book_id is not None and (kind != "read" or book_id in offered):
                return Intent(kind, (book_id,))
    return None


def _number(match: re.Match, offered: int) -> int:
    if match["digit"]:
        return int(match["digit"])
    return offered if match["last"] else _ORDINALS.index(match["word"]) + 1


def _named(rest: str, offered: Sequence[str], names: Sequence[str], titles: TitleIndex) -> str | None:
    """The book that a title means, one of those offered before any other."""
    wanted = letters(rest)
    for book_id, name in zip(offered, names, strict=True):
        if len(wanted) > 1 and letters(name).startswith(wanted):
            return book_id
    found = [match.book_id for match in titles.find(rest, 2 * _CHOICES)]
    return next((book_id for book_id in found if book_id in offered), found[0] if found else None)


def _asked(text: str, said: str, titles: TitleIndex) -> Intent:
    """A title, an author, or free words: what is surest."""
    asked = _TAIL.sub("", said).strip() or said
    named = _AUTHOR.fullmatch(asked) or _AUTHOR.fullmatch(said)
    authors = [titles.find_author(name) for name in (asked, *([named["name"]] if named else []))]
    sure_authors = [author for author in authors if author is not None and author.score == 1]
    is_free = bool(_FREE.search(said))
    title = (
        _title(titles.find(asked, _CHOICES, least=1.0), asked)
        or next((Intent("author", author.book_ids, author=author.name) for author in sure_authors), None)
        or (not is_free and _title(_similar(asked, titles, least=1.0) or _similar(said, titles, least=1.0), asked))
        or (not is_free and _title(titles.find(asked, _CHOICES) or _similar(asked, titles), asked))
    )
    if title:
        return title
    if not is_free and (author := next(filter(None, authors), None)):
        return Intent("author", author.book_ids, is_sure=False, author=author.name)
    if titled := _title(titles.mentioned(text, _CHOICES), asked):
        return titled
    if (author := titles.mentioned_author(text)) is not None:
        return Intent("author", author.book_ids, author=author.name)
    return Intent("words", text=asked)


def _title(found: Sequence[Match], asked: str) -> Intent | None:
    if not found:
        return None
    # Books of one title may be by several authors; of titles that are only alike the likest is meant.
    alike = tuple(match.book_id for match in found if match.score == found[0].score)
    return Intent("title", alike, found[0].score == 1, text=asked)


def _similar(asked: str, titles: TitleIndex, **least: float) -> list[Match]:
    """The books before 같은, 비슷한, 읽고 and their like."""
    match = _LIKE_TITLE.fullmatch(asked)
    return titles.find(match["title"], _CHOICES, **least) if match and match["title"] != asked else []
