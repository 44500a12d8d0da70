"""Names for values by their role, found through the data flow.

A state's name is handed on from its old value to the new one; ``update`` along the way that ends in the
update, ``g`` along what is done to the gradient before anything else, ``lr`` among numbers made of the
learning rate. What is made of the weights and added is ``weight_decay``. All other values are called after
function and argument: ``g2``, ``sqrt_second_moment``. A name is overwritten only when its value is not needed
any more.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

from lion_search.dsl.dataflow import SUMS, Dataflow, closing_chain, state_chain
from lion_search.dsl.functions import FUNCTIONS, Parity
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, UPDATE, Argument, Program, Statement
from lion_search.simplify.writing.roles import Role, state_roles

WEIGHT_DECAY = "weight_decay"

_LONGEST = 24


@dataclass(frozen=True, slots=True)
class _Wish:
    """The name a value should have.

    Attributes:
        name: the name.
        heir: the value that has to get the name in the end, if any; all before it must be done with by then.
        otherwise: what to be called after where the name is not free; empty: after the function.
    """

    name: str
    heir: str = ""
    otherwise: str = ""


def named(flow: Dataflow) -> Program:
    """Gives the values of a program names by their role.

    Args:
        flow: of a program that assigns each name once.

    Returns:
        The same statements in the same order under other names, states in the order of their roles.
    """
    program = flow.program
    states = _state_names(flow)
    namer = _Namer(flow, states)
    statements = tuple(namer.renamed(i, s) for i, s in enumerate(program.statements))
    update, *new = map(namer.name, program.outputs)
    new_of = dict(zip(program.states, new, strict=True))
    return Program(tuple(states.values()), statements, (update, *(new_of[s] for s in states)))


def _state_names(flow: Dataflow) -> dict[str, str]:
    """The name of each state by its old one, in the order of the header."""
    roles = state_roles(flow)
    names: dict[str, str] = {}
    for role in Role:
        same = [s for s in flow.program.states if roles[s] is role]
        names |= {s: role.value if i == 0 else f"{role.value}{i + 1}" for i, s in enumerate(same)}
    return names


# ---- What names are wanted.


def _wishes(flow: Dataflow, states: Mapping[str, str]) -> dict[Argument, _Wish]:
    """The names of values with a role."""
    wishes: dict[Argument, _Wish] = {}
    for state, name in states.items():
        for value in (chain := state_chain(flow, state))[1:]:
            otherwise = f"new_{name}" if value == chain[-1] else ""
            wishes.setdefault(value, _Wish(name, chain[-1], otherwise))
    update = _update_chain(flow, wishes)
    for value in update:
        wishes.setdefault(value, _Wish(UPDATE, update[0]))
    gradients: set[Argument] = {GRADIENT}
    for statement in flow.program.statements:
        value = statement.target
        if value in wishes:
            continue
        if _prepares(statement.function) and statement.args[0] in gradients:
            gradients.add(value)
            wishes[value] = _Wish(GRADIENT)
        elif flow.is_decay(value) and flow.is_added(value):
            wishes[value] = _Wish(WEIGHT_DECAY, otherwise=WEIGHT_DECAY)
        elif flow.sources[value] == {LEARNING_RATE}:
            wishes[value] = _Wish(LEARNING_RATE, otherwise=LEARNING_RATE)
    return wishes


def _update_chain(flow: Dataflow, taken: Mapping[Argument, _Wish]) -> list[str]:
    """The update, what it is made of, and so on, back to an average, a state or the gradient."""
    chain = [*closing_chain(flow)]
    value = flow.definitions[chain[-1]].args[0] if chain else flow.program.outputs[0]
    while (statement := flow.definitions.get(value)) is not None:
        if value in taken or flow.is_decay(value):
            break
        chain.append(statement.target)
        value = statement.args[0] if statement.args else 0.0
        is_number = flow.is_tree(chain[0]) and not flow.is_tree(value)
        if statement.function == "interp" or is_number or _is_prepared_gradient(value, flow):
            break
    return chain


def _prepares(function: str) -> bool:
    """Whether a function's value may take the gradient's place: it is one still, shifted, clipped or bent."""
    known = FUNCTIONS[function].properties
    is_bent = known.parity is Parity.ODD and known.zero_if is not None and not known.decides
    return function in SUMS or is_bent


def _is_prepared_gradient(value: Argument, flow: Dataflow) -> bool:
    while (statement := flow.definitions.get(value)) is not None and _prepares(statement.function):
        value = statement.args[0]
    return value == GRADIENT


# ---- What names are given.


class _Namer:
    """Names one value after the other, and knows which names hold a value that is still needed."""

    def __init__(self, flow: Dataflow, states: Mapping[str, str]) -> None:
        self._flow = flow
        self._names: dict[Argument, str] = {n: states.get(n, n) for n in flow.program.inputs}
        self._holds: dict[str, Argument] = {name: value for value, name in self._names.items()}
        self._roles = frozenset((*self._holds, UPDATE))
        self._used = {*self._roles, *FUNCTIONS, *keyword.kwlist}
        self._wishes = _wishes(flow, states)
        self._position = {s.target: i for i, s in enumerate(flow.program.statements)}
        self._last = _last_uses(flow.program)

    def name(self, value: Argument) -> Argument:
        """The name of a value; a constant is itself."""
        return self._names.get(value, value)

    def renamed(self, at: int, statement: Statement) -> Statement:
        """Statement number ``at`` under its new names."""
        args = tuple(map(self.name, statement.args))
        target = self._choose(at, statement)
        self._names[statement.target] = target
        self._holds[target] = statement.target
        self._used.add(target)
        return Statement(target, statement.function, args)

    def _choose(self, at: int, statement: Statement) -> str:
        wish = self._wishes.get(statement.target)
        if wish is None:
            return self._continued(at, statement) or self._fresh(self._called(statement))
        if self._is_free(wish.name, at) and self._is_done_by(statement.target, wish.heir):
            return wish.name
        return self._fresh(wish.otherwise or self._called(statement))

    def _is_free(self, name: str, at: int) -> bool:
        """Whether the name holds nothing that is needed after statement number ``at``."""
        return name not in self._holds or self._last.get(self._holds[name], -1) <= at

    def _is_done_by(self, value: str, heir: str) -> bool:
        """Whether a value is not needed any more once the heir of its name is there."""
        return heir in ("", value) or self._last[value] <= self._position[heir]

    def _continued(self, at: int, statement: Statement) -> str | None:
        """The first argument's name, if that is changed by a number only and not needed any more."""
        first = self.name(statement.args[0]) if statement.args else 0.0
        is_free = isinstance(first, str) and first not in self._roles and self._is_free(first, at)
        return str(first) if is_free and self._has_number(statement) else None

    def _has_number(self, statement: Statement) -> bool:
        x, y = (*statement.args, 0.0, 0.0)[:2]
        words = FUNCTIONS[statement.function].words
        return bool(words.with_number) and self._flow.is_tree(x) and not self._flow.is_tree(y)

    def _called(self, statement: Statement) -> str:
        """What a value is called after its function and argument."""
        row = FUNCTIONS[statement.function]
        of = [n for n in map(self.name, statement.args) if isinstance(n, str)]
        first = of[0] if of else "number"
        if row.words.suffixes is not None:
            return first + row.words.suffixes[first[-1].isdigit()]
        if self._has_number(statement):
            return f"{row.words.with_number}_{first}"
        if row.words.noun:
            return row.words.noun
        return "_".join((row.name, *of)) if row.commutative else f"{row.name}_{first}"

    def _fresh(self, name: str) -> str:
        """The name, shortened if it is long and numbered if it was used before."""
        if len(name) > _LONGEST:
            name = f"{name.split('_', maxsplit=1)[0]}_value"
        found, count = name, 1
        while found in self._used:
            count += 1
            found = f"{name}_{count}" if name[-1].isdigit() else f"{name}{count}"
        return found


def _last_uses(program: Program) -> dict[Argument, int]:
    """Where each value is read last; outputs are read after all statements."""
    last: dict[Argument, int] = {}
    for at, statement in enumerate(program.statements):
        last.update(dict.fromkeys(statement.args, at))
    last.update(dict.fromkeys(program.outputs, len(program.statements)))
    return last
