"""Labelled examples, a data set of them in three parts, and what must hold for it.

What is wrong with data is found here, before training: a compiled loop clips an index out of range, and a NaN
ends every run at its first step, both without a word. ``datasets.py`` holds the sets themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lion_search.dsl.errors import LionSearchError

SPLIT_SEED = 20230213  # fixed for ever: baselines and results refer to these splits


class DataError(LionSearchError):
    """Data that is missing, damaged or not usable."""


class Examples(NamedTuple):
    """Labelled examples.

    Attributes:
        inputs: integers or floats ``[examples, ...]``; of a data set as stored, see ``Dataset.unit``.
        labels: integers ``[examples]``, or ``[examples, T]`` for sequences; classes from 0.
    """

    inputs: Any
    labels: Any


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Three parts that share no example: training sees train, a search validation, a report test.

    Integer inputs whose unit is 1 are tokens; with labels ``[examples, T]``, of the vocabulary of the labels.

    Attributes:
        name: stable name.
        num_classes: labels are 0 to ``num_classes - 1``.
        train: examples to learn from.
        validation: examples a search sees.
        test: examples for reports only.
        unit: a model sees ``inputs * unit``, so that images are bytes, a quarter of the memory of float32.
    """

    name: str
    num_classes: int
    train: Examples
    validation: Examples
    test: Examples
    unit: float = 1.0

    @property
    def num_features(self) -> int:
        """Numbers in one example."""
        return math.prod(self.train.inputs.shape[1:])


def validate(dataset: Dataset) -> None:
    """Checks shapes, types and every value.

    Raises:
        DataError: the part, the position of the first bad value, the value and what is allowed.
    """
    name = f"data set '{dataset.name}'"
    if dataset.num_classes < 2:
        raise DataError(f"{name}: num_classes is {dataset.num_classes}; at least 2 are needed")
    if not 0 < dataset.unit < math.inf:
        raise DataError(f"{name}: unit is {dataset.unit}; a positive number is needed")
    for part in ("train", "validation", "test"):
        examples: Examples = getattr(dataset, part)
        _check_arrays(f"{name}: {part}", examples)
        _check_alike(f"{name}: {part}", examples, dataset.train)
        _check_values(f"{name}: {part}", examples, dataset)


def _check_arrays(where: str, examples: Examples) -> None:
    """Checks one part's types and shapes."""
    _check_kind(f"{where} inputs", examples.inputs, "iuf", "integers or floats")
    _check_kind(f"{where} labels", examples.labels, "iu", "integers")
    inputs, labels = examples.inputs.shape, examples.labels.shape
    if len(inputs) < 2:
        raise DataError(f"{where} inputs have shape {list(inputs)}; [examples, features] is needed")
    if len(labels) not in {1, 2}:
        raise DataError(f"{where} labels have shape {list(labels)}; [examples] or [examples, T] is needed")
    if 0 in {*inputs, *labels}:
        raise DataError(f"{where} is empty: inputs {list(inputs)}, labels {list(labels)}")
    if inputs[: len(labels)] != labels:
        raise DataError(
            f"{where} has inputs {list(inputs)} but labels {list(labels)}; "
            f"they must agree in {'examples' if len(labels) == 1 else 'examples and length'}"
        )


def _check_kind(what: str, array: object, kinds: str, needed: str) -> None:
    """Checks that this is a NumPy array of one of these kinds (``dtype.kind``)."""
    if not isinstance(array, np.ndarray):
        raise DataError(f"{what} are of type {type(array).__name__}; a NumPy array is needed")
    if array.dtype.kind not in kinds:
        raise DataError(f"{what} are {array.dtype}; {needed} are needed")


def _check_alike(where: str, examples: Examples, train: Examples) -> None:
    """Checks that examples look like those of train: all parts go through one compiled program."""
    for what in ("inputs", "labels"):
        found, expected = getattr(examples, what).shape[1:], getattr(train, what).shape[1:]
        if found != expected:
            raise DataError(
                f"{where} {what} have shape {list(found)} an example; in train it is {list(expected)}"
            )
    if examples.inputs.dtype != train.inputs.dtype:
        raise DataError(f"{where} inputs are {examples.inputs.dtype}; in train they are {train.inputs.dtype}")


def _check_values(where: str, examples: Examples, dataset: Dataset) -> None:
    """Checks every number of one part."""
    inputs, labels, num_classes = examples.inputs, examples.labels, dataset.num_classes
    if inputs.dtype.kind == "f":
        _refuse_first(f"{where} inputs", inputs, ~np.isfinite(inputs), "finite numbers")
    elif labels.ndim == 2 and dataset.unit == 1:
        allowed = f"tokens from 0 to {num_classes - 1}"
        _refuse_first(f"{where} inputs", inputs, (inputs < 0) | (inputs >= num_classes), allowed)
    allowed = f"classes from 0 to {num_classes - 1}"
    _refuse_first(f"{where} labels", labels, (labels < 0) | (labels >= num_classes), allowed)


def _refuse_first(what: str, array: np.ndarray, bad: np.ndarray, allowed: str) -> None:
    """Raises for the first bad value, if there is one."""
    if bad.any():
        position = np.unravel_index(int(bad.argmax()), bad.shape)
        where = ", ".join(str(i) for i in position)
        raise DataError(f"{what}[{where}] is {array[position]}; allowed are {allowed}")
