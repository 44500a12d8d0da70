"""Many programs in step on one device: batches of (program, seed) of one machine size.

Under ``vmap`` a switch computes every branch, which an accelerator hides and a CPU does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lion_search.dsl.encode import CAPACITIES, Capacity, Encoded, idle_slot, interleave
from lion_search.proxy_tasks.training.interpreter import Interpreter, Slots
from lion_search.proxy_tasks.training.prepare import FlatProblem, intermediate_sizes
from lion_search.proxy_tasks.training.update_rules import Bound

_MAX_LANES = 1024
_CPU_LANES = 8
_SHARE_OF_MEMORY = 0.5
_COPIES_OF_REGISTERS = 3
"""XLA keeps the register file of a loop up to so many times."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Trainings that run in step.

    Attributes:
        bound: the rule of their machine.
        samples: (number of the program, seed) of each lane that counts; the rest is filled up.
        slots: their code, ``[lanes, ...]``.
        seeds: ``[lanes]``.
    """

    bound: Bound
    samples: tuple[tuple[int, int], ...]
    slots: Slots
    seeds: np.ndarray

    @property
    def num_lanes(self) -> int:
        """Lanes, filled ones included."""
        return len(self.seeds)

    @staticmethod
    def axes() -> Any:
        """Which parts of the code ``vmap`` maps over."""
        return Slots(words=0, num_slots=None, scalars=0, update_row=0)


def lanes_for(problem: FlatProblem, device: Any) -> int:
    """How many trainings fit a device's memory: a power of two, the same for the same device."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if not stats or "bytes_limit" not in stats:
        return _CPU_LANES
    lane_bytes = 4 * problem.layout.size * (_COPIES_OF_REGISTERS * CAPACITIES[0].rows + 8)
    lane_bytes += sum(intermediate_sizes(problem))
    fitting = _SHARE_OF_MEMORY * stats["bytes_limit"] / lane_bytes
    return int(max(1, min(_MAX_LANES, 2 ** int(np.log2(max(1, fitting))))))


def assemble(bounds: Mapping[int, Bound], samples: Sequence[tuple[int, int]], lanes: int) -> list[Batch]:
    """Batches of trainings whose programs fit the same machine.

    Args:
        bounds: interpreted programs by number.
        samples: (program, seed) pairs.
        lanes: in a batch.
    """
    by_machine: dict[Any, list[tuple[int, int]]] = {}
    for sample in samples:
        by_machine.setdefault(bounds[sample[0]].key, []).append(sample)
    return [
        _batch(bounds, own[first : first + lanes], lanes)
        for own in by_machine.values()
        for first in range(0, len(own), lanes)
    ]


def _batch(bounds: Mapping[int, Bound], samples: Sequence[tuple[int, int]], lanes: int) -> Batch:
    filled = [*samples, *[samples[0]] * (lanes - len(samples))]
    bound = bounds[samples[0][0]]
    interpreter = bound.rule
    assert isinstance(interpreter, Interpreter)
    codes: list[Encoded] = [bounds[index].theta for index, _ in filled]
    words = {
        index: interleave(bounds[index].theta, interpreter.capacity) for index in {i for i, _ in samples}
    }
    slots = Slots(
        words=np.stack([_padded(words[index], interpreter.capacity) for index, _ in filled]),
        num_slots=np.int32(max(map(len, words.values()))),
        scalars=np.stack([code.scalars for code in codes]),
        update_row=np.stack([code.update_row for code in codes]),
    )
    return Batch(bound, tuple(samples), slots, np.asarray([seed for _, seed in filled]))


def _padded(words: np.ndarray, capacity: Capacity) -> np.ndarray:
    """All slots of a machine: what a program does not use repeats an idle one."""
    idle = idle_slot(capacity)
    missing = 2 * capacity.instructions - len(words)
    return np.concatenate([words, np.broadcast_to(idle, (missing, len(idle)))])
