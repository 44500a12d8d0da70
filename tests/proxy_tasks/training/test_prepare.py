"""A task is checked before anything is compiled, and laid out over one flat vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import own_tasks
import pytest
from jax import lax

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.problems.examples import DataError
from lion_search.proxy_tasks.problems.problem import Examples, Problem
from lion_search.proxy_tasks.tasks import Schedule, Task, TaskError, find_task
from lion_search.proxy_tasks.training.prepare import (
    FlatProblem,
    intermediate_sizes,
    least_bytes,
    prepare,
    step_shapes,
)


def mine(problem: Problem, **changes: Any) -> Task:
    return Task(lambda: problem, num_steps=20, batch_size=8, name="mine", **changes)


def tiny(**changes: Any) -> FlatProblem:
    return prepare(replace(own_tasks.tiny(), name="mine", **changes))


def changed(**changes: Any) -> Problem:
    return replace(own_tasks.problem(), **changes)


# The flat problem.


def test_weights_are_one_vector_in_the_trees_order() -> None:
    """A dictionary's leaves are ordered by key: the bias comes first."""
    found = tiny()
    assert found.layout.shapes == ((3,), (5, 3))
    key = jax.random.key(3)
    weights = found.init(key)
    np.testing.assert_array_equal(weights[3:], np.ravel(own_tasks.problem().init(key)["matrix"]))


@pytest.mark.parametrize("what", ["loss", "error"])
def test_the_flat_functions_are_the_problems_own(what: str) -> None:
    found, problem, key = tiny(metric=what), own_tasks.problem(), jax.random.key(3)
    expected = getattr(problem, what)(problem.init(key), problem.test)
    assert float(found.metric.means(found.init(key), found.test)) == float(expected)


def test_the_digits_task_trains_2410_weights() -> None:
    found = prepare(find_task("digits_mlp"))
    assert found.layout.shapes == ((32, 64), (32,), (10, 32), (10,))
    assert found.layout.size == 2410


# What is wrong is found here.

LABELS = own_tasks.problem().train.labels


def with_labels(labels: np.ndarray) -> Examples:
    return own_tasks.problem().train._replace(labels=labels)


def python_float(weights: Any, batch: Any) -> Any:
    return float(own_tasks.loss(weights, batch))


def without_gradient(weights: Any, batch: Any) -> Any:
    return lax.while_loop(lambda x: x > 1, lambda x: x / 2, own_tasks.loss(weights, batch))


def losses(weights: Any, batch: Any) -> Any:
    return jnp.ones(3) * own_tasks.loss(weights, batch)


BAD_FUNCTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "init raises": ({"init": lambda key: 1 / 0}, "init failed: ZeroDivisionError: division by zero"),
    "init gives integers": (
        {"init": lambda key: {"matrix": jnp.zeros((5, 3)), "bias": jnp.zeros(3, jnp.int32)}},
        r"init must give float32 arrays with numbers in them; found int32 \[3\] at \['bias'\]$",
    ),
    "init gives halves": (
        {"init": lambda key: {"matrix": jnp.zeros((5, 3), jnp.bfloat16), "bias": jnp.zeros(3)}},
        r"init must give float32 arrays .*; found bfloat16 \[5, 3\] at \['matrix'\]$",
    ),
    "init gives nothing": ({"init": lambda key: {}}, "init must give float32 arrays .*; found none$"),
    "init gives no numbers": (
        {"init": lambda key: {"matrix": jnp.zeros((5, 3)), "bias": [jnp.zeros(0)]}},
        r"init must give float32 arrays .*; found float32 \[0\] at \['bias'\]\[0\]$",
    ),
    "loss raises": ({"loss": lambda w, e: w["matrx"]}, "loss failed: KeyError: 'matrx'"),
    "loss is no scalar": ({"loss": losses}, "loss must give one float32 number; found .*float32"),
    "loss is a pair": (
        {"loss": lambda w, e: (own_tasks.loss(w, e), 0)},
        "loss must give one float32 number; found ",
    ),
    "loss is nothing": ({"loss": lambda w, e: None}, "loss must give one float32 number; found None"),
    "loss is an integer": (
        {"loss": lambda w, e: jnp.int32(3)},
        "loss must give one float32 number; found .*int32",
    ),
    "loss of all pairs": (
        {"loss": lambda w, e: own_tasks.loss(w, e._replace(labels=e.labels[:, None]))},
        r"loss broadcasts the examples against each other, to \[n, n\], as labels \[n, 1\] do",
    ),
    "loss of one batch size only": (
        {"loss": lambda w, e: own_tasks.loss(w, e._replace(inputs=e.inputs.reshape(8, 5)))},
        "loss of 1009 examples, not batch_size, failed: TypeError: cannot reshape array",
    ),
    "loss cannot be traced": ({"loss": python_float}, "loss failed: ConcretizationTypeError: "),
    "loss has no gradient": (
        {"loss": without_gradient},
        "the gradient of loss failed: ValueError: Reverse-mode differentiation does not work",
    ),
}


@pytest.mark.parametrize("name", BAD_FUNCTIONS)
def test_a_function_that_cannot_be_trained_is_refused(name: str) -> None:
    changes, message = BAD_FUNCTIONS[name]
    with pytest.raises(TaskError, match=f"^task 'mine': {message}") as caught:
        prepare(mine(changed(**changes)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, "no metric 'error'; there are: loss$"),
        (losses, "error must give one float32 number"),
        (python_float, "error failed: ConcretizationTypeError"),
    ],
)
def test_the_metric_error_needs_an_error_function(error: Any, message: str) -> None:
    problem = changed(error=error)
    with pytest.raises(TaskError, match=f"^task 'mine': {message}"):
        prepare(mine(problem, metric="error"))
    assert prepare(mine(problem)).task.metric == "loss"


def test_a_problem_function_that_raises_is_told() -> None:
    with pytest.raises(
        TaskError, match=r"^task 'mine': problem failed: ZeroDivisionError: division by zero$"
    ):
        prepare(Task(lambda: 1 / 0, 20, 8, name="mine"))  # type: ignore[arg-type, return-value]


def test_a_problem_function_must_give_a_problem() -> None:
    with pytest.raises(TaskError, match=r"^task 'mine': problem\(\) returned a tuple, no Problem$"):
        prepare(Task(lambda: (1, 2), 20, 8, name="mine"))  # type: ignore[arg-type, return-value]


def test_missing_data_is_told_as_it_is() -> None:
    def missing() -> Problem:
        raise DataError("no such file")

    with pytest.raises(LionSearchError, match=r"^no such file$"):
        prepare(Task(missing, 20, 8, name="mine"))


def test_nothing_is_computed_to_check_a_task() -> None:
    """The functions are only traced: no one sees a number."""
    seen = []

    def watched(weights: Any, batch: Any) -> jax.Array:
        seen.append(isinstance(weights["bias"], jax.core.Tracer))
        return own_tasks.loss(weights, batch)

    prepare(mine(changed(loss=watched)))
    assert seen
    assert all(seen)


# Label noise.


@pytest.fixture(scope="module")
def digits() -> FlatProblem:
    return prepare(find_task("digits_mlp"))


def noisy(reference: str) -> FlatProblem:
    return prepare(find_task(reference))


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_label_noise_replaces_the_stated_share_of_training_labels(digits: FlatProblem, share: float) -> None:
    """By random ones of ten classes, so that nine in ten of those replaced are changed."""
    found = noisy(f"digits_mlp?label_noise={share}")
    is_changed = found.train.labels != digits.train.labels
    assert np.mean(is_changed) == pytest.approx(0.9 * share, abs=0.04)
    counts = np.bincount(found.train.labels[is_changed], minlength=10)
    assert len(counts) == 10
    assert counts.min() > 0.4 * counts.mean()
    assert found.train.labels.dtype == digits.train.labels.dtype


def test_label_noise_leaves_all_else_as_it_is(digits: FlatProblem) -> None:
    found = noisy("digits_mlp?label_noise=0.5")
    np.testing.assert_array_equal(found.train.inputs, digits.train.inputs)
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(found, part).labels, getattr(digits, part).labels)


def test_label_noise_is_the_same_each_time(digits: FlatProblem) -> None:
    once, again = noisy("digits_mlp?label_noise=0.5"), noisy("digits_mlp?label_noise=0.5")
    np.testing.assert_array_equal(once.train.labels, again.train.labels)


def test_more_label_noise_spoils_the_same_labels_and_others(digits: FlatProblem) -> None:
    few, many = (noisy(f"digits_mlp?label_noise={s}").train.labels for s in (0.2, 0.6))
    is_changed = few != digits.train.labels
    np.testing.assert_array_equal(many[is_changed], few[is_changed])


def test_noise_does_not_depend_on_the_labels() -> None:
    """Training labels that are all the same become evenly all there are."""
    same = with_labels(np.zeros_like(LABELS))
    found = prepare(mine(changed(train=same), label_noise=1.0)).train.labels
    assert np.bincount(found, minlength=3).min() > 0.25 * len(LABELS)


def test_label_noise_needs_classes() -> None:
    with pytest.raises(TaskError, match="label_noise needs a problem with num_classes"):
        prepare(mine(changed(num_classes=None), label_noise=0.1))


# Facts.


def test_facts_are_the_same_each_time_and_can_be_written() -> None:
    import json

    facts = tiny().facts()
    assert facts == tiny().facts() == json.loads(json.dumps(facts))
    assert facts["weights"] == 18
    assert facts["arrays"] == 2
    assert facts["schedule"] == "cosine, warm-up 0"


CHANGES: dict[str, tuple[str, Callable[[], FlatProblem]]] = {
    "steps": ("steps", lambda: tiny(num_steps=21)),
    "batch size": ("batch_size", lambda: tiny(batch_size=9)),
    "schedule": ("schedule", lambda: tiny(schedule=Schedule(warmup_steps=1))),
    "metric": ("metric", lambda: tiny(metric="error")),
    "early stopping": ("early_stopping", lambda: tiny(early_stopping=4)),
    "gradient scale": ("gradient_scale", lambda: tiny(gradient_scale=2.0)),
    **{
        part: (
            "data",
            lambda part=part: tiny(problem=lambda: changed(**{part: own_tasks._examples(9, 60)})),
        )
        for part in ("train", "validation", "test")
    },
    "one label": (
        "data",
        lambda: tiny(problem=lambda: changed(train=with_labels((LABELS + (np.arange(200) == 7)) % 3))),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_facts_tell_what_changed(name: str) -> None:
    key, make = CHANGES[name]
    before, after = tiny().facts(), make().facts()
    assert {k for k in before | after if before.get(k) != after.get(k)} == {key}


def test_facts_tell_label_noise_from_other_data() -> None:
    before, after = tiny().facts(), tiny(label_noise=0.3).facts()
    assert {k for k in before if before[k] != after[k]} == {"label_noise", "data"}


# Memory.


def test_the_shapes_of_a_step_are_those_of_weights_and_a_batch() -> None:
    weights, batch = step_shapes(tiny(batch_size=9))
    assert (weights.shape, weights.dtype) == ((18,), np.float32)
    assert [(a.shape, a.dtype) for a in batch] == [((9, 5), np.float32), ((9,), np.int32)]


def test_the_largest_intermediate_grows_with_the_batch() -> None:
    """The logits of 3 classes, 4 bytes each."""
    assert max(intermediate_sizes(tiny(batch_size=1000))) == 1000 * 3 * 4


def test_the_least_memory_holds_data_and_what_is_kept_for_each_weight() -> None:
    found = tiny(batch_size=1000)
    data = (200 + 60 + 60) * (5 * 4 + 4)
    assert least_bytes(found) == data + 5 * 18 * 4 + max(intermediate_sizes(found))
