"""What the states of a program are for, seen from how the gradient enters them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from lion_search.dsl.equivalence.identities import BLIND_TO_SIGN, ODD
from lion_search.dsl.program import GRADIENT, Argument
from lion_search.simplify.writing.dataflow import Dataflow


class Role(enum.StrEnum):
    """The role of a state, in the order in which states are listed."""

    MOMENTUM = "momentum"
    """It gathers what changes its sign with the gradient."""
    SECOND_MOMENT = "second_moment"
    """It gathers what does not, as squares."""
    STATE = "state"
    """Anything else, also what is kept for one step only."""


class _Parity(enum.IntFlag):
    """How a value answers to a change of the gradient's sign."""

    NONE = 0
    """It does not depend on the gradient, as far as is known."""
    ODD = 1
    EVEN = 2
    MIXED = 3


_PRODUCTS = frozenset(("multiply", "divide", "dot", "cosine_sim"))
_JOINS = frozenset(("add", "subtract", "maximum", "minimum", "interp"))
_KEEPS = frozenset(("clip", "negative", *ODD))


def state_roles(flow: Dataflow) -> Mapping[str, Role]:
    """The role of each state of a program."""
    program = flow.program
    parity: dict[Argument, _Parity] = dict.fromkeys(program.inputs, _Parity.NONE)
    parity[GRADIENT] = _Parity.ODD
    changed = True
    while changed:
        for statement in program.statements:
            args = [parity.get(a, _Parity.NONE) for a in statement.args]
            parity[statement.target] = _parity(statement.function, args)
        new = {s: parity[s] | parity.get(o, _Parity.NONE) for s, o in _new_values(flow).items()}
        changed = any(parity[s] != p for s, p in new.items())
        parity.update(new)
    return {s: _role(parity[s], s in flow.sources.get(o, ())) for s, o in _new_values(flow).items()}


def _new_values(flow: Dataflow) -> dict[str, Argument]:
    return dict(zip(flow.program.states, flow.program.outputs[1:], strict=True))


def _role(parity: _Parity, gathers: bool) -> Role:
    roles = {_Parity.ODD: Role.MOMENTUM, _Parity.EVEN: Role.SECOND_MOMENT}
    return roles.get(parity, Role.STATE) if gathers else Role.STATE


def _parity(function: str, args: Sequence[_Parity]) -> _Parity:
    """The parity of a function's value; weights of averages and limits of clipping count for nothing."""
    if not any(args):
        return _Parity.NONE
    if function in _KEEPS:
        return args[0]
    if function in _JOINS:
        return args[0] | args[1]
    if function in _PRODUCTS:
        return _of_product(*args)
    if function in BLIND_TO_SIGN or all(p in (_Parity.NONE, _Parity.EVEN) for p in args):
        return _Parity.EVEN
    return _Parity.MIXED


def _of_product(x: _Parity, y: _Parity) -> _Parity:
    if not (x and y):
        return x | y
    if _Parity.MIXED in (x, y):
        return _Parity.MIXED
    return _Parity.EVEN if x == y else _Parity.ODD
