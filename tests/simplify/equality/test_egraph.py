"""Saturation: its limits, its goals, and that nothing of one program is left for the next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from programs import train

from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Program
from lion_search.simplify.equality import egraph as module
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS, PROVED, egraph, never_negative

LIMITS = RewriteLimits(nodes=2_000, rounds=6, seconds=30)
SUM = train(": update = (((w + g) * lr + w * 0.5) * g + square(w)) * (g + w * lr)")
"""A program that has very many equal forms."""
EQUAL = Program((), train(": x = g * 2.0; y = g + g; update = x").statements, ("x", "y"))
"""Two equal outputs."""


@pytest.fixture(autouse=True)
def _declared() -> None:
    """Rules are declared before a clock runs."""
    egraph(train(": update = g"), (), LIMITS)


@pytest.mark.parametrize(
    ("limits", "met"),
    [
        (replace(LIMITS, nodes=200), "nodes"),
        (replace(LIMITS, nodes=10**6, rounds=1), "rounds"),
        (replace(LIMITS, seconds=0.0), "seconds"),
    ],
)
def test_the_limit_that_ended_it_is_said(limits: RewriteLimits, met: str) -> None:
    classes = egraph(SUM, ALL_KINDS, limits)
    assert classes.met_limit == met
    assert classes.roots[0] in classes.terms


def test_a_graph_is_not_much_larger_than_allowed() -> None:
    """No step begins beyond a quarter of the nodes."""
    for nodes in (400, 4_000):
        classes = egraph(SUM, ALL_KINDS, replace(LIMITS, nodes=nodes))
        assert nodes / 4 < sum(len(t.args) > 0 for terms in classes.terms.values() for t in terms) < nodes


def test_a_program_with_nothing_to_do_meets_no_limit() -> None:
    classes = egraph(train(": update = sin(g)"), ALL_KINDS, LIMITS)
    assert classes.met_limit == ""


def test_facts_alone_meet_no_limit_of_rounds() -> None:
    assert egraph(SUM, (), replace(LIMITS, rounds=0)).met_limit == ""


def test_it_ends_when_the_goals_are_reached() -> None:
    """Long before a limit; the same pairs without a goal go on."""
    joint = Program((), (*SUM.statements, *EQUAL.statements), (*SUM.outputs, *EQUAL.outputs))
    joint = replace(joint, outputs=("x", "y", "update"))
    reached = egraph(joint, PROVED, LIMITS, goals=[(0, 1)])
    assert reached.roots[0] == reached.roots[1]
    assert reached.met_limit == ""
    assert egraph(joint, PROVED, LIMITS).met_limit != ""


def test_a_goal_that_is_not_reached_is_not_claimed() -> None:
    different = replace(EQUAL, outputs=("x", "g"))
    roots = egraph(different, PROVED, LIMITS, goals=[(0, 1)]).roots
    assert roots[0] != roots[1]


def test_one_program_leaves_nothing_for_the_next() -> None:
    before = egraph(EQUAL, PROVED, LIMITS)
    egraph(SUM, ALL_KINDS, replace(LIMITS, nodes=400))
    after = egraph(EQUAL, PROVED, LIMITS)
    assert after.fired == before.fired
    assert len(after.terms) == len(before.terms)
    assert after.met_limit == before.met_limit


def test_only_rules_that_matched_are_named() -> None:
    assert set(egraph(EQUAL, PROVED, LIMITS).fired) >= {"add-itself"}
    assert egraph(EQUAL, (), LIMITS).fired == ()


@pytest.mark.parametrize(
    ("new", "is_never_negative"),
    [
        ("interp(square(g), m, 0.9)", True),
        ("m * 0.9 + abs(g)", True),
        ("maximum(m, g)", True),
        ("sqrt(m)", True),
        ("interp(g, m, 0.9)", False),
        ("m - square(g)", False),
        ("m * -0.9 + abs(g)", False),
        ("interp(square(g), m, 1.1)", False),
    ],
)
def test_states_that_never_are_negative(new: str, is_never_negative: bool) -> None:
    found = never_negative(train(f"m: m = {new}; update = m * g"))
    assert found == ({"m"} if is_never_negative else set())


def test_a_state_that_rests_on_one_that_may_be_negative_may_be_so() -> None:
    assert never_negative(train("m v s: v = v + m; m = m + g; s = s + square(m); update = v * s")) == {"s"}


def test_another_table_of_functions_needs_another_engine() -> None:
    assert module.default_engine((FUNCTIONS["sign"],)) is not module.default_engine()
    assert module.default_engine() is module.default_engine()
