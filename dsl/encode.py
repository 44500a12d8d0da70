"""Programs as data: arrays of op-codes and operands for an interpreter that is compiled once.

The machine has vector registers (rows of one number per weight) and scalar registers. One *vector
instruction* computes a row, or reduces rows to a scalar; it is followed by the *scalar instructions* that
come before the next vector instruction, so that scalar arithmetic never touches a row. A value of type
"one number per array" lives in a row, repeated over each array, which is what casting means.

Registers are allocated after liveness: a row is free again after the last statement that reads it. A
state's new value is written straight into the state's row where the old value is no longer read; the
other states are moved at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import FUNCTIONS, Function, Type
from lion_search.dsl.program import Program
from lion_search.dsl.types import input_types

COPY = "->"
"""The pseudo-function that moves a row, or fills one with a scalar."""


def vector_ops() -> dict[str, int]:
    """Op-codes of vector instructions: the copy, and every function that takes arguments."""
    return {name: code for code, name in enumerate((COPY, *(n for n, row in FUNCTIONS.items() if row.arity)))}


def scalar_ops() -> dict[str, int]:
    """Op-codes of scalar instructions: elementwise functions, and those without arguments."""
    names = [name for name, row in FUNCTIONS.items() if row.elementwise or not row.arity]
    return {name: code for code, name in enumerate(names)}


def operand_slots(row: Function) -> tuple[int, ...]:
    """Where each argument of a function stands among an instruction's operands x, y and a.

    Trees are x and y, in order; what must be a scalar is a.
    """
    slots, free = [], 0
    for widest in row.parameters:
        slots.append(2 if widest is Type.SCALAR else free)
        free += widest is not Type.SCALAR
    return tuple(slots)


WEIGHTS_ROW, GRADIENT_ROW, FIRST_STATE_ROW = 0, 1, 2
LEARNING_RATE_REGISTER = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """The machine's size; one compilation serves all programs that fit.

    Attributes:
        instructions: most instructions of each kind.
        rows: vector registers.
        scalars: scalar registers, constants included.
    """

    instructions: int
    rows: int
    scalars: int

    @property
    def share_of_rows(self) -> int:
        """Vector registers of a program in a batch that has one file of them; usual ones need half of it."""
        return self.rows // 3


CAPACITIES = (Capacity(64, 24, 96), Capacity(256, 64, 384), Capacity(1024, 256, 1536))
"""From small to large; a program runs on the smallest that holds it."""


class TooLargeError(LionSearchError):
    """A program that fits no machine; the message says what it needs and what there is."""


class Encoded(NamedTuple):
    """A program as data, for a machine of one capacity.

    Attributes:
        vector_code: int32 ``[instructions, 7]``: op-code, target row, operands x, y, a (a row, or
            ``rows + r`` for scalar register r), target scalar register, and the end of the scalar
            instructions that follow.
        scalar_code: int32 ``[instructions, 5]``: op-code, target, operands x, y, a (scalar registers).
        num_instructions: int32 scalar, the number of vector instructions.
        scalars: float32 ``[scalars]``, the scalar registers before each step: constants in place.
        update_row: int32, where the update is found.
    """

    vector_code: np.ndarray
    scalar_code: np.ndarray
    num_instructions: np.int32
    scalars: np.ndarray
    update_row: np.int32


def encode(program: Program) -> tuple[Capacity, Encoded]:
    """Encodes a checked program.

    Returns:
        The smallest capacity that holds it, and its code.

    Raises:
        TooLargeError: no capacity holds it.
    """
    trace = _Trace(program)
    outputs = execute(program, trace, {name: i for i, name in enumerate(program.inputs)})
    return _Assembler(trace, len(program.states), outputs).assemble()


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of the program: an input (no function), a constant, or an application."""

    type: Type
    function: str | None = None
    args: tuple[int, ...] = ()
    constant: float | None = None


class _Trace:
    """A domain whose values are the numbers of nodes; inputs come first, in the header's order."""

    def __init__(self, program: Program) -> None:
        self.nodes = [_Node(type_) for type_ in input_types(program).values()]
        self._constants: dict[str, int] = {}

    def constant(self, value: float) -> int:
        key = repr(value)  # not the value: 0.0 == -0.0
        if key not in self._constants:
            self._constants[key] = len(self.nodes)
            self.nodes.append(_Node(Type.SCALAR, constant=value))
        return self._constants[key]

    def apply(self, function: Function, args: Sequence[int], index: int) -> int:
        type_ = function.result_type([self.nodes[a].type for a in args])
        self.nodes.append(_Node(type_, function.name, tuple(args)))
        return len(self.nodes) - 1


class _Assembler:
    """Gives each node a register and emits code.

    Until the capacity is known, an operand is ``r`` for row r and ``-1 - r`` for scalar register r, and a
    target nobody wants is ``None``.
    """

    def __init__(self, trace: _Trace, num_states: int, outputs: Sequence[int]) -> None:
        self._nodes = trace.nodes
        self._update, *self._roots = outputs
        self._state_rows = range(FIRST_STATE_ROW, FIRST_STATE_ROW + num_states)
        self._last_use = self._find_last_uses(outputs)
        self._homes = self._find_homes()
        self._vector_code: list[list[int | None]] = []
        self._scalar_code: list[list[int]] = []
        self._num_rows = self._state_rows.stop
        self._num_scalars = 0
        self._free_rows: list[int] = []
        self._operands: dict[int, int] = {}
        self._vector_ops, self._scalar_ops = vector_ops(), scalar_ops()

    def _find_last_uses(self, outputs: Sequence[int]) -> list[int]:
        last_use = [-1] * len(self._nodes)
        for index, node in enumerate(self._nodes):
            for arg in node.args:
                last_use[arg] = index
        for output in outputs:
            last_use[output] = len(self._nodes)
        return last_use

    def _find_homes(self) -> dict[int, int]:
        """Nodes that are written straight into their state's row: the old value is not read any more."""
        homes: dict[int, int] = {}
        for row, root in zip(self._state_rows, self._roots, strict=True):
            if self._is_computed_row(root) and root not in homes and self._last_use[row] <= root:
                homes[root] = row
        return homes

    def _is_computed_row(self, index: int) -> bool:
        node = self._nodes[index]
        return node.function is not None and node.type is not Type.SCALAR

    def assemble(self) -> tuple[Capacity, Encoded]:
        """The code of all nodes and of the outputs."""
        learning_rate = self._state_rows.stop
        self._operands = {row: row for row in range(learning_rate)}
        self._operands[learning_rate] = self._new_scalar()
        # Carries the scalar instructions that come before any vector instruction.
        self._emit(COPY, None, [WEIGHTS_ROW])
        for index, node in enumerate(self._nodes):
            if node.constant is not None:
                self._operands[index] = self._new_scalar()
            elif node.function is not None:
                self._apply(index, node.function, node)
        update_row = self._place_update()
        self._move_states()
        if self._vector_code[0][-1] == 0 and len(self._vector_code) > 1:
            del self._vector_code[0]
        return self._pad(update_row)

    def _apply(self, index: int, function: str, node: _Node) -> None:
        row = FUNCTIONS[function]
        operands = [self._operands[a] for a in node.args]
        is_reduction = row.result is Type.SCALAR and row.arity > 0
        if node.type is Type.SCALAR and not is_reduction:
            self._operands[index] = register = self._new_scalar()
            code = [self._scalar_ops[function], -1 - register, 0, 0, 0]
            for slot, operand in zip(operand_slots(row), operands, strict=True):
                code[2 + slot] = -1 - operand
            self._scalar_code.append(code)
            self._vector_code[-1][-1] = len(self._scalar_code)
            return
        fillers = []
        for position, wanted in enumerate(() if row.elementwise else row.parameters):
            if wanted is Type.TREE and operands[position] < 0:
                fillers.append(self._new_row())
                self._emit(COPY, fillers[-1], [operands[position]])
                operands[position] = fillers[-1]
        # The arguments are read before the result is written, so it may take the place of one of them.
        self._free_rows += [*fillers, *self._rows_that_end(index, node)]
        if is_reduction:
            self._operands[index] = register = self._new_scalar()
            self._emit(function, None, operands, register)
            return
        target = self._homes[index] if index in self._homes else self._new_row()
        self._operands[index] = target
        self._emit(function, target, operands)
        if self._last_use[index] < 0:
            self._free_rows.append(target)

    def _rows_that_end(self, index: int, node: _Node) -> list[int]:
        return [
            self._operands[arg]
            for arg in set(node.args)
            if self._last_use[arg] == index and self._is_computed_row(arg)
        ]

    def _place_update(self) -> int:
        """The row that holds the update and is not overwritten by a state."""
        operand = self._operands[self._update]
        if operand >= 0 and self._update not in self._state_rows:
            return operand
        row = self._new_row()
        self._emit(COPY, row, [operand])
        return row

    def _move_states(self) -> None:
        """Moves new states that are not in their rows yet; old states first to where they are safe."""
        moves = []
        for row, root in zip(self._state_rows, self._roots, strict=True):
            source = self._operands[root]
            if source == row:
                continue
            if root in self._state_rows:
                source = self._new_row()
                self._emit(COPY, source, [self._operands[root]])
            moves.append((row, source))
        for row, source in moves:
            self._emit(COPY, row, [source])

    def _new_scalar(self) -> int:
        self._num_scalars += 1
        return -self._num_scalars

    def _new_row(self) -> int:
        if self._free_rows:
            return self._free_rows.pop()
        self._num_rows += 1
        return self._num_rows - 1

    def _emit(self, function: str, row: int | None, operands: list[int], scalar: int | None = None) -> None:
        xya = [WEIGHTS_ROW, WEIGHTS_ROW, -1 - LEARNING_RATE_REGISTER]
        slots = (0,) if function == COPY else operand_slots(FUNCTIONS[function])
        for slot, operand in zip(slots, operands, strict=True):
            xya[slot] = operand
        self._vector_code.append([self._vector_ops[function], row, *xya, scalar, len(self._scalar_code)])

    def _pad(self, update_row: int) -> tuple[Capacity, Encoded]:
        length = max(len(self._vector_code), len(self._scalar_code))
        rows, scalars = self._num_rows + 1, self._num_scalars + 1  # one of each takes what nobody wants
        for capacity in CAPACITIES:
            if length <= capacity.instructions and rows <= capacity.rows and scalars <= capacity.scalars:
                return capacity, self._padded(capacity, update_row)
        largest = CAPACITIES[-1]
        raise TooLargeError(
            f"needs {length} instructions, {rows} rows and {scalars} scalars; "
            f"at most {largest.instructions}, {largest.rows} and {largest.scalars} are there"
        )

    def _padded(self, capacity: Capacity, update_row: int) -> Encoded:
        def operand(number: int | None) -> int:
            assert number is not None
            return number if number >= 0 else capacity.rows - 1 - number

        vector_code = np.zeros((capacity.instructions, 7), np.int32)
        for line, (op, row, x, y, a, scalar, end) in zip(vector_code, self._vector_code, strict=False):
            target = capacity.rows - 1 if row is None else row
            register = capacity.scalars - 1 if scalar is None else -1 - scalar
            line[:] = np.asarray([op, target, operand(x), operand(y), operand(a), register, end])
        scalar_code = np.zeros((capacity.instructions, 5), np.int32)
        scalar_code[: len(self._scalar_code)] = np.asarray(self._scalar_code, np.int32).reshape(-1, 5)
        scalars = np.zeros(capacity.scalars, np.float32)
        for index, node in enumerate(self._nodes):
            if node.constant is not None:
                scalars[-1 - self._operands[index]] = node.constant
        count = np.int32(len(self._vector_code))
        return Encoded(vector_code, scalar_code, count, scalars, np.int32(update_row))
