"""Trains programs for experiments: on all tasks and many seeds, side by side with the original."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.run_jobs import run_jobs
from lion_search.proxy_tasks.scores import Part, Score, gain, level, mean_losses
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.simplify.experiments.stand_ins import Record


class OutOfTimeError(Exception):
    """The time for experiments is over."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """Where experiments are made.

    Attributes:
        pool: evaluates jobs.
        tasks: on which tasks, by name.
        should_stop: whether the time is over.
        scale: what updates are multiplied by, so that the original trains well on these tasks.
        record: records the values of a program along a training on each task; by default nothing.
    """

    pool: Pool
    tasks: tuple[str, ...]
    should_stop: Callable[[], bool] = field(default=lambda: False)
    scale: float = 1.0
    record: Record = field(default=lambda program, scale: ())

    def train(self, programs: Sequence[Program], seeds: Sequence[int]) -> list[list[tuple[Score, ...]]]:
        """Trains programs on validation data.

        Returns:
            For each program and seed its scores on the tasks, fewer after a failure.

        Raises:
            OutOfTimeError: the time was over first.
        """
        scaled = [canonicalise(scale_update(program, self.scale)).program() for program in programs]
        jobs = [
            Job(program, tuple((task, seed, Part.VALIDATION) for task in self.tasks))
            for seed in seeds
            for program in scaled
        ]
        scores = dict(run_jobs(self.pool, jobs, self.should_stop))
        if len(scores) < len(jobs):
            raise OutOfTimeError
        count = len(programs)
        return [[scores[at * count + i] for at in range(len(seeds))] for i in range(count)]


_MOST = 1.0
"""What one seed of a task counts at most, either way; a failure counts that."""


def difference(scores: Sequence[Score], original: Sequence[Score]) -> float:
    """By how much fitness is better than the original's, on one seed of each task; each counts +-1 at most.

    A mean over seeds must not hang on one of them.
    """
    losses, own = mean_losses(original), mean_losses(scores)
    if own is None:
        return 0.0 if losses is None else -_MOST
    if losses is None:
        return _MOST
    return fmean(max(-_MOST, min(_MOST, gain(task, loss, losses[task]))) for task, loss in own.items())


def mean_level(scores: Sequence[Sequence[Score]]) -> float:
    """Mean over seeds and tasks of the loss's level; infinite if any training failed."""
    total, count = 0.0, 0
    for own in scores:
        losses = mean_losses(own)
        if losses is None:
            return math.inf
        total += math.fsum(level(task, loss) for task, loss in losses.items())
        count += len(losses)
    return total / count
