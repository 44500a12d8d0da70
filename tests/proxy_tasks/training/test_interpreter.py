"""The interpreter means what the NumPy walk means, step by step, states included.

A comparison is honest only where the program is well conditioned: the NumPy walk is repeated with every
statement computed in float64, rounded, and moved by up to two units in the last place; programs whose outputs
move more than ``CONDITION`` are skipped, counted and printed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import numpy as np
import pytest
from watched_walk import Move, WatchedDomain
from watched_walk import walk as walked

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.encode import CAPACITIES, Capacity, Encoded, encode
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.functions import FUNCTIONS, Function, Type
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.schedule import BatchSize, make_schedule
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.proxy_tasks.training.batched_interpreter import SCHEDULE_AXES, BatchedInterpreter
from lion_search.proxy_tasks.training.interpreter import Interpreter
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.update_rules import Compiled

STEPS = 5
LAYOUT = Layout(((5, 7), (7,), (3, 3), (1,), ()))  # 53 weights: no multiple of the lanes of a sum
CONDITION = 2e-4
TOLERANCE = 1e-3

ANCESTORS = ("adamw", "lion", "paper/program4", "paper/program8")
WILD = {"arccos", "arccosh", "arcsin", "arctanh", "cosh", "cube", "divide", "exp", "exp10", "exp2", "expm1",
        "log", "log10", "log2", "power", "reciprocal", "sinh", "square", "tan"}  # fmt: skip
"""Functions that soon lead to overflow or NaN; without them an evolved program's outputs stay finite."""
TAME = MutationSpace(functions=tuple(name for name in FUNCTIONS if name not in WILD))


def _inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = 0.3 * rng.standard_normal((STEPS, LAYOUT.size))
    gradients = rng.standard_normal((STEPS, LAYOUT.size)) * 10 ** rng.uniform(-3, 0, (STEPS, LAYOUT.size))
    gradients[rng.random(gradients.shape) < 0.1] = 0
    return tuple(x.astype(np.float32) for x in (weights, gradients, np.linspace(1, 0.2, STEPS)))  # type: ignore[return-value]


WEIGHTS, GRADIENTS, RATES = _inputs()


def split(flat: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(
        flat[start:end].reshape(s) for (start, end), s in zip(LAYOUT.bounds, LAYOUT.shapes, strict=True)
    )


STEPPED = [(split(w), split(g), rate) for w, g, rate in zip(WEIGHTS, GRADIENTS, RATES, strict=True)]


def walk(program: Program, domain: ArrayDomain) -> np.ndarray:
    """Updates and states ``[steps, 1 + states, N]`` of the NumPy walk."""
    return np.array([*walked(program, domain, STEPPED)])


FLOAT32 = ArrayDomain(np, LAYOUT.shapes, np.float32)
FLOAT64 = ArrayDomain(np, LAYOUT.shapes, np.float64)


def rounded(seed: int) -> Move:
    """Results as float32 has them, and moved a little more; subnormal numbers are 0."""
    rng = np.random.default_rng(seed)

    def move(function: Function | None, x: Any) -> Any:
        units = rng.integers(-2, 3, np.shape(x)) if function else 0
        moved = np.float32(x * (1 + units * 2.0**-23))
        return np.float64(np.where(np.abs(moved) < np.finfo(np.float32).tiny, 0, moved))

    return move


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest relative difference; infinite where the patterns of infinity and NaN differ."""
    scale = np.max(np.abs(np.where(np.isfinite(expected), expected, 0)), axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        apart = np.abs(found - expected) / (np.abs(expected) + 1e-3 * scale + 1e-30)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    apart = np.where(same, 0, apart)
    return float(np.max(np.where(np.isfinite(apart), apart, np.inf)))


def is_comparable(program: Program, reference: np.ndarray) -> bool:
    return all(
        distance(walk(program, WatchedDomain(LAYOUT.shapes, rounded(seed))), reference) < CONDITION
        for seed in range(3)
    )


@cache
def interpreter(capacity: Capacity) -> Callable[[Encoded], Any]:
    rule = Interpreter(LAYOUT, capacity)

    @jax.jit
    def run(theta: Encoded) -> Any:
        def body(state: Any, inputs: Any) -> Any:
            weights, gradient, rate = inputs
            update, state = rule.update(theta, weights, gradient, state, rate)
            return state, (update, state[0])

        return jax.lax.scan(body, rule.init(theta, WEIGHTS[0]), (WEIGHTS, GRADIENTS, RATES))[1]

    return run


def interpreted(program: Program) -> np.ndarray:
    """The same as :func:`walk`, by the interpreter."""
    capacity, code = encode(program)
    updates, rows = jax.device_get(interpreter(capacity)(code))
    return np.stack([updates, *(rows[:, 2 + number] for number in range(len(program.states)))], axis=1)


def updates_of(rule: Any, theta: Any) -> jax.Array:
    """``[steps, N]``."""

    def body(state: Any, inputs: Any) -> Any:
        weights, gradient, rate = inputs
        update, state = rule.update(theta, weights, gradient, state, rate)
        return state, update

    return jax.lax.scan(body, rule.init(theta, WEIGHTS[0]), (WEIGHTS, GRADIENTS, RATES))[1]


def with_states(program: Program, updates: np.ndarray) -> np.ndarray:
    """As :func:`walk` gives it, with the walk's states: these rules keep their own in another order."""
    return np.concatenate([np.asarray(updates)[:, None], walk(program, FLOAT32)[:, 1:]], axis=1)


def in_step(programs: Sequence[Program]) -> Callable[[Program], np.ndarray]:
    """The same as :func:`walk`, of programs that are run at the same time."""
    size = BatchSize(CAPACITIES[0], programs=len(programs), lanes=4)
    codes = [code for capacity, code in map(encode, programs) if capacity == size.capacity]
    run = jax.jit(jax.vmap(partial(updates_of, BatchedInterpreter(LAYOUT, size)), (SCHEDULE_AXES,)))
    found = dict(zip(programs, run(make_schedule(codes, size)), strict=True))
    return lambda program: with_states(program, found[program])


def compiled(program: Program) -> np.ndarray:
    """The same as :func:`walk`, by the traced program."""
    _, rule, theta = Compiled(program).bind(LAYOUT)
    return with_states(program, jax.jit(partial(updates_of, rule))(theta))


def evolve(seed: int, num_mutations: int) -> Program:
    """A descendant of a library program on a path along which live statements never become fewer."""
    rng = random.Random(seed)
    program = library_program(ANCESTORS[seed % len(ANCESTORS)])
    live = liveness(program).num_live_statements
    space = TAME if seed % 2 else MutationSpace()
    for _ in range(num_mutations):
        child = mutate(program, space, rng)
        assert child is not None
        child_live = liveness(child.program).num_live_statements
        if child_live >= live:
            program, live = child.program, child_live
    return program


def assert_evolved_programs_agree(
    run: Callable[[Program], np.ndarray], programs: Sequence[Program], *, min_comparable: float
) -> None:
    num_comparable = num_finite = 0
    for number, program in enumerate(programs):
        reference = walk(program, FLOAT32)
        if not is_comparable(program, reference):
            continue
        num_comparable += 1
        num_finite += bool(np.isfinite(reference).all())
        apart = distance(run(program), reference)
        assert apart < TOLERANCE, f"program {number} is {apart} off:\n{format_program(program)}"
    live = [liveness(p).num_live_statements for p in programs]
    print(
        f"{num_comparable} of {len(programs)} programs are comparable, {num_finite} of them "
        f"finite throughout; live statements: median {np.median(live):.0f}, most {max(live)}"
    )
    assert num_comparable >= min_comparable * len(programs)
    assert num_finite >= len(programs) / 3
    assert np.median(live) >= 10


TEXTS = {
    "states swapped": "w, g, m, v, lr: v = v + g; update = m * lr; return update, v, m",
    "three states rotated": (
        "w, g, a, b, c, lr: a = a + g; b = b + 2.0; c = c - w; update = a * b; update = update + c; "
        "return update, b, c, a"
    ),
    "one value in two states": "w, g, m, v, lr: m = interp(g, v, 0.5); return m, m, m",
    "a state is an input": "w, g, m, v, lr: update = m + v; return update, g, w",
    "a state is returned as the update": "w, g, m, lr: m = m + g; return m, m",
    "update is a state's old value": "w, g, m, lr: x = sin(g); return m, x",
    "update is constant": "w, g, m, lr: m = m + g; return 0.25, m",
    "a state is constant": "w, g, m, lr: update = m + g; return update, 0.5",
    "update is the learning rate": "w, g, lr: return lr",
    "update is the gradient": "w, g, lr: return g",
    "scalar statements only": (
        "w, g, lr: a = lr * 3.0; b = sin(a); c = power(b, 2.0); c = interp(a, c, lr); e = get_e(); "
        "update = c - e; return update"
    ),
    "scalar statements before and between vectors": (
        "w, g, m, lr: p = get_pi(); a = lr * p; x = g * a; n = global_norm(x); s = sqrt(n); y = x / s; "
        "d = dot(y, w); c = cosine_sim(g, w); z = d + c; m = interp(m, y, z); update = m - z; "
        "return update, m"
    ),
    "norm of each array": "w, g, lr: n = norm(g); update = g / n; return update",
    "arithmetic on one number per array": (
        "w, g, m, lr: n = norm(w); k = norm(g); r = n / k; r = maximum(r, lr); r = norm(r); "
        "m = interp(m, r, 0.5); return r, m"
    ),
    "norm of a scalar and of a state": (
        "w, g, m, lr: a = norm(lr); b = norm(m); m = m + g; update = a + b; return update, m"
    ),
    "clip that bites and clip that does not": (
        "w, g, lr: a = clip(g, 0.1); b = clip(w, 1000.0); update = a + b; return update"
    ),
    "clip by the learning rate, of a scalar, of zeros": (
        "w, g, m, lr: a = clip(g, lr); b = clip(lr, 0.5); c = clip(m, lr); update = a + b; "
        "update = update + c; return update, m"
    ),
    "reductions of scalars and of one number per array": (
        "w, g, lr: a = global_norm(lr); n = norm(g); b = dot(n, 2.0); c = cosine_sim(n, w); "
        "d = global_norm(3.0); e = a * b; e = e + c; update = e * d; return update"
    ),
    "a row is read and written by one statement": (
        "w, g, m, lr: g = g * g; g = g + g; w = clip(w, 0.3); m = interp(m, m, 0.3); m = m + g; "
        "update = m * w; return update, m"
    ),
    "an input is overwritten": (
        "w, g, m, lr: w = g * 2.0; lr = lr * 0.5; g = w - lr; m = m - g; update = m * w; return update, m"
    ),
    "results nobody wants": (
        "w, g, m, lr: a = sin(g); b = global_norm(a); c = lr * 2.0; n = norm(g); m = m + g; m = cos(m); "
        "m = m - m; update = g * lr; return update, m"
    ),
}
"""What is easy to get wrong in registers, moves and kinds of values: arguments, then statements."""


def special(name: str) -> Program:
    arguments, _, body = TEXTS[name].partition(": ")
    return parse(f"def train({arguments}): {body}")


@pytest.mark.parametrize("name", TEXTS)
def test_special_programs_agree_with_float32_and_float64(name: str) -> None:
    program = special(name)
    found = interpreted(program)
    assert distance(found, walk(program, FLOAT32)) < 5e-5
    assert distance(found, walk(program, FLOAT64)) < 5e-5


@pytest.mark.parametrize("name", LIBRARY)
def test_library_programs_agree_with_the_walk(name: str) -> None:
    program = library_program(name)
    assert distance(interpreted(program), walk(program, FLOAT32)) < TOLERANCE


@pytest.mark.parametrize("name", [name for name, row in FUNCTIONS.items() if row.arity])
def test_every_function_agrees_with_the_walk_on_vectors(name: str) -> None:
    operands = ["g", "w", "lr"]
    args = [o for o, _ in zip(operands, FUNCTIONS[name].parameters, strict=False)]
    if name == "clip":
        args = ["g", "lr"]
    program = parse(f"def train(w, g, lr):\n    update = {name}({', '.join(args)})\n    return update")
    assert distance(interpreted(program), walk(program, FLOAT32)) < 1e-5


@pytest.mark.parametrize(
    "name", [name for name, row in FUNCTIONS.items() if row.elementwise or not row.arity]
)
def test_every_elementwise_function_agrees_with_the_walk_on_scalars(name: str) -> None:
    args = ", ".join(["lr", "0.7", "0.3"][: FUNCTIONS[name].arity])
    program = parse(f"def train(w, g, lr):\n    a = {name}({args})\n    update = g * a\n    return update")
    assert FUNCTIONS[name].result in {None, Type.SCALAR}
    assert distance(interpreted(program), walk(program, FLOAT32)) < 1e-5


def test_evolved_programs_agree_with_the_walk() -> None:
    programs = [evolve(seed, 150) for seed in range(32)]
    assert_evolved_programs_agree(interpreted, programs, min_comparable=0.75)


def test_evolved_programs_in_step_agree_with_the_walk() -> None:
    programs = [evolve(seed, 150) for seed in range(300, 332)]
    assert_evolved_programs_agree(in_step(programs), programs, min_comparable=0.75)


def test_canonical_forms_of_evolved_programs_agree_with_the_walk() -> None:
    programs = [canonicalise(evolve(seed, 120)).program() for seed in range(107, 123)]
    assert_evolved_programs_agree(interpreted, programs, min_comparable=0.75)


def test_compiled_evolved_programs_agree_with_the_walk() -> None:
    programs = [evolve(seed, 120) for seed in range(201, 203)]
    assert_evolved_programs_agree(compiled, programs, min_comparable=0.5)


def test_compiled_special_programs_agree_with_the_interpreter() -> None:
    for name in ("three states rotated", "scalar statements before and between vectors"):
        program = special(name)
        assert distance(compiled(program)[:, :1], interpreted(program)[:, :1]) < 1e-5, name


def test_a_program_that_needs_more_runs_on_the_next_larger_machine() -> None:
    chain = "".join(f"    a{i} = g * {i}.5\n" for i in range(30))
    total = "".join(f"    update = update + a{i}\n" for i in range(30))
    program = parse(f"def train(w, g, lr):\n    update = g * 1.0\n{chain}{total}    return update")
    assert encode(program)[0] == CAPACITIES[1]


@pytest.mark.large
@pytest.mark.parametrize("size", [1, 2])
def test_programs_on_the_larger_machines_agree_with_the_walk(size: int) -> None:
    width, length = (40, 100) if size == 1 else (150, 500)
    chain = "".join(f"    a{i} = g * {i / 100}\n    s{i} = lr * {i / 50}\n" for i in range(width))
    total = "".join(
        f"    update = interp(update, a{i % width}, s{(7 * i) % width})\n    update = sin(update)\n"
        for i in range(length // 2)
    )
    keep = "".join(f"    update = update + a{i}\n" for i in range(width))
    program = parse(f"def train(w, g, lr):\n    update = g * 1.0\n{chain}{total}{keep}    return update")
    assert encode(program)[0] == CAPACITIES[size]
    assert distance(interpreted(program), walk(program, FLOAT32)) < TOLERANCE


@pytest.mark.large
def test_many_evolved_programs_agree_with_the_walk() -> None:
    programs = [evolve(seed, 200) for seed in range(1000, 1400)]
    assert_evolved_programs_agree(interpreted, programs, min_comparable=0.75)


@pytest.mark.large
def test_many_evolved_programs_compiled_agree_with_the_walk() -> None:
    programs = [evolve(seed, 150) for seed in range(2000, 2040)]
    assert_evolved_programs_agree(compiled, programs, min_comparable=0.75)
