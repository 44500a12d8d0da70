"""The figure of fitness against compute."""

from __future__ import annotations

import math

import pytest

from lion_search.results.curves import FitnessCurve, FitnessPoint
from lion_search.results.figures import COLOURS, curves_figure, to_html

PLAIN = FitnessCurve(
    "plain", 3, (FitnessPoint(100, -0.1, 0.02), FitnessPoint(200, 0.0, 0.01), FitnessPoint(300, 0.2, 0.05))
)
SINGLE = FitnessCurve("no caution", 1, (FitnessPoint(100, 0.1, math.nan), FitnessPoint(200, 0.2, math.nan)))


def lines(*curves: FitnessCurve) -> list:
    return [trace for trace in curves_figure(curves).data if trace.fill is None]


def bands(*curves: FitnessCurve) -> list:
    return [trace for trace in curves_figure(curves).data if trace.fill is not None]


def test_a_line_for_each_label_shows_fitness_against_trainings() -> None:
    plain, single = lines(PLAIN, SINGLE)
    assert (list(plain.x), list(plain.y)) == ([100, 200, 300], [-0.1, 0.0, 0.2])
    assert (list(single.x), list(single.y)) == ([100, 200], [0.1, 0.2])


def test_the_legend_names_each_label_once_with_its_number_of_runs() -> None:
    shown = [t.name for t in curves_figure([PLAIN, SINGLE]).data if t.showlegend is not False]
    assert shown == ["plain (3 runs)", "no caution"]


def test_the_band_is_one_standard_error_up_and_down() -> None:
    (band,) = bands(PLAIN)
    assert list(band.x) == [100, 200, 300, 300, 200, 100]
    assert list(band.y) == pytest.approx([-0.08, 0.01, 0.25, 0.15, -0.01, -0.12])


def test_without_standard_errors_there_is_no_band() -> None:
    assert bands(SINGLE) == []


def test_a_band_goes_with_its_line_when_the_legend_is_clicked() -> None:
    (band,) = bands(PLAIN, SINGLE)
    assert band.legendgroup == lines(PLAIN)[0].legendgroup != lines(SINGLE)[0].legendgroup


def test_no_two_of_many_lines_look_the_same() -> None:
    many = [FitnessCurve(f"setting {n}", 1, PLAIN.points) for n in range(2 * len(COLOURS))]
    assert len({(line.line.color, line.line.dash) for line in lines(*many)}) == len(many)


def test_a_label_is_shown_as_it_is_and_not_read_as_html() -> None:
    (line,) = lines(FitnessCurve("<b>lag & co", 1, PLAIN.points))
    assert line.name == "&lt;b>lag &amp; co"


def test_tuned_adamw_is_a_line_at_zero() -> None:
    (zero,) = curves_figure([PLAIN]).layout.shapes
    assert (zero.y0, zero.y1) == (0, 0)


def test_the_page_needs_no_network() -> None:
    text = to_html(curves_figure([PLAIN]))
    assert "<script src=" not in text.replace("'", '"')
    assert len(text) > 1_000_000, "Plotly's own code is in it"
    assert "plain (3 runs)" in text


def test_equal_figures_give_equal_pages() -> None:
    one, other = (to_html(curves_figure([PLAIN, SINGLE])) for _ in range(2))
    assert one == other
