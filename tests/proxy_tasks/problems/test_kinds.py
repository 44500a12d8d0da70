"""Problems that are no classification: losses and metrics against NumPy in float64, and their data."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from lion_search.proxy_tasks.problems import contrastive, diffusion, masked, physics, recurrent, regression
from lion_search.proxy_tasks.problems.examples import DataError, Dataset, Examples
from lion_search.proxy_tasks.problems.fine_tuning import half
from lion_search.proxy_tasks.problems.models import MLP, CausalTransformer


def in_float64(weights: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a, np.float64), weights)


def log_softmax(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=axis, keepdims=True))


def tokens(size: int, length: int, num_classes: int) -> Examples:
    drawn = np.random.default_rng(0).integers(0, num_classes, (2, size, length))
    return Examples(drawn[0].astype(np.uint16), drawn[1].astype(np.int32))


# Masked language modelling.


@pytest.mark.parametrize(("length", "num_hidden"), [(3, 1), (16, 4), (32, 8)])
def test_a_share_of_each_window_is_hidden(length: int, num_hidden: int) -> None:
    windows = tokens(200, length, 7)
    found = masked.mask(windows, 7, seed=0)
    assert found.positions.shape == found.labels.shape == (200, num_hidden)
    rows = np.arange(200)[:, None]
    assert (found.inputs[rows, found.positions] == 7).all()
    np.testing.assert_array_equal(found.labels, windows.inputs[rows, found.positions])
    assert ((found.inputs == windows.inputs).sum(axis=1) == length - num_hidden).all()
    assert len(np.unique(found.positions)) == length


def test_a_hidden_token_is_guessed_from_both_sides_and_not_from_itself() -> None:
    windows = tokens(4, 6, 7)
    weights = CausalTransformer(6, 1, 3).init(jax.random.key(0), (6,), 8)

    def logits(inputs: np.ndarray) -> np.ndarray:
        found = masked.mask(Examples(inputs, windows.labels), 7, seed=0)
        return np.asarray(masked.hidden_logits(weights, jax.tree.map(jnp.asarray, found), 3))[0, 0]

    hidden = masked.mask(windows, 7, seed=0).positions[0]
    for other in range(6):
        changed = windows.inputs.copy()
        changed[0, other] = (changed[0, other] + 1) % 7
        assert np.allclose(logits(changed), logits(windows.inputs), atol=1e-6) == (other in hidden)
    assert logits(windows.inputs).shape == (7,)


# Recurrent network.


def numpy_losses(weights: recurrent.GRU, word: str) -> list[float]:
    """A word's letters and its end, one step at a time."""
    w, tokens = in_float64(weights), [recurrent.LETTERS.index(letter) + 1 for letter in word]
    size, hidden, losses = w.recurrent.shape[1], np.zeros(w.recurrent.shape[1]), []

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    for token, label in zip([recurrent.START, *tokens], [*tokens, recurrent.END], strict=True):
        own, past = w.letters[token] + w.bias, w.recurrent @ hidden
        reset, update = (
            sigmoid(own[:size] + past[:size]),
            sigmoid(own[size : 2 * size] + past[size : 2 * size]),
        )
        hidden = update * hidden + (1 - update) * np.tanh(own[2 * size :] + reset * past[2 * size :])
        losses.append(-log_softmax(w.head[0] @ hidden + w.head[1])[label])
    return losses


def test_a_gru_is_that_of_the_textbook_and_padding_costs_nothing() -> None:
    words = ["of", "representatives"[:12], "union"]
    weights = recurrent.init_gru(jax.random.key(0), 5)
    found = jax.jit(recurrent.token_losses)(weights, jax.tree.map(jnp.asarray, recurrent.spelled(words)))
    for row, word in zip(np.asarray(found), words, strict=True):
        np.testing.assert_allclose(row[: len(word) + 1], numpy_losses(weights, word), rtol=1e-4)
        assert not row[len(word) + 1 :].any()


@pytest.mark.parametrize("word", ["café", "it's", "incomprehensible", "A"])
def test_a_letter_outside_the_alphabet_is_told(word: str) -> None:
    with pytest.raises(DataError, match=f"^word '{word}': expected at most 12 letters from a to z$"):
        recurrent.spelled(["fine", word])


# Diffusion.


def test_the_frechet_distance_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)) + i for i in range(2)]
    (m, c), (n, d) = ((s.mean(axis=0), np.cov(s.T, bias=True)) for s in samples)
    expected = ((m - n) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    moments = [(jnp.asarray(s.mean(axis=0)), jnp.asarray(s.T @ s / len(s))) for s in samples]
    assert float(diffusion.frechet_distance(moments)) == pytest.approx(expected, rel=1e-3)
    assert float(diffusion.frechet_distance([moments[0]] * 2)) == pytest.approx(0, abs=1e-3)


def test_the_noise_follows_from_the_velocity() -> None:
    """A network that gives the velocity ``cos * noise - sin * image`` predicts the noise."""
    image, noise = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    times = np.asarray([0.1, 0.5, 0.9], np.float32)
    cos, sin = (f(math.pi / 2 * times)[:, None] for f in (np.cos, np.sin))

    class Oracle:
        def logits(self, weights: Any, inputs: jax.Array) -> jax.Array:
            return jnp.asarray(cos * noise - sin * image)

    found = diffusion.predict(Oracle(), None, jnp.asarray(cos * image + sin * noise), jnp.asarray(times))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, noise, rtol=1e-4, atol=1e-5)


def test_sampling_undoes_the_noise_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise of one image as the answer at each time, the samples are that image."""
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, 9), jnp.float32)

    def oracle(model: Any, weights: Any, seen: jax.Array, times: jax.Array) -> jax.Array:
        angle = math.pi / 2 * times[:, None]
        return (seen - jnp.cos(angle) * image) / jnp.sin(angle)

    monkeypatch.setattr(diffusion, "predict", oracle)
    noises = jax.random.normal(jax.random.key(0), (5, 9))
    np.testing.assert_allclose(
        diffusion.sample(MLP(()), None, noises), np.broadcast_to(image, (5, 9)), atol=1e-4
    )


# Contrastive learning.


def test_the_contrastive_loss_is_that_of_the_formula() -> None:
    logits = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    phrases = np.asarray([3, 5, 3, 7])
    same = phrases[:, None] == phrases
    both = log_softmax(np.float64(logits), 1) + log_softmax(np.float64(logits), 0)
    expected = np.mean([-both[i, same[i]].mean() / 2 - np.log(same[i].sum()) for i in range(4)])
    assert float(contrastive.pair_loss(logits, phrases)) == pytest.approx(expected, rel=1e-5)
    assert float(contrastive.pair_loss(jnp.float32(99 * same), phrases)) == pytest.approx(0, abs=1e-5)


def labelled(part: str, size: int = 400) -> contrastive.Captioned:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (size, 9)).astype(np.uint8)
    split = Examples(images, np.arange(size, dtype=np.int32) % 10)
    return contrastive._captioned(Dataset("mine", 10, split, split, split, 1 / 255), split, part)


def test_phrases_that_are_held_out_are_made_of_words_that_training_has() -> None:
    seen = {part: set(labelled(part).phrases.tolist()) for part in ("train", "validation", "test")}
    assert {part: len(phrases) for part, phrases in seen.items()} == {
        "train": 60,
        "validation": 10,
        "test": 10,
    }
    assert not seen["train"] & seen["validation"] | seen["train"] & seen["test"]
    words = [{word for i in phrases for word in contrastive.PHRASES[i]} for phrases in seen.values()]
    assert words[1] <= words[0]
    assert words[2] <= words[0]


def test_an_image_looks_as_its_caption_says() -> None:
    bright = np.arange(9, dtype=np.float32)[None] / 10
    square = bright.reshape(3, 3)
    expected = {(0, 0): square, (0, 1): np.rot90(square), (0, 2): square[::-1, ::-1], (1, 0): 1 - square}
    for (dark, pose), image in expected.items():
        found = contrastive._posed(bright, np.asarray([4 * dark + pose]))
        np.testing.assert_allclose(found.reshape(3, 3), image)
    assert contrastive.PHRASES[2 * 8 + 4 + 1] == ("pullover", "dark", "turned left")


def test_a_word_outside_the_vocabulary_is_told() -> None:
    with pytest.raises(
        DataError, match=r"caption 'a drak bag': 'drak' is not in the vocabulary; did you mean 'dark'"
    ):
        contrastive.encode(["a dark bag", "a drak bag"])
    with pytest.raises(DataError, match="has 9 words; at most 8 are read"):
        contrastive.encode(["a a a a a a a a bag"])


# Fine-tuning, regression, physics.


def test_a_half_has_its_classes_counted_from_zero() -> None:
    split = Examples(np.arange(12, dtype=np.float32)[:, None], np.arange(12, dtype=np.int32) % 4)
    first, second = (half(Dataset("mine", 4, split, split, split), upper=upper) for upper in (False, True))
    assert (first.num_classes, second.num_classes) == (2, 2)
    assert first.train.labels.tolist() == second.train.labels.tolist() == [0, 1] * 3
    assert second.test.inputs[:, 0].tolist() == [2, 3, 6, 7, 10, 11]


def test_rmse_is_in_the_unit_of_the_targets() -> None:
    problem = regression.diabetes((4,))
    weights = problem.init(jax.random.key(0))
    _, inputs_test = problem.train, problem.test
    layers = in_float64(weights)
    x = (inputs_test.inputs - problem.train.inputs.mean(axis=0)) / problem.train.inputs.std(axis=0)
    hidden = np.maximum(x @ layers[0].weight.T + layers[0].bias, 0)
    predicted = (hidden @ layers[1].weight.T + layers[1].bias)[:, 0]
    targets = problem.train.labels
    errors = predicted * targets.std() + targets.mean() - inputs_test.labels
    metric = problem.metrics["rmse"]
    found = float(metric.value(metric.means(weights, inputs_test)))
    assert found == pytest.approx(float(np.sqrt((errors**2).mean())), rel=1e-4)


def test_the_known_solution_solves_the_equation() -> None:
    x = np.linspace(0.05, 0.95, 7)
    step = 1e-4
    with jax.enable_x64(True):
        u = [np.asarray(physics.known_solution(x + d)) for d in (-step, 0, step)]
        bend = (u[0] - 2 * u[1] + u[2]) / step**2
        np.testing.assert_allclose(-bend, physics.force(x), rtol=1e-4)
        assert abs(physics.known_solution(np.asarray([0.0, 1.0]))).max() < 1e-12


def test_the_residual_is_that_of_finite_differences() -> None:
    with jax.enable_x64(True):
        problem = physics.poisson((6, 5))
        weights = in_float64(problem.init(jax.random.key(0)))
        x = np.linspace(0.05, 0.95, 7)

        def u(x: np.ndarray) -> np.ndarray:
            hidden = 2 * x[:, None] - 1
            for matrix, bias in weights[:-1]:
                hidden = np.tanh(hidden @ matrix.T + bias)
            return x * (1 - x) * (hidden @ weights[-1][0].T + weights[-1][1])[:, 0]

        step = 1e-4
        bend = (u(x - step) - 2 * u(x) + u(x + step)) / step**2
        unit = np.pi**2 * np.sqrt((1 + 4**2 * 4**2 / 4**2) / 2)
        expected = np.mean(((bend + physics.force(x)) / unit) ** 2)
        assert float(problem.loss(weights, jnp.asarray(x))) == pytest.approx(float(expected), rel=1e-4)
