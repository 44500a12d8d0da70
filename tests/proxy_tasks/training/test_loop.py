"""The training loop around an update rule: what a rule sees, how a training ends, how it is scored."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import own_tasks
import pytest
from by_hand import trajectory

from lion_search.dsl.text import parse
from lion_search.proxy_tasks.problems import Metric
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.training.evaluator import Evaluator, evaluator
from lion_search.proxy_tasks.training.loop import _score, all_finite, num_examples
from lion_search.proxy_tasks.training.optax_rules import Optax
from lion_search.proxy_tasks.training.prepare import FlatProblem, prepare
from lion_search.proxy_tasks.training.update_rules import Interpreted

SEED = 3
SGD = Optax("sgd", (("learning_rate", 0.3),))


@pytest.fixture(scope="module")
def digits() -> Evaluator:
    return evaluator("digits_mlp", None)


def run(digits: Evaluator, text: str, part: Part = Part.VALIDATION) -> Score:
    (score,) = digits.evaluate(Interpreted(parse(text)), part, [SEED])
    return score


def by_hand(problem: FlatProblem, seed: int = SEED) -> jax.Array:
    """The weights after gradient descent written out, as ``SGD`` does it."""
    return trajectory(problem, seed, lambda rate: optax.sgd(lambda count: 0.3 * rate(count)))[-1]


def loss_of(task: str, optimizer: Any, seed: int = SEED) -> float:
    (score,) = evaluator(task, None).evaluate(optimizer, Part.VALIDATION, [seed])
    assert score.status is Status.OK
    assert score.loss is not None
    return score.loss


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_is_found(bad: float) -> None:
    numbers = np.ones(2410, np.float32)
    numbers[1234] = bad
    assert not all_finite(jnp.asarray(numbers))


def test_the_largest_and_the_smallest_numbers_are_finite() -> None:
    largest = np.finfo(np.float32).max
    assert all_finite(jnp.asarray([largest, -largest, 0, -0.0, 1e-45], jnp.float32))


# What a rule sees.


@pytest.mark.parametrize("part", Part)
def test_weights_come_from_the_seed_and_the_loss_from_the_part(digits: Evaluator, part: Part) -> None:
    """A program that never changes the weights is scored on the initial ones."""
    problem = digits.problem
    weights = problem.init(jax.random.split(jax.random.key(SEED))[0])
    expected = float(problem.loss(weights, getattr(problem, part)))
    score = run(digits, "def train(w, g, lr):\n    return 0.0", part)
    assert score.loss == pytest.approx(expected, rel=1e-6)


def test_the_update_is_subtracted(digits: Evaluator) -> None:
    """``w - w`` is 0, and a network of zeros finds every class equally likely."""
    score = run(digits, "def train(w, g, lr):\n    return w")
    assert score.loss == pytest.approx(math.log(10), rel=1e-6)


def test_training_takes_every_step_of_the_task(digits: Evaluator) -> None:
    assert run(digits, "def train(w, g, lr):\n    return w").num_steps == digits.task.num_steps == 250


def test_a_program_sees_the_schedules_values_in_order(digits: Evaluator) -> None:
    """A program that fails once the sum of all rates so far exceeds a limit fails at the right step."""
    so_far = np.cumsum(digits.task.schedule.values(250))
    for step in (1, 60, 200):
        limit = float((so_far[step - 2] + so_far[step - 1]) / 2) if step > 1 else 0.5
        text = f"""
def train(w, g, m, lr):
    m = m + lr
    x = m / {limit!r}
    x = arcsin(x)
    return x, m
"""
        score = run(digits, text)
        assert (score.status, score.num_steps) == (Status.DIVERGED, step)


@pytest.mark.parametrize("task", ["own_tasks:tiny", "own_tasks:tiny?schedule=linear,warmup_steps=3"])
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_are_those_of_batches_at_the_weights_of_each_step(task: str, seed: int) -> None:
    """Gradient descent written out ends at the same loss."""
    problem = evaluator(task, None).problem
    expected = float(problem.loss(by_hand(problem, seed), problem.validation))
    assert loss_of(task, SGD, seed) == pytest.approx(expected, rel=1e-5)


# How a training ends.


def test_weights_that_are_not_finite_end_training_at_that_step() -> None:
    """Steps of 1e38 leave float32 after three."""
    fast = Optax("sgd", (("learning_rate", 1.5e38),))
    (score,) = evaluator("own_tasks:slope", None).evaluate(fast, Part.VALIDATION, [SEED])
    assert (score.status, score.num_steps, score.loss) == (Status.DIVERGED, 3, None)
    assert score.reason == "not finite after step 3 of 4"


# The gradient's scale.

SCALED = "own_tasks:slope?gradient_scale=3"


def factor(optimizer: Any, seed: int, task: str = SCALED) -> float:
    """How much further a step of the weight goes than the slope of 1."""
    return -loss_of(task, optimizer, seed) / 4


UNIT = Optax("sgd", (("learning_rate", 1.0),))


def test_the_factor_is_drawn_with_the_seed_from_the_decades_that_are_stated() -> None:
    logs = np.log10([factor(UNIT, seed) for seed in range(40)])
    assert -3 <= logs.min() < -2
    assert 2 < logs.max() <= 3
    assert len(set(logs)) == 40
    assert factor(UNIT, 0, "own_tasks:slope") == 1


def test_the_factor_of_a_seed_is_the_same_for_all_optimizers() -> None:
    for seed in range(5):
        half = Optax("sgd", (("learning_rate", 0.5), ("momentum", 0.0)))
        assert 2 * factor(half, seed) == pytest.approx(factor(UNIT, seed), rel=1e-5)


def test_sign_descent_does_not_see_the_factor() -> None:
    signs = Optax("sign_sgd", (("learning_rate", 0.1),))
    for seed in range(5):
        plain = loss_of("own_tasks:tiny", signs, seed)
        assert loss_of("own_tasks:tiny?gradient_scale=2", signs, seed) == pytest.approx(plain, rel=1e-6)


def test_gradient_descent_sees_the_factor() -> None:
    plain, scaled = (
        [loss_of(task, Optax("sgd", (("learning_rate", 0.01),)), seed) for seed in range(5)]
        for task in ("own_tasks:tiny", "own_tasks:tiny?gradient_scale=2")
    )
    assert all(abs(a - b) > 1e-4 * a for a, b in zip(plain, scaled, strict=True))


def test_the_score_is_not_scaled() -> None:
    still = Optax("sgd", (("learning_rate", 0.0),))
    assert loss_of("own_tasks:tiny?gradient_scale=2", still) == loss_of("own_tasks:tiny", still)


# How it is scored.


def test_early_stopping_scores_the_step_that_was_best_on_validation() -> None:
    """At a learning rate at which losses go up and down."""
    fast = Optax("sgd", (("learning_rate", 9.0),))
    checks = (5, 10, 15, 20)
    plain = evaluator("own_tasks:tiny?schedule=constant", None)
    losses: dict[Part, list[float]] = {}
    for part in (Part.VALIDATION, Part.TEST):
        curve = plain.curve(fast, part, SEED, 4)
        losses[part] = [loss for step, loss in zip(curve.steps, curve.losses, strict=True) if step in checks]
    best = int(np.argmin(losses[Part.VALIDATION]))
    assert best != len(checks) - 1
    for part, own in losses.items():
        stopped = evaluator("own_tasks:tiny?schedule=constant,early_stopping=4", None)
        (score,) = stopped.evaluate(fast, part, [SEED])
        assert score.loss == pytest.approx(own[best], rel=1e-5)
        along = stopped.curve(fast, part, SEED, 10)
        assert along.steps == (0, *checks)
        assert along.losses[-1] == pytest.approx(score.loss, rel=1e-5)
        assert along.losses[1 + best] == along.losses[-1]


def test_a_training_that_diverges_after_its_best_has_diverged() -> None:
    fast = Optax("sgd", (("learning_rate", 1.0),))
    (score,) = evaluator("own_tasks:root?early_stopping=4", None).evaluate(fast, Part.VALIDATION, [0])
    assert score.status is Status.DIVERGED


def scored_part(size: int, **changes: Any) -> tuple[FlatProblem, jax.Array, Any]:
    problem = prepare(replace(own_tasks.tiny(), **changes))
    return problem, problem.init(jax.random.key(0)), own_tasks._examples(5, size)


@pytest.mark.parametrize("size", [1, 1024, 1025, 2048, 2702])
@pytest.mark.parametrize("metric", ["loss", "error"])
def test_a_score_in_chunks_is_the_mean_over_all_examples(size: int, metric: str) -> None:
    problem, weights, examples = scored_part(size, metric=metric)
    expected = float(problem.metric.means(weights, examples))
    found = jax.jit(partial(_score, problem))(weights, examples)
    assert (found.shape, found.dtype) == ((), np.float32)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_metric_of_chunks_is_that_of_the_whole_part() -> None:
    """Also one that is no mean over examples."""

    def moments(weights: Any, examples: Any) -> dict[str, jax.Array]:
        right = own_tasks._logits(weights, examples.inputs)[:, 0]
        return {"first": jnp.mean(right), "second": jnp.mean(right**2)}

    deviation = Metric(moments, lambda mean: jnp.sqrt(mean["second"] - mean["first"] ** 2))
    own = replace(own_tasks.problem(), metrics={"deviation": deviation})
    problem, weights, examples = scored_part(2702, problem=lambda: own, metric="deviation")
    logits = own_tasks._logits(
        dict(zip(("bias", "matrix"), problem.layout.split(weights), strict=True)), examples.inputs
    )
    found = jax.jit(partial(_score, problem))(weights, examples)
    assert float(found) == pytest.approx(float(np.std(logits[:, 0])), rel=1e-5)


@pytest.mark.parametrize("place", [0, 1500, 2701])
def test_every_example_counts(place: int) -> None:
    """Also the last, which are no whole chunk."""
    problem, weights, examples = scored_part(2702)
    labels = examples.labels.copy()
    labels[place] = (labels[place] + 1) % 3
    score, loss = jax.jit(partial(_score, problem)), jax.jit(problem.loss)
    both = examples, examples._replace(labels=labels)
    before, after = (float(score(weights, e)) for e in both)
    one, other = (loss(weights, jax.tree.map(lambda a: a[[place]], e)) for e in both)
    assert after - before == pytest.approx(float(other - one) / 2702, rel=0.02)


def test_no_more_than_the_chunk_is_scored_at_once() -> None:
    """So that a large part takes no more memory than a batch."""
    sizes = []

    def watched(weights: Any, examples: Any) -> jax.Array:
        sizes.append(num_examples(examples))
        return own_tasks.loss(weights, examples)

    problem = prepare(replace(own_tasks.tiny(), problem=lambda: replace(own_tasks.problem(), loss=watched)))
    sizes.clear()
    jax.eval_shape(lambda w, e: _score(problem, w, e), jnp.zeros(18), own_tasks._examples(0, 5000))
    assert sizes
    assert max(sizes) <= 1024


def test_a_training_is_scored_by_the_tasks_metric() -> None:
    reference = "own_tasks:tiny?metric=error"
    problem = evaluator(reference, None).problem
    expected = float(problem.metric.means(by_hand(problem), problem.validation))
    assert 0 < expected < 1
    assert loss_of(reference, SGD) == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_not_finite_is_a_divergence_whatever_the_metric() -> None:
    """The share of wrong predictions of a broken network may look good."""
    fast = Optax("sgd", (("learning_rate", 1.5),))
    for options in ("steps=1", "steps=1,metric=error"):
        (score,) = evaluator(f"own_tasks:root?{options}", None).evaluate(fast, Part.VALIDATION, [0])
        assert (score.status, score.loss, score.num_steps) == (Status.DIVERGED, None, 1)


def test_a_user_sees_validation_in_chunks_too() -> None:
    problem = evaluator("own_tasks:many_validated", None).problem
    expected = float(problem.loss(by_hand(problem), problem.validation))
    assert loss_of("own_tasks:many_validated", SGD) == pytest.approx(expected, rel=1e-5)
