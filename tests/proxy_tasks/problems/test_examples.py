"""What a data set must hold: each mistake is told with its part, its place and what is allowed."""

from __future__ import annotations

import re
from dataclasses import replace

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


def assert_refused(dataset: Dataset, *expected: str) -> None:
    with pytest.raises(DataError) as caught:
        validate(dataset)
    for text in expected:
        assert text in str(caught.value)


def test_a_good_data_set_passes() -> None:
    validate(good())


def test_a_good_sequence_set_passes() -> None:
    validate(tokens())


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64])
def test_inputs_may_be_stored_in_any_number_type(dtype: type[np.generic]) -> None:
    parts = (Examples(split.inputs.astype(dtype), split.labels) for split in (part(9), part(5), part(4)))
    train, validation, test = parts
    validate(Dataset("mine", 3, train, validation, test))


def test_images_may_keep_their_shape() -> None:
    images = Examples(np.zeros((6, 2, 2, 1), np.uint8), part().labels)
    dataset = Dataset("mine", 3, images, images, images, unit=1 / 255)
    validate(dataset)
    assert dataset.num_features == 4


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_found_in_every_part(name: str, value: float) -> None:
    split = getattr(good(), name)
    bad = replace(split, inputs=changed(changed(split.inputs, (3, 0), value), (2, 3), value))
    assert_refused(
        replace(good(), **{name: bad}), f"'mine': {name} inputs[2, 3] is {value}", "finite numbers"
    )


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("value", [-1, 3])
def test_a_label_out_of_range_is_found_in_every_part(name: str, value: int) -> None:
    split = getattr(good(), name)
    bad = replace(split, labels=changed(split.labels, 2, value))
    assert_refused(replace(good(), **{name: bad}), f"{name} labels[2] is {value}", "classes from 0 to 2")


def test_a_label_of_a_sequence_out_of_range_is_found() -> None:
    bad = replace(tokens().test, labels=changed(tokens().test.labels, (1, 4), 7))
    assert_refused(replace(tokens(), test=bad), "test labels[1, 4] is 7", "0 to 6")


@pytest.mark.parametrize("token", [-1, 7])
def test_a_token_out_of_range_is_found(token: int) -> None:
    bad = replace(tokens().train, inputs=changed(tokens().train.inputs.astype(np.int8), (1, 4), token))
    assert_refused(replace(tokens(), train=bad), f"train inputs[1, 4] is {token}", "tokens from 0 to 6")


def test_integers_with_a_unit_are_no_tokens() -> None:
    bytes_ = replace(tokens().train, inputs=changed(tokens().train.inputs, (1, 4), 255))
    validate(replace(tokens(), train=bytes_, unit=1 / 255))


@pytest.mark.parametrize("dtype", [np.float32, np.bool_])
def test_labels_must_be_integers(dtype: type[np.generic]) -> None:
    bad = replace(part(), labels=part().labels.astype(dtype))
    assert_refused(replace(good(), test=bad), f"test labels are {np.dtype(dtype)}", "integers are needed")


def test_inputs_must_be_numbers() -> None:
    bad = replace(part(), inputs=part().inputs.astype(object))
    assert_refused(replace(good(), train=bad), "train inputs are object", "integers or floats")


def test_inputs_must_be_arrays() -> None:
    bad = replace(part(), inputs=part().inputs.tolist())
    assert_refused(replace(good(), train=bad), "train inputs are of type list", "NumPy array")


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_part_may_not_be_empty(name: str) -> None:
    assert_refused(replace(good(), **{name: part(0)}), f"{name} is empty")


def test_examples_may_not_be_empty() -> None:
    assert_refused(replace(good(), train=part(6, features=0)), "train is empty: inputs [6, 0]")


def test_every_example_needs_a_label() -> None:
    bad = replace(part(), labels=part(5).labels)
    assert_refused(replace(good(), validation=bad), "validation has inputs [6, 4] but labels [5]", "examples")


def test_every_token_needs_a_label() -> None:
    bad = replace(tokens().train, labels=tokens().train.labels[:, 1:])
    assert_refused(replace(tokens(), train=bad), "inputs [3, 5] but labels [3, 4]", "examples and length")


def test_inputs_need_features() -> None:
    bad = replace(part(), inputs=part().inputs[:, 0])
    assert_refused(replace(good(), train=bad), "train inputs have shape [6]", "[examples, features]")


@pytest.mark.parametrize("shape", [(), (6, 1, 1)])
def test_labels_have_one_or_two_dimensions(shape: tuple[int, ...]) -> None:
    bad = replace(part(), labels=np.zeros(shape, np.int32))
    assert_refused(replace(good(), train=bad), f"train labels have shape {list(shape)}")


def test_parts_with_other_examples_are_refused() -> None:
    assert_refused(
        replace(good(), test=part(4, features=5)), "test inputs have shape [5]", "in train it is [4]"
    )


def test_parts_with_other_types_are_refused() -> None:
    bad = replace(part(), inputs=part().inputs.astype(np.uint8))
    assert_refused(replace(good(), validation=bad), "validation inputs are uint8; in train they are float32")


def test_one_class_is_refused() -> None:
    assert_refused(replace(good(), num_classes=1), "num_classes is 1", "at least 2")


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan, np.inf])
def test_a_unit_is_positive(unit: float) -> None:
    assert_refused(replace(good(), unit=unit), f"unit is {unit}")


def test_a_data_error_is_for_people() -> None:
    assert issubclass(DataError, LionSearchError)


def test_the_message_is_one_line() -> None:
    bad = replace(part(), labels=changed(part().labels, 2, 99))
    with pytest.raises(
        DataError, match=re.escape("data set 'mine': train labels[2] is 99; allowed are")
    ) as caught:
        validate(replace(good(), train=bad))
    assert "\n" not in str(caught.value)
