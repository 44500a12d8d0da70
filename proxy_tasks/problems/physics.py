"""A physics-informed problem: a network that solves a differential equation, through its second derivative.

Raissi, Perdikaris, Karniadakis 2019, "Physics-informed neural networks". Poisson's equation ``-u'' = f`` on
[0, 1] with u = 0 at both ends, which ``u(x) = x (1 - x) network(x)`` keeps (Lagaris, Likas, Fotiadis 1998);
f is that of a known solution. Examples are points; nobody tells the network what u is there.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.problems.examples import SPLIT_SEED
from lion_search.proxy_tasks.problems.models import matrix
from lion_search.proxy_tasks.problems.problem import Metric, Problem

Layers = tuple[tuple[jax.Array, jax.Array], ...]
"""Of each layer its matrix ``[out, in]`` and biases ``[out]``; tanh between them."""

_WAVES = ((1, 1.0), (4, 0.25))
"""Half waves on [0, 1] and their heights, of the known solution."""


def poisson(hidden: tuple[int, ...], num_points: int = 4_096) -> Problem:
    """The mean squared residual of the equation, over the mean square of f."""
    rng = np.random.default_rng(SPLIT_SEED)
    train, validation, test = (rng.random(size, np.float32) for size in (num_points, 512, 512))
    unit = math.sqrt(sum(((math.pi * k) ** 2 * height) ** 2 / 2 for k, height in _WAVES))

    def loss(weights: Layers, x: jax.Array) -> jax.Array:
        bend = jax.vmap(jax.grad(jax.grad(solution, argnums=1), argnums=1), (None, 0))(weights, x)
        return jnp.mean(((bend + force(x)) / unit) ** 2)

    def squares(weights: Layers, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = jax.vmap(solution, (None, 0))(weights, x)
        return jnp.mean((found - known_solution(x)) ** 2), jnp.mean(known_solution(x) ** 2)

    return Problem(
        init=lambda key: _init(key, (1, *hidden, 1)),
        loss=loss,
        train=train,
        validation=validation,
        test=test,
        metrics={"relative_l2": Metric(squares, lambda mean: jnp.sqrt(mean[0] / mean[1]))},
    )


def solution(weights: Layers, x: jax.Array) -> jax.Array:
    """The network's u at one point."""
    hidden = jnp.asarray([2 * x - 1])
    for layer, bias in weights[:-1]:
        hidden = jnp.tanh(layer @ hidden + bias)
    layer, bias = weights[-1]
    return x * (1 - x) * (layer @ hidden + bias)[0]


def known_solution(x: Any) -> Any:
    """The u that is to be found."""
    return sum(height * jnp.sin(math.pi * k * x) for k, height in _WAVES)


def force(x: Any) -> Any:
    """Its f."""
    return sum((math.pi * k) ** 2 * height * jnp.sin(math.pi * k * x) for k, height in _WAVES)


def _init(key: jax.Array, widths: tuple[int, ...]) -> Layers:
    keys = jax.random.split(key, len(widths) - 1)
    sizes = zip(widths[:-1], widths[1:], keys, strict=True)
    return tuple((matrix(k, n_out, n_in), jnp.zeros(n_out)) for n_in, n_out, k in sizes)
