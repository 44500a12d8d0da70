"""Optimizers of any origin as update rules over one flat vector of weights.

An :class:`Optimizer` is a value; :meth:`Optimizer.bind` turns it into an :class:`UpdateRule`, which is
code to be traced, and *theta*, which is data. Two optimizers with the same rule key share one compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.encode import encode, vector_ops
from lion_search.dsl.equivalence.structure import structured
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.training.interpreter import Interpreter
from lion_search.proxy_tasks.training.layout import Layout


class UpdateRule(Protocol):
    """One step of an optimizer, to be traced. ``theta`` and the state are any pytrees; N weights."""

    def init(self, theta: Any, weights: jax.Array) -> Any:
        """The state before the first step, at the initial weights ``[N]``."""
        ...

    def update(
        self, theta: Any, weights: jax.Array, gradient: jax.Array, state: Any, lr: jax.Array
    ) -> tuple[jax.Array, Any]:
        """The update ``[N]``, to be subtracted from the weights, and the new state.

        Args:
            theta: the optimizer's data.
            weights: ``[N]``.
            gradient: ``[N]``.
            state: of the step before.
            lr: the schedule's value, a scalar with peak 1.
        """
        ...

    def weights_to_score(self, theta: Any, weights: jax.Array, state: Any) -> jax.Array:
        """What is scored after the last step: the weights ``[N]``, or an average that the optimizer keeps."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchLoss:
    """The loss of a step's batch as a function of the weights ``[N]``; each call of it is counted.

    Attributes:
        value: at the weights at which the gradient was taken, and scaled as it is; a scalar.
        function: weights ``[N]`` -> scalar.
        counter: a reference to an int32 scalar, the calls so far.
    """

    value: jax.Array
    function: Callable[[jax.Array], jax.Array]
    counter: Any

    def __call__(self, weights: jax.Array) -> jax.Array:
        """The loss at other weights ``[N]``: a forward pass."""
        self.counter[...] += 1
        return self.function(weights)


@runtime_checkable
class LossRule(Protocol):
    """One step of an optimizer that needs the loss of the batch too, as a line search does."""

    def init(self, theta: Any, weights: jax.Array) -> Any:
        """See :class:`UpdateRule`."""
        ...

    def update_with_loss(
        self,
        theta: Any,
        weights: jax.Array,
        gradient: jax.Array,
        state: Any,
        lr: jax.Array,
        loss: BatchLoss,
    ) -> tuple[jax.Array, Any]:
        """As :meth:`UpdateRule.update`, from the loss of the batch too."""
        ...

    def weights_to_score(self, theta: Any, weights: jax.Array, state: Any) -> jax.Array:
        """See :class:`UpdateRule`."""
        ...


class Bound(NamedTuple):
    """An optimizer ready to train: rules with equal keys are the same code."""

    key: Hashable
    rule: UpdateRule | LossRule
    theta: Any


class Optimizer(Protocol):
    """Anything that can be scored on a task."""

    def bind(self, layout: Layout) -> Bound:
        """The rule for weights of some layout."""
        ...


@dataclass(frozen=True, slots=True)
class Interpreted:
    """A program run as data by the interpreter, which is compiled once per task and capacity."""

    program: Program

    def bind(self, layout: Layout) -> Bound:
        capacity, code = encode(self.program)
        return Bound(("interpreted", capacity, tuple(vector_ops())), Interpreter(layout, capacity), code)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program traced into the training loop; its constants are data, and its structure is the code."""

    program: Program

    def bind(self, layout: Layout) -> Bound:
        program, structure, constants = structured(self.program)
        rule = _TracedProgram(program, layout)
        return Bound(("compiled", structure), rule, np.asarray(constants, np.float32))


class _ConstantsAsData(ArrayDomain):
    """Takes constants from an array, in the order in which the walk meets them."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], constants: jax.Array) -> None:
        super().__init__(jnp, shapes, jnp.float32)
        self._constants = iter(constants)

    def constant(self, value: float) -> jax.Array:
        return next(self._constants)


@dataclass(frozen=True, slots=True)
class _TracedProgram:
    program: Program
    layout: Layout

    def init(self, theta: Any, weights: jax.Array) -> Any:
        return tuple(jnp.zeros(self.layout.size) for _ in self.program.states)

    def update(
        self, theta: Any, weights: jax.Array, gradient: jax.Array, state: Any, lr: jax.Array
    ) -> tuple[jax.Array, Any]:
        layout = self.layout
        domain = _ConstantsAsData(layout.shapes, theta)
        states = [layout.split(s) for s in state]
        update, new_states = step(
            self.program, domain, layout.split(weights), layout.split(gradient), states, lr
        )
        return layout.join(update), tuple(layout.join(s) for s in new_states)

    def weights_to_score(self, theta: Any, weights: jax.Array, state: Any) -> jax.Array:
        return weights
