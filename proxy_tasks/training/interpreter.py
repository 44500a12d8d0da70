"""The interpreter: programs as data inside the training loop, compiled once for all of them.

Per step a loop runs over the vector instructions of :mod:`lion_search.dsl.encode`; each is one
``lax.switch``. What keeps it near the speed of compiled code on a CPU:

- branches only read the register files and return a new row and a new scalar; the one write of each file
  is outside the switch, so that XLA updates both in place instead of copying them through the branches;
- operands are read inside the branch, so that the read fuses with the arithmetic;
- the scalar instructions that follow a vector instruction run in an inner loop on scalars only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from lion_search.dsl.encode import (
    COPY,
    GRADIENT_ROW,
    LEARNING_RATE_REGISTER,
    WEIGHTS_ROW,
    Capacity,
    Encoded,
    operand_slots,
    scalar_ops,
    vector_ops,
)
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Function, Type
from lion_search.proxy_tasks.training.layout import Layout

Registers = tuple[jax.Array, jax.Array]
"""Vector registers ``[rows, N]`` and scalar registers ``[scalars]``."""


_Carry = tuple[jax.Array, jax.Array, jax.Array, jax.Array]
"""Next vector instruction, next scalar instruction, and both register files."""

_LANES = 16
"""A plain float sum is sequential on XLA's CPU backend; summing so many columns first is not."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The update rule of encoded programs; ``theta`` is an :class:`Encoded`."""

    layout: Layout
    capacity: Capacity

    def init(self, theta: Encoded, weights: jax.Array) -> Registers:
        rows = jnp.zeros((self.capacity.rows, self.layout.size), jnp.float32)
        return rows, jnp.asarray(theta.scalars)

    def update(
        self,
        theta: Encoded,
        weights: jax.Array,
        gradient: jax.Array,
        state: Registers,
        lr: jax.Array,
    ) -> tuple[jax.Array, Registers]:
        rows, scalars = state
        assert (WEIGHTS_ROW, GRADIENT_ROW) == (0, 1)
        rows = lax.dynamic_update_slice(rows, jnp.stack([weights, gradient]), (WEIGHTS_ROW, 0))
        scalars = scalars.at[LEARNING_RATE_REGISTER].set(lr)
        rows, scalars = self._run(theta, rows, scalars)
        return _read(rows, theta.update_row), (rows, scalars)

    def weights_to_score(self, theta: Encoded, weights: jax.Array, state: Registers) -> jax.Array:
        return weights

    def _run(self, code: Encoded, rows: jax.Array, scalars: jax.Array) -> Registers:
        def scalar_instruction(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            index, scalars = carry
            return index + 1, self._scalar_step(scalars, _read(code.scalar_code, index))

        def vector_instruction(carry: _Carry) -> _Carry:
            index, scalar_index, rows, scalars = carry
            word = _read(code.vector_code, index)
            rows, scalars = self._vector_step(rows, scalars, word)
            scalar_index, scalars = lax.while_loop(
                lambda c: c[0] < word[6], scalar_instruction, (scalar_index, scalars)
            )
            return index + 1, scalar_index, rows, scalars

        zero = jnp.int32(0)
        carry = (zero, zero, rows, scalars)
        _, _, rows, scalars = lax.while_loop(
            lambda c: c[0] < code.num_instructions, vector_instruction, carry
        )
        return rows, scalars

    def _vector_step(self, rows: jax.Array, scalars: jax.Array, word: jax.Array) -> Registers:
        row, scalar = lax.switch(word[0], self.vector_branches(rows, scalars, word))
        return _write(rows, row, word[1]), _write(scalars, scalar, word[5])

    def _scalar_step(self, scalars: jax.Array, word: jax.Array) -> jax.Array:
        return _write(scalars, lax.switch(word[0], self.scalar_branches(scalars, word)), word[1])

    def scalar_branches(self, scalars: jax.Array, word: jax.Array) -> list[Callable[[], jax.Array]]:
        """What each scalar instruction computes, by op-code, of the registers that a word ``[5]`` names."""

        def branch(row: Function) -> Callable[[], jax.Array]:
            return lambda: jnp.float32(
                row.meaning(jnp, *(_read(scalars, word[2 + slot]) for slot in operand_slots(row)))
            )

        return [branch(FUNCTIONS[name]) for name in scalar_ops()]

    def vector_branches(
        self, rows: jax.Array, scalars: jax.Array, word: jax.Array
    ) -> list[Callable[[], tuple[jax.Array, jax.Array]]]:
        """The row and the scalar of each vector instruction, by op-code, for a word ``[7]``."""
        num_rows = self.capacity.rows
        no_row, no_scalar = jnp.zeros(self.layout.size, jnp.float32), jnp.float32(0)

        def row_or_scalar(slot: int) -> jax.Array:
            """A row, or a scalar register spread over a row; read where it is used."""
            number = word[2 + slot]
            row = _read(rows, jnp.minimum(number, num_rows - 1))
            return jnp.where(number < num_rows, row, _read(scalars, jnp.maximum(number - num_rows, 0)))

        def operands(function: Function) -> list[jax.Array]:
            read = []
            for slot, wanted in zip(operand_slots(function), function.parameters, strict=True):
                if wanted is Type.SCALAR:
                    read.append(_read(scalars, jnp.maximum(word[2 + slot] - num_rows, 0)))
                else:
                    read.append(row_or_scalar(slot) if function.elementwise else _read(rows, word[2 + slot]))
            return read

        def branch(name: str) -> Callable[[], tuple[jax.Array, jax.Array]]:
            if name == COPY:
                return lambda: (row_or_scalar(0), no_scalar)
            function = FUNCTIONS[name]
            if function.result is Type.SCALAR:
                return lambda: (no_row, self._reduced(function, operands(function)))
            return lambda: (self._row(function, operands(function)), no_scalar)

        return [branch(name) for name in vector_ops()]

    def _reduced(self, function: Function, operands: list[jax.Array]) -> jax.Array:
        """The scalar of a reduction."""
        apply = self._whole if function.name in BUILT_IN else self._array_by_array
        return jnp.float32(apply(function, operands))

    def _row(self, function: Function, operands: list[jax.Array]) -> jax.Array:
        """The row of any other function."""
        if function.elementwise:
            return function.meaning(jnp, *operands)
        if function.name not in BUILT_IN:
            return self._joined(self._array_by_array(function, operands))
        if function.result is Type.PER_ARRAY:
            return self._per_array(function, operands)
        return self._whole(function, operands)[0]

    def _whole(self, function: Function, operands: list[jax.Array]) -> Any:
        """A function of ours that does not look at where arrays end: the flat vector is one array."""
        args = [
            (operand,) if wanted is Type.TREE else operand
            for operand, wanted in zip(operands, function.parameters, strict=True)
        ]
        return function.meaning(_LaneSums, *args)

    def _array_by_array(self, function: Function, operands: list[jax.Array]) -> Any:
        """A user's own function, which may look at the shapes of arrays."""
        args = [
            self.layout.split(operand) if wanted is Type.TREE else operand
            for operand, wanted in zip(operands, function.parameters, strict=True)
        ]
        return function.meaning(jnp, *args)

    def _joined(self, values: tuple[jax.Array, ...]) -> jax.Array:
        """Arrays, or a number for each, as a row."""
        filled = [jnp.broadcast_to(v, shape) for v, shape in zip(values, self.layout.shapes, strict=True)]
        return self.layout.join(filled)

    def _per_array(self, function: Function, operands: list[jax.Array]) -> jax.Array:
        """A number for each array, repeated over the array."""
        args = [
            tuple(operand[start:end] for start, end in self.layout.bounds) if wanted is Type.TREE else operand
            for operand, wanted in zip(operands, function.parameters, strict=True)
        ]
        numbers = function.meaning(_LaneSums, *args)
        return jnp.concatenate(
            [jnp.broadcast_to(n, (size,)) for n, size in zip(numbers, self.layout.sizes, strict=True)]
        )


class _LaneSumNamespace:
    """``jax.numpy`` with a sum that XLA's CPU backend vectorises."""

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def sum(x: jax.Array) -> jax.Array:
        whole = x.shape[0] // _LANES * _LANES
        total = jnp.sum(x[whole:])
        return total + jnp.sum(jnp.sum(x[:whole].reshape(-1, _LANES), 0)) if whole else total


_LaneSums = _LaneSumNamespace()


def _read(array: ArrayLike, index: ArrayLike) -> jax.Array:
    return lax.dynamic_index_in_dim(jnp.asarray(array), index, 0, keepdims=False)


def _write(array: jax.Array, value: jax.Array, index: jax.Array) -> jax.Array:
    return lax.dynamic_update_index_in_dim(array, value, index, 0)
