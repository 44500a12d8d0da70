"""Networks: against plain NumPy in float64, and what must hold for any of them."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lion_search.proxy_tasks.problems.image_models import ConvNet, EnlargedViT, Mixer
from lion_search.proxy_tasks.problems.models import (
    MLP,
    CausalTransformer,
    Initialisation,
    Model,
    ModelError,
    Normalisation,
    ViT,
)
from lion_search.proxy_tasks.problems.problem import cross_entropy

VIT = ViT(patch=3, width=6, depth=1, heads=3)
LM = CausalTransformer(width=6, depth=1, heads=3)
SIDE, NUM_TOKENS, VOCABULARY = 6, 5, 7


def images(size: int = 5) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(size, SIDE * SIDE)).astype(np.float32)


def tokens(size: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, VOCABULARY, (size, NUM_TOKENS)).astype(np.int32)


@cache
def weights_of(model: Model, example: tuple[int, ...], num_classes: int) -> Any:
    """Initial weights with noise, so that no bias is 0 and no scale is 1."""
    weights = jax.jit(model.init, static_argnums=(1, 2))(jax.random.key(0), example, num_classes)
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda a: np.asarray(a) + rng.normal(0, 0.3, a.shape).astype(np.float32), weights)


CASES = [
    pytest.param(VIT, images(), 10, (5, 10), id="vit"),
    pytest.param(LM, tokens(), VOCABULARY, (5, NUM_TOKENS, VOCABULARY), id="causal"),
    pytest.param(MLP((9, 8)), images(), 10, (5, 10), id="mlp"),
    pytest.param(ConvNet((2, 3)), images(), 10, (5, 10), id="conv"),
    pytest.param(Mixer(3, 6, 1, 5, 7), images(), 10, (5, 10), id="mixer"),
    pytest.param(MLP((9, 8), Initialisation.HE), images(), 10, (5, 10), id="mlp, He"),
    pytest.param(
        MLP((9, 8), Initialisation.HE, Normalisation.RMS), images(), 10, (5, 10), id="mlp, RMS norm"
    ),
    pytest.param(
        MLP((9, 8), Initialisation.HE, Normalisation.LAYER), images(), 10, (5, 10), id="mlp, layer norm"
    ),
    pytest.param(MLP(()), images().reshape(5, SIDE, SIDE), 3, (5, 3), id="softmax regression"),
]


def numpy_block(block: Any, x: np.ndarray, heads: int, causal: bool) -> np.ndarray:
    """One example ``[T, D]``; one head, one token at a time."""

    def normal(norm: Any, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        return centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5) * norm.scale + norm.bias

    h = normal(block.norm_attention, x)
    query, key, value = (h @ matrix.T for matrix in (block.query, block.key, block.value))
    attended = np.zeros_like(x)
    for head in range(heads):
        own = slice(head, None, heads)  # feature d * H + h is head h's
        for i in range(len(x)):
            seen = slice(0, i + 1) if causal else slice(None)
            scores = np.exp(key[seen, own] @ query[i, own] / math.sqrt(x.shape[1] // heads))
            attended[i, own] = scores @ value[seen, own] / scores.sum()
    x = x + attended @ block.out.T
    hidden = np.maximum(normal(block.norm_mlp, x) @ block.up.T + block.up_bias, 0)
    return x + hidden @ block.down.T + block.down_bias


def numpy_transformer(
    model: ViT | CausalTransformer, weights: Any, x: np.ndarray, causal: bool
) -> np.ndarray:
    """One example's embedded tokens ``[T, D]`` to normalised features ``[T, D]``."""
    x = x + weights.positions
    for block in weights.blocks:
        x = numpy_block(block, x, model.heads, causal)
    x = x - x.mean(axis=1, keepdims=True)
    return x / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * weights.norm.scale + weights.norm.bias


def numpy_vit(model: ViT, weights: Any, image: np.ndarray) -> np.ndarray:
    pixels, p = image.reshape(SIDE, SIDE), model.patch
    corners = [(row, column) for row in range(0, SIDE, p) for column in range(0, SIDE, p)]
    patches = np.array([pixels[row : row + p, column : column + p].ravel() for row, column in corners])
    features = numpy_transformer(model, weights, patches @ weights.embedding.T, causal=False)
    head, bias = weights.head
    return head @ features.mean(axis=0) + bias


def numpy_lm(model: CausalTransformer, weights: Any, row: np.ndarray) -> np.ndarray:
    return numpy_transformer(model, weights, weights.embedding[row], causal=True) @ weights.embedding.T


def in_float64(weights: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a, np.float64), weights)


@pytest.mark.parametrize("patch", [2, 3])
def test_a_vit_is_that_of_the_textbook(patch: int) -> None:
    model = ViT(patch, width=12, depth=2, heads=3)
    weights = weights_of(model, (SIDE * SIDE,), 10)
    expected = [numpy_vit(model, in_float64(weights), np.float64(image)) for image in images()]
    np.testing.assert_allclose(jax.jit(model.logits)(weights, images()), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("heads", [1, 3])
def test_a_causal_transformer_is_that_of_the_textbook(heads: int) -> None:
    model = CausalTransformer(width=12, depth=2, heads=heads)
    weights = weights_of(model, (NUM_TOKENS,), VOCABULARY)
    expected = [numpy_lm(model, in_float64(weights), row) for row in tokens()]
    np.testing.assert_allclose(jax.jit(model.logits)(weights, tokens()), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("model", "inputs", "num_classes", "shape"), CASES)
def test_logits_have_a_row_for_each_prediction(
    model: Model, inputs: np.ndarray, num_classes: int, shape: tuple[int, ...]
) -> None:
    weights = weights_of(model, inputs.shape[1:], num_classes)
    logits = jax.eval_shape(model.logits, weights, jnp.asarray(inputs))
    assert (logits.shape, logits.dtype) == (shape, jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {np.dtype("float32")}


@pytest.mark.parametrize(("model", "inputs", "num_classes", "shape"), CASES[:2])
def test_the_gradient_is_that_of_finite_differences(
    model: Model, inputs: np.ndarray, num_classes: int, shape: tuple[int, ...]
) -> None:
    """Derivatives of attention and of the projections are written by hand."""
    with jax.enable_x64(True):
        weights = in_float64(weights_of(model, inputs.shape[1:], num_classes))
        labels = np.random.default_rng(3).integers(0, num_classes, shape[:-1])

        @jax.jit
        def loss(weights: Any) -> jax.Array:
            return cross_entropy(model.logits(weights, jnp.asarray(inputs)), labels)

        leaves, structure = jax.tree.flatten(weights)
        gradient = jax.tree.leaves(jax.jit(jax.grad(loss))(weights))
        rng = np.random.default_rng(4)
        for i, leaf in enumerate(leaves):
            direction = rng.normal(size=leaf.shape)
            ahead, behind = (
                loss(structure.unflatten([*leaves[:i], leaf + step * direction, *leaves[i + 1 :]]))
                for step in (1e-6, -1e-6)
            )
            expected = float(ahead - behind) / 2e-6
            assert np.vdot(gradient[i], direction) == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("model", "inputs", "num_classes", "shape"), CASES)
def test_loss_and_gradient_stay_finite_with_large_weights(
    model: Model, inputs: np.ndarray, num_classes: int, shape: tuple[int, ...]
) -> None:
    """Softmax without its maximum subtracted would overflow: programs that are scored blow weights up."""
    labels = np.zeros(shape[:-1], np.int32)
    of = jax.jit(jax.value_and_grad(lambda w: cross_entropy(model.logits(w, jnp.asarray(inputs)), labels)))
    for scale in (1, 1e3):
        weights = jax.tree.map(lambda a, s=scale: s * a, weights_of(model, inputs.shape[1:], num_classes))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(of(weights)))


def test_a_token_changes_its_own_and_later_logits_only() -> None:
    weights = weights_of(LM, (NUM_TOKENS,), VOCABULARY)
    before = tokens()
    after = before.copy()
    after[:, 4] = (after[:, 4] + 1) % VOCABULARY
    first, second = (np.asarray(jax.jit(LM.logits)(weights, jnp.asarray(ids))) for ids in (before, after))
    np.testing.assert_array_equal(first[:, :4], second[:, :4])
    assert (np.abs(first[:, 4:] - second[:, 4:]).max(axis=2) > 1e-3).all()


@pytest.mark.parametrize(("model", "inputs", "num_classes", "shape"), CASES)
def test_an_example_is_scored_alike_in_any_batch(
    model: Model, inputs: np.ndarray, num_classes: int, shape: tuple[int, ...]
) -> None:
    weights = weights_of(model, inputs.shape[1:], num_classes)
    together = jax.jit(model.logits)(weights, jnp.asarray(inputs))
    logits_of_one = jax.jit(model.logits)
    alone = [logits_of_one(weights, jnp.asarray(inputs[i : i + 1]))[0] for i in range(len(inputs))]
    np.testing.assert_allclose(together, np.array(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("model", "inputs", "num_classes", "shape"), CASES)
def test_candidates_can_be_mapped_over(
    model: Model, inputs: np.ndarray, num_classes: int, shape: tuple[int, ...]
) -> None:
    """A batch of weights gives each one's gradient: what the batched mode does."""
    labels = np.zeros(shape[:-1], np.int32)
    each = [weights_of(model, inputs.shape[1:], num_classes)]
    each.append(jax.tree.map(lambda a: 0.5 * a, each[0]))
    gradient_of = jax.grad(lambda w: cross_entropy(model.logits(w, jnp.asarray(inputs)), labels))
    mapped = jax.jit(jax.vmap(gradient_of))(jax.tree.map(lambda *a: np.stack(a), *each))
    gradient_of_one = jax.jit(gradient_of)
    for i, weights in enumerate(each):
        for one, many in zip(jax.tree.leaves(gradient_of_one(weights)), jax.tree.leaves(mapped), strict=True):
            np.testing.assert_allclose(many[i], one, rtol=1e-3, atol=1e-5)


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Each pixel from the nearest four, whose centres are at halves; at the edge the outermost."""
    small = len(image)
    centres = (np.arange(side) + 0.5) * small / side - 0.5
    rows = np.array([np.interp(centres, np.arange(small), column) for column in image.T]).T
    return np.array([np.interp(centres, np.arange(small), row) for row in rows])


def test_an_enlarged_vit_is_one_of_enlarged_images() -> None:
    model, inner = EnlargedViT(16, 4, 6, 1, 3), ViT(4, 6, 1, 3)
    weights = weights_of(model, (SIDE * SIDE,), 10)
    large = [enlarged(image.reshape(SIDE, SIDE), 16).ravel() for image in np.float64(images())]
    expected = jax.jit(inner.logits)(weights, np.float32(large))
    np.testing.assert_allclose(jax.jit(model.logits)(weights, images()), expected, rtol=1e-4, atol=1e-4)


def numpy_conv(weights: Any, image: np.ndarray) -> np.ndarray:
    x = image.reshape(SIDE, SIDE, 1)
    *convolutions, (head, bias) = weights
    for kernel, biases in convolutions:
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        x = np.array(
            [
                [kernel @ padded[r : r + 3, c : c + 3].ravel() + biases for c in range(0, x.shape[1], 2)]
                for r in range(0, x.shape[0], 2)
            ]
        ).clip(0)
    return head @ x.ravel() + bias


@pytest.mark.parametrize("channels", [(4,), (4, 3, 2)])  # of sides 6, 3, 2, 1
def test_a_convnet_is_that_of_the_textbook(channels: tuple[int, ...]) -> None:
    model = ConvNet(channels)
    weights = weights_of(model, (SIDE * SIDE,), 10)
    expected = [numpy_conv(in_float64(weights), np.float64(image)) for image in images()]
    np.testing.assert_allclose(jax.jit(model.logits)(weights, images()), expected, rtol=2e-4, atol=2e-4)


def numpy_mixer(model: Mixer, weights: Any, image: np.ndarray) -> np.ndarray:
    def normal(norm: Any, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        return centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5) * norm.scale + norm.bias

    def two_layers(layers: Any, x: np.ndarray) -> np.ndarray:
        (up, up_bias), (down, down_bias) = layers
        return np.maximum(x @ up.T + up_bias, 0) @ down.T + down_bias

    pixels, p = image.reshape(SIDE, SIDE), model.patch
    corners = [(row, column) for row in range(0, SIDE, p) for column in range(0, SIDE, p)]
    patches = np.array([pixels[row : row + p, column : column + p].ravel() for row, column in corners])
    x = patches @ weights.embedding[0].T + weights.embedding[1]
    for block in weights.blocks:
        x = x + two_layers(block.tokens, normal(block.norm_tokens, x).T).T
        x = x + two_layers(block.channels, normal(block.norm_channels, x))
    return weights.head[0] @ normal(weights.norm, x).mean(axis=0) + weights.head[1]


def test_a_mixer_is_that_of_the_textbook() -> None:
    model = Mixer(2, 6, 2, 5, 7)
    weights = weights_of(model, (SIDE * SIDE,), 10)
    expected = [numpy_mixer(model, in_float64(weights), np.float64(image)) for image in images()]
    np.testing.assert_allclose(jax.jit(model.logits)(weights, images()), expected, rtol=2e-4, atol=2e-4)


def numpy_mlp(layers: Any, x: np.ndarray, normalisation: str) -> np.ndarray:
    for layer in layers[:-1]:
        x = x @ layer.weight.T + layer.bias
        if normalisation == "layer":
            x = x - x.mean(axis=1, keepdims=True)
        if normalisation != "none":
            x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5)
        x = np.maximum(x, 0)
    return x @ layers[-1].weight.T + layers[-1].bias


@pytest.mark.parametrize("normalisation", Normalisation)
def test_an_mlp_is_that_of_the_textbook(normalisation: Normalisation) -> None:
    model = MLP((9, 8), normalisation=normalisation)
    weights = weights_of(model, (SIDE * SIDE,), 10)
    expected = numpy_mlp(in_float64(weights), np.float64(images()), normalisation)
    np.testing.assert_allclose(jax.jit(model.logits)(weights, images()), expected, rtol=2e-4, atol=2e-4)


def test_he_initialisation_keeps_the_size_of_what_passes_relu() -> None:
    """Matrices have variance 2 / fan-in, biases are 0."""
    layers = MLP((200, 300), Initialisation.HE).init(jax.random.key(0), (100,), 10)
    for layer, fan_in in zip(layers, (100, 200, 300), strict=True):
        assert np.std(layer.weight) == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
        assert not np.any(layer.bias)


def test_layer_norm_does_not_see_a_common_shift_of_a_layers_weights_and_rms_norm_does() -> None:
    """An invariance that a search can exploit."""
    for normalisation in (Normalisation.LAYER, Normalisation.RMS):
        model = MLP((9, 8), Initialisation.HE, normalisation)
        weights = weights_of(model, (SIDE * SIDE,), 10)
        shifted = jax.tree.map(lambda a: a + np.float32(0.5), weights)
        before, after = (jax.nn.softmax(model.logits(w, jnp.asarray(images()))) for w in (weights, shifted))
        assert np.allclose(before, after, atol=1e-4) == (normalisation is Normalisation.LAYER)


def test_an_unknown_option_of_an_mlp_is_refused() -> None:
    with pytest.raises(ValueError, match="'group' is not a valid Normalisation"):
        MLP((9,), "he", "group")  # type: ignore[arg-type]


@pytest.mark.parametrize("hidden", [(), (20, 16)])
def test_an_mlp_is_bit_by_bit_what_it_always_was(hidden: tuple[int, ...]) -> None:
    """Baselines were tuned and results logged with this code."""
    widths = (SIDE * SIDE, *hidden, 10)
    keys = jax.random.split(jax.random.key(5), len(widths) - 1)
    layers = tuple(
        eqx.nn.Linear(n_in, n_out, key=k) for n_in, n_out, k in zip(widths, widths[1:], keys, strict=False)
    )
    x = jnp.asarray(images())
    for layer in layers[:-1]:
        x = jax.nn.relu(jax.vmap(layer)(x))
    weights = MLP(hidden).init(jax.random.key(5), (SIDE * SIDE,), 10)
    for new, old in zip(jax.tree.leaves(weights), jax.tree.leaves(layers), strict=True):
        np.testing.assert_array_equal(new, old)
    logits = MLP(hidden).logits(weights, jnp.asarray(images()))
    np.testing.assert_array_equal(logits, jax.vmap(layers[-1])(x))


@pytest.mark.parametrize(
    ("model", "example"),
    [
        pytest.param(VIT, (35,), id="not square"),
        pytest.param(ConvNet((2,)), (35,), id="not square, conv"),
        pytest.param(ViT(4, 12, 1, 3), (36,), id="patches do not fit"),
        pytest.param(EnlargedViT(6, 4, 12, 1, 3), (36,), id="patches do not fit, enlarged"),
        pytest.param(EnlargedViT(8, 4, 12, 1, 3), (35,), id="not square, enlarged"),
        pytest.param(Mixer(4, 6, 1, 5, 7), (36,), id="patches do not fit, mixer"),
        pytest.param(ViT(2, 10, 1, 3), (36,), id="heads do not divide the width"),
        pytest.param(LM, (7, 2), id="two rows of tokens"),
    ],
)
def test_a_network_that_does_not_fit_is_an_early_error(model: Model, example: tuple[int, ...]) -> None:
    with pytest.raises(ModelError):
        jax.eval_shape(lambda key: model.init(key, example, 10), jax.random.key(0))
