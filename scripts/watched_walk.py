"""A program walked over given steps in NumPy or JAX, number by number, and what makes a comparison unfair.

Whoever compares two forms of one program must know where the comparison means nothing: what is not finite,
what rounding decides, what moves when every result is moved a little. Replays and tests ask this here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.functions import Function
from lion_search.dsl.program import Program

SMALL_DENOMINATOR = 1e-4
EDGE = 1e-6

Tree = Sequence[Any]
Move = Callable[[Function | None, Any], Any]
"""From a function, or none for a constant, and one array of its result to what stands in its place."""


def flat(tree: Tree) -> np.ndarray:
    """A tree as one vector, in float64."""
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in tree])


def walk(
    program: Program, domain: ArrayDomain, steps: Iterable[tuple[Tree, Tree, Any]]
) -> Iterator[np.ndarray]:
    """The update and the new states ``[1 + states, N]`` of each step.

    Args:
        program: a checked program.
        domain: where it is walked; what that notes is read between the steps.
        steps: weights, gradient and the schedule's value; the weights do not follow the updates.
    """
    xp, dtype = domain.xp, domain.dtype
    states: Any = (tuple(xp.zeros(shape, dtype) for shape in domain.shapes),) * len(program.states)
    for weights, gradient, lr in steps:
        w, g = (tuple(xp.asarray(leaf, dtype) for leaf in tree) for tree in (weights, gradient))
        with np.errstate(all="ignore"):
            update, states = step(program, domain, w, g, states, lr)
        yield np.array([flat(update), *map(flat, states)])


def shaken(size: float, seed: int) -> Move:
    """Changes each result and constant by up to that much of itself, at random."""
    rng = np.random.default_rng(seed)

    def move(function: Function | None, x: Any) -> Any:
        if function is not None and function.name == "sign":
            return x  # arcsin of a little more than a sign would be no number
        return x * (1 + size * rng.uniform(-1, 1, np.shape(x)))

    return move


class WatchedDomain(ArrayDomain):
    """Float64 arrays that note, number by number, what makes a comparison unfair, now or at an earlier step.

    Args:
        shapes: those of the weights' arrays.
        move: what is done to each result and constant.

    Attributes:
        small: a denominator was below ``SMALL_DENOMINATOR``.
        undecided: what ``sign``, ``maximum`` or ``minimum`` decides on was nearly equal.
        not_finite: something was infinite or not a number.
        underflow: something was so small that float64 loses digits of it, or all.
        signed: all that a sign was taken of.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], move: Move | None = None) -> None:
        super().__init__(np, shapes, np.float64)
        size = sum(int(np.prod(shape)) for shape in shapes)
        self.small, self.undecided, self.not_finite, self.underflow = np.zeros((4, size), bool)
        self.signed: list[np.ndarray] = []
        self._move = move

    @property
    def edge(self) -> np.ndarray:
        """Where rules promise nothing, or rounding decides."""
        return self.small | self.undecided

    def flat(self, value: Any) -> np.ndarray:
        """Any value as one vector."""
        return flat(self.as_tree(value))

    def constant(self, value: float) -> Any:
        return self._moved(None, super().constant(value))

    def apply(self, function: Function, args: Sequence[Any], index: int) -> Any:
        result = self._moved(function, super().apply(function, args, index))
        self._watch(function, args, self.flat(result))
        return result

    def _moved(self, function: Function | None, value: Any) -> Any:
        if self._move is None:
            return value
        if isinstance(value, tuple):
            return tuple(self._move(function, leaf) for leaf in value)
        return self._move(function, value)

    def _watch(self, function: Function, args: Sequence[Any], result: np.ndarray) -> None:
        if function.properties.divides:
            self.small |= np.abs(self.flat(args[-1])) < SMALL_DENOMINATOR
        elif function.properties.decides:
            x, y = self.flat(args[0]), self.flat(args[-1])
            if function.name == "sign":
                self.signed.append(x)
            gap = np.abs(x) if function.arity == 1 else np.abs(x - y)
            self.undecided |= (gap < EDGE * np.max(np.abs(x), initial=0.0)) & (gap > 0)
        elif not function.elementwise:  # what depends on all numbers depends on those
            self.small |= self.small.any()
            self.undecided |= self.undecided.any()
        self.not_finite |= ~np.isfinite(result)
        self.underflow |= (np.abs(result) < 1e-290) & ((result != 0) | function.name.startswith("exp"))
