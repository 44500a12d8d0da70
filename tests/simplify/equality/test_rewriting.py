"""Rewriting: what it must find, what it must leave alone, and that nothing it does changes an update."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from disguise import disguise
from replay import compare

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS, PROVED, cost, rewrite
from lion_search.simplify.equality.rules import Kind
from lion_search.simplify.proving.proofs import simplify_by_proof

LIMITS = RewriteLimits(nodes=2_000, seconds=10)


def update(expression: str) -> Program:
    """A program without states."""
    return parse(f"def train(w, g, lr):\n    update = {expression}\n    return update\n")


def evolved(seed: int) -> Program:
    """A descendant of a library program, forty mutations away."""
    rng = random.Random(seed)
    program = library_program(list(LIBRARY)[seed % len(LIBRARY)])
    for _ in range(40):
        child = mutate(program, MutationSpace(), rng)
        assert child is not None
        program = child.program
    return program


EQUAL = [
    ("interp(g, interp(g, w, 0.9), 1.1)", "interp(g, w, 0.99)"),
    ("g * 0.1 + w * 0.9", "interp(g, w, 0.9)"),
    ("sqrt(square(g))", "abs(g)"),
    ("sign(g * 3.0)", "sign(g)"),
    ("sign(tanh(sinh(g * 0.5)))", "sign(g)"),
    ("sign(clip(g, 0.5))", "sign(g)"),
    ("exp(log(g))", "abs(g)"),
    ("maximum(g, -g)", "abs(g)"),
    ("sign(g) * abs(g)", "g * 1.0"),
    ("(g + w) - w", "g * 1.0"),
    ("g * w + g * lr", "(w + lr) * g"),
    ("norm(g * -2.0) * w", "norm(g) * w * 2.0"),
    ("clip(clip(g, 0.5), 2.0)", "clip(g, 0.5)"),
    ("square(sin(g)) + square(cos(g))", "get_pi() / get_pi()"),
    ("abs(sqrt(g) + exp(w))", "sqrt(g) + exp(w)"),
    ("minimum(tanh(g), 2.0)", "tanh(g)"),
]


@pytest.mark.parametrize(("given", "expected"), EQUAL)
def test_rewriting_alone_brings_equals_together(given: str, expected: str) -> None:
    one, other = rewrite(update(given), limits=LIMITS), rewrite(update(expected), limits=LIMITS)
    assert format_program(one.normal) == format_program(other.normal)


ONLY_WITH_EPSILON = [
    ("g / abs(g)", "sign(g)"),
    ("g / sqrt(g * g)", "sign(g)"),
    ("1.0 / (1.0 / g)", "g * 1.0"),
]


@pytest.mark.parametrize(("given", "expected"), ONLY_WITH_EPSILON)
def test_epsilon_is_used_only_when_asked_for(given: str, expected: str) -> None:
    wanted = functional_hash(update(expected))
    assert functional_hash(rewrite(update(given), PROVED, LIMITS).after) != wanted
    assert functional_hash(rewrite(update(given), ALL_KINDS, LIMITS).after) == wanted


DIFFERENT = [
    ("sqrt(square(g))", "g * 1.0"),
    ("sign(clip(g, lr))", "sign(g)"),  # lr may be 0
    ("arcsin(sin(g))", "g * 1.0"),
    ("sign(g * lr)", "sign(g)"),
    ("interp(g, w, 0.9)", "interp(w, g, 0.9)"),
]


@pytest.mark.parametrize(("given", "expected"), DIFFERENT)
def test_what_is_not_equal_is_kept_apart(given: str, expected: str) -> None:
    one, other = (rewrite(update(text), ALL_KINDS, LIMITS) for text in (given, expected))
    assert functional_hash(one.normal) != functional_hash(other.normal)


ROUNDED_PROGRAM_8 = """
def train(w, g, m, v, lr):
    m = interp(g, v, 0.9)
    v1 = m * m
    v = interp(g, m, 1.1)
    lr = lr * 0.0002171761734643951
    update = m * lr
    v1 = sqrt(v1)
    update = update / v1
    wd = lr * 0.4601978361606598
    wd = wd * w
    update = update + wd
    return update, m, v
"""


def test_rounded_program_8_becomes_lion() -> None:
    found = simplify_by_proof(parse(ROUNDED_PROGRAM_8), epsilon=True)
    assert functional_hash(found.after) == functional_hash(
        parse("""
def train(w, g, m, lr):
    update = (sign(interp(g, m, 0.9)) + w * 0.4601978361606598) * (lr * 0.0002171761734643951)
    m = interp(g, m, 0.99)
    return update, m
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


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_program_keeps_its_updates_and_is_simplified_once(name: str) -> None:
    program = library_program(name)
    found = simplify_by_proof(program)
    before = canonicalise(program).program()
    for form in (found.after, found.normal):  # Program 8 divides by what is nearly zero
        assert compare(before, form).verdict in ("equal", "ill-conditioned")
    assert cost(found.after) <= cost(before)
    again = simplify_by_proof(found.after)
    assert again.after == found.after


@pytest.mark.parametrize("seed", range(16))
def test_an_evolved_program_keeps_its_updates_and_is_simplified_once(seed: int) -> None:
    program = evolved(seed)
    for epsilon in (False, True):
        found = simplify_by_proof(program, epsilon=epsilon, limits=LIMITS)
        tolerance = 1e-3 if epsilon else 1e-6
        assert compare(canonicalise(program).program(), found.after, tolerance=tolerance).different == 0
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
    program = library_program(name)
    hidden = disguise(program, 10, random.Random(f"{name} 5"))
    found = simplify_by_proof(hidden.program)
    assert functional_hash(found.normal) == functional_hash(simplify_by_proof(program).normal)


def test_nothing_found_is_said_and_changes_nothing() -> None:
    found = rewrite(library_program("sgd"))
    assert not found.found
    assert found.after == canonicalise(library_program("sgd")).program()
    assert found.summary() == "nothing found"


STATELESS = ["g", "w - w", "arccosh(0.0) * g", "1.0 / 0.0 * g", "lr"]


@pytest.mark.parametrize("expression", STATELESS)
def test_what_is_minimal_or_never_a_number_gives_a_result(expression: str) -> None:
    program = update(expression)
    found = simplify_by_proof(program, epsilon=True)
    assert cost(found.after) <= cost(canonicalise(program).program())
    assert not found.met_limits


def _chain(num_statements: int) -> Program:
    """A long program in which everything is mixed with everything."""
    rng = random.Random(0)
    names, lines = ["w", "g", "m", "lr"], []
    for i in range(num_statements):
        lines.append(f"    x{i} = {names[-1]} {rng.choice('+-*/')} {rng.choice([*names[-12:-1], '0.3'])}")
        names.append(f"x{i}")
    return parse("\n".join(["def train(w, g, m, lr):", *lines, f"    return {names[-1]}, {names[-2]}\n"]))


def test_limits_are_kept_and_said() -> None:
    simplify_by_proof(library_program("sgd"))  # rules are declared
    started = time.monotonic()
    found = simplify_by_proof(_chain(1000), limits=RewriteLimits(seconds=2))
    assert set(found.met_limits) & {"nodes", "seconds"}
    assert found.seconds == pytest.approx(time.monotonic() - started, abs=1)


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
    here = []
    for name in names:
        found = simplify_by_proof(library_program(name))
        here.append(f"{functional_hash(found.after)} {functional_hash(found.normal)}")
    ran = subprocess.run(
        [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-c", script, *names],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.stdout.split("\n")[:-1] == here


def test_a_tiny_term_is_not_lost_beside_a_large_constant() -> None:
    """Were expm1(m) written exp(m) - 1, the 1e-10 would stand beside -0.9; at zero it is all there is."""
    program = parse("""
def train(w, g, m, lr):
    average = interp(m, g, 0.1)
    shifted = average * 2.911825 + 1e-10
    update = lr * shifted
    m = expm1(average)
    return update, m
""")
    after = simplify_by_proof(program).after
    assert compare(program, after).different == 0
    assert any(isinstance(a, float) and 0 < a < 1e-9 for s in after.statements for a in s.args)
