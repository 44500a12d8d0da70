"""What a program computes along a training: its values at some steps, of some weights.

NumPy runs the program here, statement by statement, and JAX the gradient of the task; trainings that are
scored go through :mod:`evaluator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a training that is watched; arrays are flat, over all weights.

    Attributes:
        index: from 0.
        lr: the schedule's value.
        weights: before it.
        gradient: what the program was given.
        states: before it.
        update: what was subtracted from the weights.
        new_states: after it.
        values: of each statement of the program.
    """

    index: int
    lr: float
    weights: np.ndarray
    gradient: np.ndarray
    states: Sequence[np.ndarray]
    update: np.ndarray
    new_states: Sequence[np.ndarray]
    values: Sequence[np.ndarray]

    @property
    def new_weights(self) -> np.ndarray:
        """The weights after it."""
        return self.weights - self.update


def steps(
    problem: FlatProblem,
    program: Program,
    gradient_of: Callable[..., Any],
    *,
    scale: float = 1.0,
    num_steps: int | None = None,
    keep: Callable[[np.ndarray], np.ndarray] = lambda state: state,
    given: Sequence[Step] = (),
    factor: float = 1.0,
) -> Iterator[Step]:
    """Trains with a program from seed 0 and gives every step; ends where a weight is not finite.

    Args:
        problem: what to train.
        program: no variable is assigned twice, if values are read.
        gradient_of: the problem's gradient, jitted.
        scale: what updates are multiplied by.
        num_steps: at most so many; by default the task's.
        keep: what memory makes of a state, such as another precision.
        given: of another training: weights and gradients are those.
        factor: of the gradient.
    """
    task, layout, rng = problem.task, problem.layout, np.random.default_rng(0)
    weights = np.asarray(problem.init(jax.random.key(0)))
    states = [np.zeros_like(weights) for _ in program.states]
    schedule = task.schedule.values(task.num_steps)
    batches = rng.integers(0, num_examples(problem.train), (num_steps or task.num_steps, task.batch_size))
    for index, batch in enumerate(batches[: len(given) or None]):
        if given:
            weights, gradient = given[index].weights, given[index].gradient
        else:
            examples = jax.tree.map(lambda a: np.asarray(a)[batch], problem.train)  # noqa: B023 -- used at once
            gradient = np.asarray(gradient_of(weights, examples))
        gradient = np.float32(factor) * gradient
        flat = {WEIGHTS: weights, GRADIENT: gradient, **dict(zip(program.states, states, strict=True))}
        inputs: dict[str, Any] = {name: _split(problem, array) for name, array in flat.items()}
        domain = _Recorded(ArrayDomain(np, layout.shapes, np.float32))
        with np.errstate(all="ignore"):
            outputs = execute(program, domain, {**inputs, LEARNING_RATE: np.float32(schedule[index])})
            update, *new = (_flat(domain.arrays, value) for value in outputs)
            update, new = np.float32(scale) * update, [keep(state) for state in new]
            step = Step(
                index, float(schedule[index]), weights, gradient, states, update, new,
                _Flattened(domain.arrays, domain.values),
            )  # fmt: skip
            weights, states = step.new_weights, new
        if not np.isfinite(weights).all():
            return
        yield step


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
    rng = np.random.default_rng(0)
    records: list[dict[str, np.ndarray]] = []
    chosen: np.ndarray | None = None
    num_steps = min(problem.task.num_steps, _MOST_STEPS)
    every = max(1, num_steps // _NUM_RECORDS)
    deadline = awake_seconds() + _MOST_SECONDS
    for step in steps(problem, program, gradient_of, scale=scale, num_steps=num_steps):
        if chosen is None:  # weights that do not matter, such as those of dark pixels, say nothing
            matter = np.flatnonzero(step.gradient)
            chosen = rng.permutation(matter if len(matter) else problem.layout.size)[:_NUM_WEIGHTS]
        if awake_seconds() > deadline:
            break
        if step.index % every == every - 1:
            own = dict(zip((s.target for s in program.statements), step.values, strict=True))
            own |= {WEIGHTS: step.weights, GRADIENT: step.gradient}
            own |= dict(zip(program.states, step.states, strict=True))
            own[LEARNING_RATE] = np.full_like(step.weights, step.lr)
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


class _Flattened(Sequence[np.ndarray]):
    """Values as vectors over all weights, each made when it is asked for."""

    def __init__(self, arrays: ArrayDomain, values: Sequence[Any]) -> None:
        self._arrays, self._values = arrays, values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: Any) -> Any:
        return _flat(self._arrays, self._values[place])


def _split(problem: FlatProblem, array: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays in a flat vector."""
    pairs = zip(problem.layout.bounds, problem.layout.shapes, strict=True)
    return tuple(array[start:end].reshape(shape) for (start, end), shape in pairs)


def _flat(domain: ArrayDomain, value: Any) -> np.ndarray:
    """A value of any type as one vector over all weights."""
    return np.concatenate([np.ravel(leaf) for leaf in domain.as_tree(value)])
