"""How values depend on each other in a program that assigns each name once: what writing it well needs.

Simplification writes programs for people by it, exports name constants by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lion_search.dsl.functions import Type
from lion_search.dsl.program import WEIGHTS, Argument, Program, Statement
from lion_search.dsl.types import input_types, statement_types

SUMS = frozenset(("add", "subtract"))


@dataclass(frozen=True, slots=True)
class Dataflow:
    """Facts about the values of a program.

    Attributes:
        program: a checked program that assigns each name once, and no input.
        definitions: the statement of each computed value.
        types: the type of each input and computed value.
        readers: for each value the statements' targets that read it, in order.
        sources: the inputs on which each value depends in this step.
        trees: the same without what goes through one number, or one for each array.
    """

    program: Program
    definitions: Mapping[Argument, Statement]
    types: Mapping[Argument, Type]
    readers: Mapping[Argument, Sequence[str]]
    sources: Mapping[Argument, frozenset[str]]
    trees: Mapping[Argument, frozenset[str]]

    def is_tree(self, value: Argument) -> bool:
        """Whether the value has one number for each weight."""
        return self.types.get(value) is Type.TREE

    def is_decay(self, value: Argument) -> bool:
        """Whether a value is made of the weights and of single numbers only."""
        return value in self.trees and self.trees[value] == {WEIGHTS}

    def is_added(self, value: Argument) -> bool:
        """Whether a value is a term of a sum in the end, perhaps times numbers."""
        readers = [self.definitions[r] for r in self.readers[value]]
        return bool(readers) and all(
            r.function in SUMS or (self.is_decay(r.target) and self.is_added(r.target)) for r in readers
        )

    def has_memory(self, value: Argument) -> bool:
        """Whether a value depends on a state."""
        return not self.sources.get(value, frozenset()).isdisjoint(self.program.states)


def dataflow(program: Program) -> Dataflow:
    """Finds how values depend on each other.

    Args:
        program: a checked program that assigns each name once, and no input.
    """
    types: dict[Argument, Type] = dict(input_types(program).items())
    sources: dict[Argument, frozenset[str]] = {name: frozenset((name,)) for name in program.inputs}
    trees = {name: own if types[name] is Type.TREE else frozenset() for name, own in sources.items()}
    readers: dict[Argument, list[str]] = {name: [] for name in program.inputs}
    for statement, (_, result) in zip(program.statements, statement_types(program), strict=True):
        target, values = statement.target, [a for a in dict.fromkeys(statement.args) if a in sources]
        types[target], readers[target] = result, []
        sources[target] = frozenset().union(*(sources[a] for a in values))
        trees[target] = frozenset().union(*(trees[a] for a in values)) if result is Type.TREE else frozenset()
        for value in values:
            readers[value].append(target)
    return Dataflow(program, {s.target: s for s in program.statements}, types, readers, sources, trees)


def state_chain(flow: Dataflow, state: str) -> tuple[str, ...]:
    """The values on the way from a state to its new value, each made of the one before.

    Args:
        flow: of the program.
        state: one of its states.

    Returns:
        The state itself first, its new value last; empty if nothing is computed for it.
    """
    program = flow.program
    value = program.outputs[1 + program.states.index(state)]
    chain: list[str] = []
    while (statement := flow.definitions.get(value)) is not None:
        chain.append(statement.target)
        inner = [a for a in statement.args if a in flow.definitions and state in flow.sources[a]]
        if len(inner) != 1 or state in statement.args or not flow.is_tree(inner[0]):
            break
        if inner[0] in program.outputs:
            break  # the update, or another state's
        value = inner[0]
    return (state, *reversed(chain)) if chain else ()


def closing_chain(flow: Dataflow) -> tuple[str, ...]:
    """The last steps of an update, the last one first: weight decay added, a number multiplied."""
    chain: list[str] = []
    value = flow.program.outputs[0]
    while (statement := flow.definitions.get(value)) is not None:
        function, args = statement.function, statement.args
        is_scaling = function == "multiply" and flow.is_tree(args[0]) and not flow.is_tree(args[1])
        is_decaying = function in ("add", "subtract") and flow.is_decay(args[1])
        if not (is_scaling or is_decaying):
            break
        chain.append(statement.target)
        value = args[0]
    return tuple(chain)
