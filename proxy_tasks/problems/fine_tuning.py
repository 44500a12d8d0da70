"""Fine-tuning: a network that was trained on half of the classes goes on with few examples of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from lion_search.proxy_tasks.problems.datasets import load_dataset
from lion_search.proxy_tasks.problems.examples import Dataset, Examples
from lion_search.proxy_tasks.problems.models import MLP, Initialisation, Normalisation
from lion_search.proxy_tasks.problems.pretrained import pretrained
from lion_search.proxy_tasks.problems.problem import Problem, classification


def fine_tuning(
    dataset: str, hidden: tuple[int, ...], num_train: int, num_steps: int, seconds: float
) -> Problem:
    """Classification of the second half of the classes, from a network that knows the first half.

    Args:
        dataset: its name.
        hidden: layers of the perceptron, which keep what they learned; the last layer is new.
        num_train: examples to go on with, the first of the data set's.
        num_steps: of the training on the first half.
        seconds: what that takes, for the announcement.
    """
    data, model = load_dataset(dataset), MLP(hidden, Initialisation.HE, Normalisation.RMS)
    first, second = (half(data, upper=upper) for upper in (False, True))
    name = f"{dataset}_first_half_" + "x".join(map(str, hidden))
    *body, _ = pretrained(name, classification(first, model), num_steps, seconds)
    few = Examples(*(array[:num_train] for array in second.train))
    problem = classification(replace(second, train=few), model)

    def init(key: jax.Array) -> Any:
        *_, head = problem.init(key)
        return *body, head

    return replace(problem, init=init)


def half(data: Dataset, *, upper: bool) -> Dataset:
    """The examples of the first or of the second half of the classes, counted from 0."""
    middle = data.num_classes // 2
    start, end = (middle, data.num_classes) if upper else (0, middle)

    def of(part: Examples) -> Examples:
        chosen = (start <= part.labels) & (part.labels < end)
        return Examples(part.inputs[chosen], (part.labels[chosen] - start).astype(np.int32))

    train, validation, test = map(of, (data.train, data.validation, data.test))
    return Dataset(f"{data.name}_{start}_to_{end - 1}", end - start, train, validation, test, data.unit)
