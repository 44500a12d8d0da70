"""Resemblance: 1 for a program itself, less with each difference, which is named once."""

from __future__ import annotations

import pytest
from programs import program_graph, train

from lion_search.dsl.library import library_program
from lion_search.simplify.recognition.program_graph import ProgramGraph
from lion_search.simplify.recognition.resemblance import Resemblance, resemblance
from lion_search.simplify.recognition.templates import make_template

AVERAGE = "m: m = interp(g, m, 0.9); s = sign(m); update = s * 0.1"


def compared(template: str, graph: ProgramGraph) -> Resemblance:
    return resemblance(make_template(train(template)), graph)


def test_a_program_resembles_itself_fully() -> None:
    found = compared(AVERAGE, program_graph("n = interp(g, m, 0.9); s = sign(n); update = s * 0.1", "n"))
    assert found.similarity == 1
    assert len(found.missing) == len(found.extra) == 1  # no statement differs: what is returned is named
    assert found.missing[0].startswith("return")


@pytest.mark.parametrize(
    ("body", "missing", "extra"),
    [
        ("n = interp(g, m, 0.9); s = tanh(n); update = s * 0.1", ["s = sign(m)"], ["s = tanh(n)"]),
        ("n = interp(g, m, 0.9); x = sign(n); s = exp(x); update = s * 0.1", [], ["s = exp(x)"]),
        ("n = interp(g, m, 0.9); update = n * 0.1", ["s = sign(m)"], []),
        ("x = sin(g); n = interp(x, m, 0.9); s = sign(n); update = s * 0.1", [], ["x = sin(g)"]),
        (
            "n = interp(w, m, 0.9); s = sign(n); update = s * 0.1",
            ["m = interp(g, m, 0.9)"],
            ["n = interp(w, m, 0.9)"],
        ),
    ],
)
def test_the_difference_is_named_where_it_is(body: str, missing: list[str], extra: list[str]) -> None:
    found = compared(AVERAGE, program_graph(body, "n"))
    assert ([*found.missing], [*found.extra]) == (missing, extra)
    assert 0.5 < found.similarity < 1


def test_more_differences_resemble_less() -> None:
    bodies = (
        "n = interp(g, m, 0.9); s = sign(n); update = s * 0.1",
        "n = interp(g, m, 0.9); s = tanh(n); update = s * 0.1",
        "x = sin(g); n = interp(x, m, 0.9); s = tanh(n); update = s * 0.1",
        "x = sin(w); n = maximum(x, m); s = tanh(n); update = s / 0.1",
    )
    likeness = [compared(AVERAGE, program_graph(body, "n")).similarity for body in bodies]
    assert likeness == sorted(likeness, reverse=True)
    assert len(set(likeness)) == len(likeness)


def test_the_assignment_of_states_that_fits_best_is_taken() -> None:
    """Adam's states in the other order, and a program with fewer states than the template."""
    template = make_template(library_program("adam"))
    graph = program_graph("n = interp(g, m, 0.9); k = lr * 0.001; update = n * k", "n")
    found = resemblance(template, graph)
    assert 0 < found.similarity < 1
    assert any("sqrt" in text for text in found.missing)
