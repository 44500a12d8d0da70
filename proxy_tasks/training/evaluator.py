"""The one door: every optimizer, of whatever origin, is scored here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lion_search.dsl.encode import TooLargeError
from lion_search.dsl.functions import Function, own_functions
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.scores import Curve, Part, Score, Status
from lion_search.proxy_tasks.tasks import Task, find_task
from lion_search.proxy_tasks.training.batched import Batch, Numbered, Sizes, assemble, sizes_that_fit
from lion_search.proxy_tasks.training.compiled_loops import CompiledLoop, CompiledLoops
from lion_search.proxy_tasks.training.flags import pin_flags
from lion_search.proxy_tasks.training.loop import Trained, check_steps, make_train
from lion_search.proxy_tasks.training.modes import Mode, choose_mode
from lion_search.proxy_tasks.training.prepare import prepare
from lion_search.proxy_tasks.training.read_examples import PARTS
from lion_search.proxy_tasks.training.update_rules import Bound, Compiled, Interpreted, LossRule, Optimizer

LOOPS = CompiledLoops()
"""Of all evaluators of this process."""


class StepCost(NamedTuple):
    """What a training step takes beside the gradient and the update's arithmetic.

    Attributes:
        evaluations: of the loss of the batch, beyond the one that comes with the gradient: forward passes,
            the mean over the steps of a training. One of which the gradient is taken too counts once.
        state_bytes: kept from step to step, for each weight.
    """

    evaluations: float
    state_bytes: float


class Evaluator:
    """Scores optimizers on one task."""

    def __init__(self, task: str, mode: Mode | None = None, sizes: Sizes | None = None) -> None:
        """An evaluator of a task.

        Args:
            task: its reference.
            mode: how programs are run; by default what is fastest.
            sizes: of batches; by default what fits the device, where the mode and the device are for batches.

        Raises:
            TaskError: no such task, or it cannot be used.
            DataError: its data is missing or damaged.
        """
        self.task = find_task(task)
        self.problem = prepare(self.task)
        self.mode = mode or choose_mode(self.problem, jax.default_backend())
        self._examples = {part: jax.tree.map(jnp.asarray, getattr(self.problem, part)) for part in PARTS}
        in_batches = self.mode is Mode.BATCHED or (
            self.mode is Mode.COMPILED and jax.default_backend() != "cpu"
        )
        self._sizes = sizes or (sizes_that_fit(self.problem, jax.devices()[0]) if in_batches else None)

    def evaluate(self, subject: Program | Optimizer, part: Part, seeds: Sequence[int]) -> tuple[Score, ...]:
        """Trains an optimizer once for each seed.

        Args:
            subject: what to score; a program is run as the evaluator's mode says.
            part: where to measure the loss.
            seeds: of initial weights and batches.

        Returns:
            A score for each seed, up to and including the first failure.
        """
        return self.evaluate_together([subject], part, seeds)[0]

    def evaluate_together(
        self, subjects: Sequence[Program | Optimizer], part: Part, seeds: Sequence[int]
    ) -> list[tuple[Score, ...]]:
        """Trains optimizers once for each seed, in batches where there are any.

        Returns:
            For each optimizer a score for each seed, up to and including the first failure.
        """
        scores: dict[int, tuple[Score, ...]] = {}
        in_batches: dict[int, Bound] = {}
        for number, subject in enumerate(subjects):
            try:
                bound = self._optimizer(subject).bind(self.problem.layout)
            except TooLargeError as error:
                scores[number] = (self._too_large(part, seeds[0], error),)
                continue
            if self._sizes and not isinstance(bound.rule, LossRule):  # whose evaluations are counted
                in_batches[number] = bound
            else:
                scores[number] = self._one_by_one(bound, part, seeds)
        scores |= self._in_batches(in_batches, part, seeds)
        return [scores[number] for number in range(len(subjects))]

    def curve(self, subject: Program | Optimizer, part: Part, seed: int, num_points: int) -> Curve:
        """Trains an optimizer once and scores it on the way, at about evenly spaced steps from the first on.

        With early stopping these are the steps at which it looks at validation, whatever ``num_points``.

        Args:
            subject: what to train; a program alone, whatever the evaluator's mode.
            part: where to measure the loss.
            seed: of initial weights and batches.
            num_points: how often.

        Raises:
            TooLargeError: the interpreter does not take the program.
        """
        last = self.task.num_steps
        looks = check_steps(self.task) or [round(last * k / num_points) for k in range(1, num_points + 1)]
        after = tuple(sorted({0, *looks}))
        bound = self._optimizer(subject).bind(self.problem.layout)
        started = time.perf_counter()
        trained = self._trained(bound, part, seed, after)
        return Curve(after, tuple(map(float, trained.loss)), time.perf_counter() - started)

    def step_cost(self, subject: Program | Optimizer, seed: int = 0) -> StepCost:
        """Measures what a step takes, by a training where the optimizer looks at the loss.

        Args:
            subject: what to train; of a program the states are counted, whatever the evaluator's mode.
            seed: of initial weights and batches.
        """
        optimizer = Compiled(subject) if isinstance(subject, Program) else subject
        bound = optimizer.bind(self.problem.layout)
        weights = jax.ShapeDtypeStruct((self.problem.layout.size,), jnp.float32)
        state = jax.tree.leaves(jax.eval_shape(bound.rule.init, bound.theta, weights))
        state_bytes = sum(array.size * array.dtype.itemsize for array in state) / weights.size
        if not isinstance(bound.rule, LossRule):
            return StepCost(0.0, state_bytes)
        trained = self._trained(bound, Part.VALIDATION, seed)
        return StepCost(int(trained.num_evaluations) / max(1, int(trained.num_steps)), state_bytes)

    def train_function(self, bound: Bound, *, axes: Any = None, after: tuple[int, ...] = ()) -> CompiledLoop:
        """The jitted training loop of a rule, whose result is a :class:`Trained`; compiled at its first call.

        Args:
            bound: the rule.
            axes: of a batch; ``None`` for a single training, without a batch axis.
            after: for a learning curve, see :func:`make_train`.
        """
        pin_flags()  # an optimizer's module may have set them

        def make() -> Callable[..., Trained]:
            train = make_train(self.problem, bound.rule, batched=axes is not None, after=after)
            return train if axes is None else jax.vmap(train, in_axes=(axes, 0, None, None))

        return LOOPS.find((self, bound.key, after), make)

    def _optimizer(self, subject: Program | Optimizer) -> Optimizer:
        if not isinstance(subject, Program):
            return subject
        return Compiled(subject) if self.mode is Mode.COMPILED else Interpreted(subject)

    def _one_by_one(self, bound: Bound, part: Part, seeds: Sequence[int]) -> tuple[Score, ...]:
        scores = []
        for seed in seeds:
            scores.append(self._train(bound, part, seed))
            if scores[-1].status is not Status.OK:
                break
        return tuple(scores)

    def _in_batches(
        self, bounds: Mapping[int, Bound], part: Part, seeds: Sequence[int]
    ) -> dict[int, tuple[Score, ...]]:
        """Scores by number; where the device's memory does not do, in smaller batches from there on."""
        scores: dict[Numbered, Score] = {}
        waiting = [(number, seed) for number in bounds for seed in seeds]
        while waiting and self._sizes:
            try:
                for batch in assemble(bounds, waiting, self._sizes):
                    scores |= zip(batch.samples, self._train_batch(batch, part), strict=True)
            except jax.errors.JaxRuntimeError as error:
                smaller = self._sizes.halved()
                if "RESOURCE_EXHAUSTED" not in str(error) or smaller is None:
                    raise
                self._sizes = smaller  # the estimate was too bold
            waiting = [sample for sample in waiting if sample not in scores]
        return {number: _until_failure([scores[number, seed] for seed in seeds]) for number in bounds}

    def _train(self, bound: Bound, part: Part, seed: int) -> Score:
        started = time.perf_counter()
        trained = self._trained(bound, part, seed)
        seconds = time.perf_counter() - started
        return self._score(part, seed, float(trained.loss), int(trained.num_steps), seconds)

    def _trained(self, bound: Bound, part: Part, seed: int, after: tuple[int, ...] = ()) -> Any:
        """What a training gives, as NumPy."""
        train = self.train_function(bound, after=after)
        return train(bound.theta, seed, self._examples["train"], self._examples[part])

    def _train_batch(self, batch: Batch, part: Part) -> list[Score]:
        train = self.train_function(batch.bound, axes=batch.axes)
        started = time.perf_counter()
        examples = self._examples["train"], self._examples[part]
        trained = train(batch.bound.theta, batch.seeds, *examples)
        seconds = (time.perf_counter() - started) / len(batch.samples)
        return [
            self._score(part, seed, float(trained.loss[i]), int(trained.num_steps[i]), seconds)
            for i, (_, seed) in enumerate(batch.samples)
        ]

    def _score(self, part: Part, seed: int, loss: float, num_steps: int, seconds: float) -> Score:
        if not math.isfinite(loss):
            reason = f"not finite after step {num_steps} of {self.task.num_steps}"
            return Score(self.task.name, part, seed, Status.DIVERGED, None, num_steps, seconds, reason)
        return Score(self.task.name, part, seed, Status.OK, loss, num_steps, seconds)

    def _too_large(self, part: Part, seed: int, error: TooLargeError) -> Score:
        return Score(self.task.name, part, seed, Status.TOO_LARGE, None, 0, 0.0, str(error))


def _until_failure(scores: Sequence[Score]) -> tuple[Score, ...]:
    failures = (i for i, score in enumerate(scores) if score.status is not Status.OK)
    return tuple(scores[: next(failures, len(scores)) + 1])


def evaluator(task: str, mode: Mode | None = None) -> Evaluator:
    """This process's evaluator of a task; a user's own has one for each version of its function."""
    return _evaluator(task, mode, find_task(task), own_functions())


@cache
def _evaluator(task: str, mode: Mode | None, version: Task, own: tuple[Function, ...]) -> Evaluator:
    """One for each state of the table of functions, which is compiled into it."""
    return Evaluator(task, mode)
