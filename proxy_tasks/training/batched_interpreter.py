"""The interpreter of many programs at a time: a loop over the blocks of their common schedule.

It is the update rule of a training and can only be mapped over: ``vmap`` gives it all trainings of a batch at
once, of which it does K instructions at a time, with one real switch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from lion_search.dsl.encode import LEARNING_RATE_REGISTER, vector_ops
from lion_search.dsl.schedule import BatchSize, Schedule
from lion_search.proxy_tasks.training.interpreter import Interpreter, Registers
from lion_search.proxy_tasks.training.layout import Layout

SCHEDULE_AXES: Any = Schedule(lanes=None, steps=None, ends=None, num_steps=None, scalars=0, update_row=0)
"""Which parts of a schedule ``vmap`` maps over."""


@dataclass(frozen=True, slots=True)
class BatchedInterpreter:
    """The update rule of scheduled programs; ``theta`` is a :class:`Schedule`."""

    layout: Layout
    size: BatchSize

    def init(self, theta: Schedule, weights: jax.Array) -> Registers:
        return jnp.zeros((self.size.rows, self.layout.size), jnp.float32), jnp.asarray(theta.scalars)

    def update(
        self, theta: Schedule, weights: jax.Array, gradient: jax.Array, state: Registers, lr: jax.Array
    ) -> tuple[jax.Array, Registers]:
        @custom_vmap
        def one(theta: Any, weights: Any, gradient: Any, state: Any, lr: Any) -> tuple[jax.Array, Registers]:
            return weights, state  # of the right shapes; never computed

        @one.def_vmap
        def all_at_once(axis_size: int, in_batched: Any, *given: Any) -> Any:
            axes = (SCHEDULE_AXES, 0, 0, (0, 0), None)
            result = self._update_all(*_mapped(axis_size, tuple(in_batched), axes, given))
            return result, jax.tree.map(lambda _: True, result)

        return one(theta, weights, gradient, state, lr)

    def weights_to_score(self, theta: Schedule, weights: jax.Array, state: Registers) -> jax.Array:
        return weights

    def _update_all(
        self,
        schedule: Schedule,
        weights: jax.Array,
        gradients: jax.Array,
        state: Registers,
        lr: jax.Array,
    ) -> tuple[jax.Array, Registers]:
        """The updates ``[B, N]`` and registers ``[B, R, N]`` and ``[B, S]`` of all trainings."""
        rows, scalars = state
        file = rows.reshape(-1, rows.shape[-1])
        file = lax.dynamic_update_slice(file, jnp.concatenate([weights, gradients]), (0, 0))
        registers = scalars.at[:, LEARNING_RATE_REGISTER].set(lr).ravel()
        file, registers = self._run(schedule, file, registers)
        update = file[schedule.update_row]
        return update, (file.reshape(rows.shape), registers.reshape(scalars.shape))

    def _run(self, schedule: Schedule, rows: jax.Array, scalars: jax.Array) -> Registers:
        capacity = replace(self.size.capacity, rows=len(rows), scalars=len(scalars))
        machine = Interpreter(self.layout, capacity)
        num_ops = len(vector_ops())

        def lane(op: int, rows: jax.Array, scalars: jax.Array, word: jax.Array) -> Any:
            return machine.vector_branches(rows, scalars, word)[op]()

        def block(index: jax.Array, registers: Registers) -> Registers:
            rows, scalars = registers
            words = _at(schedule.lanes, index)
            branches = [
                lambda op=op: jax.vmap(partial(lane, op, rows, scalars))(words) for op in range(num_ops)
            ]
            row, scalar = lax.switch(words[0, 0], branches)
            rows = rows.at[words[:, 1]].set(row, mode="drop")
            return rows, scalars.at[words[:, 5]].set(scalar, mode="drop")

        def scalar_step(scalars: jax.Array, words: jax.Array) -> jax.Array:
            found = jax.vmap(lambda word: lax.switch(word[0], machine.scalar_branches(scalars, word)))(words)
            return scalars.at[words[:, 1]].set(found, mode="drop")

        def step(index: jax.Array, carry: tuple[jax.Array, Registers]) -> tuple[jax.Array, Registers]:
            start, (rows, scalars) = carry
            scalars = scalar_step(scalars, _at(schedule.steps, index))
            end = _at(schedule.ends, index)
            return end, lax.fori_loop(start, end, block, (rows, scalars))

        return lax.fori_loop(0, schedule.num_steps, step, (jnp.int32(0), (rows, scalars)))[1]


def _mapped(size: int, is_mapped: Any, axes: Any, values: Any) -> Any:
    """Values of which those with an axis have one, repeated where they are still the same for all."""

    def spread(is_own: bool, axis: int | None, value: Any) -> Any:
        if axis is None or is_own:
            return value
        return jnp.broadcast_to(value, (size, *jnp.shape(value)))

    return jax.tree.map(spread, is_mapped, axes, values, is_leaf=lambda x: x is None)


def _at(array: Any, index: jax.Array) -> jax.Array:
    return lax.dynamic_index_in_dim(jnp.asarray(array), index, 0, keepdims=False)
