"""What is trained: initial weights, a loss, and examples in three parts. A user's task gives one of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from lion_search.proxy_tasks.problems.examples import Dataset, Examples
from lion_search.proxy_tasks.problems.models import Model


def _itself(mean: jax.Array) -> jax.Array:
    return mean


@dataclass(frozen=True, slots=True)
class Metric:
    """What a trained network is scored by; lower is better.

    It is a function of means over examples, so that a large part is scored chunk by chunk and the result is
    that of the whole part: perplexity is ``exp`` of the mean loss, a Frechet distance a function of first and
    second moments.

    Attributes:
        means: (weights, examples) -> a tree of float32 arrays, each a mean over these examples.
        value: those of a whole part -> the metric, a float32 scalar; by default the only mean itself.
    """

    means: Callable[[Any, Any], Any]
    value: Callable[[Any], jax.Array] = _itself


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Something to minimise. Weights and examples are trees of arrays of any structure.

    Attributes:
        init: key -> initial weights, float32 arrays.
        loss: (weights, examples) -> the mean loss over these examples, a float32 scalar; is differentiated.
        train: the examples to train on; the first axis of each array counts the examples.
        validation: what a search looks at.
        test: what is reported.
        error: (weights, examples) -> the share of these examples that are predicted wrongly: the metric
            ``error``, for short.
        num_classes: of labels, where the examples are :class:`Examples`; label noise needs it.
        metrics: by name, what else a network can be scored by, as ``metric=NAME``.
    """

    init: Callable[[jax.Array], Any]
    loss: Callable[[Any, Any], jax.Array]
    train: Any
    validation: Any
    test: Any
    error: Callable[[Any, Any], jax.Array] | None = None
    num_classes: int | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def all_metrics(self) -> dict[str, Metric]:
        """Every metric by name; ``loss`` and ``error``, if there is one, are among them."""
        own = {"loss": Metric(self.loss)} | ({"error": Metric(self.error)} if self.error else {})
        return own | dict(self.metrics) | own


def classification(dataset: Dataset, model: Model) -> Problem:
    """The mean cross-entropy of a network on a data set."""

    def logits(weights: Any, inputs: jax.Array) -> jax.Array:
        is_index = dataset.unit == 1 and jnp.issubdtype(inputs.dtype, jnp.integer)
        ready = inputs.astype(jnp.int32) if is_index else inputs.astype(jnp.float32) * dataset.unit
        return model.logits(weights, ready)

    def loss(weights: Any, examples: Examples) -> jax.Array:
        return cross_entropy(logits(weights, examples.inputs), examples.labels)

    def error(weights: Any, examples: Examples) -> jax.Array:
        predicted = jnp.argmax(logits(weights, examples.inputs), axis=-1)
        return jnp.mean(jnp.float32(predicted != examples.labels))

    example = dataset.train.inputs.shape[1:]
    is_text = dataset.train.labels.ndim == 2
    return Problem(
        init=lambda key: model.init(key, example, dataset.num_classes),
        loss=loss,
        error=error,
        num_classes=dataset.num_classes,
        train=dataset.train,
        validation=dataset.validation,
        test=dataset.test,
        metrics={"perplexity": Metric(loss, jnp.exp)} if is_text else {},
    )


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy of logits ``[..., classes]`` and labels ``[...]``.

    Not ``logsumexp(logits) - logit``: with logits of 1e9 that is 0 in float32, and a search finds it.
    """
    is_label = labels[..., None] == jnp.arange(logits.shape[-1])
    return -jnp.mean(jnp.sum(jnp.where(is_label, jax.nn.log_softmax(logits), 0), axis=-1))
