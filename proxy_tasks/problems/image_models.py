"""Networks of images beside perceptrons and Transformers: a ConvNet, an MLP-Mixer, a ViT of larger images.

Letters: B examples, H and W rows and columns, C channels, T patches of an image, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lion_search.proxy_tasks.problems.models import (
    ExampleShape,
    ModelError,
    Norm,
    Transformer,
    ViT,
    matrix,
    normalise,
    project,
)

Linear = tuple[jax.Array, jax.Array]
"""A matrix ``[out, in]`` and biases ``[out]``."""


@dataclass(frozen=True, slots=True)
class ConvNet:
    """Convolutions of 3x3 with stride 2, of so many channels each, then a linear layer; square grey images.

    All convolutional: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, arXiv:1412.6806. A kernel is a matrix
    ``[out, 9 * in]``, row by row of its window: on one core, products of matrices are the faster convolution.
    """

    channels: tuple[int, ...]

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> tuple[Linear, ...]:
        side, num_in, layers = _side(example), 1, []
        for num_out in self.channels:
            key, own = jax.random.split(key)
            layers.append((math.sqrt(2) * matrix(own, num_out, 9 * num_in), jnp.zeros(num_out)))
            side, num_in = -(-side // 2), num_out
        return *layers, (matrix(key, num_classes, side * side * num_in), jnp.zeros(num_classes))

    def logits(self, weights: tuple[Linear, ...], inputs: jax.Array) -> jax.Array:
        side = _side(inputs.shape[1:])
        x = inputs.reshape(-1, side, side, 1)
        *convolutions, (head, bias) = weights
        for kernel, biases in convolutions:
            x = jax.nn.relu(_windows(x) @ kernel.T + biases)
        return x.reshape(len(x), -1) @ head.T + bias


def _windows(x: jax.Array) -> jax.Array:
    """``[B, H, W, C]`` to each second window of 3x3, with zeros around: ``[B, H / 2, W / 2, 9 * C]``."""
    height, width = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate(
        [
            padded[:, row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2]
            for row in range(3)
            for column in range(3)
        ],
        axis=-1,
    )


class MixerBlock(NamedTuple):
    """``tokens`` are two layers over the patches, ``channels`` two over the features of each."""

    norm_tokens: Norm
    tokens: tuple[Linear, Linear]
    norm_channels: Norm
    channels: tuple[Linear, Linear]


class MixerWeights(NamedTuple):
    """Weights of a Mixer: ``embedding`` is ``[D, patch * patch]`` and ``[D]``."""

    embedding: Linear
    blocks: tuple[MixerBlock, ...]
    norm: Norm
    head: Linear


@dataclass(frozen=True, slots=True)
class EnlargedViT:
    """A vision Transformer that sees square grey images enlarged to a side, by bilinear interpolation.

    They are enlarged batch by batch, since a data set of the larger images would be several times as large.
    """

    side: int
    patch: int
    width: int
    depth: int
    heads: int

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> Transformer:
        _side(example)
        return self._vit.init(key, (self.side**2,), num_classes)

    def logits(self, weights: Transformer, inputs: jax.Array) -> jax.Array:
        side = _side(inputs.shape[1:])
        images = inputs.reshape(-1, side, side)
        return self._vit.logits(weights, self._enlarged(images).reshape(len(images), -1))

    @property
    def _vit(self) -> ViT:
        return ViT(self.patch, self.width, self.depth, self.heads)

    def _enlarged(self, images: jax.Array) -> jax.Array:
        return jax.image.resize(images, (len(images), self.side, self.side), "linear")


@dataclass(frozen=True, slots=True)
class Mixer:
    """MLP-Mixer: Tolstikhin and others 2021, arXiv:2105.01601.

    Square grey images in patches of side ``patch``; as in the Transformers, activations are ``[T, D, B]``.
    """

    patch: int
    width: int
    depth: int
    hidden_tokens: int
    hidden_channels: int

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> MixerWeights:
        side = _side(example)
        if side % self.patch:
            raise ModelError(f"inputs {example} are no square image of {self.patch}x{self.patch} patches")
        num_tokens, width = (side // self.patch) ** 2, self.width
        first, last, *rest = jax.random.split(key, 2 + self.depth)
        norm = Norm(jnp.ones(width), jnp.zeros(width))

        def block(key: jax.Array) -> MixerBlock:
            own, other = jax.random.split(key)
            tokens = _two_layers(own, num_tokens, self.hidden_tokens)
            return MixerBlock(norm, tokens, norm, _two_layers(other, width, self.hidden_channels))

        embedding = matrix(first, width, self.patch**2), jnp.zeros(width)
        head = matrix(last, num_classes, width), jnp.zeros(num_classes)
        return MixerWeights(embedding, tuple(map(block, rest)), norm, head)

    def logits(self, weights: MixerWeights, inputs: jax.Array) -> jax.Array:
        size, patch, num = len(inputs), self.patch, _side(inputs.shape[1:]) // self.patch
        pixels = inputs.reshape(size, num, patch, num, patch).transpose(1, 3, 2, 4, 0)
        x = project(weights.embedding[0], pixels.reshape(num * num, patch * patch, size))
        x += weights.embedding[1][:, None]
        for block in weights.blocks:
            flat = normalise(block.norm_tokens, x).reshape(num * num, -1)
            (up, up_bias), (down, down_bias) = block.tokens
            x += (down @ jax.nn.relu(up @ flat + up_bias[:, None]) + down_bias[:, None]).reshape(x.shape)
            (up, up_bias), (down, down_bias) = block.channels
            hidden = jax.nn.relu(project(up, normalise(block.norm_channels, x)) + up_bias[:, None])
            x += project(down, hidden) + down_bias[:, None]
        pooled = jnp.mean(normalise(weights.norm, x), axis=0)
        return (weights.head[0] @ pooled + weights.head[1][:, None]).T


def _two_layers(key: jax.Array, size: int, hidden: int) -> tuple[Linear, Linear]:
    up, down = jax.random.split(key)
    return (matrix(up, hidden, size), jnp.zeros(hidden)), (matrix(down, size, hidden), jnp.zeros(size))


def _side(example: ExampleShape) -> int:
    side = math.isqrt(math.prod(example))
    if side * side != math.prod(example):
        raise ModelError(f"inputs {example} are no square image")
    return side
