"""Programs for these tests, and the one way to ask whether two of them give the same updates."""

from __future__ import annotations

import random
from functools import cache

from replay import compare

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS
from lion_search.simplify.proving.proofs import Proved, simplify_by_proof
from lion_search.simplify.recognition.program_graph import ProgramGraph, saturate


def train(body: str) -> Program:
    """A program from its states, its statements and nothing else: ``m v: m = ...; ...``."""
    states, _, statements = body.strip().partition(":")
    lines = [line.strip() for line in statements.replace("\n", ";").split(";") if line.strip()]
    header = ", ".join(("w", "g", *states.split(), "lr"))
    returns = ", ".join(("update", *states.split()))
    return parse("\n    ".join((f"def train({header}):", *lines, f"return {returns}")) + "\n")


def canonical(text: str) -> Program:
    """The canonical form of a program's text, or of the body that :func:`train` takes."""
    return canonicalise(parse(text) if text.lstrip().startswith("def") else train(text)).program()


def evolved(rng: random.Random, num_mutations: int = 40, *, most_live: int = 20) -> Program:
    """A descendant of a library program, with the redundant statements that came along."""
    program, live = library_program(rng.choice(list(LIBRARY))), 0
    for _ in range(num_mutations):
        child = mutate(program, MutationSpace(), rng)
        assert child is not None
        child_live = liveness(child.program).num_live_statements
        if min(live, 6) <= child_live <= most_live:
            program, live = child.program, child_live
    return program


def program_graph(body: str, new_state: str) -> ProgramGraph:
    """The graph of a program with the state ``m`` in which no variable is assigned twice."""
    lines = "".join(f"    {line.strip()}\n" for line in body.split(";"))
    program = parse(f"def train(w, g, m, lr):\n{lines}    return update, {new_state}\n")
    return saturate(program, ALL_KINDS, RewriteLimits(nodes=1_000))


@cache
def proved(name: str) -> Proved:
    """What proofs make of a library program, computed once for all tests."""
    return simplify_by_proof(library_program(name))


def assert_same_updates(
    original: Program, other: Program, *, tolerance: float = 1e-6, num_sequences: int = 1
) -> None:
    """On recorded gradients and others no number differs without a reason (:mod:`replay`)."""
    for seed in range(num_sequences):
        found = compare(original, other, tolerance=tolerance, seed=seed)
        assert found.different == 0, found
