"""What a program computes along a training: its values at some steps, of some weights.

NumPy runs the program here, statement by statement, and JAX the gradient of the task; trainings that are
scored go through :mod:`evaluator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import Function
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, WEIGHTS, Program
from lion_search.proxy_tasks.training.loop import num_examples
from lion_search.proxy_tasks.training.prepare import FlatProblem

Recording = Mapping[str, np.ndarray]
"""For each input and variable of a program its values ``[records, weights]``."""

_MOST_STEPS = 200
_MOST_SECONDS = 10.0
_NUM_RECORDS, _NUM_WEIGHTS = 20, 200


def record(
    problem: FlatProblem, program: Program, scale: float, gradient_of: Callable[..., Any]
) -> Recording | None:
    """Trains with a program and records.

    Args:
        problem: what to train.
        program: no variable is assigned twice.
        scale: what updates are multiplied by.
        gradient_of: the problem's gradient, jitted.

    Returns:
        The recording; ``None`` if a weight is not finite before anything was recorded.
    """
    task, layout, rng = problem.task, problem.layout, np.random.default_rng(0)
    weights = np.asarray(problem.init(jax.random.key(0)))
    states = [np.zeros_like(weights) for _ in program.states]
    schedule, num_steps = task.schedule.values(task.num_steps), min(task.num_steps, _MOST_STEPS)
    batches = rng.integers(0, num_examples(problem.train), (num_steps, task.batch_size))
    records: list[dict[str, np.ndarray]] = []
    chosen: np.ndarray | None = None
    deadline = awake_seconds() + _MOST_SECONDS
    for index, batch in enumerate(batches):
        examples = jax.tree.map(lambda a: np.asarray(a)[batch], problem.train)  # noqa: B023 -- used at once
        flat = {WEIGHTS: weights, GRADIENT: np.asarray(gradient_of(weights, examples))}
        if chosen is None:  # weights that do not matter, such as those of dark pixels, say nothing
            matter = np.flatnonzero(flat[GRADIENT])
            chosen = rng.permutation(matter if len(matter) else layout.size)[:_NUM_WEIGHTS]
        flat |= dict(zip(program.states, states, strict=True))
        inputs: dict[str, Any] = {name: _split(problem, array) for name, array in flat.items()}
        domain = _Recorded(ArrayDomain(np, layout.shapes, np.float32))
        with np.errstate(all="ignore"):
            outputs = execute(program, domain, {**inputs, LEARNING_RATE: np.float32(schedule[index])})
            update, *states = (_flat(domain.arrays, value) for value in outputs)
            weights = weights - np.float32(scale) * update
        if not np.isfinite(weights).all() or awake_seconds() > deadline:
            break
        if index % max(1, num_steps // _NUM_RECORDS) == max(1, num_steps // _NUM_RECORDS) - 1:
            names = [s.target for s in program.statements]
            own = {n: _flat(domain.arrays, v) for n, v in zip(names, domain.values, strict=True)}
            own |= flat | {LEARNING_RATE: np.full_like(weights, schedule[index])}
            records.append({name: array[chosen].astype(np.float64) for name, array in own.items()})
    return {name: np.stack([r[name] for r in records]) for name in records[0]} if records else None


def recorder(problems: Sequence[FlatProblem]) -> Callable[[Program, float], list[Recording]]:
    """The function that records a program, updates multiplied by a scale, on each of some tasks."""
    gradients = [jax.jit(problem.gradient) for problem in problems]

    def record_all(program: Program, scale: float) -> list[Recording]:
        found = (record(p, program, scale, g) for p, g in zip(problems, gradients, strict=True))
        return [recording for recording in found if recording is not None]

    return record_all


class _Recorded:
    """The domain of arrays, which keeps the value of each statement."""

    def __init__(self, arrays: ArrayDomain) -> None:
        self.arrays, self.values = arrays, list[Any]()

    def constant(self, value: float) -> Any:
        return self.arrays.constant(value)

    def apply(self, function: Function, args: Sequence[Any], index: int) -> Any:
        self.values.append(self.arrays.apply(function, args, index))
        return self.values[-1]


def _split(problem: FlatProblem, array: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays in a flat vector."""
    pairs = zip(problem.layout.bounds, problem.layout.shapes, strict=True)
    return tuple(array[start:end].reshape(shape) for (start, end), shape in pairs)


def _flat(domain: ArrayDomain, value: Any) -> np.ndarray:
    """A value of any type as one vector over all weights."""
    return np.concatenate([np.ravel(leaf) for leaf in domain.as_tree(value)])
