"""Takes personal data out of text before anything else sees it."""

import hashlib
import hmac
import re
import unicodedata
from datetime import date
from functools import cache

PHONE, EMAIL, RESIDENT_NUMBER, CARD = "[phone]", "[email]", "[resident-number]", "[card]"

_EIGHT_DIGITS = re.compile(r"(?:\D*+\d){8}")
# With at most three other signs between each two; a number begins where a run of digits does.
_NUMBER = re.compile(r"\D*+(?:\d++\D++)*?\d(?:\D{0,3}+\d){7}")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}[@＠][\w-]{1,63}(?:[.．][\w-]{1,63}){1,8}")
_RESIDENT_NUMBER = re.compile(r"(?<!\d)(\d{6})\s?[-–‐−]?\s?([1-8]\d{6})(?!\d)")
_CARD = re.compile(r"(?<!\d)\d(?:[ .\-–]?\d){12,18}(?!\d)")
_AREA = r"(?:1[016-9]|2|[3-6][1-5]|70|80|50\d?)"
_PHONE = re.compile(
    r"(?<![\d+])(?:"
    # Korean mobile, internet and area numbers, with or without the country code.
    rf"(?:\+?82[ .\-–]?(?:\(0\))?0?{_AREA}|\(0{_AREA}\)|0{_AREA})[ .\-–)]{{0,2}}\d{{3,4}}[ .\-–]{{0,2}}\d{{4}}"
    r"|\+[1-9](?:[ .\-–()]{0,2}\d){7,14}"
    r")(?!\d)"
)
_REDACTED_KEY = re.compile(r"redacted-[0-9a-f]{32}")
_AUTHOR_HASH = re.compile(r"[0-9a-f]{64}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def redact(text: str) -> tuple[str, int]:
    """The text with personal data replaced and NUL and lone surrogates escaped, and how many finds were replaced.

    Found are e-mail addresses, phone numbers, resident registration numbers and card numbers (by their check digits).
    """
    if is_plain(text):
        return text, 0
    text = _storable(text)
    text, emails = _EMAIL.subn(EMAIL, text)
    text, residents = _replace(_RESIDENT_NUMBER, _is_resident_number, RESIDENT_NUMBER, text)
    text, cards = _replace(_CARD, _is_card, CARD, text)
    text, phones = _PHONE.subn(PHONE, text)
    return text, emails + residents + cards + phones


def is_plain(text: str) -> bool:
    """Whether `redact` would surely leave the text as it is; quick, and True for nearly all that people write."""
    if "@" in text or "＠" in text or "\x00" in text or (_EIGHT_DIGITS.match(text) and _NUMBER.match(text)):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def redact_key(text: str, key: bytes) -> tuple[str, int]:
    """A site's identifier as it is, or a keyed hash when it holds personal data, so that two never become one.

    A hash stays as it is: its digits may look like a phone number.
    """
    if _REDACTED_KEY.fullmatch(text):
        return text, 0
    redacted, finds = redact(text)
    return (f"redacted-{keyed_hash(text, key)[:32]}", finds) if finds else (redacted, 0)


def keyed_hash(text: str, key: bytes) -> str:
    """HMAC-SHA256 of a text, in hexadecimal; the same name gives the same hash however it was typed."""
    hashed = _keyed(key).copy()
    hashed.update(unicodedata.normalize("NFKC", text).strip().encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    # Taking in the key takes longer than taking in a name.
    return hmac.new(key, digestmod=hashlib.sha256)


def hashed_author(name: str, key: bytes) -> str:
    """The keyed hash of an author's name; a hash stays as it is, for a crawl that goes on knows no names."""
    return name if len(name) == 64 and _AUTHOR_HASH.fullmatch(name) else keyed_hash(name, key)


def _storable(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "\\u0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


def _replace(pattern: re.Pattern, is_meant, replacement: str, text: str) -> tuple[str, int]:
    finds = 0

    def replaced(found: re.Match) -> str:
        nonlocal finds
        if not is_meant([int(sign) for sign in found[0] if sign.isdecimal()]):
            return found[0]
        finds += 1
        return replacement

    return pattern.sub(replaced, text), finds


def _is_resident_number(digits: list[int]) -> bool:
    year, month, day = (10 * digits[n] + digits[n + 1] for n in (0, 2, 4))
    century = 1900 if digits[6] in (1, 2, 5, 6) else 2000
    try:
        born = date(century + year, month, day)
    except ValueError:
        return False
    # Numbers given out since October 2020 end in random digits.
    if born >= date(2020, 10, 1):
        return True
    rest = sum(weight * digit for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False)) % 11
    is_foreign = digits[6] >= 5
    return digits[12] == ((13 if is_foreign else 11) - rest) % 10


def _is_card(digits: list[int]) -> bool:
    first, length = digits[0], len(digits)
    # Other first digits belong to no card; a thirteen-digit number that begins with 9 is a book's.
    if not (first in (3, 4, 5, 6) or (first == 2 and 2 <= digits[1] <= 7) or (first == 9 and length == 16)):
        return False
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (doubled + sum(digits[-1::-2])) % 10 == 0
