"""Mutations: the paper's three kinds, choosing only among valid possibilities.

Two passes over the parent make every choice valid by construction. Forward: the type of each variable
before each statement. Backward: the *demand* on each variable after each statement, the widest type that
the rest of the program accepts there (absent: nobody reads it). A new value may be written wherever its
type is within the demand, and read wherever its type is within what the reader accepts.

From Chen et al., section 2 and Appendix: the kinds are equally likely by default; a mutated argument
becomes an existing variable or a new constant from N(0, 1); a constant may instead be multiplied by 2^a,
a ~ N(0, 1). The paper does not say how often a fresh variable or a new constant is taken: one half and
one quarter here, both set in the config.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Function, Type
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.types import input_types

SCALAR, TREE = Type.SCALAR, Type.TREE
MAX_SIZE = 1e30
"""Bound on the size of mutated constants, well inside float32."""


@dataclass(frozen=True, slots=True)
class MutationSpace:
    """What mutation may do.

    Attributes:
        insert: weight of inserting a statement.
        delete: weight of deleting a statement.
        modify: weight of changing one argument.
        constant: weight of changing one constant.
        functions: names of the functions that inserted statements may apply.
        new_constant: probability that a chosen argument is a new constant, not a variable.
        new_variable: probability that an inserted statement assigns a fresh variable.
        rescale_constant: probability that a mutated constant is multiplied by 2^a, not replaced.
        max_statements: programs of this length are not inserted into.
    """

    insert: float = 1.0
    delete: float = 1.0
    modify: float = 1.0
    constant: float = 0.0
    functions: tuple[str, ...] = BUILT_IN
    new_constant: float = 0.25
    new_variable: float = 0.5
    rescale_constant: float = 0.5
    max_statements: int = 80


@dataclass(frozen=True, slots=True)
class Mutation:
    """A child and how it came about."""

    kind: str
    program: Program


def mutate(program: Program, space: MutationSpace, rng: random.Random) -> Mutation | None:
    """One mutation of a checked program.

    Args:
        program: the parent.
        space: what may be done.
        rng: the only source of randomness.

    Returns:
        The child, which is well typed by construction; ``None`` if no kind of mutation is possible.
    """
    weights = {kind: getattr(space, kind) for kind in _KINDS}
    if len(program.statements) >= space.max_statements:
        weights["insert"] = 0.0
    while any(weights.values()):
        (kind,) = rng.choices(list(weights), list(weights.values()))
        child = _KINDS[kind](program, space, rng)
        if child is not None:
            return Mutation(kind, child)
        weights[kind] = 0.0
    return None


def _types_before(program: Program, at: int) -> dict[str, Type]:
    """The type of each variable before statement ``at``."""
    types = input_types(program)
    for statement in program.statements[:at]:
        types[statement.target] = _result_type(FUNCTIONS[statement.function], statement.args, types)
    return types


def _demands_after(program: Program, at: int) -> dict[str, Type]:
    """The widest type each variable may have after statement ``at``; those that nobody reads are absent."""
    demands: dict[str, Type] = {o: TREE for o in program.outputs if isinstance(o, str)}
    for statement in reversed(program.statements[at + 1 :]):
        _demand_before(statement, demands)
    return demands


def _demand_before(statement: Statement, demands: dict[str, Type]) -> None:
    """Turns the demands after a statement into those before it."""
    wanted = demands.pop(statement.target, TREE)
    for arg, widest in zip(statement.args, _accepted(statement, wanted), strict=True):
        if isinstance(arg, str):
            other = demands.get(arg)
            demands[arg] = widest if other is None or widest < other else other


def _result_type(row: Function, args: Sequence[Argument], types: Mapping[str, Type]) -> Type:
    if row.result is not None:
        return row.result
    return max([types[a] if isinstance(a, str) else SCALAR for a in args])


def _accepted(statement: Statement, wanted: Type) -> tuple[Type, ...]:
    """The widest type of each argument for which the result is within ``wanted``."""
    row = FUNCTIONS[statement.function]
    if row.result is not None or wanted is TREE:
        return row.parameters
    return tuple([min(p, wanted) for p in row.parameters])


def _new_constant(rng: random.Random) -> float:
    return round_to_float32(rng.gauss(0.0, 1.0))


def _variable_or_constant(
    types: Mapping[str, Type], widest: Type, space: MutationSpace, rng: random.Random
) -> Argument:
    names = [name for name, type_ in types.items() if type_ <= widest]
    if not names or rng.random() < space.new_constant:
        return _new_constant(rng)
    return rng.choice(names)


def draw_statement(program: Program, at: int, space: MutationSpace, rng: random.Random) -> Statement:
    """A random statement that may stand before statement ``at``, or after the last.

    Args:
        program: a checked program; its outputs need not be assigned yet.
        at: the place, from 0 to the number of statements.
        space: the functions, and how often constants and fresh variables are taken.
        rng: the only source of randomness.

    Returns:
        A statement with which the program is still well typed.
    """
    types, demands = _types_before(program, at), _demands_after(program, at - 1)
    row = FUNCTIONS[rng.choice(space.functions)]
    args = tuple([_variable_or_constant(types, widest, space, rng) for widest in row.parameters])
    result = _result_type(row, args, types)
    targets = [name for name in types if demands.get(name, TREE) >= result]
    fresh = not targets or rng.random() < space.new_variable
    return Statement(fresh_name(program) if fresh else rng.choice(targets), row.name, args)


def _insert(program: Program, space: MutationSpace, rng: random.Random) -> Program:
    statements = program.statements
    at = rng.randrange(len(statements) + 1)
    new = draw_statement(program, at, space, rng)
    return replace(program, statements=(*statements[:at], new, *statements[at:]))


def fresh_name(program: Program) -> str:
    """A variable's name that the program does not use."""
    taken = {s.target for s in program.statements}.union(program.inputs)
    number = 1
    while f"v{number}" in taken:
        number += 1
    return f"v{number}"


def _delete(program: Program, space: MutationSpace, rng: random.Random) -> Program | None:
    """Deletes one of the statements whose target nobody misses."""
    del space
    statements = program.statements
    types = input_types(program)
    before = []
    for statement in statements:
        before.append(types.get(statement.target))
        types[statement.target] = _result_type(FUNCTIONS[statement.function], statement.args, types)
    demands = _demands_after(program, len(statements) - 1)
    choices = []
    for at in range(len(statements) - 1, -1, -1):
        demand, type_ = demands.get(statements[at].target), before[at]
        if demand is None or (type_ is not None and type_ <= demand):
            choices.append(at)
        _demand_before(statements[at], demands)
    if not choices:
        return None
    at = rng.choice(choices)
    return replace(program, statements=(*statements[:at], *statements[at + 1 :]))


def _modify(program: Program, space: MutationSpace, rng: random.Random) -> Program | None:
    statements = program.statements
    choices = [at for at, statement in enumerate(statements) if statement.args]
    if not choices:
        return None
    at = rng.choice(choices)
    statement = statements[at]
    position = rng.randrange(len(statement.args))
    old = statement.args[position]
    if isinstance(old, float) and rng.random() < space.rescale_constant:
        return with_argument(program, at, position, _rescaled(old, rng))
    wanted = _demands_after(program, at).get(statement.target, TREE)
    widest = _accepted(statement, wanted)[position]
    new = _variable_or_constant(_types_before(program, at), widest, space, rng)
    return with_argument(program, at, position, new)


def _rescaled(constant: float, rng: random.Random) -> float:
    value = constant * 2.0 ** rng.gauss(0.0, 1.0)
    return round_to_float32(max(-MAX_SIZE, min(MAX_SIZE, value)))


def _change_constant(program: Program, space: MutationSpace, rng: random.Random) -> Program | None:
    statements = program.statements
    choices = [
        (at, position)
        for at, statement in enumerate(statements)
        for position, arg in enumerate(statement.args)
        if isinstance(arg, float)
    ]
    if not choices:
        return None
    at, position = rng.choice(choices)
    old = statements[at].args[position]
    assert isinstance(old, float)
    rescale = rng.random() < space.rescale_constant
    return with_argument(program, at, position, _rescaled(old, rng) if rescale else _new_constant(rng))


def with_argument(program: Program, at: int, position: int, new: Argument) -> Program:
    """The program with one argument of statement ``at`` replaced."""
    statements = program.statements
    old = statements[at]
    args = (*old.args[:position], new, *old.args[position + 1 :])
    changed = Statement(old.target, old.function, args)
    return replace(program, statements=(*statements[:at], changed, *statements[at + 1 :]))


_KINDS = {"insert": _insert, "delete": _delete, "modify": _modify, "constant": _change_constant}
"""All kinds of mutation by the name that config and log use."""
