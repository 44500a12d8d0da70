"""Simplification by proof: what it must find, and that nothing it does changes an update."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import hypothesis
import hypothesis.strategies as st
import pytest
from disguise import disguise
from programs import assert_same_updates, canonical, evolved, proved, train
from replay import compare

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.dsl.variation.random_program import random_program
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import cost
from lion_search.simplify.equality.rules import Kind
from lion_search.simplify.proving.proofs import simplify_by_proof

LIMITS = RewriteLimits(nodes=2_000, seconds=10)


def test_rounded_program_8_becomes_lion() -> None:
    found = simplify_by_proof(
        train("""m v:
        m = interp(g, v, 0.9); v1 = m * m; v = interp(g, m, 1.1)
        lr = lr * 0.0002171761734643951
        update = m * lr; v1 = sqrt(v1); update = update / v1
        wd = lr * 0.4601978361606598; wd = wd * w
        update = update + wd
        """),
        epsilon=True,
    )
    assert functional_hash(found.after) == functional_hash(
        train("""m:
        update = (sign(interp(g, m, 0.9)) + w * 0.4601978361606598) * (lr * 0.0002171761734643951)
        m = interp(g, m, 0.99)
        """)
    )
    assert found.uses_epsilon
    assert Kind.EPS_EXACT not in found.steps[0].kinds


def test_raw_program_8_keeps_what_needs_an_experiment() -> None:
    found = simplify_by_proof(library_program("paper/program8"), epsilon=True)
    functions = [s.function for s in found.after.statements]
    assert sorted(functions) == sorted(
        ["clip", "arcsin", "interp", "sign", "multiply", "add", "multiply", "multiply", "interp"]
    )
    assert len(found.after.states) == 1


OFTEN = ("adamw", "lion", "nadams", "adabelief", "nesterov", "paper/program8")
"""Of the library; proofs about the others take as long again, twice."""


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.large) for name in LIBRARY]
)
def test_a_library_program_keeps_its_updates_and_is_simplified_once(name: str) -> None:
    found, before = proved(name), canonicalise(library_program(name)).program()
    for form in (found.after, found.normal):  # Program 8 divides by what is nearly zero
        assert compare(before, form).verdict in ("equal", "ill-conditioned")
    assert cost(found.after) <= cost(before)
    again = simplify_by_proof(found.after)
    assert again.after == found.after


@hypothesis.given(seed=st.integers(0, 2**32), epsilon=st.booleans(), is_evolved=st.booleans())
@hypothesis.settings(max_examples=16)
def test_any_program_keeps_its_updates_and_is_simplified_once(
    seed: int, epsilon: bool, is_evolved: bool
) -> None:
    """Descendants of known programs, and random ones."""
    rng = random.Random(seed)
    program = evolved(rng) if is_evolved else random_program(("m", "v"), MutationSpace(), 15, rng)
    found = simplify_by_proof(program, epsilon=epsilon, limits=LIMITS)
    assert_same_updates(
        canonicalise(program).program(), found.after, tolerance=1e-3 if epsilon else 1e-6, num_sequences=2
    )
    assert simplify_by_proof(found.after, epsilon=epsilon, limits=LIMITS).after == found.after


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("name", ["sgd", "lion", "adam", "rmsprop", "heavy_ball", "lion_tanh"])
def test_a_disguise_is_equal_and_different(name: str, foreign: bool) -> None:
    program = library_program(name)
    hidden = disguise(program, 10, random.Random(name), foreign=foreign)
    assert len(hidden.steps) >= 10
    assert len(hidden.program.statements) >= 3 * len(canonicalise(program).program().statements)
    assert compare(program, hidden.program, seed=1).different == 0
    assert functional_hash(hidden.program) != functional_hash(program)


@pytest.mark.parametrize("name", ["sgd", "lion", "adam", "rmsprop", "signum", "lion_tanh"])
def test_a_disguise_is_seen_through(name: str) -> None:
    hidden = disguise(library_program(name), 10, random.Random(f"{name} 5"))
    found = simplify_by_proof(hidden.program)
    assert functional_hash(found.normal) == functional_hash(proved(name).normal)


@pytest.mark.parametrize("expression", ["g", "w - w", "arccosh(0.0) * g", "1.0 / 0.0 * g", "lr"])
def test_what_is_minimal_or_never_a_number_gives_a_result(expression: str) -> None:
    program = train(f": update = {expression}")
    found = simplify_by_proof(program, epsilon=True)
    assert cost(found.after) <= cost(canonicalise(program).program())
    assert not found.met_limits


def _chain(num_statements: int) -> Program:
    """A long program in which everything is mixed with everything."""
    rng, names, statements = random.Random(0), ["w", "g", "m", "lr"], []
    for i in range(num_statements):
        function = rng.choice(("add", "subtract", "multiply", "divide"))
        args = (names[-1], rng.choice([*names[-12:-1], 0.3]))
        statements.append(Statement(f"x{i}", function, args))
        names.append(f"x{i}")
    return Program(("m",), tuple(statements), (names[-1], names[-2]))


def test_limits_are_kept_and_said() -> None:
    simplify_by_proof(library_program("sgd"))  # rules are declared
    started = time.thread_time()
    found = simplify_by_proof(_chain(1000), limits=RewriteLimits(seconds=1))
    assert set(found.met_limits) & {"nodes", "seconds"}
    assert found.seconds == pytest.approx(time.thread_time() - started, abs=0.1)


def test_another_process_finds_the_same() -> None:
    """Results follow from the program, not from the order of sets."""
    names = ["nesterov", "paper/program6"]
    script = (
        "import sys\n"
        "from lion_search.dsl.equivalence.canonical import functional_hash\n"
        "from lion_search.dsl.library import library_program\n"
        "from lion_search.simplify.proving.proofs import simplify_by_proof\n"
        "for name in sys.argv[1:]:\n"
        "    found = simplify_by_proof(library_program(name))\n"
        "    print(functional_hash(found.after), functional_hash(found.normal))\n"
    )
    ran = subprocess.run(
        [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-c", script, *names],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    here = [f"{functional_hash(proved(n).after)} {functional_hash(proved(n).normal)}" for n in names]
    assert ran.stdout.split("\n")[:-1] == here


def test_a_tiny_term_is_not_lost_beside_a_large_constant() -> None:
    """Were expm1(m) written exp(m) - 1, the 1e-10 would stand beside -0.9; at zero it is all there is."""
    program = train("""m:
        average = interp(m, g, 0.1)
        shifted = average * 2.911825 + 1e-10
        update = lr * shifted
        m = expm1(average)
    """)
    after = simplify_by_proof(program).after
    assert_same_updates(program, after)
    assert any(isinstance(a, float) and 0 < a < 1e-9 for s in after.statements for a in s.args)


@pytest.mark.parametrize(
    ("body", "states", "statements"),
    [
        ("m v: m = interp(g, m, 0.9); v = interp(g * 2.0, v, 0.9); update = m + v", 1, 2),
        ("m: m = m * 0.9 + g; update = m * 0.1", 1, 1),
        ("m: x = interp(g, cbrt(m), 0.9); m = cube(x); update = sign(x)", 1, 2),
        ("m v: m = interp(g, m, 0.9); v = abs(m); update = m * v", 1, 3),
        ("m v: m = interp(g, m, 0.9); v = interp(g, v, 0.99); update = m * v", 2, 3),
    ],
    ids=["duplicate", "rescaled", "stored cubed", "function of another", "independent"],
)
def test_states_are_changed_where_that_is_cheaper(body: str, states: int, statements: int) -> None:
    found = simplify_by_proof(train(body), limits=LIMITS)
    assert cost(found.after)[:2] == (states, statements)
    assert_same_updates(canonical(body), found.after)
