"""What the tests of the language share: evolved programs, one recorded training trace, and honest comparison.

The trace holds weights, gradients and learning rates of 20 steps on a tree of several shapes, a 0-d array
and an array that never gets a gradient among them; its numbers are float32, so that every precision starts
from the same inputs. A walk over it is an array ``[steps, outputs, N]``: the update, then each state.

Two forms of one program are compared only where the comparison means something (``shared/design.md``): where
nothing that matters is infinite or NaN, and where shaking every intermediate result a little moves the
output little. How much of a sample that leaves is printed.
"""

import random
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from watched_walk import Move, WatchedDomain, shaken
from watched_walk import walk as walked

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import liveness, prune
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate

sys.path.insert(0, str(Path(__file__).parent))  # dsl_programs

SHAPES = ((3, 4), (), (5,))  # the second is 0-d, the third never gets a gradient
NUM_STEPS = 20

THREE_STATES = """
def train(w, g, m, v, s, lr):
    m = interp(g, m, 0.9)
    v = maximum(v * 0.99, abs(g))
    s = s * lr + g
    update = (m / v + clip(s, 0.1) + norm(w) * 0.01) * lr
    return update, m, v, s
"""


class Trace(NamedTuple):
    """What a training run would hand to an optimizer; ``shapes`` are those of the weights' arrays."""

    shapes: tuple[tuple[int, ...], ...]
    weights: list[tuple[np.ndarray, ...]]
    gradients: list[tuple[np.ndarray, ...]]
    learning_rates: list[float]

    def walk(self, program: Program, domain: ArrayDomain, num_steps: int) -> Iterator[np.ndarray]:
        """The outputs of each step."""
        steps = zip(self.weights, self.gradients, self.learning_rates, strict=True)
        return walked(program, domain, islice(steps, num_steps))


@pytest.fixture(scope="session")
def trace() -> Trace:
    """One recorded run: gradients of several scales with exact zeros, a schedule that ends at 0."""
    rng = np.random.default_rng(3)
    weights, gradients = [], []
    current = [rng.normal(size=s) for s in SHAPES]
    for _ in range(NUM_STEPS):
        scales = (np.array([[1.0], [1e-1], [1e-3]]), 0.1, 0.0)
        gradient = [rng.normal(size=s) * scale for s, scale in zip(SHAPES, scales, strict=True)]
        gradient[0][rng.random(SHAPES[0]) < 0.15] = 0.0
        current = [w - 0.05 * rng.normal(size=w.shape) for w in current]
        weights.append(tuple(np.float64(np.float32(w)) for w in current))
        gradients.append(tuple(np.float64(np.float32(g)) for g in gradient))
    rates = [0.25, 0.5, 0.75, *np.linspace(1.0, 0.0, NUM_STEPS - 3)]
    return Trace(SHAPES, weights, gradients, [float(np.float32(r)) for r in rates])


@pytest.fixture(scope="session")
def walk(trace: Trace) -> Callable[..., np.ndarray]:
    """``walk(program, num_steps=20, dtype=float64, xp=numpy)``: its outputs on the trace."""

    def run(
        program: Program, num_steps: int = NUM_STEPS, dtype: Any = np.float64, xp: Any = np
    ) -> np.ndarray:
        return np.array([*trace.walk(program, ArrayDomain(xp, trace.shapes, dtype), num_steps)])

    return run


@pytest.fixture(scope="session")
def reference(trace: Trace) -> Callable[..., SimpleNamespace]:
    """``reference(program, num_steps, shake)``: its float64 ``outputs`` and where they are ``comparable``.

    Comparable is an element of a live output whose history is finite and which moves by less than 1e-3 of
    its size when every intermediate result is shaken, five times, by ``shake``. ``finite`` are those with a
    finite history ``[steps, N]``; what is finite and not comparable is ill-conditioned.
    """

    def run_watched(program: Program, num_steps: int, move: Move | None) -> tuple[np.ndarray, np.ndarray]:
        domain = WatchedDomain(trace.shapes, move)
        found = [(o, domain.not_finite.copy()) for o in trace.walk(program, domain, num_steps)]
        return np.array([outputs for outputs, _ in found]), np.array([tainted for _, tainted in found])

    @cache
    def run(program: Program, num_steps: int = NUM_STEPS, shake: float = 1e-7) -> SimpleNamespace:
        program = prune(program)
        outputs, tainted = run_watched(program, num_steps, None)
        moved = np.zeros_like(outputs)
        for seed in range(5):
            other, also_tainted = run_watched(program, num_steps, shaken(shake, seed))
            tainted |= also_tainted
            with np.errstate(invalid="ignore"):
                moved = np.maximum(moved, np.abs(other - outputs))
        comparable = (moved <= 1e-3 * np.abs(outputs)) & ~tainted[:, None, :]
        return SimpleNamespace(outputs=outputs, comparable=comparable, finite=~tainted)

    return run


@pytest.fixture(scope="session")
def evolve(walk: Callable[..., np.ndarray]) -> Callable[..., Program]:
    """``evolve(seed)``: a program far from its parent, with at least ten live statements.

    Only children with as many live statements are accepted, and of every ten accepted ones none is kept if
    they have ended in a program that is nowhere finite; so most results are finite, but not all.
    """
    parents = (*map(library_program, LIBRARY), parse(THREE_STATES))

    def is_finite(program: Program) -> bool:
        return bool(np.isfinite(walk(program, num_steps=3)[:, 0]).any())

    def run(seed: int) -> Program:
        rng = random.Random(seed)
        program = kept = parents[seed % len(parents)]
        live = liveness(program).num_live_statements
        accepted, wanted = 0, rng.randrange(30, 90)
        while accepted < wanted or live < 10:
            mutation = mutate(program, MutationSpace(), rng)
            assert mutation is not None
            child_live = liveness(mutation.program).num_live_statements
            if live <= child_live <= 40:
                program, live, accepted = mutation.program, child_live, accepted + 1
                if accepted % 10 == 0:
                    program = kept = program if is_finite(program) else kept
                    live = liveness(program).num_live_statements
        return program

    return run


@pytest.fixture(scope="session")
def evolved(evolve: Callable[..., Program]) -> list[Program]:
    """A hundred evolved programs."""
    return [evolve(seed) for seed in range(100)]


@pytest.fixture(scope="session", params=["hundred", pytest.param("thousand", marks=pytest.mark.large)])
def many_programs(
    request: pytest.FixtureRequest, known_programs: dict[str, Program], evolve: Callable[..., Program]
) -> list[Program]:
    """The known programs and a hundred evolved ones; or, of the large tests, a thousand evolved ones."""
    if request.param == "thousand":
        return [evolve(seed) for seed in range(1000)]
    return [*known_programs.values(), *request.getfixturevalue("evolved")]


@pytest.fixture(scope="session")
def known_programs() -> dict[str, Program]:
    """Every program of the library, and one with three states."""
    return {**{name: library_program(name) for name in LIBRARY}, "three_states": parse(THREE_STATES)}
