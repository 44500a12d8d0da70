"""The section on how the search came to its winners: a tree of their ancestors, each to open."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lion_search.analysis.lineage import Ancestor, ancestors
from lion_search.dsl.shown import plural, signed
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.scores import Status
from lion_search.report.figures import level, line, spec
from lion_search.report.markup import Html, code, diff, element, figure, fold, joined, paragraph
from lion_search.report.material import Material, load_functions

_TOLD = 4
"""More generations than these are told by their number, until a step is opened."""
_CHANGES = 12
"""So many lines that changed are shown under the mouse."""


@dataclass(frozen=True, slots=True)
class _Path:
    """The ancestors of a winner from the start to itself."""

    title: str
    steps: Sequence[Ancestor]


def lineage(material: Material) -> Html:
    """How the search came to its winners."""
    if not material.winners:
        return Html("")
    load_functions(material)
    paths = []
    for winner in material.winners:
        individual = material.store.individual(winner.id)
        if individual is not None:
            title = "the winner" if material.result is not None else "the best so far"
            title += "" if winner.niche == "all" else f" with {winner.niche}"
            paths.append(_Path(title, ancestors(material.store, individual)))
    buttons = element(
        "p",
        element("button", "Open all", type="button", data_open="yes"), " ",
        element("button", "Close all", type="button", data_open="no"),
        class_="buttons",
    )  # fmt: skip
    return joined((_figure(paths), _about(paths), buttons, _tree(paths, 0)))


def _about(paths: Sequence[_Path]) -> Html:
    most = plural(max(sum(step.generations for step in path.steps) for path in paths) - 1, "generation")
    return paragraph(
        (f"{most} led to {paths[0].title}. " if len(paths) == 1 else f"At most {most} led to a winner. ")
        + "A step is an ancestor that computes something else than the one before; mutations that changed "
        "nothing that matters are told with the next that did. Open one for what changed and its program."
    )


def _figure(paths: Sequence[_Path]) -> Html:
    traces = []
    for place, path in enumerate(paths):
        generations = itertools.accumulate((step.generations for step in path.steps), initial=-1)
        x = list(generations)[1:]
        told = [
            "\n".join([f"{step.id}: {step.how}", _score(step, None), *step.changes[:_CHANGES]])
            for step in path.steps
        ]
        y = [step.fitness if math.isfinite(step.fitness) else None for step in path.steps]
        traces.append(line(path.title, x, y, place, told=told))
        traces[-1]["marker"] |= {"size": 6, "maxdisplayed": 0}
    known = [y for trace in traces for y in trace["y"] if y is not None]
    low, high = sorted([0.0, *known])[len(known) // 8], max([0.0, *known])
    pad = 0.08 * (high - low) + 0.01
    y_axis = {"title": "Fitness", "range": [low - pad, high + pad]}
    return figure(
        "lineage", "Fitness of the winner's ancestors by generation",
        spec(
            traces, {"title": "Generation"}, y_axis, height=340, lines=[level(0.0, "tuned AdamW")],
            showlegend=len(paths) > 1,
        ),
        "Fitness of the ancestors, over all their seeds. A double click shows the lowest too.",
    )  # fmt: skip


def _tree(paths: Sequence[_Path], depth: int) -> Html:
    """Steps that all paths share, then a branch for each way on."""
    items: list[Html] = []
    while len({path.steps[depth].id if depth < len(path.steps) else None for path in paths}) == 1:
        if depth >= len(paths[0].steps):
            break
        items.append(_node(paths, depth))
        depth += 1
    branches: dict[int | None, list[_Path]] = {}
    for path in paths:
        branches.setdefault(path.steps[depth].id if depth < len(path.steps) else None, []).append(path)
    for next_id, own in branches.items():
        if next_id is not None:
            titles = ", ".join(path.title for path in own)
            items.append(element("li", element("p", f"To {titles}:", class_="branch"), _tree(own, depth)))
    return element("ol", *items, class_="lineage")


def _node(paths: Sequence[_Path], depth: int) -> Html:
    step = paths[0].steps[depth]
    before = paths[0].steps[depth - 1] if depth else None
    ends = [path.title for path in paths if path.steps[-1].id == step.id]
    summary = joined(_summary(step, before, ends), " ")
    shown = (
        []
        if before is None
        else [paragraph(f"{plural(step.generations, 'generation')}: {step.how}"), diff(step.changes)]
    )
    opened = fold(summary, *shown, code(format_program(step.program)), id=f"individual-{step.id}")
    return element("li", opened)


def _summary(step: Ancestor, before: Ancestor | None, ends: Sequence[str]) -> Iterator[Html]:
    yield element("span", str(step.id), class_="id")
    how = step.how if step.generations <= _TOLD else plural(len(step.mutations), "mutation")
    yield element("span", how, class_="how")
    yield element("span", _score(step, before), class_="score")
    yield element("span", plural(step.num_states, "state"), class_="states")
    if ends:
        yield element("strong", ", ".join(ends))


def _score(step: Ancestor, before: Ancestor | None) -> str:
    if step.status is not Status.OK:
        return str(step.status)
    gained = step.gained(before)
    told = "" if gained is None else f" ({signed(gained)})"
    return f"{signed(step.fitness)}{told} on {plural(step.num_seeds, 'seed')}"
