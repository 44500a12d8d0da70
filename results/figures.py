"""Figures for papers and reports, as single HTML files that need no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lion_search.dsl.shown import with_error
from lion_search.results.curves import FitnessCurve, FitnessPoint

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by the colour-blind too (Okabe and Ito, 2008)."""
DASHES = ("solid", "dash", "dot")
"""Taken in turn once all colours are used."""

_AXIS = {"showline": True, "linecolor": "#444", "mirror": True, "ticks": "outside", "gridcolor": "#eee"}


def curves_figure(curves: Sequence[FitnessCurve], *, title: str = "") -> go.Figure:
    """Fitness on fresh seeds against trainings: a line for each label in a band of one standard error.

    Args:
        curves: in the order of the legend; several runs of a label are already joined.
        title: over the figure.
    """
    import plotly.graph_objects as go  # takes half a second, which other commands need not wait for

    figure = go.Figure()
    for place, curve in enumerate(curves):
        colour = COLOURS[place % len(COLOURS)]
        dash = DASHES[place // len(COLOURS) % len(DASHES)]
        known = [point for point in curve.points if not math.isnan(point.standard_error)]
        if known:
            figure.add_trace(_band(curve.label, known, colour))
        figure.add_trace(_line(curve, colour, dash))
    figure.add_hline(y=0, line={"color": "#888", "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Trainings", rangemode="tozero", separatethousands=True, **_AXIS)
    figure.update_yaxes(title="Fitness on fresh seeds (0 is tuned AdamW)", zeroline=False, **_AXIS)
    figure.update_layout(
        title={"text": plain(title), "font": {"size": 15}},
        template="none",
        font={"family": "Helvetica, Arial, sans-serif", "size": 14, "color": "#222"},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hovermode="x unified",
        margin={"l": 80, "r": 30, "t": 110, "b": 70},
    )
    return figure


def to_html(figure: go.Figure) -> str:
    """A figure as a page with all it needs; equal figures give equal pages."""
    return figure.to_html(include_plotlyjs=True, full_html=True, div_id="lion-search-figure")


def _line(curve: FitnessCurve, colour: str, dash: str) -> go.Scatter:
    import plotly.graph_objects as go

    runs = f" ({curve.num_runs} runs)" if curve.num_runs > 1 else ""
    shown = [with_error(p.fitness, p.standard_error, "+") for p in curve.points]
    return go.Scatter(
        name=plain(curve.label) + runs,
        legendgroup=curve.label,
        x=[point.trainings for point in curve.points],
        y=[point.fitness for point in curve.points],
        customdata=shown,
        hovertemplate="%{customdata}",
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 5},
    )


def _band(label: str, points: Sequence[FitnessPoint], colour: str) -> go.Scatter:
    """One standard error up and down, as an outline there and back."""
    import plotly.graph_objects as go

    there = [(point.trainings, point.fitness + point.standard_error) for point in points]
    back = [(point.trainings, point.fitness - point.standard_error) for point in reversed(points)]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        legendgroup=label,
        showlegend=False,
        x=[x for x, _ in there + back],
        y=[y for _, y in there + back],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.18)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )


def plain(text: str) -> str:
    """The text as Plotly shows it unchanged, which reads HTML tags and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
