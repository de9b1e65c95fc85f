"""Columns of text become numbers, moments and identifiers, and lines are counted as an editor counts them."""

import csv
import io
import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imports import reading
from imports.errors import ImportRefused
from imports.mapping import EventMapping, parse_expression
from imports.reading import CsvFile, open_file
from imports.values import (
    MAY_BE_PERSONAL,
    Moments,
    copy_lines,
    isbn_13,
    listed,
    number_of,
    redacted,
    whole_number_of,
)
from maeari.redaction import redact_key

SEOUL = ZoneInfo("Asia/Seoul")
digits = st.text("0123456789", min_size=1, max_size=7)
likely_personal = st.lists(
    st.one_of(digits, st.sampled_from(["+82", "010", "02", "(0", ")", "-", " ", ".", "–", "@", "a", "８", "\x85"])),
    max_size=10,
).map("".join)


@settings(deadline=None)
@given(likely_personal | st.text())
@example("010-1234-5678")
@example("+821012345678")
@example("900101-1234568")
@example("4111 1111 1111 1111")
@example("kim@example.com")
def test_whatever_redaction_finds_is_looked_at(text):
    if redact_key(text, b"key") != (text, 0) and not any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        assert pc.match_substring_regex(pa.array([text]), MAY_BE_PERSONAL)[0].as_py()


def test_personal_data_in_an_identifier_becomes_a_keyed_hash():
    identifiers = pa.array(["12346", "kim@example.com", None, "0000012345", "kim@example.com"])
    column, rows = redacted(identifiers, lambda value: redact_key(value, b"key"))
    assert rows == 2
    assert column.to_pylist()[1].startswith("redacted-")
    assert column.to_pylist()[1] == column.to_pylist()[4]
    assert [column.to_pylist()[place] for place in (0, 2, 3)] == ["12346", None, "0000012345"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2009-12-01 07:45:00", datetime(2009, 12, 1, 7, 45, tzinfo=SEOUL)),
        ("2009-12-01T07:45:00.123456789Z", datetime(2009, 12, 1, 7, 45, 0, 123456, tzinfo=ZoneInfo("UTC"))),
        ("2009-12-01 07:45:00 +0530", datetime.fromisoformat("2009-12-01T07:45:00+05:30")),
        ("2009-1-5 8:26", datetime(2009, 1, 5, 8, 26, tzinfo=SEOUL)),
        ("2009/12/01", datetime(2009, 12, 1, tzinfo=SEOUL)),
        ("2009.12.01 23:00", datetime(2009, 12, 1, 23, tzinfo=SEOUL)),
        ("20091201", datetime(2009, 12, 1, tzinfo=SEOUL)),
        ("31/12/2009 8:26", datetime(2009, 12, 31, 8, 26, tzinfo=SEOUL)),
        ("2009-02-30", None),
        ("2009-12-01 25:00", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_as_it_was_meant(text, moment):
    # A day that does not exist beside it makes the whole batch be read in the other way.
    for column in ([text], [text, "2009-02-30"]):
        assert Moments("Asia/Seoul", order="day").read(pa.array(column), np.arange(2))[0].as_py() == moment


@settings(deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), st.sampled_from(["Europe/London", "Asia/Seoul"]))
def test_any_local_time_is_read_as_python_reads_it(local, zone):
    found = Moments(zone).read(pa.array([local.isoformat(" ")]), np.arange(1))[0].as_py()
    meant = local.replace(tzinfo=ZoneInfo(zone))
    if meant.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local:
        assert found == meant
    else:
        assert abs((found - meant).total_seconds()) <= 3600


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(), st.text(max_size=8), st.integers(-(10**16), 10**16)).map(str), min_size=1))
def test_a_number_is_finite_or_refused(texts):
    numbers, bad = number_of(parse_expression("n"), {"n": pa.array(texts)}, len(texts))
    for text, number, is_bad in zip(texts, numbers.to_pylist(), bad.to_pylist(), strict=True):
        assert not (is_bad and number is not None)
        if number is not None:
            assert math.isclose(number, float(text), rel_tol=1e-14, abs_tol=1e-6)
        else:
            assert is_bad or not text.strip()


def test_a_product_is_as_exact_as_money():
    columns = {"q": pa.array(["12", "-1", "", "x"]), "p": pa.array(["6.95", "0.1", "5", "1"])}
    numbers, bad = number_of(parse_expression("q * p"), columns, 4)
    assert numbers.to_pylist() == [83.4, -0.1, None, None]
    assert bad.to_pylist() == [False, False, False, True]
    assert copy_lines([pa.array(["a\tb\\", None]), numbers[:2]]).to_pylist() == ["a\\tb\\\\\t83.4", "\\N\t-0.1"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(*[st.text('ab", \n\r1한', max_size=6)] * 2).filter(lambda row: row != ("", "")),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_each_row_stands_in_the_line_that_an_editor_shows(tmp_path, rows, ending, data):
    text, lines = io.StringIO(), []
    text.write(ending * data.draw(st.integers(0, 2)))
    writer = csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["first", "second"])
    for row in rows:
        text.write(ending * data.draw(st.integers(0, 1)))
        lines.append(len(text.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")))
        writer.writerow(row + (("one more",) if data.draw(st.booleans()) else ()))
    file = tmp_path / "rows.csv"
    file.write_bytes(text.getvalue().encode())
    origin = open_file(file, EventMapping(customer_id="first", occurred_at="second"))
    assert isinstance(origin, CsvFile)
    found, refused = {}, []
    for batch in origin.batches(["first", "second"]):
        found |= dict(zip(batch.numbers.tolist(), batch.columns["first"].to_pylist(), strict=True))
        refused += [number for number, _, _ in batch.refused]
    assert sorted([*found, *refused]) == list(range(len(rows)))
    assert all(rows[number][0] == value for number, value in found.items())
    assert list(origin.lines(range(len(rows)))) == list(enumerate(lines))


def test_lines_that_are_refused_keep_their_numbers_over_the_edges_of_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1_000)
    # With five bytes a line, 200 lines fill a block; those of only refused ones are blocks of their own.
    bad = {0, 197, 198, 199, 200, 350, *range(600, 1_100), 1_499}
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n" + "".join("xxxx\n" if row in bad else f"{row % 100:02},1\n" for row in range(1_500)))
    origin = open_file(file, EventMapping(customer_id="a", occurred_at="b"))
    found, refused = {}, []
    for batch in origin.batches(["a"]):
        found |= dict(zip(batch.numbers.tolist(), batch.columns["a"].to_pylist(), strict=True))
        refused += [number for number, _, _ in batch.refused]
    assert refused == sorted(bad)
    assert found == {row: f"{row % 100:02}" for row in range(1_500) if row not in bad}


def test_a_long_field_is_counted_as_it_was_read_and_one_without_end_is_refused(tmp_path):
    file = tmp_path / "rows.csv"
    mapping = EventMapping(customer_id="a", occurred_at="b")
    file.write_text(f'a,b\n1,{"x" * 1_500_000}\n2,"{"y" * 200_000}"\n3\n')
    origin = open_file(file, mapping)
    assert [batch.numbers.tolist() for batch in origin.batches(["a"])] == [[0, 1]]
    assert list(origin.lines([0, 1, 2])) == [(0, 2), (1, 3), (2, 4)]
    file.write_text('"a,b\n' + "1,2\n" * 3_000_000)
    with pytest.raises(ImportRefused, match="line 1, could not be read as CSV: field larger"):
        list(open_file(file, mapping).batches(["a"]))


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("9788936434267", "9788936434267"),
        ("978-89-364-3426-7", "9788936434267"),
        ("978 89 364 3426 7", "9788936434267"),
        ("8936434268", "9788936434267"),
        ("0-8044-2957-X", "9780804429573"),
        ("080442957x", "9780804429573"),
        ("9788936434268", None),
        ("8936434267", None),
        ("4006381333931", None),
        ("９７８８９３６４３４２６７", None),
        ("", None),
    ],
)
def test_an_isbn_has_thirteen_digits_or_is_none(text, isbn):
    assert isbn_13(text) == isbn


@given(st.text())
def test_any_text_is_an_isbn_or_none(text):
    assert isbn_13(text) is None or len(isbn_13(text)) == 13


def test_a_list_within_a_field_is_parted_and_holds_each_word_once():
    assert listed(" 소설; 바다 |가족,,바다, 과학 소설") == "소설|바다|가족|과학 소설"
    assert listed(" ;,") == ""


def test_whole_numbers_have_bounds():
    numbers, bad = whole_number_of(pa.array(["0", "3.0", "3.5", "11", "-1", "x", "1e1", None]), 0, 10)
    assert numbers.to_pylist() == [0, 3, None, None, None, None, 10, None]
    assert bad.to_pylist() == [False, False, True, True, True, True, False, False]
