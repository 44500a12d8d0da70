"""The section on memory against fitness: the best with each number of state arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lion_search.dsl.shown import plural, signed
from lion_search.proxy_tasks.baseline import FAMILIES
from lion_search.report.figures import Spec, level, marks, spec, style
from lion_search.report.markup import Html, figure, joined, table
from lion_search.report.material import Material
from lion_search.report.search import rivals
from lion_search.results.digest import frontier_leaders
from lion_search.results.ranking import Ranked

_SHOWN = 40
"""So many of the best programs with each number of states are points of the figure."""
_BYTES = 4
"""Of a number of a state array in float32."""


def frontier(material: Material) -> Html:
    """The frontier of memory against fitness."""
    by_states = frontier_leaders(material.store, _SHOWN, material.digest)
    if not by_states:
        return Html("")
    known = {name: fitness for name, fitness in rivals(material).items() if name in FAMILIES}
    most = max([*by_states, *map(_states_of, known)])
    x = {
        "title": "State arrays, and bytes for each weight",
        "tickvals": list(range(most + 1)),
        "ticktext": [f"{n}<br>{_BYTES * n} bytes" for n in range(most + 1)],
        "range": [-0.5, most + 0.6],
    }
    seen = [0.0, *known.values(), *(rows[0].judged for rows in by_states.values())]
    seen += [w.fitness for w in material.winners if w.fitness is not None]
    pad = 0.2 * (max(seen) - min(seen)) + 0.02
    y = {"title": "Fitness (0 is tuned AdamW)", "range": [min(seen) - pad, max(seen) + pad]}
    traces = [*_programs(by_states), *_known(known), *_on_fresh_seeds(material)]
    return joined((
        figure(
            "frontier",
            "Fitness against the number of state arrays of programs",
            spec(traces, x, y, lines=[level(0.0, "tuned AdamW")]),
            f"Circles: the best {_SHOWN} programs of the search with each number of state arrays, as judged, "
            "the best at the right; the line joins the best with so much memory or less. Squares: finalists, "
            "on fresh seeds. Stars: winners, on fresh seeds. Crosses: known optimizers, tuned, on validation "
            "data.",
        ),
        _table(by_states),
    ))  # fmt: skip


def _programs(by_states: Mapping[int, Sequence[Ranked]]) -> Iterator[Spec]:
    """The best of the search, and the line along the best of these."""
    places = [(states, place, row) for states, own in by_states.items() for place, row in enumerate(own)]
    points = [(states - 0.05 - 0.3 * place / _SHOWN, row.judged) for states, place, row in places]
    told = [
        f"{row.individual.id}: judged {signed(row.judged)}\nfitness {signed(row.fitness)} on "
        f"{plural(row.num_seeds, 'seed')}"
        for _, _, row in places
    ]
    blue = style(0)[0]
    yield marks("programs of the search", points, "circle-open", colour=blue, size=7, told=told, opacity=0.8)
    best, corners = -math.inf, []
    for states, own in by_states.items():
        if own[0].judged > best:
            best = own[0].judged
            corners.append((states - 0.05, best))
    dashed = {"color": blue, "width": 1.8, "dash": "dash", "shape": "hv"}
    yield marks("frontier of the search", corners, "circle", told=[""] * len(corners)) | {
        "mode": "lines", "line": dashed, "hoverinfo": "skip", "hovertemplate": None,
    }  # fmt: skip


def _known(known: Mapping[str, float]) -> Iterator[Spec]:
    if known:
        yield marks(
            "known optimizers, tuned",
            [(_states_of(name) + 0.15, fitness) for name, fitness in known.items()],
            "x",
            size=8,
            told=[f"tuned {name}: {signed(fitness)} on validation data" for name, fitness in known.items()],
            mode="markers+text",
            text=[f" {name}" for name in known],
            textposition="middle right",
            textfont={"size": 11},
        )


def _on_fresh_seeds(material: Material) -> Iterator[Spec]:
    """Finalists and winners."""
    rows: list[tuple[Any, str]] = []
    stars: list[tuple[Any, str]] = []
    for winner in material.winners:
        for one in winner.finalists:
            individual = material.store.individual(one["id"])
            if individual is not None and one.get("fitness") is not None:
                point = individual.num_states + 0.05, one["fitness"]
                told = f"{one['id']} on fresh seeds: {signed(one['fitness'])}"
                is_winner = one["id"] == winner.id and one.get("is_tuned", False) == winner.is_tuned
                (stars if is_winner else rows).append((point, told))
    for name, symbol, size, own in (("finalists", "square-open", 8, rows), ("winner", "star", 13, stars)):
        if own:
            points, told_of = zip(*own, strict=True)
            colour = {"colour": style(1)[0]} if own is rows else {}
            yield marks(f"{name} on fresh seeds", points, symbol, size=size, told=told_of, **colour)


def _table(by_states: Mapping[int, Sequence[Ranked]]) -> Html:
    rows = [
        (
            str(states),
            str(own[0].individual.id),
            signed(own[0].fitness),
            f"{own[0].num_seeds:,}",
            signed(own[0].judged),
            str(own[0].individual.num_canonical_statements),
        )
        for states, own in by_states.items()
    ]
    return table(("States", "Best of the search", "Fitness", "Seeds", "Judged", "Statements"), rows)


def _states_of(name: str) -> int:
    """How many state arrays a tuned optimizer has."""
    family = FAMILIES[name]
    return len(family.program(**dict.fromkeys(family.ranges, 0.5)).states)
