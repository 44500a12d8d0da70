"""Sections on what carries over: the best of slices on larger tasks, and the winner's transfer card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lion_search.dsl.shown import signed
from lion_search.report.figures import Spec, level, line, spec
from lion_search.report.markup import Html, figure, joined, pairs, paragraph
from lion_search.report.material import Material


def meta_validation(material: Material) -> Html:
    """Fitness in the search and on the larger tasks, slice by slice."""
    found = (material.result or {}).get("meta_validation")
    if not found or not found["slices"]:
        return Html("")
    slices, tasks = found["slices"], ", ".join(found["tasks"])
    programs = [own["num_programs"] for own in slices]
    traces = []
    for place, (name, key) in enumerate((("fitness in the search", "judged"), (f"on {tasks}", "fitness"))):
        values = [own[key] for own in slices]
        told = [f"{own['best_id']}: {_shown(own[key])}" for own in slices]
        traces.append(line(name, programs, values, place, told=told))
    errors = [2 * (own["standard_error"] or 0.0) for own in slices]
    traces[1]["error_y"] = {"type": "data", "array": errors, "thickness": 1}
    x, y = {"title": "Programs", "rangemode": "tozero"}, {"title": "Fitness (0 is AdamW)"}
    text = f"{found['text'][0].upper()}{found['text'][1:]}."
    caption = f"The best of each slice of the search. Bars: two standard errors, {found['num_seeds']} seeds."
    about = "Fitness of the best of each slice, in the search and on larger tasks"
    drawn = spec(traces, x, y, lines=[level(0.0, "AdamW")])
    return joined((paragraph(text), figure("meta-validation", about, drawn, caption)))


def card(material: Material) -> Html:
    """The transfer card of what the run recommends."""
    found = (material.result or {}).get("card")
    if not found:
        return Html("")
    if not found["rows"]:
        return paragraph(f"It does not train on {found['task']}, whatever the learning rate.")
    rows = pairs((row["title"], row["text"]) for row in found["rows"].values())
    cells = found["rows"]["constants"]["data"]["cells"]
    caption = f"Fitness on {found['task']} (0 is tuned AdamW), * as good as the best."
    about = "Fitness by learning rate and weight decay, as multiples of AdamW's"
    return joined((rows, figure("card", about, _heat_map(cells), caption)))


def _heat_map(cells: Sequence[Mapping[str, Any]]) -> Spec:
    rates, decays = (sorted({cell[name] for cell in cells}) for name in ("rate", "decay"))
    of = {(cell["rate"], cell["decay"]): cell for cell in cells}
    values = [[of[r, d]["fitness"] for d in decays] for r in rates]
    shown = [[_shown(of[r, d]["fitness"]) + " *" * of[r, d]["is_as_good"] for d in decays] for r in rates]
    trace: Spec = {
        "type": "heatmap",
        "x": [f"{decay:g}" for decay in decays],
        "y": [f"{rate:g}" for rate in rates],
        "z": [[None if _fails(value) else value for value in row] for row in values],
        "text": shown,
        "texttemplate": "%{text}",
        "hoverinfo": "skip",
        "colorscale": "Viridis",
        "showscale": False,
    }
    x = {"title": "weight decay, in AdamW's", "type": "category"}
    y = {"title": "learning rate, in AdamW's", "type": "category"}
    return spec([trace], x, y)


def _fails(value: float | None) -> bool:
    return value is None or math.isinf(value)


def _shown(value: float | None) -> str:
    return "fails" if value is None or math.isinf(value) else signed(value)
