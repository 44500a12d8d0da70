"""The first step of simplification: drop what is redundant, and say what was dropped."""

from __future__ import annotations

from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program
from lion_search.simplify.steps import Step

REDUNDANCY = "redundancy"


def remove_redundant(program: Program) -> Step:
    """Drops statements and states on which no update ever depends (liveness across steps)."""
    return Step(REDUNDANCY, program, prune(program))
