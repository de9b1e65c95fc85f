"""Words, figures and charts of the pages."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from web import charts, render

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
    max_leaves=20,
)
VALUES = st.floats(0, 1) | st.floats(0, 1e12)


def show(value: object) -> str:
    macros = render._environment.get_template("macros.html").make_module({"root": "", "airflow": "", "in_frame": False})
    return str(macros.json(value))


@given(JSON)
def test_any_json_can_be_shown(value):
    try:
        show({"card": value})
    except UndefinedError as error:
        raise AssertionError(f"{value!r} cannot be shown") from error


@given(st.sampled_from(["<script>", '"><img src=x onerror=1>', "2026<b>T00:00:00+00:00"]))
def test_no_json_can_bring_a_tag(planted):
    html = show({"a": planted, planted: [planted], "b": [{planted: planted}], "c": {planted: {planted: 1}}})

    assert not any(tag in html for tag in ("<script", "<img", "<b>"))


@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES, st.sampled_from(["value", "expected", None])), min_size=1, max_size=60),
    st.sampled_from(["accuracy", "mean_absolute_error"]),
    st.sampled_from([360, 960]),
)
def test_every_point_lies_inside_its_chart(found, figure, width):
    windows = [
        {
            "window_start": date(2026, 1, 5) + timedelta(weeks=week),
            "window_end": date(2026, 1, 11) + timedelta(weeks=week),
            "model_version": 1,
            "verdict": "stable",
            "figure": figure,
            "value": middle if known == "value" else None,
            "low": low if known == "value" else None,
            "high": high,
            "expected": middle if known == "expected" else None,
            "expected_low": low,
            "expected_high": high,
            "reference": 0.5,
        }
        for week, (*limits, known) in enumerate(found)
        for low, middle, high in [sorted(limits)]
    ]
    release = {"version": 1, "effective_from": datetime(2025, 12, 31, 15, tzinfo=UTC)}

    chart = charts.timeline(windows, [release], width)

    if not any(known for *_, known in found):
        assert chart is None
        return
    assert len(chart.points) + len(chart.estimates) == sum(known is not None for *_, known in found)
    for point in (*chart.points, *chart.estimates):
        assert chart.left <= point.x <= chart.width
        assert 0 <= point.high <= point.y <= point.low <= chart.bottom
    assert all(chart.left <= mark.at <= chart.width for mark in (*chart.releases, *chart.x_marks))
    assert 2 <= len(chart.y_marks) <= 8
    assert 0 < chart.reference.at < chart.height


def test_a_moment_names_its_zone_and_a_segment_keeps_its_name():
    assert "2026-05-31 09:00 KST" in render.when(datetime(2026, 5, 31, tzinfo=UTC))
    assert "2025-12-01 00:00 KST" in render.text("2025-11-30T15:00:00+00:00")
    assert render.text("The Times") == "The Times"
    assert render.words("holdout_rows") == "Holdout rows"
    assert render.words("source=demo_cafe") == "source=demo_cafe"
    assert render.figure(0.5821, "positive_share") == "58.2 %"
    assert [render.figure(number) for number in (0.51234, 12.3456, 12_345.6)] == ["0.5123", "12.35", "12,346"]


def test_a_few_are_not_told_as_none_and_nothing_is_certain():
    assert [render.percent(share, 0) for share in (0, 0.005, 0.006, 1)] == ["0 %", "<1 %", "1 %", "100 %"]
    assert [render.probability(share) for share in (0, 0.004, 0.01, 0.99, 0.996, 1)] == [
        "under 1 %", "under 1 %", "1 %", "99 %", "over 99 %", "over 99 %"
    ]  # fmt: skip
    assert [render.probability(share, 1) for share in (0.0001, 0.9, 0.9999)] == ["under 0.1 %", "90.0 %", "over 99.9 %"]
