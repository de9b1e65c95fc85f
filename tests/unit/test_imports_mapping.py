"""What a mapping says, and what is refused in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imports.errors import ImportRefused
from imports.mapping import BookMapping, EventMapping, Expression, parse_expression, parse_pairs, read_mapping

# Names as people give them to columns; quotes and lone operators have a meaning.
words = st.text(st.characters(blacklist_categories=["Cs", "Z", "C"], blacklist_characters='"'), min_size=1)
names = st.lists(words.filter(lambda word: word not in "*|+"), min_size=1, max_size=3).map(" ".join)
plain = names.filter(lambda name: not name.startswith("="))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Customer ID", Expression("column", ("Customer ID",))),
        ("quantity * unit price", Expression("product", ("quantity", "unit price"))),
        ("stock_code | description", Expression("first", ("stock_code", "description"))),
        ("invoice + stock_code + line", Expression("joined", ("invoice", "stock_code", "line"))),
        ("=purchase", Expression("constant", ("purchase",))),
        ('"net * gross"', Expression("column", ("net * gross",))),
        ("C++", Expression("column", ("C++",))),
    ],
)
def test_the_grammar_is_small(text, expression):
    assert parse_expression(text) == expression


@settings(deadline=None)
@given(plain, st.lists(plain, min_size=1, max_size=3), st.sampled_from("|+"))
def test_columns_joined_by_an_operator_are_read_back(first, others, operator):
    columns = (first, *others)
    assert parse_expression(f" {operator} ".join(columns)).operands == columns
    assert parse_expression(f" {operator} ".join(f'"{name}"' for name in columns)).operands == columns


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_expression_or_is_refused_in_words(text):
    try:
        expression = parse_expression(text)
    except ValueError as error:
        assert "column" in str(error) or "used" in str(error)  # noqa: PT017
    else:
        assert expression.kind == "constant" or all(expression.operands)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"customer_id": "id"}, "occurred_at"),
        ({"costumer_id": "id", "customer_id": "id", "occurred_at": "at"}, "is customer_id meant"),
        ({"customer_id": "a * b", "occurred_at": "at"}, "customer_id cannot be"),
        ({"customer_id": "a", "occurred_at": "at", "amount": "a * b | c"}, "mixes"),
        ({"customer_id": "a", "occurred_at": "at", "amount": "a * b * c"}, "two can be multiplied"),
        ({"customer_id": "a", "occurred_at": "at", "delimiter": "ab"}, "no delimiter"),
        ({"customer_id": "a", "occurred_at": "at", "encoding": "klingon"}, "no encoding"),
        ({"customer_id": "a", "occurred_at": "at", "timezone": "Mars/Phobos"}, "no time zone"),
        ({"customer_id": "a", "occurred_at": "at", "final": True, "complete_until": "2026-05-31"}, "exclude"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_fix(said, words):
    with pytest.raises(ImportRefused, match=words):
        read_mapping(None, "events", **said)


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "mapping.yml"
    file.write_text("customer_id: id\noccurred_at: at\namount: price\nfinal: true\n")
    mapping = read_mapping(file, "events", **parse_pairs(["amount=quantity * price"]), complete_until="2026-05-31")
    assert (mapping.amount, mapping.final, str(mapping.complete_until)) == ("quantity * price", False, "2026-05-31")
    assert mapping.columns() == ["id", "at", "quantity", "price"]
    assert isinstance(mapping, EventMapping)
    file.write_text("customer_id: [")
    with pytest.raises(ImportRefused, match="YAML"):
        read_mapping(file)
    with pytest.raises(ImportRefused, match="twice"):
        parse_pairs(["amount=a", "amount=b"])


def test_a_catalogue_needs_an_id_and_a_title_and_nothing_else(tmp_path):
    file = tmp_path / "mapping.yml"
    file.write_text("kind: books\nbook_id: id\ntitle: name | title\nsubjects: =소설\n")
    mapping = read_mapping(file)
    assert isinstance(mapping, BookMapping)
    assert mapping.columns() == ["id", "name", "title"]
    with pytest.raises(ImportRefused, match="which column is title"):
        read_mapping(None, "books", book_id="id")
    with pytest.raises(ImportRefused, match="is author meant"):
        read_mapping(None, "books", book_id="id", title="name", autor="writer")
