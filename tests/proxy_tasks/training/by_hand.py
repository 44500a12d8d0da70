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
    optimizer = make(lambda count: rates[count])
    gradient_of = jax.jit(jax.grad(problem.loss))

    params = layout.split(problem.init(init_key))
    state = optimizer.init(params)
    found = [np.asarray(layout.join(params))]
    for batch in np.asarray(batches):
        examples = jax.tree.map(itemgetter(batch), problem.train)
        gradient = gradient_of(layout.join(params), examples)
        updates, state = optimizer.update(layout.split(gradient), state, params)
        params = optax.apply_updates(params, updates)
        found.append(np.asarray(layout.join(params)))
    return found
