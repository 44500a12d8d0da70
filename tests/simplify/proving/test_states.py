"""Changes of state: those that are right are found and proved, those that are wrong are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import parse
from lion_search.dsl.types import check
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import PROVED, cost
from lion_search.simplify.proving.changes import StateChange, is_proved
from lion_search.simplify.proving.proofs import simplify_by_proof
from lion_search.simplify.proving.states import proposals

LIMITS = RewriteLimits(nodes=2_000, seconds=10)

DUPLICATE = """
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    g2 = g * 2.0
    v = interp(g2, v, 0.9)
    update = m + v
    return update, m, v
"""
RESCALED = """
def train(w, g, m, lr):
    m = m * 0.9
    m = m + g
    update = m * 0.1
    return update, m
"""
STORED_CUBED = """
def train(w, g, m, lr):
    x = cbrt(m)
    x = interp(g, x, 0.9)
    m = cube(x)
    update = sign(x)
    return update, m
"""
FUNCTION_OF_ANOTHER = """
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    v = abs(m)
    update = m * v
    return update, m, v
"""
INDEPENDENT = """
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    v = interp(g, v, 0.99)
    update = m * v
    return update, m, v
"""


@pytest.mark.parametrize(
    ("text", "states", "statements"),
    [
        (DUPLICATE, 1, 2),
        (RESCALED, 1, 1),
        (STORED_CUBED, 1, 2),
        (FUNCTION_OF_ANOTHER, 1, 3),
        (INDEPENDENT, 2, 3),
    ],
)
def test_a_change_of_state_is_found(text: str, states: int, statements: int) -> None:
    after = simplify_by_proof(parse(text), limits=LIMITS).after
    assert cost(after)[:2] == (states, statements)


def _first(text: str, name: str) -> StateChange:
    return next(change for change in proposals(parse(text)) if name in change.name)


def test_a_right_change_is_proved() -> None:
    assert is_proved(_first(DUPLICATE, "derived"), PROVED, LIMITS)
    assert is_proved(_first(RESCALED, "stored as"), PROVED, LIMITS)


def test_a_wrong_factor_is_not_proved() -> None:
    change = _first(DUPLICATE, "derived")
    *same, last = change.mapping
    wrong = replace(last, args=(last.args[0], 0.51))
    assert not is_proved(replace(change, mapping=(*same, wrong)), PROVED, LIMITS)


def test_what_is_not_zero_at_zero_is_not_proved() -> None:
    """m and v = cosh(m) start at 0 both, but cosh(0) is 1."""
    program = parse("""
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    v = cosh(m)
    return v, m, v
""")
    image = Program(("m", "v"), program.statements, program.outputs)
    source = parse("def train(w, g, m, lr):\n    m = interp(g, m, 0.9)\n    v = cosh(m)\n    return v, m\n")
    mapping = (Statement("m", "multiply", ("m.source", 1.0)), Statement("v", "cosh", ("m.source",)))
    assert not is_proved(StateChange("wrong", source, image, mapping, source), PROVED, LIMITS)


def test_no_state_is_put_where_a_scalar_is_wanted() -> None:
    """The limit of clip is made of a norm of a state; were the norm what is stored, it would be a tree."""
    program = parse("""
def train(w, g, m, v, lr):
    v1 = negative(lr)
    v = global_norm(m)
    m = exp2(v)
    lr = arcsinh(v)
    v4 = cube(0.79083186)
    v5 = v1 * v4
    update = clip(v4, lr)
    return update, m, v
""")
    for change in proposals(program):
        check(change.new)
    simplify_by_proof(program, epsilon=True, limits=LIMITS)
