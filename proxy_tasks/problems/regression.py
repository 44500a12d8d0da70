"""Tabular regression: how far diabetes has gone a year later, from ten measurements of 442 patients.

Efron, Hastie, Johnstone, Tibshirani 2004, "Least angle regression"; embedded in scikit-learn. A network
learns these few by heart in a hundred steps, so its task scores the best it was on the way: early stopping.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, Examples
from lion_search.proxy_tasks.problems.models import MLP, Initialisation
from lion_search.proxy_tasks.problems.problem import Metric, Problem


def diabetes(hidden: tuple[int, ...]) -> Problem:
    """The mean squared error in units of the training targets' variance; ``rmse`` is in their own unit."""
    train, validation, test = _patients()
    mean, deviation = train.inputs.mean(axis=0), train.inputs.std(axis=0)
    centre, unit = float(train.labels.mean()), float(train.labels.std())
    model = MLP(hidden, Initialisation.HE)

    def loss(weights: Any, examples: Examples) -> jax.Array:
        predicted = model.logits(weights, (examples.inputs - mean) / deviation)[:, 0]
        return jnp.mean((predicted - (examples.labels - centre) / unit) ** 2)

    return Problem(
        init=lambda key: model.init(key, train.inputs.shape[1:], 1),
        loss=loss,
        train=train,
        validation=validation,
        test=test,
        metrics={"rmse": Metric(loss, lambda mean: unit * jnp.sqrt(mean))},
    )


def _patients() -> tuple[Examples, Examples, Examples]:
    """242 patients to learn from, 100 for validation and 100 for test."""
    from sklearn.datasets import load_diabetes

    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(targets))
    validation, test, train = (
        Examples(inputs[part].astype(np.float32), targets[part].astype(np.float32))
        for part in np.split(order, [100, 200])
    )
    return train, validation, test
