"""What waits for what in encoded code: its instructions with values for registers, free of their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lion_search.dsl.encode import (
    COPY,
    GRADIENT_ROW,
    WEIGHTS_ROW,
    Capacity,
    Encoded,
    operand_slots,
    scalar_ops,
    vector_ops,
)
from lion_search.dsl.functions import FUNCTIONS


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction of encoded code.

    Attributes:
        is_vector: whether it computes or reduces rows.
        op: its op-code among those of its kind.
        operands: x, y and a: the number of a row value, or ``-1 - r`` for scalar register r.
        reads: the row values among the operands it has, each once.
        value: the row value it computes; ``None`` for a scalar.
        register: the scalar register it writes; ``None`` for a row.
        waits_for: instructions that must be done before.
    """

    is_vector: bool
    op: int
    operands: tuple[int, int, int]
    reads: tuple[int, ...]
    value: int | None
    register: int | None
    waits_for: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Encoded code as a graph. Row values are weights (0), gradient (1), old states, then what is computed.

    Attributes:
        instructions: in an order in which they can be done.
        followers: for each instruction those that wait for it.
        length: for each instruction the vector instructions on the longest way from it to the end.
        num_reads: for each row value the instructions that read it; what is needed after them has one more.
        homes: for each state the value that must end up in its row.
        update: the row value that is the update.
    """

    instructions: tuple[Instruction, ...]
    followers: tuple[tuple[int, ...], ...]
    length: tuple[int, ...]
    num_reads: tuple[int, ...]
    homes: tuple[int, ...]
    update: int


def flow_of(code: Encoded, capacity: Capacity) -> Flow:
    """The flow of a program's code for a machine of some capacity."""
    return _Reader(code, capacity).read()


class _Reader:
    """Walks over the code in its order and notes who wrote what last."""

    def __init__(self, code: Encoded, capacity: Capacity) -> None:
        self._code = code
        self._capacity = capacity
        vectors, scalars = list(vector_ops()), list(scalar_ops())
        self._vector_slots = [(0,) if n == COPY else operand_slots(FUNCTIONS[n]) for n in vectors]
        self._scalar_slots = [operand_slots(FUNCTIONS[n]) for n in scalars]
        self._states = self._find_states()
        self._row_values = {WEIGHTS_ROW: 0, GRADIENT_ROW: 1} | {r: 2 + k for k, r in enumerate(self._states)}
        self._row_writers: dict[int, int] = {}
        self._register_writers: dict[int, int] = {}
        self._readers: list[list[int]] = [[] for _ in self._row_values]
        self._found: list[Instruction] = []

    def _vector_words(self) -> Iterable[list[int]]:
        return self._code.vector_code[: self._code.num_instructions].tolist()

    def _find_states(self) -> list[int]:
        """The rows that are read before they are written: what the step before left there."""
        written = {WEIGHTS_ROW, GRADIENT_ROW}
        states: list[int] = []
        for word in self._vector_words():
            for slot in self._vector_slots[word[0]]:
                if word[2 + slot] < self._capacity.rows and word[2 + slot] not in {*written, *states}:
                    states.append(word[2 + slot])
            written.add(word[1])
        if int(self._code.update_row) not in {*written, *states}:
            states.append(int(self._code.update_row))
        return states

    def read(self) -> Flow:
        done = 0
        for word in self._vector_words():
            self._read_vector(word)
            for scalar_word in self._code.scalar_code[done : word[6]].tolist():
                self._read_scalar(scalar_word)
            done = word[6]
        return self._flow()

    def _read_vector(self, word: list[int]) -> None:
        op, row, *xya, register, _ = word
        is_row, is_scalar = row < self._capacity.rows - 1, register < self._capacity.scalars - 1
        if not is_row and not is_scalar:
            return  # computes nothing: it carries scalar instructions
        operands, waits_for = [0, 0, -1], set[int | None]()
        for slot in self._vector_slots[op]:
            operands[slot], writer = self._operand(xya[slot])
            waits_for.add(writer)
        if is_row and row in self._states:  # whoever reads the old state comes first
            waits_for |= set(self._readers[self._row_values[row]])
        number = len(self._found)
        reads = tuple({operands[slot] for slot in self._vector_slots[op] if operands[slot] >= 0})
        for value in reads:
            self._readers[value].append(number)
        self._add(True, op, operands, reads, self._new_value(row) if is_row else None, register, waits_for)

    def _operand(self, number: int) -> tuple[int, int | None]:
        """A row value, or ``-1 - r`` for scalar register r; and who computes it."""
        if number < self._capacity.rows:
            value = self._row_values[number]
            return value, self._row_writers.get(value)
        register = number - self._capacity.rows
        return -1 - register, self._register_writers.get(register)

    def _new_value(self, row: int) -> int:
        value = self._row_values[row] = len(self._readers)
        self._readers.append([])
        self._row_writers[value] = len(self._found)
        return value

    def _read_scalar(self, word: list[int]) -> None:
        op, target, *xya = word
        slots = self._scalar_slots[op]
        waits_for = {self._register_writers.get(xya[slot]) for slot in slots}
        self._add(False, op, [-1 - r for r in xya], (), None, target, waits_for)

    def _add(
        self,
        is_vector: bool,
        op: int,
        operands: list[int],
        reads: tuple[int, ...],
        value: int | None,
        register: int | None,
        waits_for: set[int | None],
    ) -> None:
        register = register if value is None else None
        if register is not None:
            self._register_writers[register] = len(self._found)
        before = tuple(sorted(number for number in waits_for if number is not None))
        x, y, a = operands
        self._found.append(Instruction(is_vector, op, (x, y, a), reads, value, register, before))

    def _flow(self) -> Flow:
        followers: list[list[int]] = [[] for _ in self._found]
        for number, instruction in enumerate(self._found):
            for before in instruction.waits_for:
                followers[before].append(number)
        length = [0] * len(self._found)
        for number in reversed(range(len(self._found))):
            after = max((length[f] for f in followers[number]), default=0)
            length[number] = after + self._found[number].is_vector
        update = self._row_values[int(self._code.update_row)]
        homes = tuple(self._row_values[row] for row in self._states)
        num_reads = [len(readers) for readers in self._readers]
        for value in {update, *homes}:
            num_reads[value] += 1
        return Flow(
            tuple(self._found), tuple(map(tuple, followers)), tuple(length), tuple(num_reads), homes, update
        )
