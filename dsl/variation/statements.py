"""Random statements that fit: what may stand where, and how constants are drawn.

Two passes over a program make every choice valid by construction. Forward: the type of each variable before
each statement. Backward: the *demand* on each variable after each statement, the widest type that the rest of
the program accepts there (absent: nobody reads it). A new value may be written wherever its type is within
the demand, and read wherever its type is within what the reader accepts.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.types import input_types

SCALAR, TREE = Type.SCALAR, Type.TREE
MAX_SIZE = 1e30
"""Bound on the size of mutated constants, well inside float32."""


class Choices(Protocol):
    """What a draw may choose from, and with which chances; see ``MutationSpace``."""

    @property
    def functions(self) -> tuple[str, ...]: ...
    @property
    def new_constant(self) -> float: ...
    @property
    def new_variable(self) -> float: ...
    @property
    def rescale_constant(self) -> float: ...
    @property
    def hidden(self) -> tuple[str, ...]: ...


def types_before(program: Program, at: int) -> dict[str, Type]:
    """The type of each variable before statement ``at``."""
    types = input_types(program)
    for statement in program.statements[:at]:
        types[statement.target] = result_type(statement, types)
    return types


def demands_after(program: Program, at: int) -> dict[str, Type]:
    """The widest type each variable may have after statement ``at``; those that nobody reads are absent."""
    demands: dict[str, Type] = {o: TREE for o in program.outputs if isinstance(o, str)}
    for statement in reversed(program.statements[at + 1 :]):
        demand_before(statement, demands)
    return demands


def demand_before(statement: Statement, demands: dict[str, Type]) -> None:
    """Turns the demands after a statement into those before it."""
    wanted = demands.pop(statement.target, TREE)
    for arg, widest in zip(statement.args, accepted(statement, wanted), strict=True):
        if isinstance(arg, str):
            other = demands.get(arg)
            demands[arg] = widest if other is None or widest < other else other


def result_type(statement: Statement, types: Mapping[str, Type]) -> Type:
    """The type of a statement's value, given those of the variables."""
    args = [types[a] if isinstance(a, str) else SCALAR for a in statement.args]
    return FUNCTIONS[statement.function].result_type(args)


def accepted(statement: Statement, wanted: Type) -> tuple[Type, ...]:
    """The widest type of each argument for which the result is within ``wanted``."""
    row = FUNCTIONS[statement.function]
    if row.result is not None or wanted is TREE:
        return row.parameters
    return tuple([min(p, wanted) for p in row.parameters])


def draw_constant(rng: random.Random) -> float:
    """A new constant from N(0, 1)."""
    return round_to_float32(rng.gauss(0.0, 1.0))


def rescaled(constant: float, rng: random.Random) -> float:
    """The constant times 2^a, a ~ N(0, 1)."""
    value = constant * 2.0 ** rng.gauss(0.0, 1.0)
    return round_to_float32(max(-MAX_SIZE, min(MAX_SIZE, value)))


def draw_argument(types: Mapping[str, Type], widest: Type, choices: Choices, rng: random.Random) -> Argument:
    """An existing variable of a type within ``widest`` that is not hidden, or a new constant."""
    hidden = choices.hidden
    names = [name for name, type_ in types.items() if type_ <= widest and name not in hidden]
    if not names or rng.random() < choices.new_constant:
        return draw_constant(rng)
    return rng.choice(names)


def draw_statement(program: Program, at: int, choices: Choices, rng: random.Random) -> Statement:
    """A random statement that may stand before statement ``at``, or after the last.

    Args:
        program: a checked program; its outputs need not be assigned yet.
        at: the place, from 0 to the number of statements.
        choices: the functions, the hidden names, and how often constants and fresh variables are taken.
        rng: the only source of randomness.

    Returns:
        A statement with which the program is still well typed.
    """
    types, demands = types_before(program, at), demands_after(program, at - 1)
    row = FUNCTIONS[rng.choice(choices.functions)]
    args = tuple([draw_argument(types, widest, choices, rng) for widest in row.parameters])
    result = row.result_type([types[a] if isinstance(a, str) else SCALAR for a in args])
    hidden = choices.hidden
    targets = [name for name in types if demands.get(name, TREE) >= result and name not in hidden]
    fresh = not targets or rng.random() < choices.new_variable
    return Statement(fresh_name(program) if fresh else rng.choice(targets), row.name, args)


def fresh_name(program: Program) -> str:
    """A variable's name that the program does not use."""
    taken = {s.target for s in program.statements}.union(program.inputs)
    number = 1
    while f"v{number}" in taken:
        number += 1
    return f"v{number}"


def with_argument(program: Program, at: int, position: int, new: Argument) -> Program:
    """The program with one argument of statement ``at`` replaced."""
    statements = program.statements
    old = statements[at]
    args = (*old.args[:position], new, *old.args[position + 1 :])
    changed = Statement(old.target, old.function, args)
    return replace(program, statements=(*statements[:at], changed, *statements[at + 1 :]))
