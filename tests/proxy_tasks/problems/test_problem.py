"""The loss that everything is judged by, and classification problems made of a data set and a model."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lion_search.proxy_tasks.problems.datasets import load_dataset
from lion_search.proxy_tasks.problems.examples import Dataset, Examples
from lion_search.proxy_tasks.problems.models import MLP
from lion_search.proxy_tasks.problems.problem import Problem, classification, cross_entropy


def by_hand(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in float64, one label at a time."""
    losses = []
    for place in np.ndindex(labels.shape):
        own = logits[place].astype(np.float64)
        losses.append(np.log(np.exp(own - own.max()).sum()) + own.max() - own[labels[place]])
    return float(np.mean(losses))


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 6)], ids=["one", "[B, C]", "[B, T, C]"])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_cross_entropy_is_the_mean_over_all_labels(shape: tuple[int, ...], size: float) -> None:
    rng = np.random.default_rng(0)
    logits = (size * rng.standard_normal((*shape, 5))).astype(np.float32)
    labels = rng.integers(0, 5, shape).astype(np.int32)
    found = cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
    assert (found.shape, found.dtype) == ((), np.float32)
    assert float(found) == pytest.approx(by_hand(logits, labels), rel=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e3, 1e6, 1e9, 1e12, -1e9])
def test_equal_logits_are_worth_nothing_however_large(size: float) -> None:
    """With logsumexp(logits) - logit, in float32, a search found that huge equal logits cost nothing."""
    loss = cross_entropy(jnp.full((3, 10), size), jnp.asarray([0, 4, 9]))
    assert float(loss) == pytest.approx(math.log(10), rel=1e-5)


def test_the_gradient_of_cross_entropy_is_the_softmax_minus_the_label() -> None:
    logits, labels = np.asarray([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]], np.float32), np.asarray([1, 0])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = (softmax - np.eye(3)[labels]) / 2
    found = jax.grad(cross_entropy)(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def mlp_logits(weights: list[np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """A perceptron with one hidden layer in float64, written out."""
    w1, b1, w2, b2 = (np.asarray(a, np.float64) for a in weights)
    return np.maximum(inputs @ w1.T + b1, 0) @ w2.T + b2


@pytest.fixture(scope="module")
def digits() -> Problem:
    return classification(load_dataset("digits"), MLP((32,)))


@pytest.mark.parametrize("scale", [1, 30])
def test_a_model_sees_inputs_in_their_unit(digits: Problem, scale: float) -> None:
    """Digits are bytes of sixteenths; the loss and the error are those of the inputs divided by 16."""
    weights = jax.tree.map(lambda a: scale * a, digits.init(jax.random.key(0)))
    inputs, labels = digits.test
    assert inputs.dtype == np.uint8
    logits = mlp_logits(jax.tree.leaves(weights), inputs / 16)
    assert digits.error is not None
    assert float(digits.loss(weights, digits.test)) == pytest.approx(by_hand(logits, labels), rel=1e-4)
    wrong = np.mean(logits.argmax(axis=1) != labels)
    assert float(digits.error(weights, digits.test)) == pytest.approx(wrong, abs=1e-6)


class Recorder:
    """A model without hidden units that keeps what it was given."""

    def init(self, key: jax.Array, example: tuple[int, ...], num_classes: int) -> jax.Array:
        self.asked = (example, num_classes)
        return jnp.zeros((1, num_classes))

    def logits(self, weights: jax.Array, inputs: jax.Array) -> jax.Array:
        self.inputs = np.asarray(inputs)
        return jnp.broadcast_to(weights, (*inputs.shape[:2], weights.shape[1]))


def dataset(inputs: np.ndarray, unit: float) -> Dataset:
    split = Examples(inputs, np.zeros(inputs.shape[:2], np.int32))
    return Dataset("mine", 7, split, split, split, unit=unit)


@pytest.mark.parametrize(
    ("inputs", "unit", "dtype", "first"),
    [
        (np.asarray([[3, 250]], np.uint8), 1.0, np.int32, 3),  # tokens
        (np.asarray([[3, 250]], np.uint8), 1 / 4, np.float32, 0.75),
        (np.asarray([[3, 250]], np.int32), 1 / 4, np.float32, 0.75),
        (np.asarray([[0.5, 1.0]], np.float32), 1.0, np.float32, 0.5),
        (np.asarray([[0.5, 1.0]], np.float32), 2.0, np.float32, 1.0),
    ],
)
def test_tokens_stay_integers_and_all_else_becomes_a_float(
    inputs: np.ndarray, unit: float, dtype: type, first: float
) -> None:
    model = Recorder()
    problem = classification(dataset(inputs, unit), model)
    problem.loss(problem.init(jax.random.key(0)), problem.train)
    assert model.asked == ((2,), 7)
    assert model.inputs.dtype == dtype
    assert model.inputs[0, 0] == first


def test_a_classification_problem_has_the_parts_of_its_data_set() -> None:
    data = load_dataset("digits")
    problem = classification(data, MLP((3,)))
    for part in ("train", "validation", "test"):
        examples, split = getattr(problem, part), getattr(data, part)
        assert isinstance(examples, Examples)
        assert examples.inputs is split.inputs
        assert examples.labels is split.labels
    assert problem.num_classes == 10


def test_the_error_is_the_share_of_all_labels_of_a_sequence() -> None:
    split = Examples(np.zeros((2, 3), np.int32), np.asarray([[0, 1, 0], [0, 0, 1]], np.int32))
    problem = classification(Dataset("mine", 2, split, split, split), Recorder())
    assert problem.error is not None
    weights = jnp.asarray([[1.0, 0.0]])  # predicts 0 everywhere
    assert float(problem.error(weights, problem.test)) == pytest.approx(2 / 6)
