"""Functions and a task that misbehave when they are run, as rows and references a user could write."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lion_search.dsl.functions import Function, Type


def _sleep() -> None:
    time.sleep(3600)


def _allocate() -> None:
    kept = []
    while True:
        kept.append(np.ones(2**23))  # touched, so that it is resident


def _fail() -> None:
    raise RuntimeError("XLA cannot go on")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _when_run(effect: Callable[[], None]) -> Callable[[Any, Any], Any]:
    """A meaning that does nothing while it is traced or folded, and something bad when it runs."""

    def meaning(xp: Any, x: Any) -> Any:
        if xp is np:
            return x
        import jax

        def callback(x: Any) -> Any:
            effect()
            return x

        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(callback, shape, x, vmap_method="sequential")

    return meaning


def _row(name: str, effect: Callable[[], None]) -> Function:
    return Function(name, (Type.TREE,), None, _when_run(effect))


sleeping = _row("sleeping", _sleep)
allocating = _row("allocating", _allocate)
failing = _row("failing", _fail)
killing = _row("killing", _kill)


def sleepy_task() -> Any:
    """A task that never comes back once a weight exceeds 100."""
    import jax
    import jax.numpy as jnp

    from lion_search.proxy_tasks.problems.problem import Problem
    from lion_search.proxy_tasks.tasks import Task

    def sleep(x: Any) -> Any:
        _sleep()
        return x

    def loss(weights: Any, examples: Any) -> Any:
        def never(w: Any) -> Any:
            return jax.pure_callback(sleep, jax.ShapeDtypeStruct((), jnp.float32), w[0])

        pause = jax.lax.cond(
            jnp.max(weights) > 100, never, lambda w: jnp.float32(0), jax.lax.stop_gradient(weights)
        )
        return jnp.mean((examples @ weights) ** 2) + 0.1 + 0 * pause

    x = np.ones((64, 4), np.float32)
    return Task(lambda: Problem(lambda key: jnp.ones(4), loss, x, x, x), num_steps=20, batch_size=8)
