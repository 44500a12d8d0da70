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
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import numpy as np
from watched_walk import Move, WatchedDomain, shaken, walk

from lion_search.dsl.program import Program

SHAPES = ((4, 3), (), (6,))
NUM_STEPS = 8
SHAKE = 1e-7
_NUM_SHAKEN = 3
_SLACK = 30.0


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
    runs = [_run(program, seed, shaken(SHAKE, number)).updates for number in range(_NUM_SHAKEN)]
    return np.max([np.abs(run - updates) for run in runs], axis=0)


def _run(program: Program, seed: int, move: Move | None = None) -> _Run:
    domain = WatchedDomain(SHAPES, move)
    updates, edge, not_finite = [], [], []
    for outputs in walk(program, domain, _sequence(seed)):
        updates.append(outputs[0])
        edge.append(domain.edge)
        not_finite.append(domain.not_finite.copy())
    return _Run(program, seed, np.array(updates), np.array(edge), np.array(not_finite))


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
