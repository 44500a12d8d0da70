"""A loss that broadcasts examples against each other is seen in its trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from lion_search.proxy_tasks.problems.problem import cross_entropy
from lion_search.proxy_tasks.training.pairs import pairs_by_broadcasting

N = 1009


def per_example(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean((x[:, 0] - y) ** 2)


def scanned(x: jax.Array, y: jax.Array) -> Any:
    return lax.scan(lambda c, _: (c + per_example(x, y), None), 0.0, None, length=3)[0]


LOSSES: dict[str, tuple[Callable[..., Any], tuple[int, ...], bool]] = {
    "a mean over examples": (per_example, (N,), False),
    "a column beside a row": (per_example, (N, 1), True),
    "the same in a function": (jax.jit(per_example), (N, 1), True),
    "the same in a loop": (scanned, (N, 1), True),
    "classes": (lambda x, y: cross_entropy(x, jnp.int32(y)), (N,), False),
    "a column of classes": (lambda x, y: cross_entropy(x, jnp.int32(y)), (N, 1), True),
    "contrastive": (lambda x, y: -jnp.trace(jax.nn.log_softmax(x @ x.T)) / N, (N,), False),
    "contrastive by a mask": (
        lambda x, y: jnp.mean(jnp.where(jnp.arange(N)[:, None] == jnp.arange(N), x @ x.T, 0)),
        (N,),
        False,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_pairs_that_broadcasting_makes_are_found(name: str) -> None:
    loss, shape, expected = LOSSES[name]
    jaxpr = jax.make_jaxpr(loss)(jnp.zeros((N, 3)), jnp.zeros(shape)).jaxpr
    assert pairs_by_broadcasting(jaxpr, N) is expected
