"""Contrastive learning of images and captions: clothes in one of two brightnesses and four poses.

Two towers, a perceptron for images and the mean of word vectors for captions, give vectors that are alike
where the two belong together (Radford and others 2021, arXiv:2103.00020). Captions of one phrase may meet in
a batch: all of them are right (Yang and others 2022, arXiv:2204.03610). For each kind of clothing one
combination of brightness and pose is seen in validation only and one in test only, so what is scored are
combinations of words that training has not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.errors import did_you_mean
from lion_search.proxy_tasks.problems.datasets import load_dataset
from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, DataError, Dataset, Examples
from lion_search.proxy_tasks.problems.models import MLP, Initialisation
from lion_search.proxy_tasks.problems.problem import Metric, Problem

_THINGS = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
_BRIGHTNESS = ("bright", "dark")
_POSES = ("upright", "turned left", "upside down", "turned right")
PHRASES = tuple(itertools.product(_THINGS, _BRIGHTNESS, _POSES))
"""What a caption says; a phrase's number is ``thing * 8 + brightness * 4 + pose``."""

_PER_THING = len(_BRIGHTNESS) * len(_POSES)
_TEMPLATES = (
    "a {1} {0} {2}",
    "a photo of a {1} {0} {2}",
    "{2} we see a {1} {0}",
    "the {0} is {1} and {2}",
)
_LONGEST = 8  # words in a caption


class Captioned(NamedTuple):
    """Images with captions.

    Attributes:
        images: ``[images, P]`` in [0, 1].
        captions: ``[images, L]``, words from 1; 0 is padding.
        phrases: ``[images]``, the number of what the caption says.
    """

    images: Any
    captions: Any
    phrases: Any


class Towers(NamedTuple):
    """Weights: of the image's perceptron; ``words`` ``[V, D]``; ``scale`` is log(1 / temperature)."""

    image: Any
    words: jax.Array
    scale: jax.Array


def contrastive(dataset: str, hidden: tuple[int, ...], width: int) -> Problem:
    """The contrastive loss of a batch, of vectors of ``width`` numbers.

    ``zero_shot_error`` is the share of images whose caption is not found among all phrases that training has
    not, those of validation and test: 20, of which one is right.
    """
    data = load_dataset(dataset)
    tower = MLP(hidden, Initialisation.HE)
    train, validation, test = (
        _captioned(data, getattr(data, part), part) for part in ("train", "validation", "test")
    )
    unseen = np.unique([*validation.phrases, *test.phrases])
    prompts = encode([_caption(phrase, 0) for phrase in unseen])

    def vectors(weights: Towers, examples: Captioned) -> tuple[jax.Array, jax.Array]:
        image = tower.logits(weights.image, examples.images)
        return _unit(image), _read_captions(weights.words, examples.captions)

    def loss(weights: Towers, examples: Captioned) -> jax.Array:
        images, texts = vectors(weights, examples)
        scale = jnp.exp(jnp.minimum(weights.scale, math.log(100)))
        return pair_loss(scale * images @ texts.T, examples.phrases)

    def zero_shot_error(weights: Towers, examples: Captioned) -> jax.Array:
        images, texts = vectors(weights, examples._replace(captions=prompts))
        chosen = jnp.asarray(unseen)[jnp.argmax(images @ texts.T, axis=1)]
        return jnp.mean(jnp.float32(chosen != examples.phrases))

    return Problem(
        init=lambda key: _init(key, tower, data.num_features, width),
        loss=loss,
        metrics={"zero_shot_error": Metric(zero_shot_error)},
        train=train,
        validation=validation,
        test=test,
    )


def pair_loss(logits: jax.Array, phrases: jax.Array) -> jax.Array:
    """Cross-entropy of logits ``[B, B]`` of images and texts, both ways; all of one phrase are right.

    Less the logarithm of how many these are, its least value, so that a perfect loss is 0.
    """
    is_right = phrases[:, None] == phrases[None, :]
    num_right = jnp.sum(is_right, axis=1, keepdims=True)
    both = jax.nn.log_softmax(logits, axis=1) + jax.nn.log_softmax(logits, axis=0)
    return -jnp.sum(is_right / num_right * both) / (2 * len(logits)) - jnp.mean(jnp.log(num_right))


def _vocabulary() -> dict[str, int]:
    text = " ".join((*_TEMPLATES, *_THINGS, *_BRIGHTNESS, *_POSES))
    words = sorted({word for word in text.split() if not word.startswith("{")})
    return {word: i for i, word in enumerate(words, start=1)}


def encode(captions: Sequence[str]) -> np.ndarray:
    """Captions as numbers of words ``[captions, L]``, padded with 0.

    Raises:
        DataError: a caption is too long, or has a word outside the vocabulary.
    """
    vocabulary = _vocabulary()
    found = np.zeros((len(captions), _LONGEST), np.uint8)
    for row, caption in enumerate(captions):
        words = caption.split()
        if unknown := [word for word in words if word not in vocabulary]:
            near = did_you_mean(unknown[0], vocabulary)
            raise DataError(f"caption '{caption}': '{unknown[0]}' is not in the vocabulary{near}")
        if len(words) > _LONGEST:
            raise DataError(f"caption '{caption}' has {len(words)} words; at most {_LONGEST} are read")
        found[row, : len(words)] = [vocabulary[word] for word in words]
    return found


def _caption(phrase: int, template: int) -> str:
    return _TEMPLATES[template].format(*PHRASES[phrase])


def _captioned(data: Dataset, part: Examples, name: str) -> Captioned:
    """Each image in a brightness and pose that the part may show for its class, captioned."""
    rng = np.random.default_rng([SPLIT_SEED, len(name)])
    things = np.arange(len(_THINGS))
    held_out = {"validation": (3 * things + 1) % _PER_THING, "test": (3 * things + 5) % _PER_THING}
    if name in held_out:
        combination = held_out[name][part.labels]
    else:
        seen = [np.setdiff1d(np.arange(_PER_THING), [h[t] for h in held_out.values()]) for t in things]
        combination = np.stack(seen)[part.labels, rng.integers(0, _PER_THING - 2, len(part.labels))]
    phrases = part.labels * _PER_THING + combination
    rows = rng.integers(0, len(_TEMPLATES), len(phrases))
    captions = [encode([_caption(p, t) for p in range(len(PHRASES))]) for t in range(len(_TEMPLATES))]
    images = np.float32(data.unit) * part.inputs.astype(np.float32)
    return Captioned(_posed(images, combination), np.stack(captions)[rows, phrases], phrases.astype(np.int32))


def _posed(images: np.ndarray, combination: np.ndarray) -> np.ndarray:
    """Images ``[images, P]`` turned by quarters and, where dark, as negatives."""
    side = math.isqrt(images.shape[1])
    square = images.reshape(-1, side, side)
    turned = np.stack([np.rot90(square, quarter, axes=(1, 2)) for quarter in range(len(_POSES))])
    posed = turned[combination % len(_POSES), np.arange(len(images))].reshape(images.shape)
    is_dark = combination >= len(_POSES)
    return np.where(is_dark[:, None], 1 - posed, posed)


def _init(key: jax.Array, tower: MLP, num_pixels: int, width: int) -> Towers:
    first, second = jax.random.split(key)
    words = jax.random.normal(second, (len(_vocabulary()) + 1, width))
    return Towers(tower.init(first, (num_pixels,), width), words, jnp.log(jnp.float32(1 / 0.07)))


def _read_captions(words: jax.Array, captions: Any) -> jax.Array:
    captions = jnp.asarray(captions).astype(jnp.int32)
    is_word = jnp.float32(captions > 0)[:, :, None]
    return _unit(jnp.sum(words[captions] * is_word, axis=1))  # of unit length, the sum is as good as the mean


def _unit(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=1, keepdims=True) + 1e-12)
