"""The text of pages whose encoding is told wrongly, or not at all."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import HtmlResponse, Request, Response
from scrapy.utils.test import get_crawler

from crawlers.encoding import UNDECODABLE, Decompression, Encoding, decode, encoding_of
from crawlers.errors import PageFault

# The 2,350 syllables of KS X 1001, which Korean is written with, and rarer ones that CP949 adds.
EVERYDAY = [bytes([lead, trail]).decode("euc_kr") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)]
RARE = ["똠", "쀍", "뷁", "햏", "믜", "펲"]
DECLARED = [
    *(None, "utf-8", "UTF8", "euc-kr", "EUC-KR", "ks_c_5601-1987", "cp949", "x-windows-949", "iso-8859-1", "us-ascii"),
    *("windows-1252", "latin1", "shift_jis", "euc-jp", "gb2312", "gbk", "gb18030", "big5", "utf-16", "utf-16le"),
    *("iso-2022-kr", "iso-2022-jp", "koi8-r", "windows-1251", "utf-7", "zlib", "punycode", "idna", "none", "한글"),
]
KOREAN = st.builds(
    lambda words, rare, rest: f"{' '.join(words)} {rest}{rare}",
    st.lists(st.text(st.sampled_from(EVERYDAY), min_size=2, max_size=6), min_size=6, max_size=40),
    st.sampled_from(["", *RARE]),
    st.text(st.sampled_from("abc XYZ 0123,.!?<>/&;·“”…\n"), max_size=40),
)


@given(text=KOREAN, encoding=st.sampled_from(["utf-8", "cp949"]), declared=st.sampled_from(DECLARED))
def test_korean_comes_back_whatever_the_header_says(text, encoding, declared):
    assert decode(text.encode(encoding), declared) == text


@given(text=KOREAN, encoding=st.sampled_from(["utf-8", "cp949"]), declared=st.sampled_from(DECLARED[1:]))
def test_korean_comes_back_whatever_the_page_says(text, encoding, declared):
    meta = f'<html><meta charset="{declared}"><p>'.encode("ascii", "replace")
    assert decode(meta + text.encode(encoding)) == meta.decode() + text
    xml = f'<?xml version="1.0" encoding="{declared}"?>'.encode("ascii", "replace")
    assert decode(xml + text.encode(encoding)) == text


@given(text=KOREAN, encoding=st.sampled_from(["utf-8", "cp949"]), declared=st.sampled_from(DECLARED), cut=st.data())
def test_a_page_that_is_cut_anywhere_keeps_what_came_before(text, encoding, declared, cut):
    body = text.encode(encoding)
    body = body[: cut.draw(st.integers(len(body) // 2, len(body)))]
    whole = body.decode(encoding, "ignore")
    found = decode(body, declared)
    assert found.removesuffix("\ufffd") == whole


@given(body=st.binary(max_size=400), declared=st.sampled_from(DECLARED) | st.text(max_size=12))
def test_random_bytes_are_read_as_something(body, declared):
    encoding, _ = encoding_of(body, declared)
    assert isinstance(decode(body, declared), str)
    b"".decode(encoding)


def test_large_random_bytes_are_read_as_something():
    body = random.Random(1).randbytes(300_000)
    assert isinstance(decode(body, "utf-8"), str)


WESTERN = "It’s a “quoted” text, and it’s fine — a café, très déjà là: naïve façade."
JAPANESE = "これは日本語の文章です。今日はとても天気がいいですね。東京の喫茶店で珈琲を飲みました。"
CHINESE = "这是中文的文章，今天天气很好，我们去公园散步，然后在咖啡馆喝咖啡，看书聊天。"


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        (WESTERN, "cp1252", "windows-1252"),
        (WESTERN, "cp1252", "iso-8859-1"),
        (WESTERN, "utf-8", "iso-8859-1"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "cp932", "shift_jis"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (CHINESE, "gb18030", "gb2312"),
        (CHINESE, "utf-8", "euc-kr"),
        ("plain English", "ascii", "utf-16"),
        ("plain English", "ascii", None),
        ("한글 문서", "utf-16", None),
        ("한글 문서", "utf-8-sig", "euc-kr"),
    ],
)
def test_other_languages_are_read_as_they_are_declared(text, encoding, declared):
    assert decode(text.encode(encoding), declared) == text


def test_a_few_broken_characters_do_not_change_the_rest():
    text = "오늘은 날씨가 좋아서 산책을 했습니다. " * 20
    for encoding, broken in (("cp949", b"\xff\xff"), ("utf-8", b"\xed\x95")):
        body = text.encode(encoding)
        body = body[:40] + b" " + broken + b" " + body[40:]
        for declared in ("utf-8", "euc-kr", "iso-8859-1", None):
            found, is_whole = encoding_of(body, declared)
            assert (found, is_whole) == (encoding, False)
            assert decode(body, declared).count("산책") >= 19


def response(body: bytes, **facts) -> HtmlResponse:
    return HtmlResponse("http://shop.example/", body=body, **facts)


@pytest.fixture
def middleware():
    return Encoding(get_crawler())


def test_a_spider_sees_the_text_of_a_page_whose_header_lies(middleware):
    page = "<html><head><title>후기 목록</title></head><body>이 가게의 후기를 모두 모았습니다"
    lying = response(page.encode("cp949"), headers={"Content-Type": "text/html; charset=utf-8"})
    read = middleware.process_response(Request(lying.url), lying)
    assert read.css("title::text").get() == "후기 목록"
    assert read.body == lying.body

    wide = response(page.encode("utf-16"), headers={"Content-Type": "text/html"})
    assert middleware.process_response(Request(wide.url), wide).css("title::text").get() == "후기 목록"

    broken = response((page * 2).encode("cp949") + b" \xff ", headers={"Content-Type": "text/html; charset=utf-8"})
    read = middleware.process_response(Request(broken.url), broken)
    assert (read.css("title::text").get(), read.flags) == ("후기 목록", [UNDECODABLE])

    picture = Response("http://shop.example/", body=b"\x89PNG")
    assert middleware.process_response(Request(picture.url), picture) is picture


def test_a_page_that_unpacks_beyond_the_limit_is_refused_with_a_reason():
    middleware = Decompression.from_crawler(get_crawler(settings_dict={"DOWNLOAD_MAXSIZE": 2 << 20}))
    for size, is_refused in ((1 << 20, False), (50 << 20, True)):
        packed = response(zlib.compress(b"a" * size), headers={"Content-Encoding": "deflate"})
        if is_refused:
            with pytest.raises(PageFault, match="larger than 2 MB when unpacked"):
                middleware.process_response(Request(packed.url), packed)
        else:
            assert len(middleware.process_response(Request(packed.url), packed).body) == size
