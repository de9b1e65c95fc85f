"""Personal data leaves the text; everything else stays."""

import re
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maeari.redaction import is_plain, keyed_hash, redact, redact_key

KEY = b"a key of the tests"
DIGITS = st.text("0123456789", min_size=1)
SEPARATORS = st.sampled_from(["", "-", " "])
AROUND = st.sampled_from(["", " ", "예약은 ", "(", "입니다", ".", "요!"])


def with_luhn_digit(digits: str) -> str:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-1][::2])
    return digits + str(-(doubled + sum(map(int, digits[::-1][1::2]))) % 10)


def with_resident_check_digit(digits: str) -> str:
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return digits + str((11 - sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 11) % 10)


@given(AROUND, st.sampled_from(["010", "011", "02", "031", "051", "070", "+82 10", "+82-2"]), SEPARATORS, AROUND)
def test_phone_numbers_go(before, prefix, separator, after):
    text, finds = redact(f"{before}{prefix}{separator}2345{separator}6789{after}")
    assert (text, finds) == (f"{before}[phone]{after}", 1)


@given(AROUND, st.from_regex(r"[a-z][a-z0-9_.]{0,20}@[a-z0-9]{1,10}\.(com|co\.kr)", fullmatch=True))
def test_e_mail_addresses_go(before, address):
    text, finds = redact(f"{before} {address}로 연락")
    assert finds == 1
    assert "@" not in text


@given(
    st.sampled_from(["4", "51", "55", "3528", "62", "6011", "9410"]),
    st.text("0123456789", min_size=15, max_size=15),
    SEPARATORS,
)
def test_card_numbers_go(first, rest, separator):
    digits = with_luhn_digit((first + rest)[:15])
    written = separator.join(digits[n : n + 4] for n in range(0, 16, 4))
    assert redact(f"카드 {written} 결제") == ("카드 [card] 결제", 1)


@pytest.mark.parametrize("number", ["3782 822463 10005", "378282246310005", "4111-1111-1111-1111"])
def test_known_test_cards_go(number):
    assert redact(number) == ("[card]", 1)


def test_a_number_that_is_no_card_stays():
    assert redact("주문번호 4111-1111-1111-1112") == ("주문번호 4111-1111-1111-1112", 0)


@given(
    st.dates(min_value=date(1930, 1, 1), max_value=date(1999, 12, 31)),
    st.text("0123456789", min_size=5, max_size=5),
    st.sampled_from(["-", ""]),
)
def test_resident_numbers_go(born, middle, separator):
    digits = with_resident_check_digit(f"{born:%y%m%d}1{middle}")
    text, finds = redact(f"주민번호 {digits[:6]}{separator}{digits[6:]}!")
    assert (text, finds) == ("주민번호 [resident-number]!", 1)


def test_a_wrong_check_digit_is_no_resident_number():
    digits = with_resident_check_digit("850101123456")
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert redact(f"{wrong[:6]}-{wrong[6:]}")[1] == 0


@pytest.mark.parametrize(
    "text",
    [
        "2025.01.13. 14:05",
        "2025-01-13T10:00:00+09:00",
        "Mon, 13 Jan 2025 10:00:00 +0900",
        "9788936434267",
        "1,234,567원",
    ]
    + ["아메리카노 4500원 두 잔 9000원", "평점 4.5/5", "1988-2024", "서울 02호점"],
)
def test_other_figures_stay(text):
    assert redact(text) == (text, 0)


@given(st.text(st.characters(), max_size=200))
@example("\x00끝\ud800")
@example("@" * 5_000)
@example("1" * 5_000)
@example("a." * 5_000 + "@")
def test_any_text_becomes_storable_and_a_second_look_finds_nothing(text):
    once, _ = redact(text)
    once.encode()
    assert "\x00" not in once
    assert redact(once) == (once, 0)


@given(DIGITS, DIGITS)
def test_two_identifiers_never_become_one(first, second):
    assert (redact_key(first, KEY)[0] == redact_key(second, KEY)[0]) == (first == second)


def test_an_identifier_with_personal_data_becomes_a_keyed_hash():
    assert "01023456789" not in redact_key("01023456789", KEY)[0]


def test_a_name_hashes_alike_however_it_was_typed():
    assert keyed_hash(" 가나 ", KEY) == keyed_hash("\u1100\u1161\u1102\u1161", KEY)
    assert keyed_hash("가나", KEY) != keyed_hash("가나", b"another key")


PHONES, ADDRESSES = ["010-2345-6789", "+82 10 2345 6789"], ["kim@shop.kr", "kim＠shop.kr"]
NUMBERS = st.sampled_from([*PHONES, *ADDRESSES, with_resident_check_digit("850101123456"), "4111-1111-1111-1111"])
SIGNS = [*"0123456789", "010", "-", " ", ".", "가", "＠", "@", "１", "٣"]
HANGUL = st.text(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")), max_size=20)


@given(HANGUL, NUMBERS, HANGUL, st.sampled_from([" ", "\n", " (", "…"]))
def test_what_is_planted_never_comes_through(before, number, after, between):
    text, finds = redact(f"{before}{between}{number}{between}{after}")
    assert finds == 1
    assert number not in text
    assert text.startswith(before)
    assert text.endswith(after)


@given(st.lists(st.sampled_from(SIGNS), max_size=40).map("".join))
def test_a_text_called_plain_holds_nothing_to_redact(text):
    is_worth_a_look = re.search(r"@|＠|\d(?:\D{0,3}\d){7}", text) is not None
    assert is_plain(text) == (not is_worth_a_look)
