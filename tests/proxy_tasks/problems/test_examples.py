"""What a data set must hold: each mistake is told with its part, its place and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.problems.examples import DataError, Dataset, Examples, validate


def part(size: int = 6, features: int = 4) -> Examples:
    inputs = np.linspace(0, 1, size * features, dtype=np.float32).reshape(size, features)
    return Examples(inputs, np.arange(size, dtype=np.int32) % 3)


def good() -> Dataset:
    return Dataset("mine", 3, train=part(9), validation=part(5), test=part(4))


def tokens() -> Dataset:
    """A sequence set of 7 tokens: windows of 5."""
    inputs = np.arange(15, dtype=np.uint8).reshape(3, 5) % 7
    split = Examples(inputs, inputs.astype(np.int32))
    return Dataset("text", 7, split, split, split)


def changed(array: np.ndarray, index: int | tuple[int, ...], value: float) -> np.ndarray:
    result = array.copy()
    result[index] = value
    return result


@pytest.mark.parametrize("make", [good, tokens])
def test_a_good_data_set_passes(make: Callable[[], Dataset]) -> None:
    validate(make())


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64])
def test_inputs_may_be_stored_in_any_number_type(dtype: type[np.generic]) -> None:
    train, validation, test = (p._replace(inputs=p.inputs.astype(dtype)) for p in (part(9), part(5), part(4)))
    validate(Dataset("mine", 3, train, validation, test))


def test_images_may_keep_their_shape() -> None:
    images = Examples(np.zeros((6, 2, 2, 1), np.uint8), part().labels)
    dataset = Dataset("mine", 3, images, images, images, unit=1 / 255)
    validate(dataset)
    assert dataset.num_features == 4


def test_integers_with_a_unit_are_no_tokens() -> None:
    bytes_ = tokens().train._replace(inputs=changed(tokens().train.inputs, (1, 4), 255))
    validate(replace(tokens(), train=bytes_, unit=1 / 255))


def of(make: Callable[[], Dataset], name: str, **arrays: Any) -> Dataset:
    """A data set with other arrays in one part."""
    return replace(make(), **{name: getattr(make(), name)._replace(**arrays)})


INPUTS, LABELS, TOKENS = part().inputs, part().labels, tokens().train.inputs
PARTS = ("train", "validation", "test")
REFUSED: dict[str, tuple[Dataset, tuple[str, ...]]] = {
    **{
        f"{value} in {name}": (
            of(
                good,
                name,
                inputs=changed(changed(getattr(good(), name).inputs, (3, 0), value), (2, 3), value),
            ),
            (f"'mine': {name} inputs[2, 3] is {value}", "finite numbers"),
        )
        for name in PARTS
        for value in (np.nan, np.inf, -np.inf)
    },
    **{
        f"label {value} in {name}": (
            of(good, name, labels=changed(getattr(good(), name).labels, 2, value)),
            (f"{name} labels[2] is {value}", "classes from 0 to 2"),
        )
        for name in PARTS
        for value in (-1, 3)
    },
    **{f"{name} is empty": (replace(good(), **{name: part(0)}), (f"{name} is empty",)) for name in PARTS},
    "a label of a sequence": (
        of(tokens, "test", labels=changed(tokens().test.labels, (1, 4), 7)),
        ("test labels[1, 4] is 7", "0 to 6"),
    ),
    **{
        f"token {token}": (
            of(tokens, "train", inputs=changed(TOKENS.astype(np.int8), (1, 4), token)),
            (f"train inputs[1, 4] is {token}", "tokens from 0 to 6"),
        )
        for token in (-1, 7)
    },
    **{
        f"labels of {np.dtype(dtype)}": (
            of(good, "test", labels=good().test.labels.astype(dtype)),
            (f"test labels are {np.dtype(dtype)}", "integers are needed"),
        )
        for dtype in (np.float32, np.bool_)
    },
    "inputs of objects": (
        replace(good(), train=part()._replace(inputs=INPUTS.astype(object))),
        ("train inputs are object", "integers or floats"),
    ),
    "inputs in a list": (
        replace(good(), train=part()._replace(inputs=INPUTS.tolist())),
        ("train inputs are of type list", "NumPy array"),
    ),
    "examples are empty": (replace(good(), train=part(6, features=0)), ("train is empty: inputs [6, 0]",)),
    "an example without a label": (
        replace(good(), validation=Examples(INPUTS, LABELS[:5])),
        ("validation has inputs [6, 4] but labels [5]", "examples"),
    ),
    "a token without a label": (
        of(tokens, "train", labels=tokens().train.labels[:, 1:]),
        ("inputs [3, 5] but labels [3, 4]", "examples and length"),
    ),
    "inputs without features": (
        replace(good(), train=Examples(INPUTS[:, 0], LABELS)),
        ("train inputs have shape [6]", "[examples, features]"),
    ),
    **{
        f"labels of shape {shape}": (
            replace(good(), train=Examples(INPUTS, np.zeros(shape, np.int32))),
            (f"train labels have shape {list(shape)}",),
        )
        for shape in ((), (6, 1, 1))
    },
    "parts of other examples": (
        replace(good(), test=part(4, features=5)),
        ("test inputs have shape [5]", "in train it is [4]"),
    ),
    "parts of other types": (
        replace(good(), validation=Examples(INPUTS.astype(np.uint8), LABELS)),
        ("validation inputs are uint8; in train they are float32",),
    ),
    "one class": (replace(good(), num_classes=1), ("num_classes is 1", "at least 2")),
    **{
        f"unit {unit}": (replace(good(), unit=unit), (f"unit is {unit}",))
        for unit in (0.0, -1.0, np.nan, np.inf)
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_told_in_one_line(case: str) -> None:
    dataset, expected = REFUSED[case]
    with pytest.raises(DataError) as caught:
        validate(dataset)
    message = str(caught.value)
    assert message.startswith(f"data set '{dataset.name}': ")
    assert "\n" not in message
    assert all(text in message for text in expected), message


def test_a_data_error_is_for_people() -> None:
    assert issubclass(DataError, LionSearchError)
