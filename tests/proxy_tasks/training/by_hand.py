"""Training written out in Python, to compare with: the same seed, batches and schedule, step by step."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import jax
import numpy as np
import optax

from lion_search.proxy_tasks.training.prepare import FlatProblem

MakeOptimizer = Callable[[Callable[[Any], Any]], optax.GradientTransformation]
"""From a learning rate as a function of the step, with peak 1."""


def trajectory(problem: FlatProblem, seed: int, make: MakeOptimizer) -> list[np.ndarray]:
    """The weights ``[N]`` before the first step and after each."""
    task, layout = problem.task, problem.layout
    init_key, batch_key = jax.random.split(jax.random.key(seed))
    size = len(jax.tree.leaves(problem.train)[0])
    batches = jax.random.randint(batch_key, (task.num_steps, task.batch_size), 0, size)
    rates = jax.numpy.asarray(task.schedule.values(task.num_steps))
    optimizer = optax.with_extra_args_support(make(lambda count: rates[count]))

    @jax.jit
    def step(params: Any, state: Any, examples: Any) -> Any:
        def value_of(params: Any) -> jax.Array:
            return problem.loss(layout.join(params), examples)

        value, gradient = jax.value_and_grad(value_of)(params)
        updates, state = optimizer.update(
            gradient, state, params, value=value, grad=gradient, value_fn=value_of
        )
        return optax.apply_updates(params, updates), state

    params = layout.split(problem.init(init_key))
    state = optimizer.init(params)
    found = [np.asarray(layout.join(params))]
    for batch in np.asarray(batches):
        params, state = step(params, state, jax.tree.map(itemgetter(batch), problem.train))
        found.append(np.asarray(layout.join(params)))
    return found
