"""What a program is without its constants: programs of one structure differ in numbers only.

The canonical form orders commuting arguments and states by hashes in which the constants have a part, so the
forms of a rule at two learning rates may be written in different orders. Here the constants have no part in
the order. Nothing is simplified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from lion_search.dsl.equivalence.canonical import as_program, linearise, ordered_args, refine
from lion_search.dsl.equivalence.value_graph import Node, ValueGraph
from lion_search.dsl.execute import execute
from lion_search.dsl.function import Function
from lion_search.dsl.program import Argument, Program


class Structured(NamedTuple):
    """A program, and what it shares with others.

    Attributes:
        program: the same program, in an order that does not depend on its constants.
        structure: that program with 0 for each constant.
        constants: in the order in which the statements, then the outputs, name them.
    """

    program: Program
    structure: Program
    constants: tuple[float, ...]


@lru_cache(maxsize=1024)
def structured(program: Program) -> Structured:
    """A checked program in an order that does not depend on its constants.

    Two programs that differ in constants only get one structure. Where the arguments of a commuting function
    differ in constants only and are used elsewhere too, they may get two.
    """
    graph = _AsWritten({})
    update, *roots = execute(program, graph, {name: graph.input(name) for name in program.inputs})
    state_roots = dict(zip(program.states, roots, strict=True))
    keys, _ = refine(graph, range(len(graph.function)), state_roots, blank=True)
    states = _as_met(graph, update, state_roots, keys)
    roots = [state_roots[s] for s in states]
    _, num_states, applications, outputs = linearise(graph, update, roots, states, keys)
    return _apart(as_program(num_states, applications, outputs))


class _AsWritten(ValueGraph):
    """Values as the program makes them: no constants are folded."""

    def apply(self, function: Function, args: Sequence[Node], index: int = -1) -> Node:
        key = (function.name, *args)
        node = self._table.get(key)
        return self._add(key, function.name, tuple(args), None) if node is None else node


def _as_met(
    graph: ValueGraph, update: Node, state_roots: Mapping[str, Node], keys: Mapping[Node, int]
) -> list[str]:
    """The states in the order in which the update, then the states it reads, read them; the others follow."""
    seen: set[Node] = set()
    met: list[str] = []
    roots = [update]
    while roots:
        stack = [roots.pop(0)]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            function, value = graph.function[node], graph.value[node]
            if function is not None:
                stack += reversed(ordered_args(graph, keys, node, function))
            elif isinstance(value, str) and value in state_roots:
                met.append(value)
                roots.append(state_roots[value])
    return [*met, *(s for s in state_roots if s not in met)]


def _apart(program: Program) -> Structured:
    statements = tuple(replace(s, args=_blank(s.args)) for s in program.statements)
    structure = replace(program, statements=statements, outputs=_blank(program.outputs))
    named = [a for s in program.statements for a in s.args] + [*program.outputs]
    return Structured(program, structure, tuple(a for a in named if isinstance(a, float)))


def _blank(args: Sequence[Argument]) -> tuple[Argument, ...]:
    return tuple(a if isinstance(a, str) else 0.0 for a in args)
