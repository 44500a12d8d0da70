"""What the states of a program are for, seen from how the gradient enters them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from lion_search.dsl.dataflow import Dataflow
from lion_search.dsl.functions import FUNCTIONS, Parity
from lion_search.dsl.program import GRADIENT, Argument


class Role(enum.StrEnum):
    """The role of a state, in the order in which states are listed."""

    MOMENTUM = "momentum"
    """It gathers what changes its sign with the gradient."""
    SECOND_MOMENT = "second_moment"
    """It gathers what does not, as squares."""
    STATE = "state"
    """Anything else, also what is kept for one step only."""


class _InGradient(enum.IntFlag):
    """How a value answers to a change of the gradient's sign."""

    NONE = 0
    """It does not depend on the gradient, as far as is known."""
    ODD = 1
    EVEN = 2
    MIXED = 3


def state_roles(flow: Dataflow) -> Mapping[str, Role]:
    """The role of each state of a program."""
    program = flow.program
    parity: dict[Argument, _InGradient] = dict.fromkeys(program.inputs, _InGradient.NONE)
    parity[GRADIENT] = _InGradient.ODD
    changed = True
    while changed:
        for statement in program.statements:
            args = [parity.get(a, _InGradient.NONE) for a in statement.args]
            parity[statement.target] = _parity(statement.function, args)
        new = {s: parity[s] | parity.get(o, _InGradient.NONE) for s, o in _new_values(flow).items()}
        changed = any(parity[s] != p for s, p in new.items())
        parity.update(new)
    return {s: _role(parity[s], s in flow.sources.get(o, ())) for s, o in _new_values(flow).items()}


def _new_values(flow: Dataflow) -> dict[str, Argument]:
    return dict(zip(flow.program.states, flow.program.outputs[1:], strict=True))


def _role(parity: _InGradient, gathers: bool) -> Role:
    roles = {_InGradient.ODD: Role.MOMENTUM, _InGradient.EVEN: Role.SECOND_MOMENT}
    return roles.get(parity, Role.STATE) if gathers else Role.STATE


def _parity(function: str, args: Sequence[_InGradient]) -> _InGradient:
    """The parity of a function's value; weights of averages and limits of clipping count for nothing."""
    if not any(args):
        return _InGradient.NONE
    match FUNCTIONS[function].properties.parity:
        case Parity.ODD:
            return args[0]
        case Parity.JOINT:
            return args[0] | args[1]
        case Parity.PRODUCT:
            return _of_product(*args)
        case Parity.EVEN:
            return _InGradient.EVEN
    return (
        _InGradient.EVEN
        if all(p in (_InGradient.NONE, _InGradient.EVEN) for p in args)
        else _InGradient.MIXED
    )


def _of_product(x: _InGradient, y: _InGradient) -> _InGradient:
    if not (x and y):
        return x | y
    if _InGradient.MIXED in (x, y):
        return _InGradient.MIXED
    return _InGradient.EVEN if x == y else _InGradient.ODD
