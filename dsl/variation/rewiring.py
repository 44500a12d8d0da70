"""Mutations that grow a program where it already works: they change who reads what.

An inserted statement is redundant until a second mutation reads it, and a changed argument destroys what it
replaces. These kinds do in one step what takes those two or three, and nothing in them knows what a function
or a variable means. Gene duplication is the model of one of them: a copy is free to vary while the original
goes on doing what it did (Ohno, "Evolution by Gene Duplication", 1970).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.variation.statements import (
    TREE,
    Choices,
    accepted,
    demands_after,
    draw_argument,
    fresh_name,
    rescaled,
    result_type,
    types_before,
    with_argument,
)

_TRIES = 20
"""How many changes are drawn until one is well typed."""


class _Use(NamedTuple):
    """A place where a variable is read: an argument of a statement, or an output."""

    at: int
    """The statement; the number of statements for outputs."""
    position: int


def wrap(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    """One use of a variable becomes the use of a random function of it."""
    uses = [use for use in _uses(program) if _read(program, use) not in choices.hidden]
    rows = [row for name in choices.functions if (row := FUNCTIONS[name]).parameters]
    if not uses or not rows:
        return None
    use = rng.choice(uses)
    old = _read(program, use)
    types, widest = types_before(program, use.at), _widest(program, use)
    for _ in range(_TRIES):
        row = rng.choice(rows)
        slots = [k for k, widest_there in enumerate(row.parameters) if types[old] <= widest_there]
        if not slots:
            continue
        slot = rng.choice(slots)
        args = tuple(
            old if k == slot else draw_argument(types, widest_there, choices, rng)
            for k, widest_there in enumerate(row.parameters)
        )
        new = Statement(fresh_name(program), row.name, args)
        if result_type(new, types) <= widest:
            return _reading(program, use, new)
    return None


def duplicate(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    """A statement whose value is used more than once gets a varied copy, which one of the uses reads."""
    pairs = []
    for at, statement in enumerate(program.statements):
        if statement.args and not any(name in statement.args for name in choices.hidden):
            uses = [*_uses_of(program, at)]
            if len(uses) > 1:
                pairs += [(at, use) for use in uses if use.at < len(program.statements)]
    if not pairs:
        return None
    at, use = rng.choice(pairs)
    statement, types = program.statements[at], types_before(program, at)
    position = rng.randrange(len(statement.args))
    old = statement.args[position]
    new: Argument
    if isinstance(old, float) and rng.random() < choices.rescale_constant:
        new = rescaled(old, rng)
    else:
        new = draw_argument(types, FUNCTIONS[statement.function].parameters[position], choices, rng)
    args = (*statement.args[:position], new, *statement.args[position + 1 :])
    copy = Statement(fresh_name(program), statement.function, args)
    if result_type(copy, types) > _widest(program, use):
        return None
    changed = with_argument(program, use.at, use.position, copy.target).statements
    return replace(program, statements=(*changed[:at], copy, *changed[at:]))


def bypass(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    """One use of a statement's value reads one of the statement's arguments instead."""
    places = [
        (at, use, arg)
        for at, statement in enumerate(program.statements)
        for use in _uses_of(program, at)
        for arg in statement.args
        if use.at < len(program.statements) and arg not in choices.hidden
    ]
    for _ in range(_TRIES if places else 0):
        at, use, arg = rng.choice(places)
        is_kept = all(s.target != arg for s in program.statements[at : use.at])
        if is_kept and _type(arg, types_before(program, at)) <= _widest(program, use):
            return with_argument(program, use.at, use.position, arg)
    return None


def _uses(program: Program) -> list[_Use]:
    """All places where a variable is read."""
    arguments = [
        _Use(at, position)
        for at, statement in enumerate(program.statements)
        for position, arg in enumerate(statement.args)
        if isinstance(arg, str)
    ]
    end = len(program.statements)
    return arguments + [_Use(end, k) for k, output in enumerate(program.outputs) if isinstance(output, str)]


def _uses_of(program: Program, at: int) -> Iterator[_Use]:
    """The places where the value that statement ``at`` assigns is read."""
    target, end = program.statements[at].target, len(program.statements)
    for later in range(at + 1, end):
        statement = program.statements[later]
        yield from (_Use(later, k) for k, arg in enumerate(statement.args) if arg == target)
        if statement.target == target:
            return
    yield from (_Use(end, k) for k, output in enumerate(program.outputs) if output == target)


def _read(program: Program, use: _Use) -> str:
    """The variable that is read there."""
    is_output = use.at == len(program.statements)
    arg = program.outputs[use.position] if is_output else program.statements[use.at].args[use.position]
    assert isinstance(arg, str)
    return arg


def _widest(program: Program, use: _Use) -> Type:
    """The widest type that may be read there."""
    if use.at == len(program.statements):
        return TREE
    statement = program.statements[use.at]
    wanted = demands_after(program, use.at).get(statement.target, TREE)
    return accepted(statement, wanted)[use.position]


def _reading(program: Program, use: _Use, new: Statement) -> Program:
    """The program with a new statement before a use, which reads it."""
    statements = program.statements
    if use.at == len(statements):
        # Outputs keep their names: the variable is assigned anew at the end.
        renamed = replace(new, target=_read(program, use))
        return replace(program, statements=(*statements, renamed))
    changed = with_argument(program, use.at, use.position, new.target).statements
    return replace(program, statements=(*changed[: use.at], new, *changed[use.at :]))


def _type(arg: Argument, types: Mapping[str, Type]) -> Type:
    return types[arg] if isinstance(arg, str) else Type.SCALAR
