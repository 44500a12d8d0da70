"""Optimizers side by side: the same tasks, part and seeds for all, so that they differ seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.run_jobs import evaluate_all
from lion_search.proxy_tasks.scores import Part, Score, Status, first_failure, overall_status, standard_error
from lion_search.proxy_tasks.workers.pool import Pool


@dataclass(frozen=True, slots=True)
class Measurement:
    """One optimizer on one task, over the same seeds as the others.

    Attributes:
        name: what it is called in the report.
        task: the task's name.
        scores: one for each seed; shorter if a training failed.
        num_seeds: how many there should be.
        subject: what the log calls it, if it is in one.
    """

    name: str
    task: str
    scores: tuple[Score, ...]
    num_seeds: int
    subject: str = ""

    @property
    def losses(self) -> tuple[float, ...]:
        """The task's metric for each seed that trained."""
        return tuple(s.loss for s in self.scores if s.status is Status.OK and s.loss is not None)

    @property
    def status(self) -> Status:
        """``ok``, or the first failure."""
        return overall_status(self.scores)

    @property
    def failure(self) -> Score | None:
        """The training that failed, if one did."""
        return first_failure(self.scores)

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN if any training failed."""
        return fmean(self.losses) if len(self.losses) == self.num_seeds else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over seeds."""
        return standard_error(self.losses)

    def difference(self, other: Measurement) -> tuple[float, float]:
        """Mean of this minus the other, seed by seed, and its standard error; negative is better."""
        pairs = [a - b for a, b in zip(self.losses, other.losses, strict=False)]
        if len(pairs) < self.num_seeds:
            return math.nan, math.nan
        return fmean(pairs), standard_error(pairs)


def compare(
    pool: Pool, subjects: Mapping[str, Subject], task: str, part: Part, seeds: Sequence[int]
) -> list[Measurement]:
    """Trains all subjects on the same seeds of a task; a row for each, in their order."""
    scores = evaluate_all(pool, list(subjects.values()), [task], part, seeds)
    return [Measurement(name, task, own, len(seeds)) for name, own in zip(subjects, scores, strict=True)]
