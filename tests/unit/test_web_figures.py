"""Figures that Plotly accepts, the tables beside them, and the JSON in which they travel."""

import json
import re
from datetime import date

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import figures, render

HOSTILE = [
    "</script><script>alert(1)</script>",
    '<img src=x onerror="1">',
    '<a href="javascript:1">x</a>',
    "<b>x",
    "&lt;b",
]
VALUES = [0.1, None, float("nan"), 0.4, 0.5]
DAYS = [date(2026, month, 28) for month in range(1, 6)]
FIGURES = {
    "lines": figures.lines(
        DAYS,
        {"forest": VALUES, HOSTILE[0]: VALUES},
        intervals={"forest": [(0.05, 0.2), (None, None), (0.1, 0.2), (0.3, 0.5), (0.4, 0.6)]},
        x_title="Cut-off",
        y_title="ROC-AUC",
        y_format=".0%",
    ),
    "bars": figures.bars(HOSTILE, {"one": VALUES}, label_title="Item", value_title="Share", horizontal=True),
    "heatmap": figures.heatmap(HOSTILE, HOSTILE, [VALUES] * 5, value_title="Correlation"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_plotly_takes_the_figure_and_finds_no_tag_in_it(name):
    block = str(figures.block(FIGURES[name]))
    figure = json.loads(block)

    go.Figure(figure)
    assert not re.search("[<>&\u2028\u2029]", block)
    texts = json.dumps({"data": figure["data"]}).replace("<extra></extra>", "")
    assert not re.search("[<>]", texts)


@given(st.text())
def test_no_text_ends_the_block_or_becomes_a_tag(text):
    figure = figures.bars([text], {text: [1]}, label_title=text, value_title=text)

    block = str(figures.block(figure))

    assert not re.search("[<>&\u2028\u2029]", block)
    assert "<" not in json.loads(block)["data"][0]["name"]


def test_a_page_shows_the_figures_of_its_chart_as_a_table_and_no_stranger_s_tag():
    macros = render._environment.get_template("macros.html").make_module({"root": "", "airflow": "", "in_frame": False})

    html = {name: str(macros.chart(name, "Title", figure)) for name, figure in FIGURES.items()}

    assert "10.0 % [5.0 %, 20.0 %]" in html["lines"]
    assert "2026-05-28" in html["lines"]
    for page in html.values():
        assert len(re.findall("</?script", page)) == 2
        assert not re.search("<(img|a |b>)", page)


def test_what_is_no_figure_is_refused():
    with pytest.raises(TypeError, match="holds object"):
        figures.block({"data": [{"x": [object()]}], "layout": {}})
