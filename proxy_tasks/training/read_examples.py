"""A problem's examples, read once: native NumPy arrays that JAX trains on as they are.

Whatever has ``__array__`` is read, in any byte order or layout. Refused is what JAX refuses, or would take
for something else without a word: numbers its type cannot hold, masks, a column of labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.errors import reason_of
from lion_search.proxy_tasks.problems import Examples, Problem
from lion_search.proxy_tasks.tasks import TaskError

PARTS = ("train", "validation", "test")
_MOST_SHAPES = 4  # In a message: a list is a tree of as many leaves as it has numbers.


def read_examples(task: str, problem: Problem) -> Problem:
    """The problem with its examples as native arrays, checked.

    Args:
        task: its name, for messages.
        problem: as the task's function has returned it.

    Raises:
        TaskError: which array of which part, what it holds, what is allowed.
    """
    try:
        parts = {part: _read(part, getattr(problem, part)) for part in PARTS}
        for part in PARTS:
            _check_alike(part, parts[part], parts["train"])
            if problem.num_classes is not None:
                _check_labels(part, parts[part], problem.num_classes)
    except TaskError as error:
        raise TaskError(f"task '{task}': {error}") from error.__cause__
    return replace(problem, **parts)


def _read(part: str, examples: Any) -> Any:
    try:
        leaves, structure = jax.tree_util.tree_flatten_with_path(examples)
    except Exception as error:  # keys that cannot be sorted, or a class of the user's
        raise TaskError(f"{part} is no tree that JAX can walk: {reason_of(error)}") from error
    arrays = [_array(f"{part}{jax.tree_util.keystr(path)}", leaf) for path, leaf in leaves]
    lengths = {array.shape[:1] for array in arrays}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        shapes = ", ".join(str(array.shape) for array in arrays[:_MOST_SHAPES])
        more = " ..." * (len(arrays) > _MOST_SHAPES)
        raise TaskError(
            f"{part} must be arrays whose first axis counts the examples; found shapes [{shapes}{more}]"
        )
    return jax.tree.unflatten(structure, arrays)


def _array(where: str, leaf: Any) -> np.ndarray:
    """A leaf as an aligned, contiguous array of this machine's byte order; its width stays as it is."""
    if not hasattr(leaf, "__array__"):  # np.asarray would make one of anything
        raise TaskError(f"{where} is of type {type(leaf).__name__}; expected an array (np.asarray)")
    if isinstance(leaf, np.ma.MaskedArray):
        raise TaskError(f"{where} is a masked array, whose mask would be lost; expected array.filled(...)")
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise TaskError(f"{where} holds JAX keys; expected jax.random.key_data(keys), to be wrapped in loss")
    try:
        array = np.asarray(leaf)
    except Exception as error:  # whatever a library's array does: on another device, with a gradient
        raise TaskError(f"{where} cannot be read as a NumPy array: {reason_of(error)}") from error
    if array.dtype.kind == "c":
        raise TaskError(f"{where} holds {array.dtype}; expected real and imaginary parts as two arrays")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TaskError(f"{where} holds {array.dtype}; expected numbers (array.astype(np.float32))")
    array = np.require(array, array.dtype.newbyteorder("="), ["C", "A", "E"])
    _check_values(where, array)
    return array


def _check_values(where: str, array: np.ndarray) -> None:
    """Checks that every number is finite and can be held by the type it is trained in."""
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    with np.errstate(over="ignore"):
        trained = array.astype(dtype, copy=False)
    if trained is array and dtype.kind != "f":
        return
    bad = ~np.isfinite(trained) if dtype.kind == "f" else trained != array
    if bad.any():
        first = tuple(np.argwhere(bad)[0].tolist())
        needed = "finite numbers" if dtype.kind == "f" else "numbers"
        raise TaskError(f"{where} holds {array[first]} at {list(first)}; expected {needed} of {dtype}")


def _check_alike(part: str, examples: Any, train: Any) -> None:
    """Checks that examples look like those of train: one compiled program takes both."""
    found: Any = jax.tree.structure(examples)
    expected: Any = jax.tree.structure(train)
    if found != expected:
        raise TaskError(
            f"{part} has another structure than train: {str(found)[:100]} and {str(expected)[:100]}"
        )
    leaves = jax.tree_util.tree_leaves_with_path(examples)
    for (path, array), other in zip(leaves, jax.tree.leaves(train), strict=True):
        if (array.shape[1:], array.dtype) != (other.shape[1:], other.dtype):
            raise TaskError(
                f"an example's {part}{jax.tree_util.keystr(path)} is {array.dtype} {list(array.shape[1:])}; "
                f"in train it is {other.dtype} {list(other.shape[1:])}"
            )


def _check_labels(part: str, examples: Any, num_classes: Any) -> None:
    if not (isinstance(num_classes, int | np.integer) and num_classes >= 2):
        raise TaskError(f"num_classes is {num_classes!r:.50}; expected a whole number from 2")
    if not isinstance(examples, Examples) or not isinstance(examples.labels, np.ndarray):
        raise TaskError(f"num_classes is given, so {part} must be Examples with an array of labels")
    labels = examples.labels
    if labels.dtype.kind not in "iu":
        raise TaskError(f"labels of {part} are {labels.dtype}; expected integers (labels.astype(np.int32))")
    wrong = np.argwhere((labels < 0) | (labels >= num_classes))
    if len(wrong):
        where = tuple(wrong[0].tolist())
        raise TaskError(
            f"label {labels[where]} at {list(where)} of {part}; allowed are 0 to {num_classes - 1}"
        )
    # Both would be broadcast against the logits of a batch.
    if labels.ndim > 1 and labels.shape[-1] == 1:
        raise TaskError(f"labels of {part} have shape {list(labels.shape)}; expected labels[..., 0]")
    if labels.ndim > 1 and labels.shape[-1] == num_classes and (np.sort(labels)[..., -2:] == (0, 1)).all():
        raise TaskError(f"labels of {part} are one-hot; expected classes (labels.argmax(-1))")
