"""Diffusion: a network that says which noise was added to an image, and images made with it.

Ho, Jain, Abbeel 2020, arXiv:2006.11239, with the cosine schedule of Nichol and Dhariwal 2021,
arXiv:2102.09672, in continuous time: at time t from 0 to 1 an image x is seen as
``cos(pi t / 2) x + sin(pi t / 2) noise``. Each image has one noise and one time, drawn once, so that a score
has no noise of its own.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.problems.datasets import load_dataset
from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, Dataset, Examples
from lion_search.proxy_tasks.problems.models import MLP, Initialisation
from lion_search.proxy_tasks.problems.pretrained import pretrained
from lion_search.proxy_tasks.problems.problem import Metric, Problem, classification

EARLIEST, LATEST = 0.02, 0.98
"""Times: before and after there is hardly noise, or hardly image."""

_NUM_WAVES = 8
_NUM_SAMPLING_STEPS = 10
_CLASSIFIER = MLP((32, 16), Initialisation.HE)
_CLASSIFIER_STEPS = 3_000


class Noised(NamedTuple):
    """Images and what is added to them.

    Attributes:
        images: ``[images, P]`` in [-1, 1].
        noises: ``[images, P]``, normal.
        times: ``[images]``, evenly spread.
    """

    images: Any
    noises: Any
    times: Any


def denoising(dataset: str, hidden: tuple[int, ...]) -> Problem:
    """The mean squared error of the predicted noise, by a perceptron that sees image and time."""
    data = load_dataset(dataset)
    model = MLP(hidden, Initialisation.HE)
    num_pixels = data.num_features
    train, validation, test = (
        _noised(data, part, i) for i, part in enumerate((data.train, data.validation, data.test))
    )

    def loss(weights: Any, examples: Noised) -> jax.Array:
        image, noise = _shares(examples.times[:, None])
        seen = image * examples.images + noise * examples.noises
        return jnp.mean((predict(model, weights, seen, examples.times) - examples.noises) ** 2)

    return Problem(
        init=lambda key: model.init(key, (num_pixels + 2 * _NUM_WAVES,), num_pixels),
        loss=loss,
        metrics={"frechet": _frechet_of_samples(data, model)},
        train=train,
        validation=validation,
        test=test,
    )


def predict(model: MLP, weights: Any, seen: jax.Array, times: jax.Array) -> jax.Array:
    """The noise in images ``[B, P]`` seen at times ``[B]``.

    The network gives the velocity of Salimans and Ho 2022, arXiv:2202.00512, from which the noise follows:
    late, nearly all that is seen is noise, and a perceptron would have to learn to copy it.
    """
    angles = times[:, None] * (math.pi / 2 * 2.0 ** jnp.arange(_NUM_WAVES) / 4)
    velocity = model.logits(weights, jnp.concatenate([seen, jnp.sin(angles), jnp.cos(angles)], axis=1))
    image, noise = _shares(times[:, None])
    return noise * seen + image * velocity


def sample(model: MLP, weights: Any, noises: jax.Array) -> jax.Array:
    """Images ``[B, P]`` from noise, by the fixed steps of Song, Meng, Ermon 2020, arXiv:2010.02502."""
    times = jnp.linspace(LATEST, EARLIEST, _NUM_SAMPLING_STEPS)
    seen = noises
    for now, then in zip(times, [*times[1:], 0.0], strict=True):
        image, noise = _shares(now)
        found = predict(model, weights, seen, jnp.full(len(seen), now))
        clean = jnp.clip((seen - noise * found) / image, -1, 1)
        image_then, noise_then = _shares(jnp.asarray(then))
        seen = image_then * clean + noise_then * (seen - image * clean) / noise
    return seen


def frechet_distance(moments: Any) -> jax.Array:
    """The squared Frechet distance of two normal distributions, from their first and second moments.

    Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017, arXiv:1706.08500; 0 if they are the same.

    Args:
        moments: for each of the two, means ``[D]`` and means of products ``[D, D]``.
    """
    (mean, covariance), (other_mean, other) = ((m, products - jnp.outer(m, m)) for m, products in moments)
    values, vectors = jnp.linalg.eigh(covariance)
    root = (vectors * jnp.sqrt(jnp.maximum(values, 0))) @ vectors.T
    shared = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(root @ other @ root), 0))
    distance = (
        jnp.sum((mean - other_mean) ** 2) + jnp.trace(covariance) + jnp.trace(other) - 2 * jnp.sum(shared)
    )
    return jnp.maximum(distance, 0)


def _shares(times: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How much of what is seen is image, and how much noise."""
    return jnp.cos(math.pi / 2 * times), jnp.sin(math.pi / 2 * times)


def _noised(data: Dataset, part: Examples, index: int) -> Noised:
    rng = np.random.default_rng([SPLIT_SEED, index])
    images = 2 * np.float32(data.unit) * part.inputs.astype(np.float32) - 1
    noises = rng.standard_normal(images.shape, np.float32)
    times = rng.permutation(np.linspace(EARLIEST, LATEST, len(images), dtype=np.float32))
    return Noised(images, noises, times)


def _frechet_of_samples(data: Dataset, model: MLP) -> Metric:
    """Between images and samples, in the features of a classifier that is trained here at first use."""

    def features(images: jax.Array) -> jax.Array:
        classifier = classification(data, _CLASSIFIER)
        *body, _ = pretrained(f"{data.name}_features", classifier, _CLASSIFIER_STEPS, seconds=10)
        return _CLASSIFIER.logits(tuple(body), (images + 1) / 2)

    def moments(found: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.mean(found, axis=0), found.T @ found / len(found)

    def means(weights: Any, examples: Noised) -> Any:
        made = sample(model, weights, examples.noises)
        return moments(features(made)), moments(features(examples.images))

    return Metric(means, frechet_distance)
