"""Where a program's learning rate is: the factor of the schedule or, without one, of the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lion_search.dsl.dataflow import Dataflow
from lion_search.dsl.program import LEARNING_RATE, Argument, Statement

RATE = "learning_rate"
NUMBER = "#"
"""Before the names of hyper-parameters while a program is analysed: no variable is called so."""
RATE_MARK = NUMBER + RATE


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a program's learning rate is.

    Attributes:
        peak: its value.
        constant: the value that is computed with it as a constant, and the argument's position.
        dropped: statements that are not needed where the learning rate has its schedule in it.
        values: what else is read then.
        has_schedule: whether the schedule is an input of its own.
        is_missing: whether the program has none, so that one is added: a factor of the update, which is 1.
    """

    peak: float = 1.0
    constant: tuple[str, int] | None = None
    dropped: tuple[str, ...] = ()
    values: Mapping[str, Argument] = field(default_factory=dict)
    has_schedule: bool = False
    is_missing: bool = False


def find_rate(flow: Dataflow) -> Rate:
    """Finds the learning rate of a program that assigns each name once."""
    readers = flow.readers[LEARNING_RATE]
    factors = [(t, *own) for t in readers if (own := _constant_factor(flow.definitions[t])) is not None]
    closing = _closing_factor(flow)
    if not readers and LEARNING_RATE not in flow.program.outputs:
        return Rate(closing[2], closing[:2]) if closing else Rate(is_missing=True)
    if len(readers) == 1 and factors and LEARNING_RATE not in flow.program.outputs:
        target, _, peak = factors[0]
        if _is_proportional(flow, target):
            return Rate(peak, dropped=(target,), values={target: RATE_MARK})
    elif _is_proportional(flow, LEARNING_RATE):
        return _merged(flow) or Rate(values={LEARNING_RATE: RATE_MARK})
    found = factors[0] if factors else closing
    return Rate(found[2], found[:2], has_schedule=True) if found else Rate(has_schedule=True, is_missing=True)


def _constant_factor(statement: Statement) -> tuple[int, float] | None:
    """Position and value of the constant of a product with one."""
    constants = [(i, a) for i, a in enumerate(statement.args) if isinstance(a, float)]
    return constants[0] if statement.function == "multiply" and len(constants) == 1 else None


def _closing_factor(flow: Dataflow) -> tuple[str, int, float] | None:
    """The constant by which the whole update is multiplied."""
    update = flow.program.outputs[0]
    statement = flow.definitions.get(update)
    found = None if statement is None or flow.readers[update] else _constant_factor(statement)
    is_own = update not in flow.program.outputs[1:]
    return (str(update), *found) if found is not None and is_own else None


def _merged(flow: Dataflow) -> Rate | None:
    """Of an update that a constant and the schedule multiply, one after the other: one factor."""
    update, *states = flow.program.outputs
    last = flow.definitions.get(update)
    if last is None or update in states:
        return None
    for value in last.args:
        first = flow.definitions.get(value)
        if first is None or [*flow.readers[value]] != [update] or value in states:
            continue
        for scaled, rated in ((first, last), (last, first)):
            factor = _constant_factor(scaled)
            if factor is not None and rated.function == "multiply" and LEARNING_RATE in rated.args:
                values = {LEARNING_RATE: RATE_MARK, scaled.target: scaled.args[1 - factor[0]]}
                return Rate(factor[1], dropped=(scaled.target,), values=values)
    return None


def _is_proportional(flow: Dataflow, rate: str) -> bool:
    """Whether the update is proportional to a value on which no state depends."""
    power: dict[Argument, int | None] = {rate: 1}
    for statement in flow.program.statements:
        if statement.target != rate:
            power[statement.target] = _power(statement.function, [power.get(a, 0) for a in statement.args])
    update, *states = (power.get(o, 0) for o in flow.program.outputs)
    return update == 1 and not any(s != 0 for s in states)


def _power(function: str, args: Sequence[int | None]) -> int | None:
    """The power with which a factor of the arguments is one of the value: 0, 1, or none that is known."""
    if not any(a != 0 for a in args):
        return 0
    match function, [*args]:
        case ("multiply", [1, 0] | [0, 1]) | ("divide", [1, 0]) | ("negative", [1]):
            return 1
        case ("add" | "subtract", [1, 1]) | ("interp", [1, 1, 0]):
            return 1
    return None
