"""Trainings that are looked at step by step, on one task: what a transfer card is measured with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.program import Program
from lion_search.proxy_tasks.training.prepare import FlatProblem
from lion_search.proxy_tasks.training.recording import Step, steps


class Walker:
    """Trains in this process: NumPy runs the program, JAX the gradient."""

    def __init__(self, problem: FlatProblem) -> None:
        """A walker on a problem."""
        self._problem = problem
        self._gradient = jax.jit(problem.gradient)
        self._loss = jax.jit(problem.loss)

    def steps(
        self,
        program: Program,
        *,
        num_steps: int | None = None,
        keep: Callable[[np.ndarray], np.ndarray] | None = None,
        given: Sequence[Step] = (),
        factor: float = 1.0,
    ) -> Iterator[Step]:
        """Every step, until a weight is not finite: see :func:`recording.steps`."""
        return steps(
            self._problem, program, self._gradient,
            num_steps=num_steps, keep=keep or (lambda state: state), given=given, factor=factor,
        )  # fmt: skip

    def loss(self, weights: np.ndarray) -> float:
        """The loss on validation data."""
        return float(self._loss(jnp.asarray(weights), self._problem.validation))
