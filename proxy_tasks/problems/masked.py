"""Masked language modelling: words are hidden, and a Transformer that sees both sides says which they were.

Devlin, Chang, Lee, Toutanova 2018, arXiv:1810.04805, but every hidden token is replaced by the mask. Which
are hidden is drawn once for each window, so that a score has no noise of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.problems.datasets import load_dataset
from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, Examples
from lion_search.proxy_tasks.problems.models import CausalTransformer, Transformer, matrix, read_tokens
from lion_search.proxy_tasks.problems.problem import Metric, Problem, cross_entropy

SHARE = 0.25
"""Of the tokens of a window that are hidden, at least one: more than BERT's 15 %, as few are seen."""


class Masked(NamedTuple):
    """Windows with hidden tokens.

    Attributes:
        inputs: ``[windows, T]``, the mask where a token is hidden; it comes after the vocabulary.
        positions: ``[windows, K]``, of the hidden tokens.
        labels: ``[windows, K]``, what they were.
    """

    inputs: Any
    positions: Any
    labels: Any


def masked_language(dataset: str, width: int, depth: int, heads: int) -> Problem:
    """The mean cross-entropy of the hidden tokens of a data set of tokens."""
    data = load_dataset(dataset)
    parts = (data.train, data.validation, data.test)
    train, validation, test = (mask(part, data.num_classes, SPLIT_SEED + i) for i, part in enumerate(parts))
    model = CausalTransformer(width, depth, heads)

    def init(key: jax.Array) -> Transformer:
        own, other = jax.random.split(key)
        weights = model.init(own, data.train.inputs.shape[1:], data.num_classes + 1)
        # As large as the tokens: with 0.02, which neighbour is which is learned late (2.89, 2.81 on topics).
        return weights._replace(positions=matrix(other, *weights.positions.shape))

    def loss(weights: Transformer, examples: Masked) -> jax.Array:
        return cross_entropy(hidden_logits(weights, examples, heads), examples.labels)

    return Problem(
        init=init,
        loss=loss,
        train=train,
        validation=validation,
        test=test,
        metrics={"perplexity": Metric(loss, jnp.exp)},
    )


def hidden_logits(weights: Transformer, examples: Masked, heads: int) -> jax.Array:
    """``[B, K, vocabulary]`` for the hidden tokens."""
    features = read_tokens(weights, examples.inputs.astype(jnp.int32), heads, causal=False)
    hidden = jnp.take_along_axis(features, examples.positions[:, :, None], axis=1)
    return hidden @ weights.embedding[:-1].T


def mask(examples: Examples, num_classes: int, seed: int) -> Masked:
    """Hides some tokens of each window ``[windows, T]`` of a vocabulary of ``num_classes``."""
    windows = examples.inputs.astype(np.int32)
    num_hidden = max(1, round(SHARE * windows.shape[1]))
    drawn = np.random.default_rng(seed).random(windows.shape)
    positions = np.sort(np.argsort(drawn, axis=1)[:, :num_hidden], axis=1).astype(np.int32)
    labels = np.take_along_axis(windows, positions, axis=1)
    np.put_along_axis(windows, positions, num_classes, axis=1)
    return Masked(windows, positions, labels)
