"""A user's own tasks, found by the tests as ``own_tasks:NAME``: small, so that they compile and train fast.

Softmax regression on 5 numbers and 3 classes: 18 weights in two arrays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.functions import Function, Type
from lion_search.proxy_tasks.compared_by import Fitness
from lion_search.proxy_tasks.problems.problem import Examples, Problem, cross_entropy
from lion_search.proxy_tasks.tasks import Decay, Schedule, Task

NUM_FEATURES, NUM_CLASSES = 5, 3


def _logits(weights: Any, inputs: jax.Array) -> jax.Array:
    return inputs @ weights["matrix"] + weights["bias"]


def _init(key: jax.Array) -> Any:
    matrix = jax.random.normal(key, (NUM_FEATURES, NUM_CLASSES))
    return {"bias": jnp.zeros(NUM_CLASSES), "matrix": matrix}


def loss(weights: Any, examples: Examples) -> jax.Array:
    """Mean cross-entropy."""
    return cross_entropy(_logits(weights, examples.inputs), examples.labels)


def error(weights: Any, examples: Examples) -> jax.Array:
    """The share of wrong predictions."""
    predicted = jnp.argmax(_logits(weights, examples.inputs), axis=-1)
    return jnp.mean(jnp.float32(predicted != examples.labels))


def _examples(seed: int, size: int) -> Examples:
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((size, NUM_FEATURES)).astype(np.float32)
    labels = np.argmax(inputs[:, :NUM_CLASSES] + rng.standard_normal((size, NUM_CLASSES)), axis=1)
    return Examples(inputs, labels.astype(np.int32))


def problem() -> Problem:
    """Softmax regression; validation and test have the same size, so that one compilation serves both."""
    return Problem(_init, loss, _examples(0, 200), _examples(1, 60), _examples(2, 60), error, NUM_CLASSES)


def tiny() -> Task:
    """Twenty steps, at a learning rate that falls."""
    return Task(problem, num_steps=20, batch_size=8)


def signed() -> Task:
    """A task whose function says that its loss may be negative."""
    return replace(tiny(), fitness=Fitness.DIFFERENCE, unit=0.5)


def tiny_with_a_large_batch() -> Task:
    """One whose step needs more memory."""
    return Task(problem, num_steps=20, batch_size=800)


def sisters(scale: int) -> Task:
    """One with sisters."""
    return Task(problem, num_steps=20 * scale, batch_size=8, about="mine")


def by_scale(scale: int = 1) -> Task:
    """One whose scale has a default."""
    return sisters(scale)


def many_validated() -> Task:
    """Its validation part is scored in chunks: 3 of 900 and the remaining 2."""
    return Task(lambda: replace(problem(), validation=_examples(1, 2702)), num_steps=5, batch_size=8)


def slope() -> Task:
    """One weight, from 0; the loss is the weight, so that a validation loss tells what was subtracted."""
    ones = np.ones((4, 1), np.float32)
    return Task(
        lambda: Problem(lambda key: jnp.zeros(1), lambda w, x: jnp.mean(x * w), ones, ones, ones),
        num_steps=4,
        batch_size=2,
        schedule=Schedule(Decay.CONSTANT),
    )


def root() -> Task:
    """One weight, from 0; the loss is the root of its square's distance from 4: NaN inside of 2."""
    ones = np.ones((4, 1), np.float32)
    return Task(
        lambda: Problem(
            lambda key: jnp.full(1, 3.0),
            lambda w, x: jnp.mean(jnp.sqrt(w * w - 4 * x)),
            ones,
            ones,
            ones,
            error=lambda w, x: jnp.float32(0.25),
        ),
        num_steps=4,
        batch_size=2,
    )


def with_an_argument(size: int) -> Task:
    """Not one that can be called."""
    return Task(problem, size, 8)


def with_more_than_scale(scale: int, size: int = 3) -> Task:
    """Neither."""
    return Task(problem, size * scale, 8)


def raising() -> Task:
    """Fails."""
    return Task(problem, 1 // 0, 8)


def returning_a_problem() -> Problem:
    """Gives something else."""
    return problem()


def without_steps() -> Task:
    """Has a value that cannot be used."""
    return Task(problem, num_steps=0, batch_size=8)


NOT_A_FUNCTION = 3
DOUBLED = Function("doubled", (Type.TREE,), None, lambda xp, x: 2 * x)


def by_text() -> Task:
    return Task(problem, 20, 4, schedule=Schedule("linear"), metric="error")  # type: ignore[arg-type]


def with_a_metric_that_is_no_name() -> Task:
    return Task(problem, 20, 4, metric=error)  # type: ignore[arg-type]


def with_an_unknown_decay() -> Task:
    return Task(problem, 20, 4, schedule=Schedule("cosinus"))  # type: ignore[arg-type]


def with_a_text_for_a_schedule() -> Task:
    return Task(problem, 20, 4, schedule="cosine")  # type: ignore[arg-type]


def with_half_a_step() -> Task:
    return Task(problem, 20.5, 4)  # type: ignore[arg-type]


def with_a_text_for_noise() -> Task:
    return Task(problem, 20, 4, label_noise="some")  # type: ignore[arg-type]
