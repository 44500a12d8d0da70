"""Rivals as code: step by step what their authors wrote, or optax; line searches on what is known by hand."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.rivals import RIVALS, find_rival
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.training import rival_rules
from lion_search.proxy_tasks.training.evaluator import evaluator
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.update_rules import BatchLoss, LossRule

Loss = Callable[[Any], Any]

LAYOUT = Layout(((12, 9), (9,)))
RATES = np.asarray([1.0, 0.9, 0.7, 0.6, 0.4, 0.2, 0.1, 0.05])
_RNG = np.random.default_rng(0)
INPUTS = _RNG.standard_normal((len(RATES), 4, LAYOUT.size))  # [steps, examples, N]
TARGETS = _RNG.standard_normal((len(RATES), 4))
WEIGHTS = 0.3 * _RNG.standard_normal(LAYOUT.size)


def loss_of(inputs: Any, targets: Any) -> Loss:
    """Least squares with fewer examples than weights, as functions of the weights."""
    return lambda weights: ((inputs @ weights - targets) ** 2).mean() / 2


def gradient_of(inputs: Any, targets: Any) -> Loss:
    return lambda weights: inputs.T @ (inputs @ weights - targets) / len(targets)


def replayed(
    reference: str, layout: Layout, steps: tuple[Any, ...], start: Any, loss_of: Any, gradient_of: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A rival on a sequence of losses.

    Returns:
        Weights ``[steps, N]``, those that are scored ``[steps, N]``, extra evaluations ``[steps]``.
    """
    _, rule, theta = find_rival(reference).optimizer().bind(layout)  # type: ignore[union-attr]

    def step(carry: Any, given: Any) -> Any:
        weights, state = carry
        rate, *data = given
        loss, count = loss_of(*data), jnp.int32(0)
        slots = (theta, weights, gradient_of(*data)(weights), state, rate)
        if isinstance(rule, LossRule):
            counter = jax.new_ref(count)
            update, state = rule.update_with_loss(*slots, BatchLoss(loss(weights), loss, counter))
            count = counter[...]
        else:
            update, state = rule.update(*slots)
        weights = weights - update
        return (weights, state), (weights, rule.weights_to_score(theta, weights, state), count)

    weights = jnp.asarray(start, jnp.float32)
    data = tuple(jnp.asarray(array, jnp.float32) for array in steps)
    _, found = jax.jit(lambda w: lax.scan(step, (w, rule.init(theta, w)), data))(weights)
    return tuple(map(np.asarray, found))  # type: ignore[return-value]


# The authors' formulas, in float64. Each gives the updates, and what a step tried.

Step = tuple[float, Loss, Loss]
"""The schedule's value, the loss and its gradient as functions of the weights."""


def heavy_ball(steps: Sequence[Step], learning_rate: float, momentum: float, weight_decay: float) -> Any:
    return _momentum(steps, learning_rate, momentum, weight_decay, ahead=False)


def nesterov(steps: Sequence[Step], learning_rate: float, momentum: float, weight_decay: float) -> Any:
    return _momentum(steps, learning_rate, momentum, weight_decay, ahead=True)


def _momentum(steps: Any, rate: float, momentum: float, decay: float, *, ahead: bool) -> Any:
    w, m = WEIGHTS, 0
    for lr, _, gradient in steps:
        g = gradient(w)
        m = momentum * m + g
        w = w - lr * rate * ((g + momentum * m if ahead else m) + decay * w)
        yield w


def adafactor(
    steps: Sequence[Step], learning_rate: float, momentum: float, decay_rate: float, weight_decay: float
) -> Any:
    """Shazeer and Stern, algorithm 4, without the scale of the weights; Zhai et al., section 3.3."""
    w, m = WEIGHTS, np.zeros(LAYOUT.size)
    rows, columns, squares = np.zeros(12), np.zeros(9), np.zeros(9)
    for t, (lr, _, gradient) in enumerate(steps, start=1):
        g = gradient(w)
        matrix, vector = g[:108].reshape(12, 9), g[108:]
        beta = 1 - t**-decay_rate
        rows = beta * rows + (1 - beta) * (matrix**2 + 1e-30).mean(axis=1)
        columns = beta * columns + (1 - beta) * (matrix**2 + 1e-30).mean(axis=0)
        squares = beta * squares + (1 - beta) * (vector**2 + 1e-30)
        u = [matrix / np.sqrt(np.outer(rows, columns) / rows.mean()), vector / np.sqrt(squares)]
        u = [part / max(1, np.sqrt((part**2).mean())) for part in u]
        m = momentum * m + (1 - momentum) * np.concatenate([np.ravel(part) for part in u])
        w = w - lr * learning_rate * (m + weight_decay * w)
        yield w


def adan(
    steps: Sequence[Step], learning_rate: float, b1: float, b2: float, b3: float, weight_decay: float
) -> Any:
    """Xie et al., algorithm 1, with the corrections of bias and the decay of their code (``no_prox``)."""
    w, m, v, n, last = WEIGHTS, 0, 0, 0, None
    for t, (lr, _, gradient) in enumerate(steps, start=1):
        g = gradient(w)
        difference = 0 * g if last is None else g - last
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * difference
        n = b3 * n + (1 - b3) * (g + b2 * difference) ** 2
        direction = m / (1 - b1**t) + b2 * v / (1 - b2**t)
        u = direction / (np.sqrt(n / (1 - b3**t)) + 1e-8)
        w, last = (1 - lr * learning_rate * weight_decay) * w - lr * learning_rate * u, g
        yield w


def armijo(
    steps: Sequence[Step], learning_rate: float, c: float, backtrack: float, recovery: float
) -> Any:  # fmt: skip
    """Vaswani et al., algorithm 1 with the reset that lets steps grow, from a step of 1."""
    w, size = WEIGHTS, 1.0
    for lr, loss, gradient in steps:
        g, tries = gradient(w), 1
        size = min(size / recovery, lr * learning_rate)
        while loss(w - size * g) > loss(w) - c * size * g @ g:
            size, tries = backtrack * size, tries + 1
        w = w - size * g
        yield w, tries


def polyak(steps: Sequence[Step], learning_rate: float, c: float) -> Any:
    """Loizou et al., SPS_max, section 2."""
    w = WEIGHTS
    for lr, loss, gradient in steps:
        g = gradient(w)
        w = w - min(loss(w) / (c * g @ g), lr * learning_rate) * g
        yield w, 0


def ponos(
    steps: Sequence[Step], learning_rate: float, c: float, polyak_c: float, backtrack: float
) -> Any:  # fmt: skip
    """Galli et al., equations 2, 3, 7 and 8, with the mean of the losses (xi = 1)."""
    w, losses, shorter = WEIGHTS, [], 0
    for lr, loss, gradient in steps:
        g, tries = gradient(w), 1
        losses.append(loss(w))
        size = min(backtrack**shorter * losses[-1] / (polyak_c * g @ g + 1e-8), lr * learning_rate)
        while loss(w - size * g) > max(np.mean(losses), losses[-1]) - c * size * g @ g:
            size, tries = backtrack * size, tries + 1
        shorter = max(shorter + (tries - 1) - 1, 0)
        w = w - size * g
        yield w, tries


FORMULAS: dict[str, Any] = {
    "sgd_heavy_ball": heavy_ball,
    "sgd_nesterov": nesterov,
    "adafactor": adafactor,
    "adan": adan,
    "sgd_armijo": armijo,
    "sgd_polyak": polyak,
    "ponos": ponos,
}
HYPERPARAMETERS = {
    "sgd_heavy_ball": "learning_rate=0.01",
    "sgd_nesterov": "learning_rate=0.01",
    "adan": "b1=0.8,b2=0.7,b3=0.9,weight_decay=0.3",
    "adafactor": "weight_decay=0.3",
    "sgd_armijo": "backtrack=0.6,recovery=0.5,c=0.6",
    "sgd_polyak": "learning_rate=0.05,c=0.6",
    "ponos": "learning_rate=0.5,c=0.7",
}


def _steps() -> list[Step]:
    rows = zip(RATES, INPUTS, TARGETS, strict=True)
    return [(rate, loss_of(x, y), gradient_of(x, y)) for rate, x, y in rows]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_rival_does_what_its_authors_wrote(name: str) -> None:
    reference = f"{name}?{HYPERPARAMETERS[name]}"
    given = dict(find_rival(reference).hyperparameters)
    found, _, tries = replayed(reference, LAYOUT, (RATES, INPUTS, TARGETS), WEIGHTS, loss_of, gradient_of)
    expected = list(FORMULAS[name](_steps(), **given))
    if name in ("sgd_armijo", "sgd_polyak", "ponos"):
        expected, counts = map(list, zip(*expected, strict=True))
        assert tries.tolist() == counts
        assert name == "sgd_polyak" or len(set(counts)) > 1
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-3, atol=1e-5)


def _muon(rate: Any) -> Any:
    return optax.contrib.muon(
        rate, beta=0.95, weight_decay=0.01, adam_weight_decay=0.01, consistent_rms=0.2
    )  # fmt: skip


OPTAX: dict[str, Callable[[Any], Any]] = {
    "muon": _muon,
    "adamw_average": lambda rate: optax.adamw(rate, 0.9, 0.99, weight_decay=0.01),
    "schedule_free_adamw": lambda _: optax.contrib.schedule_free_adamw(0.02, b2=0.99, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTAX)
def test_a_rival_does_what_optax_does(name: str) -> None:
    """With the task's schedule; schedule-free AdamW has none."""
    gradients = _RNG.standard_normal((len(RATES), LAYOUT.size))
    steps = (RATES, gradients)
    found, scored, _ = replayed(name, LAYOUT, steps, WEIGHTS, lambda g: None, lambda g: lambda _: g)
    optimizer = OPTAX[name](lambda count: 0.02 * jnp.asarray(RATES, jnp.float32)[count])

    def step(carry: Any, gradient: Any) -> Any:
        params, state = carry
        updates, state = optimizer.update(LAYOUT.split(gradient), state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), LAYOUT.join(params)

    params = LAYOUT.split(jnp.asarray(WEIGHTS, jnp.float32))
    end, expected = jax.jit(lambda p, g: lax.scan(step, (p, optimizer.init(p)), g))(
        params, jnp.asarray(gradients, jnp.float32)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    if name == "schedule_free_adamw":
        average = optax.contrib.schedule_free_eval_params(end[1], end[0])
        np.testing.assert_allclose(scored[-1], LAYOUT.join(average), rtol=1e-4, atol=1e-6)
    elif name == "adamw_average":
        shares = 0.05 * 0.95 ** np.arange(len(RATES))[::-1]
        np.testing.assert_allclose(scored[-1], shares @ found / shares.sum(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(scored[0], found[0], rtol=1e-6)


# What is known by hand: f(w) = L w^2 / 2 at w = 1, whose gradient is L.

KNOWN = [
    # Steps up to 2 (1 - c) / L = 1 are accepted: from 10, 10 / 2^4 = 5/8; then from 25/4, 25/4 / 2^3.
    ("sgd_armijo?c=0.5,backtrack=0.5,recovery=0.1", 1.0, [0.375, 0.375 * 0.21875], [5, 4]),
    ("sgd_armijo?c=0.1,backtrack=0.9,recovery=0.5,learning_rate=0.5", 2.0, [0.0, 0.0], [1, 1]),
    # 1 / (2 c L), which for c = 1/2 is Newton's step.
    ("sgd_polyak?c=0.5", 4.0, [0.0, 0.0], [0, 0]),
    ("sgd_polyak?c=1", 4.0, [0.5, 0.25], [0, 0]),
    ("sgd_polyak?learning_rate=0.1", 4.0, [0.6, 0.36], [0, 0]),
    # From 5 / L; 5/8 is accepted. Then from 5/4, as two of the three cuts are kept: longer than the 1 that
    # would make the last loss fall enough, but below the mean of both.
    ("ponos", 1.0, [0.375, 0.375 * -0.25], [4, 1]),
    ("ponos?learning_rate=0.25", 2.0, [0.5, 0.25], [1, 1]),
]


@pytest.mark.parametrize(("reference", "curvature", "weights", "tries"), KNOWN)
def test_steps_on_a_parabola(
    reference: str, curvature: float, weights: list[float], tries: list[int]
) -> None:
    found, _, counts = replayed(
        reference, Layout(((1,),)), ([1.0, 1.0],), [1.0],
        lambda: lambda w: curvature * w @ w / 2, lambda: lambda w: curvature * w,
    )  # fmt: skip
    np.testing.assert_allclose(found[:, 0], weights, atol=1e-6)
    assert counts.tolist() == tries


@pytest.mark.parametrize("name", ["sgd_armijo", "ponos"])
@pytest.mark.parametrize("elsewhere", [2.0, math.inf, math.nan])
def test_a_search_that_never_accepts_ends_with_a_step_that_hardly_moves(name: str, elsewhere: float) -> None:
    """As where the gradient is wrong: the loss is 1 here and more wherever one looks."""
    found, _, counts = replayed(
        name, Layout(((2,),)), ([1.0],), [0.0, 0.0],
        lambda: lambda w: jnp.where(jnp.all(w == 0), 1.0, elsewhere), lambda: lambda _: jnp.ones(2),
    )  # fmt: skip
    assert counts.tolist() == [100]
    assert np.all((found >= -1e-3) & (found <= 0))


@pytest.mark.parametrize("name", ["sgd_armijo", "ponos", "sgd_polyak"])
def test_a_gradient_that_is_not_finite_gives_weights_that_are_not(name: str) -> None:
    """So that training ends there, as for every optimizer."""
    found, _, counts = replayed(
        name,
        Layout(((1,),)),
        ([1.0],),
        [1.0],
        lambda: lambda w: w[0] * jnp.nan,
        lambda: lambda w: w * jnp.nan,
    )
    assert not np.isfinite(found).any()
    assert counts[0] <= 100


# Through the one door.


@pytest.mark.parametrize("name", RIVALS)
def test_a_row_has_what_its_function_takes_and_starts_within_its_ranges(name: str) -> None:
    rival = RIVALS[name]
    parameters = inspect.signature(getattr(rival_rules, name)).parameters.values()
    assert [p.name for p in parameters if p.default is p.empty] == [*rival.hyperparameters]
    for key, (start, allowed) in rival.hyperparameters.items():
        assert 0 < allowed.place(start) < 1, key


def test_evaluations_of_the_loss_are_counted_and_states_too() -> None:
    own = evaluator("own_tasks:tiny", None)
    lion = canonicalise(library_program("lion")).program()
    assert own.step_cost(lion) == (0.0, 4.0)
    assert own.step_cost(find_rival("sgd_polyak").optimizer()) == (0.0, 0.0)
    evaluations, state_bytes = own.step_cost(find_rival("ponos").optimizer())
    assert evaluations > 1
    assert state_bytes == pytest.approx(3 * 4 / own.problem.layout.size)


def test_the_scale_of_gradients_is_that_of_the_loss_too() -> None:
    """Polyak's step is the loss over the square of the gradient, so that the update is the same."""
    optimizer = find_rival("sgd_polyak?learning_rate=1e9").optimizer()
    tasks = ("own_tasks:tiny", "own_tasks:tiny?gradient_scale=2")
    ((one,), (other,)) = (evaluator(task, None).evaluate(optimizer, Part.TEST, [3]) for task in tasks)
    assert one.loss == pytest.approx(other.loss, rel=1e-3)


def test_a_rule_of_the_loss_is_scored_on_the_way_and_diverges_as_others_do() -> None:
    own = evaluator("own_tasks:tiny", None)
    optimizer = find_rival("ponos").optimizer()
    (score,) = own.evaluate(optimizer, Part.TEST, [1])
    curve = own.curve(optimizer, Part.TEST, 1, 2)
    assert curve.losses[-1] == pytest.approx(score.loss, rel=1e-5)
    (score,) = own.evaluate(find_rival("sgd_polyak?learning_rate=1e38,c=1e-38").optimizer(), Part.TEST, [1])
    assert score.status is Status.DIVERGED
