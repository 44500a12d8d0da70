"""Random programs are valid, in the paper's form, of every length, and decided by the generator alone."""

import random
from collections import Counter

import pytest

from lion_search.dsl.functions import BUILT_IN
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.dsl.variation.random_program import random_program

STATES = ("m", "v")
SPACE = MutationSpace()


def _programs(
    number: int, max_statements: int = 12, space: MutationSpace = SPACE, seed: int = 0
) -> list[Program]:
    rng = random.Random(seed)
    return [random_program(STATES, space, max_statements, rng) for _ in range(number)]


def _statements(space: MutationSpace) -> list[Statement]:
    return [s for p in _programs(300, space=space) for s in p.statements]


def test_every_program_is_accepted():
    for program in _programs(2000, max_statements=30):
        check(program)


def test_every_program_is_in_the_papers_form():
    """It returns ``update`` and the states by name, and can be read back from its text."""
    for program in _programs(300):
        assert program.states == STATES
        assert program.outputs == ("update", "m", "v")
        assert parse(format_program(program)) == program


def test_a_program_without_states_is_possible():
    rng = random.Random(0)
    for _ in range(100):
        program = random_program((), MutationSpace(), 5, rng)
        check(program)
        assert program.outputs == ("update",)


def test_the_last_statement_assigns_the_update():
    assert {p.statements[-1].target for p in _programs(300)} == {"update"}


def test_the_length_is_uniform():
    lengths = Counter(len(p.statements) for p in _programs(5000, max_statements=5))
    assert sorted(lengths) == [1, 2, 3, 4, 5]
    assert all(number == pytest.approx(1000, abs=120) for number in lengths.values())


def test_every_function_of_the_space_is_drawn_and_no_other():
    assert {s.function for s in _statements(MutationSpace())} == set(BUILT_IN)
    assert {s.function for s in _statements(MutationSpace(functions=("sign", "get_pi")))} == {
        "sign",
        "get_pi",
    }


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_new_constant_is_the_share_of_constants(share: float):
    space = MutationSpace(functions=("add",), new_constant=share)
    args = [a for s in _statements(space) for a in s.args]
    assert sum(isinstance(a, float) for a in args) == pytest.approx(share * len(args), abs=0.03 * len(args))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_new_variable_is_the_share_of_fresh_targets(share: float):
    """Of all statements but the last, whose target is given."""
    space = MutationSpace(new_variable=share)
    fresh = []
    for program in _programs(300, space=space):
        known = {*program.inputs}
        for statement in program.statements[:-1]:
            fresh.append(statement.target not in known)
            known.add(statement.target)
    assert sum(fresh) == pytest.approx(share * len(fresh), abs=0.05 * len(fresh))


def test_later_statements_read_what_earlier_ones_wrote():
    def reads_a_result(program: Program) -> bool:
        return any(str(a).startswith("v") and a != "v" for a in program.statements[-1].args)

    assert any(map(reads_a_result, _programs(100)))


def test_what_belongs_to_mutation_alone_does_not_matter():
    """Neither the weights of its kinds nor its limit of statements."""
    other = MutationSpace().changed(insert=0.0, delete=5.0, constant=1.0, max_statements=1)
    assert _programs(50) == _programs(50, space=other)


def test_the_generator_alone_decides():
    assert _programs(50, seed=7) == _programs(50, seed=7)
    assert _programs(50, seed=7) != _programs(50, seed=8)


def test_a_program_of_no_statements_is_refused():
    with pytest.raises(ValueError, match="max_statements is 0"):
        random_program(STATES, MutationSpace(), 0, random.Random(0))
