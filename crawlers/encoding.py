"""The text of a page, also where its header, its meta tag or its XML declaration lies about the encoding."""

import codecs
import re
from collections.abc import AsyncIterator
from itertools import islice

from charset_normalizer import from_bytes
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response, TextResponse
from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
    resolve_encoding,
    to_unicode,
)

from crawlers.errors import PageFault

UNDECODABLE = "undecodable bytes"
# Python finds broken characters slowly, and guesses more slowly; a hostile page must not stop a crawl for seconds.
WEIGHED_BYTES = 1 << 20
GUESSED_BYTES = 64 << 10
# A page in Korean that was cut in the middle of some characters is still a page in Korean.
_FEW_BROKEN = 0.05
SAMPLED_CHARACTERS = 20_000
_HANGUL, _NOT_ASCII, _BROKEN = re.compile("[가-힣]"), re.compile(r"[^\x00-\x7f]"), re.compile("\ufffd+")
_DOUBLE_BYTE = re.compile(rb"[\x80-\xff].", re.DOTALL)
# Python knows more that a page may name: some unpack archives, or take hours.
_OF_PAGES = re.compile(
    r"utf-8|utf-16(-[bl]e)?|cp(437|850|866|874|932|949|125\d)|iso8859-\d+|koi8-[ru]|mac[-_](roman|cyrillic)|gb18030|"
    r"big5(hkscs)?|euc_j\w+|shift_jis\w*|iso2022_\w+|johab"
)
_XML_DECLARATION = re.compile(r"^\s*<\?xml\s[^>]{0,500}\?>")


def encoding_of(body: bytes, header: str | None = None) -> tuple[str, bool]:
    """The encoding of a page (Python's name for it), and whether all its bytes can be read in it.

    `header` is the encoding that the Content-Type gives; what the page itself declares is read from it. In this order:

    1. a byte order mark;
    2. UTF-8, when the bytes are UTF-8: texts in other encodings almost never are;
    3. CP949 (which contains EUC-KR), when the bytes are, and are declared so or read as everyday Korean; it goes
       before UTF-8 where it is declared and UTF-8 would show no Hangul;
    4. UTF-8 or CP949 with few broken characters, when that reads as Korean;
    5. a declared encoding in which every byte can be read, the header's before the page's;
    6. what charset-normalizer makes of the first 64 KiB; CP949 when every byte can be read so;
    7. the first declared one, else UTF-8, with replacement characters.

    A last character that is cut short does not count.
    """
    if (marked := read_bom(body)[0]) is not None:
        return marked, _decoded(body, marked) is not None
    named = [header and resolve_encoding(header), html_body_declared_encoding(body)]
    declared = [name for name in named if name and _OF_PAGES.fullmatch(name)]
    if body.isascii():
        # Only these write other characters with ASCII's bytes.
        first = next((name for name in declared if name.startswith("iso2022") and b"\x1b" in body), "utf-8")
        return first, _decoded(body, first) is not None
    as_utf8 = _decoded(body, "utf-8")
    if as_utf8 is not None and ("cp949" not in declared or _HANGUL.search(as_utf8)):
        return "utf-8", True
    is_cp949 = _decoded(body, "cp949") is not None
    if is_cp949 and ("cp949" in declared or _is_everyday_korean(body)):
        return "cp949", True
    if as_utf8 is not None:
        return "utf-8", True
    if not is_cp949 and (broken := _broken_korean(body)) is not None:
        return broken, False
    for name in declared:
        if _decoded(body, name) is not None:
            return name, True
    guess = from_bytes(body[:GUESSED_BYTES]).best()
    if guess is not None and _decoded(body, guess.encoding) is not None:
        return resolve_encoding(guess.encoding) or guess.encoding, True
    if is_cp949:
        return "cp949", True
    return next(iter(declared), "utf-8"), False


def decode(body: bytes, declared: str | None = None) -> str:
    """The text of a document without its byte order mark and XML declaration; `declared` is the header's encoding."""
    return _XML_DECLARATION.sub("", _text(body, encoding_of(body, declared)[0]), count=1)


def _text(body: bytes, encoding: str) -> str:
    return to_unicode(body, encoding).removeprefix("\ufeff")


def _decoded(body: bytes, encoding: str) -> str | None:
    """The text, without a last character that is cut short; None when some byte cannot be read."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(body)
    except UnicodeError:
        return None


def _is_everyday_korean(body: bytes) -> bool:
    """Whether nearly all double bytes are the 2,350 syllables of KS X 1001, or fewer of its signs.

    Western texts with accents and Japanese or Chinese ones can often be read as CP949 too, but then as syllables that
    nobody writes, as signs, or as Chinese characters.
    """
    syllables = signs = others = 0
    for pair in islice(_DOUBLE_BYTE.finditer(body), SAMPLED_CHARACTERS):
        lead, trail = pair[0]
        if trail < 0xA1 or not 0xA1 <= lead <= 0xC8:
            others += 1
        elif lead >= 0xB0:
            syllables += 1
        else:
            signs += 1
    return syllables > signs and others <= 0.1 * (syllables + signs)


def _broken_korean(body: bytes) -> str | None:
    """UTF-8 or CP949, whichever has fewer broken characters, when they are few and the rest is Korean."""

    def share(encoding: str) -> float:
        text = _text(body[:WEIGHED_BYTES], encoding)
        # Bytes that are broken next to each other are one fault.
        return len(_BROKEN.findall(text)) / len(_NOT_ASCII.findall(text)) if _HANGUL.search(text) else 1

    shares = {"utf-8": share("utf-8"), "cp949": share("cp949") if _is_everyday_korean(body) else 1}
    fewest = min(shares, key=shares.__getitem__)
    return fewest if shares[fewest] <= _FEW_BROKEN else None


class Encoding:
    """Gives each page the encoding that it has, before a spider reads its text, and counts those it cannot read."""

    def __init__(self, crawler: Crawler):
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Encoding":
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        if not isinstance(response, TextResponse) or response.status != 200:
            return response
        header = http_content_type_encoding((response.headers.get("Content-Type") or b"").decode("latin-1"))
        encoding, is_whole = encoding_of(response.body, header)
        if not is_whole:
            response = response.replace(flags=[*response.flags, UNDECODABLE])
        if encoding.startswith(("utf-16", "utf-32")):
            return response.replace(body=_text(response.body, encoding).encode("utf-8", "replace"), encoding="utf-8")
        return response.replace(encoding=encoding)

    async def process_spider_output(self, response: Response, result: AsyncIterator) -> AsyncIterator:
        if UNDECODABLE in response.flags:
            # Nothing is hidden by it, so nothing is read again for it.
            self._crawler.spider.crawl.page.faults[UNDECODABLE] += 1
        async for output in result:
            yield output


class Decompression(HttpCompressionMiddleware):
    """Scrapy's, with a short reason for a page that is too large when unpacked, or that cannot be unpacked."""

    def process_response(self, request: Request, response: Response) -> Response:
        try:
            return super().process_response(request, response)
        except IgnoreRequest:
            raise PageFault(f"larger than {self._max_size / 2**20:g} MB when unpacked") from None
