"""Dropping what is redundant changes nothing that is computed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.simplify.proving.redundancy import remove_redundant

SHAPES = ((3, 2), (2,))
ANCESTORS = ("adamw", "lion", "paper/program4", "paper/program8")


def descendant(seed: int, num_mutations: int = 80) -> Program:
    """A descendant of a library program, with whatever redundant statements came along."""
    rng = random.Random(seed)
    program = library_program(ANCESTORS[seed % len(ANCESTORS)])
    for _ in range(num_mutations):
        child = mutate(program, MutationSpace(), rng)
        assert child is not None
        program = child.program
    return program


def updates(program: Program) -> np.ndarray:
    """The update of each of four steps in float64."""
    rng = np.random.default_rng(0)
    domain = ArrayDomain(np, SHAPES, np.float64)
    states = [tuple(np.zeros(s) for s in SHAPES) for _ in program.states]
    found = []
    with np.errstate(all="ignore"):
        for lr in (1.0, 0.9, 0.5, 0.1):
            weights, gradient = (tuple(rng.standard_normal(s) for s in SHAPES) for _ in range(2))
            update, states = step(program, domain, weights, gradient, states, lr)  # type: ignore[assignment]
            found.append(np.concatenate([np.ravel(u) for u in update]))
    return np.stack(found)


PROGRAMS = {name: library_program(name) for name in LIBRARY} | {
    f"descendant {n}": descendant(n) for n in range(12)
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_functional_hash_stays(name: str) -> None:
    program = PROGRAMS[name]
    assert functional_hash(remove_redundant(program).after) == functional_hash(program)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_update_stays_to_the_last_bit(name: str) -> None:
    program = PROGRAMS[name]
    np.testing.assert_array_equal(updates(remove_redundant(program).after), updates(program))


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_redundant_is_left(name: str) -> None:
    after = liveness(remove_redundant(PROGRAMS[name]).after)
    assert all(after.statements)
    assert all(after.states)


@pytest.mark.parametrize("name", PROGRAMS)
def test_doing_it_twice_is_doing_it_once(name: str) -> None:
    once = remove_redundant(PROGRAMS[name]).after
    assert remove_redundant(once).after == once


def test_descendants_do_have_redundant_statements() -> None:
    """Else the tests above say little."""
    programs = [p for name, p in PROGRAMS.items() if name.startswith("descendant")]
    shorter = [p for p in programs if len(remove_redundant(p).after.statements) < len(p.statements)]
    assert len(shorter) > len(programs) / 2


def test_a_statement_that_matters_only_at_a_later_step_is_kept() -> None:
    program = parse("def train(w, g, m, v, lr):\n    v = v + m\n    m = m + g\n    return v, m, v")
    assert remove_redundant(program).after == program


def test_program_8_loses_its_dead_code() -> None:
    """State m is overwritten before it is read, and 9 statements feed nothing that lasts."""
    found = remove_redundant(library_program("paper/program8"))
    assert found.stage == "redundancy"
    assert found.summary() == "redundancy: 21 -> 12 statements, 2 -> 1 states"


def test_the_summary_counts_statements_and_states() -> None:
    before = parse("""
def train(w, g, m, v, lr):
    v = interp(g, v, 0.5)
    x = sin(w)
    update = g * lr
    return update, m, v
""")
    assert remove_redundant(before).summary() == "redundancy: 3 -> 1 statements, 2 -> 0 states"


def test_the_program_it_was_given_is_kept_beside() -> None:
    before = library_program("paper/program8")
    found = remove_redundant(before)
    assert found.before == before


def test_statements_keep_their_names_and_order() -> None:
    before = library_program("paper/program8")
    lines = format_program(before).splitlines()[1:-1]
    kept = format_program(remove_redundant(before).after).splitlines()[1:-1]
    position = -1
    for line in kept:
        position = lines.index(line, position + 1)
