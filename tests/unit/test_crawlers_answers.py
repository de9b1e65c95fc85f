"""What interfaces answer, read as values, hostile answers included."""

import json

import pytest
from scrapy.http import HtmlResponse, Response, TextResponse

from crawlers import microdata
from crawlers.answers import plain_text, read_answer, text_of
from crawlers.errors import PageFault


def answer(body: bytes | str, **facts) -> object:
    return read_answer(
        TextResponse("http://127.0.0.1/", body=body if isinstance(body, bytes) else body.encode(), **facts)
    )


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf {}", {}),
        ('{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": "\\ud83d"}', {"a": "\ud83d"}),
        ('{"a": "line\nend"}', {"a": "line\nend"}),
        ('{"a": ' + "9" * 5_000 + "}", {"a": "9" * 5_000}),
        ("<a><b>1</b><b c='2'>3</b></a>", {"a": {"b": [{"label": "1"}, {"attributes": {"c": "2"}, "label": "3"}]}}),
        ("<a xmlns:im='urn:x'><im:b> 5 </im:b><!-- c --></a>", {"a": {"im:b": {"label": "5"}}}),
    ],
)
def test_an_answer_is_read(body, value):
    assert answer(body) == value


def test_an_answer_in_another_encoding_is_read_by_its_header():
    assert answer('{"a": "메아리"}'.encode("cp949"), encoding="cp949") == {"a": "메아리"}
    assert read_answer(Response("http://127.0.0.1/", body=b'{"a": "\xff"}')) == {"a": "\ufffd"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"callback({})",
        b'{"a": [1, 2',
        b"\x00\x01\x02",
        b"<html><p>Bad gateway",
        b"[" * 1_000_000,
        b'{"a":' * 500_000,
        b"<a>" * 100_000,
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
    ],
)
def test_what_is_no_answer_is_a_fault(body):
    with pytest.raises(PageFault):
        answer(body)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, "true"),
        (0.5, "0.5"),
        (10**30, str(10**30)),
        (float("inf"), "Infinity"),
        ("", ""),
        ([], None),
        (["a", None, 2], "a, 2"),
    ],
)
def test_a_value_has_a_text(value, text):
    assert text_of(value) == text


def test_an_object_has_no_text():
    for value in ({}, [{"a": 1}], [["a"]]):
        with pytest.raises(ValueError, match="is an object, not text"):
            text_of(value)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<b>메아리</b>가 &quot;울린다&quot; &amp;lt;", '메아리가 "울린다" &lt;'),
        ("첫 줄<br/>둘째 줄</p>셋째", "첫 줄\n둘째 줄\n셋째"),
        ("3 < 5 and 7 > 6", "3 < 5 and 7 > 6"),
        ("<!-- 말 -->끝 <a href='x", "끝 <a href='x"),
        ("<" * 200_000, "<" * 200_000),
        ("<a" * 100_000, "<a" * 100_000),
        ("<!-" * 60_000, "<!-" * 60_000),
    ],
)
def test_html_in_a_field_becomes_text(markup, text):
    assert plain_text(markup) == text


def items(markup: str) -> list[dict]:
    return [item for item, _ in microdata.objects(HtmlResponse("http://127.0.0.1/p", body=markup.encode()))]


def test_microdata_has_the_shape_of_json_ld():
    markup = """<div itemscope itemtype="https://schema.org/Thing https://schema.org/Review" itemid=" /r/1 ">
    <b itemprop="name headline">A<br>B</b><a itemprop="url" href="/x">x</a><a itemprop="url" href="http://[">y</a>
    <p itemprop="author" itemscope><i itemprop="name">C</i></p><meta itemprop="n"><time itemprop="t">D</time></div>"""
    assert items(markup) == [
        {
            "@type": ["https://schema.org/Thing", "https://schema.org/Review"],
            "@id": "/r/1",
            "name": ["A\nB"],
            "headline": ["A\nB"],
            "url": ["http://127.0.0.1/x", "http://["],
            "author": [{"@type": [], "name": ["C"]}],
            "n": [""],
            "t": ["D"],
        }
    ]


def test_hostile_microdata_is_read_once():
    scope = '<div itemscope itemtype="x" itemprop="y">'
    assert len(items(scope * 3_000 + "<b itemprop=x>v</b>" * 3_000)) >= 200
    shared = "<div id=a>" + "<b itemprop=x>v</b>" * 3_000 + "</div>" + "<i itemscope itemtype=t itemref=a></i>" * 3_000
    assert items(shared)[0] == {"@type": ["t"]}
    nested = items("<div itemscope itemtype=t>" + "<p><span itemprop=x>" * 200 + "v" * 1_000)
    assert len(json.dumps(nested)) < 20_000
