"""One canonical form and one hash for all ways to write an optimizer; and it computes what they compute."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from dsl_programs import written

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.equivalence.identities import NO_REWRITES
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.library import library_program
from lion_search.dsl.liveness import liveness, prune
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace, mutate

ADAMW_HASH = "839982924f4103ef88b0ce73ebfe117c"


def _hash(states: str, *lines: str) -> str:
    return functional_hash(written(states, *lines))


# ---- the same optimizer, written differently


def _single_assignment(program: Program, rng: random.Random) -> tuple[list[Statement], list[Argument], dict]:
    """Each statement with a target of its own, states renamed; the outputs; the states' new names."""
    names: list[int] = rng.sample(range(1000), len(program.statements) + len(program.states))
    states = {s: f"state_{names.pop()}" for s in program.states}
    current: dict[str, str] = {name: states.get(name, name) for name in program.inputs}

    def read(arg: Argument) -> Argument:
        return current[arg] if isinstance(arg, str) else arg

    statements = []
    for statement in program.statements:
        args = tuple(map(read, statement.args))
        current[statement.target] = f"x{names.pop()}"
        statements.append(Statement(current[statement.target], statement.function, args))
    return statements, [*map(read, program.outputs)], states


def _shuffled(statements: list[Statement], rng: random.Random) -> list[Statement]:
    """The statements in some other order in which every variable is assigned before it is read."""
    waiting, done = list(statements), []
    while waiting:
        unassigned = {s.target for s in waiting}
        ready = [s for s in waiting if unassigned.isdisjoint(s.args)]
        done.append(rng.choice(ready))
        waiting.remove(done[-1])
    return done


def _commuted(statement: Statement, rng: random.Random) -> Statement:
    if FUNCTIONS[statement.function].commutative and rng.random() < 0.5:
        return replace(statement, args=statement.args[::-1])
    return statement


def _disguise(program: Program, rng: random.Random, num_dead: int = 10) -> Program:
    """Renamed, reordered, commuted, with dead statements, and with the states in another order."""
    statements, (update, *new), states = _single_assignment(program, rng)
    statements = [_commuted(s, rng) for s in _shuffled(statements, rng)]
    order = rng.sample(range(len(new)), len(new))
    names = list(states.values())
    for i in range(num_dead):
        at = rng.randrange(len(statements) + 1)
        known = [*("w", "g", "lr"), *names, *(s.target for s in statements[:at])]
        function = rng.choice(("sin", "cosh", "add", "maximum", "norm"))
        args = tuple(rng.choice(known) for _ in range(FUNCTIONS[function].arity))
        statements.insert(at, Statement(f"dead_{i}", function, args))
    disguised = Program(tuple(names[i] for i in order), tuple(statements), (update, *(new[i] for i in order)))
    check(disguised)
    return disguised


def test_adamw_in_disguise_has_the_hash_of_adamw():
    """States swapped, statements reordered, operands commuted and ten dead statements added."""
    text = """
def train(w, g, second, first, lr):
    dead1 = sin(w)
    rate = 0.001 * lr
    dead2 = cosh(dead1)
    decay = 0.01 * w
    second = interp(square(g), second, 0.999)
    dead3 = first - second
    dead4 = norm(dead3)
    root = sqrt(second)
    dead5 = clip(w, lr)
    first = interp(g, first, 0.9)
    dead6 = get_pi()
    dead7 = dead6 * root
    dead8 = maximum(first, dead7)
    update = rate * (decay + first / root)
    dead9 = update + update
    dead10 = log(dead9)
    return update, second, first
"""
    program = parse(text)
    assert sum(not alive for alive in liveness(program).statements) == 10
    assert functional_hash(program) == functional_hash(library_program("adamw"))


def test_a_program_in_any_disguise_has_its_hash(evolved: list[Program], known_programs: dict[str, Program]):
    rng = random.Random(1)
    for program in (*known_programs.values(), *evolved):
        wanted = functional_hash(program)
        for _ in range(3):
            disguised = _disguise(program, rng)
            assert functional_hash(disguised) == wanted, (
                f"{format_program(prune(program))}\n{format_program(prune(disguised))}"
            )


def test_a_value_that_is_written_twice_is_computed_once():
    """Also with its operands commuted, and under other names."""
    twice = written("", "a = w * g", "b = g * w", "a = sin(a)", "c = sin(b)", "update = cos(a) * exp(c)")
    assert len(canonicalise(twice).applications) == 5
    assert _hash("", "update = g * w - w * g") == _hash("", "update = 0.0")


@pytest.mark.parametrize("function", [n for n in BUILT_IN if FUNCTIONS[n].commutative])
def test_two_constants_may_be_swapped(function: str):
    """Also where they are not folded: functions of whole trees, and what overflows."""
    for one, other in (("0.5", "0.25"), ("3e38", "2e38")):
        swapped = (f"update = w * {function}({one}, {other})", f"update = w * {function}({other}, {one})")
        assert _hash("", swapped[0]) == _hash("", swapped[1])


Lines = tuple[str, ...]
EQUAL: dict[str, tuple[Lines, Lines]] = {
    "terms in another order": (
        ("", "a = -w", "b = -g", "update = a + b"),
        ("", "b = -g", "a = -w", "update = a + b"),
    ),
    "one constant in float32": (("", "update = g * 0.8999999761581421"), ("", "update = g * 0.9")),
    "minus zero": (("", "update = maximum(g, -0.0)"), ("", "update = maximum(g, 0.0)")),
    "constants that Python hashes alike": (
        ("", "a = minimum(g, -1.0)", "b = minimum(g, -2.0)", "update = a * b"),
        ("", "b = minimum(g, -2.0)", "a = minimum(g, -1.0)", "update = b * a"),
    ),
    "states that are always equal": (
        ("m, v", "m = interp(g, m, 0.9)", "v = interp(g, v, 0.9)", "update = sign(m) + cos(v)"),
        ("m", "m = interp(g, m, 0.9)", "update = sign(m) + cos(m)"),
    ),
    "equal states that read each other": (
        ("m, v", "a = interp(g, v, 0.9)", "v = interp(g, m, 0.9)", "m = a", "update = m * v"),
        ("m", "m = interp(g, m, 0.9)", "update = square(m)"),
    ),
    "states that keep each other zero": (
        ("m, v", "update = g + m", "a = v * 2.0", "v = m * lr", "m = a"),
        ("", "update = g * 1.0"),
    ),
    "zero only after others are merged": (
        ("m, v", "update = v + g", "a = m - v", "b = v - m", "m = a", "v = b"),
        ("", "update = g * 1.0"),
    ),
    "the same, with the states in another order": (
        ("v, m", "update = v + g", "a = m - v", "b = v - m", "m = a", "v = b"),
        ("", "update = g * 1.0"),
    ),
    "a state that is dead": (("m", "m = interp(g, m, 0.9)", "update = g + w"), ("", "update = g + w")),
    "a state that an identity sets free": (
        ("m", "m = interp(g, m, 0.9)", "update = g + m * 0.0"),
        ("", "update = g * 1.0"),
    ),
}


@pytest.mark.parametrize("what", EQUAL)
def test_what_is_equal_has_one_hash_and_as_many_states(what: str):
    one, other = EQUAL[what]
    assert _hash(*one) == _hash(*other)
    assert canonicalise(written(*one)).num_states == len(list(filter(None, other[0].split(", "))))


# ---- different optimizers


@pytest.mark.parametrize("name", [n for n in BUILT_IN if FUNCTIONS[n].arity >= 2 and n != "clip"])
def test_swapping_arguments_that_do_not_commute_changes_the_hash(name: str):
    rest = ", lr" * (FUNCTIONS[name].arity - 2)
    same = _hash("", f"update = {name}(w, g{rest})") == _hash("", f"update = {name}(g, w{rest})")
    assert same == FUNCTIONS[name].commutative


BASE = ("m", "m = interp(g, m, 0.9)", "update = sign(m)")
TWO_STATES = ("m = interp(g, m, 0.9)", "v = interp(w, v, 0.9)")
DIFFERENT: dict[str, tuple[Lines, Lines]] = {
    "a constant": (BASE, ("m", "m = interp(g, m, 0.91)", "update = sign(m)")),
    "a constant in float32": (("", "update = g * 0.9000001"), ("", "update = g * 0.9")),
    "the order of arguments": (BASE, ("m", "m = interp(m, g, 0.9)", "update = sign(m)")),
    "a function": (BASE, ("m", "m = interp(g, m, 0.9)", "update = tanh(m)")),
    "an input": (BASE, ("m", "m = interp(w, m, 0.9)", "update = sign(m)")),
    "now or a step later": (BASE, ("m", "update = sign(m)", "m = interp(g, m, 0.9)")),
    "the schedule": (BASE, ("m", "m = interp(g, m, lr)", "update = sign(m)")),
    "a factor": (BASE, (*BASE, "update = update * 1e-6")),
    "which state is which": (
        ("m, v", "update = m / v", *TWO_STATES),
        ("m, v", "update = v / m", *TWO_STATES),
    ),
    "a constant moves the state": (("m", "update = g + m", "m = m + 0.5"), ("", "update = g * 1.0")),
    "a gradient moves the state": (("m", "update = g + m", "m = m * 0.5 + g"), ("", "update = g * 1.0")),
    "a cosine moves the state": (("m", "update = g + m", "m = cos(m)"), ("", "update = g * 1.0")),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_small_change_changes_the_hash(what: str):
    one, other = DIFFERENT[what]
    assert _hash(*one) != _hash(*other)


# ---- states


def test_states_that_differ_in_a_constant_are_two():
    """Also in two that Python hashes alike: hash(-1.0) == hash(-2.0), and hash(1.0) == hash(2.0**61)."""
    pairs = [("0.9", "0.99"), ("-1.0", "-2.0"), ("0.5", str(2.0**60)), ("1.0", str(2.0**61))]
    for one, other in pairs:
        program = written("m, v", "update = m - v", f"m = minimum(g, {one})", f"v = minimum(g, {other})")
        canonical = canonicalise(program)
        assert canonical.num_states == 2, (one, other)
        assert len(canonical.applications) == 3, (one, other)


def test_states_that_become_equal_only_after_others_are_merged():
    """m and v are equal, so m - v is 0 and both are u; in every order of the header."""
    lines = ("update = v + u", "a = m - v", "b = v - m", "m = g + a", "v = g + b", "u = g * 1.0")
    wanted = _hash("u", "update = u * 2.0", "u = g * 1.0")
    for states in ("u, m, v", "u, v, m", "m, u, v", "v, u, m", "m, v, u", "v, m, u"):
        assert _hash(states, *lines) == wanted, states


@pytest.mark.parametrize(
    "change",
    [
        *("m = m * 0.5", "m = m * lr", "m = m - m", "m = 0.0", "m = sin(m) * 0.0", "m = m * 1.0"),
        *("m = -m", "m = m * w", "m = w * m", "m = g * m"),
    ],
)
def test_a_state_that_stays_zero_vanishes(change: str):
    assert _hash("m", "update = g + m", change) == _hash("", "update = g * 1.0")


# ---- the same in every process and version


def test_the_hash_of_adamw_is_this_one():
    """It is stored in databases. If it must change, so must SEMANTICS_VERSION."""
    assert functional_hash(library_program("adamw")) == ADAMW_HASH


def test_hashes_are_the_same_in_another_process(evolved: list[Program]):
    """Whatever PYTHONHASHSEED is."""
    script = (
        "import sys\n"
        "from lion_search.dsl.equivalence.canonical import functional_hash\n"
        "from lion_search.dsl.text import parse\n"
        "for text in sys.stdin.read().split('\\f'):\n"
        "    print(functional_hash(parse(text)))\n"
    )
    texts = "\f".join(map(format_program, evolved[:30]))
    expected = [functional_hash(program) for program in evolved[:30]]
    for seed in ("1", "2023"):
        result = subprocess.run(
            [sys.executable, "-c", script],
            input=texts,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert result.stdout.split() == expected


# ---- what it computes


def test_the_canonical_form_is_a_checked_program_with_the_same_hash(
    evolved: list[Program], known_programs: dict[str, Program]
):
    """Canonicalising twice is canonicalising once."""
    for program in (*known_programs.values(), *evolved):
        once = canonicalise(program)
        check(once.program())
        assert canonicalise(once.program()).hash == once.hash, format_program(once.program())
        assert parse(format_program(once.program())) == once.program()


def test_identities_make_programs_shorter(evolved: list[Program]):
    """Not each of them: dot(x, x) becomes square(global_norm(x))."""
    with_identities = sum(len(canonicalise(p).applications) for p in evolved)
    without = sum(len(canonicalise(p, NO_REWRITES).applications) for p in evolved)
    assert with_identities < without


def test_liveness_is_that_of_the_original(evolved: list[Program]):
    for program in evolved:
        assert canonicalise(program).liveness == liveness(program)


def test_the_canonical_form_gives_the_same_updates(
    many_programs: list[Program], reference: Callable[..., SimpleNamespace], walk: Callable
):
    """In float64, where that can be compared; constants have been rounded to float32. Prints how often."""
    shares, finite = [], []
    for program in many_programs:
        expected = reference(program, num_steps=6)
        canonical = canonicalise(program).program()
        with np.errstate(invalid="ignore"):
            errors = np.abs(walk(canonical, num_steps=6)[:, 0] - expected.outputs[:, 0])
        wrong = expected.comparable[:, 0] & ~(errors <= 1e-2 * np.abs(expected.outputs[:, 0]))
        assert not wrong.any(), f"{format_program(prune(program))}\n{format_program(canonical)}"
        shares.append(expected.comparable[:, 0].mean())
        finite.append(expected.finite.mean())
    print(f"{np.mean(finite):.0%} of the updates are finite, {np.mean(shares):.0%} can be compared;")
    print(f"nothing of {shares.count(0)} of {len(shares)} programs; {finite.count(0)} are nowhere finite")
    assert np.mean(shares) > 0.6


@pytest.mark.large
def test_no_mutation_leads_to_a_program_that_cannot_be_canonicalised():
    """A long random walk through all kinds of programs, with and without identities, in disguise or not."""
    rng = random.Random(3)
    program = library_program("adamw")
    for _ in range(30_000):
        mutation = mutate(program, MutationSpace(max_statements=40), rng)
        assert mutation is not None
        program = mutation.program
        once = canonicalise(program)
        assert canonicalise(once.program()).hash == once.hash, format_program(program)
        assert functional_hash(_disguise(program, rng, 2)) == once.hash, format_program(program)
