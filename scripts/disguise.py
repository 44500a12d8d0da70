"""Disguises: equal programs that look different, to measure what simplification sees through.

A disguise is made in small steps at random places. Steps that the rules cover read a rule in either
direction, or store a state in another form: rescaled, twice, or as a function of itself. Foreign steps use
identities that are no rules (:data:`FOREIGN`) or split a state into two. Each step must leave the updates as
they are in numbers: some rules ask for more than an original promises, and a step that needs it is taken
back.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from replay import compare

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Argument, Program, Statement, with_values
from lion_search.dsl.types import check
from lion_search.simplify.equality.patterns import (
    CONSTANTS,
    Expression,
    compute,
    holds,
    is_constant,
    is_decidable,
    parse_expression,
    parse_guard,
    variables,
)
from lion_search.simplify.equality.rewriting import PROVED, tidy
from lion_search.simplify.equality.rules import RULES
from lion_search.simplify.proving.storage import stored

FOREIGN = (
    ("tanh(x)", "expm1(x * 2) / (expm1(x * 2) + 2)"),
    ("tanh(x)", "sinh(x) / cosh(x)"),
    ("sinh(x)", "(expm1(x) - expm1(-x)) * 0.5"),
    ("cosh(x)", "(exp(x) + exp(-x)) * 0.5"),
    ("cosh(x)", "sqrt(square(sinh(x)) + 1)"),
    ("sin(x)", "sin(x * 0.5) * cos(x * 0.5) * 2"),
    ("cos(x)", "1 - square(sin(x * 0.5)) * 2"),
    ("arcsin(x)", "arctan(x / sqrt(1 - square(x)))"),
    ("arctan(x)", "arcsin(x / sqrt(square(x) + 1))"),
    ("exp(x)", "square(exp(x * 0.5))"),
    ("square(x)", "exp(log(x) * 2)"),
    ("square(x)", "power(abs(x), 2)"),
    ("sqrt(x)", "exp(log(x) * 0.5)"),
    ("sqrt(x)", "power(abs(x), 0.5)"),
    ("abs(x)", "maximum(x, 0) + maximum(-x, 0)"),
    ("abs(x)", "power(square(x), 0.5)"),
    ("maximum(x, y)", "(x + y + abs(x - y)) * 0.5"),
    ("minimum(x, y)", "(x + y - abs(x - y)) * 0.5"),
    ("maximum(x, y)", "y + maximum(x - y, 0)"),
    ("sign(x)", "x * (1 / abs(x))"),
    ("clip(x, a)", "x * minimum(1, a * reciprocal(global_norm(x)))"),
    ("dot(x, y)", "cosine_sim(x, y) * (global_norm(x) * global_norm(y))"),
    ("interp(x, y, c)", "(x + y) * 0.5 + (y - x) * (c - 0.5)"),
    ("x * y", "(square(x + y) - square(x) - square(y)) * 0.5"),
    ("x", "sign(x) * maximum(x, -x)"),
    ("x", "minimum(x, y) + maximum(x - y, 0)"),
)
"""Identities outside the table of rules, as found and as put in its place."""

_FACTORS = (0.5, 2.0, 4.0, 0.25, 0.75, 3.0, -2.0)
_PAIRS = (
    ("cube", "cbrt"),
    ("cbrt", "cube"),
    ("negative", "negative"),
    ("sinh", "arcsinh"),
    ("arcsinh", "sinh"),
)
"""A state's function, and how to get the state back from it."""
_MOST_TRIES = 4_000


@dataclass(frozen=True, slots=True)
class Disguise:
    """A program in disguise.

    Attributes:
        program: it.
        steps: the names of the steps that were taken.
    """

    program: Program
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Identity:
    """One direction of a rule or of a foreign identity."""

    name: str
    found: Expression
    put: Expression
    guard: str = ""


def disguise(program: Program, num_steps: int, rng: random.Random, *, foreign: bool = False) -> Disguise:
    """An equal program, at least ``num_steps`` steps away and three times as long.

    Args:
        program: a checked program.
        num_steps: how many steps at least.
        rng: where chance comes from.
        foreign: whether every third step is one that no rule covers.
    """
    current = tidy(program)
    length = 3 * max(1, len(canonicalise(program).program().statements))
    steps: list[str] = []
    for _ in range(_MOST_TRIES):
        if len(steps) >= num_steps and len(current.statements) >= length:
            break
        name, found = _step(current, rng, foreign and len(steps) % 3 == 0)
        if found is None or len(found.statements) > 2 * length + 2 * num_steps:
            continue
        if all(compare(program, found, seed=seed).verdict == "equal" for seed in range(2)):
            current = found
            steps.append(name)
    return Disguise(current, tuple(steps))


def _step(program: Program, rng: random.Random, foreign: bool) -> tuple[str, Program | None]:
    """A random step's name, and the program after it if it can be taken."""
    prefix = f"t{len(program.statements)}_{rng.randrange(10**6)}_"
    if program.states and rng.random() < (0.1 if foreign else 0.15):
        changes = (_split,) if foreign else (_rescaled, _duplicated, _through_function)
        change = rng.choice(changes)
        return change.__name__.strip("_"), _checked(change(program, prefix, rng))
    identity = rng.choice(_foreign_identities() if foreign else _covered_identities())
    return identity.name, _rewritten(program, identity, prefix, rng)


@cache
def _foreign_identities() -> tuple[_Identity, ...]:
    return tuple(
        _Identity(f"{found} = {put}", parse_expression(found), parse_expression(put))
        for found, put in FOREIGN
    )


@cache
def _covered_identities() -> tuple[_Identity, ...]:
    """All rules whose guard can be decided here, both ways."""
    result = []
    for rule in RULES:
        left, right = parse_expression(rule.left), parse_expression(rule.right)
        if rule.kind in PROVED and all(map(is_decidable, parse_guard(rule.guard))):
            result += [
                _Identity(rule.name, found, put, rule.guard)
                for found, put in ((left, right), (right, left))
                if not isinstance(found, float) and not _has_arithmetic(found)
            ]
    return tuple(result)


def _has_arithmetic(expression: Expression) -> bool:
    if not isinstance(expression, tuple):
        return False
    return is_constant(expression) or any(map(_has_arithmetic, expression[1:]))


def _checked(program: Program) -> Program | None:
    """The program without redundant statements, if its types are right."""
    pruned = prune(program)
    try:
        check(pruned)
    except ProgramError:  # a tree where a scalar is wanted
        return None
    return pruned


# Identities


def _rewritten(program: Program, identity: _Identity, prefix: str, rng: random.Random) -> Program | None:
    """The identity applied at a random place, or nothing."""
    if not program.statements:
        return None
    at = rng.randrange(len(program.statements))
    names = [*program.inputs, *(s.target for s in program.statements[:at])]
    target = program.statements[at]
    env: dict[str, Argument] = {}
    if isinstance(identity.found, str):  # any value may be put into the form on the other side
        places = [i for i, a in enumerate(target.args) if isinstance(a, str)]
        if not places or identity.found in CONSTANTS:
            return None
        place = rng.choice(places)
        env[identity.found] = target.args[place]
    elif not _match(identity.found, target.target, {s.target: s for s in program.statements}, env):
        return None
    if not _complete(identity, env, names, rng):
        return None
    new: list[Statement] = []
    value = _emit(identity.put, env, new, prefix)
    if isinstance(identity.found, str):
        args = (*target.args[:place], value, *target.args[place + 1 :])
        last = Statement(target.target, target.function, args)
    elif new:
        last = Statement(target.target, new[-1].function, new.pop().args)
    else:
        last = Statement(target.target, "multiply", (value, 1.0))
    changed = _checked(
        Program(
            program.states,
            (*program.statements[:at], *new, last, *program.statements[at + 1 :]),
            program.outputs,
        )
    )
    return changed if changed is not None and changed.states == program.states else None


def _match(
    pattern: Expression, value: Argument, body: Mapping[str, Statement], env: dict[str, Argument]
) -> bool:
    if isinstance(pattern, float):
        return value == pattern
    if isinstance(pattern, str):
        if pattern in CONSTANTS and not isinstance(value, float):
            return False
        return env.setdefault(pattern, value) == value
    statement = body.get(value) if isinstance(value, str) else None
    if statement is None or statement.function != pattern[0]:
        return False
    return all(_match(p, a, body, env) for p, a in zip(pattern[1:], statement.args, strict=True))


def _complete(
    identity: _Identity, env: dict[str, Argument], names: Sequence[str], rng: random.Random
) -> bool:
    """Chooses what the form on the other side has and this one has not; whether the guard is met."""
    for name in sorted(variables(identity.put) - set(env)):
        env[name] = rng.choice(_FACTORS) if name in CONSTANTS or name in "ab" else rng.choice(names)
    numbers = _numbers(env)
    conditions = parse_guard(identity.guard)
    return all(variables(c) <= set(numbers) and holds(c, numbers) for c in conditions)


def _numbers(env: Mapping[str, Argument]) -> dict[str, float]:
    return {n: v for n, v in env.items() if isinstance(v, float)}


def _emit(expression: Expression, env: Mapping[str, Argument], new: list[Statement], prefix: str) -> Argument:
    """Adds the statements of an expression; its value."""
    if is_constant(expression):
        return compute(expression, _numbers(env))
    if isinstance(expression, str):
        return env[expression]
    assert isinstance(expression, tuple)
    args = tuple(_emit(part, env, new, prefix) for part in expression[1:])
    new.append(Statement(f"{prefix}{len(new)}", str(expression[0]), args))
    return new[-1].target


# States


def _rescaled(program: Program, prefix: str, rng: random.Random) -> Program:
    """A random state is stored multiplied by a constant."""
    factor, state = rng.choice(_FACTORS), rng.choice(program.states)
    read = Statement(f"{prefix}r", "multiply", (state, 1 / factor))
    return stored(program, state, read, Statement(f"{prefix}w", "multiply", (state, factor)))


def _through_function(program: Program, prefix: str, rng: random.Random) -> Program:
    """A random state is stored as a function of itself."""
    (write, read), state = rng.choice(_PAIRS), rng.choice(program.states)
    return stored(
        program, state, Statement(f"{prefix}r", read, (state,)), Statement(f"{prefix}w", write, (state,))
    )


def _duplicated(program: Program, prefix: str, rng: random.Random) -> Program:
    """A second state is always a multiple of a random one; some statements read the one, some the other."""
    state, factor = rng.choice(program.states), rng.choice((1.0, *_FACTORS))
    copy, value = f"{prefix}s", f"{prefix}r"
    new = program.outputs[1 + program.states.index(state)]
    body = [with_values([s], {state: value})[0] if rng.random() < 0.5 else s for s in program.statements]
    return Program(
        (*program.states, copy),
        (
            Statement(value, "multiply", (copy, 1 / factor)),
            *body,
            Statement(f"{prefix}w", "multiply", (new, factor)),
        ),
        (*program.outputs, f"{prefix}w"),
    )


def _split(program: Program, prefix: str, rng: random.Random) -> Program:
    """A random state becomes the sum of two; the second part is a multiple of the gradient."""
    state, factor = rng.choice(program.states), rng.choice(_FACTORS)
    at = 1 + program.states.index(state)
    part, whole, gradient = f"{prefix}s", f"{prefix}r", f"{prefix}g"
    outputs = [whole if o == state else o for o in program.outputs]
    rest = Statement(f"{prefix}w", "subtract", (outputs[at], gradient))
    outputs[at] = rest.target
    return Program(
        (*program.states, part),
        (
            Statement(gradient, "multiply", ("g", factor)),
            Statement(whole, "add", (state, part)),
            *with_values(program.statements, {state: whole}),
            rest,
        ),
        (*outputs, gradient),
    )
