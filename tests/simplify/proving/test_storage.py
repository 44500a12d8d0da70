"""A state kept in another form: its old value is what is read, its new value is what is written."""

from __future__ import annotations

import random

import hypothesis
import hypothesis.strategies as st
from programs import evolved, train
from replay import compare

from lion_search.dsl.program import Program, Statement
from lion_search.simplify.equality.rewriting import tidy
from lion_search.simplify.proving.storage import stored


def test_all_that_read_the_state_read_what_is_stored_through_the_function() -> None:
    program = train("m: update = m + sin(m); m = interp(g, m, 0.9)")
    found = stored(
        tidy(program), "m", Statement("read", "cbrt", ("m",)), Statement("written", "cube", ("m",))
    )
    assert [s.function for s in found.statements if "m" in s.args] == ["cbrt"]
    assert found.statements[0].target == "read"
    assert found.outputs[1] == found.statements[-1].target == "written"


def test_a_state_that_is_an_output_is_read_first() -> None:
    """The update and the other state are the old m, whose place a sum takes."""
    program = Program(("m", "v"), (Statement("x", "add", ("g", "v")),), ("m", "x", "m"))
    read, write = Statement("read", "multiply", ("m", 0.5)), Statement("written", "multiply", ("m", 2.0))
    found = stored(program, "m", read, write)
    assert found.outputs == ("read", "written", "read")
    assert found.statements[-1].args == ("x", 2.0)


def test_a_value_of_the_program_may_be_what_is_stored() -> None:
    program = tidy(train("m: x = interp(g, cbrt(m), 0.9); m = cube(x); update = sign(x)"))
    (inside,) = next(s.args for s in program.statements if s.function == "cube")
    found = stored(program, "m", Statement("read", "cube", ("m",)), inside)
    assert found.outputs[1] == inside
    assert compare(program, found).verdict == "equal"


@hypothesis.given(
    seed=st.integers(0, 2**32),
    functions=st.sampled_from([("multiply", "divide"), ("negative", "negative"), ("arcsinh", "sinh")]),
)
@hypothesis.settings(max_examples=40)
def test_what_is_read_undoes_what_was_written(seed: int, functions: tuple[str, str]) -> None:
    program = tidy(evolved(random.Random(seed)))
    for state in program.states:
        factor = (4.0,) if functions[0] == "multiply" else ()
        read = Statement("read", "multiply" if factor else functions[1], (state, *(1 / f for f in factor)))
        found = stored(program, state, read, Statement("written", functions[0], (state, *factor)))
        assert compare(program, found).different == 0
