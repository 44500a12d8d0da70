"""Which simpler programs are proposed for experiments."""

from __future__ import annotations

import random

import pytest
from programs import canonical

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.dsl.variation.random_program import random_program
from lion_search.simplify.experiments.ablations import ChangeKind, ablations, complexity, num_digits, snapped

PROGRAM = canonical("""
def train(w, g, m, lr):
    g = arcsin(g)
    m = interp(g, m, 0.9)
    update = (sign(m) + w * 0.4601978) * lr
    return update, m
""")


def test_each_value_may_be_replaced_by_what_it_is_made_of() -> None:
    found = {p.what: p.program for p in ablations(PROGRAM)}
    without = canonical("""
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    update = (sign(m) + w * 0.4601978) * lr
    return update, m
""")
    assert found["arcsin(g) -> g"] == without
    assert any(
        what.startswith("sign(interp(") and what.endswith("-> interp(m, arcsin(g), 0.1)") for what in found
    )


def test_a_state_may_be_replaced_by_nothing_or_the_gradient() -> None:
    found = {p.what: p for p in ablations(PROGRAM) if p.kind is ChangeKind.STATE}
    assert set(found) == {"state m -> 0.0", "state m -> g"}
    assert all(p.program.states == () for p in found.values())


@pytest.mark.parametrize("name", LIBRARY)
def test_all_are_valid_canonical_distinct_and_simpler_the_simplest_first(name: str) -> None:
    program = canonicalise(library_program(name)).program()
    for found in (ablations(program), snapped(program)):
        assert len({functional_hash(p.program) for p in found}) == len(found)
        sizes = [complexity(p.program) for p in found]
        assert sizes == sorted(sizes)
        assert all(size < complexity(program) for size in sizes)
        for proposal in found:
            check(proposal.program)
            assert canonicalise(proposal.program).program() == proposal.program


def test_any_program_may_be_asked_about() -> None:
    for seed in range(200):
        program = random_program(("m", "v"), MutationSpace(), 12, random.Random(seed))
        form = canonicalise(program).program()
        assert all(complexity(p.program) < complexity(form) for p in [*ablations(form), *snapped(form)])


def test_nothing_is_proposed_for_what_has_nothing_to_leave_out() -> None:
    assert ablations(canonical("def train(w, g, lr):\n    return g\n")) == []
    assert snapped(canonical("def train(w, g, lr):\n    update = g * 0.1\n    return update\n")) == []


@pytest.mark.parametrize(
    ("constant", "digits"),
    [
        (0.1, 1),
        (0.8999999761581421, 1),
        (0.999, 1),
        (0.9982, 2),
        (1.109133, 6),
        (1.0, 1),
        (-2.5, 2),
        (1e-8, 1),
    ],
)
def test_the_digits_of_a_decay_rate_are_those_of_its_distance_from_one(constant: float, digits: int) -> None:
    assert num_digits(constant) == digits


def test_constants_are_snapped_to_fewer_digits_nearby() -> None:
    """A rate near 1 keeps its distance from 1 within a tenth; 0.00178 becomes 0.0018 and not 0.002."""
    constants = {
        a
        for p in snapped(
            canonical("def train(w, g, m, lr):\n    m = interp(g, m, 0.99822)\n    return m, m\n")
        )
        for s in p.program.statements
        for a in s.args
        if isinstance(a, float)
    }
    assert {round(c, 6) for c in constants} == {0.0018}


def test_constants_are_snapped_alone_and_together() -> None:
    program = canonical("""
def train(w, g, m, lr):
    m = g * 0.305
    update = m + w * 0.4601
    return update, m
""")
    whats = [p.what for p in snapped(program)]
    assert "all constants to 1 digit" in whats
    assert "0.4601 -> 0.5 in w * 0.4601" in whats
