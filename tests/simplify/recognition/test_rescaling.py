"""States at another scale: both ways to store one are found, and each form gives the program's updates."""

from __future__ import annotations

import pytest
from programs import assert_same_updates, program_graph

from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.text import format_program
from lion_search.dsl.types import check
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS
from lion_search.simplify.recognition.program_graph import saturate, with_own_names
from lion_search.simplify.recognition.rescaling import rescaled


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ("a = m * 0.8; b = a + g; update = sin(b)", "interp(g, m, 0.8)"),
        ("b = interp(g, m, 0.8); update = sin(b)", "m kept + g"),
        ("x = g * 0.1; a = m * 0.8; b = a + x; update = sin(b)", "interp(g, m, 0.8)"),
        ("a = m * 0.8; b = a - g; update = sin(b)", "interp(g, m, 0.8)"),
    ],
)
def test_a_sum_is_stored_as_an_average_and_an_average_as_a_sum(body: str, stored: str) -> None:
    graph = program_graph(body, "b")
    forms = [*rescaled(graph)]
    assert any(stored in format_program(form) for form in forms)
    for form in forms:
        check(form)
        assert_same_updates(graph.form, form)


@pytest.mark.parametrize(
    ("body", "new"),
    [("a = m * g; update = sin(a)", "a"), ("update = m * lr", "g"), ("a = m + m; update = sin(a)", "a")],
)
def test_a_state_that_is_nothing_of_the_kind_stays_as_it_is(body: str, new: str) -> None:
    assert not list(rescaled(program_graph(body, new)))


@pytest.mark.parametrize("name", LIBRARY)
def test_a_known_optimizer_with_its_states_at_another_scale_gives_its_updates(name: str) -> None:
    form = with_own_names(prune(library_program(name)))
    found = [*rescaled(saturate(form, ALL_KINDS, RewriteLimits(nodes=500, rounds=3)))]
    assert len(found) <= 6
    for other in found:
        check(other)
        assert_same_updates(form, other, tolerance=1e-3)
