"""The training loop for any task and any update rule, over one flat vector of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lion_search.proxy_tasks.tasks import Task
from lion_search.proxy_tasks.training.prepare import FlatProblem
from lion_search.proxy_tasks.training.update_rules import BatchLoss, LossRule, UpdateRule

CHUNK = 1024
"""At most so many examples are scored at once."""


class Trained(NamedTuple):
    """What a training gives.

    Attributes:
        loss: float32 scalar, the task's metric on the examples it was scored on; NaN if training diverged.
            ``[P]`` where it was scored after P numbers of steps.
        num_steps: int32 scalar, steps taken; training ends at the first weight that is not finite.
        num_evaluations: int32 scalar, how often a rule that needs the loss evaluated it, beyond the once that
            comes with the gradient; ``None`` for other rules.
    """

    loss: jax.Array
    num_steps: jax.Array
    num_evaluations: jax.Array | None = None


class _Carry(NamedTuple):
    """What the training loop carries from step to step.

    Attributes:
        position: int32 scalar, the next step.
        is_finite: bool scalar, whether all weights have been finite so far.
        num_steps: int32 scalar, steps taken until a weight was not finite.
        weights: ``[N]``.
        state: of the update rule.
        num_evaluations: see :class:`Trained`.
    """

    position: jax.Array
    is_finite: jax.Array
    num_steps: jax.Array
    weights: jax.Array
    state: Any
    num_evaluations: jax.Array | None


def make_train(
    problem: FlatProblem, rule: UpdateRule | LossRule, *, batched: bool = False, after: Sequence[int] = ()
) -> Callable[..., Trained]:
    """The function ``train(theta, seed, train, examples)`` for one update rule, to be jitted.

    It initialises the weights and draws all batches from the seed, trains on ``train``, and scores the
    weights on ``examples``.

    Args:
        problem: what to train.
        rule: how.
        batched: for ``vmap``: the loop takes every step, also where weights are not finite. A loop whose end
            differs between trainings costs a copy of everything at each of its steps. The result is the same.
        after: for a learning curve: increasing numbers of steps after which weights are scored, the last of
            them included; by default only at the end. With early stopping the best so far is scored.
    """
    task = problem.task
    schedule = task.schedule.values(task.num_steps)

    def train(theta: Any, seed: jax.Array, train: Any, examples: Any) -> Trained:
        init_key, batch_key = jax.random.split(jax.random.key(seed))
        weights = problem.init(init_key)
        # All batches are drawn before the loop: random numbers inside it would cost more than a step.
        shape = (task.num_steps, task.batch_size)
        batches = jax.random.randint(batch_key, shape, 0, num_examples(train))
        gradient_of = _gradient_function(problem, batch_key, with_loss=isinstance(rule, LossRule))

        def step(carry: _Carry) -> _Carry:
            batch = batches[carry.position]
            gradient, loss = gradient_of(carry.weights, jax.tree.map(lambda a: a[batch], train))
            lr = jnp.asarray(schedule)[carry.position]
            given = (theta, carry.weights, gradient, carry.state, lr)
            if isinstance(rule, LossRule):
                update, state = rule.update_with_loss(*given, loss)
                num_evaluations = carry.num_evaluations + loss.counter[...]
            else:
                update, state = rule.update(*given)
                num_evaluations = None
            weights = carry.weights - update
            num_steps = carry.num_steps + carry.is_finite
            position, is_finite = carry.position + 1, carry.is_finite & all_finite(weights)
            return _Carry(position, is_finite, num_steps, weights, state, num_evaluations)

        def advance(carry: _Carry, position: Any) -> tuple[_Carry, jax.Array]:
            def goes_on(carry: _Carry) -> jax.Array:
                return (carry.position < position) & (batched | carry.is_finite)

            end = lax.while_loop(goes_on, step, carry)
            scored = rule.weights_to_score(theta, end.weights, end.state)
            return end, jnp.where(end.is_finite, _score(problem, scored, examples), jnp.nan)

        def advance_and_check(carry: _Carry, position: Any) -> tuple[_Carry, tuple[jax.Array, jax.Array]]:
            end, loss = advance(carry, position)
            scored = rule.weights_to_score(theta, end.weights, end.state)
            return end, (loss, _score(problem, scored, jax.tree.map(jnp.asarray, problem.validation)))

        zero = jnp.int32(0)
        evaluations = zero if isinstance(rule, LossRule) else None
        start = _Carry(zero, jnp.bool_(True), zero, weights, rule.init(theta, weights), evaluations)
        if task.early_stopping:
            looks = jnp.asarray(after or check_steps(task))
            end, (losses, on_validation) = lax.scan(advance_and_check, start, looks)
            best = _at_the_best_so_far(losses, jnp.where(looks > 0, on_validation, jnp.nan))
            if after:
                loss = jnp.where(jnp.isnan(losses), jnp.nan, best)
            else:
                loss = jnp.where(end.is_finite, best[-1], jnp.nan)
        elif after:
            end, loss = lax.scan(advance, start, jnp.asarray(after))
        else:
            end, loss = advance(start, task.num_steps)
        return Trained(loss, end.num_steps, end.num_evaluations)

    return train


def check_steps(task: Task) -> list[int]:
    """The numbers of steps after which early stopping looks at validation; the last of all is among them."""
    checks = range(1, task.early_stopping + 1)
    return [task.num_steps * k // task.early_stopping for k in checks]


def _at_the_best_so_far(losses: jax.Array, on_validation: jax.Array) -> jax.Array:
    """Of losses ``[P]`` that at which validation was lowest up to each; what is not finite is no best."""
    own = jnp.where(jnp.isfinite(on_validation), on_validation, jnp.inf)
    before = jnp.concatenate([jnp.full(1, jnp.inf), lax.cummin(own)[:-1]])
    place = lax.cummax(jnp.where(own < before, jnp.arange(len(own)), 0))
    return losses[place]


def num_examples(examples: Any) -> int:
    """The length of the first axis of a tree of arrays."""
    return int(jax.tree.leaves(examples)[0].shape[0])


def _gradient_function(
    problem: FlatProblem, key: jax.Array, *, with_loss: bool
) -> Callable[[jax.Array, Any], tuple[jax.Array, Any]]:
    """The gradient of the training loss, and the loss if asked for; both scaled if the task says so."""
    decades = problem.task.gradient_scale
    if decades:
        drawn = jax.random.uniform(jax.random.fold_in(key, 1), minval=-decades, maxval=decades)
        factor = jnp.float32(10) ** drawn

    def scaled(x: jax.Array) -> jax.Array:
        return factor * x if decades else x

    def gradient_alone(weights: jax.Array, examples: Any) -> tuple[jax.Array, None]:
        return scaled(problem.gradient(weights, examples)), None

    def gradient_and_loss(weights: jax.Array, examples: Any) -> tuple[jax.Array, BatchLoss]:
        value, gradient = problem.loss_and_gradient(weights, examples)
        counter = jax.new_ref(jnp.int32(0))
        loss = BatchLoss(scaled(value), lambda other: scaled(problem.loss(other, examples)), counter)
        return scaled(gradient), loss

    return gradient_and_loss if with_loss else gradient_alone


def _score(problem: FlatProblem, weights: jax.Array, examples: Any) -> jax.Array:
    """The task's metric; NaN where the loss is not finite, whatever the metric."""
    is_loss = problem.metric.means is problem.loss

    def means(chunk: Any) -> tuple[jax.Array, Any]:
        loss = problem.loss(weights, chunk)
        return loss, loss if is_loss else problem.metric.means(weights, chunk)

    loss, own = _over_all(means, examples)
    return jnp.where(jnp.isfinite(loss), problem.metric.value(own), jnp.nan)


def _over_all(means: Callable[[Any], Any], examples: Any) -> Any:
    """A tree of means over all examples, chunk by chunk."""
    total = num_examples(examples)
    num_chunks = -(-total // CHUNK)
    size = total // num_chunks
    if num_chunks == 1:
        return means(examples)
    chunks = jax.tree.map(lambda a: a[: num_chunks * size].reshape(num_chunks, size, *a.shape[1:]), examples)
    sums = jax.tree.map(lambda a: jnp.sum(a, axis=0) * size, lax.map(means, chunks))
    if rest := total - num_chunks * size:
        last = means(jax.tree.map(lambda a: a[-rest:], examples))
        sums = jax.tree.map(lambda a, own: a + own * rest, sums, last)
    return jax.tree.map(lambda a: a / total, sums)


def all_finite(x: jax.Array) -> jax.Array:
    """Whether all numbers are finite; as integers, since XLA's CPU backend reduces these faster."""
    bits = lax.bitcast_convert_type(x, jnp.int32) & 0x7FFFFFFF
    return jnp.max(bits) < np.int32(0x7F800000)
