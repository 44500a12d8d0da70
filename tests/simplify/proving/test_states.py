"""Changes of state: each kind is proposed and proved where it is right, and refused where it is wrong."""

from __future__ import annotations

import random
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import pytest
from programs import assert_same_updates, evolved, train
from replay import compare

from lion_search.dsl.program import Program, Statement
from lion_search.dsl.types import check
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import PROVED, tidy
from lion_search.simplify.proving.changes import StateChange, is_proved
from lion_search.simplify.proving.proofs import simplify_by_proof
from lion_search.simplify.proving.states import proposals

LIMITS = RewriteLimits(nodes=2_000, seconds=10)


def change(body: str, name: str) -> StateChange:
    """The first change of a program that is called so."""
    return next(found for found in proposals(train(body)) if name in found.name)


RIGHT = {
    "stored after: sqrt(m)": "m: x = sqrt(m); update = g * x; m = interp(square(g), x, 0.9)",
    "stored after: multiply(m)": "m: x = m * 0.1; update = x + w; m = x + g",
    "stored before: cube of m": "m: x = interp(g, cbrt(m), 0.9); m = cube(x); update = sign(x)",
    "stored before: multiply of m": "m: m = interp(g, m, 0.9) * 2.0; update = sin(m)",
    "stored as m * 0.1": "m: m = m * 0.9 + g; update = m * 0.1",
    "derived: v": "m v: m = interp(g, m, 0.9); v = interp(g * 2.0, v, 0.9); update = m + v",
    "derived: z": "m z: m = m + g; z = z * 0.5; update = m + z",
}
RIGHT_FUNCTIONS = {
    f"derived as {function}": f"m v: m = interp(g, m, 0.9); v = {function}(m); update = m * v"
    for function in ("abs", "square", "sqrt", "sign", "negative", "cube", "tanh", "sin", "arctan")
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_change_is_proposed_and_proved(name: str) -> None:
    found = change(RIGHT[name], name)
    assert is_proved(found, PROVED, LIMITS)
    assert_same_updates(train(RIGHT[name]), found.new)


@pytest.mark.parametrize("name", RIGHT_FUNCTIONS)
def test_a_state_that_is_a_function_of_another_is_derived(name: str) -> None:
    found = change(RIGHT_FUNCTIONS[name], "derived: v")
    assert found.new.states == ("m",)
    assert is_proved(found, PROVED, LIMITS)
    assert_same_updates(train(RIGHT_FUNCTIONS[name]), found.new)


@pytest.mark.parametrize("name", [n for n in RIGHT if n != "derived: z"])  # zero has no factor
def test_a_map_with_another_factor_is_refused(name: str) -> None:
    """Whatever the last statement of the map gives, a hundredth less of it is wrong."""
    found = change(RIGHT[name], name)
    *rest, last = found.mapping
    wrong = (*rest, replace(last, target="right"), Statement(last.target, "multiply", ("right", 0.99)))
    assert not is_proved(replace(found, mapping=wrong), PROVED, LIMITS)


@pytest.mark.parametrize("name", RIGHT)
def test_another_update_is_refused(name: str) -> None:
    found = change(RIGHT[name], name)
    image = found.image
    statements = (*image.statements, Statement("wrong", "add", (image.outputs[0], "g")))
    wrong = replace(image, statements=statements, outputs=("wrong", *image.outputs[1:]))
    assert not is_proved(replace(found, image=wrong), PROVED, LIMITS)


def test_a_state_that_is_written_otherwise_is_refused() -> None:
    """The update is the same in this step, but what is stored is not."""
    found = change(RIGHT["stored as m * 0.1"], "stored as m * 0.1")
    new = found.new
    outputs = (new.outputs[0], "g")
    assert not is_proved(replace(found, source=replace(new, outputs=outputs)), PROVED, LIMITS)


def test_what_is_not_zero_at_zero_is_not_proved() -> None:
    """m and v = cosh(m) start at 0 both, but cosh(0) is 1."""
    image = Program(
        ("m", "v"),
        (Statement("n", "interp", ("g", "m", 0.9)), Statement("c", "cosh", ("n",))),
        ("c", "n", "c"),
    )
    source = Program(("m",), image.statements, ("c", "n"))
    mapping = (Statement("m", "multiply", ("m.source", 1.0)), Statement("v", "cosh", ("m.source",)))
    assert not is_proved(StateChange("wrong", source, image, mapping, source), PROVED, LIMITS)
    image, source = (replace(p, statements=_with_sinh(p)) for p in (image, source))
    mapping = (mapping[0], replace(mapping[1], function="sinh"))
    assert is_proved(StateChange("right", source, image, mapping, source), PROVED, LIMITS)


def _with_sinh(program: Program) -> tuple[Statement, ...]:
    return tuple(replace(s, function="sinh") if s.function == "cosh" else s for s in program.statements)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("m: update = sqrt(m) + m; m = m + g", "stored after"),  # it is read twice
        ("m: update = sin(m) * abs(m); m = g * w", "stored after"),
        ("m: m = g * w; update = sin(m)", "stored before"),  # of two values
        ("m: update = sin(m); m = negative(g)", "stored before"),  # of an input: no state would be left
        ("m v: m = interp(g, m, 0.9); v = interp(g, v, 0.99); update = m * v", "derived"),
        ("m v: m = log(m * 0.0); v = m * 2.0; update = m * v", "derived"),  # never finite
    ],
)
def test_nothing_of_the_kind_is_proposed(body: str, name: str) -> None:
    assert not [found.name for found in proposals(train(body)) if found.name.startswith(name)]


def test_no_state_is_put_where_a_scalar_is_wanted() -> None:
    """The limit of clip is made of a norm of a state; were the norm what is stored, it would be a tree."""
    program = train("""m v:
        v1 = negative(lr); v = global_norm(m); m = exp2(v); lr = arcsinh(v)
        v4 = cube(0.79083186); v5 = v1 * v4; update = clip(v4, lr)
    """)
    for found in proposals(program):
        check(found.new)
    simplify_by_proof(program, epsilon=True, limits=LIMITS)


@hypothesis.given(seed=st.integers(0, 2**32))
@hypothesis.settings(max_examples=25)
def test_what_is_proved_keeps_updates(seed: int) -> None:
    """Of any program; how many are proposed is bounded, not how many are right."""
    program = tidy(evolved(random.Random(seed)))
    for found in proposals(program):
        if is_proved(found, PROVED, RewriteLimits(nodes=500, rounds=4, seconds=5)):
            assert compare(program, found.new).different == 0
