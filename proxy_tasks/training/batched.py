"""The batched mode: many trainings at a time on one device, in batches of one machine size.

A batch is (program, seed) pairs whose training loop is mapped over by ``vmap``. There a switch computes every
branch, which an accelerator hides and a CPU does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lion_search.dsl.encode import CAPACITIES, Capacity, Encoded, idle_slot, interleave
from lion_search.proxy_tasks.training.interpreter import BatchedCode, Interpreter
from lion_search.proxy_tasks.training.prepare import FlatProblem, intermediate_sizes
from lion_search.proxy_tasks.training.update_rules import Bound

_MAX_TRAININGS = 1024
_CPU_TRAININGS = 8
_SHARE_OF_MEMORY = 0.5
_COPIES_OF_REGISTERS = 3
"""XLA keeps the register file of a loop up to so many times."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Trainings that are one call of a training loop; all batches of a task and machine have one size B.

    Attributes:
        bound: the rule of their machine.
        samples: (number of the program, seed) of each training that counts; the rest repeats the first.
        code: of their programs, ``[B, ...]``.
        seeds: ``[B]``.
    """

    bound: Bound
    samples: tuple[tuple[int, int], ...]
    code: BatchedCode
    seeds: np.ndarray

    @property
    def num_trainings(self) -> int:
        """B, repetitions included."""
        return len(self.seeds)


CODE_AXES: Any = BatchedCode(words=0, num_slots=None, scalars=0, update_row=0)
"""Which parts of the code ``vmap`` maps over."""


def trainings_that_fit(problem: FlatProblem, device: Any) -> int:
    """How many trainings fit a device's memory: a power of two, the same for the same device."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if not stats or "bytes_limit" not in stats:
        return _CPU_TRAININGS
    training_bytes = 4 * problem.layout.size * (_COPIES_OF_REGISTERS * CAPACITIES[0].rows + 8)
    training_bytes += sum(intermediate_sizes(problem))
    fitting = _SHARE_OF_MEMORY * stats["bytes_limit"] / training_bytes
    return int(max(1, min(_MAX_TRAININGS, 2 ** int(np.log2(max(1, fitting))))))


def assemble(
    bounds: Mapping[int, Bound], samples: Sequence[tuple[int, int]], num_trainings: int
) -> list[Batch]:
    """Batches of trainings whose programs fit the same machine.

    Args:
        bounds: interpreted programs by number.
        samples: (program, seed) pairs.
        num_trainings: in a batch.
    """
    by_machine: dict[Any, list[tuple[int, int]]] = {}
    for sample in samples:
        by_machine.setdefault(bounds[sample[0]].key, []).append(sample)
    return [
        _batch(bounds, own[first : first + num_trainings], num_trainings)
        for own in by_machine.values()
        for first in range(0, len(own), num_trainings)
    ]


def _batch(bounds: Mapping[int, Bound], samples: Sequence[tuple[int, int]], num_trainings: int) -> Batch:
    filled = [*samples, *[samples[0]] * (num_trainings - len(samples))]
    bound = bounds[samples[0][0]]
    interpreter = bound.rule
    assert isinstance(interpreter, Interpreter)
    encoded: list[Encoded] = [bounds[index].theta for index, _ in filled]
    words = {
        index: interleave(bounds[index].theta, interpreter.capacity) for index in {i for i, _ in samples}
    }
    code = BatchedCode(
        words=np.stack([_padded(words[index], interpreter.capacity) for index, _ in filled]),
        num_slots=np.int32(max(map(len, words.values()))),
        scalars=np.stack([own.scalars for own in encoded]),
        update_row=np.stack([own.update_row for own in encoded]),
    )
    return Batch(bound, tuple(samples), code, np.asarray([seed for _, seed in filled]))


def _padded(words: np.ndarray, capacity: Capacity) -> np.ndarray:
    """All slots of a machine: what a program does not use repeats an idle one."""
    idle = idle_slot(capacity)
    missing = 2 * capacity.instructions - len(words)
    return np.concatenate([words, np.broadcast_to(idle, (missing, len(idle)))])
