"""What a program's classes of equal values are, as expressions of its inputs: the shortest of each.

Sentences about a program are made of these, so that they name nothing but what the program's header names:
``g + 0.1 * w``. They are evaluated, too: what a difference does is seen in numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import LEARNING_RATE
from lion_search.simplify.equality.egraph import ClassId, Term
from lion_search.simplify.recognition.program_graph import ProgramGraph

_DEPTH = 4
"""So many functions deep a value is looked for inside another."""
_MOST_ADDED = 14
"""How much longer than it the other may be, in functions, inputs and constants."""


class Expressions:
    """The shortest expressions of the classes of one graph."""

    def __init__(self, graph: ProgramGraph) -> None:
        self._value, self._terms, self._inputs = graph.classes.value, graph.classes.terms, graph.inputs
        self._best: dict[ClassId, Term] = {}
        self._size: dict[ClassId, float] = dict.fromkeys(self._value, 1.0)
        self._own = {*graph.statements, *graph.inputs.values()}
        self._inside: dict[ClassId, tuple[ClassId, ...]] = {}
        while self._improve():
            pass

    def _improve(self) -> bool:
        """Finds shorter expressions of some classes; whether there were any."""
        improved = False
        for owner, terms in self._terms.items():
            for term in terms if owner not in self._value else ():
                size = 1 + sum(self.size(arg) for arg in term.args)
                if size < self.size(owner):
                    self._size[owner], self._best[owner] = size, term
                    improved = True
        return improved

    def size(self, owner: ClassId) -> float:
        """How many functions, inputs and constants the expression has."""
        return self._size.get(owner, math.inf)

    def inside(self, owner: ClassId) -> tuple[ClassId, ...]:
        """Of a value that the program computes, those it is made of by a few functions, the nearest first."""
        if owner not in self._inside:
            self._inside[owner] = tuple(self._descend(owner)) if owner in self._own else ()
        return self._inside[owner]

    def _descend(self, owner: ClassId) -> Iterator[ClassId]:
        seen, level = {owner}, [owner]
        for _ in range(_DEPTH):
            args = [a for c in level for term in self._terms.get(c, ()) for a in term.args]
            level = [a for a in dict.fromkeys(args) if a not in seen and a not in self._value]
            seen.update(level)
            added = {a: self.size(owner) - self.size(a) for a in level if a in self._own}
            yield from (a for a, more in added.items() if 0 < more <= _MOST_ADDED)

    def text(self, owner: ClassId, above: str | None = None) -> str:
        """The expression in the language's own form, inside an operator or not."""
        if owner in self._value:
            return f"{self._value[owner]:.6g}"
        term = self._best[owner]
        row = FUNCTIONS.get(term.function)
        if row is None:
            return term.function
        args = sorted(term.args, key=self._order) if row.commutative else term.args
        if row.symbol is None:
            return f"{row.name}({', '.join(self.text(arg) for arg in args)})"
        text = f" {row.symbol} ".join(self.text(arg, row.symbol) for arg in args)
        return text if above is None or (above == "+" and row.symbol in "*/") else f"({text})"

    def _order(self, owner: ClassId) -> tuple[float, str]:
        """Constants first, then what is short."""
        return (0, "") if owner in self._value else (self.size(owner), owner)

    def numbers(self, owner: ClassId, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the expression is for inputs ``[N]``; of ``lr`` the first number counts."""
        known: dict[ClassId, Any] = {}
        for name, array in inputs.items():
            if name in self._inputs:
                known[self._inputs[name]] = array[0] if name == LEARNING_RATE else (array,)
        return self._evaluated(owner, known, next(iter(inputs.values())).shape)

    def is_function(self, owner: ClassId, inner: ClassId) -> bool:
        """Whether the expression of a class depends on nothing but another inside it."""
        if owner == inner or owner in self._value:
            return True
        args = self._best[owner].args
        return bool(args) and all(self.is_function(arg, inner) for arg in args)

    def function_of(self, owner: ClassId, inner: ClassId, values: np.ndarray) -> np.ndarray:
        """What a class is for values ``[N]`` of another, of which it is a function."""
        return self._evaluated(owner, {inner: (values,)}, values.shape)

    def _evaluated(self, owner: ClassId, known: dict[ClassId, Any], shape: tuple[int, ...]) -> np.ndarray:
        domain = ArrayDomain(np, (shape,), np.float64)

        def value(own: ClassId) -> Any:
            if own not in known:
                if own in self._value:
                    known[own] = domain.constant(self._value[own])
                else:
                    term = self._best[own]
                    known[own] = domain.apply(FUNCTIONS[term.function], [value(a) for a in term.args], -1)
            return known[own]

        with np.errstate(all="ignore"):
            (array,) = domain.as_tree(value(owner))
        return np.asarray(array)
