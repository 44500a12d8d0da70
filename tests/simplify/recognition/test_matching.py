"""Matching: what a template is, where it is found, and where it must not be."""

from __future__ import annotations

import pytest
from programs import program_graph

from lion_search.dsl.library import library_program
from lion_search.dsl.text import format_program
from lion_search.simplify.recognition import matching
from lion_search.simplify.recognition.matching import Match, Matcher
from lion_search.simplify.recognition.program_graph import ProgramGraph
from lion_search.simplify.recognition.templates import make_template


def _found(name: str, graph: ProgramGraph, *, lenient: bool = True) -> Match | None:
    template = make_template(library_program(name))
    return Matcher(template, graph, graph.form.states, lenient=lenient).best()


def test_constants_are_holes_and_what_only_computes_a_constant_is_none() -> None:
    template = make_template(library_program("paper/program6"))
    assert [round(hole.value, 4) for hole in template.holes.values()] == [0.1, 0.0015, 3.1416, 0.0606]
    text = format_program(template.filled({}))
    assert "get_pi" not in text
    assert "v = minimum(v, 3.141592653589793)" in text


def test_what_is_redundant_is_no_part_of_a_template() -> None:
    template = make_template(library_program("paper/program4"))
    assert template.program.states == ("v",)
    assert "cosh" not in [node.function for node in template.applications.values()]


def test_what_is_computed_once_in_the_template_is_one_value() -> None:
    body = "a = interp(g, m, 0.8); b = interp(g, m, 0.7); s = sign(a); k = lr * 0.1; update = s * k"
    assert _found("signum", program_graph(body, "a")) is not None
    assert _found("signum", program_graph(body, "b")) is None


def test_one_value_may_be_several_of_the_template_s() -> None:
    graph = program_graph("a = interp(g, m, 0.8); s = sign(a) + w * 0.1; k = lr * 0.1; update = s * k", "a")
    found = _found("lion", graph)
    assert found is not None
    assert sorted(found.values.values()) == pytest.approx([0.1, 0.1, 0.8, 0.8])


def test_an_average_is_found_from_either_side() -> None:
    graph = program_graph("a = interp(m, g, 0.2); s = sign(a); k = lr * 0.1; update = s * k", "a")
    found = _found("signum", graph, lenient=False)
    assert found is not None
    assert sorted(found.values.values()) == pytest.approx([0.1, 0.8])


def test_a_product_with_one_may_be_missing_only_if_that_is_allowed() -> None:
    graph = program_graph("a = interp(g, m, 0.8); update = sign(a) * lr", "a")
    found = _found("signum", graph)
    assert found is not None
    assert (found.num_degenerate, found.num_other) == (1, 2)
    assert _found("signum", graph, lenient=False) is None


def test_a_product_with_zero_is_no_product() -> None:
    graph = program_graph("a = interp(g, m, 0.8); s = sign(a) + w * 0.0; k = lr * 0.1; update = s * k", "a")
    assert _found("lion", graph) is None
    assert _found("signum", graph) is not None


def test_a_search_without_end_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = program_graph("a = interp(g, m, 0.8); s = sign(a); k = lr * 0.1; update = s * k", "a")
    matcher = Matcher(make_template(library_program("signum")), graph, ("m",), lenient=True)
    monkeypatch.setattr(matching, "MOST_STEPS", 3)
    assert matcher.best() is None
    assert matcher.is_cut_short
