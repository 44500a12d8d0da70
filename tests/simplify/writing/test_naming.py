"""Names: never one that is taken, never one over a value that is still needed."""

from __future__ import annotations

import keyword
import random

import hypothesis
import hypothesis.strategies as st
import pytest
from programs import canonical, evolved

from lion_search.dsl.dataflow import dataflow
from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.simplify.writing.naming import named


def names(body: str) -> list[str]:
    return [s.target for s in named(dataflow(canonical(body))).statements]


@pytest.mark.parametrize(
    ("body", "states"),
    [
        (
            "a b: a = interp(g, a, 0.9); b = interp(g, b, 0.5); update = a * sin(b)",
            {"momentum", "momentum2"},
        ),
        (
            "a b c: a = a + square(g); b = interp(g, b, 0.5); c = c + abs(g); update = a * sin(b) * tanh(c)",
            {"momentum", "second_moment", "second_moment2"},
        ),
        ("a b: update = a * sin(b); a = g + w; b = exp(g)", {"state", "state2"}),
    ],
)
def test_states_of_one_role_are_numbered(body: str, states: set[str]) -> None:
    found = named(dataflow(canonical(body)))
    assert set(found.states) == states
    assert found.states == tuple(sorted(found.states, key=lambda s: (s.rstrip("2"), s)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            ": update = sin(maximum(w, g)) * cos(maximum(g, lr)) + abs(maximum(w, g)) * exp(maximum(g, lr))",
            {"product", "product2", "sin_larger", "abs_larger"},
        ),
        (": update = dot(w, g) * g + dot(g, sin(w)) * exp(g)", {"dot_w_g", "dot_g_sin_w", "scaled_g"}),
        (": update = sin(square(square(g))) * cos(square(g)) + exp(g)", {"update", "update2"}),
        (": update = tanh(arctan(sinh(cosh(arctan(g)))) + g) * exp(g)", {"cosh_arctan_g"}),
    ],
)
def test_equal_calls_are_numbered_and_long_names_are_short(body: str, expected: set[str]) -> None:
    found = names(body)
    assert expected <= set(found)
    assert all(len(name) <= 24 for name in found)


@hypothesis.given(seed=st.integers(0, 2**32))
@hypothesis.settings(max_examples=60)
def test_names_are_free_and_the_program_is_the_same(seed: int) -> None:
    form = canonicalise(evolved(random.Random(seed), 100)).program()
    found = named(dataflow(form))
    targets = {s.target for s in found.statements}
    assert targets.isdisjoint(FUNCTIONS)
    assert not any(map(keyword.iskeyword, targets))
    assert functional_hash(parse(format_program(found))) == functional_hash(form)
    assert [s.function for s in found.statements] == [s.function for s in form.statements]
    assert len(set(found.states)) == len(form.states)


def test_the_gradient_keeps_its_name_only_while_nothing_else_reads_it() -> None:
    body = canonical("m: x = clip(g, 1.0); m = interp(x, m, 0.9); update = m * norm(g)")
    found: Program = named(dataflow(body))
    (clipped,) = (s.target for s in found.statements if s.function == "clip")
    (norm,) = (s for s in found.statements if s.function == "norm")
    order = [s.function for s in found.statements]
    assert (clipped == "g") == (order.index("norm") < order.index("clip"))
    assert norm.args == ("g",)
