"""Many encoded programs as one list of blocks: a block is K equal instructions of any of them.

A switch whose op-code differs between programs that run in step computes every branch. But whoever makes a
batch knows its programs, and so which instructions are ready when: each block has one op-code and K lanes, a
lane being an instruction of some program whose operands are there. Blocks are chosen greedily (list
scheduling: Graham 1969, "Bounds on multiprocessing timing anomalies"). Registers are given out on the way,
from one file for all programs, so that memory is for what they need together.

Only when something is computed is decided here; what, and from what, is as each program's own code says. So
results do not depend on the company.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lion_search.dsl.encode import Capacity, Encoded
from lion_search.dsl.flow import Flow, Instruction, flow_of


class DoesNotFitError(Exception):
    """Several programs that need more rows or blocks than there are; each half of them needs less."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The size of what a batch of programs runs on.

    Attributes:
        capacity: of the machine that each of the programs fits.
        programs: most of them, B.
        lanes: of a block, K.
    """

    capacity: Capacity
    programs: int
    lanes: int

    @property
    def rows(self) -> int:
        """R for each program; those of all are one file, into which each program fits alone."""
        return max(self.capacity.share_of_rows, 2 + math.ceil(self.capacity.rows / self.programs))

    @property
    def blocks(self) -> int:
        """Most blocks; no program needs more alone."""
        return self.capacity.instructions * (1 + self.programs // self.lanes)

    @property
    def scalar_steps(self) -> int:
        """Most steps of scalar instructions; likewise. The first has none."""
        return 2 * self.capacity.instructions


class Schedule(NamedTuple):
    """A batch of B programs as data, for a file of B * R rows and one of B * S scalar registers.

    Weights are in rows 0 to B - 1, gradients in rows B to 2 B - 1; register r of program b is ``b * S + r``.

    Attributes:
        lanes: int32 ``[blocks, K, 6]``, in each lane a vector instruction as in :class:`Encoded`: op-code,
            target row, operands x, y, a (a row, or ``B * R + r`` for scalar register r), target scalar
            register. Targets that nobody wants are beyond the end. All lanes of a block have one op-code.
        steps: int32 ``[scalar steps, B, 5]``, an instruction of each program, as in :class:`Encoded`.
        ends: int32 ``[scalar steps]``, how many blocks are done in all once those that follow a step are.
        num_steps: int32 scalar.
        scalars: float32 ``[B, S]``, the scalar registers before each training step.
        update_row: int32 ``[B]``, where each program's update is found.
    """

    lanes: Any
    steps: Any
    ends: Any
    num_steps: Any
    scalars: Any
    update_row: Any


def make_schedule(codes: Sequence[Encoded], size: BatchSize) -> Schedule:
    """Schedules programs; what is missing to B does not move its weights from 0.

    Args:
        codes: of at most B programs that fit the capacity; one that stands twice is run twice.
        size: of the batch.

    Raises:
        DoesNotFitError: they do not fit together; one alone always does.
    """
    flows: dict[int, Flow] = {}
    for code in codes:
        if id(code) not in flows:
            flows[id(code)] = flow_of(code, size.capacity)
    own = [flows[id(code)] for code in codes]
    try:
        scheduler = _Scheduler(own, size, in_order=False)
        scheduler.run()
    except DoesNotFitError:
        if len(codes) > 1:
            raise
        scheduler = _Scheduler(own, size, in_order=True)
        scheduler.run()
    scalars = np.zeros((size.programs, size.capacity.scalars), np.float32)
    scalars[: len(codes)] = [code.scalars for code in codes]
    return scheduler.schedule(scalars)


_Ready = tuple[int, int, int]
"""An instruction that can be done: urgency (the less, the sooner), program, number."""


class _Scheduler:
    """Chooses blocks and gives out rows until all programs are done."""

    def __init__(self, flows: Sequence[Flow], size: BatchSize, *, in_order: bool) -> None:
        self._flows = flows
        self._size = size
        self._in_order = in_order
        self._lanes = 1 if in_order else size.lanes
        self._num_rows = size.rows * size.programs
        self._left = Counter(i.op for flow in flows for i in flow.instructions if i.is_vector)
        self._num_left = sum(len(flow.instructions) for flow in flows)
        self._waits_for = [[len(i.waits_for) for i in flow.instructions] for flow in flows]
        self._reads_left = [list(flow.num_reads) for flow in flows]
        self._vectors: defaultdict[int, list[_Ready]] = defaultdict(list)
        self._scalars: list[list[_Ready]] = [[] for _ in flows]
        self._place_inputs()
        self._blocks: list[list[list[int]]] = []
        self._steps: list[list[tuple[int, list[int]]]] = [[]]
        self._ends = [0]
        for program, counts in enumerate(self._waits_for):
            for number, count in enumerate(counts):
                if not count:
                    self._add_ready(program, number)

    def _place_inputs(self) -> None:
        """Gives weights, gradients and states their rows; a value that is to be a state gets the state's."""
        first = 2 * self._size.programs
        self._rows: list[dict[int, int]] = []
        self._homes: list[dict[int, int]] = []
        for program, flow in enumerate(self._flows):
            states = range(first, first + len(flow.homes))
            first = states.stop
            rows = {0: program, 1: self._size.programs + program}
            self._rows.append(rows | {2 + k: row for k, row in enumerate(states)})
            self._homes.append(dict(zip(flow.homes, states, strict=True)))
        self._fixed = first
        self._free = list(range(self._num_rows - 1, first - 1, -1))

    def run(self) -> None:
        while self._num_left:
            op, is_worth_it = self._choose()
            if op is None or (not is_worth_it and any(self._scalars)):
                done = self._scalar_step()
            else:
                done = self._block(op)
            self._num_left -= len(done)
            for program, number in done:
                for follower in self._flows[program].followers[number]:
                    self._waits_for[program][follower] -= 1
                    if not self._waits_for[program][follower]:
                        self._add_ready(program, follower)

    def _choose(self) -> tuple[int | None, bool]:
        """The op-code whose block lacks least of what it could hold, and whether it lacks nothing."""
        if not self._vectors:
            return None, False
        if self._in_order:
            return min(self._vectors, key=lambda op: self._vectors[op][0]), False

        def fullness(op: int) -> tuple[float, int, int]:
            ready = len(self._vectors[op])
            return min(ready, self._lanes) / min(self._lanes, self._left[op]), ready, op

        best = max(self._vectors, key=fullness)
        return best, fullness(best)[0] == 1

    def _scalar_step(self) -> list[tuple[int, int]]:
        if len(self._steps) == self._size.scalar_steps:
            raise DoesNotFitError
        done, words = [], []
        for program, ready in enumerate(self._scalars):
            if ready:
                _, _, number = heapq.heappop(ready)
                done.append((program, number))
                instruction = self._flows[program].instructions[number]
                words.append((program, self._scalar_word(program, instruction)))
        self._steps.append(words)
        self._ends.append(len(self._blocks))
        return done

    def _block(self, op: int) -> list[tuple[int, int]]:
        if len(self._blocks) == self._size.blocks:
            raise DoesNotFitError
        ready = self._vectors[op]
        chosen = [heapq.heappop(ready)[1:] for _ in range(min(self._lanes, len(ready)))]
        if not ready:
            del self._vectors[op]
        self._left[op] -= len(chosen)
        lanes = [(program, self._flows[program].instructions[number]) for program, number in chosen]
        operands = [self._operands(program, instruction) for program, instruction in lanes]
        # All operands are read before any result is written, so a result may take the place of one.
        for program, instruction in lanes:
            self._release(program, instruction)
        targets = [self._targets(program, instruction) for program, instruction in lanes]
        self._blocks.append(
            [[op, row, *xya, scalar] for xya, (row, scalar) in zip(operands, targets, strict=True)]
        )
        self._ends[-1] = len(self._blocks)
        return chosen

    def _add_ready(self, program: int, number: int) -> None:
        flow = self._flows[program]
        urgency = number if self._in_order else -flow.length[number]
        instruction = flow.instructions[number]
        queue = self._vectors[instruction.op] if instruction.is_vector else self._scalars[program]
        heapq.heappush(queue, (urgency, program, number))

    def _operands(self, program: int, instruction: Instruction) -> list[int]:
        rows = self._rows[program]
        return [
            rows[value] if value >= 0 else self._num_rows + self._register(program, -1 - value)
            for value in instruction.operands
        ]

    def _release(self, program: int, instruction: Instruction) -> None:
        for value in instruction.reads:
            self._reads_left[program][value] -= 1
            if not self._reads_left[program][value] and self._rows[program][value] >= self._fixed:
                self._free.append(self._rows[program][value])

    def _targets(self, program: int, instruction: Instruction) -> tuple[int, int]:
        if instruction.register is not None:
            return self._num_rows, self._register(program, instruction.register)
        assert instruction.value is not None
        row = self._homes[program].get(instruction.value)
        if not self._flows[program].num_reads[instruction.value]:
            row = self._num_rows
        elif row is None:
            if not self._free:
                raise DoesNotFitError
            row = self._free.pop()
        self._rows[program][instruction.value] = row
        return row, self._size.programs * self._size.capacity.scalars

    def _register(self, program: int, register: int) -> int:
        return program * self._size.capacity.scalars + register

    def _scalar_word(self, program: int, instruction: Instruction) -> list[int]:
        assert instruction.register is not None
        registers = [-1 - operand for operand in instruction.operands]
        return [instruction.op, *(self._register(program, r) for r in (instruction.register, *registers))]

    def schedule(self, scalars: np.ndarray) -> Schedule:
        """What was chosen, as arrays of the batch's size."""
        size, beyond = self._size, scalars.size
        idle = [0, self._num_rows, 0, 0, self._num_rows, beyond]
        lanes = np.empty((size.blocks, size.lanes, len(idle)), np.int32)
        lanes[:] = idle
        for block, words in zip(lanes, self._blocks, strict=False):
            block[: len(words)] = words
            block[:, 0] = words[0][0]
        steps = np.zeros((size.scalar_steps, size.programs, 5), np.int32)
        steps[:, :, 1] = beyond
        for step, own in zip(steps, self._steps, strict=False):
            for program, word in own:
                step[program] = word
        ends = np.zeros(size.scalar_steps, np.int32)
        ends[: len(self._ends)] = self._ends
        update_row = np.arange(size.programs, dtype=np.int32)  # weights less themselves
        for program, flow in enumerate(self._flows):
            update_row[program] = self._rows[program][flow.update]
        return Schedule(lanes, steps, ends, np.int32(len(self._steps)), scalars, update_row)
