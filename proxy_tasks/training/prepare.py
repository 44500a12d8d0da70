"""A task made ready to train: its problem built, checked and laid out over one flat vector of weights.

Whatever is wrong with a task, a shipped one's missing data or a user's function, is found here, before any
search starts; nothing is compiled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.compared_by import trained_as
from lion_search.proxy_tasks.problems import Examples, Problem
from lion_search.proxy_tasks.tasks import Metric, Task, TaskError
from lion_search.proxy_tasks.training.flags import pin_flags
from lion_search.proxy_tasks.training.layout import Layout

PARTS = ("train", "validation", "test")
_NOISE_SEED = 20230214  # of label noise; fixed for ever, as baselines refer to it


@dataclass(frozen=True, slots=True, eq=False)
class FlatProblem:
    """A task ready to train, over flat weights ``[N]``.

    Attributes:
        task: what it was made from.
        layout: of the weights.
        init: key -> initial weights ``[N]``.
        loss: (weights ``[N]``, examples) -> mean loss.
        gradient: (weights ``[N]``, examples) -> gradient of the loss ``[N]``.
        error: (weights ``[N]``, examples) -> share of wrong predictions, where the task has one.
        train: training examples, a tree of arrays.
        validation: examples a search is scored on.
        test: examples that are reported.
    """

    task: Task
    layout: Layout
    init: Callable[[jax.Array], jax.Array]
    loss: Callable[[jax.Array, Any], jax.Array]
    gradient: Callable[[jax.Array, Any], jax.Array]
    error: Callable[[jax.Array, Any], jax.Array]
    train: Any
    validation: Any
    test: Any

    def facts(self) -> dict[str, Any]:
        """What a recorded loss depends on, as JSON values; to be compared with that of a record."""
        task = self.task
        digest = hashlib.sha256()
        for part in PARTS:
            for array in jax.tree.leaves(getattr(self, part)):
                digest.update(np.asarray(array).tobytes())
        return {
            "task": trained_as(task.name),
            "weights": self.layout.size,
            "arrays": len(self.layout.shapes),
            "steps": task.num_steps,
            "batch_size": task.batch_size,
            "schedule": f"{task.schedule.decay}, warm-up {task.schedule.warmup_steps}",
            "metric": str(task.metric),
            "label_noise": task.label_noise,
            "gradient_scale": task.gradient_scale,
            "data": digest.hexdigest()[:16],
        }


def prepare(task: Task) -> FlatProblem:
    """Builds and checks a task's problem.

    Raises:
        TaskError: the task's functions raise, cannot be traced, or give something else than they should.
        DataError: the data is missing or damaged.
    """
    pin_flags()
    problem = _called(task, "problem", task.problem)
    pin_flags()
    if not isinstance(problem, Problem):
        raise TaskError(f"task '{task.name}': problem() returned a {type(problem).__name__}, no Problem")
    _check_examples(task, problem)
    problem = replace(problem, train=_with_label_noise(task, problem))
    weights = _called(task, "init", jax.eval_shape, problem.init, jax.random.key(0))
    leaves, structure = jax.tree.flatten(weights)
    layout = Layout(tuple(leaf.shape for leaf in leaves))
    _check_weights(task, leaves)

    def tree(flat: jax.Array) -> Any:
        return jax.tree.unflatten(structure, layout.split(flat))

    def no_error(weights: Any, examples: Any) -> jax.Array:
        raise TaskError(f"task '{task.name}': metric=error, but the problem has no error function")

    def gradient(weights: jax.Array, examples: Any) -> jax.Array:
        # By the arrays, then joined: the derivative of slicing is a sum of padded vectors, 6 % of a ViT step.
        return layout.join(jax.tree.leaves(jax.grad(problem.loss)(tree(weights), examples)))

    error = problem.error or no_error
    flat = FlatProblem(
        task,
        layout,
        init=lambda key: layout.join(jax.tree.leaves(problem.init(key))),
        loss=lambda weights, examples: problem.loss(tree(weights), examples),
        gradient=gradient,
        error=lambda weights, examples: error(tree(weights), examples),
        train=problem.train,
        validation=problem.validation,
        test=problem.test,
    )
    _check_traceable(flat)
    return flat


def intermediate_sizes(problem: FlatProblem) -> list[int]:
    """Bytes of each array that one step's gradient computes, as it is traced."""
    jaxpr = jax.make_jaxpr(problem.gradient)(*step_shapes(problem))
    return [v.aval.size * v.aval.dtype.itemsize for e in jaxpr.jaxpr.eqns for v in e.outvars]


def least_bytes(problem: FlatProblem) -> int:
    """What training needs at least: data, weights, gradient, update, two states and the largest array."""
    parts = (getattr(problem, part) for part in PARTS)
    data = sum(np.asarray(a).nbytes for part in parts for a in jax.tree.leaves(part))
    return data + 4 * 5 * problem.layout.size + max(intermediate_sizes(problem), default=0)


def step_shapes(problem: FlatProblem) -> tuple[Any, Any]:
    """Shapes of the weights and of a batch."""
    size = problem.task.batch_size
    batch = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), np.asarray(a).dtype), problem.train
    )
    return jax.ShapeDtypeStruct((problem.layout.size,), jnp.float32), batch


def _called(task: Task, what: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except LionSearchError:
        raise
    except Exception as error:  # whatever a user's function does
        reason = str(error).partition("\n")[0]
        raise TaskError(f"task '{task.name}': {what} failed: {type(error).__name__}: {reason}") from error


def _check_examples(task: Task, problem: Problem) -> None:
    shapes = {}
    for part in PARTS:
        arrays = [np.asarray(a) for a in jax.tree.leaves(getattr(problem, part))]
        lengths = {a.shape[:1] for a in arrays}
        if len(lengths) != 1 or lengths <= {(), (0,)}:
            raise TaskError(
                f"task '{task.name}': {part} must be arrays whose first axis counts the examples; "
                f"found shapes {[a.shape for a in arrays]}"
            )
        for array in arrays:
            if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
                raise TaskError(f"task '{task.name}': {part} holds {array.dtype}; expected numbers")
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                first = np.argwhere(~np.isfinite(array))[0].tolist()
                raise TaskError(f"task '{task.name}': {part} holds {array[tuple(first)]} at {first}")
        shapes[part] = [(a.shape[1:], a.dtype) for a in arrays]
        if shapes[part] != shapes["train"]:
            raise TaskError(
                f"task '{task.name}': {part} has other shapes or types than train: "
                f"{shapes[part]} and {shapes['train']}"
            )
        if problem.num_classes is not None:
            _check_labels(task, part, getattr(problem, part), problem.num_classes)


def _check_labels(task: Task, part: str, examples: Any, num_classes: int) -> None:
    if not isinstance(examples, Examples):
        raise TaskError(f"task '{task.name}': num_classes is given, so {part} must be Examples")
    labels = np.asarray(examples.labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TaskError(f"task '{task.name}': labels of {part} are {labels.dtype}; expected integers")
    wrong = np.argwhere((labels < 0) | (labels >= num_classes))
    if len(wrong):
        where = tuple(wrong[0].tolist())
        raise TaskError(
            f"task '{task.name}': label {labels[where]} at {list(where)} of {part}; "
            f"allowed are 0 to {num_classes - 1}"
        )


def _with_label_noise(task: Task, problem: Problem) -> Any:
    if not task.label_noise:
        return problem.train
    if problem.num_classes is None:
        raise TaskError(f"task '{task.name}': label_noise needs a problem with num_classes")
    rng = np.random.default_rng(_NOISE_SEED)
    labels = np.asarray(problem.train.labels)
    is_noisy = rng.random(labels.shape) < task.label_noise
    drawn = rng.integers(0, problem.num_classes, labels.shape).astype(labels.dtype)
    return problem.train._replace(labels=np.where(is_noisy, drawn, labels))


def _check_weights(task: Task, leaves: list[Any]) -> None:
    wrong = [str(leaf) for leaf in leaves if leaf.dtype != jnp.float32]
    if wrong or not leaves or not sum(leaf.size for leaf in leaves):
        raise TaskError(f"task '{task.name}': init must give float32 arrays; found {wrong or 'none'}")


def _check_traceable(flat: FlatProblem) -> None:
    """Traces what training and scoring will trace."""
    task = flat.task
    weights, batch = step_shapes(flat)
    checked = {"loss": flat.loss, "error": flat.error if task.metric is Metric.ERROR else flat.loss}
    for what, function in checked.items():
        found = _called(task, what, jax.eval_shape, function, weights, batch)
        if getattr(found, "shape", None) != () or found.dtype != jnp.float32:
            raise TaskError(f"task '{task.name}': {what} must give one float32 number; found {found}")
    _called(task, "the gradient of loss", jax.eval_shape, flat.gradient, weights, batch)
