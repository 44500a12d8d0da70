"""The rivals as optax code: each function makes what its row in :mod:`lion_search.proxy_tasks.rivals` is.

What they take is what is tuned, all of it numbers. ``learning_rate`` is multiplied by the task's schedule; of
rules that choose their step themselves it is the largest step. What optax has is optax's, where it is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

Number = float | jax.Array

_MOST_TRIES = 100
"""Of a line search, as in the code of Vaswani et al. and of Galli et al."""
_LEAST_STEP = 1e-6
_LEAST_SIZE_TO_FACTOR = 8
"""Adafactor's squares are factored in arrays whose second largest side has so many numbers: optax's 128 would
leave the small networks of the shipped tasks as they are."""


def sgd_heavy_ball(learning_rate: Number, momentum: Number, weight_decay: Number) -> Any:
    """Gradient descent with momentum as a sum, and decoupled decay."""
    return _sgd(learning_rate, momentum, weight_decay, nesterov=False)


def sgd_nesterov(learning_rate: Number, momentum: Number, weight_decay: Number) -> Any:
    """The same with Nesterov's momentum."""
    return _sgd(learning_rate, momentum, weight_decay, nesterov=True)


def _sgd(learning_rate: Number, momentum: Number, weight_decay: Number, *, nesterov: bool) -> Any:
    return optax.chain(
        optax.trace(momentum, nesterov=nesterov),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def adafactor(learning_rate: Number, momentum: Number, decay_rate: Number, weight_decay: Number) -> Any:
    """Adafactor with momentum, decoupled decay and a learning rate of its own, as Zhai et al. use it."""
    return optax.chain(
        optax.scale_by_factored_rms(
            decay_rate=decay_rate, min_dim_size_to_factor=_LEAST_SIZE_TO_FACTOR
        ),
        optax.clip_by_block_rms(1.0),
        optax.ema(momentum, debias=False),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )  # fmt: skip


def adan(learning_rate: Number, b1: Number, b2: Number, b3: Number, weight_decay: Number) -> Any:
    """Adan as in its authors' code (``no_prox``)."""
    return optax.chain(
        _scale_by_adan(b1, b2, b3),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


class _AdanState(NamedTuple):
    num_steps: jax.Array
    first: Any
    difference: Any
    second: Any
    gradient: Any


def _scale_by_adan(b1: Number, b2: Number, b3: Number) -> optax.GradientTransformation:
    """Xie et al. (2022), algorithm 1, where the paper's betas are one minus these.

    optax 0.2.8 weighs differences of gradients by ``1 - b2`` where paper and authors have ``b2``
    (https://github.com/google-deepmind/optax/pull/1715).
    """

    def init(params: Any) -> _AdanState:
        zeros = optax.tree.zeros_like(params)
        return _AdanState(jnp.int32(0), zeros, zeros, zeros, zeros)

    def update(gradient: Any, state: _AdanState, params: Any = None) -> tuple[Any, _AdanState]:
        last = optax.tree.where(state.num_steps == 0, gradient, state.gradient)
        change = optax.tree.sub(gradient, last)
        ahead = optax.tree.add_scale(gradient, b2, change)
        first = optax.tree.update_moment(gradient, state.first, b1, 1)
        difference = optax.tree.update_moment(change, state.difference, b2, 1)
        second = optax.tree.update_moment(ahead, state.second, b3, 2)
        num_steps = state.num_steps + 1
        direction = optax.tree.add_scale(
            optax.tree.bias_correction(first, b1, num_steps),
            b2,
            optax.tree.bias_correction(difference, b2, num_steps),
        )
        squares = optax.tree.bias_correction(second, b3, num_steps)
        updates = jax.tree.map(lambda d, s: d / (jnp.sqrt(s) + 1e-8), direction, squares)
        return updates, _AdanState(num_steps, first, difference, second, gradient)

    return optax.GradientTransformation(init, update)


def muon(learning_rate: Number, momentum: Number, weight_decay: Number) -> Any:
    """Muon for matrices, AdamW for the rest; updates of matrices are as large as AdamW's usually are."""
    return optax.contrib.muon(
        learning_rate, beta=momentum, weight_decay=weight_decay, adam_weight_decay=weight_decay,
        consistent_rms=0.2,
    )  # fmt: skip


def schedule_free_adamw(constant_rate: Number, b1: Number, b2: Number, weight_decay: Number) -> Any:
    """AdamW at the points that schedule-free averaging gives; it replaces the schedule, and so has none."""
    return optax.contrib.schedule_free_adamw(constant_rate, b1=b1, b2=b2, weight_decay=weight_decay)


def adamw_average(
    learning_rate: Number, b1: Number, b2: Number, weight_decay: Number, decay: Number
) -> Any:  # fmt: skip
    """AdamW, scored at an exponential average of its weights."""
    return optax.chain(
        optax.adamw(learning_rate, b1, b2, weight_decay=weight_decay), average_weights(decay)
    )  # fmt: skip


def sgd_armijo(learning_rate: Number, c: Number, backtrack: Number, recovery: Number) -> Any:
    """Gradient descent by the first step with ``f(w - step g) <= f(w) - c step |g|^2`` on the batch.

    Args:
        learning_rate: the largest step.
        c: how much of the decrease that the gradient promises there must be.
        backtrack: by which a step is multiplied that is too long.
        recovery: a step is first tried at the last one divided by this.
    """
    return optax.chain(
        optax.sgd(1.0),
        optax.scale_by_backtracking_linesearch(
            _MOST_TRIES - 1,  # of decreases; one more is tried
            slope_rtol=c,
            decrease_factor=backtrack,
            increase_factor=1 / recovery,
            max_learning_rate=learning_rate,
        ),
    )


def sgd_polyak(learning_rate: Number, c: Number) -> Any:
    """Gradient descent by the step ``f(w) / (c |g|^2)``, at most the learning rate; the least loss is 0."""
    return optax.chain(
        optax.scale_by_polyak(max_learning_rate=learning_rate * c, variant="sps+"), optax.scale(-1 / c)
    )


class AverageState(NamedTuple):
    """An exponential average of weights: what is scored.

    Attributes:
        average: of the weights after each step so far, whose shares sum to one; at first the weights.
        share: that all steps so far have in an average that began at zero.
    """

    average: Any
    share: jax.Array


def average_weights(decay: Number) -> optax.GradientTransformation:
    """Keeps an average of the weights; to be the last of a chain, as it looks at the weights to come.

    Args:
        decay: the share of the last step is 1 - decay, that of each step before it ``decay`` times smaller.
    """

    def init(params: Any) -> AverageState:
        return AverageState(params, jnp.float32(0))

    def update(updates: Any, state: AverageState, params: Any = None) -> tuple[Any, AverageState]:
        share = decay * state.share + (1 - decay)
        average = optax.incremental_update(
            optax.apply_updates(params, updates), state.average, (1 - decay) / share
        )
        return updates, AverageState(average, share)

    return optax.GradientTransformation(init, update)


class PonosState(NamedTuple):
    """What PoNoS keeps from step to step; scalars.

    Attributes:
        weight: of the losses in their average: ``Q``.
        reference: the average of the losses: ``C``.
        backtracks: by which the next first step is shortened.
    """

    weight: jax.Array
    reference: jax.Array
    backtracks: jax.Array


def ponos(
    learning_rate: Number, c: Number, polyak_c: Number, backtrack: Number, xi: Number = 1.0
) -> optax.GradientTransformationExtraArgs:
    """PoNoS: a line search from Polyak's step, that asks for less than the average of the last losses.

    After Galli, Rauhut and Schmidt (2023), sections 3.1 to 3.3, and their code.

    Args:
        learning_rate: the largest step.
        c: how much of the decrease that the gradient promises there must be, below that average.
        polyak_c: Polyak's step is ``f(w) / (polyak_c |g|^2)``; the least loss is 0.
        backtrack: by which a step is multiplied that is too long.
        xi: of the average of losses: 1 for their mean, 0 for the last alone.
    """

    def init(params: Any) -> PonosState:
        return PonosState(jnp.float32(0), jnp.float32(0), jnp.int32(0))

    def update(
        gradient: Any, state: PonosState, params: Any = None, *, value: Any, value_fn: Any, **_: Any
    ) -> tuple[Any, PonosState]:
        squared = optax.tree.norm(gradient, squared=True)
        weight = xi * state.weight + 1
        reference = (xi * state.weight * state.reference + value) / weight
        polyak = backtrack**state.backtracks * value / (polyak_c * squared + 1e-8)
        first = jnp.maximum(jnp.minimum(polyak, learning_rate), _LEAST_STEP)

        def accepts(step: jax.Array) -> jax.Array:
            found = value_fn(optax.tree.add_scale(params, -step, gradient))
            return found <= jnp.maximum(reference, value) - c * step * squared

        moves = (squared >= 1e-16) & (value != 0)
        step, tries = _line_search(accepts, first, backtrack, jnp.where(moves, _MOST_TRIES, 0))
        backtracks = jnp.maximum(state.backtracks + tries - 2, 0)
        backtracks = jnp.where(moves, backtracks, state.backtracks)
        return optax.tree.scale(-step, gradient), PonosState(weight, reference, backtracks)

    return optax.GradientTransformationExtraArgs(init, update)


def _line_search(
    accepts: Callable[[jax.Array], jax.Array], first: jax.Array, factor: Number, most: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The first step that is accepted, and how many were tried; a least one if none is, 0 for no tries."""

    def goes_on(carry: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, tries, is_found = carry
        return ~is_found & (tries < most)

    def another(carry: tuple[jax.Array, jax.Array, jax.Array]) -> Any:
        step, tries, _ = carry
        is_found = accepts(step)
        return jnp.where(is_found, step, factor * step), tries + 1, is_found

    step, tries, is_found = lax.while_loop(goes_on, another, (first, jnp.int32(0), jnp.bool_(False)))
    return jnp.where(is_found, step, jnp.where(most > 0, _LEAST_STEP, 0.0)), tries
