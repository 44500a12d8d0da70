"""What of a program matters, now or at a later step; and that the rest does not."""

from collections.abc import Callable

import numpy as np
import pytest
from dsl_programs import written

from lion_search.dsl.liveness import liveness, prune
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check


def test_raw_program_8_has_12_live_statements_of_21_and_one_live_state(known_programs: dict[str, Program]):
    """``cosh`` goes although its result is returned as a state (paper.md, section 6)."""
    program = known_programs["paper/program8"]
    alive = liveness(program)
    assert len(program.statements) == 21
    assert alive.num_live_statements == 12
    assert dict(zip(program.states, alive.states, strict=True)) == {"m": False, "v": True}
    assert "cosh" not in format_program(prune(program))


def test_adamw_is_all_alive(known_programs: dict[str, Program]):
    program = known_programs["adamw"]
    assert all(liveness(program).statements)
    assert all(liveness(program).states)
    assert prune(program) is program


def test_a_returned_input_keeps_nothing_alive():
    program = parse("def train(w, g, m, v, lr):\n    m = sin(g)\n    v = v + m\n    return g, m, v\n")
    assert liveness(program).num_live_statements == 0
    assert prune(program) == Program((), (), ("g",))


def test_pruning_leaves_a_checked_program_that_is_all_alive(evolved: list[Program]):
    for program in evolved:
        pruned = prune(program)
        check(pruned)
        assert prune(pruned) is pruned
        assert len(pruned.statements) == liveness(program).num_live_statements


# Header, statements, and what of them matters: 1 for a live one.
CASES = {
    "a state matters through any number of steps": (
        ("a, b, c", "update = a + g", "a = b * 0.5", "b = c * 0.5", "c = sin(g)"), "1111", "111",
    ),
    "a state that only feeds itself is dead": (
        ("m, v", "m = interp(g, m, 0.9)", "v = v + m", "update = sign(m)"), "101", "10",
    ),
    "states that only feed each other are dead": (
        ("m, v", "t = m + g", "m = v * 0.5", "v = t * 1.0", "update = sign(g)"), "0001", "00",
    ),
    "a statement that is overwritten unread is dead": (
        ("m", "update = sin(g)", "m = cos(g)", "update = update + m", "m = tan(g)"), "1110", "0",
    ),
    "a statement read only by a dead one is dead": (
        ("m", "a = sin(g)", "b = cos(a)", "b = tan(w)", "update = b + w"), "0011", "0",
    ),
    "a state that is overwritten before it is read is dead, its statements are not": (
        ("m", "m = sin(g)", "update = m + w", "m = cosh(update)"), "110", "0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_what_is_alive(what: str):
    lines, statements, states = CASES[what]
    alive = liveness(written(*lines))
    assert "".join(str(int(a)) for a in alive.statements) == statements
    assert "".join(str(int(a)) for a in alive.states) == states


def test_pruning_never_changes_an_update(many_programs: list[Program], walk: Callable[..., np.ndarray]):
    """Nor a live state, by one bit, in 20 steps on several shapes, one of them without any gradient."""
    for program in many_programs:
        kept = [0, *(1 + i for i, keep in enumerate(liveness(program).states) if keep)]
        assert np.array_equal(walk(program)[:, kept], walk(prune(program)), equal_nan=True)
