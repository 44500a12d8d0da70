"""A program as a graph of values, in which equal values are one node.

``Graph.apply`` is the only way to make a node: it folds constants, tries the identities of
:mod:`lion_search.dsl.equivalence.identities`, and otherwise returns the existing or a new node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lion_search.dsl.functions import FUNCTIONS, Function

Node = int
"""A node's number; arguments always have smaller numbers than the node that uses them."""

Rewrite = Callable[["ValueGraph", tuple[Node, ...]], "Node | None"]
"""Given a graph and a function's arguments: an equal node, or ``None`` if the rewrite does not apply."""


class ValueGraph:
    """Values built bottom-up, and the domain whose values they are.

    ``function[n]`` is ``None`` for inputs and constants, whose name or number is ``value[n]``.
    """

    __slots__ = ("_rewrites", "_table", "args", "function", "value")

    def __init__(self, rewrites: Mapping[str, Sequence[Rewrite]]) -> None:
        self._rewrites = rewrites
        self._table: dict[object, Node] = {}
        self.function: list[str | None] = []
        self.args: list[tuple[Node, ...]] = []
        self.value: list[float | str | None] = []

    def _add(
        self, key: object, function: str | None, args: tuple[Node, ...], value: float | str | None
    ) -> Node:
        node = self._table[key] = len(self.function)
        self.function.append(function)
        self.args.append(args)
        self.value.append(value)
        return node

    def input(self, name: str) -> Node:
        """The node of an input; its value is the name."""
        node = self._table.get(name)
        return self._add(name, None, (), name) if node is None else node

    def constant(self, value: float) -> Node:
        """The node of a constant, rounded to float32."""
        value = round_to_float32(value)
        node = self._table.get(value)
        return self._add(value, None, (), value) if node is None else node

    def constant_value(self, node: Node) -> float | None:
        """The value if the node is a constant."""
        value = self.value[node]
        return value if isinstance(value, float) else None

    def args_if(self, node: Node, function: str) -> tuple[Node, ...] | None:
        """The arguments if the node applies ``function``."""
        return self.args[node] if self.function[node] == function else None

    def make(self, name: str, *args: Node) -> Node:
        """The node of a function's value, in normal form."""
        return self.apply(FUNCTIONS[name], args)

    def apply(self, function: Function, args: Sequence[Node], index: int = -1) -> Node:
        """The same, as the domain's operation."""
        if function.commutative:
            args = self._ordered(args)
        args = tuple(args)
        key = (function.name, args)
        node = self._table.get(key)
        if node is not None:
            return node
        if self._are_constants(args) and (function.elementwise or not args):
            folded = fold(function.name, tuple([float(self.value[a]) for a in args]))  # type: ignore[arg-type]
            if folded is not None:
                return self.constant(folded)
        for rewrite in self._rewrites.get(function.name, ()):
            node = rewrite(self, args)
            if node is not None:
                return node
        return self._add(key, function.name, args, None)

    def _are_constants(self, args: tuple[Node, ...]) -> bool:
        value = self.value
        for arg in args:  # noqa: SIM110 -- the hot path; a generator costs three times as much
            if not isinstance(value[arg], float):
                return False
        return True

    def _ordered(self, args: Sequence[Node]) -> Sequence[Node]:
        """Two commuting arguments: constants last and by value, others by number."""
        first, second = args
        x, y = self.value[first], self.value[second]
        if isinstance(x, float):
            swap = not isinstance(y, float) or x > y
        else:
            swap = first > second and not isinstance(y, float)
        return (second, first) if swap else args


@lru_cache(maxsize=100_000)
def round_to_float32(value: float) -> float:
    """The shortest decimal that has the same float32; minus zero becomes zero."""
    return float(str(np.float32(value))) + 0.0


@lru_cache(maxsize=100_000)
def fold(name: str, constants: tuple[float, ...]) -> float | None:
    """A function of constants in float64, or ``None`` where that is no finite float32."""
    with np.errstate(all="ignore"):
        value = float(FUNCTIONS[name].meaning(np, *map(np.float64, constants)))
        return value if math.isfinite(float(np.float32(value))) else None
