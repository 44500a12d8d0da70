"""The networks of the tasks: each a value that makes weights and turns them and inputs into logits.

The Transformers are laid out for one CPU core. Activations are ``[T, D, B]``, the batch last, so that inner
loops run over examples and are vectorised. Attention is multiplications and additions of whole arrays, its
derivative by hand: as thousands of tiny matrix products, or differentiated automatically, it is slower.
Differentiate in reverse mode only.

Letters: B examples, T tokens of an example, D width, H heads, M = H * B pairs of a head and an example.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from lion_search.dsl.errors import LionSearchError

ExampleShape = tuple[int, ...]
"""The shape of one example's inputs."""

_Saved = tuple[jax.Array, ...]  # what a derivative needs


class ModelError(LionSearchError):
    """A network that does not fit its data."""


class Model(Protocol):
    """A network."""

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> Any:
        """Initial weights, a tree of float32 arrays; a ModelError if it cannot read such examples."""

    def logits(self, weights: Any, inputs: jax.Array) -> jax.Array:
        """``[B, classes]``, or ``[B, T, classes]`` for a language model, of inputs ``[B, ...]``."""


class Initialisation(enum.StrEnum):
    """How the weights of a perceptron begin."""

    UNIFORM = "uniform"
    """Matrices and biases uniform within 1 / sqrt(fan-in), Equinox's choice."""
    HE = "he"
    """Matrices normal, of variance 2 / fan-in, biases 0: He, Zhang, Ren, Sun 2015, arXiv:1502.01852."""


class Normalisation(enum.StrEnum):
    """What is done with the sums of a hidden layer before ReLU; none has weights of its own."""

    NONE = "none"
    RMS = "rms"
    """Divided by their root mean square: Zhang, Sennrich 2019, arXiv:1910.07467."""
    LAYER = "layer"
    """Less their mean, and then the same: Ba, Kiros, Hinton 2016, arXiv:1607.06450."""


@dataclass(frozen=True, slots=True)
class MLP:
    """A multi-layer perceptron with ReLU and hidden layers of these widths; softmax regression without."""

    hidden: tuple[int, ...]
    initialisation: Initialisation = Initialisation.UNIFORM
    normalisation: Normalisation = Normalisation.NONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "initialisation", Initialisation(self.initialisation))  # texts will do
        object.__setattr__(self, "normalisation", Normalisation(self.normalisation))

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> tuple[eqx.nn.Linear, ...]:
        widths = (math.prod(example), *self.hidden, num_classes)
        keys = jax.random.split(key, len(widths) - 1)
        sizes = zip(widths[:-1], widths[1:], keys, strict=True)
        layers = tuple(eqx.nn.Linear(n_in, n_out, key=k) for n_in, n_out, k in sizes)
        if self.initialisation is Initialisation.UNIFORM:
            return layers
        return tuple(_with_he(layer, k) for layer, k in zip(layers, keys, strict=True))

    def logits(self, weights: tuple[eqx.nn.Linear, ...], inputs: jax.Array) -> jax.Array:
        hidden = inputs.reshape(len(inputs), -1)
        for layer in weights[:-1]:
            hidden = jax.nn.relu(_NORMALISE[self.normalisation](jax.vmap(layer)(hidden)))
        return jax.vmap(weights[-1])(hidden)


def _with_he(layer: eqx.nn.Linear, key: jax.Array) -> eqx.nn.Linear:
    weight = math.sqrt(2) * matrix(key, *layer.weight.shape)
    return eqx.tree_at(lambda own: (own.weight, own.bias), layer, (weight, jnp.zeros(len(weight))))


def _over_rms(x: jax.Array) -> jax.Array:
    """``[B, D]`` over the root mean square of each example."""
    return x * lax.rsqrt(jnp.mean(x * x, axis=1, keepdims=True) + 1e-5)


_NORMALISE: Mapping[Normalisation, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {
        Normalisation.NONE: lambda x: x,
        Normalisation.RMS: _over_rms,
        Normalisation.LAYER: lambda x: _over_rms(x - jnp.mean(x, axis=1, keepdims=True)),
    }
)


class Norm(NamedTuple):
    """Layer normalisation: ``scale`` and ``bias`` ``[D]``."""

    scale: jax.Array
    bias: jax.Array


class Block(NamedTuple):
    """A pre-normalised block; matrices are ``[out, in]``; feature ``d * H + h`` in attention is head h's.

    The projections of attention have no biases: that of the keys would have no gradient.
    """

    norm_attention: Norm
    query: jax.Array
    key: jax.Array
    value: jax.Array
    out: jax.Array
    norm_mlp: Norm
    up: jax.Array
    up_bias: jax.Array
    down: jax.Array
    down_bias: jax.Array


class Transformer(NamedTuple):
    """Weights of a Transformer.

    ``embedding`` is ``[D, patch * patch]``, or ``[classes, D]`` in a language model, where it is the output
    matrix too; ``positions`` ``[T, D]``; ``head`` ``[classes, D]`` and ``[classes]``, or nothing.
    """

    embedding: jax.Array
    positions: jax.Array
    blocks: tuple[Block, ...]
    norm: Norm
    head: tuple[jax.Array, ...]


@dataclass(frozen=True, slots=True)
class ViT:
    """A vision Transformer with ReLU and mean pooling; square grey images in patches of side ``patch``."""

    patch: int
    width: int
    depth: int
    heads: int

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> Transformer:
        side = math.isqrt(math.prod(example))
        if side * side != math.prod(example) or side % self.patch:
            raise ModelError(f"inputs {example} are no square image of {self.patch}x{self.patch} patches")
        first, second, third, rest = jax.random.split(key, 4)
        embedding = matrix(first, self.width, self.patch**2)
        # Of variance 1: with the usual 0.02, 300 steps on digits end at a loss of 0.25 and not 0.16.
        positions = jax.random.normal(second, ((side // self.patch) ** 2, self.width))
        head = matrix(third, num_classes, self.width), jnp.zeros(num_classes)
        return Transformer(embedding, positions, *_init_blocks(self, rest), head)

    def logits(self, weights: Transformer, inputs: jax.Array) -> jax.Array:
        size, patch, num = len(inputs), self.patch, math.isqrt(inputs[0].size) // self.patch
        pixels = inputs.reshape(size, num, patch, num, patch).transpose(1, 3, 2, 4, 0)
        tokens = pixels.reshape(num * num, patch * patch, size)
        x = project(weights.embedding, tokens) + weights.positions[:, :, None]
        for block in weights.blocks:
            x = _apply_block(block, x, self.heads, causal=False)
        pooled = jnp.mean(normalise(weights.norm, x), axis=0)
        return (weights.head[0] @ pooled + weights.head[1][:, None]).T


@dataclass(frozen=True, slots=True)
class CausalTransformer:
    """A language model with ReLU over integers ``[T]``; its classes are the vocabulary."""

    width: int
    depth: int
    heads: int

    def init(self, key: jax.Array, example: ExampleShape, num_classes: int) -> Transformer:
        if len(example) != 1:
            raise ModelError(f"a language model reads one row of tokens, not inputs {example}")
        first, second, rest = jax.random.split(key, 3)
        positions = 0.02 * jax.random.normal(second, (*example, self.width))
        embedding = matrix(first, num_classes, self.width)
        return Transformer(embedding, positions, *_init_blocks(self, rest), ())

    def logits(self, weights: Transformer, inputs: jax.Array) -> jax.Array:
        hidden = read_tokens(weights, inputs, self.heads, causal=True)
        return (hidden.reshape(-1, self.width) @ weights.embedding.T).reshape(*inputs.shape, -1)


def read_tokens(weights: Transformer, inputs: jax.Array, heads: int, *, causal: bool) -> jax.Array:
    """What a Transformer makes of tokens ``[B, T]``: features ``[B, T, D]``."""
    embedded = weights.embedding[inputs.T]  # [T, B, D]
    x = embedded.transpose(0, 2, 1) + weights.positions[:, :, None]
    for block in weights.blocks:
        x = _apply_block(block, x, heads, causal=causal)
    return normalise(weights.norm, x).transpose(2, 0, 1)


def matrix(key: jax.Array, num_out: int, num_in: int) -> jax.Array:
    """Normal, of variance 1 / fan-in."""
    return jax.random.normal(key, (num_out, num_in)) / math.sqrt(num_in)


def _init_blocks(model: ViT | CausalTransformer, key: jax.Array) -> tuple[tuple[Block, ...], Norm]:
    width = model.width
    if width % model.heads:
        raise ModelError(f"{model.heads} heads do not divide width {width}")
    norm = Norm(jnp.ones(width), jnp.zeros(width))

    def block(key: jax.Array) -> Block:
        *square, up, down = jax.random.split(key, 6)
        q, k, v, out = (matrix(k, width, width) for k in square)
        wide = matrix(up, 4 * width, width), jnp.zeros(4 * width)
        return Block(norm, q, k, v, out, norm, *wide, matrix(down, width, 4 * width), jnp.zeros(width))

    return tuple(block(k) for k in jax.random.split(key, model.depth)), norm


def _apply_block(block: Block, x: jax.Array, heads: int, *, causal: bool) -> jax.Array:
    """``[T, D, B]`` to the same."""
    shape = len(x), x.shape[1] // heads, heads * x.shape[2]
    normal = normalise(block.norm_attention, x)
    of_heads = [project(m, normal).reshape(shape) for m in (block.query, block.key, block.value)]
    x = x + project(block.out, _attend(*of_heads, causal).reshape(x.shape))
    hidden = project(block.up, normalise(block.norm_mlp, x)) + block.up_bias[:, None]
    return x + project(block.down, jax.nn.relu(hidden)) + block.down_bias[:, None]


def normalise(norm: Norm, x: jax.Array) -> jax.Array:
    """Layer normalisation of ``[T, D, B]`` over D."""
    centred = x - jnp.mean(x, axis=1, keepdims=True)
    variance = jnp.mean(centred * centred, axis=1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-5) * norm.scale[:, None] + norm.bias[:, None]


@jax.custom_vjp
def project(matrix: jax.Array, x: jax.Array) -> jax.Array:
    """``[out, in]`` times ``[T, in, B]``, one product a token: other shapes would be copied."""
    return jnp.einsum("toi,tib->tob", jnp.broadcast_to(matrix, (len(x), *matrix.shape)), x)


def _project_backward(saved: _Saved, gradient: jax.Array) -> _Saved:
    matrix, x = saved
    return jnp.einsum("tob,tib->toi", gradient, x).sum(axis=0), project(matrix.T, gradient)


project.defvjp(lambda matrix, x: (project(matrix, x), (matrix, x)), _project_backward)


def _contract(a: jax.Array, b: jax.Array, axis: int) -> jax.Array:
    """``sum(a * b, axis)`` with all terms written out: XLA's loop over that axis would not be vectorised."""
    at = partial(lax.index_in_dim, axis=axis, keepdims=False)
    return reduce(jnp.add, [at(a, i) * at(b, i) for i in range(a.shape[axis])])


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _attend(query: jax.Array, key: jax.Array, value: jax.Array, causal: bool) -> jax.Array:
    """Softmax attention ``[T, d, M]``."""
    return _attend_forward(query, key, value, causal)[0]


def _attend_forward(query: jax.Array, key: jax.Array, value: jax.Array, causal: bool) -> tuple[Any, _Saved]:
    num_tokens, depth, _ = query.shape
    query *= depth**-0.5
    logits = _contract(query[:, None], key[None], axis=2)
    if causal:
        logits = jnp.where(jnp.tri(num_tokens, dtype=bool)[:, :, None], logits, -jnp.inf)
    scores = jnp.exp(logits - jnp.max(logits, axis=1, keepdims=True))
    inverse = 1 / jnp.sum(scores, axis=1)
    output = _contract(scores[:, :, None], value[None], axis=1) * inverse[:, None]
    return output, (query, key, value, scores, inverse, output)


def _attend_backward(causal: bool, saved: _Saved, gradient: jax.Array) -> _Saved:
    query, key, value, scores, inverse, output = saved
    gradient = gradient * inverse[:, None]
    along = jnp.sum(gradient * output, axis=1)
    d_logits = scores * (_contract(gradient[:, None], value[None], axis=2) - along[:, None])
    return (
        _contract(d_logits[:, :, None], key[None], axis=1) * query.shape[1] ** -0.5,
        _contract(d_logits[:, :, None], query[:, None], axis=0),
        _contract(scores[:, :, None], gradient[:, None], axis=0),
    )


_attend.defvjp(_attend_forward, _attend_backward)
