"""Examples are read as native arrays, or refused in a line that says what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import own_tasks
import pytest

from lion_search.proxy_tasks.problems.problem import Examples, Problem
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.training.read_examples import PARTS, read_examples

INPUTS, LABELS = own_tasks.problem().train


def changed(**parts: Any) -> Problem:
    return replace(own_tasks.problem(), **parts)


def with_all(inputs: Any = INPUTS, labels: Any = LABELS) -> Problem:
    """The same examples in all parts."""
    return changed(**dict.fromkeys(PARTS, Examples(inputs, labels)))


def examples(**arrays: Any) -> Examples:
    return own_tasks.problem().train._replace(**arrays)


def spoiled(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


class Foreign:
    """An array of another library, such as one with a gradient, that will not become NumPy's."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("call detach() first\nor else")


READ: dict[str, Any] = {
    "the other byte order": INPUTS.astype(">f4"),
    "columns first": np.asfortranarray(INPUTS),
    "a view": np.repeat(INPUTS, 2, axis=1)[:, ::2],
    "at any address": np.ndarray(INPUTS.shape, np.float32, b"-" + INPUTS.tobytes(), offset=1),
    "read only": np.frombuffer(INPUTS.tobytes(), np.float32).reshape(INPUTS.shape),
    "JAX's": jnp.asarray(INPUTS),
    "wide": INPUTS.astype(np.float64),
}


@pytest.mark.parametrize("name", READ)
def test_an_array_of_any_kind_is_read_as_a_native_one(name: str) -> None:
    found = read_examples("mine", with_all(READ[name]))
    for part in PARTS:
        inputs = getattr(found, part).inputs
        np.testing.assert_array_equal(np.asarray(jnp.asarray(inputs)), INPUTS)
        assert type(inputs) is np.ndarray
        assert inputs.dtype.isnative
        assert inputs.flags.c_contiguous
        assert inputs.flags.aligned


def test_integers_are_read_as_they_are() -> None:
    for dtype in (np.uint8, np.int64, ">i2", np.uint32):
        labels = read_examples("mine", with_all(labels=LABELS.astype(dtype))).train.labels
        np.testing.assert_array_equal(labels, LABELS)
        assert labels.dtype.isnative


BAD_PARTS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": (
        {"train": examples(inputs=spoiled(INPUTS, (17, 2), np.nan))},
        r"train.inputs holds nan at \[17, 2\]; expected finite numbers of float32",
    ),
    "infinity": (
        {"test": examples(inputs=spoiled(INPUTS, (3, 0), -np.inf))},
        r"test.inputs holds -inf at \[3, 0\]",
    ),
    "label too large": (
        {"train": examples(labels=spoiled(LABELS, (7,), 3))},
        r"label 3 at \[7\] of train; allowed are 0 to 2",
    ),
    "label too small": (
        {"validation": examples(labels=spoiled(LABELS, (7,), -1))},
        r"label -1 at \[7\] of validation; allowed are 0 to 2",
    ),
    "empty part": (
        {"validation": Examples(INPUTS[:0], LABELS[:0])},
        r"validation must be arrays whose first axis counts the examples; found shapes \[\(0, 5\), \(0,\)\]",
    ),
    "no arrays": ({"train": ()}, r"train must be arrays .* found shapes \[\]"),
    "no axis": ({"train": np.float32(3)}, r"train must be arrays .* found shapes \[\(\)\]"),
    "many numbers": (
        {"train": list(INPUTS[0]) * 1000},
        r"train must be arrays .* found shapes \[\(\), \(\), \(\), \(\) \.\.\.\]",
    ),
    "differing lengths": (
        {"train": Examples(INPUTS[:-1], LABELS)},
        r"train must be arrays .* found shapes \[\(199, 5\), \(200,\)\]",
    ),
    "differing widths": (
        {"test": examples(inputs=INPUTS[:, :4])},
        r"an example's test.inputs is float32 \[4\]; in train it is float32 \[5\]",
    ),
    "differing types": (
        {"test": examples(inputs=INPUTS.astype(np.float16))},
        r"an example's test.inputs is float16 \[5\]; in train it is float32 \[5\]",
    ),
    "differing names": (
        {"train": {"x": INPUTS}, "validation": {"z": INPUTS}, "num_classes": None},
        "validation has another structure than train: PyTreeDef",
    ),
    "names that have no order": ({"train": {1: INPUTS, "y": LABELS}}, "train is no tree that JAX can walk: "),
    "no Examples": ({"train": (INPUTS, LABELS)}, "num_classes is given, so train must be Examples"),
    "no number of classes": (
        {"num_classes": "3"},
        "num_classes is '3'; expected a whole number from 2",
    ),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_bad_examples_are_told_with_their_place(name: str) -> None:
    changes, message = BAD_PARTS[name]
    with pytest.raises(TaskError, match=f"^task 'mine': {message}"):
        read_examples("mine", changed(**changes))


BAD_ARRAYS: dict[str, tuple[Any, str]] = {
    "words": (np.asarray(["a", "b"]), r"holds <U1; expected numbers \(array.astype\(np.float32\)\)"),
    "objects": (INPUTS.astype(object), "holds object; expected numbers"),
    "durations": (INPUTS.astype("m8[s]"), r"holds timedelta64\[s\]; expected numbers"),
    "records": (np.zeros(3, [("a", "f4")]), r"holds \[\('a', '<f4'\)\]; expected numbers"),
    "halves of another kind": (jnp.asarray(INPUTS, jnp.bfloat16), "holds bfloat16; expected numbers"),
    "very long floats": (INPUTS.astype(np.longdouble), "holds float128; expected numbers"),
    "complex numbers": (INPUTS + 0j, "holds complex64; expected real and imaginary parts as two arrays"),
    "keys": (jax.random.split(jax.random.key(0), 5), r"holds JAX keys; expected jax.random.key_data\(keys\)"),
    "masked": (np.ma.masked_less(INPUTS, 0), r"is a masked array, .*; expected array.filled\(...\)"),
    "a list": (INPUTS.tolist(), r"\[0\]\[0\] is of type float; expected an array .np.asarray."),
    "an object": (object(), "is of type object; expected an array"),
    "a foreign array": (Foreign(), "cannot be read as a NumPy array: RuntimeError: call detach"),
    "too large for float32": (
        INPUTS.astype(np.float64) * 1e300,
        r"holds .*e.299 at \[0, 0\]; expected finite numbers of float32",
    ),
    "too large for int32": (np.asarray([1, 2**31]), r"holds 2147483648 at \[1\]; expected numbers of int32"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_an_array_that_would_become_something_else_is_refused(name: str) -> None:
    if name == "very long floats" and np.longdouble(0).itemsize == 8:
        pytest.skip("they are not longer on this machine")
    array, message = BAD_ARRAYS[name]
    with pytest.raises(TaskError, match=rf"^task 'mine': train.inputs ?{message}") as caught:
        read_examples("mine", with_all(array))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 200


BAD_LABELS: dict[str, tuple[np.ndarray, str]] = {
    "not integers": (
        LABELS.astype(np.float32),
        r"are float32; expected integers \(labels.astype\(np.int32\)\)",
    ),
    "truths": (LABELS > 0, "are bool; expected integers"),
    "a column": (LABELS[:, None], r"have shape \[200, 1\]; expected labels\[..., 0\]"),
    "one-hot": (np.eye(3, dtype=int)[LABELS], r"are one-hot; expected classes \(labels.argmax\(-1\)\)"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_would_be_broadcast_or_cut_are_refused(name: str) -> None:
    labels, message = BAD_LABELS[name]
    with pytest.raises(TaskError, match=f"^task 'mine': labels of train {message}"):
        read_examples("mine", with_all(labels=labels))


def test_labels_of_sequences_have_an_axis_of_their_own() -> None:
    labels = np.stack([LABELS, LABELS], axis=1)
    np.testing.assert_array_equal(read_examples("mine", with_all(labels=labels)).train.labels, labels)
