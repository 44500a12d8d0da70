"""The figures of a report, as Plotly's traces and layouts: plain values, for which nothing is imported.

Lines and marks differ by dash and shape, not by colour alone: a page may be printed, and not all see colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lion_search.results.figures import COLOURS, plain

Spec = dict[str, Any]
"""Traces and layout of a figure, or one trace."""

INK = "#222"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "triangle-down", "pentagon", "cross")
_LOG_FROM = 3.0
_MARKS = 8
"""So many marks are shown on a line at most."""
_AXIS = {
    "showline": True, "linecolor": "#444", "ticks": "outside", "gridcolor": "#e6e6e6", "zeroline": False,
    "automargin": True, "tickangle": 0,
}  # fmt: skip


def spec(
    traces: Sequence[Spec], x: Spec, y: Spec, *, height: int = 420, lines: Sequence[Spec] = (), **layout: Any
) -> Spec:
    """A figure.

    Args:
        traces: of it.
        x: what its horizontal axis has of its own; ``title`` is text.
        y: the same of the vertical one.
        height: in pixels.
        lines: from :func:`level`.
        layout: what else it has of its own.
    """
    return {
        "data": list(traces),
        "layout": {
            "xaxis": {**_AXIS, **x, "title": {"text": plain(x.get("title", "")), "standoff": 8}},
            "yaxis": {**_AXIS, **y, "title": {"text": plain(y.get("title", "")), "standoff": 8}},
            "height": height,
            "font": {"family": "system-ui, Helvetica, Arial, sans-serif", "size": 13, "color": INK},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "xanchor": "left"},
            "margin": {"l": 60, "r": 24, "t": 20, "b": 50},
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "shapes": [line["shape"] for line in lines],
            "annotations": [line["annotation"] for line in lines],
            "uirevision": "kept",  # what a reader has zoomed into stays when the figure is drawn anew
            **layout,
        },
    }


def log_or_linear(values: Sequence[float]) -> str:
    """The kind of an axis: logarithmic where the largest of positive values is some times the smallest."""
    return "log" if values and 0 < min(values) * _LOG_FROM < max(values) else "linear"


def style(place: int) -> tuple[str, str, str]:
    """Colour, dash and symbol of a line; each differs from the one before in all three."""
    return (
        COLOURS[place % len(COLOURS)],
        _DASHES[place % len(_DASHES)],
        _SYMBOLS[place % len(_SYMBOLS)],
    )


def line(
    name: str, x: Sequence[Any], y: Sequence[Any], place: int, *, told: Sequence[str], shape: str = "linear"
) -> Spec:
    """A line with a few marks on it, which tell it from others without colour.

    Args:
        name: in the legend.
        x: places.
        y: values; ``None`` is a gap.
        place: of the line among those of the figure.
        told: at each point, under the mouse.
        shape: ``linear``, or ``hv`` for steps.
    """
    colour, dash, symbol = style(place)
    return {
        "type": "scatter",
        "name": plain(name),
        "x": list(x),
        "y": list(y),
        "mode": "lines+markers",
        "line": {"color": colour, "dash": dash, "width": 2.2 if place == 0 else 1.6, "shape": shape},
        "marker": {"symbol": symbol, "size": 8, "color": colour, "maxdisplayed": _MARKS},
        **hover(told),
    }


def marks(
    name: str, points: Sequence[tuple[Any, Any]], symbol: str, *, colour: str = INK, size: int = 9,
    told: Sequence[str], **own: Any,
) -> Spec:  # fmt: skip
    """Marks without a line.

    Args:
        name: in the legend.
        points: their places.
        symbol: of all.
        colour: of all.
        size: in pixels.
        told: at each, under the mouse.
        own: what else the trace has of its own.
    """
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(name),
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.2, "color": colour}},
        **hover(told),
        **own,
    }


def level(y: float, text: str, *, x: float = 0.0, dash: str = "dash", colour: str = INK) -> Spec:
    """A line across the figure at a value of the vertical axis; its name at a place in [0, 1] along it."""
    shape = {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "layer": "below",
        "line": {"color": colour, "width": 1.2, "dash": dash},
    }  # fmt: skip
    annotation = {
        "xref": "paper", "x": x, "xanchor": "right" if x > 0.5 else "left", "y": y, "yanchor": "bottom",
        "text": plain(text), "showarrow": False, "font": {"size": 11, "color": colour}, "borderpad": 0,
    }  # fmt: skip
    return {"shape": shape, "annotation": annotation}


def hover(rows: Sequence[str]) -> Mapping[str, Any]:
    """What a trace shows at each of its points under the mouse, in lines, and nothing else."""
    shown = [plain(row).replace("\n", "<br>") for row in rows]
    return {"customdata": shown, "hovertemplate": "%{customdata}<extra></extra>"}
