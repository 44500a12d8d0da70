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


def _program(states: str, *lines: str) -> Program:
    header = ", ".join(filter(None, ("w", "g", states, "lr")))
    returned = ", ".join(filter(None, ("update", states)))
    return parse(f"def train({header}):\n" + "".join(f"    {s}\n" for s in (*lines, f"return {returned}")))


def _hash(states: str, *lines: str) -> str:
    return functional_hash(_program(states, *lines))


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
    twice = _program("", "a = w * g", "b = g * w", "a = sin(a)", "c = sin(b)", "update = cos(a) * exp(c)")
    assert len(canonicalise(twice).applications) == 5
    assert _hash("", "update = g * w - w * g") == _hash("", "update = 0.0")


def test_the_order_of_negative_terms_does_not_matter():
    """-w - g can be written from either side."""
    one = _hash("", "a = -w", "b = -g", "update = a + b")
    other = _hash("", "b = -g", "a = -w", "update = a + b")
    assert one == other


def test_constants_that_are_one_float32_are_one_constant():
    assert _hash("", "update = g * 0.8999999761581421") == _hash("", "update = g * 0.9")
    assert _hash("", "update = g * 0.9000001") != _hash("", "update = g * 0.9")


@pytest.mark.parametrize("function", [n for n in BUILT_IN if FUNCTIONS[n].commutative])
def test_two_constants_may_be_swapped(function: str):
    """Also where they are not folded: functions of whole trees, and what overflows."""
    for one, other in (("0.5", "0.25"), ("3e38", "2e38")):
        swapped = (f"update = w * {function}({one}, {other})", f"update = w * {function}({other}, {one})")
        assert _hash("", swapped[0]) == _hash("", swapped[1])


def test_minus_zero_is_zero():
    assert _hash("", "update = maximum(g, -0.0)") == _hash("", "update = maximum(g, 0.0)")


# ---- different optimizers


def test_known_optimizers_have_different_hashes(known_programs: dict[str, Program]):
    """Programs 1 and 3 of the paper are Lion and AdamW; Programs 4 and 8 differ in their constants."""
    hashes = {name: functional_hash(program) for name, program in known_programs.items()}
    assert hashes["paper/program4"] != hashes["paper/program8"]
    assert hashes.pop("paper/program1") == hashes["lion"]
    assert hashes.pop("paper/program3") == hashes["adamw"]
    assert len(set(hashes.values())) == len(hashes)


@pytest.mark.parametrize("name", [n for n in BUILT_IN if FUNCTIONS[n].arity >= 2 and n != "clip"])
def test_swapping_arguments_that_do_not_commute_changes_the_hash(name: str):
    rest = ", lr" * (FUNCTIONS[name].arity - 2)
    same = _hash("", f"update = {name}(w, g{rest})") == _hash("", f"update = {name}(g, w{rest})")
    assert same == FUNCTIONS[name].commutative


def test_a_small_change_changes_the_hash():
    base = ("m = interp(g, m, 0.9)", "update = sign(m)")
    hashes = {
        _hash("m", *base),
        _hash("m", "m = interp(g, m, 0.91)", "update = sign(m)"),
        _hash("m", "m = interp(m, g, 0.9)", "update = sign(m)"),
        _hash("m", "m = interp(g, m, 0.9)", "update = tanh(m)"),
        _hash("m", "m = interp(w, m, 0.9)", "update = sign(m)"),
        _hash("m", "update = sign(m)", "m = interp(g, m, 0.9)"),
        _hash("m", "m = interp(g, m, lr)", "update = sign(m)"),
        _hash("m", *base, "update = update * 1e-6"),
    }
    assert len(hashes) == 8


def test_which_state_is_which_matters():
    """Swapping two states in the body but not in what is returned is another optimizer."""
    one = _hash("m, v", "update = m / v", "m = interp(g, m, 0.9)", "v = interp(w, v, 0.9)")
    other = _hash("m, v", "update = v / m", "m = interp(g, m, 0.9)", "v = interp(w, v, 0.9)")
    assert one != other


# ---- states


def test_states_that_are_always_equal_are_merged():
    twice = _program("m, v", "m = interp(g, m, 0.9)", "v = interp(g, v, 0.9)", "update = sign(m) + cos(v)")
    once = _program("m", "m = interp(g, m, 0.9)", "update = sign(m) + cos(m)")
    assert canonicalise(twice).num_states == 1
    assert functional_hash(twice) == functional_hash(once)


def test_states_that_read_each_other_are_merged_if_they_are_equal():
    crossed = _program("m, v", "a = interp(g, v, 0.9)", "v = interp(g, m, 0.9)", "m = a", "update = m * v")
    assert functional_hash(crossed) == _hash("m", "m = interp(g, m, 0.9)", "update = square(m)")


def test_states_that_differ_in_a_constant_are_two():
    """Also in two that Python hashes alike: hash(-1.0) == hash(-2.0), and hash(1.0) == hash(2.0**61)."""
    pairs = [("0.9", "0.99"), ("-1.0", "-2.0"), ("0.5", str(2.0**60)), ("1.0", str(2.0**61))]
    for one, other in pairs:
        program = _program("m, v", "update = m - v", f"m = minimum(g, {one})", f"v = minimum(g, {other})")
        canonical = canonicalise(program)
        assert canonical.num_states == 2, (one, other)
        assert len(canonical.applications) == 3, (one, other)


def test_the_order_of_constants_does_not_matter_even_if_python_hashes_them_alike():
    one = _hash("", "a = minimum(g, -1.0)", "b = minimum(g, -2.0)", "update = a * b")
    other = _hash("", "b = minimum(g, -2.0)", "a = minimum(g, -1.0)", "update = b * a")
    assert one == other


def test_states_that_become_equal_only_after_others_are_merged():
    """m and v are equal, so m - v is 0 and both are u; in every order of the header."""
    lines = ("update = v + u", "a = m - v", "b = v - m", "m = g + a", "v = g + b", "u = g * 1.0")
    wanted = _hash("u", "update = u * 2.0", "u = g * 1.0")
    for states in ("u, m, v", "u, v, m", "m, u, v", "v, u, m", "m, v, u", "v, m, u"):
        assert _hash(states, *lines) == wanted, states


def test_states_that_become_zero_only_after_others_are_merged_vanish():
    lines = ("update = v + g", "a = m - v", "b = v - m", "m = a", "v = b")
    assert _hash("m, v", *lines) == _hash("v, m", *lines) == _hash("", "update = g * 1.0")


@pytest.mark.parametrize(
    "change",
    [
        *("m = m * 0.5", "m = m * lr", "m = m - m", "m = 0.0", "m = sin(m) * 0.0", "m = m * 1.0"),
        *("m = -m", "m = m * w", "m = w * m", "m = g * m"),
    ],
)
def test_a_state_that_stays_zero_vanishes(change: str):
    assert _hash("m", "update = g + m", change) == _hash("", "update = g * 1.0")


def test_states_that_keep_each_other_zero_vanish():
    crossed = ("update = g + m", "a = v * 2.0", "v = m * lr", "m = a")
    assert _hash("m, v", *crossed) == _hash("", "update = g * 1.0")


def test_a_state_that_leaves_zero_stays():
    """A constant, a gradient or a cosine of zero moves it."""
    for change in ("m = m + 0.5", "m = m * 0.5 + g", "m = cos(m)"):
        assert canonicalise(_program("m", "update = g + m", change)).num_states == 1


def test_a_dead_state_does_not_count():
    """Neither one that liveness finds nor one that only an identity sets free."""
    assert canonicalise(_program("m", "m = interp(g, m, 0.9)", "update = g + w")).num_states == 0
    assert canonicalise(_program("m", "m = interp(g, m, 0.9)", "update = g + m * 0.0")).num_states == 0


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


def _compare(programs: list[Program], reference: Callable[..., SimpleNamespace], walk: Callable) -> None:
    """Updates of the canonical form, where the original's can be compared; prints how often they can."""
    shares, finite = [], []
    for program in programs:
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


def test_the_canonical_form_gives_the_same_updates(
    evolved: list[Program], known_programs: dict[str, Program], reference: Callable, walk: Callable
):
    """In float64, where that can be compared; constants have been rounded to float32."""
    _compare([*known_programs.values(), *evolved], reference, walk)


@pytest.mark.large
def test_the_canonical_form_gives_the_same_updates_for_a_thousand_programs(
    evolve: Callable[..., Program], reference: Callable, walk: Callable
):
    _compare([evolve(seed) for seed in range(1000)], reference, walk)


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
