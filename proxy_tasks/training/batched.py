"""The batched mode: many trainings at a time on one device, their training loop mapped over by ``vmap``.

Programs of any kind go through the batched interpreter by a schedule that they have in common. Rules that are
the same code, programs of one structure or one Optax optimizer at several points, are batched as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from lion_search.dsl.encode import CAPACITIES
from lion_search.dsl.schedule import BatchSize, DoesNotFitError, make_schedule
from lion_search.proxy_tasks.training.batched_interpreter import SCHEDULE_AXES, BatchedInterpreter
from lion_search.proxy_tasks.training.interpreter import Interpreter
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.loop import CHUNK, num_examples
from lion_search.proxy_tasks.training.prepare import FlatProblem, intermediate_sizes, scoring_sizes
from lion_search.proxy_tasks.training.update_rules import Bound

Numbered = tuple[int, int]
"""A training: the number of its optimizer, and the seed."""

_MOST_TRAININGS = 256
"""As many as jobs are handed over at once; so many small trainings fill a device."""
_MOST_OF_ONE_RULE = 32
"""Comparisons and tunings have some dozens of trainings of one rule; what is missing to a batch is wasted."""
_CPU_TRAININGS = 8
_SHARE_OF_MEMORY = 0.5
_COPIES_OF_STATE = 2
"""XLA keeps what a loop carries up to so many times."""
_ROWS_OF_ONE_RULE = 6
"""States and intermediate values of a rule that is compiled: most of them are never in memory."""
_ARRAYS_OF_A_SCORE = 4
"""Scoring keeps at most so many arrays as large as the largest: logits and what a softmax makes of them."""
_CPU_LANES = 4
_FULL_BLOCK = 2**20
"""Numbers that one block computes on an accelerator, so that it takes longer than its start."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many trainings are one batch on a device; halved where its memory is refused.

    Attributes:
        interpreted: of programs of any kind.
        of_one_rule: of optimizers that are the same code.
        lanes: of a block of interpreted programs.
    """

    interpreted: int
    of_one_rule: int
    lanes: int

    def halved(self) -> Sizes | None:
        """The next smaller sizes; ``None`` where a batch is a single training."""
        if max(self.interpreted, self.of_one_rule) == 1:
            return None
        interpreted = max(1, self.interpreted // 2)
        return Sizes(interpreted, max(1, self.of_one_rule // 2), min(self.lanes, interpreted))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Trainings that are one call of a training loop, B of them.

    Attributes:
        bound: their update rule, with the data of all; the same code trains batches of one key.
        axes: along which parts of the data the trainings lie.
        samples: those that count; the rest fills the batch.
        seeds: ``[B]``.
    """

    bound: Bound
    axes: Any
    samples: tuple[Numbered, ...]
    seeds: np.ndarray


def sizes_that_fit(problem: FlatProblem, device: Any) -> Sizes:
    """How many trainings fit a device's memory: powers of two, the same for the same device."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if not stats or "bytes_limit" not in stats:
        return Sizes(_CPU_TRAININGS, _CPU_TRAININGS, _CPU_LANES)
    memory = _SHARE_OF_MEMORY * stats["bytes_limit"]
    num_scored = min(CHUNK, max(map(num_examples, (problem.validation, problem.test))))
    scoring = _ARRAYS_OF_A_SCORE * max(scoring_sizes(problem, num_scored))
    intermediate = max(sum(intermediate_sizes(problem)), scoring)

    def fitting(rows: int, most: int) -> int:
        each = 4 * problem.layout.size * (_COPIES_OF_STATE * rows + 8) + intermediate
        return _power_of_two(memory / each, most)

    interpreted = fitting(CAPACITIES[0].share_of_rows, _MOST_TRAININGS)
    lanes = _power_of_two(2 * _FULL_BLOCK / problem.layout.size, interpreted)
    return Sizes(interpreted, fitting(_ROWS_OF_ONE_RULE, _MOST_OF_ONE_RULE), lanes)


def _power_of_two(number: float, most: int) -> int:
    """The largest that is not larger than either; at least 1."""
    return int(max(1, min(most, 2 ** int(np.log2(max(1, number))))))


def assemble(bounds: Mapping[int, Bound], samples: Sequence[Numbered], sizes: Sizes) -> list[Batch]:
    """Batches of trainings whose optimizers have the same key; what is scored does not depend on the company.

    Args:
        bounds: optimizers by number, none that looks at the loss.
        samples: what to train.
        sizes: of batches.
    """
    by_key: dict[Hashable, list[Numbered]] = {}
    for sample in samples:
        by_key.setdefault(bounds[sample[0]].key, []).append(sample)
    return [batch for own in by_key.values() for batch in _batches(bounds, own, sizes)]


def _batches(bounds: Mapping[int, Bound], samples: Sequence[Numbered], sizes: Sizes) -> Iterator[Batch]:
    first = bounds[samples[0][0]]
    is_interpreted = isinstance(first.rule, Interpreter)
    most = sizes.interpreted if is_interpreted else sizes.of_one_rule
    for start in range(0, len(samples), most):
        own = samples[start : start + most]
        if isinstance(first.rule, Interpreter):
            size = BatchSize(first.rule.capacity, most, sizes.lanes)
            yield from _scheduled(first.rule.layout, bounds, own, size)
        else:
            yield _of_one_rule(bounds, own, most)


def _scheduled(
    layout: Layout, bounds: Mapping[int, Bound], samples: Sequence[Numbered], size: BatchSize
) -> Iterator[Batch]:
    """A batch of programs, or two of its halves if they do not fit together."""
    try:
        schedule = make_schedule([bounds[number].theta for number, _ in samples], size)
    except DoesNotFitError:
        half = len(samples) // 2
        yield from _scheduled(layout, bounds, samples[:half], size)
        yield from _scheduled(layout, bounds, samples[half:], size)
        return
    key = (bounds[samples[0][0]].key, size)
    bound = Bound(key, BatchedInterpreter(layout, size), schedule)
    yield Batch(bound, SCHEDULE_AXES, tuple(samples), _seeds(samples, size.programs))


def _of_one_rule(bounds: Mapping[int, Bound], samples: Sequence[Numbered], size: int) -> Batch:
    """A batch of optimizers that are the same code."""
    key, rule, _ = bounds[samples[0][0]]
    filled = [*samples, *[samples[0]] * (size - len(samples))]
    theta = jax.tree.map(lambda *own: np.stack(own), *(bounds[number].theta for number, _ in filled))
    return Batch(Bound((key, size), rule, theta), 0, tuple(samples), _seeds(samples, size))


def _seeds(samples: Sequence[Numbered], size: int) -> np.ndarray:
    seeds = [seed for _, seed in samples]
    return np.asarray([*seeds, *[seeds[0]] * (size - len(seeds))])
