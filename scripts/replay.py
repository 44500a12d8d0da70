"""Two programs side by side on one sequence of gradients: do they give the same updates?

The sequence holds gradients recorded in a training, others of many sizes, exact zeros, and a schedule that
falls to 0; the weights do not follow the updates, so that errors do not grow. All is computed in float64. A
number of an update may differ for three reasons only, each of which is noted where it arises and follows the
number through later steps:

- *edge*: a denominator was below 1e-4, where a rule that takes the protective epsilon for small promises
  nothing, or what ``sign``, ``maximum`` or ``minimum`` decides on was less than a millionth of the
  largest of them, but not zero;
- *ill-conditioned*: the number moves about as much when every result and constant is shaken by 1e-7, which is
  how closely a canonical form knows its constants;
- *not finite*: the original, or something before it, was not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.functions import Function
from lion_search.dsl.program import Program

SHAPES = ((4, 3), (), (6,))
NUM_STEPS = 8
SHAKE = 1e-7
SMALL_DENOMINATOR = 1e-4
EDGE = 1e-6
_NUM_SHAKEN = 3
_SLACK = 30.0
SIZE = sum(int(np.prod(shape)) for shape in SHAPES)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two programs compare, number by number of all updates.

    Attributes:
        equal: how many numbers agree.
        not_finite: how many the original gives no finite value for.
        ill_conditioned: how many differ by no more than rounding constants explains.
        edge: how many differ at or after an edge.
        different: how many differ without such a reason.
    """

    equal: int
    not_finite: int
    ill_conditioned: int
    edge: int
    different: int

    @property
    def verdict(self) -> str:
        """``different`` if any number is, else the worst excuse needed; ``not finite`` if all are."""
        for name in ("different", "edge", "ill_conditioned", "equal"):
            if getattr(self, name):
                return name.replace("_", "-")
        return "not finite"


def compare(original: Program, other: Program, *, tolerance: float = 1e-6, seed: int = 0) -> Comparison:
    """Compares the updates of two checked programs.

    Args:
        original: the program that the other stands for.
        other: may be finite where the original is not.
        tolerance: the relative difference that counts as none.
        seed: of the numbers that are not recorded.
    """
    x, y = _replay(original, seed), _run(other, seed)
    with np.errstate(all="ignore"):
        size = np.max(np.abs(x.updates), axis=1, keepdims=True, initial=0.0, where=np.isfinite(x.updates))
        allowed = tolerance * np.abs(x.updates) + 1e-12 * size
        gap = np.abs(x.updates - y.updates)
        left = ~(x.not_finite | (gap <= allowed))
        if left.any():
            moved = x.moved() + _moved(other, seed, y.updates)
            explained = gap <= allowed + _SLACK * moved
        else:
            explained = left
    edge = x.edge | y.edge
    counts = Counter(
        np.select(
            [x.not_finite, ~left, explained, edge],
            ["not_finite", "equal", "ill_conditioned", "edge"],
            "different",
        ).ravel().tolist()
    )  # fmt: skip
    return Comparison(**{name: counts[name] for name in Comparison.__dataclass_fields__})


@dataclass(slots=True)
class _Run:
    """What one program did; arrays are ``[steps, numbers]``."""

    program: Program
    seed: int
    updates: np.ndarray
    edge: np.ndarray
    not_finite: np.ndarray
    _moved: np.ndarray | None = None

    def moved(self) -> np.ndarray:
        """How far the updates move when shaken."""
        if self._moved is None:
            self._moved = _moved(self.program, self.seed, self.updates)
        return self._moved


@lru_cache(maxsize=64)
def _replay(program: Program, seed: int) -> _Run:
    return _run(program, seed)


def _moved(program: Program, seed: int, updates: np.ndarray) -> np.ndarray:
    runs = [_run(program, seed, SHAKE, number).updates for number in range(_NUM_SHAKEN)]
    return np.max([np.abs(run - updates) for run in runs], axis=0)


def _run(program: Program, seed: int, shake: float = 0.0, shaken: int = 0) -> _Run:
    domain = WatchedDomain(shake, shaken)
    states: tuple[tuple[np.ndarray, ...], ...] = ((*(np.zeros(s) for s in SHAPES),),) * len(program.states)
    updates, edge, not_finite = [], [], []
    with np.errstate(all="ignore"):
        for w, g, lr in _sequence(seed):
            update, states = step(program, domain, w, g, states, lr)
            updates.append(flat(update))
            edge.append(domain.edge)
            not_finite.append(domain.not_finite.copy())
    return _Run(program, seed, np.array(updates), np.array(edge), np.array(not_finite))


def flat(tree: Sequence[Any]) -> np.ndarray:
    """A tree as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in tree])


class WatchedDomain(ArrayDomain):
    """Float64 arrays that note, number by number, what makes a comparison unfair, now or at an earlier step.

    Args:
        shake: by how much of itself each result and constant is changed at random; then nothing is noted.
        seed: of that.

    Attributes:
        small: a denominator was below ``SMALL_DENOMINATOR``.
        undecided: what ``sign``, ``maximum`` or ``minimum`` decides on was nearly equal.
        not_finite: something was infinite or not a number.
        underflow: something was so small that float64 loses digits of it, or all.
    """

    def __init__(self, shake: float = 0.0, seed: int = 0) -> None:
        super().__init__(np, SHAPES, np.float64)
        self.small, self.undecided, self.not_finite, self.underflow = np.zeros((4, SIZE), bool)
        self._shake, self._rng = shake, np.random.default_rng(seed)

    @property
    def edge(self) -> np.ndarray:
        """Where rules promise nothing, or rounding decides."""
        return self.small | self.undecided

    def flat(self, value: Any) -> np.ndarray:
        """Any value as one vector."""
        return flat(self.as_tree(value))

    def constant(self, value: float) -> Any:
        return self._shaken(super().constant(value))

    def apply(self, function: Function, args: Sequence[Any], index: int) -> Any:
        result = super().apply(function, args, index)
        if self._shake:  # arcsin of a little more than a sign would be no number
            return result if function.name == "sign" else self._shaken(result)
        self._watch(function, args, self.flat(result))
        return result

    def _watch(self, function: Function, args: Sequence[Any], result: np.ndarray) -> None:
        if function.properties.divides:
            self.small |= np.abs(self.flat(args[-1])) < SMALL_DENOMINATOR
        elif function.properties.decides:
            x, y = self.flat(args[0]), self.flat(args[-1])
            gap = np.abs(x) if function.arity == 1 else np.abs(x - y)
            self.undecided |= (gap < EDGE * np.max(np.abs(x), initial=0.0)) & (gap > 0)
        elif not function.elementwise:  # what depends on all numbers depends on those
            self.small |= self.small.any()
            self.undecided |= self.undecided.any()
        self.not_finite |= ~np.isfinite(result)
        self.underflow |= (np.abs(result) < 1e-290) & ((result != 0) | function.name.startswith("exp"))

    def _shaken(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._shaken, value))
        return value * (1 + self._shake * self._rng.uniform(-1, 1, np.shape(value))) if self._shake else value


_Step = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], float]


@lru_cache(maxsize=16)
def _sequence(seed: int) -> tuple[_Step, ...]:
    """Weights, gradients and the schedule's value for each step."""
    rng = np.random.default_rng(seed)
    recorded = _recorded()
    steps = []
    for index, lr in enumerate(np.linspace(1.0, 0.0, NUM_STEPS)):
        w = [rng.normal(0.0, 0.3, shape) for shape in SHAPES]
        g = [rng.normal(0.0, 0.1, shape) for shape in SHAPES]
        for tree, name in ((w, "weights"), (g, "gradients")):
            rows = recorded[name]
            tree[0] = np.reshape(rows[(index + seed) % len(rows)], SHAPES[0])
        g[2] = g[2] * 10.0 ** rng.permutation([-4, -2, 0, 1, 2, 0]) * (rng.random(SHAPES[2]) > 0.15)
        steps.append((tuple(w), tuple(g), float(lr)))
    return tuple(steps)


@cache
def _recorded() -> Mapping[str, list[list[float]]]:
    path = resources.files("lion_search.dsl.equivalence") / "fingerprint_probes.json"
    probes: Mapping[str, list[list[float]]] = json.loads(path.read_text())
    return probes
