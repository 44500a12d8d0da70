"""What users of Keras expect of an optimizer, on its JAX backend."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import load

from lion_search.dsl.library import library_program

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip("keras")
if keras.backend.backend() != "jax":
    pytest.skip("keras has been imported with another backend", allow_module_level=True)

NAMES = ("lion", "adamw", "lion_clip", "paper/program8")


def _make(program: str, /, **arguments: Any) -> Any:
    return load(library_program(program), "keras")["Optimizer"](**arguments)


def _moved(optimizer: Any, steps: int = 2, scale: float = 1.0) -> list[np.ndarray]:
    variables = [keras.Variable(np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), name="kernel"),
                 keras.Variable(np.float32([0.5, 2.0]), name="bias")]  # fmt: skip
    for step in range(steps):
        optimizer.apply([scale * keras.ops.sin(v * (step + 1) + 0.5) for v in variables], variables)
    return [np.asarray(v) for v in variables]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_anew_from_its_config(name: str) -> None:
    """With what it was given; Keras finds the class by itself."""
    optimizer = _make(name, learning_rate=0.25, b1=0.5, clipnorm=1.0, name="mine")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    for a, b in zip(_moved(again), _moved(optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_usual_arguments_do_what_they_do() -> None:
    """Clipping, decay, gradient accumulation, schedules."""
    plain, clipped = _moved(_make("sgd"), 1), _moved(_make("sgd", clipnorm=1e-3), 1)
    start = _moved(_make("sgd"), 0)
    assert np.linalg.norm(clipped[0] - start[0]) < 1e-3 < np.linalg.norm(plain[0] - start[0])
    for found, w in zip(
        _moved(_make("sgd", learning_rate=0.5, weight_decay=0.1), 1, 0.0), start, strict=True
    ):
        np.testing.assert_allclose(found, 0.95 * w, rtol=1e-6)
    accumulated = _make("sgd", gradient_accumulation_steps=2)
    np.testing.assert_array_equal(_moved(accumulated, 1)[0], start[0])
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    assert np.isfinite(_moved(_make("lion", learning_rate=rate))[0]).all()


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
def test_weights_are_averaged(name: str) -> None:
    averaged = _make(name, use_ema=True, ema_momentum=0.75)
    last, first = _moved(averaged, 2), _moved(_make(name), 1)
    for average, v, w in zip(averaged._model_variables_moving_average, first, last, strict=True):
        np.testing.assert_allclose(average, 0.75 * v + 0.25 * w, rtol=1e-6)


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
def test_weight_decay_is_the_programs_and_can_be_left_out(name: str) -> None:
    """Of variables by name, or of all; without gradients nothing else moves."""
    start = _moved(_make(name), 0)
    for optimizer, decayed in (
        (_make(name, learning_rate=0.5, weight_decay=0.5), (0.75, 0.75)),
        (_make(name, learning_rate=0.5, weight_decay=None), (1.0, 1.0)),
        (excluding := _make(name, learning_rate=0.5, weight_decay=0.5), (0.75, 1.0)),
    ):
        if optimizer is excluding:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        for found, w, share in zip(_moved(optimizer, 1, scale=0.0), start, decayed, strict=True):
            np.testing.assert_allclose(found, share * w, rtol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "paper/program8"])
def test_a_model_is_trained_saved_and_trained_on(name: str, tmp_path: Path) -> None:
    """By ``fit``, jitted; what is loaded goes on as what was saved."""
    model = keras.Sequential([keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
    model.compile(optimizer=_make(name, learning_rate=0.01), loss="mse")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    history = model.fit(x, x.sum(1), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    for own in (model, again := keras.saving.load_model(tmp_path / "model.keras")):
        own.fit(x, x.sum(1), epochs=1, shuffle=False, verbose=0)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
