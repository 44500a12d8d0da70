"""A task made ready to train: its problem built, checked and laid out over one flat vector of weights.

Whatever is wrong with a task, a shipped one's missing data or a user's function, is found here, before any
search starts; nothing is compiled.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.errors import LionSearchError, did_you_mean, reason_of
from lion_search.proxy_tasks.compared_by import trained_as
from lion_search.proxy_tasks.problems import Metric, Problem
from lion_search.proxy_tasks.tasks import Task, TaskError
from lion_search.proxy_tasks.training.flags import pin_flags
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.pairs import pairs_by_broadcasting
from lion_search.proxy_tasks.training.read_examples import PARTS, read_examples

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
        loss_and_gradient: (weights ``[N]``, examples) -> both.
        metric: what the task is scored by, of weights ``[N]``; ``loss`` itself where its only mean is that.
        train: training examples, a tree of arrays.
        validation: examples a search is scored on.
        test: examples that are reported.
    """

    task: Task
    layout: Layout
    init: Callable[[jax.Array], jax.Array]
    loss: Callable[[jax.Array, Any], jax.Array]
    gradient: Callable[[jax.Array, Any], jax.Array]
    loss_and_gradient: Callable[[jax.Array, Any], tuple[jax.Array, jax.Array]]
    metric: Metric
    train: Any
    validation: Any
    test: Any

    def facts(self) -> dict[str, Any]:
        """What a recorded loss depends on, as JSON values; to be compared with that of a record."""
        task = self.task
        digest = hashlib.sha256()
        for part in PARTS:
            for array in jax.tree.leaves(getattr(self, part)):
                digest.update(array.tobytes())
        return {
            "task": trained_as(task.name),
            "weights": self.layout.size,
            "arrays": len(self.layout.shapes),
            "steps": task.num_steps,
            "batch_size": task.batch_size,
            "schedule": f"{task.schedule.decay}, warm-up {task.schedule.warmup_steps}",
            "metric": task.metric,
            "label_noise": task.label_noise,
            "gradient_scale": task.gradient_scale,
            "data": digest.hexdigest()[:16],
        } | ({"early_stopping": task.early_stopping} if task.early_stopping else {})


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
    problem = read_examples(task.name, problem)
    problem = replace(problem, train=_with_label_noise(task, problem))
    weights = _called(task, "init", jax.eval_shape, problem.init, jax.random.key(0))
    leaves, structure = jax.tree.flatten(weights)
    layout = Layout(tuple(leaf.shape for leaf in leaves))
    _check_weights(task, weights)

    def tree(flat: jax.Array) -> Any:
        return jax.tree.unflatten(structure, layout.split(flat))

    def loss_and_gradient(weights: jax.Array, examples: Any) -> tuple[jax.Array, jax.Array]:
        # By the arrays, then joined: the derivative of slicing is a sum of padded vectors, 6 % of a ViT step.
        loss, gradient = jax.value_and_grad(problem.loss)(tree(weights), examples)
        return loss, layout.join(jax.tree.leaves(gradient))

    def loss(weights: jax.Array, examples: Any) -> jax.Array:
        return problem.loss(tree(weights), examples)

    def means(weights: jax.Array, examples: Any) -> Any:
        return metric.means(tree(weights), examples)

    metric = _find_metric(task, problem)
    flat = FlatProblem(
        task,
        layout,
        init=lambda key: layout.join(jax.tree.leaves(problem.init(key))),
        loss=loss,
        gradient=lambda weights, examples: loss_and_gradient(weights, examples)[1],
        loss_and_gradient=loss_and_gradient,
        metric=replace(metric, means=loss if metric.means is problem.loss else means),
        train=problem.train,
        validation=problem.validation,
        test=problem.test,
    )
    _check_traceable(flat)
    return flat


def intermediate_sizes(problem: FlatProblem) -> list[int]:
    """Bytes of each array that one step's gradient computes, as it is traced."""
    return _sizes_of_results(problem.gradient, step_shapes(problem))


def scoring_sizes(problem: FlatProblem, num_examples: int) -> list[int]:
    """Bytes of each array that the loss of so many examples computes, as it is traced."""
    return _sizes_of_results(problem.loss, step_shapes(problem, num_examples))


def _sizes_of_results(function: Callable[..., Any], shapes: tuple[Any, Any]) -> list[int]:
    jaxpr = jax.make_jaxpr(function)(*shapes)
    return [v.aval.size * v.aval.dtype.itemsize for e in jaxpr.jaxpr.eqns for v in e.outvars]


def least_bytes(problem: FlatProblem) -> int:
    """What training needs at least: data, weights, gradient, update, two states and the largest array."""
    parts = (getattr(problem, part) for part in PARTS)
    data = sum(a.nbytes for part in parts for a in jax.tree.leaves(part))
    return data + 4 * 5 * problem.layout.size + max(intermediate_sizes(problem), default=0)


def step_shapes(problem: FlatProblem, batch_size: int | None = None) -> tuple[Any, Any]:
    """Shapes of the weights and of a batch, by default of the task's size."""
    size = batch_size or problem.task.batch_size
    batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype), problem.train)
    return jax.ShapeDtypeStruct((problem.layout.size,), jnp.float32), batch


def _called(task: Task, what: str, function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except LionSearchError:
        raise
    except Exception as error:  # whatever a user's function does
        raise TaskError(f"task '{task.name}': {what} failed: {reason_of(error)}") from error


def _find_metric(task: Task, problem: Problem) -> Metric:
    metrics = problem.all_metrics()
    if task.metric not in metrics:
        raise TaskError(
            f"task '{task.name}': no metric '{task.metric}'{did_you_mean(task.metric, metrics)}; "
            f"there are: {', '.join(metrics)}"
        )
    return metrics[task.metric]


def _with_label_noise(task: Task, problem: Problem) -> Any:
    if not task.label_noise:
        return problem.train
    if problem.num_classes is None:
        raise TaskError(f"task '{task.name}': label_noise needs a problem with num_classes")
    rng = np.random.default_rng(_NOISE_SEED)
    labels = problem.train.labels
    is_noisy = rng.random(labels.shape) < task.label_noise
    drawn = rng.integers(0, problem.num_classes, labels.shape).astype(labels.dtype)
    return problem.train._replace(labels=np.where(is_noisy, drawn, labels))


def _check_weights(task: Task, weights: Any) -> None:
    leaves = jax.tree_util.tree_leaves_with_path(weights)
    wrong = [
        f"{leaf.dtype} {list(leaf.shape)}" + (f" at {name}" if (name := jax.tree_util.keystr(path)) else "")
        for path, leaf in leaves
        if leaf.dtype != jnp.float32 or not leaf.size
    ]
    if wrong or not leaves:
        found = ", ".join(wrong[:3]) or "none"
        raise TaskError(
            f"task '{task.name}': init must give float32 arrays with numbers in them; found {found}"
        )


def _check_traceable(flat: FlatProblem) -> None:
    """Traces what training and scoring will trace; scoring takes batches of other sizes."""
    task, size, other = flat.task, flat.task.batch_size, _another_size(flat)

    def metric(weights: jax.Array, examples: Any) -> jax.Array:
        return flat.metric.value(flat.metric.means(weights, examples))

    traced = (("loss", flat.loss, size), (task.metric, metric, size), (task.metric, metric, other))
    for name, function, examples in traced:
        what = name if examples == size else f"{name} of {examples} examples, not batch_size,"
        found = _called(task, what, jax.eval_shape, function, *step_shapes(flat, examples))
        if getattr(found, "shape", None) != () or found.dtype != jnp.float32:
            raise TaskError(f"task '{task.name}': {what} must give one float32 number; found {found!s:.300}")
    _called(task, "the gradient of loss", jax.eval_shape, flat.gradient, *step_shapes(flat))
    if pairs_by_broadcasting(jax.make_jaxpr(flat.loss)(*step_shapes(flat, other)).jaxpr, other):
        raise TaskError(
            f"task '{task.name}': loss broadcasts the examples against each other, to [n, n], as labels "
            "[n, 1] do beside predictions [n]; expected a mean over examples"
        )


def _another_size(flat: FlatProblem) -> int:
    """A number of examples that is no other size in the problem."""
    parts = (getattr(flat, part) for part in PARTS)
    sizes = {size for part in parts for array in jax.tree.leaves(part) for size in array.shape}
    sizes |= {size for shape in flat.layout.shapes for size in shape} | {flat.task.batch_size}
    return next(size for size in itertools.count(1009, 2) if size not in sizes)
