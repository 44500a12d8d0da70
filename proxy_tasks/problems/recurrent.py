"""A recurrent network of sequences that differ in length: how words are spelled, letter by letter.

A gated recurrent unit (Cho and others 2014, arXiv:1406.1078) reads the letters so far through ``lax.scan``
and says the next one, or that the word ends. What comes after a word's end is masked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lion_search.proxy_tasks.problems.examples import DataError
from lion_search.proxy_tasks.problems.models import matrix
from lion_search.proxy_tasks.problems.problem import Metric, Problem
from lion_search.proxy_tasks.problems.speeches import spellings

LETTERS = "abcdefghijklmnopqrstuvwxyz"
START, END = 0, len(LETTERS) + 1
NUM_TOKENS = len(LETTERS) + 2


class Ragged(NamedTuple):
    """Sequences of tokens, padded to T.

    Attributes:
        inputs: ``[sequences, T]``, from the start token on.
        labels: ``[sequences, T]``, the next token; the last is the end token.
        lengths: ``[sequences]``, of inputs and labels that count; what comes after is padding.
    """

    inputs: Any
    labels: Any
    lengths: Any


class GRU(NamedTuple):
    """Weights: gates are reset, update and candidate, each of H units; V tokens.

    ``letters`` ``[V, 3 H]`` is the embedding times the input's matrices; ``recurrent`` ``[3 H, H]``, ``bias``
    ``[3 H]``; ``head`` ``[V, H]`` and ``[V]``.
    """

    letters: jax.Array
    recurrent: jax.Array
    bias: jax.Array
    head: tuple[jax.Array, jax.Array]


def spelling(width: int) -> Problem:
    """The cross-entropy of each word's letters and end, per letter of a word of mean length."""
    train, validation, test = (spelled(words) for words in spellings())
    mean_length = float(np.mean(train.lengths))

    def means(weights: GRU, examples: Ragged) -> tuple[jax.Array, jax.Array]:
        losses = token_losses(weights, examples)
        return jnp.mean(jnp.sum(losses, axis=1)), jnp.mean(examples.lengths.astype(jnp.float32))

    return Problem(
        init=lambda key: init_gru(key, width),
        loss=lambda weights, examples: means(weights, examples)[0] / mean_length,
        metrics={"perplexity": Metric(means, lambda mean: jnp.exp(mean[0] / mean[1]))},
        train=train,
        validation=validation,
        test=test,
    )


def init_gru(key: jax.Array, width: int) -> GRU:
    """Normal matrices of variance 1 / fan-in, the embedding's 1; biases 0."""
    first, second, third = jax.random.split(key, 3)
    letters = jax.random.normal(first, (NUM_TOKENS, 3 * width)) / math.sqrt(2)
    head = matrix(third, NUM_TOKENS, width), jnp.zeros(NUM_TOKENS)
    return GRU(letters, matrix(second, 3 * width, width), jnp.zeros(3 * width), head)


def token_losses(weights: GRU, examples: Ragged) -> jax.Array:
    """Cross-entropy ``[B, T]`` of each token, 0 after the end of a sequence."""
    width = weights.recurrent.shape[1]

    def step(hidden: jax.Array, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        own = weights.letters[tokens] + weights.bias
        past = hidden @ weights.recurrent.T
        gates = jax.nn.sigmoid(own[:, : 2 * width] + past[:, : 2 * width])
        reset, update = gates[:, :width], gates[:, width:]
        candidate = jnp.tanh(own[:, 2 * width :] + reset * past[:, 2 * width :])
        hidden = update * hidden + (1 - update) * candidate
        return hidden, hidden

    inputs, labels = (a.astype(jnp.int32) for a in (examples.inputs, examples.labels))
    _, hidden = lax.scan(step, jnp.zeros((len(inputs), width)), inputs.T, unroll=True)
    logits = hidden @ weights.head[0].T + weights.head[1]  # [T, B, V]
    is_label = labels.T[:, :, None] == jnp.arange(NUM_TOKENS)
    losses = -jnp.sum(jnp.where(is_label, jax.nn.log_softmax(logits), 0), axis=-1).T
    return jnp.where(jnp.arange(inputs.shape[1]) < examples.lengths[:, None], losses, 0)


def spelled(words: Sequence[str], longest: int = 12) -> Ragged:
    """Words of at most so many letters as sequences.

    Raises:
        DataError: a word is too long, or has a letter outside the alphabet.
    """
    tokens: Mapping[str, int] = {letter: i for i, letter in enumerate(LETTERS, start=1)}
    inputs, labels = np.zeros((2, len(words), longest + 1), np.uint8)
    for row, word in enumerate(words):
        if not set(word) <= tokens.keys() or len(word) > longest:
            raise DataError(f"word '{word}': expected at most {longest} letters from a to z")
        inputs[row, 1 : len(word) + 1] = [tokens[letter] for letter in word]
        labels[row, : len(word)] = inputs[row, 1 : len(word) + 1]
        labels[row, len(word)] = END
    lengths = np.asarray([len(word) + 1 for word in words], np.int32)
    return Ragged(inputs, labels, lengths)
