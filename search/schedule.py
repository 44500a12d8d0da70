"""The learning rate's schedule applied outside of programs.

A program may read the schedule's value `lr`, and a search on short trainings soon finds ways to flatten the
schedule. With the schedule outside, a genome multiplies its update by `lr` in one statement and reads it
nowhere else. Mutation works on the genome without that statement and does not see `lr`. So what is hashed,
trained, logged, shown and exported is an ordinary program, with one meaning.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.program import LEARNING_RATE, Argument, Program, Statement
from lion_search.dsl.text import format_statement
from lion_search.dsl.variation.statements import fresh_name

_SHAPES = ((50,), (10, 5))
_SCHEDULE = (1.0, 0.7, 0.3, 0.9, 0.1)


class ScheduleError(LionSearchError):
    """A program to which the schedule cannot be applied from outside; the message names a statement."""


def with_schedule(program: Program) -> Program:
    """A program that does not read `lr`, with its update multiplied by it in the last statement."""
    update = program.outputs[0]
    if not isinstance(update, str) or update in program.outputs[1:]:
        name = fresh_name(program)
        statements = (*program.statements, Statement(name, "multiply", (update, 1.0)))
        program = replace(program, statements=statements, outputs=(name, *program.outputs[1:]))
        update = name
    last = Statement(update, "multiply", (update, LEARNING_RATE))
    return replace(program, statements=(*program.statements, last))


def without_schedule(program: Program) -> Program:
    """The program without the statement that multiplies its update by `lr`."""
    kept = tuple(statement for statement in program.statements if LEARNING_RATE not in statement.args)
    return replace(program, statements=kept)


def schedule_outside(program: Program) -> Program:
    """The same program in a form in which one statement alone, ``update = update * lr``, reads `lr`.

    Raises:
        ScheduleError: its update is not proportional to `lr`, or its states depend on it.
    """
    readers = [s for s in program.statements if LEARNING_RATE in s.args]
    is_so = len(readers) == 1 and readers[0] == Statement(
        program.outputs[0] if isinstance(program.outputs[0], str) else "",
        "multiply",
        (program.outputs[0], LEARNING_RATE),
    )
    if is_so and all(s.target != LEARNING_RATE for s in program.statements):
        return program
    changed = with_schedule(_at_peak(program))
    if not _are_same(program, changed):
        where = f": statement '{format_statement(readers[0])}' reads lr" if readers else ""
        raise ScheduleError(
            f"the schedule cannot be applied outside of a program that is not proportional to lr{where}; "
            "set search.schedule to program"
        )
    return changed


def _at_peak(program: Program) -> Program:
    """The program with 1 in place of `lr`; what it assigns to that name gets another."""
    value: Argument = 1.0
    statements: list[Statement] = []
    for statement in program.statements:
        args = tuple(value if arg == LEARNING_RATE else arg for arg in statement.args)
        target = statement.target
        if target == LEARNING_RATE:
            value = target = fresh_name(replace(program, statements=(*program.statements, *statements)))
        statements.append(Statement(target, statement.function, args))
    outputs = tuple(value if output == LEARNING_RATE else output for output in program.outputs)
    return replace(program, statements=tuple(statements), outputs=outputs)


def _are_same(program: Program, other: Program) -> bool:
    """Whether two programs give the same updates and states, the schedule going up and down."""
    rng = np.random.default_rng(0)
    domain = ArrayDomain(np, _SHAPES, np.float64)

    def draw() -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal(shape) for shape in _SHAPES)

    zeros = tuple(np.zeros(shape) for shape in _SHAPES)
    states = [[zeros for _ in p.states] for p in (program, other)]
    with np.errstate(all="ignore"):
        for lr in _SCHEDULE:
            weights, gradient, updates = draw(), draw(), []
            for place, one in enumerate((program, other)):
                update, new = step(one, domain, weights, gradient, states[place], lr)
                states[place] = list(new)
                updates.append([*update, *itertools.chain.from_iterable(new)])
            if not all(np.allclose(x, y, rtol=1e-9, equal_nan=True) for x, y in zip(*updates, strict=True)):
                return False
    return True
