"""A task of a user's own that trains in a millisecond, for tests of searches that must be long but quick.

It lies here as a user would write it; tests copy it to a folder of their own (the fixture ``tiny``).
"""

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.problems.problem import Problem
from lion_search.proxy_tasks.tasks import Task

NUM_STEPS = 30


def _problem() -> Problem:
    inputs = np.random.default_rng(0).uniform(-3, 3, (240, 1)).astype(np.float32)
    targets = np.sin(2 * inputs)

    def init(key: jax.Array) -> dict[str, jax.Array]:
        return {"w1": jax.random.normal(key, (1, 8)), "b1": jnp.zeros(8), "w2": jnp.zeros((8, 1))}

    def loss(weights: dict[str, jax.Array], examples: tuple[jax.Array, jax.Array]) -> jax.Array:
        x, y = examples
        hidden = jnp.tanh(x @ weights["w1"] + weights["b1"])
        return jnp.mean((hidden @ weights["w2"] - y) ** 2)

    parts = zip(np.split(inputs, [160, 200]), np.split(targets, [160, 200]), strict=True)
    return Problem(init, loss, *parts)


def sine() -> Task:
    """A sine with 25 weights."""
    return Task(_problem, num_steps=NUM_STEPS, batch_size=16)
